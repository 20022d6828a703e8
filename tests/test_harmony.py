"""Chords: their labels, how they are found in notes, and how the generator is told of them."""

import json
import math
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable
from emsync.music.planning.plan import QUALITIES, Chord
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.checkpoint import load, save
from emsync.music.transformer.harmony_labels import (
    CLASSES,
    LABELS,
    NOT_GIVEN,
    UNTOLD,
    ToldChords,
    chord_of,
    label_of,
    placed,
    tones_of,
    transposed,
)
from emsync.music.transformer.model import KeyValueCache, MusicTransformer, TransformerSettings
from emsync.music.transformer.stepping import CompiledStepper, RowStepper, SlotStepper, Stepper
from emsync.music.transformer.tokens import encode, tick_of_tokens
from emsync.training import train_music
from emsync.training.corpus import Piece, read_shard, write_shard
from emsync.training.crops import HARMONY_DROPPED, Crops, TrainingSettings
from emsync.training.harmony import estimate

BEAT = 60
"""Ticks: 125 beats a minute."""
NAN = float("nan")

# Labels --------------------------------------------------------------------------------------


def test_every_quality_has_a_label_of_its_root() -> None:
    assert {quality for qualities in CLASSES for quality in qualities} == set(QUALITIES)
    labels = {label_of(root, q[0]) for root in range(12) for q in CLASSES}
    assert labels == set(range(1, LABELS))
    for label in labels:
        root, quality = chord_of(label) or (0, "none")
        assert label_of(root, quality) == label
        assert tones_of(label)[0] == root
    assert chord_of(NOT_GIVEN) is None and tones_of(NOT_GIVEN) == ()


@given(st.integers(0, 11), st.sampled_from(sorted(QUALITIES)), st.integers(-24, 24))
def test_transposing_a_label_transposes_its_tones(root: int, quality: str, by: int) -> None:
    label = label_of(root, quality)
    moved = int(transposed(np.array([label], dtype=np.uint8), by)[0])
    assert moved == label_of(root + by, quality)
    assert tones_of(moved) == tuple((tone + by) % 12 for tone in tones_of(label))
    assert transposed(np.array([NOT_GIVEN]), by).tolist() == [NOT_GIVEN]


@given(
    st.lists(st.sampled_from([v.BAR, 4, 50, 128, 300, 900]), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 3)), max_size=12),
)
def test_chords_are_placed_where_the_clock_reaches_them(
    tokens: list[int], chords: list[tuple[int, int]]
) -> None:
    chords = sorted(chords)
    at, labels = placed(np.array(tokens), [t for t, _ in chords], [c for _, c in chords])
    clock = tick_of_tokens(np.array(tokens))
    assert (np.diff(at) > 0).all() and (np.diff(labels.astype(int)) != 0).all()
    for i, now in enumerate(clock):
        told = labels[at <= i][-1:].tolist()
        sounding = [label for tick, label in chords if tick <= now][-1:]
        assert told == sounding


def test_a_plan_is_told_chord_by_chord() -> None:
    chords = [Chord(0, 0, ""), Chord(24, 0, "6"), Chord(48, 9, "m7"), Chord(96, 7, "7")]
    told = ToldChords.of(chords, lambda step: step / 24)
    c, a, g = label_of(0, ""), label_of(9, "m7"), label_of(7, "7")
    assert told.at(0.0) == (c, a, 2.0)
    assert told.at(1.5) == (c, a, 0.5), "a sixth is the same chord to it"
    assert told.at(2.0) == (a, g, 2.0) and told.at(9.0) == (g, NOT_GIVEN, 0.0)
    assert told.at(-1.0) == (NOT_GIVEN, c, 1.0)


# Estimation ----------------------------------------------------------------------------------

PROGRESSION = [(9, "m"), (5, "maj7"), (0, ""), (7, "7"), (2, "m7"), (4, "7"), (9, "m"), (9, "m")]


