"""From a film to the features that Video2Music is told."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from emsync.emotion.analysis import Analysis
from emsync.emotion.curve import MoodCurve
from emsync.film.film import Film
from emsync.film.frames import stream_frames
from emsync.music.video2music import clip
from emsync.music.video2music.clip import Eye
from emsync.music.video2music.features import (
    FilmFeatures,
    FilmWatcher,
    Watched,
    at_seconds,
    scene_offsets,
)
from emsync.music.video2music.mood import emotion_rows
from emsync.progress import CancelToken, silent_share
from emsync.settings import Settings, Video2MusicSettings
from emsync.weights import store

PICTURE_WIDTH = 160
"""Pixels of the frames that motion is measured on, as those of the analysis. Ours: the published
code has them at full size, where noise adds to the motion. On a film 640 pixels wide they gave 12 %
less motion."""
MOST_PICTURES = 300
"""Of a film, whatever is asked for: they are kept with what is known of it. The published code
knows no films of more than 300 s."""
_DECODING = 0.2
"""Share of the time that decoding takes where CLIP looks at pictures. Ours, a guess."""


def open_watcher(settings: Settings, film: Film) -> FilmWatcher:
    """Return what watches a film while it is analysed; with pictures where CLIP is installed."""
    if not store.status_of(clip.WEIGHTS).installed:
        return FilmWatcher(None)
    own, seconds = settings.music.video2music, float(film.duration)
    return FilmWatcher(seconds_between(own, seconds, clip_device()))


def clip_device() -> str:
    """Return where CLIP looks at pictures: "cuda" where there is a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def watch(
    film: Film,
    every: int | None,
    cancel: CancelToken,
    advance: Callable[[float], None] = silent_share,
) -> Watched:
    """Decode the film once more, where nobody watched while it was analysed.

    Args:
        film: probed.
        every: seconds between two pictures; None for none.
        cancel: stops it within a second.
        advance: told the share that is done.

    Raises:
        FilmError, ToolError: it cannot be decoded.
        Cancelled: the owner asked to stop.
    """
    watcher = FilmWatcher(every)
    frames = stream_frames(film, cancel, PICTURE_WIDTH, pictures=watcher.request)
    for number, frame in enumerate(frames):
        watcher.add_frame(frame)
        if number % 25 == 0:
            advance(min(float(frame.time / film.duration), 1.0))
    return watcher.features


def look(
    analysis: Analysis,
    eye: Eye | None,
    every: int,
    cancel: CancelToken,
    advance: Callable[[float], None] = silent_share,
) -> FilmFeatures:
    """Return the features of a film, decoded again if nobody watched it as they are wanted here.

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
    watched = analysis.features
    wanted = every if eye is not None else None
    # Pictures that were kept for an eye that is not there do no harm.
    if not isinstance(watched, Watched) or wanted not in (None, watched.every):
        watched = watch(analysis.film, wanted, cancel, lambda done: advance(share * done))
    ends = [float(cut.time) for cut in analysis.cuts] + [float(analysis.film.duration)]
    semantic, emotion = np.zeros((seconds, 0), np.float32), np.zeros((seconds, 6), np.float32)
    if eye is not None:
        seen = eye.see(watched.pictures, cancel, lambda done: advance(share + (1 - share) * done))
        times = [picture.time for picture in watched.pictures]
        semantic = at_seconds(seen.semantic, times, seconds)
        emotion = at_seconds(seen.emotion, times, seconds)
    motion = at_seconds(watched.motion, watched.motion_times, seconds)
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
    least = math.ceil(seconds / MOST_PICTURES)
    if settings.clip_every is not None:
        return max(settings.clip_every, least)
    usual = 1 if device == "cuda" else math.ceil(seconds / settings.most_on_cpu)
    return max(1, usual, least)
