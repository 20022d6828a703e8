"""The fusion against the published one's outputs, its files, and what it makes of reports."""

import io
import json
import os
import pickle
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emsync.emotion.classifiers.checkpoint import load, main, save
from emsync.emotion.classifiers.classifier import FilmFeatures
from emsync.emotion.classifiers.fusion import Feature, Fusion, FusionSettings, Range, evenly
from emsync.emotion.classifiers.vemoclap import (
    NothingToRead,
    Vemoclap,
    gathered,
    open_classifier,
)
from emsync.emotion.classifiers.vemoclap_published import from_published, read, settings_of
from emsync.emotion.features.report import FeatureReport, Status, Stretch
from emsync.emotion.reading import EMOTIONS, EmotionReading, SceneReading
from emsync.errors import WeightsError, WeightsNotInstalled
from emsync.weights import store as weights

REFERENCE = Path(
    os.environ.get("EMSYNC_REFERENCE", Path(__file__).parents[2] / "shared" / "reference")
)
SMALL = FusionSettings(
    (
        Feature("asr_sentiment", 5, 1),
        Feature("beats", 6, 4),
        Feature("clip", 7, 4),
        Feature("face_emotion", 8, 4),
    ),
    width=16,
    heads=2,
)


def golden() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], torch.Tensor]:
    """Published state, inputs, logits."""
    if not (REFERENCE / "vemoclap_a.npz").exists():
        pytest.skip("golden file vemoclap_a.npz not found; set EMSYNC_REFERENCE to its folder")
    with np.load(REFERENCE / "vemoclap_a.npz") as arrays:
        tensors = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    state = {k.removeprefix("state/"): t for k, t in tensors.items() if k.startswith("state/")}
    inputs = {k.removeprefix("feature/"): t for k, t in tensors.items() if k.startswith("feature/")}
    return state, inputs, tensors["logits"]


def small(seed: int = 0, settings: FusionSettings = SMALL) -> Fusion:
    model = Fusion(settings)
    model.initialise(torch.Generator().manual_seed(seed))
    for feature in settings.features:
        model.range_of(feature).set(-2.0, 2.0)
    return model


def some_inputs(seed: int = 0, films: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {f.name: torch.rand(films, f.length, f.dim, generator=generator) for f in SMALL.features}


# The network -----------------------------------------------------------------------------------


def test_the_published_outputs_come_out() -> None:
    state, inputs, logits = golden()
    config = json.loads((REFERENCE / "vemoclap_a.json").read_text())
    settings = settings_of(state, config["feature_lengths"], config["n_heads"])
    assert {f.name: f.dim for f in settings.features} == config["feature_dims"]
    assert (settings.width, list(settings.labels)) == (config["d_model"], config["labels"])
    model = Fusion(settings)
    assert not model.load_state_dict(from_published(state), strict=False).unexpected_keys
    with torch.inference_mode():
        assert (model(inputs) - logits).abs().max() < 1e-4
        # The order in which features are given says nothing; swapping two films does.
        assert (model(dict(reversed(inputs.items()))) - logits).abs().max() < 1e-4
        assert (model({k: x.flip(0) for k, x in inputs.items()}) - logits).abs().max() > 1e-2


def test_dropout_is_drawn_from_the_generator_alone() -> None:
    model, inputs = small(), some_inputs()

    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed + 7)
        return model(inputs, torch.Generator().manual_seed(seed)).detach()

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))
    assert torch.equal(model(inputs), model.eval()(inputs))
    assert not torch.equal(drawn(1), model(inputs))
    never = small(settings=replace(SMALL, dropout=0.0))
    assert torch.equal(never(inputs, torch.Generator()), model(inputs))


