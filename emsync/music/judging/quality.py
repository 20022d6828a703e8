"""Whether a piece is fit to be heard: silence, loops, stuck notes, one register.

Every measure is a plain function of notes. None says that music is good; each finds one way in
which a generator fails and real music hardly ever does (`emsync.settings.QualityLimits`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from emsync.music.notes import GROUPS, LOWEST_PITCH, PITCHES, TICK_SECONDS, NoteTable
from emsync.settings import QualityLimits

USUAL_BAR_SECONDS = 2.0
"""Length of a bar where none are written: four beats at 120 a minute."""
LONGEST_BAR_SECONDS = 4.0
"""Four beats at 60 a minute; what repeats with a longer period is a phrase, not a loop."""
CLUSTER_NOTES = 3
CLUSTER_SEMITONES = 3
_JITTER_TICKS = 1
_GRID_TICKS = 12
"""Clusters are looked for about ten times a second."""


@dataclass(frozen=True)
class PieceQuality:
    """What can be measured of a piece without an opinion. Shares in [0, 1]."""

    seconds: float
    notes: int
    groups: int
    """Instrument groups that sound."""
    density: float
    """Notes that begin per second."""
    longest_silence: float
    """Seconds."""
    empty_bars: float
    """Share of bars in which no note begins."""
    longest_loop: float
    """Seconds."""
    repeated_bars: float
    """Share of bars that repeat the one before note for note."""
    longest_note: float
    """Seconds."""
    clusters: float
    """Share of time."""
    register: float
    """Semitones."""


def quality_of(notes: NoteTable, bars: Sequence[int], length: int) -> PieceQuality:
    """Return all measures of a piece.

    Args:
        notes: the piece; what begins at or after `length` is left out, what ends later is cut.
        bars: ticks at which bars begin.
        length: ticks; above 0.
    """
    notes = notes.take(notes.start < length)
    notes = NoteTable(notes.group, notes.pitch, notes.start, np.minimum(notes.end, length))
    contents = bar_contents(notes, bars, length)
    seconds = length * TICK_SECONDS
    return PieceQuality(
        seconds=seconds,
        notes=len(notes),
        groups=len(np.unique(notes.group)),
        density=len(notes) / seconds,
        longest_silence=longest_silence(notes, length),
        empty_bars=sum(not bar for bar in contents) / len(contents),
        longest_loop=longest_loop(notes, bars, length),
        repeated_bars=repeated_bars(contents),
        longest_note=longest_note(notes),
        clusters=clusters(notes, length),
        register=register(notes),
    )


def faults(quality: PieceQuality, limits: QualityLimits) -> tuple[str, ...]:
    """Return what is wrong with a piece, a phrase each for a person; nothing if it keeps the
    limits.

    Measures that need some music to mean anything are left out below `limits.shortest` seconds.
    """
    if not quality.notes:
        return ("no note is played",)
    found = []
    if quality.longest_silence > limits.longest_silence:
        found.append(f"nothing sounds for {quality.longest_silence:.0f} s")
    if quality.longest_loop > limits.longest_loop:
        found.append(f"one bar repeats for {quality.longest_loop:.0f} s")
    if quality.longest_note > limits.longest_note:
        found.append(f"a note is held for {quality.longest_note:.0f} s")
    if quality.density > limits.highest_density:
        found.append(f"{quality.density:.0f} notes begin every second")
    if quality.seconds < limits.shortest:
        return tuple(found)
    if quality.density < limits.lowest_density:
        found.append(f"only {quality.notes} notes in {quality.seconds:.0f} s")
    if quality.empty_bars > limits.empty_bars:
        found.append(f"no note begins in {quality.empty_bars:.0%} of the bars")
    if quality.repeated_bars > limits.repeated_bars:
        found.append(f"{quality.repeated_bars:.0%} of the bars repeat the one before")
    if quality.clusters > limits.clusters:
        found.append(f"neighbouring notes blur for {quality.clusters:.0%} of the time")
    if quality.register < limits.register:
        found.append(f"the pitches span only {quality.register:.0f} semitones")
    return tuple(found)


def longest_silence(notes: NoteTable, length: int) -> float:
    """Return seconds between 0 and `length` (ticks) in which no note sounds, at the longest."""
    if not len(notes):
        return length * TICK_SECONDS
    order = np.argsort(notes.start)
    starts = np.append(notes.start[order], length)
    sounding_until = np.append(0, np.maximum.accumulate(notes.end[order]))
    return max(0, int((starts - sounding_until).max())) * TICK_SECONDS


def longest_loop(notes: NoteTable, bars: Sequence[int], length: int) -> float:
    """Return seconds for which the notes repeat exactly with a period of one bar or less.

    At least two rounds make a loop. Only beginnings count (group, pitch, time), and the bar lines
    only give the length of a bar: a generator that sets them wrongly loops all the same.
    """
    ticks, moments = _moments(notes)
    if len(ticks) < 2:
        return 0.0
    longest_period = _usual_bar(bars, length)
    numbers: dict[object, int] = {}
    begun = np.array([numbers.setdefault(moment, len(numbers)) for moment in moments])[:-1]
    pauses = np.diff(ticks)
    longest = 0
    for period in range(1, len(pauses) // 2 + 1):
        lasting = ticks[period:] - ticks[:-period]
        if lasting.min() > longest_period:
            break
        # The same notes begin, and the same time passes until the next.
        same = begun[period:] == begun[:-period]
        same &= np.abs(pauses[period:] - pauses[:-period]) <= _JITTER_TICKS
        for first, last in _runs(same & (lasting[:-1] <= longest_period)):
            # From `first` on, `last - first` moments are found again one period later.
            if last - first >= period:
                longest = max(longest, int(ticks[last + period] - ticks[first]))
    return longest * TICK_SECONDS


def bar_contents(
    notes: NoteTable, bars: Sequence[int], length: int
) -> list[frozenset[tuple[int, int, int]]]:
    """Return what begins in each bar: (group, pitch, ticks after the bar line).

    What comes before the first bar line belongs to no bar. Where fewer than two are written, bars
    of `USUAL_BAR_SECONDS` from the start take their place.
    """
    lines = sorted({bar for bar in bars if bar < length})
    if len(lines) < 2:
        lines = list(range(0, length, round(USUAL_BAR_SECONDS / TICK_SECONDS)))
    contents: list[set[tuple[int, int, int]]] = [set() for _ in lines]
    places = np.searchsorted(lines, notes.start, side="right") - 1
    rows = zip(places, notes.group, notes.pitch, notes.start, strict=True)
    for place, group, pitch, start in rows:
        if place >= 0:
            contents[place].add((int(group), int(pitch), int(start) - lines[place]))
    return [frozenset(bar) for bar in contents]


def repeated_bars(contents: Sequence[frozenset[tuple[int, int, int]]]) -> float:
    """Share of bars that repeat the one before note for note; empty bars repeat nothing."""
    if len(contents) < 2:
        return 0.0
    return sum(a == b and bool(a) for a, b in pairwise(contents)) / (len(contents) - 1)


def longest_note(notes: NoteTable) -> float:
    """Length of the longest note, seconds; 0 without notes."""
    return int((notes.end - notes.start).max(initial=0)) * TICK_SECONDS


def clusters(notes: NoteTable, length: int) -> float:
    """Share of time in which three pitched notes or more sound within three semitones.

    That is what notes that nobody ends add up to; in a chord it is a passing colour.
    """
    pitched = _pitched(notes)
    cells = -(-length // _GRID_TICKS)
    begun = np.zeros((cells + 1, PITCHES), dtype=np.int32)
    pitch = pitched.pitch - LOWEST_PITCH
    for at, change in ((pitched.start, 1), (pitched.end, -1)):
        np.add.at(begun, (-(-np.minimum(at, length) // _GRID_TICKS), pitch), change)
    sounding = np.cumsum(begun, axis=0)[:cells] > 0
    within = np.lib.stride_tricks.sliding_window_view(sounding, CLUSTER_SEMITONES + 1, axis=1)
    return float((within.sum(-1) >= CLUSTER_NOTES).any(-1).mean())


def register(notes: NoteTable) -> float:
    """Return semitones between the 5th and the 95th percentile of all pitches but the drums'."""
    pitches = _pitched(notes).pitch
    return float(np.subtract(*np.percentile(pitches, (95, 5)))) if len(pitches) else 0.0


def _pitched(notes: NoteTable) -> NoteTable:
    return notes.take(notes.group != GROUPS.index("drums"))


def _usual_bar(bars: Sequence[int], length: int) -> float:
    """Return ticks of the usual bar, between `USUAL_BAR_SECONDS` and `LONGEST_BAR_SECONDS`."""
    lasting = [b - a for a, b in pairwise(bars) if a < b <= length]
    usual = USUAL_BAR_SECONDS / TICK_SECONDS
    return min(max(median(lasting or [usual]), usual), LONGEST_BAR_SECONDS / TICK_SECONDS)


def _moments(notes: NoteTable) -> tuple[np.ndarray, list[frozenset[tuple[int, int]]]]:
    """Return ticks at which notes begin, ascending, and the (group, pitch) that begin there."""
    begun: dict[int, set[tuple[int, int]]] = {}
    for group, pitch, start in zip(notes.group, notes.pitch, notes.start, strict=True):
        begun.setdefault(int(start), set()).add((int(group), int(pitch)))
    ticks = sorted(begun)
    return np.array(ticks, dtype=np.int64), [frozenset(begun[tick]) for tick in ticks]


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First index and one past the last of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
