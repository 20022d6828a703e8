"""Training the fusion end to end: it learns what is in the films, and only that."""

import json
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Films as RenderedFilms

from emsync.emotion.classifiers.checkpoint import load
from emsync.emotion.classifiers.fusion import MODALITY
from emsync.emotion.features.expert import ShareCallback
from emsync.emotion.features.report import FeatureReport, Status
from emsync.emotion.reading import EMOTIONS
from emsync.errors import EmsyncError, WeightsNotInstalled
from emsync.film.footage import Footage
from emsync.progress import CancelToken
from emsync.settings import ExpertSettings
from emsync.training.film_features import Sample, extract, read_samples
from emsync.training.train_emotion import (
    TrainingSettings,
    evaluate,
    features_in,
    films_of,
    main,
    markdown,
    split,
    train,
    untrained,
)

DIMS = {"asr_sentiment": 6, "beats": 8, "clip": 10, "face_emotion": 7}
QUICK = TrainingSettings(
    length=4, width=16, heads=2, rate=3e-3, epochs=40, patience=8, validation=0.2, test=0.4
)
QUICK_OPTIONS = ["--length=4", "--width=16", "--heads=2", "--rate=3e-3", "--epochs=40",
                 "--patience=8", "--validation=0.2", "--test=0.4"]  # fmt: skip


def made_up(per_emotion: int = 30, seed: int = 0, apart: float = 1.5) -> list[Sample]:
    """Films whose vectors lie around a point of their emotion; some lack faces or speech."""
    generator = np.random.default_rng(seed)
    points = {name: generator.normal(0, apart, (6, dim)) for name, dim in DIMS.items()}
    samples = []
    for label, emotion in enumerate(EMOTIONS):
        for number in range(per_emotion):
            vectors = {}
            for name, dim in DIMS.items():
                items = 1 if name == "asr_sentiment" else int(generator.integers(2, 9))
                if name in ("asr_sentiment", "face_emotion") and generator.random() < 0.3:
                    continue
                noise = generator.normal(0, 1, (items, dim))
                vectors[name] = (points[name][label] + noise).astype(np.float32)
            looked = frozenset(DIMS)
            samples.append(Sample(f"{emotion}/{number}.mp4", label, vectors, looked=looked))
    return samples


def shuffled(samples: Sequence[Sample], seed: int = 0) -> list[Sample]:
    labels = np.random.default_rng(seed).permutation([sample.label for sample in samples])
    return [replace(s, label=int(x)) for s, x in zip(samples, labels, strict=True)]


def write(samples: Sequence[Sample], folder: Path) -> Path:
    for sample in samples:
        path = folder / f"{sample.name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, looked=np.array(sorted(sample.looked)), **sample.vectors)  # type: ignore[arg-type]
    return folder


def accuracy_of(samples: Sequence[Sample], settings: TrainingSettings) -> float:
    parts = split(samples, None, settings)
    model = untrained(features_in(samples, parts["trn"], settings.length), parts["trn"], settings)
    films = {part: films_of(found, model, torch.device("cpu")) for part, found in parts.items()}
    done = train(model, films["trn"], films["val"], settings)
    return evaluate(done.model, films["tst"], films["trn"]).accuracy


# Learning --------------------------------------------------------------------------------------


def test_it_learns_what_is_there_and_only_that() -> None:
    """72 test films: chance is 17 %, and three standard deviations above it 30 %."""
    samples = made_up()
    assert accuracy_of(samples, QUICK) > 0.8
    assert accuracy_of(shuffled(samples), QUICK) < 0.3


@pytest.mark.parametrize("name", sorted(DIMS))
def test_every_feature_is_learned_from(name: str) -> None:
    """Most films have that feature alone; one in five has the others, too."""
    samples = [
        replace(s, vectors={k: v for k, v in s.vectors.items() if k == name or number % 5 == 0})
        for number, s in enumerate(made_up(25, apart=3.0))
    ]
    patient = replace(QUICK, rate=1e-2, dropout=0.1, patience=30, epochs=80)
    assert accuracy_of(samples, patient) > 0.5


