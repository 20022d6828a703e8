"""Bass lines: the drawn ones made to obey the chords, and lines written from scratch."""

import random
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from emsync.music.arranging.events import (
    BASS,
    ChordSpan,
    Event,
    Span,
    chord_spans,
    section_spans,
    within,
)
from emsync.music.arranging.voicing import nearest
from emsync.music.planning.grid import STEPS_PER_EIGHTH, STEPS_PER_QUARTER
from emsync.music.planning.plan import Chord, Plan

LOWEST, HIGHEST = 28, 50
"""E1, the lowest string of a bass guitar, to D3."""
HOME = 38
"""Around which a written line begins."""
FAR_FROM_HOME = 8
LARGEST_LEAP = 7
"""Semitones from one drawn note to the next; wider ones but the octave are folded."""
WALKING = ("jazz",)
APPROACHED = ("jazz", "pop", "rock", "folk", "waltz", "piano")
"""Styles in which the last note before a change may lead into the next root by a step."""

Pattern = tuple[tuple[int, int, int], ...]
"""(offset, length, degree) in steps; degree 0 root, 5 fifth, 8 octave."""

_FOUR: dict[str, tuple[Pattern, Pattern, Pattern]] = {
    # Calm, middle and energetic, for a bar of 4/4: the figures of the styles' usual basses.
    "cinematic": (
        ((0, 48, 0),),
        ((0, 24, 0), (24, 24, 0)),
        tuple((at, 6, 0) for at in range(0, 48, 6)),
    ),
    "piano": (((0, 48, 0),), ((0, 24, 0), (24, 24, 5)), ((0, 24, 0), (24, 12, 5), (36, 12, 8))),
    "pop": (
        ((0, 24, 0), (24, 24, 0)),
        ((0, 18, 0), (18, 6, 0), (24, 18, 0), (42, 6, 5)),
        ((0, 12, 0), (18, 6, 0), (24, 12, 0), (36, 6, 8), (42, 6, 5)),
    ),
    "rock": (
        ((0, 24, 0), (24, 24, 0)),
        tuple((at, 6, 0) for at in range(0, 48, 6)),
        (*((at, 6, 0) for at in range(0, 36, 6)), (36, 6, 8), (42, 6, 5)),
    ),
    "electronic": (
        ((0, 36, 0),),
        tuple((at + 6, 6, 0) for at in range(0, 48, 12)),
        tuple((at, 6, 8 if at % 12 else 0) for at in range(0, 48, 6)),
    ),
    "folk": (
        ((0, 24, 0), (24, 24, 5)),
        ((0, 24, 0), (24, 24, 5)),
        ((0, 12, 0), (12, 12, 5), (24, 12, 0), (36, 12, 5)),
    ),
}
_THREE: tuple[Pattern, Pattern, Pattern] = (
    ((0, 36, 0),),
    ((0, 24, 0), (24, 12, 5)),
    ((0, 12, 0), (12, 12, 5), (24, 12, 8)),
)
_SIX: tuple[Pattern, Pattern, Pattern] = (
    ((0, 36, 0),),
    ((0, 18, 0), (18, 18, 5)),
    ((0, 12, 0), (12, 6, 8), (18, 12, 5), (30, 6, 0)),
)