def test_random_weights_depend_on_their_seed_alone() -> None:
    one, same, other = small(1), small(1), small(2)
    inputs = some_inputs()
    assert torch.equal(one(inputs), same(inputs)) and not torch.equal(one(inputs), other(inputs))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"features": (Feature("clip", 4), Feature("asr_sentiment", 4, 1))}, "two of"),
        ({"features": (*SMALL.features, Feature("clip", 4))}, "each once"),
        ({"features": (*SMALL.features, Feature("smell", 4))}, "features must be"),
        ({"features": (*SMALL.features[1:], Feature("ocr_sentiment", 4))}, "length must be 1"),
        ({"heads": 3}, "multiple"),
        ({"labels": EMOTIONS[::-1]}, "order"),
    ],
)
def test_an_architecture_that_makes_no_sense_is_refused(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(SMALL, **change)


# What it is given ------------------------------------------------------------------------------


def test_features_are_normalised_before_they_are_padded() -> None:
    feature, model = SMALL.features[2], small()
    vectors = np.arange(14, dtype=np.float32).reshape(2, 7) / 7
    given_to_it = model.input_of(feature, vectors)
    assert given_to_it.shape == (4, 7)
    assert torch.allclose(given_to_it[:2], (torch.from_numpy(vectors) + 2) / 4)
    assert not given_to_it[2:].any()  # the lowest value would be -2, not 0
    for nothing in (None, np.zeros((0, 7)), np.zeros((0, 0))):
        assert not model.input_of(feature, nothing).any()


def test_a_range_may_be_one_number_or_one_for_each() -> None:
    bounds = Range(3)
    bounds.set(np.float32(-1), np.float64(1))
    assert bounds(torch.zeros(2, 3)).tolist() == [[0.5] * 3] * 2
    bounds.set(np.array([[0.0, -1.0, -3.0]]), [1.0, 1.0, 1.0])
    assert bounds(torch.zeros(1, 3)).tolist() == [[0.0, 0.5, 0.75]]
    for low, high in ((0.0, 0.0), ([0.0, 1.0], 2.0), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match=r"range|smallest"):
            bounds.set(low, high)


def test_long_sequences_are_thinned_out_evenly_in_time() -> None:
    feature, model = SMALL.features[2], small()
    vectors = np.repeat(np.arange(9, dtype=np.float32)[:, None] / 10, 7, axis=1)
    # Six items crowd in the first second of nine; the others come every three seconds.
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 3.0, 6.0, 9.0]
    chosen = model.input_of(feature, vectors, times)[:, 0] * 4 - 2
    assert torch.allclose(chosen, torch.tensor([0.0, 0.6, 0.7, 0.8]))
    by_number = model.input_of(feature, vectors)[:, 0] * 4 - 2
    assert torch.allclose(by_number, torch.tensor([0.0, 0.3, 0.5, 0.8]))


@given(st.lists(st.floats(0, 600), max_size=80), st.integers(1, 20))
def test_as_many_items_are_chosen_as_there_is_room_for(times: list[float], count: int) -> None:
    times = sorted(times)
    chosen = evenly(times, count)
    assert chosen == sorted(set(chosen)) and len(chosen) == min(count, len(times))
    if count >= 2 and len(times) > count:
        assert times[chosen[0]] == times[0] and times[chosen[-1]] == times[-1]


def test_vectors_of_another_kind_are_refused() -> None:
    feature, model = SMALL.features[2], small()
    for vectors in (np.ones((2, 6)), np.ones(7), np.full((2, 7), np.nan)):
        with pytest.raises(ValueError, match="clip"):
            model.input_of(feature, vectors)


# Files -----------------------------------------------------------------------------------------


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    model, inputs = small(3), some_inputs()
    save(model, tmp_path / "fusion", {"data": "none"})
    loaded = load(tmp_path / "fusion")
    assert torch.equal(loaded.model(inputs), model(inputs))
    assert loaded.model.settings == SMALL and loaded.card["data"] == "none"
    assert loaded.model.range_of(SMALL.features[0]).minimum.tolist() == [-2.0] * 5
    assert len(loaded.sha256) == 64
    assert {path.name for path in (tmp_path / "fusion").iterdir()} == {
        "config.json",
        "model-01-of-01.safetensors",
    }


