"""From a film to the features that Video2Music is told."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from emsync.emotion.analysis import Analysis
from emsync.emotion.curve import MoodCurve
from emsync.film.frames import stream_frames
from emsync.music.video2music.clip import Eye
from emsync.music.video2music.features import FilmFeatures, FilmWatcher, at_seconds, scene_offsets
from emsync.music.video2music.mood import emotion_rows
from emsync.music.video2music.settings import Video2MusicSettings
from emsync.progress import CancelToken, silent_share

PICTURE_WIDTH = 160
"""Pixels of the frames that motion is measured on, as those of the analysis. Ours: the published
code has them at full size, where noise adds to the motion. On a film 640 pixels wide they gave 12 %
less motion."""
_DECODING = 0.2
"""Share of the time that decoding takes where CLIP looks at pictures. Ours, a guess."""


def watch(
    analysis: Analysis,
    every: int,
    cancel: CancelToken,
    advance: Callable[[float], None] = silent_share,
) -> FilmWatcher:
    """Decode the film once more, for whoever was not there when its frames came by.

    Args:
        analysis: of the film.
        every: seconds between two pictures.
        cancel: stops it within a second.
        advance: told the share that is done.

    Raises:
        FilmError, ToolError: it cannot be decoded.
        Cancelled: the owner asked to stop.
    """
    watcher, film = FilmWatcher(every), analysis.film
    for number, frame in enumerate(stream_frames(film, cancel, PICTURE_WIDTH, watcher.request)):
        watcher.see(frame)
        if number % 25 == 0:
            advance(min(float(frame.time / film.duration), 1.0))
    return watcher


def look(
    analysis: Analysis,
    eye: Eye | None,
    every: int,
    cancel: CancelToken,
    advance: Callable[[float], None] = silent_share,
) -> FilmFeatures:
    """Return the features of a film.

    Args:
        analysis: of the film, whose cuts are the ends of the scenes.
        eye: CLIP; without it the features have no semantic vectors, and zeros for the emotion.
        every: seconds between the pictures that `eye` looks at, at least 1.
        cancel: stops it between two pictures.
        advance: told the share that is done.

    Raises:
        FilmError, ToolError: the film cannot be decoded.
        WeightsError: the weights of CLIP are damaged.
        Cancelled: the owner asked to stop.
    """
    seconds = math.ceil(analysis.film.duration)
    share = 1.0 if eye is None else _DECODING
    watcher = watch(analysis, every, cancel, lambda done: advance(share * done))
    ends = [float(cut.time) for cut in analysis.cuts] + [float(analysis.film.duration)]
    semantic, emotion = np.zeros((seconds, 0), np.float32), np.zeros((seconds, 6), np.float32)
    if eye is not None:
        seen = eye.see(watcher.pictures, cancel, lambda done: advance(share + (1 - share) * done))
        times = [picture.time for picture in watcher.pictures]
        semantic = at_seconds(seen.semantic, times, seconds)
        emotion = at_seconds(seen.emotion, times, seconds)
    motion = at_seconds(watcher.motion, watcher.motion_times, seconds)
    return FilmFeatures(semantic, scene_offsets(ends, seconds), motion, emotion)


def with_mood(features: FilmFeatures, curve: MoodCurve) -> FilmFeatures:
    """Return the features with a mood that somebody asks for in place of the emotion seen."""
    return replace(features, emotion=emotion_rows(curve, len(features)))


def seconds_between(settings: Video2MusicSettings, seconds: float, device: str) -> int:
    """Return the seconds between two pictures that CLIP looks at, see the settings.

    Args:
        settings: of the request.
        seconds: length of the film.
        device: where CLIP computes: "cpu" or "cuda".
    """
    if settings.clip_every is not None:
        return settings.clip_every
    return 1 if device == "cuda" else max(1, math.ceil(seconds / settings.most_on_cpu))
