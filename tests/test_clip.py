"""The expert for the pictures, with random weights: how it works, not how often it is right.

CLIP's own weights cannot be had where this was written, so nothing here says that it names the
right emotion or scene. The architecture and the two layouts of files are the true ones.
"""

import gc
import io
import json
import os
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from emsync.emotion.features import clip
from emsync.emotion.features.clip import (
    ARCHITECTURE,
    ARCHIVE,
    SAFETENSORS,
    WEIGHTS,
    ClipExpert,
    ClipModel,
    embedded_texts,
    load_clip,
    opinions_of,
    prepared,
    unit,
)
from emsync.emotion.features.clip_prompts import CLASSES, SCENES
from emsync.emotion.features.expert import Expert
from emsync.emotion.features.report import FeatureReport
from emsync.emotion.reading import EMOTIONS
from emsync.errors import Cancelled, WeightsError, WeightsNotInstalled
from emsync.film.footage import Footage, Still
from emsync.progress import CancelToken, silent_share
from emsync.settings import ExpertSettings
from emsync.weights.store import add

REPOSITORY = Path(__file__).resolve().parents[1]

State = dict[str, torch.Tensor]


def random_state(architecture: str = ARCHITECTURE) -> State:
    """Weights of open_clip's model of that name, always the same ones, in half precision."""
    import open_clip

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CLIP(**open_clip.get_model_config(architecture))
    return {key: value.half() for key, value in model.state_dict().items()}


def archive_of(state: State) -> torch.jit.ScriptModule:
    """The weights as OpenAI publishes them: TorchScript, with three numbers beside them."""
    numbers = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}
    root = torch.nn.Module()
    for key, value in {**state, **{k: torch.tensor(v) for k, v in numbers.items()}}.items():
        *path, name = key.split(".")
        at = root
        for part in path:
            if part not in at._modules:
                at.add_module(part, torch.nn.Module())
            at = at.get_submodule(part)
        at.register_buffer(name, value)
    return torch.jit.script(root)


@pytest.fixture(scope="module")
def state() -> State:
    return random_state()


