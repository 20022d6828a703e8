"""From what the experts saw to the emotion of the film and of its scenes (thesis 5.2.2).

VEMOCLAP's trained fusion reads the film where its weights are installed and every modality it was
trained on could look; otherwise what there is is pooled without training. The reading says which.
"""

from collections.abc import Sequence
from dataclasses import replace

from emsync.emotion.features.report import FeatureReport, Opinion, Stretch
from emsync.emotion.pooling import pool, smoothed, voices
from emsync.emotion.reading import EmotionReading, Voice
from emsync.film.footage import Footage
from emsync.settings import ExpertSettings
from emsync.wording import listed

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
) -> EmotionReading:
    """The emotion of a film and of each scene.

    Args:
        cues: the reading of the cues alone, with its scenes.
        reports: of the experts.
        footage: what they were shown.
        settings: by which frames were chosen.
    """
    scenes = [(float(scene.start), float(scene.end)) for scene in cues.scenes]
    fused = _fused(reports, footage, scenes)
    if isinstance(fused, str):
        reading = _pooled(cues, reports, footage, scenes, settings, fused)
    else:
        reading = fused
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
    reports: Sequence[FeatureReport], footage: Footage, scenes: Sequence[Stretch]
) -> EmotionReading | str:
    """VEMOCLAP's reading, or why there is none."""
    return "VEMOCLAP's trained fusion is not installed"
