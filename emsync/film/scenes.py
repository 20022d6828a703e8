"""Cuts: where the picture changes at once (thesis 5.1)."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from emsync.film.frames import Frame
from emsync.settings import CutSettings


@dataclass(frozen=True)
class Cut:
    """One detected cut.

    Attributes:
        time: seconds from the film's start to the first frame after the cut.
        score: FFmpeg's scene score of that frame, in [0, 1].
        kept: whether the music shall meet it; the others are too close to a kept one.
    """

    time: Fraction
    score: float
    kept: bool


def keep_cuts(
    candidates: Iterable[tuple[Fraction, float]], settings: CutSettings
) -> tuple[Cut, ...]:
    """Choose the cuts that the music shall meet: greedy from the first, a minimum gap apart.

    Args:
        candidates: (time in seconds, scene score) of frames, in any order. Those at or below the
            threshold are no cuts and are left out.
        settings: threshold and minimum gap (thesis 5.1: 0.27 and 4 s).

    Returns:
        All cuts in order of time; those with `kept` are at least the minimum gap apart.
    """
    cuts: list[Cut] = []
    last_kept: Fraction | None = None
    for time, score in sorted(candidates):
        if score <= settings.threshold:
            continue
        kept = last_kept is None or time - last_kept >= settings.minimum_gap
        if kept:
            last_kept = time
        cuts.append(Cut(time, score, kept))
    return tuple(cuts)


class CutDetector:
    """Watches the frames go by and remembers where the film was cut."""

    def __init__(self, settings: CutSettings) -> None:
        self._settings = settings
        self._candidates: list[tuple[Fraction, float]] = []

    def see(self, frame: Frame) -> None:
        """Look at the next frame of the film."""
        if frame.scene_score > self._settings.threshold:
            self._candidates.append((frame.time, frame.scene_score))

    @property
    def candidates(self) -> tuple[tuple[Fraction, float], ...]:
        """(time in seconds, scene score) of every frame above the threshold so far."""
        return tuple(self._candidates)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """All cuts so far, the kept ones marked."""
        return keep_cuts(self._candidates, self._settings)
