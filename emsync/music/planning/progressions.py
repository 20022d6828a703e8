"""A bank of chord progressions per mode, and how styles dress their chords.

Progressions are named by what they are called or where they are best known; a chord progression
belongs to nobody. "Common practice" is what textbooks of tonal harmony teach (Aldwell & Schachter,
Harmony and Voice Leading), "modal practice" what Persichetti (Twentieth-Century Harmony, chapter 2)
gives as the characteristic chords of a mode.
"""

import random
from dataclasses import dataclass, replace

from emsync.music.planning.chart import Degree, brightness, degree_of, pitch_weights
from emsync.music.planning.plan import SCALES, ModeName


@dataclass(frozen=True)
class Progression:
    """Chords that go round."""

    mode: ModeName
    units: tuple[tuple[Degree, ...], ...]
    """One or two chords for each unit of harmonic rhythm; two share it."""
    styles: frozenset[str]
    """Where it is at home; empty: everywhere."""
    source: str

    @property
    def brightness(self) -> float:
        """Return its leaning to major; the first four units count twice: they set the mode."""
        return brightness(pitch_weights(_timed(self.units) + _timed(self.units[:4])))


def _timed(units: tuple[tuple[Degree, ...], ...]) -> list[tuple[Degree, float]]:
    return [(degree, 1 / len(unit)) for unit in units for degree in unit]


_AXIS = "axis progression (Richards 2017, Music Theory Online 23.3)"
_PRACTICE = "common practice"
_MODAL = "modal practice"
_SONG = "common in songs"
_JAZZ = "common in jazz standards"
_BASS = "common practice, stepwise bass"

