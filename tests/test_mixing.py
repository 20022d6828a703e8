"""Mixing: what the groups are turned to, the sound that a browser mixes, and the same on disk."""

import asyncio
import importlib.util
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import Films
from test_sound import band
from test_studio import played, score, watch

from emsync.errors import Cancelled
from emsync.film.film import Film
from emsync.film.frames import iter_audio
from emsync.film.probe import probe
from emsync.interface.records import Take
from emsync.interface.studio import Studio
from emsync.progress import CancelToken
from emsync.settings import MUTED, SoundSettings
from emsync.sound.mix import ducked, master, mix_with_original
from emsync.sound.mixing import ORIGINAL, MixLevels, MixSources, levels_of, mixed, write_sources
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


def talkie(films: Films) -> Path:
    """7 s of picture with a tone that is silent from 3 s to 4 s."""
    return films.render(
        "talkie.mp4",
        "-f", "lavfi", "-i", "testsrc2=s=160x120:d=7:r=25",
        "-f", "lavfi", "-i", "aevalsrc='if(between(t,3,4),0,0.3*sin(2764*t))':s=44100:d=7",
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-c:a", "aac",
    )  # fmt: skip


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    """How much more power there is in one than in the other."""
    return float(10 * np.log10(np.vdot(one, one) / np.vdot(other, other)))


@pytest.fixture(scope="module")
def sources(
    tmp_path_factory: pytest.TempPathFactory, films: Films, small_font: Path
) -> tuple[MixSources, Film, Path]:
    folder = tmp_path_factory.mktemp("sources")
    film, song = probe(talkie(films)), band(folder / "band.mid", 7)
    (folder / "pieces").mkdir()
    shares: list[float] = []
    made = write_sources(
        song, film, SoundSettings(), small_font, folder / "pieces", CancelToken(), shares.append
    )
    assert shares == sorted(shares) and shares[-1] == 1
    return made, film, song


def test_sources_are_the_stems_and_the_films_own_sound(
    sources: tuple[MixSources, Film, Path], small_font: Path, cancel: CancelToken
) -> None:
    made, film, song = sources
    assert set(made.names) == {"piano", "guitar", "bass", "strings", "drums", ORIGINAL}
    assert made.frames == round(film.duration * 44_100)
    files = sorted(path.name for path in made.folder.iterdir())
    assert files == sorted(f"{name}-000{number}.flac" for name in made.names for number in (0, 1))
    for settings in (SoundSettings(), SoundSettings(gains=GAINS)):
        music = render_music(song, film.duration, settings, small_font, cancel).samples
        assert np.abs(mixed(made, settings, cancel) - music).max() < 6 * 4 / 32_767
    own = np.concatenate(list(iter_audio(film, 44_100, cancel, channels=2)))[: made.frames]
    stored = np.concatenate(list(made.samples(ORIGINAL)))
    assert stored.shape == (made.frames, 2)
    assert np.abs(stored[: len(own)] - own).max() < 4 / 32_767


SPEECH = ((3.0, 4.0),)
STEADY = SoundSettings(compression=0.0, limiter=False, loudness="peak")
"""Without what changes the level over time."""


