"""Notes while they are being arranged, and how a plan is cut into stretches."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from emsync.music.notes import GROUPS, NoteTable
from emsync.music.planning.plan import Chord, Plan, Section

BASS, DRUMS, GUITAR, PIANO, STRINGS = range(len(GROUPS))
CHORDAL = (GUITAR, PIANO, STRINGS)
"""Groups that can play chords and melodies."""


@dataclass(frozen=True, slots=True)
class Event:
    """One note on the grid."""

    group: int
    """Index into `notes.GROUPS`."""
    pitch: int
    start: int
    """Step."""
    end: int
    lead: bool = False
    """Whether it belongs to the melody."""

    def moved(self, start: int, end: int) -> "Event":
        """Return the same note at another time."""
        return replace(self, start=start, end=end)

    def at_pitch(self, pitch: int) -> "Event":
        """Return the same note at another pitch."""
        return replace(self, pitch=pitch)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of steps, `end` excluded, during which one chord or one section lasts."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ChordSpan(Span):
    """The stretch of a chord."""

    chord: Chord


@dataclass(frozen=True, slots=True)
class SectionSpan(Span):
    """The stretch of a section."""

    section: Section
    index: int


def events_of(notes: NoteTable) -> list[Event]:
    """Return the notes one by one, sorted by start, group and pitch."""
    columns = (notes.group, notes.pitch, notes.start, notes.end)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return in_order(Event(*row) for row in rows)


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return `events` sorted by start, group and pitch."""
    return sorted(events, key=lambda e: (e.start, e.group, e.pitch, e.end))


def table_of_events(events: Iterable[Event]) -> tuple[NoteTable, np.ndarray]:
    """Return the notes as columns, and the mask of the melody's among them."""
    rows = [(e.group, e.pitch, e.start, e.end, e.lead) for e in in_order(events)]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return NoteTable(*columns[:4]), columns[4].astype(bool)


def chord_spans(plan: Plan) -> list[ChordSpan]:
    """Return the chords with their ends, those after the end of the piece left out."""
    edges = [chord.step for chord in plan.chords] + [plan.end]
    return [
        ChordSpan(start, min(end, plan.end), chord)
        for chord, (start, end) in zip(plan.chords, pairwise(edges), strict=True)
        if start < min(end, plan.end)
    ]


def chords_inside(spans: Sequence[ChordSpan], section: Span) -> list[ChordSpan]:
    """Return the chords of a section, cut to its ends."""
    first = max(0, bisect_right(spans, section.start, key=lambda s: s.start) - 1)
    last = bisect_left(spans, section.end, key=lambda s: s.start)
    return [
        ChordSpan(max(s.start, section.start), min(s.end, section.end), s.chord)
        for s in spans[first:last]
    ]


def same_harmony(one: Chord, other: Chord) -> bool:
    """Return whether two chords differ in nothing but their bass and their time."""
    return (one.root, one.quality) == (other.root, other.quality)


def harmony_spans(spans: Sequence[ChordSpan]) -> list[ChordSpan]:
    """Return the chords, those neighbours joined that are one harmony."""
    out: list[ChordSpan] = []
    for span in spans:
        if out and same_harmony(out[-1].chord, span.chord):
            out[-1] = replace(out[-1], end=span.end)
        else:
            out.append(span)
    return out


def section_spans(plan: Plan) -> list[SectionSpan]:
    """Return the sections with their ends, those after the end of the piece left out."""
    edges = [section.step for section in plan.sections] + [plan.end]
    return [
        SectionSpan(start, min(end, plan.end), section, index)
        for index, (section, (start, end)) in enumerate(
            zip(plan.sections, pairwise(edges), strict=True)
        )
        if start < min(end, plan.end)
    ]


def within(events: Sequence[Event], span: Span) -> Sequence[Event]:
    """Return the notes that begin in `span`. Expects sorted `events`."""
    first = bisect_left(events, span.start, key=lambda e: e.start)
    return events[first : bisect_left(events, span.end, lo=first, key=lambda e: e.start)]


def onsets(events: Iterable[Event]) -> Iterator[tuple[int, list[Event]]]:
    """Yield the notes that begin together, step by step, lowest first. Expects sorted `events`."""
    together: list[Event] = []
    for event in events:
        if together and event.start != together[0].start:
            yield together[0].start, sorted(together, key=lambda e: e.pitch)
            together = []
        together.append(event)
    if together:
        yield together[0].start, sorted(together, key=lambda e: e.pitch)


def one_at_a_time(events: Iterable[Event]) -> list[Event]:
    """Return `events` such that no group sounds a pitch twice at once and all last a step.

    Of two that begin together the longer stays, and the melody's before any other; a note that is
    struck again ends there.
    """
    kept: list[Event] = []
    last: dict[tuple[int, int], int] = {}
    for event in sorted(events, key=lambda e: (e.start, not e.lead, e.group, e.pitch, -e.end)):
        if event.end <= event.start:
            continue
        voice = (event.group, event.pitch)
        before = last.get(voice)
        if before is not None and kept[before].end > event.start:
            if kept[before].start == event.start:
                continue
            kept[before] = kept[before].moved(kept[before].start, event.start)
        last[voice] = len(kept)
        kept.append(event)
    return in_order(kept)