_BANK: dict[ModeName, tuple[tuple[str, str, str], ...]] = {
    "major": (
        ("I V vi IV", "pop rock electronic folk piano", _AXIS),
        ("vi IV I V", "pop rock electronic", _AXIS),
        ("IV I V vi", "pop electronic", _AXIS),
        ("I vi IV V", "pop folk waltz", "doo-wop changes"),
        ("I vi ii V", "pop folk piano waltz", "turnaround, I Got Rhythm (Gershwin 1930)"),
        ("I IV I V", "", _PRACTICE),
        ("I IV V IV", "rock folk pop", "La Bamba (traditional)"),
        ("I IV ii V", "", _PRACTICE),
        ("I ii IV V", "pop folk", _SONG),
        ("I iii IV V", "pop folk piano", _SONG),
        ("I IV vi V", "pop rock electronic", _SONG),
        ("I V IV V", "folk rock pop", _SONG),
        ("I V ii IV", "pop rock", _SONG),
        ("I V I IV", "folk waltz", _SONG),
        ("IV V iii vi", "pop electronic", "royal road of Japanese pop"),
        ("I I7 IV iv", "pop piano waltz", "borrowed minor subdominant, common in songs"),
        ("I III7 vi IV", "pop piano waltz", "applied dominant, common in songs"),
        ("I V vi iii IV I IV V", "cinematic piano pop", "Canon in D (Pachelbel)"),
        ("I V/7 vi I/5 IV I/3 ii V", "cinematic piano pop folk waltz", _BASS),
        ("I V/7 vi iii/5 IV I/3 IV V", "cinematic piano", _BASS),
        ("I I/3 IV V", "cinematic piano folk pop", _BASS),
        ("I ii7/1 V7/7 I vi II7/b5 V IV/6", "piano", "after Prelude in C, BWV 846 (Bach)"),
        ("I IV/1 V/1 IV/1", "cinematic electronic", "tonic pedal, common in film music"),
        ("I V/1 IV/1 V", "cinematic piano", "tonic pedal, common in film music"),
        ("I IV I V I vi ii V", "folk waltz piano cinematic", _PRACTICE),
        ("I V vi IV I IV ii V7", "waltz folk", _PRACTICE),
        ("I VI7 ii V7", "waltz piano folk", "applied dominant, common practice"),
        ("I IV vii° iii vi ii V IV", "cinematic piano waltz", "circle of fifths, common practice"),
        ("I IV V vi IV I/5 V V/4", "cinematic piano", "deceptive close, common practice"),
        ("I bVII IV ii", "rock", "double plagal (Everett, The Foundations of Rock)"),
        ("I bVI bVII IV", "cinematic rock", "borrowed from minor, common in film music"),
        ("I iii vi IV I/5 IV ii V", "cinematic piano", _PRACTICE),
        ("I IV I II7 V IV vi V", "folk waltz piano", "applied dominant, common practice"),
        ("I VI7 II7 V", "folk rock", "ragtime circle"),
        ("I IV vi ii I/5 IV ii V", "cinematic piano waltz folk", _PRACTICE),
        ("I iii IV iv I/5 vi ii V", "pop piano cinematic", _SONG),
        ("I bVII IV V", "rock pop", "borrowed seventh degree, common in rock"),
        ("I IV bVI bVII", "rock cinematic electronic", "Aeolian close (Richards 2017)"),
        ("I I/3 IV ii I/5 V7/7 vi V", "waltz folk piano", _PRACTICE),
        ("Imaj7 vi7 ii7 V7", "jazz", "turnaround"),
        ("ii7 V7 Imaj7 vi7", "jazz", _JAZZ),
        ("iii7 VI7 ii7 V7", "jazz", "turnaround with applied dominant"),
        ("Imaj7 IVmaj7 iii7,VI7 ii7,V7", "jazz", _JAZZ),
        ("Imaj7 ii7,V7 Imaj7 IVmaj7", "jazz", _JAZZ),
        ("Imaj7 I7 IVmaj7 iv6 iii7 VI7 ii7 V7", "jazz", _JAZZ),
        ("Imaj7 viiø,III7 vi7 v7,I7 IVmaj7 iv6 iii7,VI7 ii7,V7", "jazz", _JAZZ),
        ("I6 VI7 II7 V7", "jazz", "ragtime circle"),
    ),
    "minor": (
        ("i bVI bIII bVII", "pop rock electronic cinematic", _AXIS),
        ("i bVII bVI V", "", "Andalusian cadence"),
        ("i bVI iv V", "", _PRACTICE),
        ("i iv bVI V", "", _PRACTICE),
        ("i iv i V", "", _PRACTICE),
        ("i bVI V i/b3 iv iiø V bVI", "cinematic piano waltz", _PRACTICE),
        ("i iv bVII bIII bVI iiø i/5 V", "cinematic piano waltz", "circle of fifths (Vivaldi)"),
        ("i v/b7 iv/b6 V", "cinematic piano waltz", "lament bass (Purcell)"),
        ("i V/7 v/b7 IV/6 iv/b6 i/5 iiø V", "cinematic piano", "chromatic lament bass"),
        ("i V i bVII bIII bVII i,V", "folk piano cinematic waltz", "La Folia (traditional)"),
        ("i bVII i V bIII bVII i,V", "folk", "passamezzo antico (traditional)"),
        ("i bVII bVI bVII", "rock electronic", "Aeolian shuttle (Bjornberg 1984)"),
        ("i bVI bVII v", "rock electronic pop", _SONG),
        ("i bVI i bVII", "rock electronic", _SONG),
        ("i iv bVII bVI", "pop rock electronic", _SONG),
        ("i v bVI iv", "pop piano electronic folk", _SONG),
        ("i bIII bVI iv", "pop cinematic", _SONG),
        ("i V bVI iv", "cinematic pop piano", _SONG),
        ("i V i iv", "waltz folk cinematic", _PRACTICE),
        ("i iv V bVI iv i/b3 iiø V", "cinematic waltz piano", "deceptive close, common practice"),
        ("i bII V bVI", "cinematic waltz", "Neapolitan, common practice"),
        ("i bvi i V", "cinematic", "hexatonic pole and its kin (Lehman, Hollywood Harmony)"),
        ("i bVI i iv", "cinematic piano electronic", "common in film music"),
        ("i iv/1 V/1 i iv bVI bII V", "cinematic", "tonic pedal, common in film music"),
        ("i bVI/1 iv/1 V", "cinematic piano", "tonic pedal, common in film music"),
        ("i iv v iv", "folk rock", _SONG),
        ("i bVII iv V", "folk rock pop", _SONG),
        ("i bIII iv V", "folk rock pop", _SONG),
        ("i iv i bII V bVI iv V", "cinematic rock piano", "Neapolitan, common practice"),
        (
            "i iv V I7/3 iv bVI iiø V",
            "waltz piano cinematic",
            "applied dominant, common practice",
        ),
        ("i v iv bIII bVI iv bII V", "cinematic piano folk", _PRACTICE),
        ("i bVI iv bII i/5 V bVI V", "cinematic waltz", _PRACTICE),
        ("i iv v bVI i iv bVII V", "rock electronic pop folk", _SONG),
        ("i6 bVImaj7 iiø V7", "jazz", _JAZZ),
        ("i7 iv7 iiø V7", "jazz", _JAZZ),
        ("iv7 bVII7 bIIImaj7 bVImaj7 iiø V7 i6 V7", "jazz", "circle of fifths, common in jazz"),
        ("i6 iiø,V7 i6 iv6", "jazz", _JAZZ),
        ("i6 iv7 i6 V7", "jazz", "minor blues changes"),
        ("i6 V7/5 i7/b3 iv7 bVI7 V7 i6 V7", "jazz", _JAZZ),
    ),
    "dorian": (
        ("i IV i bVII", "", _MODAL),
        ("i bIII IV bVII", "pop rock electronic cinematic", _SONG),
        ("i IV v IV", "cinematic rock folk", _MODAL),
        ("i ii bIII IV", "cinematic electronic piano", _MODAL),
        ("i bVII IV v", "rock pop electronic", _MODAL),
        ("i v IV bVII", "folk pop piano electronic", _MODAL),
        ("i IV/1 i v", "cinematic piano waltz folk", "tonic pedal, modal practice"),
        ("i bVII i v i bIII v bVII", "folk waltz", "traditional"),
        ("i bVII i bIII i IV i bVII", "folk waltz piano", "after Scarborough Fair (traditional)"),
        ("i IV bVII bIII i ii v IV", "cinematic piano waltz", _MODAL),
        ("i bIII bVII IV i v bVII IV", "pop rock electronic", _SONG),
        ("i ii/1 v IV", "cinematic electronic", "tonic pedal, modal practice"),
        ("i7 IV7 i7 v7", "jazz", _MODAL),
        ("i7 ii7 bIIImaj7 ii7", "jazz", "modal jazz"),
        ("i7 IV7 bVIImaj7 v7", "jazz", _MODAL),
        ("i6 v7 i6 ii7 bIIImaj7 IV7 i7 v7", "jazz", _MODAL),
    ),
    "mixolydian": (
        ("I bVII IV V", "rock pop folk", _SONG),
        ("I bVII IV vi", "rock folk pop cinematic", "double plagal (Everett)"),
        ("I IV bVII IV", "", _SONG),
        ("I bVII I IV", "", _MODAL),
        ("I v IV bVII", "cinematic piano pop electronic", _MODAL),
        ("I IV v bVII", "cinematic electronic rock", _MODAL),
        ("I v bVII IV", "pop electronic cinematic piano", _MODAL),
        ("I ii bVII IV", "cinematic folk piano pop", _MODAL),
        ("I vi bVII IV", "pop rock electronic", _SONG),
        ("I bVII/1 IV/1 v/1", "cinematic rock electronic", "tonic pedal, common in film music"),
        ("I v bVII ii", "electronic cinematic piano folk", _MODAL),
        ("I bVII vi v I ii bVII IV", "pop rock folk piano waltz", _MODAL),
        ("I bVII I v I IV bVII v", "folk waltz", "fiddle tunes"),
        ("I IV I bVII I IV v bVII", "folk waltz rock", "fiddle tunes"),
        ("I v ii IV I bVII vi IV", "cinematic piano waltz", _MODAL),
        ("I7 bVII IV7 v7", "jazz", _MODAL),
        ("I7 vi7 bVIImaj7 IV7", "jazz", _MODAL),
        ("I7 v7 IV7 ii7 bVIImaj7 IV7 vi7 v7", "jazz", _MODAL),
        ("I7 v7 IV7 bVIImaj7", "jazz", _MODAL),
        ("I7 IV7 I7 v7 IV7 bVII6 ii7 v7", "jazz", "blues changes, modal"),
    ),
    "lydian": (
        ("I II I V", "", _MODAL),
        ("I II/1 I iii", "", "tonic pedal, modal practice"),
        ("I II vi V", "", _SONG),
        ("I V II vi", "", _MODAL),
        ("I II iii V", "cinematic electronic piano rock", _MODAL),
        ("I vii II vi", "cinematic piano folk", _MODAL),
        ("I iii II/b5 V I II vi V", "cinematic piano waltz folk", _MODAL),
        ("Imaj7 II/1 Imaj7 V/7 vi7 II Imaj7 V", "piano cinematic electronic", _MODAL),
        ("Imaj7 II7 Imaj7 iii7", "jazz", _MODAL),
        ("Imaj7 II7 vii7 iii7", "jazz", _MODAL),
    ),
    "phrygian": (
        ("i bII i bvii", "", _MODAL),
        ("i bII bIII bII", "", "flamenco"),
        ("i bvii bII bIII", "", _MODAL),
        ("i bVI bII bIII", "", _MODAL),
        ("i iv bII bVI", "", _MODAL),
        ("i bII/1 i bvii/1", "cinematic electronic", "tonic pedal, common in film music"),
        ("i bII bvii iv i bVI bII bvii", "cinematic rock piano waltz", _MODAL),
        ("i7 bIImaj7 i7 bvii7", "jazz", _MODAL),
        ("i7 bIImaj7 iv7 bIImaj7", "jazz", _MODAL),
    ),
}


