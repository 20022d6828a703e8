"""SoundFonts: those installed are found; a stranger's is tried where it can do no harm."""

import importlib.util
import os
import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emsync.errors import SoundError
from emsync.sound import soundfonts
from emsync.sound.mix import write_wav
from emsync.sound.soundfonts import check, installed
from emsync.sound.synth import Sound, SoundFont, find_soundfont


@pytest.fixture(scope="module")
def small_font() -> Path:
    package = importlib.util.find_spec("pretty_midi")
    assert package is not None and package.submodule_search_locations is not None
    return Path(package.submodule_search_locations[0]) / "TimGM6mb.sf2"


@pytest.fixture(autouse=True)
def in_seconds() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < 10, "the app itself is kept busy"


def at(font: bytes, kind: bytes) -> int:
    """Where the length of a chunk stands."""
    return font.rindex(kind) + 4


def changed(font: Path, path: Path, place: int, value: bytes) -> Path:
    data = bytearray(font.read_bytes())
    data[place : place + len(value)] = value
    path.write_bytes(data)
    return path


def test_installed_soundfonts_are_found_once(small_font: Path) -> None:
    fonts = installed()
    assert fonts[0] == find_soundfont()
    paths = [font.path.resolve() for font in fonts]
    assert len(set(paths)) == len(paths) and small_font.resolve() in paths
    assert all(font.name and "." not in font.name[-4:] for font in fonts)


def test_links_copies_and_other_files(
    tmp_path: Path, small_font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundfonts, "_FOLDERS", (str(tmp_path), str(tmp_path / "nowhere")))
    shutil.copy(small_font, tmp_path / "Mine.SF2")
    (tmp_path / "default.sf2").symlink_to(tmp_path / "Mine.SF2")
    (tmp_path / "gone.sf2").symlink_to(tmp_path / "nothing.sf2")
    (tmp_path / "false.sf3").write_bytes(b"nothing of the kind")
    (tmp_path / "folder.sf2").mkdir()
    assert SoundFont((tmp_path / "Mine.SF2").resolve(), "Mine") in installed()
    assert len([font for font in installed() if font.path.parent == tmp_path.resolve()]) == 1


def test_no_soundfont_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> SoundFont:
        raise SoundError("There is none.")

    monkeypatch.setattr(soundfonts, "find_soundfont", none)
    monkeypatch.setattr(soundfonts, "_folders", lambda: iter(()))
    assert installed() == ()


def test_a_good_soundfont_passes(tmp_path: Path, small_font: Path) -> None:
    path = tmp_path / "- my “font”.sf2"
    shutil.copy(small_font, path)
    assert check(path) == SoundFont(path, "- my “font”")
    full = find_soundfont()
    if full.path != small_font:
        assert check(full.path) == SoundFont(full.path, full.path.stem)


def test_what_is_no_soundfont_gets_a_sentence(tmp_path: Path, small_font: Path) -> None:
    empty, noise, song = (tmp_path / name for name in ("empty.sf2", "noise.sf2", "song.sf2"))
    empty.touch()
    noise.write_bytes(random.Random(0).randbytes(100_000))
    write_wav(Sound(np.zeros((44_100, 2), np.float32), 44_100), song)
    for path, limit, sentence in [
        (tmp_path / "none.sf2", 10**9, "There is no file “none.sf2”"),
        (tmp_path, 10**9, "There is no file"),
        (empty, 10**9, "“empty.sf2” is empty"),
        (noise, 10**9, "“noise.sf2” is not a SoundFont"),
        (song, 10**9, "“song.sf2” is not a SoundFont"),
        (small_font, 5_000_000, r"has 6 MB; a SoundFont may have 5 MB"),
    ]:
        with pytest.raises(SoundError, match=sentence):
            check(path, limit)


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.9, 0.9999])
def test_soundfont_that_is_cut_off(tmp_path: Path, small_font: Path, share: float) -> None:
    whole = small_font.read_bytes()
    path = tmp_path / "cut.sf2"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(SoundError, match=r"“cut\.sf2” is damaged or cut off"):
        check(path)


