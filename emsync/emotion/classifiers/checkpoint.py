"""A trained fusion on disk: in this project's folder format, or as VEMOCLAP's authors published it.

`python -m emsync.emotion.classifiers.checkpoint video_model.pt stats.pt -o OUT` reads what they
released and writes a folder that `load` takes. It takes the two files as they are, too, where
`python -m emsync weights pull vemoclap` has put them.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emsync.emotion.classifiers import vemoclap_published as published
from emsync.emotion.classifiers.fusion import Fusion, FusionSettings
from emsync.errors import WeightsError
from emsync.process.command import check_empty, exit_status, parser_of
from emsync.weights import folder as weights_folder


@dataclass(frozen=True)
class Trained:
    """A fusion out of its folder."""

    model: Fusion
    """On the CPU."""
    card: Mapping[str, object]
    """`config.json` as written: architecture, data, compute, quality."""
    sha256: str
    """Of the weights."""


def save(model: Fusion, folder: Path, card: Mapping[str, object]) -> None:
    """Write weights with the ranges of the features, and `config.json`.

    Args:
        model: on any device.
        folder: made if needed.
        card: what is worth knowing of the weights; the architecture is added.
    """
    weights_folder.save(model.state_dict(), folder, {**card, "fusion": model.settings.to_dict()})


def load(folder: Path) -> Trained:
    """Load a fusion, on the CPU.

    Args:
        folder: what `save` wrote, or the published files under their own names.

    Raises:
        WeightsError: the folder holds no whole fusion.
    """
    if not (folder / weights_folder.CONFIG).exists():
        return _load_published(folder)
    with weights_folder.refusing(
        lambda problem: (
            f"The fusion in {folder} is damaged or of another version: {problem}. Install or "
            "train it again."
        )
    ):
        stored = weights_folder.load(folder)
        model = Fusion(FusionSettings.from_dict(stored.card["fusion"]))
        model.load_state_dict(stored.tensors())
    return Trained(model, stored.card, stored.sha256)


def _load_published(folder: Path) -> Trained:
    """Load the two files that VEMOCLAP's authors released.

    Raises:
        WeightsError: they are not there, or not those.
    """
    checkpoint = folder / published.CHECKPOINT
    if not checkpoint.exists():
        raise WeightsError(
            f"There is no fusion in {folder}: neither config.json nor {published.CHECKPOINT}. "
            "Install it (python -m emsync weights pull vemoclap) or name another folder."
        )
    model, digest = published.read(checkpoint, folder / published.STATISTICS)
    return Trained(model, published.card(checkpoint), digest)


def main(arguments: list[str] | None = None) -> int:
    """Convert the published files; return the exit status."""
    parser = parser_of("emsync.emotion.classifiers.checkpoint", __doc__)
    parser.add_argument("checkpoint", type=Path, help=f"{published.CHECKPOINT}, as published")
    parser.add_argument("statistics", type=Path, help=f"{published.STATISTICS}, as published")
    parser.add_argument("--config", type=Path, help="video_model_config.pt, as published")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the weights")
    options = parser.parse_args(arguments)

    def convert() -> None:
        check_empty(options.out)
        model, digest = published.read(options.checkpoint, options.statistics, options.config)
        origin = {**published.card(options.checkpoint), "converted_from_sha256": digest}
        save(model, options.out, origin)

    return exit_status(convert)


if __name__ == "__main__":
    sys.exit(main())
