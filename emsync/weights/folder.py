"""A model of ours on disk: a folder with `config.json` and safetensors files.

`config.json` is a card: what is worth knowing of the weights, the architecture, and last the
SHA-256 of each file. It is written after the files and read before them, so a folder whose writing
was interrupted, or into which files of another model have come, is refused.

Weights saved by earlier versions lie in one file of any name, whose SHA-256 the card gives alone
or, in converted weights of BEATs, not at all; those are read too.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from emsync.errors import WeightsError
from emsync.process.files import written_whole

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "config.json"
SHARD_BYTES = 15 * 2**20
"""A file of weights is no larger, unless a single tensor is: under 16 MB, it can lie in a Git
repository as it is."""

Precision = Literal["half", "single", "kept"]
_KINDS: dict[Precision, type[np.floating[Any]] | None] = {
    "half": np.float16,
    "single": np.float32,
    "kept": None,
}


@dataclass(frozen=True)
class Stored:
    """What a folder holds, its files compared with the card."""

    card: dict[str, Any]
    """`config.json` as written."""
    files: Mapping[str, bytes]
    """Content of each safetensors file, in the order of their names."""
    sha256: str
    """SHA-256 of all files, one after the other, in hexadecimal digits."""

    def tensors(self) -> dict[str, "Tensor"]:
        """Return the weights of all files by name, on the CPU.

        Raises:
            safetensors.SafetensorError: a file is of another format.
        """
        from safetensors.torch import load as load_bytes

        found: dict[str, Tensor] = {}
        for content in self.files.values():
            found |= load_bytes(content)
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights of all files by name, without PyTorch.

        Raises:
            safetensors.SafetensorError: a file is of another format.
        """
        from safetensors.numpy import load as load_bytes

        found: dict[str, np.ndarray] = {}
        for content in self.files.values():
            found |= load_bytes(content)
        return found


def is_there(folder: Path) -> bool:
    """Return whether a folder holds a card and files of weights, be they damaged."""
    return (folder / CONFIG).exists() and any(folder.glob("*.safetensors"))


def save(
    weights: Mapping[str, "Tensor | np.ndarray"],
    folder: Path,
    card: Mapping[str, object],
    precision: Precision = "kept",
) -> None:
    """Write weights in files of at most `SHARD_BYTES`, and `config.json` last.

    Each file appears whole or not at all.

    Args:
        weights: by name, in the order in which they fill the files; tensors on any device.
        folder: made if needed; other weights in it are replaced.
        card: what is worth knowing of the weights, such as their architecture; the SHA-256 of
            the files is added.
        precision: of the numbers as they are written.

    Raises:
        ToolError: a file cannot be written, for example because the disk is full.
    """
    from safetensors.numpy import save as to_bytes

    folder.mkdir(parents=True, exist_ok=True)
    shards = list(_shards(weights, precision))
    digests = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:02}-of-{len(shards):02}.safetensors"
        content = to_bytes(shard)
        with written_whole(folder / name) as partial:
            partial.write_bytes(content)
        digests[name] = hashlib.sha256(content).hexdigest()
    for old in folder.glob("*.safetensors"):
        if old.name not in digests:
            old.unlink()
    config = {**card, "sha256": digests}
    with written_whole(folder / CONFIG) as partial:
        partial.write_text(json.dumps(config, indent=1) + "\n")


def load(folder: Path, sha256_required: bool = True) -> Stored:
    """Read a folder and compare each file with the SHA-256 in its card.

    Call it in a `with refusing(...)` block, which makes one sentence of all that can be wrong.

    Args:
        folder: written by `save` or by an earlier version.
        sha256_required: refuse a card that gives no SHA-256.

    Raises:
        ValueError: a file is missing, is not the one that was saved, or does not belong here; the
            card is not JSON.
        KeyError, TypeError: the card is of another format.
        OSError: a file cannot be read.
    """
    card: dict[str, Any] = json.loads((folder / CONFIG).read_text())
    paths = sorted(folder.glob("*.safetensors"))
    sha256 = card["sha256"] if sha256_required else card.get("sha256")
    known = _digests(sha256, [path.name for path in paths])
    digest, files = hashlib.sha256(), {}
    for path in paths:
        content = path.read_bytes()
        if known[path.name] not in (None, hashlib.sha256(content).hexdigest()):
            raise ValueError(f"{path.name} is not the file that was saved")
        digest.update(content)
        files[path.name] = content
    return Stored(card, files, digest.hexdigest())


@contextmanager
def refusing(sentence: Callable[[Exception], str]) -> Iterator[None]:
    """Turn whatever damaged or foreign weights cause in the `with` block into one sentence.

    Args:
        sentence: called with the problem; says what is wrong and what to do.

    Raises:
        WeightsError: the block failed.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (
        # Of files and cards; of `load_state_dict`; of settings that are made from a card.
        SafetensorError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        RuntimeError,
        AttributeError,
        ArithmeticError,
    ) as problem:
        raise WeightsError(sentence(problem)) from problem


def _shards(
    weights: Mapping[str, "Tensor | np.ndarray"], precision: Precision
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the weights in groups of at most `SHARD_BYTES`, at least one group."""
    shard: dict[str, np.ndarray] = {}
    size = 0
    for name, value in weights.items():
        stored = _array(value, precision)
        if size + stored.nbytes > SHARD_BYTES and shard:
            yield shard
            shard, size = {}, 0
        shard[name] = stored
        size += stored.nbytes
    yield shard


def _array(value: "Tensor | np.ndarray", precision: Precision) -> np.ndarray:
    """Return weights as a contiguous array on the CPU, in the precision they are stored in."""
    if isinstance(value, np.ndarray):
        array = value
    else:
        # NumPy has no bfloat16, of which single precision holds every number.
        array = (value if precision == "kept" else value.float()).detach().cpu().numpy()
    return np.asarray(array, dtype=_KINDS[precision], order="C")


def _digests(sha256: object, names: Sequence[str]) -> Mapping[str, str | None]:
    """Return the SHA-256 that a card gives for each file, None where it gives none.

    Raises:
        ValueError: the files that are there are not those of the card.
        TypeError: the card gives something else for a SHA-256.
    """
    if not isinstance(sha256, dict):
        if not isinstance(sha256, str | None):
            raise TypeError("its SHA-256 is not a text")
        if len(names) > 1:
            raise ValueError("there are files of two models")
        if not names:
            raise ValueError("files are missing")
        return {names[0]: sha256}
    if not names or set(sha256) - set(names):
        raise ValueError("files are missing")
    if set(names) - set(sha256):
        raise ValueError("there are files of two models")
    return sha256
