"""The generator against the published one's outputs, and incremental against whole passes."""

import itertools
import json
import math
import os
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from emsync.errors import WeightsError
from emsync.music.transformer import model as transformer
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.checkpoint import load
from emsync.music.transformer.model import (
    Conditioning,
    MusicTransformer,
    Positions,
    TransformerSettings,
)
from emsync.music.transformer.published import from_published, main, read, settings_of

REFERENCE = Path(
    os.environ.get("EMSYNC_REFERENCE", Path(__file__).parents[2] / "shared" / "reference")
)


def published(name: str) -> tuple[MusicTransformer, dict[str, torch.Tensor]]:
    if not (REFERENCE / f"{name}.npz").exists():
        pytest.skip(f"golden file {name}.npz not found; set EMSYNC_REFERENCE to its folder")
    config = json.loads((REFERENCE / f"{name}.json").read_text())
    with np.load(REFERENCE / f"{name}.npz") as arrays:
        tensors = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    state = {k.removeprefix("state/"): t for k, t in tensors.items() if k.startswith("state/")}
    settings = settings_of(state)
    assert settings == TransformerSettings(
        positions="relative",
        layers=config["num_layer"],
        heads=config["num_head"],
        width=config["embedding_dim"],
        inner_width=config["d_inner"],
        context=config["max_seq"],
    )
    model = MusicTransformer(settings)
    model.load_state_dict(from_published(state))
    return model.eval(), tensors


@pytest.mark.parametrize("name", ["music_a", "music_full_window"])
def test_published_outputs_are_reproduced(name: str) -> None:
    model, golden = published(name)
    with torch.no_grad():
        logits = model(golden["tokens"], golden["offsets"], golden["conditions"])
    torch.testing.assert_close(logits, golden["logits"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["music_a", "music_full_window"])
def test_published_outputs_are_reproduced_token_by_token(name: str) -> None:
    model, golden = published(name)
    incremental = decode_in_pieces(
        model, golden["tokens"], golden["offsets"], golden["conditions"], [7]
    )
    torch.testing.assert_close(incremental, golden["logits"][:, 2:], atol=1e-4, rtol=0)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_published_checkpoint_is_converted(tmp_path: Path, wrapped: bool) -> None:
    _, golden = published("music_a")
    state = {k.removeprefix("state/"): t for k, t in golden.items() if k.startswith("state/")}
    if wrapped:
        torch.save(
            {"epoch": 3, "model": {f"module.{k}": t for k, t in state.items()}}, tmp_path / "a"
        )
    else:
        torch.save(state, tmp_path / "a")
    assert main([str(tmp_path / "a"), "-o", str(tmp_path / "converted")]) == 0
    loaded = load(tmp_path / "converted").model
    with torch.no_grad():
        logits = loaded(golden["tokens"], golden["offsets"], golden["conditions"])
    torch.testing.assert_close(logits, golden["logits"], atol=1e-4, rtol=0)
    assert main([str(tmp_path / "a"), "-o", str(tmp_path / "converted")]) == 1, (
        "nothing is replaced"
    )


@pytest.mark.parametrize("content", [b"", b"no checkpoint", {"a": torch.zeros(2)}, [1, 2]])
def test_what_is_no_published_checkpoint_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "model.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=r"model\.pt is not"):
        read(path)


def decode_in_pieces(
    model: MusicTransformer,
    tokens: torch.Tensor,
    offsets: torch.Tensor,
    conditions: torch.Tensor,
    first: list[int],
) -> torch.Tensor:
    """Logits of all tokens: pieces of the lengths in `first`, then one token at a time."""
    cache = model.new_cache(len(tokens))
    edges = np.cumsum([0, *first]).tolist()
    edges += range(edges[-1] + 1, tokens.shape[1] + 1)
    parts = []
    with torch.no_grad():
        for start, end in itertools.pairwise(edges):
            part = model(tokens[:, start:end], offsets[:, start:end], conditions, cache)
            parts.append(part[:, start - end :])
    return torch.cat(parts, dim=1)


def small(
    positions: Positions = "rotary", conditioning: Conditioning = "continuous-token", std: float = 0
) -> MusicTransformer:
    """A model in which every part counts: zero-initialised ones would hide a mistake."""
    torch.manual_seed(3)
    model = MusicTransformer(
        TransformerSettings(
            positions,
            layers=3,
            heads=4,
            width=64,
            inner_width=96,
            context=80,
            conditioning=conditioning,
        )
    ).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=std or 0.1)
    return model


@pytest.mark.parametrize("conditioning", get_args(Conditioning))
@pytest.mark.parametrize("positions", get_args(Positions))
def test_incremental_equals_whole(positions: Positions, conditioning: Conditioning) -> None:
    model = small(positions, conditioning)
    tokens = torch.randint(1, v.SIZE, (3, 78))
    offsets = 10 * torch.rand(3, 78)
    offsets[1] = float("nan")
    conditions = torch.tensor([[0.3, float("nan")], [-1.0, 1.0], [float("nan"), float("nan")]])
    with torch.no_grad():
        whole = model(tokens, offsets, conditions)[:, model.settings.prefix :]
    assert whole.shape == (3, 78, v.SIZE) and whole.isfinite().all()
    for first in ([1], [20], [20, 20, 5]):
        incremental = decode_in_pieces(model, tokens, offsets, conditions, first)
        torch.testing.assert_close(incremental, whole, atol=1e-4, rtol=0)


