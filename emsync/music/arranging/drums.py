"""Drum patterns: the drawn groove made steady, and patterns written from scratch, with fills."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from emsync.music.arranging.events import DRUMS, Event, SectionSpan, section_spans
from emsync.music.arranging.patterns import STEADY, bars_of, steadiness, usual_pair
from emsync.music.planning.grid import STEPS_PER_EIGHTH, STEPS_PER_SIXTEENTH
from emsync.music.planning.plan import Plan, Section

KICK, STICK, SNARE, HAT, OPEN_HAT, RIDE, CRASH = 36, 37, 38, 42, 46, 51, 49
LOW_TOM, MIDDLE_TOM, HIGH_TOM, SHAKER, BRUSH = 41, 45, 48, 70, 40
"""General MIDI percussion keys."""
HIT_LENGTH = STEPS_PER_SIXTEENTH
CYMBALS = frozenset({CRASH, 52, 55, 57})
QUIET = 0.3
"""Energy below which nothing but a soft time-keeper plays."""
LOUD = 0.55
"""Energy from which sections begin with a crash."""
ALIKE = 0.6
"""Share of their hits that neighbouring bars have in common: .72 in real music, kick and snare."""
FEWEST_HITS = 3
"""Hits of a bar that make a groove."""

Pattern = tuple[tuple[int, int], ...]
"""(offset in steps, key) of one bar."""


def _at(key: int, *offsets: int) -> Pattern:
    return tuple((offset, key) for offset in offsets)


_FOUR: dict[str, tuple[Pattern, Pattern, Pattern]] = {
    # Calm, middle and energetic: the usual grooves of each style for a bar of 4/4.
    "cinematic": (
        _at(KICK, 0),
        _at(KICK, 0, 24) + _at(LOW_TOM, 18, 42),
        _at(KICK, 0, 18, 24) + _at(LOW_TOM, 6, 12, 30, 36, 42) + _at(SNARE, 36),
    ),
    "piano": (
        _at(SHAKER, 12, 36),
        _at(KICK, 0, 24) + _at(STICK, 12, 36),
        _at(KICK, 0, 24) + _at(SNARE, 12, 36) + _at(HAT, *range(0, 48, 6)),
    ),
    "pop": (
        _at(KICK, 0) + _at(STICK, 24) + _at(HAT, *range(0, 48, 12)),
        _at(KICK, 0, 24, 30) + _at(SNARE, 12, 36) + _at(HAT, *range(0, 48, 6)),
        _at(KICK, 0, 18, 24, 42) + _at(SNARE, 12, 36) + _at(HAT, *range(0, 48, 6)),
    ),
    "rock": (
        _at(KICK, 0, 24) + _at(SNARE, 12, 36) + _at(HAT, *range(0, 48, 12)),
        _at(KICK, 0, 24, 30) + _at(SNARE, 12, 36) + _at(HAT, *range(0, 48, 6)),
        _at(KICK, 0, 6, 24, 30) + _at(SNARE, 12, 36) + _at(OPEN_HAT, *range(0, 48, 12)),
    ),
    "jazz": (
        _at(RIDE, 0, 12, 24, 36),
        _at(RIDE, 0, 12, 20, 24, 36, 44) + _at(44, 12, 36),
        _at(RIDE, 0, 12, 20, 24, 36, 44) + _at(44, 12, 36) + _at(KICK, 0, 24) + _at(SNARE, 32),
    ),
    "electronic": (
        _at(KICK, 0, 24) + _at(HAT, 6, 18, 30, 42),
        _at(KICK, 0, 12, 24, 36) + _at(OPEN_HAT, 6, 18, 30, 42),
        _at(KICK, 0, 12, 24, 36)
        + _at(SNARE, 12, 36)
        + _at(OPEN_HAT, 6, 18, 30, 42)
        + _at(HAT, *range(0, 48, 3)),
    ),
    "folk": (
        _at(SHAKER, 0, 12, 24, 36),
        _at(KICK, 0, 24) + _at(STICK, 12, 36) + _at(SHAKER, *range(0, 48, 6)),
        _at(KICK, 0, 24) + _at(SNARE, 12, 36) + _at(SHAKER, *range(0, 48, 6)),
    ),
}
_THREE = (
    _at(KICK, 0),
    _at(KICK, 0) + _at(STICK, 12, 24) + _at(HAT, 0, 12, 24),
    _at(KICK, 0) + _at(SNARE, 12, 24) + _at(RIDE, 0, 12, 18, 24, 30),
)
_SIX = (
    _at(KICK, 0),
    _at(KICK, 0) + _at(STICK, 18) + _at(HAT, *range(0, 36, 6)),
    _at(KICK, 0, 12, 30) + _at(SNARE, 18) + _at(HAT, *range(0, 36, 6)),
)


def write_drums(
    plan: Plan, style: str, rng: random.Random, span: tuple[int, int] | None = None
) -> list[tuple[int, int, int]]:
    """Return a drum part as (start, end, key) in steps, for the sections with drums.

    Each style has its usual groove, calmer or busier by the section's energy; a fill leads into
    each new section, and a crash begins it where there is energy.

    Args:
        plan: of the piece.
        style: one of `settings.Style` but "auto".
        rng: draws the fills.
        span: first step and end of the stretch wanted; the whole piece if None.
    """
    start, end = span or (0, plan.end)
    last = plan.cadence if plan.cadence is not None else plan.end
    hits: list[tuple[int, int]] = []
    for section in section_spans(plan):
        if "drums" not in section.section.groups:
            continue
        a, b = max(section.start, start), min(section.end, end, last)
        if a >= b:
            continue
        groove = [plain_pattern(plan, style, section.section)]
        hits += lay_groove(plan, groove, a, b)
        if a == section.start:
            hits = open_section(hits, section.section, a)
        if b == section.end:
            hits = fill_before(hits, plan, b, section.section.energy, rng)
    if plan.cadence is not None and start <= plan.cadence < end:
        closing = plan.section_at(plan.cadence)
        if "drums" in closing.groups:
            hits += [(plan.cadence, key) for key in _accent(closing)]
    return [(at, at + HIT_LENGTH, key) for at, key in sorted(set(hits))]


def plain_pattern(plan: Plan, style: str, section: Section) -> Pattern:
    """Return the usual bar of a style at the energy of a section."""
    level = 0 if section.energy < QUIET else 1 if section.energy < 0.65 else 2
    if plan.metre.name == "4/4":
        return _FOUR.get(style, _FOUR["cinematic"])[level]
    return (_THREE if plan.metre.name == "3/4" else _SIX)[level]


def lay_groove(
    plan: Plan, groove: Sequence[Pattern], start: int, end: int
) -> list[tuple[int, int]]:
    """Return (step, key) of a groove whose bars go round from the bar line before `start`."""
    bar = plan.metre.bar
    first = start // bar
    return [
        (line * bar + offset, key)
        for line in range(first, -(-end // bar))
        for offset, key in groove[(line - first) % len(groove)]
        if start <= line * bar + offset < end
    ]


def _accent(section: Section) -> tuple[int, ...]:
    """Return the keys that mark a moment at the energy of a section."""
    return (KICK, CRASH) if section.energy >= LOUD else (KICK,)


def open_section(
    hits: list[tuple[int, int]], section: Section, start: int
) -> list[tuple[int, int]]:
    """Return the hits with a crash at the beginning of a section that has energy."""
    if section.energy < LOUD:
        return hits
    return [hit for hit in hits if hit != (start, HAT)] + [(start, CRASH), (start, KICK)]


def fill_before(
    hits: list[tuple[int, int]], plan: Plan, end: int, energy: float, rng: random.Random
) -> list[tuple[int, int]]:
    """Return the hits with a fill of one or two beats that ends at `end`.

    At low energy there is none.
    """
    if energy < QUIET + 0.1:
        return hits
    beats = 2 if energy > LOUD and rng.random() < 0.5 else 1
    begin = max(0, end - beats * plan.metre.beat)
    kept = [(at, key) for at, key in hits if not begin <= at < end or key == KICK]
    unit = STEPS_PER_SIXTEENTH if energy > LOUD else STEPS_PER_EIGHTH
    keys = rng.choice(
        ((SNARE, SNARE, HIGH_TOM, LOW_TOM), (HIGH_TOM, MIDDLE_TOM, LOW_TOM), (SNARE,))
    )
    places = range(begin, end, unit)
    return kept + [(at, keys[index * len(keys) // len(places)]) for index, at in enumerate(places)]


def groove_of(
    events: Iterable[Event], plan: Plan, sections: Sequence[SectionSpan]
) -> list[Pattern]:
    """Return the drawn groove of a letter's sections: the two bars that are most like the others.

    Empty where fewer than half of the bars have three drum hits or more.
    """
    bar = plan.metre.bar
    lines = [line for section in sections for line in bars_of(plan, section)]
    bars: dict[int, set[tuple[int, int]]] = {line: set() for line in lines}
    for event in events:
        line = event.start // bar
        if line in bars and event.pitch not in CYMBALS:
            bars[line].add((event.start % bar, event.pitch))
    full = {line: hits for line, hits in bars.items() if len(hits) >= FEWEST_HITS}
    if not full or 2 * len(full) < len(lines):
        return []
    first, second = (full[line] for line in usual_pair(full, lines[0]))
    if len(first & second) < ALIKE * len(first | second):
        # Two bars that have little in common are no groove.
        second = first
    strokes = Counter(at for at, _ in first)
    strokes.update(bar + at for at, _ in second)
    if steadiness(strokes, 2 * bar, plan.metre) < STEADY:
        return []
    return [tuple(sorted(first)), tuple(sorted(second))]


def steady_drums(
    plan: Plan, section: SectionSpan, groove: Sequence[Pattern], rng: random.Random
) -> list[Event]:
    """Return the drums of a section: its groove throughout, a crash first and a fill last.

    Where the generator drew no groove, the style's plain one stands.
    """
    bars = list(groove) or [plain_pattern(plan, plan.style, section.section)]
    if section.section.energy < QUIET:
        bars = [_thin(pattern) for pattern in bars]
    hits = lay_groove(plan, bars, section.start, section.end)
    hits = open_section(hits, section.section, section.start)
    if section.end < plan.end:
        hits = fill_before(hits, plan, section.end, section.section.energy, rng)
    return [Event(DRUMS, key, at, at + HIT_LENGTH) for at, key in sorted(set(hits))]


def _thin(pattern: Pattern) -> Pattern:
    """Return a pattern without what is struck off the eighths, and without its snare."""
    kept = tuple(
        (at, STICK if key in (SNARE, BRUSH) else key)
        for at, key in pattern
        if at % STEPS_PER_EIGHTH == 0
    )
    return kept or pattern[:1]
