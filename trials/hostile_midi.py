"""MIDI files made to do harm: each gives tokens that can be decoded, or gets a sentence."""

import functools
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from emsync.errors import EmsyncError
from emsync.music.transformer.primer import read_primer_tokens
from emsync.music.transformer.tokens import decode
from trials import seeds
from trials.lures import (
    READ,
    Unmarked,
    due,
    fifo,
    little_memory,
    no_fault_of_ours,
    own_folder,
    sentence,
)
from trials.trial import Wrong


def primer(path: Path, folder: Path) -> str:
    """Return what comes of a MIDI file to continue from: that it is read, or a sentence.

    Raises:
        Wrong: neither.
    """
    with no_fault_of_ours(), little_memory():
        try:
            tokens = read_primer_tokens(path, 512, 15.0)
        except EmsyncError as error:
            return sentence(error, folder)
    if len(tokens) > 512:
        raise Wrong(f"{len(tokens)} tokens, and 512 were asked for at most")
    return f"read: {len(decode(tokens).notes)} notes"


def _try_midi(build: Callable[[], bytes], must: str, folder: Path) -> str:
    path = folder / "song.mid"
    path.write_bytes(build())
    return due(primer(path, folder), must)


def _cut_midi(step: int, folder: Path) -> str:
    whole, path = seeds.midi(seeds.melody()), folder / "song.mid"
    places = range(step, len(whole), step)
    for place in places:
        path.write_bytes(whole[:place])
        primer(path, folder)
    return f"{len(places)} without harm"


def _riff(content: bytes) -> bytes:
    data = b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(data)) + b"RMID" + data


END = b"\0\xff\x2f\0"
_NO_MIDI = "refused: is not a MIDI file that can be read"
_MIDI_DUE: dict[str, str] = {
    "sound": READ, "empty": _NO_MIDI, "noise": _NO_MIDI, "text": _NO_MIDI, "picture": _NO_MIDI,
    "too-large": "refused: is too large",
}  # fmt: skip
"""What has to come of some; of the others either may."""


def midis() -> Iterator[Unmarked]:
    """Yield MIDI files of each kind of harm."""
    melody, quick = seeds.melody(), seeds.melody(gap=1)
    note, on, off = b"\0\x90\x3c\x50", b"\0\x90\x3c\x50", b"\0\x80\x3c\0"
    tempo_0 = b"\0\xff\x51\x03\0\0\0"
    cases: dict[str, Callable[[], bytes]] = {
        "sound": lambda: seeds.midi(melody),
        "empty": lambda: b"",
        "head-only": lambda: seeds.midi(),
        "division-0": lambda: seeds.midi(melody, division=0),
        "division-1": lambda: seeds.midi(melody, division=1),
        "division-32767": lambda: seeds.midi(melody, division=32767),
        "division-smpte": lambda: seeds.midi(melody, division=0xE728),
        "division-negative": lambda: seeds.midi(melody, division=0x8000),
        "form-9": lambda: seeds.midi(melody, form=9),
        "form-2": lambda: seeds.midi(melody, melody, form=2),
        "tracks-65535": lambda: seeds.midi(*[b""] * 65_535),
        "tracks-claimed": lambda: seeds.midi(melody, count=65_535),
        "tempo-0": lambda: seeds.midi(tempo_0 + melody),
        "tempo-0-each": lambda: seeds.midi((tempo_0 + note) * 5000 + END),
        "running-status": lambda: seeds.midi(b"\0\x90" + b"\x3c\x50\0" * 100_000),
        "status-garbage": lambda: seeds.midi(random.Random(1).randbytes(200_000)),
        "delta-huge": lambda: seeds.midi(b"\xff\xff\xff\x7f\x90\x3c\x50" + END),
        "delta-endless": lambda: seeds.midi(b"\xff" * 100_000),
        "note-endless": lambda: seeds.midi(note + b"\xff\xff\xff\x7f\x80\x3c\0" + END, division=1),
        "note-long": lambda: seeds.midi(note + seeds.delta(9_999_999) + off[1:] + END, division=1),
        "ticks-ten-million": lambda: seeds.midi(
            melody[:-4] + seeds.delta(9_900_000) + note[1:] + b"\x60" + off[1:] + END, division=1
        ),
        "meter-0": lambda: seeds.midi(b"\0\xff\x58\4\0\0\0\0" + melody),
        "meter-2^255": lambda: seeds.midi(b"\0\xff\x58\4\x04\xff\x18\x08" + melody),
        "key-99": lambda: seeds.midi(b"\0\xff\x59\2\x63\x63" + melody),
        "meta-claimed": lambda: seeds.midi(b"\0\xff\x01\xff\xff\xff\x7f" + melody),
        "sysex-endless": lambda: seeds.midi(b"\0\xf0\xff\xff\xff\x7f" + bytes(1000)),
        "notes-held": lambda: seeds.midi(on * 100_000 + off * 100_000 + END),
        "notes-held-later": lambda: seeds.midi(on * 100_000 + b"\x01\x80\x3c\0" * 90_000 + END),
        "events-million": lambda: seeds.midi(b"\0\x90" + b"\x3c\x50\1" * 330_000),
        "too-large": lambda: seeds.midi(bytes(1_000_001)),
        "rmid": lambda: _riff(seeds.midi(melody)),
        "chords-many": lambda: seeds.midi(*[quick] * 300),
        "drums-only": lambda: seeds.midi(melody.replace(b"\x90", b"\x99")),
        "effects-only": lambda: seeds.midi(melody.replace(b"\xc0\0", b"\xc0\x7f")),
        "picture": lambda: seeds.png(64, 48),
        "text": lambda: b"a song, honestly\n" * 99,
        "noise": lambda: random.Random(4).randbytes(20_000),
    }
    for name, build in cases.items():
        yield (f"midi-{name}", functools.partial(_try_midi, build, _MIDI_DUE.get(name, "")), 60)
    yield ("midi-cut", functools.partial(_cut_midi, 199), 60)
    yield ("midi-cut-64", functools.partial(_cut_midi, 64), 300)
    yield ("midi-folder", lambda folder: primer(own_folder(folder), folder), 30)
    yield ("midi-missing", lambda folder: primer(folder / "x\n.mid", folder), 30)
    yield ("midi-fifo", lambda folder: primer(fifo(folder), folder), 30)
    yield ("midi-nul", lambda folder: primer(folder / "a\0.mid", folder), 30)