@pytest.mark.parametrize("damage", ["weights", "config", "architecture", "no weights", "nothing"])
def test_damaged_weights_are_refused(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "fusion"
    save(small(), folder, {})
    tensors, config = folder / "model-01-of-01.safetensors", folder / "config.json"
    if damage == "weights":
        content = bytearray(tensors.read_bytes())
        content[-1] ^= 1
        tensors.write_bytes(content)
    elif damage == "config":
        config.write_text(config.read_text()[:40])
    elif damage == "architecture":
        card = json.loads(config.read_text())
        card["fusion"]["width"] = 32
        config.write_text(json.dumps(card))
    elif damage == "no weights":
        tensors.unlink()
    else:
        config.unlink()
    with pytest.raises(WeightsError, match=str(folder)):
        load(folder)


def test_installed_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "installed"))
    with pytest.raises(WeightsNotInstalled, match="vemoclap"):
        open_classifier()
    save(small(), tmp_path / "trained", {})
    weights.add("vemoclap", tmp_path / "trained", other=True)
    assert open_classifier().model.settings == SMALL
    # Others of the same size, whole in themselves.
    save(small(1), tmp_path / "installed" / "vemoclap", {})
    with pytest.raises(WeightsError, match=r"is not the file .* weights remove vemoclap"):
        open_classifier()


def publish(folder: Path, normalised: bool = True) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The golden checkpoint as its authors' files; what to feed to it and what must come out."""
    state, inputs, logits = golden()
    folder.mkdir(exist_ok=True)
    torch.save(state, folder / "video_model.pt")
    # As their statistics are: NumPy scalars, one range for all numbers of a feature.
    ranges = {"beats": (-3.0, 2.0), "clip": (-1.0, 9.0), "face_emotion": (-0.5, 0.5)}
    ranges["asr_sentiment"] = (-2.0, 4.0)
    statistics = {
        name: {"min": np.float32(low), "max": np.float32(high), "mean": np.mean([low, high])}
        for name, (low, high) in ranges.items()
    }
    torch.save(statistics, folder / "stats.pt")
    config = {"features": list(inputs), "feature_lengths": {k: x.shape[1] for k, x in
              inputs.items()}, "normalize_data": normalised, "dropout": 0.5}  # fmt: skip
    torch.save(config, folder / "video_model_config.pt")
    if normalised:
        for name, (low, high) in ranges.items():
            inputs[name] = inputs[name] * (high - low) + low
    return inputs, logits


def logits_of(model: Fusion, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.inference_mode():
        return model(
            {
                f.name: torch.stack([model.input_of(f, x.numpy()) for x in inputs[f.name]])
                for f in model.settings.features
            }
        )


@pytest.mark.parametrize("normalised", [True, False])
def test_the_published_files_are_converted(tmp_path: Path, normalised: bool) -> None:
    inputs, logits = publish(tmp_path / "published", normalised)
    files = [str(tmp_path / "published" / name) for name in ("video_model.pt", "stats.pt")]
    config = str(tmp_path / "published" / "video_model_config.pt")
    assert main([*files, "--config", config, "-o", str(tmp_path / "ours")]) == 0
    loaded = load(tmp_path / "ours")
    assert (logits_of(loaded.model, inputs) - logits).abs().max() < 1e-4
    assert "published VEMOCLAP" in str(loaded.card["source"])
    assert main([*files, "-o", str(tmp_path / "ours")]) == 1, "a folder in use is left alone"


def test_the_published_files_are_read_where_they_were_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, logits = publish(tmp_path / "published")
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "installed"))
    weights.add("vemoclap", tmp_path / "published")
    assert (logits_of(open_classifier().model, inputs) - logits).abs().max() < 1e-4


def test_statistics_that_numpy_1_wrote_are_read(tmp_path: Path) -> None:
    inputs, _ = publish(tmp_path)
    path = tmp_path / "stats.pt"
    # The older file format has no checksums, so that the old names can be put into it.
    statistics = {k: {"min": np.float32(-3), "max": np.float32(2)} for k in inputs}
    written = io.BytesIO()
    torch.save(statistics, written, _use_new_zipfile_serialization=False)
    content = written.getvalue()
    assert b"numpy._core.multiarray" in content
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    model, _ = read(tmp_path / "video_model.pt", path)
    assert model.range_of(model.settings.features[0]).minimum[0] == -3