@pytest.fixture(scope="module")
def installed(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights that has the model as open_clip publishes it."""
    folder, made = tmp_path_factory.mktemp("weights"), tmp_path_factory.mktemp("made")
    save_file(state, made / SAFETENSORS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMSYNC_WEIGHTS", str(folder))
        add(WEIGHTS, made, other=True)
    return folder


@pytest.fixture(scope="module")
def expert(installed: Path) -> ClipExpert:
    """One that is ready, shared by the tests that only look through it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMSYNC_WEIGHTS", str(installed))
        ready = ClipExpert()
        ready.prepare("cpu")
    return ready


def still(at: float, width: int = 320, height: int = 180) -> Still:
    """Smooth noise, another one at every time."""
    small = np.random.default_rng(round(at * 1000)).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(small).resize((width, height)).save(written, "JPEG", quality=95)
    return Still(at, written.getvalue())


def footage(seconds: int = 20) -> Footage:
    scenes = ((0.0, 5.0), (5.0, 12.0), (12.0, float(seconds)))
    stills = tuple(still(float(second)) for second in range(seconds))
    return Footage(float(seconds), scenes, stills, np.empty(0, np.float32))


FEW = ExpertSettings(frames=4, per_scene=2)


def look(expert: ClipExpert, film: Footage, settings: ExpertSettings = FEW) -> FeatureReport:
    return expert.run(film, settings, silent_share, CancelToken())


@pytest.fixture(scope="module")
def report(expert: ClipExpert) -> FeatureReport:
    return look(expert, footage())


# What it reports -------------------------------------------------------------------------------


def test_it_is_an_expert() -> None:
    one: Expert = ClipExpert()
    assert (one.modality, one.weights) == ("clip", (WEIGHTS,))
    assert 0 < one.expected_seconds(60, "cuda") < one.expected_seconds(60, "cpu") < 60


def test_every_still_has_a_vector_and_an_opinion(report: FeatureReport) -> None:
    times = [one.time for one in footage().sampled(FEW.frames, FEW.per_scene, FEW.most_frames)]
    assert report.status == "ran" and report.device == "cpu" and report.seconds > 0
    assert report.vectors is not None and report.vectors.dtype == np.float32
    assert report.vectors.shape == (len(times), 512)
    assert report.stretches == tuple((at, at) for at in times)
    assert tuple(opinion.stretch for opinion in report.opinions) == report.stretches
    for opinion in report.opinions:
        assert sum(opinion.probabilities) == pytest.approx(1) and min(opinion.probabilities) > 0
        assert len(opinion.probabilities) == len(EMOTIONS) and 0 < opinion.certainty < 1
    for start, end in footage().scenes:
        assert any(start <= one.stretch[0] < end for one in report.opinions)


def test_the_vectors_are_the_plain_output_of_open_clip(state: State, report: FeatureReport) -> None:
    """As VEMOCLAP takes them: not normalised."""
    import open_clip

    assert open_clip.get_model_config(ARCHITECTURE)["quick_gelu"], "as OpenAI trained it"
    model = open_clip.create_model(ARCHITECTURE, load_weights=False).eval()
    model.load_state_dict({key: value.float() for key, value in state.items()})
    by_time = {one.time: one.pixels() for one in footage().stills}
    pictures = torch.stack([prepared(by_time[at]) for at, _ in report.stretches])
    with torch.inference_mode():
        expected = model.encode_image(pictures)
    assert report.vectors is not None
    assert np.abs(report.vectors - expected.numpy()).max() < 1e-4
    assert (np.abs(np.linalg.norm(report.vectors, axis=1) - 1) > 0.1).all()


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (224, 224), (97, 1000), (300, 301)])
def test_any_shape_of_picture_becomes_its_middle_square(size: tuple[int, int]) -> None:
    """As open_clip prepares it, but for its rounding to whole numbers in between."""
    import open_clip

    pixels = still(1.0, *size).pixels()
    expected = open_clip.image_transform(224, is_train=False)(Image.fromarray(pixels))
    assert (prepared(pixels) - expected).abs().max() < 1.5 / 255 / min(clip.SD)


def test_the_same_film_gives_the_same_report(expert: ClipExpert, report: FeatureReport) -> None:
    torch.rand(3)  # whatever the rest of the program draws
    again = look(expert, footage())
    assert np.array_equal(again.vectors, report.vectors)  # type: ignore[arg-type]
    assert replace(again, vectors=None, seconds=0) == replace(report, vectors=None, seconds=0)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_batches_do_not_change_the_result(
    expert: ClipExpert, report: FeatureReport, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clip.BATCH, "cpu", size)
    other = look(expert, footage())
    assert np.allclose(other.vectors, report.vectors, atol=1e-4)  # type: ignore[arg-type]
    for one, two in zip(other.opinions, report.opinions, strict=True):
        assert one.probabilities == pytest.approx(two.probabilities, abs=1e-5)
        assert one.certainty == pytest.approx(two.certainty, abs=1e-5)


def test_progress_rises_to_one_and_cancelling_is_seen_between_batches(expert: ClipExpert) -> None:
    shares: list[float] = []
    expert.run(footage(), FEW, shares.append, CancelToken())
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 1
    token, told = CancelToken(), []

    def cancel_after_one(share: float) -> None:
        told.append(share)
        token.cancel()

    with pytest.raises(Cancelled):
        expert.run(footage(), FEW, cancel_after_one, token)
    assert len(told) == 1


# Words -----------------------------------------------------------------------------------------


def test_every_class_has_as_many_words_as_the_others() -> None:
    assert tuple(CLASSES)[: len(EMOTIONS)] == EMOTIONS and len(CLASSES) == len(EMOTIONS) + 3
    assert len({(len(one.moods), len(one.contents)) for one in CLASSES.values()}) == 1
    texts = [text for one in CLASSES.values() for text in one.texts]
    assert len(set(texts)) == len(texts) and not any("{" in text for text in texts)
    assert len(set(SCENES)) == len(SCENES)
    assert not [(a, b) for a in SCENES for b in SCENES if a != b and a in b]


