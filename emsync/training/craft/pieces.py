"""Finished pieces as tokens with their labels, all known by construction, and as MIDI."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np

from emsync.music.arranging.events import Event, table_of_events
from emsync.music.chords import strong_chords
from emsync.music.midi import write_midi
from emsync.music.notes import GROUPS, TICK_SECONDS, Note, NoteTable, one_voice_per_pitch
from emsync.music.planning.grid import Grid
from emsync.music.planning.plan import Plan
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.harmony_labels import label_of_chord, placed
from emsync.music.transformer.tokens import encode
from emsync.settings import Style
from emsync.training.corpus import Piece
from emsync.training.craft.commission import Commission, commission
from emsync.training.craft.composing import compose
from emsync.training.labels import majorness

SPLITS = (("train", 94), ("valid", 97), ("test", 100))
"""Where each split ends, by the last two digits of a piece's number."""
STYLES: tuple[str, ...] = get_args(Style)


def in_ticks(grid: Grid, notes: Sequence[Event]) -> NoteTable:
    """Return notes of the grid on the generator's clock, one voice for each pitch of a group."""
    table, _ = table_of_events(notes)
    start, end = grid.ticks_of(table.start), grid.ticks_of(table.end)
    return one_voice_per_pitch(NoteTable(table.group, table.pitch, start, end))


def written(seed: int, number: int) -> Piece:
    """Return the piece of a corpus, by the corpus's seed and the piece's number in it."""
    job = commission(seed, number)
    return piece_of(job, *compose(job), name=f"craft/{seed}/{number:06d}", number=number)


def piece_of(job: Commission, plan: Plan, notes: Sequence[Event], name: str, number: int) -> Piece:
    """Return a piece of the corpus, spelled as `emsync.training.corpus` spells MIDI files.

    The mood asked for stands where the others have the one that is heard, at the first bar of each
    section.
    """
    grid = job.grid
    table = in_ticks(grid, notes)
    bar_steps = np.arange(0, plan.end, plan.metre.bar)
    bars = grid.ticks_of(bar_steps)
    beat = float(grid.ticks_of(plan.metre.bar) * 12 / plan.metre.bar)
    tokens = encode(table, bars, strong_chords(table, beat), drum_offs=False)
    chord_ticks = grid.ticks_of([chord.step for chord in plan.chords])
    harmony_from, harmony = placed(
        tokens, chord_ticks, [label_of_chord(chord) for chord in plan.chords]
    )
    first_bars = np.searchsorted(bar_steps, [section.step for section in plan.sections])
    moods = [(section.valence, section.arousal) for section in plan.sections]
    return Piece(
        name=name,
        source="craft",
        tier="synthetic",
        split=next(split for split, end in SPLITS if number % 100 < end),
        tokens=tokens,
        valence=job.moods[0].valence,
        arousal=job.moods[0].arousal,
        majorness=majorness(table),
        groups=len(np.unique(table.group)),
        bpm=job.bpm,
        heard_from=np.flatnonzero(tokens == v.BAR)[first_bars],
        heard=np.array(moods, dtype=np.float32).reshape(-1, 2),
        harmony_from=harmony_from,
        harmony=harmony,
        style=STYLES.index(plan.style),
    )


def write_piece_midi(job: Commission, plan: Plan, notes: Sequence[Event], path: Path) -> None:
    """Write a piece as a MIDI file, to listen to; the melody a little louder."""
    sounding = [
        Note(
            GROUPS[note.group],
            note.pitch,
            float(job.grid.ticks_of(note.start)) * TICK_SECONDS,
            float(job.grid.ticks_of(note.end)) * TICK_SECONDS,
            92 if note.lead else 74,
        )
        for note in notes
    ]
    end = max(note.end for note in sounding)
    write_midi(sounding, path, Fraction(end), job.bpm)