def played(style: str, draws: np.random.Generator) -> NoteTable:
    """The progression, a chord a bar of 4/4, with a melody that passes between chord tones."""
    rows: list[tuple[str, int, float, float]] = []
    for bar, (root, quality) in enumerate(PROGRESSION):
        at = 4.0 * bar
        tones = [(root + interval) % 12 for interval in QUALITIES[quality]]
        rows.append(("bass", 36 + root % 12, at, at + 4))
        if style == "block":
            rows += [("piano", 60 + tone, at, at + 3.9) for tone in tones]
        else:
            rows += [
                ("piano", 60 + tones[i % len(tones)], at + i / 2, at + i / 2 + 0.5)
                for i in range(8)
            ]
        for beat in range(4):
            tone = 72 + tones[int(draws.integers(len(tones)))]
            rows.append(("strings", tone, at + beat, at + beat + 0.75))
            rows.append(
                ("strings", tone + int(draws.integers(-2, 3)), at + beat + 0.75, at + beat + 1)
            )
            rows.append(("drums", 38, at + beat, at + beat + 0.1))
    group, pitch, start, end = zip(*rows, strict=True)
    return NoteTable(
        np.array([GROUPS.index(g) for g in group]),
        np.array(pitch),
        np.round(np.array(start) * BEAT).astype(np.int64),
        np.round(np.array(end) * BEAT).astype(np.int64),
    )


@pytest.mark.parametrize("style", ["block", "broken"])
@pytest.mark.parametrize("seed", range(3))
def test_chords_are_found(style: str, seed: int) -> None:
    notes = played(style, np.random.default_rng(seed))
    bars = 4 * BEAT * np.arange(len(PROGRESSION))
    ticks, labels = estimate(notes, bars, BEAT)
    at = np.searchsorted(ticks, bars + BEAT, side="right") - 1
    wanted = [label_of(*chord) for chord in PROGRESSION]
    assert labels[at].tolist() == wanted
    # No flicker: seven changes are there, and a passing note may look like one more.
    assert len(ticks) <= 8


def test_what_is_no_chord_is_not_given() -> None:
    clusters = [(GROUPS.index("piano"), 60 + tone, bar) for bar in range(8) for tone in range(7)]
    group, pitch, bar = np.array(clusters).T
    notes = NoteTable(group, pitch, bar * 4 * BEAT, (bar + 1) * 4 * BEAT)
    _, labels = estimate(notes, 4 * BEAT * np.arange(8), BEAT)
    assert set(labels.tolist()) == {NOT_GIVEN}
    drums = replace(notes, group=np.full(len(notes), GROUPS.index("drums")))
    assert len(estimate(drums, 4 * BEAT * np.arange(8), BEAT)[0]) == 0


# Crops ---------------------------------------------------------------------------------------


def song(bars: int, seed: int, source: str = "songs", tier: str = "free") -> Piece:
    """A chord a bar, block chords, nothing but chord tones."""
    draws = np.random.default_rng(seed)
    rows, labels = [], []
    root = -1
    for bar in range(bars):
        root = (root + 1 + int(draws.integers(11))) % 12
        quality = ("", "m", "7")[int(draws.integers(3))]
        labels.append(label_of(root, quality))
        for beat in range(4):
            at = (4 * bar + beat) * BEAT
            rows.append((GROUPS.index("drums"), 38, at, at + 12))
            for interval in QUALITIES[quality]:
                pitch = 48 + (root + interval) % 12 + 12 * int(draws.integers(2))
                rows.append((GROUPS.index("piano"), pitch, at, at + BEAT))
    starts = 4 * BEAT * np.arange(bars)
    tokens = encode(NoteTable(*np.array(rows).T), starts, drum_offs=False)
    places, kept = placed(tokens, starts, labels)
    return Piece(
        f"{seed}", source, tier, "train", tokens, 0.2, 0.5, 0.1, 2, 125.0,
        harmony_from=places, harmony=kept,
    )  # fmt: skip


