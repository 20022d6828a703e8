"""Piano rolls of many pieces on one sheet, to be looked at: `python -m emsync.evaluation.rolls`.

A measure can praise a piece that a glance condemns. Time runs to the right, pitch upwards; each
group has its colour, the melody is darker, drums lie below. Bar lines are grey, hit points dashed
red; chord symbols and the letters of the sections stand on top.

MIDI files that `python -m emsync.evaluation --only musicianship --keep-pieces` wrote bring their
mood, hit points, chords and sections along; others show their notes and bars.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from emsync.errors import EmsyncError
from emsync.interface.plots import GROUP_COLOURS
from emsync.music.composition import Composition
from emsync.music.judging.listening import class_weights, key_of, pitched_of
from emsync.music.midi import notes_of
from emsync.music.notes import Note, table_of
from emsync.music.planning.plan import PITCH_NAMES
from emsync.process.command import parser_of
from emsync.process.files import written_whole

PER_SHEET = 10
ROW_INCHES, WIDE_INCHES, DOTS = 2.0, 16.0, 90
HIGHEST = 84
"""MIDI pitch that is always shown, C6."""
DRUM_ROWS = (
    ((35, 36), 9),
    ((38, 40, 37, 39), 12),
    ((42, 44, 46, 51, 59, 53), 15),
    ((41, 43, 45, 47, 48, 50), 18),
)
"""Drums that share a row, and where it lies on the scale of pitches: kick, snare, hats and toms."""
OTHER_DRUMS = 21
PIECES_FILE = "pieces.json"


@dataclass(frozen=True)
class Roll:
    """What is drawn of one piece. Times in seconds."""

    title: str
    notes: tuple[Note, ...]
    lead: tuple[bool, ...]
    """Which of the notes are the melody; may be empty."""
    bars: tuple[float, ...]
    hits: tuple[float, ...]
    symbols: tuple[tuple[float, str], ...]
    sections: tuple[tuple[float, str], ...]
    seconds: float


def roll_of(composition: Composition, name: str) -> Roll:
    """Return the roll of a composed piece; `name` begins its title."""
    moods = " → ".join(f"{one.valence:+.2f} {one.arousal:+.2f}" for one in composition.curve.moods)
    faults = f" | {'; '.join(composition.faults)}" if composition.faults else ""
    return Roll(
        title=f"{name} | valence, arousal {moods} | {composition.beats_per_minute:.0f} bpm, "
        f"{_key(composition.notes)}{faults}",
        notes=composition.notes,
        lead=composition.lead,
        bars=composition.bars,
        hits=tuple(one.asked for one in composition.boundaries),
        symbols=composition.symbols,
        sections=composition.sections,
        seconds=composition.seconds,
    )


def _key(notes: Sequence[Note]) -> str:
    key = key_of(class_weights(pitched_of(table_of(notes))))
    return f"{PITCH_NAMES[key.tonic]} {'minor' if key.minor else 'major'} as heard"


def described(roll: Roll) -> dict[str, Any]:
    """Return what a MIDI file does not hold of a roll, for `PIECES_FILE`; `read_rolls` reads it."""
    lead = [
        [round(note.start, 3), note.pitch]
        for note, leads in zip(roll.notes, roll.lead, strict=False)
        if leads
    ]
    return {
        "title": roll.title,
        "lead": lead,
        "bars": [round(at, 3) for at in roll.bars],
        "hits": list(roll.hits),
        "symbols": [[round(at, 3), symbol] for at, symbol in roll.symbols],
        "sections": [[round(at, 3), letter] for at, letter in roll.sections],
        "seconds": roll.seconds,
    }


def read_rolls(paths: Sequence[Path]) -> list[Roll]:
    """Return the rolls of MIDI files, with what `PIECES_FILE` beside them says.

    Raises:
        EmsyncError: one of them cannot be read.
    """
    known: dict[Path, dict[str, Any]] = {}
    for folder in {path.parent for path in paths}:
        listing = folder / PIECES_FILE
        if listing.is_file():
            for row in json.loads(listing.read_text()):
                known[folder / row["file"]] = row["roll"]
    return [_read(path, known.get(path)) for path in paths]


def _read(path: Path, known: dict[str, Any] | None) -> Roll:
    import pretty_midi

    try:
        song = pretty_midi.PrettyMIDI(str(path))
        bars = tuple(map(float, song.get_downbeats()))
    except Exception as problem:  # its parsers raise nearly anything
        raise EmsyncError(f"{path} is not a MIDI file that can be read.") from problem
    notes = notes_of(song)
    if known is None:
        end = max((note.end for note in notes), default=1.0)
        title = f"{path.stem} | {_key(notes)}"
        return Roll(title, tuple(notes), (), bars, (), (), (), end)
    lead = {(at, pitch) for at, pitch in known["lead"]}
    return Roll(
        title=known["title"],
        notes=tuple(notes),
        lead=tuple(_is_in(note, lead) for note in notes),
        bars=tuple(known["bars"]),
        hits=tuple(known["hits"]),
        symbols=tuple((at, symbol) for at, symbol in known["symbols"]),
        sections=tuple((at, letter) for at, letter in known["sections"]),
        seconds=known["seconds"],
    )


def _is_in(note: Note, lead: set[tuple[float, int]]) -> bool:
    """Return whether a note is of the melody; MIDI files round times to a millisecond or so."""
    at = round(note.start, 3)
    return any((round(at + off, 3), note.pitch) in lead for off in (0, 0.001, -0.001))


def draw_sheets(rolls: Sequence[Roll], path: Path, per_sheet: int = PER_SHEET) -> list[Path]:
    """Draw rolls under each other, and return the files: `path`, or `path`-1, -2 and so on."""
    sheets = [rolls[first : first + per_sheet] for first in range(0, len(rolls), per_sheet)]
    paths = []
    for number, some in enumerate(sheets, 1):
        name = path if len(sheets) == 1 else path.with_stem(f"{path.stem}-{number}")
        figure = Figure(figsize=(WIDE_INCHES, ROW_INCHES * len(some)), dpi=DOTS)
        axes = figure.subplots(len(some), 1, squeeze=False)[:, 0]
        for axis, roll in zip(axes, some, strict=True):
            draw_roll(axis, roll)
        figure.subplots_adjust(left=0.025, right=0.995, top=0.985, bottom=0.02, hspace=0.28)
        with written_whole(name) as partial:
            figure.savefig(partial, format="png")
        paths.append(name)
    return paths


def draw_roll(axis: Axes, roll: Roll) -> None:
    """Draw one piece."""
    top = max(HIGHEST, *(note.pitch for note in roll.notes if note.group != "drums"), 0)
    for at in roll.bars:
        axis.axvline(at, color="#D1D5DB", linewidth=0.5, zorder=0)
    for at in roll.hits:
        axis.axvline(at, color="#DC2626", linewidth=0.9, linestyle="--", zorder=1)
    lead = roll.lead or (False,) * len(roll.notes)
    boxes, colours, order = [], [], []
    for note, leads in zip(roll.notes, lead, strict=True):
        low, high = _height(note)
        end = max(note.end, note.start + 0.04) if note.group != "drums" else note.start + 0.06
        boxes.append([(note.start, low), (end, low), (end, high), (note.start, high)])
        colour = np.array(to_rgb(GROUP_COLOURS[note.group]))
        colours.append((*(colour * 0.45 if leads else colour), 1.0 if leads else 0.75))
        order.append(leads)
    ranked = np.argsort(order, kind="stable")  # the melody is drawn over the others
    axis.add_collection(
        PolyCollection(
            [boxes[i] for i in ranked], facecolors=[colours[i] for i in ranked], linewidth=0
        )
    )
    for at, symbol in roll.symbols:
        axis.text(at, top + 3, symbol, fontsize=6, clip_on=True)
    for at, letter in roll.sections:
        axis.text(at, top + 10, letter, fontsize=8, fontweight="bold", clip_on=True)
    axis.set_xlim(0, roll.seconds)
    axis.set_ylim(6, top + 18)
    octaves = range(36, top + 1, 12)
    axis.set_yticks(octaves, labels=[f"C{pitch // 12 - 1}" for pitch in octaves])
    axis.set_xticks(range(0, int(roll.seconds) + 1, 5))
    axis.tick_params(labelsize=6, length=2, pad=1)
    axis.set_title(roll.title, fontsize=7, loc="left", pad=2)


def _height(note: Note) -> tuple[float, float]:
    """Return from where to where a note reaches on the scale of pitches."""
    if note.group != "drums":
        return note.pitch - 0.5, note.pitch + 0.5
    row = next((at for pitches, at in DRUM_ROWS if note.pitch in pitches), OTHER_DRUMS)
    return row - 1.0, row + 1.0


def main(arguments: list[str] | None = None) -> int:
    """Draw the sheets and name them; returns the exit status."""
    parser = parser_of("emsync.evaluation.rolls", __doc__)
    parser.add_argument("pieces", type=Path, nargs="+", metavar="PIECE", help="MIDI files")
    parser.add_argument("-o", "--out", type=Path, required=True, help="PNG file")
    parser.add_argument("--per-sheet", type=int, default=PER_SHEET, help="pieces (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        paths = draw_sheets(read_rolls(options.pieces), options.out, options.per_sheet)
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    print("\n".join(map(str, paths)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
