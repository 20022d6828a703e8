"""Films of every kind come back scored: as long, upright, playable, sounding, with their cuts."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from emsync.pipeline import Result, analyse, score
from emsync.progress import CancelToken, silent
from emsync.settings import Settings
from trials.films import CASES, Case, check, check_played, run_case
from trials.making import Recipe, Sound, make, run
from trials.trial import Trial, Wrong, judge
from trials.watching import Player

BEEPING = Recipe("film.mp4", sound=Sound(beep=1))
QUICK = replace(Settings(), music=replace(Settings().music, openings=1, redraws=0))
"""What is composed is not the point here."""
TWINS = {
    "h264 mov", "h264 baseline", "hevc mkv", "vp9 mp4", "av1 webm", "mpeg-4 mp4", "mjpeg mov",
    "gif played once", "wmv", "h263 3gp", "theora ogg", "h264 gray", "hevc yuv422p10le",
    "hevc gray", "hevc yuv420p12le", "vp9 with alpha", "png mov", "odd size gif", "odd size av1",
    "16 × 16 vp8", "1920 × 1080 vp9", "very wide", "turned 180 hevc", "turned 270 hevc",
    "23.976 fps vp9", "25 fps h264", "25 fps vp9", "29.97 fps vp9", "60 fps vp9", "120 fps vp9",
    "dropped frames avi mpeg-4", "recorded in a browser, h264", "begins at 10 s webm",
    "half a second webm", "sound mono", "sound 5.1 ac3", "sound 7.1", "sound 7.1, kept",
    "sound 8 kHz", "sound 8 kHz amr", "sound 96 kHz pcm", "sound 192 kHz", "sound late mkv",
    "sound late webm", "sound 96 kHz", "sound 5.1 aac", "interlaced mpeg-2",
    "real vemoclap_sample_7s", "real joy", "h264 flv", "h264 avi b-frames", "hevc yuv444p",
    "vp9 yuv444p", "vp9 yuv420p10le", "h264 yuv422p", "prores with alpha", "rgb h264", "gif",
    "ffv1 16-bit grey", "odd size h264", "turned 180 h264", "turned 270 h264", "oblong pixels hevc",
    "interlaced mpeg-2 ts", "1080 × 1920", "120 fps h264", "60 fps h264", "5 fps vp9",
    "uneven hevc mov", "dropped frames avi h264", "fragmented mp4, hevc", "begins at 10 s mkv",
    "begins at 10 h ts", "edit list hevc", "black", "one frame of three seconds mkv",
    "sound longer", "sound shorter", "sound late mp4", "sound 5.1 ac3, kept",
    "sound 8 kHz amr, kept", "sound 96 kHz pcm, kept", "sound 192 kHz, kept",
    "sound late mkv, kept", "sound mono, ducked", "high dynamic range hlg hevc",
}  # fmt: skip
"""Cases so like others that the command alone has them."""


def test_twins_are_cases() -> None:
    names = [case.name for case in CASES]
    assert set(names) >= TWINS and len(set(names)) == len(names)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if not case.slow and case.name not in TWINS],
    ids=lambda case: case.name,
)
def test_film_comes_back_scored(case: Case, tmp_path: Path) -> None:
    def tried(folder: Path) -> str:
        return run_case(case, folder, QUICK, None)

    verdict = judge(Trial(case.name, tried, case.seconds), tmp_path)
    if verdict.outcome.startswith("skipped"):
        pytest.skip(verdict.outcome)
    assert not verdict.problem, verdict.problem


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
}
"""What may be wrong with a scored film: how to make it so, and what is said."""


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A film with a beep at 1 s, and what came of it."""
    folder = tmp_path_factory.mktemp("scored")
    path = make(BEEPING, folder)
    settings = replace(QUICK, sound=replace(QUICK.sound, original_sound="keep"))
    cancel = CancelToken()
    analysis = analyse(path, settings, silent, cancel)
    result = score(analysis, folder, settings, silent, cancel)
    known = Case("beep", BEEPING, "keep").expected()
    assert check(path, result, known).startswith("copied, 50 frames in 2.000 s")
    return path, result


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_wrong_is_seen(scored: tuple[Path, Result], harm: str, tmp_path: Path) -> None:
    path, result = scored
    known = Case("beep", BEEPING, "keep").expected()
    arguments, sentence = HARMS[harm]
    worse = tmp_path / "worse.mp4"
    run(["-i", str(result.video), "-map_metadata", "-1", *arguments.split(), str(worse)])
    if "faststart" not in arguments:
        whole = tmp_path / "whole.mp4"
        run(["-i", str(worse), "-c", "copy", "-movflags", "+faststart", str(whole)])
        worse = whole
    with pytest.raises(Wrong, match=sentence):
        check(path, replace(result, video=worse), known)


def test_wrong_cuts_are_seen(scored: tuple[Path, Result]) -> None:
    path, result = scored
    known = Case("beep", BEEPING, "keep").expected()
    for cuts, sentence in (((1.2,), "cuts were found at"), ((), "cuts were found at")):
        with pytest.raises(Wrong, match=sentence):
            check(path, result, replace(known, cuts=cuts))
    (cut,) = result.analysis.cuts
    piece = result.piece
    for times, sentence in (
        ((1, 3), "outside the film"),
        ((1, Fraction(9, 5)), "less than 4 s apart"),
    ):
        cuts_told = tuple(replace(cut, time=Fraction(time), kept=True) for time in times)
        analysis = replace(piece.analysis, cuts=cuts_told)
        wrong = replace(result, piece=replace(piece, analysis=analysis))
        with pytest.raises(Wrong, match=sentence):
            check(path, wrong, replace(known, cuts=None))


def test_browser_plays_it(scored: tuple[Path, Result], browser: Any, tmp_path: Path) -> None:
    """And says so where it does not, or where it is another film."""
    _, result = scored
    film = tmp_path / "film.mp4"
    film.write_bytes(result.video.read_bytes())
    page = browser.new_page()
    played = Player(page).play(film, tmp_path)
    assert played is not None
    check_played(played, film)
    for other, sentence in (
        (replace(played, duration=2.2), "it lasts 2.2"),
        (replace(played, width=120, height=160), "120 × 160"),
        (replace(played, seconds=0.1), "stops at 0.1"),
    ):
        with pytest.raises(Wrong, match=sentence):
            check_played(other, film)
    film.write_bytes(b"no film")
    broken = Player(page).play(film, tmp_path)
    assert broken is not None and broken.error
    page.close()
