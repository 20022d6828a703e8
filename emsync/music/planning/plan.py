"""The plan of a piece: key, form, chords and orchestration, written before any note.

Everything is placed on the steps of a `emsync.music.planning.grid.Grid`, twelve to a quarter note.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from emsync.music.planning.grid import Metre
from emsync.settings import Tonic

ModeName = Literal["major", "minor", "dorian", "mixolydian", "lydian", "phrygian"]

SCALES: dict[ModeName, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
"""Semitones above the tonic."""

QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "add9": (0, 4, 7, 14),
}
"""Chord symbols after the root, and their tones in semitones above it, the root first."""

PITCH_NAMES: tuple[Tonic, ...] = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True)
class Chord:
    """One chord of the plan; it lasts until the next one begins."""

    step: int
    root: int
    """Pitch class, C = 0."""
    quality: str
    """Key of `QUALITIES`."""
    bass: int | None = None
    """Pitch class that sounds lowest, if it is not the root."""

    @property
    def tones(self) -> tuple[int, ...]:
        """Return the pitch classes of the chord, the root first."""
        return tuple((self.root + interval) % 12 for interval in QUALITIES[self.quality])

    @property
    def lowest(self) -> int:
        """Return the pitch class that sounds lowest."""
        return self.root if self.bass is None else self.bass

    @property
    def symbol(self) -> str:
        """Return the chord symbol, such as `Am7` or `C/E`."""
        slash = "" if self.bass in (None, self.root) else f"/{PITCH_NAMES[self.lowest]}"
        return PITCH_NAMES[self.root] + self.quality + slash


@dataclass(frozen=True)
class Section:
    """A stretch of the form; it lasts until the next one begins."""

    step: int
    """A bar line, or the hit point at which a new mood begins."""
    letter: str
    """Sections of one letter share their chords, their theme and their accompaniment."""
    key: int
    """Pitch class of the tonic."""
    mode: ModeName
    valence: float
    """Mood asked for here, in [-1, 1]."""
    arousal: float
    energy: float
    """How full and how loud the music is here, in [0, 1]."""
    groups: tuple[str, ...]
    """Instrument groups (`notes.GROUPS`) that play here."""
    lead: str | None
    """The group that has the melody, if there is one; not the bass, not the drums."""
    motif: bool = False
    """Whether the melody is the theme that the user wants back here."""


@dataclass(frozen=True)
class Plan:
    """What is to happen in a piece, and when."""

    metre: Metre
    chords: tuple[Chord, ...]
    """Ascending from step 0; a change at every hit point."""
    sections: tuple[Section, ...]
    """Ascending from step 0."""
    hits: tuple[int, ...]
    """Steps of the hit points, ascending."""
    cadence: int | None
    """Step at which the last chord, the tonic, begins; None if the piece just fades out."""
    end: int
    """Steps of the piece."""
    style: str

    def chord_at(self, step: int) -> Chord:
        """Return the chord that sounds at `step`."""
        return self.chords[max(0, bisect_right(self.chords, step, key=lambda c: c.step) - 1)]

    def section_at(self, step: int) -> Section:
        """Return the section that `step` lies in."""
        return self.sections[max(0, bisect_right(self.sections, step, key=lambda s: s.step) - 1)]

    def scale_at(self, step: int) -> frozenset[int]:
        """Return the pitch classes that fit at `step`: the section's scale, bent to the chord.

        A chord tone outside the scale puts its neighbours a semitone away aside, as the leading
        note of the minor dominant does with the seventh degree.
        """
        section, tones = self.section_at(step), self.chord_at(step).tones
        scale = {(section.key + degree) % 12 for degree in SCALES[section.mode]}
        for tone in set(tones) - scale:
            scale -= {(tone - 1) % 12, (tone + 1) % 12} - set(tones)
        return frozenset(scale | set(tones))
