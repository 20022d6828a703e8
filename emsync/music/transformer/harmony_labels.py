"""Chord labels: what the generator is told of the harmony, and how a corpus keeps it.

A label is a number below 256: 0 for 'not given', else 1 + 12 · class + root, where the class is one
of `CLASSES` and the root a pitch class, C = 0. Classes are what an ear tells apart in passing:
sixths and added ninths are labelled by their triad, as the added tone colours a chord without
changing what may follow it. Suspensions keep a class each, since their tones differ.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from emsync.music.planning.plan import QUALITIES, Chord
from emsync.music.transformer.tokens import tick_of_tokens

NOT_GIVEN: Final = 0

CLASSES: Final[tuple[tuple[str, ...], ...]] = (
    ("", "6", "add9"),
    ("m", "m6"),
    ("dim", "m7b5", "dim7"),
    ("aug",),
    ("sus2",),
    ("sus4",),
    ("7",),
    ("maj7",),
    ("m7",),
)
"""Qualities (`plan.QUALITIES`) that share a label; the first of each class stands for it."""
LABELS: Final = 1 + 12 * len(CLASSES)
"""Number of labels, 'not given' among them."""

_CLASS_OF = {quality: i for i, qualities in enumerate(CLASSES) for quality in qualities}

Harmony = tuple[int, int, float]
"""What one position is told: the label of the chord at the clock after the token, that of the chord
that follows it, which is another one, and the seconds until then."""
UNTOLD: Final[Harmony] = (NOT_GIVEN, NOT_GIVEN, 0.0)


def label_of(root: int, quality: str) -> int:
    """Return the label of a chord.

    Args:
        root: pitch class, C = 0.
        quality: key of `plan.QUALITIES`.
    """
    return 1 + 12 * _CLASS_OF[quality] + root % 12


def label_of_chord(chord: Chord) -> int:
    """Return the label of a chord of a plan."""
    return label_of(chord.root, chord.quality)


def chord_of(label: int) -> tuple[int, str] | None:
    """Return root and quality of a label, the quality that stands for its class; None for 0."""
    if label == NOT_GIVEN:
        return None
    kind, root = divmod(label - 1, 12)
    return root, CLASSES[kind][0]


def tones_of(label: int) -> tuple[int, ...]:
    """Return the pitch classes of a label's chord, the root first; none for 0."""
    chord = chord_of(label)
    if chord is None:
        return ()
    root, quality = chord
    return tuple((root + interval) % 12 for interval in QUALITIES[quality])


def transposed(labels: np.ndarray, semitones: int) -> np.ndarray:
    """Return integer labels, of any shape, moved by `semitones`; 0 stays 0."""
    kind, root = np.divmod(labels.astype(np.int64) - 1, 12)
    moved = 1 + 12 * kind + (root + semitones) % 12
    out: np.ndarray = np.where(labels == NOT_GIVEN, NOT_GIVEN, moved).astype(labels.dtype)
    return out


def placed(
    tokens: np.ndarray, ticks: Sequence[int] | np.ndarray, labels: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns `harmony_from` and `harmony` of a piece of the corpus.

    Args:
        tokens: (tokens,) of the whole piece.
        ticks: (chords,) clock at which each chord begins, ascending.
        labels: (chords,) their labels.

    Returns:
        Token indices, int64, strictly ascending: the first token after which the clock has reached
        the chord. And the labels that hold from there, uint8, no two neighbours alike. Of chords
        that would begin with the same token the last one stays.
    """
    clock = tick_of_tokens(tokens)
    at = np.searchsorted(clock, np.asarray(ticks, dtype=np.int64))
    kept = np.asarray(labels, dtype=np.uint8)
    last = np.append(np.diff(at) > 0, True)[: len(at)] & (at < len(tokens))
    at, kept = at[last], kept[last]
    new = np.diff(kept.astype(np.int64), prepend=-1) != 0
    return at[new].astype(np.int64), kept[new]


@dataclass(frozen=True)
class ToldChords:
    """The chords of a piece as the generator is told of them."""

    starts: tuple[float, ...]
    """Seconds at which each begins, ascending."""
    labels: tuple[int, ...]
    """No two neighbours alike."""

    @staticmethod
    def of(chords: Sequence[Chord], seconds: Callable[[int], float]) -> "ToldChords":
        """Return what is told of a plan's chords; `seconds` gives the time of a step."""
        starts: list[float] = []
        labels: list[int] = []
        for chord in chords:
            label = label_of_chord(chord)
            if not labels or labels[-1] != label:
                starts.append(seconds(chord.step))
                labels.append(label)
        return ToldChords(tuple(starts), tuple(labels))

    def at(self, seconds: float) -> Harmony:
        """Return what a token is told after which the clock is at `seconds`."""
        following = bisect_right(self.starts, seconds)
        now = self.labels[following - 1] if following else NOT_GIVEN
        if following == len(self.starts):
            return now, NOT_GIVEN, 0.0
        return now, self.labels[following], self.starts[following] - seconds
