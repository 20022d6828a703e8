"""What the music of a video is measured by, one value a second: loudness and note density.

The regression learns them; a data set of one's own is made with them.
"""

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from emsync.music.notes import Note
from emsync.music.video2music.features import DECIMALS

SAMPLE_RATE: Final = 44_100
"""Hz, of the sound that loudness is measured on."""
_FULL_SCALE: Final = 32_767


def loudness_of(samples: np.ndarray) -> np.ndarray:
    """Return the loudness of every second, full scale 1, (seconds,) float32.

    Args:
        samples: (samples,) int16 mono at `SAMPLE_RATE`; the last second may be shorter.

    The root mean square of a second is cut to a whole number before it is divided, as the
    published code does.
    """
    seconds = range(0, len(samples), SAMPLE_RATE)
    power = [np.square(samples[at : at + SAMPLE_RATE].astype(float)).mean() for at in seconds]
    levels = [round(math.floor(math.sqrt(one)) / _FULL_SCALE, DECIMALS) for one in power]
    return np.array(levels, np.float32)


def note_density_of(notes: Iterable[Note], seconds: int) -> np.ndarray:
    """Return how many notes sound at any time within each second, (seconds,) float32.

    Args:
        notes: of all instruments, drums too.
        seconds: how many values.
    """
    density = np.zeros(seconds, np.float32)
    for note in notes:
        density[math.floor(note.start) : math.floor(note.end) + 1] += 1
    return density
