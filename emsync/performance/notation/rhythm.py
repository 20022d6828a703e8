"""Durations as they are drawn: values, dots, ties, tuplets, beams and rests.

A note may hide a beat only if it begins and ends on places nearly as strong: a half note on the
second beat of 4/4 is read at once, a dotted quarter there is not, so it is written as two that are
tied (Gould 2011, "Behind Bars", on grouping). Rests never hide a beat.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from emsync.performance.notation.metre import BAR, BEAT, DIVISIONS, STRONG, Bar, Metre
from emsync.performance.notation.placing import Tone
from emsync.performance.notation.voices import Chord

_VALUES = {
    144: ("whole", 1), 96: ("whole", 0), 72: ("half", 1), 48: ("half", 0), 36: ("quarter", 1),
    24: ("quarter", 0), 18: ("eighth", 1), 12: ("eighth", 0), 9: ("16th", 1), 6: ("16th", 0),
    3: ("32nd", 0),
}  # fmt: skip
"""Names in MusicXML and dots of values, by their length in divisions."""
_IN_TUPLET = {16: ("quarter", 0), 12: ("eighth", 1), 8: ("eighth", 0), 4: ("16th", 0)}
"""The same of three in the time of two."""
_FLAGS = {"eighth": 1, "16th": 2, "32nd": 3}


@dataclass(frozen=True)
class Symbol:
    """One chord or rest as it is drawn."""

    start: int
    """Divisions since the page begins."""
    length: int
    kind: str
    """Name of its value in MusicXML."""
    dots: int = 0
    tones: tuple[Tone, ...] = ()
    """None of a rest."""
    tied_back: bool = False
    tied_on: bool = False
    tuplet: tuple[int, int] | None = None
    """So many in the time of so many."""
    tuplet_edge: str = ""
    """"start" or "stop" where it is the first or the last of one."""
    beams: tuple[str, ...] = ()
    """One a flag, as MusicXML says: "begin", "continue", "end", "forward hook", "backward hook"."""
    staccato: bool = False
    accent: bool = False
    fills_bar: bool = False
    """Whether it is the rest of an empty bar."""

    @property
    def is_rest(self) -> bool:
        return not self.tones

    @property
    def end(self) -> int:
        return self.start + self.length


def write_bar(chords: Sequence[Chord], bar: Bar) -> tuple[Symbol, ...]:
    """Return what is drawn of one voice in one bar: notes and rests that fill it.

    Args:
        chords: those that sound in it, ascending, none over another; they may begin before it and
            end after it.
        bar: on the page.
    """
    if not chords:
        return (Symbol(bar.start, bar.metre.length, "whole", fills_bar=True),)
    drawn: list[Symbol] = []
    for start, end, chord in _filled(chords, bar):
        for a, b, in_tuplet in _cut_at_tuplets(start, end, _tuplets(chords, bar), bar):
            drawn += _values(a, b, chord, bar, in_tuplet)
    return tuple(_beamed(_with_edges(drawn), bar))


def _filled(chords: Sequence[Chord], bar: Bar) -> Iterator[tuple[int, int, Chord | None]]:
    """Yield begin and end of each chord within the bar, and of the silences between."""
    at = bar.start
    for chord in chords:
        start, end = max(chord.start, bar.start), min(chord.end, bar.end)
        if start > at:
            yield at, start, None
        yield start, end, chord
        at = end
    if at < bar.end:
        yield at, bar.end, None


def _tuplets(chords: Iterable[Chord], bar: Bar) -> set[int]:
    """Return where the beats begin that are divided by three."""
    edges = {edge for chord in chords for edge in (chord.start, chord.end)}
    return {
        bar.start + (edge - bar.start) // DIVISIONS * DIVISIONS
        for edge in edges
        if bar.start < edge < bar.end and (edge - bar.start) % 3
    }


def _cut_at_tuplets(
    start: int, end: int, tuplets: set[int], bar: Bar
) -> Iterator[tuple[int, int, bool]]:
    """Yield a stretch in pieces, each within one beat of three or outside all of them."""
    edges = {start, end}
    for begin in tuplets:
        edges |= {edge for edge in (begin, begin + DIVISIONS) if start < edge < end}
    ordered = sorted(edges)
    for a, b in pairwise(ordered):
        beat = bar.start + (a - bar.start) // DIVISIONS * DIVISIONS
        yield a, b, beat in tuplets and b - a < DIVISIONS


def _values(
    start: int, end: int, chord: Chord | None, bar: Bar, in_tuplet: bool
) -> Iterator[Symbol]:
    """Yield the tied notes, or the rests, that a stretch is written with."""
    if in_tuplet:
        cuts = list(_thirds(start - bar.start, end - bar.start))
    else:
        cuts = list(_cut(start - bar.start, end - bar.start, bar.metre, chord is None))
    for a, b in cuts:
        a, b = a + bar.start, b + bar.start
        kind, dots = (_IN_TUPLET if in_tuplet else _VALUES)[b - a]
        drawn = Symbol(a, b - a, kind, dots, tuplet=(3, 2) if in_tuplet else None)
        if chord is not None:
            drawn = replace(
                drawn,
                tones=chord.tones,
                tied_back=a > chord.start,
                tied_on=b < chord.end,
                staccato=chord.staccato and a == chord.start and b == chord.end,
                accent=chord.hit and a == chord.start,
            )
        yield drawn


def _thirds(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield a stretch within a beat of three in values that there are."""
    while start < end:
        length = max(one for one in _IN_TUPLET if one <= end - start)
        if length == 12 and start % 8:
            length = 8 if start % 8 == 0 else 4
        yield start, start + length
        start += length


