"""Strong chords: the musical events that mark a boundary (thesis 4.2)."""

import numpy as np

from emsync.music.notes import GROUPS, NoteTable

MINIMUM_NOTES = 3
MINIMUM_BEATS = 1.75
"""Two beats in the thesis; notes written as two beats are often played a little shorter."""
CHORD_GROUPS = ("guitar", "piano")


def strong_chords(notes: NoteTable, beat_ticks: np.ndarray | float) -> np.ndarray:
    """Return ticks at which three guitar or piano notes begin together and last two beats, or
    nearly.

    Args:
        notes: the piece.
        beat_ticks: length of a beat in ticks, one for the piece or one for each note (notes,).

    Returns:
        Sorted ticks, int64, shape (chords,).
    """
    harmonic = np.isin(notes.group, [GROUPS.index(group) for group in CHORD_GROUPS])
    long = notes.end - notes.start >= MINIMUM_BEATS * beat_ticks
    ticks, count = np.unique(notes.start[harmonic & long], return_counts=True)
    return ticks[count >= MINIMUM_NOTES]
