"""BEATs and the sound expert: the published outputs, the published file, and what is made of it."""

import csv
import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emsync.emotion.features.beats import checkpoint
from emsync.emotion.features.beats.audioset import class_names
from emsync.emotion.features.beats.checkpoint import from_published, load, settings_of
from emsync.emotion.features.beats.encoder import (
    BeatsEncoder,
    BeatsSettings,
    distance_buckets,
    fbank,
)
from emsync.emotion.features.beats.expert import (
    DOUBT,
    EVIDENCE,
    BeatsExpert,
    chunk_starts,
    evidence_of,
    opinion_of,
)
from emsync.emotion.reading import EMOTIONS
from emsync.errors import Cancelled, WeightsError, WeightsNotInstalled
from emsync.film.footage import SOUND_RATE, Footage, Still
from emsync.progress import CancelToken, silent_share
from emsync.settings import ExpertSettings
from emsync.weights import store as weights

REFERENCE = Path(
    os.environ.get("EMSYNC_REFERENCE", Path(__file__).parents[2] / "shared" / "reference")
)
IDENTIFIERS = tuple(class_names())
TINY = {
    "input_patch_size": 16,
    "embed_dim": 8,
    "conv_bias": False,
    "encoder_layers": 2,
    "encoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 3,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "deep_norm": True,
    "conv_pos": 8,
    "conv_pos_groups": 4,
    "relative_position_embedding": True,
    "num_buckets": 32,
    "max_distance": 64,
    "gru_rel_pos": True,
    "finetuned_model": True,
    "predictor_class": 527,
    "encoder_layerdrop": 0.05,  # the published file has more settings that only training needs
}


def noise(*shape: int, seed: int = 0, loudness: float = 0.1) -> Tensor:
    return loudness * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def published_state(config: dict[str, object], seed: int = 0) -> dict[str, Tensor]:
    """Random weights by the names and in the shapes of the published file."""
    s = settings_of(config)
    width, inner, head = s.width, s.inner_width, s.width // s.heads
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embedding.weight": (s.patch_width, 1, s.patch, s.patch),
        "encoder.pos_conv.0.bias": (width,),
        "encoder.pos_conv.0.weight_g": (1, 1, s.position_kernel),
        "encoder.pos_conv.0.weight_v": (width, width // s.position_groups, s.position_kernel),
    }

    def linear(name: str, out: int, into: int) -> None:
        shapes.update({f"{name}.weight": (out, into), f"{name}.bias": (out,)})

    def norm(name: str, size: int) -> None:
        shapes.update({f"{name}.weight": (size,), f"{name}.bias": (size,)})

    linear("post_extract_proj", width, s.patch_width)
    linear("predictor", s.classes, width)
    norm("layer_norm", s.patch_width)
    norm("encoder.layer_norm", width)
    for number in range(s.layers):
        layer = f"encoder.layers.{number}"
        shapes[f"{layer}.self_attn.grep_a"] = (1, s.heads, 1, 1)
        table = f"{layer}.self_attn.relative_attention_bias.weight"
        shapes[table] = (s.distance_buckets, s.heads)
        linear(f"{layer}.self_attn.grep_linear", 8, head)
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"{layer}.self_attn.{projection}", width, width)
        linear(f"{layer}.fc1", inner, width)
        linear(f"{layer}.fc2", width, inner)
        norm(f"{layer}.self_attn_layer_norm", width)
        norm(f"{layer}.final_layer_norm", width)
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 0.2 * torch.randn(shape, generator=generator)
        + (name.endswith("norm.weight") or name.endswith("_g"))
        for name, shape in shapes.items()
    }


def write_published(folder: Path, **changes: object) -> Path:
    """A tiny random file in the published layout."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "cfg": dict(TINY),
        "model": published_state(TINY),
        "label_dict": dict(enumerate(IDENTIFIERS)),
        **changes,
    }
    path = folder / checkpoint.PUBLISHED
    torch.save(content, path)
    return path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny weights, installed."""
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    write_published(tmp_path / "source")
    return weights.add("beats", tmp_path / "source", other=True)


