"""The gate before a planned piece is shown: what a listener would notice as broken.

It looks at notes on the beat grid, with the plan that they were to follow, on the generator's
clock. It also looks at the beginning of a piece that is still being drawn, so that a doubtful draw
can be given up early. `emsync.music.judging.quality` judges pieces that were drawn freely; what
both look at is measured there.
"""

from dataclasses import dataclass

import numpy as np

from emsync.music.judging.listening import (
    BASS,
    LOUDEST_ONSET,
    MOMENT_TICKS,
    autocorrelation,
    class_times,
    class_weights,
    key_of,
    longest_run,
    pitched_of,
    sounding_cells,
    triads_of_moments,
    within_semitones,
)
from emsync.music.judging.quality import longest_loop, longest_note, register
from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable
from emsync.music.planning.grid import STEPS_PER_EIGHTH, STEPS_PER_SIXTEENTH, Grid
from emsync.music.planning.plan import Plan, Section

STEPS_PER_TRIPLET = 4
MANY_VOICES = 8
LEAST_PLAYED = 4
"""Notes of a group before a pause, without which it had hardly begun to play."""
LEAST_REPEATED = 8
"""Onsets of one pitch; fewer are a held note, not a repeated one."""

BEATEN_RATE = 5.0
"""Notes that begin a second; fewer, as in slow music of held chords, make no beat to be lost."""


@dataclass(frozen=True)
class GateLimits:
    """What a piece may not exceed. Shares are of time unless said otherwise.

    Ours. "Real" is what real music does: windows of a minute, one a piece, with three groups or
    more and one tempo, of free game music and of pop and game music of the research tier. Of 844
    windows (472 of the test split, whose percentiles are given, and 372 of the validation split)
    98 % keep each limit and 90 % keep all. Every four bars of them count as a section of its own,
    in which the groups that begin a note there are to play.
    """

    longest_pause: float = 12.0
    """Seconds for which a group may be silent after it has played, where the plan has it play.
    Real: 10.7 at the 97th percentile, 12.4 at the 99th."""
    pile_up: int = 21
    """Notes that begin together off the hit points. Real: 20 at the 99th percentile."""
    one_note: float = 16.0
    """Seconds for which the highest of the notes that begin is one pitch. Real: 14.3 at the 99th
    percentile."""
    longest_chord: float = 30.0
    """Seconds on one fitting triad, whatever the plan says. Real: 27 at the 98th percentile."""
    overstay: float = 6.0
    """Seconds by which a triad may outlast the longest chord of the plan. Not measured: real music
    comes without a plan. It is looked for once a second over two, which blurs its length by that
    much, and two chords of the plan may share their triad but for one tone."""
    longest_silence: float = 6.0
    """Seconds without a pitched note where the plan has pitched groups play. Real: 6.0 at the 99th
    percentile."""
    empty: float = 0.33
    """With no pitched note at all. Real: 0.33 at the 99th percentile."""
    lowest_rate: float = 1.5
    """Pitched notes that begin a second. Real: 3.6 at the first percentile; slow music of held
    chords, which our films ask for and this corpus has little of, has two."""
    pulse: float = 0.65
    """Likeness of the onsets to themselves an eighth to a bar later, at least. Real: 0.67 at the
    first percentile."""
    off_grid: float = 0.8
    """Share of the notes on neither a sixteenth nor a triplet eighth. Real: 0.69 at the 99th
    percentile, 0.85 at the 99.5th, by quick triplets and 32nds."""
    clear_valence: float = 0.3
    """Of a mood whose mode can be contrary to it: the outer two thirds of what is asked for."""
    contrary: float = 0.1
    """Majorness against the mood: half the standard deviation of real music's, which is 0.19.
    Not measured on real music, of which nobody asked a mood."""
    many_voices: float = 0.75
    """With eight pitches or more. Real: 0.74 at the 99th percentile."""
    seconds_apart: float = 0.4
    """With two pitches a semitone apart. Real: 0.39 at the 99th percentile."""
    register: float = 14.0
    """Semitones between the 5th and 95th percentile of pitch, at least. Real: 21 at the first
    percentile."""
    longest_loop: float = 14.0
    """Seconds for which one bar repeats exactly. Real: 12.6 at the 99th percentile."""
    longest_note: float = 13.0
    """Seconds. Real: 11.3 at the 99.5th percentile."""
    shortest: float = 20.0
    """Seconds; in shorter stretches shares and the register vary too much to be judged."""


@dataclass(frozen=True)
class Findings:
    """What the gate measures. Units as in `GateLimits`."""

    seconds: float
    pauses: tuple[tuple[str, float], ...]
    """Each group's longest pause where it was to play."""
    pile_up: int
    one_note: float
    longest_chord: float
    planned_chord: float
    longest_silence: float
    empty: float
    rate: float
    pulse: float
    off_grid: float
    contrary: float
    many_voices: float
    seconds_apart: float
    register: float
    longest_loop: float
    longest_note: float


