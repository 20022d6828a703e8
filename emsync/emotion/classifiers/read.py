"""From what the experts saw to the emotion of the film and of its scenes (thesis 5.2.2).

VEMOCLAP's trained fusion reads the film where its weights are installed and every modality it was
trained on could look; otherwise what there is is pooled without training. The reading says which.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from emsync.emotion.classifiers.pooling import pool, smoothed, voices
from emsync.emotion.classifiers.vemoclap import NothingToRead
from emsync.emotion.features.report import FeatureReport, Opinion, Stretch
from emsync.emotion.reading import EmotionReading, Voice
from emsync.film.footage import Footage
from emsync.settings import ExpertSettings
from emsync.text import listed

if TYPE_CHECKING:
    from emsync.emotion.classifiers.vemoclap import Vemoclap

NAMES = {
    "cues": "colour, movement, cutting and loudness",
    "clip": "the pictures",
    "face": "faces",
    "asr": "speech",
    "ocr": "text on the screen",
    "beats": "sound",
}
"""What each modality looks at, in words."""


def read_emotion(
    cues: EmotionReading,
    reports: Sequence[FeatureReport],
    footage: Footage,
    settings: ExpertSettings,
    fusion: "Vemoclap | str",
) -> EmotionReading:
    """The emotion of a film and of each scene.

    Args:
        cues: the reading of the cues alone, with its scenes.
        reports: of the experts.
        footage: what they were shown.
        settings: by which frames were chosen.
        fusion: VEMOCLAP's, or in a clause why there is none.
    """
    scenes = [(float(scene.start), float(scene.end)) for scene in cues.scenes]
    why_not = fusion if isinstance(fusion, str) else fusion.why_not(reports)
    if why_not is None and not isinstance(fusion, str):
        reading = _fused(fusion, cues, reports, footage, scenes)
    else:
        reading = _pooled(cues, reports, footage, scenes, settings, why_not or "")
    return replace(
        reading,
        scenes=tuple(
            replace(scene, probabilities=probabilities)
            for scene, probabilities in zip(
                cues.scenes,
                smoothed([s.probabilities for s in reading.scenes], scenes),
                strict=True,
            )
        ),
    )


def _pooled(
    cues: EmotionReading,
    reports: Sequence[FeatureReport],
    footage: Footage,
    scenes: Sequence[Stretch],
    settings: ExpertSettings,
    why_not_fused: str,
) -> EmotionReading:
    """Pooled without training; the cues always have a say, and where they are alone, the last."""
    everything = (*cues.reports, *reports)
    moments = [
        still.time
        for still in footage.sampled(settings.frames, settings.per_scene, settings.most_frames)
    ]

    def heard(stretch: Stretch, cue_reading: Sequence[float]) -> tuple[Voice, ...]:
        opinion = Opinion(stretch, tuple(cue_reading))
        of_cues = replace(cues.reports[0], opinions=(opinion,))
        return voices((of_cues, *reports), stretch, moments)

    film = heard((0.0, footage.seconds), cues.probabilities)
    speaking = [voice.modality for voice in film if voice.reliability > 0]
    if speaking == ["cues"]:
        return replace(cues, reports=everything)
    names = listed([NAMES[modality] for modality in speaking])
    return EmotionReading(
        probabilities=pool(film),
        source=f"experts pooled without training ({names}), because {why_not_fused}",
        scenes=tuple(
            replace(scene, probabilities=pool(heard(stretch, scene.probabilities)))
            for scene, stretch in zip(cues.scenes, scenes, strict=True)
        ),
        reports=everything,
        voices=film,
    )


def _fused(
    fusion: "Vemoclap",
    cues: EmotionReading,
    reports: Sequence[FeatureReport],
    footage: Footage,
    scenes: Sequence[Stretch],
) -> EmotionReading:
    """VEMOCLAP's reading; a scene in which it finds nothing is read as the whole film is."""
    film = fusion.read(reports, (0.0, footage.seconds))
    parts, blank = [], 0
    for stretch in scenes:
        try:
            parts.append(fusion.read(reports, stretch).probabilities)
        except NothingToRead:
            parts.append(film.probabilities)
            blank += 1
    source = f"VEMOCLAP's trained fusion ({fusion.sha256[:12]})"
    if blank:
        source += f"; {blank} of {len(scenes)} scenes, in which it finds nothing, as the whole film"
    return EmotionReading(
        probabilities=film.probabilities,
        source=source,
        scenes=tuple(
            replace(scene, probabilities=probabilities)
            for scene, probabilities in zip(cues.scenes, parts, strict=True)
        ),
        reports=(*cues.reports, *reports),
    )
