"""Free melodies with accompaniment: `python -m emsync.training.accompany FOLDER -o OUT`.

FOLDER holds the archives of `emsync.training.corpus`. From each piece of the sources it takes the
highest voice that sings alone, finds the chords of the whole piece (`emsync.training.harmony`), and
has Musical MIDI Accompaniment (`mma`, a GPL program that is run from outside; what it writes is
free) play a style under the melody. OUT gets one `accompanied.tar.xz` and `index.jsonl.xz`, in
other words a corpus: `python -m emsync.training.corpus OUT -o SHARDS`.

Each piece depends on its name and the seed alone: the same command writes the same music. Pieces
stay in the split (training, validation, test) of the song that their melody is from.
"""

import io
import json
import lzma
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emsync.music.midi import group_of
from emsync.music.notes import GROUPS, NoteTable
from emsync.music.planning.plan import PITCH_NAMES
from emsync.music.transformer.harmony_labels import NOT_GIVEN, chord_of
from emsync.process.command import parser_of
from emsync.process.files import written_whole
from emsync.training.corpus import STEPS_PER_BEAT, files_of, read_index
from emsync.training.harmony import estimate

SOURCE = "accompanied"
SOURCES = ("openscore_lieder", "js_fakes")
MMA_BEAT = 192
"""Ticks of a beat in the files that `mma` writes."""
MMA_SECONDS = 20.0
"""It needs a fifth of one."""
SUFFIXES = {"maj7": "M7"}
"""Chord symbols that `mma` spells in another way."""
PATIENCE = 1.8
"""Chords change this much less readily than the corpus's (`harmony.estimate`): a style that follows
every beat of a chorale is no style."""
METRES = {(4, 4): 4, (2, 2): 4, (2, 4): 4, (3, 4): 3}
"""Beats of the bars that are accompanied."""
MINIMUM_NOTES = 24
MAXIMUM_BARS = 96
OVERLAPPING = 0.03
"""Share of a voice's notes that may begin before the one ahead has ended."""


@dataclass(frozen=True)
class Groove:
    """A style of `mma`'s standard library. Tempos and leading instruments are ours."""

    name: str
    tempo: tuple[int, int]
    """Beats a minute, least and most."""
    leads: tuple[int, ...]
    """General MIDI programs that may play the melody."""


STRINGS, WINDS, KEYS, GUITARS = (40, 42, 48), (68, 71, 73), (0, 4, 0), (24, 25, 26)
BRASS = (56, 60, 66)
GROOVES = {
    4: (
        Groove("Folk", (80, 130), GUITARS + WINDS),
        Groove("FolkBallad", (65, 95), WINDS + STRINGS),
        Groove("PopBallad", (62, 92), KEYS + STRINGS),
        Groove("PianoBallad", (60, 90), STRINGS + WINDS),
        Groove("GuitarBallad", (60, 95), WINDS + STRINGS),
        Groove("StringBallad", (55, 85), WINDS + KEYS),
        Groove("RockBallad", (65, 95), GUITARS + KEYS),
        Groove("8Beat", (90, 140), KEYS + GUITARS + BRASS),
        Groove("BasicRock", (105, 150), GUITARS + KEYS),
        Groove("SoftRock", (85, 125), GUITARS + WINDS),
        Groove("BossaNova", (90, 130), WINDS + GUITARS),
        Groove("SlowJazz", (60, 85), BRASS + KEYS),
        Groove("Beguine", (90, 125), WINDS + STRINGS),
        Groove("Rhumba", (90, 125), BRASS + GUITARS),
        Groove("SlowCountry", (65, 95), GUITARS + STRINGS),
        Groove("Hymn", (60, 90), WINDS + STRINGS),
        Groove("Trance", (120, 145), KEYS + STRINGS),
        Groove("Ballad", (60, 90), KEYS + BRASS),
    ),
    3: (
        Groove("Waltz", (90, 150), WINDS + STRINGS),
        Groove("VieneseWaltz", (130, 180), STRINGS + WINDS),
        Groove("FrenchWaltz", (110, 160), WINDS + STRINGS),
        Groove("RockWaltz", (90, 130), GUITARS + KEYS),
        Groove("JazzWaltz", (110, 160), BRASS + KEYS),
        Groove("ArpeggioWaltz", (80, 130), STRINGS + WINDS),
    ),
}
"""By the beats of a bar. Left out are styles with notes that nobody ends (`FolkRock`, `EasySwing`,
`CountryWaltz`) or that keep to no grid (`60sRock`), as `mma` 21.09 plays them."""


