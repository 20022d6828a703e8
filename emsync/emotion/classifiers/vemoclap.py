"""VEMOCLAP on what the experts saw: six probabilities for a film or for one of its scenes.

The fusion is read only where it can look at everything it was trained on: a modality whose expert
is not installed, or failed, is not the same as a film without faces or speech (see `why_not`).

It was trained on whole films. A scene is given to it as if it were a film: with few items, and the
rest of each sequence padded.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emsync.emotion.features.report import FeatureReport, Stretch
from emsync.emotion.reading import checked_probabilities
from emsync.errors import EmsyncError, WeightsError
from emsync.text import listed
from emsync.weights import store as weights

if TYPE_CHECKING:
    from emsync.emotion.classifiers.fusion import Feature, Fusion

NAME = "vemoclap"
"""In `emsync.weights.store`."""
WEIGHTS_FILE = "model.safetensors"

_NOUNS = {
    "asr": "speech",
    "beats": "sound",
    "clip": "pictures",
    "face": "faces",
    "ocr": "text on the screen",
}
_SAME = 1e-3  # seconds within which two stretches are one


class NothingToRead(EmsyncError):
    """A stretch of film in which no feature of the fusion is to be found."""


@dataclass(frozen=True)
class FusedReading:
    """What the fusion makes of a stretch of film.

    Attributes:
        probabilities: six, order of `emsync.emotion.reading.EMOTIONS`, sum 1.
        missing: modalities with nothing to say of this stretch; the fusion saw zeros for them.
    """

    probabilities: tuple[float, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Vemoclap:
    """The trained fusion, loaded. Safe to share between threads: nothing in it changes."""

    model: "Fusion"
    card: dict[str, object]
    """`config.json` as written: architecture, data, compute, quality."""
    sha256: str
    """Of the weights."""

    def why_not(self, reports: Sequence[FeatureReport]) -> str | None:
        """Why the fusion should not read this film; None if it should.

        Every modality it was trained on must have run, or have honestly found nothing.
        The answer is a clause, to stand after “because”.
        """
        from emsync.emotion.classifiers.fusion import MODALITY

        known = {report.modality: report for report in reports}
        absent, found = [], False
        for feature in self.model.settings.features:
            modality = MODALITY[feature.name]
            report = known.get(modality)
            trouble = _trouble(report, feature)
            if trouble:
                absent.append(f"{_NOUNS[modality]} ({trouble})")
            found = found or (report is not None and report.vectors is not None)
        if absent:
            return f"VEMOCLAP's trained fusion also goes by {listed(absent)}"
        return None if found else "there is nothing in it that VEMOCLAP's trained fusion goes by"

    def read(self, reports: Sequence[FeatureReport], stretch: Stretch) -> FusedReading:
        """The emotion of a stretch; ask `why_not` before.

        Args:
            reports: of the experts; others are ignored.
            stretch: a scene of `Footage.scenes`, or (0, seconds) for the whole film.

        Raises:
            NothingToRead: not one feature has anything in this stretch.
            ValueError: vectors of another kind than the fusion was trained on.
        """
        import torch

        from emsync.emotion.classifiers.fusion import MODALITY

        known = {report.modality: report for report in reports}
        inputs, missing = {}, []
        for feature in self.model.settings.features:
            report = known.get(MODALITY[feature.name])
            vectors, times = gathered(report, feature.singular, stretch)
            if not len(vectors):
                missing.append(MODALITY[feature.name])
            inputs[feature.name] = self.model.input_of(feature, vectors, times.tolist())
        if len(missing) == len(inputs):
            raise NothingToRead(
                f"From {stretch[0]:.1f} s to {stretch[1]:.1f} s there is nothing that VEMOCLAP's "
                "trained fusion goes by. Read this stretch without it."
            )
        with torch.inference_mode():
            batch = {name: value[None] for name, value in inputs.items()}
            shares = self.model(batch)[0].double().softmax(dim=0).tolist()
        return FusedReading(checked_probabilities(shares), tuple(missing))


def gathered(
    report: FeatureReport | None, singular: bool, stretch: Stretch
) -> tuple[np.ndarray, np.ndarray]:
    """A modality's vectors for one stretch, (items, dim), and their times; both may be empty.

    Of a sequence those whose middle lies in the stretch, in order; of a text the one made for it.
    """
    if report is None or report.vectors is None:
        return np.zeros((0, 0), np.float32), np.zeros(0)
    if len(report.stretches) != len(report.vectors):
        raise ValueError(f"{report.modality} has vectors without times")
    stretches = np.array(report.stretches, dtype=float).reshape(-1, 2)
    times = stretches.mean(axis=1)
    if singular:
        chosen = np.flatnonzero((np.abs(stretches - stretch) < _SAME).all(axis=1))[:1]
    else:
        chosen = np.flatnonzero((stretch[0] <= times) & (times < stretch[1]))
        chosen = chosen[np.argsort(times[chosen], kind="stable")]
    return report.vectors[chosen], times[chosen]


def _trouble(report: FeatureReport | None, feature: "Feature") -> str | None:
    """Why a modality cannot be believed to have looked; None if it did."""
    if report is None:
        return "not consulted"
    if report.status == "no such content":
        return None
    if report.status != "ran":
        return report.status
    if report.vectors is None:
        return "which gave nothing that it knows"
    if report.vectors.ndim != 2 or report.vectors.shape[1] != feature.dim:
        return f"{report.vectors.shape[-1]} numbers an item, not {feature.dim}"
    return None


def save(model: "Fusion", folder: Path, card: dict[str, object]) -> None:
    """Write weights with their statistics, and `config.json`.

    The weights are written under another name first, and `config.json`, which holds their SHA-256,
    comes last: what an interrupted save leaves behind is refused by `load`.

    Args:
        model: on any device.
        folder: made if needed.
        card: what is worth knowing of the weights; the architecture is added.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{WEIGHTS_FILE}.partial"
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(state, partial)
    digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    partial.replace(folder / WEIGHTS_FILE)
    config = {**card, "fusion": model.settings.to_dict(), "sha256": digest}
    partial = folder / "config.json.partial"
    partial.write_text(json.dumps(config, indent=1) + "\n")
    partial.replace(folder / "config.json")


