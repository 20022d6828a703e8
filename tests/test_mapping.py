"""Thesis 6.1: probabilities to valence and arousal, and back."""

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emsync.emotion.mapping import (
    TABLE_6_1,
    Distance,
    Mood,
    mood_of,
    nearest_category,
    scaled_categories,
)
from emsync.emotion.reading import EMOTIONS
from emsync.settings import MoodSettings

ranges = st.floats(min_value=0.05, max_value=1.0)
axis = st.floats(min_value=-1.0, max_value=1.0)


@st.composite
def distributions(draw: st.DrawFn) -> tuple[float, ...]:
    weights = [draw(st.floats(min_value=0.0, max_value=1.0)) for _ in EMOTIONS]
    weights[draw(st.integers(0, 5))] += 0.5
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def certain(emotion: str) -> tuple[float, ...]:
    return tuple(1.0 if name == emotion else 0.0 for name in EMOTIONS)


def test_the_table_is_the_published_one() -> None:
    assert tuple(category.emotion for category in TABLE_6_1) == EMOTIONS
    rows = [(c.valence_mean, c.valence_sd, c.arousal_mean, c.arousal_sd) for c in TABLE_6_1]
    assert rows == [
        (-0.51, 0.20, 0.59, 0.29),
        (-0.60, 0.20, 0.35, 0.41),
        (-0.64, 0.20, 0.60, 0.32),
        (0.76, 0.22, 0.48, 0.26),
        (-0.63, 0.23, -0.27, 0.34),
        (0.40, 0.30, 0.67, 0.27),
    ]


def test_default_range_by_hand() -> None:
    """r = 0.8: valence scaled by 1.6 / 1.40 about 0.06, arousal by 1.6 / 0.94 about 0.20."""
    by_name = {category.emotion: category for category in scaled_categories(MoodSettings())}
    anger = by_name["anger"]
    assert anger.valence_mean == pytest.approx((-0.51 - 0.06) * 1.6 / 1.40)
    assert anger.valence_sd == pytest.approx(0.20 * 1.6 / 1.40)
    assert anger.arousal_mean == pytest.approx((0.59 - 0.20) * 1.6 / 0.94)
    assert anger.arousal_sd == pytest.approx(0.29 * 1.6 / 0.94)
    assert by_name["fear"].valence_mean == pytest.approx(-0.8)
    assert by_name["joy"].valence_mean == pytest.approx(0.8)
    assert by_name["sadness"].arousal_mean == pytest.approx(-0.8)
    assert by_name["surprise"].arousal_mean == pytest.approx(0.8)


@given(ranges)
def test_means_span_the_range_and_keep_their_proportions(span: float) -> None:
    categories = scaled_categories(MoodSettings(valence_arousal_range=span))
    for mean, sd in (("valence_mean", "valence_sd"), ("arousal_mean", "arousal_sd")):
        scaled = [getattr(category, mean) for category in categories]
        assert min(scaled) == pytest.approx(-span)
        assert max(scaled) == pytest.approx(span)
        original = [getattr(category, mean) for category in TABLE_6_1]
        factor = 2 * span / (max(original) - min(original))
        for category, before in zip(categories, TABLE_6_1, strict=True):
            assert getattr(category, sd) == pytest.approx(getattr(before, sd) * factor)
            assert getattr(category, mean) - scaled[0] == pytest.approx(
                (getattr(before, mean) - original[0]) * factor, abs=1e-12
            )


@given(distributions(), ranges)
def test_mixture_mean_stays_inside_the_range(probabilities: tuple[float, ...], span: float) -> None:
    mood = mood_of(probabilities, MoodSettings(valence_arousal_range=span))
    assert -span - 1e-9 <= mood.valence <= span + 1e-9
    assert -span - 1e-9 <= mood.arousal <= span + 1e-9


@given(distributions(), distributions(), st.floats(min_value=0.0, max_value=1.0))
def test_mixture_mean_is_linear(
    one: tuple[float, ...], other: tuple[float, ...], share: float
) -> None:
    settings = MoodSettings(undecided="mean")
    mixed = mood_of(
        [share * a + (1 - share) * b for a, b in zip(one, other, strict=True)], settings
    )
    first, second = mood_of(one, settings), mood_of(other, settings)
    assert mixed.valence == pytest.approx(
        share * first.valence + (1 - share) * second.valence, abs=1e-9
    )
    assert mixed.arousal == pytest.approx(
        share * first.arousal + (1 - share) * second.arousal, abs=1e-9
    )


@given(distributions(), st.integers(0, 2**32), ranges)
def test_draws_are_clipped_and_repeat_with_their_seed(
    probabilities: tuple[float, ...], seed: int, span: float
) -> None:
    settings = MoodSettings(valence_arousal_range=span, mode="draw")
    first = mood_of(probabilities, settings, torch.Generator().manual_seed(seed))
    again = mood_of(probabilities, settings, torch.Generator().manual_seed(seed))
    assert first == again
    assert -1 <= first.valence <= 1
    assert -1 <= first.arousal <= 1