def test_texts_without_padding_are_embedded_as_with_it(installed: Path) -> None:
    path = installed / WEIGHTS / SAFETENSORS
    texts = ["a dog.", "a black screen", "a film still of someone hiding from danger in the dark."]
    import open_clip

    model, scale = load_clip(path, torch.float32)
    with torch.inference_mode():
        expected = model.encode_text(open_clip.tokenize(texts)).numpy()
    assert np.abs(embedded_texts(model, texts, "cpu") - expected).max() < 1e-4
    assert scale == pytest.approx(1 / 0.07, rel=1e-2)  # what the random model begins with


def handmade(scale: float = 100.0) -> ClipModel:
    """A model whose words are the axes: class i is axis i, phrase j is axis 9 + j."""
    axes = np.eye(512, dtype=np.float32)
    scenes = axes[len(CLASSES) : len(CLASSES) + len(SCENES)]
    none = torch.nn.Identity()
    return ClipModel(Path("none"), "cpu", none, axes[: len(CLASSES)], scenes, scale)


def seen_as(**amounts: float) -> np.ndarray:
    vector = np.full(512, 0.1, np.float32)
    for name, amount in amounts.items():
        names = [*CLASSES, *SCENES]
        vector[names.index(name.replace("_", " "))] = amount
    return unit(vector)


def test_the_fitting_class_wins_and_pictures_without_emotion_count_for_little() -> None:
    seen = np.stack([seen_as(sadness=1.0), seen_as(writing_and_graphics=1.0), seen_as()])
    sad, writing, nothing = opinions_of(handmade(), seen, np.array([0.0, 1.0, 2.0]))
    assert EMOTIONS[int(np.argmax(sad.probabilities))] == "sadness" and sad.certainty > 0.9
    assert writing.certainty < 0.1 and writing.probabilities == pytest.approx([1 / 6] * 6)
    assert nothing.certainty == pytest.approx(6 / 9)
    softer = opinions_of(handmade(10.0), seen, np.array([0.0, 1.0, 2.0]))[0]
    assert max(softer.probabilities) < max(sad.probabilities)


def test_captions_are_shown_only_where_they_are_clear() -> None:
    film = footage()
    moments = np.array([1.0, 2.0, 6.0, 7.0, 13.0])
    dog, beach = {"a_dog_in_a_shelter_cage": 1.0}, {"a_beach": 1.0}
    seen = np.stack([seen_as(**what) for what in (dog, dog, beach, dog, {})])
    found = dict(clip.captions_of(handmade(20.0), seen, moments, film))
    assert found["0:00 to 0:05"].startswith("a dog in a shelter cage (")
    assert "0:05 to 0:12" not in found and "0:12 to 0:20" not in found  # two minds; nothing
    assert found["Scenes without a clear match"] == "2 of 3"
    assert found["Film as a whole"] == "no clear match"
    everywhere = dict(clip.captions_of(handmade(20.0), seen[[0] * 5], moments, film))
    assert everywhere["Film as a whole"].startswith("a dog in a shelter cage (")
    assert "Scenes without a clear match" not in everywhere


# Weights ---------------------------------------------------------------------------------------


