"""The evaluation's command on a tiny generator, and its figures on pieces made by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from emsync.evaluation import __main__ as evaluation
from emsync.evaluation import alignment, emotion_control
from emsync.evaluation.alignment import MINIMUM_GAP, MINUTE, adherence, cut_lists
from emsync.music import vocabulary as v
from emsync.music.checkpoint import Checkpoint, save
from emsync.music.decoding import DecodedPiece, Plan
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
