"""From six emotion probabilities to valence and arousal, and back (thesis 6.1).

Each emotion is a Gaussian with independent axes in the valence-arousal plane (table 6.1). The
film's mood is the mean of their mixture, or a draw from it. `valence_arousal_range` (r) stretches
the plane so that the means of the categories fill [-r, r] on both axes.

Ours: probabilities are taken apart into an even part, which says nothing about the film, and the
rest. The even part counts as neutral; `MoodSettings.undecided` gives the thesis's reading, in which
a film of which nothing is known is unpleasant and excited.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from emsync.emotion.reading import checked_probabilities
from emsync.settings import MoodSettings

if TYPE_CHECKING:
    import torch

Distance = Literal["mahalanobis", "likelihood"]


@dataclass(frozen=True)
class Mood:
    """A point of the valence-arousal plane, both in [-1, 1]."""

    valence: float
    arousal: float

    def __post_init__(self) -> None:
        if not (-1 <= self.valence <= 1 and -1 <= self.arousal <= 1):
            raise ValueError(f"valence and arousal must lie in [-1, 1]: {self}")


@dataclass(frozen=True)
class CategoryGaussian:
    """One emotion in the valence-arousal plane; the axes are independent."""

    emotion: str
    valence_mean: float
    valence_sd: float
    arousal_mean: float
    arousal_sd: float

    def squared_mahalanobis(self, valence: float, arousal: float) -> float:
        """Return the squared distance of a point from the mean, in standard deviations."""
        return ((valence - self.valence_mean) / self.valence_sd) ** 2 + (
            (arousal - self.arousal_mean) / self.arousal_sd
        ) ** 2

    def log_likelihood(self, valence: float, arousal: float) -> float:
        """Return the natural logarithm of the density at a point."""
        return -0.5 * self.squared_mahalanobis(valence, arousal) - math.log(
            2 * math.pi * self.valence_sd * self.arousal_sd
        )


TABLE_6_1: tuple[CategoryGaussian, ...] = (
    CategoryGaussian("anger", -0.51, 0.20, 0.59, 0.29),
    CategoryGaussian("disgust", -0.60, 0.20, 0.35, 0.41),
    CategoryGaussian("fear", -0.64, 0.20, 0.60, 0.32),
    CategoryGaussian("joy", 0.76, 0.22, 0.48, 0.26),
    CategoryGaussian("sadness", -0.63, 0.23, -0.27, 0.34),
    CategoryGaussian("surprise", 0.40, 0.30, 0.67, 0.27),
)
"""Thesis, table 6.1, in the order of `EMOTIONS`."""


def scaled_categories(settings: MoodSettings) -> tuple[CategoryGaussian, ...]:
    """Return table 6.1 with the means of each axis shifted and scaled to span [-r, r].

    Standard deviations are scaled by the same factor and not shifted.

    Raises:
        ValueError: if r is not in (0, 1].
    """
    span = settings.valence_arousal_range
    if not 0 < span <= 1:
        raise ValueError(f"valence_arousal_range must be above 0 and at most 1, not {span}")
    valence_shift, valence_scale = _onto_range([c.valence_mean for c in TABLE_6_1], span)
    arousal_shift, arousal_scale = _onto_range([c.arousal_mean for c in TABLE_6_1], span)
    return tuple(
        CategoryGaussian(
            category.emotion,
            (category.valence_mean - valence_shift) * valence_scale,
            category.valence_sd * valence_scale,
            (category.arousal_mean - arousal_shift) * arousal_scale,
            category.arousal_sd * arousal_scale,
        )
        for category in TABLE_6_1
    )


def mood_of(
    probabilities: Sequence[float],
    settings: MoodSettings,
    generator: "torch.Generator | None" = None,
) -> Mood:
    """Return the mood of a film that was read as `probabilities`.

    Args:
        probabilities: six, order of `EMOTIONS`, sum 1.
        settings: r, what undecided means, and "mean" (of the mixture) or "draw" (a category by its
            probability, then a point from its Gaussian; neutral by the probability of the even
            part).
        generator: a generator on the CPU; needed by "draw", not touched by "mean".

    Returns:
        Valence and arousal, clipped to [-1, 1].

    Raises:
        ValueError: if the probabilities are not a distribution, r is out of range, or a draw has
            no generator.
    """
    weights = checked_probabilities(probabilities)
    if settings.undecided == "neutral":
        least = min(weights)
        weights = tuple(weight - least for weight in weights)
    categories = scaled_categories(settings)
    if settings.mode == "draw":
        if generator is None:
            raise ValueError("a draw needs a generator, so that it can be repeated")
        return _draw(weights, categories, generator)
    pairs = list(zip(weights, categories, strict=True))
    return Mood(
        _clip(math.fsum(weight * category.valence_mean for weight, category in pairs)),
        _clip(math.fsum(weight * category.arousal_mean for weight, category in pairs)),
    )


def nearest_category(mood: Mood, settings: MoodSettings, by: Distance = "mahalanobis") -> str:
    """Return the emotion that a mood is closest to: the inverse of the mapping.

    Args:
        by: "mahalanobis" measures distance in standard deviations; "likelihood" takes the highest
            density, which favours narrow categories.

    Returns:
        One of `EMOTIONS`; the earlier one of two that tie.
    """
    categories = scaled_categories(settings)
    valence, arousal = mood.valence, mood.arousal
    if by == "mahalanobis":
        return min(categories, key=lambda c: c.squared_mahalanobis(valence, arousal)).emotion
    if by == "likelihood":
        return max(categories, key=lambda c: c.log_likelihood(valence, arousal)).emotion
    raise ValueError(f"by must be 'mahalanobis' or 'likelihood', not {by!r}")


def _draw(
    weights: tuple[float, ...],
    categories: tuple[CategoryGaussian, ...],
    generator: "torch.Generator",
) -> Mood:
    """Return a point drawn from the mixture; neutral with what the weights lack to 1."""
    import torch

    neutral = max(0.0, 1 - math.fsum(weights))
    index = int(torch.multinomial(torch.tensor([*weights, neutral]), 1, generator=generator))
    valence_step, arousal_step = torch.randn(2, generator=generator).tolist()
    if index == len(categories):
        return Mood(0.0, 0.0)
    chosen = categories[index]
    return Mood(
        _clip(chosen.valence_mean + chosen.valence_sd * valence_step),
        _clip(chosen.arousal_mean + chosen.arousal_sd * arousal_step),
    )


def _onto_range(means: Sequence[float], span: float) -> tuple[float, float]:
    """Return shift and scale with (mean - shift) * scale in [-span, span], both ends reached."""
    low, high = min(means), max(means)
    return (low + high) / 2, 2 * span / (high - low)


def _clip(value: float) -> float:
    """Return a number as near to `value` as [-1, 1] allows."""
    return min(1.0, max(-1.0, value))
