"""Patterns of accompaniment: tables, and shapes from which many more are drawn.

A pattern is a text, one bar or several with `/` between them; the bar is divided evenly among its
characters, so sixteen of them are sixteenths of 4/4 and twelve are triplets there.

- `0` to `9`: that voice of the chord, counted from below; past the top it goes on an octave higher
- `a` all voices, `u` all but the lowest, `l` the lowest, `b` the lowest two
- `-` the note before goes on, `.` a rest

The tables are common property of the styles (any method of guitar, piano or arranging has them);
the selection is ours.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from emsync.music.planning.grid import MetreName


class Event(NamedTuple):
    """One stroke of a pattern."""

    offset: int
    """Steps after the bar line."""
    length: int
    code: str


@lru_cache(maxsize=20_000)
def parsed(pattern: str, bar: int) -> tuple[tuple[Event, ...], ...]:
    """Return the strokes of each bar of `pattern`, for bars of `bar` steps.

    Raises:
        ValueError: the bar cannot be divided so.
    """
    bars = []
    for text in pattern.split("/"):
        if not text or bar % len(text):
            raise ValueError(f"{text!r} does not divide a bar of {bar} steps")
        unit = bar // len(text)
        events: list[Event] = []
        sounding = False
        for place, code in enumerate(text):
            if code == "-" and sounding:
                events[-1] = events[-1]._replace(length=events[-1].length + unit)
            elif code in "-.":
                sounding = False
            else:
                events.append(Event(place * unit, unit, code))
                sounding = True
        bars.append(tuple(events))
    return tuple(bars)


def strokes(pattern: str, bar: int) -> float:
    """Return the number of strokes in a bar, on average."""
    bars = parsed(pattern, bar)
    return sum(map(len, bars)) / len(bars)


@lru_cache(maxsize=2000)
def double_time(pattern: str) -> str | None:
    """Return the pattern twice as fast, twice a bar; None if it is too fast for that already."""
    bars = pattern.split("/")
    if any(len(bar) % 2 or set(bar[1::2]) - set("-.") for bar in bars):
        return None
    return "/".join(bar[::2] * 2 for bar in bars)


@dataclass(frozen=True)
class Level:
    """How lively a section is, and how fast its bars go by."""

    energy: float
    """In [0, 1]."""
    bar_seconds: float

    @property
    def rate(self) -> float:
        """Return strokes a second that suit it: two to six. Ours."""
        return 2.3 + 4.0 * self.energy

    def choose(self, rng: random.Random, table: Sequence[str], bar: int) -> str:
        """Return one of the patterns near the rate; fewer choices for a clearer character."""
        wanted = self.rate * self.bar_seconds
        if self.bar_seconds > SLOW_BAR:
            table = [*table, *(twice for p in table if (twice := double_time(p)) is not None)]

        def away(pattern: str) -> float:
            return abs(math.log((strokes(pattern, bar) + 0.5) / (wanted + 0.5)))

        return min(table, key=lambda pattern: away(pattern) + 0.7 * rng.random())

    def stroke(self, rng: random.Random, bar: int) -> int:
        """Return the sixteenths from stroke to stroke of a broken chord: 1 or 2."""
        sixteenths = bar / 3 / self.bar_seconds
        return 1 if sixteenths < (self.rate + 2.5) * rng.uniform(0.7, 1.4) else 2


TABLES: dict[str, dict[MetreName, tuple[str, ...]]] = {
    "block": {
        "4/4": (
            "a---a---a---a---",
            "a-----a---a---a-",
            "a--a--a-a--a--a-",
            "a-----a-..a-----",
            "a---..a-..a-a---",
            "a-----------a---",
            "a---a---a---a-a-",
            "..a---a---a---a-",
            "a-----a-----a---",
            "a--a--a---a-a---",
            "a-------a---a---",
            "a-----a-a-------",
        ),
        "3/4": (
            "a---a---a---",
            "a-------a---",
            "a-----a-a---",
            "a---a-------",
            "..a---a---a-",
            "a-----a-----",
            "a-----------/a---a---a---",
        ),
        "6/8": (
            "a-----a-----",
            "a---a-a---a-",
            "a-----a---a-",
            "a-a-a-a-a-a-",
            "a---------a-",
            "a---a-----a-",
        ),
    },
    "offbeat": {
        "4/4": (
            "..a-..a-..a-..a-",
            "....a-......a-..",
            "....a-......a-a-",
            "..a...a...a...a.",
            "....a-....a-..a-",
            "..aa..aa..aa..aa",
            "......a-......a-",
        ),
        "3/4": ("....a-..a-..", "....a---a---", "..a-..a-..a-"),
        "6/8": ("..a-....a-..", "..a-a-..a-a-", "....a-....a-"),
    },
    "boomchick": {
        "4/4": (
            "l-..u-..l-..u-..",
            "l---u-u-l---u-u-",
            "l-..u-.ul-..u-..",
            "l-u-l-u-l-u-l-u-",
            "l---u---l-l-u---",
            "l-..uu..l-..uu..",
            "l-..u-u.l-..u-uu",
        ),
        "3/4": (
            "l-..u-..u-..",
            "l---u---u---",
            "l---u-..u-u-",
            "l-..u-u-u-..",
            "l---u-------",
            "l-..u-..u-../l-..u-......",
        ),
        "6/8": ("l-..u-l-..u-", "l-u-u-l-u-u-", "l---u-u---u-", "l-u-u-l---u-"),
    },
    "strum": {
        "4/4": (
            "a---a-a-..a-a-a-",
            "a---a-aa..aaa-aa",
            "a-a-a-a-a-a-a-a-",
            "a---a-a-a---a-a-",
            "a--aa-a-a--aa-a-",
            "a---a---a-a-a-a-",
            "a-..a-aa..a-a-aa",
            "a-----a-..a-a---",
            "a---aaa-..aaa-a-",
            "a--a--a--a--a-a-",
        ),
        "3/4": ("a---a-a-a-a-", "a---a---a-a-", "a-a-a-a-a-a-", "a---a-aaa-a-"),
        "6/8": ("a---a-a---a-", "a-a-a-a-a-a-", "a-aaa-a-aaa-", "a---aaa---aa"),
    },
    "jazz": {
        "4/4": (
            "a-....a-........",
            "......a-......a-",
            "..a-......a-....",
            "a--.......a-....",
            "....a-....a--...",
            "a-....a-......a-/......a-..a-....",
            "..a---......a-..",
            "a-....a-......../....a-........a-",
            "a---a---a---a---",
            "......a---..a-..",
        ),
        "3/4": ("..a-....a-..", "a-....a-....", "....a-..a-..", "..a---......"),
        "6/8": ("....a-....a-", "a-..a-....a-"),
    },
    "bossa": {
        "4/4": (
            "a-.a..a-..a-.a../a-.a..a-..a-..a-",
            "a--a--a---a--a--",
            "..a-..a--.a-..a-",
            "a-..a-.a..a-.a../..a-a-.a..a-a-..",
            "a---a--a----a-a-",
        ),
        "3/4": ("a-.a..a-..a-",),
        "6/8": ("a--a--a-a-a-",),
    },
    "funk": {
        "4/4": (
            "a..a..a.a..a..a.",
            "a.a..a.a..a.a...",
            "..a..a..a..a..aa",
            "a...a.a...a..a..",
            ".a.a.a.a.a.a.a.a",
            "a..aa.....a.a...",
            "....a..a.a..a...",
        ),
        "3/4": ("a..a..a.a.a.",),
        "6/8": ("a..aa.a..aa.",),
    },
    "power": {
        "4/4": (
            "b-b-b-b-b-b-b-b-",
            "b---b-b-b---b-b-",
            "b-bbb-bbb-bbb-bb",
            "b--b--b-b--b--b-",
            "b-----b-b-------",
            "b-..b-..b-b-b-..",
            "b-b-..b-..b-b-b-",
            "b---------b-b-b-",
            "b.bb..b.b.bb..b.",
            "b-------b-------",
        ),
        "3/4": ("b-b-b-b-b-b-", "b---b-b-b-b-", "b-bbb-bbb-bb", "b-----b-b-b-"),
        "6/8": ("b-b-b-b-b-b-", "b---b-b---b-", "b-bbb-b-bbb-"),
    },
    "pulse": {
        "4/4": (
            "a.a.a.a.a.a.a.a.",
            "a-a-a-a-a-a-a-a-",
            "a-aaa-aaa-aaa-aa",
            "a..a..a.a..a..a.",
            "a-..a-..a-..a-..",
            "a.aaa.aaa.aaa.aa",
            "a--a--a--a--a-a-",
        ),
        "3/4": ("a.a.a.a.a.a.", "a-aaa-aaa-aa", "a-..a-..a-..", "a..a..a.a.a."),
        "6/8": ("a.a.a.a.a.a.", "a-aaa-a-aaa-", "a-..a-a-..a-"),
    },
    "fingers": {
        "4/4": (
            "0-2-1-3-0-2-1-3-",
            "0-.21-.30-.21-.3",
            "0-3-1-2-0-3-1-2-",
            "0-1-2-3-2-1-2-1-",
            "0-2-3-2-1-2-3-2-",
            "0---2-3-1---3-2-",
            "0-..2-3-1-..3-2-",
            "02131213",
            "0-21-2312-21-231",
            "0-1-2-1-3-1-2-1-",
            "0-2-1-2-0-3-1-2-",
        ),
        "3/4": ("0-1-2-3-2-1-", "0-2-3-2-1-2-", "0-1-2-1-3-1-", "0---2-3-2-1-", "0-2-1-3-1-2-"),
        "6/8": ("0-1-2-3-2-1-", "0-2-3-1-2-3-", "0-1-2-0-1-3-", "0---2-1---3-", "0-2-1-3-2-1-"),
    },
    "broken": {
        "4/4": (
            "0-1-2-3-4-3-2-1-",
            "0-1-3-4-3-1-0-1-",
            "0-2-4-5-4-2-0-2-",
            "0---1---3---1---",
            "0-1-2-----------",
            "0-1-3-1-4-1-3-1-",
            "0---------------/0-1-2-3-4-3-2-1-",
            "012345432101",
            "0-1-2-1-3-1-2-1-",
            "0---1-3-----1-3-",
            "0---3---1---3---",
            "0123432101234321",
            "0-1-2-3-5-3-2-1-",
            "0-1-2-3-4-------",
        ),
        "3/4": (
            "0-1-2-3-2-1-",
            "0-1-3-4-3-1-",
            "0---1---3---",
            "0-1-2-3-4-5-",
            "0---2-3-2-1-",
            "0-1-3-------",
            "0-1-2-1-3-1-",
            "0---3---2---",
        ),
        "6/8": (
            "0-1-2-3-2-1-",
            "0-1-3-4-3-1-",
            "0-2-3-5-3-2-",
            "0---1-3---1-",
            "0-1-2-0-1-3-",
            "0-1-2-3-----",
            "0-1-3-1-3-1-",
        ),
    },
}
"""Rhythms and figures by kind and metre."""

SLOW_BAR = 2.7
"""Seconds: in bars longer than this, patterns may be played in double time."""
STABS: dict[MetreName, tuple[str, ...]] = {
    "4/4": ("a-..............", "......a-........", "a-....a-........", "............a-a-"),
    "3/4": ("a-..........", "......a-....", "a-....a-...."),
    "6/8": ("a-..........", "......a-....", "a-........a-"),
}
"""Short chords now and then, whatever the energy."""
SHAPES = (
    "0212",
    "0123",
    "3210",
    "012321",
    "0121",
    "01232",
    "0213",
    "2101",
    "02",
    "0102",
    "012",
    "0231",
    "01234321",
    "0324",
    "43210123",
    "0120",
    "001122",
    "0321",
    "03",
    "0130",
    "0143",
)
"""Orders in which the voices of a chord are broken; the first is Alberti's."""
MASKS = ("x", "x", "x", "xxx.", "x.xx", "xx.x", ".xxx", "xx.", "x.x.xx.x", "xxxxxx..", "x..x..x.")
"""Which of the strokes sound."""


