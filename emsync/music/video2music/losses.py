"""What Video2Music is trained by and measured by (paper, section 4; published code)."""

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from emsync.music.video2music.vocabulary import CHORDS, PAD

CHORD_SHARE: Final = 0.4
"""Of the chord loss in the total; the rest is that of the emotion loss (paper: lambda)."""
CERTAIN: Final = 0.8
"""Probability from which the emotion of a second counts for the correspondence."""


@dataclass(frozen=True)
class Losses:
    """Losses of one piece or batch, as tensors without dimensions."""

    chord: Tensor
    """Cross-entropy in nats of a chord; PAD does not count."""
    emotion: Tensor
    """Binary cross-entropy in nats of an output, all seconds and outputs counted."""

    @property
    def total(self) -> Tensor:
        """Return the loss that is trained on."""
        return CHORD_SHARE * self.chord + (1 - CHORD_SHARE) * self.emotion


def losses_of(
    logits: Tensor, targets: Tensor, fitting: Tensor, label_smoothing: float = 0.0
) -> Losses:
    """Return the losses of predictions.

    Args:
        logits: (..., seconds, 159).
        targets: (..., seconds) ids of the chords that came.
        fitting: (..., seconds, 159), 1 for outputs that fit the emotion, see `Song`.
        label_smoothing: share of the probability that is spread over all outputs; 0 as published.
    """
    return Losses(
        F.cross_entropy(
            logits.flatten(0, -2),
            targets.flatten(),
            ignore_index=PAD,
            label_smoothing=label_smoothing,
        ),
        F.binary_cross_entropy_with_logits(logits, fitting.to(logits.dtype)),
    )


def hits(logits: Tensor, targets: Tensor, first: int) -> float:
    """Return the share of seconds whose chord is among the `first` most probable; not of PAD.

    Args:
        logits: (seconds, 159).
        targets: (seconds,).
        first: 1 for the accuracy.
    """
    known = targets != PAD
    best = logits[known].topk(first, dim=-1).indices  # (known, first)
    return float((best == targets[known, None]).any(-1).float().mean())


def correspondence(logits: Tensor, fitting: Tensor, certainty: Tensor) -> float:
    """Return the share of the most probable chords that fit the emotion; NaN where none counts.

    Seconds count whose emotion is certain, and fitted by some chords: not those of END and PAD.

    Args:
        logits: (seconds, 159).
        fitting: (seconds, 159), see `Song.emotion_targets`.
        certainty: (seconds,), see `Song.emotion_certainty`.
    """
    counted = (certainty >= CERTAIN) & (fitting[:, :CHORDS].sum(-1) > 0)  # (seconds,)
    if not counted.any():
        return float("nan")
    best = logits[counted].argmax(-1, keepdim=True)  # (counted, 1)
    return float(torch.gather(fitting[counted], -1, best).float().mean())