def faults(
    notes: NoteTable, plan: Plan, grid: Grid, limits: GateLimits, end: int | None = None
) -> tuple[str, ...]:
    """Return what is wrong with a piece, a phrase each for a person; nothing if it may be shown.

    Args:
        notes: times in steps of `grid`.
        plan: what they were to follow.
        grid: the beat.
        limits: beyond which something is wrong.
        end: step up to which the piece is drawn so far; None for a whole piece.
    """
    if not len(pitched_of(notes)):
        return ("no pitched note is played",)
    return wrong_with(findings_of(notes, plan, grid, limits, end), limits)


def findings_of(
    notes: NoteTable, plan: Plan, grid: Grid, limits: GateLimits, end: int | None = None
) -> Findings:
    """Return the measures of a piece up to its last chord, or up to `end`."""
    last = min(plan.end if plan.cadence is None else plan.cadence, end or plan.end)
    notes = notes.take(notes.start < last)
    length = max(int(grid.ticks_of(last)), 1)
    ticks = NoteTable(
        notes.group,
        notes.pitch,
        grid.ticks_of(notes.start),
        np.minimum(grid.ticks_of(notes.end), length),
    )
    bars = grid.ticks_of([line for line in grid.bar_lines if line < last]).tolist()
    pitched = pitched_of(ticks)
    pitched_groups = set(GROUPS) - {"drums"}
    sounding = sounding_cells(pitched, length)
    voices = sounding.sum(axis=1)
    triads = triads_of_moments(class_times(pitched, length))
    starts = notes.start[notes.start >= 0]
    off = (starts % STEPS_PER_SIXTEENTH != 0) & (starts % STEPS_PER_TRIPLET != 0)
    seconds = length * TICK_SECONDS
    return Findings(
        seconds=seconds,
        pauses=_pauses(notes, plan, grid, last),
        pile_up=_pile_up(notes, plan),
        one_note=_one_note(pitched),
        longest_chord=longest_run(triads) * MOMENT_TICKS * TICK_SECONDS,
        planned_chord=_planned_chord(plan, grid, last),
        longest_silence=_pause(pitched_of(notes), plan, grid, pitched_groups, 0, last),
        empty=float((voices == 0).mean()),
        rate=len(pitched) / seconds,
        pulse=_pulse(notes, plan, last, seconds),
        off_grid=float(off.mean()) if len(off) else 0.0,
        contrary=_contrary(ticks, plan, grid, limits, last),
        many_voices=float((voices >= MANY_VOICES).mean()),
        seconds_apart=float(within_semitones(sounding, 1).mean()),
        register=register(ticks),
        longest_loop=longest_loop(ticks, bars, length),
        longest_note=longest_note(pitched),
    )


def wrong_with(found: Findings, limits: GateLimits) -> tuple[str, ...]:
    """Return a phrase for each limit that is not kept."""
    said = [
        f"the {group} {'stop' if group in ('drums', 'strings') else 'stops'} for {pause:.0f} s"
        for group, pause in found.pauses
        if pause > limits.longest_pause
    ]
    if found.pile_up > limits.pile_up:
        said.append(f"{found.pile_up} notes begin at once")
    if found.one_note > limits.one_note:
        said.append(f"one note is repeated for {found.one_note:.0f} s")
    stays = min(limits.longest_chord, found.planned_chord + limits.overstay)
    if found.longest_chord > stays:
        said.append(f"one chord stays for {found.longest_chord:.0f} s")
    if found.longest_silence > limits.longest_silence:
        said.append(f"nothing but drums for {found.longest_silence:.0f} s")
    if found.longest_loop > limits.longest_loop:
        said.append(f"one bar repeats for {found.longest_loop:.0f} s")
    if found.longest_note > limits.longest_note:
        said.append(f"a note is held for {found.longest_note:.0f} s")
    if found.off_grid > limits.off_grid:
        said.append(f"{found.off_grid:.0%} of the notes miss the beat")
    if found.seconds < limits.shortest:
        return tuple(said)
    if found.empty > limits.empty:
        said.append(f"no pitched note sounds for {found.empty:.0%} of the time")
    if found.rate < limits.lowest_rate:
        said.append(f"only {found.rate:.1f} notes begin a second")
    if found.pulse < limits.pulse:
        said.append("the beat is lost")
    if found.contrary > limits.contrary:
        said.append("the mode is contrary to the mood")
    if found.many_voices > limits.many_voices:
        said.append(f"{MANY_VOICES} voices or more for {found.many_voices:.0%} of the time")
    if found.seconds_apart > limits.seconds_apart:
        said.append(f"neighbouring notes rub for {found.seconds_apart:.0%} of the time")
    if found.register < limits.register:
        said.append(f"the pitches span only {found.register:.0f} semitones")
    return tuple(said)


