"""Films of every kind come back scored: as long, upright, playable, sounding, with their cuts."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from emsync.pipeline import analyse, score
from emsync.progress import CancelToken, silent
from emsync.results import Result
from emsync.settings import Settings
from trials.film_cases import FILMS, Film
from trials.film_checks import about_pictures, about_times, check, check_played
from trials.films import CASES, QUICK, UNPLAYED, score_film
from trials.making import Recipe, Sound, make, run
from trials.trial import Wrong
from trials.watching import Player, boxes, watch

BEEPING = Recipe("film.mp4", sound=Sound(beep=1))
QUICKLY = replace(Settings(), music=replace(Settings().music, openings=1, redraws=0))
"""What is composed is not the point here."""


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    player = Player()
    yield player
    player.stop()


@pytest.mark.trial
@pytest.mark.parametrize("film", CASES)
def test_film_comes_back_scored(
    film: Film,
    player: Player,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    thorough = pytestconfig.getoption("thorough")
    played = player if thorough or film.name not in UNPLAYED else None
    settings = Settings() if thorough else QUICKLY
    record_property("outcome", score_film(film, tmp_path, settings, played))


def test_films_that_are_named_are_there() -> None:
    names = [film.name for film in FILMS]
    assert len({*names}) == len(names)
    assert UNPLAYED < QUICK < {*names}


def known_film(name: str) -> Recipe:
    (film,) = (film for film in FILMS if film.name == name)
    assert isinstance(film.recipe, Recipe)
    return film.recipe


HARMS = {
    "shorter": ("-t 1.5 -c copy", "it lasts 1.6"),
    "without sound": ("-an -c copy", "it has no sound"),
    "silent": ("-c:v copy -af volume=0", "its sound is silent"),
    "upside down": ("-vf vflip -c:a copy", "looks different"),
    "frames lost": ("-vf select='mod(n,7)' -fps_mode passthrough -c:a copy", "42 frames"),
    "shown early": ("-vf setpts=PTS*0.97 -fps_mode passthrough -c:a copy", "off its time"),
    "full colour": ("-pix_fmt yuv444p -c:a copy", "its pixels are yuv444p"),
    "another size": ("-vf scale=144:120,setsar=1 -c:a copy", "144 × 120"),
    "slow to start": ("-c copy -movflags -faststart", "plays only when all of it is there"),
    "beep moved": ("-c:v copy -af adelay=200:all=1,atrim=end=2", "the beep is at 1.2"),
    "no music": ("-i {film} -map 0:v -map 1:a -c copy", "nothing but the beep is heard"),
    "another codec of sound": ("-c:v copy -c:a ac3", "its sound is .'ac3', 44100, 2"),
    "another rate of sound": ("-c:v copy -ar 48000", "its sound is .'aac', 48000, 2"),
    "sound all around": ("-c:v copy -ac 6", "its sound is .'aac', 44100, 6"),
    "black at the end": ("-vf drawbox=t=fill:enable='gte(n,49)' -c:a copy", "picture 49 looks"),
}
"""What may be wrong with a scored film: how to make it so, and what is said."""


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A film with a beep at 1 s, and what came of it."""
    folder = tmp_path_factory.mktemp("scored")
    path = make(BEEPING, folder)
    settings = replace(QUICKLY, sound=replace(QUICKLY.sound, original_sound="keep"))
    cancel = CancelToken()
    analysis = analyse(path, settings, silent, cancel)
    result = score(analysis, folder, settings, silent, cancel)
    known = Film("beep", BEEPING, "keep").expected()
    assert check(path, result, known).startswith("copied, 50 frames in 2.000 s")
    return path, result


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_wrong_is_seen(scored: tuple[Path, Result], harm: str, tmp_path: Path) -> None:
    path, result = scored
    known = Film("beep", BEEPING, "keep").expected()
    arguments, sentence = HARMS[harm]
    worse = tmp_path / "worse.mp4"
    more = arguments.format(film=path).split()
    run(["-i", str(result.video), *more, "-map_metadata", "-1", str(worse)])
    if "faststart" not in arguments:
        whole = tmp_path / "whole.mp4"
        run(["-i", str(worse), "-c", "copy", "-movflags", "+faststart", str(whole)])
        worse = whole
    with pytest.raises(Wrong, match=sentence):
        check(path, replace(result, video=worse), known)


def test_sound_that_was_to_be_replaced_is_heard(scored: tuple[Path, Result]) -> None:
    path, result = scored
    with pytest.raises(Wrong, match="the film's own sound is in it"):
        check(path, result, Film("beep", BEEPING, "replace").expected())


