"""MIDI files to token shards: `python -m emsync.training.corpus FOLDER -o SHARDS`.

FOLDER holds MIDI files, or `SOURCE.tar.xz` archives beside an `index.jsonl.xz` that gives each file
its tier, split, song and labels. One shard a source; a shard that is already there is kept, so an
interrupted run goes on where it stopped. The same input gives the same shards.

Cleaning, each step for a reason seen in the data, and counted for each source:

- Files whose notes keep to no beat grid are left out: recorded performances (nine in ten of
  `tegridy`, seven in ten of `asap` and `giantmidi_eval`), where bars and beats mean nothing.
- Notes of one group that start within a 24th of a beat of each other (strums, human jitter) start
  together; starts and ends then move to twelfths of a beat. Jitter of a few milliseconds is
  noise to a small model: it makes every pause another token.
- Tempos are rounded so that a sixteenth is a whole number of 8 ms steps (at most 4 % off below
  156 BPM); the rhythm of a bar is then the same tokens in every bar.
- Silence before the first bar that sounds is cut, and a silence inside is two bars long at most.
- Notes are held for 16 beats at most: up to four files in ten have notes that nobody ended.
- A passage of eight bars or more that has come twice already is not told a third time.
- Tempos are kept between 20 and 400 beats a minute.

Labels: valence where the index has it, arousal from the tempo (thesis 4.2), majorness, what
`emsync.music.judging.emotion_regressor` hears in windows of 45 s, and the chords that
`emsync.training.harmony` finds.
"""

import hashlib
import json
import lzma
import math
import multiprocessing
import os
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emsync.music.chords import strong_chords
from emsync.music.judging.emotion_regressor import EmotionRegressor, load_regressor
from emsync.music.midi import group_of
from emsync.music.notes import (
    GROUPS,
    HIGHEST_PITCH,
    LOWEST_PITCH,
    TICK_SECONDS,
    NoteTable,
    one_voice_per_pitch,
)
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.harmony_labels import placed
from emsync.music.transformer.tokens import encode
from emsync.process.command import parser_of
from emsync.process.files import written_whole
from emsync.training.harmony import estimate
from emsync.training.labels import arousal_of_tempo, bars_apart, majorness, windows_of

Row = dict[str, object]
"""A line of the index."""

MINIMUM_NOTES = 64
MAXIMUM_SECONDS = 1800.0
STEPS_PER_BEAT = 12
MAXIMUM_BEATS = 16
SLOWEST_TEMPO = 20.0
FASTEST_TEMPO = 400.0
SILENT_BARS = 2
PASSAGE_BARS = 8
MINIMUM_CONCENTRATION = 0.15
"""Of the notes' places between two steps: 1 on a grid, 0 anywhere (see `_phase`)."""
HEARD_EVERY = 15.0
"""Seconds between the windows in which the mood is heard."""


@dataclass(frozen=True)
class Piece:
    """One piece, ready for training."""

    name: str
    source: str
    tier: str
    split: str
    tokens: np.ndarray
    """uint16, shape (tokens,); every bar begins with BAR."""
    valence: float
    """Labelled valence in [-1, 1]; NaN when unknown."""
    arousal: float
    """In [-1, 1], from the tempo; NaN without drums."""
    majorness: float
    groups: int
    """Number of instrument groups that sound, 1 to 5."""
    bpm: float
    heard_from: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """int64, shape (windows,): places in `tokens` of the BARs at which the windows begin."""
    heard: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.float32))
    """float32, shape (windows, 2): valence and arousal as the regressor hears them."""
    harmony_from: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """int64, shape (chords,): places in `tokens` from which each chord holds, ascending; the first
    tokens after which the clock has reached it (see
    `emsync.music.transformer.harmony_labels.placed`)."""
    harmony: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    """uint8, shape (chords,): labels of `emsync.music.transformer.harmony_labels`, 0 where none
    fits."""
    style: int = 0
    """Number of the style in `emsync.settings.Style`; 0 when unknown."""


class UnusableFile(Exception):
    """Why a MIDI file gave no piece."""


@dataclass(frozen=True)
class _Tempo:
    """Piecewise constant tempo on a grid of steps, each segment a whole number of ticks a 16th."""

    first_step: np.ndarray
    first_tick: np.ndarray
    ticks_per_step: np.ndarray

    def ticks(self, steps: np.ndarray) -> np.ndarray:
        segment = np.searchsorted(self.first_step, steps, side="right") - 1
        passed = (steps - self.first_step[segment]) * self.ticks_per_step[segment]
        return np.round(self.first_tick[segment] + passed).astype(np.int64)


