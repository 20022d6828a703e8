"""Material: what of the drawn notes a section is made from, and how it comes back.

Real music repeats itself: a bar is on average three quarters alike to one before it. So a section
whose letter was heard before takes its accompaniment from there, and a group that is to play but
was drawn with gaps goes on with what it played before the gap.
"""

import random
from collections.abc import Iterable, Sequence

from emsync.music import vocabulary as v
from emsync.music.arranging.bass import write_bass
from emsync.music.arranging.comping import comping_rhythm
from emsync.music.arranging.events import BASS, CHORDAL, Event, SectionSpan, in_order, within
from emsync.music.grid import STEPS_PER_QUARTER
from emsync.music.plan import Plan

PLAYED = 0.5
"""Share of a section's bars in which a group is to play, for its drawing to be gone on with."""
PLACEHOLDER = (57, 62, 66)
"""Pitches of a chord that only stands for its rhythm; voicing gives it its own."""


def bars_of(plan: Plan, section: SectionSpan) -> range:
    """Return the numbers of the bars that begin in a section, the first bar of the section if none
    does."""
    bar = plan.metre.bar
    first = -(-section.start // bar)
    last = -(-section.end // bar)
    return range(first, last) if last > first else range(first - 1, first)


def recall(
    source: Sequence[Event], first: SectionSpan, again: SectionSpan, plan: Plan
) -> list[Event]:
    """Return the notes of the section `first` laid over the section `again`, bar by bar.

    A longer section goes round; what does not fit is cut at its end.
    """
    bar = plan.metre.bar
    bars = bars_of(plan, first)
    by_bar: dict[int, list[Event]] = {}
    for event in source:
        by_bar.setdefault(event.start // bar, []).append(event)
    out: list[Event] = []
    begin = -(-again.start // bar)
    for line in range(again.start // bar, -(-again.end // bar)):
        shift = (line - bars[(line - begin) % len(bars)]) * bar
        for event in by_bar.get(line - shift // bar, ()):
            start, end = event.start + shift, min(event.end + shift, again.end)
            if again.start <= start < end:
                out.append(event.moved(start, end))
    return out


def without_gaps(
    events: Iterable[Event], section: SectionSpan, plan: Plan, group: int, rng: random.Random
) -> list[Event]:
    """Return a group's notes in a section, its silent bars filled.

    Where it plays in at least half of the bars, a silent one repeats the last that was played
    before it; otherwise the group gets a part of its style's own.
    """
    bar = plan.metre.bar
    bars = bars_of(plan, section)
    notes = [event for event in events if event.group == group]
    struck: dict[int, list[Event]] = {line: [] for line in bars}
    covered = set()
    for event in notes:
        if event.start // bar in struck:
            struck[event.start // bar].append(event)
        covered.update(range(event.start // bar, -(-event.end // bar)))
    played = [line for line in bars if struck[line]]
    if not played or len(covered & set(bars)) < PLAYED * len(bars):
        return _own_part(section, plan, group, rng)
    filled = list(notes)
    for line in bars:
        if line in covered:
            continue
        before = [at for at in played if at < line] or played[:1]
        # A line that was two bars long goes on with its other bar.
        model = next((at for at in before if (line - at) % 2 == 0), before[-1])
        shift = (line - model) * bar
        filled += [
            e.moved(e.start + shift, min(e.end + shift, section.end))
            for e in struck[model]
            if section.start <= e.start + shift < section.end
        ]
    return in_order(filled)


def _own_part(section: SectionSpan, plan: Plan, group: int, rng: random.Random) -> list[Event]:
    """Return a written part for a group that was not drawn."""
    if group == BASS:
        written = write_bass(plan, plan.style, rng, (section.start, section.end))
        return [Event(BASS, pitch, start, end) for start, end, pitch in written]
    bar = plan.metre.bar
    rhythm = comping_rhythm(plan, plan.style, section.section.energy)
    first = section.start // bar
    return [
        Event(group, pitch, at, min(at + length, section.end))
        for line in range(first, -(-section.end // bar))
        for offset, length in rhythm
        if section.start <= (at := line * bar + offset) < section.end
        for pitch in PLACEHOLDER
    ]


def material(
    drawn: Sequence[Event],
    sections: Sequence[SectionSpan],
    plan: Plan,
    allowed: Sequence[str],
    rng: random.Random,
) -> list[list[Event]]:
    """Return for each section the notes of bass and chordal groups that it is made from."""
    out: list[list[Event]] = []
    first: dict[tuple[str, int], int] = {}
    for span in sections:
        here = within(drawn, span)
        made: list[Event] = []
        for group in (BASS, *CHORDAL):
            name = v.GROUPS[group]
            if name not in span.section.groups or name not in allowed:
                continue
            known = first.get((span.section.letter, group))
            if known is not None:
                source = [e for e in out[known] if e.group == group]
                made += recall(source, sections[known], span, plan)
                continue
            part = without_gaps(here, span, plan, group, rng)
            if part and span.end - span.start >= 4 * STEPS_PER_QUARTER:
                first[span.section.letter, group] = span.index
            made += part
        out.append(in_order(made))
    return out
