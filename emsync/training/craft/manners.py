"""Manners of writing: who plays, what and when, in each style.

A manner is narrower than a style of the settings (`emsync.settings.Style`): pop is written as a
ballad, as dance, reggae or funk. Tables are ours, after textbooks of arranging and orchestration
(Adler, The Study of Orchestration; Sebesky, The Contemporary Arranger).
"""

from dataclasses import dataclass
from typing import Literal

from emsync.music.planning.grid import MetreName
from emsync.music.planning.plan import ModeName

Kind = Literal[
    "pad", "block", "offbeat", "boomchick", "strum", "jazz", "bossa", "funk", "power", "pulse",
    "fingers", "broken", "figure", "ostinato", "free", "counter", "tremolo", "stabs",
]  # fmt: skip
"""How a part accompanies: see `emsync.training.craft.accompaniment`."""


@dataclass(frozen=True)
class Part:
    """What one group may play under the melody."""

    group: str
    kinds: tuple[Kind, ...]
    low: int
    """MIDI pitch."""
    high: int
    voices: tuple[int, int]
    """From, to."""
    energy: tuple[float, float] = (0.0, 1.0)
    """Of the sections in which it plays."""
    share: float = 1.0
    """Of the pieces that have it."""


@dataclass(frozen=True)
class Manner:
    """One way of writing."""

    name: str
    style: str
    weight: float
    """How often it is drawn, before the mood is looked at."""
    arousal: tuple[float, float]
    """Middle and spread of the arousal that suits it."""
    valence: tuple[float, float]
    parts: tuple[Part, ...]
    leads: tuple[str, ...]
    drums: tuple[str, ...]
    """Families of `drumming`; `none` for none."""
    basses: tuple[str, ...]
    """Families of `basslines`; `none` for none."""
    metres: tuple[tuple[MetreName, float], ...] = (("4/4", 0.7), ("3/4", 0.15), ("6/8", 0.15))
    swing: float = 0.0
    """Share of pieces whose eighths swing."""
    colour: float = 0.15
    """Share of chords that get a seventh, a ninth or a suspension."""
    functional: float = 0.3
    """Share of progressions drawn chord by chord, rather than taken from a table."""
    modes: tuple[ModeName, ...] = ()
    """In place of the modes that the valence suggests."""


_FOUR: tuple[tuple[MetreName, float], ...] = (("4/4", 1.0),)
_MOSTLY_FOUR: tuple[tuple[MetreName, float], ...] = (("4/4", 0.85), ("6/8", 0.1), ("3/4", 0.05))

