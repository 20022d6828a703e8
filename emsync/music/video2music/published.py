"""The published weights of Video2Music in this project's format.

`python -m emsync.music.video2music.published FOLDER -o weights/video2music` reads the two files
that the authors released, best_loss_weights.pickle (chords) and best_rmse_weights.pickle (loudness
and note density), and writes a folder that `--weights` takes. Only tensors are unpickled.
"""

import argparse
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from emsync.errors import WeightsError
from emsync.music.video2music.checkpoint import save
from emsync.music.video2music.features import OTHER_FEATURES
from emsync.music.video2music.model import (
    ChordTransformer,
    ChordTransformerSettings,
    position_table,
)
from emsync.music.video2music.regression import Cell, DynamicsNetwork, DynamicsSettings
from emsync.process.command import check_empty, exit_status
from emsync.text import unfit

CHORDS_FILE: Final = "best_loss_weights.pickle"
DYNAMICS_FILE: Final = "best_rmse_weights.pickle"
PUBLISHED_HEADS: Final = 8
"""The one number of the architecture that no shape tells where distances are not learned."""

_NAMES: Final = {
    "embedding_root.": "root.",
    "embedding_attr.": "quality.",
    "Linear_chord.": "chord_in.",
    "Linear_vis.": "film_in.",
    "Wout.": "head.",
    "transformer.encoder.norm.": "encoder_norm.",
    "transformer.decoder.norm.": "decoder_norm.",
}
_LAYER_NAMES: Final = {
    "self_attn.out_proj.": "attention.out.",
    "self_attn.Er": "attention.distance",
    "multihead_attn.out_proj.": "film.out.",
    "linear1.": "inner.widen.",
    "linear2.": "inner.narrow.",
    "norm1.": "norm1.",
    "norm2.": "norm2.",
    "norm3.": "norm3.",
}
_PACKED: Final = {"self_attn.in_proj_": "attention.", "multihead_attn.in_proj_": "film."}
"""Query, key and value, one under the other."""
_UNUSED: Final = ("embedding.", "condition_linear.", "Wout_root.", "Wout_attr.")
"""In the published file, and in no computation."""
_TABLES: Final = ("positional_encoding.pe", "positional_encoding_video.pe")
"""Sines and cosines, worked out here; those of a file are compared with them."""

Model = TypeVar("Model", ChordTransformer, DynamicsNetwork)


def chords_from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of the published chord transformer under this project's names.

    Raises:
        KeyError: an entry that the published model does not have.
        ValueError: a table of positions holds something else.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in _TABLES:
            _compare_table(name, value)
        elif name.startswith("transformer.") and ".layers." in name:
            _, stack, _, number, rest = name.split(".", 4)
            for new, part in _layer_entries(rest, value):
                renamed[f"{stack}.{number}.{new}"] = part
        elif not name.startswith(_UNUSED):
            renamed[_renamed(name, _NAMES)] = value
    return renamed


def _layer_entries(name: str, value: Tensor) -> list[tuple[str, Tensor]]:
    """Return the entries that one entry of a layer becomes, three where it was packed."""
    for packed, attention in _PACKED.items():
        if name.startswith(packed):
            kind = name.removeprefix(packed)  # weight or bias
            names = [f"{attention}{part}.{kind}" for part in ("query", "key", "value")]
            return list(zip(names, value.chunk(3), strict=True))
    return [(_renamed(name, _LAYER_NAMES), value)]


def _renamed(name: str, table: Mapping[str, str]) -> str:
    """Return `name` with its beginning exchanged; KeyError if none of the table fits."""
    for old, new in table.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    raise KeyError(f"{name} is no entry of the published model")


def _compare_table(name: str, table: Tensor) -> None:
    """ValueError if a table of positions (positions, 1, width) is not sines and cosines."""
    ours = position_table(table.shape[0], table.shape[-1])
    if not torch.allclose(table[:, 0], ours, atol=1e-4):  # cosines of 300 differ by 2e-5
        raise ValueError(f"{name} does not hold the sines and cosines that were expected")


