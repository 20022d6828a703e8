"""Notes to tokens and back, whatever the notes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music.chords import strong_chords
from emsync.music.notes import (
    GROUPS,
    HIGHEST_PITCH,
    LOWEST_PITCH,
    Note,
    NoteTable,
    one_voice_per_pitch,
    table_of,
)
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.tokens import decode, encode, tick_of_tokens

DRUMS = GROUPS.index("drums")

note_rows = st.lists(
    st.tuples(
        st.integers(0, len(GROUPS) - 1),
        st.integers(LOWEST_PITCH, HIGHEST_PITCH),
        st.integers(0, 3000),
        st.integers(1, 400),
    ),
    max_size=60,
)


def table(rows: list[tuple[int, int, int, int]]) -> NoteTable:
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4)
    group, pitch, start, length = columns.T
    return NoteTable(group, pitch, start, start + length)


def rows_of(notes: NoteTable) -> set[tuple[int, ...]]:
    columns = (notes.group, notes.pitch, notes.start, notes.end)
    return {tuple(map(int, row)) for row in zip(*columns, strict=True)}


def test_vocabulary_is_the_published_one() -> None:
    assert v.SIZE == 1011
    assert v.name(4) == "TIMESHIFT_8" and v.name(128) == "TIMESHIFT_1000"
    assert v.name(129) == "OFF_BASS_21" and v.name(129 + 88) == "ON_BASS_21"
    assert v.name(1008) == "ON_STRINGS_108"
    assert [v.name(token) for token in (0, 1, 2, 3, 1009, 1010)] == [
        "PAD",
        "START",
        "BAR",
        "CHORD",
        "LESS_INSTRUMENTS",
        "MORE_INSTRUMENTS",
    ]
    assert len({v.name(token) for token in range(v.SIZE)}) == v.SIZE


@given(st.integers(v.FIRST_NOTE, v.FEWER_INSTRUMENTS - 1))
def test_note_tokens_name_their_note(token: int) -> None:
    group, pitch, on = v.note_of(token)
    assert v.note_token(group, pitch, on) == token


@given(note_rows)
@settings(max_examples=300, deadline=None)
def test_notes_survive_tokens(rows: list[tuple[int, int, int, int]]) -> None:
    notes = one_voice_per_pitch(table(rows))
    # Drum hits are shortened on the way back, and only they.
    pitched = notes.take(notes.group != DRUMS)
    assert rows_of(decode(encode(pitched)).notes) == rows_of(pitched)
    drums = notes.take(notes.group == DRUMS)
    starts = {row[:3] for row in rows_of(drums)}
    for drum_offs in (True, False):
        assert {
            row[:3] for row in rows_of(decode(encode(drums, (), (), drum_offs)).notes)
        } == starts


@given(
    note_rows,
    st.lists(st.integers(0, 3000), max_size=9),
    st.lists(st.integers(0, 3000), max_size=9),
)
@settings(max_examples=200, deadline=None)
def test_order_within_one_time(
    rows: list[tuple[int, int, int, int]], bars: list[int], chords: list[int]
) -> None:
    bars, chords = sorted(set(bars)), sorted(set(chords))
    tokens = encode(table(rows), bars, chords)
    decoded = decode(tokens)
    assert decoded.bars == tuple(bars) and decoded.chords == tuple(chords)
    ticks = tick_of_tokens(tokens)
    ranks = [rank(int(token)) for token in tokens]
    for i in range(1, len(tokens)):
        if v.shift_ticks(int(tokens[i])) == 0 and v.shift_ticks(int(tokens[i - 1])) == 0:
            assert ticks[i] == ticks[i - 1] and ranks[i - 1] < ranks[i]


def rank(token: int) -> tuple[int, int, int]:
    if token in (v.BAR, v.CHORD):
        return (token - v.BAR, 0, 0)
    if not v.is_note(token):
        return (-1, 0, 0)
    group, pitch, on = v.note_of(token)
    return (2 if on else 3, v.EVENT_ORDER.index(group), pitch)


@given(st.integers(1, 5000))
def test_pauses_are_whole_seconds_then_the_rest(ticks: int) -> None:
    tokens = encode(table([]), bars=[ticks])
    shifts = [v.shift_ticks(int(token)) for token in tokens[:-1]]
    assert sum(shifts) == ticks and all(shift == v.MAXIMUM_SHIFT for shift in shifts[:-1])


@given(st.lists(st.integers(0, v.SIZE - 1), max_size=300))
def test_any_tokens_decode(tokens: list[int]) -> None:
    decoded = decode(tokens)
    assert (decoded.notes.end > decoded.notes.start).all()
    assert decoded.length == sum(v.shift_ticks(token) for token in tokens)


def test_a_voice_never_overlaps_itself() -> None:
    piano = GROUPS.index("piano")
    notes = one_voice_per_pitch(
        table([(piano, 60, 0, 100), (piano, 60, 50, 10), (piano, 60, 0, 30)])
    )
    assert rows_of(notes) == {(piano, 60, 0, 50), (piano, 60, 50, 60)}


def test_seconds_become_ticks() -> None:
    notes = [Note("piano", 60, 0.5, 1.0), Note("piano", 20, 0.5, 1.0)]
    assert rows_of(table_of(notes)) == {(GROUPS.index("piano"), 60, 62, 125)}  # round half even


def test_strong_chords_are_three_long_notes_of_guitar_or_piano() -> None:
    guitar, piano, strings = (GROUPS.index(g) for g in ("guitar", "piano", "strings"))
    beat = 60
    notes = table(
        [
            *[(piano, p, 0, 120) for p in (60, 64, 67)],
            *[(piano, p, 200, 120) for p in (60, 64)],
            *[(strings, p, 400, 120) for p in (60, 64, 67)],
            *[(piano, p, 600, 60) for p in (60, 64, 67)],
            *[(piano, p, 800, 120) for p in (60, 64)],
            (guitar, 67, 800, 120),
        ]
    )
    assert strong_chords(notes, beat).tolist() == [0, 800]


@pytest.mark.parametrize("ticks", [0, 126, -1])
def test_no_token_shifts_by_that(ticks: int) -> None:
    with pytest.raises(ValueError, match="ticks"):
        v.shift_token(ticks)
