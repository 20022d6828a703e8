"""Which SoundFonts are installed, and whether one that a stranger brings may be played.

FluidSynth is a C library, and a file made wrong by accident or on purpose could end it and all that
runs beside it. So a stranger's SoundFont is first read here, by its own description, and then
played by FluidSynth in a process of its own (``python -m emsync.sound.soundfonts``), which is
given little memory and little time.
"""

import contextlib
import importlib.util
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from emsync.errors import SoundError
from emsync.process import child
from emsync.progress import CancelToken
from emsync.sound.synth import SoundFont, find_soundfont, load_library, sound_on, synthesizer
from emsync.text import one_line, quoted

LARGEST = 200_000_000
"""Bytes of a SoundFont that is accepted from a stranger; FluidR3_GM has 148 million. Ours."""
TRIAL_SECONDS = 30.0
"""That FluidSynth may take to load a stranger's SoundFont and to play each of its instruments. It
takes a second or two for FluidR3_GM."""
TRIAL_MEMORY = 2 << 30
"""Bytes of address space for that. What an SF3 unpacks to is counted as well."""

_FOLDERS = (
    "/usr/share/sounds/sf2",  # Debian, Ubuntu
    "/usr/share/sounds/sf3",
    "/usr/share/soundfonts",  # Fedora, Arch
    "/usr/local/share/sounds/sf2",
    "/usr/local/share/sounds/sf3",
    "/usr/local/share/soundfonts",
    "/opt/homebrew/share/soundfonts",
)
_SUFFIXES = {".sf2", ".sf3"}
_LISTS = (b"INFO", b"sdta", b"pdta")
_RECORDS = {b"phdr": 38, b"pbag": 4, b"pmod": 10, b"pgen": 4, b"inst": 22, b"ibag": 4,
            b"imod": 10, b"igen": 4, b"shdr": 46}  # fmt: skip
"""Bytes of one record of each table, in the order in which they stand (SoundFont 2.04, 7)."""
_NEEDED = {b"phdr": 2, b"pbag": 2, b"inst": 2, b"ibag": 2, b"shdr": 2}
"""Records that a table has at least: something, and the mark of its end."""
_MOST_CHUNKS = 1000
"""In one list; the format knows some dozen."""
_LARGEST_TABLE = 20_000_000
"""Bytes; the largest of FluidR3_GM has a million."""
_REFUSED = 3
"""Exit status of a trial that found something wrong and says what."""
_TRIAL_RATE = 22_050
_TRIAL_PITCHES = (36, 60, 84)
_TRIAL_FRAMES = 1024
_SILENCE = 1e-5


def installed() -> tuple[SoundFont, ...]:
    """Return the SoundFonts of this machine: the one that `find_soundfont` gives first, the others
    by name, each once; none if there are none."""
    found: dict[Path, SoundFont] = {}
    with contextlib.suppress(SoundError):
        first = find_soundfont()
        found[first.path.resolve()] = first
    others: dict[Path, SoundFont] = {}
    for folder in _folders():
        with contextlib.suppress(OSError):
            for entry in folder.iterdir():
                path = entry.resolve()
                if path.suffix.lower() in _SUFFIXES and _is_soundfont(path):
                    others.setdefault(path, SoundFont(path, path.stem))
    for path, font in sorted(others.items(), key=lambda item: item[1].name.lower()):
        found.setdefault(path, font)
    return tuple(found.values())


def _folders() -> Iterator[Path]:
    yield from map(Path, _FOLDERS)
    package = importlib.util.find_spec("pretty_midi")
    yield from map(Path, (package.submodule_search_locations or ()) if package else ())


def _is_soundfont(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:] == b"sfbk"


def check(path: Path, limit_bytes: int = LARGEST) -> SoundFont:
    """Check that a stranger's SoundFont can be played without harm.

    Its parts must fit into the file, there must be a piano (program 0 of bank 0), and FluidSynth
    must load all of it and play each of the 128 instruments and the drum kit, in a process that is
    ended after `TRIAL_SECONDS`.

    Args:
        path: SF2 or SF3, whatever it is called.
        limit_bytes: that it may have.

    Raises:
        SoundError: it cannot be used; a sentence says why.
    """
    try:
        if not path.is_file():
            raise SoundError(f"There is no file {quoted(path.name)}. Choose an SF2 file.")
        size = path.stat().st_size
        if size == 0:
            raise SoundError(f"{quoted(path.name)} is empty (0 bytes). Choose another SoundFont.")
        if size > limit_bytes:
            raise SoundError(
                f"{quoted(path.name)} has {size / 1e6:.0f} MB; a SoundFont may have "
                f"{limit_bytes / 1e6:.0f} MB. Choose a smaller one."
            )
        with path.open("rb") as file:
            tables = _tables(file, size, path.name)
    except OSError as error:
        raise SoundError(f"{quoted(path.name)} cannot be read: {error.strerror}.") from error
    if (0, 0) not in _presets(tables[b"phdr"]):
        raise SoundError(
            f"{quoted(path.name)} has no piano (program 0 of bank 0), so it is not a General MIDI "
            "set. Choose another SoundFont."
        )
    _try_apart(path)
    return SoundFont(path, path.stem)


