"""Which stills of a film are worth reading: those that differ, and have most strokes in them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emsync.film.footage import Still
from emsync.settings import ExpertSettings

CHANGED_SHARE = 0.002
"""Of the small picture's pixels; with fewer changed two stills show the same. Ours: 4 of 64 × 36,
a short word."""

_SMALL = (64, 36)
_CHANGED = 16  # of 255 levels
_STROKE_PIXELS, _STROKE_CONTRAST = 4, 32
_CELL = (8, 32)  # rows and columns in which strokes must be dense
_STROKE_DENSITY = 0.2


@dataclass(frozen=True)
class Chosen:
    """A still to read.

    Attributes:
        still: the first of those that look like it.
        until: seconds; when the first that looks different comes, or the film ends.
    """

    still: Still
    until: float


def most_looks(seconds: float, settings: ExpertSettings) -> int:
    """Return how many stills to read: 12, one more for every 5 s, `settings.most_frames` at most.

    Ours: a card is on the screen for about 2.5 s at least, which is the spacing in a minute's film.
    """
    return min(settings.most_frames, 12 + int(seconds / 5))


def choose(stills: Sequence[Still], seconds: float, most: int) -> list[Chosen]:
    """Return stills that differ from the one before; if they are too many, an even choice.

    The choice takes one of each equal share of them, the one with most strokes in it: text is
    made of thin lines side by side.

    Args:
        stills: in order.
        seconds: length of the film.
        most: at least 1.
    """
    runs: list[tuple[Still, int]] = []
    shown: np.ndarray | None = None
    for still in stills:
        picture, small = _grey(still)
        if shown is not None and np.mean(np.abs(small - shown) > _CHANGED) <= CHANGED_SHARE:
            continue
        shown = small
        runs.append((still, _strokes(picture)))
    ends = [still.time for still, _ in runs[1:]] + [seconds]
    parts = np.array_split(np.arange(len(runs)), min(most, len(runs)))
    picked = [max(part.tolist(), key=lambda index: runs[index][1]) for part in parts]
    return [Chosen(runs[index][0], max(ends[index], runs[index][0].time)) for index in picked]


def _grey(still: Still) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture at some 480 pixels, and at `_SMALL`; both (rows, columns) int16."""
    from PIL import Image

    with Image.open(io.BytesIO(still.jpeg)) as image:
        image.draft("L", (480, 480))  # the decoder itself halves it
        picture = image.convert("L")
    picture.thumbnail((480, 480))
    small = picture.resize(_SMALL, Image.Resampling.BOX)
    return np.asarray(picture, np.int16), np.asarray(small, np.int16)


def _strokes(picture: np.ndarray) -> int:
    """Return how many cells are full of strokes.

    A stroke's pixels are brighter, or darker, than what is left and right of them.

    Args:
        picture: (rows, columns) int16.
    """
    rows, columns = (side // cell for side, cell in zip(picture.shape, _CELL, strict=True))
    if columns < 2 or rows < 1:
        return 0
    far = _STROKE_PIXELS
    # each (rows, columns - 2 * far)
    left = picture[:, far:-far] - picture[:, : -2 * far]
    right = picture[:, far:-far] - picture[:, 2 * far :]
    stroke = (np.minimum(np.abs(left), np.abs(right)) > _STROKE_CONTRAST) & (left * right > 0)
    columns = stroke.shape[1] // _CELL[1]
    cells = stroke[: rows * _CELL[0], : columns * _CELL[1]]
    # (rows of cells, columns of cells)
    density = cells.reshape(rows, _CELL[0], columns, _CELL[1]).mean(axis=(1, 3))
    return int((density > _STROKE_DENSITY).sum())
