"""What the mix promises, measured: `python -m emsync.evaluation.mixing FOLDER`.

FOLDER holds MIDI files, or the archives that `emsync.training.corpus` reads. Of some pieces the
first `--seconds` are played by the five groups and mixed; files of EMSYNC's own keep their
controllers but for those of the desk. Printed are how near each delivery comes to its loudness, and
the highest true peak; how well the written stems add up to the written music; and how many seconds
of a processor a minute of music takes, by the mix of the published code and by today's, one after
the other.

Loudness is measured by pyloudnorm and true peaks with SciPy's resampling, as the mix measures with
filters of its own.
"""

import argparse
import io
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from emsync.emotion.mapping import Mood
from emsync.music.midi import group_of, write_midi
from emsync.music.notes import GROUPS, Note
from emsync.presets import as_in_the_paper
from emsync.progress import CancelToken
from emsync.settings import DELIVERIES, Settings, SoundSettings
from emsync.sound.desk import CHORUS, PAN, REVERB, VOLUME, Desk, desk_of
from emsync.sound.dynamics import wanted
from emsync.sound.level import ContourMeter
from emsync.sound.mix import heard_as, master, write_wav
from emsync.sound.stems import render_music, write_stems
from emsync.sound.synth import Sound
from emsync.training.corpus import files_of, read_index

SOURCES = ("easyrpg_rtp_pr", "tannerhelland_free_music", "mma_synthetic", "asap", "rs2004scape")
"""Of the corpus: game music for band and orchestra, accompaniments, and piano as it is played."""
LEAST_NOTES = 40
DESK = (VOLUME, PAN, REVERB, CHORUS)
MOODS = (Mood(0.0, 0.0), Mood(0.6, 0.6), Mood(-0.6, 0.6), Mood(-0.6, -0.6), Mood(0.6, -0.6))
"""One after the other, as they choose the space."""


@dataclass(frozen=True)
class Delivered:
    """One piece, mixed for one delivery."""

    delivery: str
    missed: float
    """LU from the loudness that was asked for; NaN where none is."""
    over: float
    """dB of the true peak above the ceiling; negative below."""
    limiter: float
    """Decibels that it took at most."""


@dataclass(frozen=True)
class Measured:
    """What was measured of one piece."""

    name: str
    delivered: tuple[Delivered, ...]
    residual: float
    """dB of what is left of the music without its stems, against the music."""
    before: float
    """Seconds for a minute of music, by the mix of the published code."""
    now: float


@dataclass(frozen=True)
class Piece:
    """What is played."""

    name: str
    notes: tuple[Note, ...]
    file: bytes | None
    """The MIDI file itself, if its tracks are the groups'."""


