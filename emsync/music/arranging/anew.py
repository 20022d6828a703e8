"""A passage arranged anew, between and beside notes that stay."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from emsync.music.arranging.arranger import accompany, first_tune, write_lead
from emsync.music.arranging.drums import Pattern, groove_of, steady_drums
from emsync.music.arranging.events import (
    BASS,
    DRUMS,
    Event,
    SectionSpan,
    in_order,
    one_at_a_time,
    section_spans,
)
from emsync.music.arranging.hits import set_ending, set_hits
from emsync.music.arranging.texture import Feel, settle, swung, without_pile_ups
from emsync.music.arranging.theme import Theme
from emsync.music.chords import CHORD_GROUPS, MINIMUM_BEATS, MINIMUM_NOTES
from emsync.music.notes import GROUPS
from emsync.music.planning.grid import STEPS_PER_QUARTER, STEPS_PER_SIXTEENTH
from emsync.music.planning.plan import Plan
from emsync.settings import MusicSettings


@dataclass(frozen=True)
class Manner:
    """How an accompaniment differs from what its plan and its drawn notes suggest."""

    lift: int = 0
    """Semitones by which its chords lie higher."""
    livelier: float = 0.0
    """Energy that it has more than the plan says."""


def sing_anew(
    plan: Plan,
    start: int,
    end: int,
    groups: Sequence[str],
    settings: MusicSettings,
    seed: int,
    first_seed: int,
    theme: Theme | None = None,
) -> list[Event]:
    """Return a melody from step `start` to `end` where it is one of `groups` that has it.

    Scenes that are named for the theme keep it, though it is the piece's own.

    Args:
        plan, start, end, groups, settings, seed: as for `arrange_anew`.
        first_seed: of the piece as it was composed first.
        theme: as for the piece.
    """
    here = _passage_plan(plan, start, end)
    sections = tuple(
        section if section.lead in groups else replace(section, lead=None)
        for section in here.sections
    )
    motif = None
    if theme is None and any(section.motif and section.lead for section in sections):
        motif = first_tune(plan, settings, first_seed)
    if any(section.motif for section in plan.sections) and not any(s.motif for s in sections):
        theme = None  # it belongs to other scenes
    sung = write_lead(replace(here, sections=sections), settings, seed, theme, motif)
    return [_later(event, start) for event in sung]


def arrange_anew(
    drawn: Sequence[Event],
    melody: Sequence[Event],
    kept: Sequence[Event],
    plan: Plan,
    start: int,
    end: int,
    groups: Sequence[str],
    settings: MusicSettings,
    feel: Feel | None,
    seed: int,
    manner: Manner = Manner(),
) -> list[Event]:
    """Return what `groups` play from step `start` to `end`, arranged after the plan.

    Nothing of it begins before or ends after that, nor gets into the way of what is kept.

    Args:
        drawn: notes in the passage, by the generator; those of the other groups as they are kept.
        melody: from `sing_anew`.
        kept: all notes that stay and sound in the passage, the melody's marked.
        plan: of the whole piece.
        start: a bar line.
        end: a bar line, or the end of the piece.
        groups: names of those that play anew.
        settings: as for the piece.
        feel: how the piece divides its beats; None to tell from what is drawn.
        seed: decides between equally good ways.
        manner: of the accompaniment.
    """
    if plan.cadence is not None and start > plan.cadence:
        return []  # nothing begins after the last chord
    rng = random.Random(f"arrange {seed}")
    anew = {GROUPS.index(name) for name in groups if name in settings.groups}
    here = _passage_plan(plan, start, end)
    played = _in_manner(here, manner)
    spans = section_spans(played)
    notes = in_order(_later(event, -start) for event in drawn)
    if feel is not None:
        notes = settle(notes, feel)
    stays = [_later(event, -start) for event in kept]
    sung = [_later(event, -start) for event in melody]
    heard = in_order([*sung, *(e for e in stays if e.lead and e.group not in anew)])
    out = accompany(notes, spans, heard, played, settings, rng, manner.lift)
    if DRUMS in anew:
        out += _drum(notes, spans, played, plan, start, end, rng)
    out = [e for e in out if e.group in anew] + sung
    if plan.style == "jazz":
        out = swung(out, here.hits)
    whole = without_pile_ups(in_order([*out, *stays]), here.hits)
    whole = _strike(whole, stays, here, [GROUPS[group] for group in sorted(anew)])
    whole = set_ending(in_order(whole), here, settings.groups)
    there = {(e.group, e.pitch, e.start) for e in stays}
    out = [e for e in whole if e.group in anew and (e.group, e.pitch, e.start) not in there]
    inside = [e.moved(e.start, min(e.end, here.end)) for e in out if 0 <= e.start < here.end]
    return [_later(e, start) for e in _beside(one_at_a_time(inside), stays)]


def _later(event: Event, steps: int) -> Event:
    return event.moved(event.start + steps, event.end + steps)


def _passage_plan(plan: Plan, start: int, end: int) -> Plan:
    """Return a passage's plan from step 0 on, which knows the chord that comes after it."""

    def moved(step: int) -> int:
        return max(step - start, 0)

    chords = [chord for chord in plan.chords if start < chord.step < end]
    sections = [section for section in plan.sections if start < section.step < end]
    chords = [replace(plan.chord_at(start), step=start), *chords]
    if end < plan.end:
        chords.append(replace(plan.chord_at(end), step=end))
    sections = [replace(plan.section_at(start), step=start), *sections]
    cadence = plan.cadence
    return replace(
        plan,
        chords=tuple(replace(chord, step=moved(chord.step)) for chord in chords),
        sections=tuple(replace(section, step=moved(section.step)) for section in sections),
        hits=tuple(hit - start for hit in plan.hits if start <= hit < end),
        # A melody that ends where the last chord begins comes home to it.
        cadence=cadence - start if cadence is not None and start <= cadence <= end else None,
        end=min(end, plan.end) - start,
    )


