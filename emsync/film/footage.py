"""What the experts get to see and hear: stills and sound, out of one decoding of the film."""

import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np

from emsync.film.film import Film
from emsync.film.frames import Frame, StillRequest, stream_frames
from emsync.progress import CancelToken
from emsync.settings import ExpertSettings

SOUND_RATE = 16_000
"""Hz: what speech and audio models are trained on."""

_JPEG_QUALITY = 95  # with full colour resolution nothing that a model was trained to see is lost

Stretch = tuple[float, float]
"""Start and end in seconds from the film's first frame; a moment has both the same."""


@dataclass(frozen=True)
class Still:
    """One frame of the film, kept as a JPEG so that hundreds fit in memory.

    Attributes:
        time: seconds from the first frame.
        jpeg: the picture, upright, square pixels.
    """

    time: float
    jpeg: bytes

    def pixels(self) -> np.ndarray:
        """Return the picture as (height, width, 3) uint8, RGB."""
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(self.jpeg)).convert("RGB"))


@dataclass(frozen=True)
class Footage:
    """The film as the experts get it; all of them share one.

    Attributes:
        seconds: length of the film.
        scenes: stretches between kept cuts; they tile the film.
        stills: about evenly spaced in time, in order; never empty. Where frames are far apart in
            a film of variable frame rate, so are they.
        sound: (samples,) float32 mono at `SOUND_RATE`, from the first frame on; empty if the film
            has none.
    """

    seconds: float
    scenes: tuple[Stretch, ...]
    stills: tuple[Still, ...]
    sound: np.ndarray

    def equidistant(self, count: int, stretch: Stretch | None = None) -> tuple[Still, ...]:
        """Return the stills nearest to `count` moments evenly spaced over a stretch, with its ends.

        Args:
            count: at least 1; fewer come back where the stretch has fewer stills.
            stretch: the whole film if None. A stretch without a still gets the one nearest to it.
        """
        start, end = stretch or (0.0, self.seconds)
        inside = [still for still in self.stills if start <= still.time < end]
        inside = inside or [min(self.stills, key=lambda still: abs(still.time - start))]
        times = [still.time for still in inside]
        return tuple(inside[index] for index in nearest_equidistant(times, count))

    def sampled(self, count: int, per_scene: int, most: int) -> tuple[Still, ...]:
        """Return `count` stills of the film and `per_scene` of each scene, in order, each once.

        Args:
            count: over the whole film (the classifier's 16).
            per_scene: so that each scene can be read by itself.
            most: in all; of more, an even choice is kept beside the `count`.
        """
        chosen = {still.time: still for still in self.equidistant(count)}
        extra = {
            still.time: still
            for scene in self.scenes
            for still in self.equidistant(per_scene, scene)
            if still.time not in chosen
        }
        left = max(0, most - len(chosen))
        times = sorted(extra)
        if len(times) > left:
            picked = np.linspace(0, len(times) - 1, left).round().astype(int)
            times = [times[index] for index in picked]
        chosen |= {time: extra[time] for time in times}
        return tuple(chosen[time] for time in sorted(chosen))


def nearest_equidistant(times: Sequence[float], count: int) -> list[int]:
    """Return the indices into ascending `times` nearest to `count` moments evenly spaced over it.

    Ascending, without repeats: at most `count`, and all of them if there are no more than that.
    """
    if len(times) <= count:
        return list(range(len(times)))
    array = np.asarray(times)
    wanted = np.linspace(array[0], array[-1], count)
    return sorted({int(np.abs(array - moment).argmin()) for moment in wanted})


PICTURE_SIDE = 208
"""Pixels of the longer side of a scene's picture: as wide as it is ever shown, twice over for
dense screens."""
_POSTER_WIDTH, _POSTER_FRAMES = 640, 30
MOST_PICTURES = 60
"""In all; films with more scenes have an even choice of them. Some 6 kB each."""


def pictures_of(stills: Sequence[Still], scenes: Sequence[Stretch]) -> tuple[Still, ...]:
    """Return a small picture of each scene, to show: the still nearest to its middle.

    Args:
        stills: of the film, in order.
        scenes: (start, end) in seconds; the even choice of `MOST_PICTURES` gets pictures.
    """
    from PIL import Image

    if not stills:
        return ()
    shown = np.linspace(0, len(scenes) - 1, min(len(scenes), MOST_PICTURES)).round().astype(int)
    made = {}
    for number in shown:
        middle = sum(scenes[number]) / 2
        still = min(stills, key=lambda still: abs(still.time - middle))
        picture = Image.open(io.BytesIO(still.jpeg)).convert("RGB")
        picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        written = io.BytesIO()
        picture.save(written, "JPEG", quality=80, optimize=True)
        made[still.time] = Still(still.time, written.getvalue())
    return tuple(made.values())


def poster(film: Film, cancel: CancelToken) -> bytes:
    """Return a JPEG of a frame near the beginning, to know a film by where it cannot be played.

    Args:
        cancel: stops the decoding.

    Raises:
        FilmError: not one frame decodes.
        ToolError: FFmpeg is missing or was killed.
        Cancelled: the owner of the request asked to stop.
    """
    from PIL import Image

    with closing(stream_frames(film, cancel, _POSTER_WIDTH)) as frames:
        # Many films fade in from black.
        lightest = max(islice(frames, _POSTER_FRAMES), key=lambda frame: frame.pixels.mean())
    written = io.BytesIO()
    Image.fromarray(lightest.pixels).save(written, "JPEG", quality=85, optimize=True)
    return written.getvalue()


class StillCollector:
    """Watches the frames go by and keeps the stills among them."""

    def __init__(self, film: Film, settings: ExpertSettings) -> None:
        # Twice as many as are looked at, for a frame seldom comes just when it is wanted.
        step = min(float(film.duration) / settings.frames / 2, settings.still_seconds)
        step = max(step, float(film.duration) / settings.most_stills)
        self.request = StillRequest(step, settings.still_side)
        """For `emsync.film.frames.stream_frames`."""
        self._stills: list[Still] = []

    def add_frame(self, frame: Frame) -> None:
        """Keep the still of the next frame, if it has one."""
        if frame.still is None:
            return
        from PIL import Image

        written = io.BytesIO()
        Image.fromarray(frame.still).save(written, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        self._stills.append(Still(float(frame.time), written.getvalue()))

    @property
    def stills(self) -> tuple[Still, ...]:
        """All stills so far, in order."""
        return tuple(self._stills)
