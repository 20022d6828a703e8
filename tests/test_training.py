"""From MIDI files to a trained model, small but whole."""

import json
import math
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pretty_midi
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emsync.music.midi import group_of
from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.checkpoint import load
from emsync.music.transformer.model import (
    Conditioning,
    MusicTransformer,
    Positions,
    TransformerSettings,
)
from emsync.music.transformer.tokens import decode, tick_of_tokens
from emsync.training import plot, train_music
from emsync.training.corpus import Piece, UnusableFile, build, read_shard, tokenise
from emsync.training.crops import (
    CHORD_DROPPED,
    Batch,
    Crops,
    TrainingSettings,
    batches_from,
    boundary_offsets,
    transpose,
)
from emsync.training.labels import arousal_of_tempo, majorness
from emsync.training.optimisers import WeightAverage

SCALES = {"major": (0, 4, 7), "minor": (0, 3, 7)}


def song(mode: str, bpm: float, bars: int = 24, tonic: int = 60) -> pretty_midi.PrettyMIDI:
    """Drums on every beat, a bass, and a long piano chord a bar, played with a little jitter."""
    music = pretty_midi.PrettyMIDI(initial_tempo=bpm)
    beat = 60 / bpm
    piano, bass, drums = (
        pretty_midi.Instrument(program, is_drum)
        for program, is_drum in ((0, False), (33, False), (0, True))
    )
    jitter = np.random.default_rng(1)
    for bar in range(bars):
        degree = (0, 5, 7, 0)[bar % 4]
        start = bar * 4 * beat
        for step in SCALES[mode]:
            at = start + jitter.uniform(0, 0.005)
            piano.notes.append(pretty_midi.Note(80, tonic + degree + step, at, at + 3.8 * beat))
        for n in range(4):
            at = start + n * beat
            bass.notes.append(pretty_midi.Note(80, tonic - 24 + degree, at, at + 0.9 * beat))
            drums.notes.append(pretty_midi.Note(80, 36 if n % 2 == 0 else 38, at, at + 0.05))
    music.instruments = [piano, bass, drums]
    return music


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("midi")
    for i in range(30):
        song("major" if i % 2 else "minor", 70 + 2 * i, tonic=55 + i % 10).write(
            str(folder / f"{i:02}.mid")
        )
    (folder / "broken.mid").write_bytes(b"MThd" + bytes(20))
    out = tmp_path_factory.mktemp("shards")
    build(folder, out, [], processes=1)
    assert list(json.loads((out / f"{folder.name}.json").read_text())["left_out"]) == ["broken.mid"]
    return out


def test_a_shard_holds_the_songs(shards: Path) -> None:
    (path,) = shards.glob("*.npz")
    pieces = read_shard(path)
    assert [piece.name for piece in pieces] == [f"{i:02}.mid" for i in range(30)]
    decoded = decode(pieces[3].tokens)
    # Of 24 bars that go round every four, eight are told twice and not a third time.
    assert len(decoded.bars) == 16 and len(decoded.chords) == 16
    assert decoded.bars == decoded.chords
    assert len(set(np.diff(decoded.bars).tolist())) == 1, "every bar is as long as the next"
    assert pieces[3].groups == 3 and pieces[3].tier == "unknown"
    assert pieces[3].bpm == pytest.approx(76, rel=0.04)


def test_a_shard_is_made_once_and_always_the_same(tmp_path: Path) -> None:
    midi = tmp_path / "midi"
    midi.mkdir()
    song("major", 100).write(str(midi / "a.mid"))
    contents = []
    for out in (tmp_path / "one", tmp_path / "two"):
        build(midi, out, [], processes=1)
        contents.append((out / "midi.npz").read_bytes())
    assert contents[0] == contents[1]
    before = (tmp_path / "one" / "midi.npz").stat().st_mtime_ns
    build(midi, tmp_path / "one", [], processes=1)
    assert (tmp_path / "one" / "midi.npz").stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [b"", b"MThd", b"RIFF" + bytes(100), bytes(1000)])
def test_what_is_no_midi_is_named(content: bytes) -> None:
    with pytest.raises(UnusableFile):
        tokenise(content)


