"""From drawn notes and a plan to music: the stages of an arrangement in their order."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emsync.music.arranging.bass import obey_bass
from emsync.music.arranging.drums import Pattern, groove_of, steady_drums
from emsync.music.arranging.events import (
    BASS,
    CHORDAL,
    DRUMS,
    GUITAR,
    PIANO,
    Event,
    SectionSpan,
    chord_spans,
    chords_inside,
    events_of,
    harmony_spans,
    in_order,
    one_at_a_time,
    section_spans,
    table_of_events,
    within,
)
from emsync.music.arranging.harmonise import harmonise
from emsync.music.arranging.hits import set_ending, set_hits
from emsync.music.arranging.lead import Tune, come_home, sing, write_tune
from emsync.music.arranging.parts import CALM_BELOW, LEAD_RANGE, share_parts
from emsync.music.arranging.recall import material
from emsync.music.arranging.texture import feel_of, settle, swung, without_pile_ups
from emsync.music.arranging.theme import Theme, tune_of
from emsync.music.notes import GROUPS, NoteTable
from emsync.music.planning.plan import Plan
from emsync.settings import MusicSettings


@dataclass(frozen=True)
class Arrangement:
    """A piece as it is to sound."""

    notes: NoteTable
    """In grid steps, sorted by start, group and pitch."""
    lead: np.ndarray
    """Which notes are the melody, bool (notes,)."""


def arrange(
    notes: NoteTable,
    plan: Plan,
    settings: MusicSettings,
    seed: int,
    theme: Theme | None = None,
) -> Arrangement:
    """Return the drawn notes arranged after the plan.

    Args:
        notes: drawn by the generator, times in steps of the grid.
        plan: of the piece.
        settings: groups allowed, density, melody.
        seed: decides between equally good ways.
        theme: melody for the sections lettered A.
    """
    rng = random.Random(f"arrange {seed}")
    drawn = [e for e in events_of(notes) if e.start < plan.end]
    drawn = settle(drawn, feel_of(drawn))
    sections = section_spans(plan)
    melody = write_lead(plan, settings, seed, theme)
    out = accompany(drawn, sections, melody, plan, settings, rng)
    if "drums" in settings.groups:
        out += drum(drawn, sections, plan, rng)
    out += melody
    if plan.style == "jazz":
        out = swung(out, plan.hits)
    out = without_pile_ups(in_order(out), plan.hits)
    out = set_hits(out, plan, settings.groups)
    out = set_ending(in_order(out), plan, settings.groups)
    table, lead = table_of_events(one_at_a_time(out))
    return Arrangement(table, lead)


def write_lead(
    plan: Plan,
    settings: MusicSettings,
    seed: int,
    theme: Theme | None,
    motif: Tune | None = None,
) -> list[Event]:
    """Return the melody of the piece: a tune for each letter, back whenever the letter is.

    The user's theme is the tune of letter A, or where scenes are named for it, theirs; if there is
    none, `motif` comes back in them, or else the first tune.
    """
    if not settings.melody:
        return []
    tunes: dict[str, Tune] = {}
    if theme is not None:
        motif = tune_of(theme, plan.metre)
        if not any(section.motif for section in plan.sections):
            tunes["A"] = motif
    out: list[Event] = []
    for span in section_spans(plan):
        name, letter = span.section.lead, span.section.letter
        if name is None or not _sings(name, settings):
            continue
        returning = span.section.motif and motif is not None
        if letter not in tunes and not returning:
            tunes[letter] = _tune_of_letter(plan, span, seed)
        tune = motif if returning and motif is not None else tunes[letter]
        motif = motif or tune
        group = GROUPS.index(name)
        low, high = LEAD_RANGE[group]
        line = sing(tune, plan, span, low, high)
        if plan.cadence is not None and span.start < plan.cadence <= span.end:
            line = come_home(line, plan, low, high)
        out += [Event(group, pitch, start, end, lead=True) for start, end, pitch in line]
    return out


def first_tune(plan: Plan, settings: MusicSettings, seed: int) -> Tune | None:
    """Return the tune that comes first in a piece without a theme; None without a melody."""
    for span in section_spans(plan):
        if settings.melody and span.section.lead and _sings(span.section.lead, settings):
            return _tune_of_letter(plan, span, seed)
    return None


def _sings(name: str, settings: MusicSettings) -> bool:
    return name in settings.groups and GROUPS.index(name) in CHORDAL


def _tune_of_letter(plan: Plan, span: SectionSpan, seed: int) -> Tune:
    return write_tune(plan, span, random.Random(f"tune {seed} {span.section.letter}"))


def accompany(
    drawn: Sequence[Event],
    sections: Sequence[SectionSpan],
    melody: Sequence[Event],
    plan: Plan,
    settings: MusicSettings,
    rng: random.Random,
    lift: int = 0,
) -> list[Event]:
    """Return bass and chords, below the melody while there is one; `lift` as in `share_parts`."""
    turns = {letter: rng.randrange(64) for letter in sorted({s.section.letter for s in sections})}
    chords = chord_spans(plan)
    out: list[Event] = []
    parted = []
    for span, made in zip(
        sections, material(drawn, sections, plan, settings.groups, rng), strict=True
    ):
        sung = within(melody, span)
        ceiling = min(e.pitch for e in sung) - 1 if sung else None
        lead = _relieved(span, settings.groups, sung)
        chordal = [e for e in made if e.group in CHORDAL and e.group != lead]
        parts = share_parts(
            span, chordal, plan, settings, lead, ceiling, turns[span.section.letter], lift
        )
        inside = chords_inside(chords, span)
        out += obey_bass([e for e in made if e.group == BASS], plan, inside)
        parted.append((span, parts, chordal, harmony_spans(inside)))
    return out + harmonise(parted, plan)


def _relieved(span: SectionSpan, allowed: Sequence[str], sung: Sequence[Event]) -> int | None:
    """Return the group that plays only the melody; None if it has to accompany itself as well.

    It has to where nobody else would move: strings alone hold their chords in calm music, so a
    pianist or guitarist goes on with the other hand.
    """
    if not sung:
        return None
    lead = sung[0].group
    playing = {GROUPS.index(name) for name in span.section.groups if name in allowed}
    others = playing & set(CHORDAL) - {lead}
    if others & {GUITAR, PIANO} or (others and span.section.arousal >= CALM_BELOW):
        return lead
    return None


def drum(
    drawn: Sequence[Event], sections: Sequence[SectionSpan], plan: Plan, rng: random.Random
) -> list[Event]:
    """Return the drums: one groove for each letter, the drawn one where there is one."""
    grooves: dict[str, list[Pattern]] = {}
    struck = [e for e in drawn if e.group == DRUMS]
    out: list[Event] = []
    drummed = [span for span in sections if "drums" in span.section.groups]
    for span in drummed:
        letter = span.section.letter
        if letter not in grooves:
            alike = [s for s in drummed if s.section.letter == letter]
            grooves[letter] = groove_of(struck, plan, alike)
        out += steady_drums(plan, span, grooves[letter], rng)
    return out
