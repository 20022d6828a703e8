"""The evaluation's command on a tiny generator, and its figures on pieces made by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emsync.evaluation import __main__ as evaluation
from emsync.evaluation import alignment, emotion_control
from emsync.evaluation.alignment import MINIMUM_GAP, MINUTE, adherence, cut_lists
from emsync.evaluation.statistics import (
    NAMES,
    Statistics,
    compare,
    crops_of,
    repetition,
    statistics_of,
    wasserstein,
)
from emsync.music import vocabulary as v
from emsync.music.checkpoint import Checkpoint, save
from emsync.music.decoding import DecodedPiece, Plan
from emsync.music.tokens import DecodedTokens, NoteTable
from emsync.music.transformer import MusicTransformer, TransformerSettings
from emsync.settings import MusicSettings
from emsync.training.corpus import Piece, write_shard


def tiny() -> MusicTransformer:
    torch.manual_seed(0)
    model = MusicTransformer(
        TransformerSettings(layers=1, heads=2, width=16, inner_width=32, context=64)
    )
    with torch.no_grad():  # long time shifts, so that a minute is soon over
        model.head.bias[v.shift_token(125)] = 9.0
        model.head.bias[v.note_token("piano", 60, True) :][:12] = 7.0
    return model.eval()


def test_cuts_are_as_far_apart_as_kept_ones() -> None:
    lists = cut_lists(20, 3)
    assert lists == cut_lists(20, 3) and lists != cut_lists(20, 4)
    assert {len(cuts) for cuts in lists} == set(range(5, 15))
    for cuts in lists:
        assert min(np.diff(cuts)) >= MINIMUM_GAP - 0.01 and cuts[0] > 0 and cuts[-1] < MINUTE


def playing(chords: list[float]) -> DecodedPiece:
    tokens, now = [v.BAR], 0
    for chord in chords:
        while now < round(chord / v.TICK_SECONDS):
            ticks = min(125, round(chord / v.TICK_SECONDS) - now)
            tokens.append(v.shift_token(ticks))
            now += ticks
        tokens.append(v.CHORD)
    return DecodedPiece(tuple(tokens), (), 0)


def test_adherence_counts_what_was_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told pieces come 0.2 s late to every cut but the first, untold ones never."""

    def late(_: object, plans: list[Plan], *__: object) -> list[DecodedPiece]:
        return [playing([cut + 0.2 for cut in plan.boundaries[1:]]) for plan in plans]

    monkeypatch.setattr(alignment, "generate", late)
    found = adherence(Checkpoint("none", tiny(), {}, "0"), MusicSettings(), films=10, seed=1)
    assert found.boundaries == sum(range(5, 15)) == 95
    assert found.within_1s == found.within_quarter == pytest.approx(85 / 95)
    assert found.median_offset == pytest.approx(0.2, abs=0.005)
    assert found.untold_within_1s == 0 and 0.1 < found.random_within_1s < 0.5
    assert found.chords_a_minute == 8.5


