"""A data set without films: `python -m emsync.training.make_muvisync SHARDS -o FOLDER`.

Video2Music is trained on music videos. Where there are none, this makes a folder laid out as
MuVi-Sync is out of token shards. The music is real or written by rule, the films are made up:

- chords: the labels of the shard, true ones of `craft` and estimated ones of all others
  (`emsync.training.harmony`; `made.json` says how often it is right on `craft`), as they are in the
  middle of each second, moved to C major or A minor by the key that the Krumhansl-Kessler profiles
  fit best; `N` where no chord fits. The labels know nine of the thirteen qualities: no sixths, and
  all diminished chords are `dim`;
- emotion: the mood of the stretch in which a second lies, through `mood.emotions_of`. Of `craft`
  that is the mood it was written for, of the others what a regressor hears, with the deviations
  from its mean scaled so that they spread as those of `craft`. Where it hears nothing: twice the
  majorness as valence, and the tempo as arousal;
- note density: from the notes, as published;
- loudness: 0.03 · √(note density) · (1 + arousal / 2), for n unlike sounds have √n times the level
  of one; the constant is a guess;
- scenes: each 4 s long and then as chance has it (6 s on average), and until the chord changes, so
  that the chords are seen to change on cuts;
- motion: 0.4 for each note a second, times a factor for each scene and one for each second
  (lognormal, 0.4 and 0.3).

The last three are rules and not findings: what networks learn of them is that rule.
"""

import json
import math
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from emsync.emotion.mapping import Mood
from emsync.errors import EmsyncError
from emsync.music.judging.emotion_regressor import MAJOR_PROFILE, MINOR_PROFILE, key_fits
from emsync.music.notes import GROUPS, TICK_SECONDS, Note, NoteTable
from emsync.music.transformer.harmony_labels import chord_of, transposed
from emsync.music.transformer.tokens import decode, tick_of_tokens
from emsync.music.video2music.features import DECIMALS, EMOTIONS
from emsync.music.video2music.mood import emotions_of
from emsync.music.video2music.targets import note_density_of
from emsync.music.video2music.vocabulary import NO_CHORD, ROOTS
from emsync.process.command import check_empty, exit_status, parser_of
from emsync.training.corpus import Piece, read_shard
from emsync.training.harmony import estimate

