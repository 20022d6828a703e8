"""Cuts: the scores are FFmpeg's, the choice is the paper's."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import UNEVEN_TIMES, Films
from hypothesis import given
from hypothesis import strategies as st

from emsync.film.examine import probe
from emsync.film.frames import stream_frames
from emsync.film.scenes import Cut, CutDetector, keep_cuts
from emsync.progress import CancelToken
from emsync.settings import CutSettings

DEMO_CUTS = [
    2.13, 4.50, 5.92, 8.17, 9.59, 10.59, 12.64, 14.39, 16.43, 18.60,
    21.98, 29.57, 31.41, 35.37, 38.62, 42.71, 45.00, 47.21, 49.38, 55.35,
]  # fmt: skip


def cuts_of(path: Path, cancel: CancelToken) -> tuple[Cut, ...]:
    detector = CutDetector(CutSettings())
    for frame in stream_frames(probe(path), cancel, 16):
        detector.see(frame)
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


candidates = st.lists(
    st.tuples(st.fractions(0, 60, max_denominator=24000), st.floats(0, 1)), max_size=40
)
gaps = st.fractions(0, 10, max_denominator=100)


@given(candidates, st.floats(0, 1), gaps)
def test_kept_cuts_are_far_apart_and_none_is_missed(
    frames: list[tuple[Fraction, float]], threshold: float, gap: Fraction
) -> None:
    cuts = keep_cuts(frames, CutSettings(threshold, gap))
    assert [(c.time, c.score) for c in cuts] == sorted(f for f in frames if f[1] > threshold)
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
    cuts = keep_cuts([(Fraction(t), 0.5) for t in times], CutSettings())
    assert [cut.time for cut in cuts if cut.kept] == kept


def test_score_at_the_threshold_is_no_cut() -> None:
    frames = [(Fraction(1), 0.27), (Fraction(2), 0.270001)]
    assert keep_cuts(frames, CutSettings()) == (Cut(Fraction(2), 0.270001, True),)
