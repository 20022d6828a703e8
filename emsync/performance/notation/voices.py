"""From notes on a staff to one or two voices of chords, with rests where there are to be some.

Notes that begin together are divided between the voices such that as few notes as possible are
shortened, chords end together, voices do not cross, the melody stays on top, and a second voice is
there only where it is needed. Then small gaps vanish: a note lasts until the next one of its voice
where it nearly does, and else until a beat, so that rests begin on beats.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, zip_longest
from statistics import median_low

from emsync.performance.notation.metre import BEAT, Page
from emsync.performance.notation.placing import SIXTEENTHS, Tone

BEAM = 24
"""Ways of dividing that are followed at a time."""
_SHORTENED, _UNEVEN, _CROSSED, _LEAD_BELOW, _LEAP = 1.2, 0.8, 1.0, 4.0, 0.01
"""Costs: a quarter that a note is shortened by, times the share of its length; a chord's note that
ends a quarter from the others; a crossing; a melody note in the second voice; a semitone of a leap.
Ours: broken chords whose eighths ring into each other stay one voice."""
_SECOND, _REST_BELOW = 0.45, 0.2
"""Costs: an entry of the second voice, and one that follows a rest."""
_RINGING = 0.3
"""Share of `_SHORTENED` for notes that ring into the next one while that rings on itself."""
EIGHTH, QUARTER, HALF = 12, 24, 48
STACCATO = 0.55
"""Share of the time until the next note up to which a short note is written as a staccato one."""


@dataclass(frozen=True)
class Chord:
    """Notes of one voice that begin and end together; divisions."""

    start: int
    end: int
    tones: tuple[Tone, ...]
    """Ascending by pitch."""
    staccato: bool = False

    @property
    def hit(self) -> bool:
        return any(tone.hit for tone in self.tones)


@dataclass(frozen=True)
class _Hand:
    """Where a voice is."""

    end: int = -1
    start: int = -1
    low: int = 0
    high: int = 0
    rings: bool = False


@dataclass(frozen=True)
class _Way:
    """A way of dividing the notes up to now."""

    cost: float
    voices: tuple[_Hand, _Hand]
    before: "_Way | None"
    split: int
    """Notes of the last chord, from the top, that the first voice has."""


def separate(tones: Sequence[Tone], most: int = 2, plucked: bool = True) -> tuple[list[Chord], ...]:
    """Return the chords of the upper voice and, if `most` is two, of the lower one.

    No two chords of a voice sound at once; a note that is still sounding when its voice goes on
    ends there.

    Args:
        tones: of one staff.
        most: voices, one or two.
        plucked: whether strings are plucked or struck, so that notes which ring into each other are
            a broken chord rather than several voices.
    """
    clusters = [
        sorted(cluster, key=lambda tone: -tone.pitch)
        for _, cluster in groupby(sorted(tones, key=lambda t: t.start), key=lambda t: t.start)
    ]
    ways = [_Way(0.0, (_Hand(), _Hand()), None, 0)]
    for cluster, rings in zip(clusters, _ringing(clusters), strict=True):
        found = []
        for way in ways:
            splits = _splits(cluster, way, most)
            found += [_step(way, cluster, k, plucked and rings) for k in splits]
        best: dict[tuple[_Hand, _Hand], _Way] = {}
        for way in sorted(found, key=lambda one: one.cost):
            best.setdefault(way.voices, way)
        ways = list(best.values())[:BEAM]
    chosen = _splits_of(min(ways, key=lambda one: one.cost))
    voices: tuple[list[Chord], ...] = tuple([] for _ in range(most))
    for cluster, split in zip(clusters, chosen, strict=True):
        for voice, part in zip(voices, (cluster[:split], cluster[split:]), strict=False):
            if part:
                voice.append(Chord(part[0].start, _end(part), tuple(reversed(part))))
    return voices


def _ringing(clusters: Sequence[Sequence[Tone]]) -> list[bool]:
    """Return which chords ring into the next one while that rings on itself."""
    starts = [cluster[0].start for cluster in clusters]
    on = [_end(cluster) > after for cluster, after in zip(clusters, starts[1:], strict=False)]
    both = [now and following for now, following in pairwise(on)]
    return [*both, False, False][: len(clusters)]


def _splits_of(way: _Way) -> list[int]:
    """Return how a way divides the chords, from the first on."""
    splits: list[int] = []
    last: _Way | None = way
    while last is not None and last.before is not None:
        splits.append(last.split)
        last = last.before
    return splits[::-1]


def _splits(cluster: Sequence[Tone], way: _Way, most: int) -> Sequence[int]:
    """Return how many notes from the top the first voice may get."""
    if most == 1:
        return [len(cluster)]
    sounding = way.voices[0].end > cluster[0].start
    return range(0 if sounding else 1, len(cluster) + 1)


def _end(part: Sequence[Tone]) -> int:
    """Return where a chord ends whose notes do not end together: where the melody or most do."""
    lead = [tone.end for tone in part if tone.lead]
    return max(lead) if lead else median_low([tone.end for tone in part])


def _step(way: _Way, cluster: Sequence[Tone], split: int, rings: bool) -> _Way:
    """Return a way with one chord more, of which the first voice has `split` notes."""
    at, cost = cluster[0].start, way.cost
    hands = list(way.voices)
    for number, part in enumerate((cluster[:split], cluster[split:])):
        if not part:
            continue
        end, hand, other = _end(part), hands[number], way.voices[1 - number]
        if hand.end > at:
            lost = hand.end - at
            share = lost / (hand.end - hand.start) * lost / QUARTER
            cost += _SHORTENED * share * (_RINGING if hand.rings else 1.0)
        cost += _UNEVEN * sum(abs(tone.end - end) for tone in part) / QUARTER
        if other.end > at:
            wrong = part[-1].pitch < other.high if number == 0 else part[0].pitch > other.low
            cost += _CROSSED * wrong
        if number == 1:
            cost += _SECOND + _LEAD_BELOW * sum(tone.lead for tone in part)
            cost += _REST_BELOW * (hand.end < at)
        if hand.end >= 0:
            cost += _LEAP * abs(part[0].pitch - hand.high)
        hands[number] = _Hand(end, at, part[-1].pitch, part[0].pitch, rings)
    return _Way(cost, (hands[0], hands[1]), way, split)


def without_gaps(voice: Sequence[Chord], page: Page) -> list[Chord]:
    """Return a voice whose chords last until the next one, or until a rest that can be read."""
    out = []
    for chord, after in zip_longest(voice, voice[1:]):
        # The last one of all may end within a bar, and lasts until the next bar line if it nearly
        # does.
        until = after.start if after else page.bar_at(chord.end - 1).end
        end = min(chord.end, until)
        length, between = end - chord.start, until - chord.start
        if end < until and _is_filled(length, between):
            short = length <= STACCATO * between and between <= QUARTER and length <= EIGHTH
            out.append(replace(chord, end=until, staccato=short))
            continue
        if end < until:
            end = min(_next_beat(end, page), until)
        out.append(replace(chord, end=end))
    return out


def _is_filled(length: int, between: int) -> bool:
    """Return whether a note of that length is written until the next one begins."""
    gap = between - length
    return gap <= SIXTEENTHS or between <= EIGHTH or (between <= HALF and 2 * length >= between)


def _next_beat(place: int, page: Page) -> int:
    """Return the next beat from a place on."""
    bar = page.bar_at(place)
    at = place - bar.start
    while at < bar.metre.length and bar.metre.level(at) < BEAT:
        at += 1
    return bar.start + at
