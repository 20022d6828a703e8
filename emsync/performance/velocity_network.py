"""A small network that predicts how loud a pianist plays each note, from the score alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emsync.performance.score_features import NAMES
from emsync.weights import folder as weights_folder

SHIPPED = Path(__file__).resolve().parents[2] / "weights" / "pianist"
_ARRAYS = ("centre", "scale", "w1", "b1", "w2", "b2", "w3", "b3")


@dataclass(frozen=True)
class VelocityNetwork:
    """Two hidden layers of rectified units over `emsync.performance.score_features`."""

    centre: np.ndarray
    """Mean of each feature, (features,)."""
    scale: np.ndarray
    """Standard deviation of each feature, (features,)."""
    w1: np.ndarray
    """(features, units)."""
    b1: np.ndarray
    w2: np.ndarray
    """(units, units)."""
    b2: np.ndarray
    w3: np.ndarray
    """(units, 1)."""
    b3: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return how much louder than the mean of its piece each note is, in standard deviations
        of the piece, float64 (notes,).

        Args:
            features: float32 (notes, features).
        """
        x = (features - self.centre) / self.scale
        x = np.maximum(x @ self.w1 + self.b1, 0)  # (notes, units)
        x = np.maximum(x @ self.w2 + self.b2, 0)
        return np.asarray((x @ self.w3 + self.b3)[:, 0], dtype=np.float64)


def save_network(network: VelocityNetwork, folder: Path, card: dict[str, Any]) -> None:
    """Write a network as `emsync.weights.folder` describes; the features' names are added."""
    arrays = {name: getattr(network, name) for name in _ARRAYS}
    weights_folder.save(arrays, folder, {**card, "features": list(NAMES)}, "single")


def load_network(folder: Path = SHIPPED) -> VelocityNetwork:
    """Load the network that ships, or the one in `folder`.

    Raises:
        WeightsError: it is missing or not what was saved.
    """
    with weights_folder.refusing(
        lambda problem: (
            f"The pianist's weights in {folder} are missing or damaged: {problem}. Fetch the whole "
            "repository again, weights included."
        )
    ):
        stored = weights_folder.load(folder)
        if stored.card["features"] != list(NAMES):
            raise ValueError("they are for other features")
        arrays = stored.arrays()
        return VelocityNetwork(**{name: arrays[name] for name in _ARRAYS})
