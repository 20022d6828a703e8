"""What a trained ear takes from notes: pulse, key, the triad of the moment, what sounds at once.

Plain functions of notes on the generator's clock (ticks of 8 ms). Where the best of several is
chosen, sums are kept in whole numbers, so that every machine chooses alike.
"""

from dataclasses import dataclass

import numpy as np

from emsync.music.judging.emotion_regressor import MAJOR_PROFILE, MINOR_PROFILE, key_fits
from emsync.music.notes import GROUPS, NoteTable

DRUMS, BASS = GROUPS.index("drums"), GROUPS.index("bass")
LONGEST_WEIGHT = 250
"""Ticks: a pad held for a minute says no more about the key than one held for two seconds."""
CELL_TICKS = 6
"""What sounds is looked at every 48 ms: half the shortest sixteenth."""
FASTEST_BEAT, SLOWEST_BEAT = 30, 126
"""Ticks, the second not included: 60 to 250 beats a minute. Tempo is heard between some 30 and 300,
best around 100 (Parncutt 1994)."""
LOUDEST_ONSET = 4.0
"""Notes that begin together; more do not make a clearer beat."""
ONSET_KERNEL = np.array([0.3, 0.7, 1.0, 0.7, 0.3])
"""Over five ticks: notes 16 ms apart are heard as one stroke (Hirsh 1959: 20 ms)."""

TRIADS: tuple[tuple[int, str], ...] = tuple(
    (root, quality) for quality in ("", "m", "dim", "aug", "sus4") for root in range(12)
)
"""Root and quality (`emsync.music.planning.plan.QUALITIES`) of the triads that are told apart."""
_TONES = {"": (0, 4, 7), "m": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "sus4": (0, 5, 7)}
TRIAD_CLASSES = np.array(
    [
        [any((root + tone) % 12 == pitch for tone in _TONES[quality]) for pitch in range(12)]
        for root, quality in TRIADS
    ],
    dtype=np.int64,
)
"""(60, 12): 1 where a pitch class belongs to the triad."""
_RARITY = np.array([0] * 24 + [6] * 24 + [12] * 12, dtype=np.int64)
"""Hundredths of the sounding time that diminished, augmented and suspended triads must fit better
by. Ours: any three notes fit one of the sixty, and major and minor are what is meant."""
_BASS_BONUS = 15
"""Hundredths of the time in which the bass is on the root that count for a triad. Ours."""
LEAST_SOUNDING = 20
"""Ticks of pitched notes, summed over voices, without which there is no chord to tell."""
MOMENT_TICKS = 125
"""The triad of the moment is looked for every second, over the two seconds that follow."""


@dataclass(frozen=True)
class Key:
    """The key that fits best, of the 24 (Krumhansl & Schmuckler 1990)."""

    tonic: int
    """Pitch class, C = 0."""
    minor: bool
    clarity: float
    """Correlation with its profile, -1 to 1; 0 without notes."""
    majorness: float
    """Correlation with the best major key minus that with the best minor one."""


def pitched_of(notes: NoteTable) -> NoteTable:
    """Return the notes of all groups but the drums."""
    return notes.take(notes.group != DRUMS)


def key_of(histogram: np.ndarray) -> Key:
    """Return the key that fits a histogram (12,) of pitch classes best."""
    if not histogram.std():
        return Key(0, False, 0.0, 0.0)
    fits = np.stack([key_fits(histogram, MAJOR_PROFILE), key_fits(histogram, MINOR_PROFILE)])
    mode, tonic = np.unravel_index(int(fits.argmax()), fits.shape)
    best = float(fits.max())
    return Key(int(tonic), bool(mode), best, float(fits[0].max() - fits[1].max()))


def class_weights(pitched: NoteTable) -> np.ndarray:
    """Return (12,): how long each pitch class sounds, ticks, at most `LONGEST_WEIGHT` a note."""
    weight = np.minimum(pitched.end - pitched.start, LONGEST_WEIGHT)
    return np.bincount(pitched.pitch % 12, weights=weight, minlength=12)


