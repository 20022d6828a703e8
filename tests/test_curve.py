"""The mood over the film: scenes joined to stretches, and what the caller asks for instead."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emsync.emotion.analysis import Analysis
from emsync.emotion.curve import (
    LEAST_CHANGE,
    SHORTEST_STRETCH,
    MoodCurve,
    MoodRequest,
    draw_curve,
    draw_mood,
    scene_curve,
)
from emsync.emotion.mapping import Mood, mood_of
from emsync.emotion.reading import EMOTIONS, SceneReading
from emsync.pipeline import analyse
from emsync.progress import CancelToken, silent
from emsync.settings import MoodSettings, Settings

REPOSITORY = Path(__file__).resolve().parents[1]


def certain(emotion: str) -> tuple[float, ...]:
    return tuple(float(name == emotion) for name in EMOTIONS)


def scenes(*lasting: tuple[str, float]) -> list[SceneReading]:
    found, at = [], Fraction(0)
    for emotion, seconds in lasting:
        found.append(SceneReading(at, at + Fraction(seconds), certain(emotion)))
        at = found[-1].end
    return found


def test_long_scenes_keep_their_own_moods() -> None:
    curve = scene_curve(scenes(("joy", 10), ("sadness", 8), ("anger", 30)), MoodSettings())
    assert curve.starts == (0.0, 10.0, 18.0)
    assert curve.moods == tuple(
        mood_of(certain(emotion), MoodSettings()) for emotion in ("joy", "sadness", "anger")
    )


def test_a_short_scene_joins_the_neighbour_that_is_like_it() -> None:
    """Disgust is nearer to fear than to joy, whichever side it is on."""
    before = scene_curve(scenes(("joy", 10), ("disgust", 4), ("fear", 10)), MoodSettings())
    after = scene_curve(scenes(("fear", 10), ("disgust", 4), ("joy", 10)), MoodSettings())
    assert (before.starts, after.starts) == ((0.0, 10.0), (0.0, 14.0))
    mixed = tuple(
        (4 * a + 10 * b) / 14 for a, b in zip(certain("disgust"), certain("fear"), strict=True)
    )
    expected = mood_of(mixed, MoodSettings())
    for mood in (before.moods[1], after.moods[0]):
        assert (mood.valence, mood.arousal) == pytest.approx((expected.valence, expected.arousal))


def test_every_scene_is_mapped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """450 scenes, as half an hour may have: two maps each and one a stretch, not 450 each."""
    mapped = []

    def counting(probabilities: tuple[float, ...], *arguments: Any) -> Mood:
        mapped.append(probabilities)
        return mood_of(probabilities, *arguments)

    monkeypatch.setattr("emsync.emotion.curve.mood_of", counting)
    told = scenes(*[(EMOTIONS[i // 5 % len(EMOTIONS)], 4) for i in range(450)])
    curve = scene_curve(told, MoodSettings())
    assert len(mapped) <= 3 * len(told)
    assert len(curve.starts) > 50


def test_scenes_that_are_alike_are_one() -> None:
    curve = scene_curve(scenes(("joy", 10), ("joy", 10), ("sadness", 10)), MoodSettings())
    assert curve.starts == (0.0, 20.0)
    assert scene_curve(scenes(("joy", 3)), MoodSettings()).starts == (0.0,)


@given(
    st.lists(st.tuples(st.sampled_from(EMOTIONS), st.integers(1, 40)), min_size=1, max_size=12),
    st.floats(0.1, 1.0),
)
def test_moods_change_only_on_cuts_and_hold_a_while(
    lasting: list[tuple[str, int]], span: float
) -> None:
    settings = MoodSettings(valence_arousal_range=span)
    film = scenes(*((emotion, float(seconds)) for emotion, seconds in lasting))
    curve, seconds = scene_curve(film, settings), float(film[-1].end)
    assert set(curve.starts) <= {float(scene.start) for scene in film}
    stretches = curve.stretches(seconds)
    assert stretches[0][0] == 0 and stretches[-1][1] == seconds
    assert all(a[1] == b[0] for a, b in pairwise(stretches))
    if len(stretches) > 1:
        assert min(end - start for start, end, _ in stretches) >= SHORTEST_STRETCH
    for one, other in pairwise(curve.moods):
        change = max(abs(one.valence - other.valence), abs(one.arousal - other.arousal))
        assert change >= LEAST_CHANGE


def test_a_curve_that_makes_no_sense_is_refused() -> None:
    calm = Mood(0, 0)
    for starts, moods in (
        ((), ()),
        ((1.0,), (calm,)),
        ((0.0, 5.0), (calm,)),
        ((0.0, 5.0, 5.0), (calm,) * 3),
    ):
        with pytest.raises(ValueError, match="curve"):
            MoodCurve(starts, moods)
    with pytest.raises(ValueError, match="scene"):
        scene_curve((), MoodSettings())


def test_stretches_stop_where_the_film_does() -> None:
    curve = MoodCurve((0.0, 5.0, 9.0), (Mood(0, 0), Mood(1, 0), Mood(0, 1)))
    assert curve.stretches(8.0) == ((0.0, 5.0, Mood(0, 0)), (5.0, 8.0, Mood(1, 0)))
    assert len(curve.stretches(9.0)) == 2 and len(curve.stretches(9.1)) == 3


@pytest.fixture(scope="module")
def landscapes() -> Analysis:
    return analyse(REPOSITORY / "examples" / "landscapes.mp4", Settings(), silent, CancelToken())


def test_the_example_film_changes_with_its_scenes(landscapes: Analysis) -> None:
    """By day and by night: the night is the least pleasant stretch."""
    follow = Settings(mood=MoodSettings(curve="scenes"))
    curve = draw_curve(landscapes.reading, follow)
    assert set(curve.starts[1:]) <= set(landscapes.boundaries) and len(curve.starts) > 1
    valences = {start: mood.valence for start, mood in zip(curve.starts, curve.moods, strict=True)}
    night = 28.0
    (dark,) = (mood for start, end, mood in curve.stretches(52.0) if start <= night < end)
    assert dark.valence == min(valences.values())
    assert draw_curve(landscapes.reading, Settings()) == MoodCurve.constant(
        draw_mood(landscapes.reading, Settings())
    )


def test_what_the_caller_asks_for_goes_before_the_film(landscapes: Analysis) -> None:
    follow = Settings(mood=MoodSettings(curve="scenes"))
    reading = landscapes.reading
    own, later = Mood(0.5, -0.5), Mood(-0.5, 0.5)
    film = draw_mood(reading, follow)
    assert draw_curve(reading, follow, MoodRequest(own)) == MoodCurve.constant(own)
    assert draw_curve(reading, follow, MoodRequest(own, changes=((20.0, later),))) == MoodCurve(
        (0.0, 20.0), (own, later)
    )
    assert draw_curve(reading, follow, MoodRequest(changes=((20.0, later),))).moods == (film, later)
    assert draw_curve(reading, follow, MoodRequest(changes=((0.0, own), (9.0, later)))).moods == (
        own,
        later,
    )


def test_a_draw_can_be_repeated(landscapes: Analysis) -> None:
    drawn = Settings(mood=MoodSettings(curve="scenes", mode="draw"), seed=4)
    assert draw_curve(landscapes.reading, drawn) == draw_curve(landscapes.reading, drawn)
    assert draw_curve(landscapes.reading, drawn) != draw_curve(
        landscapes.reading, replace(drawn, seed=5)
    )
    generator = torch.Generator().manual_seed(4)
    same = scene_curve(landscapes.reading.scenes, drawn.mood, generator)
    assert draw_curve(landscapes.reading, drawn) == same
