"""Films of every kind come back scored: as long, upright, playable, sounding, with their cuts."""

from dataclasses import replace
from pathlib import Path

import pytest

from emsync.settings import Settings
from trials.films import CASES, Case, run_case
from trials.trial import Trial, judge

QUICK = replace(Settings(), music=replace(Settings().music, openings=1, redraws=0))
"""What is composed is not the point here."""
TWINS = {
    "h264 mov", "h264 baseline", "hevc mkv", "vp9 mp4", "av1 webm", "mpeg-4 mp4", "mjpeg mov",
    "gif played once", "wmv", "h263 3gp", "theora ogg", "h264 gray", "hevc yuv422p10le", "hevc gray",
    "hevc yuv420p12le", "vp9 with alpha", "png mov", "odd size gif", "odd size av1",
    "16 × 16 vp8", "1920 × 1080 vp9", "very wide", "turned 180 hevc", "turned 270 hevc",
    "23.976 fps vp9", "25 fps h264", "25 fps vp9", "29.97 fps vp9", "60 fps vp9", "120 fps vp9",
    "dropped frames avi mpeg-4", "recorded in a browser, h264", "begins at 10 s webm",
    "half a second webm", "sound mono", "sound 5.1 ac3", "sound 7.1", "sound 7.1, kept",
    "sound 8 kHz", "sound 8 kHz amr", "sound 96 kHz pcm", "sound 192 kHz", "sound late mkv",
    "sound late webm", "sound 96 kHz", "sound 5.1 aac", "interlaced mpeg-2",
    "real vemoclap_sample_7s",
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
