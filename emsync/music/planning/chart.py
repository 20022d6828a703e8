"""Chords as people write them, and what they say about the mode.

Two ways of writing: *numerals* relative to a tonic, in which the planner's progressions are kept,
and *chord charts*, in which people read and change the chords of a piece.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np

from emsync.errors import EmsyncError
from emsync.music.planning.grid import METRES, STEPS_PER_EIGHTH, STEPS_PER_QUARTER, Metre
from emsync.music.planning.plan import QUALITIES, SCALES, Chord, ModeName, Plan

LONGEST_CHART = 4000
"""Characters of a chart. Ours: over 400 bars, more than a film of half an hour asks for."""

MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
"""How well each of the twelve pitch classes fits a key, as listeners rated it, the tonic first
(Krumhansl & Kessler 1982, table 1)."""


@dataclass(frozen=True)
class Degree:
    """A chord relative to the tonic."""

    root: int
    """Semitones above the tonic, 0 to 11."""
    quality: str
    """Key of `QUALITIES`."""
    bass: int | None = None
    """Semitones above the tonic of the lowest note, if it is not the root."""

    def chord(self, step: int, key: int) -> Chord:
        """Return the chord that this is in `key` (a pitch class), beginning at `step`."""
        bass = None if self.bass is None else (key + self.bass) % 12
        return Chord(step, (key + self.root) % 12, self.quality, bass)

    def triad(self, key: int) -> tuple[int, bool]:
        """Return root and gender of the chord in `key`, by which listeners tell chords apart."""
        return (key + self.root) % 12, 4 in QUALITIES[self.quality]

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Return the semitones above the tonic of its tones, in [0, 12), the root first."""
        return tuple((self.root + interval) % 12 for interval in QUALITIES[self.quality])


_STEPS_OF_SCALE = {"1": 0, "2": 2, "3": 4, "4": 5, "5": 7, "6": 9, "7": 11}
_ROMAN = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_NUMERAL = re.compile(r"([b#]?)([IViv]+)([^/]*)(?:/([b#]?)([1-7]))?")
_SMALL = {"": "m", "7": "m7", "6": "m6", "°": "dim", "ø": "m7b5", "°7": "dim7"}
_LARGE = {"+": "aug"}
_SHIFT = {"": 0, "b": -1, "#": 1}


def degree_of(numeral: str) -> Degree:
    """Return the chord that a Roman numeral stands for.

    Numerals count from the major scale whatever the mode, as is usual for popular music: the chord
    on the seventh degree of the minor scale is `bVII`. Small letters are minor chords, `°` and `ø`
    diminished and half-diminished ones; a quality of `QUALITIES` may follow, and after a stroke the
    degree that lies in the bass: `V7/7` is the dominant seventh on its third.

    Raises:
        ValueError: `numeral` is none.
    """
    found = _NUMERAL.fullmatch(numeral)
    if found is None or found[2].upper() not in _ROMAN:
        raise ValueError(f"{numeral!r} is no Roman numeral")
    accidental, roman, suffix, lowered, degree = found.groups()
    quality = _SMALL.get(suffix) if roman.islower() else _LARGE.get(suffix, suffix)
    if quality not in QUALITIES:
        raise ValueError(f"{numeral!r} has no known quality")
    root = (_ROMAN[roman.upper()] + _SHIFT[accidental]) % 12
    bass = None if degree is None else (_STEPS_OF_SCALE[degree] + _SHIFT[lowered]) % 12
    return Degree(root, quality, None if bass == root else bass)


def pitch_weights(chords: Iterable[tuple[Degree, float]]) -> np.ndarray:
    """Return how long each pitch class above the tonic sounds: 12 numbers, for (chord, duration).

    The lowest note counts twice, as it is doubled in most settings.
    """
    weights = np.zeros(12)
    for degree, duration in chords:
        for tone in degree.pitch_classes:
            weights[tone] += duration
        weights[degree.root if degree.bass is None else degree.bass] += duration
    return weights


