"""Melodies: a tune for each letter of the form, and how it is sung over the chords of a section.

A tune is written in degrees of the scale, so that it can return in another key, mode and harmony
and still be known: only notes that the chords of the moment do not bear move, mostly by a step.

The craft is that of the textbooks: two-bar motifs that are repeated, moved or answered in phrases
of four bars, sentence or period (Caplin, "Classical Form"); steps with few leaps, which turn back
by step, and an arch with its peak about two thirds in (Narmour; Huron, "Sweet Anticipation"); chord
tones on strong beats, cadences on dominant and tonic, a breath after each phrase.
"""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from emsync.music.arranging.cells import (
    CELLS,
    Cell,
    choose,
    liveliness,
    times_of,
)
from emsync.music.arranging.events import SectionSpan, section_spans
from emsync.music.arranging.voicing import nearest
from emsync.music.planning.grid import STEPS_PER_EIGHTH, STEPS_PER_QUARTER
from emsync.music.planning.plan import SCALES, ModeName, Plan

LONGEST_TUNE = 8
"""Bars; a longer section sings its tune again."""
SCALE_SIZE = 7
PEAK = 0.65
"""Share of the tune at which it is highest (Huron: melodic arches peak late)."""
ARCH = 4.0
"""Degrees of the scale that the arch rises."""
BEAM = 24
"""Continuations that are kept while a tune is laid over its chords."""
STEPS_ABOVE = 2
"""Semitones that the last note may lie above the range, rather than fall an octave."""
TRIES = 16
"""Contours of which the best is taken."""
PICKUP_SHARE = 0.5
"""Phrases after the first that begin with an upbeat."""


@dataclass(frozen=True)
class TuneNote:
    """One note of a tune."""

    offset: int
    """Steps after the first bar line; negative in an upbeat."""
    length: int
    degree: int
    """Steps of the scale above the tonic, seven an octave."""
    alter: int = 0
    """Semitones by which the note lies outside the scale."""


@dataclass(frozen=True)
class Tune:
    """A melody free of key and mode."""

    notes: tuple[TuneNote, ...]
    steps: int
    """Its length, whole bars."""


@dataclass(frozen=True)
class _Bar:
    """What a bar of a tune is made of."""

    label: str
    """Bars of one label share rhythm and contour."""
    cell: Cell
    contour: tuple[int, ...]
    """Degrees of its notes above the first."""
    ending: bool = False
    """Whether a phrase ends here."""


def write_melody(
    plan: Plan, section: int | str, low: int, high: int, rng: random.Random
) -> list[tuple[int, int, int]]:
    """Return a melody for one section as (start, end, pitch) in steps, one note at a time.

    Args:
        plan: of the piece.
        section: its place in `plan.sections`, or the letter whose first section is meant.
        low: lowest pitch; the range should span an octave and a half or more.
        high: highest pitch.
        rng: draws rhythm and contour.

    Raises:
        ValueError: no such section.
    """
    for span in section_spans(plan):
        if section in (span.index, span.section.letter):
            return sing(write_tune(plan, span, rng), plan, span, low, high)
    raise ValueError(f"the plan has no section {section!r}")