def _cut(start: int, end: int, metre: Metre, rest: bool) -> Iterator[tuple[int, int]]:
    """Yield a stretch of a bar in values that hide no beat that must be seen."""
    inner = range(start + 1, end)
    strongest = max((metre.level(at) for at in inner), default=BAR)
    if end - start in _VALUES and _is_clear(start, end, metre, strongest, rest):
        yield start, end
        return
    cuts = [at for at in inner if metre.level(at) == strongest and at % 3 == 0]
    # On a strong place the long value comes first, off the beat it comes last.
    cut = cuts[-1] if metre.level(start) >= strongest and not rest else cuts[0]
    yield from _cut(start, cut, metre, rest)
    yield from _cut(cut, end, metre, rest)


def _is_clear(start: int, end: int, metre: Metre, strongest: int, rest: bool) -> bool:
    """Return whether one note or rest can stand for a stretch."""
    if end - start == 1 or not range(start + 1, end):
        return True
    if rest:
        return _is_clear_rest(start, end, metre)
    least = min(metre.level(start), metre.level(end))
    if strongest >= STRONG and not metre.is_simple:
        return least >= STRONG
    return least >= strongest - 1


def _is_clear_rest(start: int, end: int, metre: Metre) -> bool:
    """Return whether one rest can stand for a stretch: within a beat, or as half a bar of 4/4."""
    length = end - start
    first, last = metre.group_of(start)
    if end > last:
        halves = metre.is_simple and metre.beats % 4 == 0 and length == 48
        return halves and start % 48 == 0
    if start == first:
        # Dotted eighths are read at once where they begin a beat.
        return end == last or length in (3, 6, 12, 18, 24)
    return length in (3, 6, 12) and (start - first) % length == 0


def _with_edges(drawn: Sequence[Symbol]) -> list[Symbol]:
    """Return the symbols with the first and the last of each tuplet marked."""
    out: list[Symbol] = []
    for _, some in groupby(
        drawn, key=lambda s: (s.start // DIVISIONS, True) if s.tuplet else (s.start, False)
    ):
        beat = list(some)
        if beat[0].tuplet:
            if any(one.length in (4, 12) for one in beat):
                beat = [replace(one, tuplet=(6, 4)) for one in beat]
            beat[0] = replace(beat[0], tuplet_edge="start")
            beat[-1] = replace(beat[-1], tuplet_edge="stop")
        out += beat
    return out


# Beams --------------------------------------------------------------------------------------------


def _beamed(drawn: Sequence[Symbol], bar: Bar) -> Iterator[Symbol]:
    """Yield the symbols with beams within each beat, or half a bar of plain eighths."""
    run: list[Symbol] = []
    for symbol in drawn:
        flagged = symbol.kind in _FLAGS and not symbol.is_rest
        if run and (not flagged or not _joined(run, symbol, drawn, bar)):
            yield from _beam(run)
            run = []
        if flagged:
            run.append(symbol)
        else:
            yield symbol
    yield from _beam(run)


def _joined(run: Sequence[Symbol], symbol: Symbol, drawn: Sequence[Symbol], bar: Bar) -> bool:
    """Return whether a symbol goes under the beam of the run before it."""
    place, metre = symbol.start - bar.start, bar.metre
    if run[-1].end != symbol.start:
        return False
    if metre.level(place) < BEAT:
        return True
    if not (metre.is_simple and metre.beats % 4 == 0 and metre.level(place) == BEAT):
        return False
    half = (place // 48 * 48 + bar.start, place // 48 * 48 + 48 + bar.start)
    inside = [one for one in drawn if half[0] <= one.start < half[1]]
    return all(one.kind == "eighth" and not one.dots and not one.tuplet for one in inside)


def _beam(run: Sequence[Symbol]) -> Iterator[Symbol]:
    """Yield symbols under one beam, or a single one with its flag."""
    if len(run) < 2:
        yield from run
        return
    flags = [_FLAGS[one.kind] for one in run]
    for place, one in enumerate(run):
        beams = []
        for level in range(1, flags[place] + 1):
            left = place > 0 and flags[place - 1] >= level
            right = place + 1 < len(run) and flags[place + 1] >= level
            if left or right:
                beams.append("continue" if left and right else "end" if left else "begin")
            else:
                beams.append("backward hook" if place > 0 else "forward hook")
        yield replace(one, beams=tuple(beams))
