"""Bass lines in the manner of each style.

A pattern is a text as in `emsync.training.craft.patterns`, with degrees for voices: `0` the lowest
note of the chord, `1` its fifth, `2` the octave, `3` the third, `4` the fifth below, `x` a step
into the next chord's root.
"""

import random

from emsync.music.arranging.events import BASS, ChordSpan, Event
from emsync.music.planning.grid import STEPS_PER_QUARTER, MetreName
from emsync.music.planning.plan import Chord, Plan
from emsync.training.craft.patterns import Level, parsed

LOWEST, HIGHEST = 28, 52
"""E1 to E3."""

FAMILIES: dict[str, dict[MetreName, tuple[str, ...]]] = {
    "held": {
        "4/4": ("0---------------",), "3/4": ("0-----------",), "6/8": ("0-----------",),
    },
    "pedal": {
        "4/4": ("0---------------", "0-------0-------"), "3/4": ("0-----------",),
        "6/8": ("0-----------", "0-----0-----"),
    },
    "halves": {
        "4/4": ("0-------0-------", "0-------1-------", "0-------3-------", "0-----------4---",
                "0-------2-------", "0-----------x---"),
        "3/4": ("0-------1---", "0-----------", "0-------x---"),
        "6/8": ("0-----1-----", "0-----0-----"),
    },
    "steps": {
        "4/4": ("0---1---3---x---", "0-------3---x---", "0---3---1---x---", "0---0---1---x---"),
        "3/4": ("0---3---x---", "0---1---x---"), "6/8": ("0-----3---x-", "0---1-3---x-"),
    },
    "roots": {
        "4/4": ("0-------0---0---", "0---0---0---0---", "0-----0-0-----0-", "0-----------0---",
                "0---------0-0---"),
        "3/4": ("0---0---0---", "0-------0---"), "6/8": ("0-----0-----", "0---0-0---0-"),
    },
    "fifths": {
        "4/4": ("0---....4---....", "0---4---0---4---", "0---....1---x---", "0-..1-..0-..1-..",
                "0---1---2---1---", "0---..0-4---..x-"),
        "3/4": ("0-------4---", "0---1---1---", "0---....1---", "0---1---x---"),
        "6/8": ("0---..4---..", "0---0-1---1-", "0-----1---x-"),
    },
    "downbeats": {
        "4/4": ("0---....1---....",),
        "3/4": ("0---........", "0-------....", "0---......../4---........", "0-----------",
                "0-------x---"),
        "6/8": ("0---..1---..",),
    },
    "pop": {
        "4/4": ("0-----0-0---1---", "0--0----0--0----", "0-----0-..0-2---", "0--0--0---0-1-2-",
                "0---..0-0---x---", "0-----0-----1---", "0-..0-0-..0-0-x-", "0--0..0.0--01.2.",
                "0-0-..0-..0-1-x-", "0-----2-0-----1-"),
        "3/4": ("0-----0-1---", "0---0-0-1---"), "6/8": ("0---0-1---1-", "0---0-0---x-"),
    },
    "pulse": {
        "4/4": ("0-0-0-0-0-0-0-0-", "0.0.0.0.0.0.0.0.", "0-000-000-000-00", "0-0-0-0-0-0-0-x-",
                "0-0-0-0-1-1-2-2-", "0000000000000000", "0-0-0-2-0-0-0-2-"),
        "3/4": ("0-0-0-0-0-0-", "0-000-000-00", "0-0-0-0-1-x-"),
        "6/8": ("0-0-0-0-0-0-", "0-0-0-0-1-x-", "0-000-0-000-"),
    },
    "octaves": {
        "4/4": ("0-2-0-2-0-2-0-2-", "0.2.0.2.0.2.0.2.", "0-002-000-002-00", "0-0-2-0-0-2-0-2-",
                "0---2---0---2---", "0-2-1-2-0-2-1-2-", "0-..2-0-..0-2-0-"),
        "3/4": ("0-2-0-2-0-2-", "0-2-1-2-1-2-"), "6/8": ("0-2-0-2-0-2-", "0-2-1-2-1-2-"),
    },
    "offbeats": {
        "4/4": ("..0-..0-..0-..0-", "..0-..0-..0-..2-", "..00..00..00..00", "0.00..00..00..02",
                "..0-..2-..0-..2-"),
        "3/4": ("..0-..0-..0-",), "6/8": ("..0-0-..0-0-",),
    },
    "funk": {
        "4/4": ("0..0..2...0.12..", "0-.0..0.2-..0.1.", "0.0..0..1.2...0.", "0-..00..2.0..1..",
                "0..2..0.0..1.2.0", "0.0.2...0..0.12.", "0--...0.02..1.x-/0--...0.02...0.."),
        "3/4": ("0..0..2..1..",), "6/8": ("0..2..0..1..",),
    },
    "reggae": {
        "4/4": ("0-----1-3---1---", "....0-..1-..3-..", "0---0---..1-3-..", "0-0-..3-1---....",
                "....0-0-3-..1-..", "0-..1-2-......1-"),
        "3/4": ("0---1---3---",), "6/8": ("0---1-3-----",),
    },
    "bossa": {
        "4/4": ("0-----1-1-----0-", "0-----0-4-----4-", "0-----1-1-----x-", "0-----1-0-----1-"),
        "3/4": ("0---..1-1---",), "6/8": ("0---1-1---0-",),
    },
    "latin": {
        "4/4": ("0-----1-----2---", "0-----1---..2---", "......1-----2---", "0--1--2---1-2---",
                "0-----0-1-----2-"),
        "3/4": ("0---..1-2---",), "6/8": ("0---1-2---1-",),
    },
}  # fmt: skip
WALKING = ("0313", "0132", "0123", "0321", "0231", "0103", "0313")


