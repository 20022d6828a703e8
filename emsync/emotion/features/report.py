"""What one way of looking at the film (a modality) saw, whether or not it could look."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Status = Literal["ran", "no such content", "weights not installed", "failed"]
""""no such content": the film has nothing for this modality, e.g. no sound or no face."""


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
    """

    modality: str
    status: Status
    detail: str
    vectors: np.ndarray | None
    findings: tuple[tuple[str, str], ...]
    seconds: float
    device: str