def test_the_same_seed_gives_the_same_weights_to_the_last_bit(tmp_path: Path) -> None:
    features = write(made_up(8), tmp_path / "features")
    digests = []
    for number, seed in enumerate((1, 1, 2)):
        torch.manual_seed(number)  # draws of others change nothing
        out = tmp_path / f"out{number}"
        options = [*QUICK_OPTIONS, "--epochs=3", f"--seed={seed}", "--device=cpu"]
        assert main([str(features), "-o", str(out), *options]) == 0
        digests.append(load(out).sha256)
    assert digests[0] == digests[1] != digests[2]


def test_training_stops_when_validation_no_longer_improves() -> None:
    samples = shuffled(made_up(12))
    parts = split(samples, None, QUICK)
    model = untrained(features_in(samples, parts["trn"], 4), parts["trn"], QUICK)
    films = {part: films_of(found, model, torch.device("cpu")) for part, found in parts.items()}
    settings = replace(QUICK, epochs=500, rate=1e-2)
    done = train(model, films["trn"], films["val"], settings)
    losses = [row["validation_loss"] for row in done.log]
    assert done.epochs < 500 and done.epochs == done.best_epoch + settings.patience
    assert losses[done.best_epoch - 1] == min(losses)
    # The best weights are kept, not the last.
    assert evaluate(done.model, films["val"], films["trn"]).cross_entropy == pytest.approx(
        min(losses), abs=1e-5
    )


def test_ranges_come_from_the_training_films_alone() -> None:
    samples = made_up(10)
    parts = split(samples, None, QUICK)
    extreme = parts["tst"][0]
    extreme.vectors["clip"][0, 0] = 1e6
    features = features_in(samples, parts["trn"], 4)
    model = untrained(features, parts["trn"], QUICK)
    for feature in features:
        found = [s.vectors[feature.name] for s in parts["trn"] if feature.name in s.vectors]
        bounds = model.range_of(feature)
        assert bounds.minimum.unique().item() == pytest.approx(min(v.min() for v in found))
        assert bounds.maximum.unique().item() == pytest.approx(max(v.max() for v in found))


# Splits ----------------------------------------------------------------------------------------


def test_films_are_drawn_with_the_same_share_of_every_emotion() -> None:
    samples = made_up(20)
    parts = split(samples, None, replace(QUICK, validation=0.1, test=0.2))
    for part, count in (("trn", 14), ("val", 2), ("tst", 4)):
        assert Counter(s.label for s in parts[part]) == dict.fromkeys(range(6), count), part
    names = [sample.name for part in parts.values() for sample in part]
    assert sorted(names) == sorted(sample.name for sample in samples)
    again = split(samples, None, replace(QUICK, validation=0.1, test=0.2))
    other = split(samples, None, replace(QUICK, validation=0.1, test=0.2, seed=1))
    assert parts == again and parts != other


def test_a_given_split_is_kept() -> None:
    samples = made_up(4)
    names = [sample.name for sample in samples]
    given = {"trn": names[::2], "tst": [*names[1::2], "joy/lost.mp4"]}
    parts = split(samples, given, QUICK)
    assert {s.name for s in parts["tst"]} == set(names[1::2])
    assert {s.name for s in parts["trn"] + parts["val"]} == set(names[::2])
    assert Counter(s.label for s in parts["val"]) == dict.fromkeys(range(6), 1)
    with pytest.raises(EmsyncError, match="in two splits"):
        split(samples, {**given, "val": names[:1]}, QUICK)
    with pytest.raises(EmsyncError, match="“tst”"):
        split(samples, {"trn": names}, QUICK)
    with pytest.raises(EmsyncError, match="too few films of anger"):
        split(samples[3:], None, QUICK)


# The command -----------------------------------------------------------------------------------


