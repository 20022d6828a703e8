"""Chord progressions: tables by mode, and functional harmony drawn chord by chord."""

import random
from functools import lru_cache

from emsync.music.planning.chart import Degree, degree_of
from emsync.music.planning.plan import QUALITIES, SCALES, ModeName

LOOPS: dict[ModeName, tuple[str, ...]] = {
    "major": (
        "I V vi IV", "I vi IV V", "I iii IV V", "I IV ii V", "vi IV I V", "IV V iii vi",
        "ii V I vi", "IV I ii V", "I ii IV V", "I V IV V", "I IV I V", "I IV vi V",
        "I V/7 vi IV", "I I/3 IV V", "I iii vi IV", "IV iv I V", "I III vi IV", "I V ii IV",
        "I IV V IV", "vi V IV V", "I ii iii IV", "I bVII IV I", "I vi ii V",
        "I V vi iii IV I IV V", "I IV I V I IV V I", "I V/7 vi vi/5 IV I/3 ii V",
        "I vi ii V iii VI ii V", "IV V vi I/3 IV V I I", "I I IV IV ii V I V",
        "vi iii IV I ii V I V", "I V vi IV I V IV V", "I IV iii vi ii V I IV",
        "I II IV iv", "I iii IV iv", "IV V I vi IV V vi I",
    ),
    "minor": (
        "i bVI bIII bVII", "i bVII bVI V", "i iv bVI V", "i bVI iv V", "iv i bVI V",
        "bVI bVII i iv", "bIII bVII iv V", "iv bVII bIII bVI", "i bIII bVII iv", "i v bVI bVII",
        "i iv i V", "i bVI bVII i", "i i/3 iv V", "i bVII bVI bVII", "i iv bVII bIII",
        "bVI bIII bVII i", "i v iv V", "i bVI ii° V", "i bII V i", "i V i bVII",
        "i bVII bIII bVI iv i V V", "i iv bVII bIII bVI iv V i", "i V/7 bVII iv/3 bVI iv V V",
        "i bVI bIII bVII i bVI iv V", "i i bVI bVI iv iv V V", "i v bVI bIII iv i V V",
        "bVI bVII i i bVI bVII bIII V", "i V i iv i bVI V i", "i bIII iv bVI i bIII V i",
    ),
    "dorian": (
        "i IV bVII IV", "i bVII IV v", "i bIII bVII IV", "bIII IV bVII i", "i IV i IV",
        "bVII IV bIII v", "i ii bIII IV", "i v IV i", "i IV bVII bIII", "i bVII i IV",
        "i i IV IV bIII bVII IV i", "i bIII IV v bVII IV i v", "i v bVII IV bIII bVII i IV",
    ),
    "mixolydian": (
        "I bVII IV v", "I IV bVII IV", "I v IV bVII", "IV bVII vi v", "vi IV bVII I",
        "I bVII I IV", "I bVII IV I", "I ii bVII IV", "bVII IV I I", "I IV I bVII",
        "I v bVII IV I IV bVII I", "I bVII vi v IV bVII I I", "I I bVII IV vi IV bVII bVII",
    ),
    "lydian": (
        "I II iii vi", "I II V vi", "I II I vii", "I II IVmaj7 I", "I V II vi", "vi II I V",
        "I iii II V", "I II vi V I II iii II", "I vii II I",
    ),
    "phrygian": (
        "i bII bIII bII", "i bII i bvii", "i bVI bII i", "i iv bII i", "bVI bII i bII",
        "i bII bvii i iv bII i i", "i bIII bII bvii", "i bII bvii bVI",
    ),
}  # fmt: skip
JAZZ: dict[ModeName, tuple[str, ...]] = {
    "major": (
        "ii7 V7 Imaj7 vi7", "Imaj7 vi7 ii7 V7", "iii7 VI7 ii7 V7", "Imaj7 IVmaj7 iii7 VI7",
        "Imaj7 VI7 ii7 V7", "ii7 V7 iii7 VI7 ii7 V7 Imaj7 Imaj7", "Imaj7 II7 ii7 V7",
        "Imaj7 iv6 iii7 VI7 ii7 V7 I6 V7", "IVmaj7 bVII7 Imaj7 VI7", "Imaj7 ii7 iii7 ii7",
        "ii7 bII7 Imaj7 VI7", "I6 bIIIdim7 ii7 V7", "Imaj7 #IVm7b5 IVmaj7 V7",
        "Imaj7 v7 I7 IVmaj7 iv6 iii7 ii7 V7",
    ),
    "minor": (
        "iiø V7 i7 i7", "i7 bVImaj7 iiø V7", "i7 iv7 bVII7 bIIImaj7 bVImaj7 iiø V7 i6",
        "i6 iv7 i7 V7", "i7 bVII7 bVImaj7 V7", "iv7 bVII7 bIIImaj7 bVImaj7", "i7 vi°7 iiø V7",
    ),
    "dorian": ("i7 IV7 i7 IV7", "i7 ii7 bIIImaj7 ii7", "i7 IV7 bVIImaj7 bIIImaj7", "i7 v7 i7 IV7"),
    "mixolydian": ("I7 IV7 I7 V7", "I7 bVII7 IV7 I7", "I7 v7 IV7 bVII7"),
    "lydian": ("Imaj7 II7 Imaj7 vii7", "Imaj7 II7 iii7 vi7"),
    "phrygian": ("i7 bIImaj7 i7 bvii7", "i7 bIImaj7 bIIImaj7 bIImaj7"),
}  # fmt: skip
BLUES: dict[ModeName, tuple[str, ...]] = {
    "mixolydian": (
        "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7", "I7 IV7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7",
        "I7 I7 IV7 I7 V7 IV7 I7 I7",
    ),
    "dorian": ("i7 i7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7", "i7 iv7 i7 i7 iv7 iv7 V7 i7"),
}  # fmt: skip
TURNS: dict[str, dict[str, dict[str, float]]] = {
    "major": {
        "I": {"IV": 3, "V": 3, "vi": 2, "ii": 2, "iii": 1, "V/7": 1, "I/3": 1, "VI7": 0.4},
        "I/3": {"IV": 3, "ii": 2, "V": 1},
        "ii": {"V": 4, "V7": 2, "vi": 0.5, "V/7": 1, "IV/3": 0.5},
        "iii": {"vi": 3, "IV": 2, "ii": 1},
        "IV": {"V": 3, "I": 2, "ii": 2, "V7": 1, "I/5": 1, "I/3": 0.5},
        "IV/3": {"V": 2, "V7": 2},
        "I/5": {"V": 3, "V7": 3},
        "V": {"I": 4, "vi": 2, "IV/3": 0.5, "I/3": 1, "III7": 0.3},
        "V7": {"I": 4, "vi": 1.5},
        "V/7": {"I": 4, "vi": 1},
        "vi": {"IV": 3, "ii": 3, "V": 1, "iii": 0.7, "I/3": 0.7, "II7": 0.5},
        "VI7": {"ii": 1}, "II7": {"V": 1}, "III7": {"vi": 1},
    },
    "minor": {
        "i": {"iv": 3, "V": 2, "bVI": 2, "bVII": 1.5, "ii°/4": 1, "bIII": 1, "V/7": 1, "i/b3": 1},
        "i/b3": {"iv": 3, "ii°/4": 1, "V": 1},
        "ii°/4": {"V": 3, "V7": 2, "i/5": 1},
        "bIII": {"bVI": 3, "iv": 2, "bVII": 1},
        "iv": {"V": 3, "i": 1.5, "bVII": 1.5, "V7": 1, "i/5": 1, "bVI": 0.7},
        "i/5": {"V": 3, "V7": 2},
        "V": {"i": 4, "bVI": 2, "i/b3": 1},
        "V7": {"i": 4, "bVI": 1},
        "V/7": {"i": 4},
        "bVI": {"iv": 2, "bVII": 2, "V": 2, "bIII": 1, "ii°/4": 1, "bII/4": 0.4},
        "bII/4": {"V": 3, "i/5": 1},
        "bVII": {"bIII": 3, "bVI": 1, "i": 2},
    },
}  # fmt: skip
"""Weights of what follows what, after the table of usual root progressions (Piston, Harmony)."""


