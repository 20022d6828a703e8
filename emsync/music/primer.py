"""What a user's MIDI file gives a piece: a primer to go on from, or the notes of a theme.

The file is a stranger's and its parsers trust it: a few bytes can ask them for hours of work or
gigabytes. So they run apart (``python -m emsync.music.primer``).
"""

import io
import json
import logging
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from emsync.errors import EmsyncError
from emsync.music.midi import group_of, notes_of
from emsync.music.midi_repair import repaired
from emsync.music.notes import (
    GROUPS,
    HIGHEST_PITCH,
    LOWEST_PITCH,
    TICK_SECONDS,
    Note,
    NoteTable,
    table_of,
)
from emsync.music.planning.grid import STEPS_PER_QUARTER
from emsync.process import child
from emsync.progress import CancelToken
from emsync.text import one_line, quoted

log = logging.getLogger(__name__)

LARGEST_PRIMER = 1_000_000
"""Bytes of a MIDI file to continue from. Ours: hours of music."""
PRIMER_SECONDS = 40.0
"""That it may take to read it; one of that size with nothing odd about it takes five."""
_MEMORY = 1 << 30
MOST_PRIMER_NOTES = 20_000
"""Notes of a primer that are taken, its last ones. Ours: hundreds a second."""
MOST_THEME_NOTES = 4000
"""Notes of a MIDI file in which a theme is looked for, from its beginning. Ours."""


@dataclass(frozen=True)
class Primer:
    """The end of somebody's music, for a piece to go on from. Times in ticks from its beginning."""

    notes: NoteTable
    """All have ended when it ends."""
    bars: tuple[int, ...]
    """Where bars begin."""
    length: int
    """It ends on a bar line where there is one."""


def read_primer(path: Path, seconds: float, cancel: CancelToken | None = None) -> Primer:
    """Read the end of a MIDI file.

    Args:
        path: a standard MIDI file.
        seconds: of music at most.
        cancel: stops it within a tenth of a second.

    Returns:
        The last `MOST_PRIMER_NOTES` notes at most.

    Raises:
        EmsyncError: with a sentence, if it is no MIDI file, too large, takes too long or too much
            memory to read, or has no notes in it of the five groups.
        Cancelled: the owner of the request asked to stop.
    """
    answer = _asked(path, "primer", [seconds], cancel)
    if not (isinstance(answer, list) and len(answer) == 3):
        raise _unreadable(path)
    rows, bars, length = answer
    if not (
        _are_rows(rows, MOST_PRIMER_NOTES)
        and isinstance(bars, list)
        and all(type(at) is int and at >= 0 for at in bars)
        and type(length) is int
    ):
        raise _unreadable(path)
    return Primer(_table(rows), tuple(bars), length)


def read_theme_notes(path: Path, cancel: CancelToken | None = None) -> NoteTable:
    """Return the notes of a MIDI file in steps, twelve a quarter, from its first bar line.

    Args:
        path: a standard MIDI file.
        cancel: stops it within a tenth of a second.

    Returns:
        At most `MOST_THEME_NOTES` notes, by their start.

    Raises:
        EmsyncError, Cancelled: as `read_primer`.
    """
    answer = _asked(path, "theme", [], cancel)
    if not (isinstance(answer, list) and _are_rows(answer, MOST_THEME_NOTES)):
        raise _unreadable(path)
    return _table(answer)


def _table(rows: list[list[int]]) -> NoteTable:
    return NoteTable(*np.array(rows, dtype=np.int64).T)


def _are_rows(rows: object, most: int) -> bool:
    return isinstance(rows, list) and 0 < len(rows) <= most and all(map(_is_row, rows))


def _is_row(row: object) -> bool:
    if not (isinstance(row, list) and len(row) == 4 and all(type(one) is int for one in row)):
        return False
    group, pitch, start, end = row
    return (
        0 <= group < len(GROUPS)
        and LOWEST_PITCH <= pitch <= HIGHEST_PITCH
        and 0 <= start < end < 1 << 40
    )


