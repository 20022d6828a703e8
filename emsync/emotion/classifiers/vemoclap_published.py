"""The VEMOCLAP checkpoint as its authors published it.

- `video_model.pt`, a PyTorch state dict: EMSYNC's demo (github.com/em-sync/emsync-colab) fetches it
  from Google Drive, file 11aaWCbhcccW_lTaUqKqux2h-nNAfIYCi;
- `stats.pt`, smallest and largest value of each feature: github.com/serkansulun/video-emotion;
- `video_model_config.pt` (optional; `video/weights_and_labels` of the demo): without it sequences
  are taken to be 16 items long and features to be normalised, as in that demo.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emsync.emotion.classifiers.fusion import SINGULAR, Feature, Fusion, FusionSettings
from emsync.errors import WeightsError
from emsync.text import unfit

CHECKPOINT = "video_model.pt"
STATISTICS = "stats.pt"

_PUBLISHED_NAMES = {
    "encoders.": "encoders.",
    "query_proj.": "query.",
    "key_proj.": "key.",
    "value_proj.": "value.",
    "attention_layers.": "attention.",
    "attn_norms.": "norms.",
    "cls_mlp.0.": "classify.",
}
_HEADS = 4  # not in the state dict; the published code's


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of the published fusion under this project's names.

    Raises:
        KeyError: an entry that the published fusion does not have.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        for old, new in _PUBLISHED_NAMES.items():
            if name.startswith(old):
                rest = name.removeprefix(old).replace(".out_proj.", ".out.")
                renamed[new + rest.replace(".in_proj_", ".project.")] = value
                break
        else:
            raise KeyError(f"{name} is no entry of the published fusion")
    return renamed


def settings_of(
    state: Mapping[str, Tensor], lengths: Mapping[str, int] | None = None, heads: int = _HEADS
) -> FusionSettings:
    """Return the architecture of a published state dict, read off its shapes.

    Args:
        state: its encoders tell the features.
        lengths: items of each sequence; 16 where none are given.
        heads: of the attention.
    """
    encoders = {
        name.split(".")[1]: value.shape
        for name, value in state.items()
        if name.startswith("encoders.") and name.endswith(".weight")
    }
    features = tuple(
        Feature(name, shape[1], 1 if name in SINGULAR else (lengths or {}).get(name, 16))
        for name, shape in sorted(encoders.items())
    )
    return FusionSettings(features, state["cls_mlp.0.weight"].shape[1] // _parts(features), heads)


def _parts(features: tuple[Feature, ...]) -> int:
    """Return how many parts the classifier sees side by side.

    They are the singular features, and each pair of sequences.
    """
    singular = sum(feature.singular for feature in features)
    sequences = len(features) - singular
    return max(1, singular + sequences * (sequences - 1))


def read(
    checkpoint: Path, statistics: Path, config: Path | None = None, heads: int = _HEADS
) -> tuple[Fusion, str]:
    """Return the fusion in the published files, and the SHA-256 of its checkpoint.

    Only tensors and numbers are unpickled.

    Raises:
        WeightsError: the files are not those.
    """
    state, ranges = _loaded(checkpoint), _loaded(statistics)
    described = _loaded(config) if config else {}
    at_work = checkpoint
    try:
        model = Fusion(settings_of(state, described.get("feature_lengths"), heads))
        own = {k: v for k, v in model.state_dict().items() if k.startswith("ranges.")}
        model.load_state_dict({**from_published(state), **own})
        at_work = statistics
        for feature in model.settings.features if described.get("normalize_data", True) else ():
            found = ranges[feature.name]
            model.range_of(feature).set(found["min"], found["max"])
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as problem:
        raise _unlike(at_work, problem) from problem
    return model, hashlib.sha256(checkpoint.read_bytes()).hexdigest()


def card(checkpoint: Path) -> dict[str, object]:
    """Return what is known of the published weights."""
    return {
        "source": f"published VEMOCLAP fusion, {checkpoint.name}",
        "data": "Ekman-6, features of its authors' experts (arXiv 2410.21303)",
        "quality": "not measured here; its authors report 65.28 % on Ekman-6 for the method",
    }


def _loaded(path: Path) -> Any:
    """Return what a PyTorch file holds of tensors, and of plain and NumPy numbers."""
    from numpy._core.multiarray import _reconstruct, scalar

    allowed: list[Any] = [np.ndarray, np.dtype, *(type(np.dtype(k)) for k in ("f4", "f8", "i8"))]
    # NumPy 1 wrote the same functions under another name.
    for package in ("numpy._core", "numpy.core"):
        allowed.append((_reconstruct, f"{package}.multiarray._reconstruct"))
        allowed.append((scalar, f"{package}.multiarray.scalar"))
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as problem:
        raise WeightsError(
            f"There is no file {path}. VEMOCLAP needs its checkpoint ({CHECKPOINT}) and the range "
            f"of each feature ({STATISTICS})."
        ) from problem
    except Exception as problem:  # the unpickler is not choosy about what it raises on nonsense
        raise _unlike(path, problem) from problem


def _unlike(path: Path, problem: Exception) -> WeightsError:
    """Return the error that says which file is not the published one."""
    return WeightsError(
        f"{path.name} is not what the authors of VEMOCLAP published: {unfit(problem)}"
    )