def write_bassline(
    plan: Plan,
    spans: list[ChordSpan],
    family: str,
    stretch: tuple[int, int],
    level: Level,
    rng: random.Random,
) -> list[Event]:
    """Return a bass line for the steps from `stretch[0]` to `stretch[1]`.

    Args:
        plan: of the piece; its metre counts here.
        spans: its chords.
        family: key of `FAMILIES`, or `walking`.
        stretch: first step and end.
        level: of the section; the livelier, the busier.
        rng: chooses the pattern, and what a walking bass does.
    """
    inside = [s for s in spans if s.end > stretch[0] and s.start < stretch[1]]
    if family == "walking" and plan.metre.name != "6/8":
        return _walk(inside, stretch, rng)
    family = "fifths" if family == "walking" else family
    table = FAMILIES[family][plan.metre.name]
    bars = parsed(level.choose(rng, table, plan.metre.bar), plan.metre.bar)
    line: list[Event] = []
    before = 38
    for place, span in enumerate(inside):
        following = inside[place + 1].chord if place + 1 < len(inside) else span.chord
        root = _near(span.chord.lowest, 0.5 * before + 19, LOWEST, HIGHEST - 8)
        first, last = max(span.start, stretch[0]), min(span.end, stretch[1])
        notes = []
        for bar in range(first // plan.metre.bar, -(-last // plan.metre.bar)):
            for event in bars[bar % len(bars)]:
                at = bar * plan.metre.bar + event.offset
                if first <= at < last:
                    code = event.code
                    # A step into the next chord sounds odd unless the chord changes there.
                    if code == "x" and (following is span.chord or at + event.length < last):
                        code = "1"
                    end = min(at + event.length, last)
                    notes.append(Event(BASS, _degree(span.chord, root, code, following), at, end))
        if family not in ("offbeats", "reggae", "latin"):
            if not notes or notes[0].start > first:
                notes.insert(0, Event(BASS, root, first, notes[0].start if notes else last))
            else:
                notes[0] = notes[0].at_pitch(root)
        line += notes
        before = root
    return line


def _near(pitch_class: int, middle: float, low: int, high: int) -> int:
    """Return the pitch of that class nearest to `middle` within the range."""
    found = [p for p in range(low, high + 1) if p % 12 == pitch_class]
    return min(found, key=lambda p: (abs(p - middle), p))


def _degree(chord: Chord, root: int, code: str, following: Chord) -> int:
    """Return the pitch that a character of a pattern stands for."""
    if code == "x":
        goal = _near(following.lowest, root, LOWEST, HIGHEST)
        return goal - 1 if goal > root and goal - 1 >= LOWEST else goal + 2
    above = sorted((tone - root) % 12 or 12 for tone in chord.tones)
    fifth = next((i for i in above if i in (6, 7, 8)), above[0])
    third = next((i for i in above if i in (3, 4)), fifth)
    if code in "14":
        low = root + fifth - 12
        return low if code == "4" and low >= LOWEST else root + fifth
    return {"0": root, "2": root + 12 if root + 12 <= HIGHEST else root, "3": root + third}[code]


def _walk(inside: list[ChordSpan], stretch: tuple[int, int], rng: random.Random) -> list[Event]:
    """Return quarters that go through each chord and step into the next one's root."""
    line: list[Event] = []
    before = 38
    for place, span in enumerate(inside):
        first, last = max(span.start, stretch[0]), min(span.end, stretch[1])
        root = _near(span.chord.lowest, 0.6 * before + 15.6, LOWEST, HIGHEST - 9)
        following = inside[place + 1].chord if place + 1 < len(inside) else span.chord
        shape = rng.choice(WALKING)
        at, number = first, 0
        while at < last:
            end = min(at + STEPS_PER_QUARTER, last)
            pitch = _degree(span.chord, root, shape[number % 4], following)
            if end == last and number and following is not span.chord:
                goal = _near(following.lowest, 0.6 * root + 15.6, LOWEST, HIGHEST - 9)
                pitch = max(goal + rng.choice((-1, 1, 2, -2)), LOWEST)
            line.append(Event(BASS, pitch, at, end))
            at, number = end, number + 1
        before = root
    return line