def test_draws_follow_the_category_gaussian() -> None:
    """Sadness at r = 0.3 is never clipped: sample mean and SD must match table 6.1, scaled."""
    settings = MoodSettings(valence_arousal_range=0.3, mode="draw")
    generator = torch.Generator().manual_seed(0)
    moods = [mood_of(certain("sadness"), settings, generator) for _ in range(2000)]
    sadness = scaled_categories(settings)[EMOTIONS.index("sadness")]
    for values, mean, sd in (
        ([m.valence for m in moods], sadness.valence_mean, sadness.valence_sd),
        ([m.arousal for m in moods], sadness.arousal_mean, sadness.arousal_sd),
    ):
        drawn = torch.tensor(values)
        assert float(drawn.mean()) == pytest.approx(mean, abs=4 * sd / math.sqrt(2000))
        assert float(drawn.std()) == pytest.approx(sd, rel=0.07)


def test_draws_pick_categories_by_their_probability() -> None:
    settings = MoodSettings(mode="draw")
    half_joy_half_sadness = (0.0, 0.0, 0.0, 0.25, 0.75, 0.0)
    generator = torch.Generator().manual_seed(1)
    pleasant = sum(
        mood_of(half_joy_half_sadness, settings, generator).valence > 0 for _ in range(1000)
    )
    assert pleasant == pytest.approx(250, abs=60)


@given(distributions(), st.floats(min_value=0.0, max_value=1.0))
def test_the_even_part_of_a_reading_is_neutral(
    probabilities: tuple[float, ...], share: float
) -> None:
    settings = MoodSettings()
    least = min(probabilities)
    decided = mood_of(probabilities, settings)
    mixed = mood_of([share * p + (1 - share) / 6 for p in probabilities], settings)
    assert mixed.valence == pytest.approx(share * decided.valence, abs=1e-9)
    assert mixed.arousal == pytest.approx(share * decided.arousal, abs=1e-9)
    if least == 0:
        assert decided == mood_of(probabilities, MoodSettings(undecided="mean"))


def test_who_cannot_tell_is_neutral_and_in_the_thesis_is_not() -> None:
    even = (1 / 6,) * 6
    neutral = mood_of(even, MoodSettings())
    assert (neutral.valence, neutral.arousal) == pytest.approx((0, 0), abs=1e-9)
    thesis = mood_of(even, MoodSettings(undecided="mean"))
    assert thesis.valence < -0.2 and thesis.arousal > 0.2
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        drawn = mood_of(even, MoodSettings(mode="draw"), generator)
        assert (drawn.valence, drawn.arousal) == (0, 0)


def test_a_draw_without_a_generator_is_refused() -> None:
    with pytest.raises(ValueError, match="generator"):
        mood_of(certain("joy"), MoodSettings(mode="draw"))


@pytest.mark.parametrize("by", ["mahalanobis", "likelihood"])
@given(span=ranges)
def test_the_mean_of_a_category_is_nearest_to_itself(by: Distance, span: float) -> None:
    settings = MoodSettings(valence_arousal_range=span)
    for emotion in EMOTIONS:
        mood = mood_of(certain(emotion), settings)
        assert nearest_category(mood, settings, by) == emotion


@given(axis, axis, ranges)
def test_nearest_category_agrees_with_a_direct_count(
    valence: float, arousal: float, span: float
) -> None:
    settings = MoodSettings(valence_arousal_range=span)
    mood = Mood(valence, arousal)
    categories = scaled_categories(settings)
    normal = torch.distributions.Normal
    likelihoods = [
        float(
            normal(c.valence_mean, c.valence_sd).log_prob(torch.tensor(valence).double())
            + normal(c.arousal_mean, c.arousal_sd).log_prob(torch.tensor(arousal).double())
        )
        for c in categories
    ]
    distances = [
        math.hypot(
            (valence - c.valence_mean) / c.valence_sd, (arousal - c.arousal_mean) / c.arousal_sd
        )
        for c in categories
    ]
    by_likelihood = EMOTIONS.index(nearest_category(mood, settings, by="likelihood"))
    by_distance = EMOTIONS.index(nearest_category(mood, settings, by="mahalanobis"))
    assert likelihoods[by_likelihood] == pytest.approx(max(likelihoods), abs=1e-4)
    assert distances[by_distance] == pytest.approx(min(distances), abs=1e-6)


def test_the_two_inverse_mappings_can_disagree() -> None:
    """Disgust is the widest category in arousal; between it and sadness the density decides."""
    settings = MoodSettings()
    grid = [Mood(v / 20, a / 20) for v in range(-20, 21) for a in range(-20, 21)]
    differing = [
        mood
        for mood in grid
        if nearest_category(mood, settings, "mahalanobis")
        != nearest_category(mood, settings, "likelihood")
    ]
    assert 0 < len(differing) < len(grid) / 2


@pytest.mark.parametrize("span", [0.0, -0.5, 1.01, float("nan")])
def test_a_range_outside_its_bounds_is_refused(span: float) -> None:
    with pytest.raises(ValueError, match="valence_arousal_range"):
        scaled_categories(MoodSettings(valence_arousal_range=span))


@pytest.mark.parametrize(
    "probabilities",
    [(1.0,), (0.5,) * 6, (1.2, -0.2, 0, 0, 0, 0), (float("nan"),) * 6],
)
def test_what_is_no_distribution_is_refused(probabilities: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        mood_of(probabilities, MoodSettings())


def test_importing_the_mapping_does_not_import_torch() -> None:
    program = "import sys, emsync.emotion.mapping; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
