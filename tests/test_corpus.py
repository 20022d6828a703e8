"""From MIDI files to labelled token shards: what is cleaned, and what the regressor hears."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emsync.errors import WeightsError
from emsync.music.judging.emotion_regressor import load_regressor
from emsync.music.notes import TICK_SECONDS, NoteTable
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.tokens import decode, tick_of_tokens
from emsync.training.corpus import Cleaning, UnusableFile, build, read_shard, tokenise
from emsync.training.crops import retime
from emsync.training.labels import bars_apart

BEAT = 0.5
SIXTEENTH = 0.125
MAJOR, MINOR = (0, 4, 7), (0, 3, 7)


def midi(chords: Callable[[int], tuple[int, ...] | None], bars: int, jitter: float = 0.0) -> bytes:
    """Piano chords on the beats of 4/4 at 120 a minute; `chords` gives those of each bar."""
    draws = np.random.default_rng(0)
    music = pretty_midi.PrettyMIDI(initial_tempo=120)
    piano = pretty_midi.Instrument(0)
    for beat in range(4 * bars):
        for pitch in chords(beat // 4) or ():
            start = beat * BEAT + jitter * draws.uniform(0, SIXTEENTH)
            piano.notes.append(pretty_midi.Note(80, pitch, start, start + 0.4))
    music.instruments.append(piano)
    out = io.BytesIO()
    music.write(out)
    return out.getvalue()


def changing(bar: int) -> tuple[int, ...]:
    """A chord that no other bar below 24 has in the same company."""
    return (48 + bar, 52 + (bar * 5) % 19, 60 + (bar * 7) % 23)


def test_a_file_on_the_grid_is_spelled_as_it_is() -> None:
    clean = tokenise(midi(changing, 16))
    assert clean.cleaning == Cleaning()
    assert clean.bpm == pytest.approx(120, rel=0.04)
    assert len(clean.bars) == 16 and len(clean.notes) == 16 * 4 * 3
    assert len(decode(clean.tokens).notes) == len(clean.notes)


def test_a_performance_that_keeps_to_no_grid_is_refused() -> None:
    with pytest.raises(UnusableFile, match="no grid"):
        tokenise(midi(changing, 16, jitter=1.0))


def test_a_file_that_lies_beside_the_grid_by_a_constant_is_not() -> None:
    music = pretty_midi.PrettyMIDI(io.BytesIO(midi(changing, 16)))
    for note in music.instruments[0].notes:
        note.start, note.end = note.start + 0.02, note.end + 0.02
    shifted = io.BytesIO()
    music.write(shifted)
    plain, moved = tokenise(midi(changing, 16)), tokenise(shifted.getvalue())
    assert (plain.notes.start == moved.notes.start).all()


def test_long_silences_are_two_bars_long() -> None:
    clean = tokenise(midi(lambda bar: None if 8 <= bar < 14 else changing(bar), 20))
    assert clean.cleaning.silent_bars_cut == 4
    assert len(clean.bars) == 16
    starts = np.unique(clean.notes.start)
    bar = clean.bars[1] - clean.bars[0]
    assert np.diff(starts).max() == pytest.approx(2 * bar + bar / 4, abs=1)


def test_a_long_passage_is_told_twice_and_not_a_third_time() -> None:
    clean = tokenise(midi(lambda bar: changing(bar % 10), 40))
    assert clean.cleaning.repeated_bars_cut == 20
    assert len(clean.bars) == 20
    shorter = tokenise(midi(lambda bar: changing(bar % 10), 20))
    assert clean.tokens.tolist() == shorter.tokens.tolist()


@given(st.integers(10, 24), st.integers(10, 24), st.integers(0, 2**32 - 1))
def test_another_tempo_changes_nothing_but_time(old: int, new: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    steps = np.cumsum(draws.integers(0, 40, 60))
    notes = NoteTable(
        np.full(60, 3), draws.integers(40, 90, 60), steps * old, (steps + 1 + steps % 30) * old
    )
    from emsync.music.transformer.tokens import encode

    tokens = encode(notes, bars=[0]).astype(np.int64)
    moved = retime(tokens, new / old)
    assert tick_of_tokens(moved)[-1] == tick_of_tokens(tokens)[-1] * new // old
    kept = [t for t in tokens.tolist() if not v.shift_ticks(t)]
    assert [t for t in moved.tolist() if not v.shift_ticks(t)] == kept
    before, after = decode(tokens).notes, decode(moved).notes
    assert (before.start * new // old).tolist() == after.start.tolist()
    assert (before.end * new // old).tolist() == after.end.tolist()


def band(triad: tuple[int, int, int], bpm: float, root: int) -> tuple[NoteTable, np.ndarray]:
    """Sixteen bars of I, IV, V, I: chords, broken chords, a bass, and a drum kit."""
    eighth = round(30 / bpm / TICK_SECONDS)
    rows = []
    for number in range(16 * 8):
        bar, at = number // 8, number * eighth
        tonic = root + (0, 5, 7, 0)[bar % 4]
        chord = [(3, tonic + 12 + step, 2) for step in triad] if number % 2 == 0 else []
        drums = [(1, 42, 1), *([(1, (36, 38)[number // 2 % 2], 1)] if number % 2 == 0 else [])]
        broken = (3, tonic + 24 + (*triad, 12)[number % 4], 1)
        for group, pitch, eighths in [*chord, *drums, broken, (0, tonic - 12, 1)]:
            rows.append((group, pitch, at, at + eighths * eighth - 2))
    group, pitch, start, end = np.array(rows).T
    return NoteTable(group, pitch, start, end), np.arange(16) * 8 * eighth


@pytest.mark.parametrize("root", [48, 53])
@pytest.mark.parametrize("bpm", [60, 90, 120])
def test_the_regressor_hears_mode_and_pace(root: int, bpm: float) -> None:
    regressor = load_regressor()
    major, minor, faster = (
        regressor.hear(*band(triad, pace, root))
        for triad, pace in ((MAJOR, bpm), (MINOR, bpm), (MAJOR, 1.4 * bpm))
    )
    assert major.valence > minor.valence + 0.2
    assert faster.arousal > major.arousal + 0.1 or major.arousal == -1


def test_too_few_notes_are_not_heard() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert np.isnan(load_regressor().hear(NoteTable(none, none, none, none), []).valence)


def test_a_regressor_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing or damaged"):
        load_regressor(tmp_path)


def test_moods_are_kept_with_the_places_where_they_were_heard(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.mid").write_bytes(midi(changing, 24))
    build(tmp_path / "mine", tmp_path / "shards", [], 1)
    (piece,) = read_shard(tmp_path / "shards" / "mine.npz")
    assert len(piece.heard) == len(piece.heard_from) == len(bars_apart(np.arange(24) * 250, 15.0))
    assert (piece.tokens[piece.heard_from] == v.BAR).all()
    assert np.isfinite(piece.heard).all() and (np.abs(piece.heard) <= 1).all()


def test_shards_of_an_earlier_version_are_told_apart(tmp_path: Path) -> None:
    np.savez(tmp_path / "old.npz", tokens=np.zeros(3))
    with pytest.raises(SystemExit, match="earlier version"):
        read_shard(tmp_path / "old.npz")