def test_control_hears_tempo_and_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces whose bars shorten with arousal and whose third is major from valence 0 on."""

    def obedient(_: object, plans: list[Plan], *__: object) -> list[DecodedPiece]:
        pieces = []
        for plan in plans:
            third = 64 if plan.valence >= 0 else 63
            bar = [v.BAR]
            for pitch in (60, third, 67, 72):
                on, off = (v.note_token("piano", pitch, now) for now in (True, False))
                bar += [on, v.shift_token(80 - round(30 * plan.arousal)), off]
            pieces.append(DecodedPiece(tuple(bar * 5), (), 0))
        return pieces

    monkeypatch.setattr(emotion_control, "generate", obedient)
    found = emotion_control.emotion_control(
        Checkpoint("none", tiny(), {}, "0"), MusicSettings(), 1, 0
    )
    assert found.pieces == 25
    assert found.arousal_with_tempo > 0.95 and found.valence_with_majorness > 0.8
    assert abs(found.valence_with_tempo) < 0.05


# Musical statistics ----------------------------------------------------------------------------


def piece_of(rows: list[tuple[str, int, int, int]], bars: list[int], length: int) -> DecodedTokens:
    """From (group, pitch, start, end) with times in sixteenths of 10 ticks."""
    columns = [(v.GROUPS.index(group), pitch, 10 * a, 10 * b) for group, pitch, a, b in rows]
    table = NoteTable(*np.array(columns, dtype=np.int64).reshape(-1, 4).T)
    return DecodedTokens(table, tuple(10 * bar for bar in bars), (), 10 * length)


def test_statistics_of_a_small_piece() -> None:
    """Three bars of 16 sixteenths: C and E, then C and F sharp with a drum, then nothing."""
    rows = [("piano", 60, 0, 16), ("piano", 64, 8, 16), ("bass", 36, 16, 20), ("piano", 66, 24, 28)]
    found = statistics_of(piece_of([*rows, ("drums", 38, 20, 21)], [0, 16, 32, 48], 48))
    assert found.pitch_class_entropy == pytest.approx(1.5)  # a half C, a quarter each of the rest
    assert found.scale_consistency == pytest.approx(1.0)  # G major
    # The second bar has one onset more than the first, the third three fewer than the second.
    assert found.groove_consistency == pytest.approx(1 - (1 + 3) / 32)
    # 8 sixteenths with one pitch, 8 with two, then 4 and 4 with one.
    assert found.polyphony == pytest.approx((16 + 2 * 8) / 24)
    assert found.note_density == pytest.approx(5 / (480 * v.TICK_SECONDS))
    assert found.empty_bar_rate == pytest.approx(1 / 3)
    cluster = [("piano", 60 + i, 0, 16) for i in range(12)]
    found = statistics_of(piece_of(cluster, [0, 16], 16))
    assert found.pitch_class_entropy == pytest.approx(np.log2(12))
    assert found.scale_consistency == pytest.approx(7 / 12) and found.polyphony == 12
    nothing = statistics_of(piece_of([], [], 100))
    assert nothing.note_density == 0 and np.isnan(nothing.polyphony)
    assert np.isnan(nothing.groove_consistency) and np.isnan(nothing.structure_short)


def test_notes_a_tick_off_stay_in_their_cell() -> None:
    rows = [
        ("piano", 60, 16 * bar + 4 * beat, 16 * bar + 4 * beat + 2)
        for bar in range(4)
        for beat in range(4)
    ]
    piece = piece_of(rows, [0, 16, 32, 48, 64], 64)
    shaken = np.array([0, 1, -1, 1] * 4)
    late = NoteTable(
        piece.notes.group, piece.notes.pitch, piece.notes.start + shaken, piece.notes.end
    )
    assert statistics_of(replace(piece, notes=late)).groove_consistency == 1


def test_repetition_is_found_at_its_distance() -> None:
    """Bars of 2 s, of which every fourth is the same: heard 8 s apart, and not 4 s apart."""
    bar = round(2 / v.TICK_SECONDS / 10)
    rows = [("piano", 60 + number % 4, bar * number, bar * number + 2) for number in range(12)]
    piece = piece_of(rows, [bar * number for number in range(13)], bar * 12)
    assert repetition(piece, 7.9, 15) == pytest.approx(1)
    assert repetition(piece, 1, 7) == 0
    assert np.isnan(repetition(piece, 19, 24))  # three pairs are too few


def test_crops_begin_with_bars_and_do_not_overlap() -> None:
    rows = [("piano", 60 + number % 12, 4 * number, 4 * number + 8) for number in range(400)]
    piece = piece_of(rows, list(range(0, 1600, 16)), 1600)
    crops = crops_of(piece, seconds=1.3)
    assert len(crops) == 8
    for one in crops:
        assert one.bars[0] == 0 and one.length == 162 and one.notes.start.min() == 0
        assert one.notes.end.max() <= 162 and len(one.notes) == 5
    assert crops_of(piece, seconds=1000) == []


def test_distances_between_samples() -> None:
    """Against values found by hand, and against the sorted samples for equal sizes."""
    assert wasserstein(np.array([0.0, 1.0]), np.array([0.0, 1.0, np.nan])) == 0
    assert wasserstein(np.array([0.0]), np.array([1.0, 3.0])) == pytest.approx(2)
    assert wasserstein(np.array([0.0, 2.0]), np.array([1.0])) == pytest.approx(1)
    one, other = np.random.default_rng(0).normal(size=(2, 50))
    expected = np.abs(np.sort(one) - np.sort(other)).mean()
    assert wasserstein(one, other) == pytest.approx(expected)
    assert np.isnan(wasserstein(np.array([np.nan]), one))


def test_real_music_is_as_near_as_the_floor_and_other_music_is_not() -> None:
    draws = np.random.default_rng(1)

    def some(count: int, density: float) -> list[Statistics]:
        plain = Statistics(*[0.5] * len(NAMES))
        return [replace(plain, note_density=float(draws.normal(density))) for _ in range(count)]

    real = [some(2, 10) for _ in range(60)]
    for density, farthest, nearest in ((10, 0.5, 0.0), (13, 4.0, 2.5)):
        comparisons, count = compare(some(40, density), real, 0)
        by_name = {one.statistic: one for one in comparisons}
        found = by_name["note_density"]
        assert count == 40 and nearest <= found.distance < farthest
        assert found.floor < 0.5 and found.real == pytest.approx(10, abs=0.3)
        assert np.isnan(by_name["polyphony"].distance)  # the real pieces are all alike


def test_the_command_writes_a_table_and_figures(tmp_path: Path) -> None:
    save(tiny(), tmp_path / "weights", {})
    tokens = np.array([v.BAR, v.note_token("piano", 60, True), v.shift_token(60)] * 60, np.uint16)
    (tmp_path / "shards").mkdir()
    piece = Piece("a.mid", "s", "free", "test", tokens, 0.1, 0.2, 0.1, 1, 100.0)
    write_shard([piece], tmp_path / "shards" / "s.npz")
    options = ["--weights", str(tmp_path / "weights"), "--shards", str(tmp_path / "shards")]
    evaluation.main([*options, "-o", str(tmp_path / "out"), "--films", "2", "--pieces", "1"])
    figures = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert figures["alignment"]["films"] == 2 and figures["emotion_control"]["pieces"] == 25
    assert figures["likelihood"][0]["tier"] == "free"
    assert figures["likelihood"][0]["quality"]["nll"] > 1
    table = (tmp_path / "out" / "evaluation.md").read_text()
    assert table.startswith("| measure |") and "boundaries hit within 1 s (2 films" in table
