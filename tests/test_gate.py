"""The gate: what a listener would notice as broken is found, and music is let through."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music.judging.gate import GateLimits, faults, findings_of
from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable
from emsync.music.planning.grid import METRES, lay_grid
from emsync.music.planning.plan import Chord, Plan, Section

BARS = 24
BAR = METRES["4/4"].bar
GRID = lay_grid(METRES["4/4"], [(0.0, 15)], (), BARS * 16 * 15 * TICK_SECONDS)
SECONDS_A_BAR = 16 * 15 * TICK_SECONDS
ROOTS = (0, 9, 5, 7)
ALL = GROUPS

Row = tuple[str, int, int, int]
"""Group, pitch, step, steps it lasts."""


def plan(
    valence: float = 0.5,
    quiet: dict[int, Sequence[str]] | None = None,
    hits: tuple[int, ...] = (),
) -> Plan:
    """C, Am, F, G round and round; sections of eight bars, with all groups unless `quiet` says."""
    chords = [Chord(bar * BAR, ROOTS[bar % 4], "m" if bar % 4 == 1 else "") for bar in range(BARS)]
    sections = [
        Section(
            8 * BAR * number, "A", 0, "major", valence, 0.2, 0.5,
            tuple(group for group in ALL if group not in (quiet or {}).get(number, ())), "piano",
        )
        for number in range(3)
    ]  # fmt: skip
    return Plan(
        METRES["4/4"], tuple(chords), tuple(sections), hits, (BARS - 1) * BAR, BARS * BAR, "pop"
    )


def music(asked: Plan, minor: bool = False, seed: int = 0) -> list[Row]:
    """A band that plays the plan: drums, a bass, chords, pads and a tune that wanders."""
    draws = np.random.default_rng(seed)
    rows: list[Row] = []
    for bar in range(BARS):
        at = bar * BAR
        chord = asked.chord_at(at)
        tones = sorted(_darker(tone) if minor else tone for tone in chord.tones)
        rows += [("drums", 36 if beat % 2 == 0 else 38, at + 12 * beat, 3) for beat in range(4)]
        rows += [("drums", 42, at + 6 * eighth, 3) for eighth in range(8)]
        rows += [("bass", 36 + tones[0], at + 12 * beat, 10) for beat in range(4)]
        rows += [("guitar", 48 + tone, at + 24 * half, 20) for half in (0, 1) for tone in tones]
        rows += [("strings", 60 + tone, at, 44) for tone in tones[:2]]
        scale = [_darker(tone) if minor else tone for tone in (0, 2, 4, 5, 7, 9, 11)]
        for beat in range(4):
            near = tones if beat % 2 == 0 else scale
            pitch = 72 + near[int(draws.integers(len(near)))]
            rows.append(("piano", pitch, at + 12 * beat, 11))
    return rows


def _darker(tone: int) -> int:
    """The third, sixth and seventh of C minor in place of those of C major."""
    return tone - (tone in (4, 9, 11))


def table(rows: Sequence[Row]) -> NoteTable:
    columns = [(GROUPS.index(group), pitch, at, at + steps) for group, pitch, at, steps in rows]
    return NoteTable(*np.array(columns, dtype=np.int64).reshape(-1, 4).T)


def wrong(rows: Sequence[Row], asked: Plan | None = None, end: int | None = None) -> str:
    return "; ".join(faults(table(rows), asked or plan(), GRID, GateLimits(), end))


def between(rows: Sequence[Row], first: int, last: int) -> list[Row]:
    return [row for row in rows if first * BAR <= row[2] < last * BAR]


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_music_passes(seed: int) -> None:
    assert wrong(music(plan(), seed=seed)) == ""


def test_nothing_but_drums_is_no_music() -> None:
    drums = [row for row in music(plan()) if row[0] == "drums"]
    assert wrong(drums) == wrong([]) == "no pitched note is played"


def test_a_group_that_stops_is_missed_unless_its_section_leaves_it_out() -> None:
    played = music(plan())
    stopped = [row for row in played if row[0] != "bass" or not 8 * BAR <= row[2] < 16 * BAR]
    assert wrong(stopped) == "the bass stops for 15 s"
    assert wrong(stopped, plan(quiet={1: ("bass",)})) == ""
    to_the_end = [row for row in played if row[0] != "strings" or row[2] < 8 * BAR]
    assert wrong(to_the_end) == "the strings stop for 29 s"


def test_a_group_that_plays_on_hit_points_alone_has_not_begun() -> None:
    hits = tuple(4 * BAR * number for number in range(1, 4))
    rows = [row for row in music(plan()) if row[0] != "guitar"]
    rows += [("guitar", pitch, hit, 24) for hit in hits for pitch in (55, 60, 64, 67)]
    assert wrong(rows, plan(hits=hits)) == ""
    assert "guitar stops" in wrong(rows)


def test_pile_ups_belong_on_hit_points() -> None:
    rows = music(plan())
    rows += [("strings", pitch, 5 * BAR + 24, 12) for pitch in range(48, 96, 2)]
    assert "notes begin at once" in wrong(rows)
    assert wrong(rows, plan(hits=(5 * BAR + 24,))) == ""


def test_one_note_again_and_again_is_noticed() -> None:
    rows = [row for row in music(plan()) if row[0] in ("drums", "bass") or row[2] < 8 * BAR]
    tail = [("piano", 76, at, 5) for at in range(8 * BAR, BARS * BAR, 6)]
    assert "one note is repeated for" in wrong([*rows, *tail])


def test_harmony_that_stands_still_is_noticed_sooner_than_the_plan_would_have_it() -> None:
    still = replace(plan(), chords=(Chord(0, 0, ""),))
    stuck = music(still)
    assert "one chord stays for" in wrong(stuck)
    patient = GateLimits(longest_chord=100.0)
    assert not any("chord" in one for one in faults(table(stuck), still, GRID, patient))


def test_a_gap_in_all_but_the_drums_is_noticed() -> None:
    rows = [row for row in music(plan()) if row[0] == "drums" or not 10 <= row[2] / BAR < 14]
    assert "nothing but drums for 8 s" in wrong(rows)
    assert "nothing but drums" not in wrong(rows[: len(rows) // 3], end=8 * BAR)


def test_chords_with_holes_between_them_are_noticed() -> None:
    short = [(group, pitch, at, min(steps, 3)) for group, pitch, at, steps in music(plan())
             if group != "strings"]  # fmt: skip
    assert "no pitched note sounds for" in wrong(short)


@pytest.mark.parametrize("valence", [-0.6, 0.6])
def test_the_mode_follows_a_clear_mood(valence: float) -> None:
    asked = plan(valence)
    assert ("mode is contrary" in wrong(music(asked, minor=True), asked)) == (valence > 0)
    assert ("mode is contrary" in wrong(music(asked), asked)) == (valence < 0)
    for minor in (False, True):
        assert "mode" not in wrong(music(asked, minor), plan(valence / 10))


def test_too_many_voices_and_rubbing_ones() -> None:
    rows = music(plan())
    rows += [("strings", 55 + pitch, bar * BAR, 48) for bar in range(BARS) for pitch in range(9)]
    found = wrong(rows)
    assert "8 voices or more for 100% of the time" in found
    assert "neighbouring notes rub" in found


def test_notes_beside_the_beat_are_noticed() -> None:
    shifted = [(group, pitch, at + (1, 2, 5, 7)[n % 4], steps)
               for n, (group, pitch, at, steps) in enumerate(music(plan()))]  # fmt: skip
    assert "notes miss the beat" in wrong(shifted)


def test_a_beginning_is_judged_by_what_it_has() -> None:
    """The first third of a good piece passes; that of one stuck from its tenth bar on does too."""
    rows = music(plan())
    stuck = [
        *between(rows, 0, 10),
        *(("strings", 60 + tone, 10 * BAR, 14 * BAR) for tone in (0, 4)),
    ]
    third = 8 * BAR
    for played in (rows, stuck):
        assert wrong([row for row in played if row[2] < third], end=third) == ""
    assert wrong(stuck) != ""
    found = findings_of(table(rows), plan(), GRID, GateLimits(), third)
    assert found.seconds == pytest.approx(8 * SECONDS_A_BAR)
    held: list[Row] = [("piano", 60 + tone, 0, third) for tone in (0, 4, 7)]
    assert "a note is held for" in wrong(held, end=third)
