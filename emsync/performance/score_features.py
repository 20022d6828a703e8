"""What a learned performer is told of each note: numbers that a score shows, whoever plays.

All pitched groups are taken as one instrument, as the recordings to learn from are of one piano.
"""

from typing import Final

import numpy as np

from emsync.performance.context import TOGETHER, Context

NAMES: Final = (
    "pitch", "above_2s", "above_8s", "highest", "lowest", "size", "rank", "below_top", "duration",
    "gap_before", "gap_after", "density_0.5s", "density_2s", "density_8s", "top_1s", "top_4s",
    "since_same", "interval_before", "interval_after", "place", "edge", "sounding", "busier",
)  # fmt: skip
"""Columns of `features_of`, in this order."""
MIDDLE_PITCH, TOP_PITCH = 60, 72
"""Pitches that count as 0."""
LONGEST, SHORTEST = 4.0, 0.03
"""Seconds between which durations and gaps are told apart."""
EDGE_SECONDS = 8.0
WIDEST = 24
"""Semitones; wider intervals are told as this."""


def features_of(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the pitched notes and their features, float32 (notes, features)."""
    pitched = np.flatnonzero(~context.is_drum)
    order = pitched[np.lexsort((context.pitch[pitched], context.start[pitched]))]
    if not len(order):
        return order, np.zeros((0, len(NAMES)), dtype=np.float32)
    start, end = context.start[order], context.end[order]
    pitch = context.pitch[order].astype(np.float64)
    begins = np.concatenate([[True], np.diff(start) > TOGETHER])
    chord = np.cumsum(begins) - 1  # (notes,) number of the chord that each belongs to
    first = np.flatnonzero(begins)
    size = np.diff(np.append(first, len(order)))
    at = start[first]
    top, bottom = np.maximum.reduceat(pitch, first), np.minimum.reduceat(pitch, first)
    gaps = np.diff(at)
    before = np.concatenate([[LONGEST], gaps])[chord]
    after = np.concatenate([gaps, [LONGEST]])[chord]
    step = np.clip(np.diff(top), -WIDEST, WIDEST) / 12
    below, sounding = _among_sounding(start, end, pitch, first, size)
    length = max(float(start[-1] - start[0]), 1e-3)
    usual = len(order) / length
    near_2s, rate_2s = _around(start, pitch, 2.0)
    near_8s, rate_8s = _around(start, pitch, 8.0)
    rate_half = _around(start, pitch, 0.5)[1]
    columns = (
        (pitch - MIDDLE_PITCH) / 20,
        (pitch - near_2s) / 12,
        (pitch - near_8s) / 12,
        pitch == top[chord],
        pitch == bottom[chord],
        np.log2(size[chord]),
        (pitch - bottom[chord]) / (top - bottom + 1)[chord],
        np.minimum(below, 3 * 12) / 12,
        _octaves(end - start),
        _octaves(before),
        _octaves(after),
        np.log2(rate_half),
        np.log2(rate_2s),
        np.log2(rate_8s),
        (_around(at, top, 1.0)[0][chord] - TOP_PITCH) / 12,
        (_around(at, top, 4.0)[0][chord] - TOP_PITCH) / 12,
        _octaves(_since_same(start, pitch)),
        np.concatenate([[0.0], step])[chord],
        np.concatenate([step, [0.0]])[chord],
        (start - start[0]) / length,
        np.minimum(np.minimum(start - start[0], start[-1] - start) / EDGE_SECONDS, 1.0),
        np.log2(sounding),
        np.log2(rate_2s / usual),
    )
    return order, np.stack([np.asarray(one, dtype=np.float32) for one in columns], axis=1)


def _octaves(seconds: np.ndarray) -> np.ndarray:
    return np.log2(np.clip(seconds, SHORTEST, LONGEST))


def _around(at: np.ndarray, value: np.ndarray, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean value within so many seconds of each moment, and how many are there a second.

    `at` ascends.
    """
    total = np.concatenate([[0.0], np.cumsum(value)])
    begin = np.searchsorted(at, at - seconds)
    end = np.searchsorted(at, at + seconds, side="right")
    return (total[end] - total[begin]) / (end - begin), (end - begin) / (2 * seconds)


def _among_sounding(
    start: np.ndarray, end: np.ndarray, pitch: np.ndarray, first: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many semitones lie above each note up to the highest that sounds with it, and how
    many notes sound; its own chord is among them."""
    below, sounding = np.zeros(len(start)), np.ones(len(start))
    heights, ends = pitch.tolist(), end.tolist()
    held: list[int] = []
    for begin, count in zip(first.tolist(), size.tolist(), strict=True):
        now = float(start[begin]) + TOGETHER
        own = range(begin, begin + count)
        held = [note for note in held if ends[note] > now] + list(own)
        highest = max(heights[note] for note in held)
        for note in own:
            below[note], sounding[note] = highest - heights[note], len(held)
    return below, sounding


def _since_same(start: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Return the seconds since each pitch was last struck, `LONGEST` at most."""
    out = np.full(len(start), LONGEST)
    order = np.lexsort((start, pitch))
    same = pitch[order][1:] == pitch[order][:-1]
    out[order[1:][same]] = np.minimum(np.diff(start[order])[same], LONGEST)
    return out
