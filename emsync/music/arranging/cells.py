"""Rhythms of melodies: what a bar of a theme, of its answer and of a cadence may look like."""

import random
from dataclasses import dataclass

from emsync.music.planning.grid import STEPS_PER_EIGHTH, MetreName

Cell = tuple[int, ...]
"""Eighths that the notes of a bar last; a negative number is a rest."""


@dataclass(frozen=True)
class Cells:
    """Rhythms of one metre at one level of liveliness."""

    opening: tuple[Cell, ...]
    """Bars that begin a motif."""
    answer: tuple[Cell, ...]
    """Bars that end it, on a longer note."""
    cadence: tuple[Cell, ...]
    """Bars that end a phrase, on a long note."""


CALM, MIDDLE, LIVELY = range(3)

CELLS: dict[MetreName, tuple[Cells, Cells, Cells]] = {
    "4/4": (
        Cells(
            ((3, 1, 2, 2), (2, 1, 1, 4), (4, 1, 1, 2), (2, 2, 2, 2), (4, 3, 1), (1, 1, 2, 4)),
            ((2, 2, 4), (3, 1, 4), (4, 2, 2), (6, 1, 1)),
            ((2, 2, 4), (3, 1, 4), (1, 1, 6)),
        ),
        Cells(
            ((3, 1, 2, 2), (2, 1, 1, 2, 2), (2, 2, 2, 2), (1, 1, 2, 2, 2), (3, 3, 2), (4, 1, 1, 2)),
            ((2, 2, 4), (3, 1, 4), (1, 1, 2, 4), (2, 2, 3, 1), (3, 3, 2)),
            ((2, 2, 4), (1, 1, 2, 4), (3, 1, 4), (2, 6)),
        ),
        Cells(
            (
                (1, 1, 2, 1, 1, 2),
                (3, 3, 2),
                (1, 2, 1, 2, 2),
                (2, 1, 1, 1, 1, 2),
                (3, 1, 2, 1, 1),
                (-1, 1, 1, 1, 2, 2),
                (-1, 1, 2, 1, 1, 2),
            ),
            ((1, 1, 2, 4), (3, 1, 4), (1, 2, 1, 4), (2, 2, 4), (3, 3, 2)),
            ((1, 1, 2, 4), (1, 1, 1, 1, 4), (3, 1, 4), (2, 2, 4)),
        ),
    ),
    "3/4": (
        Cells(
            ((4, 2), (2, 2, 2), (3, 1, 2), (2, 4)), ((4, 2), (2, 4), (6,)), ((2, 4), (6,), (4, 2))
        ),
        Cells(
            ((2, 2, 2), (3, 1, 2), (4, 1, 1), (2, 1, 1, 2)),
            ((4, 2), (2, 4), (2, 2, 2)),
            ((2, 4), (1, 1, 4), (2, 4)),
        ),
        Cells(
            ((1, 1, 2, 2), (2, 1, 1, 2), (3, 1, 1, 1), (1, 1, 1, 1, 2)),
            ((2, 2, 2), (3, 1, 2), (2, 4)),
            ((1, 1, 4), (2, 4), (1, 1, 4)),
        ),
    ),
    "6/8": (
        Cells(((3, 2, 1), (2, 1, 3), (3, 3), (2, 1, 2, 1)), ((3, 3), (5, 1), (6,)), ((3, 3), (6,))),
        Cells(
            ((2, 1, 2, 1), (3, 1, 1, 1), (2, 1, 3), (1, 1, 1, 3)),
            ((3, 3), (2, 1, 3), (5, 1)),
            ((2, 1, 3), (3, 3), (1, 1, 4)),
        ),
        Cells(
            ((1, 1, 1, 2, 1), (2, 1, 1, 1, 1), (1, 1, 1, 1, 1, 1), (1, 1, 1, 3)),
            ((2, 1, 3), (1, 1, 1, 3), (3, 3)),
            ((1, 1, 4), (2, 1, 3), (1, 1, 1, 3)),
        ),
    ),
}
"""The commonest bars of songs in each metre, by ear. Ours."""


def liveliness(arousal: float, energy: float) -> int:
    """Return which level of rhythms fits a mood: `CALM`, `MIDDLE` or `LIVELY`.

    Arousal sets the tempo too, so that slow music needs no slow rhythms to be calm: some two notes
    a second are sung at any tempo.
    """
    if arousal < 0 and energy < 0.12:
        return CALM
    return MIDDLE if 0.7 * arousal + 0.6 * (energy - 0.5) < 0.35 else LIVELY


def choose(cells: tuple[Cell, ...], rng: random.Random, unlike: Cell | None = None) -> Cell:
    """Return one of `cells`, another than `unlike` where there is another."""
    return rng.choice([cell for cell in cells if cell != unlike] or list(cells))


def times_of(cell: Cell) -> list[tuple[int, int]]:
    """Return (offset, length) in steps of the notes in a bar."""
    notes, at = [], 0
    for eighths in cell:
        length = abs(eighths) * STEPS_PER_EIGHTH
        if eighths > 0:
            notes.append((at, length))
        at += length
    return notes