@functools.cache
def _profiles() -> np.ndarray:
    """Return the profiles of the 24 keys, the major ones first, with mean 0 and norm 1."""
    rolled = [np.roll(p, shift) for p in (MAJOR_PROFILE, MINOR_PROFILE) for shift in range(12)]
    centred = np.array(rolled) - np.mean(rolled, axis=1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def brightness(weights: np.ndarray) -> float:
    """Return how much better the best major key fits the pitch classes than the best minor key.

    Both fits are correlations with Krumhansl's profiles, so the result lies in [-2, 2]; chords of
    one clear mode come to about 0.3 from 0. 0 if all pitch classes weigh the same.
    """
    centred = weights - weights.mean()
    norm = float(np.linalg.norm(centred))
    if norm == 0:
        return 0.0
    fits = _profiles() @ centred / norm
    return float(fits[:12].max() - fits[12:].max())


# --- chord charts ------------------------------------------------------------------------------

_SPELLINGS = {
    "": ("maj", "major", "M"),
    "m": ("min", "minor", "mi", "-"),
    "dim": ("°", "o"),
    "aug": ("+",),
    "sus4": ("sus",),
    "6": ("maj6", "M6"),
    "m6": ("min6", "mi6", "-6"),
    "7": ("dom7",),
    "maj7": ("M7", "ma7", "j7", "Δ", "Δ7", "^7", "^"),
    "m7": ("min7", "mi7", "-7"),
    "m7b5": ("ø", "ø7", "min7b5", "-7b5", "m7-5", "m7(b5)"),
    "dim7": ("°7", "o7"),
    "add9": ("add2", "(add9)", "2"),
}
_QUALITY_OF = {quality: quality for quality in QUALITIES} | {
    spelling: quality for quality, spellings in _SPELLINGS.items() for spelling in spellings
}
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SYMBOL = re.compile(r"([A-G])([#b]?)([^/@]*)(?:/([A-G])([#b]?))?(?:@(\d{1,2}(?:\.\d{1,2})?))?")


def parse_chords(text: str, metre: Metre = METRES["4/4"]) -> tuple[tuple[Chord, ...], ...]:
    """Return the chords of a chart, bar by bar; their steps count from their own bar line.

    Bars stand between strokes or on lines of their own, `%` repeats the bar before. Several chords
    share a bar evenly by whole beats, the earlier ones lasting longer where that does not come out;
    more chords than beats share its eighths. `Am@2.5` begins halfway between the second and the
    third count of the bar: quarters are counted, in 6/8 eighths. Where the first chord of a bar has
    such a place of its own, the chord before goes on until then; the first bar cannot begin so.

    Args:
        text: the chart, such as `Am | F C | G7 | %`.
        metre: of the bars.

    Raises:
        EmsyncError: the text is too long or empty, a symbol is not known, or a bar is too full.
    """
    if len(text) > LONGEST_CHART:
        raise EmsyncError(
            f"The chords are {len(text):,} characters long; at most {LONGEST_CHART:,} are read."
        )
    bars: list[tuple[Chord, ...]] = []
    for written in re.split(r"[|\n]", text):
        symbols = written.split()
        if not symbols:
            continue
        if symbols == ["%"]:
            if not bars:
                raise EmsyncError("The chords begin with %, which repeats the bar before.")
            bars.append(bars[-1])
            continue
        bars.append(_bar_of(symbols, metre))
    if not bars:
        raise EmsyncError("There is no chord in the chords; write some, such as C | Am | F | G.")
    if bars[0][0].step:
        raise EmsyncError("The first bar must begin with a chord.")
    return tuple(bars)


def has_places(text: str) -> bool:
    """Return whether a chart says for some chord where in the bar it begins."""
    return "@" in text


def _bar_of(symbols: Sequence[str], metre: Metre) -> tuple[Chord, ...]:
    """Return the chords of one bar."""
    unit = metre.beat if len(symbols) <= metre.beats else STEPS_PER_EIGHTH
    room = metre.bar // unit
    if len(symbols) > room:
        raise EmsyncError(f"There are {len(symbols)} chords in one bar; at most {room} fit.")
    chords = []
    for i, symbol in enumerate(symbols):
        even = ceil(i * room / len(symbols)) * unit
        chords.append(_chord_of(symbol, even, metre))
    if any(a.step >= b.step for a, b in pairwise(chords)):
        raise EmsyncError(f"The chords {' '.join(symbols)[:60]} of one bar are not in order.")
    return tuple(chords)


def _chord_of(symbol: str, step: int, metre: Metre) -> Chord:
    """Return the chord of one symbol, beginning at `step` unless it says where."""
    plain = symbol.replace("♯", "#").replace("♭", "b")
    found = _SYMBOL.fullmatch(plain)
    if found is None or found[3] not in _QUALITY_OF:
        known = ", ".join(f"C{quality}" for quality in QUALITIES)
        raise EmsyncError(
            f"The chord {symbol[:24]!r} is not known. Known are, on every note: {known}; "
            "also with another bass note, such as C/E."
        )
    root = (_NATURALS[found[1]] + _SHIFT[found[2]]) % 12
    bass = None if found[4] is None else (_NATURALS[found[4]] + _SHIFT[found[5]]) % 12
    if found[6] is not None:
        step = round((float(found[6]) - 1) * _count(metre))
        if not 0 <= step < metre.bar:
            raise EmsyncError(f"The chord {symbol[:24]!r} begins outside its bar of {metre.name}.")
    return Chord(step, root, _QUALITY_OF[found[3]], None if bass == root else bass)


def _count(metre: Metre) -> int:
    """Return the steps from one count of a bar to the next, as the time signature has it."""
    return STEPS_PER_EIGHTH if metre.name == "6/8" else STEPS_PER_QUARTER


def chart_of(plan: Plan) -> str:
    """Return the plan's chords as a chart, four bars a line, for `parse_chords` to read again.

    Every bar begins with the chord that sounds at its line. Places are written only where chords
    do not lie as `parse_chords` would spread them.
    """
    bar = plan.metre.bar
    starts = [(chord.step, chord) for chord in plan.chords]
    bars, i = [], 0
    for line in range(0, max(plan.end, 1), bar):
        inside = []
        while i < len(starts) and starts[i][0] < line + bar:
            inside.append((starts[i][0] - line, starts[i][1]))
            i += 1
        if not inside or inside[0][0] > 0:
            inside.insert(0, (0, plan.chord_at(line)))
        bars.append(_written(inside, plan.metre))
    rows = [" | ".join(bars[k : k + 4]) for k in range(0, len(bars), 4)]
    return "\n".join(rows)


def _written(inside: Sequence[tuple[int, Chord]], metre: Metre) -> str:
    """Return one bar of a chart, for its chords and their steps from the bar line."""
    symbols = [chord.symbol for _, chord in inside]
    places = [place for place, _ in inside]
    unit = metre.beat if len(symbols) <= metre.beats else STEPS_PER_EIGHTH
    room = metre.bar // unit
    if places == [ceil(i * room / len(places)) * unit for i in range(len(places))]:
        return " ".join(symbols)
    counts = [f"{place / _count(metre) + 1:.2f}".rstrip("0").rstrip(".") for place in places]
    return " ".join(
        symbol if not place else f"{symbol}@{count}"
        for symbol, place, count in zip(symbols, places, counts, strict=True)
    )


def key_of(chords: Sequence[tuple[Chord, int]]) -> tuple[int, ModeName]:
    """Return tonic and mode that fit chords best, given with their durations.

    Ours: the share of tones within the scale, and a bonus where the tonic triad is among the chords
    and where it is the first or the last, as pieces mostly begin and end at home.
    """
    weights = np.zeros(12)
    for chord, duration in chords:
        for tone in chord.tones:
            weights[tone] += duration
    weights /= weights.sum()
    best: tuple[float, int, ModeName] = (-1.0, 0, "major")
    for mode, scale in SCALES.items():
        for key in range(12):
            third = (key + scale[2]) % 12
            homes = [c.root == key and third in c.tones for c, _ in chords]
            score = sum(weights[(key + degree) % 12] for degree in scale)
            score += 0.06 * any(homes) + 0.1 * homes[0] + 0.06 * homes[-1]
            if score > best[0] + 1e-9:
                best = (score, key, mode)
    return best[1], best[2]
