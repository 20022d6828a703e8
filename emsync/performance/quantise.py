"""A performance moved to the beat grid, for notation: notes begin and end on places of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emsync.music.notes import Note
from emsync.performance.performance import Moved, Performance
from emsync.performance.tempo_map import TICKS_PER_QUARTER, TempoMap

PLACES = np.array([0, 3, 4, 6, 8, 9, 12]) * TICKS_PER_QUARTER // 12
"""Ticks since a quarter on which notes may begin: sixteenths and triplets of eighths."""
LEAST_MOVED = 0.001
"""Seconds; nearer notes are on the grid already."""


def quantised(performance: Performance) -> tuple[Performance, Moved]:
    """Return the performance with all notes on the grid, and how far they were moved.

    Bars begin the grid anew, so it fits bars of any length. Notes last one place at least; those
    of one group and pitch that would fall together become one.
    """
    tempo_map, notes = performance.conductor.tempo_map, performance.notes
    if not notes:
        return performance, Moved(0, 0.0, 0.0)
    starts = np.array([note.start for note in notes])
    ends = np.array([note.end for note in notes])
    begin = _placed(tempo_map.places_of(starts), tempo_map)
    stop = _placed(tempo_map.places_of(ends), tempo_map)
    stop = np.maximum(stop, begin + PLACES[1])
    at = tempo_map.seconds_of(begin)
    moved = np.abs(at - starts)
    until = np.minimum(tempo_map.seconds_of(stop), performance.seconds)
    placed = [
        replace(note, start=start, end=end)
        for note, start, end in zip(notes, at.tolist(), until.tolist(), strict=True)
        if start < end
    ]
    kept = _one_at_a_time(placed)
    far = moved[moved > LEAST_MOVED]
    told = Moved(len(far), float(np.median(far)) if len(far) else 0.0, float(moved.max()))
    return replace(performance, notes=tuple(kept)), told


def _placed(ticks: np.ndarray, tempo_map: TempoMap) -> np.ndarray:
    """Return the place of the grid that is nearest to each of `ticks`, int64."""
    lines = np.array([0, *tempo_map.bars])
    line = lines[np.maximum(np.searchsorted(lines, ticks, side="right") - 1, 0)]
    after = np.append(lines[1:], np.iinfo(np.int64).max)
    end = after[np.searchsorted(lines, line, side="right") - 1]
    quarter, rest = np.divmod(ticks - line, TICKS_PER_QUARTER)
    nearest = PLACES[np.abs(rest[:, None] - PLACES[None, :]).argmin(axis=1)]
    place = line + (quarter * TICKS_PER_QUARTER).astype(np.int64) + nearest
    # The next bar line is a place as well, wherever the last quarter of the bar ends.
    beyond = (place > end) | (np.abs(end - ticks) < np.abs(place - ticks))
    return np.where(beyond, end, place)


def _one_at_a_time(notes: Sequence[Note]) -> list[Note]:
    """Return the notes such that no group sounds a pitch twice at once; the longest stays."""
    kept: dict[tuple[str, int], list[Note]] = {}
    for note in sorted(notes, key=lambda one: (one.start, -one.end)):
        voice = kept.setdefault((note.group, note.pitch), [])
        if voice and voice[-1].start == note.start:
            continue
        if voice and voice[-1].end > note.start:
            voice[-1] = replace(voice[-1], end=note.start)
        voice.append(note)
    found = [note for voice in kept.values() for note in voice]
    return sorted(found, key=lambda one: (one.start, one.group, one.pitch))
