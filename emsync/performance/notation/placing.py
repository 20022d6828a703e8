"""Notes on the page's grid: sixteenths, or triplets where a beat has them.

A planned piece was written on such a grid and only bent to the film; one drawn freely is not, and
each of its beats gets the division that its notes are nearest to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from emsync.music.notes import Note
from emsync.performance.notation.metre import DIVISIONS, Bar, Page

SIXTEENTHS, TRIPLETS, SIXTUPLETS = 6, 8, 4
"""Divisions from one place to the next."""
_PREFERENCE = {SIXTEENTHS: 0.0, TRIPLETS: 0.006, SIXTUPLETS: 0.04}
"""Squared quarters by which a division of the beat must be nearer to be taken. Ours: one note of
three has to miss the sixteenths by all that triplets differ from them, and some; six notes in a
beat are sextuplets, four uneven ones are not."""
_MERGED = 0.02
"""The same for two notes that would fall together."""
_APART = 1.5
"""Divisions by which two notes of a beat are no chord."""


@dataclass(frozen=True)
class Tone:
    """A note on the page; times in divisions since its beginning."""

    pitch: int
    start: int
    end: int
    lead: bool = False
    """Whether it is the melody."""
    hit: bool = False
    """Whether it begins at a hit point."""
    name: int = 0
    """On the line of fifths, see `emsync.performance.notation.spelling`; of no use for drums."""


class Placer:
    """Puts the notes of one group on the page."""

    def __init__(self, page: Page, notes: Sequence[Note]) -> None:
        self.page = page
        self._steps: dict[int, int] = {}
        """Of each beat, by where it begins: divisions from one place to the next."""
        beats: dict[int, list[float]] = {}
        for note in notes:
            place = max(page.place_of(note.start), 0.0)
            begin, _ = _beat(page.bar_at(place), place)
            beats.setdefault(begin, []).append(place - begin)
        for begin, places in beats.items():
            if page.bar_at(begin).metre.is_simple:
                self._steps[begin] = min(_PREFERENCE, key=lambda s, p=places: _cost(p, s))  # type: ignore[misc]

    def place(self, seconds: float) -> int:
        """Return the place of the grid that is nearest to a moment."""
        return self._nearest(max(self.page.place_of(seconds), 0.0))

    def tone(self, note: Note, lead: bool, hit: bool) -> Tone:
        """Return a note on the grid; it lasts one place at least."""
        start = self.place(note.start)
        end = max(self.place(note.end), self._after(start))
        return Tone(note.pitch, start, end, lead, hit)

    def _nearest(self, place: float) -> int:
        begin, end = _beat(self.page.bar_at(place), place)
        step = self._steps.get(begin, SIXTEENTHS)
        found = begin + round((place - begin) / step) * step
        # Bars may end within a beat.
        return end if found > end or end - place < abs(found - place) else found

    def _after(self, start: int) -> int:
        """Return the place that follows `start`."""
        begin, end = _beat(self.page.bar_at(start), start)
        return min(start + self._steps.get(begin, SIXTEENTHS), end)


def _beat(bar: Bar, place: float) -> tuple[int, int]:
    """Return where the quarter of the grid, or what is left of its bar, begins and ends."""
    begin = bar.start + int(place - bar.start) // DIVISIONS * DIVISIONS
    return begin, max(min(begin + DIVISIONS, bar.end), begin + 1)


def _cost(places: Iterable[float], step: int) -> float:
    """Return what it costs to divide a beat so that its notes fall on every `step` of it."""
    ordered = sorted(places)
    off = [place - round(place / step) * step for place in ordered]
    struck = 1 + sum(after - before > _APART for before, after in pairwise(ordered))
    merged = max(0, struck - len({round(place / step) for place in ordered}))
    return sum((one / DIVISIONS) ** 2 for one in off) + _PREFERENCE[step] + _MERGED * merged


def one_voice(tones: Iterable[Tone]) -> list[Tone]:
    """Return the tones such that none sounds twice at once: the longer one stays, one that is
    struck again ends there."""
    last: dict[int, Tone] = {}
    kept: list[Tone] = []
    for tone in sorted(tones, key=lambda one: (one.pitch, one.start, -one.end)):
        before = last.get(tone.pitch)
        if before is not None and before.start == tone.start:
            continue
        if before is not None and before.end > tone.start:
            kept[-1] = replace(before, end=tone.start)
        kept.append(tone)
        last[tone.pitch] = tone
    return sorted(kept, key=lambda one: (one.start, one.pitch))
