"""Films in odd places, cut off, overwritten with noise, and with odd names."""

import functools
import json
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from emsync.interface.store import Store
from emsync.music.composer import Composer, open_composer
from emsync.pipeline import analyse, score
from emsync.progress import CancelToken, silent
from emsync.settings import FilmLimits, Settings
from trials import seeds
from trials.lures import (
    FOREIGN,
    NAMES,
    READ,
    Unmarked,
    compared,
    due,
    fifo,
    looked_at,
    own_folder,
)
from trials.trial import Wrong


def _try_place(make: Callable[[Path], Path], must: str, folder: Path) -> str:
    return due(looked_at(make(folder), folder), must)


def _link_to(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "film.mp4").symlink_to(target)
        return folder / "film.mp4"

    return make


def in_places() -> Iterator[Unmarked]:
    """Yield paths that lead to no film."""
    nowhere = "refused: There is no file"
    for name, make, must in (
        ("fifo", fifo, "refused: is not a file"),
        ("folder", own_folder, "refused: is a folder"),
        ("link-passwd", _link_to("/etc/passwd"), FOREIGN),
        ("link-zero", _link_to("/dev/zero"), "refused: is not a file"),
        ("link-loop", _link_to("film.mp4"), "refused: cannot be opened"),
        ("link-nowhere", _link_to("nowhere"), nowhere),
        ("nul", lambda folder: folder / "a\0b.mp4", "refused: is not the name of a file"),
        ("too-long", lambda folder: folder / ("a" * 300 + ".mp4"), "refused: cannot be opened"),
        ("missing", lambda folder: folder / "a\nb\x1b[31m.mp4", nowhere),
    ):
        yield (f"place-{name}", functools.partial(_try_place, make, must), 75)


_CUT_SECONDS = 2.0
_UNTOLD = ("film.ts", "film.gif")
"""Films whose head does not say how long they are."""


def cut_off(name: str, step: int, folder: Path) -> str:
    """Cut a film off after every `step` bytes: what is read is as long as its head says."""
    whole = seeds.film(name, folder, _CUT_SECONDS).read_bytes()
    path, read = folder / f"cut-{name}", 0
    places = range(step, len(whole), step)
    if not places:
        raise Wrong(f"the film of {len(whole)} bytes is not cut at all")
    # Where the head says how long a film is, it may lack half a second; else nobody can know.
    least = 0.0 if name in _UNTOLD else _CUT_SECONDS - 0.5
    for place in places:
        path.write_bytes(whole[:place])
        said = looked_at(path, folder, scored=read % 10 == 0)
        if said.startswith(READ):
            read += 1
            seconds = float(said.split()[-2])
            if not least - 0.1 <= seconds <= _CUT_SECONDS + 0.1:
                raise Wrong(f"cut off after {place} of {len(whole)} bytes it was {said!r}")
    return f"{read} of {len(places)} read, the others refused"


_MAGIC = {
    "none": b"",
    "mp4": seeds.box(b"ftyp", b"isom", bytes(4)) + struct.pack(">I4s", 3000, b"moov"),
    "mkv": seeds.element(0x1A45DFA3, seeds.element(0x4282, b"matroska")) + b"\x18\x53\x80\x67",
    "avi": b"RIFF\xff\xff\0\0AVI LIST\xc0\0\0\0hdrlavih\x38\0\0\0",
    "ts": b"\x47\x40\0\x10",
    "mpg": b"\0\0\1\xba\x44\0\4\0\4\1\0\0\3\xf8\0\0\1\xe0",
    "flv": b"FLV\1\5\0\0\0\x09\0\0\0\0",
    "gif": b"GIF89a\x40\0\x30\0\xf7\0\0",
    "ogg": b"OggS\0\2" + bytes(8) + b"\1\0\0\0\0\0\0\0\0\0\0\0\1\x1e\1vorbis",
    "asf": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "ivf": b"DKIF\0\0\x20\0VP90\x40\0\x30\0\x0a\0\0\0\1\0\0\0",
    "rm": b".RMF\0\0\0\x12",
    "nut": b"nut/multimedia container\0",
    "mxf": bytes.fromhex("060e2b34020501010d0102010102"),
    "dv": bytes.fromhex("1f0700bf"),
    "y4m": b"YUV4MPEG2 W64 H48 F10:1\n",
    "wtv": bytes.fromhex("b7d800203749da11a64e0007e95ead8d"),
    "wav": b"RIFF\xff\xff\0\0WAVEfmt ",
    "aiff": b"FORM\0\0\xff\xffAIFFCOMM",
    "flac": b"fLaC\0\0\0\x22",
    "mp3": b"ID3\4\0\0\0\0\x0f\x76",
    "caf": b"caff\0\1\0\0desc",
    "ape": b"MAC \x96\x0f\0\0",
    "wv": b"wvpk\xff\0\0\0",
    "ac3": b"\x0b\x77",
    "amr": b"#!AMR\n",
}


def _noise(kinds: Sequence[str], rounds: int, folder: Path) -> str:
    for kind in kinds:
        for number in range(rounds):
            path = folder / f"noise.{kind}"
            noise = random.Random(f"{kind}-{number}").randbytes(20_000)
            path.write_bytes(_MAGIC[kind] + noise)
            looked_at(path, folder)
    return f"{len(kinds) * rounds} without harm"


def damaged() -> Iterator[Unmarked]:
    """Yield films that are cut off, and noise behind the head of a film."""
    for name in seeds.FILMS:
        step = 7000 if name != "film.gif" else 900
        yield (f"cut-{name}", functools.partial(cut_off, name, step), 120)
        yield (f"cut-each-{name}", functools.partial(cut_off, name, 1024), 600)
    for kind in _MAGIC:
        yield (f"noise-{kind}", functools.partial(_noise, [kind], 2), 120)


def _named(name: str, whole: bool, folder: Path) -> str:
    upload = folder / "upload"
    upload.mkdir()
    made = seeds.film("front.mp4", folder)
    (upload / name).write_bytes(made.read_bytes())
    (upload / "1.mp4").write_bytes(b"not this one")
    limits = FilmLimits()
    source = Store(folder / "shelf").add_film(upload / name, limits, CancelToken())
    if source.name != name or not source.poster.startswith(b"\xff\xd8"):
        raise Wrong(f"it came as {source.name!r}")
    if source.film.path.parent.parent != folder / "shelf":
        raise Wrong(f"it lies in {source.film.path.parent}")
    if not whole:
        return "taken in, with a picture of it"
    settings = replace(Settings(), music=replace(Settings().music, openings=1, redraws=0))
    analysis = analyse(source.film.path, settings, silent, CancelToken())
    target = folder / "scored"
    target.mkdir()
    result = score(analysis, target, settings, silent, CancelToken(), _composer())
    compared(result.video, 1.0, 0.1)
    if json.loads(result.report.read_text("utf-8"))["film"]["name"] != name:
        raise Wrong("the report has another name")
    if sorted(path.name for path in upload.iterdir()) != sorted([name, "1.mp4"]):
        raise Wrong("something else was written beside the upload")
    return "scored"


@functools.cache
def _composer() -> Composer:
    return open_composer(Settings().music.composer)


_SCORED = ("quotes", "newline", "long", "option", "bidi", "bytes")


def with_names() -> Iterator[Unmarked]:
    """Yield films with odd names."""
    for kind, name in NAMES.items():
        yield (f"name-{kind}", functools.partial(_named, name, False), 75)
        if kind in _SCORED:
            yield (f"name-scored-{kind}", functools.partial(_named, name, True), 300
        )  # fmt: skip
