"""MIDI files and scores of composed pieces: `python -m emsync.evaluation.scores FILM... -o FOLDER`.

Pieces of all styles, metres and methods are composed for the films in turn, and FOLDER receives of
each the MIDI file, the score as MusicXML and, where it can be engraved, its pages as PDF and as
pictures: to be looked at, for no figure tells whether a musician would accept them. Printed are, of
each piece and of all together:

  lines    distance of the file's bar lines from the composed bars, median and worst, milliseconds
  notes    distance of the file's notes from when they were played, worst, milliseconds
  written  share of the composed notes that are in the score
  voices   of a staff, at most
  rests    shorter than an eighth, for each hundred notes
  ties     for each hundred notes
  seconds  of the processor to make and write the score, for each minute of music
  schema   faults against the W3C's schema of MusicXML 4.0
  pages    that were engraved
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emsync.emotion.curve import MoodRequest
from emsync.emotion.mapping import Mood
from emsync.music.composition import Composition
from emsync.performance.midi_file import write_performance
from emsync.performance.notation.engrave import engrave
from emsync.performance.notation.musicxml import write_musicxml
from emsync.performance.notation.pdf import can_write_pdf, write_pdf
from emsync.performance.notation.score import Score
from emsync.performance.performance import Performance
from emsync.performance.performer import perform
from emsync.presets import from_plain
from emsync.process.command import check_empty, exit_status, parser_of
from emsync.progress import CancelToken
from emsync.settings import Settings

REQUESTS: tuple[dict[str, Any], ...] = (
    {}, {"style": "piano"}, {"style": "jazz"}, {"style": "rock"}, {"metre": "6/8"},
    {"metre": "3/4", "style": "waltz"}, {"style": "cinematic"}, {"method": "free"},
    {"style": "electronic"}, {"tonic": "Eb", "mode": "minor"}, {"style": "folk"},
    {"style": "pop", "density": "full"}, {"tonic": "F#", "mode": "major"},
)  # fmt: skip
"""Settings of music that are asked for in turn."""
MOODS: tuple[Mood | None, ...] = (
    None, Mood(-0.6, -0.4), Mood(0.7, 0.6), Mood(-0.7, 0.7), Mood(0.5, -0.5), Mood(0.0, 0.0),
)  # fmt: skip
"""Likewise; None: those of the scenes."""
FIGURES = ("median", "worst", "notes", "written", "voices", "rests", "ties", "seconds", "schema")
PICTURE_SCALE = 1.25
"""Of 72 dots an inch: 90, at which a page is read on a screen."""


@dataclass(frozen=True)
class Measured:
    """What there is to say of a piece; None where nothing can be said."""

    name: str
    median: float
    worst: float
    notes: float
    written: float
    voices: float
    rests: float
    ties: float
    seconds: float
    schema: float
    pages: int | None


def composed(films: Sequence[Path], pieces: int, seed: int) -> Iterator[tuple[str, Any]]:
    """Compose so many pieces for films in turn; yield each with a name.

    Raises:
        EmsyncError: a film cannot be read, or something that is needed is missing.
    """
    from emsync.pipeline import analyse, compose_pieces

    cancel, base = CancelToken(), Settings()

    @cache
    def analysed(film: Path) -> Any:
        return analyse(film, base, lambda progress: None, cancel)

    rows = zip(cycle(films), cycle(REQUESTS), cycle(MOODS), strict=False)
    for number, (film, request, mood) in enumerate(islice(rows, pieces)):
        curve = "scenes" if mood is None else "constant"
        asked = {"music": request, "mood": {"curve": curve}, "seed": seed + number}
        (piece, *_) = compose_pieces(
            analysed(film),
            from_plain(asked, base),
            lambda progress: None,
            cancel,
            request=MoodRequest(mood=mood),
        )
        words = [str(word).replace("/", "-").replace("#", "s") for word in request.values()]
        yield "-".join([f"{number + 1:02d}", film.stem, *words]), piece


def measure(name: str, piece: Composition, settings: Settings, folder: Path) -> Measured:
    """Write a piece into `folder` in every way, and return what there is to say of it."""
    played = perform(piece, settings.performance, settings.seed)
    midi, score = folder / f"{name}.mid", folder / f"{name}.musicxml"
    write_performance(played, midi, name)
    began = time.process_time()
    page = engrave(piece, played, name)
    write_musicxml(page, score)
    seconds = 60 * (time.process_time() - began) / piece.seconds
    off = 1000 * np.array([np.abs(bar_lines(midi) - at).min() for at in piece.bars])
    notes, rests, ties = _counted(page)
    return Measured(
        name,
        float(np.median(off)),
        float(off.max()),
        1000 * farthest_note(midi, played),
        notes / sum(note.start < piece.seconds for note in piece.notes),
        max(len(bar) for part in page.parts for staff in part.staves for bar in staff.bars),
        100 * rests / notes,
        100 * ties / notes,
        seconds,
        faults_of(score),
        _engraved(score),
    )


def bar_lines(midi: Path) -> np.ndarray:
    """Return the seconds at which a sequencer draws bar lines, from what the file says alone."""
    import mido

    file = mido.MidiFile(midi)
    metres, tempos, tick = [], [], 0
    for message in file.tracks[0]:
        tick += message.time
        if message.type == "time_signature":
            metres.append(
                (tick, message.numerator * 4 * file.ticks_per_beat // message.denominator)
            )
        elif message.type == "set_tempo":
            tempos.append((tick, message.tempo / 1e6 / file.ticks_per_beat))
    lines: list[int] = []
    for (begin, length), (end, _) in pairwise([*metres, (tick + 1, 1)]):
        lines += range(begin, end, length)
    first = np.array([at for at, _ in tempos], dtype=np.float64)
    lasting = np.array([seconds for _, seconds in tempos])
    origin = np.concatenate([[0.0], np.cumsum(np.diff(first) * lasting[:-1])])
    at = np.searchsorted(first, lines, side="right") - 1
    return origin[at] + (np.array(lines) - first[at]) * lasting[at]


def farthest_note(midi: Path, played: Performance) -> float:
    """Return by how many seconds a note's beginning differs, at most, when the file is read."""
    import pretty_midi

    read = pretty_midi.PrettyMIDI(str(midi))
    found = sorted((p.name, n.pitch, n.start) for p in read.instruments for n in p.notes)
    asked = sorted((n.group, n.pitch, n.start) for n in played.notes)
    if [row[:2] for row in found] != [row[:2] for row in asked]:
        return float("inf")
    pairs = zip(found, asked, strict=True)
    return max((abs(one[2] - other[2]) for one, other in pairs), default=0.0)


