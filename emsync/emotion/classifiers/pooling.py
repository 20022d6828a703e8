"""Six probabilities from whatever experts could say, without any training.

Each modality gives opinions on moments or stretches of the film. Within a modality they are
averaged; between modalities they are multiplied (a log-linear pool, Genest & Zidek, "Combining
probability distributions", Statistical Science 1, 1986), for two experts that agree are surer than
one. Before that each is discounted by its reliability r (Shafer 1976): with probability r it is
right as it stands, else it knows nothing,

    q(e) = r p(e) + (1 - r) / 6        p(e | film) ∝ ∏ q(e) over the modalities

so that no single expert can rule an emotion out. Reliabilities stand in
`emsync.emotion.features.expert.MODALITIES`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emsync.emotion.classifiers.classifier import Classification, FilmFeatures
from emsync.emotion.features.expert import CUES, MODALITIES, noun_of
from emsync.emotion.features.report import FeatureReport, Opinion, Stretch
from emsync.emotion.reading import EMOTIONS, Voice
from emsync.text import listed

ENOUGH = 0.3
"""Share of a stretch that has to have opinions for them to count in full; with less, certainty
falls in proportion. One face in sixteen frames is not the mood of a film. Ours."""


class Pooling:
    """The pool as a classifier. The cues always have a say; alone, they need no pool."""

    labels = EMOTIONS

    def why_not(self, features: FilmFeatures) -> str | None:
        """Return why there is nothing to pool; None if some expert has an opinion on the film."""
        if any(voice.modality != CUES for voice in _speaking(_film(features))):
            return None
        return "no expert has anything to say of it"

    def read(self, features: FilmFeatures) -> Classification:
        """Pool opinions over the film, and over each scene by itself."""
        film = _film(features)
        names = listed([noun_of(voice.modality) for voice in _speaking(film)])
        return Classification(
            probabilities=pool(film),
            source=f"experts pooled without training ({names})",
            scenes=tuple(
                pool(_voices_of(features, stretch, scene.probabilities))
                for scene, stretch in zip(features.cues.scenes, features.scenes, strict=True)
            ),
            voices=film,
        )


def open_classifier() -> Pooling:
    """Return the pool, which needs no weights."""
    return Pooling()


def voices(
    reports: Sequence[FeatureReport], stretch: Stretch, moments: Sequence[float]
) -> tuple[Voice, ...]:
    """Return what every modality with opinions says of a stretch; the others are left out.

    Args:
        reports: of the modalities; those that `MODALITIES` does not name are ignored.
        stretch: seconds; it must last.
        moments: times in seconds of the stills that experts were shown.
    """
    found = []
    for report in reports:
        modality = MODALITIES.get(report.modality)
        if modality is None or not report.opinions:
            continue
        weighed = [
            (weight, opinion)
            for opinion in report.opinions
            if (weight := _overlap(opinion.stretch, stretch)) > 0
        ]
        if not weighed:
            continue
        weights = np.array([weight for weight, _ in weighed])  # (opinions,) seconds
        certainty = np.array([opinion.certainty for _, opinion in weighed])  # (opinions,)
        mean = np.average(
            [o.probabilities for _, o in weighed], axis=0, weights=_some(weights * certainty)
        )  # (6,)
        coverage = _coverage([opinion for _, opinion in weighed], weights, stretch, moments)
        reliability = (
            modality.reliability * coverage * float(np.average(certainty, weights=weights))
        )
        found.append(Voice(report.modality, tuple((mean / mean.sum()).tolist()), reliability))
    return tuple(found)


def pool(speakers: Sequence[Voice]) -> tuple[float, ...]:
    """Return six probabilities out of what the modalities say, even ones if nobody speaks."""
    logarithms = np.zeros(len(EMOTIONS))
    for voice in speakers:
        r = voice.reliability
        discounted = r * np.asarray(voice.probabilities) + (1 - r) / len(EMOTIONS)
        # The floor keeps a modality that is fully believed from a veto.
        logarithms += np.log(np.maximum(discounted, 1e-9))
    likelihoods = np.exp(logarithms - logarithms.max())
    return tuple((likelihoods / likelihoods.sum()).tolist())


def _film(features: FilmFeatures) -> tuple[Voice, ...]:
    """Return what every modality says of the whole film."""
    return _voices_of(features, features.film, features.cues.probabilities)


def _voices_of(
    features: FilmFeatures, stretch: Stretch, cues: tuple[float, ...]
) -> tuple[Voice, ...]:
    """Return what every modality says of a stretch, of which the cues say `cues`."""
    of_cues = replace(features.cues.reports[0], opinions=(Opinion(stretch, cues),))
    return voices((of_cues, *features.reports), stretch, features.moments)


def _speaking(speakers: Sequence[Voice]) -> list[Voice]:
    """Return the voices that are believed at all."""
    return [voice for voice in speakers if voice.reliability > 0]


def _overlap(opinion: Stretch, stretch: Stretch) -> float:
    """Return the seconds shared; 1 for a moment within the stretch."""
    start, end = opinion
    if start == end:
        return float(stretch[0] <= start < stretch[1])
    return max(0.0, min(end, stretch[1]) - max(start, stretch[0]))


def _coverage(
    opinions: Sequence[Opinion], weights: np.ndarray, stretch: Stretch, moments: Sequence[float]
) -> float:
    """Return how much of a stretch opinions speak of, in (0, 1]; see `ENOUGH`."""
    if opinions[0].stretch[0] == opinions[0].stretch[1]:
        shown = sum(stretch[0] <= moment < stretch[1] for moment in moments)
        share = len(opinions) / max(shown, len(opinions))
    else:
        share = math.fsum(weights) / (stretch[1] - stretch[0])
    return min(1.0, share / ENOUGH)


def _some(weights: np.ndarray) -> np.ndarray:
    """Return the weights, or even ones where all are zero."""
    return weights if weights.sum() > 0 else np.ones_like(weights)
