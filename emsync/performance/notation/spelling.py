"""Names of pitches: C sharp or D flat, by the key, the chord, and where the line goes.

Names are places on the line of fifths, C 0, G 1, F -1, F sharp 6: what is near each other there is
near each other in a key (Temperley 2001, "The Cognition of Basic Musical Structures", chapter 5).
Each note gets the name that costs least: by its distance from the key, by the chord that sounds,
and by its steps to the notes around it, which should be seconds and thirds rather than augmented
unisons; so a raised sixth and seventh rise in minor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from emsync.music.planning.plan import QUALITIES

FIFTHS: Mapping[str, int] = {
    "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F#": 6, "F": -1, "Bb": -2, "Eb": -3, "Ab": -4,
    "Db": -5, "Am": 0, "Em": 1, "Bm": 2, "F#m": 3, "C#m": 4, "G#m": 5, "Dm": -1, "Gm": -2, "Cm": -3,
    "Fm": -4, "Bbm": -5, "Ebm": -6,
}  # fmt: skip
"""Sharps, or flats below 0, of the keys of `emsync.performance.conductor`."""
_LOWEST, _HIGHEST = -8, 14
"""F flat and C double sharp: names beyond are not used."""
_OFFSETS = {0: 0, 2: 2, 3: -3, 4: 4, 5: -1, 6: -6, 7: 1, 8: 8, 9: 3, 10: -2, 11: 5, 14: 2}
"""Fifths from the root of a chord to its tone so many semitones above it."""
_DIMINISHED_SEVENTH = -9
FOREIGN_TO_CHORD, IN_CHORD = 4.0, 0.1
"""Cost of another name than a chord's tone has there, and share of what the key then says. Ours."""
STEP = 0.25
"""Cost of each fifth beyond six, the tritone, between notes that follow or sound together."""
SHARP_IN_MINOR, FLAT_IN_MAJOR = 0.7, 0.9
"""Cost of a fifth beyond the key on that side, 1 on the other: minor raises its sixth and seventh,
major borrows from minor."""
_SWEEPS = 3


@dataclass(frozen=True)
class Key:
    """A key signature."""

    fifths: int
    minor: bool


@dataclass(frozen=True)
class ToSpell:
    """A note without its name."""

    pitch: int
    """MIDI pitch."""
    key: Key
    chord: tuple[int, str] | None
    """Pitch class of the root and quality; None where no chord is known."""
    near: tuple[int, ...]
    """Which of the others follow it, come before it or sound with it, as numbers in their list."""


def key_named(name: str) -> Key:
    """Return a key as MIDI files name it."""
    return Key(FIFTHS[name], name.endswith("m"))


def spell(notes: Sequence[ToSpell]) -> list[int]:
    """Return the names of notes on the line of fifths, in their order."""
    chosen = [min(_candidates(n.pitch), key=lambda c, n=n: _cost(c, n)) for n in notes]  # type: ignore[misc]
    for _ in range(_SWEEPS):
        before = list(chosen)
        for number, note in enumerate(notes):
            around = [chosen[other] for other in note.near]
            chosen[number] = min(
                _candidates(note.pitch),
                key=lambda c: _cost(c, note) + sum(_apart(c, name) for name in around),
            )
        if chosen == before:
            break
    return chosen


@cache
def chord_names(root: int, quality: str, key: Key) -> tuple[int, ...]:
    """Return the names of a chord's tones on the line of fifths, the root first: of all that stack
    thirds as the quality says, those nearest to the key.

    Args:
        root: pitch class.
        quality: key of `QUALITIES`.
        key: in which it stands.
    """
    offsets = [_OFFSETS[interval] for interval in QUALITIES[quality]]
    if quality == "dim7":
        offsets[-1] = _DIMINISHED_SEVENTH
    stacks = [tuple(name + offset for offset in offsets) for name in _candidates(root)]
    return min(stacks, key=lambda names: sum(_from_key(name, key) for name in names))


def bass_name(pitch_class: int, names: Sequence[int], key: Key) -> int:
    """Return the name of the lowest note of a chord whose tones have `names`."""
    inside = [name for name in names if (7 * name - pitch_class) % 12 == 0]
    return inside[0] if inside else min(_candidates(pitch_class), key=lambda n: _from_key(n, key))


def letter(name: int) -> tuple[str, int]:
    """Return the letter of a name and by how many semitones it is altered."""
    return "FCGDAEB"[(name + 1) % 7], (name + 1) // 7


def octave(pitch: int, name: int) -> int:
    """Return the octave in which a pitch of that name is written; middle C begins the fourth."""
    return (pitch - letter(name)[1]) // 12 - 1


def _candidates(pitch: int) -> range:
    """Return the names that a pitch may have."""
    first = (7 * pitch) % 12
    while first - 12 >= _LOWEST:
        first -= 12
    return range(first, _HIGHEST + 1, 12)


def _cost(name: int, note: ToSpell) -> float:
    """Return what a name costs for its chord, or else for its key."""
    away = _from_key(name, note.key)
    if note.chord is not None:
        names = chord_names(*note.chord, note.key)
        if any((7 * one - note.pitch) % 12 == 0 for one in names):
            return IN_CHORD * away + (0.0 if name in names else FOREIGN_TO_CHORD)
    return away


def _from_key(name: int, key: Key) -> float:
    """Return how far outside the key's seven notes a name lies."""
    sharp, flat = name - (key.fifths + 5), key.fifths - 1 - name
    if key.minor:
        return max(SHARP_IN_MINOR * sharp, flat, 0.0)
    return max(sharp, FLAT_IN_MAJOR * flat, 0.0)


def _apart(name: int, other: int) -> float:
    """Return what an interval costs: nothing up to the tritone."""
    return STEP * max(0, abs(name - other) - 6)