def test_the_command_writes_weights_and_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features, out = write(made_up(15), tmp_path / "features"), tmp_path / "out"
    assert main([str(features), "-o", str(out), "--device", "cpu", *QUICK_OPTIONS]) == 0
    said = capsys.readouterr().out
    assert "left out: ocr_sentiment" in said and "65.28%" in said
    written = json.loads((out / "evaluation.json").read_text())
    figures = written["test"]
    confusion = np.array(figures["confusion"])
    assert confusion.shape == (6, 6) and confusion.sum() == written["films"]["tst"] == 36
    assert figures["accuracy"] == pytest.approx(confusion.trace() / 36)
    low, high = figures["interval"]
    assert low < figures["accuracy"] < high
    assert figures["published_accuracy"] == 0.6528
    assert written["features_left_out"] == ["ocr_sentiment"]
    text = (out / "evaluation.md").read_text()
    assert "65.28%" in text and f"{figures['accuracy']:.2%}" in text
    assert all(f"| **{emotion}** |" in text for emotion in EMOTIONS)
    card = (out / "README.md").read_text()
    assert "36 films to train on" in card and "36 to test" in card and "Licence" in card
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in log] == list(range(1, len(log) + 1))
    # What was written reads what it was tested on as well as it says.
    fusion = load(out)
    parts = split(read_samples(features), None, QUICK)
    test = films_of(parts["tst"], fusion.model, torch.device("cpu"))
    right = int((fusion.model(test.inputs).argmax(1) == test.labels).sum())
    assert right == confusion.trace()
    assert main([str(features), "-o", str(out)]) == 1
    assert "not empty" in capsys.readouterr().err


