"""Notes, and what every composer and everything after it agrees on: groups, pitches, ticks."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

GROUPS: Final = ("bass", "drums", "guitar", "piano", "strings")
"""Instrument groups (thesis 4.1), in the order of the generator's token blocks."""
TICK_SECONDS: Final = 0.008
"""Length of one tick, in which note tables count time, seconds."""
LOWEST_PITCH: Final = 21
HIGHEST_PITCH: Final = 108
"""MIDI pitches of a piano; others are left out."""
PITCHES: Final = HIGHEST_PITCH - LOWEST_PITCH + 1


@dataclass(frozen=True)
class Note:
    """One note. Times in seconds, `velocity` 1 to 127, `group` one of `GROUPS`."""

    group: str
    pitch: int
    start: float
    end: float
    velocity: int = 80


@dataclass(frozen=True)
class NoteTable:
    """Notes as columns, for whole corpora. All arrays int64 of shape (notes,)."""

    group: np.ndarray
    """Index into `GROUPS`."""
    pitch: np.ndarray
    start: np.ndarray
    """Ticks."""
    end: np.ndarray
    """Ticks, greater than `start`."""

    def __len__(self) -> int:
        return len(self.pitch)

    def take(self, index: np.ndarray) -> "NoteTable":
        """Return the rows that `index` (integers or a mask) selects."""
        return NoteTable(self.group[index], self.pitch[index], self.start[index], self.end[index])


def table_of(notes: Iterable[Note]) -> NoteTable:
    """Return columns of `notes`, times rounded to ticks; pitches outside 21 to 108 are left out."""
    rows = [
        (
            GROUPS.index(note.group),
            note.pitch,
            round(note.start / TICK_SECONDS),
            round(note.end / TICK_SECONDS),
        )
        for note in notes
        if LOWEST_PITCH <= note.pitch <= HIGHEST_PITCH
    ]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return NoteTable(*columns)


def one_voice_per_pitch(notes: NoteTable) -> NoteTable:
    """Return the same notes, sorted, such that no group sounds a pitch twice at a time.

    Notes that start together become one with the later end; a note that is still sounding when
    its pitch starts again ends there. Every note lasts at least one tick.
    """
    order = np.lexsort((-notes.end, notes.start, notes.pitch, notes.group))
    group, pitch = notes.group[order], notes.pitch[order]
    start, end = notes.start[order], np.maximum(notes.end[order], notes.start[order] + 1)
    same_voice = (group[1:] == group[:-1]) & (pitch[1:] == pitch[:-1])
    first = np.ones(len(order), dtype=bool)
    first[1:] = ~(same_voice & (start[1:] == start[:-1]))
    group, pitch, start, end = group[first], pitch[first], start[first], end[first]
    same_voice = (group[1:] == group[:-1]) & (pitch[1:] == pitch[:-1])
    end[:-1] = np.where(same_voice, np.minimum(end[:-1], start[1:]), end[:-1])
    return NoteTable(group, pitch, start, end)
