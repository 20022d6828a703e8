"""Never garbage: what is wrong with a piece is found, and real music is left in peace."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emsync.music.judging.quality import (
    PieceQuality,
    bar_contents,
    clusters,
    faults,
    longest_loop,
    longest_silence,
    quality_of,
    repeated_bars,
)
from emsync.music.notes import HIGHEST_PITCH, LOWEST_PITCH, TICK_SECONDS, Note, NoteTable, table_of
from emsync.settings import QualityLimits

BAR = 2.0
SECONDS = 60.0


def ticks(seconds: float) -> int:
    return round(seconds / TICK_SECONDS)


def bars(seconds: float = SECONDS) -> list[int]:
    return [ticks(BAR * bar) for bar in range(int(seconds / BAR))]


def quality(notes: Iterable[Note], seconds: float = SECONDS) -> PieceQuality:
    return quality_of(table_of(notes), bars(seconds), ticks(seconds))


def wrong(notes: Iterable[Note], seconds: float = SECONDS) -> tuple[str, ...]:
    return faults(quality(notes, seconds), QualityLimits())


def music(seconds: float = SECONDS, seed: int = 0) -> list[Note]:
    """A walking bass, three held notes and a wandering melody: no bar is like the one before."""
    draws = np.random.default_rng(seed)
    notes = []
    for beat in range(int(2 * seconds)):
        at = beat / 2
        notes.append(Note("bass", 36 + int(draws.integers(12)), at, at + 0.5))
        notes.append(Note("piano", 66 + int(draws.integers(16)), at, at + 0.25))
        if beat % 4 == 0:
            root = 48 + int(draws.integers(7))
            notes += [Note("strings", root + step, at, at + 2.0) for step in (0, 4, 7)]
    return notes


def bar_of_four(at: float) -> list[Note]:
    return [
        Note("piano", pitch, at + beat / 2, at + beat / 2 + 0.4)
        for beat, pitch in enumerate((48, 60, 67, 72))
    ]


def test_music_has_no_faults() -> None:
    assert wrong(music()) == ()
    assert wrong(music(6.0), 6.0) == ()


def test_a_bar_that_repeats_for_long_is_found() -> None:
    around = [note for note in music() if not 20 <= note.start < 44]
    loop = [note for bar in range(12) for note in bar_of_four(20 + BAR * bar)]
    found = quality([*around, *loop])
    assert found.longest_loop == pytest.approx(24, abs=1)
    assert found.repeated_bars == pytest.approx(11 / 29)
    assert "one bar repeats for 2" in faults(found, QualityLimits())[0]


@pytest.mark.parametrize("period", [0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
def test_a_loop_is_found_up_to_the_length_of_a_bar(period: float) -> None:
    """Also where the bar lines are wrong or missing; a phrase of four bars may come again."""
    draws = np.random.default_rng(1)
    one_round = [
        (round(period * k / 8, 3), int(p)) for k, p in enumerate(draws.permutation(40)[:8])
    ]
    notes = table_of(
        Note("guitar", 40 + pitch, at + period * times, at + period * times + 0.1)
        for times in range(int(SECONDS / period))
        for at, pitch in one_round
    )
    for lines in (bars(), [], [0], [ticks(0.3 + 1.7 * k) for k in range(30)]):
        lasting = longest_loop(notes, lines, ticks(SECONDS))
        if period <= BAR:
            assert lasting == pytest.approx(SECONDS, abs=2 * period)
        else:
            assert lasting == 0


def test_a_slow_bar_of_four_seconds_may_be_looped_too() -> None:
    notes = table_of(note for k in range(15) for note in bar_of_four(4.0 * k))
    lines = [ticks(4.0 * k) for k in range(15)]
    assert longest_loop(notes, lines, ticks(SECONDS)) == pytest.approx(SECONDS, abs=4)
    assert longest_loop(notes, bars(), ticks(SECONDS)) == 0


def test_one_changed_note_breaks_the_loop() -> None:
    notes = [note for bar in range(30) for note in bar_of_four(BAR * bar)]
    notes[60] = replace(notes[60], pitch=notes[60].pitch + 1)
    # The bar with the changed note is the 16th of 30.
    assert quality(notes).longest_loop == pytest.approx(30, abs=BAR)


@given(st.floats(0.5, 20), st.floats(0, 50))
def test_a_gap_is_found_wherever_it_is(gap: float, begin: float) -> None:
    end = min(begin + gap, SECONDS)
    notes = [
        replace(note, end=min(note.end, begin)) if note.start < begin else note
        for note in music()
        if not begin - 0.01 <= note.start < end
    ]
    held = Note("strings", 60, end, SECONDS + 1)
    found = longest_silence(table_of([*notes, held]), ticks(SECONDS))
    assert end - begin - 0.05 <= found <= end - begin + 0.55


def test_silence_at_the_start_and_at_the_end_is_silence() -> None:
    notes = table_of(note for note in music() if 7 <= note.start < 50)
    assert longest_silence(notes, ticks(SECONDS)) == pytest.approx(10)
    assert longest_silence(notes, ticks(52)) == pytest.approx(7)
    assert longest_silence(table_of(()), ticks(3)) == pytest.approx(3)


def test_a_stuck_note_is_found() -> None:
    notes = [*music(), Note("strings", 55, 10.0, 40.0)]
    assert quality(notes).longest_note == pytest.approx(30)
    assert wrong(notes) == ("a note is held for 30 s",)


def test_notes_that_pile_up_are_found() -> None:
    stuck = [Note("strings", 60 + k, 12.0 * k, 12.0 * k + 40) for k in range(4)]
    assert clusters(table_of(stuck), ticks(SECONDS)) == pytest.approx(28 / 60, abs=0.02)
    chord = [Note("piano", pitch, 0, SECONDS) for pitch in (60, 64, 67, 70)]
    assert clusters(table_of(chord), ticks(SECONDS)) == 0
    drums = [Note("drums", 36 + k, 0, SECONDS) for k in range(5)]
    assert clusters(table_of(drums), ticks(SECONDS)) == 0


def test_one_register_is_found() -> None:
    draws = np.random.default_rng(0)
    notes = [Note("piano", 60 + int(draws.integers(5)), k / 4, k / 4 + 0.2) for k in range(240)]
    assert wrong(notes) == ("the pitches span only 4 semitones",)
    assert wrong([n for n in notes if n.start < 8], 8.0) == (), "too short to tell"


def test_too_much_and_too_little_are_found() -> None:
    sparse = [Note("piano", 40 + 7 * (k % 5), 2.6 * k, 2.6 * k + 2.5) for k in range(23)]
    assert any("only 23 notes" in fault for fault in wrong(sparse))
    draws = np.random.default_rng(0)
    wall = [
        Note("piano", 30 + int(draws.integers(60)), k / 80, k / 80 + 0.1) for k in range(80 * 60)
    ]
    assert any("notes begin every second" in fault for fault in wrong(wall))


def test_no_music_at_all_is_one_fault() -> None:
    assert wrong(()) == ("no note is played",)
    late = [Note("piano", 60, 70.0, 71.0)]
    assert wrong(late) == ("no note is played",), "after the end"


def test_bars_are_compared_by_what_begins_in_them() -> None:
    lines = [0, 100, 200, 300, 400]
    notes = NoteTable(*np.array([[3, 60, 0, 50], [3, 60, 100, 190], [3, 60, 210, 220]]).T)
    contents = bar_contents(notes, lines, 500)
    assert [len(bar) for bar in contents] == [1, 1, 1, 0, 0]
    assert repeated_bars(contents) == 1 / 4


notes_of_any_kind = st.lists(
    st.builds(
        lambda group, pitch, start, length: (group, pitch, start, start + length),
        st.integers(0, 4),
        st.integers(LOWEST_PITCH, HIGHEST_PITCH),
        st.integers(0, 3000),
        st.integers(1, 2000),
    ),
    max_size=40,
)


@given(notes_of_any_kind, st.lists(st.integers(0, 4000), max_size=8), st.integers(1, 4000))
def test_any_notes_can_be_measured(
    rows: list[tuple[int, int, int, int]], lines: list[int], length: int
) -> None:
    table = NoteTable(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)
    found = quality_of(table, sorted(lines), length)
    seconds = length * TICK_SECONDS
    for share in (found.empty_bars, found.repeated_bars, found.clusters):
        assert 0 <= share <= 1
    for span in (found.longest_silence, found.longest_loop, found.longest_note):
        assert 0 <= span <= seconds + 1e-9
    assert 0 <= found.register <= 87 and 0 <= found.groups <= 5
    assert all(fault and "%%" not in fault for fault in faults(found, QualityLimits()))


def test_real_music_keeps_the_limits() -> None:
    """Quartets, songs and game music, a minute each."""
    from emsync.training.corpus import UnusableFile, files_of, read_index, tokenise

    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "midi"
    folder = Path(os.environ.get("EMSYNC_TEST_MIDI", beside))
    if not (folder / "index.jsonl.xz").is_file():
        pytest.skip(f"needs the MIDI corpus in {folder}; set EMSYNC_TEST_MIDI to its folder")
    index = read_index(folder)
    found: list[tuple[str, ...]] = []
    for source in ("easyrpg_rtp_pr", "tannerhelland_free_music"):
        for _, data in files_of(folder, source, index):
            try:
                clean = tokenise(data)
            except UnusableFile:
                continue
            length = min(int(clean.notes.end.max()), ticks(SECONDS))
            piece = quality_of(clean.notes, clean.bars.tolist(), length)
            found.append(faults(piece, QualityLimits()))
    assert len(found) > 100
    assert sum(not some for some in found) / len(found) > 0.9