def test_chords_follow_the_notes_through_transposition_and_another_tempo() -> None:
    settings = TrainingSettings(batch=60, length=256, retimed=1.0)
    crops = Crops([song(24, seed) for seed in range(4)], settings, condition_dropped=0.0)
    batch = crops.batch(np.random.default_rng(0))
    tokens, told = batch.tokens.numpy(), batch.harmonies.numpy()
    tempos, seen = set(), 0
    for row in range(60):
        clock = tick_of_tokens(tokens[row])
        bars = clock[tokens[row] == v.BAR]
        tempos.add(int(bars[2] - bars[1]))
        for i in range(256):
            token, (now, coming, seconds) = int(tokens[row, i + 1]), told[row, i]
            if not v.is_note(token):
                continue
            group, pitch, on = v.note_of(token)
            if on and group == "piano":
                seen += 1
                assert pitch % 12 in tones_of(int(now))
                if coming:
                    due = clock[i] + round(float(seconds) / TICK_SECONDS)
                    assert due in bars or due >= clock[-1]
                    after = told[row, np.searchsorted(clock, due)] if due <= clock[-1] else None
                    assert after is None or after[0] == coming
    assert len(tempos) > 5 and seen > 3000


def test_a_crop_from_the_middle_of_a_chord_knows_it() -> None:
    piece = song(24, 1)
    piece = replace(piece, harmony_from=piece.harmony_from[:1], harmony=piece.harmony[:1])
    crops = Crops([piece], TrainingSettings(batch=20, length=32), condition_dropped=0.0)
    told = crops.batch(np.random.default_rng(0)).harmonies
    assert (told[:, :, 0] > 0).all() and not told[:, :, 1:].any()
    bare = replace(piece, harmony_from=np.zeros(0, np.int64), harmony=np.zeros(0, np.uint8))
    crops = Crops([bare], TrainingSettings(batch=4, length=32), condition_dropped=0.0)
    assert not crops.batch(np.random.default_rng(0)).harmonies.any()


def test_some_chords_are_not_told() -> None:
    crops = Crops([song(60, 0)], TrainingSettings(batch=600, length=128))
    told = crops.batch(np.random.default_rng(0)).harmonies
    never = ~told.any(-1).any(-1)
    assert float(never.float().mean()) == pytest.approx(HARMONY_DROPPED, abs=0.05)
    some = told[~never]
    gaps = (some[:, :, 0] == 0).any(1)
    assert 0.1 < float(gaps.float().mean()) < 0.35
    assert 0.05 < float((some[:, :, 1:] == 0).all(-1).all(-1).float().mean()) < 0.2


def test_crops_are_shared_out_among_sources_and_groups_of_them() -> None:
    pieces = [
        song(12 + 12 * (source == "a"), seed, source, "free" if source < "c" else "synthetic")
        for seed, source in enumerate("aabcdd")
    ]
    share = {"a": 0.5, "b+c": 0.3, "synthetic": 0.2}
    with pytest.raises(SystemExit, match="c more than once"):
        train_music._of_shares(pieces, share)
    share = {"a": 0.5, "b+c": 0.3, "d": 0.2}
    assert train_music._of_shares(pieces, {"d": 1.0, "b+a": 1.0}) == [
        piece for piece in pieces if piece.source != "c"
    ]
    with pytest.raises(SystemExit, match="elsewhere"):
        train_music._of_shares(pieces, {"a+elsewhere": 1.0})
    crops = Crops(pieces, TrainingSettings(batch=800, length=16, share=share))
    numbers = crops.batch(np.random.default_rng(0)).pieces.tolist()
    drawn = "".join(crops.pieces[number].source for number in numbers)
    for names, wanted in (("a", 0.5), ("bc", 0.3), ("d", 0.2)):
        assert sum(map(drawn.count, names)) / 800 == pytest.approx(wanted, abs=0.06)


# Model ---------------------------------------------------------------------------------------