@pytest.fixture
def expert(installed: Path) -> Iterator[BeatsExpert]:
    expert = BeatsExpert()
    expert.prepare("cpu")
    yield expert
    expert.release()


def footage(
    sound: np.ndarray, seconds: float | None = None, cuts: tuple[float, ...] = ()
) -> Footage:
    length = len(sound) / SOUND_RATE if seconds is None else seconds
    edges = (0.0, *cuts, length)
    return Footage(
        seconds=length,
        scenes=tuple(pairwise(edges)),
        stills=(Still(0.0, b""),),
        sound=sound,
    )


def sounding(seconds: float, seed: int = 0) -> np.ndarray:
    return noise(round(seconds * SOUND_RATE), seed=seed).numpy()


# The published outputs -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    path = REFERENCE / "beats_a.npz"
    if not path.exists():
        pytest.skip(f"golden file {path.name} not found; set EMSYNC_REFERENCE to its folder")
    with np.load(path) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module")
def golden_encoder(golden: dict[str, Tensor]) -> BeatsEncoder:
    settings = settings_of(json.loads((REFERENCE / "beats_a.json").read_text()))
    encoder = BeatsEncoder(settings)
    state = {
        name.removeprefix("state/"): value
        for name, value in golden.items()
        if name.startswith("state/")
    }
    encoder.load_state_dict(from_published(state, settings))
    return encoder.eval()


def test_the_spectrum_is_the_published_one(golden: dict[str, Tensor]) -> None:
    assert torch.allclose(fbank(golden["waveform"]), golden["fbank"], rtol=0, atol=1e-4)


@torch.inference_mode()
def test_features_are_the_published_ones(
    golden: dict[str, Tensor], golden_encoder: BeatsEncoder
) -> None:
    features = golden_encoder.features(fbank(golden["waveform"]))
    assert torch.allclose(features, golden["features"], rtol=0, atol=1e-4)


@torch.inference_mode()
def test_vectors_are_means_and_logits_are_made_of_them(
    golden: dict[str, Tensor], golden_encoder: BeatsEncoder
) -> None:
    vectors, logits = golden_encoder(golden["waveform"])
    assert torch.allclose(vectors, golden["features"].mean(dim=1), rtol=0, atol=1e-4)
    weight, bias = golden["state/predictor.weight"], golden["state/predictor.bias"]
    expected = (golden["features"] @ weight.T + bias).mean(dim=1)  # as in the published code
    assert torch.allclose(logits, expected, rtol=0, atol=1e-4)


# The encoder -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny() -> BeatsEncoder:
    settings = settings_of(TINY)
    encoder = BeatsEncoder(settings)
    encoder.load_state_dict(from_published(published_state(TINY), settings))
    return encoder.eval()


@torch.inference_mode()
def test_a_sound_is_heard_the_same_alone_and_among_others(tiny: BeatsEncoder) -> None:
    sounds = noise(5, 16_000)
    together = tiny(sounds)[0]
    alone = torch.cat([tiny(sound[None])[0] for sound in sounds])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


@torch.inference_mode()
@pytest.mark.parametrize("samples", [2_800, 5_000, 12_345, 16_000])
def test_padding_makes_no_difference(tiny: BeatsEncoder, samples: int) -> None:
    sounds = noise(2, 20_000)
    alone = tiny(sounds[:1, :samples])[0]
    lengths = torch.tensor([samples, 20_000])
    padded = tiny(sounds, lengths)[0]
    sounds[0, samples:] = 0
    silence = tiny(sounds, lengths)[0]
    assert torch.allclose(padded[0], alone[0], atol=1e-5)
    assert torch.allclose(silence[0], alone[0], atol=1e-5)
    assert torch.allclose(padded[1], tiny(sounds[1:])[0][0], atol=1e-5)
    assert not torch.allclose(tiny(sounds)[0][0], alone[0], atol=1e-3)  # for it would without