def _asked(
    path: Path, what: Literal["primer", "theme"], how: list[float], cancel: CancelToken | None
) -> object:
    """Return what the reader, which runs apart, answers."""
    try:
        if not path.is_file():
            raise _unreadable(path)
        if path.stat().st_size > LARGEST_PRIMER:
            raise EmsyncError(
                f"{quoted(path.name)} is too large: at most {LARGEST_PRIMER / 1e6:g} MB."
            )
        question = json.dumps([str(path), what, how]).encode()
        done = child.run_module("emsync.music.primer", question, PRIMER_SECONDS, cancel)
    except child.TooSlow as error:
        raise EmsyncError(
            f"{quoted(path.name)} could not be read within {PRIMER_SECONDS:g} s: it has too "
            "many notes, or is made to keep its reader busy. Choose another."
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error
    answer: object = None
    with suppress(ValueError, RecursionError):
        answer = json.loads(done.said)
    if isinstance(answer, str):
        raise EmsyncError(one_line(answer, 600))
    if not isinstance(answer, list):
        log.warning("reading a MIDI file ended with %d: %.200r", done.status, done.said)
    return answer


def _unreadable(path: Path) -> EmsyncError:
    return EmsyncError(f"{quoted(path.name)} is not a MIDI file that can be read. Choose another.")


def primer_of(path: Path, seconds: float) -> Primer:
    """Read the end of a MIDI file as `read_primer` does, in this process.

    Raises:
        EmsyncError: it cannot be parsed, or has no notes in it of the five groups.
    """
    import pretty_midi

    try:
        song = pretty_midi.PrettyMIDI(io.BytesIO(repaired(path.read_bytes())[0]))
        bars = [float(at) for at in song.get_downbeats()]
    except Exception as error:  # its parsers raise nearly anything
        raise _unreadable(path) from error
    notes = [note for note in notes_of(song) if LOWEST_PITCH <= note.pitch <= HIGHEST_PITCH]
    if not notes:
        raise EmsyncError(
            f"{quoted(path.name)} has no notes that can be continued. Choose another."
        )
    last = max(note.end for note in notes)
    if len(bars) > 1:
        bars.append(2 * bars[-1] - bars[-2])  # the bar line after the last bar
    end = min((bar for bar in bars if bar >= last - 0.05), default=last)
    first = max(0.0, end - seconds)
    begin = min((bar for bar in bars if bar >= first - 1e-6), default=first)
    kept = [
        Note(note.group, note.pitch, note.start - begin, min(note.end, end) - begin, note.velocity)
        for note in notes
        if begin <= note.start < end
    ]
    if not kept:
        raise EmsyncError(
            f"No note begins in the last {end - begin:g} s of {quoted(path.name)}. Choose "
            "another to continue from."
        )
    table = table_of(kept)
    return Primer(
        table.take(np.argsort(table.start, kind="stable")[-MOST_PRIMER_NOTES:]),
        tuple(round((bar - begin) / TICK_SECONDS) for bar in bars if begin <= bar < end),
        round((end - begin) / TICK_SECONDS),
    )


def _theme_notes(path: Path) -> list[list[int]]:
    """Return the answer for `read_theme_notes`, in this process.

    Raises:
        EmsyncError: it cannot be parsed, or has no notes in it that the generator knows.
    """
    import pretty_midi

    try:
        song = pretty_midi.PrettyMIDI(io.BytesIO(repaired(path.read_bytes())[0]))
        bars = [float(at) for at in song.get_downbeats()]
    except Exception as error:  # its parsers raise nearly anything
        raise _unreadable(path) from error

    def step(seconds: float) -> int:
        return round(song.time_to_tick(seconds) * STEPS_PER_QUARTER / song.resolution)

    rows: list[list[int]] = []
    for track in song.instruments:
        group = group_of(track.program, track.is_drum)
        if group is not None and not track.is_drum:
            rows += [
                [group, note.pitch, step(note.start), max(step(note.end), step(note.start) + 1)]
                for note in track.notes
                if LOWEST_PITCH <= note.pitch <= HIGHEST_PITCH
            ]
    if not rows:
        raise EmsyncError(f"{quoted(path.name)} has no melody that can be used. Choose another.")
    rows.sort(key=lambda row: (row[2], row[0], row[1]))
    lines = [step(bar) for bar in bars]
    first = max((line for line in lines if line <= rows[0][2]), default=0)
    return [[g, p, start - first, end - first] for g, p, start, end in rows[:MOST_THEME_NOTES]]


def main() -> None:
    """Read the MIDI file that standard input names; what it holds, or a sentence, comes out."""
    child.confine(PRIMER_SECONDS, _MEMORY)
    name, what, how = json.load(sys.stdin)
    path = Path(name)
    try:
        answer: object
        if what == "theme":
            answer = _theme_notes(path)
        else:
            primer = primer_of(path, *how)
            columns = (primer.notes.group, primer.notes.pitch, primer.notes.start, primer.notes.end)
            answer = [np.stack(columns, axis=1).tolist(), list(primer.bars), primer.length]
    except EmsyncError as error:
        answer = str(error)
    except MemoryError:
        answer = str(_unreadable(path))
    except Exception as error:  # a fault of ours, for the log
        answer = {"failed": child.fault(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