def small(harmony: bool = True, halves: bool = False) -> MusicTransformer:
    torch.manual_seed(3)
    settings = TransformerSettings(
        layers=3, heads=4, width=64, inner_width=96, context=80, harmony=harmony
    )
    model = MusicTransformer(settings).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
        if halves:
            parameter.data = parameter.data.half().float()
    return model


def told_at_random(batch: int, length: int) -> torch.Tensor:
    labels = torch.randint(0, LABELS, (batch, length, 2)).float()
    return torch.cat((labels, 3 * torch.rand(batch, length, 1)), dim=-1)


def test_chords_are_heard_and_not_given_is_as_without() -> None:
    model = small()
    tokens, offsets, mood = (
        torch.randint(1, v.SIZE, (1, 12)),
        torch.full((1, 12), 8.0),
        torch.zeros(1, 2),
    )

    def logits(now: int, coming: int, seconds: float) -> torch.Tensor:
        told = torch.tensor([now, coming, seconds]).expand(1, 12, 3)
        with torch.no_grad():
            out: torch.Tensor = model(tokens, offsets, mood, harmonies=told)
        return out

    with torch.no_grad():
        without = model(tokens, offsets, mood)
    assert torch.equal(logits(*UNTOLD), without)
    assert torch.equal(logits(0, 0, 5.0), without)
    c, g = label_of(0, ""), label_of(7, "7")
    told = logits(c, g, 0.5)
    assert not torch.allclose(told, without)
    for other in ((g, g, 0.5), (c, c, 0.5), (c, g, 0.1), (c, 0, 0.5)):
        assert not torch.allclose(told, logits(*other))
    far = logits(c, g, 60.0)
    torch.testing.assert_close(far, logits(c, 0, 0.0), atol=1e-5, rtol=0)


def test_only_what_can_be_told_is_told() -> None:
    model = small(harmony=False)
    with pytest.raises(ValueError, match="chords"):
        model(
            torch.ones(1, 3, dtype=torch.long),
            torch.ones(1, 3),
            torch.zeros(1, 2),
            harmonies=torch.zeros(1, 3, 3),
        )
    with pytest.raises(ValueError, match="rotary"):
        TransformerSettings("relative", harmony=True)


