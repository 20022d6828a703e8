"""Long films: reels of some minutes that share their themes, a key plan, one ending."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.emotion.mapping import Mood
from emsync.music import reels
from emsync.music.grid import METRES, Grid, lay_grid
from emsync.music.reels import (
    DOMINANT,
    LONGEST_REEL,
    SHORTEST_REEL,
    SUBDOMINANT,
    Reel,
    divide_into_reels,
    key_plan,
    refrain_of,
    theme_of,
)

CALM, TENSE = Mood(0.3, -0.4), Mood(-0.5, 0.6)
SECTION = 16 * 48 // 2
"""Steps: eight bars of 4/4, 16.4 s at the tempo below."""


def grid_of(minutes: float) -> Grid:
    return lay_grid(METRES["4/4"], [(0.0, 16)], [], 60 * minutes)


def divided(
    minutes: float, turns: set[int] | None = None, hits: tuple[int, ...] = ()
) -> tuple[tuple[Reel, ...], list[float]]:
    """The reels of sections of eight bars, the mood turning at some of them; and their seconds."""
    grid = grid_of(minutes)
    starts = list(range(0, grid.steps, SECTION))
    moods, mood = [], CALM
    for i in range(len(starts)):
        if turns and i in turns:
            mood = TENSE if mood is CALM else CALM
        moods.append(mood)
    made = divide_into_reels(grid, starts, moods, hits)
    edges = [starts[reel.first] for reel in made] + [grid.steps]
    return made, np.diff(grid.seconds_of(edges)).tolist()


@settings(max_examples=40, deadline=None)
@given(st.floats(0.2, 30.0), st.sets(st.integers(1, 110), max_size=12))
def test_reels_tile_the_piece_and_last_some_minutes(minutes: float, turns: set[int]) -> None:
    made, lasting = divided(minutes, turns)
    sections = len(range(0, grid_of(minutes).steps, SECTION))
    assert made[0].first == 0 and made[-1].stop == sections
    assert all(one.stop == other.first for one, other in pairwise(made))
    assert sum(lasting) == pytest.approx(60 * minutes, abs=0.2)
    if 60 * minutes <= LONGEST_REEL:
        assert len(made) == 1
        return
    assert len(made) > 1
    # Where sections begin there is not always one in reach.
    section = lasting[0] / (made[0].stop - made[0].first)
    assert min(lasting) > SHORTEST_REEL - 1.5 * section
    assert max(lasting) < LONGEST_REEL + 1.5 * section


def test_a_short_piece_is_one_reel_at_home() -> None:
    made, _ = divided(3.9, {5})
    assert made == (Reel(0, 15, 0, 0.0),)


def test_a_reel_begins_where_the_mood_changes_most() -> None:
    for turn in (9, 10, 12, 13):
        made, _ = divided(6, {turn})
        assert turn in {reel.first for reel in made}


def test_a_reel_begins_on_a_hit_point_where_the_mood_stays() -> None:
    for section in (10, 11, 12):
        made, _ = divided(6, None, (section * SECTION,))
        assert section in {reel.first for reel in made}


@given(st.integers(1, 20))
def test_the_keys_come_home_and_stay_close(number: int) -> None:
    keys = key_plan(number)
    assert len(keys) == number
    assert keys[0] == keys[-1] == 0
    assert set(keys) <= {0, DOMINANT, SUBDOMINANT}
    if number > 2:
        assert all(one != other for one, other in pairwise(keys))
        assert keys[1] == DOMINANT
    if number > 3:
        assert SUBDOMINANT in keys


def test_the_key_stays_where_it_was_asked_for() -> None:
    grid = grid_of(20)
    starts = list(range(0, grid.steps, SECTION))
    made = divide_into_reels(grid, starts, [CALM] * len(starts), (), modulates=False)
    assert len(made) > 4 and {reel.key for reel in made} == {0}


@given(st.integers(1, 12), st.integers(2, 8))
def test_the_first_theme_is_the_refrain_at_both_ends_and_heard_between(
    parts: int, themes: int
) -> None:
    refrains = [refrain_of(part, parts, themes) for part in range(parts)]
    assert refrains[0] == refrains[-1] == 0
    assert all(0 < refrain < themes for refrain in refrains[1:-1])
    for refrain in refrains:
        order = [theme_of(number, refrain) for number in range(themes)]
        assert sorted(order) == list(range(themes))
        assert order[0] == refrain and 0 in order[:2]


def test_the_piece_grows_towards_its_last_reel() -> None:
    made, _ = divided(25)
    energies = [reel.energy for reel in made]
    assert energies == sorted(energies) and energies[0] < 0 < energies[-1]
    assert sum(energies) == pytest.approx(0, abs=1e-9)


def test_the_work_grows_with_the_length_and_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = 0
    costing = reels._length_cost

    def counting(seconds: float) -> float:
        nonlocal costs
        costs += 1
        return costing(seconds)

    monkeypatch.setattr(reels, "_length_cost", counting)
    divided(15)
    half, costs = costs, 0
    divided(30)
    assert costs < 2.5 * half, "four times as many if every pair of sections were looked at"
