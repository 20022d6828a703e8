"""Long films: reels of some minutes that share their themes, a key plan, one ending."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import compose
from test_planning import USUAL, Film, cut_every

from emsync.emotion.mapping import Mood
from emsync.music.composition import Composition
from emsync.music.notes import NoteTable
from emsync.music.planning import reels
from emsync.music.planning.form import CONTRASTS
from emsync.music.planning.grid import METRES, Grid, lay_grid
from emsync.music.planning.plan import Plan, Section
from emsync.music.planning.reels import (
    DOMINANT,
    LONGEST_REEL,
    SHORTEST_REEL,
    SUBDOMINANT,
    Reel,
    divide_into_reels,
    key_plan,
    part_of,
    refrain_of,
    theme_of,
)
from emsync.music.transformer import planned
from emsync.music.transformer.checkpoint import load
from emsync.music.transformer.rows import Brief
from emsync.music.transformer.tokens import encode, tick_of_tokens
from emsync.music.transformer.vocabulary import GROUPS
from emsync.progress import CancelToken
from emsync.settings import MusicSettings, Style

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
    if 60 * minutes > 1.2 * LONGEST_REEL:
        assert len(made) > 1, "a little more may stay together"
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
    refrains = [refrain_of(part, themes, part == parts - 1) for part in range(parts)]
    assert refrains[0] == refrains[-1] == 0
    assert all(0 < refrain < themes for refrain in refrains[1:-1])
    assert refrain_of(parts, themes, comes_home=False) > 0
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


# In a plan --------------------------------------------------------------------------------------


def long_plan(
    asked: MusicSettings, moods: list[tuple[float, float]], seed: int = 3, minutes: float = 12
) -> Plan:
    return Film(60 * minutes, cut_every(7, 60 * minutes), moods).plan(asked, seed)


def reels_of(plan: Plan) -> list[list[Section]]:
    """Neighbouring sections, divided where letter and key change at once: at reels, and around
    contrasts in a key of their own, which are short."""
    out = [[plan.sections[0]]]
    for before, section in pairwise(plan.sections):
        if section.letter != before.letter and section.key != before.key:
            out.append([])
        out[-1].append(section)
    return out


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 999), st.sampled_from(["auto", "pop", "cinematic", "jazz"]))
def test_a_long_plan_leaves_home_comes_back_and_ends_once(seed: int, style: Style) -> None:
    plan = long_plan(MusicSettings(style=style), [(0.3, 0.2)], seed)
    first, last = plan.sections[0], plan.sections[-1]
    assert (first.letter, first.key) == (last.letter, last.key) == ("A", first.key)
    away = {(section.key - first.key) % 12 for section in plan.sections}
    assert {DOMINANT, SUBDOMINANT} <= away
    refrains = [
        max(letters, key=letters.count)
        for letters in ([s.letter for s in reel] for reel in reels_of(plan))
        if len(letters) > 3
    ]
    assert len(set(refrains)) > 1, "one refrain does not carry minutes"
    assert plan.cadence == plan.hits[-1]
    assert plan.chord_at(plan.end).root == first.key


def test_themes_return_in_other_keys_with_the_same_chords() -> None:
    plan = long_plan(MusicSettings(style="pop"), [(0.3, 0.2)])
    ends = [*(section.step for section in plan.sections[1:]), plan.end]
    heard: dict[str, list[set[int]]] = {}
    keys: dict[str, set[int]] = {}
    for section, end in zip(plan.sections, ends, strict=True):
        inside = [chord for chord in plan.chords if section.step <= chord.step < end]
        degrees = {(chord.root - section.key) % 12 for chord in inside}
        heard.setdefault(section.letter, []).append(degrees)
        keys.setdefault(section.letter, set()).add(section.key)
    assert len(keys["A"]) >= 2 and len(keys["B"]) >= 2
    for letter, times in heard.items():
        # What leads to a section and to a hit point may be another chord each time.
        shared = set.intersection(*times)
        assert len(shared) >= 3 or len(keys[letter]) == 1
        assert all(len(shared) >= len(degrees) - 3 for degrees in times)


def test_a_key_that_is_asked_for_is_kept_for_half_an_hour() -> None:
    plan = long_plan(MusicSettings(tonic="Eb"), [(0.3, 0.2), (-0.5, 0.1)], minutes=30)
    assert {section.key for section in plan.sections} == {3}


def test_a_mood_that_comes_back_finds_its_music() -> None:
    plan = long_plan(MusicSettings(), [(0.6, 0.3), (-0.6, 0.3), (0.6, 0.3)])
    bright = [section.letter for section in plan.sections if section.valence > 0]
    dark = [section.letter for section in plan.sections if section.valence < 0]
    assert not set(bright) & set(dark)
    assert bright[0] == bright[-1] == "A"


def test_a_plan_grows_with_the_film_and_no_faster() -> None:
    ten, thirty = (long_plan(MusicSettings(), [(0.3, 0.2)], minutes=m) for m in (10, 30))
    for what in ("chords", "sections", "hits"):
        assert len(getattr(thirty, what)) < 3.5 * len(getattr(ten, what))
    assert len({section.letter for section in thirty.sections}) <= CONTRASTS + 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 30), st.integers(1, 60), st.integers(0, 9))
def test_a_part_says_what_the_whole_says_there(first: int, bars: int, seed: int) -> None:
    film = Film(240.0, cut_every(7, 240.0), [(0.3, 0.2), (-0.5, 0.5), (0.3, -0.2)])
    plan, grid = film.plan(USUAL, seed), film.grid
    start = first * grid.metre.bar
    end = min(start + bars * grid.metre.bar, grid.steps)
    part, beat = part_of(plan, grid, start, end)
    assert part.end == beat.steps == end - start
    assert part.chords[0].step == part.sections[0].step == beat.tempos[0][0] == 0
    for step in range(0, end - start, 5):
        there = plan.chord_at(start + step)
        assert (part.chord_at(step).symbol, part.scale_at(step)) == (
            there.symbol,
            plan.scale_at(start + step),
        )
        assert part.section_at(step).letter == plan.section_at(start + step).letter
        assert float(beat.seconds_of(step)) == pytest.approx(float(grid.seconds_of(start + step)))
        ticks = float(grid.ticks_of(start + step) - grid.ticks_of(start))
        assert float(beat.ticks_of(step)) == pytest.approx(ticks, abs=1)
    assert [hit + start for hit in part.hits] == [hit for hit in plan.hits if start <= hit < end]
    assert (part.cadence is not None) == (start <= plan.cadence < end)  # type: ignore[operator]


# In drawing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("faulty", [1, 99])
def test_only_the_reel_with_a_fault_is_drawn_again(
    monkeypatch: pytest.MonkeyPatch, faulty: int
) -> None:
    """Its first try, or every one, has a fault that the first reel did not have."""
    monkeypatch.setattr(planned, "LONGEST_REEL", 12.0)
    for name, seconds in (("LONGEST", 12.0), ("USUAL", 10.0), ("SHORTEST", 8.0)):
        monkeypatch.setattr(reels, f"{name}_REEL", seconds)
    looked: list[tuple[int, int]] = []

    def look(
        draft: planned.Draft, tokens: tuple[int, ...], asked: MusicSettings, start: int, end: int
    ) -> tuple[str, ...]:
        looked.append((start, end))
        borders = [*reels.reels_of(draft.plan, draft.grid), draft.grid.steps]
        assert len(borders) == 3 and (start, end) in pairwise(borders)
        drawn = tick_of_tokens(np.array(tokens))[-1]
        assert drawn >= draft.grid.ticks_of(end)
        return () if start == 0 or len(looked) > 1 + faulty else ("broken",)

    def composed() -> Composition:
        asked = MusicSettings(openings=1, redraws=2)
        told: list[float] = []
        made = compose(load(), CALM, (9.0,), 20.0, asked, 4, CancelToken(), told.append)
        assert all(0 <= share <= 1 for share in told)
        return made

    monkeypatch.setattr(planned, "_faults_within", look)
    made = composed()
    first, *others = looked
    assert len(others) == (2 if faulty == 1 else 3) and set(others) == {(first[1], others[0][1])}
    monkeypatch.setattr(planned, "_faults_within", lambda *_: ())
    plain = composed()
    if faulty > 1:
        assert made.written == plain.written, "the first of equally bad tries stays"
        return
    assert made.grid is not None
    pairs = zip(made.written, plain.written, strict=False)
    same = next(i for i, (one, other) in enumerate(pairs) if one != other)
    reached = tick_of_tokens(np.array(made.written[:same]))[-1]
    assert reached >= made.grid.ticks_of(first[1]), "the first reel is as it was"


def test_a_reel_is_looked_at_as_a_piece_of_its_own() -> None:
    """Notes elsewhere change nothing; what is missing within it is found."""
    film = Film(400.0, cut_every(7, 400.0), [(0.3, 0.2)])
    plan, grid = film.plan(MusicSettings(style="pop")), film.grid
    brief = Brief(0.3, 0.2, (), 400.0, 0, grid=grid, plan=plan)
    draft = planned.Draft(grid, plan, brief, None)
    borders = [*reels.reels_of(plan, grid), grid.steps]
    at = grid.ticks_of(np.arange(0, grid.steps, 6))
    rng = np.random.default_rng(0)
    group = rng.choice([GROUPS.index("piano"), GROUPS.index("bass")], len(at))
    notes = NoteTable(group, rng.integers(48, 70, len(at)), at, at + 12)

    def found(notes: NoteTable, reel: int) -> tuple[str, ...]:
        tokens = tuple(encode(notes).tolist())
        return planned._faults_within(draft, tokens, USUAL, borders[reel], borders[reel + 1])

    whole = [found(notes, reel) for reel in range(len(borders) - 1)]
    late = notes.take(notes.start >= grid.ticks_of(borders[1]))
    assert found(late, 1) == whole[1]
    # A theme whose melody stands alone sounds; with nothing drawn the rest is written by rule.
    silent = replace(
        draft,
        plan=replace(
            plan,
            sections=tuple(
                replace(section, groups=("drums",), lead=None) for section in plan.sections
            ),
        ),
    )
    tokens = tuple(encode(late).tolist())
    assert planned._faults_within(silent, tokens, MusicSettings(melody=False), *borders[:2])


def test_openings_are_ranked_by_their_first_reel_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Film(900.0, cut_every(7, 900.0), [(0.3, 0.2)])
    plan = film.plan()
    draft = planned.Draft(film.grid, plan, Brief(0.3, 0.2, (), 9.0, 0), None)
    first = planned._beginning(draft)
    assert first.plan.end == reels.reels_of(plan, film.grid)[1] < plan.end / 3
    short = Film(100.0, cut_every(7, 100.0), [(0.3, 0.2)])
    draft = planned.Draft(short.grid, short.plan(), Brief(0.3, 0.2, (), 9.0, 0), None)
    assert planned._beginning(draft) is draft
