"""What one way of looking at the film (a modality) saw, whether or not it could look."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from emsync.film.footage import Stretch

__all__ = ["FeatureReport", "Opinion", "Picture", "Status", "Stretch"]

Status = Literal["ran", "no such content", "weights not installed", "failed"]
""""no such content": the film has nothing for this modality, e.g. no sound or no face."""


@dataclass(frozen=True)
class Opinion:
    """What one modality makes of a stretch of film, without any trained fusion.

    Attributes:
        stretch: seconds; a still is a moment.
        probabilities: six, order of `emsync.emotion.reading.EMOTIONS`, sum 1.
        certainty: 0 to 1; how much of the stretch it rests on, 0 counting for nothing. A scene with
            one second of speech is heard with less certainty than one that is all speech.
    """

    stretch: Stretch
    probabilities: tuple[float, ...]
    certainty: float = 1.0


@dataclass(frozen=True)
class Picture:
    """Something to look at beside the findings: a frame with what was found drawn into it.

    Attributes:
        caption: also its text alternative; says all that matters in the picture.
        jpeg: the picture.
    """

    caption: str
    jpeg: bytes


@dataclass(frozen=True)
class FeatureReport:
    """The outcome of one modality on one film.

    Attributes:
        modality: name of the modality, e.g. "cues", "clip", "face".
        status: whether it ran, and if not, why.
        detail: one sentence for a lay reader: what was measured, or why nothing was.
        vectors: float array (items, features), or None where there are none; the modality's
            module says what an item and a feature are.
        findings: (label, value) pairs to show as they are, e.g. ("Brightness", "dark (0.21)").
        seconds: wall time spent on it.
        device: where it ran, e.g. "cpu".
        stretches: of each item of `vectors`; empty where they have no times.
        opinions: in six probabilities, for pooling without a trained fusion; a modality's module
            says how it comes to them.
        pictures: to look at.
        transcript: (stretch, text) of what was said, or read on the screen, in order.
    """

    modality: str
    status: Status
    detail: str
    vectors: np.ndarray | None
    findings: tuple[tuple[str, str], ...]
    seconds: float
    device: str
    stretches: tuple[Stretch, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    pictures: tuple[Picture, ...] = ()
    transcript: tuple[tuple[Stretch, str], ...] = ()