SPLITS: Final = {"train": "train", "valid": "val", "test": "test"}
"""Those of the shards, and as MuVi-Sync names them."""
TRUE_CHORDS: Final = "craft"
"""The source whose chords and moods are known by construction."""
_QUALITY: Final = {
    "": "", "m": ":min", "dim": ":dim", "aug": ":aug", "sus2": ":sus2", "sus4": ":sus4", "7": ":7",
    "maj7": ":maj7", "m7": ":min7",
}  # fmt: skip
_SHORTEST: Final = 16
"""Seconds of a song at least."""
_SOUND_OF_ONE: Final = 0.03
_MOTION_OF_ONE: Final = 0.4
_LONGEST_WEIGHT: Final = round(2 / TICK_SECONDS)
"""Ticks: a pad that is held longer says no more of the key."""


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of moods, valence and arousal, (2,) each."""

    mean: np.ndarray
    deviation: np.ndarray

    @staticmethod
    def of(pieces: Sequence[Piece]) -> "Spread":
        """Return the spread of the moods of all pieces, at least one."""
        moods = np.concatenate([piece.heard for piece in pieces])
        return Spread(np.nanmean(moods, axis=0), np.nanstd(moods, axis=0))


@dataclass(frozen=True)
class MadeSong:
    """One song and its made-up film; all arrays have a row a second."""

    name: str
    key: str
    symbols: tuple[str, ...]
    emotion: np.ndarray
    """(seconds, 6)."""
    scene_offset: np.ndarray
    motion: np.ndarray
    loudness: np.ndarray
    density: np.ndarray


def songs_of(piece: Piece, heard: Spread, written: Spread, seconds: int) -> Iterator[MadeSong]:
    """Yield the songs of one piece: stretches of `seconds`, the last one shorter.

    Args:
        piece: of a shard.
        heard: of the moods that the regressor hears.
        written: of those that they are scaled to.
        seconds: of a song at most.
    """
    decoded, clock = decode(piece.tokens), tick_of_tokens(piece.tokens) * TICK_SECONDS
    length = int(decoded.length * TICK_SECONDS)
    found = key_and_shift(decoded.notes)
    if found is None or not len(piece.harmony):
        return
    key, shift = found
    symbols = symbols_at(
        clock[piece.harmony_from], transposed(piece.harmony, shift), np.arange(length) + 0.5
    )
    moods = _moods(piece, clock, length, heard, written)
    notes = [
        Note("piano", 0, start * TICK_SECONDS, end * TICK_SECONDS)
        for start, end in zip(decoded.notes.start, decoded.notes.end, strict=True)
    ]
    # A note that ends with the piece sounds in a second that is not whole.
    density = note_density_of(notes, length + 1)[:length]
    drawn = np.random.default_rng(zlib.crc32(piece.name.encode()))
    offsets, motion = _made_up(symbols, density, drawn)
    loudness = np.clip(_SOUND_OF_ONE * np.sqrt(density) * (1 + moods[:, 1] / 2), 0, 1)
    emotion = np.stack([emotions_of(Mood(*mood)) for mood in moods.tolist()] or [np.zeros(6)])
    for number, start in enumerate(range(0, length - _SHORTEST + 1, seconds)):
        part = slice(start, min(start + seconds, length))
        name = f"{piece.source}_{zlib.crc32(piece.name.encode()):08x}_{number}"
        yield MadeSong(
            name, key, symbols[part], emotion[part], offsets[part], motion[part], loudness[part],
            density[part],
        )  # fmt: skip


def key_and_shift(notes: NoteTable) -> tuple[str, int] | None:
    """Return "C major" or "A minor", and by how many semitones the piece moves there.

    None for a piece without pitched notes.
    """
    pitched = notes.take(notes.group != GROUPS.index("drums"))
    weight = np.minimum(pitched.end - pitched.start, _LONGEST_WEIGHT)
    histogram = np.bincount(pitched.pitch % 12, weights=weight, minlength=12)
    if not histogram.any():
        return None
    major, minor = key_fits(histogram, MAJOR_PROFILE), key_fits(histogram, MINOR_PROFILE)
    if major.max() >= minor.max():
        return "C major", -int(major.argmax()) % 12
    return "A minor", (9 - int(minor.argmax())) % 12


def symbols_at(starts: np.ndarray, labels: np.ndarray, times: np.ndarray) -> tuple[str, ...]:
    """Return the chord at each of `times`, as Video2Music writes it.

    Args:
        starts: (chords,) from when each chord holds, ascending.
        labels: (chords,) of `harmony_labels`.
        times: in the unit of `starts`.
    """
    names = [NO_CHORD]
    for label in labels.tolist():
        chord = chord_of(label)
        names.append(NO_CHORD if chord is None else ROOTS[chord[0]] + _QUALITY[chord[1]])
    return tuple(names[number] for number in np.searchsorted(starts, times, side="right"))


def _moods(
    piece: Piece, clock: np.ndarray, length: int, heard: Spread, written: Spread
) -> np.ndarray:
    """Return valence and arousal of each second, (length, 2)."""
    starts, moods = clock[piece.heard_from], piece.heard.astype(float)
    if piece.source != TRUE_CHORDS:
        moods = written.mean + (moods - heard.mean) / heard.deviation * written.deviation
    arousal = 0.0 if math.isnan(piece.arousal) else piece.arousal
    valence = 0.0 if math.isnan(piece.majorness) else 2 * piece.majorness
    moods = np.where(np.isnan(moods), [valence, arousal], moods)
    moods = np.vstack(([valence, arousal], moods))
    at = np.searchsorted(starts, np.arange(length) + 0.5, side="right")
    return np.clip(moods[at if not len(starts) else np.maximum(at, 1)], -1, 1)


def _made_up(
    symbols: Sequence[str], density: np.ndarray, drawn: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds since the scene began, and the motion, of every second."""
    offsets, factors = np.zeros(len(symbols)), np.ones(len(symbols))
    left, factor = 4 + drawn.exponential(6), drawn.lognormal(0, 0.4)
    for second in range(1, len(symbols)):
        offsets[second] = offsets[second - 1] + 1
        if offsets[second] >= left and symbols[second] != symbols[second - 1]:
            offsets[second] = 0
            left, factor = 4 + drawn.exponential(6), drawn.lognormal(0, 0.4)
        factors[second] = factor
    motion = _MOTION_OF_ONE * density * factors * drawn.lognormal(0, 0.3, len(symbols))
    motion[:1] = 0  # as of every film
    return offsets, motion


def estimator_accuracy(pieces: Sequence[Piece]) -> dict[str, float]:
    """Return how often `emsync.training.harmony.estimate` is right where the chords are known.

    Args:
        pieces: whose labels are true.

    Returns:
        Shares of the seconds, each by its middle, in which the root, and in which root and quality
        are right; and how many pieces and seconds that are.
    """
    right_root = right_chord = seconds = 0
    for piece in pieces:
        decoded, clock = decode(piece.tokens), tick_of_tokens(piece.tokens)
        beat = 60 / piece.bpm / TICK_SECONDS
        starts, labels = estimate(decoded.notes, np.array(decoded.bars), beat)
        times = (np.arange(int(decoded.length * TICK_SECONDS)) + 0.5) / TICK_SECONDS
        true = symbols_at(clock[piece.harmony_from], piece.harmony, times)
        found = symbols_at(starts, labels, times)
        seconds += len(times)
        right_chord += sum(map(str.__eq__, found, true))
        right_root += sum(
            a.split(":")[0] == b.split(":")[0] for a, b in zip(found, true, strict=True)
        )
    return {
        "pieces": len(pieces),
        "seconds": seconds,
        "root": right_root / seconds,
        "root_and_quality": right_chord / seconds,
    }