class Unsuitable(Exception):
    """Why a piece is not accompanied."""


@dataclass(frozen=True)
class Tune:
    """A melody and its chords. All arrays (notes,)."""

    beats: int
    """Of a bar."""
    bars: int
    pitch: np.ndarray
    start: np.ndarray
    """Beats from the first bar, as `length`."""
    length: np.ndarray
    chords: list[list[str]]
    """Symbols, for each beat of each bar."""


def tune_of(data: bytes) -> Tune:
    """Return the melody of a MIDI file and the chords of all its notes.

    Raises:
        Unsuitable: there is none, or its bars are not of four, two or three quarters throughout.
    """
    import symusic

    score: Any = symusic.Score.from_midi(data)
    beat = float(score.ticks_per_quarter)
    beats, first = _metre(score, beat)
    voices = [voice for track in score.tracks if (voice := _columns(track, beat)) is not None]
    melody = _melody(voices)
    last = max(float((start + length).max()) for _, start, length in voices)
    bars = min(int(np.ceil((last - first) / beats)), MAXIMUM_BARS)
    pitch, start, length = (column[melody[1] >= first] for column in melody)
    inside = start - first < bars * beats
    if inside.sum() < MINIMUM_NOTES:
        raise Unsuitable("its melody is short")
    chords = _chords(voices, first, beats, bars)
    return Tune(beats, bars, pitch[inside], start[inside] - first, length[inside], chords)


def _metre(score: Any, beat: float) -> tuple[int, float]:
    """Return beats of a bar, where two bars of two count as one, and the beat of the first full
    one."""
    changes: list[tuple[float, int, int]] = []
    for signature in sorted(score.time_signatures, key=lambda s: s.time):
        metre = (signature.numerator, signature.denominator)
        if not changes or changes[-1][1:] != metre:
            changes.append((signature.time / beat, *metre))
    if len(changes) == 2 and changes[1][0] < 4:  # a bar before the first, with the upbeat
        changes = changes[1:]
    if len(changes) != 1 or changes[0][1:] not in METRES:
        raise Unsuitable("its metre changes, or is another one")
    return METRES[changes[0][1:]], changes[0][0]


def _columns(track: Any, beat: float) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Pitch, and start and length in beats, sorted by start; None for drums and empty tracks."""
    if track.is_drum or not len(track.notes):
        return None
    notes = track.notes.numpy()
    order = np.lexsort((notes["pitch"], notes["time"]))
    return notes["pitch"][order], notes["time"][order] / beat, notes["duration"][order] / beat


def _melody(
    voices: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the highest of the voices that sing one note at a time."""
    alone = [
        (pitch, start, length)
        for pitch, start, length in voices
        if len(pitch) > 1 and (start[1:] < (start + length)[:-1] - 0.05).mean() <= OVERLAPPING
    ]
    if not alone:
        raise Unsuitable("no voice sings alone")
    return max(alone, key=lambda voice: float(voice[0].mean()))


def _chords(
    voices: list[tuple[np.ndarray, np.ndarray, np.ndarray]], first: float, beats: int, bars: int
) -> list[list[str]]:
    """Return a chord symbol for each beat of each bar; where none fits, the one before goes on."""
    pitch, start, length = (np.concatenate(column) for column in zip(*voices, strict=True))
    begin = np.round((start - first) * STEPS_PER_BEAT).astype(np.int64)
    end = np.maximum(
        np.round((start + length - first) * STEPS_PER_BEAT).astype(np.int64), begin + 1
    )
    heard = begin >= 0
    piano = np.full(heard.sum(), GROUPS.index("piano"))
    notes = NoteTable(piano, pitch[heard], begin[heard], end[heard])
    lines = np.arange(bars) * beats * STEPS_PER_BEAT
    ticks, labels = estimate(notes, lines, STEPS_PER_BEAT, PATIENCE)
    ticks, labels = ticks[labels != NOT_GIVEN], labels[labels != NOT_GIVEN]
    if not len(labels):
        raise Unsuitable("no chords were found in it")
    at = np.arange(bars * beats) * STEPS_PER_BEAT
    sounding = labels[np.maximum(np.searchsorted(ticks, at, side="right") - 1, 0)]
    symbols = [_symbol(int(label)) for label in sounding]
    return [symbols[i : i + beats] for i in range(0, len(symbols), beats)]


def _symbol(label: int) -> str:
    chord = chord_of(label)
    assert chord is not None
    root, quality = chord
    return PITCH_NAMES[root] + SUFFIXES.get(quality, quality)


