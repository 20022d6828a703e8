"""SoundFonts that lack an instrument: the installed one plays it, and somebody says so."""

import importlib.util
import struct
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from emsync.errors import SoundError
from emsync.music.midi import write_midi
from emsync.music.notes import Note
from emsync.progress import CancelToken
from emsync.settings import SoundSettings
from emsync.sound import stand_in
from emsync.sound.soundfonts import presets_of
from emsync.sound.stand_in import fonts_of, lacking
from emsync.sound.stems import write_stems
from emsync.sound.synth import SoundFont, find_soundfont, play, read_score

RATE = 44_100
SETTINGS = SoundSettings(fade_seconds=0.0, limiter=False, compression=0.0)


@pytest.fixture(scope="module")
def whole() -> Path:
    package = importlib.util.find_spec("pretty_midi")
    assert package is not None and package.submodule_search_locations is not None
    return Path(package.submodule_search_locations[0]) / "TimGM6mb.sf2"


@pytest.fixture(scope="module")
def partial(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SoundFont without kits and without strings: they stand in banks where nobody looks."""
    data = bytearray(whole.read_bytes())
    begin = data.rindex(b"phdr") + 8
    length = int.from_bytes(data[begin - 4 : begin], "little")
    for record in range(begin, begin + length - 38, 38):
        program, bank = struct.unpack_from("<HH", data, record + 20)
        if bank == 128 or program == 48:
            struct.pack_into("<H", data, record + 22, 77)
    path = tmp_path_factory.mktemp("font") / "partial.sf2"
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def midi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    notes = [
        Note(group, pitch, at, at + 0.4, 90)
        for group, pitch in (("piano", 60), ("strings", 64), ("drums", 36))
        for at in (0.0, 0.5)
    ]
    path = tmp_path_factory.mktemp("midi") / "music.mid"
    write_midi(notes, path, Fraction(2))
    return path


def test_what_a_soundfont_has(whole: Path, partial: Path) -> None:
    assert {(0, 0), (0, 48), (128, 0)} <= presets_of(whole)
    assert (0, 0) in presets_of(partial) and (0, 48) not in presets_of(partial)
    assert not any(bank == 128 for bank, _ in presets_of(partial))


def test_kits_and_programs_that_are_missing_are_found(
    midi: Path, whole: Path, partial: Path, tmp_path: Path
) -> None:
    score = read_score(midi, RATE)
    assert lacking(score, None) == lacking(score, whole) == ()
    assert set(lacking(score, partial)) == {"strings", "drums"}
    # What cannot be read is the synthesizer's to refuse.
    (tmp_path / "noise.sf2").write_bytes(b"noise" * 100)
    assert lacking(score, tmp_path / "noise.sf2") == ()


def test_the_installed_soundfont_plays_what_is_missing(
    midi: Path, partial: Path, tmp_path: Path
) -> None:
    score, token = read_score(midi, RATE), CancelToken()
    duration = Fraction(2)
    silent = play(score, duration, SETTINGS, partial, token, "drums")
    assert np.abs(silent.samples).max() < 1e-6
    stems = write_stems(midi, duration, SETTINGS, partial, tmp_path, token)
    assert set(stems) == {"piano", "strings", "drums"}
    for name, font in (("piano", partial), ("strings", None), ("drums", None)):
        alone = play(score, duration, SETTINGS, font, token, name).samples
        with wave.open(str(stems[name])) as file:
            data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        written = data.reshape(-1, 2).astype(np.float32) / 32768
        loud = np.abs(alone).max()
        assert loud > 0.001
        scale = np.abs(written).max() / loud
        assert np.abs(written - scale * alone).max() < 0.001


def test_a_sentence_says_so(midi: Path, partial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stand_in.note((), "x") == ""
    name = find_soundfont().name
    assert stand_in.note(("drums",), "“a.sf2”") == (
        f"The SoundFont “a.sf2” has no instrument for drums: {name} plays it instead."
    )
    assert f"for strings and drums: {name} plays them" in stand_in.note(("strings", "drums"), "a")

    def nothing() -> SoundFont:
        raise SoundError("none")

    monkeypatch.setattr(stand_in, "find_soundfont", nothing)
    assert "no other SoundFont is installed" in stand_in.note(("drums",), "a")
    score = read_score(midi, RATE)
    assert set(fonts_of(score, partial).values()) == {partial}
    assert set(lacking(score, partial)) == {"strings", "drums"}