def test_labels() -> None:
    assert arousal_of_tempo(50, True) == -1 and arousal_of_tempo(100, True) == 0
    assert arousal_of_tempo(300, True) == 1 and math.isnan(arousal_of_tempo(100, False))
    table = {}
    for mode, third in (("major", 64), ("minor", 63)):
        pitch = np.array([60, third, 67, 65, third + 5, 72, 67, third + 7, 74])
        start = np.arange(len(pitch)) * 50
        table[mode] = majorness(NoteTable(np.full(len(pitch), 3), pitch, start, start + 50))
    assert table["major"] > 0.05 > -0.05 > table["minor"]


@given(st.lists(st.integers(0, v.SIZE - 1), max_size=200), st.integers(-3, 3))
def test_transposing_keeps_all_but_pitch(tokens: list[int], semitones: int) -> None:
    moved = transpose(np.array(tokens, dtype=np.int64), semitones)
    for before, after in zip(tokens, moved.tolist(), strict=True):
        if not v.is_note(before) or v.note_of(before)[0] == "drums":
            assert after == before
        else:
            (group, pitch, on), other = v.note_of(before), v.note_of(after)
            assert (group, on) == (other[0], other[2])
            assert (other[1] - pitch - semitones) % 12 == 0


@given(st.lists(st.sampled_from([v.BAR, v.CHORD, 4, 50, 128, 300, 900]), min_size=1, max_size=80))
def test_offsets_point_to_the_next_chord(tokens: list[int]) -> None:
    offsets = boundary_offsets(np.array(tokens))
    seconds = tick_of_tokens(np.array(tokens)) * TICK_SECONDS
    for i in range(len(tokens)):
        later = [seconds[j] for j in range(i + 1, len(tokens)) if tokens[j] == v.CHORD]
        assert offsets[i] == pytest.approx(min(8.0, later[0] - seconds[i]) if later else 8.0)


def test_crops_are_what_the_thesis_says(shards: Path) -> None:
    (path,) = shards.glob("*.npz")
    crops = Crops(read_shard(path), TrainingSettings(batch=400, length=128))
    batch = crops.batch(np.random.default_rng(0))
    first, second = batch.tokens[:, 0].tolist(), batch.tokens[:, 1].tolist()
    assert set(first) == {v.PAD, v.MORE_INSTRUMENTS} and set(second) == {v.START, v.BAR}
    assert 5 <= second.count(v.START) <= 40
    whole = Crops(read_shard(path), TrainingSettings(batch=400, length=128))
    chords = (batch.tokens == v.CHORD).sum().item()
    bars = (batch.tokens == v.BAR).sum().item()  # every bar of these songs has its chord
    assert chords / bars == pytest.approx(1 - CHORD_DROPPED, abs=0.06)
    told = ~batch.offsets.isnan()
    assert (told.all(1) | ~told.any(1)).all() and 0.85 < told.float().mean() < 0.95
    assert (batch.offsets[told] >= 0).all() and (batch.offsets[told] <= 8).all()
    assert (batch.tokens[~told.all(1)] == v.CHORD).any(), "chords come where nobody tells of them"
    labelled = [replace(piece, valence=-0.5, arousal=0.5) for piece in read_shard(path)]
    held_out = Crops(labelled, crops.settings, condition_dropped=0.0)
    all_told = held_out.batch(np.random.default_rng(0))
    assert (all_told.tokens[:, 0] != v.PAD).all() and not all_told.offsets.isnan().any()
    assert (all_told.conditions[:, 0] == -0.5).all() and not all_told.conditions.isnan().any()
    again = whole.batch(np.random.default_rng(0))
    assert torch.equal(batch.tokens, again.tokens)
    assert torch.equal(batch.offsets.nan_to_num(9), again.offsets.nan_to_num(9))
    given = ~batch.conditions.isnan()
    assert 0.8 < given.float().mean() < 0.97


def test_crops_are_shared_out_among_the_tiers(shards: Path) -> None:
    (path,) = shards.glob("*.npz")
    pieces = [
        replace(piece, tier="free" if i < 3 else "synthetic", groups=5 if i < 3 else 1)
        for i, piece in enumerate(read_shard(path))
    ]
    for share in ({"free": 3.0, "synthetic": 1.0}, {"free": 0.1, "synthetic": 0.3}):
        crops = Crops(pieces, TrainingSettings(batch=400, length=16, share=share))
        count = crops.batch(np.random.default_rng(0)).tokens[:, 0]
        free, synthetic = ((count == t).sum() for t in (v.MORE_INSTRUMENTS, v.FEWER_INSTRUMENTS))
        assert free / (free + synthetic) == pytest.approx(
            share["free"] / sum(share.values()), abs=0.06
        )


