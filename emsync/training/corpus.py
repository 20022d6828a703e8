"""MIDI files to token shards: `python -m emsync.training.corpus FOLDER -o SHARDS`.

FOLDER holds MIDI files, or `SOURCE.tar.xz` archives beside an `index.jsonl.xz` that gives each file
its tier, split, song and labels. One shard a source; a shard that is already there is kept, so an
interrupted run goes on where it stopped. The same input gives the same shards.

Cleaning, each step for a reason seen in the data:

- Notes of one group that start within a 24th of a beat of each other (strums, human jitter) start
  together; starts and ends then move to twelfths of a beat. Jitter of a few milliseconds is
  noise to a small model: it makes every pause another token.
- Tempos are rounded so that a sixteenth is a whole number of 8 ms steps (at most 4 % off below
  156 BPM); the rhythm of a bar is then the same tokens in every bar.
- Silence before the first bar that sounds is cut, and notes are held for 16 beats at most.
"""

import argparse
import hashlib
import json
import lzma
import math
import multiprocessing
import os
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emsync.music import vocabulary as v
from emsync.music.chords import strong_chords
from emsync.music.tokens import NoteTable, encode, one_voice_per_pitch
from emsync.training.labels import arousal_of_tempo, majorness

Row = dict[str, object]
"""A line of the index."""

MINIMUM_NOTES = 64
MAXIMUM_SECONDS = 1800.0
STEPS_PER_BEAT = 12
MAXIMUM_BEATS = 16


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


class UnusableFile(Exception):
    """Why a MIDI file gave no piece."""


def group_of(program: int, is_drum: bool) -> int | None:
    """Index into `vocabulary.GROUPS` as in LPD-5; None for effects, which are dropped."""
    if is_drum:
        return v.GROUPS.index("drums")
    if program <= 7:
        return v.GROUPS.index("piano")
    if 24 <= program <= 31:
        return v.GROUPS.index("guitar")
    if 32 <= program <= 39:
        return v.GROUPS.index("bass")
    if 96 <= program <= 103 or program >= 112:
        return None
    return v.GROUPS.index("strings")


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
    """From (beat, beats per minute) pairs, sorted by beat; the first is at beat 0."""
    first_step: list[int] = []
    ticks_per_step: list[float] = []
    for beat, bpm in changes:
        sixteenth = 60.0 / min(max(bpm, 20.0), 400.0) / 4
        ticks = max(round(sixteenth / v.TICK_SECONDS), 1) * 4 / STEPS_PER_BEAT
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
    """Starts in beats, strummed notes moved to the first of their strum."""
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


def tokenise(data: bytes) -> tuple[np.ndarray, NoteTable, float]:
    """Tokens, notes (ticks), and the tempo that holds longest, of a MIDI file.

    Raises:
        UnusableFile: the file cannot be read or holds too little or too much music.
    """
    import symusic

    try:
        score: Any = symusic.Score.from_midi(data)
    except Exception as problem:
        raise UnusableFile(f"not readable: {problem}") from problem
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
    kept = (pitch >= v.LOWEST_PITCH) & (pitch <= v.HIGHEST_PITCH)
    group, pitch, start, length = group[kept], pitch[kept], start[kept], length[kept]
    if len(pitch) < MINIMUM_NOTES:
        raise UnusableFile(f"fewer than {MINIMUM_NOTES} notes")
    group, pitch = group.astype(np.int64), pitch.astype(np.int64)
    length = np.minimum(length, MAXIMUM_BEATS)
    end_step = np.round((start + length) * STEPS_PER_BEAT).astype(np.int64)
    start_step = np.round(_together(group, start) * STEPS_PER_BEAT).astype(np.int64)
    end_step = np.maximum(end_step, start_step + 1)

    signatures = sorted(
        (s.time / beat, 4 * s.numerator / s.denominator) for s in score.time_signatures
    )
    bar_step = _bars(signatures, int(end_step.max()))
    first_bar = bar_step[np.searchsorted(bar_step, start_step.min(), side="right") - 1]
    bar_step = bar_step[bar_step >= first_bar]

    changes = sorted((t.time / beat, t.qpm) for t in score.tempos)
    if not changes or changes[0][0] > 0:
        changes.insert(0, (0.0, 120.0))
    tempo = _tempo_of(changes)
    origin = tempo.ticks(np.array([first_bar]))[0]
    table = NoteTable(
        group, pitch, tempo.ticks(start_step) - origin, tempo.ticks(end_step) - origin
    )
    if table.end.max() * v.TICK_SECONDS > MAXIMUM_SECONDS:
        raise UnusableFile("longer than half an hour")
    table = one_voice_per_pitch(table)
    bars = tempo.ticks(bar_step) - origin
    step_at_start = np.searchsorted(tempo.first_tick - origin, table.start, side="right") - 1
    beat_ticks = tempo.ticks_per_step[np.maximum(step_at_start, 0)] * STEPS_PER_BEAT
    chords = strong_chords(table, beat_ticks)
    tokens = encode(table, bars, chords, drum_offs=False)
    edges = np.append(tempo.first_step, max(int(end_step.max()), int(tempo.first_step[-1]) + 1))
    lasting = np.diff(edges) * tempo.ticks_per_step
    ticks_per_step = tempo.ticks_per_step[int(np.argmax(lasting))]
    bpm = 60.0 / (ticks_per_step * STEPS_PER_BEAT * v.TICK_SECONDS)
    return tokens, table, bpm