def progressions(mode: ModeName, style: str) -> tuple[Progression, ...]:
    """Return the bank's progressions of `mode` that are at home in `style`; never none."""
    found = []
    for numerals, styles, source in _BANK[mode]:
        at_home = frozenset(styles.split())
        if style in at_home or not at_home:
            units = tuple(
                tuple(degree_of(one) for one in unit.split(",")) for unit in numerals.split()
            )
            found.append(Progression(mode, units, at_home, source))
    return tuple(found)


@dataclass(frozen=True)
class Cadence:
    """What closes a phrase in a mode."""

    predominants: tuple[Degree, ...]
    """In order of preference."""
    dominants: tuple[Degree, ...]
    tonic: Degree


_CADENCES: dict[ModeName, tuple[str, str, str]] = {
    "major": ("IV ii vi", "V vii° bVII", "I"),
    "minor": ("iv iiø bVI", "V vii° bVII", "i"),
    "dorian": ("IV ii bIII", "bVII v ii", "i"),
    "mixolydian": ("IV ii vi", "bVII v ii", "I"),
    "lydian": ("II vi iii", "V vii II", "I"),
    "phrygian": ("iv bVI bIII", "bII bvii bIII", "i"),
}
"""In the modes the chords that hold the degree by which the mode is known take the dominant's place
(Persichetti, chapter 2)."""


