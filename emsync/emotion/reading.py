"""The emotion of a film as six probabilities, whoever read it (thesis 5.2.2)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from emsync.emotion.features.report import FeatureReport

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
"""Ekman's six, in the order of every probability tuple of this project."""


def checked_probabilities(values: Sequence[float]) -> tuple[float, ...]:
    """Return six finite, non-negative numbers that sum to 1 (to 1e-3), rescaled to do so exactly.

    Raises:
        ValueError: if they are not a distribution over `EMOTIONS`.
    """
    numbers = tuple(float(value) for value in values)
    if len(numbers) != len(EMOTIONS):
        raise ValueError(f"expected {len(EMOTIONS)} probabilities, got {len(numbers)}")
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError(f"probabilities must be finite and not negative: {numbers}")
    total = math.fsum(numbers)
    if abs(total - 1) > 1e-3:
        raise ValueError(f"probabilities must sum to 1, not {total}")
    return tuple(number / total for number in numbers)


@dataclass(frozen=True)
class SceneReading:
    """The emotion between two kept cuts.

    Attributes:
        start: seconds from the film's first frame.
        end: seconds; the next kept cut or the film's end.
        probabilities: six, order of `EMOTIONS`, sum 1.
    """

    start: Fraction
    end: Fraction
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "probabilities", checked_probabilities(self.probabilities))
        if not self.start < self.end:
            raise ValueError(f"a scene must last: {self.start} to {self.end}")


@dataclass(frozen=True)
class Voice:
    """What one modality said of a stretch of film, when there was no trained fusion to ask.

    Attributes:
        modality: its name.
        probabilities: six, averaged over its opinions.
        reliability: how much of that was believed, in [0, 1]; 0 if it had nothing to say.
    """

    modality: str
    probabilities: tuple[float, ...]
    reliability: float


@dataclass(frozen=True)
class LabelledReading:
    """What a classifier with labels of its own makes of a film, e.g. its genre.

    Attributes:
        classifier: its name in `emsync.emotion.classifiers.classifier.CLASSIFIERS`.
        source: who read it, as shown on the page and in the report.
        labels: each once, in the classifier's order.
        probabilities: of the whole film, one for each label, in [0, 1]; they sum to 1 where only
            one label can be right.
    """

    classifier: str
    source: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels must be there, each once: {self.labels}")
        if len(self.probabilities) != len(self.labels):
            raise ValueError(
                f"expected {len(self.labels)} probabilities, got {len(self.probabilities)}"
            )
        # NaN is in no range.
        if not all(0 <= number <= 1 for number in self.probabilities):
            raise ValueError(f"probabilities must lie in [0, 1]: {self.probabilities}")


@dataclass(frozen=True)
class EmotionReading:
    """The emotion of a film, and what else classifiers make of it.

    Attributes:
        probabilities: six for the whole film, order of `EMOTIONS`, sum 1.
        source: who read it, as shown on the page and in the report.
        scenes: the same for every stretch between kept cuts; they tile the film.
        reports: what each modality saw.
        voices: what each modality said of the whole film; empty where a trained fusion read it.
        others: what classifiers of other labels make of the film; the mood does not go by them.
    """

    probabilities: tuple[float, ...]
    source: str
    scenes: tuple[SceneReading, ...]
    reports: tuple[FeatureReport, ...]
    voices: tuple[Voice, ...] = ()
    others: tuple[LabelledReading, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "probabilities", checked_probabilities(self.probabilities))
