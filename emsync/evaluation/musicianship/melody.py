"""Melody and form: lines that lead, motifs that return, stretches that differ."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from emsync.evaluation.musicianship.piece import MeasuredPiece
from emsync.evaluation.musicianship.structure import structureness
from emsync.music.judging.listening import BASS, pitched_of
from emsync.music.notes import GROUPS, NoteTable

NAN = float("nan")
LEAD_WINDOW, LEAD_STEP = 500, 250
"""Ticks of the windows of 4 s, and from one to the next."""
LEAD_GROUPS = ("guitar", "piano", "strings")
LEAD_NOTES = 4
"""Single notes that a lead line has in a window, at least."""
LEAD_PITCH = 60
"""MIDI pitch C4: the median of a lead line lies there or above."""
LEAD_PITCHES = 3
LEAD_STEPWISE = 0.3
LEAD_SINGLE = 0.6
MOTIF = 5
"""Intervals."""
MOTIF_TICKS = 4
"""Unit in which the rhythm of motifs is compared: 32 ms."""
LEAST_TOP = 12
STRETCH = 500
"""Ticks of the stretches of 4 s that form is looked at in."""


@dataclass(frozen=True)
class Melody:
    """NaN where there is too little to tell."""

    lead_windows: float
    """Share of windows of 4 s in which guitar, piano or strings have a line of their own: four
    single notes or more, three pitches, median C4 or above, a third of the intervals at most two
    semitones, hardly any chords. Ours."""
    top_line_steps: float
    """Share of the moves of the highest note (not the bass's) that are one or two semitones (von
    Hippel & Huron 2000: melodies move mostly by step)."""
    top_line_stays: float
    """Share of its onsets on the pitch before."""
    top_line_leaps: float
    """Share of its onsets an octave or more away."""
    motifs_returning: float
    """Share of five intervals of the top line, with their rhythm, that occur twice or more. Ours,
    after the repeated patterns of Conklin & Bergeron (2008)."""
    motif_shapes_returning: float
    """The same, whatever the rhythm."""
    density_contrast: float
    """Standard deviation of the notes in stretches of 4 s over their mean. Ours."""
    changes_of_players: float
    """Share of those stretches in which other groups play than in the one before. Ours."""
    si_short: float
    """SI, the structureness indicator (Wu & Yang 2020), of stretches of 3 to 8 s (`structure`)."""
    si_medium: float
    """SI of stretches of 8 to 15 s."""
    si_long: float
    """SI of stretches of 15 s and more."""


def melody_of(piece: MeasuredPiece) -> Melody:
    """Return the measures of melody and form of a piece."""
    pitched = pitched_of(piece.notes)
    return Melody(
        lead_windows=_lead_windows(pitched, piece.length),
        **_top_line(pitched),
        **_form(piece),
        **structureness(piece),
    )


def _lead_windows(pitched: NoteTable, length: int) -> float:
    order = np.lexsort((pitched.pitch, pitched.start))
    groups = [
        pitched.take(order[pitched.group[order] == GROUPS.index(name)]) for name in LEAD_GROUPS
    ]
    begins = range(0, length - LEAD_WINDOW, LEAD_STEP)
    led = sum(any(_leads(own, begin) for own in groups) for begin in begins)
    return led / max(len(begins), 1)


def _leads(own: NoteTable, begin: int) -> bool:
    """Return whether a group, sorted by start, has a lead line in the window from `begin` on."""
    first, last = np.searchsorted(own.start, (begin, begin + LEAD_WINDOW))
    if last - first < LEAD_NOTES:
        return False
    begun, where, count = np.unique(own.start[first:last], return_index=True, return_counts=True)
    line = own.pitch[first:last][where[count == 1]]
    return bool(
        len(line) >= LEAD_NOTES
        and np.median(line) >= LEAD_PITCH
        and len(np.unique(line)) >= LEAD_PITCHES
        and (np.abs(np.diff(line)) <= 2).mean() >= LEAD_STEPWISE
        and len(line) / len(begun) >= LEAD_SINGLE
    )


def top_line(pitched: NoteTable) -> tuple[np.ndarray, np.ndarray]:
    """Return the ticks at which groups above the bass begin, and the highest pitch that does."""
    above = pitched.take(pitched.group != BASS)
    order = np.lexsort((-above.pitch, above.start))
    starts, first = np.unique(above.start[order], return_index=True)
    return starts, above.pitch[order][first]


def _top_line(pitched: NoteTable) -> dict[str, float]:
    starts, pitches = top_line(pitched)
    if len(pitches) <= LEAST_TOP:
        names = ("top_line_steps", "top_line_stays", "top_line_leaps")
        return dict.fromkeys((*names, "motifs_returning", "motif_shapes_returning"), NAN)
    intervals = np.diff(pitches)
    moves = np.abs(intervals[intervals != 0])
    pauses = np.round(np.diff(starts) / MOTIF_TICKS).astype(int)
    return {
        "top_line_steps": float((moves <= 2).mean()) if len(moves) else NAN,
        "top_line_stays": float((intervals == 0).mean()),
        "top_line_leaps": float((np.abs(intervals) >= 12).mean()),
        "motifs_returning": _returning(intervals, pauses),
        "motif_shapes_returning": _returning(intervals),
    }


def _returning(*rows: np.ndarray) -> float:
    """Return the share of stretches of `MOTIF` columns that occur twice or more."""
    windows = [np.lib.stride_tricks.sliding_window_view(row, MOTIF).tolist() for row in rows]
    motifs = [tuple(map(tuple, motif)) for motif in zip(*windows, strict=True)]
    often = Counter(motifs)
    return float(np.mean([often[motif] > 1 for motif in motifs]))


def _form(piece: MeasuredPiece) -> dict[str, float]:
    notes = piece.notes
    begins = range(0, piece.length - STRETCH + 1, STRETCH)
    if len(begins) < 2:
        return {"density_contrast": NAN, "changes_of_players": NAN}
    stretch = notes.start // STRETCH
    within = stretch < len(begins)
    density = np.bincount(stretch[within], minlength=len(begins))
    playing = np.zeros((len(begins), len(GROUPS)), dtype=bool)
    playing[stretch[within], notes.group[within]] = True
    return {
        "density_contrast": float(density.std() / max(float(density.mean()), 1.0)),
        "changes_of_players": float((playing[1:] != playing[:-1]).any(axis=1).mean()),
    }
