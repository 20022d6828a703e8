"""A piece as it stands on the page: bars, staves with their voices, and what is written over
them."""

from dataclasses import dataclass
from typing import Literal

from emsync.performance.notation.metre import Page
from emsync.performance.notation.rhythm import Symbol
from emsync.performance.notation.spelling import Key

Clef = Literal["treble", "treble 8vb", "bass", "percussion"]
MarkKind = Literal["section", "scene", "hit", "words"]


@dataclass(frozen=True)
class Staff:
    """Five lines with up to two voices."""

    clef: Clef
    bars: tuple[tuple[tuple[Symbol, ...], ...], ...]
    """For each bar its voices, the upper one first; each fills the bar."""


@dataclass(frozen=True)
class Dynamic:
    """How loud a group plays from a bar on."""

    at: int
    """Division of the page."""
    sign: str
    """"pp" to "ff"."""
    velocity: int
    """That it stands for."""


@dataclass(frozen=True)
class Wedge:
    """Where a group begins to play louder and louder, or where that ends."""

    at: int
    begins: bool


@dataclass(frozen=True)
class Part:
    """What one group plays."""

    group: str
    """One of `emsync.music.notes.GROUPS`."""
    program: int
    """General MIDI, from 0."""
    staves: tuple[Staff, ...]
    """One, or two under a brace."""
    dynamics: tuple[Dynamic, ...]
    wedges: tuple[Wedge, ...] = ()
    """Beginnings and ends in turn, ascending."""
    words: tuple[tuple[int, str], ...] = ()
    """(division, words) over its first staff."""


@dataclass(frozen=True)
class Mark:
    """Words over the score."""

    at: int
    kind: MarkKind
    text: str


@dataclass(frozen=True)
class Tempo:
    """A tempo from a place on."""

    at: int
    quarters: float
    """A minute."""
    compound: bool
    """Whether dotted quarters are counted."""


@dataclass(frozen=True)
class Harmony:
    """A chord symbol."""

    at: int
    root: int
    """On the line of fifths."""
    quality: str
    """Key of `emsync.music.planning.plan.QUALITIES`."""
    bass: int | None
    """On the line of fifths, if it is not the root."""


@dataclass(frozen=True)
class Score:
    """A piece on the page."""

    title: str
    page: Page
    keys: tuple[tuple[int, Key], ...]
    """(number of the bar in `page.bars`, key) from there on, ascending; the first from bar 0."""
    parts: tuple[Part, ...]
    """From top to bottom."""
    tempos: tuple[Tempo, ...]
    marks: tuple[Mark, ...]
    harmonies: tuple[Harmony, ...]