class Mischief:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_published_files_run_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(tmp_path)
    harmed = tmp_path / "harmed"
    pickle.loads(pickle.dumps(Mischief(harmed)))
    assert harmed.exists(), "the trap works"
    harmed.unlink()
    for name in ("video_model.pt", "stats.pt"):
        publish(tmp_path)
        torch.save({"clip": Mischief(harmed)}, tmp_path / name)
        files = [str(tmp_path / "video_model.pt"), str(tmp_path / "stats.pt")]
        assert main([*files, "-o", str(tmp_path / "ours")]) == 1
        assert f"{name} is not what the authors" in capsys.readouterr().err
    assert not harmed.exists() and not (tmp_path / "ours").exists()


def test_other_files_are_refused_with_their_name(tmp_path: Path) -> None:
    publish(tmp_path)
    checkpoint, statistics = tmp_path / "video_model.pt", tmp_path / "stats.pt"
    with pytest.raises(WeightsError, match=r"no file .*absent\.pt"):
        read(tmp_path / "absent.pt", statistics)
    torch.save({"clip": {"min": 0.0, "max": 1.0}}, statistics)
    with pytest.raises(WeightsError, match=r"stats\.pt is not what"):
        read(checkpoint, statistics)
    publish(tmp_path)
    for content in ({"embedding.weight": torch.zeros(2)}, {}, torch.zeros(2), [1]):
        torch.save(content, checkpoint)
        with pytest.raises(WeightsError, match=r"video_model\.pt is not what"):
            read(checkpoint, statistics)
    checkpoint.write_bytes(b"<html>Quota exceeded</html>")
    with pytest.raises(WeightsError, match=r"video_model\.pt is not what"):
        read(checkpoint, statistics)


# Reading a film --------------------------------------------------------------------------------

FILM: Stretch = (0.0, 20.0)
SCENES: tuple[Stretch, ...] = ((0.0, 8.0), (8.0, 9.0), (9.0, 20.0))


def report(modality: str, stretches: list[Stretch], status: Status = "ran") -> FeatureReport:
    dim = {MODALITIES[f.name]: f.dim for f in SMALL.features}.get(modality, 3)
    seed = sum(map(ord, modality))
    vectors = np.random.default_rng(seed).uniform(-2, 2, (len(stretches), dim))
    return FeatureReport(
        modality,
        status,
        "A sentence.",
        vectors.astype(np.float32) if status == "ran" else None,
        (),
        0.0,
        "cpu",
        tuple(stretches),
    )


MODALITIES = {"asr_sentiment": "asr", "beats": "beats", "clip": "clip", "face_emotion": "face"}
CLIP = report("clip", [(t, t) for t in (0.0, 4.0, 7.9, 8.0, 12.0, 19.9)])
BEATS = report("beats", [(t, t + 3.0) for t in (0.0, 1.5, 7.4, 12.0, 17.0)])
ASR = report("asr", [FILM, SCENES[2]])
NO_FACE = report("face", [], "no such content")
REPORTS = (CLIP, BEATS, ASR, NO_FACE)


def features(reports: Sequence[FeatureReport]) -> FilmFeatures:
    """A film of `FILM` and `SCENES` of which experts report."""
    even = (1 / 6,) * 6
    scenes = tuple(SceneReading(Fraction(a), Fraction(b), even) for a, b in SCENES)
    return FilmFeatures(EmotionReading(even, "cues", scenes, ()), tuple(reports), FILM[1])


def vemoclap() -> Vemoclap:
    return Vemoclap(small(), "")