@torch.inference_mode()
def test_order_in_time_matters(tiny: BeatsEncoder) -> None:
    sound = torch.cat([noise(8_000), torch.zeros(8_000)])
    there, back = tiny(torch.stack([sound, sound.flip(0)]))[0]
    assert not torch.allclose(there, back, atol=1e-2)


@torch.inference_mode()
def test_half_precision_is_close(tiny: BeatsEncoder) -> None:
    settings = tiny.settings
    half = BeatsEncoder(settings)
    half.load_state_dict(tiny.state_dict())
    sound = noise(1, 16_000)
    vector, logits = half.eval().half()(sound)
    assert vector.dtype == torch.float16 and logits.dtype == torch.float32
    assert torch.allclose(vector.float(), tiny(sound)[0], atol=2e-2)


def test_a_tone_lies_in_the_band_of_its_frequency() -> None:
    moments = torch.arange(SOUND_RATE) / SOUND_RATE
    hertz = torch.tensor([200.0, 1000.0, 5000.0])
    loudest = fbank(0.5 * torch.sin(2 * torch.pi * hertz[:, None] * moments)).mean(dim=1).argmax(1)

    def mel(frequency: Tensor) -> Tensor:
        return 1127 * torch.log1p(frequency / 700)

    low, high = mel(torch.tensor(20.0)), mel(torch.tensor(8000.0))
    expected = (mel(hertz) - low) / (high - low) * 129 - 1
    assert (loudest - expected).abs().max() < 1


def test_silence_and_the_shortest_sound_are_numbers(tiny: BeatsEncoder) -> None:
    assert fbank(torch.zeros(1, tiny.shortest)).shape == (1, 16, 128)
    assert fbank(torch.zeros(1, tiny.shortest)).isfinite().all()
    assert tiny.features(fbank(torch.zeros(1, tiny.shortest))).shape == (1, 8, 24)


