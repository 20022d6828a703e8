"""The beat grid of a piece: steps for the music, ticks for the model, seconds for the film.

A piece is written on a grid of *steps*, twelve to a quarter note, so that sixteenths and triplets
both fall on whole steps. Two clocks read that grid:

- **ticks** of 8 ms, which the generator counts. A sixteenth is a whole number of ticks, as in the
  corpus, so every bar of a tempo is spelled with the same tokens.
- **film seconds**. Hit points (kept cuts, the last chord) are moved to the nearest eighth of the
  grid, or sixteenth where that bends the beat too much, and grid time is stretched between them so
  that each sounds where it was asked for, or nearer to it than anybody notices. Film composers do
  the same with a click track; the stretch is bounded (`LARGEST_WARP`), and the tempo is chosen so
  that hardly any of it is needed (`pace_for`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from emsync.music.notes import TICK_SECONDS

STEPS_PER_QUARTER = 12
STEPS_PER_EIGHTH = 6
STEPS_PER_SIXTEENTH = 3
LARGEST_WARP = 0.04
"""Share by which the tempo between two hit points may differ from the piece's own. Changes of tempo
are just noticed from about 2 % (Drake & Botte 1993, single tones) to 8 % (Thomas 2007, music)."""
UNNOTICED_EARLY, UNNOTICED_LATE = 0.03, 0.06
"""Seconds by which a chord may come before and after its hit point where the beat falls there.
Ours: sound is noticed apart from the picture from 45 ms early and 125 ms late (ITU-R BT.1359), a
bent beat sooner."""
UNNOTICED_WARP = 0.01
"""An eighth is taken for a hit point up to here; beyond it a sixteenth bends the beat less."""
PACES = np.linspace(0.95, 1.05, 41)
"""Shares of a tempo among which the one is chosen that needs the least warp. Ours."""
SLOWEST_SIXTEENTH, FASTEST_SIXTEENTH = 38, 9
"""Ticks: 49 and 208 quarters a minute."""

MetreName = Literal["4/4", "3/4", "6/8"]


@dataclass(frozen=True)
class Metre:
    """A time signature, in steps."""

    name: MetreName
    bar: int
    """Steps from one bar line to the next."""
    beat: int
    """Steps of one beat: a quarter, and a dotted quarter in 6/8."""

    @property
    def beats(self) -> int:
        """Return the number of beats in a bar."""
        return self.bar // self.beat


METRES: dict[MetreName, Metre] = {
    "4/4": Metre("4/4", 48, 12),
    "3/4": Metre("3/4", 36, 12),
    "6/8": Metre("6/8", 36, 18),
}


@dataclass(frozen=True)
class HitPoint:
    """A moment of the film that the music meets, and its place on the grid."""

    asked: float
    """Second of the film."""
    step: int
    seconds: float
    """Second of the film at which `step` sounds: about `asked`, as far as the bound on the warp
    allows."""


@dataclass(frozen=True)
class Grid:
    """The steps of one piece and the two clocks that read them."""

    metre: Metre
    tempos: tuple[tuple[int, int], ...]
    """(first step, ticks a sixteenth), ascending from step 0."""
    lead_in: float
    """Second of the film at which step 0 sounds: 0 up to a sixteenth."""
    hits: tuple[HitPoint, ...]
    """Hit points, ascending; between them grid time is stretched to film time."""
    steps: int
    """Steps from the beginning to the end of the film, the last one begun."""
    pace: float = 1.0
    """Film seconds for a second of the model's clock: any tempo can be played, not only those whose
    sixteenths are whole ticks."""

    def ticks_of(self, steps: Sequence[int] | np.ndarray | int) -> np.ndarray:
        """Return the model's clock at `steps`: ticks, int64, of the same shape."""
        at = np.asarray(steps, dtype=np.int64)
        first = np.array([step for step, _ in self.tempos])
        sixteenth = np.array([ticks for _, ticks in self.tempos])
        lasting = np.diff(first) * sixteenth[:-1] / STEPS_PER_SIXTEENTH
        origin = np.concatenate([[0.0], np.cumsum(lasting)])
        segment = np.maximum(np.searchsorted(first, at, side="right") - 1, 0)
        passed = (at - first[segment]) * sixteenth[segment] / STEPS_PER_SIXTEENTH
        return np.round(origin[segment] + passed).astype(np.int64)

    def steps_of(self, ticks: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the step nearest to each of `ticks`, int64, of the same shape."""
        known = self.ticks_of(np.arange(2 * self.steps + self.metre.bar + 1))
        at = np.clip(np.asarray(ticks, dtype=np.int64), 0, known[-1])
        after = np.searchsorted(known, at)
        before = np.maximum(after - 1, 0)
        return np.where(at - known[before] < known[after] - at, before, after).astype(np.int64)

    def seconds_of(self, steps: Sequence[float] | np.ndarray | float) -> np.ndarray:
        """Return the film seconds at which `steps` sound, float64, of the same shape."""
        at = np.asarray(steps, dtype=np.float64)
        places, times = self._pins
        out = np.interp(at, places, times)
        tail = self.seconds_per_step(int(places[-1]))
        return np.where(at > places[-1], times[-1] + (at - places[-1]) * tail, out)

    def seconds_per_step(self, step: int) -> float:
        """Return the length of a step at `step`, before any stretching."""
        sixteenth = [ticks for first, ticks in self.tempos if first <= step][-1]
        return self.pace * sixteenth * TICK_SECONDS / STEPS_PER_SIXTEENTH

    def tempo_at(self, step: int) -> float:
        """Return the quarters a minute at `step`, before any stretching."""
        return 60.0 / (self.seconds_per_step(step) * STEPS_PER_QUARTER)

    @property
    def _pins(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps and film seconds that belong together, ascending."""
        places, times = [0], [self.lead_in]
        edges = sorted({step for step, _ in self.tempos} | {hit.step for hit in self.hits})
        pinned = {hit.step: hit.seconds for hit in self.hits}
        for step in edges:
            if step <= places[-1]:
                continue
            # A change of tempo that is no hit point is reached at the tempo before it.
            at = times[-1] + (step - places[-1]) * self.seconds_per_step(places[-1])
            places.append(step)
            times.append(pinned.get(step, at))
        return np.array(places), np.array(times)

    @property
    def warps(self) -> tuple[float, ...]:
        """Return how much slower than its tempo each stretch between hit points is played."""
        places, times = self._pins
        return tuple(
            float((end - start) / ((b - a) * self.seconds_per_step(int(a))) - 1)
            for (a, b), (start, end) in zip(pairwise(places), pairwise(times), strict=True)
        )

    @property
    def bar_lines(self) -> range:
        """Return the steps at which bars begin."""
        return range(0, self.steps, self.metre.bar)


def lay_grid(
    metre: Metre,
    sixteenths: Sequence[tuple[float, int]],
    hits: Sequence[float],
    seconds: float,
    largest_warp: float = LARGEST_WARP,
    pace: float = 1.0,
) -> Grid:
    """Return the grid of a piece, its hit points moved to eighths where the warp allows it.

    Each hit point is placed from the one before it, so that errors do not add up. The first one is
    met without any warp: the music begins up to a sixteenth after the film instead.

    Args:
        metre: of the piece.
        sixteenths: (second of the film, ticks a sixteenth), ascending; the first at 0. A tempo
            begins with the first bar from there on: no bar has two.
        hits: seconds of the film before its end, ascending, where something is to be met.
        seconds: length of the film.
        largest_warp: bound on the share by which a stretch may be played faster or slower.
        pace: film seconds for a second of the model's clock.

    Raises:
        ValueError: `sixteenths` is empty or does not begin at 0.
    """
    if not sixteenths or sixteenths[0][0] != 0:
        raise ValueError("the first tempo begins at 0")
    tempos = [(0, sixteenths[0][1])]
    later = dict(sixteenths[1:])
    coming: tuple[int, int] | None = None
    """The bar line at which the next tempo begins, and its ticks a sixteenth."""
    moved: list[HitPoint] = []
    lead_in, second, step = 0.0, 0.0, 0

    def per_step() -> float:
        return pace * tempos[-1][1] * TICK_SECONDS / STEPS_PER_SIXTEENTH

    for at in sorted({*hits, *later, seconds}):
        if not moved and len(tempos) == 1 and coming is None and at < seconds:
            # Nothing sounds yet that could be bent: the first one only delays the beginning.
            sixteenth = per_step() * STEPS_PER_SIXTEENTH
            lead_in = at - math.floor(at / sixteenth + 1e-9) * sixteenth
            second = lead_in
        if coming is not None and second + (coming[0] - step) * per_step() <= at:
            second, step = second + (coming[0] - step) * per_step(), coming[0]
            tempos.append(coming)
            coming = None
        if at == seconds:
            break
        place, sounding = _placed((at - second) / per_step(), largest_warp)
        met = second + sounding * per_step()
        if moved:
            # Where the beat falls within what nobody notices, it is left alone.
            steady = second + place * per_step()
            met = min(max(steady, met - UNNOTICED_EARLY), met + UNNOTICED_LATE)
        second, step = met, step + place
        if at in hits:
            moved.append(HitPoint(at, step, second))
        if at in later:
            coming = -(-step // metre.bar) * metre.bar, later[at]
    steps = step + max(1, math.ceil((seconds - second) / per_step() - 1e-9))
    return Grid(metre, tuple(tempos), lead_in, tuple(moved), steps, pace)


def _placed(passed: float, largest_warp: float) -> tuple[int, float]:
    """Return whole steps near `passed` steps, and the unwarped steps after which they sound."""
    for unit, most in ((STEPS_PER_EIGHTH, UNNOTICED_WARP), (STEPS_PER_SIXTEENTH, 1.0), (1, 1.0)):
        place = round(passed / unit) * unit
        bound = min(most, largest_warp)
        if abs(passed - place) < 1e-6 or (place and abs(passed / place - 1) <= bound):
            return place, passed
    place = round(passed)
    if not place:
        return 0, 0.0
    return place, place * min(max(passed / place, 1 - largest_warp), 1 + largest_warp)


def pace_for(
    sixteenths: Sequence[tuple[float, int]], hits: Sequence[float], paces: np.ndarray = PACES
) -> float:
    """Return the pace, out of `paces`, at which the hit points bend the beat least.

    Args:
        sixteenths: as in `lay_grid`.
        hits: as in `lay_grid`.
        paces: film seconds for a second of the model's clock, ascending.

    Returns:
        The one with the least mean square of the warps; the nearest to 1 among equals.
    """
    at = np.asarray(hits, dtype=np.float64)
    starts = np.array([start for start, _ in sixteenths])
    place = np.maximum(np.searchsorted(starts, at[:-1], side="right") - 1, 0)
    ticks = np.array([ticks for _, ticks in sixteenths], dtype=np.float64)[place]
    cost = 1e-9 * np.abs(paces - 1)
    met = np.full(len(paces), at[0]) if len(at) else at
    for asked, sixteenth in zip(at[1:], ticks * TICK_SECONDS, strict=True):
        passed = (asked - met) / (sixteenth * paces)  # (paces,) sixteenths
        eighths = np.maximum(2 * np.round(passed / 2), 2)
        exact = np.maximum(np.round(passed), 1)
        place = np.where(np.abs(passed / eighths - 1) <= UNNOTICED_WARP, eighths, exact)
        steady = place * sixteenth * paces
        now = np.clip(met + steady, asked - UNNOTICED_EARLY, asked + UNNOTICED_LATE)
        cost = cost + ((now - met) / steady - 1) ** 2
        met = now
    return float(paces[int(cost.argmin())])