@pytest.mark.parametrize(
    "settings",
    [
        STEADY,
        replace(STEADY, gains=GAINS, loudness="lufs"),
        replace(STEADY, gains=GAINS, original_sound="keep", balance_decibels=-3),
        replace(STEADY, gains=GAINS, original_sound="duck", balance_decibels=4, loudness="lufs"),
        SoundSettings(gains=GAINS, loudness="podcast"),
        SoundSettings(gains=GAINS, original_sound="duck"),
    ],
    ids=["as played", "turned", "kept", "ducked", "compressed", "compressed and ducked"],
)
def test_the_mix_that_a_browser_makes_is_the_one_that_is_written(
    sources: tuple[MixSources, Film, Path],
    settings: SoundSettings,
    small_font: Path,
    cancel: CancelToken,
) -> None:
    made, film, song = sources
    levels = levels_of(made, film, settings, SPEECH, cancel)
    music = render_music(song, film.duration, settings, small_font, cancel)
    written = mix_with_original(master(music, settings), film, settings, cancel, SPEECH).samples
    # As the browser adds it up.
    seconds = np.arange(made.frames) / 44_100
    music, original = (
        np.interp(seconds, *one.T)[:, None].astype(np.float32)
        for one in (levels.music, levels.original)
    )
    assert len(levels.music) < 200
    heard = mixed(made, settings, cancel) * music
    if settings.original_sound != "replace":
        heard *= 10 ** (settings.balance_decibels / 20)
        ducking = settings.original_sound == "duck"
        if ducking:
            heard *= ducked(len(heard), 44_100, SPEECH, settings.duck_decibels)
        own = np.concatenate(list(made.samples(ORIGINAL)))
        gain = 0.0 if ducking else settings.original_gain_decibels
        heard += own * original * np.float32(10 ** (gain / 20))
    for tenth in range(68):
        here = slice(tenth * 4410, (tenth + 1) * 4410)
        assert abs(decibels(heard[here], written[here])) < 0.5, tenth


def test_sources_that_are_cancelled_end_soon(
    sources: tuple[MixSources, Film, Path], tmp_path: Path, small_font: Path
) -> None:
    _, film, song = sources
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        write_sources(song, film, SoundSettings(), small_font, tmp_path, cancel)


# On the page ----------------------------------------------------------------------------------


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    root = tmp_path / "root"
    root.mkdir()
    return Studio(root)


def mixes(take: Take) -> list[Path]:
    """Folders of the sounds of a take."""
    return sorted(take.folder.glob("mix-*"))


def test_a_mix_is_kept_while_only_the_mix_changes(studio: Studio, films: Films) -> None:
    take = score(studio, talkie(films))
    job = studio.open_mix("page")
    assert job is not None
    watch(studio, "page", job)
    version = take.versions[0]
    assert version.mix is not None and job.share == 1
    assert mixes(take) == [version.mix.sources.folder]
    assert studio.quota.used(version.mix.sources.folder) > 100_000
    assert studio.open_mix("page") is None  # it is there
    before = version.result
    assert before is not None
    turned = played(gains=(("piano", -6.0),), original_sound="keep", balance_decibels=3.0)
    assert studio.mix("page", turned) is version.mix
    for playing, is_kept in ((turned, True), (played(space="dry"), False)):
        job = studio.show("page", 0, playing)
        assert job is not None
        watch(studio, "page", job)
        assert job.error is None and version.result is not before
        assert len(mixes(take)) == is_kept and (version.mix is not None) == is_kept
    assert studio.mix("page", turned) is None


def test_a_mix_that_is_cancelled_leaves_nothing(studio: Studio, films: Films) -> None:
    take = score(studio, talkie(films))
    job = studio.open_mix("page")
    assert job is not None
    studio.cancel("page")
    watch(studio, "page", job)
    assert isinstance(job.error, Cancelled)
    assert mixes(take) == [] and take.versions[0].mix is None and take.result is not None


def test_the_levels_of_what_was_turned_last_are_found(studio: Studio, films: Films) -> None:
    score(studio, talkie(films))
    job = studio.open_mix("page")
    assert job is not None
    watch(studio, "page", job)
    usual = played()
    mix = studio.mix("page", usual)
    assert mix is not None

    async def turned_twice() -> list[object]:
        both = await asyncio.gather(
            studio.mix_levels("page", mix, usual),
            studio.mix_levels("page", mix, played(gains=(("drums", MUTED),))),
            return_exceptions=True,
        )
        return list(both)

    first, second = asyncio.run(turned_twice())
    assert isinstance(first, Cancelled) and isinstance(second, MixLevels)