def test_distances_have_buckets() -> None:
    """Near ones each their own, later ones apart from earlier ones, and a last one for the rest."""
    settings = BeatsSettings()
    buckets = distance_buckets(2000, settings)
    assert buckets[0, 0] == 0
    assert (buckets[100, 21:100] == torch.arange(79, 0, -1)).all()
    assert (buckets[100, 101:180] == 160 + torch.arange(1, 80)).all()
    assert (buckets[0, 1:].diff() >= 0).all()
    assert (buckets[0, settings.farthest :] == settings.distance_buckets - 1).all()
    assert (buckets[settings.farthest :, 0] == settings.distance_buckets // 2 - 1).all()


# The names of sounds ---------------------------------------------------------------------------


def test_the_list_of_audioset_is_whole_and_in_order() -> None:
    path = Path(checkpoint.__file__).with_name("class_labels_indices.csv")
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [int(row["index"]) for row in rows] == list(range(527))
    names = class_names()
    assert len(names) == len(set(names.values())) == 527
    known = {0: "Speech", 74: "Dog", 137: "Music", 278: "Sad music", 500: "Silence"}
    assert {i: list(names.values())[i] for i in known} == known
    assert names["/m/0463cq4"] == "Crying, sobbing"


def test_all_classes_with_a_mood_exist() -> None:
    assert set(EVIDENCE) <= set(class_names().values())
    for shares in EVIDENCE.values():
        assert set(shares) <= set(EMOTIONS)
        assert sum(shares.values()) == pytest.approx(1)


# The published file ----------------------------------------------------------------------------


def test_published_and_converted_weights_are_the_same(tmp_path: Path) -> None:
    path = write_published(tmp_path / "published")
    assert checkpoint.main([str(path), "-o", str(tmp_path / "converted")]) == 0
    assert {p.name for p in (tmp_path / "converted").iterdir()} == {
        "config.json",
        "model-01-of-01.safetensors",
    }
    published, converted = load(tmp_path / "published"), load(tmp_path / "converted")
    assert published.identifiers == converted.identifiers == IDENTIFIERS
    assert published.encoder.settings == converted.encoder.settings
    for name, value in published.encoder.state_dict().items():
        assert torch.equal(value, converted.encoder.state_dict()[name]), name
    assert not published.encoder.training


def test_what_was_converted_before_there_were_digests_is_read(tmp_path: Path) -> None:
    path = write_published(tmp_path / "published")
    folder = tmp_path / "converted"
    assert checkpoint.main([str(path), "-o", str(folder)]) == 0
    (folder / "model-01-of-01.safetensors").rename(folder / "model.safetensors")
    card = json.loads((folder / "config.json").read_text())
    del card["sha256"]
    (folder / "config.json").write_text(json.dumps(card))
    assert load(folder).identifiers == IDENTIFIERS
    # With digests, other files are noticed.
    card["sha256"] = {"model.safetensors": "0" * 64}
    (folder / "config.json").write_text(json.dumps(card))
    assert "The folder converted is damaged" in refused(folder)


def test_settings_of_the_published_file_are_the_defaults() -> None:
    published = {
        **TINY,
        "embed_dim": 512,
        "encoder_layers": 12,
        "encoder_embed_dim": 768,
        "encoder_ffn_embed_dim": 3072,
        "encoder_attention_heads": 12,
        "conv_pos": 128,
        "conv_pos_groups": 16,
        "num_buckets": 320,
        "max_distance": 800,
    }
    assert settings_of(published) == BeatsSettings()


def test_labels_go_by_identifier_and_not_by_place(tmp_path: Path) -> None:
    order = torch.randperm(527, generator=torch.Generator().manual_seed(1)).tolist()
    shuffled = {place: IDENTIFIERS[i] for place, i in enumerate(order)}
    backwards = dict(reversed(shuffled.items()))
    write_published(tmp_path, label_dict=backwards)
    names = load(tmp_path).names
    assert [names[place] for place in range(527)] == [
        class_names()[shuffled[place]] for place in range(527)
    ]
    table = evidence_of(names)
    assert EMOTIONS[int(table[names.index("Sad music")].argmax())] == "sadness"
    assert int(table.any(axis=1).sum()) == len(EVIDENCE)


def refused(folder: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load(folder)
    sentence = str(caught.value)
    assert "emsync weights pull beats" in sentence and "\n" not in sentence
    return sentence


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, kept: float) -> None:
    path = write_published(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    assert checkpoint.PUBLISHED in refused(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"cfg": {**TINY, "deep_norm": False}},
        {"cfg": {**TINY, "finetuned_model": False}},
        {"cfg": {**TINY, "encoder_layers": 3}},
        {"cfg": {**TINY, "encoder_embed_dim": 48}},
        {"cfg": None},
        {"model": {}},
        {"model": [1, 2]},
        {"label_dict": dict(enumerate(IDENTIFIERS[:-1]))},
        {"label_dict": dict(enumerate(["/m/unheard", *IDENTIFIERS[1:]]))},
    ],
    ids=str,
)
def test_another_model_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    write_published(tmp_path, **changes)
    refused(tmp_path)


def test_a_pickle_of_something_else_is_never_run(tmp_path: Path) -> None:
    torch.save({"cfg": dict(TINY), "model": Path("anything")}, tmp_path / "model.pt")
    refused(tmp_path)


def test_other_contents_of_the_folder_are_refused(tmp_path: Path) -> None:
    assert "holds 0" in refused(tmp_path)
    write_published(tmp_path)
    (tmp_path / "second.pt").write_bytes(b"")
    assert "holds 2" in refused(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"no")
    refused(tmp_path)


def test_the_converter_tells_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_published(tmp_path / "published")
    assert checkpoint.main([str(tmp_path / "none.pt"), "-o", str(tmp_path / "out")]) == 1
    assert "no file" in capsys.readouterr().err
    assert checkpoint.main([str(path), "-o", str(tmp_path / "published")]) == 1
    assert "not empty" in capsys.readouterr().err


# Chunks ----------------------------------------------------------------------------------------


