"""From what the experts saw to the emotion of the film and of its scenes (thesis 5.2.2).

VEMOCLAP's trained fusion reads the film where its weights are installed and every modality it was
trained on could look; otherwise what there is is pooled without training, and where no expert has
anything to say, the reading of the cues stands. The reading says who read it, and why.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emsync.emotion.classifiers.classifier import (
    CLASSIFIERS,
    Classification,
    Classifiers,
    FilmFeatures,
)
from emsync.emotion.features.report import FeatureReport, Stretch
from emsync.emotion.reading import EmotionReading, LabelledReading, SceneReading
from emsync.film.footage import Footage
from emsync.settings import ExpertSettings

SMOOTHING_SECONDS = 4.0
"""How far scenes lean on their neighbours: one that touches weighs 1/e of a scene's own reading,
and every such distance lets that fall by 1/e again. Ours: the shortest distance between kept cuts
(thesis 5.1)."""


def read_emotion(
    cues: EmotionReading,
    reports: Sequence[FeatureReport],
    footage: Footage,
    settings: ExpertSettings,
    classifiers: Classifiers,
) -> EmotionReading:
    """Return the emotion of a film and of each scene, and what else classifiers make of the film.

    Args:
        cues: the reading of the cues alone, with its scenes.
        reports: of the experts.
        footage: what they were shown.
        settings: by which frames were chosen.
        classifiers: all of them, loaded when they are asked.
    """
    stills = footage.sampled(settings.frames, settings.per_scene, settings.most_frames)
    moments = tuple(still.time for still in stills)
    features = FilmFeatures(cues, tuple(reports), footage.seconds, moments)
    everything = (*cues.reports, *reports)
    found = _emotion(features, classifiers)
    if found is None:
        reading = replace(cues, reports=everything)
    else:
        parts = found.scenes or [found.probabilities] * len(cues.scenes)
        reading = EmotionReading(
            found.probabilities,
            found.source,
            _with(cues.scenes, parts),
            everything,
            found.voices,
        )
    leaning = smoothed([scene.probabilities for scene in reading.scenes], features.scenes)
    return replace(
        reading, scenes=_with(cues.scenes, leaning), others=_others(features, classifiers)
    )


def smoothed(
    probabilities: Sequence[Sequence[float]], scenes: Sequence[Stretch]
) -> tuple[tuple[float, ...], ...]:
    """Return readings of scenes, each leaning on those around it.

    A scene of a few seconds rests on few frames; the longer and the nearer another scene, the more
    it says. Every result is a weighted mean of the readings, its own weight the largest for scenes
    of equal length.

    Args:
        probabilities: six for each scene.
        scenes: as many, in order, tiling the film.
    """
    readings = np.asarray(probabilities, dtype=float)  # (scenes, 6)
    starts = np.array([start for start, _ in scenes])
    ends = np.array([end for _, end in scenes])
    # (scenes, scenes): seconds from one scene to another, 0 between neighbours
    gap = np.maximum(starts[None, :] - ends[:, None], starts[:, None] - ends[None, :])
    near = np.exp(-(np.maximum(gap, 0) / SMOOTHING_SECONDS + 1))
    np.fill_diagonal(near, 1.0)
    weights = near * np.minimum(ends - starts, SMOOTHING_SECONDS)[None, :]
    mixed = weights @ readings / weights.sum(axis=1, keepdims=True)  # (scenes, 6)
    return tuple(tuple((row / row.sum()).tolist()) for row in mixed)


def _with(
    scenes: Sequence[SceneReading], probabilities: Sequence[tuple[float, ...]]
) -> tuple[SceneReading, ...]:
    """Return the scenes with other probabilities, in the same order."""
    return tuple(
        replace(scene, probabilities=one) for scene, one in zip(scenes, probabilities, strict=True)
    )


def _emotion(features: FilmFeatures, classifiers: Classifiers) -> Classification | None:
    """Return what the first classifier of emotion that can read the film makes of it.

    Its source says why those before it could not. None if nobody can.
    """
    against: list[str] = []
    for name, row in CLASSIFIERS.items():
        if not row.reads_emotion:
            continue
        classifier = classifiers.open(name)
        if isinstance(classifier, str):
            against.append(classifier)
        elif why_not := classifier.why_not(features):
            against.append(why_not)
        else:
            found = classifier.read(features)
            if against:
                found = replace(found, source=f"{found.source}, because {'; '.join(against)}")
            return found
    return None


def _others(features: FilmFeatures, classifiers: Classifiers) -> tuple[LabelledReading, ...]:
    """Return what classifiers of other labels make of the film, as far as they can read it."""
    found = []
    for name, row in CLASSIFIERS.items():
        if row.reads_emotion:
            continue
        classifier = classifiers.open(name)
        if isinstance(classifier, str) or classifier.why_not(features) is not None:
            continue
        reading = classifier.read(features)
        found.append(
            LabelledReading(name, reading.source, classifier.labels, reading.probabilities)
        )
    return tuple(found)