ARCHITECTURE = "--layers 2 --heads 2 --width 32 --inner-width 64 --context 160"


def run(shards: Path, out: Path, steps: int, more: str = ARCHITECTURE) -> None:
    options = (
        f"--minutes 5 --total-steps {steps} --batch 4 --length 128 --report-every 10 "
        f"--warmup-steps 5 --adam-rate 0.01 {more}"
    )
    train_music.main([str(shards), "-o", str(out), *options.split()])


@pytest.fixture
def split_shards(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Content decides the split; these thirty songs need some that are held out, and two tiers."""
    (path,) = shards.glob("*.npz")
    pieces = [
        replace(
            piece,
            split="valid" if i % 10 < 2 else "train",
            source="odd" if i % 2 else "even",
            tier="synthetic" if i % 2 else "free",
        )
        for i, piece in enumerate(read_shard(path))
    ]
    monkeypatch.setattr(train_music, "read_shard", lambda _: pieces)
    return shards


def test_a_run_begins_from_saved_weights(
    split_shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.random.get_rng_state()
    run(split_shards, tmp_path / "first", 10, f"{ARCHITECTURE} --sources odd even --share free=1")
    assert torch.equal(torch.random.get_rng_state(), before), "nobody else's draws are changed"
    first = load(tmp_path / "first" / "weights")
    assert first.card["sources"] == ["even"] and first.card["began_from"] is None
    begin = f"--weights {tmp_path / 'first' / 'weights'} --context 200"
    run(split_shards, tmp_path / "second", 10, f"{begin} --tiers free synthetic")
    log = log_of(tmp_path / "second")
    assert log[0]["nll"] < math.log(v.SIZE) - 1
    second = load(tmp_path / "second" / "weights")
    assert second.model.settings == replace(first.model.settings, context=200)
    assert second.card["began_from"] == {
        "name": "weights",
        "sha256": first.sha256,
        **{key: first.card[key] for key in ("seen", "sources", "tiers")},
    }
    assert second.card["tiers"] == ["free", "synthetic"]
    capsys.readouterr()
    run(split_shards, tmp_path / "second", 20, f"{begin} --tiers synthetic")
    assert "--weights is not used" in capsys.readouterr().out
    third = load(tmp_path / "second" / "weights")
    assert third.card["seen"]["step"] == 20  # type: ignore[index]
    assert third.card["tiers"] == ["free", "synthetic"], "what was learned from stays named"
    assert third.card["began_from"] == second.card["began_from"]


def test_a_deeper_model_begins_as_the_one_it_was_made_from(
    split_shards: Path, tmp_path: Path
) -> None:
    run(split_shards, tmp_path / "first", 10, ARCHITECTURE)
    first = load(tmp_path / "first" / "weights").model.settings
    begin = f"--weights {tmp_path / 'first' / 'weights'} --layers {2 * first.layers + 1}"
    run(split_shards, tmp_path / "deep", 5, begin)
    before, after = log_of(tmp_path / "first")[-1], log_of(tmp_path / "deep")
    assert after[0]["nll"] == pytest.approx(before["nll"], abs=1e-3), "nothing is forgotten"
    assert after[-1]["nll"] != after[0]["nll"], "and the model learns"
    deep = load(tmp_path / "deep" / "weights").model
    assert deep.settings == replace(first, layers=2 * first.layers + 1)
    state = deep.state_dict()
    outputs = [float(w.abs().max()) for name, w in state.items() if name.endswith(".out.weight")]
    assert min(outputs) > 0, "the new layers too"
    with pytest.raises(SystemExit, match="layers"):
        run(split_shards, tmp_path / "less", 5, f"--weights {tmp_path / 'deep/weights'} --layers 1")


def test_what_cannot_be_trained_is_refused(split_shards: Path, tmp_path: Path) -> None:
    run(split_shards, tmp_path / "run", 1)
    for more, why in (
        ("--width 64", "width 32"),
        ("--sources odd elsewhere", "elsewhere; there are even, odd"),
        ("--length 500", "context"),
    ):
        with pytest.raises(SystemExit, match=why):
            run(split_shards, tmp_path / "run", 2, more)
    with pytest.raises(SystemExit, match="No music generator"):
        run(split_shards, tmp_path / "other", 2, f"--weights {tmp_path}")
    with pytest.raises(SystemExit, match="2"):
        run(split_shards, tmp_path / "other", 2, "--share free=much")


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_training_learns_and_goes_on_exactly(
    split_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything that could be forgotten: a moving average, dropout, batches drawn ahead."""
    more = f"{ARCHITECTURE} --ema 0.9 --dropout 0.1"
    run(split_shards, tmp_path / "whole", 40, more)
    log = log_of(tmp_path / "whole")
    assert [row["step"] for row in log] == [0, 10, 20, 30, 40]
    assert log[0]["nll"] == pytest.approx(math.log(v.SIZE), abs=0.1)
    assert log[-1]["nll"] < log[0]["nll"] - 1 and log[-1]["top5"] > log[0]["top5"]
    assert log[0]["tokens_per_second"] is None and log[1]["tokens_per_second"] > 0

    real_step = train_music.Trainer.step
    taken = 0

    def stopping(self: train_music.Trainer, batch: Batch, done: float) -> None:
        nonlocal taken
        taken += 1
        if taken == 35:  # as if the machine went away some steps after the save at step 30
            raise KeyboardInterrupt
        real_step(self, batch, done)

    monkeypatch.setattr(train_music.Trainer, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(split_shards, tmp_path / "parts", 40, more)
    run(split_shards, tmp_path / "parts", 40, more)
    whole, parts = (
        torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("whole", "parts")
    )
    for name, value in whole["model"].items():
        assert torch.equal(value, parts["model"][name]), name
        assert torch.equal(whole["average"]["model"][name], parts["average"]["model"][name]), name
    assert torch.equal(whole["loss"], parts["loss"])
    for key in ("loss", "nll", "nll_ema", "top1", "top5"):
        assert log_of(tmp_path / "parts")[-1][key] == log[-1][key]
    card = load(tmp_path / "parts" / "weights").card
    assert card["seen"]["step"] == 40  # type: ignore[index]
    assert card["tiers"] == ["free", "synthetic"]
    phases = card["phases"]
    assert isinstance(phases, list)
    assert [phase["from_step"] for phase in phases] == [0] and phases[0]["batch"] == 4


@pytest.mark.parametrize("ema", [0.5, 0.999])
def test_the_better_weights_are_saved(split_shards: Path, tmp_path: Path, ema: float) -> None:
    run(split_shards, tmp_path, 10, f"{ARCHITECTURE} --ema {ema}")
    last = log_of(tmp_path)[-1]
    checkpoint, state = load(tmp_path / "weights"), torch.load(tmp_path / "state.pt")
    averaged = last["nll_ema"] < last["nll"]
    assert checkpoint.card["saved"] == ("moving average" if averaged else "last")
    assert checkpoint.card["validation"]["nll"] == min(last["nll"], last["nll_ema"])  # type: ignore[index]
    expected = (state["average"] if averaged else state)["model"]["head.weight"]
    torch.testing.assert_close(
        checkpoint.model.head.weight, expected, atol=1e-3, rtol=1e-3, check_device=False
    )


def test_a_moving_average_is_a_mean_of_the_weights() -> None:
    settings = TransformerSettings(layers=1, heads=1, width=8, inner_width=8, context=8)
    model = MusicTransformer(settings)
    average = WeightAverage(model, decay=0.75)
    torch.nn.init.zeros_(average.model.head.bias)
    expected = 0.0
    for value in range(1, 6):
        torch.nn.init.constant_(model.head.bias, float(value))
        average.update(model)
        decay = min(0.75, (1 + value) / (10 + value))
        expected = decay * expected + (1 - decay) * value
        torch.testing.assert_close(average.model.head.bias, torch.full((v.SIZE,), expected))


@pytest.mark.slow  # it looks at a clock, so it wants a quiet machine
def test_a_command_keeps_to_its_budget(
    split_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here saving takes most of the time, so that little of it is left for training."""
    monkeypatch.setattr(train_music, "MARGIN_SECONDS", 0.5)
    real_save = train_music.save

    def slow_save(*arguments: Any) -> None:
        time.sleep(1.0)
        real_save(*arguments)

    monkeypatch.setattr(train_music, "save", slow_save)
    began = time.monotonic()
    options = f"--minutes 0.1 --batch 2 --length 32 --report-every 100000 {ARCHITECTURE}"
    train_music.main([str(split_shards), "-o", str(tmp_path), *options.split()])
    assert 3.0 < time.monotonic() - began < 6.0
    first, last = log_of(tmp_path)
    assert first["step"] == 0 and last["step"] > 1
    assert load(tmp_path / "weights").card["seen"]["step"] == last["step"]  # type: ignore[index]


def test_batches_are_drawn_ahead_in_order(shards: Path) -> None:
    (path,) = shards.glob("*.npz")
    crops = Crops(read_shard(path), TrainingSettings(batch=2, length=32, seed=5))
    with closing(batches_from(crops, 5, 7, pinned=False)) as batches:
        for step in range(7, 13):
            expected = crops.batch(np.random.default_rng([5, step]))
            assert torch.equal(next(batches).tokens, expected.tokens)


def test_a_loss_that_is_no_number_is_not_saved(split_shards: Path, tmp_path: Path) -> None:
    run(split_shards, tmp_path, 10)
    saved = load(tmp_path / "weights").sha256
    with pytest.raises(SystemExit, match="learning rates"):
        run(split_shards, tmp_path, 20, "--adam-rate 1e30 --muon-rate 1e30")
    assert load(tmp_path / "weights").sha256 == saved


@pytest.mark.parametrize("conditioning", get_args(Conditioning))
@pytest.mark.parametrize("positions", get_args(Positions))
def test_every_kind_of_model_is_trained(
    split_shards: Path, tmp_path: Path, positions: str, conditioning: str
) -> None:
    more = f"{ARCHITECTURE} --positions {positions} --conditioning {conditioning}"
    run(split_shards, tmp_path, 6, f"{more} --muon-rate 0.01")
    first, last = log_of(tmp_path)
    assert last["nll"] < first["nll"] - 0.3
    assert load(tmp_path / "weights").model.settings.conditioning == conditioning


def test_chord_weighs_ten_times_and_padding_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.zeros(3, v.SIZE)
    logits[0, v.CHORD], logits[1, 500] = 2.0, 1.0
    targets = torch.tensor([v.CHORD, 500, v.PAD])
    monkeypatch.setattr(train_music, "losses", lambda *_: (logits, targets))
    batch = Batch(*(torch.zeros(1) for _ in range(5)))
    nll = [-float(logits[i].log_softmax(-1)[targets[i]]) for i in range(2)]
    loss = float(train_music.training_loss(torch.nn.Identity(), batch))
    assert loss == pytest.approx((10 * nll[0] + nll[1]) / 2, rel=1e-5)


def test_pieces_without_pitch_are_not_trained_on() -> None:
    piece = Piece("a", "s", "t", "train", np.array([v.BAR], np.uint16), 0.0, 0.0, math.nan, 1, 100)
    with pytest.raises(SystemExit):
        Crops([piece], TrainingSettings())


def test_groups_follow_lpd5() -> None:
    groups = [group_of(program, False) for program in (0, 25, 33, 48, 98, 120)]
    names = ["piano", "guitar", "bass", "strings"]
    assert groups == [*(GROUPS.index(name) for name in names), None, None]
    assert group_of(0, True) == GROUPS.index("drums")


def test_learning_curves_are_drawn(tmp_path: Path) -> None:
    steps = [0, 100, 200, 100, 200, 300]  # a command stopped after 200 and was done again from 100
    run = tmp_path / "run"
    run.mkdir()
    rows = [
        {"step": s, "tokens": 1000 * s, "nll": n, "nll_ema": n, "top1": 0.5, "top5": 0.75}
        for n, s in enumerate(steps)
    ]
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [row["nll"] for row in plot.read_log(run / "log.jsonl")] == [0, 3, 4, 5]
    plot.main([str(run / "log.jsonl"), "-o", str(tmp_path / "curves.png")])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    left, right = plot.learning_curves({"run": plot.read_log(run / "log.jsonl")}).axes
    assert left.lines[0].get_xydata().tolist() == [[0, 0], [0.1, 3], [0.2, 4], [0.3, 5]]  # type: ignore[union-attr]
    assert len(right.lines) == 2
    with pytest.raises(SystemExit, match="no log"):
        plot.main([str(tmp_path / "curves.png"), "-o", str(tmp_path / "other.png")])