def _tempo_of(changes: list[tuple[float, float]]) -> _Tempo:
    """Read (beat, beats per minute) pairs, sorted by beat; the first is at beat 0."""
    first_step: list[int] = []
    ticks_per_step: list[float] = []
    for beat, bpm in changes:
        sixteenth = 60.0 / min(max(bpm, SLOWEST_TEMPO), FASTEST_TEMPO) / 4
        ticks = max(round(sixteenth / TICK_SECONDS), 1) * 4 / STEPS_PER_BEAT
        step = round(beat * STEPS_PER_BEAT)
        if first_step and first_step[-1] == step:
            ticks_per_step[-1] = ticks
        elif not ticks_per_step or ticks_per_step[-1] != ticks:
            first_step.append(step)
            ticks_per_step.append(ticks)
    first_tick = np.concatenate(
        [[0.0], np.cumsum(np.diff(first_step) * np.array(ticks_per_step[:-1]))]
    )
    return _Tempo(np.array(first_step), first_tick, np.array(ticks_per_step))


def _together(group: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return starts in beats, strummed notes moved to the first of their strum."""
    order = np.lexsort((start, group))
    sorted_start = start[order]
    new_group = np.diff(group[order], prepend=-1) != 0
    gap = np.diff(sorted_start, prepend=-np.inf)
    begins = new_group | (gap > 1 / 24)
    # A strum is no longer than a sixth of a beat: past that, the next note begins another one.
    first = sorted_start[0] if len(order) else 0.0
    moved = sorted_start.copy()
    for i in range(len(order)):
        if begins[i] or sorted_start[i] - first > 1 / 6:
            first = sorted_start[i]
        moved[i] = first
    result = np.empty_like(start)
    result[order] = moved
    return result


@dataclass(frozen=True)
class Cleaning:
    """What was done to one file; summed, to all files of a source."""

    tempos_clamped: int = 0
    notes_shortened: int = 0
    silent_bars_cut: int = 0
    repeated_bars_cut: int = 0

    def __add__(self, other: "Cleaning") -> "Cleaning":
        mine, theirs = asdict(self), asdict(other)
        return Cleaning(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True)
class CleanPiece:
    """A MIDI file read, cleaned and spelled."""

    tokens: np.ndarray
    """uint16, shape (tokens,)."""
    notes: NoteTable
    bars: np.ndarray
    """Ticks at which bars begin."""
    bpm: float
    """The tempo that holds longest."""
    cleaning: Cleaning


def tokenise(data: bytes) -> CleanPiece:
    """Read, clean and spell a MIDI file.

    Raises:
        UnusableFile: the file cannot be read, holds too little or too much music, or its notes
            keep to no grid.
    """
    import symusic

    try:
        score: Any = symusic.Score.from_midi(data)
    except Exception as problem:
        raise UnusableFile(f"not readable: {problem}") from problem
    group, pitch, start, length = _notes_in_beats(score)
    phase = _phase(start)
    end_step = np.round((start + np.minimum(length, MAXIMUM_BEATS)) * STEPS_PER_BEAT - phase)
    start_step = np.round(_together(group, start) * STEPS_PER_BEAT - phase).astype(np.int64)
    end_step = np.maximum(end_step.astype(np.int64), start_step + 1)

    beat = float(score.ticks_per_quarter)
    signatures = sorted(
        (s.time / beat, 4 * s.numerator / s.denominator) for s in score.time_signatures
    )
    bar_step = _bars(signatures, int(end_step.max()))
    first_bar = bar_step[max(np.searchsorted(bar_step, start_step.min(), side="right") - 1, 0)]
    bar_step = bar_step[bar_step >= first_bar]

    changes = sorted((t.time / beat, t.qpm) for t in score.tempos)
    if not changes or changes[0][0] > 0:
        changes.insert(0, (0.0, 120.0))
    tempo = _tempo_of(changes)
    origin = tempo.ticks(np.array([first_bar]))[0]
    table = NoteTable(
        group, pitch, tempo.ticks(start_step) - origin, tempo.ticks(end_step) - origin
    )
    if table.end.max() * TICK_SECONDS > MAXIMUM_SECONDS:
        raise UnusableFile("longer than half an hour")
    table = one_voice_per_pitch(table)
    step_at_start = np.searchsorted(tempo.first_tick - origin, table.start, side="right") - 1
    beat_ticks = tempo.ticks_per_step[np.maximum(step_at_start, 0)] * STEPS_PER_BEAT
    chords = strong_chords(table, beat_ticks)
    bars = tempo.ticks(bar_step) - origin
    silent = _long_silences(table, bars)
    repeated = _told_twice(table, bars) & ~silent
    table, bars, chords = _without(silent | repeated, table, bars, chords)
    edges = np.append(tempo.first_step, max(int(end_step.max()), int(tempo.first_step[-1]) + 1))
    lasting = np.diff(edges) * tempo.ticks_per_step
    ticks_per_step = tempo.ticks_per_step[int(np.argmax(lasting))]
    return CleanPiece(
        tokens=encode(table, bars, chords, drum_offs=False),
        notes=table,
        bars=bars,
        bpm=60.0 / (ticks_per_step * STEPS_PER_BEAT * TICK_SECONDS),
        cleaning=Cleaning(
            tempos_clamped=sum(not SLOWEST_TEMPO <= bpm <= FASTEST_TEMPO for _, bpm in changes),
            notes_shortened=int((length > MAXIMUM_BEATS).sum()),
            silent_bars_cut=int(silent.sum()),
            repeated_bars_cut=int(repeated.sum()),
        ),
    )


def _notes_in_beats(score: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Group, pitch, start and length in beats of the notes that the vocabulary can say."""
    beat = float(score.ticks_per_quarter)
    columns: list[np.ndarray] = []
    for track in score.tracks:
        group = group_of(track.program, track.is_drum)
        if group is None or not len(track.notes):
            continue
        notes = track.notes.numpy()
        columns.append(
            np.stack(
                [
                    np.full(len(notes["time"]), group),
                    notes["pitch"],
                    notes["time"] / beat,
                    notes["duration"] / beat,
                ]
            )
        )
    if not columns:
        raise UnusableFile("no notes")
    group, pitch, start, length = np.concatenate(columns, axis=1)
    kept = (pitch >= LOWEST_PITCH) & (pitch <= HIGHEST_PITCH)
    if kept.sum() < MINIMUM_NOTES:
        raise UnusableFile(f"fewer than {MINIMUM_NOTES} notes")
    return group[kept].astype(np.int64), pitch[kept].astype(np.int64), start[kept], length[kept]


def _phase(start: np.ndarray) -> float:
    """Return where between two steps the notes begin on the whole, in steps from -0.5 to 0.5.

    Raises:
        UnusableFile: they begin anywhere. Their places in the step, taken as angles, then have a
            mean that is hardly longer than zero.
    """
    mean = np.exp(2j * np.pi * start * STEPS_PER_BEAT).mean()
    if abs(mean) < MINIMUM_CONCENTRATION:
        raise UnusableFile("performed: its notes keep to no grid")
    return float(np.angle(mean) / (2 * np.pi))


def _in_bar(table: NoteTable, bars: np.ndarray) -> np.ndarray:
    """Number of the bar in which each note starts."""
    out: np.ndarray = np.maximum(np.searchsorted(bars, table.start, side="right") - 1, 0)
    return out


def _long_silences(table: NoteTable, bars: np.ndarray) -> np.ndarray:
    """Mask of the bars without a sound that follow `SILENT_BARS` such bars."""
    first = np.searchsorted(bars, table.start, side="right") - 1
    last = np.searchsorted(bars, table.end, side="left") - 1
    change = np.zeros(len(bars) + 1, dtype=np.int64)
    np.add.at(change, np.maximum(first, 0), 1)
    np.add.at(change, np.maximum(last, 0) + 1, -1)
    cut = np.zeros(len(bars), dtype=bool)
    run = 0
    for number, silent in enumerate(change.cumsum()[:-1] == 0):
        run = run + 1 if silent else 0
        cut[number] = run > SILENT_BARS
    return cut


def _told_twice(table: NoteTable, bars: np.ndarray) -> np.ndarray:
    """Mask of the bars in passages of `PASSAGE_BARS` or more that have come twice already."""
    table = table.take(np.lexsort((table.pitch, table.group, table.start)))
    within = _in_bar(table, bars)
    events = np.stack(
        [table.group, table.pitch, table.start - bars[within], table.end - table.start], axis=1
    )
    edges = np.searchsorted(within, np.arange(len(bars) + 1))
    spelled = [events[a:b].tobytes() for a, b in pairwise(edges)]
    told: dict[tuple[bytes, ...], tuple[int, int]] = {}
    cut = np.zeros(len(bars), dtype=bool)
    for first in range(len(bars) - PASSAGE_BARS + 1):
        passage = tuple(spelled[first : first + PASSAGE_BARS])
        times, after = told.get(passage, (0, 0))
        if times >= 2 and first >= after and any(passage):
            cut[first : first + PASSAGE_BARS] = True
        elif first >= after:  # a passage that overlaps itself is one, not two
            told[passage] = (times + 1, first + PASSAGE_BARS)
    return cut


def _without(
    cut: np.ndarray, table: NoteTable, bars: np.ndarray, chords: np.ndarray
) -> tuple[NoteTable, np.ndarray, np.ndarray]:
    """Return the piece without the bars in `cut`; what follows them moves up.

    Notes that sound into a bar that is cut end where it begins.
    """
    if not cut.any():
        return table, bars, chords
    end = max(int(table.end.max()), int(bars[-1]) + 1)
    lengths = np.diff(np.append(bars, end))
    removed = np.concatenate([[0], np.cumsum(np.where(cut, lengths, 0))])
    cut_starts = np.append(bars[cut], end)
    next_cut = cut_starts[np.searchsorted(cut_starts, table.start)]
    within = _in_bar(table, bars)
    kept, shift = ~cut[within], removed[within]
    moved = NoteTable(
        table.group,
        table.pitch,
        table.start - shift,
        np.maximum(np.minimum(table.end, next_cut) - shift, table.start - shift + 1),
    )
    at = np.maximum(np.searchsorted(bars, chords, side="right") - 1, 0)
    return (
        moved.take(kept),
        (bars - removed[:-1])[~cut],
        (chords - removed[at])[~cut[at]],
    )


def _bars(signatures: list[tuple[float, float]], last_step: int) -> np.ndarray:
    """Return steps at which bars begin, from (beat, beats per bar); 4/4 where nothing is said."""
    if not signatures or signatures[0][0] > 0:
        signatures = [(0.0, 4.0), *signatures]
    bars: list[np.ndarray] = []
    for i, (beat, beats) in enumerate(signatures):
        first = round(beat * STEPS_PER_BEAT)
        last = (
            round(signatures[i + 1][0] * STEPS_PER_BEAT) if i + 1 < len(signatures) else last_step
        )
        bars.append(np.arange(first, last, max(round(beats * STEPS_PER_BEAT), STEPS_PER_BEAT)))
    return np.unique(np.concatenate([*bars, [0]]))


def piece_of(row: Row, data: bytes, regressor: EmotionRegressor) -> tuple[Piece, Cleaning] | str:
    """Return the piece that a file and its index row make, or why there is none."""
    try:
        clean = tokenise(data)
    except UnusableFile as problem:
        return str(problem)
    valence = row.get("human_valence")
    if valence is None and row.get("valence"):  # exactly 0.0 means unknown
        valence = 2 * float(str(row["valence"])) - 1
    groups = np.unique(clean.notes.group)
    has_drums = GROUPS.index("drums") in groups
    heard = [
        (number, mood.valence, mood.arousal)
        for number in bars_apart(clean.bars, HEARD_EVERY)
        for window in windows_of(clean.notes, clean.bars, clean.bars[number : number + 1])
        if not math.isnan((mood := regressor.hear(*window)).valence)
    ]
    windows = np.array(heard, dtype=np.float32).reshape(-1, 3)
    beat = 60.0 / clean.bpm / TICK_SECONDS
    harmony_from, harmony = placed(clean.tokens, *estimate(clean.notes, clean.bars, beat))
    piece = Piece(
        name=str(row["file"]),
        source=str(row["source"]),
        tier=str(row["tier"]),
        split=str(row["split"]),
        tokens=clean.tokens,
        valence=math.nan if valence is None else float(str(valence)),
        arousal=arousal_of_tempo(clean.bpm, has_drums),
        majorness=majorness(clean.notes),
        groups=len(groups),
        bpm=clean.bpm,
        heard_from=np.flatnonzero(clean.tokens == v.BAR)[windows[:, 0].astype(int)],
        heard=windows[:, 1:],
        harmony_from=harmony_from,
        harmony=harmony,
    )
    return piece, clean.cleaning


def _piece_of(
    regressor: EmotionRegressor, item: tuple[Row, bytes]
) -> tuple[str, tuple[Piece, Cleaning] | str]:
    return str(item[0]["file"]), piece_of(*item, regressor)


def _split_of(data: bytes) -> str:
    """2 % valid, 2 % test, by content, so that copies fall together."""
    bucket = int(hashlib.sha256(data).hexdigest(), 16) % 50
    return {0: "valid", 1: "test"}.get(bucket, "train")


def files_of(folder: Path, source: str, index: dict[str, Row]) -> Iterator[tuple[Row, bytes]]:
    """Index rows and contents of the files of one source, sorted by name within an archive."""
    archive = folder / f"{source}.tar.xz"
    if archive.exists():
        with tarfile.open(archive) as tar:
            for member in tar:
                row = index.get(member.name)
                content = tar.extractfile(member) if row is not None else None
                if row is not None and content is not None:
                    yield row, content.read()
        return
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi")):
        data = path.read_bytes()
        name = str(path.relative_to(folder))
        unknown: Row = {"file": name, "source": source, "tier": "unknown", "split": _split_of(data)}
        yield index.get(name, unknown), data


def read_index(folder: Path) -> dict[str, Row]:
    """Return rows of `index.jsonl.xz` by file name; empty where there is none."""
    path = folder / "index.jsonl.xz"
    if not path.exists():
        return {}
    with lzma.open(path, "rt") as lines:
        return {row["file"]: row for row in map(json.loads, lines)}


_RAGGED = {
    "tokens": "length",
    "heard_from": "windows",
    "heard": "windows",
    "harmony_from": "chords",
    "harmony": "chords",
}
"""Columns of different length in each piece, and the column that tells the length."""


def write_shard(pieces: list[Piece], path: Path) -> None:
    """Write `pieces` as one `.npz`; a half-written shard never bears the final name."""
    columns: dict[str, Any] = {
        name: np.array([getattr(piece, name) for piece in pieces])
        for name in Piece.__dataclass_fields__
        if name not in _RAGGED
    }
    for name, counted in _RAGGED.items():
        columns[name] = np.concatenate([getattr(piece, name) for piece in pieces])
        columns[counted] = np.array([len(getattr(piece, name)) for piece in pieces])
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **columns)