def class_times(pitched: NoteTable, length: int) -> np.ndarray:
    """Return (length + 1, 12) int64: ticks that each pitch class has sounded up to each tick.

    The difference of two rows is the histogram of the time between them; voices add up.
    """
    change = np.zeros((length + 2, 12), dtype=np.int64)
    np.add.at(change, (np.minimum(pitched.start, length) + 1, pitched.pitch % 12), 1)
    np.add.at(change, (np.minimum(pitched.end, length) + 1, pitched.pitch % 12), -1)
    # The first sum is how many sound in the tick that ends at a row; the second, how long.
    return np.asarray(change.cumsum(axis=0).cumsum(axis=0)[: length + 1])


def fitting_triads(times: np.ndarray, bass: np.ndarray | None = None) -> np.ndarray:
    """Return the number in `TRIADS` of the one that fits each histogram best; -1 for too little.

    Args:
        times: (windows, 12) int64, ticks that each pitch class sounds.
        bass: the same of the bass alone, whose root then counts.
    """
    sounding = times.sum(axis=1, keepdims=True)
    score = 100 * (times @ TRIAD_CLASSES.T) - _RARITY * sounding
    if bass is not None:
        below = np.maximum(bass.sum(axis=1, keepdims=True), 1)
        roots = np.array([root for root, _ in TRIADS])
        score = score * below + _BASS_BONUS * bass[:, roots] * sounding
    return np.where(sounding[:, 0] >= LEAST_SOUNDING, score.argmax(axis=1), -1)


def triads_of_moments(times: np.ndarray) -> np.ndarray:
    """Return the fitting triad of every second of a piece, from its `class_times`."""
    length = len(times) - 1
    begins = np.arange(0, max(length - MOMENT_TICKS, 0), MOMENT_TICKS)
    ends = np.minimum(begins + 2 * MOMENT_TICKS, length)
    return fitting_triads(times[ends] - times[begins])


def longest_run(values: np.ndarray) -> int:
    """Return how many equal values follow each other at most."""
    if not len(values):
        return 0
    edges = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    return int(np.diff(edges).max())


def sounding_cells(pitched: NoteTable, length: int) -> np.ndarray:
    """Return (cells, 128) bool: which pitches sound, every `CELL_TICKS` from tick 0 on."""
    cells = len(range(0, length, CELL_TICKS))
    begun = np.zeros((cells + 1, 128), dtype=np.int16)
    np.add.at(begun, (np.minimum(-(-pitched.start // CELL_TICKS), cells), pitched.pitch), 1)
    np.add.at(begun, (np.minimum(-(-pitched.end // CELL_TICKS), cells), pitched.pitch), -1)
    return np.asarray(np.cumsum(begun, axis=0, dtype=np.int16)[:cells] > 0)


def within_semitones(sounding: np.ndarray, *semitones: int) -> np.ndarray:
    """Return (cells,) bool: whether two pitches that lie so far apart sound together."""
    found = np.zeros(len(sounding), dtype=bool)
    for step in semitones:
        found |= (sounding[:, :-step] & sounding[:, step:]).any(axis=1)
    return found


def onset_strength(start: np.ndarray, length: int) -> np.ndarray:
    """Return (length,): how strongly notes begin around each tick."""
    strength = np.bincount(start, minlength=length + 1)[:length].astype(float)
    return np.convolve(np.minimum(strength, LOUDEST_ONSET), ONSET_KERNEL, "same")


def autocorrelation(strength: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return the likeness of a curve to itself `lags` ticks later, 0 to 1."""
    power = max(float((strength * strength).sum()), 1e-9)
    return np.array([float(strength[lag:] @ strength[:-lag]) / power for lag in lags])


def pulse(strength: np.ndarray) -> tuple[int, float]:
    """Return the beat that is heard, in ticks, and how clear it is, 0 to 1 (Brown 1993)."""
    lags = np.arange(FASTEST_BEAT, SLOWEST_BEAT)
    likeness = autocorrelation(strength, lags)
    return int(lags[likeness.argmax()]), float(likeness.max())
