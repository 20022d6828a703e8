#!/usr/bin/env python3
"""Cut the sounds with which the page plays music while it is written, out of FluidR3_GM.

`python scripts/preview_sounds.py` writes them anew into `emsync/interface/preview`: one file with
all sounds, mono and lossless, and a list of where each lies. The same SoundFont gives the same.
"""

import ctypes
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from emsync.music.midi import PROGRAMS  # noqa: E402
from emsync.sound.synth import find_soundfont, synthesizer  # noqa: E402

FOLDER = REPOSITORY / "emsync" / "interface" / "preview"
RATE = 22_050
"""Hz: what is above 11 kHz is not missed in a preview, and half of it takes half the room."""
VELOCITY = 90
DRUM_CHANNEL = 9
PAUSE = 2_205
"""Samples of silence between two sounds, so that decoders may begin a little early or late."""
PEAK = 0.9
"""Of the loudest sound."""


@dataclass(frozen=True)
class Instrument:
    """Which notes of a group are kept, and how long each sounds; those between are transposed."""

    pitches: tuple[int, ...]
    seconds: float
    loop: tuple[float, float] | None = None
    """From where to where it goes round while a note is held, in seconds."""


INSTRUMENTS = {
    "piano": Instrument(tuple(range(31, 96, 8)), 2.2),
    "guitar": Instrument(tuple(range(40, 85, 7)), 1.8),
    "bass": Instrument(tuple(range(28, 57, 7)), 1.6),
    "strings": Instrument(tuple(range(36, 97, 7)), 2.4, (0.9, 2.3)),
    "drums": Instrument(
        (35, 36, 37, 38, 39, 40, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 54, 57, 59, 70), 0.7
    ),
}


def played(synth: Any, write: Any, group: str, pitch: int, seconds: float) -> np.ndarray:
    """Return a note, mono, fading out over its last tenth; the synthesizer is silent again."""
    channel = DRUM_CHANNEL if group == "drums" else 0
    synth.program_change(channel, PROGRAMS[group])
    for number in (91, 93):  # neither reverb nor chorus
        synth.cc(channel, number, 0)
    synth.noteon(channel, pitch, VELOCITY)
    sound = rendered(synth, write, round(seconds * RATE)).mean(axis=1)
    synth.all_sounds_off(channel)
    rendered(synth, write, RATE)
    last = len(sound) // 10
    sound[-last:] *= np.linspace(1, 0, last)
    return sound


def rendered(synth: Any, write: Any, frames: int) -> np.ndarray:
    """Return the next frames of the synthesizer, (frames, 2)."""
    samples = np.zeros((frames, 2), np.float32)
    place = samples.ctypes.data_as(ctypes.c_void_p)
    write(synth.synth, frames, place, 0, 2, place, 1, 2)
    return samples


def looped(sound: np.ndarray, loop: tuple[float, float]) -> np.ndarray:
    """Return a sound that may go round: before the loop's end it becomes what is before its
    beginning."""
    begin, end = (round(second * RATE) for second in loop)
    across = RATE // 2
    share = np.linspace(0, np.pi / 2, across)
    made = sound[:end].copy()
    made[end - across :] = (
        np.cos(share) * sound[end - across : end] + np.sin(share) * (sound[begin - across : begin])
    )
    return made


def main() -> None:
    """Write the sounds and their list."""
    font = find_soundfont()
    if font.name != "FluidR3_GM":
        sys.exit("FluidR3_GM is needed: sudo apt-get install -y fluid-soundfont-gm")
    pieces, rows, at = [], [], 0
    with synthesizer(font.path, RATE) as (synth, write):
        for group, instrument in INSTRUMENTS.items():
            for pitch in instrument.pitches:
                sound = played(synth, write, group, pitch, instrument.seconds)
                row = {"group": group, "pitch": pitch, "start": at / RATE}
                if instrument.loop:
                    sound = looped(sound, instrument.loop)
                    row["loop"] = list(instrument.loop)
                row["seconds"] = len(sound) / RATE
                rows.append({name: rounded(value) for name, value in row.items()})
                pieces += [sound, np.zeros(PAUSE, np.float32)]
                at += len(sound) + PAUSE
    samples = np.concatenate(pieces)
    FOLDER.mkdir(exist_ok=True)
    write_flac(samples * (PEAK / np.abs(samples).max()), FOLDER / "sounds.flac")
    listing = ",\n".join(json.dumps(row) for row in rows)
    (FOLDER / "sounds.json").write_text(f"[\n{listing}\n]\n", encoding="utf-8")
    size = (FOLDER / "sounds.flac").stat().st_size
    print(f"{len(rows)} sounds, {len(samples) / RATE:.0f} s, {size / 1e6:.2f} MB")


def rounded(value: Any) -> Any:
    """Return a number, or those of a list, to a hundred-thousandth."""
    return round(value, 5) if isinstance(value, float) else value


def write_flac(samples: np.ndarray, path: Path) -> None:
    """Write mono samples in [-1, 1] with 16 bits."""
    import av

    whole = np.rint(samples * 32_767).astype(np.int16).reshape(1, -1)
    with av.open(str(path), "w", format="flac") as file:
        stream = file.add_stream("flac", rate=RATE, options={"compression_level": "12"})
        stream.layout, stream.format = "mono", "s16"
        frame = av.AudioFrame.from_ndarray(whole, "s16", "mono")
        frame.sample_rate = RATE
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


if __name__ == "__main__":
    main()