def _in_manner(plan: Plan, manner: Manner) -> Plan:
    return replace(
        plan,
        sections=tuple(
            replace(section, energy=min(max(section.energy + manner.livelier, 0.0), 1.0))
            for section in plan.sections
        ),
    )


def _drum(
    drawn: Sequence[Event],
    spans: Sequence[SectionSpan],
    here: Plan,
    plan: Plan,
    start: int,
    end: int,
    rng: random.Random,
) -> list[Event]:
    """Return the drums: a groove for each letter; crash and fill only where a section begins."""
    grooves: dict[str, list[Pattern]] = {}
    struck = [e for e in drawn if e.group == DRUMS]
    begins = {section.step for section in plan.sections}
    beyond = replace(here, end=here.end + (end in begins and end < plan.end))
    out: list[Event] = []
    drummed = [span for span in spans if "drums" in span.section.groups]
    for span in drummed:
        letter = span.section.letter
        if letter not in grooves:
            alike = [one for one in drummed if one.section.letter == letter]
            grooves[letter] = groove_of(struck, here, alike)
        goes_on = span.start == 0 and start not in begins
        first = -here.metre.bar if goes_on else span.start
        out += steady_drums(beyond, replace(span, start=first), grooves[letter], rng)
    return out


def _strike(
    events: Sequence[Event], stays: Sequence[Event], here: Plan, anew: Sequence[str]
) -> list[Event]:
    """Return the passage with a strong chord at every hit point that has not kept one."""
    names = {GROUPS.index(name) for name in CHORD_GROUPS}
    least = MINIMUM_BEATS * STEPS_PER_QUARTER
    long = Counter(e.start for e in stays if e.group in names and e.end - e.start >= least)
    struck = tuple(hit for hit in here.hits if long[hit] >= MINIMUM_NOTES)
    missing = tuple(hit for hit in here.hits if hit not in struck)
    out = set_hits(events, replace(here, hits=missing), anew)
    others = [name for name in anew if name in ("bass", "drums")]
    return set_hits(in_order(out), replace(here, hits=struck), others)


def _beside(events: Sequence[Event], stays: Sequence[Event]) -> list[Event]:
    """Return the notes without what would cut a note that stays, or be cut by it.

    No group sounds a pitch twice at once; bass and melody sound one pitch at a time.
    """
    out = []
    for event in events:
        begin, until = event.start, event.end
        for other in stays:
            line = event.group == BASS or (event.lead and other.lead)
            if other.group != event.group or not (line or other.pitch == event.pitch):
                continue
            if other.start <= begin < other.end:
                begin = other.end
            elif begin < other.start:
                until = min(until, other.start)
        if until - begin >= min(STEPS_PER_SIXTEENTH, event.end - event.start):
            out.append(event.moved(begin, until))
    return out