def figure(rng: random.Random, metre: MetreName, stroke: int, short: bool) -> str:
    """Return a broken chord that no table has.

    Args:
        rng: draws shape, mask and where the shape begins anew.
        metre: of the piece.
        stroke: sixteenths from one stroke to the next, 1 or 2; 0 for triplet eighths.
        short: every stroke ends at once.
    """
    shape, mask = rng.choice(SHAPES), rng.choice(MASKS)
    cells = 12 if metre != "4/4" or stroke == 0 else 16
    places = cells if stroke == 0 and metre == "4/4" else cells // max(stroke, 1)
    again = rng.choice((places, places, places // 2, len(shape)))
    held = max(stroke, 1) if not (stroke == 0 and metre == "4/4") else 1
    text = ""
    for place in range(places):
        digit = shape[place % again % len(shape)]
        if mask[place % len(mask)] == "x":
            text += digit + ("." if short else "-") * (held - 1)
        else:
            text += ("." if short else "-") * held
    return text if text[0] in "0123456789" else shape[0] + text[1:]


def rhythm(rng: random.Random, metre: MetreName, density: float) -> str:
    """Return a rhythm of full chords that no table has: strong places are likelier.

    The likelihoods follow the metrical hierarchy (Lerdahl & Jackendoff 1983), one syncopation in
    three excepted.
    """
    cells = 16 if metre == "4/4" else 12
    beat = 6 if metre == "6/8" else 4
    syncopated = rng.random() < 0.33
    text = ""
    for place in range(cells):
        weight = 1.0 if place % beat == 0 else 0.55 if place % 2 == 0 else 0.12
        if syncopated and place % beat == beat - 2:
            weight = 0.95
        struck = place == 0 or rng.random() < weight * density
        text += "a" if struck else rng.choice(("-", "-", "-", ".")) if text[-1] != "." else "."
    return text
