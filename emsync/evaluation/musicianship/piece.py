"""What the measures of musicianship look at."""

from dataclasses import dataclass

import numpy as np

from emsync.music.notes import NoteTable
from emsync.music.transformer.tokens import DecodedTokens


@dataclass(frozen=True)
class MeasuredPiece:
    """A piece as it sounds. Times in ticks of 8 ms, from the beginning of the film."""

    notes: NoteTable
    bars: np.ndarray
    """Ticks at which bars begin, ascending and different."""
    length: int
    """Ticks."""
    velocity: np.ndarray | None = None
    """1 to 127 for each note; None where it is not known."""

    @staticmethod
    def of(decoded: DecodedTokens) -> "MeasuredPiece":
        """Return the piece that tokens say."""
        return piece_of(decoded.notes, np.array(decoded.bars, dtype=np.int64), decoded.length)


def piece_of(
    notes: NoteTable, bars: np.ndarray, length: int, velocity: np.ndarray | None = None
) -> MeasuredPiece:
    """Return a piece cut at `length` ticks: what begins later is left out.

    Raises:
        ValueError: nothing of it is left.
    """
    kept = notes.start < length
    if length <= 0 or not kept.any():
        raise ValueError("a piece without notes cannot be measured")
    notes = notes.take(kept)
    notes = NoteTable(notes.group, notes.pitch, notes.start, np.minimum(notes.end, length))
    bars = np.unique(bars[bars < length])
    return MeasuredPiece(notes, bars, length, None if velocity is None else velocity[kept])