@given(st.integers(1, 5_000), st.integers(2, 400))
def test_chunks_cover_the_sound_and_overlap_by_half(samples: int, length: int) -> None:
    starts = chunk_starts(samples, length, most=10_000)
    assert starts[0] == 0
    assert starts[-1] + length >= samples
    if samples >= length:
        assert starts[-1] + length == samples
    steps = np.diff(starts)
    assert (steps[:-1] == length // 2).all()
    assert ((steps > 0) & (steps <= length // 2)).all()


@given(st.integers(1, 5_000), st.integers(2, 100), st.integers(1, 40))
def test_of_many_chunks_an_even_choice_is_taken(samples: int, length: int, most: int) -> None:
    every, some = chunk_starts(samples, length, 10_000), chunk_starts(samples, length, most)
    assert len(some) == min(len(every), most)
    assert len(set(some)) == len(some) and set(some) <= set(every)
    places = np.diff([every.index(start) for start in some])
    if len(places):
        assert places.max() - places.min() <= 1
        assert (some[0], some[-1]) == (every[0], every[-1])


def test_a_minute_makes_39_chunks_and_no_sound_none() -> None:
    starts = chunk_starts(60 * SOUND_RATE, 3 * SOUND_RATE, 128)
    assert starts == [round(1.5 * i * SOUND_RATE) for i in range(39)]
    assert chunk_starts(0, 3 * SOUND_RATE, 128) == []


# Opinions --------------------------------------------------------------------------------------

NAMES = tuple(class_names().values())
TABLE = evidence_of(NAMES)


def labels(**probabilities: float) -> np.ndarray:
    """All classes at a thousandth, but for some, with _ for a blank."""
    heard = np.full(527, 1e-3)
    for name, probability in probabilities.items():
        heard[NAMES.index(name.replace("_", " "))] = probability
    return heard


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("Sad_music", "sadness"),
        ("Happy_music", "joy"),
        ("Angry_music", "anger"),
        ("Scary_music", "fear"),
        ("Laughter", "joy"),
        ("Screaming", "fear"),
        ("Gasp", "surprise"),
        ("Fart", "disgust"),
    ],
)
def test_a_sound_with_a_mood_speaks_for_it(name: str, emotion: str) -> None:
    opinion = opinion_of((0.0, 3.0), labels(**{name: 0.8}), TABLE)
    assert opinion is not None
    assert EMOTIONS[int(np.argmax(opinion.probabilities))] == emotion
    assert sum(opinion.probabilities) == pytest.approx(1)
    assert min(opinion.probabilities) >= DOUBT / 6 - 1e-12  # nothing is ruled out
    assert 0.8 <= opinion.certainty < 0.85


def test_traffic_has_no_say() -> None:
    opinion = opinion_of((0.0, 3.0), labels(Vehicle=0.95, Car=0.9, Truck=0.5, Speech=0.7), TABLE)
    assert opinion is not None and opinion.certainty < 0.06
    assert opinion_of((0.0, 3.0), np.zeros(527), TABLE) is None


@given(st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1)))
def test_opinions_are_distributions(heard: dict[str, float]) -> None:
    probabilities = np.array([heard.get(name, 0.0) for name in NAMES])
    opinion = opinion_of((0.0, 3.0), probabilities, TABLE)
    if opinion is None:
        assert max((heard.get(name, 0.0) for name in EVIDENCE), default=0.0) < 1e-15
    else:
        assert sum(opinion.probabilities) == pytest.approx(1)
        assert min(opinion.probabilities) > 0
        assert 0 < opinion.certainty <= 1


# The expert ------------------------------------------------------------------------------------


def test_without_weights_the_expert_says_how_to_install_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsNotInstalled, match="emsync weights pull beats"):
        BeatsExpert().prepare("cpu")


