"""Recordings of pianists in the corpus: their notes, with velocities as they were played."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emsync.performance.context import PIANO, Context, bare_context
from emsync.performance.loudness import intended
from emsync.settings import PerformanceSettings
from emsync.training.corpus import files_of, read_index

SOURCES = ("asap", "giantmidi_eval")


LEAST_NOTES = 64


LEAST_DEVIATION = 4.0
"""Steps of velocity; pieces with less were written, not played."""


OFF_GRID = 0.3
"""Concentration of onsets around sixteenths, of 1, below which a piece was not written in them."""


Predict = Callable[[Context], np.ndarray]
"""From what is to be seen of notes to their velocities, on any scale, float64 (notes,)."""


@dataclass(frozen=True)
class Recording:
    """The notes of one piece, all of one piano, sorted by start."""

    name: str
    source: str
    split: str
    context: Context
    velocity: np.ndarray
    """float64 (notes,)."""
    quarters: np.ndarray
    """When notes begin, by the file's beat, float64 (notes,)."""

    @property
    def is_played(self) -> bool:
        """Return whether somebody played it without a grid."""
        turns = np.exp(2j * np.pi * 4 * self.quarters)
        return bool(abs(turns.mean()) < OFF_GRID and self.velocity.std() >= LEAST_DEVIATION)


def recordings(folder: Path, source: str) -> Iterator[Recording]:
    """Yield the pieces of a source with `LEAST_NOTES` pitched notes, whoever or whatever played."""
    index = read_index(folder)
    for row, content in files_of(folder, source, index):
        notes = _notes_of(content)
        if len(notes) >= LEAST_NOTES:
            start, lasting, pitch, velocity, quarters = notes[np.argsort(notes[:, 0])].T
            group = np.full(len(notes), PIANO)
            context = bare_context(group, pitch.astype(np.int64), start, start + lasting)
            name, split = str(row["file"]), str(row["split"])
            yield Recording(name, source, split, context, velocity, quarters)


def _notes_of(content: bytes) -> np.ndarray:
    """Return (notes, 5): start and duration in seconds, pitch, velocity, start in quarters; empty
    for what is no MIDI file. Drums are left out."""
    from symusic import Score

    try:
        score: Any = Score.from_midi(content)
    except (RuntimeError, ValueError):
        return np.zeros((0, 5))
    parts = [np.zeros((0, 5))]
    for written, played in zip(score.tracks, score.to("second").tracks, strict=True):
        if not played.is_drum and len(played.notes):
            one = played.notes.numpy()
            quarters = written.notes.numpy()["time"] / score.ticks_per_quarter
            columns = (one["time"], one["duration"], one["pitch"], one["velocity"], quarters)
            parts.append(np.stack(columns, axis=1).astype(np.float64))
    return np.concatenate(parts)


def by_rule(context: Context) -> np.ndarray:
    """Return the velocities that the rules ask for with the usual settings."""
    return intended(context, PerformanceSettings())


def correlation(predict: Predict, pieces: Iterable[Recording]) -> float:
    """Return the mean over pieces of the correlation of predicted with real velocities.

    A prediction that does not vary, such as the flat one, correlates with nothing: 0.
    """
    found = []
    for piece in pieces:
        answer = predict(piece.context)
        varies = answer.std() > 1e-9
        found.append(float(np.corrcoef(answer, piece.velocity)[0, 1]) if varies else 0.0)
    return float(np.mean(found))
