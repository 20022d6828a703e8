"""The beat grid: hit points on eighths, steps and ticks that belong together, a bounded warp."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emsync.music.notes import TICK_SECONDS
from emsync.music.planning.grid import (
    LARGEST_WARP,
    METRES,
    STEPS_PER_SIXTEENTH,
    UNNOTICED_EARLY,
    UNNOTICED_LATE,
    Grid,
    MetreName,
    lay_grid,
    pace_for,
)

sixteenths = st.integers(9, 38)
gaps = st.lists(st.floats(4.0, 12.0), max_size=30)
metres = st.sampled_from(sorted(METRES))


def hits_of(first: float, gaps: list[float]) -> list[float]:
    return np.cumsum([first, *gaps]).tolist()


@given(metres, sixteenths, st.floats(0.0, 5.0), gaps, st.floats(0.97, 1.03))
def test_every_hit_point_sounds_where_it_was_asked_for(
    metre: MetreName, ticks: int, first: float, gaps: list[float], pace: float
) -> None:
    """Cuts four seconds apart or more, as they are kept by default, at any tempo."""
    hits = hits_of(first, gaps)
    grid = lay_grid(METRES[metre], [(0.0, ticks)], hits, hits[-1] + 5.0, pace=pace)
    assert [hit.asked for hit in grid.hits] == hits
    sounding = grid.seconds_of([hit.step for hit in grid.hits])
    np.testing.assert_allclose(sounding, [hit.seconds for hit in grid.hits], atol=1e-6)
    late = sounding - hits
    assert late[0] == pytest.approx(0.0, abs=1e-6)
    assert late.min() >= -UNNOTICED_EARLY - 1e-6 and late.max() <= UNNOTICED_LATE + 1e-6
    assert max(map(abs, grid.warps), default=0.0) <= LARGEST_WARP + 1e-9
    assert 0 <= grid.lead_in <= pace * ticks * TICK_SECONDS


@given(metres, sixteenths, st.floats(0.0, 5.0), gaps)
def test_time_goes_on_and_covers_the_film(
    metre: MetreName, ticks: int, first: float, gaps: list[float]
) -> None:
    hits = hits_of(first, gaps)
    seconds = hits[-1] + 3.0
    grid = lay_grid(METRES[metre], [(0.0, ticks)], hits, seconds)
    at = grid.seconds_of(np.arange(grid.steps + 1))
    assert (np.diff(at) > 0).all()
    assert at[-1] >= seconds - 1e-6 and at[-2] < seconds
    assert grid.bar_lines[0] == 0 and set(np.diff(grid.bar_lines)) <= {METRES[metre].bar}


@given(sixteenths, sixteenths, st.integers(0, 3))
def test_steps_and_ticks_belong_together_through_a_change_of_tempo(
    before: int, after: int, change: int
) -> None:
    hits = [4.3, 9.1, 14.0, 19.7]
    grid = lay_grid(METRES["4/4"], [(0.0, before), (hits[change], after)], hits, 30.0)
    steps = np.arange(grid.steps)
    assert (grid.steps_of(grid.ticks_of(steps)) == steps).all()
    assert {ticks for _, ticks in grid.tempos} == {before, after}
    first = grid.tempos[-1][0]
    if before != after:
        assert first % 48 == 0 and 0 <= first - grid.hits[change].step < 48
    lasting = np.diff(grid.ticks_of([first, first + STEPS_PER_SIXTEENTH]))
    assert lasting == [after]


def test_hit_points_lie_on_eighths_unless_the_beat_would_bend() -> None:
    beat = 16 * 4 * TICK_SECONDS
    near, far = 8 * beat + 0.01, 8 * beat + 0.12
    grid = lay_grid(METRES["4/4"], [(0.0, 16)], [2.0, 2.0 + near, 2.0 + near + far], 25.0)
    (first, second, third) = grid.hits
    assert second.step - first.step == 8 * 12
    assert third.step - second.step == 8 * 12 + STEPS_PER_SIXTEENTH


@given(sixteenths, st.floats(0.0, 5.0), st.lists(st.floats(4.0, 6.5), min_size=3, max_size=30))
def test_the_pace_that_is_chosen_bends_the_beat_less(
    ticks: int, first: float, gaps: list[float]
) -> None:
    hits = hits_of(first, gaps)
    pace = pace_for([(0.0, ticks)], hits)

    def bent(pace: float) -> float:
        grid = lay_grid(METRES["4/4"], [(0.0, ticks)], hits, hits[-1] + 1, pace=pace)
        return sum(warp**2 for warp in grid.warps)

    assert bent(pace) <= bent(1.0) + 1e-9


def test_the_beat_is_left_alone_where_nobody_notices() -> None:
    """Cuts a few hundredths off the beat, as a film has them, do not bend it at all."""
    beat = 16 * 4 * TICK_SECONDS
    hits = [2.0 + 8 * beat * i + off for i, off in enumerate((0.0, -0.03, 0.02, -0.05, 0.02))]
    grid = lay_grid(METRES["4/4"], [(0.0, 16)], hits, 30.0)
    assert grid.warps == pytest.approx([0.0] * len(grid.warps), abs=1e-12)
    far = lay_grid(METRES["4/4"], [(0.0, 16)], [2.0, 2.0 + 8 * beat + 0.05], 30.0)
    assert far.hits[1].seconds == pytest.approx(far.hits[1].asked - UNNOTICED_EARLY)


def test_hit_points_too_near_for_the_beat_are_met_as_nearly_as_the_bound_allows() -> None:
    hits = [1.0, 1.3, 1.57, 9.0]
    grid = lay_grid(METRES["4/4"], [(0.0, 30)], hits, 12.0)
    assert max(map(abs, grid.warps)) <= LARGEST_WARP + 1e-9
    late = [abs(hit.seconds - hit.asked) for hit in grid.hits]
    assert max(late) < 0.08 and any(late)
    np.testing.assert_allclose(
        grid.seconds_of([hit.step for hit in grid.hits]), [hit.seconds for hit in grid.hits]
    )


def test_any_tempo_is_played_to_the_point() -> None:
    grid: Grid = lay_grid(METRES["4/4"], [(0.0, 16)], [], 60.0, pace=0.5 / (16 * 4 * 0.008))
    assert grid.tempo_at(0) == pytest.approx(120.0)
    assert grid.seconds_of(48) == pytest.approx(2.0)


def test_the_first_tempo_begins_with_the_film() -> None:
    with pytest.raises(ValueError, match="begins at 0"):
        lay_grid(METRES["4/4"], [(1.0, 16)], [], 10.0)
