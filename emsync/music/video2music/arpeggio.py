"""From a chord a second, with loudness and note density, to the notes of a piano.

At 120 beats a minute a second has two beats and eight slots. A pattern says which of the chord's
notes begins in which slot; every note lasts two beats. A fifth note of a chord is never played.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from emsync.music.video2music.voicing import lead_voices, written_notes
from emsync.settings import PatternRule, VelocityRule

BEATS_PER_MINUTE: Final = 120.0
CHORD_BEATS: Final = 2.0
"""Length of a chord, one second, and of every note."""
_SLOT_BEATS: Final = 0.25

_PATTERNS: Final = (
    ("1***2***", "3***4***"),
    ("1*2*3***", "4*2*3***"),
    ("1*2*3*4*", "3*2*3*4*"),
    ("12324*3*", "21234*3*"),
    ("12324323", "21234323"),
)
"""Which note of the chord begins in each slot; for the first, third ... second of a chord, and for
the second, fourth ..."""
_STEPS: Final[dict[PatternRule, tuple[int, ...]]] = {
    "published": (6, 12, 18, 24),
    "published-generate": (5, 10, 15, 20),
    "paper": (5, 10, 15, 20),
}
"""The most loudness (first two) or density (paper) for which each pattern but the last plays."""
_LOUDEST: Final = 50
_DENSEST: Final = 40
_SOFTEST_VELOCITY: Final = 49
_VELOCITIES: Final = 63
_LOUDNESS_POWER: Final = 0.3


@dataclass(frozen=True)
class Played:
    """One note of the piano. Times in beats at `BEATS_PER_MINUTE`."""

    pitch: int
    start: float
    length: float
    velocity: int


def loudness_level(loudness: float) -> int:
    """Return a loudness, full scale 1, in hundredths: whole, 0 to 50."""
    return min(max(int(loudness * 100), 0), _LOUDEST)


def density_level(density: float) -> int:
    """Return a note density, notes a second, as a whole number: 0 to 40."""
    return min(max(round(density), 0), _DENSEST)


def velocity_of(level: int, rule: VelocityRule = "published") -> int:
    """Return the velocity, 49 to 112, of a loudness level.

    The paper only says that it is linear; that it has the same ends is ours.
    """
    power = _LOUDNESS_POWER if rule == "published" else 1.0
    return round(_SOFTEST_VELOCITY + _VELOCITIES * (level / _LOUDEST) ** power)


def pattern_of(loudness: int, density: int, rule: PatternRule = "published") -> int:
    """Return the number of the pattern, 0 (few notes) to 4, of a second.

    Args:
        loudness: from `loudness_level`.
        density: from `density_level`; only the paper's rule looks at it.
        rule: see `Video2MusicSettings.pattern`.
    """
    level = density if rule == "paper" else loudness
    return sum(level > step for step in _STEPS[rule])


def repeat_indices(symbols: Iterable[str]) -> list[int]:
    """Return for every second how many seconds ago its chord began."""
    held: list[int] = []
    before = None
    for symbol in symbols:
        held.append(held[-1] + 1 if symbol == before else 0)
        before = symbol
    return held


def play(
    symbols: Sequence[str],
    loudness: Sequence[float],
    density: Sequence[float],
    semitones: int = 0,
    pattern: PatternRule = "published",
    velocity: VelocityRule = "published",
) -> list[Played]:
    """Return the notes that a piano plays for chords, one a second.

    Args:
        symbols: of the chords, in C major or A minor.
        loudness: of each second, full scale 1, as the regression gives it.
        density: notes a second, of each second, as the regression gives it.
        semitones: by which the notes move.
        pattern, velocity: which rules hold, see `Video2MusicSettings`.

    Returns:
        In the order of their starts.
    """
    voiced = lead_voices(map(written_notes, symbols))
    notes = []
    for second, (chord, held) in enumerate(zip(voiced, repeat_indices(symbols), strict=True)):
        loud, dense = loudness_level(loudness[second]), density_level(density[second])
        figure = _PATTERNS[pattern_of(loud, dense, pattern)][held % 2]
        for slot, sign in enumerate(figure):
            if chord and sign != "*":
                start = second * CHORD_BEATS + slot * _SLOT_BEATS
                pitch = chord[int(sign) - 1] + semitones
                notes.append(Played(pitch, start, CHORD_BEATS, velocity_of(loud, velocity)))
    return notes
