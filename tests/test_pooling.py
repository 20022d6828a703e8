"""From opinions to six probabilities."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emsync.emotion.classifiers.pooling import pool, voices
from emsync.emotion.classifiers.read import smoothed
from emsync.emotion.features.expert import MODALITIES
from emsync.emotion.features.report import FeatureReport, Opinion, Stretch
from emsync.emotion.reading import EMOTIONS, Voice

EVEN = (1 / 6,) * 6
JOY = tuple(0.9 if name == "joy" else 0.02 for name in EMOTIONS)
SADNESS = tuple(0.9 if name == "sadness" else 0.02 for name in EMOTIONS)

distributions = st.lists(st.floats(0.001, 1), min_size=6, max_size=6).map(
    lambda values: tuple(value / sum(values) for value in values)
)


def report(modality: str, *opinions: Opinion) -> FeatureReport:
    return FeatureReport(modality, "ran", "", None, (), 0.0, "cpu", opinions=opinions)


def said(probabilities: Sequence[float], reliability: float = 0.5) -> Voice:
    return Voice("clip", tuple(probabilities), reliability)


def test_nobody_speaks() -> None:
    assert pool(()) == pytest.approx(EVEN)
    assert voices((report("clip"),), (0, 10), ()) == ()


@given(st.lists(st.tuples(distributions, st.floats(0, 1)), max_size=5))
def test_pool_is_a_distribution_in_any_order(heard: list[tuple[tuple[float, ...], float]]) -> None:
    pooled = pool([said(*one) for one in heard])
    assert math.fsum(pooled) == pytest.approx(1)
    assert min(pooled) >= 0
    assert pooled == pytest.approx(pool([said(*one) for one in reversed(heard)]))


@given(distributions)
def test_who_is_not_believed_changes_nothing(opinion: tuple[float, ...]) -> None:
    assert pool([said(JOY), said(opinion, 0.0)]) == pytest.approx(pool([said(JOY)]))


def test_who_is_believed_fully_and_alone_is_repeated() -> None:
    assert pool([said(JOY, 1.0)]) == pytest.approx(JOY)


def test_two_that_agree_are_surer_than_one_and_none_has_a_veto() -> None:
    joy = EMOTIONS.index("joy")
    alone, twice = pool([said(JOY)])[joy], pool([said(JOY), said(JOY)])[joy]
    assert 1 / 6 < alone < twice < 1
    never = tuple(0.0 if name == "joy" else 0.2 for name in EMOTIONS)
    assert pool([said(never), said(JOY), said(JOY)])[joy] > 0.5


def test_opinions_count_by_their_seconds_within_the_stretch() -> None:
    heard = report("asr", Opinion((0, 9), JOY), Opinion((9, 20), SADNESS))
    (voice,) = voices((heard,), (0, 10), ())
    assert voice.probabilities == pytest.approx(0.9 * np.array(JOY) + 0.1 * np.array(SADNESS))
    assert voices((heard,), (20, 30), ()) == ()


def test_certainty_and_coverage_lower_the_reliability() -> None:
    def reliability(*opinions: Opinion, moments: Sequence[float] = ()) -> float:
        (voice,) = voices((report("face", *opinions),), (0, 10), moments)
        return voice.reliability / MODALITIES["face"].reliability

    assert reliability(Opinion((0, 10), JOY)) == pytest.approx(1)
    assert reliability(Opinion((0, 10), JOY, 0.5)) == pytest.approx(0.5)
    assert reliability(Opinion((0, 1), JOY)) == pytest.approx(1 / 3)
    frames = [float(second) for second in range(10)]
    assert reliability(Opinion((4, 4), JOY), moments=frames) == pytest.approx(1 / 3)
    assert reliability(Opinion((0, 10), JOY, 0.0)) == 0


scene_lengths = st.lists(st.floats(0.1, 60), min_size=1, max_size=8)


def tiles(lengths: Sequence[float]) -> list[Stretch]:
    edges = np.cumsum([0.0, *lengths]).tolist()
    return list(pairwise(edges))


@given(st.data(), scene_lengths)
def test_smoothing_keeps_distributions_between_the_readings(
    data: st.DataObject, lengths: list[float]
) -> None:
    readings = [data.draw(distributions) for _ in lengths]
    smooth = np.array(smoothed(readings, tiles(lengths)))
    assert smooth.sum(axis=1) == pytest.approx(np.ones(len(lengths)))
    assert (smooth <= np.max(readings, axis=0) + 1e-9).all()
    assert (smooth >= np.min(readings, axis=0) - 1e-9).all()


@given(distributions, scene_lengths)
def test_smoothing_leaves_what_is_flat(reading: tuple[float, ...], lengths: list[float]) -> None:
    for row in smoothed([reading] * len(lengths), tiles(lengths)):
        assert row == pytest.approx(reading)


def test_smoothing_keeps_a_turn_in_the_film() -> None:
    readings = [SADNESS, SADNESS, SADNESS, JOY, JOY, JOY]
    smooth = np.array(smoothed(readings, tiles([6.0] * 6)))
    joy = smooth[:, EMOTIONS.index("joy")]
    assert (np.diff(joy) > 0).all()
    assert joy[0] < 0.2 and joy[-1] > 0.7
    assert joy[2] < 0.5 < joy[3]
