"""What the generator is told about a piece: arousal, valence, number of instrument groups."""

import math

import numpy as np

from emsync.music import vocabulary as v
from emsync.music.tokens import NoteTable

SLOWEST_BPM = 50.0
FASTEST_BPM = 150.0

MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR_PROFILE = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
"""Probe-tone ratings of the twelve pitch classes (Krumhansl & Kessler 1982)."""


def arousal_of_tempo(bpm: float, has_drums: bool) -> float:
    """50 to 150 beats a minute onto [-1, 1]; NaN without drums (thesis 4.2)."""
    if not has_drums:
        return math.nan
    middle = (FASTEST_BPM + SLOWEST_BPM) / 2
    return float(np.clip((bpm - middle) / (FASTEST_BPM - middle), -1, 1))


def majorness(notes: NoteTable) -> float:
    """How much more the piece fits its best major key than its best minor key.

    Pitch classes of all but the drums are weighted by duration and correlated with the
    Krumhansl-Kessler profiles in the twelve keys.

    Returns:
        Difference of the two best correlations, about -0.4 to 0.4; NaN without pitched notes.
    """
    pitched = notes.take(notes.group != v.GROUPS.index("drums"))
    # A pad held for a minute says no more about the mode than one held for two seconds.
    weight = np.minimum(pitched.end - pitched.start, round(2 / v.TICK_SECONDS))
    histogram = np.bincount(pitched.pitch % 12, weights=weight, minlength=12)
    if np.count_nonzero(histogram) < 3:
        return math.nan
    return _best_key(histogram, MAJOR_PROFILE) - _best_key(histogram, MINOR_PROFILE)


def _best_key(histogram: np.ndarray, profile: np.ndarray) -> float:
    keys = np.stack([np.roll(profile, tonic) for tonic in range(12)])
    return float(max(np.corrcoef(histogram, keys)[0, 1:]))
