"""The beat grid: hit points on strong beats, steps that belong to ticks, a bounded warp."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music.notes import TICK_SECONDS
from emsync.music.planning.clicks import LONGEST_LEAD_IN, UNNOTICED_EARLY, UNNOTICED_LATE
from emsync.music.planning.grid import (
    KIN,
    LARGEST_SPREAD,
    LARGEST_WARP,
    METRES,
    STEPS_PER_EIGHTH,
    STEPS_PER_SIXTEENTH,
    Grid,
    MetreName,
    lay_grid,
    pace_for,
    related_tempos,
)

sixteenths = st.integers(9, 38)
gaps = st.lists(st.floats(4.0, 12.0), max_size=30)
metres = st.sampled_from(sorted(METRES))


def hits_of(first: float, gaps: list[float]) -> list[float]:
    return np.cumsum([first, *gaps]).tolist()


@settings(deadline=None)
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
    assert 0 <= grid.lead_in <= max(LONGEST_LEAD_IN, pace * ticks * TICK_SECONDS) + 1e-9


@settings(deadline=None)
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


@settings(deadline=None)
@given(sixteenths, sixteenths, st.sampled_from([4.3, 9.1, 11.0, 19.7]))
def test_steps_and_ticks_belong_together_through_a_change_of_tempo(
    before: int, after: int, change: float
) -> None:
    """The change is a hit point, or lies between two."""
    hits = [4.3, 9.1, 14.0, 19.7]
    tempos = [(0.0, before), (change, after)]
    grid = lay_grid(METRES["4/4"], tempos, hits, 40.0)
    steps = np.arange(grid.steps)
    assert (grid.steps_of(grid.ticks_of(steps)) == steps).all()
    (_, slow), (_, quick) = related_tempos(tempos)
    assert [ticks for _, ticks in grid.tempos] == ([slow] if slow == quick else [slow, quick])
    assert max(map(abs, grid.warps)) <= LARGEST_WARP + 1e-9
    if slow != quick:
        first = grid.tempos[-1][0]
        line = float(grid.seconds_of(first))
        late = line - change
        assert first % 48 == 0
        assert -UNNOTICED_EARLY - 1e-6 <= late < 48 * slow * TICK_SECONDS / 3 + UNNOTICED_LATE
        assert grid.ticks_of(first + STEPS_PER_SIXTEENTH) - grid.ticks_of(first) == quick


@settings(deadline=None)
@given(st.lists(sixteenths, min_size=1, max_size=6))
def test_tempos_share_a_pulse_and_keep_to_what_was_asked_for(asked: list[int]) -> None:
    found = related_tempos([(10.0 * i, ticks) for i, ticks in enumerate(asked)])
    assert [start for start, _ in found] == [10.0 * i for i in range(len(asked))]
    ticks = [ticks for _, ticks in found]
    if len(set(asked)) == 1:
        assert ticks == asked
    ratios = {a / b for family in KIN for a in family for b in family}
    assert all(min(abs(a / b - ratio) for ratio in ratios) < 1e-9 for a in ticks for b in ticks)
    assert max(ticks) / min(ticks) <= LARGEST_SPREAD * max(asked) / min(asked) + 1e-9
    for one, other in zip(asked, ticks, strict=True):
        assert abs(np.log(one / other)) <= np.log(max(asked) / min(asked)) + 0.1


@settings(deadline=None)
@given(st.lists(sixteenths, min_size=1, max_size=6), st.floats(1.0, 3.0))
def test_tempos_lie_no_further_apart_than_they_may(asked: list[int], widest: float) -> None:
    tempos = [(10.0 * i, ticks) for i, ticks in enumerate(asked)]
    ticks = [ticks for _, ticks in related_tempos(tempos, widest)]
    assert max(ticks) / min(ticks) <= widest + 1e-6


def test_a_third_of_the_range_in_arousal_is_another_tempo() -> None:
    """98 and 122 quarters a minute: no simple ratio is near, four to three is the nearest."""
    (_, slow), (_, quick) = related_tempos([(0.0, 19), (20.0, 15)])
    assert slow / quick == 4 / 3


def test_twice_as_fast_and_half_again_are_tempos_to_change_to() -> None:
    assert related_tempos([(0.0, 27), (20.0, 14)]) == ((0.0, 28), (20.0, 14))
    assert related_tempos([(0.0, 16), (20.0, 25)]) == ((0.0, 16), (20.0, 24))
    assert related_tempos([(0.0, 16), (20.0, 17), (40.0, 16)])[1][1] == 16


def test_a_hit_point_is_moved_to_a_beat_where_that_hardly_bends_it() -> None:
    beat = 16 * 4 * TICK_SECONDS
    near, far = 8 * beat - 0.09, 8 * beat + beat / 2
    grid = lay_grid(METRES["4/4"], [(0.0, 16)], [2.2, 2.2 + near, 2.2 + near + far], 25.0)
    (first, second, third) = (hit.step for hit in grid.hits)
    assert first % 48 == 0 and second - first == 8 * 12
    assert third - second == 8 * 12 + STEPS_PER_EIGHTH


@settings(deadline=None)
@given(metres, sixteenths, st.floats(0.0, 9.0))
def test_the_music_begins_later_so_that_the_first_hit_point_is_on_a_strong_beat(
    metre: MetreName, ticks: int, first: float
) -> None:
    grid = lay_grid(METRES[metre], [(0.0, ticks)], [first], 20.0)
    (hit,) = grid.hits
    assert hit.seconds == pytest.approx(first) == float(grid.seconds_of(hit.step))
    if first > 1 and METRES[metre].beat * ticks / 3 * TICK_SECONDS <= LONGEST_LEAD_IN:
        assert hit.step % METRES[metre].beat == 0


@settings(deadline=None)
@given(sixteenths, st.floats(0.0, 5.0), st.lists(st.floats(4.0, 6.5), min_size=3, max_size=30))
def test_the_pace_that_is_chosen_puts_more_hit_points_on_the_beat(
    ticks: int, first: float, gaps: list[float]
) -> None:
    hits = hits_of(first, gaps)

    def cost(pace: float) -> float:
        grid = lay_grid(METRES["4/4"], [(0.0, ticks)], hits, hits[-1] + 1, pace=pace)
        off = [4.0 if h.step % 6 else 2.0 if h.step % 12 else 0.0 for h in grid.hits]
        return sum(off) + sum(6 * (100 * warp) ** 2 for warp in grid.warps)

    # The rest is what the places of a bar differ by, and the lead-in.
    assert cost(pace_for([(0.0, ticks)], hits)) <= cost(1.0) + 1.0 * len(hits) + 0.5


def test_most_cuts_fall_on_beats_and_hardly_bend_them() -> None:
    """By chance a quarter of them lie on a beat, half off the eighths."""
    rng = np.random.default_rng(3)
    places, warps = [], []
    for ticks in (14, 16, 19, 22, 26) * 8:
        hits = np.cumsum(rng.uniform(4.0, 6.5, 11)).tolist()
        pace = pace_for([(0.0, ticks)], hits)
        grid = lay_grid(METRES["4/4"], [(0.0, ticks)], hits, hits[-1] + 3, pace=pace)
        places += [hit.step for hit in grid.hits]
        warps += [abs(warp) for warp in grid.warps]
        assert (2 * pace * ticks) % 1 == pytest.approx(0.0, abs=1e-9)
    assert np.mean([step % 12 == 0 for step in places]) > 0.45
    assert np.mean([step % 6 == 0 for step in places]) > 0.75
    assert np.mean(warps) < 0.002 and max(warps) < 0.02


def test_a_pace_keeps_within_those_that_are_allowed() -> None:
    hits = [3.1, 8.4, 12.9, 18.8]
    for tempos in ([(0.0, 16)], [(0.0, 27), (8.4, 18)]):
        for low, high in ((0.99, 1.0), (1.0, 1.0), (0.95, 1.03)):
            pace = pace_for(tempos, hits, np.linspace(low, high, 9))
            asked = [ticks for _, ticks in tempos]
            found = [ticks * pace for _, ticks in related_tempos(tempos)]
            assert low * min(asked) - 1e-9 <= min(found) <= max(found) <= high * max(asked) + 1e-9


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
