"""Video2Music's weights on disk: both networks in one folder of `emsync.weights.folder`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emsync.errors import WeightsError
from emsync.weights import folder as weights_folder

if TYPE_CHECKING:
    from emsync.music.video2music.model import ChordTransformer
    from emsync.music.video2music.regression import DynamicsNetwork


@dataclass(frozen=True)
class Checkpoint:
    """Both networks, loaded, and where they come from."""

    name: str
    chords: "ChordTransformer"
    dynamics: "DynamicsNetwork"
    card: Mapping[str, object]
    """`config.json` as written: architecture, source, what they were trained on."""
    sha256: str
    """Over all files."""

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
    precision: weights_folder.Precision = "single",
) -> None:
    """Write both networks, and last their card, without which `load` refuses the folder.

    Args:
        chords, dynamics: on any device.
        folder: made if needed.
        card: what is worth knowing of the weights; architecture and SHA-256 are added.
        precision: of the numbers as they are written.

    Raises:
        ValueError: the networks expect different features.
    """
    if chords.settings.semantic != dynamics.settings.semantic:
        raise ValueError("both networks must be given the same features")
    state = {f"chords.{name}": value for name, value in chords.state_dict().items()}
    state |= {f"dynamics.{name}": value for name, value in dynamics.state_dict().items()}
    architecture = {"chords": chords.settings.to_dict(), "dynamics": dynamics.settings.to_dict()}
    weights_folder.save(state, folder, {**card, "architecture": architecture}, precision)


def load(folder: Path) -> Checkpoint:
    """Load both networks in float32 on the CPU, ready to compose.

    Raises:
        WeightsError: the folder does not hold them, or they are damaged.
    """
    import torch

    from emsync.music.video2music.model import ChordTransformer, ChordTransformerSettings
    from emsync.music.video2music.regression import DynamicsNetwork, DynamicsSettings

    if not weights_folder.is_there(folder):
        raise WeightsError(
            f"There are no weights of Video2Music in {folder}. Name a folder that training or "
            "conversion has written."
        )
    with weights_folder.refusing(
        lambda problem: (
            f"The weights of Video2Music in {folder} are damaged or of another version: {problem}. "
            "Fetch or make them again."
        )
    ):
        stored = weights_folder.load(folder)
        architecture = stored.card["architecture"]
        chords = ChordTransformer(ChordTransformerSettings(**architecture["chords"]))
        dynamics = DynamicsNetwork(DynamicsSettings(**architecture["dynamics"]))
        tensors = stored.tensors()
        for network, model in (("chords.", chords), ("dynamics.", dynamics)):
            model.load_state_dict(
                {
                    name.removeprefix(network): value.to(torch.float32)
                    for name, value in tensors.items()
                    if name.startswith(network)
                }
            )
    name = str(stored.card.get("name", folder.name))
    return Checkpoint(name, chords.eval(), dynamics.eval(), stored.card, stored.sha256)