def test_a_film_is_read_when_everybody_looked() -> None:
    fusion = vemoclap()
    assert fusion.why_not(features(REPORTS)) is None
    reading = fusion.read_stretch(REPORTS, FILM)
    assert reading.missing == ("face",)
    by_hand = {
        "clip": CLIP.vectors[[0, 2, 4, 5]],  # type: ignore[index]
        "beats": BEATS.vectors[[0, 2, 3, 4]],  # type: ignore[index]
        "asr_sentiment": ASR.vectors[:1],  # type: ignore[index]
        "face_emotion": None,
    }
    inputs = {f.name: fusion.model.input_of(f, by_hand[f.name])[None] for f in SMALL.features}
    expected = fusion.model(inputs)[0].softmax(0).tolist()
    assert reading.probabilities == pytest.approx(expected, abs=1e-5)
    assert sum(reading.probabilities) == pytest.approx(1)


def test_a_scene_is_read_from_what_lies_in_it() -> None:
    fusion = vemoclap()
    first, second, third = (fusion.read_stretch(REPORTS, scene) for scene in SCENES)
    assert first.missing == ("asr", "face")
    assert second.missing == ("asr", "face")
    assert third.missing == ("face",)
    assert len({first.probabilities, second.probabilities, third.probabilities}) == 3
    vectors, times = gathered(BEATS, False, SCENES[1])
    assert times.tolist() == [8.9] and np.array_equal(vectors[0], BEATS.vectors[2])  # type: ignore[index]
    vectors, times = gathered(CLIP, False, SCENES[0])
    assert times.tolist() == [0.0, 4.0, 7.9]
    assert len(gathered(ASR, True, SCENES[0])[0]) == 0
    # Items that were put together out of order are read in order.
    assert CLIP.vectors is not None
    backwards = replace(CLIP, vectors=CLIP.vectors[::-1], stretches=CLIP.stretches[::-1])
    assert fusion.read_stretch((backwards, BEATS, ASR, NO_FACE), SCENES[0]) == first


@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        (report("face", [], "weights not installed"), r"faces \(weights not installed\)"),
        (report("face", [], "failed"), r"faces \(failed\)"),
        (replace(ASR, vectors=None, stretches=()), r"speech \(which gave nothing"),
        (replace(CLIP, vectors=np.ones((6, 9))), r"pictures \(9 numbers an item, not 7\)"),
    ],
)
def test_it_says_why_not(changed: FeatureReport, clause: str) -> None:
    reports = [changed if one.modality == changed.modality else one for one in REPORTS]
    said = vemoclap().why_not(features(reports))
    assert said is not None and re.search(clause, said)


def test_it_does_not_read_without_experts_or_content() -> None:
    fusion = vemoclap()
    said = fusion.why_not(features((CLIP, BEATS)))
    assert said is not None and "speech (not consulted) and faces (not consulted)" in said
    nothing = [report(modality, [], "no such content") for modality in MODALITIES.values()]
    said = fusion.why_not(features(nothing))
    assert said is not None and said.startswith("there is nothing")
    for reports in (nothing, ()):
        with pytest.raises(NothingToRead, match="without it"):
            fusion.read_stretch(reports, FILM)
    with pytest.raises(NothingToRead):
        fusion.read_stretch((BEATS, ASR, NO_FACE), (3.1, 3.2))


def test_what_it_was_not_trained_on_is_ignored() -> None:
    fusion = vemoclap()
    more = (*REPORTS, report("ocr", [FILM]), report("cues", [FILM], "failed"))
    assert fusion.why_not(features(more)) is None
    assert fusion.read_stretch(more, FILM) == fusion.read_stretch(REPORTS, FILM)


def test_every_modality_has_a_say() -> None:
    """Another vector anywhere gives another answer."""
    fusion = vemoclap()
    before = fusion.read_stretch(REPORTS, FILM).probabilities
    for number, one in enumerate((CLIP, BEATS, ASR)):
        assert one.vectors is not None
        changed = list(REPORTS)
        changed[number] = replace(one, vectors=one.vectors + 0.5)
        assert fusion.read_stretch(changed, FILM).probabilities != pytest.approx(before, abs=1e-4)
