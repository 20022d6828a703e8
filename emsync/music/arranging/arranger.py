"""From drawn notes and a plan to music: the stages of an arrangement in their order."""

from dataclasses import dataclass

import numpy as np

from emsync.music import vocabulary as v
from emsync.music.arranging.bass import obey_bass
from emsync.music.arranging.events import (
    BASS,
    CHORDAL,
    DRUMS,
    Event,
    events_of,
    in_order,
    one_at_a_time,
    section_spans,
    table_of_events,
    within,
)
from emsync.music.arranging.harmonise import harmonise
from emsync.music.arranging.hits import set_ending, set_hits
from emsync.music.arranging.parts import share_parts
from emsync.music.plan import Plan
from emsync.music.tokens import NoteTable
from emsync.settings import MusicSettings


@dataclass(frozen=True)
class Theme:
    """A melody that a user brings along, as the theme of a piece."""

    steps: tuple[int, ...]
    pitches: tuple[int, ...]


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
    drawn = [e for e in events_of(notes) if e.start < plan.end]
    sections = section_spans(plan)
    out: list[Event] = []
    parted = []
    for span in sections:
        here = [
            e
            for e in within(drawn, span)
            if v.GROUPS[e.group] in span.section.groups and v.GROUPS[e.group] in settings.groups
        ]
        parts = share_parts(
            span, [e for e in here if e.group in CHORDAL], plan, settings.density, None, None, seed
        )
        parted.append((span, parts, here))
        out += obey_bass([e for e in here if e.group == BASS], plan, span)
        out += [e for e in here if e.group == DRUMS]
    out += harmonise(parted, plan)
    out = set_hits(in_order(out), plan, settings.groups)
    out = set_ending(in_order(out), plan, settings.groups)
    table, lead = table_of_events(one_at_a_time(out))
    return Arrangement(table, lead)
