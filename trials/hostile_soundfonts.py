"""SoundFonts made to do harm: each can be played, or gets a sentence."""

import functools
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from emsync.errors import EmsyncError
from emsync.sound.soundfonts import check
from emsync.sound.synth import find_soundfont
from trials.lures import READ, REFUSED, Unmarked, due, little_memory, sentence


def font(path: Path, folder: Path) -> str:
    """Return what comes of a SoundFont: that it plays, or a sentence."""
    with little_memory():
        try:
            check(path)
        except EmsyncError as error:
            return sentence(error, folder)
    return "read: it plays"


def _try_font(change: Callable[[bytearray], bytes], must: str, folder: Path) -> str:
    # TimGM6mb where it is installed, for it is small.
    small = Path(find_soundfont().path)
    with suppress(ImportError):
        import pretty_midi

        small = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
    path = folder / "font.sf2"
    path.write_bytes(change(bytearray(small.read_bytes())))
    return due(font(path, folder), must)


def _table(font: bytearray, kind: bytes) -> tuple[int, int]:
    """Return where the records of a table begin and end."""
    place = font.rindex(kind) + 4
    return place + 4, place + 4 + int(struct.unpack_from("<I", font, place)[0])


def _each_sample(font: bytearray, begin: int, layout: str, *values: int) -> bytes:
    """Put other numbers into the head of every sample."""
    first, last = _table(font, b"shdr")
    for place in range(first, last - 46, 46):
        struct.pack_into(layout, font, place + begin, *values)
    return bytes(font)


def _without(font: bytearray, kind: bytes) -> bytes:
    """Empty a table, and move up what follows it."""
    begin, end = _table(font, kind)
    struct.pack_into("<I", font, begin - 4, 0)
    return bytes(font[:begin] + font[end:])


def _filled(font: bytearray, kind: bytes, byte: int) -> bytes:
    begin, end = _table(font, kind)
    font[begin:end] = bytes([byte]) * (end - begin)
    return bytes(font)


_CUT_FONT = "refused: is damaged or cut off"
_NO_FONT = "refused: is not a SoundFont"
_FONT_DUE: dict[str, str] = {
    "sound": READ, "empty": "refused: is empty", "text": _NO_FONT, "presets-0": REFUSED,
    **dict.fromkeys(("head", "half", "last-byte", "chunks-million", "size-claimed",
                     "no-instruments", "no-samples", "noise"), _CUT_FONT),
}  # fmt: skip
"""What has to come of some; of the others FluidSynth decides."""


def fonts() -> Iterator[Unmarked]:
    """Yield SoundFonts of each kind of harm."""
    chunks = b"LIST" + struct.pack("<I", 4 + 8 * 10**6) + b"INFO" + (b"ICMT" + bytes(4)) * 10**6
    many = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"sfbk" + chunks
    cases: dict[str, Callable[[bytearray], bytes]] = {
        "sound": bytes,
        "empty": lambda font: b"",
        "head": lambda font: bytes(font[:12]),
        "half": lambda font: bytes(font[: len(font) // 2]),
        "last-byte": lambda font: bytes(font[:-1]),
        "text": lambda font: b"a SoundFont, honestly\n" * 99,
        "chunks-million": lambda font: many,
        "size-claimed": lambda font: b"RIFF\xff\xff\xff\xff" + bytes(font[8:]),
        "no-instruments": lambda font: _without(font, b"inst"),
        "no-samples": lambda font: _without(font, b"shdr"),
        "samples-huge": lambda font: _each_sample(font, 20, "<II", 0, 2**32 - 1),
        "samples-backward": lambda font: _each_sample(font, 20, "<II", 10**6, 10),
        "loops-outside": lambda font: _each_sample(font, 28, "<II", 0, 2**32 - 1),
        "loops-backward": lambda font: _each_sample(font, 28, "<II", 2**31, 1),
        "loops-none": lambda font: _each_sample(font, 28, "<II", 7, 7),
        "rate-0": lambda font: _each_sample(font, 36, "<I", 0),
        "rate-huge": lambda font: _each_sample(font, 36, "<I", 2**32 - 1),
        "links-outside": lambda font: _each_sample(font, 42, "<HH", 65535, 4),
        "rom-samples": lambda font: _each_sample(font, 44, "<H", 0x8001),
        "generators-255": lambda font: _filled(font, b"igen", 255),
        "generators-127": lambda font: _filled(font, b"pgen", 127),
        "modulators-255": lambda font: _filled(font, b"imod", 255),
        "bags-255": lambda font: _filled(font, b"ibag", 255),
        "presets-0": lambda font: _filled(font, b"phdr", 0),
        "noise": lambda font: bytes(font[:12]) + random.Random(2).randbytes(len(font) - 12),
    }
    for name, change in cases.items():
        must = _FONT_DUE.get(name, "")
        yield (f"font-{name}", functools.partial(_try_font, change, must), 60)
    for share in range(1, 20):
        cut = functools.partial(_try_font, _share(share / 20), _CUT_FONT)
        yield (f"font-cut-{share}", cut, 60)


def _share(share: float) -> Callable[[bytearray], bytes]:
    return lambda font: bytes(font[: int(len(font) * share)])
