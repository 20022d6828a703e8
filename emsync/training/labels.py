"""What the generator is told about a piece: arousal and valence."""

import math
from collections.abc import Sequence

import numpy as np

from emsync.music.judging.emotion_regressor import MAJOR_PROFILE, MINOR_PROFILE, key_fits
from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable

SLOWEST_BPM = 50.0
FASTEST_BPM = 150.0
WINDOW_SECONDS = 45.0
"""The mood is heard in windows of about as much music as the generator sees at a time."""


def arousal_of_tempo(bpm: float, has_drums: bool) -> float:
    """50 to 150 beats a minute onto [-1, 1]; NaN without drums (thesis 4.2)."""
    if not has_drums:
        return math.nan
    middle = (FASTEST_BPM + SLOWEST_BPM) / 2
    return float(np.clip((bpm - middle) / (FASTEST_BPM - middle), -1, 1))


def majorness(notes: NoteTable) -> float:
    """Return how much more the piece fits its best major key than its best minor key.

    Pitch classes of all but the drums are weighted by duration and correlated with the
    Krumhansl-Kessler profiles in the twelve keys.

    Returns:
        Difference of the two best correlations, about -0.4 to 0.4; NaN without pitched notes.
    """
    pitched = notes.take(notes.group != GROUPS.index("drums"))
    # A pad held for a minute says no more about the mode than one held for two seconds.
    weight = np.minimum(pitched.end - pitched.start, round(2 / TICK_SECONDS))
    histogram = np.bincount(pitched.pitch % 12, weights=weight, minlength=12)
    if np.count_nonzero(histogram) < 3:
        return math.nan
    return float(
        key_fits(histogram, MAJOR_PROFILE).max() - key_fits(histogram, MINOR_PROFILE).max()
    )


def windows_of(
    notes: NoteTable, bars: np.ndarray, starts: Sequence[int] | np.ndarray
) -> list[tuple[NoteTable, np.ndarray]]:
    """Return notes and bars of the `WINDOW_SECONDS` from each tick in `starts`."""
    width = round(WINDOW_SECONDS / TICK_SECONDS)
    return [
        (
            notes.take((notes.start >= at) & (notes.start < at + width)),
            bars[(bars >= at) & (bars < at + width)],
        )
        for at in starts
    ]


def bars_apart(bars: np.ndarray, seconds: float) -> list[int]:
    """Return numbers of the first bar, and then of each that begins `seconds` or more after the
    last."""
    chosen: list[int] = []
    last = -math.inf
    for number, tick in enumerate(bars.tolist()):
        if (tick - last) * TICK_SECONDS >= seconds:
            last = tick
            chosen.append(number)
    return chosen