def presets_of(path: Path) -> frozenset[tuple[int, int]]:
    """Return (bank, program) of the instruments of a SoundFont; drum kits have bank 128.

    Raises:
        SoundError: it is no SoundFont, or damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        tables = _tables(file, path.stat().st_size, path.name)
    return frozenset(_presets(tables[b"phdr"]))


def _tables(file: BinaryIO, size: int, name: str) -> dict[bytes, bytes]:
    """Return the tables of a SoundFont, by their kind; every length was held against its
    surroundings."""
    damaged = SoundError(f"{quoted(name)} is damaged or cut off. Copy or download it again.")
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise SoundError(f"{quoted(name)} is not a SoundFont. Choose an SF2 file.")
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > size:
        raise damaged
    try:
        lists = {}
        for kind, begin, stop in _chunks(file, 12, end):
            if kind == b"LIST" and stop - begin >= 4:
                file.seek(begin)
                lists[file.read(4)] = begin + 4, stop
        if any(kind not in lists for kind in _LISTS):
            raise damaged
        for kind in (b"INFO", b"sdta"):
            for _ in _chunks(file, *lists[kind]):
                pass
        tables = {}
        for kind, begin, stop in _chunks(file, *lists[b"pdta"]):
            if stop - begin > _LARGEST_TABLE:
                raise ValueError
            file.seek(begin)
            tables[kind] = file.read(stop - begin)
    except ValueError:
        raise damaged from None
    for kind, length in _RECORDS.items():
        records, rest = divmod(len(tables.get(kind, b"")), length)
        if kind not in tables or rest or records < _NEEDED.get(kind, 0):
            raise damaged
    return tables


def _chunks(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of each chunk between two places; ValueError if one is too long, or there
    are too many."""
    for _ in range(_MOST_CHUNKS):
        if begin >= end:
            return
        if begin + 8 > end:
            raise ValueError
        file.seek(begin)
        kind, length = struct.unpack("<4sI", file.read(8))
        begin += 8
        if begin + length > end:
            raise ValueError
        yield kind, begin, begin + length
        begin += length + length % 2
    raise ValueError


def _presets(table: bytes) -> set[tuple[int, int]]:
    """Return (bank, program) of the instruments; the last record is the mark of the end."""
    records = [*struct.iter_unpack("<20xHHH12x", table)]
    return {(bank, program) for program, bank, _ in records[:-1]}


def _try_apart(path: Path) -> None:
    """`_try` in a process of its own.

    Raises:
        SoundError: it found something wrong, took too long, or did not survive it.
    """
    message = str(path.absolute()).encode("utf-8", "surrogateescape")
    try:
        done = child.run_module("emsync.sound.soundfonts", message, TRIAL_SECONDS)
    except child.TooSlow as error:
        raise SoundError(
            f"{quoted(path.name)} takes longer than {TRIAL_SECONDS:g} s to load. Choose a smaller "
            "SoundFont."
        ) from error
    except OSError as error:
        raise SoundError(
            f"{quoted(path.name)} could not be tried out: {error.strerror}."
        ) from error
    if done.status == _REFUSED:
        raise SoundError(one_line(done.said.decode("utf-8", "replace").strip(), 600))
    if done.status:
        raise SoundError(
            f"{quoted(path.name)} cannot be played: the synthesizer fails on it, or needs too much "
            "memory. Choose another SoundFont."
        )


def _try(path: Path) -> None:
    """Load all of a SoundFont and play every instrument and the drum kit for a moment.

    Raises:
        SoundError: it cannot be loaded, or the piano makes no sound, or something makes an
            endless one.
    """
    load_library()
    with contextlib.ExitStack() as stack:
        try:
            synth, write = stack.enter_context(synthesizer(path, _TRIAL_RATE, whole=True))
        except SoundError as error:
            raise SoundError(
                f"{quoted(path.name)} is not a SoundFont that can be played. Choose another."
            ) from error
        samples = np.zeros((_TRIAL_FRAMES, 2), np.float32)
        for program in range(129):
            channel = 9 if program == 128 else 0
            synth.program_change(channel, program % 128)
            for pitch in _TRIAL_PITCHES:
                synth.noteon(channel, pitch, 100)
            sound_on(synth, write, samples, 0, len(samples), CancelToken())
            if not np.isfinite(samples).all():
                raise SoundError(
                    f"{quoted(path.name)} plays no proper sound. Choose another SoundFont."
                )
            if program == 0 and np.abs(samples).max() < _SILENCE:
                raise SoundError(
                    f"The piano of {quoted(path.name)} makes no sound. Choose another SoundFont."
                )
            synth.system_reset()


def main() -> int:
    """Try the SoundFont that standard input names; what is wrong is printed."""
    child.confine(TRIAL_SECONDS, TRIAL_MEMORY)
    try:
        _try(Path(sys.stdin.buffer.read().decode("utf-8", "surrogateescape")))
    except SoundError as error:
        print(error)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
