"""Video2Music's weights on disk: a folder with `config.json` and two safetensors files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emsync.errors import WeightsError
from emsync.process.files import whole

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emsync.music.video2music.model import ChordTransformer
    from emsync.music.video2music.regression import DynamicsNetwork

CONFIG: Final = "config.json"
CHORDS: Final = "chords.safetensors"
DYNAMICS: Final = "dynamics.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """Both networks, loaded, and where they come from."""

    name: str
    chords: "ChordTransformer"
    dynamics: "DynamicsNetwork"
    card: Mapping[str, object]
    """`config.json` as written: architecture, source, what they were trained on, quality."""
    sha256: str
    """Over both files, chords first."""

    @property
    def device(self) -> str:
        """Return where the networks compute: "cpu" or "cuda"."""
        return str(self.chords.head.weight.device.type)

    @property
    def semantic(self) -> int:
        """Return the width of the semantic vector: 768, or 0 if they know no pictures."""
        return self.chords.settings.semantic


def save(
    chords: "ChordTransformer",
    dynamics: "DynamicsNetwork",
    folder: Path,
    card: Mapping[str, object],
    half: bool = False,
) -> None:
    """Write both networks, and last `config.json`, without which `load` refuses the folder.

    Args:
        chords, dynamics: on any device.
        folder: made if needed.
        card: what is worth knowing of the weights; architecture and SHA-256 are added.
        half: in half precision, else in single.

    Raises:
        ValueError: the networks expect different features.
    """
    if chords.settings.semantic != dynamics.settings.semantic:
        raise ValueError("both networks must be given the same features")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    config = {
        **card,
        "architecture": {
            "chords": chords.settings.to_dict(),
            "dynamics": dynamics.settings.to_dict(),
        },
        "sha256": {
            CHORDS: _write(chords, folder / CHORDS, half),
            DYNAMICS: _write(dynamics, folder / DYNAMICS, half),
        },
    }
    with whole(folder / CONFIG) as partial:
        partial.write_text(json.dumps(config, indent=1) + "\n")


def load(folder: Path) -> Checkpoint:
    """Load both networks in float32 on the CPU, ready to compose.

    Raises:
        WeightsError: the folder does not hold them, or they are damaged.
    """
    from safetensors import SafetensorError

    from emsync.music.video2music.model import ChordTransformer, ChordTransformerSettings
    from emsync.music.video2music.regression import DynamicsNetwork, DynamicsSettings

    if not (folder / CONFIG).is_file():
        raise WeightsError(
            f"There are no weights of Video2Music in {folder}: {CONFIG} is missing. Name a folder "
            "that training or conversion has written."
        )
    try:
        card = json.loads((folder / CONFIG).read_text())
        architecture, known = card["architecture"], card["sha256"]
        chords = ChordTransformer(ChordTransformerSettings(**architecture["chords"]))
        dynamics = DynamicsNetwork(DynamicsSettings(**architecture["dynamics"]))
        _read(chords, folder / CHORDS, known[CHORDS])
        _read(dynamics, folder / DYNAMICS, known[DYNAMICS])
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError, OSError) as problem:
        raise WeightsError(
            f"The weights of Video2Music in {folder} are damaged or of another version: {problem}. "
            "Fetch or make them again."
        ) from problem
    sha256 = hashlib.sha256((known[CHORDS] + known[DYNAMICS]).encode()).hexdigest()
    return Checkpoint(folder.name, chords.eval(), dynamics.eval(), card, sha256)


def _write(model: "nn.Module", path: Path, half: bool) -> str:
    """Write the weights of a network, whole or not at all; return their SHA-256."""
    import torch
    from safetensors.torch import save as to_bytes

    kind = torch.float16 if half else torch.float32
    state = {
        name: value.detach().to("cpu", kind).contiguous()
        for name, value in model.state_dict().items()
    }
    content = to_bytes(state)
    with whole(path) as partial:
        partial.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _read(model: "nn.Module", path: Path, sha256: str) -> None:
    """Fill a network with the weights in a file.

    Raises:
        ValueError: it is not the file that was saved.
    """
    import torch
    from safetensors.torch import load as from_bytes

    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the file that was saved")
    state: dict[str, Tensor] = from_bytes(content)
    model.load_state_dict({name: value.to(torch.float32) for name, value in state.items()})
