"""Six probabilities from whatever experts could say, without any training.

Each modality gives opinions on moments or stretches of the film. Within a modality they are
averaged; between modalities they are multiplied (a log-linear pool, Genest & Zidek, "Combining
probability distributions", Statistical Science 1, 1986), for two experts that agree are surer than
one. Before that each is discounted by its reliability r (Shafer 1976): with probability r it is
right as it stands, else it knows nothing,

    q(e) = r p(e) + (1 - r) / 6        p(e | film) ∝ ∏ q(e) over the modalities

so that no single expert can rule an emotion out.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emsync.emotion.features.report import FeatureReport, Opinion, Stretch
from emsync.emotion.reading import EMOTIONS, Voice

RELIABILITY: Mapping[str, float] = {
    "cues": 0.4,
    "clip": 0.5,
    "face": 0.4,
    "asr": 0.35,
    "ocr": 0.35,
    "beats": 0.3,
}
"""How often a modality is taken to be right about a film. Ours, and assumptions: no labelled films
come with this project. Where the orders of size come from:

- clip: zero-shot CLIP names the emotion of photographs of six to eight emotions about half the
  time; it sees all of the picture.
- face: the expression classifier's card gives 71 % on FER-2013, but the film does not always feel
  what its faces show.
- asr, ocr: three kinds of sentiment cannot tell four unpleasant emotions apart, and much that is
  said is not meant.
- beats: AudioSet's mood classes are among its least reliable.
- cues: they see colour and movement, not what is shown. Their own probabilities are shrunk
  already; where they are alone, those stand as they are (`emsync.emotion.classifiers.read`).

`python -m emsync.training.train_emotion` replaces all of this where labelled films are to be had.
"""

ENOUGH = 0.3
"""Share of a stretch that has to have opinions for them to count in full; with less, certainty
falls in proportion. One face in sixteen frames is not the mood of a film. Ours."""

SMOOTHING_SECONDS = 4.0
"""How far scenes lean on their neighbours: one that touches weighs 1/e of a scene's own reading,
and every such distance lets that fall by 1/e again. Ours: the shortest distance between kept cuts
(thesis 5.1)."""


def voices(
    reports: Sequence[FeatureReport], stretch: Stretch, moments: Sequence[float]
) -> tuple[Voice, ...]:
    """What every modality with opinions says of a stretch; the others are left out.

    Args:
        reports: of the modalities; those that `RELIABILITY` does not name are ignored.
        stretch: seconds; it must last.
        moments: times in seconds of the stills that experts were shown.
    """
    heard = []
    for report in reports:
        trust = RELIABILITY.get(report.modality)
        if trust is None or not report.opinions:
            continue
        weighed = [
            (weight, opinion)
            for opinion in report.opinions
            if (weight := _overlap(opinion.stretch, stretch)) > 0
        ]
        if not weighed:
            continue
        weights = np.array([weight for weight, _ in weighed])
        certainty = np.array([opinion.certainty for _, opinion in weighed])
        mean = np.average(
            [o.probabilities for _, o in weighed], axis=0, weights=_some(weights * certainty)
        )
        coverage = _coverage([opinion for _, opinion in weighed], weights, stretch, moments)
        reliability = trust * coverage * float(np.average(certainty, weights=weights))
        heard.append(Voice(report.modality, tuple((mean / mean.sum()).tolist()), reliability))
    return tuple(heard)


def pool(heard: Sequence[Voice]) -> tuple[float, ...]:
    """Six probabilities that sum to 1, out of what the modalities say; even if nobody speaks."""
    logarithms = np.zeros(len(EMOTIONS))
    for voice in heard:
        r = voice.reliability
        discounted = r * np.asarray(voice.probabilities) + (1 - r) / len(EMOTIONS)
        logarithms += np.log(np.maximum(discounted, 1e-9))
    likelihoods = np.exp(logarithms - logarithms.max())
    return tuple((likelihoods / likelihoods.sum()).tolist())


def smoothed(
    probabilities: Sequence[Sequence[float]], scenes: Sequence[Stretch]
) -> tuple[tuple[float, ...], ...]:
    """Readings of scenes, each leaning on those around it.

    A scene of a few seconds rests on few frames; the longer and the nearer another scene, the more
    it says. Every result is a weighted mean of the readings, its own weight the largest for scenes
    of equal length.

    Args:
        probabilities: six for each scene.
        scenes: as many, in order, tiling the film.
    """
    readings = np.asarray(probabilities, dtype=float)
    starts = np.array([start for start, _ in scenes])
    ends = np.array([end for _, end in scenes])
    gap = np.maximum(starts[None, :] - ends[:, None], starts[:, None] - ends[None, :])
    near = np.exp(-(np.maximum(gap, 0) / SMOOTHING_SECONDS + 1))
    np.fill_diagonal(near, 1.0)
    weights = near * np.minimum(ends - starts, SMOOTHING_SECONDS)[None, :]
    mixed = weights @ readings / weights.sum(axis=1, keepdims=True)
    return tuple(tuple((row / row.sum()).tolist()) for row in mixed)


def _overlap(opinion: Stretch, stretch: Stretch) -> float:
    """Seconds shared; 1 for a moment within the stretch."""
    start, end = opinion
    if start == end:
        return float(stretch[0] <= start < stretch[1])
    return max(0.0, min(end, stretch[1]) - max(start, stretch[0]))


def _coverage(
    opinions: Sequence[Opinion], weights: np.ndarray, stretch: Stretch, moments: Sequence[float]
) -> float:
    """How much of a stretch opinions speak of, in (0, 1]; see `ENOUGH`."""
    if opinions[0].stretch[0] == opinions[0].stretch[1]:
        shown = sum(stretch[0] <= moment < stretch[1] for moment in moments)
        share = len(opinions) / max(shown, len(opinions))
    else:
        share = math.fsum(weights) / (stretch[1] - stretch[0])
    return min(1.0, share / ENOUGH)


def _some(weights: np.ndarray) -> np.ndarray:
    """Weights, or even ones where all are zero."""
    return weights if weights.sum() > 0 else np.ones_like(weights)
