"""Generator weights on disk: a folder with `config.json` and safetensors files."""

import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emsync.errors import WeightsError

if TYPE_CHECKING:
    from emsync.music.transformer.model import MusicTransformer

SHIPPED = Path(__file__).resolve().parents[3] / "weights"
DEFAULT = "free-5m"
SHARD_BYTES = 15 * 2**20


@dataclass(frozen=True)
class Checkpoint:
    """A loaded generator and where it comes from."""

    name: str
    model: "MusicTransformer"
    card: dict[str, object]
    """`config.json` as written: architecture, training data, licence tier, tokens seen, quality."""
    sha256: str
    """Over the weight files, in the order of their names."""

    @property
    def device(self) -> str:
        """Where the model computes: "cpu" or "cuda"."""
        return self.model.head.weight.device.type

    def on_cpu(self) -> "Checkpoint":
        """The same generator on the CPU; this one stays where it is."""
        with _left_unfilled():
            model = type(self.model)(self.model.settings)
        state = {name: value.cpu() for name, value in self.model.state_dict().items()}
        model.load_state_dict(state, assign=True)
        return replace(self, model=model.eval())


def save(
    model: "MusicTransformer", folder: Path, card: dict[str, object], half: bool = True
) -> None:
    """Write weights in files of at most 15 MiB, and `config.json`.

    Each file is written under another name first, and `config.json`, which holds their SHA-256,
    comes last: what an interrupted save leaves behind is refused by `load`.

    Args:
        model: on any device.
        folder: made if needed.
        card: what is worth knowing of the weights; the architecture is added.
        half: in half precision, else in single.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, value in model.state_dict().items():
        stored = value.detach().to("cpu", torch.float16 if half else torch.float32).contiguous()
        if size + stored.nbytes > SHARD_BYTES and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][name] = stored
        size += stored.nbytes
    names = [f"model-{i + 1:02}-of-{len(shards):02}.safetensors" for i in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        partial = folder / f"{name}.partial"
        save_file(shard, partial)
        partial.replace(folder / name)
    for old in folder.glob("model-*.safetensors"):
        if old.name not in names:
            old.unlink()
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    config = {**card, "architecture": model.settings.to_dict(), "sha256": digests}
    partial = folder / "config.json.partial"
    partial.write_text(json.dumps(config, indent=1) + "\n")
    partial.replace(folder / "config.json")


def load(folder: Path | None = None) -> Checkpoint:
    """Load a generator in float32, ready to decode.

    Raises:
        WeightsError: the folder holds no complete generator.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load as load_bytes

    from emsync.music.transformer.model import MusicTransformer, TransformerSettings

    folder = SHIPPED / DEFAULT if folder is None else folder
    paths = sorted(folder.glob("model-*.safetensors"))
    if not paths or not (folder / "config.json").exists():
        raise WeightsError(
            f"No music generator was found in {folder}. Fetch the whole repository again, weights "
            "included, or name another folder of weights."
        )
    digest = hashlib.sha256()
    state: dict[str, torch.Tensor] = {}
    try:
        card = json.loads((folder / "config.json").read_text())
        with _left_unfilled():
            model = MusicTransformer(TransformerSettings.from_dict(card["architecture"]))
        if set(card["sha256"]) != {path.name for path in paths}:
            raise ValueError("files are missing")
        for path in paths:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != card["sha256"][path.name]:
                raise ValueError(f"{path.name} is not the file that was saved")
            digest.update(content)
            state |= load_bytes(content)
        single = {name: value.to(torch.float32, copy=True) for name, value in state.items()}
        model.load_state_dict(single, assign=True)
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError, OSError) as problem:
        raise WeightsError(
            f"The music generator in {folder} is damaged or of another version: {problem}. Fetch "
            "its files again."
        ) from problem
    return Checkpoint(folder.name, model.eval(), card, digest.hexdigest())


def _left_unfilled() -> AbstractContextManager[object]:
    """New layers are not filled with random numbers, which takes longer than reading weights.

    Building on torch's "meta" device would do so too, but takes a second to import.
    """
    from torch import Tensor, nn
    from torch.overrides import TorchFunctionMode

    fillers = (
        nn.init.kaiming_uniform_,
        nn.init.uniform_,
        nn.init.normal_,
        Tensor.uniform_,
        Tensor.normal_,
    )

    class LeftUnfilled(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            if function in fillers:
                return args[0] if args else kwargs["tensor"]
            return function(*args, **kwargs)

    return LeftUnfilled()
