"""The table of a batch: a line for each film, on the screen and as CSV."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from emsync.process.files import written_whole
from emsync.text import one_line

if TYPE_CHECKING:
    from emsync.results import Result

_FORMATS: Mapping[str, str] = {
    "seconds": ".2f",
    "valence": "+.2f",
    "arousal": "+.2f",
    "boundaries": "d",
    "hits": "d",
    "median_offset": ".3f",
    "seconds_taken": ".1f",
}


@dataclass(frozen=True)
class Row:
    """A line of the table; a film that failed has only a name and a problem."""

    film: str
    seconds: float | None = None
    """Length of the film."""
    valence: float | None = None
    arousal: float | None = None
    boundaries: int | None = None
    """Kept cuts."""
    hits: int | None = None
    """Of these, met by a strong chord of the notes."""
    median_offset: float | None = None
    """Seconds from a cut to the CHORD token that ticked it off, without sign; None without any."""
    seconds_taken: float | None = None
    """To score it, analysis included."""
    problem: str = ""
    """The sentence of its failure."""


def row_of(result: "Result", seconds_taken: float) -> Row:
    """Return the line of a scored film.

    Args:
        result: what came of it.
        seconds_taken: to score it, analysis included.
    """
    score = result.composition.score
    offsets = [
        abs(hit.offset)
        for hit in result.composition.boundaries
        if hit.kind == "cut" and hit.offset is not None
    ]
    return Row(
        film=result.analysis.film.path.name,
        seconds=float(result.analysis.film.duration),
        valence=result.mood.valence,
        arousal=result.mood.arousal,
        boundaries=score.boundaries,
        hits=score.strong_chords,
        median_offset=median(offsets) if offsets else None,
        seconds_taken=seconds_taken,
    )


def table(rows: Sequence[Row]) -> str:
    """Return rows as aligned text under headings; a problem stands in place of numbers."""
    lines = [["film", *(name.replace("_", " ") for name in _FORMATS)]]
    for row in rows:
        cells = [one_line(row.film)]
        if not row.problem:
            values = [(getattr(row, name), form) for name, form in _FORMATS.items()]
            cells += ["-" if value is None else format(value, form) for value, form in values]
        lines.append(cells)
    widths = [max(len(line[i]) for line in lines if i < len(line)) for i in range(len(lines[0]))]
    texts = []
    for line, problem in zip(lines, ["", *(row.problem for row in rows)], strict=True):
        first = line[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=False)]
        texts.append("  ".join([first, problem] if problem else [first, *rest]))
    return "\n".join(texts)


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write rows as CSV with a line of headings, numbers in full; the file appears whole.

    Raises:
        EmsyncError: it cannot be written.
    """
    with (
        written_whole(path, str(path)) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, [one.name for one in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