def load(folder: Path | None = None) -> Vemoclap:
    """Load a fusion, on the CPU; the published files are taken as they are, too.

    Args:
        folder: what `save` or `emsync.emotion.classifiers.vemoclap_published` wrote, or the
        published files
            under their own names; None finds the installed weights.

    Raises:
        WeightsNotInstalled: none are installed.
        WeightsError: the folder holds no whole fusion.
    """
    folder = weights.find(NAME) if folder is None else folder
    if not (folder / "config.json").exists():
        from emsync.emotion.classifiers import vemoclap_published as published

        if (folder / published.CHECKPOINT).exists():
            model, digest = published.read(
                folder / published.CHECKPOINT, folder / published.STATISTICS
            )
            return Vemoclap(model, published.card(folder / published.CHECKPOINT), digest)
        raise WeightsError(
            f"There is no fusion in {folder}: neither config.json nor {published.CHECKPOINT}. "
            f"Install it (python -m emsync weights pull {NAME}) or name another folder."
        )
    from safetensors import SafetensorError
    from safetensors.torch import load as load_bytes

    from emsync.emotion.classifiers.fusion import Fusion, FusionSettings

    try:
        card = json.loads((folder / "config.json").read_text())
        content = (folder / WEIGHTS_FILE).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != card["sha256"]:
            raise ValueError(f"{WEIGHTS_FILE} is not the file that was saved")
        model = Fusion(FusionSettings.from_dict(card["fusion"]))
        model.load_state_dict(load_bytes(content))
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError, OSError) as problem:
        raise WeightsError(
            f"The fusion in {folder} is damaged or of another version: {problem}. Install or "
            "train it again."
        ) from problem
    return Vemoclap(model, card, digest)