def test_the_table_is_right_about_rows_that_are_empty() -> None:
    samples = made_up(6)
    parts = split(samples, None, QUICK)
    model = untrained(features_in(samples, parts["trn"], 4), parts["trn"], QUICK)
    films = films_of([s for s in samples if s.label == 3], model, torch.device("cpu"))
    evaluation = evaluate(model, films, films)
    assert sum(evaluation.confusion[3]) == 6 == evaluation.films
    assert evaluation.majority == 1.0
    assert "| **fear** | 0 | 0 | 0 | 0 | 0 | 0 | – |" in markdown(evaluation, "")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--dropout=1"], "dropout"),
        (["--test=0.95"], "shares"),
        (["--epochs=0"], "positive"),
        (["--heads=3"], "multiple"),
        (["--rate=1e30", "--epochs=3"], "learning rate"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    tmp_path: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    features = write(made_up(5), tmp_path / "features")
    command = [str(features), "-o", str(tmp_path / "out"), *QUICK_OPTIONS, *options]
    try:
        assert main(command) == 1
    except SystemExit as end:
        assert end.code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# Features --------------------------------------------------------------------------------------


def published(samples: Sequence[Sample], protocol: int, label: str = "label") -> bytes:
    """As the authors' code writes it: what is missing is an empty list, a text one row."""
    return pickle.dumps(
        {
            "samples": {
                sample.name: {
                    "features": {name: sample.vectors.get(name, []) for name in DIMS},
                    label: np.eye(6)[sample.label],
                }
                for sample in samples
            },
            "stats": {name: {"min": np.float32(0), "max": np.float32(1)} for name in DIMS},
            "idx_to_label": dict(enumerate(EMOTIONS)),
        },
        protocol,
    )


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_the_documented_layout_of_the_authors_is_read(tmp_path: Path, protocol: int) -> None:
    samples, path = made_up(3), tmp_path / "features.pkl"
    for label in ("label", "labels"):
        path.write_bytes(published(samples, protocol, label))
        found = read_samples(path)
        assert Counter(s.label for s in found) == dict.fromkeys(range(6), 3)
        one = next(s for s in found if s.name == "joy/0.mp4")
        source = next(s for s in samples if s.name == "joy/0.mp4")
        assert one.label == 3 and set(one.vectors) == set(source.vectors)
        assert all(np.array_equal(one.vectors[n], source.vectors[n]) for n in one.vectors)
    # NumPy 1 kept its functions under another name.
    path.write_bytes(
        published(samples, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    )
    assert len(read_samples(path)) == 18


class Mischief:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_no_code_is_run_and_other_layouts_are_refused(tmp_path: Path) -> None:
    path, harmed = tmp_path / "features.pkl", tmp_path / "harmed"
    pickle.loads(pickle.dumps(Mischief(harmed)))
    assert harmed.exists(), "the trap works"
    harmed.unlink()
    both = {"samples": {"a": {"features": {}, "label": [1, 1, 0, 0, 0, 0]}}}
    nobody = {"samples": {"a": {"features": {}, "label": "boredom"}}}
    for content in (Mischief(harmed), {"samples": Mischief(harmed)}, {}, [1], both, nobody):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(EmsyncError, match="not laid out"):
            read_samples(path)
    path.write_bytes(b"<html>")
    with pytest.raises(EmsyncError, match="not laid out"):
        read_samples(path)
    assert not harmed.exists()


def test_folders_without_features_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EmsyncError, match="There is no"):
        read_samples(tmp_path / "absent")
    with pytest.raises(EmsyncError, match="no features"):
        read_samples(tmp_path)
    broken = write(made_up(1), tmp_path) / "joy" / "0.mp4.npz"
    for content in (b"", b"PK\x03\x04 cut off", broken.read_bytes()[:200]):
        broken.write_bytes(content)
        with pytest.raises(EmsyncError, match=r"0\.mp4\.npz is no file of features"):
            read_samples(tmp_path)


def test_a_feature_that_was_not_looked_for_everywhere_is_left_out() -> None:
    samples = made_up(3)
    assert [f.name for f in features_in(samples, samples, 4)] == sorted(DIMS)
    samples[5] = replace(samples[5], looked=samples[5].looked - {"face_emotion"})
    assert "face_emotion" not in [f.name for f in features_in(samples, samples, 4)]
    samples[5] = replace(samples[5], looked=frozenset({"clip"}))
    with pytest.raises(EmsyncError, match="two of"):
        untrained(features_in(samples, samples, 4), samples, QUICK)
    samples = made_up(3)
    samples[5] = replace(samples[5], vectors={"clip": np.ones((2, 11))})
    with pytest.raises(EmsyncError, match="10 and 11"):
        features_in(samples, samples, 4)


# Films -----------------------------------------------------------------------------------------


@dataclass
class MadeUpExpert:
    """Reports vectors without looking; fails where it is told to."""

    modality: str
    dim: int
    status: Status = "ran"
    installed: bool = True
    with_vectors: bool = True
    seen: int = 0
    title: str = "Made up"
    weights: tuple[str, ...] = ()

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        return 0.0

    def prepare(self, device: str) -> None:
        if not self.installed:
            raise WeightsNotInstalled(f"The weights of {self.modality} are not installed.")

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        self.seen += 1
        text = self.modality in ("asr", "ocr")
        stills = footage.sampled(settings.frames, settings.per_scene, settings.most_frames)
        stretches = [(0.0, footage.seconds)] if text else [(s.time, s.time) for s in stills]
        vectors = np.full((len(stretches), self.dim), float(self.seen), np.float32)
        ran = self.status == "ran" and self.with_vectors
        return FeatureReport(
            self.modality,
            self.status,
            f"{self.title} looked.",
            vectors if ran else None,
            (),
            0.0,
            "cpu",
            tuple(stretches) if ran else (),
        )

    def release(self) -> None:
        pass


@pytest.fixture(scope="module")
def labelled(films: RenderedFilms, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two films of two emotions, a file that is no film, and a folder that is no emotion."""
    folder = tmp_path_factory.mktemp("labelled")
    for emotion in ("Joy", "sadness"):
        (folder / emotion).mkdir()
        (folder / emotion / "plain.mp4").write_bytes(films.plain().read_bytes())
    (folder / "sadness" / "notes.txt").write_text("nothing")
    (folder / "boredom").mkdir()
    return folder


def test_films_become_features_once(labelled: Path, tmp_path: Path) -> None:
    clip, asr = MadeUpExpert("clip", 5), MadeUpExpert("asr", 4)
    beats = MadeUpExpert("beats", 6, status="no such content")
    face = MadeUpExpert("face", 7, installed=False)
    ocr = MadeUpExpert("ocr", 4, with_vectors=False)
    experts = (clip, beats, face, asr, ocr)
    done = extract(labelled, tmp_path, experts, "cpu")
    assert (done.made, done.kept, done.failed) == (2, 0, ())
    assert any("face are not installed" in line for line in done.left_out)
    assert any("boredom" in line for line in done.left_out)
    joy, sadness = read_samples(tmp_path)
    assert (joy.name, sadness.name) == ("joy/plain.mp4", "sadness/plain.mp4")
    assert joy.looked == {"clip", "beats", "asr_sentiment"}
    assert set(joy.vectors) == {"clip", "asr_sentiment"}
    assert joy.vectors["asr_sentiment"].shape == (1, 4)
    items = len(joy.vectors["clip"])
    assert 1 < items <= 16 and len(joy.times["clip"]) == items and joy.times["clip"][0] == 0
    # A second run does what is lacking, and nothing else.
    (tmp_path / "sadness" / "plain.mp4.npz").unlink()
    again = extract(labelled, tmp_path, experts, "cpu")
    assert (again.made, again.kept) == (1, 1) and clip.seen == asr.seen == 3
    assert extract(labelled, tmp_path, experts, "cpu").kept == 2 and clip.seen == 3


def test_a_film_on_which_an_expert_fails_is_tried_again(labelled: Path, tmp_path: Path) -> None:
    clip, beats = MadeUpExpert("clip", 5), MadeUpExpert("beats", 6, status="failed")
    done = extract(labelled, tmp_path, (clip, beats), "cpu")
    assert done.made == 0 and len(done.failed) == 2 and "(failed)" in done.failed[0]
    assert not list(tmp_path.rglob("*.npz*"))
    beats.status = "ran"
    assert extract(labelled, tmp_path, (clip, beats), "cpu").made == 2


def test_a_film_that_does_not_decode_does_not_end_the_others(
    labelled: Path, films: RenderedFilms, tmp_path: Path
) -> None:
    folder = tmp_path / "films"
    for emotion, content in (("joy", b"no film"), ("fear", films.plain().read_bytes())):
        (folder / emotion).mkdir(parents=True)
        (folder / emotion / "film.mp4").write_bytes(content)
    experts = (MadeUpExpert("clip", 5), MadeUpExpert("face", 6))
    done = extract(folder, tmp_path / "features", experts, "cpu")
    assert done.made == 1 and len(done.failed) == 1 and "joy/film.mp4" in done.failed[0]


def test_extraction_says_what_it_lacks(labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(EmsyncError, match="no film"):
        extract(tmp_path, tmp_path, (), "cpu")
    with pytest.raises(EmsyncError, match=r"two of the experts.*face are not installed"):
        face = MadeUpExpert("face", 7, installed=False)
        extract(labelled, tmp_path, (MadeUpExpert("clip", 5), face), "cpu")


def test_the_command_goes_from_films_to_figures(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Features of most films are there; two films are new, and are looked at."""
    dims = {MODALITY[name]: dim for name, dim in DIMS.items()}
    experts = [MadeUpExpert(modality, dim) for modality, dim in dims.items()]
    features, out = write(made_up(5), tmp_path / "features"), tmp_path / "out"
    command = [str(features), "-o", str(out), "--films", str(labelled), "--device=cpu"]
    assert main([*command, *QUICK_OPTIONS, "--epochs=2"], experts) == 0
    said = capsys.readouterr().out
    assert "2 done, 0 were there, 0 failed" in said and "boredom" in said
    assert json.loads((out / "evaluation.json").read_text())["films"]["trn"] > 0
    assert len(read_samples(features)) == 32