def _pauses(notes: NoteTable, plan: Plan, grid: Grid, last: int) -> tuple[tuple[str, float], ...]:
    """Return the longest pause of each group that has played."""
    found = []
    for index, group in enumerate(GROUPS):
        own = notes.take(notes.group == index)
        # The chord of a hit point may be given to any group: it does not begin to play by that.
        of_itself = np.sort(own.start[~np.isin(own.start, plan.hits)])
        if len(of_itself) >= LEAST_PLAYED:
            begun = int(of_itself[LEAST_PLAYED - 1])
            found.append((group, _pause(own, plan, grid, {group}, begun, last)))
    return tuple(found)


def _pause(
    own: NoteTable, plan: Plan, grid: Grid, groups: set[str], begun: int, last: int
) -> float:
    """Return the longest silence of some notes, seconds, where one of `groups` is to play.

    A section that leaves them out is reason enough for their silence, and so is not having begun.
    """
    order = np.argsort(own.start, kind="stable")
    starts, ends = own.start[order], np.maximum.accumulate(own.end[order])
    longest = 0
    for start, stop in _stretches(plan, groups, last):
        inside = (starts >= start) & (starts < stop)
        held = ends[starts < start]
        since = np.concatenate([held[-1:], ends[inside]])
        since = np.maximum(since, max(start, begun))
        since = since if len(held) else np.concatenate([[max(start, begun)], since])
        until = np.maximum(np.concatenate([starts[inside], [stop]]), since)
        longest = max(longest, int((grid.ticks_of(until) - grid.ticks_of(since)).max()))
    return longest * TICK_SECONDS


def _stretches(plan: Plan, groups: set[str], last: int) -> list[tuple[int, int]]:
    """Return the stretches of neighbouring sections in which one of `groups` is to play, steps."""
    found: list[tuple[int, int]] = []
    for section, start, stop in _sections(plan, last):
        if not groups & set(section.groups):
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found


def _sections(plan: Plan, last: int) -> list[tuple[Section, int, int]]:
    """Return the sections that begin before step `last`, and from where to where they reach."""
    begun = [section for section in plan.sections if section.step < last]
    edges = [*(section.step for section in begun), last]
    return list(zip(begun, edges[:-1], edges[1:], strict=True))


def _pulse(notes: NoteTable, plan: Plan, last: int, seconds: float) -> float:
    """Return the largest autocorrelation of the onsets at an eighth to a bar; 1 for few notes.

    Counted in steps, so that changes of tempo do not matter.
    """
    if len(notes) < BEATEN_RATE * seconds:
        return 1.0
    strength = np.minimum(np.bincount(notes.start, minlength=last), LOUDEST_ONSET)
    lags = np.arange(STEPS_PER_EIGHTH, plan.metre.bar + 1)
    return float(autocorrelation(strength, lags[lags < last]).max(initial=0.0))


def _pile_up(notes: NoteTable, plan: Plan) -> int:
    count = np.bincount(notes.start, minlength=plan.end + 1)
    count[[hit for hit in plan.hits if hit < len(count)]] = 0
    return int(count.max())


def _one_note(pitched: NoteTable) -> float:
    """Return for how long the highest of the notes that begin is one pitch, seconds."""
    above = pitched.take(pitched.group != BASS)
    line = above if len(above) else pitched
    order = np.lexsort((-line.pitch, line.start))
    starts, first = np.unique(line.start[order], return_index=True)
    top = line.pitch[order][first]
    edges = np.flatnonzero(np.concatenate([[True], top[1:] != top[:-1], [True]]))
    longest = 0
    for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if b - a >= LEAST_REPEATED:
            longest = max(longest, int(starts[b - 1] - starts[a]))
    return longest * TICK_SECONDS


def _planned_chord(plan: Plan, grid: Grid, last: int) -> float:
    """Return for how long the plan stays on one root and triad, seconds, at the longest."""
    changes, before = [], None
    for chord in plan.chords:
        kind = (chord.root, chord.tones[1:3])
        if kind != before and chord.step < last:
            changes.append(chord.step)
        before = kind
    return float(np.diff(grid.ticks_of([*changes, last])).max()) * TICK_SECONDS


def _contrary(ticks: NoteTable, plan: Plan, grid: Grid, limits: GateLimits, last: int) -> float:
    """Return how far the majorness of a stretch of one clear mood goes against it, at the most."""
    moods: list[tuple[int, int, float]] = []
    for section, start, stop in _sections(plan, last):
        if moods and moods[-1][2] == section.valence:
            moods[-1] = (moods[-1][0], stop, section.valence)
        else:
            moods.append((start, stop, section.valence))
    worst = 0.0
    for start, stop, valence in moods:
        first, until = int(grid.ticks_of(start)), int(grid.ticks_of(stop))
        long = (until - first) * TICK_SECONDS >= limits.longest_pause
        if abs(valence) < limits.clear_valence or not long:
            continue
        some = pitched_of(ticks.take((ticks.start >= first) & (ticks.start < until)))
        worst = max(worst, -float(np.sign(valence)) * key_of(class_weights(some)).majorness)
    return worst