@pytest.fixture
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `prepare` quick where the words do not matter."""
    monkeypatch.setattr(clip, "SCENES", SCENES[:2])
    short = {name: replace(one, contents=one.contents[:1]) for name, one in CLASSES.items()}
    monkeypatch.setattr(clip, "CLASSES", short)


def test_missing_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsNotInstalled, match=WEIGHTS):
        ClipExpert().prepare("cpu")


def cut_short(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def test_what_cannot_be_used_is_said_in_a_sentence(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_words: None
) -> None:
    folder = tmp_path / WEIGHTS
    folder.mkdir()
    monkeypatch.setattr("emsync.weights.store.find", lambda name: folder)
    expert = ClipExpert()

    def says(pattern: str) -> None:
        with pytest.raises(WeightsError, match=pattern) as caught:
            expert.prepare("cpu")
        assert "python -m emsync weights pull clip-vit-b-32" in str(caught.value)

    says("neither open_clip_model.safetensors nor ViT-B-32.pt")
    whole = {SAFETENSORS: {"weight": torch.zeros(1000)}, ARCHIVE: {"weight": torch.zeros(1000)}}
    save_file(whole[SAFETENSORS], folder / SAFETENSORS)
    torch.jit.save(archive_of(whole[ARCHIVE]), folder / ARCHIVE)
    for name in (SAFETENSORS, ARCHIVE):
        file = folder / name
        says(f"{name} holds another model")
        for damage in (cut_short, lambda whole: b"", lambda whole: b"no model" * 100):
            file.write_bytes(damage(file.read_bytes()))
            says(f"{name} is damaged")
        file.unlink()
    # OpenAI's other models have the same names of weights, but other shapes.
    save_file(random_state("ViT-B-16-quickgelu"), folder / SAFETENSORS)
    says("another model than CLIP ViT-B/32")
    save_file({**state, "text_projection": torch.full((512, 512), torch.nan)}, folder / SAFETENSORS)
    says("is damaged")


def test_damage_inside_the_half_that_sees_is_noticed(expert: ClipExpert) -> None:
    assert expert._model is not None
    blind = torch.nn.Conv2d(3, 512, 224)
    torch.nn.init.constant_(blind.weight, torch.nan)
    broken = ClipExpert()
    broken._model = replace(expert._model, visual=torch.nn.Sequential(blind, torch.nn.Flatten()))
    with pytest.raises(WeightsError, match="damaged"):
        look(broken, footage())


def test_the_models_are_loaded_once_and_let_go_of(
    installed: Path, few_words: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(installed))
    expert = ClipExpert()
    before = torch.random.get_rng_state()
    expert.prepare("cpu")
    assert torch.equal(torch.random.get_rng_state(), before), "loading must not draw"
    loaded = expert._model
    assert loaded is not None
    expert.prepare("cpu")
    assert expert._model is loaded
    assert expert.expected_seconds(60, "cpu") < ClipExpert().expected_seconds(60, "cpu")
    visual = weakref.ref(loaded.visual)
    words = [key for key, _ in loaded.visual.named_parameters() if "token_embedding" in key]
    assert not words, "the half that reads stays loaded"
    del loaded
    expert.release()
    expert.release()
    gc.collect()
    assert visual() is None
    with pytest.raises(RuntimeError):
        look(expert, footage())


@pytest.mark.slow
def test_openai_file_works_without_a_network(
    state: State, report: FeatureReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a new process in which no connection can be opened, from the first import on."""
    (tmp_path / "made").mkdir()
    torch.jit.save(archive_of(state), tmp_path / "made" / ARCHIVE)
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    add(WEIGHTS, tmp_path / "made", other=True)
    program = """
import json, socket, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"{event}: {arguments}")

sys.addaudithook(refuse)
try:
    socket.create_connection(("127.0.0.1", 9))
except SystemExit:
    pass
else:
    raise AssertionError("connections are not refused")
sys.path.insert(0, "tests")
from test_clip import ClipExpert, clip, footage, look
clip.SCENES = clip.SCENES[:2]
expert = ClipExpert()
expert.prepare("cpu")
found = look(expert, footage())
print(json.dumps([found.vectors.tolist(), [o.probabilities for o in found.opinions]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    vectors, probabilities = json.loads(done.stdout.splitlines()[-1])
    assert np.allclose(vectors, report.vectors, atol=1e-4)  # type: ignore[arg-type]
    assert np.allclose(probabilities, [o.probabilities for o in report.opinions], atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_half_precision_on_a_gpu_says_the_same(
    installed: Path, report: FeatureReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(installed))
    expert = ClipExpert()
    expert.prepare("cuda")
    assert expert._model is not None
    assert next(expert._model.visual.parameters()).dtype == torch.float16
    found = look(expert, footage())
    assert found.vectors is not None and report.vectors is not None
    assert (unit(found.vectors) * unit(report.vectors)).sum(axis=1).min() > 0.999
    for one, two in zip(found.opinions, report.opinions, strict=True):
        assert one.probabilities == pytest.approx(two.probabilities, abs=0.01)
    expert.release()
    assert torch.cuda.memory_allocated() < 1e6