def pieces_of(folder: Path, count: int, seconds: float) -> Iterator[Piece]:
    """Yield as many pieces, evenly from all sources that are there."""
    index = read_index(folder)
    archives = [source for source in SOURCES if (folder / f"{source}.tar.xz").exists()]
    each = -(-count // max(len(archives), 1))
    found = (
        islice(_long_enough(files_of(folder, source, index), seconds), each)
        for source in archives or ["files"]
    )
    yield from islice(chain.from_iterable(found), count)


def _long_enough(files: Iterable[tuple[dict[str, Any], bytes]], seconds: float) -> Iterator[Piece]:
    """Yield the files with enough to play."""
    for row, content in files:
        notes = notes_of(content, seconds)
        if len(notes) >= LEAST_NOTES and max(note.end for note in notes) > 0.8 * seconds:
            own = b"Made with EMSYNC" in content
            yield Piece(str(row["file"]), tuple(notes), content if own else None)


def notes_of(content: bytes, seconds: float) -> list[Note]:
    """Return what the five groups play in the first `seconds` from the first note on."""
    from symusic import Score

    try:
        score: Any = Score.from_midi(content)
    except (RuntimeError, ValueError):
        return []
    rows = [
        (group, note.pitch, note.start, note.end, note.velocity)
        for track in score.to("second").tracks
        if (group := group_of(track.program, track.is_drum)) is not None
        for note in track.notes
    ]
    first = min((start for _, _, start, _, _ in rows), default=0.0)
    return [
        Note(GROUPS[group], pitch, start - first, min(end - first, seconds), velocity)
        for group, pitch, start, end, velocity in rows
        if start - first < seconds
    ]


def measure(piece: Piece, mood: Mood, seconds: float) -> Measured:
    """Mix a piece for every delivery, and by the mix of the published code."""
    published, ours = as_in_the_paper(Settings()).sound, SoundSettings()
    length = Fraction(seconds).limit_denominator(1000)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        desks = {sound: desk_of(sound, None, mood) for sound in (published, ours)}
        for number, desk in enumerate(desks.values()):
            _write(piece, folder / f"{number}.mid", length, desk)

        def timed(number: int, sound: SoundSettings) -> tuple[float, Sound, Sound]:
            began = time.process_time()
            space = desks[sound].space
            played = render_music(
                folder / f"{number}.mid", length, sound, None, CancelToken(), space=space
            )
            rendered = replace(played, samples=played.samples.copy())
            mixed = master(played, sound)
            write_wav(mixed, folder / f"{number}.wav", sound.bit_depth)
            if sound is ours:
                heard_as(mixed)
            return (time.process_time() - began) * 60 / seconds, rendered, mixed

        before, now = [], []
        for _ in range(2):
            before.append(timed(0, published)[0])
            taken, rendered, mixed = timed(1, ours)
            now.append(taken)
        stems = write_stems(
            folder / "1.mid", length, ours, None, folder, CancelToken(), space=desks[ours].space
        )
        residual = _residual(folder / "1.wav", stems.values())
    delivered = [_delivered(mixed, ours)]
    for delivery in ("ebu-r128", "atsc-a85", "podcast", "peak"):
        sound = replace(ours, loudness=delivery)
        copy = replace(rendered, samples=rendered.samples.copy())
        delivered.append(_delivered(master(copy, sound), sound))
    return Measured(piece.name, tuple(delivered), residual, min(before), min(now))


def _write(piece: Piece, path: Path, length: Fraction, desk: Desk) -> None:
    """Write a piece as the product does, with the controllers of the desk before its notes."""
    import mido

    if piece.file is None:
        write_midi(piece.notes, path, length)
    else:
        path.write_bytes(piece.file)
    file = mido.MidiFile(path)
    for track in file.tracks:
        channel = next((m.channel for m in track if m.type == "program_change"), 0)
        for message in [*track]:
            if message.type == "control_change" and message.control in DESK and not message.time:
                track.remove(message)
        track[1:1] = [
            mido.Message("control_change", channel=channel, control=number, value=value)
            for number, value in desk.controls.get(track.name, ())
        ]
    file.save(path)


def _delivered(sound: Sound, settings: SoundSettings) -> Delivered:
    """Return how a mix came out."""
    import pyloudnorm
    from scipy.signal import resample_poly

    lufs, ceiling = wanted(settings)
    meter = pyloudnorm.Meter(sound.sample_rate)
    found = meter.integrated_loudness(sound.samples.astype(np.float64))
    finer = resample_poly(sound.samples, 4, 1, axis=0)
    highest = max(float(np.abs(finer).max()), float(np.abs(sound.samples).max()))
    return Delivered(
        settings.loudness,
        float("nan") if lufs is None else float(found - lufs),
        20 * float(np.log10(highest)) - ceiling,
        sound.reduction.limiter,
    )


def _residual(music: Path, stems: Iterable[Path]) -> float:
    """Return how much is left of the music without its stems, in dB of the music."""
    import wave

    def samples(path: Path) -> np.ndarray:
        with wave.open(str(path)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)

    whole = samples(music)
    left = whole - sum(samples(path) for path in stems)
    return float(10 * np.log10(max(np.square(left).mean(), 1e-9) / np.square(whole).mean()))


def table(pieces: Sequence[Measured]) -> str:
    """Return the measurements as text."""
    out = io.StringIO()
    print(f"{len(pieces)} pieces", file=out)
    for number, delivery in enumerate(("streaming", "ebu-r128", "atsc-a85", "podcast", "peak")):
        here = [piece.delivered[number] for piece in pieces]
        over = max(one.over for one in here)
        limiter = [one.limiter for one in here]
        words = f"{delivery:10s} "
        if delivery in DELIVERIES:
            lufs, ceiling = DELIVERIES[delivery]
            missed = [abs(one.missed) for one in here]
            words += (
                f"{lufs:.0f} LUFS missed by {median(missed):.2f} LU, at most {max(missed):.2f}; "
            )
            words += f"true peak at most {ceiling + over:.2f} dBTP; "
        else:
            words += f"true peak at most {-1 + over:.2f} dBTP; "
        print(f"{words}limiter {median(limiter):.1f} dB, at most {max(limiter):.1f}", file=out)
    residual = max(piece.residual for piece in pieces)
    print(f"stems      add up to the music to {residual:.0f} dB", file=out)
    before = median(piece.before for piece in pieces)
    more = [piece.now - piece.before for piece in pieces]
    print(
        f"seconds    {before:.2f} a minute as published; {median(more):.2f} more now, "
        f"at most {max(more):.2f}",
        file=out,
    )
    return out.getvalue().rstrip()


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m emsync.evaluation.mixing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="archives of MIDI files with an index, or files")
    parser.add_argument("--pieces", type=int, default=20, help="(20)")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each (40)")
    parser.add_argument("--verbose", action="store_true", help="a line for each piece as well")
    options = parser.parse_args(arguments)
    ContourMeter(44_100)  # imports what is needed
    began = time.process_time()
    desk_of(SoundSettings(), None, MOODS[0])
    print(f"SoundFont  measured in {time.process_time() - began:.2f} s of a processor")
    found = []
    for number, piece in enumerate(pieces_of(options.folder, options.pieces, options.seconds)):
        one = measure(piece, MOODS[number % len(MOODS)], options.seconds)
        found.append(one)
        if options.verbose:
            told = " ".join(f"{d.missed:+.2f}/{d.over:+.2f}/{d.limiter:.1f}" for d in one.delivered)
            print(
                f"{piece.name}: {told}, {one.residual:.0f} dB, {one.before:.2f} → {one.now:.2f} s"
            )
    print(table(found))


if __name__ == "__main__":
    main()