def test_half_a_second_more_is_seen(tmp_path: Path) -> None:
    """Of one frame of three seconds as well."""
    recipe = known_film("one frame of three seconds")
    seen = watch(make(recipe, tmp_path))
    longer = replace(seen, end=seen.end + Fraction(1, 2))
    assert [*about_times(seen, longer, Film("longer", recipe).expected())] == [
        "it lasts 3.500 s, the film 3.000 s"
    ]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("-c:v libx264 -flags +ilme+ildct", "it is still interlaced"),
        ("-vf bwdif=mode=send_field -c:v libx264", "pictures, and"),
        ("-vf bwdif=mode=send_frame,negate -c:v libx264", "looks different"),
    ],
)
def test_interlaced_film_shown_otherwise_is_seen(how: str, why: str, tmp_path: Path) -> None:
    path = make(known_film("interlaced mpeg-2"), tmp_path)
    worse, right = tmp_path / "worse.mp4", tmp_path / "right.mp4"
    run(["-i", str(path), *how.split(), "-an", str(worse)])
    found = [*about_pictures(path, worse, watch(path), watch(worse))]
    assert any(why in wrong for wrong in found), found
    run(["-i", str(path), "-vf", "bwdif=mode=send_frame", "-c:v", "libx264", "-an", str(right)])
    assert [*about_pictures(path, right, watch(path), watch(right))] == []


CLAIMS: dict[str, Any] = {
    "codec": "hevc", "profile": "Main 10", "pixels": "yuv422p", "turned": 180, "start": 10.0,
    "transfer": 16, "sound": ("aac", 8000, 1),
    "oddities": frozenset({"interlaced", "alpha", "edit list", "fragments", "no length",
                           "clock begins anew"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_film_that_is_not_what_its_case_says_is_seen(
    name: str, scored: tuple[Path, Result]
) -> None:
    path, result = scored
    known = replace(Film("beep", BEEPING, "keep").expected(), **{name: CLAIMS[name]})
    with pytest.raises(Wrong, match="the film made") as caught:
        check(path, result, known)
    if name == "oddities":
        assert all(oddity in str(caught.value) for oddity in CLAIMS[name])


@pytest.mark.parametrize("size", [0, 1, 7])
def test_boxes_that_are_too_small_are_the_last(size: int, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes([0, 0, 0, 8]) + b"free" + bytes([0, 0, 0, size]) + b"mdat" + bytes(8))
    assert boxes(path) == [b"free", b"mdat"]


def test_browser_that_must_be_there_is_missed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    player = Player()
    player.missing = "not played: no Chromium starts"
    film = tmp_path / "film.mp4"
    monkeypatch.delenv("EMSYNC_REQUIRE_BROWSER", raising=False)
    assert player.play(film, tmp_path) is None and player.unplayed == 1
    monkeypatch.setenv("EMSYNC_REQUIRE_BROWSER", "1")
    with pytest.raises(Wrong, match="no Chromium starts"):
        player.play(film, tmp_path)


def test_wrong_cuts_are_seen(scored: tuple[Path, Result]) -> None:
    path, result = scored
    known = Film("beep", BEEPING, "keep").expected()
    for cuts, sentence in (((1.2,), "cuts were found at"), ((), "cuts were found at")):
        with pytest.raises(Wrong, match=sentence):
            check(path, result, replace(known, cuts=cuts))
    (cut,) = result.analysis.cuts
    piece = result.piece
    for times, sentence in (
        ((0, 1), "outside the film"),
        ((1, 2), "outside the film"),
        ((1, 3), "outside the film"),
        ((1, Fraction(9, 5)), "less than 4 s apart"),
    ):
        cuts_told = tuple(replace(cut, time=Fraction(time), kept=True) for time in times)
        analysis = replace(piece.analysis, cuts=cuts_told)
        wrong = replace(result, piece=replace(piece, analysis=analysis))
        with pytest.raises(Wrong, match=sentence):
            check(path, wrong, replace(known, cuts=None))


def test_browser_plays_it(scored: tuple[Path, Result], player: Player, tmp_path: Path) -> None:
    """And says so where it does not, or where it is another film."""
    _, result = scored
    film = tmp_path / "film.mp4"
    film.write_bytes(result.video.read_bytes())
    played = player.play(film, tmp_path)
    if played is None:
        pytest.skip(player.missing)
    check_played(played, film)
    for other, sentence in (
        (replace(played, duration=2.2), "it lasts 2.2"),
        (replace(played, width=120, height=160), "120 × 160"),
        (replace(played, seconds=0.1), "stops at 0.1"),
    ):
        with pytest.raises(Wrong, match=sentence):
            check_played(other, film)
    film.write_bytes(b"no film")
    broken = player.play(film, tmp_path)
    assert broken is not None and broken.error