def test_what_the_expert_reports(expert: BeatsExpert) -> None:
    told: list[float] = []
    film = footage(sounding(10), cuts=(4.0,))
    report = expert.run(film, ExpertSettings(), told.append, CancelToken())
    assert (report.modality, report.status, report.device) == ("beats", "ran", "cpu")
    assert report.vectors is not None and report.vectors.dtype == np.float32
    assert report.vectors.shape == (6, 24)
    starts = (0, 1.5, 3.0, 4.5, 6.0, 7.0)
    assert report.stretches == tuple((start, start + 3.0) for start in starts)
    assert tuple(opinion.stretch for opinion in report.opinions) == report.stretches
    for opinion in report.opinions:
        assert sum(opinion.probabilities) == pytest.approx(1)
    assert told == sorted(told) and told[-1] == 1
    found = dict(report.findings)
    assert set(found) == {"Film as a whole", "0:00 to 0:04", "0:04 to 0:10"}
    assert found["Film as a whole"].count("%") == 5
    assert any(found["0:00 to 0:04"].startswith(name) for name in NAMES)


@torch.inference_mode()
def test_vectors_are_those_of_the_chunks_one_by_one(expert: BeatsExpert, installed: Path) -> None:
    sound = sounding(8)
    report = expert.run(footage(sound), ExpertSettings(), silent_share, CancelToken())
    encoder = load(installed).encoder
    assert report.vectors is not None
    for vector, (start, end) in zip(report.vectors, report.stretches, strict=True):
        part = sound[round(start * SOUND_RATE) : round(end * SOUND_RATE)]
        alone = encoder(torch.from_numpy(part)[None])[0][0]
        assert np.allclose(vector, alone, atol=1e-5)


