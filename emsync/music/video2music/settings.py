"""What Video2Music can be asked for, each with its default and its source.

"Published code" is `video2music.py` as its authors released it, "paper" is Kang, Poria, Herremans,
"Video2Music: Suitable music generation from videos using an affective multimodal transformer
model" (Expert Systems with Applications 249, 2024).
"""

from dataclasses import dataclass
from typing import Literal

from emsync.music.video2music.vocabulary import Key

PatternRule = Literal["published", "published-generate", "paper"]
VelocityRule = Literal["published", "paper"]


@dataclass(frozen=True)
class Video2MusicSettings:
    """Everything one request may choose of Video2Music; the defaults are the published code's."""

    key: Key | Literal["auto"] = "auto"
    """Key of the piece. "auto": C major where the valence is 0 or more, else A minor. Ours; the
    published code always asks."""
    primer: str = ""
    """Chords to begin with, in C major or A minor ("C Am F G"); empty for the tonic chord."""
    repeats: int = 2
    """Seconds that one chord holds at most (`max_conseq_chord`)."""
    silence: bool = False
    """Whether `N`, no chord, may be drawn (`max_conseq_N` above 0)."""
    pattern: PatternRule = "published"
    """What chooses the arpeggio. "published": the loudness, with the steps of `video2music.py`;
    "published-generate": the loudness, with those of `generate.py`; "paper": the note density."""
    velocity: VelocityRule = "published"
    """How loudness becomes velocity. "published": by its power of 0.3; "paper": linearly."""
    transpose: bool = True
    """Whether the notes move to the key; `generate.py` leaves them in C major or A minor."""
    smooth_emotion: float = 0.0
    """Seconds over which the emotion is averaged; 0 for not at all, as published. The paper: 5."""
    clip_every: int | None = None
    """Seconds between the pictures that CLIP looks at; those between are taken to be like the one
    before. Published: 1. None: 1 on a GPU; on a CPU as many as let it look at `most_on_cpu`."""
    most_on_cpu: int = 12
    """Pictures of a film that CLIP looks at on a CPU, where one takes some seconds. Ours."""
    mood_counts: bool = True
    """Whether a mood other than the film's own takes the place of the emotion seen. Ours."""
    accents: bool = False
    """Whether the chord of the moment is struck whole on each hit point. Ours: what is published
    knows no hit points."""

    def __post_init__(self) -> None:
        every = 1 if self.clip_every is None else self.clip_every
        if min(self.repeats, self.most_on_cpu, every) < 1:
            raise ValueError("repeats, most_on_cpu and clip_every are 1 or more")
        if self.smooth_emotion < 0:
            raise ValueError("smooth_emotion is 0 or more")