def read_shard(path: Path) -> list[Piece]:
    """Return the pieces of a shard, in the order in which they were written.

    Raises:
        SystemExit: it was written by an earlier version.
    """
    with np.load(path) as shard:
        if missing := set(Piece.__dataclass_fields__) - set(shard.files):
            raise SystemExit(
                f"{path} was written by an earlier version: it lacks {', '.join(sorted(missing))}. "
                "Delete it and run `python -m emsync.training.corpus` again."
            )
        columns: dict[str, Any] = {}
        for name in Piece.__dataclass_fields__:
            if name in _RAGGED:
                ends = np.cumsum(shard[_RAGGED[name]])
                columns[name] = np.split(shard[name], ends[:-1])
            else:
                columns[name] = shard[name].tolist()
    return [
        Piece(**{name: column[i] for name, column in columns.items()})
        for i in range(len(columns["name"]))
    ]


def build(folder: Path, out: Path, sources: list[str], processes: int) -> None:
    """Write a shard for each source in `sources` (all, if empty) that has none in `out` yet."""
    index, regressor = read_index(folder), load_regressor()
    archives = sorted(path.name.removesuffix(".tar.xz") for path in folder.glob("*.tar.xz"))
    names = sources or archives or [folder.name]
    if unknown := set(sources) - set(archives or [folder.name]):
        raise SystemExit(f"No such source in {folder}: {', '.join(sorted(unknown))}.")
    out.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for source in names:
            shard = out / f"{source}.npz"
            if shard.exists():
                print(f"{source}: kept, already there")
                continue
            pieces: list[Piece] = []
            cleaning = Cleaning()
            bad: dict[str, str] = {}
            work = files_of(folder, source, index)
            for file, result in pool.imap(partial(_piece_of, regressor), work, chunksize=16):
                if isinstance(result, str):
                    bad[file] = result
                else:
                    pieces.append(result[0])
                    cleaning += result[1]
            report = {"cleaning": asdict(cleaning), "left_out": bad}
            (out / f"{source}.json").write_text(json.dumps(report, indent=1, sort_keys=True))
            reasons = Counter(bad.values())
            told = "".join(f"; {count} left out: {why}" for why, count in sorted(reasons.items()))
            if not pieces:
                print(f"{source}: nothing usable{told}", flush=True)
                continue
            write_shard(pieces, shard)
            tokens = sum(len(piece.tokens) for piece in pieces)
            print(f"{source}: {len(pieces)} pieces, {tokens:,} tokens{told}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = parser_of("emsync.training.corpus", __doc__)
    parser.add_argument("folder", type=Path, help="MIDI files, or archives with an index")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--sources", nargs="*", default=[], help="only these archives")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        sys.exit(f"There is no folder {options.folder}.")
    build(options.folder, options.out, options.sources, options.processes)


if __name__ == "__main__":
    main()
