"""Mixing: what the groups are turned to, the sound that a browser mixes, and the same on disk."""

import importlib.util
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from test_sound import band

from emsync.progress import CancelToken
from emsync.settings import MUTED, SoundSettings
from emsync.sound.stems import render_music, write_stems

GAINS = (("piano", -6.0), ("drums", MUTED), ("bass", 3.0))


@pytest.fixture(scope="module")
def small_font() -> Path:
    """The SoundFont that pretty_midi carries."""
    package = importlib.util.find_spec("pretty_midi")
    assert package is not None and package.submodule_search_locations is not None
    return Path(package.submodule_search_locations[0]) / "TimGM6mb.sf2"


def test_groups_are_as_loud_as_they_are_turned_to(
    tmp_path: Path, small_font: Path, cancel: CancelToken
) -> None:
    song, second = band(tmp_path / "band.mid"), Fraction(1)

    def played(*gains: tuple[str, float]) -> np.ndarray:
        return render_music(song, second, SoundSettings(gains=gains), small_font, cancel).samples

    def alone(group: str, decibels: float) -> np.ndarray:
        others = {"piano", "guitar", "bass", "strings", "drums"} - {group}
        return played((group, decibels), *((other, MUTED) for other in others))

    assert np.abs(alone("drums", MUTED)).max() == 0
    whole, turned = played(), played(*GAINS)
    factors = {"piano": 10 ** (-6 / 20), "drums": 0.0, "bass": 10 ** (3 / 20)}
    expected = whole + sum((f - 1) * alone(group, 0.0) for group, f in factors.items())
    assert np.abs(turned - expected).max() < 1e-6
    assert np.abs(turned - whole).max() > 1e-2
    assert played(("piano", 0.0)) == pytest.approx(whole)


def test_a_muted_group_has_no_stem(tmp_path: Path, small_font: Path, cancel: CancelToken) -> None:
    song, settings = band(tmp_path / "band.mid"), SoundSettings(gains=GAINS)
    written = write_stems(song, Fraction(1), settings, small_font, tmp_path, cancel)
    assert set(written) == {"piano", "guitar", "bass", "strings"}
