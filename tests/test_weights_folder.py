"""Models of ours on disk: what was saved comes back, and nothing else is taken for it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as to_bytes

from emsync.errors import ToolError, WeightsError
from emsync.music.transformer.checkpoint import DEFAULT, SHIPPED
from emsync.weights import folder as weights_folder

STATE = {
    "wide": torch.linspace(-2, 2, 3000).reshape(50, 60),
    "number": torch.tensor(7.25),
    "counts": torch.arange(5),
    "thin": torch.randn(9, generator=torch.Generator().manual_seed(1)).bfloat16(),
}


def test_the_shipped_generator_is_written_again_byte_for_byte(tmp_path: Path) -> None:
    stored = weights_folder.load(SHIPPED / DEFAULT)
    card = {name: value for name, value in stored.card.items() if name != "sha256"}
    weights_folder.save(stored.tensors(), tmp_path, card)
    for name, content in stored.files.items():
        assert (tmp_path / name).read_bytes() == content
    assert weights_folder.load(tmp_path) == stored


def test_tensors_and_arrays_come_back(tmp_path: Path) -> None:
    weights_folder.save(STATE, tmp_path, {"tier": "free"}, "half")
    stored = weights_folder.load(tmp_path)
    assert stored.card["tier"] == "free"
    for name, value in STATE.items():
        assert torch.equal(stored.tensors()[name], value.half()), name
        np.testing.assert_array_equal(stored.arrays()[name], value.half().numpy())
    whole = {name: value for name, value in STATE.items() if name != "thin"}
    weights_folder.save(whole, tmp_path, {})
    for name, value in whole.items():
        found = weights_folder.load(tmp_path).tensors()[name]
        assert found.dtype == value.dtype and torch.equal(found, value)


def test_files_are_small_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "regressor.safetensors").write_bytes(b"of an earlier version")
    state = {str(number): torch.full((100,), float(number)) for number in range(10)}
    monkeypatch.setattr(weights_folder, "SHARD_BYTES", 900)
    weights_folder.save(state, tmp_path, {})
    names = [f"model-{number:02}-of-05.safetensors" for number in range(1, 6)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", *names]
    stored = weights_folder.load(tmp_path)
    assert stored.tensors().keys() == state.keys()
    assert stored.sha256 == hashlib.sha256(b"".join(stored.files.values())).hexdigest()
    monkeypatch.setattr(weights_folder, "SHARD_BYTES", 9000)
    weights_folder.save(state, tmp_path, {})
    assert len(weights_folder.load(tmp_path).files) == 1


def test_weights_of_earlier_versions_are_read(tmp_path: Path) -> None:
    content = to_bytes({"a": torch.ones(3)})
    (tmp_path / "model.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "config.json").write_text(json.dumps({"sha256": digest}))
    assert weights_folder.load(tmp_path).sha256 == digest
    (tmp_path / "config.json").write_text("{}")
    assert weights_folder.load(tmp_path, sha256_required=False).sha256 == digest
    with pytest.raises(KeyError):
        weights_folder.load(tmp_path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("cut", "is not the file that was saved"),
        ("missing", "files are missing"),
        ("none", "files are missing"),
        ("foreign", "files of two models"),
        ("digest", "is not the file that was saved"),
        ("number", "not a text"),
        ("card", "Expecting"),
        ("gone", "No such file"),
    ],
)
def test_damage_is_refused_in_a_sentence(
    tmp_path: Path, damage: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_folder, "SHARD_BYTES", 12_000)
    weights_folder.save(STATE, tmp_path, {}, "single")
    first, second = sorted(tmp_path.glob("*.safetensors"))
    config = tmp_path / "config.json"
    if damage == "cut":
        first.write_bytes(first.read_bytes()[:-1])
    elif damage in ("missing", "none"):
        second.unlink()
        if damage == "none":
            first.unlink()
    elif damage == "foreign":
        (tmp_path / "other.safetensors").write_bytes(first.read_bytes())
    elif damage in ("digest", "number"):
        known = 5 if damage == "number" else {first.name: "0" * 64, second.name: "0" * 64}
        config.write_text(json.dumps({"sha256": known}))
    elif damage == "card":
        config.write_text("{")
    else:
        config.unlink()
    with (
        pytest.raises(WeightsError, match=rf"^The toy is damaged: .*{reason}.*\. Make another\.$"),
        weights_folder.refusing(lambda problem: f"The toy is damaged: {problem}. Make another."),
    ):
        weights_folder.load(tmp_path)


def test_an_interrupted_save_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights_folder.save({"a": torch.zeros(4)}, tmp_path, {})
    monkeypatch.setattr(weights_folder, "CONFIG", "elsewhere/config.json")
    with pytest.raises(ToolError, match="cannot be written"):
        weights_folder.save({"a": torch.ones(4)}, tmp_path, {})
    monkeypatch.undo()
    with pytest.raises(ValueError, match="not the file that was saved"):
        weights_folder.load(tmp_path)
