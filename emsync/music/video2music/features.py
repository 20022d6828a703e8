"""What Video2Music is told of a film, one row a second: semantics, scene, motion, emotion.

`FilmWatcher` looks at the frames as they come by, so that one decoding of the film serves it and
everybody else. The pictures it keeps are looked at by `emsync.music.video2music.clip` afterwards.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from emsync.film.footage import Still
from emsync.film.frames import Frame, StillRequest

EMOTIONS: Final = ("exciting", "fearful", "tense", "sad", "relaxing", "neutral")
"""In the order of the features."""
OTHER_FEATURES: Final = 2 + len(EMOTIONS)
"""Scene offset, motion and emotions, beside the semantic vector."""
DECIMALS: Final = 4
"""To which the published data set rounds motion, emotion and loudness."""

_STEP: Final = Fraction(1)
"""Seconds between two rows of features."""
_PICTURE_SIDE: Final = 960
"""Pixels of the longer side of a picture; CLIP wants 336 of the shorter. As the experts' stills."""
_JPEG_QUALITY: Final = 95


@dataclass(frozen=True)
class FilmFeatures:
    """One row a second. All arrays are float32."""

    semantic: np.ndarray
    """(seconds, 768): the picture's embedding, not normalised; (seconds, 0) without pictures."""
    scene_offset: np.ndarray
    """(seconds,): seconds since the scene began: 0, 1, 2 ..."""
    motion: np.ndarray
    """(seconds,): mean difference between two frames, 0 to 255."""
    emotion: np.ndarray
    """(seconds, 6): probabilities in the order of `EMOTIONS`."""

    def __len__(self) -> int:
        return len(self.motion)

    def rows(self, smooth: float = 0.0) -> np.ndarray:
        """Return the rows that the networks are given, (seconds, 776).

        Args:
            smooth: seconds over which the emotion is averaged; 0 for not at all.
        """
        return np.column_stack(
            (self.semantic, self.scene_offset + 1, self.motion, smoothed(self.emotion, smooth))
        ).astype(np.float32)


def padded(rows: np.ndarray, seconds: int) -> np.ndarray:
    """Return `rows` (seconds, features) with zeros after them, or cut, to exactly `seconds`.

    The networks were trained on 300 seconds; what a film lacks is zeros, which they attend to.
    """
    whole = np.zeros((seconds, rows.shape[1]), np.float32)
    whole[: len(rows)] = rows[:seconds]
    return whole


def smoothed(rows: np.ndarray, seconds: float) -> np.ndarray:
    """Return the mean of `rows` (seconds, columns) over a window of `seconds` about each of them.

    At both ends the window has as much as there is. The paper smooths the emotion over 5 s, the
    published code does not; how the window lies is ours.
    """
    half = int(seconds // 2)
    if half < 1:
        return rows
    return np.stack([rows[max(0, at - half) : at + half + 1].mean(0) for at in range(len(rows))])


def scene_offsets(ends: Sequence[float], seconds: int) -> np.ndarray:
    """Return for every second how many seconds ago its scene began, (seconds,) float32.

    Args:
        ends: where scenes end, in seconds, ascending; none where there is one scene only.
        seconds: how many rows.

    A second belongs to the first scene whose end, rounded up, comes after it; after the last end,
    to the last scene.
    """
    edges = [math.ceil(end) for end in ends]
    offsets = np.zeros(seconds, np.float32)
    before = None
    for second in range(seconds):
        scene = next((i for i, edge in enumerate(edges) if edge > second), len(edges) - 1)
        offsets[second] = offsets[second - 1] + 1 if second and scene == before else 0
        before = scene
    return offsets


@dataclass(frozen=True, eq=False)
class Watched:
    """What `FilmWatcher` saw of a film."""

    motion: np.ndarray
    """(values,) float32; the first is 0."""
    motion_times: tuple[float, ...]
    """When motion was measured: at the first frame, and each a second after the last."""
    pictures: tuple[Still, ...]
    every: int | None
    """Seconds between two pictures; None if there are none."""


class FilmWatcher:
    """Watches the frames go by, measures motion, and keeps pictures.

    Motion is measured on `Frame.pixels` as they come. The published code has them at full size;
    small ones have less noise and so less motion.
    """

    def __init__(self, every: int | None = 1) -> None:
        """
        Args:
            every: seconds between two pictures; the published code has 1. None for no pictures.
        """
        self.request = None if every is None else StillRequest(float(every), _PICTURE_SIDE)
        """For `emsync.film.frames.stream_frames`, as `pictures`: the first frame, and each `every`
        seconds after the last one or later."""
        self._every = every
        self._motion: list[float] = []
        self._measured: list[Fraction] = []
        """Times of the frames at which motion was measured."""
        self._pictures: list[Still] = []
        self._before: np.ndarray | None = None

    def add_frame(self, frame: Frame) -> None:
        """Look at the next frame of the film."""
        if self._before is None or frame.time - self._measured[-1] >= _STEP:
            before = frame.pixels if self._before is None else self._before
            difference = np.abs(frame.pixels.astype(np.int16) - before)
            self._motion.append(round(float(difference.mean()), DECIMALS))
            self._measured.append(frame.time)
        self._before = frame.pixels
        if frame.picture is not None:
            self._pictures.append(_jpeg(frame.picture, float(frame.time)))

    @property
    def features(self) -> Watched:
        """Return what was seen so far."""
        times = tuple(map(float, self._measured))
        return Watched(
            np.array(self._motion, np.float32), times, tuple(self._pictures), self._every
        )


def _jpeg(pixels: np.ndarray, time: float) -> Still:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return Still(time, written.getvalue())


def at_seconds(values: np.ndarray, times: Sequence[float], seconds: int) -> np.ndarray:
    """Return what held at each of the seconds 0, 1, 2 ...: the last value up to half a second on.

    The published code takes values by their number: on a film of even frame rate that is the same,
    on others its features run ahead of the film.

    Args:
        values: (values, ...), in the order of their times.
        times: of the values, seconds, the first 0.
        seconds: how many rows.
    """
    index = np.searchsorted(times, np.arange(seconds) + 0.5, side="right") - 1
    return np.asarray(values[np.maximum(index, 0)])
