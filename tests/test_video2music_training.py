"""Video2Music's data set, losses, trainer and evaluation, on the synthetic three-song data set."""

import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from test_video2music import golden, golden_json

from emsync.errors import EmsyncError
from emsync.evaluation import video2music as evaluation
from emsync.music.notes import NoteTable
from emsync.music.transformer.harmony_labels import label_of
from emsync.music.transformer.tokens import decode
from emsync.music.video2music import vocabulary as v
from emsync.music.video2music.checkpoint import load
from emsync.music.video2music.losses import correspondence, hits, losses_of
from emsync.music.video2music.measuring import batch_of, measure_chords, measure_dynamics
from emsync.music.video2music.muvisync import read_song, read_split
from emsync.training import make_muvisync as maker
from emsync.training import train_video2music as trainer
from emsync.training.corpus import Piece, write_shard
from emsync.training.craft.pieces import written

SMALL = (
    "--layers", "1", "--width", "16", "--heads", "2", "--inner-width", "24",
    "--dynamics-width", "4", "--epochs", "2", "--dynamics-epochs", "2",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("muvisync")
    with zipfile.ZipFile(golden("muvisync_a.zip")) as archive:
        archive.extractall(folder)
    return folder


def test_songs_are_read_as_published(data: Path) -> None:
    config = golden_json("muvisync_a")
    with np.load(golden("muvisync_a.npz")) as arrays:
        for name in config["ids"]:
            song = read_song(data, name)
            assert song.semantic == config["semantic_dim"]
            expected = {
                "x": song.chords[:-1], "tgt": song.chords[1:],
                "x_root": song.roots[:-1], "tgt_root": song.roots[1:],
                "x_attr": song.qualities[:-1], "tgt_attr": song.qualities[1:],
                "key": np.array([song.key], np.float32),
                "semanticList": song.features[:, :5], "scene_offset": song.features[:, 5],
                "motion": song.features[:, 6], "emotion": song.features[:, 7:],
                "tgt_emotion": song.emotion_targets, "tgt_emotion_prob": song.emotion_certainty,
                "note_density": song.dynamics[:, 0], "loudness": song.dynamics[:, 1],
            }  # fmt: skip
            for key, found in expected.items():
                np.testing.assert_array_equal(found, arrays[f"{name}/{key}"], f"{name} {key}")
    assert [song.name for song in read_split(data, "test")] == ["002", "003"]


@pytest.mark.parametrize("seconds", [299, 300, 301])
def test_a_song_of_about_five_minutes_is_read(data: Path, tmp_path: Path, seconds: int) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(data, folder)
    lines = [f"{second} {('C', 'A:min')[second % 2]}" for second in range(seconds)]
    path = folder / "vevo_chord" / "lab_v2_norm" / "all" / "001.lab"
    path.write_text("\n".join(["key A minor", *lines]) + "\n")
    song = read_song(folder, "001")
    assert (song.chords == v.END).sum() == (1 if seconds == 299 else 0) and song.key == 1.0
    assert v.PAD not in song.chords


def test_batches_hold_what_the_network_is_given_and_what_came(data: Path) -> None:
    names = ("001", "002")
    batch = batch_of([read_song(data, name) for name in names], "cpu")
    blind = batch_of([read_song(data, name) for name in names], "cpu", semantic=False)
    with np.load(golden("muvisync_a.npz")) as arrays:
        for key, found in (
            ("x_root", batch.roots), ("x_attr", batch.qualities), ("tgt", batch.targets),
            ("tgt_emotion", batch.fitting), ("tgt_emotion_prob", batch.certainty),
            ("semanticList", batch.features[..., :5]), ("emotion", blind.features[..., 2:]),
            ("loudness", batch.dynamics[..., 1]), ("note_density", batch.dynamics[..., 0]),
        ):  # fmt: skip
            expected = np.stack([arrays[f"{name}/{key}"] for name in names])
            np.testing.assert_array_equal(found, expected, key)
        assert batch.key.tolist() == [float(arrays[f"{name}/key"][0]) for name in names]


def test_losses_and_metrics_are_as_published(data: Path) -> None:
    with np.load(golden("v2m_loss_a.npz")) as arrays:
        for name, expected in golden_json("v2m_loss_a")["results"].items():
            song = read_song(data, name)
            logits = torch.from_numpy(arrays[f"{name}/logits"])
            targets = torch.from_numpy(song.chords[1:])
            fitting = torch.from_numpy(song.emotion_targets)
            losses = losses_of(logits, targets, fitting)
            found = {
                "loss_chord": float(losses.chord),
                "loss_emotion": float(losses.emotion),
                "loss_total": float(losses.total),
                "loss_chord_smooth_0_1": float(losses_of(logits, targets, fitting, 0.1).chord),
                "accuracy": hits(logits, targets, 1),
                "hits_1": hits(logits, targets, 1),
                "hits_3": hits(logits, targets, 3),
                "hits_5": hits(logits, targets, 5),
                "correspondence": correspondence(
                    logits, fitting, torch.from_numpy(song.emotion_certainty)
                ),
            }
            assert found == pytest.approx(expected, abs=1e-4)


def test_a_folder_that_is_no_data_set_is_refused_with_a_sentence(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EmsyncError, match=r"train\.txt cannot be read: .* laid out as MuVi-Sync"):
        read_split(tmp_path, "train")
    assert trainer.main([str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    assert "laid out as MuVi-Sync" in capsys.readouterr().err


def test_the_rate_rises_and_falls_as_published() -> None:
    settings = trainer.TrainingSettings()
    top = 512**-0.5 * 4000**-0.5
    rates = [trainer.rate_of(step, settings) for step in (0, 1000, 4000, 16_000)]
    assert rates == pytest.approx([0.0, top / 4, top, top / 2])


@pytest.mark.parametrize("pictures", [True, False])
def test_training_and_evaluation_end_to_end(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], pictures: bool
) -> None:
    out = tmp_path / "weights"
    options = [str(data), "-o", str(out), *SMALL, *([] if pictures else ["--no-pictures"])]
    assert trainer.main(options) == 0
    printed = capsys.readouterr().out
    assert trainer.main(options) == 1, "nothing is written over"
    capsys.readouterr()
    assert "| Hits@1 | " in printed and " | 0.5139 |" in printed
    checkpoint = load(out)
    assert checkpoint.semantic == (5 if pictures else 0)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["network"] for row in rows] == ["dynamics"] * 2 + ["chords"] * 2
    # What was kept is the best of the epochs, on the validation split.
    validation = read_split(data, "val")
    best = min(row["total"] for row in rows if row["network"] == "chords")
    assert measure_chords(checkpoint.chords, validation).total == pytest.approx(best, abs=1e-5)
    best = min(row["rmse"] for row in rows if row["network"] == "dynamics")
    assert measure_dynamics(checkpoint.dynamics, validation).both == pytest.approx(best, abs=1e-4)
    figures = tmp_path / "figures.json"
    assert evaluation.main([str(data), "--weights", str(out), "-o", str(figures)]) == 0
    table = capsys.readouterr().out
    assert table == printed and table in (out / "README.md").read_text()
    found = json.loads(figures.read_text())
    assert found["chords"]["perplexity"] == pytest.approx(math.exp(found["chords"]["chord"]))


def test_training_learns(data: Path, tmp_path: Path) -> None:
    """The song that is trained on is also the one that is validated on: it is soon known."""
    song = read_song(data, "002")
    settings = trainer.TrainingSettings(
        layers=1, width=64, heads=2, inner_width=96, epochs=120, dropout=0.0, warmup=60
    )
    log, cpu = trainer.Log(tmp_path / "log.jsonl"), torch.device("cpu")
    *_, model = trainer.train_chords([song], [song], settings, cpu, log)
    quality = measure_chords(model, [song])
    assert quality.hits_1 > 0.8 and quality.chord < 1.0
    assert quality.emotion < 0.3


def test_weights_of_other_features_are_not_measured(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    assert trainer.main([str(data), "-o", str(out), *SMALL]) == 0
    songs = read_split(data, "test")
    wider = [
        type(song)(**{**vars(song), "features": np.pad(song.features, ((0, 0), (1, 0)))})
        for song in songs
    ]
    with pytest.raises(EmsyncError, match=r"semantic vectors of 5 numbers, but .* have 6"):
        evaluation.evaluate(load(out), wider)


# A data set without films ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pieces() -> list[Piece]:
    """Of every split, their chords and moods known by construction."""
    return [written(seed=1, number=number) for number in (0, 95, 98)]


def test_a_data_set_is_made_of_shards(
    pieces: list[Piece], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shard(pieces, tmp_path / "craft.npz")
    data = tmp_path / "data"
    assert maker.main([str(tmp_path / "craft.npz"), "-o", str(data), "--seconds", "30"]) == 0
    assert maker.main([str(tmp_path / "craft.npz"), "-o", str(data)]) == 1, "nothing is replaced"
    assert "is not empty" in capsys.readouterr().err
    songs = read_split(data, "train")
    lengths = [int((song.chords < v.CHORDS).sum()) for song in songs]
    assert max(lengths) == 30 and min(lengths) >= 16 and sum(lengths) > 45
    for song, length in zip(songs, lengths, strict=True):
        assert song.semantic == 0 and song.emotion[:length].sum(1) == pytest.approx(1, abs=1e-3)
        assert (song.dynamics[length:] == 0).all() and song.dynamics[:length, 0].mean() > 1
        cuts = np.flatnonzero(np.diff(song.features[:length, 0]) < 0) + 1
        assert all(song.chords[at] != song.chords[at - 1] for at in cuts)
    about = json.loads((data / "vevo_meta" / "made.json").read_text())
    assert about["tiers"] == ["synthetic"] and about["estimator"]["pieces"] == 1
    assert 0.5 < about["estimator"]["root_and_quality"] <= about["estimator"]["root"] <= 1
    out = tmp_path / "weights"
    options = [*SMALL, "--no-pictures", "--half", "--seconds", "24"]
    assert trainer.main([str(data), "-o", str(out), *options]) == 0
    checkpoint = load(out)
    assert checkpoint.card["data"] == about and checkpoint.card["tiers"] == ["synthetic"]
    assert checkpoint.chords.settings.frames == checkpoint.chords.settings.chords == 24
    assert "films: they are made up" in (out / "README.md").read_text()


def test_chords_move_to_the_key_that_the_network_knows(pieces: list[Piece]) -> None:
    piece = pieces[0]
    notes = decode(piece.tokens).notes
    found = maker.key_and_shift(notes)
    assert found is not None
    key, shift = found
    for semitones in range(1, 12):
        moved = NoteTable(notes.group, notes.pitch + semitones, notes.start, notes.end)
        assert maker.key_and_shift(moved) == (key, (shift - semitones) % 12)
    labels = np.array([label_of(7, "7"), label_of(0, "m"), 0])
    times = np.array([0.5, 1.5, 2.5, 3.5])
    assert maker.symbols_at(np.array([1.0, 2.0, 3.0]), labels, times) == ("N", "G:7", "C:min", "N")