@pytest.mark.parametrize("way", ["compiled", "halves", "singles", "slots"])
def test_steps_with_chords_equal_the_whole_pass(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(halves=way in ("compiled", "halves"))
    tolerance = 2e-5
    if way == "compiled":  # it keeps keys and values as halves, and so does the comparison
        tolerance = 5e-4
        extend = KeyValueCache.extend
        monkeypatch.setattr(
            KeyValueCache,
            "extend",
            lambda cache, layer, keys, values: extend(
                cache, layer, keys.half().float(), values.half().float()
            ),
        )
    tokens, offsets = torch.randint(1, v.SIZE, (2, 40)), 10 * torch.rand(2, 40)
    told = told_at_random(2, 40)
    told[:, 20:22] = told[:, 20:21]  # what is kept of the last token, and what is not
    offsets[:, 20:24] = offsets[:, 20:21]
    rows = [[(int(a), int(b), float(s)) for a, b, s in piece] for piece in told.tolist()]
    with torch.inference_mode():
        steppers: dict[str, type[Stepper]] = {"compiled": CompiledStepper, "slots": SlotStepper}
        kind = steppers.get(way, RowStepper)
        stepper = kind(model) if kind is SlotStepper else kind(model, 2)
        cache = model.new_cache(2) if way == "compiled" else None
        mood = torch.tensor([[0.3, NAN], [-1.0, 1.0]])
        whole = model(tokens, offsets, mood, cache, told)[:, 2:]
        for row, end in enumerate((6, 6)):
            found = stepper.read_in(
                row,
                tokens[row, :end].tolist(),
                offsets[row, :end].tolist(),
                (float(mood[row, 0]), float(mood[row, 1])),
                rows[row][:end],
            )
            torch.testing.assert_close(found, whole[row, end - 1], atol=tolerance, rtol=0)
        for at in range(6, 40):
            found = stepper.step(
                [0, 1],
                tokens[:, at].tolist(),
                offsets[:, at].tolist(),
                [rows[0][at], rows[1][at]],
            )
            torch.testing.assert_close(found, whole[:, at], atol=tolerance, rtol=0)


def test_weights_keep_their_chords_and_those_without_have_none(tmp_path: Path) -> None:
    model = small()
    save(model, tmp_path / "with", {}, half=False)
    again = load(tmp_path / "with").model
    assert again.settings.harmony
    tokens, offsets, mood = torch.randint(1, v.SIZE, (1, 9)), torch.ones(1, 9), torch.zeros(1, 2)
    told = told_at_random(1, 9)
    with torch.no_grad():
        expected = model(tokens, offsets, mood, harmonies=told)
        assert torch.equal(again(tokens, offsets, mood, harmonies=told), expected)
    save(small(harmony=False), tmp_path / "without", {})
    config = json.loads((tmp_path / "without" / "config.json").read_text())
    del config["architecture"]["harmony"]
    (tmp_path / "without" / "config.json").write_text(json.dumps(config))
    assert not load(tmp_path / "without").model.settings.harmony


# Training ------------------------------------------------------------------------------------

ARCHITECTURE = "--layers 2 --heads 2 --width 32 --inner-width 64 --context 160"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    pieces = [
        replace(song(24, seed), split="valid" if seed % 5 == 0 else "train") for seed in range(20)
    ]
    write_shard(pieces, folder / "songs.npz")
    (first, *_) = read_shard(folder / "songs.npz")
    assert first.harmony.tolist() == pieces[0].harmony.tolist()
    assert first.harmony_from.tolist() == pieces[0].harmony_from.tolist()
    return folder


def run(shards: Path, out: Path, steps: int, more: str) -> list[dict[str, float]]:
    options = (
        f"--minutes 5 --total-steps {steps} --batch 4 --length 128 --report-every 20 "
        f"--warmup-steps 5 --adam-rate 0.01 {more}"
    )
    train_music.main([str(shards), "-o", str(out), *options.split()])
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_weights_without_chords_learn_to_obey_them(shards: Path, tmp_path: Path) -> None:
    before = run(shards, tmp_path / "first", 40, ARCHITECTURE)
    begin = f"--weights {tmp_path / 'first' / 'weights'} --harmony"
    log = run(shards, tmp_path / "second", 80, begin)
    assert log[0]["nll"] == log[0]["nll_untold"] == pytest.approx(before[-1]["nll"], abs=0.01)
    assert log[-1]["nll"] < log[-1]["nll_untold"] - 0.15, "whoever is told knows more"
    assert log[-1]["nll_of"] == {"songs": pytest.approx(log[-1]["nll"], abs=1e-3)}
    assert load(tmp_path / "second" / "weights").model.settings.harmony
    with pytest.raises(SystemExit, match="harmony True"):
        run(shards, tmp_path / "second", 90, "--no-harmony")
    with pytest.raises(SystemExit, match="harmony False"):
        run(shards, tmp_path / "first", 50, "--harmony")


def test_sigterm_saves_and_the_run_goes_on_exactly(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = f"{ARCHITECTURE} --harmony"
    run(shards, tmp_path / "whole", 16, more)
    real_step = train_music.Trainer.step

    def stopping(self: train_music.Trainer, batch: train_music.Batch, done: float) -> None:
        if self.counters.step == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        real_step(self, batch, done)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(train_music.Trainer, "step", stopping)
        log = run(shards, tmp_path / "parts", 16, more)
    assert signal.getsignal(signal.SIGTERM) == before
    assert log[-1]["step"] == 7 and threading.active_count() < 10
    run(shards, tmp_path / "parts", 16, more)
    whole, parts = (
        torch.load(tmp_path / name / "state.pt", weights_only=True)["model"]
        for name in ("whole", "parts")
    )
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name
    assert not math.isnan(float(whole["harmony.now.weight"].abs().sum()))
