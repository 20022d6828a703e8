"""The mood over a film: from the readings of its scenes, or as somebody asked for it (thesis 6.1).

The mood changes in steps, and only on kept cuts, where a strong chord falls: a slow drift towards
the next scene would always come too late for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from emsync.emotion.mapping import Mood, mood_of
from emsync.emotion.reading import EmotionReading, SceneReading
from emsync.settings import MoodSettings, Settings

if TYPE_CHECKING:
    import torch

SHORTEST_STRETCH = 8.0
"""Seconds for which a mood holds at least: four bars at 120 beats a minute, and as far ahead as the
generator sees. Shorter scenes share a mood; their readings rest on little film anyway."""
LEAST_CHANGE = 0.1
"""Moods closer than this, in either axis, are one: nobody would hear the difference."""


@dataclass(frozen=True)
class MoodCurve:
    """Moods one after the other; each holds until the next begins."""

    starts: tuple[float, ...]
    """Seconds, ascending from 0."""
    moods: tuple[Mood, ...]

    def __post_init__(self) -> None:
        if len(self.starts) != len(self.moods) or not self.starts or self.starts[0] != 0:
            raise ValueError(f"a curve needs a mood for each start, the first at 0: {self}")
        if any(a >= b for a, b in pairwise(self.starts)):
            raise ValueError(f"the starts of a curve must ascend: {self.starts}")

    @classmethod
    def constant(cls, mood: Mood) -> "MoodCurve":
        """Return one mood for the whole film."""
        return cls((0.0,), (mood,))

    def stretches(self, seconds: float) -> tuple[tuple[float, float, Mood], ...]:
        """Return (start, end, mood) up to `seconds`, the film's length.

        What begins later is left out.
        """
        begun = [start for start in self.starts if start < seconds]
        return tuple(
            (start, end, mood)
            for (start, end), mood in zip(pairwise([*begun, seconds]), self.moods, strict=False)
        )

    def mean(self, seconds: float) -> Mood:
        """Return the mean mood up to `seconds`, the film's length; each counts for its time."""
        parts = [((end - start) / seconds, mood) for start, end, mood in self.stretches(seconds)]
        valence = sum(share * mood.valence for share, mood in parts)
        arousal = sum(share * mood.arousal for share, mood in parts)
        return Mood(min(max(valence, -1.0), 1.0), min(max(arousal, -1.0), 1.0))


def scene_curve(
    scenes: Sequence[SceneReading],
    settings: MoodSettings,
    generator: "torch.Generator | None" = None,
) -> MoodCurve:
    """Return the moods of a film's scenes, each mapped as the whole film's would be.

    The shortest stretch is joined to the neighbour that is more like it until every one lasts
    `SHORTEST_STRETCH`; then neighbours less than `LEAST_CHANGE` apart are joined. A stretch is read
    as the mean of its scenes, weighted by their length.

    Args:
        scenes: they tile the film.
        settings: r, and the mean or a draw.
        generator: as for `mood_of`.

    Raises:
        ValueError: if there are no scenes; and as `mood_of`.
    """
    if not scenes:
        raise ValueError("a film has one scene at least")
    means = replace(settings, mode="mean")
    stretches = list(scenes)
    moods = [mood_of(stretch.probabilities, means) for stretch in stretches]
    while len(stretches) > 1:
        steps = [_distance(a, b) for a, b in pairwise(moods)]
        short = min(range(len(stretches)), key=lambda i: stretches[i].end - stretches[i].start)
        if stretches[short].end - stretches[short].start < SHORTEST_STRETCH:
            first = min(
                (i for i in (short - 1, short) if 0 <= i < len(steps)), key=steps.__getitem__
            )
        else:
            first = min(range(len(steps)), key=steps.__getitem__)
            if steps[first] >= LEAST_CHANGE:
                break
        joined = _joined(stretches[first], stretches[first + 1])
        stretches[first : first + 2] = [joined]
        moods[first : first + 2] = [mood_of(joined.probabilities, means)]
    return MoodCurve(
        tuple(float(stretch.start) for stretch in stretches),
        tuple(mood_of(stretch.probabilities, settings, generator) for stretch in stretches),
    )


def _joined(one: SceneReading, other: SceneReading) -> SceneReading:
    """Return two neighbours as one scene, each counting for as long as it lasts."""
    share = float((one.end - one.start) / (other.end - one.start))
    return SceneReading(
        one.start,
        other.end,
        tuple(
            share * a + (1 - share) * b
            for a, b in zip(one.probabilities, other.probabilities, strict=True)
        ),
    )


def _distance(one: Mood, other: Mood) -> float:
    """Return how far apart two moods are in the axis in which they are farther."""
    return max(abs(one.valence - other.valence), abs(one.arousal - other.arousal))


@dataclass(frozen=True)
class MoodRequest:
    """What somebody asks to be composed for; as it stands, the film's own mood."""

    mood: Mood | None = None
    """Throughout; None for the film's own, or where `changes` say it."""
    follow_scenes: bool = False
    """Whether the music follows the scenes as they are read, also where the settings do not."""
    changes: tuple[tuple[float, Mood], ...] = ()
    """(seconds, mood), ascending from 0 on: each holds until the next, scenes or not."""

    @property
    def is_given(self) -> bool:
        """Whether the first mood is asked for, not read."""
        return self.mood is not None or bool(self.changes and self.changes[0][0] == 0)

    def in_settings(self, settings: Settings) -> Settings:
        """Return `settings` with the way of following the film that is asked for."""
        if not self.follow_scenes:
            return settings
        return replace(settings, mood=replace(settings.mood, curve="scenes"))


def draw_mood(reading: EmotionReading, settings: Settings) -> Mood:
    """Return the mood that the settings make of a reading (thesis 6.1)."""
    return mood_of(reading.probabilities, settings.mood, _generator(settings))


def draw_curve(
    reading: EmotionReading,
    settings: Settings,
    request: MoodRequest = MoodRequest(),
) -> MoodCurve:
    """Return the moods to compose for, over the film.

    Args:
        reading: of the film.
        settings: whether the scenes are followed.
        request: what is asked for instead; scenes are not followed then.
    """
    if request.changes and request.changes[0][0] == 0:
        return MoodCurve(*zip(*request.changes, strict=True))
    mood = draw_mood(reading, settings) if request.mood is None else request.mood
    if request.changes or request.mood is not None or settings.mood.curve == "constant":
        return MoodCurve(*zip((0.0, mood), *request.changes, strict=True))
    return scene_curve(reading.scenes, settings.mood, _generator(settings))


def _generator(settings: Settings) -> "torch.Generator | None":
    """Return what the mood is drawn from; None where nothing is drawn."""
    if settings.mood.mode == "mean":
        return None
    import torch

    return torch.Generator().manual_seed(settings.seed)