def chord_settings_of(
    state: Mapping[str, Tensor], heads: int = PUBLISHED_HEADS
) -> ChordTransformerSettings:
    """Return the architecture of a published state, read off its shapes.

    Args:
        state: under the published names.
        heads: where the decoder is not relative, and no shape tells it.

    Raises:
        KeyError: an entry that the published model has is missing.
    """
    width, features = state["Linear_vis.weight"].shape
    distances = state.get("transformer.decoder.layers.0.self_attn.Er")
    return ChordTransformerSettings(
        layers=len({name.split(".")[3] for name in state if ".encoder.layers." in name}),
        heads=heads if distances is None else width // distances.shape[1],
        width=width,
        inner_width=state["transformer.encoder.layers.0.linear1.weight"].shape[0],
        frames=state["positional_encoding_video.pe"].shape[0],
        chords=state["positional_encoding.pe"].shape[0],
        semantic=features - OTHER_FEATURES,
        relative=distances is not None,
    )


def dynamics_from_published(state: Mapping[str, Tensor], cell: Cell) -> dict[str, Tensor]:
    """Return one of the four regressions of a published state under this project's names."""
    head = "bifc." if cell.startswith("bi") else "fc."
    table = {f"{cell}.": "recurrent.", head: "head."}
    return {_renamed(name, table): state[name] for name in state if name.startswith(tuple(table))}


def dynamics_settings_of(state: Mapping[str, Tensor], cell: Cell) -> DynamicsSettings:
    """Return the architecture of one of the four regressions of a published state.

    Raises:
        KeyError: an entry that the published model has is missing.
    """
    first = state[f"{cell}.weight_ih_l0"]
    return DynamicsSettings(
        cell=cell,
        layers=sum(
            name.startswith(f"{cell}.weight_ih_l") and not name.endswith("_reverse")
            for name in state
        ),
        width=state[f"{cell}.weight_hh_l0"].shape[1],
        semantic=first.shape[1] - OTHER_FEATURES,
    )


def read_chords(path: Path, heads: int = PUBLISHED_HEADS) -> ChordTransformer:
    """Return the chord transformer of a published file, ready to compose.

    Raises:
        WeightsError: the file is not that.
    """

    def build(state: Mapping[str, Tensor]) -> ChordTransformer:
        model = ChordTransformer(chord_settings_of(state, heads))
        model.load_state_dict(chords_from_published(state))
        return model

    return _read(path, "chord transformer", build)


def read_dynamics(path: Path, cell: Cell = "bigru") -> DynamicsNetwork:
    """Return the regression of a published file, ready to use.

    Args:
        path: of the file.
        cell: which of the four that it holds; the published code uses the bidirectional GRU.

    Raises:
        WeightsError: the file is not that.
    """

    def build(state: Mapping[str, Tensor]) -> DynamicsNetwork:
        model = DynamicsNetwork(dynamics_settings_of(state, cell))
        model.load_state_dict(dynamics_from_published(state, cell))
        return model

    return _read(path, "regression", build)


def _read(path: Path, what: str, build: Callable[[Mapping[str, Tensor]], Model]) -> Model:
    """Return the model that `build` makes of the tensors in a file.

    Raises:
        WeightsError: the file holds something else.
    """
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
        # Trained on several GPUs, the names of a model begin with "module.".
        return build({name.removeprefix("module."): value for name, value in found.items()}).eval()
    except FileNotFoundError as problem:
        raise WeightsError(f"There is no file {path}.") from problem
    except (
        pickle.UnpicklingError, RuntimeError, KeyError, TypeError, ValueError, AttributeError,
        IndexError, OSError, EOFError,
    ) as problem:  # fmt: skip
        raise WeightsError(
            f"{path.name} is not the published Video2Music {what}: {unfit(problem)}"
        ) from problem


def main(arguments: list[str] | None = None) -> int:
    """Convert the two published files; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m emsync.music.video2music.published", description=__doc__
    )
    parser.add_argument("folder", type=Path, help="with the two files that the authors released")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the weights")
    options = parser.parse_args(arguments)

    def convert() -> None:
        check_empty(options.out)
        chords = read_chords(options.folder / CHORDS_FILE)
        dynamics = read_dynamics(options.folder / DYNAMICS_FILE)
        save(chords, dynamics, options.out, {"source": "published Video2Music"})

    return exit_status(convert)


if __name__ == "__main__":
    sys.exit(main())
