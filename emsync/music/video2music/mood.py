"""A mood that somebody asks for, as the six emotions that Video2Music knows."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from emsync.emotion.curve import MoodCurve, scene_curve
from emsync.emotion.mapping import Mood, mood_of
from emsync.emotion.reading import EmotionReading
from emsync.music.video2music.features import EMOTIONS
from emsync.settings import MoodSettings

_CENTRES: Final[dict[str, tuple[float, float]]] = {
    "exciting": (0.6, 0.7),
    "fearful": (-0.6, 0.6),
    "tense": (-0.3, 0.4),
    "sad": (-0.6, -0.4),
    "relaxing": (0.6, -0.5),
    "neutral": (0.0, 0.0),
}
"""Valence and arousal of the six words. Ours: where the circumplex of Russell (1980) has them, and
table 6.1 of the thesis for fear and sadness; tense is a milder fear."""
_SPREAD: Final = 0.25
"""Standard deviation about each of them, in both axes. Ours: a mood at a centre is that emotion
with 0.86 to 1, but for fearful (0.74) and tense (0.67), which are neighbours. From 0.8 on the
published evaluation takes an emotion as certain."""


def emotions_of(mood: Mood) -> np.ndarray:
    """Return the probabilities (6,) of the emotions, in the order of `EMOTIONS`, for a mood."""
    squared = [
        (mood.valence - valence) ** 2 + (mood.arousal - arousal) ** 2
        for valence, arousal in (_CENTRES[name] for name in EMOTIONS)
    ]
    powers = np.array([math.exp(-one / (2 * _SPREAD**2)) for one in squared])
    # Far from all of them every power is nothing; then the nearest is it.
    if powers.sum() < 1e-30:
        powers = np.eye(len(EMOTIONS))[int(np.argmin(squared))]
    return (powers / powers.sum()).astype(np.float32)


def emotion_rows(curve: MoodCurve, seconds: int) -> np.ndarray:
    """Return the emotions (seconds, 6) of a curve of moods, each second by its middle."""
    return np.stack([emotions_of(_at(curve, second + 0.5)) for second in range(seconds)])


def key_of(curve: MoodCurve, seconds: float) -> str:
    """Return "C major" where the mean valence over the film is 0 or more, else "A minor"."""
    stretches: Sequence[tuple[float, float, Mood]] = curve.stretches(seconds)
    mean = math.fsum((end - start) * mood.valence for start, end, mood in stretches) / seconds
    return "C major" if mean >= 0 else "A minor"


def is_of_film(curve: MoodCurve, reading: EmotionReading) -> bool:
    """Return whether a curve is what the film was read as, with no setting turned."""
    own = MoodCurve.constant(mood_of(reading.probabilities, MoodSettings()))
    return curve in (own, scene_curve(reading.scenes, MoodSettings()))


def _at(curve: MoodCurve, second: float) -> Mood:
    return [mood for start, mood in zip(curve.starts, curve.moods, strict=True) if start <= second][
        -1
    ]
