"""What every classifier is: features of a film go in, probabilities of labels come out.

A classifier is a module beside this file and a row in `CLASSIFIERS`. Its labels are its own. One
that tells `EMOTIONS` apart may read the mood of a film; any other is shown beside that reading.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from emsync.emotion.features.report import FeatureReport, Stretch
from emsync.emotion.reading import EmotionReading, Voice
from emsync.errors import WeightsError, WeightsNotInstalled

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FilmFeatures:
    """What is known of a film once everybody has looked at it."""

    cues: EmotionReading
    """What the cues alone make of it; its scenes are the film's."""
    reports: tuple[FeatureReport, ...]
    """Of the experts."""
    seconds: float
    """Length of the film."""
    moments: tuple[float, ...] = ()
    """Seconds of the stills that experts were shown, ascending."""

    @property
    def film(self) -> Stretch:
        """The film as one stretch."""
        return 0.0, self.seconds

    @property
    def scenes(self) -> tuple[Stretch, ...]:
        """The scenes, in seconds; they tile the film."""
        return tuple((float(scene.start), float(scene.end)) for scene in self.cues.scenes)


@dataclass(frozen=True)
class Classification:
    """What a classifier makes of a film."""

    probabilities: tuple[float, ...]
    """Of the whole film, one for each label; they sum to 1 where only one label can be right."""
    source: str
    """Who read it, as page and report name it, e.g. "VEMOCLAP's trained fusion (0123456789ab)"."""
    scenes: tuple[tuple[float, ...], ...] = ()
    """The same for each scene, in order; empty if it cannot read them apart."""
    voices: tuple[Voice, ...] = ()
    """What each modality said of the whole film by itself, where that can be told."""


class Classifier(Protocol):
    """One way to read a film. Its weights are loaded; requests share it, also at the same time.

    It computes on the CPU: so small that a GPU, whose memory may be full, would save nothing.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """Return what it tells apart, in the order of its probabilities."""

    def why_not(self, features: FilmFeatures) -> str | None:
        """Return why it should not read this film; None if it should.

        The answer is a clause, to stand after “because”.
        """

    def read(self, features: FilmFeatures) -> Classification:
        """Read a film for which `why_not` has no reason against it."""


@dataclass(frozen=True)
class ClassifierRow:
    """A classifier as everybody else knows it before it is loaded."""

    title: str
    """For the page's list, e.g. "VEMOCLAP, the fusion"."""
    noun: str
    """In sentences, e.g. "VEMOCLAP's trained fusion"."""
    module: str
    """Has `open_classifier() -> Classifier`."""
    reads_emotion: bool = True
    """Whether its labels are `EMOTIONS`, so that the mood may go by it; else it is shown beside."""
    weights: tuple[str, ...] = ()
    """Names in `emsync.weights.store.REGISTRY` of all that it uses."""
    seconds: int = 1
    """It reads a film in less than that on a slow core."""


_CLASSIFIERS = "emsync.emotion.classifiers"

CLASSIFIERS: Mapping[str, ClassifierRow] = {
    "vemoclap": ClassifierRow(
        "VEMOCLAP, the fusion",
        "VEMOCLAP's trained fusion",
        f"{_CLASSIFIERS}.vemoclap",
        weights=("vemoclap",),
    ),
    "pooling": ClassifierRow("The pool", "the pool", f"{_CLASSIFIERS}.pooling"),
}
"""All classifiers by name. Of those that read the emotion the first that can read a film does."""


class Classifiers:
    """All classifiers, each loaded once and shared by requests."""

    def __init__(self) -> None:
        self._loaded: dict[str, Classifier] = {}

    def open(self, name: str) -> Classifier | str:
        """Return a classifier of `CLASSIFIERS`, or in a clause why it cannot be asked.

        One that could not be loaded is tried again the next time.
        """
        if name not in self._loaded:
            row = CLASSIFIERS[name]
            try:
                self._loaded[name] = import_module(row.module).open_classifier()
            except WeightsNotInstalled:
                return f"{row.noun} is not installed"
            except WeightsError as error:
                log.warning("%s", error)
                return f"{row.noun} cannot be loaded: {error}"
        return self._loaded[name]
