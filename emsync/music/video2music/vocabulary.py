"""Chords as Video2Music numbers them: 157 of them, each a root and a quality, one a second.

Chord 0 is `N`, no chord. The others are `1 + 13 * root + quality`, roots from C and qualities in
the order of `QUALITIES`; a major chord is written as its bare root. Chords are always told in
C major or A minor; the key asked for only transposes the notes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from emsync.errors import EmsyncError
from emsync.text import listed, quoted

ROOTS: Final = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
QUALITIES: Final = (
    "maj", "dim", "sus4", "min7", "min", "sus2", "aug",
    "dim7", "maj6", "hdim7", "7", "min6", "maj7",
)  # fmt: skip
NO_CHORD: Final = "N"

CHORDS: Final = 1 + len(ROOTS) * len(QUALITIES)
"""157."""
END, PAD = CHORDS, CHORDS + 1
"""After the last chord of a song, and the seconds after that."""
OUTPUTS: Final = CHORDS + 2
"""159: chords, `END`, `PAD`."""
ROOT_END, ROOT_PAD = 1 + len(ROOTS), 2 + len(ROOTS)
ROOT_INPUTS: Final = 3 + len(ROOTS)
"""15: none, twelve roots, `ROOT_END`, `ROOT_PAD`."""
QUALITY_END, QUALITY_PAD = 1 + len(QUALITIES), 2 + len(QUALITIES)
QUALITY_INPUTS: Final = 3 + len(QUALITIES)
"""16: none, thirteen qualities, `QUALITY_END`, `QUALITY_PAD`."""

Key = Literal[
    "F major", "Gb major", "G major", "Ab major", "A major", "Bb major",
    "B major", "C major", "Db major", "D major", "Eb major", "E major",
    "D minor", "Eb minor", "E minor", "F minor", "F# minor", "G minor",
    "G# minor", "A minor", "Bb minor", "B minor", "C minor", "C# minor",
]  # fmt: skip
KEYS: Final[tuple[Key, ...]] = get_args(Key)
_LOWEST_TRANSPOSITION: Final = -7

_FLATS: Final = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#"}
_SUFFIXES: Final = {"m": "min", "m6": "min6", "m7": "min7", "M6": "maj6", "M7": "maj7"}
MOST_PRIMER_CHORDS: Final = 60
"""Chords of a primer at most: a minute. Ours."""


@dataclass(frozen=True)
class Chord:
    """One chord, as the network is given it and as it is written.

    Attributes:
        symbol: "N", "C" or "C:min7".
        id: 0 to 156.
        root: 0 for none, 1 for C, 12 for B.
        quality: 0 for none, else one more than the index into `QUALITIES`.
    """

    symbol: str
    id: int
    root: int
    quality: int


def _all_chords() -> tuple[Chord, ...]:
    """Return every chord in the order of the ids."""
    chords = [Chord(NO_CHORD, 0, 0, 0)]
    for root, name in enumerate(ROOTS, 1):
        for quality, suffix in enumerate(QUALITIES, 1):
            symbol = name if suffix == "maj" else f"{name}:{suffix}"
            chords.append(Chord(symbol, len(chords), root, quality))
    return tuple(chords)


ALL: Final = _all_chords()
"""Every chord in the order of the ids."""
BY_SYMBOL: Final[Mapping[str, Chord]] = {chord.symbol: chord for chord in ALL}


def is_bare_root(chord: Chord) -> bool:
    """Return whether a chord is written without a quality: major chords, and `N`."""
    return ":" not in chord.symbol


def key_value(key: str) -> float:
    """Return what the network is told of a key: 0 for major, 1 for minor.

    The paper says the reverse; this is what the published code does.
    """
    return 1.0 if key.endswith("minor") else 0.0


def transposition(key: str) -> int:
    """Return by how many semitones notes in C major or A minor move for `key`: -7 to +4.

    Raises:
        EmsyncError: `key` is none of `KEYS`.
    """
    if key not in KEYS:
        raise EmsyncError(
            f"{quoted(key)} is not a key that is known. Choose one of {listed(KEYS)}."
        )
    return _LOWEST_TRANSPOSITION + KEYS.index(key) % len(ROOTS)


def read_primer(text: str, key: str) -> tuple[Chord, ...]:
    """Return the chords of a primer such as "C Am F G" or "Dm7 Gsus4 Bb EbM7".

    Chords are separated by blanks and written in C major or A minor, whatever the key. An empty
    text is the tonic chord. As in the published code, a bare root counts as without a quality
    (`quality` 0), though the songs of the training data have 1 there.

    Args:
        text: root letter, # or b, and a suffix of `QUALITIES` or m, m6, m7, M6, M7; "N" for none.
        key: which tonic an empty text is.

    Raises:
        EmsyncError: a word is no chord that is known, or there are too many.
    """
    words = text.split() or ["Am" if key_value(key) else "C"]
    if len(words) > MOST_PRIMER_CHORDS:
        raise EmsyncError(
            f"There are {len(words)} first chords; at most {MOST_PRIMER_CHORDS} are taken."
        )
    return tuple(as_primer(_read_chord(word)) for word in words)


def as_primer(chord: Chord) -> Chord:
    """Return a chord as a primer tells it to the network: a bare root has no quality."""
    return Chord(chord.symbol, chord.id, chord.root, 0) if is_bare_root(chord) else chord


def as_drawn(chord: Chord) -> Chord:
    """Return a drawn chord as it is told back to the network: a bare root, `N` too, is major."""
    return Chord(chord.symbol, chord.id, chord.root, 1) if is_bare_root(chord) else chord


def _read_chord(word: str) -> Chord:
    """Return the chord that a word of a primer names.

    Raises:
        EmsyncError: it names none.
    """
    if word in BY_SYMBOL:
        return BY_SYMBOL[word]
    length = 2 if word[1:2] in ("#", "b") else 1
    root, suffix = word[:length], word[length:].removeprefix(":")
    root, suffix = _FLATS.get(root, root), _SUFFIXES.get(suffix, suffix)
    chord = BY_SYMBOL.get(f"{root}:{suffix}" if suffix else root)
    if chord is None:
        raise EmsyncError(
            f"{quoted(word)} among the first chords is not known. Write chords such as C, "
            f"Am, F#m7, Bbsus4 or EbM7; the suffixes are {listed((*_SUFFIXES, *QUALITIES[1:]))}."
        )
    return chord
