"""Tempo and metre of a piece as a MIDI file counts them: bar lines where the music's bars are.

A MIDI file has one clock, ticks of which a quarter note has `TICKS_PER_QUARTER`, and says how long
a quarter lasts from which tick on. Two kinds of pieces are counted here:

- planned pieces have a grid: steps, a metre, and moments between which the beat is steady. The
  tempo changes only there.
- pieces drawn freely have bars of any length. Each gets the time signature whose number of beats
  comes nearest to the usual tempo, and the tempo at which it is as long as it is.

What comes before the first bar line is a short bar of its own, a pickup.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from emsync.music.planning.grid import STEPS_PER_QUARTER, Grid

TICKS_PER_QUARTER = 1920
"""A tick lasts at most 1 ms where a quarter lasts less than 1.9 s (31 a minute)."""
TICKS_PER_STEP = TICKS_PER_QUARTER // STEPS_PER_QUARTER
NO_PICKUP = 0.002
"""Seconds before the first bar line that are no bar of their own. Ours: below what can be heard;
the first bar is longer by them."""
LARGEST_STRETCH = 0.15
"""Share by which the tempo of a bar may differ from the usual one before shorter beats are counted.
Ours: bars of four beats are told apart from those of three and five up to an eighth."""
DENOMINATORS = (4, 8, 16, 32)
LONGEST_BAR = 12
"""Quarters that one time signature is given."""
SLOWEST_QUARTER, FASTEST_QUARTER = (1 << 24) - 1, 1
"""Microseconds that a MIDI file can say (three bytes)."""


@dataclass(frozen=True)
class TempoMap:
    """Which tick sounds when, and where bars begin."""

    tempos: tuple[tuple[int, int], ...]
    """(tick, microseconds a quarter), ascending from tick 0."""
    metres: tuple[tuple[int, int, int], ...]
    """(tick, numerator, denominator) of time signatures, ascending from tick 0."""
    bars: tuple[int, ...]
    """Ticks of the bar lines, ascending; a pickup before the first is not among them."""

    @property
    def pickup(self) -> int:
        """Return the ticks before the first bar line; 0 where the piece begins with a bar."""
        return self.bars[0] if self.bars else 0

    def seconds_of(self, ticks: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the seconds at which ticks sound, float64, of the same shape."""
        at = np.asarray(ticks, dtype=np.float64)
        first, origin, per_tick = self._columns()
        segment = np.maximum(np.searchsorted(first, at, side="right") - 1, 0)
        return origin[segment] + (at - first[segment]) * per_tick[segment]

    def ticks_of(self, seconds: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the ticks nearest to moments of at least 0 s, int64, of the same shape."""
        return np.round(self.places_of(seconds)).astype(np.int64)

    def places_of(self, seconds: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the ticks, fractions and all, at moments in seconds, float64, same shape."""
        at = np.asarray(seconds, dtype=np.float64)
        first, origin, per_tick = self._columns()
        segment = np.maximum(np.searchsorted(origin, at, side="right") - 1, 0)
        return first[segment] + (at - origin[segment]) / per_tick[segment]

    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return for each tempo its first tick, the second of that, and the seconds a tick."""
        first = np.array([tick for tick, _ in self.tempos], dtype=np.float64)
        per_tick = np.array([quarter for _, quarter in self.tempos]) / (1e6 * TICKS_PER_QUARTER)
        origin = np.concatenate([[0.0], np.cumsum(np.diff(first) * per_tick[:-1])])
        return first, origin, per_tick


class _Writer:
    """Lays stretches of steady tempo one after the other.

    A quarter is a whole number of microseconds; what that makes too much or too little is made up
    for in the next stretch, so that errors do not add up.
    """

    def __init__(self) -> None:
        self.tempos: list[tuple[int, int]] = []
        self.metres: list[tuple[int, int, int]] = []
        self.tick = 0
        self.seconds = 0.0
        """Second at which `tick` sounds when the file is read."""

    def stretch(self, ticks: int, until: float) -> None:
        """Go on by `ticks` at the tempo that ends at the second `until`."""
        quarter = round((until - self.seconds) * 1e6 * TICKS_PER_QUARTER / ticks)
        quarter = min(max(quarter, FASTEST_QUARTER), SLOWEST_QUARTER)
        if not self.tempos or self.tempos[-1][1] != quarter:
            self.tempos.append((self.tick, quarter))
        self.tick += ticks
        self.seconds += ticks * quarter / (1e6 * TICKS_PER_QUARTER)

    def metre(self, numerator: int, denominator: int) -> None:
        """Set the time signature that holds from here on."""
        if not self.metres or self.metres[-1][1:] != (numerator, denominator):
            self.metres.append((self.tick, numerator, denominator))

    def bar(self, until: float, quarter: float) -> None:
        """Go on by a bar that ends at the second `until`, where a quarter lasts about `quarter` s.

        A bar too long for a time signature is written as several.
        """
        begin = self.seconds
        parts = max(1, math.ceil((until - begin) / quarter / LONGEST_BAR))
        numerator, denominator = metre_of((until - begin) / quarter / parts)
        self.metre(numerator, denominator)
        for part in range(1, parts + 1):
            ticks = numerator * TICKS_PER_QUARTER * 4 // denominator
            self.stretch(ticks, begin + (until - begin) * part / parts)

    def done(self, bars: Sequence[int]) -> TempoMap:
        """Return the map."""
        return TempoMap(tuple(self.tempos), tuple(self.metres), tuple(bars))


def tempo_map_of_grid(grid: Grid) -> TempoMap:
    """Return the tempo map of a piece that was planned on `grid`.

    Steps fall on whole ticks; the tempo changes where the grid's does, and at hit points.
    """
    lines = list(grid.bar_lines) or [0]
    edges = sorted({0, grid.steps, *(s for s, _ in grid.tempos), *(h.step for h in grid.hits)})
    times = grid.seconds_of(edges).tolist()
    writer = _Writer()
    if grid.lead_in > NO_PICKUP:
        writer.bar(grid.lead_in, grid.seconds_per_step(0) * STEPS_PER_QUARTER)
    origin = writer.tick
    numerator, denominator = map(int, grid.metre.name.split("/"))
    writer.metre(numerator, denominator)
    for (first, last), end in zip(pairwise(edges), times[1:], strict=True):
        writer.stretch((last - first) * TICKS_PER_STEP, end)
    return writer.done([origin + line * TICKS_PER_STEP for line in lines])


def tempo_map_of_bars(bars: Sequence[float], seconds: float, quarters_a_minute: float) -> TempoMap:
    """Return the tempo map of a piece whose bars begin at the seconds `bars`.

    Args:
        bars: ascending; without any the piece has one tempo, and bars of four quarters.
        seconds: length of the piece, with the last bar.
        quarters_a_minute: the usual tempo, above 0.
    """
    quarter = 60.0 / quarters_a_minute
    begins = [float(at) for at in bars if 0 <= at < seconds]
    begins = [at for before, at in pairwise([-1.0, *begins]) if at > before]
    writer = _Writer()
    if not begins:
        whole = 4 * TICKS_PER_QUARTER
        writer.metre(4, 4)
        writer.stretch(whole, 4 * quarter)
        return writer.done(range(0, max(1, int(seconds / (4 * quarter)) + 1) * whole, whole))
    if begins[0] > NO_PICKUP:
        writer.bar(begins[0], quarter)
    lines = []
    for end in begins[1:]:
        lines.append(writer.tick)
        writer.bar(end, quarter)
    # The last bar goes on as the one before it, at the usual tempo; the piece may end within it.
    lines.append(writer.tick)
    if not writer.metres or len(lines) == 1:
        writer.metre(4, 4)
    beats = max(1, round((seconds - begins[-1]) / quarter))
    writer.stretch(beats * TICKS_PER_QUARTER, writer.seconds + beats * quarter)
    return writer.done(lines)


def metre_of(quarters: float) -> tuple[int, int]:
    """Return the time signature of a bar that lasts about so many quarters.

    Of those that `LARGEST_STRETCH` allows, the one with the longest beats.
    """
    for denominator in DENOMINATORS:
        beats = max(1, round(quarters * denominator / 4))
        if abs(beats * 4 / denominator / quarters - 1) <= LARGEST_STRETCH:
            return beats, denominator
    return max(1, round(quarters * DENOMINATORS[-1] / 4)), DENOMINATORS[-1]
