"""The sounds that are offered for each group: they are there, they differ, they can be heard."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from emsync.music.midi import PROGRAMS, group_of, write_midi
from emsync.music.notes import GROUPS, Note
from emsync.progress import CancelToken
from emsync.settings import SoundSettings
from emsync.sound.programs import SOUNDS, sound_name
from emsync.sound.synth import find_soundfont, play, read_score

PITCHES = {"piano": (64,), "guitar": (57,), "bass": (40,), "strings": (64,), "drums": (36, 38)}
"""Kits share some of their drums, but no two have the same bass drum and the same snare."""


@pytest.fixture(scope="module")
def full_font() -> Path:
    font = find_soundfont()
    if font.name != "FluidR3_GM":
        pytest.skip("needs FluidR3_GM: sudo apt-get install -y fluid-soundfont-gm")
    return font.path


def played(folder: Path, font: Path, group: str, program: int) -> np.ndarray:
    """Half a second of a note or two, as the product writes and plays them."""
    path = folder / "note.mid"
    notes = [Note(group, pitch, at / 4, 0.4, 100) for at, pitch in enumerate(PITCHES[group])]
    write_midi(notes, path, Fraction(1, 2), programs=((group, program),))
    settings = SoundSettings(sample_rate=22_050)
    score = read_score(path, settings.sample_rate)
    return play(score, Fraction(1, 2), settings, font, CancelToken(), group).samples


def test_defaults_come_first() -> None:
    assert set(SOUNDS) == set(GROUPS) == set(PROGRAMS)
    for group, sounds in SOUNDS.items():
        assert next(iter(sounds.values())) == PROGRAMS[group]


def test_names_and_programs_are_given_once() -> None:
    for sounds in SOUNDS.values():
        assert len(set(sounds.values())) == len(sounds) >= 5
        assert all(0 <= program <= 127 for program in sounds.values())
    assert all(group_of(program, False) is not None for program in SOUNDS["strings"].values())


def test_a_program_is_called_by_its_name_if_it_has_one() -> None:
    assert sound_name("piano", 0) == "Grand piano"
    assert sound_name("drums", 40) == "Brush kit"
    assert sound_name("piano", 99) == "Program 99"


@pytest.mark.parametrize("group", SOUNDS)
def test_every_sound_is_heard_and_like_no_other(
    group: str, tmp_path: Path, full_font: Path
) -> None:
    heard: dict[str, np.ndarray] = {}
    for name, program in SOUNDS[group].items():
        samples = played(tmp_path, full_font, group, program)
        loudest = np.abs(samples).max()
        assert loudest > 0.005, f"{name} is silent"
        for other, before in heard.items():
            assert np.abs(samples - before).max() > 0.1 * loudest, f"{name} is {other}"
        heard[name] = samples
