"""The beat grid of a piece: steps for the music, ticks for the model, seconds for the film.

A piece is written on a grid of *steps*, twelve to a quarter note, so that sixteenths and triplets
both fall on whole steps. Two clocks read that grid:

- **ticks** of 8 ms, which the generator counts. A sixteenth is a whole number of ticks, as in the
  corpus, so every bar of a tempo is spelled with the same tokens.
- **film seconds**. Hit points (kept cuts, the last chord) are moved to strong beats of the grid, or
  to an eighth or a sixteenth where that bends the beat too much, and grid time is stretched between
  them so that each sounds where it was asked for, or nearer to it than anybody notices. Film
  composers do the same with a click track (`emsync.music.planning.clicks`); the stretch is bounded
  (`LARGEST_WARP`), and the tempo is chosen so that hardly any of it is needed (`pace_for`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

import numpy as np

from emsync.music.notes import TICK_SECONDS
from emsync.music.planning.clicks import ClickTrack, click_track

STEPS_PER_QUARTER = 12
STEPS_PER_EIGHTH = 6
STEPS_PER_SIXTEENTH = 3
LARGEST_WARP = 0.04
"""Share by which the tempo between two hit points may differ from the piece's own. Changes of tempo
are just noticed from about 2 % (Drake & Botte 1993, single tones) to 8 % (Thomas 2007, music)."""
PACES = np.linspace(0.92, 1.08, 65)
"""Shares of a tempo among which the one is chosen at which the hit points fall best. Ours."""
STRAY_COST, SIXTEENTH_COST, EIGHTH_COST, BEAT_COST, HALF_BAR_COST = 20.0, 4.0, 2.0, 0.6, 0.3
"""What it costs that a hit point falls off the sixteenths, on a sixteenth off the eighths, on an
eighth off the beats, on a beat, and on the half of a bar rather than on its line. Ours: a chord
between the beats is heard as a stumble, one on any beat as an accent."""
UNEVEN_COST = 2.0
"""For each hit point, of an eighth that lasts half a tick more or less than whole ones, by which
equal notes come out unequal. Ours."""
KIN: tuple[tuple[int, ...], ...] = ((1,), (3, 4), (2, 3), (1, 2), (2, 3, 4))
"""Lengths of the sixteenth in the tempos of a piece, one beside the other: simple ratios, in which
one beat turns into another one's eighths, triplets or dotted notes."""
LARGEST_SPREAD = 1.12
"""By which the slowest and the quickest of related tempos may lie further apart than what was asked
for: each by half of it. Ours: with less, moods that differ by a third of the range in arousal would
share one tempo, as no simple ratio is near."""
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
    """Second of the film at which step 0 sounds: 0 up to `clicks.LONGEST_LEAD_IN`, or up to a
    sixteenth where that is longer."""
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
    """Return the grid of a piece, its hit points on the strongest beats that the warp allows.

    The first one is met without any warp: the music begins a little after the film instead, by
    `clicks.LONGEST_LEAD_IN` or a sixteenth at most.

    Args:
        metre: of the piece.
        sixteenths: (second of the film, ticks a sixteenth), ascending; the first at 0. They are
            moved until they share a pulse (`related_tempos`). A later one begins with the first
            bar from there on: no bar has two.
        hits: seconds of the film before its end, ascending, where something is to be met.
        seconds: length of the film.
        largest_warp: bound on the share by which a stretch may be played faster or slower.
        pace: film seconds for a second of the model's clock.

    Raises:
        ValueError: `sixteenths` is empty or does not begin at 0.
    """
    if not sixteenths or sixteenths[0][0] != 0:
        raise ValueError("the first tempo begins at 0")
    sixteenths = related_tempos(sixteenths)
    later = {start: ticks for start, ticks in sixteenths[1:] if start < seconds}
    met = _click_track(metre, sixteenths, hits, np.array([pace]), largest_warp)
    placed = iter(zip(met.steps[0].tolist(), met.seconds[0].tolist(), strict=True))
    tempos = [(0, sixteenths[0][1])]
    coming: tuple[int, int] | None = None
    """The bar line at which the next tempo begins, and its ticks a sixteenth."""
    moved: list[HitPoint] = []
    lead_in, second, step = 0.0, 0.0, 0
    asked = set(hits)

    def per_step() -> float:
        return pace * tempos[-1][1] * TICK_SECONDS / STEPS_PER_SIXTEENTH

    for at in sorted({*asked, *later, seconds}):
        if coming is not None and second + (coming[0] - step) * per_step() <= at:
            second, step = second + (coming[0] - step) * per_step(), coming[0]
            if coming[1] != tempos[-1][1]:
                tempos.append(coming)
            coming = None
        if at == seconds:
            break
        reached = step
        if at in asked:
            if not moved and not step and coming is None:
                # Nothing sounds yet that could be bent: the first one only delays the beginning.
                lead_in = max(0.0, met.seconds[0, 0] - met.steps[0, 0] * per_step())
            reached, second = step, _ = next(placed)
            moved.append(HitPoint(at, step, second))
        else:
            reached += math.ceil((at - second) / per_step() - 1e-9)
        if at in later:
            coming = -(-reached // metre.bar) * metre.bar, later[at]
    steps = step + max(1, math.ceil((seconds - second) / per_step() - 1e-9))
    return Grid(metre, tuple(tempos), lead_in, tuple(moved), steps, pace)


def related_tempos(
    sixteenths: Sequence[tuple[float, int]], widest: float = math.inf
) -> tuple[tuple[float, int], ...]:
    """Return tempos near those asked for that share a pulse, so that the beat goes on through them.

    Film composers change tempo over a beat that stays (metric modulation): quarters become dotted
    quarters, or eighths. Where another tempo was hardly asked for, it stays.

    Args:
        sixteenths: (second of the film, ticks a sixteenth), ascending.
        widest: ratio of the quickest tempo to the slowest, at most.

    Returns:
        As given, with other ticks: those of one of the families in `KIN`, the nearest by the mean
        square of the logarithms.
    """
    asked = [ticks for _, ticks in sixteenths]
    spread = min(widest + 1e-9, LARGEST_SPREAD * max(asked) / min(asked))
    best: tuple[float, list[int]] = (math.inf, asked)
    if len(set(asked)) > 1:
        for unit, family in product(range(1, SLOWEST_SIXTEENTH + 1), KIN):
            kin = [unit * part for part in family]
            if kin[0] < FASTEST_SIXTEENTH or kin[-1] > min(SLOWEST_SIXTEENTH, spread * kin[0]):
                continue
            near = [min(kin, key=lambda t: abs(math.log(t / want))) for want in asked]
            off = sum(math.log(t / want) ** 2 for t, want in zip(near, asked, strict=True))
            best = min(best, (off, near))
    return tuple((start, ticks) for (start, _), ticks in zip(sixteenths, best[1], strict=True))


def _click_track(
    metre: Metre,
    sixteenths: Sequence[tuple[float, int]],
    hits: Sequence[float],
    paces: np.ndarray,
    largest_warp: float = LARGEST_WARP,
) -> ClickTrack:
    """Return where the hit points fall at each of `paces`."""
    (_, first), *later = [
        (start, paces * ticks * TICK_SECONDS / STEPS_PER_SIXTEENTH) for start, ticks in sixteenths
    ]
    return click_track(
        _place_costs(metre), STEPS_PER_SIXTEENTH, first, dict(later), hits, largest_warp
    )


def _place_costs(metre: Metre) -> np.ndarray:
    """Return (bar,): what a hit point costs at each step of a bar."""
    costs = np.full(metre.bar, STRAY_COST)
    costs[::STEPS_PER_SIXTEENTH] = SIXTEENTH_COST
    costs[::STEPS_PER_EIGHTH] = EIGHTH_COST
    costs[:: metre.beat] = BEAT_COST
    if metre.beats % 2 == 0:
        costs[:: metre.bar // 2] = HALF_BAR_COST
    costs[0] = 0.0
    return costs


def pace_for(
    sixteenths: Sequence[tuple[float, int]],
    hits: Sequence[float],
    paces: np.ndarray = PACES,
    metre: Metre = METRES["4/4"],
) -> float:
    """Return the pace at which the hit points fall best: on strong beats, with little warp.

    Paces at which an eighth lasts whole ticks are tried, as far as there are some.

    Args:
        sixteenths: as in `lay_grid`.
        hits: as in `lay_grid`.
        paces: film seconds for a second of the model's clock, ascending: the first and the last
            that are allowed for the tempos asked for.
        metre: whose beats are meant.

    Returns:
        The one that costs least; the nearest to 1 among equals.
    """
    asked = [ticks for _, ticks in sixteenths]
    sixteenths = related_tempos(sixteenths)
    ticks = np.array([ticks for _, ticks in sixteenths], dtype=np.float64)
    # Related tempos keep to what the paces make of those asked for.
    quickest = float(paces[0]) * min(asked) / float(ticks.min())
    slowest = float(paces[-1]) * max(asked) / float(ticks.max())
    if slowest <= quickest:
        return (quickest + slowest) / 2
    halves = np.arange(math.ceil(2 * ticks[0] * quickest), int(2 * ticks[0] * slowest) + 1)
    tried = halves / (2 * ticks[0]) if len(halves) else np.linspace(quickest, slowest, len(paces))
    eighths = 2 * ticks * tried[:, None]  # (paces, tempos)
    uneven = np.abs(eighths - np.round(eighths)).max(axis=1)
    cost = _click_track(metre, sixteenths, hits, tried).cost
    cost = cost + 2 * UNEVEN_COST * len(hits) * uneven + 1e-9 * np.abs(tried - 1)
    return float(tried[int(cost.argmin())])