def write(song: MadeSong, folder: Path) -> None:
    """Write the files of one song; the folders are there."""

    def lab(kind: str, head: Sequence[str], rows: Sequence[object]) -> None:
        lines = [*head, *(f"{second} {row}" for second, row in enumerate(rows))]
        (folder / kind / "all" / f"{song.name}.lab").write_text("\n".join(lines) + "\n")

    lab("vevo_chord/lab_v2_norm", [f"key {song.key}"], song.symbols)
    emotion = [" ".join(f"{one:.{DECIMALS}f}" for one in row) for row in song.emotion]
    lab("vevo_emotion/6c_l14p", ["time " + " ".join(EMOTIONS)], emotion)
    lab("vevo_scene_offset", [], [int(one) for one in song.scene_offset])
    for kind, values in (("motion", song.motion), ("loudness", song.loudness)):
        lab(f"vevo_{kind}", [], [f"{one:.{DECIMALS}f}" for one in values])
    lab("vevo_note_density", [], [int(one) for one in song.density])
    blind = np.zeros((len(song.symbols), 0), np.float32)
    np.save(folder / "vevo_semantic/all/2d/clip_l14p" / f"{song.name}.npy", blind)


def make(shards: Sequence[Path], folder: Path, most: dict[str, int], seconds: int) -> str:
    """Write the data set; return how many songs each split has.

    Args:
        shards: files.
        folder: of the data set, made if needed.
        most: training songs of each source, "" for those that are not named; a tenth of that for
            each of the other splits.
        seconds: of a song at most.

    Raises:
        EmsyncError: there is no shard of craft, to whose moods the others are scaled.
    """
    pieces = {path.stem: read_shard(path) for path in shards}
    if TRUE_CHORDS not in pieces:
        raise EmsyncError(f"There is no shard {TRUE_CHORDS}, to which the moods are scaled.")
    written = Spread.of(pieces[TRUE_CHORDS])
    others = [one for name in pieces if name != TRUE_CHORDS for one in pieces[name]]
    heard = Spread.of(others) if others else written
    for kind in (
        "vevo_chord/lab_v2_norm/all", "vevo_emotion/6c_l14p/all", "vevo_motion/all",
        "vevo_scene_offset/all", "vevo_loudness/all", "vevo_note_density/all",
        "vevo_semantic/all/2d/clip_l14p", "vevo_meta/split/v1",
    ):  # fmt: skip
        (folder / kind).mkdir(parents=True, exist_ok=True)
    names: dict[str, list[str]] = {split: [] for split in SPLITS.values()}
    counts: dict[str, dict[str, int]] = {}
    for source, of_source in pieces.items():
        order = np.random.default_rng(0).permutation(len(of_source))
        for split, ours in SPLITS.items():
            room = most.get(source, most[""])
            room = room if split == "train" else max(1, room // 10)
            before = len(names[ours])
            for piece in (of_source[number] for number in order):
                if piece.split != split or room == 0:
                    continue
                for song in songs_of(piece, heard, written, seconds):
                    if room:
                        write(song, folder)
                        names[ours].append(song.name)
                        room -= 1
            counts.setdefault(source, {})[ours] = len(names[ours]) - before
    for ours, of_split in names.items():
        (folder / "vevo_meta/split/v1" / f"{ours}.txt").write_text("\n".join(of_split) + "\n")
    tiers = sorted({piece.tier for some in pieces.values() for piece in some})
    about = {
        "films": "none: scenes and motion are made up, loudness follows a rule "
        "(emsync.training.make_muvisync)",
        "tiers": tiers,
        "sources": counts,
        "seconds": seconds,
        "estimator": estimator_accuracy(
            [piece for piece in pieces[TRUE_CHORDS] if piece.split == "test"]
        ),
    }
    (folder / "vevo_meta" / "made.json").write_text(json.dumps(about, indent=1) + "\n")
    return ", ".join(f"{len(of_split)} {ours}" for ours, of_split in names.items())


def _count(text: str) -> tuple[str, int]:
    """Convert "800" or "craft=2000"; an argparse type."""
    source, equals, number = text.rpartition("=")
    return source if equals else "", int(number)


def main(arguments: list[str] | None = None) -> int:
    """Make the data set by the command line; return the exit status."""
    parser = parser_of("emsync.training.make_muvisync", __doc__)
    parser.add_argument("shards", type=Path, nargs="+", help="files of emsync.training.corpus")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder, empty or new")
    parser.add_argument("--seconds", type=int, default=300, help="of a song at most (300)")
    parser.add_argument(
        "--most",
        type=_count,
        nargs="+",
        default=[],
        metavar="N",
        help="training songs of a source (800), or SOURCE=N",
    )
    options = parser.parse_args(arguments)

    def work() -> None:
        check_empty(options.out)
        most = {"": 800, **dict(options.most)}
        print(make(options.shards, options.out, most, options.seconds))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
