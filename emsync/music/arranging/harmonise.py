"""Every pitched note obeys the planned chord, in good voices."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from emsync.music.arranging.events import (
    ChordSpan,
    Event,
    SectionSpan,
    in_order,
    onsets,
    within,
)
from emsync.music.arranging.parts import Part
from emsync.music.arranging.voicing import into_range, nearest, voice_chord
from emsync.music.planning.grid import STEPS_PER_EIGHTH, STEPS_PER_QUARTER
from emsync.music.planning.plan import Chord, Plan

LONGEST_PASSING = STEPS_PER_QUARTER
"""Steps; a longer note outside the chord is heard as a wrong one, not as one that passes."""
WHOLE_STEP = 2
MOST_REPEATS = 2
"""Notes that may be repeated before the line has to move on."""
LONGEST_LEGATO = 4 * STEPS_PER_QUARTER
"""Steps that a chord is held on where the next one is late."""


@dataclass
class _Hand:
    """Where a group's voices are."""

    voicing: tuple[int, ...] = ()
    drawn: int | None = None
    """Last pitch of the drawn line."""
    played: int | None = None
    """What it became."""
    repeats: int = 0
    """Times in a row that the drawn line stayed on its note."""
    last: list[Event] = field(default_factory=list)
    """The notes struck last, as drawn."""


def harmonise(
    sections: Sequence[tuple[SectionSpan, dict[int, Part], Sequence[Event], Sequence[ChordSpan]]],
    plan: Plan,
) -> list[Event]:
    """Return the accompaniment of chords and lines, each note within the harmony of its time.

    Rhythm and register stay as drawn. Chords are struck anew where the harmony changes under
    them, with the voices led the shortest way; short notes off the beat may pass.

    Args:
        sections: each with its parts, its notes of the accompanying groups, sorted, and its
            chords.
        plan: of the piece.
    """
    hands: dict[int, _Hand] = {}
    known: dict[tuple[str, int, int, Chord], tuple[int, ...]] = {}
    out: list[Event] = []
    for section, parts, events, chords in sections:
        by_group = {group: [e for e in events if e.group == group] for group in parts}
        for chord in chords:
            sounding: tuple[int, ...] = ()
            for group, part in parts.items():
                hand = hands.setdefault(group, _Hand())
                before = hand.voicing
                if before and abs(sum(before) / len(before) - part.middle) > 7:
                    before = ()
                if before and (before[-1] > part.high or before[0] < part.low):
                    before = ()
                # An inversion is the business of the bass.
                same = replace(chord.chord, step=0, bass=None)
                here = section.section.letter, group, part.size, same
                voicing = known.get(here)
                # A chord that comes back sounds as before, so that figures return note by note.
                if voicing is None or voicing[0] < part.low or voicing[-1] > part.high:
                    voicing = voice_chord(
                        same, part.size, part.middle, part.low, part.high, before, sounding
                    )
                hand.voicing = known[here] = voicing
                sounding += hand.voicing
                notes = within(by_group[group], chord)
                out.extend(_play(part, notes, chord, hand, plan))
    return in_order(out)


def _play(
    part: Part, notes: Sequence[Event], chord: ChordSpan, hand: _Hand, plan: Plan
) -> list[Event]:
    """Return what a group plays while one chord lasts."""
    if part.role == "pad":
        return _hold(part, chord, hand)
    if part.role == "broken":
        return _break(part, chord, hand, plan)
    struck = list(onsets(notes))
    held = [n.moved(chord.start, n.end) for n in hand.last if n.end > chord.start]
    if struck:
        hand.last = struck[-1][1]
    until = struck[0][0] if struck else chord.end
    if until - chord.start >= STEPS_PER_EIGHTH and any(
        n.end - chord.start >= STEPS_PER_EIGHTH for n in held
    ):
        struck.insert(0, (chord.start, held))
    ends = [*[step for step, _ in struck][1:], chord.end]
    out: list[Event] = []
    for (step, together), following in zip(struck, ends[: len(struck)], strict=True):
        end = following if part.legato else max(note.end for note in together)
        end = min(end, chord.end, step + LONGEST_LEGATO if part.legato else chord.end)
        if len(together) == 1:
            pitches: tuple[int, ...] = (_follow(part, together[0].moved(step, end), hand, plan),)
        else:
            pitches = hand.voicing[-len(together) :]
        out.extend(Event(part.group, pitch, step, end) for pitch in pitches)
    return out


def _hold(part: Part, chord: ChordSpan, hand: _Hand) -> list[Event]:
    """Return a held chord, struck anew as often as its instrument needs it."""
    again, least = part.hold, min(part.hold, STEPS_PER_QUARTER) // 2
    grid = range((chord.start // again + 1) * again, chord.end, again)
    # A remainder of less than half a beat joins its neighbour.
    edges = [chord.start]
    edges += [at for at in grid if at - chord.start > least and chord.end - at > least]
    ends = [*edges[1:], chord.end]
    return [
        Event(part.group, pitch, start, end)
        for start, end in zip(edges, ends, strict=True)
        for pitch in hand.voicing
    ]


def _break(part: Part, chord: ChordSpan, hand: _Hand, plan: Plan) -> list[Event]:
    """Return a chord broken as its figure says, the lowest voice first, each ringing on."""
    out = []
    unit = part.unit
    # The figure stays on its grid, though a hit point between may strike the chord.
    grid = range((chord.start // unit + 1) * unit, chord.end, unit)
    for step in (chord.start, *(at for at in grid if at - chord.start > unit // 2)):
        place = (step % plan.metre.bar) // unit if step > chord.start else 0
        voices = {min(at, len(hand.voicing) - 1) for at in part.figure[place % len(part.figure)]}
        end = min(step + 2 * unit, chord.end)
        out += [Event(part.group, hand.voicing[at], step, end) for at in sorted(voices)]
    return out


def _follow(part: Part, note: Event, hand: _Hand, plan: Plan) -> int:
    """Return the pitch of a single note that keeps the contour of the drawn line.

    On the beat, when long, or when leapt to it is a chord tone; between, it may pass through the
    scale.
    """
    wish = into_range(note.pitch, part.low, max(part.high, part.low + 11))
    step = 0 if hand.drawn is None else note.pitch - hand.drawn
    passing = (
        note.start % plan.metre.beat != 0
        and note.end - note.start <= LONGEST_PASSING
        and 0 < abs(step) <= WHOLE_STEP
    )
    chord = plan.chord_at(note.start)
    classes = plan.scale_at(note.start) if passing else frozenset(chord.tones)
    pitch = nearest(wish, classes, part.low, part.high)
    hand.repeats = hand.repeats + 1 if step == 0 and hand.drawn is not None else 0
    if part.restless and hand.repeats >= MOST_REPEATS:
        pitch = hand.voicing[hand.repeats % len(hand.voicing)]
    if step and pitch == hand.played:
        # The line moves where it was drawn to move, to the next tone that way.
        beyond = range(pitch + 1, part.high + 1) if step > 0 else range(pitch - 1, part.low - 1, -1)
        pitch = next((at for at in beyond if at % 12 in classes), pitch)
    hand.drawn, hand.played = note.pitch, pitch
    return pitch
