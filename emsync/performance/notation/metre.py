"""Bars on the page, and how strong each place of a bar is: what rests, ties and beams follow."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from emsync.performance.tempo_map import TICKS_PER_QUARTER, TempoMap

DIVISIONS = 24
"""Parts of a quarter in which the page counts: sixteenths are 6 of them, triplets of eighths 8."""
TICKS = TICKS_PER_QUARTER // DIVISIONS
"""Ticks of the tempo map in one of these."""
BAR, STRONG, BEAT, EIGHTH, SIXTEENTH, WEAK = 4, 3, 2, 1, 0, -1
"""Levels of places in a bar, each a beat of one more level of the metre (Lerdahl & Jackendoff
1983)."""
_MIDDLES = {4: (2,), 5: (3,), 6: (3,), 7: (4,), 8: (4,)}
"""Beats, from 0, at which bars of so many quarters have their middle."""


@dataclass(frozen=True)
class Metre:
    """A time signature."""

    beats: int
    unit: int
    """4 for quarters."""

    @cached_property
    def length(self) -> int:
        """Return the divisions of a bar."""
        return self.beats * 4 * DIVISIONS // self.unit

    @property
    def is_compound(self) -> bool:
        """Whether its beats are dotted quarters."""
        return self.unit == 8 and self.beats in (3, 6, 9, 12)

    @property
    def is_simple(self) -> bool:
        """Whether its beats are quarters, which triplets can divide."""
        return self.unit <= 4

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """Return where beats begin, in divisions; in 5/8 and its like beats of two or three
        eighths."""
        if self.is_compound:
            lengths = [36] * (self.beats // 3)
        else:
            lengths = [24] * (self.length // 24)
            left = self.length % 24
            if left and lengths and self.unit == 8:
                lengths[-1] += left
            elif left:
                lengths.append(left)
        return tuple(accumulate(lengths[:-1], initial=0))

    def group_of(self, at: int) -> tuple[int, int]:
        """Return begin and end of the beat that the place `at` of a bar lies in."""
        number = bisect_right(self.groups, at) - 1
        ends = (*self.groups[1:], self.length)
        return self.groups[number], ends[number]

    @cached_property
    def _levels(self) -> tuple[int, ...]:
        return tuple(map(self._level, range(self.length)))

    def _level(self, at: int) -> int:
        if at == 0:
            return BAR
        if at in self.groups:
            if not self.is_simple or at // 24 in _MIDDLES.get(self.beats, ()):
                return STRONG
            return STRONG if self.beats > 8 and at % 96 == 0 else BEAT
        offset = at - self.group_of(at)[0]
        return EIGHTH if offset % 12 == 0 else SIXTEENTH if offset % 6 == 0 else WEAK

    def level(self, at: int) -> int:
        """Return the level of a place in a bar; both of its ends are `BAR`."""
        return BAR if at >= self.length else self._levels[at]


@dataclass(frozen=True)
class Bar:
    """One bar of the page."""

    number: int
    """From 1; 0 for a pickup."""
    start: int
    """Divisions since the first bar begins."""
    metre: Metre
    """Its own: that of a pickup is as short as it is."""

    @property
    def end(self) -> int:
        return self.start + self.metre.length


@dataclass(frozen=True)
class Page:
    """The bars of a piece, and where its moments stand among them."""

    tempo_map: TempoMap
    bars: tuple[Bar, ...]
    origin: int
    """Ticks of the tempo map before the first bar: silence that is not written."""

    def place_of(self, seconds: float) -> float:
        """Return how many divisions after the beginning of the page a moment is."""
        # One by one for every note: `TempoMap.places_of` is made for many at once.
        ticks, moments = self._tempos
        tempo = max(0, bisect_right(moments, seconds) - 1)
        per_second = 1e6 * TICKS_PER_QUARTER / self.tempo_map.tempos[tempo][1]
        return (ticks[tempo] + (seconds - moments[tempo]) * per_second - self.origin) / TICKS

    @cached_property
    def _tempos(self) -> tuple[list[int], list[float]]:
        """Return the ticks and the seconds at which tempos begin."""
        ticks = [tick for tick, _ in self.tempo_map.tempos]
        return ticks, self.tempo_map.seconds_of(ticks).tolist()

    @cached_property
    def _starts(self) -> list[int]:
        return [bar.start for bar in self.bars]

    def seconds_at(self, place: float) -> float:
        """Return the moment of a place on the page."""
        return float(self.tempo_map.seconds_of([place * TICKS + self.origin])[0])

    def bar_at(self, place: float) -> Bar:
        """Return the bar that a place is in; the last one for all after it."""
        return self.bars[max(0, bisect_right(self._starts, place) - 1)]


def lay_page(tempo_map: TempoMap, first: float, last: float) -> Page:
    """Return the bars of a piece whose notes begin at the second `first` and end at `last`.

    What comes before the first bar line is a pickup where something sounds in it, and else is left
    out: a film's music begins when it begins.
    """
    begin, end = tempo_map.places_of([first, last]).tolist()
    skipped = tempo_map.pickup if begin > tempo_map.pickup - TICKS_PER_QUARTER // 8 else 0
    changes = [*tempo_map.metres, (1 << 62, 0, 0)]
    bars: list[Bar] = []
    for (tick, upper, lower), (after, *_) in pairwise(changes):
        metre = Metre(upper, lower)
        while tick < after and (tick < end or not bars):
            if tick >= skipped:
                bars.append(Bar(len(bars) + 1, (tick - skipped) // TICKS, metre))
            tick += metre.length * TICKS
    return Page(tempo_map, _numbered(bars, skipped < tempo_map.pickup), skipped)


def _numbered(bars: list[Bar], begins_before: bool) -> tuple[Bar, ...]:
    """Return the bars, the first with number 0 if it is a pickup: shorter than the next."""
    short = len(bars) > 1 and bars[0].metre.length < bars[1].metre.length
    first = 0 if begins_before and short else 1
    return tuple(Bar(first + at, bar.start, bar.metre) for at, bar in enumerate(bars))