def write_bass(
    plan: Plan, style: str, rng: random.Random, span: tuple[int, int] | None = None
) -> list[tuple[int, int, int]]:
    """Return a bass line as (start, end, pitch) in steps, for the sections with a bass.

    Each style has its usual figure, calmer or busier by the section's energy; jazz walks in
    quarters. Roots sound where chords begin.

    Args:
        plan: of the piece.
        style: one of `settings.Style` but "auto".
        rng: decides between equally good ways on.
        span: first step and end of the stretch wanted; the whole piece if None.
    """
    start, end = span or (0, plan.end)
    last = plan.cadence if plan.cadence is not None else plan.end
    spans = chord_spans(plan)
    line: list[tuple[int, int, int]] = []
    for section in section_spans(plan):
        if "bass" not in section.section.groups:
            continue
        for index, chord in enumerate(spans):
            a = max(chord.start, section.start, start)
            b = min(chord.end, section.end, end, last)
            if a >= b:
                continue
            following = spans[index + 1].chord if index + 1 < len(spans) else None
            here = ChordSpan(a, b, chord.chord)
            before = line[-1][2] if line else HOME
            if style in WALKING and plan.metre.beat == STEPS_PER_QUARTER:
                line += _walk(plan, here, following, before, rng)
            else:
                line += _figure(plan, here, style, section.section.energy, before)
    if plan.cadence is not None and start <= plan.cadence < end:
        before = line[-1][2] if line else HOME
        root = plan.chord_at(plan.cadence).root
        line.append((plan.cadence, plan.end, nearest(before, (root,), LOWEST, HIGHEST)))
    return line


