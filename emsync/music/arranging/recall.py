"""Material: which notes a section's accompaniment is made from, before they obey its chords.

Sections of one letter share it, so that the piece comes back to what it was.
"""

import random
from collections import Counter
from collections.abc import Sequence

from emsync.music.arranging.bass import write_bass
from emsync.music.arranging.comping import HELD_BELOW, comping_rhythm
from emsync.music.arranging.events import (
    BASS,
    CHORDAL,
    GUITAR,
    PIANO,
    Event,
    SectionSpan,
    in_order,
    within,
)
from emsync.music.arranging.patterns import (
    STEADY,
    Pattern,
    is_adrift,
    lay,
    pattern_of,
    steadiness,
)
from emsync.music.notes import GROUPS
from emsync.music.planning.plan import Plan

DRIVEN = 0.7
"""Energy from which something has to come on every beat."""
DRIVING = 0.75
"""Onsets a beat that do."""
PLACEHOLDER = (57, 62, 66)
"""Pitches of a chord that only stands for its rhythm; voicing gives it its own."""


def material(
    drawn: Sequence[Event],
    sections: Sequence[SectionSpan],
    plan: Plan,
    allowed: Sequence[str],
    rng: random.Random,
) -> list[list[Event]]:
    """Return for each section the notes of bass and chordal groups that it is made from.

    A group repeats the pattern that it was drawn with in the sections of the letter; where it was
    hardly drawn there, or chords that come often keep no beat, it gets its style's own part.
    """
    patterns: dict[tuple[str, int], Pattern | None] = {}
    for letter in sorted({span.section.letter for span in sections}):
        alike = [span for span in sections if span.section.letter == letter]
        for group in (BASS, *CHORDAL):
            playing = [s for s in alike if GROUPS[group] in s.section.groups]
            notes = [e for s in playing for e in within(drawn, s) if e.group == group]
            patterns[letter, group] = pattern_of(notes, playing, plan) if playing else None
    out = []
    for span in sections:
        made: list[Event] = []
        for group in (BASS, *CHORDAL):
            if GROUPS[group] not in span.section.groups or GROUPS[group] not in allowed:
                continue
            pattern = patterns[span.section.letter, group]
            if pattern and group != BASS and span.section.energy >= HELD_BELOW:
                pattern = None if is_adrift(pattern, plan.metre) else pattern
            made += lay(pattern, span, plan) if pattern else own_part(span, plan, group, rng)
        out.append(in_order(_driven(made, span, plan, allowed, rng)))
    return out


def _driven(
    made: list[Event], span: SectionSpan, plan: Plan, allowed: Sequence[str], rng: random.Random
) -> list[Event]:
    """Return a section's material with something that drives it where its energy asks for that.

    Where no chords come on at least every beat, or without drums in no steady rhythm, guitar or
    piano takes its style's own part.
    """
    beats = (span.end - span.start) / plan.metre.beat
    idle = {"bass", span.section.lead}
    onsets = {(e.group, e.start) for e in made if GROUPS[e.group] not in idle}
    often = [
        {start: 1 for group, start in onsets if group == some}
        for some, count in Counter(group for group, _ in onsets).items()
        if count >= DRIVING * beats
    ]
    driven = bool(often) or span.section.energy < DRIVEN
    around = span.end + 2 * plan.metre.bar
    if "drums" not in span.section.groups or "drums" not in allowed:
        driven = any(steadiness(begun, around, plan.metre) >= STEADY for begun in often)
    if driven or span.section.energy < HELD_BELOW:
        return made
    for group in (GUITAR, PIANO):
        name = GROUPS[group]
        if name in span.section.groups and name in allowed and name != span.section.lead:
            return [e for e in made if e.group != group] + own_part(span, plan, group, rng)
    return made


def own_part(section: SectionSpan, plan: Plan, group: int, rng: random.Random) -> list[Event]:
    """Return a written part for a group that was not drawn."""
    if group == BASS:
        written = write_bass(plan, plan.style, rng, (section.start, section.end))
        return [Event(BASS, pitch, start, end) for start, end, pitch in written]
    bar = plan.metre.bar
    rhythm = comping_rhythm(plan, plan.style, section.section.energy)
    return [
        Event(group, pitch, at, min(at + length, section.end))
        for line in range(section.start // bar, -(-section.end // bar))
        for offset, length in rhythm
        if section.start <= (at := line * bar + offset) < section.end
        for pitch in PLACEHOLDER
    ]