def test_the_first_label_is_the_likeliest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier that only has a bias hears the same in everything."""
    state = published_state(TINY)
    order = list(reversed(IDENTIFIERS))
    state["predictor.weight"].zero_()
    state["predictor.bias"].fill_(-9.0)
    for name, logit in (("Dog", 2.0), ("Music", 1.0), ("Sad music", 0.0)):
        place = order.index(next(key for key, value in class_names().items() if value == name))
        state["predictor.bias"][place] = logit
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    write_published(tmp_path / "source", model=state, label_dict=dict(enumerate(order)))
    weights.add("beats", tmp_path / "source", other=True)
    expert = BeatsExpert()
    expert.prepare("cpu")
    film = footage(sounding(6), cuts=(3.0,))
    report = expert.run(film, ExpertSettings(), silent_share, CancelToken())
    found = dict(report.findings)
    assert found["Film as a whole"].startswith("Dog (88%), Music (73%), Sad music (50%), ")
    assert found["0:03 to 0:06"] == "Dog (88%)"
    for opinion in report.opinions:
        assert EMOTIONS[int(np.argmax(opinion.probabilities))] == "sadness"
        assert opinion.certainty == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("seconds", [1e-4, 0.05, 0.3, 2.0])
def test_a_film_shorter_than_a_chunk_is_one_chunk(expert: BeatsExpert, seconds: float) -> None:
    sound = sounding(seconds)
    report = expert.run(footage(sound), ExpertSettings(), silent_share, CancelToken())
    assert report.status == "ran"
    assert report.stretches == ((0.0, len(sound) / SOUND_RATE),)
    assert report.vectors is not None and np.isfinite(report.vectors).all()
    assert len(report.findings) == 2
    assert f"1 stretch of {len(sound) / SOUND_RATE:.3g} s" in report.detail


def test_sound_after_the_film_is_not_heard(expert: BeatsExpert) -> None:
    sound = sounding(10)
    long = expert.run(footage(sound, 5.0), ExpertSettings(), silent_share, CancelToken())
    cut = expert.run(
        footage(sound[: 5 * SOUND_RATE]), ExpertSettings(), silent_share, CancelToken()
    )
    assert long.stretches == cut.stretches and long.stretches[-1][1] == 5.0
    assert long.vectors is not None and cut.vectors is not None
    assert np.array_equal(long.vectors, cut.vectors)


def test_silence_is_counted_and_says_nothing(expert: BeatsExpert) -> None:
    sound = sounding(12)
    sound[3 * SOUND_RATE : 9 * SOUND_RATE] = 0
    report = expert.run(
        footage(sound, cuts=(4.5, 7.5)), ExpertSettings(), silent_share, CancelToken()
    )
    assert [start for start, _ in report.stretches] == [0.0, 1.5, 7.5, 9.0]
    assert len(report.opinions) == 4
    found = dict(report.findings)
    assert found["Stretches of silence"] == "3 of 7"
    assert "4 stretches" in report.detail and "3 more were silence" in report.detail
    assert "0:04 to 0:07" not in found


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_a_silent_film_has_no_opinion(expert: BeatsExpert, level: float) -> None:
    report = expert.run(footage(level * sounding(6)), ExpertSettings(), silent_share, CancelToken())
    assert report.status == "no such content" and "silence" in report.detail
    assert report.vectors is None and not report.opinions and not report.stretches


def test_a_film_without_sound(expert: BeatsExpert) -> None:
    empty = footage(np.zeros(0, dtype=np.float32), 6.0)
    report = expert.run(empty, ExpertSettings(), silent_share, CancelToken())
    assert (report.status, report.detail) == ("no such content", "The film has no sound.")
    assert report.vectors is None and not report.opinions


def test_long_films_are_sampled(expert: BeatsExpert) -> None:
    settings = ExpertSettings(most_chunks=5)
    film = footage(sounding(60), cuts=(6.0, 7.0))
    report = expert.run(film, settings, silent_share, CancelToken())
    assert [start for start, _ in report.stretches] == [0.0, 15.0, 28.5, 42.0, 57.0]
    assert "0:06 to 0:07" not in dict(report.findings)  # nobody listened there


def test_cancelling_stops_between_batches(expert: BeatsExpert) -> None:
    token = CancelToken()
    shares: list[float] = []

    def tell(share: float) -> None:
        shares.append(share)
        token.cancel()

    with pytest.raises(Cancelled):
        expert.run(footage(sounding(30)), ExpertSettings(), tell, token)
    assert len(shares) == 1 and shares[0] < 0.2


def test_weights_that_give_no_numbers_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = published_state(TINY)
    state["encoder.layers.1.fc2.bias"][3] = torch.nan
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    write_published(tmp_path / "source", model=state)
    weights.add("beats", tmp_path / "source", other=True)
    expert = BeatsExpert()
    expert.prepare("cpu")
    with pytest.raises(WeightsError, match="damaged"):
        expert.run(footage(sounding(3)), ExpertSettings(), silent_share, CancelToken())


def test_models_are_loaded_once_and_let_go(expert: BeatsExpert, installed: Path) -> None:
    (installed / checkpoint.PUBLISHED).unlink()
    before = expert.expected_seconds(60, "cpu")
    expert.prepare("cpu")  # still there
    expert.release()
    assert expert.expected_seconds(60, "cpu") > before
    with pytest.raises(WeightsError):
        expert.prepare("cpu")
    with pytest.raises(RuntimeError):
        expert.run(footage(sounding(3)), ExpertSettings(), silent_share, CancelToken())


def test_longer_films_take_longer_up_to_a_point(expert: BeatsExpert) -> None:
    seconds = [expert.expected_seconds(length, "cpu") for length in (1, 60, 600, 6000)]
    assert seconds[0] < seconds[1] < seconds[2] == seconds[3]


@pytest.mark.slow
def test_a_minute_takes_less_than_a_minute_at_the_published_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {
        **TINY, "embed_dim": 512, "encoder_layers": 12, "encoder_embed_dim": 768,
        "encoder_ffn_embed_dim": 3072, "encoder_attention_heads": 12, "conv_pos": 128,
        "conv_pos_groups": 16, "num_buckets": 320, "max_distance": 800,
    }  # fmt: skip
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    write_published(tmp_path / "source", cfg=config, model=published_state(config))
    weights.add("beats", tmp_path / "source", other=True)
    expert = BeatsExpert()
    expert.prepare("cpu")
    report = expert.run(footage(sounding(60)), ExpertSettings(), silent_share, CancelToken())
    assert report.vectors is not None and report.vectors.shape == (39, 768)
    assert report.seconds < 60
