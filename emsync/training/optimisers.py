"""How the generator's weights move: optimisers, learning rate, and a moving average."""

import copy
import sys
from typing import Any

import torch
from torch import nn

from emsync.music.transformer.model import MusicTransformer
from emsync.training.crops import TrainingSettings

HARMONY_RATE = 20.0
"""Learning rate of the chords' vectors against AdamW's others: they begin as zero, often in a model
that has learned all else, and each is needed in few positions. Ours."""


def optimisers_of(
    model: MusicTransformer, settings: TrainingSettings
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the rest; AdamW alone for `relative`.

    Each group of parameters has a `scale`, by which its learning rate is multiplied.
    """
    inner: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    chords: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if name.startswith("harmony."):
            chords.append(parameter)
        elif parameter.ndim == 2 and name.startswith("layers.") and _has_muon(model):
            inner.append(parameter)
        else:
            rest.append(parameter)
    groups: list[dict[str, Any]] = [{"params": rest, "scale": 1.0}]
    if chords:
        groups.append({"params": chords, "scale": HARMONY_RATE})
    adam = torch.optim.AdamW(
        groups, lr=settings.adam_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    if not inner:
        return [adam]
    if not hasattr(torch.optim, "Muon"):
        sys.exit(f"Muon came with torch 2.9; this is torch {torch.__version__}.")
    muon = torch.optim.Muon(
        [{"params": inner, "scale": 1.0}], lr=settings.muon_rate, weight_decay=settings.weight_decay
    )
    return [muon, adam]


def _has_muon(model: MusicTransformer) -> bool:
    return model.settings.positions == "rotary"


def rate_factor(done: float, step: int, settings: TrainingSettings) -> float:
    """Learning rate relative to its peak: warm-up by steps, level, then linear to zero."""
    warm = min((step + 1) / settings.warmup_steps, 1.0)
    return warm * min(max(1.0 - done, 0.0) / settings.cooldown, 1.0)


class WeightAverage:
    """Exponential moving average of a model's weights, over fewer steps while it is young."""

    def __init__(self, model: MusicTransformer, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.model = copy.deepcopy(model)

    @torch.no_grad()
    def update(self, model: MusicTransformer) -> None:
        """Move towards the weights of `model`."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for mine, latest in zip(self.model.parameters(), model.parameters(), strict=True):
            mine.lerp_(latest, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]
        self.model.load_state_dict(state["model"])