def write_tune(plan: Plan, span: SectionSpan, rng: random.Random) -> Tune:
    """Return a tune for a section, written over its chords.

    It has as many bars as the section, eight at most.
    """
    bar = plan.metre.bar
    origin = -(-span.start // bar) * bar
    count = min(LONGEST_TUNE, max(1, (span.end - origin) // bar))
    bars = _lay_out(plan, span, count, rng)
    starts = _place(bars, plan, span, origin)
    notes: list[TuneNote] = []
    for index, (piece, start) in enumerate(zip(bars, starts, strict=True)):
        times = times_of(piece.cell)
        opens = index > 0 and bars[index - 1].ending
        if opens and rng.random() < PICKUP_SHARE and notes:
            notes = _with_pickup(notes, index * bar, start, rng)
        for (offset, length), step in zip(times, piece.contour, strict=True):
            notes.append(TuneNote(index * bar + offset, length, start + step))
        if piece.ending:
            # A singer has to breathe.
            last = notes[-1]
            notes[-1] = replace(last, length=max(STEPS_PER_EIGHTH, last.length - STEPS_PER_EIGHTH))
    return Tune(tuple(notes), count * bar)


def _lay_out(plan: Plan, span: SectionSpan, count: int, rng: random.Random) -> list[_Bar]:
    """Return the bars of a tune: motif, repetition, contrast and cadences, in phrases."""
    level = liveliness(span.section.arousal, span.section.energy)
    cells = CELLS[plan.metre.name][level]
    first = choose(cells.opening, rng)
    second = choose(cells.answer, rng)
    contrast = choose(cells.opening, rng, unlike=first)
    halfway, close = choose(cells.cadence, rng), choose(cells.cadence, rng)
    made = {
        "m": _Bar("m", first, _contour(first, rng)),
        "n": _Bar("n", second, _contour(second, rng)),
        "f": _Bar("f", contrast, _contour(contrast, rng)),
        "x": _Bar("x", halfway, _closing(halfway, rng), ending=True),
        "y": _Bar("y", close, _closing(close, rng), ending=True),
    }
    forms: dict[int, Sequence[str]] = {
        1: ("y",),
        2: ("my",),
        3: ("mmy",),
        4: ("mnmy", "mmfy", "mfmy"),
        5: ("mnmny", "mmffy"),
        6: ("mnmxmy", "mnmnfy"),
        7: ("mnmxmfy", "mnmnffy"),
        8: ("mnmxmnmy", "mnmxffmy", "mfmxmffy", "mmfxmmfy"),
    }
    return [made[label] for label in rng.choice(forms[count])]


def _contour(cell: Cell, rng: random.Random) -> tuple[int, ...]:
    """Return a contour for a bar: steps, perhaps a leap that turns back, and a change of direction.

    The best of several at random.
    """
    size = len(times_of(cell))
    best: tuple[float, tuple[int, ...]] | None = None
    for _ in range(TRIES):
        moves: list[int] = []
        while len(moves) < size - 1:
            if moves and abs(moves[-1]) > 2:
                move = -1 if moves[-1] > 0 else 1
            else:
                move = rng.choices((1, -1, 2, -2, 3, -3, 4, 0), (26, 30, 9, 8, 4, 3, 2, 8))[0]
            moves.append(move)
        places = [0]
        for move in moves:
            places.append(places[-1] + move)
        turns = sum((a > 0) != (b > 0) for a, b in pairwise(moves))
        leaps = sum(abs(move) > 1 for move in moves)
        cost = abs(places[-1]) + 2.0 * max(0, max(places) - min(places) - 4)
        cost += 2.0 * abs(leaps - 1) + 1.0 * abs(turns - 1) + 1.5 * moves.count(0)
        if best is None or cost < best[0]:
            best = cost, tuple(places)
    assert best is not None
    return best[1]


def _closing(cell: Cell, rng: random.Random) -> tuple[int, ...]:
    """Return a contour that falls, or at times rises, by step into its last note."""
    size = len(times_of(cell))
    direction = rng.choices((1, -1), (3, 1))[0]
    return tuple(direction * (size - 1 - index) for index in range(size))


def _place(bars: Sequence[_Bar], plan: Plan, span: SectionSpan, origin: int) -> list[int]:
    """Return the degree at which each bar begins, so that the tune fits chords and arch best."""
    degrees = range(-3, 12)
    beam: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for index in range(len(bars)):
        options = []
        for cost, starts in beam:
            for start in degrees:
                more = _cost_of(bars, index, starts, start, plan, span, origin)
                options.append((cost + more, (*starts, start)))
        beam = sorted(options)[:BEAM]
    return list(beam[0][1])


def _cost_of(
    bars: Sequence[_Bar],
    index: int,
    starts: tuple[int, ...],
    start: int,
    plan: Plan,
    span: SectionSpan,
    origin: int,
) -> float:
    """Return how badly the bar `index` would sit when begun at the degree `start`."""
    piece, section, bar = bars[index], span.section, plan.metre.bar
    line = origin + index * bar
    times = times_of(piece.cell)
    places = [start + step for step in piece.contour]
    cost = 0.0
    for (offset, length), degree in zip(times, places, strict=True):
        tone = _pitch(section.key, section.mode, degree) % 12
        if tone not in plan.chord_at(line + offset).tones:
            fits = tone in bearable(plan, line + offset, length)
            strong = is_strong(plan, line + offset, length)
            cost += (1.2 if fits else 2.0) if strong else (0.0 if fits else 0.7)
    arch = 1.0 + ARCH * (1 - abs((index + 0.5) / len(bars) - PEAK) / PEAK)
    cost += 0.5 * abs(sum(places) / len(places) - arch)
    cost += 4.0 * sum(not -3 <= degree <= 8 for degree in places)
    if index:
        step = abs(start - (starts[-1] + bars[index - 1].contour[-1]))
        cost += (0.6, 0.0, 0.3, 0.8, 1.2, 2.5)[step] if step < 6 else 5.0
    earlier = [at for at, other in enumerate(bars[:index]) if other.label == piece.label]
    if earlier:
        moved = abs(start - starts[earlier[0]])
        cost += (0.0, 0.8, 1.0, 1.4, 1.6)[moved] if moved < 5 else 2.5
    if piece.ending:
        last = places[-1] % SCALE_SIZE
        cost += 0.6 * max(0, places[-1] - 4)
        if index == len(bars) - 1:
            cost += 0.0 if last == 0 else 2.0 if last in (2, 4) else 4.0
        else:
            cost += 1.5 if last == 0 else 0.0 if last in (1, 4, 6) else 0.7
    return cost


def _with_pickup(
    notes: list[TuneNote], line: int, degree: int, rng: random.Random
) -> list[TuneNote]:
    """Return the notes with an upbeat of one or two eighths that leads to `degree` at `line`."""
    size = rng.choice((1, 2, 2))
    begin = line - size * STEPS_PER_EIGHTH
    last = notes[-1]
    breath = begin - STEPS_PER_EIGHTH
    if breath - last.offset < STEPS_PER_QUARTER:
        return notes
    notes = [*notes[:-1], replace(last, length=min(last.length, breath - last.offset))]
    side = -1 if last.degree <= degree else 1
    return notes + [
        TuneNote(begin + at * STEPS_PER_EIGHTH, STEPS_PER_EIGHTH, degree + side * (size - at))
        for at in range(size)
    ]


def is_strong(plan: Plan, step: int, length: int) -> bool:
    """Return whether a note is heard as belonging to the chord: on a strong beat, or long."""
    half = plan.metre.bar // 2 if plan.metre.name != "3/4" else plan.metre.bar
    return step % half == 0 or length >= STEPS_PER_QUARTER + STEPS_PER_EIGHTH


def bearable(plan: Plan, step: int, length: int) -> frozenset[int]:
    """Return the pitch classes that a melody may sound at `step` for `length` steps.

    On weak beats the scale; on strong ones, and for long, chord tones and those of the scale that
    rub against none of them, such as ninths and sixths, unless they last for two beats.
    """
    tones, scale = frozenset(plan.chord_at(step).tones), plan.scale_at(step)
    colours = {c for c in scale if not {(c + 1) % 12, (c - 1) % 12} & tones}
    if length >= 2 * STEPS_PER_QUARTER:
        return tones
    if is_strong(plan, step, length):
        return tones | colours
    if length >= STEPS_PER_QUARTER:
        return scale - {(tone + 1) % 12 for tone in tones} | tones
    return scale


def _pitch(key: int, mode: ModeName, degree: int, alter: int = 0) -> int:
    """Return the pitch of a degree; degree 0 is the tonic from C to B in MIDI octave 0."""
    octave, place = divmod(degree, SCALE_SIZE)
    return key + 12 * octave + SCALES[mode][place] + alter


def sing(
    tune: Tune, plan: Plan, span: SectionSpan, low: int, high: int
) -> list[tuple[int, int, int]]:
    """Return a tune as (start, end, pitch) over the chords of a section, one note at a time.

    It begins at the first bar line of the section and starts again when it is over. Notes on strong
    beats and long ones move to the nearest chord tone where they are none, unless they are held
    back and resolve down by step; the others belong to the scale. A note that the next chord does
    not bear moves on with it.
    """
    bar = plan.metre.bar
    origin = -(-span.start // bar) * bar
    end = span.end if plan.cadence is None else min(span.end, plan.cadence)
    base = _octave(tune, span, low, high)
    out: list[tuple[int, int, int]] = []
    for cycle in range(origin, end, tune.steps):
        for index, note in enumerate(tune.notes):
            at = cycle + note.offset
            if not span.start <= at < end:
                continue
            following = tune.notes[index + 1] if index + 1 < len(tune.notes) else None
            before = tune.notes[index - 1] if index else None
            played = out[-1][2] if out else None
            heard = _heard_from(plan, at, min(at + note.length, end))
            pitch = _fit(note, before, following, played, plan, span, base, heard, (low, high))
            if out:
                out[-1] = (out[-1][0], min(out[-1][1], at), out[-1][2])
            until = min(at + note.length, end)
            changed = _over_changes(plan, heard, until, pitch, low, high)
            out += [(at, *changed[0][1:]), *changed[1:]]
    return [(a, b, p) for a, b, p in out if b > a]


def _octave(tune: Tune, span: SectionSpan, low: int, high: int) -> int:
    """Return the multiple of twelve that puts a tune best into its range."""
    pitches = [_pitch(span.section.key, span.section.mode, n.degree, n.alter) for n in tune.notes]
    middle = (low + high) / 2

    def misfit(octave: int) -> float:
        outside = sum(max(0, low - p - octave) + max(0, p + octave - high) for p in pitches)
        return outside + abs(sum(pitches) / len(pitches) + octave - middle)

    return min(range(24, 108, 12), key=misfit)


def _fit(
    note: TuneNote,
    before: TuneNote | None,
    following: TuneNote | None,
    played: int | None,
    plan: Plan,
    span: SectionSpan,
    base: int,
    at: int,
    bounds: tuple[int, int],
) -> int:
    """Return the pitch of one note of a tune over the chord of the moment."""
    section = span.section
    low, high = bounds
    pitch = _pitch(section.key, section.mode, note.degree, note.alter) + base
    while pitch > high:
        pitch -= 12
    while pitch < low:
        pitch += 12
    tones, classes = frozenset(plan.chord_at(at).tones), bearable(plan, at, note.length)
    if pitch % 12 not in classes and pitch % 12 in plan.scale_at(at) and following is not None:
        # A suspension or appoggiatura: a whole step above the chord tone that follows.
        resolves = following.degree == note.degree - 1 and note.length <= STEPS_PER_QUARTER
        if resolves and (pitch - 2) % 12 in tones and (pitch - 1) % 12 not in tones:
            return pitch
    if pitch % 12 not in classes:
        pitch = nearest(pitch, classes, low, high)
    moves = 0 if before is None else note.degree - before.degree
    if moves and pitch == played:
        # The tune was to move on.
        ways = range(pitch + 1, high + 1) if moves > 0 else range(pitch - 1, low - 1, -1)
        pitch = next((p for p in ways if p % 12 in classes and abs(p - pitch) <= 5), pitch)
    return pitch


def _heard_from(plan: Plan, start: int, end: int) -> int:
    """Return the step from which a note is heard with its chord.

    A note less than an eighth before a change anticipates the new chord.
    """
    at = bisect_right(plan.chords, start, key=lambda c: c.step)
    if at < len(plan.chords) and plan.chords[at].step < min(start + STEPS_PER_EIGHTH, end):
        return plan.chords[at].step
    return start


def _over_changes(
    plan: Plan, start: int, end: int, pitch: int, low: int, high: int
) -> list[tuple[int, int, int]]:
    """Return a note that moves to the next chord tone where a chord does not bear it."""
    out: list[tuple[int, int, int]] = []
    first = bisect_right(plan.chords, start, key=lambda c: c.step)
    for at in range(first, bisect_left(plan.chords, end, key=lambda c: c.step)):
        step = plan.chords[at].step
        if pitch % 12 in bearable(plan, step, end - step):
            continue
        out.append((start, step, pitch))
        if end - step < STEPS_PER_QUARTER:
            return out
        start, pitch = step, nearest(pitch, plan.chord_at(step).tones, low, high)
    return [*out, (start, end, pitch)]


def come_home(
    notes: Iterable[tuple[int, int, int]], plan: Plan, low: int, high: int
) -> list[tuple[int, int, int]]:
    """Return a melody whose last note before the cadence leads by step into the tonic.

    From below by the leading note or the note under the tonic, or from the second degree above,
    whichever the chord before the cadence bears and lies nearer.
    """
    line = list(notes)
    if plan.cadence is None:
        return line
    while line and line[-1][0] > plan.cadence - STEPS_PER_EIGHTH:
        line.pop()
    if not line:
        return line
    start, end, pitch = line[-1]
    if end < plan.cadence - plan.metre.beat:
        return line
    root = plan.chord_at(plan.cadence).root
    goal = nearest(pitch, (root,), low, high + STEPS_ABOVE)
    tones = plan.chord_at(plan.cadence - 1).tones
    near = [goal + step for step in (2, -1, 1, -2) if (goal + step) % 12 in tones]
    if near:
        pitch = min(near, key=lambda p: abs(p - pitch))
    line[-1] = (start, max(end, plan.cadence), pitch)
    return line