@pytest.mark.parametrize("kind", [b"sfbk", b"sdta", b"smpl", b"pdta", b"phdr", b"pgen", b"shdr"])
@pytest.mark.parametrize("length", [0, 7, 0x7FFFFFFF, 0xFFFFFFFF])
def test_chunks_that_lie_about_their_size(
    tmp_path: Path, small_font: Path, kind: bytes, length: int
) -> None:
    font = small_font.read_bytes()
    place = {b"sfbk": 4, b"sdta": font.index(b"sdta") - 4, b"smpl": font.index(b"smpl") + 4,
             b"pdta": font.rindex(b"pdta") - 4}.get(kind) or at(font, kind)  # fmt: skip
    path = changed(small_font, tmp_path / "lies.sf2", place, struct.pack("<I", length))
    with pytest.raises(SoundError, match=r"“lies\.sf2” is damaged or cut off"):
        check(path)


def test_soundfont_without_a_piano(tmp_path: Path, small_font: Path) -> None:
    font = small_font.read_bytes()
    begin = at(font, b"phdr") + 4
    length = int.from_bytes(font[begin - 4 : begin], "little")
    table = bytearray(font[begin : begin + length])
    for record in range(0, length, 38):
        table[record + 22 : record + 24] = struct.pack("<H", 5)  # the bank
    with pytest.raises(SoundError, match="has no piano"):
        check(changed(small_font, tmp_path / "other.sf2", begin, bytes(table)))


def test_silent_soundfont(tmp_path: Path, small_font: Path) -> None:
    font = small_font.read_bytes()
    begin = font.index(b"smpl") + 8
    length = int.from_bytes(font[begin - 4 : begin], "little")
    with pytest.raises(SoundError, match=r"The piano of “mute\.sf2” makes no sound"):
        check(changed(small_font, tmp_path / "mute.sf2", begin, bytes(length)))


@pytest.mark.parametrize("kind", [b"pbag", b"pgen", b"inst", b"ibag", b"igen", b"shdr"])
def test_tables_full_of_nonsense_hurt_nobody(tmp_path: Path, small_font: Path, kind: bytes) -> None:
    """Whether FluidSynth refuses, falls silent or dies, there is a sentence or a SoundFont."""
    font = small_font.read_bytes()
    begin = at(font, kind) + 4
    length = int.from_bytes(font[begin - 4 : begin], "little")
    nonsense = random.Random(kind).randbytes(length)
    path = changed(small_font, tmp_path / "wild.sf2", begin, nonsense)
    try:
        assert check(path).path == path
    except SoundError as error:
        assert "wild.sf2" in str(error) and str(tmp_path) not in str(error)


def test_soundfont_that_takes_too_long(
    tmp_path: Path, small_font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundfonts, "TRIAL_SECONDS", 0.05)
    with pytest.raises(SoundError, match=r"takes longer than 0\.05 s"):
        check(small_font)


@pytest.mark.parametrize("end", ["os.abort()", "os.kill(os.getpid(), 9)", "bytearray(3 << 30)"])
def test_a_synthesizer_that_dies_takes_nobody_along(
    small_font: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The trial's process ends as a damaged C library ends it, or runs out of its memory."""
    if sys.platform != "linux":
        pytest.skip("the bound on memory holds on Linux")
    program = (
        "import os, sys\nfrom emsync.sound import soundfonts\n"
        f"soundfonts._try = lambda path: {end}\nsys.exit(soundfonts.main())\n"
    )
    start = subprocess.Popen

    def instead(command: list[str], **options: object) -> object:
        if command[-2:] == ["-m", "emsync.sound.soundfonts"]:
            command = [*command[:-2], "-c", program]
        return start(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", instead)
    with pytest.raises(SoundError, match="the synthesizer fails on it, or needs too much memory"):
        check(small_font)


def test_the_trial_needs_no_folder_and_leaves_no_file(
    tmp_path: Path, small_font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = Path(os.path.relpath(small_font, tmp_path))
    assert check(relative) == SoundFont(relative, small_font.stem)
    assert not list(tmp_path.iterdir())