def bars_in_mma(tune: Tune, groove: Groove, tempo: int, seed: int) -> str:
    """Return the text that `mma` reads."""
    lines = [f"RndSeed {seed}", f"Tempo {tempo}", f"Groove {groove.name}"]
    for number, symbols in enumerate(tune.chords):
        cells = [s if not i or s != symbols[i - 1] else "/" for i, s in enumerate(symbols)]
        lines.append(f"{number + 1} {' '.join(cells)}")
    return "\n".join(lines) + "\n"


def accompanied(tune: Tune, name: str, seed: int) -> bytes:
    """Return a MIDI file of the melody with an accompaniment that `name` and `seed` decide.

    The melody is played by a group of its own where the style leaves one.

    Raises:
        Unsuitable: `mma` cannot play it.
    """
    import symusic

    draws = random.Random(f"{seed} {name}")
    groove = draws.choice(GROOVES[tune.beats])
    tempo = draws.randint(*groove.tempo)
    with tempfile.TemporaryDirectory() as folder:
        text, midi = Path(folder) / "tune.mma", Path(folder) / "tune.mid"
        text.write_text(bars_in_mma(tune, groove, tempo, draws.randrange(2**31)))
        command = ["mma", "-w", "-f", str(midi), str(text)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=MMA_SECONDS)
            score: Any = symusic.Score.from_file(str(midi))
        except (subprocess.SubprocessError, OSError, RuntimeError) as problem:
            raise Unsuitable(f"mma could not play it: {problem}") from problem
    if score.ticks_per_quarter != MMA_BEAT:
        raise Unsuitable(f"mma counted {score.ticks_per_quarter} ticks a beat")
    playing = {group_of(track.program, track.is_drum) for track in score.tracks}
    others = [program for program in groove.leads if group_of(program, False) not in playing]
    lead = draws.choice(others or groove.leads)
    track: Any = symusic.Track(name="melody", program=lead, is_drum=False)
    columns = (tune.start, tune.length, tune.pitch)
    for start, length, pitch in zip(*(column.tolist() for column in columns), strict=True):
        time, duration = round(start * MMA_BEAT), max(round(length * MMA_BEAT), 1)
        track.notes.append(symusic.Note(time=time, duration=duration, pitch=pitch, velocity=100))
    score.tracks.append(track)
    out: bytes = score.dumps_midi()
    return out


def build(folder: Path, out: Path, sources: list[str], pieces: int, seed: int) -> None:
    """Write the archive and its index, at most `pieces` a source, spread over all of it."""
    index = read_index(folder)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    left_out: dict[str, int] = {}
    with written_whole(out / f"{SOURCE}.tar.xz") as partial, tarfile.open(partial, "w:xz") as tar:
        for source in sources:
            files = list(files_of(folder, source, index))
            random.Random(f"{seed} {source}").shuffle(files)
            written = 0
            for row, data in files:
                if written == pieces:
                    break
                name = f"{SOURCE}/{source}-{Path(str(row['file'])).stem}.mid"
                try:
                    midi = accompanied(tune_of(data), name, seed)
                except Unsuitable as problem:
                    why = str(problem).partition(":")[0]
                    left_out[why] = left_out.get(why, 0) + 1
                    continue
                entry = tarfile.TarInfo(name)
                entry.size = len(midi)
                tar.addfile(entry, io.BytesIO(midi))
                rows.append(
                    {"file": name, "source": SOURCE, "tier": "synthetic", "split": row["split"]}
                )
                written += 1
            print(f"{source}: {written} pieces", flush=True)
    for why, count in sorted(left_out.items()):
        print(f"{count} left out: {why}", flush=True)
    with lzma.open(out / "index.jsonl.xz", "wt") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


def main(arguments: list[str] | None = None) -> None:
    parser = parser_of("emsync.training.accompany", __doc__)
    parser.add_argument("folder", type=Path, help="archives with an index")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the archive")
    parser.add_argument("--sources", nargs="+", default=list(SOURCES), help="where melodies are")
    parser.add_argument("--pieces", type=int, default=500, help="at most, from each source")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if shutil.which("mma") is None:
        sys.exit("Musical MIDI Accompaniment is not installed: apt-get install mma")
    if not options.folder.is_dir():
        sys.exit(f"There is no folder {options.folder}.")
    build(options.folder, options.out, options.sources, options.pieces, options.seed)


if __name__ == "__main__":
    main()
