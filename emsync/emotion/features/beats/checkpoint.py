"""BEATs' weights: the published checkpoint, and the same in a format without pickles.

`python -m emsync.emotion.features.beats.checkpoint BEATs_….pt -o folder` writes a folder of
`emsync.weights.folder`; `load` takes a folder with either.
"""

import argparse
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emsync.emotion.features.beats.audioset import class_names
from emsync.emotion.features.beats.encoder import BeatsEncoder, BeatsSettings
from emsync.errors import WeightsError
from emsync.process.command import check_empty, exit_status
from emsync.weights import folder as weights_folder

PUBLISHED = "BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt"
"""The file that VEMOCLAP's features come from: iter3+, fine-tuned on AudioSet, second of two."""

_MEND = "Delete it and run: python -m emsync weights pull beats"

_REQUIRED = {
    "deep_norm": True,
    "layer_norm_first": False,
    "relative_position_embedding": True,
    "gru_rel_pos": True,
    "conv_bias": False,
    "activation_fn": "gelu",
    "finetuned_model": True,
}
"""What all the fine-tuned iter3 weights have, and the encoder therefore takes for granted."""

_PUBLISHED_SETTINGS = {
    "layers": "encoder_layers",
    "heads": "encoder_attention_heads",
    "width": "encoder_embed_dim",
    "inner_width": "encoder_ffn_embed_dim",
    "patch": "input_patch_size",
    "patch_width": "embed_dim",
    "position_kernel": "conv_pos",
    "position_groups": "conv_pos_groups",
    "distance_buckets": "num_buckets",
    "farthest": "max_distance",
    "classes": "predictor_class",
}
_PUBLISHED_NAMES = {
    "patch_embedding": "patch",
    "layer_norm": "patch_norm",
    "post_extract_proj": "widen",
    "encoder.layer_norm": "norm",
    "predictor": "classify",
}
_PUBLISHED_BLOCK_NAMES = {
    "self_attn.out_proj": "attention.out",
    "self_attn_layer_norm": "norm1",
    "fc1": "widen",
    "fc2": "narrow",
    "final_layer_norm": "norm2",
}


