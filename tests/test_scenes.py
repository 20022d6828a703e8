"""Cuts: the scores are FFmpeg's, the choice is the paper's."""

import json
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import UNEVEN_TIMES, Films
from hypothesis import given
from hypothesis import strategies as st

from emsync import pipeline
from emsync.errors import EmsyncError
from emsync.film import scenes
from emsync.film.frames import Frame, stream_frames
from emsync.film.probe import probe
from emsync.film.scenes import DETECTORS, Cut, CutKind, keep_apart, open_detector
from emsync.progress import CancelToken, silent
from emsync.report.read import read_report
from emsync.settings import CutSettings, Settings

DEMO_CUTS = [
    2.13, 4.50, 5.92, 8.17, 9.59, 10.59, 12.64, 14.39, 16.43, 18.60,
    21.98, 29.57, 31.41, 35.37, 38.62, 42.71, 45.00, 47.21, 49.38, 55.35,
]  # fmt: skip


def cuts_of(path: Path, cancel: CancelToken) -> tuple[Cut, ...]:
    detector = open_detector(CutSettings())
    for frame in stream_frames(probe(path), cancel, 16):
        detector.add_frame(frame)
    return detector.cuts


def test_demo_film_is_cut_where_the_paper_says(
    demo_film: Path, either_ffmpeg: str, cancel: CancelToken
) -> None:
    cuts = cuts_of(demo_film, cancel)
    assert [round(float(cut.time), 2) for cut in cuts] == DEMO_CUTS
    kept = [round(float(cut.time), 2) for cut in cuts if cut.kept]
    assert kept == [2.13, 8.17, 12.64, 18.60, 29.57, 35.37, 42.71, 47.21, 55.35]
    # Read off FFmpeg itself: select='gt(scene,0.27)',metadata=print.
    assert cuts[0].score == 0.516543 and cuts[-1].score == 0.293738
    assert cuts[0].time == 51 * Fraction(1001, 24000)


def test_cuts_of_a_film_with_variable_frame_rate(
    films: Films, either_ffmpeg: str, cancel: CancelToken
) -> None:
    found = [cut.time for cut in cuts_of(films.uneven(), cancel)]
    changes = (75, 150, 225)  # thirtieths of a second; the first frame there or later shows it
    expected = [Fraction(min(n for n in UNEVEN_TIMES if n >= change), 30) for change in changes]
    assert len(found) == 3
    assert all(abs(a - b) <= Fraction(1, 1000) for a, b in zip(found, expected, strict=True))


def test_film_without_cuts(films: Films, cancel: CancelToken) -> None:
    assert cuts_of(films.silent(), cancel) == ()


found = st.lists(
    st.tuples(
        st.fractions(0, 60, max_denominator=24000),
        st.floats(0, 1),
        st.sampled_from(["hard", "gradual"]),
    ),
    max_size=40,
)
gaps = st.fractions(0, 10, max_denominator=100)


@given(found, gaps)
def test_kept_cuts_are_far_apart_and_none_is_missed(
    found: list[tuple[Fraction, float, CutKind]], gap: Fraction
) -> None:
    cuts = keep_apart((Cut(time, score, True, kind) for time, score, kind in found), gap)
    assert [(c.time, c.score) for c in cuts] == sorted((time, score) for time, score, _ in found)
    assert Counter((c.time, c.score, c.kind) for c in cuts) == Counter(found)
    kept = [cut.time for cut in cuts if cut.kept]
    assert all(later - earlier >= gap for earlier, later in pairwise(kept))
    # Greedy from the first: what was left out is too close to the kept cut before it.
    for cut in cuts:
        before = [time for time in kept if time <= cut.time]
        assert before, "the first cut is kept"
        assert cut.kept or cut.time - before[-1] < gap


@pytest.mark.parametrize(
    ("times", "kept"),
    [([0, 4, 8], [0, 4, 8]), ([1, 4, 5, 8, 9], [1, 5, 9]), ([3], [3]), ([], [])],
)
def test_gap_is_inclusive(times: list[int], kept: list[int]) -> None:
    cuts = keep_apart([Cut(Fraction(t), 0.5, False) for t in times], CutSettings().minimum_gap)
    assert [cut.time for cut in cuts if cut.kept] == kept


def frame(time: float, score: float, grey: int = 0) -> Frame:
    return Frame(Fraction(time), score, np.full((9, 16, 3), grey, np.uint8))


def test_score_at_the_threshold_is_no_cut() -> None:
    detector = open_detector(CutSettings())
    detector.add_frame(frame(1, 0.27))
    assert detector.cuts == ()
    detector.add_frame(frame(2, 0.270001))
    assert detector.cuts == (Cut(Fraction(2), 0.270001, True, "hard"),)


class FadeDetector:
    """Finds fades from black: a second implementation, to see that there is a place for one."""

    def __init__(self, settings: CutSettings) -> None:
        self._settings = settings
        self._dark = False
        self._cuts: list[Cut] = []

    def add_frame(self, frame: Frame) -> None:
        light = float(frame.pixels.mean()) / 255
        if self._dark and light > 0.1:
            self._cuts.append(Cut(frame.time, light, False, "gradual"))
        self._dark = light <= 0.1

    @property
    def cuts(self) -> tuple[Cut, ...]:
        return keep_apart(self._cuts, self._settings.minimum_gap)


def test_another_detector_is_registered_in_one_line(
    films: Films, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cuts, with their kind, are those of the analysis, out of the same decoding."""
    path = films.render(
        "fades.mp4", "-f", "lavfi", "-i", "color=white:s=160x120:r=10:d=12",
        "-vf", "fade=in:d=1:st=0,fade=out:st=5:d=1:enable='lt(t,6.2)',"
        "fade=in:st=6.2:d=1:enable='gte(t,6.2)'", "-pix_fmt", "yuv420p",
    )  # fmt: skip
    monkeypatch.setattr(scenes, "DETECTORS", {**DETECTORS, "fades": FadeDetector})
    settings = replace(Settings(), cuts=CutSettings(detector="fades"))  # type: ignore[arg-type]
    seen = probe(path)
    monkeypatch.setattr(pipeline, "probe", lambda *rest: pytest.fail("it was probed again"))
    analysis = pipeline.analyse(seen, settings, silent, cancel)
    assert [cut.kind for cut in analysis.cuts] == ["gradual", "gradual"]
    assert [round(float(cut.time)) for cut in analysis.cuts] == [0, 6]
    assert analysis.boundaries == tuple(float(cut.time) for cut in analysis.cuts)
    assert analysis.film is seen and "probe" not in analysis.seconds


def test_a_report_tells_the_kind_of_a_cut_and_old_ones_have_hard_ones(tmp_path: Path) -> None:
    example = Path(__file__).parents[1] / "examples" / "landscapes" / "report.json"
    plain = json.loads(example.read_text())
    assert {cut.kind for cut in read_report(example).cuts} == {"hard"}
    for kind in ("gradual", "soft"):
        plain["cuts"][0]["kind"] = kind
        (tmp_path / f"{kind}.json").write_text(json.dumps(plain))
    assert read_report(tmp_path / "gradual.json").cuts[0].kind == "gradual"
    with pytest.raises(EmsyncError, match=r"cuts\[0\]\.kind must be 'hard' or 'gradual'"):
        read_report(tmp_path / "soft.json")