def _counted(score: Score) -> tuple[int, int, int]:
    """Return how many notes are written, how many rests are shorter than an eighth, and how many
    notes are tied on."""
    notes = rests = ties = 0
    for part in score.parts:
        for staff in part.staves:
            for symbol in (one for bar in staff.bars for voice in bar for one in voice):
                rests += symbol.is_rest and symbol.length < 12
                notes += 0 if symbol.tied_back else len(symbol.tones)
                ties += len(symbol.tones) if symbol.tied_on else 0
    return notes, rests, ties


@cache
def _schema() -> Any:
    import musicxml
    from xmlschema import XMLSchema10

    return XMLSchema10(str(Path(musicxml.__file__).parent / "generate_classes/musicxml_4_0.xsd"))


def faults_of(score: Path) -> int:
    """Return how often a file breaks the W3C's schema of MusicXML 4.0."""
    return sum(1 for _ in _schema().iter_errors(str(score)))


def _engraved(score: Path) -> int | None:
    """Write a score as PDF and as pictures, and return its pages; None where nothing engraves.

    Raises:
        ToolError: it cannot be engraved.
    """
    if not can_write_pdf():
        return None
    import pypdfium2

    path = score.with_suffix(".pdf")
    write_pdf(score, path, CancelToken())
    with pypdfium2.PdfDocument(path) as book:
        for number, page in enumerate(book, 1):
            picture = page.render(scale=PICTURE_SCALE).to_pil()
            picture.save(score.with_name(f"{score.stem}-{number}.png"))
        return len(book)


def table(rows: Sequence[Measured]) -> str:
    """Return a line for each piece, and the median and the worst of all."""
    head = f"{'piece':<36}" + "".join(f"{name:>9}" for name in (*FIGURES, "pages"))
    lines = [head, *(_line(row.name, row, row.pages) for row in rows)]
    columns = {name: [float(getattr(row, name)) for row in rows] for name in FIGURES}
    for title, of in (("median", statistics.median), ("largest", max), ("smallest", min)):
        values = "".join(f"{of(columns[name]):9.2f}" for name in FIGURES)
        lines.append(f"{title + ' of ' + str(len(rows)):<36}{values}")
    return "\n".join(lines)


def _line(name: str, row: Measured, pages: int | None) -> str:
    values = "".join(f"{getattr(row, figure):9.2f}" for figure in FIGURES)
    return f"{name[:35]:<36}{values}{'-' if pages is None else pages:>9}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = parser_of("emsync.evaluation.scores", __doc__)
    parser.add_argument("films", type=Path, nargs="+", metavar="FILM", help="to compose for")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, help="an empty folder, or a new one"
    )
    parser.add_argument(
        "--pieces", type=int, default=30, metavar="N", help="(default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first (default: %(default)s)")
    options = parser.parse_args(arguments)

    def work() -> None:
        check_empty(options.out)
        options.out.mkdir(parents=True, exist_ok=True)
        rows = []
        for name, piece in composed(options.films, options.pieces, options.seed):
            row = measure(name, piece.composition, piece.settings, options.out)
            print(_line(name, row, row.pages), file=sys.stderr, flush=True)
            rows.append(row)
        print(table(rows))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
