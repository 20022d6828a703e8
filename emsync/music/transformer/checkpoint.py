"""Generators on disk: `emsync.weights.folder` with the architecture of the transformer."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emsync.errors import WeightsError
from emsync.weights import folder as weights_folder

if TYPE_CHECKING:
    from emsync.music.transformer.model import MusicTransformer

SHIPPED = Path(__file__).resolve().parents[3] / "weights"
DEFAULT = "free-5m"


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
        """Return the same generator on the CPU; this one stays where it is."""
        with _left_unfilled():
            model = type(self.model)(self.model.settings)
        state = {name: value.cpu() for name, value in self.model.state_dict().items()}
        model.load_state_dict(state, assign=True)
        return replace(self, model=model.eval())


def save(
    model: "MusicTransformer", folder: Path, card: dict[str, object], half: bool = True
) -> None:
    """Write a generator as `emsync.weights.folder` describes.

    Args:
        model: on any device.
        folder: made if needed.
        card: what is worth knowing of the weights; the architecture is added.
        half: in half precision, else in single.
    """
    full = {**card, "architecture": model.settings.to_dict()}
    weights_folder.save(model.state_dict(), folder, full, "half" if half else "single")


def load(folder: Path | None = None) -> Checkpoint:
    """Load a generator in float32, ready to decode.

    Args:
        folder: None for the generator that ships.

    Raises:
        WeightsError: the folder holds no complete generator.
    """
    import torch

    from emsync.music.transformer.model import MusicTransformer, TransformerSettings

    folder = SHIPPED / DEFAULT if folder is None else folder
    if not weights_folder.is_there(folder):
        raise WeightsError(
            f"No music generator was found in {folder}. Fetch the whole repository again, weights "
            "included, or name another folder of weights."
        )
    with weights_folder.refusing(
        lambda problem: (
            f"The music generator in {folder} is damaged or of another version: {problem}. Fetch "
            "its files again."
        )
    ):
        stored = weights_folder.load(folder)
        with _left_unfilled():
            model = MusicTransformer(TransformerSettings.from_dict(stored.card["architecture"]))
        state = stored.tensors()
        single = {name: value.to(torch.float32, copy=True) for name, value in state.items()}
        model.load_state_dict(single, assign=True)
    return Checkpoint(folder.name, model.eval(), stored.card, stored.sha256)


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
