"""SI, the structureness indicator: how fit the fittest stretch is to stand for the piece.

Of every stretch of whole seconds the path family of most likeness is found, the stretches of the
piece that are versions of it, a little quicker or slower. Its fitness weighs how alike they are
against how much of the piece they cover (Müller, Jiang & Grosche 2013). The indicator is the
largest fitness among stretches of some length (Wu & Yang 2020). They take it from sound; we take
the pitch classes that sound in each second from the notes.
"""

import numpy as np

from emsync.evaluation.musicianship.piece import MeasuredPiece
from emsync.music.judging.listening import class_times, pitched_of
from emsync.music.notes import TICK_SECONDS

SPANS = {"short": (3, 8), "medium": (8, 15), "long": (15, 10_000)}
"""Seconds, the first included (Wu & Yang 2020)."""
FRAME_TICKS = round(1 / TICK_SECONDS)
SMOOTHED = 4
"""Seconds along which likeness is averaged, so that lines of likeness stand out of its fields."""
KEPT = 0.2
"""Share of the likenesses that count; the others are penalised (Müller, Jiang & Grosche 2013)."""
PENALTY = -2.0


def structureness(piece: MeasuredPiece) -> dict[str, float]:
    """Return SI for the three spans, 0 to 1; NaN for those longer than half of the piece."""
    likeness = _likeness(_frames(piece))
    fitness = {length: _fitness(likeness, length) for length in range(3, len(likeness) // 2 + 1)}
    return {
        f"si_{name}": max(
            (value for length, value in fitness.items() if first <= length < last),
            default=float("nan"),
        )
        for name, (first, last) in SPANS.items()
    }


def _frames(piece: MeasuredPiece) -> np.ndarray:
    """Return (seconds, 12): how long each pitch class sounds in each second, of length 1."""
    times = class_times(pitched_of(piece.notes), piece.length)
    frames = np.diff(times[::FRAME_TICKS], axis=0).astype(float)
    return np.asarray(frames / np.maximum(np.linalg.norm(frames, axis=1, keepdims=True), 1e-9))


def _likeness(frames: np.ndarray) -> np.ndarray:
    """Return (seconds, seconds): 0 to 1 where alike, 1 with itself, `PENALTY` elsewhere."""
    count = len(frames)
    cosine = frames @ frames.T
    padded = np.pad(cosine, SMOOTHED, mode="edge")
    ahead, behind = (
        np.mean(
            [
                padded[SMOOTHED + s * k : SMOOTHED + s * k + count, SMOOTHED + s * k :][:, :count]
                for k in range(SMOOTHED)
            ],
            axis=0,
        )
        for s in (1, -1)
    )
    smooth = np.maximum(ahead, behind)
    if not count:
        return smooth
    least = float(np.quantile(smooth, 1 - KEPT))
    scaled = (smooth - least) / max(float(smooth.max()) - least, 1e-9)
    likeness = np.where(smooth >= least, scaled, PENALTY)
    np.fill_diagonal(likeness, 1.0)
    return np.asarray(likeness)


def _fitness(likeness: np.ndarray, length: int) -> float:
    """Return the largest fitness of the stretches of `length` seconds.

    The best path families of all of them are found at once, second by second of the piece. What is
    carried along is the score of the paths so far, their cells, and the seconds that they cover:
    at [:, i, j] when the stretch from second i on has come to its j-th second, and at [:, i, 0]
    between two paths.
    """
    seconds = len(likeness)
    starts = np.arange(seconds - length + 1)
    columns = starts[:, None] + np.arange(length)
    unreached = np.array([-np.inf, 0.0, 0.0])[:, None, None]
    before = np.broadcast_to(unreached, (3, len(starts), length + 1)).copy()
    before_that = before.copy()
    before[0, :, 0] = 0.0
    for row in range(seconds):
        now = np.empty_like(before)
        # Between two paths: nothing has happened, or a path has just ended.
        ended = before[0, :, -1] > before[0, :, 0]
        now[:, :, 0] = np.where(ended, before[:, :, -1], before[:, :, 0])
        now[:, :, 1] = now[:, :, 0]
        # A path goes on by a second of both, or by two of one and one of the other.
        ways = np.empty((3, 3, len(starts), length - 1))
        ways[0], ways[1] = before[:, :, 1:-1], before_that[:, :, 1:-1]
        ways[2, :, :, :1], ways[2, :, :, 1:] = unreached, before[:, :, 1:-2]
        ways[1, 2] += 1
        best = ways[:, 0].argmax(axis=0)
        now[:, :, 2:] = np.where(best == 0, ways[0], np.where(best == 1, ways[1], ways[2]))
        now[0, :, 1:] += likeness[row][columns]
        now[1:, :, 1:] += 1
        before, before_that = now, before
    return _largest(before, seconds, length)


def _largest(last: np.ndarray, seconds: int, length: int) -> float:
    """Return the largest fitness, from what `_fitness` has carried to the end."""
    ended = last[0, :, -1] > last[0, :, 0]
    score, cells, covered = np.where(ended, last[:, :, -1], last[:, :, 0])
    # The stretch itself is one of its versions: what is alike for that reason does not count.
    alike = np.maximum((score - length) / np.maximum(cells, 1), 0)
    share = np.maximum((covered - length) / seconds, 0)
    return float((2 * alike * share / np.maximum(alike + share, 1e-9)).max())
