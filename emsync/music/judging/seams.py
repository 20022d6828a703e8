"""How one bar goes on from another: what a listener notices where two musics are joined.

Measured are the bar before a bar line and the bar after it. In unbroken music these differ too, by
as much as the form wants it; so a join is held against what was there before, or against unbroken
music at the same place (`emsync.evaluation.seams`).
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from emsync.music.judging.listening import BASS, DRUMS
from emsync.music.notes import NoteTable
from emsync.music.planning.grid import STEPS_PER_SIXTEENTH
from emsync.music.planning.plan import Plan


@dataclass(frozen=True)
class Seam:
    """How much changes at a bar line. All 0 or more, the less the smoother; NaN: cannot be told."""

    key: float
    """1 less the cosine between the pitch classes of both bars, weighted by their time."""
    foreign: float
    """Share of the time of pitched notes, in both bars, outside the scale of the moment."""
    rhythm: float
    """1 less the cosine between the onsets of both bars on the sixteenths, group by group."""
    density: float
    """Octaves between the numbers of notes that begin: 1 is twice or half as many."""
    lead: float
    """Semitones from the last note of the melody to its first one after the line."""
    bass: float
    """Semitones from the last note of the bass to its first one after the line."""
    register: float
    """Semitones between the mean pitches of the accompaniment without the bass."""
    groups: float
    """Groups that sound in one of the bars only."""
    hole: float
    """Beats around the line in which no pitched note sounds."""


USUAL = Seam(
    key=0.6, foreign=0.02, rhythm=0.18, density=0.45, lead=2.0, bass=4.0, register=1.7, groups=0.25,
    hole=0.1,
)  # fmt: skip
"""About what changes at the bar lines of our own unbroken pieces in the mean (`python -m
emsync.evaluation.seams`), where it is not nothing: how much one measure weighs against another."""


def seam_at(notes: NoteTable, lead: np.ndarray, plan: Plan, line: int) -> Seam:
    """Return how the music goes on at a bar line.

    Args:
        notes: times in steps.
        lead: which of them are the melody, bool (notes,).
        plan: with the scale and the metre.
        line: step of the bar line.
    """
    bar = plan.metre.bar
    near = (notes.start < line + bar) & (notes.end > line - bar)
    notes, lead = notes.take(near), lead[near]
    before = _classes(notes, line - bar, line)
    after = _classes(notes, line, line + bar)
    begun = [_begun(notes, at, bar) for at in (line - bar, line)]
    counts = [float(onsets.sum()) for onsets in begun]
    others = ~lead & (notes.group != BASS) & (notes.group != DRUMS)
    heard = [set(_sounding(notes, at, at + bar).group.tolist()) for at in (line - bar, line)]
    return Seam(
        key=_apart(before, after),
        foreign=_foreign(notes, plan, line),
        rhythm=_apart(begun[0], begun[1]),
        density=abs(math.log2((counts[1] + 1) / (counts[0] + 1))),
        lead=_step(notes.take(lead), line, bar),
        bass=_step(notes.take(notes.group == BASS), line, bar),
        register=_moved(notes.take(others), line, bar),
        groups=float(len(heard[0] ^ heard[1])),
        hole=_hole(notes, line, bar, plan.metre.beat),
    )


def roughness(seam: Seam, than: Seam | None = None) -> float:
    """Return by how much more changes than usual, or than at another bar line, in all measures.

    Args:
        seam: what is judged.
        than: what may change without being held against it; nothing if None.
    """
    total = 0.0
    for field in fields(Seam):
        more = getattr(seam, field.name)
        if than is not None and not math.isnan(getattr(than, field.name)):
            more -= getattr(than, field.name)
        if not math.isnan(more):
            total += max(more, 0.0) / getattr(USUAL, field.name)
    return total


def _sounding(notes: NoteTable, start: int, end: int) -> NoteTable:
    return notes.take((notes.start < end) & (notes.end > start))


def _classes(notes: NoteTable, start: int, end: int) -> np.ndarray:
    """Return (12,): steps that each pitch class sounds in a stretch."""
    notes = _sounding(notes, start, end)
    notes = notes.take(notes.group != DRUMS)
    lasting = np.minimum(notes.end, end) - np.maximum(notes.start, start)
    return np.bincount(notes.pitch % 12, weights=lasting, minlength=12)


def _begun(notes: NoteTable, start: int, bar: int) -> np.ndarray:
    """Return (groups × sixteenths,): notes that begin on each sixteenth of a bar."""
    notes = notes.take((notes.start >= start) & (notes.start < start + bar))
    unit = bar // STEPS_PER_SIXTEENTH
    at = notes.group * unit + (notes.start - start) // STEPS_PER_SIXTEENTH
    return np.bincount(at, minlength=5 * unit).astype(float)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return 1 less the cosine; NaN where there is nothing on one side."""
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 1.0 - float(one @ other) / size if size else math.nan


def _foreign(notes: NoteTable, plan: Plan, line: int) -> float:
    bar = plan.metre.bar
    total = outside = 0
    pitched = notes.take(notes.group != DRUMS)
    rows = zip(pitched.pitch.tolist(), pitched.start.tolist(), pitched.end.tolist(), strict=True)
    for pitch, start, end in rows:
        begin = max(start, line - bar)
        lasting = min(end, line + bar) - begin
        total += lasting
        outside += lasting * (pitch % 12 not in plan.scale_at(begin))
    return outside / total if total else math.nan


def _step(line_notes: NoteTable, line: int, bar: int) -> float:
    """Return the semitones from the last pitch before a bar line to the first one after it."""
    starts = line_notes.start
    before = (starts >= line - bar) & (starts < line)
    after = (starts >= line) & (starts < line + bar)
    if not before.any() or not after.any():
        return math.nan
    last = line_notes.pitch[before][starts[before].argmax()]
    first = line_notes.pitch[after][starts[after].argmin()]
    return float(abs(int(first) - int(last)))


def _moved(notes: NoteTable, line: int, bar: int) -> float:
    sides = [_sounding(notes, at, at + bar).pitch for at in (line - bar, line)]
    if not len(sides[0]) or not len(sides[1]):
        return math.nan
    return abs(float(sides[0].mean() - sides[1].mean()))


def _hole(notes: NoteTable, line: int, bar: int, beat: int) -> float:
    """Return the beats around a bar line in which nothing pitched sounds."""
    sounding = np.zeros(2 * bar, dtype=bool)
    for group, start, end in zip(notes.group, notes.start, notes.end, strict=True):
        if group != DRUMS:
            sounding[max(start - line + bar, 0) : max(end - line + bar, 0)] = True
    if sounding[bar - 1] and sounding[bar]:
        return 0.0
    silent = 0
    for side in (sounding[bar:], sounding[:bar][::-1]):
        silent += bar if not side.any() else int(side.argmax())
    return silent / beat