@lru_cache(maxsize=1000)
def degrees(text: str) -> tuple[Degree, ...]:
    """Return the chords that numerals, with blanks between them, stand for."""
    return tuple(degree_of(numeral) for numeral in text.split())


def functional(rng: random.Random, minor: bool, length: int) -> tuple[Degree, ...]:
    """Return `length` chords, tonic to dominant, drawn from `TURNS`."""
    table = TURNS["minor" if minor else "major"]
    while True:
        walk = ["i" if minor else "I"]
        while len(walk) < length:
            choices = table[walk[-1]]
            walk.append(rng.choices(list(choices), list(choices.values()))[0])
        if walk[-1] in ("V", "V7") or length < 4 or (rng.random() < 0.3 and walk[-1] in table):
            return degrees(" ".join(walk))


_RICHER = {"": ("add9", "maj7", "6", "sus2"), "m": ("m7", "m7", "m7")}


def coloured(rng: random.Random, degree: Degree, mode: ModeName, share: float) -> Degree:
    """Return `degree`, in a `share` of cases with a further tone of the scale of `mode`."""
    if rng.random() >= share + 0.08 or degree.quality not in _RICHER:
        return degree
    if degree.root == 7 and degree.quality == "" and mode in ("major", "minor"):
        return Degree(7, rng.choice(("7", "7", "sus4")), degree.bass)
    quality = rng.choice(_RICHER[degree.quality])
    tones = {(degree.root + interval) % 12 for interval in QUALITIES[quality]}
    within = tones <= set(SCALES[mode])
    return Degree(degree.root, quality, degree.bass) if within else degree