def cadence_of(mode: ModeName, style: str) -> Cadence:
    """Return the closing chords of a mode, with sevenths where `style` is jazz."""
    predominants, dominants, tonic = (
        tuple(
            replace(degree, quality=_seventh(degree, mode)) if style == "jazz" else degree
            for degree in map(degree_of, numerals.split())
        )
        for numerals in _CADENCES[mode]
    )
    return Cadence(predominants, dominants, tonic[0])


_NINTHS = frozenset({"pop", "piano", "electronic", "cinematic"})


def dressed(degree: Degree, mode: ModeName, style: str, rnd: random.Random) -> Degree:
    """Return a chord with the added tones that `style` is fond of; function and bass stay.

    Ours, after what is usual: jazz has sevenths throughout, of the mode's scale where it can; pop,
    piano and film music an added ninth here and there on the first and fourth degrees and calm
    sevenths; waltzes a seventh on the dominant; folk and rock plain triads.
    """
    quality, chance = degree.quality, rnd.random()
    if quality not in ("", "m", "dim") or degree.bass is not None:
        return degree
    if style == "jazz":
        return replace(degree, quality=_seventh(degree, mode))
    if style in _NINTHS and chance < 0.25:
        if quality == "" and degree.root in (0, 5):
            return replace(degree, quality="add9")
        if quality == "m" and degree.root in (2, 9) and style != "cinematic":
            return replace(degree, quality="m7")
        if quality == "" and degree.root == 8:
            return replace(degree, quality="maj7")
    if style == "waltz" and quality == "" and degree.root == 7 and chance < 0.7:
        return replace(degree, quality="7")
    return degree


def _seventh(degree: Degree, mode: ModeName) -> str:
    """Return the seventh chord on a triad: major sevenths where the scale has them."""
    if degree.quality in ("dim", "m7b5"):
        return "m7b5"
    if degree.quality == "m":
        # A sixth on the minor tonic: its seventh would make it the relative major's sixth degree.
        return "m6" if degree.root == 0 and mode == "minor" else "m7"
    scale = SCALES[mode]
    on_scale = all((degree.root + tone) % 12 in scale for tone in (0, 4, 7))
    return "maj7" if on_scale and (degree.root + 11) % 12 in scale else "7"