def _bars(signatures: list[tuple[float, float]], last_step: int) -> np.ndarray:
    """Steps at which bars begin, from (beat, beats per bar); 4/4 where nothing is said."""
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


def piece_of(row: Row, data: bytes) -> Piece | str:
    """The piece that a file and its index row make, or why there is none."""
    try:
        tokens, notes, bpm = tokenise(data)
    except UnusableFile as problem:
        return str(problem)
    valence = row.get("human_valence")
    if valence is None and row.get("valence"):  # exactly 0.0 means unknown
        valence = 2 * float(str(row["valence"])) - 1
    groups = np.unique(notes.group)
    has_drums = v.GROUPS.index("drums") in groups
    return Piece(
        name=str(row["file"]),
        source=str(row["source"]),
        tier=str(row["tier"]),
        split=str(row["split"]),
        tokens=tokens,
        valence=math.nan if valence is None else float(str(valence)),
        arousal=arousal_of_tempo(bpm, has_drums),
        majorness=majorness(notes),
        groups=len(groups),
        bpm=bpm,
    )


def _piece_of(item: tuple[Row, bytes]) -> tuple[str, Piece | str]:
    return str(item[0]["file"]), piece_of(*item)


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
    """Rows of `index.jsonl.xz` by file name; empty where there is none."""
    path = folder / "index.jsonl.xz"
    if not path.exists():
        return {}
    with lzma.open(path, "rt") as lines:
        return {row["file"]: row for row in map(json.loads, lines)}


def write_shard(pieces: list[Piece], path: Path) -> None:
    """Write `pieces` as one `.npz`; a half-written shard never bears the final name."""
    columns: dict[str, Any] = {
        field: np.array([getattr(piece, field) for piece in pieces])
        for field in (
            "name",
            "source",
            "tier",
            "split",
            "valence",
            "arousal",
            "majorness",
            "groups",
            "bpm",
        )
    }
    partial_path = path.with_suffix(".partial.npz")
    np.savez_compressed(
        partial_path,
        tokens=np.concatenate([piece.tokens for piece in pieces]),
        length=np.array([len(piece.tokens) for piece in pieces]),
        **columns,
    )
    partial_path.replace(path)


def read_shard(path: Path) -> list[Piece]:
    """The pieces of a shard, in the order in which they were written."""
    with np.load(path) as shard:
        ends = np.cumsum(shard["length"])
        tokens = np.split(shard["tokens"], ends[:-1])
        names = [field for field in Piece.__dataclass_fields__ if field != "tokens"]
        columns = {name: shard[name].tolist() for name in names}
    return [
        Piece(tokens=tokens[i], **{name: column[i] for name, column in columns.items()})
        for i in range(len(tokens))
    ]


def build(folder: Path, out: Path, sources: list[str], processes: int) -> None:
    """Write a shard for each source in `sources` (all, if empty) that has none in `out` yet."""
    index = read_index(folder)
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
            bad: dict[str, str] = {}
            for file, result in pool.imap(_piece_of, files_of(folder, source, index), chunksize=16):
                if isinstance(result, Piece):
                    pieces.append(result)
                else:
                    bad[file] = result
            (out / f"{source}.left_out.json").write_text(json.dumps(bad, indent=1, sort_keys=True))
            if not pieces:
                print(f"{source}: nothing usable, {len(bad)} files left out")
                continue
            write_shard(pieces, shard)
            tokens = sum(len(piece.tokens) for piece in pieces)
            print(f"{source}: {len(pieces)} pieces, {tokens:,} tokens, {len(bad)} files left out")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m emsync.training.corpus",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
