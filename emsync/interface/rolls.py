"""Small piano rolls, as SVG: enough to tell one piece from another at a glance."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from emsync.interface.plots import GROUP_COLOURS

if TYPE_CHECKING:
    from emsync.music.notes import Note

_COLUMNS, _ROWS, _DRUMS = 64, 20, 3
"""Cells of the roll; drums have rows of their own below it."""
_LEAST_SPAN = 24
"""Semitones that a roll shows at least: two octaves."""


def small_roll(notes: Sequence["Note"], seconds: float) -> str:
    """Draw the notes of a piece in a few kilobytes, however many they are.

    Args:
        notes: of the piece.
        seconds: length of the film; what begins later is not shown.

    Returns:
        An `svg` element, which says nothing to screen readers.
    """
    pitches = [note.pitch for note in notes if note.group != "drums"] or [60]
    low, high = min(pitches), max(pitches)
    spare = max(0, _LEAST_SPAN - (high - low))
    low, span = low - spare // 2, high - low + spare
    cells: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for note in notes:
        if note.start >= seconds:
            continue
        first = int(_COLUMNS * note.start / seconds)
        last = first
        if note.group == "drums":
            row = _ROWS + note.pitch % _DRUMS
        else:
            row = round((_ROWS - 1) * (1 - (note.pitch - low) / span))
            last = max(first, int(_COLUMNS * min(note.end, seconds) / seconds - 1e-9))
        cells[note.group] |= {(row, column) for column in range(first, last + 1)}
    paths = "".join(
        f'<path stroke="{colour}" d="{"".join(_runs(cells[group]))}"/>'
        for group, colour in GROUP_COLOURS.items()
        if group in cells
    )
    return (
        f'<svg class="roll" viewBox="0 0 {_COLUMNS} {_ROWS + _DRUMS}" aria-hidden="true" '
        f'preserveAspectRatio="none">{paths}</svg>'
    )


def _runs(cells: set[tuple[int, int]]) -> Iterator[str]:
    """Yield a line for each row of cells that touch each other."""
    ordered = enumerate(sorted(cells))
    for (row, _), run in groupby(ordered, lambda one: (one[1][0], one[1][1] - one[0])):
        columns = [column for _, (_, column) in run]
        yield f"M{columns[0]} {row}.5h{len(columns)}"
