"""What the compared ways are asked to compose, and the ways."""

from dataclasses import dataclass

import numpy as np

from emsync.emotion.curve import SHORTEST_STRETCH, MoodCurve
from emsync.emotion.mapping import Mood
from emsync.settings import MusicSettings

WIDEST_MOOD = 0.8
"""Moods are asked for up to here on both axes: `MoodSettings.valence_arousal_range`."""
CUT_GAP = (4.0, 6.5)
"""Seconds between cuts, as between those kept in films with many."""
LAST_CUT = 1.0
"""Seconds before the end, after which no cut comes."""
EVERY_CHANGING = 4
"""Every so manyth film changes its mood from scene to scene."""
SCENE_SECONDS = 15.0
"""Of such a scene at least: a tempo and a mode have to be established. Ours."""
LEAST_STEP = 0.6
"""By which a new scene's mood differs in valence and in arousal. Ours: a third of the range."""
_PLASTIC = 1.32471795724474602596
"""Real root of x³ = x + 1, from which the sequence that fills the plane evenly is made."""

WAYS: dict[str, MusicSettings] = {
    "ours": MusicSettings(),
    "without leaning": MusicSettings(harmony=0.0),
    "steady temperature": MusicSettings(
        method="free", temperature=0.9, top_p=0.8, repetition_coefficient=0.0, late_tolerance=0.125
    ),
    "previous release": MusicSettings(
        method="free",
        temperature=0.9,
        top_p=0.8,
        repetition_coefficient=0.4,
        late_tolerance=0.125,
    ),
    "as in the paper": MusicSettings(
        method="free",
        temperature=1.35,
        top_p=0.6,
        repetition_coefficient=0.4,
        late_tolerance=None,
        openings=1,
        end_on_chord=False,
        redraws=0,
    ),
}
"""By name: as the app composes; the same, but drawn without regard to the plan's chords, which only
the arrangement then obeys; as the release before the planned music did, without its rise of the
temperature and with it; and Algorithm 1 of the thesis with the sampling of the published code."""


@dataclass(frozen=True)
class Request:
    """One film to compose for."""

    number: int
    curve: MoodCurve
    cuts: tuple[float, ...]
    """Seconds, ascending."""
    seconds: float
    seed: int


def spread_moods(count: int, seed: int) -> list[Mood]:
    """Return moods that fill the plane evenly, however many are taken (Roberts 2018: R2)."""
    shift = np.random.default_rng([seed, 20]).random(2)
    steps = np.array([1 / _PLASTIC, 1 / _PLASTIC**2])
    places = (shift + np.arange(1, count + 1)[:, None] * steps) % 1
    return [Mood(*row) for row in (WIDEST_MOOD * (2 * places - 1)).tolist()]


def requests_for(count: int, seconds: float, seed: int) -> list[Request]:
    """Return `count` films of `seconds`: moods, cuts and seeds, the same for the same `seed`."""
    moods = spread_moods(count, seed)
    films = []
    for number, mood in enumerate(moods):
        draws = np.random.default_rng([seed, 21, number])
        cuts: list[float] = []
        at = float(draws.uniform(*CUT_GAP))
        while at <= seconds - LAST_CUT:
            cuts.append(round(at, 2))
            at += float(draws.uniform(*CUT_GAP))
        curve = MoodCurve.constant(mood)
        if number % EVERY_CHANGING == EVERY_CHANGING - 1:
            curve = _by_scene(mood, cuts, seconds, draws)
        films.append(Request(number, curve, tuple(cuts), seconds, 10_000 * (seed + 1) + number))
    return films


def _by_scene(
    first: Mood, cuts: list[float], seconds: float, draws: np.random.Generator
) -> MoodCurve:
    """Return a curve that begins with `first` and turns on cuts, each time clearly."""
    starts, moods = [0.0], [first]
    for cut in cuts:
        if cut - starts[-1] >= SCENE_SECONDS and seconds - cut >= SHORTEST_STRETCH:
            starts.append(cut)
            moods.append(_elsewhere(moods[-1], draws))
    return MoodCurve(tuple(starts), tuple(moods))


def _elsewhere(mood: Mood, draws: np.random.Generator) -> Mood:
    """Return a mood at least `LEAST_STEP` away on both axes."""
    while True:
        valence, arousal = draws.uniform(-WIDEST_MOOD, WIDEST_MOOD, 2).tolist()
        if min(abs(valence - mood.valence), abs(arousal - mood.arousal)) >= LEAST_STEP:
            return Mood(valence, arousal)
