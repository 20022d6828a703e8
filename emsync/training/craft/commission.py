"""What a piece is asked to be: style, mood, tempo, metre and hit points, all drawn from a seed."""

import math
import random
from dataclasses import dataclass

from emsync.music.notes import TICK_SECONDS
from emsync.music.planning.grid import METRES, Grid, MetreName, lay_grid
from emsync.training.craft.manners import MANNERS, Manner
from emsync.training.labels import FASTEST_BPM, SLOWEST_BPM

SHORTEST, LONGEST = 30.0, 120.0
"""Seconds."""
TEMPO_SPREAD = 11.0
"""Beats a minute: standard deviation around the tempo that the arousal suggests. Ours."""
CHANGING = 0.35
"""Share of pieces whose mood changes on the way."""
WITH_HITS = 0.78


@dataclass(frozen=True)
class Mood:
    """What is asked from a second of the film on."""

    second: float
    valence: float
    arousal: float


@dataclass(frozen=True)
class Commission:
    """One piece, before a note is written."""

    seed: str
    """All further draws of the piece begin with it."""
    manner: Manner
    moods: tuple[Mood, ...]
    """Ascending from second 0."""
    grid: Grid
    metre: MetreName
    swung: bool

    @property
    def bpm(self) -> float:
        """Return the tempo in quarters a minute."""
        return self.grid.tempo_at(0)

    def mood_at(self, step: int) -> Mood:
        """Return what is asked at `step`."""
        second = float(self.grid.seconds_of(step)) + 1e-6
        return [mood for mood in self.moods if mood.second <= second or mood is self.moods[0]][-1]

    def draws(self, *purpose: object) -> random.Random:
        """Return the generator for one purpose, such as the drums of section A."""
        return random.Random("/".join([self.seed, *map(str, purpose)]))


def _suits(manner: Manner, mood: Mood) -> float:
    """Return the weight of a manner for a mood; none is ruled out."""
    away = ((mood.arousal - manner.arousal[0]) / manner.arousal[1]) ** 2
    away += ((mood.valence - manner.valence[0]) / manner.valence[1]) ** 2
    return manner.weight * (0.03 + math.exp(-away / 2))


def _hits(rng: random.Random, seconds: float, beat: float, bar: float) -> list[float]:
    """Return the cuts of a film: every four to eight seconds, some scenes longer."""
    if rng.random() > WITH_HITS:
        return []
    middle = rng.uniform(4.0, 8.0)
    # Some films are cut to the beat.
    unit = rng.choice((0.0, 0.0, 0.0, beat, 2 * beat, bar, bar))
    cuts, at = [], rng.uniform(2.0, middle)
    while at < seconds - 4 * beat:
        cuts.append(max(round(at / unit), 1) * unit if unit else at)
        at += max(3 * beat, rng.uniform(0.6, 1.4) * middle * rng.choice((1, 1, 1, 1, 2)))
    return cuts


def commission(seed: int, number: int) -> Commission:
    """Return what the piece of this number is asked to be; the same seed asks for the same."""
    rng = random.Random(f"craft/{seed}/{number}")
    seconds = rng.uniform(SHORTEST, LONGEST)
    first = Mood(0.0, rng.uniform(-1, 1), rng.uniform(-1, 1))
    manner = rng.choices(MANNERS, [_suits(manner, first) for manner in MANNERS])[0]
    metre = rng.choices(*zip(*manner.metres, strict=True))[0]
    middle = (FASTEST_BPM + SLOWEST_BPM) / 2
    bpm = middle + first.arousal * (FASTEST_BPM - middle) + rng.gauss(0, TEMPO_SPREAD)
    bpm = min(max(bpm, SLOWEST_BPM), FASTEST_BPM + 10)
    sixteenth = round(15.0 / bpm / TICK_SECONDS)
    beat = 4 * sixteenth * TICK_SECONDS
    cuts = _hits(rng, seconds, beat, METRES[metre].bar / 12 * beat)
    moods = [first]
    if rng.random() < CHANGING:
        # Moods change at cuts, one scene in three or so; without cuts, once, half-way.
        for at in cuts[2::3] or [seconds / 2]:
            if at - moods[-1].second > 8 and rng.random() < 0.7:
                last = moods[-1]
                valence = rng.uniform(-1, 1)
                arousal = min(max(last.arousal + rng.gauss(0, 0.4), -1), 1)
                moods.append(Mood(at, valence, arousal))
    grid = lay_grid(METRES[metre], [(0, sixteenth)], cuts, seconds)
    swung = rng.random() < manner.swing
    return Commission(f"craft/{seed}/{number}", manner, tuple(moods), grid, metre, swung)