def test_later_tokens_change_nothing_before_them() -> None:
    torch.manual_seed(0)
    model = MusicTransformer(
        TransformerSettings(layers=2, heads=2, width=32, inner_width=64)
    ).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    tokens = torch.randint(1, v.SIZE, (1, 30))
    offsets = torch.full((1, 30), 8.0)
    changed = tokens.clone()
    changed[0, 20:] = 5
    conditions = torch.zeros(1, 2)
    with torch.no_grad():
        one, other = (model(t, offsets, conditions) for t in (tokens, changed))
    torch.testing.assert_close(one[:, :22], other[:, :22])
    assert not torch.allclose(one[:, 22:], other[:, 22:])


@pytest.mark.parametrize("conditioning", get_args(Conditioning))
@pytest.mark.parametrize("positions", get_args(Positions))
def test_boundary_and_mood_are_heard(positions: Positions, conditioning: Conditioning) -> None:
    model = small(positions, conditioning, std=0.2)
    tokens = torch.randint(1, v.SIZE, (1, 10))

    def logits(seconds: float, valence: float, arousal: float) -> torch.Tensor:
        with torch.no_grad():
            out: torch.Tensor = model(
                tokens,
                torch.full((1, 10), seconds),
                torch.tensor([[valence, arousal]], dtype=torch.float32),
            )
        return out

    base = logits(9, 0, 0)
    torch.testing.assert_close(base, logits(8, 0, 0))
    assert not torch.allclose(base, logits(0.5, 0, 0))
    assert not torch.allclose(base, logits(math.nan, 0, 0)), "not told is not none in sight"
    for mood in ((0.5, 0.0), (0.0, 0.5), (0.0, math.nan), (math.nan, 0.0)):
        assert torch.allclose(base, logits(9, *mood)) == (conditioning == "none")
    within_a_bin = torch.allclose(base, logits(9, 0.1, -0.1))
    assert within_a_bin == (conditioning in ("none", "discrete-token"))
    ends = logits(9, -1, 1)
    assert ends.isfinite().all() and torch.allclose(
        ends, logits(9, -0.99, 0.99), atol=0 if conditioning == "discrete-token" else 1
    )


@pytest.mark.parametrize("positions", get_args(Positions))
def test_weights_of_before_go_on_as_before(tmp_path: Path, positions: Positions) -> None:
    """They were saved without a way to say 'not told', and without a kind of conditioning."""
    model = small(positions)
    state = model.state_dict()
    del state["boundary_not_told"]
    values = model.settings.to_dict()
    del values["conditioning"]
    settings = TransformerSettings.from_dict(values)
    assert settings == model.settings
    old = MusicTransformer(settings)
    old.load_state_dict(state)
    tokens, mood = torch.randint(1, v.SIZE, (1, 10)), torch.zeros(1, 2)
    with torch.no_grad():
        told = [old(tokens, torch.full((1, 10), seconds), mood) for seconds in (8, math.nan)]
        torch.testing.assert_close(told[0], told[1])
        torch.testing.assert_close(told[0], model(tokens, torch.full((1, 10), 8.0), mood))
    with pytest.raises(RuntimeError, match="head"):
        old.load_state_dict({name: state[name] for name in state if name != "head.weight"})


def test_settings_that_make_no_model_are_refused() -> None:
    with pytest.raises(ValueError, match="continuous-concatenated"):
        TransformerSettings(conditioning="continuous")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rotary"):
        TransformerSettings("absolute")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="heads"):
        TransformerSettings(width=30, heads=4)


def test_the_mood_is_asked_for_where_it_counts() -> None:
    tokens, offsets = torch.ones(1, 3, dtype=torch.long), torch.ones(1, 3)
    for conditioning in get_args(Conditioning):
        model = small(conditioning=conditioning)
        with pytest.raises(ValueError, match="not given"):
            model(tokens, offsets)
    with pytest.raises(ValueError, match="not given"):
        small(conditioning="continuous-concatenated").embed(tokens, offsets, None, past=5)


def test_attention_in_blocks_is_attention() -> None:
    """On lengths below, at and past a block, and those that end inside one."""
    for length in (1, 5, 8, 16, 21):
        q, k, values = (torch.randn(2, 3, length, 4, requires_grad=True) for _ in range(3))
        expected = F.scaled_dot_product_attention(q, k, values, is_causal=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transformer, "ATTENTION_BLOCK", 8)
            found = transformer._causal_in_blocks(q, k, values, dropout=0.0)
        torch.testing.assert_close(found, expected)
        pull = torch.randn_like(expected)
        for one, other in zip(
            *(torch.autograd.grad(out, (q, k, values), pull) for out in (found, expected)),
            strict=True,
        ):
            torch.testing.assert_close(one, other)


def test_a_model_in_training_computes_what_it_does_after() -> None:
    model = small(std=0.2)
    tokens, offsets = torch.randint(1, v.SIZE, (2, 60)), torch.rand(2, 60)
    with torch.no_grad():
        after = model(tokens, offsets, torch.zeros(2, 2))
        model.train()
        during = model(tokens, offsets, torch.zeros(2, 2))
    torch.testing.assert_close(during, after, atol=1e-4, rtol=1e-4)


def test_a_file_that_holds_more_than_tensors_is_refused_without_advice_to_trust_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.pt"
    torch.save({"embedding.weight": torch.zeros(2, 2), "more": Path("x")}, path)
    with pytest.raises(WeightsError, match="holds more than tensors") as refusal:
        read(path)
    assert "weights_only" not in str(refusal.value)