@dataclass(frozen=True)
class Beats:
    """A loaded model.

    Attributes:
        encoder: on the CPU, float32, in eval mode.
        identifiers: AudioSet's machine identifier of each of its classes, e.g. "/m/0bt9lr".
    """

    encoder: BeatsEncoder
    identifiers: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Display name of each class, e.g. "Dog"."""
        known = class_names()
        return tuple(known[identifier] for identifier in self.identifiers)


def load(folder: Path) -> Beats:
    """Load the model in a folder: a converted one, or one published `.pt` file.

    Raises:
        WeightsError: neither is there, or it is damaged or of another format.
    """
    if (folder / weights_folder.CONFIG).exists():
        return _loaded(folder, _read_converted)
    published = sorted(folder.glob("*.pt"))
    if len(published) != 1:
        raise WeightsError(
            f"The folder {folder} should hold one file of BEATs weights, {PUBLISHED}, but holds "
            f"{len(published)}. {_MEND}"
        )
    return load_published(published[0])


def load_published(path: Path) -> Beats:
    """Load a published file; nothing but tensors, numbers and text is unpickled.

    Raises:
        WeightsError: the file is not there, damaged, or another model.
    """
    if not path.exists():
        raise WeightsError(f"There is no file {path}.")
    return _loaded(path, _read_published)


def save(beats: Beats, folder: Path, source: str) -> None:
    """Write the model as `emsync.weights.folder` does.

    Args:
        beats: on any device.
        folder: made if needed.
        source: where the weights come from, for whoever reads the file.
    """
    card = {
        "source": source,
        "licence": "MIT, Copyright (c) 2022 Microsoft",
        "architecture": asdict(beats.encoder.settings),
        "identifiers": beats.identifiers,
    }
    weights_folder.save(beats.encoder.state_dict(), folder, card)


def from_published(state: Mapping[str, Tensor], settings: BeatsSettings) -> dict[str, Tensor]:
    """Return the state dict of the published code under this project's names, partly folded.

    Raises:
        KeyError: an entry that the published model has is missing.
    """
    renamed = _renamed(state, _PUBLISHED_NAMES)
    # Weight normalisation: a direction over the channels for each place of the kernel, a length.
    direction = state["encoder.pos_conv.0.weight_v"]
    length = state["encoder.pos_conv.0.weight_g"]
    renamed["position.weight"] = direction * length / direction.norm(dim=(0, 1), keepdim=True)
    renamed["position.bias"] = state["encoder.pos_conv.0.bias"]
    # The published file has this table once for every block, all of them the same.
    distance = state["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    renamed["distance.weight"] = distance
    for block in range(settings.layers):
        old, new = f"encoder.layers.{block}.", f"blocks.{block}."
        table = {old + a: new + b for a, b in _PUBLISHED_BLOCK_NAMES.items()}
        renamed |= _renamed(state, table)
        attention = f"{old}self_attn."
        for kind in ("weight", "bias"):
            renamed[f"{new}attention.query_key_value.{kind}"] = torch.cat(
                [state[f"{attention}{name}_proj.{kind}"] for name in "qkv"]
            )
            # Each gate is the sum of four outputs.
            gates = state[f"{attention}grep_linear.{kind}"]
            renamed[f"{new}attention.gates.{kind}"] = gates.unflatten(0, (2, 4)).sum(dim=1)
        # The published file keeps one number a head, (1, heads, 1, 1).
        renamed[f"{new}attention.gate_scale"] = state[f"{attention}grep_a"][0]
    return renamed


def settings_of(config: Mapping[str, Any]) -> BeatsSettings:
    """Return the architecture out of the published configuration.

    Raises:
        ValueError: it is a BEATs of another kind.
        KeyError: it is incomplete.
    """
    for name, value in _REQUIRED.items():
        if config[name] != value:
            raise ValueError(f"a BEATs with {name}={config[name]!r} is not supported")
    return BeatsSettings(**{ours: int(config[name]) for ours, name in _PUBLISHED_SETTINGS.items()})


def _renamed(state: Mapping[str, Tensor], table: Mapping[str, str]) -> dict[str, Tensor]:
    """Return the entries of the layers in a table, under their new names."""
    layers = ((name.rpartition("."), value) for name, value in state.items())
    return {f"{table[name]}.{kind}": value for (name, _, kind), value in layers if name in table}


_Parts = tuple[BeatsSettings, tuple[str, ...], dict[str, Tensor]]
"""Architecture, identifiers of the classes, weights."""


def _read_published(path: Path) -> _Parts:
    """Return what a published file holds."""
    found = torch.load(path, map_location="cpu", weights_only=True)
    settings = settings_of(found["cfg"])
    labels = {int(number): str(label) for number, label in found["label_dict"].items()}
    identifiers = tuple(labels[number] for number in range(settings.classes))
    return settings, identifiers, from_published(found["model"], settings)


def _read_converted(folder: Path) -> _Parts:
    """Return what a converted folder holds."""
    # Earlier conversions did not write down the SHA-256.
    stored = weights_folder.load(folder, sha256_required=False)
    settings = BeatsSettings(**stored.card["architecture"])
    return settings, tuple(stored.card["identifiers"]), stored.tensors()


def _loaded(path: Path, read: Callable[[Path], _Parts]) -> Beats:
    """Return the model that `read` finds at a path.

    Raises:
        WeightsError: it is damaged, or another model.
    """

    def sentence(problem: Exception) -> str:
        what = f"{'folder' if path.is_dir() else 'file'} {path.name}"
        return f"The {what} is damaged, or is not BEATs fine-tuned on AudioSet. {_MEND}"

    with weights_folder.refusing(sentence):
        try:
            settings, identifiers, state = read(path)
        except (pickle.UnpicklingError, EOFError) as problem:
            raise ValueError("it is no PyTorch file") from problem
        if len(identifiers) != settings.classes or not {*identifiers} <= {*class_names()}:
            raise ValueError(f"its labels are not {settings.classes} of AudioSet's classes")
        with torch.device("meta"):  # no time is spent on random weights
            encoder = BeatsEncoder(settings)
        single = {name: value.float() for name, value in state.items()}
        encoder.load_state_dict(single, assign=True)
    return Beats(encoder.eval(), identifiers)


def main(arguments: list[str] | None = None) -> int:
    """Convert the published weights; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m emsync.emotion.features.beats.checkpoint",
        description="The published BEATs weights in a format without pickles.",
    )
    parser.add_argument("checkpoint", type=Path, help=f"the published file, e.g. {PUBLISHED}")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the weights")
    options = parser.parse_args(arguments)

    def convert() -> None:
        check_empty(options.out)
        save(load_published(options.checkpoint), options.out, options.checkpoint.name)

    return exit_status(convert)


if __name__ == "__main__":
    sys.exit(main())