def _figure(
    plan: Plan, chord: ChordSpan, style: str, energy: float, before: int
) -> list[tuple[int, int, int]]:
    """Return the style's figure while one chord lasts."""
    level = 0 if energy < 0.35 else 1 if energy < 0.7 else 2
    if plan.metre.name == "4/4":
        pattern = _FOUR.get(style, _FOUR["cinematic"])[level]
    else:
        pattern = (_THREE if plan.metre.name == "3/4" else _SIX)[level]
    root = nearest((before + HOME) / 2, (chord.chord.lowest,), LOWEST, HIGHEST - 7)
    notes: list[tuple[int, int, int]] = []
    bar = plan.metre.bar
    for line in range(chord.start // bar * bar, chord.end, bar):
        for offset, length, degree in pattern:
            at, until = line + offset, min(line + offset + length, chord.end)
            if chord.start <= at < chord.end:
                notes.append((at, until, _degree(chord.chord, root, degree)))
    if not notes or (notes[0][0] > chord.start and style != "electronic"):
        # A chord that begins within the figure is told by its root.
        until = notes[0][0] if notes else chord.end
        notes.insert(0, (chord.start, until, root))
    elif notes[0][0] == chord.start:
        notes[0] = (*notes[0][:2], root)
    return notes


def _degree(chord: Chord, root: int, degree: int) -> int:
    """Return the fifth or octave above `root`; below it where the range ends."""
    if degree == 8:
        return root + 12 if root + 12 <= HIGHEST else root
    if degree == 5:
        fifth = next((t for t in chord.tones if (t - root) % 12 in (6, 7, 8)), root % 12)
        return nearest(root + 2, (fifth,), LOWEST, HIGHEST)
    return root


def _walk(
    plan: Plan, chord: ChordSpan, following: Chord | None, before: int, rng: random.Random
) -> list[tuple[int, int, int]]:
    """Return quarters that walk through one chord and step into the next root."""
    steps = list(range(chord.start, chord.end, STEPS_PER_QUARTER))
    # A line that strayed to the end of its range is called back.
    wish = before if abs(before - HOME) <= FAR_FROM_HOME else (before + HOME) / 2
    pitch = nearest(wish, (chord.chord.lowest,), LOWEST, HIGHEST)
    pitches = [pitch]
    rising = pitch < HOME or (pitch < HOME + 6 and rng.random() < 0.5)
    for step in steps[1:]:
        strong = step % (2 * STEPS_PER_QUARTER) == 0
        classes = frozenset(chord.chord.tones) if strong else plan.scale_at(step)
        if pitches[-1] + 5 > HIGHEST or pitches[-1] - 5 < LOWEST:
            rising = pitches[-1] < HOME
        ways = range(pitches[-1] + 1, pitches[-1] + 6)
        if not rising:
            ways = range(pitches[-1] - 1, pitches[-1] - 6, -1)
        pitches.append(next((p for p in ways if p % 12 in classes), pitches[-1]))
    if following is not None and len(pitches) > 1:
        # The last note leads by a half or whole step into the next root, from the nearer side.
        goal = nearest(pitches[-2], (following.lowest,), LOWEST, HIGHEST)
        side = -1 if pitches[-2] <= goal else 1
        approach = goal + side * rng.choice((1, 2))
        if approach % 12 not in plan.scale_at(steps[-1]):
            approach = goal + side * (1 if approach == goal + 2 * side else 2)
        if approach == pitches[-2]:
            approach = goal + side * (3 - abs(approach - goal))
        pitches[-1] = approach
    ends = [*steps[1:], chord.end]
    return [(a, b, p) for a, b, p in zip(steps, ends, pitches, strict=True) if a < b]


def obey_bass(events: Sequence[Event], plan: Plan, chords: Sequence[ChordSpan]) -> list[Event]:
    """Return a drawn bass line with its rhythm, made to obey the `chords` of its section.

    The lowest of notes struck together stays. The root, or the bass that the chord asks for, sounds
    where the chord or a bar begins; elsewhere root, fifth and octave, steps where the line was
    drawn stepping, and a step into the next root at the end. A note held over a change is struck
    anew.
    """
    line: list[Event] = []
    for event in sorted(events, key=lambda e: (e.start, e.pitch)):
        if not line or event.start > line[-1].start:
            line.append(event)
    line = [
        e.moved(e.start, min(e.end, following.start)) for e, following in pairwise(line)
    ] + line[-1:]
    out: list[Event] = []
    drawn = played = None
    for chord in chords:
        a, b = chord.start, chord.end
        notes = list(within(line, Span(a, b)))
        earlier = bisect_left(line, a, key=lambda e: e.start) - 1
        carried = line[earlier] if earlier >= 0 and line[earlier].end > a else None
        if carried is not None and (not notes or notes[0].start - a >= STEPS_PER_EIGHTH):
            until = min(notes[0].start if notes else b, carried.end)
            notes = [carried.moved(a, until), *notes]
        for index, note in enumerate(notes):
            first = index == 0 or note.start % plan.metre.bar == 0
            leads = index == len(notes) - 1 and index > 0
            pitch = _obey(plan, chord, note, first, leads, drawn, played)
            drawn, played = note.pitch, pitch
            out.append(Event(BASS, pitch, note.start, min(note.end, b)))
    return [e for e in out if e.end > e.start]


def _obey(
    plan: Plan,
    chord: ChordSpan,
    note: Event,
    first: bool,
    leads: bool,
    drawn: int | None,
    played: int | None,
) -> int:
    """Return the pitch that a drawn bass note gets."""
    while note.pitch > HIGHEST - 4:
        note = note.at_pitch(note.pitch - 12)
    if drawn is not None and LARGEST_LEAP < abs(note.pitch - drawn) != 12:
        # A bass that jumps about has no line; octaves are a figure of their own.
        note = note.at_pitch(note.pitch + (12 if note.pitch < drawn else -12))
    if first or drawn is None or played is None:
        return nearest(note.pitch, (chord.chord.lowest,), LOWEST, HIGHEST)
    goal = plan.chord_at(chord.end).lowest
    short = note.end - note.start <= STEPS_PER_QUARTER
    if leads and short and plan.style in APPROACHED and note.pitch != drawn:
        above = nearest(played, (goal,), LOWEST, HIGHEST)
        side = -1 if played < above else 1
        for distance in (2, 1):
            if (above + side * distance) % 12 in plan.scale_at(note.start):
                return above + side * distance
    tones = chord.chord.tones
    step = note.pitch - drawn
    if 0 < abs(step) <= 2 and short and note.start % plan.metre.beat:
        return nearest(played + step, plan.scale_at(note.start), LOWEST, HIGHEST)
    if step == 0:
        return played if played % 12 in tones else nearest(note.pitch, tones[:1], LOWEST, HIGHEST)
    return nearest(note.pitch, (chord.chord.lowest, tones[0], tones[2]), LOWEST, HIGHEST)