MANNERS: tuple[Manner, ...] = (
    Manner(
        "strings", "cinematic", 1.3, (-0.2, 0.7), (-0.1, 0.9),
        (
            Part("strings", ("pad", "pad", "block"), 50, 76, (3, 4)),
            Part("piano", ("broken", "figure", "block"), 52, 80, (3, 4), (0.3, 1.0), 0.6),
            Part("strings", ("ostinato", "pulse"), 55, 79, (2, 3), (0.6, 1.0), 0.6),
            Part("guitar", ("fingers", "figure"), 52, 74, (3, 4), (0.4, 1.0), 0.2),
        ),
        ("strings", "strings", "piano"), ("none", "cinematic"),
        ("held", "pedal", "halves", "roots", "pulse"),
    ),
    Manner(
        "ostinato", "cinematic", 1.2, (0.5, 0.5), (-0.3, 0.8),
        (
            Part("strings", ("ostinato", "pulse", "figure"), 50, 74, (2, 3)),
            Part("piano", ("figure", "pulse", "ostinato"), 52, 79, (2, 3), (0.45, 1.0), 0.6),
            Part("guitar", ("power", "pulse"), 40, 64, (2, 3), (0.75, 1.0), 0.4),
        ),
        ("strings", "piano", "strings"), ("cinematic", "cinematic", "rock"),
        ("pulse", "pulse", "octaves", "pedal"),
    ),
    Manner(
        "chorale", "cinematic", 0.8, (-0.5, 0.6), (0.0, 0.9),
        (
            Part("strings", ("pad", "pad", "block"), 48, 72, (3, 3)),
            Part("piano", ("block", "broken"), 50, 76, (3, 3), (0.5, 1.0), 0.4),
        ),
        ("strings", "piano", "strings"), ("none",), ("halves", "steps", "held"),
        (("4/4", 0.7), ("3/4", 0.3)), functional=0.9, colour=0.2,
    ),
    Manner(
        "march", "cinematic", 0.5, (0.4, 0.4), (0.4, 0.7),
        (
            Part("strings", ("offbeat", "boomchick", "pulse"), 52, 76, (2, 3)),
            Part("piano", ("offbeat", "block"), 52, 76, (3, 3), (0.5, 1.0), 0.5),
            Part("strings", ("counter",), 50, 67, (1, 1), (0.6, 1.0), 0.6),
        ),
        ("strings", "strings", "piano"), ("march",), ("fifths", "steps"), _FOUR,
        functional=0.6,
    ),
    Manner(
        "piano", "piano", 1.3, (-0.3, 0.6), (0.0, 0.9),
        (
            Part("piano", ("broken", "broken", "figure", "block"), 40, 67, (3, 4)),
            Part("strings", ("pad",), 52, 74, (2, 3), (0.55, 1.0), 0.4),
        ),
        ("piano",), ("none",), ("none", "none", "held"),
        (("4/4", 0.6), ("3/4", 0.2), ("6/8", 0.2)), colour=0.3,
    ),
    Manner(
        "sonatina", "piano", 0.7, (0.2, 0.6), (0.4, 0.7),
        (
            Part("piano", ("figure", "figure", "boomchick", "block"), 48, 69, (3, 3)),
            Part("strings", ("pad", "pulse"), 52, 74, (2, 3), (0.6, 1.0), 0.3),
        ),
        ("piano",), ("none",), ("none", "none", "fifths"), functional=0.8, colour=0.1,
    ),
    Manner(
        "ballad", "pop", 1.0, (-0.3, 0.5), (0.2, 0.8),
        (
            Part("piano", ("block", "broken", "block"), 52, 76, (3, 4)),
            Part("guitar", ("fingers", "strum"), 48, 69, (3, 4), (0.4, 1.0), 0.6),
            Part("strings", ("pad", "counter"), 55, 77, (2, 3), (0.5, 1.0), 0.7),
        ),
        ("piano", "strings", "guitar"), ("pop", "pop", "ballad"), ("roots", "pop", "pop", "fifths"),
        (("4/4", 0.75), ("6/8", 0.2), ("3/4", 0.05)), colour=0.3,
    ),
    Manner(
        "pop", "pop", 1.2, (0.3, 0.5), (0.4, 0.7),
        (
            Part("guitar", ("strum", "pulse", "offbeat", "free"), 50, 70, (3, 3)),
            Part("piano", ("block", "free", "offbeat", "figure"), 55, 79, (3, 3), (0.35, 1.0), 0.7),
            Part("strings", ("pad", "counter"), 57, 79, (2, 2), (0.6, 1.0), 0.5),
        ),
        ("piano", "guitar", "strings"), ("pop", "disco", "pop"), ("pop", "pulse", "octaves"),
        _MOSTLY_FOUR, colour=0.2,
    ),
    Manner(
        "reggae", "pop", 0.4, (0.0, 0.5), (0.4, 0.6),
        (
            Part("guitar", ("offbeat",), 55, 74, (3, 3)),
            Part("piano", ("offbeat", "free"), 57, 77, (2, 3), (0.4, 1.0), 0.7),
        ),
        ("piano", "strings"), ("reggae",), ("reggae",), _FOUR, swing=0.3,
    ),
    Manner(
        "funk", "pop", 0.5, (0.4, 0.4), (0.2, 0.6),
        (
            Part("guitar", ("funk", "funk", "offbeat"), 55, 74, (3, 3)),
            Part("piano", ("free", "funk", "block"), 57, 77, (3, 3), (0.4, 1.0), 0.7),
            Part("strings", ("stabs", "pad"), 60, 79, (2, 2), (0.7, 1.0), 0.4),
        ),
        ("strings", "piano"), ("funk",), ("funk", "octaves"), _FOUR, colour=0.7,
        modes=("dorian", "mixolydian", "minor"),
    ),
    Manner(
        "rock", "rock", 1.2, (0.6, 0.5), (-0.1, 0.8),
        (
            Part("guitar", ("power", "power", "strum"), 40, 60, (3, 3)),
            Part("piano", ("block", "pulse", "figure"), 55, 77, (2, 3), (0.6, 1.0), 0.4),
            Part("strings", ("pad",), 57, 77, (2, 2), (0.75, 1.0), 0.3),
        ),
        ("guitar", "strings", "guitar", "piano"), ("rock",), ("pulse", "roots", "pop"),
        _MOSTLY_FOUR, colour=0.08,
    ),
    Manner(
        "blues", "rock", 0.5, (0.1, 0.6), (0.0, 0.7),
        (
            Part("guitar", ("boomchick", "strum", "power"), 43, 64, (3, 3)),
            Part("piano", ("block", "jazz", "offbeat"), 55, 76, (3, 3), (0.3, 1.0), 0.7),
        ),
        ("guitar", "piano", "strings"), ("shuffle",), ("walking", "fifths"), _FOUR,
        swing=0.8, colour=0.8, modes=("mixolydian", "dorian"),
    ),
    Manner(
        "swing", "jazz", 1.0, (0.2, 0.6), (0.2, 0.7),
        (
            Part("piano", ("jazz",), 52, 74, (3, 4)),
            Part("guitar", ("jazz", "offbeat"), 52, 70, (3, 3), (0.45, 1.0), 0.4),
            Part("strings", ("pad", "stabs"), 58, 78, (2, 3), (0.7, 1.0), 0.3),
        ),
        ("piano", "guitar", "strings"), ("swing",), ("walking", "walking", "halves"),
        (("4/4", 0.85), ("3/4", 0.15)), swing=1.0, colour=0.95, functional=0.3,
    ),
    Manner(
        "bossa", "jazz", 0.7, (-0.1, 0.4), (0.3, 0.6),
        (
            Part("guitar", ("bossa",), 50, 70, (3, 4)),
            Part("piano", ("jazz", "free"), 57, 76, (3, 3), (0.45, 1.0), 0.5),
            Part("strings", ("pad",), 60, 78, (2, 2), (0.65, 1.0), 0.4),
        ),
        ("piano", "strings", "guitar"), ("bossa",), ("bossa",), _FOUR, colour=0.95,
    ),
    Manner(
        "electronic", "electronic", 0.9, (0.5, 0.5), (0.0, 0.8),
        (
            Part("strings", ("figure", "pulse", "free"), 55, 82, (3, 4)),
            Part("piano", ("free", "offbeat", "figure"), 55, 79, (3, 3), (0.4, 1.0), 0.6),
            Part("strings", ("pad",), 52, 74, (2, 3), (0.0, 0.6), 0.6),
        ),
        ("strings", "piano"), ("house", "house", "disco"), ("offbeats", "pulse", "octaves"), _FOUR,
        colour=0.2,
    ),
    Manner(
        "synth", "electronic", 0.7, (0.1, 0.5), (-0.2, 0.8),
        (
            Part("piano", ("figure",), 52, 82, (3, 4)),
            Part("strings", ("pad", "pad", "pad", "tremolo"), 50, 74, (3, 3), (0.0, 1.0), 0.8),
            Part("guitar", ("pulse", "power", "figure"), 45, 69, (2, 3), (0.6, 1.0), 0.4),
        ),
        ("strings", "piano"), ("pop", "house", "none"), ("pulse", "pedal", "octaves"), _FOUR,
        colour=0.25,
    ),
    Manner(
        "ambient", "electronic", 0.5, (-0.7, 0.4), (0.0, 0.8),
        (
            Part("strings", ("pad",), 50, 76, (3, 4)),
            Part("piano", ("broken", "figure"), 57, 84, (3, 4), (0.0, 1.0), 0.8),
            Part("guitar", ("fingers",), 52, 72, (3, 4), (0.5, 1.0), 0.3),
        ),
        ("piano", "strings"), ("none", "none", "ballad"), ("held", "pedal"), colour=0.6,
    ),
    Manner(
        "game", "electronic", 0.9, (0.4, 0.5), (0.3, 0.8),
        (
            Part("piano", ("figure", "pulse", "free"), 52, 76, (3, 3)),
            Part("strings", ("counter", "pulse", "figure"), 55, 76, (2, 2), (0.3, 1.0), 0.6),
            Part("guitar", ("offbeat", "pulse"), 50, 70, (2, 3), (0.6, 1.0), 0.3),
        ),
        ("strings", "piano", "strings"), ("pop", "rock", "march"),
        ("octaves", "pulse", "fifths", "pop"), _MOSTLY_FOUR, functional=0.4,
    ),
    Manner(
        "fingers", "folk", 1.0, (-0.3, 0.5), (0.2, 0.8),
        (
            Part("guitar", ("fingers",), 45, 69, (4, 4)),
            Part("strings", ("pad", "counter"), 55, 76, (2, 2), (0.5, 1.0), 0.5),
            Part("piano", ("broken", "block"), 57, 79, (3, 3), (0.65, 1.0), 0.3),
        ),
        ("guitar", "strings", "piano"), ("none", "ballad"), ("halves", "fifths", "roots"),
        (("4/4", 0.6), ("3/4", 0.2), ("6/8", 0.2)), colour=0.25,
    ),
    Manner(
        "country", "folk", 0.7, (0.4, 0.4), (0.6, 0.5),
        (
            Part("guitar", ("boomchick", "strum", "boomchick"), 45, 67, (3, 4)),
            Part("piano", ("offbeat", "block"), 55, 76, (3, 3), (0.4, 1.0), 0.5),
            Part("strings", ("counter", "pad"), 55, 76, (1, 2), (0.5, 1.0), 0.4),
        ),
        ("strings", "guitar", "piano"), ("country",), ("fifths",), _MOSTLY_FOUR, colour=0.08,
    ),
    Manner(
        "jig", "folk", 0.5, (0.6, 0.4), (0.4, 0.7),
        (
            Part("guitar", ("strum", "boomchick"), 48, 68, (3, 4)),
            Part("strings", ("pad",), 50, 69, (2, 2), (0.3, 1.0), 0.4),
        ),
        ("strings", "piano"), ("none", "jig"), ("fifths", "roots"),
        (("6/8", 0.8), ("4/4", 0.2)), modes=("dorian", "mixolydian", "major"), colour=0.05,
    ),
    Manner(
        "waltz", "waltz", 1.0, (0.0, 0.6), (0.2, 0.9),
        (
            Part("piano", ("boomchick", "offbeat", "boomchick"), 48, 72, (3, 4)),
            Part("strings", ("pad", "offbeat", "counter"), 55, 76, (2, 3), (0.4, 1.0), 0.6),
            Part("guitar", ("offbeat", "boomchick"), 50, 68, (3, 3), (0.5, 1.0), 0.3),
        ),
        ("strings", "piano", "strings"), ("none", "none", "waltz"), ("downbeats", "fifths"),
        (("3/4", 1.0),), functional=0.5,
    ),
    Manner(
        "latin", "pop", 0.5, (0.4, 0.4), (0.4, 0.6),
        (
            Part("piano", ("free", "funk", "figure"), 55, 79, (3, 3)),
            Part("guitar", ("strum", "offbeat"), 50, 69, (3, 3), (0.3, 1.0), 0.6),
            Part("strings", ("stabs", "pad"), 60, 79, (2, 3), (0.65, 1.0), 0.4),
        ),
        ("strings", "piano", "guitar"), ("latin",), ("latin", "fifths"), _FOUR, colour=0.2,
    ),
)  # fmt: skip
