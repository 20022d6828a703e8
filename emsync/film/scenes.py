"""Cuts: where one shot of the film gives way to the next (thesis 5.1).

A detector that is added to `DETECTORS` can be asked for by its name in `CutSettings.detector`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, Protocol

from emsync.film.frames import Frame
from emsync.settings import CutSettings

CutKind = Literal["hard", "gradual"]
""""hard": from one frame to the next; "gradual": by a fade, a dissolve or a wipe."""


@dataclass(frozen=True)
class Cut:
    """One detected cut.

    Attributes:
        time: seconds from the film's start to the first frame of the new shot.
        score: how sure the detector is, in [0, 1]; of "threshold", FFmpeg's scene score.
        kept: whether the music shall meet it; the others are too close to a kept one.
        kind: how one shot gives way to the other.
    """

    time: Fraction
    score: float
    kept: bool
    kind: CutKind = "hard"


class CutDetector(Protocol):
    """Finds the cuts of a film while its frames are decoded, once and for all who look at them."""

    def add_frame(self, frame: Frame) -> None:
        """Take in the next frame of the film."""

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """All cuts so far, in order of time, as `keep_apart` marks them."""


class ThresholdDetector:
    """Takes a frame for a cut if FFmpeg's scene score is above a threshold (thesis 5.1)."""

    def __init__(self, settings: CutSettings) -> None:
        self._settings = settings
        self._found: list[Cut] = []

    def add_frame(self, frame: Frame) -> None:
        """Take in the next frame of the film."""
        if frame.scene_score > self._settings.threshold:
            self._found.append(Cut(frame.time, frame.scene_score, kept=False))

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """All cuts so far, the kept ones marked; they are all hard."""
        return keep_apart(self._found, self._settings.minimum_gap)


DETECTORS: Mapping[str, Callable[[CutSettings], CutDetector]] = {
    "threshold": ThresholdDetector,
}
"""By their names in `CutSettings.detector`."""


def open_detector(settings: CutSettings) -> CutDetector:
    """Return a new detector of the kind that the settings name."""
    return DETECTORS[settings.detector](settings)


def keep_apart(cuts: Iterable[Cut], minimum_gap: Fraction) -> tuple[Cut, ...]:
    """Mark the cuts that the music shall meet: greedy from the first, a minimum gap apart.

    Args:
        cuts: in any order, kept or not.
        minimum_gap: seconds between two kept cuts (thesis 5.1: 4).

    Returns:
        All cuts in order of time; those with `kept` are at least the minimum gap apart.
    """
    marked: list[Cut] = []
    last_kept: Fraction | None = None
    for cut in sorted(cuts, key=lambda cut: (cut.time, cut.score)):
        kept = last_kept is None or cut.time - last_kept >= minimum_gap
        if kept:
            last_kept = cut.time
        marked.append(replace(cut, kept=kept))
    return tuple(marked)
