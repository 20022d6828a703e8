"""VEMOCLAP on what the experts saw: six probabilities for a film or for one of its scenes.

The fusion is read only where it can look at everything it was trained on: a modality whose expert
is not installed, or failed, is not the same as a film without faces or speech (see `why_not`).

It was trained on whole films. A scene is given to it as if it were a film: with few items, and the
rest of each sequence padded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emsync.emotion.classifiers.classifier import Classification, FilmFeatures
from emsync.emotion.features.expert import noun_of
from emsync.emotion.features.report import FeatureReport, Stretch
from emsync.emotion.reading import EMOTIONS, checked_probabilities
from emsync.errors import EmsyncError, WeightsError
from emsync.text import listed
from emsync.weights import store as weights

if TYPE_CHECKING:
    from emsync.emotion.classifiers.fusion import Feature, Fusion

NAME = "vemoclap"
"""In `emsync.weights.store`."""

_SAME = 1e-3  # seconds within which two stretches are one


class NothingToRead(EmsyncError):
    """A stretch of film in which no feature of the fusion is to be found."""


@dataclass(frozen=True)
class FusedReading:
    """What the fusion makes of a stretch of film.

    Attributes:
        probabilities: six, order of `emsync.emotion.reading.EMOTIONS`, sum 1.
        missing: modalities with nothing to say of this stretch; the fusion saw zeros for them.
    """

    probabilities: tuple[float, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Vemoclap:
    """The trained fusion, loaded. Safe to share between threads: nothing in it changes."""

    model: "Fusion"
    sha256: str
    """Of the weights."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the six emotions."""
        return self.model.settings.labels

    def why_not(self, features: FilmFeatures) -> str | None:
        """Return why the fusion should not read this film; None if it should.

        Every modality it was trained on must have run, or have honestly found nothing.
        """
        from emsync.emotion.classifiers.fusion import MODALITY

        known = {report.modality: report for report in features.reports}
        absent, found = [], False
        for feature in self.model.settings.features:
            modality = MODALITY[feature.name]
            report = known.get(modality)
            trouble = _trouble(report, feature)
            if trouble:
                absent.append(f"{noun_of(modality).removeprefix('the ')} ({trouble})")
            found = found or (report is not None and report.vectors is not None)
        if absent:
            return f"VEMOCLAP's trained fusion also goes by {listed(absent)}"
        return None if found else "there is nothing in it that VEMOCLAP's trained fusion goes by"

    def read(self, features: FilmFeatures) -> Classification:
        """Read a film; a scene in which the fusion finds nothing is read as the whole film is."""
        film = self.read_stretch(features.reports, features.film).probabilities
        scenes, blank = [], 0
        for stretch in features.scenes:
            try:
                scenes.append(self.read_stretch(features.reports, stretch).probabilities)
            except NothingToRead:
                scenes.append(film)
                blank += 1
        source = f"VEMOCLAP's trained fusion ({self.sha256[:12]})"
        if blank:
            source += (
                f"; {blank} of {len(scenes)} scenes, in which it finds nothing, as the whole film"
            )
        return Classification(film, source, tuple(scenes))

    def read_stretch(self, reports: Sequence[FeatureReport], stretch: Stretch) -> FusedReading:
        """Return the emotion of a stretch; ask `why_not` before.

        Args:
            reports: of the experts; others are ignored.
            stretch: a scene of `Footage.scenes`, or (0, seconds) for the whole film.

        Raises:
            NothingToRead: not one feature has anything in this stretch.
            ValueError: vectors of another kind than the fusion was trained on.
        """
        import torch

        from emsync.emotion.classifiers.fusion import MODALITY

        known = {report.modality: report for report in reports}
        inputs, missing = {}, []
        for feature in self.model.settings.features:
            report = known.get(MODALITY[feature.name])
            vectors, times = gathered(report, feature.singular, stretch)
            if not len(vectors):
                missing.append(MODALITY[feature.name])
            inputs[feature.name] = self.model.input_of(feature, vectors, times.tolist())
        if len(missing) == len(inputs):
            raise NothingToRead(
                f"From {stretch[0]:.1f} s to {stretch[1]:.1f} s there is nothing that VEMOCLAP's "
                "trained fusion goes by. Read this stretch without it."
            )
        with torch.inference_mode():
            batch = {name: value[None] for name, value in inputs.items()}  # (1, length, dim)
            shares = self.model(batch)[0].double().softmax(dim=0).tolist()  # (6,)
        return FusedReading(checked_probabilities(shares), tuple(missing))


def open_classifier() -> Vemoclap:
    """Return the fusion that is installed, on the CPU.

    Raises:
        WeightsNotInstalled: none is installed.
        WeightsError: its folder holds no whole fusion.
    """
    from emsync.emotion.classifiers.checkpoint import load

    folder = weights.find(NAME)
    trained = load(folder)
    if trained.model.settings.labels != EMOTIONS:
        raise WeightsError(
            f"The fusion in {folder} does not tell {listed(EMOTIONS)} apart. Install or train it "
            "again."
        )
    return Vemoclap(trained.model, trained.sha256)


def gathered(
    report: FeatureReport | None, singular: bool, stretch: Stretch
) -> tuple[np.ndarray, np.ndarray]:
    """Return a modality's vectors for one stretch, (items, dim), and their times.

    Both are empty where it has nothing.

    Of a sequence it is those whose middle lies in the stretch, in order; of a text the one made
    for it.
    """
    if report is None or report.vectors is None:
        return np.zeros((0, 0), np.float32), np.zeros(0)
    if len(report.stretches) != len(report.vectors):
        raise ValueError(f"{report.modality} has vectors without times")
    stretches = np.array(report.stretches, dtype=float).reshape(-1, 2)
    times = stretches.mean(axis=1)
    if singular:
        chosen = np.flatnonzero((np.abs(stretches - stretch) < _SAME).all(axis=1))[:1]
    else:
        chosen = np.flatnonzero((stretch[0] <= times) & (times < stretch[1]))
        chosen = chosen[np.argsort(times[chosen], kind="stable")]
    return report.vectors[chosen], times[chosen]


def _trouble(report: FeatureReport | None, feature: "Feature") -> str | None:
    """Return why a modality cannot be believed to have looked; None if it did."""
    if report is None:
        return "not consulted"
    if report.status == "no such content":
        return None
    if report.status != "ran":
        return report.status
    if report.vectors is None:
        return "which gave nothing that it knows"
    if report.vectors.ndim != 2 or report.vectors.shape[1] != feature.dim:
        return f"{report.vectors.shape[-1]} numbers an item, not {feature.dim}"
    return None
