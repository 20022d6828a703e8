"""The published EMSYNC generator in this project's format.

`python -m emsync.music.transformer.published model.pt -o weights/published` reads the checkpoint
that the paper's authors released (a PyTorch state dict) and writes a folder that `--weights` takes.
"""

import argparse
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emsync.errors import WeightsError
from emsync.music.transformer.checkpoint import save
from emsync.music.transformer.model import MusicTransformer, TransformerSettings
from emsync.process.command import check_empty, exit_status
from emsync.text import unfit

_PUBLISHED_NAMES = {
    "embedding.": "embedding.",
    "fc.": "head.",
    "fc_conditions.": "mood.networks.",
    "null_conditions.": "mood.not_given.",
    "ff_times_to_chord.": "boundary.",
}
_PUBLISHED_LAYER_NAMES = {
    "rga.Wq.": "attention.query.",
    "rga.Wk.": "attention.key.",
    "rga.Wv.": "attention.value.",
    "rga.fc.": "attention.out.",
    "rga.E": "attention.distance",
    "FFN_pre.": "widen.",
    "FFN_suf.": "narrow.",
    "layernorm1.": "norm1.",
    "layernorm2.": "norm2.",
}


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of the published EMSYNC generator under this module's names.

    Raises:
        KeyError: an entry that the published generator does not have.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if name == "positional_encoding":
            renamed["position"] = value[0]
            continue
        if name.startswith("enc_layers."):
            _, number, rest = name.split(".", 2)
            prefix, table = f"layers.{number}.", _PUBLISHED_LAYER_NAMES
        else:
            prefix, table, rest = "", _PUBLISHED_NAMES, name
        for old, new in table.items():
            if rest.startswith(old):
                renamed[prefix + new + rest.removeprefix(old)] = value
                break
        else:
            raise KeyError(f"{name} is no entry of the published generator")
    return renamed


def settings_of(state: Mapping[str, Tensor]) -> TransformerSettings:
    """Architecture of a published state dict, read off its shapes.

    Raises:
        KeyError: an entry that the published generator has is missing.
    """
    distances = state["enc_layers.0.rga.E"]
    width = state["embedding.weight"].shape[1]
    layers = {name.split(".")[1] for name in state if name.startswith("enc_layers.")}
    return TransformerSettings(
        positions="relative",
        layers=len(layers),
        heads=width // distances.shape[1],
        width=width,
        inner_width=state["enc_layers.0.FFN_pre.weight"].shape[0],
        context=distances.shape[0],
    )


def read(path: Path) -> MusicTransformer:
    """Return the generator in a published checkpoint; only tensors are unpickled.

    Raises:
        WeightsError: the file is not that checkpoint.
    """
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
        while "embedding.weight" not in found:
            # Training code often wraps the state dict, or the model in `DataParallel`.
            if any(name.startswith("module.") for name in found):
                found = {name.removeprefix("module."): value for name, value in found.items()}
            else:
                found = next(v for v in found.values() if isinstance(v, Mapping) and len(v))
        model = MusicTransformer(settings_of(found))
        model.load_state_dict(from_published(found))
    except FileNotFoundError as problem:
        raise WeightsError(f"There is no file {path}.") from problem
    except (
        pickle.UnpicklingError,
        RuntimeError,
        KeyError,
        StopIteration,
        TypeError,
        ValueError,
        AttributeError,
        OSError,
        EOFError,
    ) as problem:
        raise WeightsError(
            f"{path.name} is not the published EMSYNC music generator: {unfit(problem)}"
        ) from problem
    return model.eval()


def main(arguments: list[str] | None = None) -> int:
    """Convert the published checkpoint; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m emsync.music.transformer.published", description=__doc__
    )
    parser.add_argument("checkpoint", type=Path, help="the file that the authors released")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the weights")
    options = parser.parse_args(arguments)

    def convert() -> None:
        check_empty(options.out)
        source = f"published EMSYNC generator, {options.checkpoint.name}"
        save(read(options.checkpoint), options.out, {"source": source}, half=False)

    return exit_status(convert)


if __name__ == "__main__":
    sys.exit(main())
