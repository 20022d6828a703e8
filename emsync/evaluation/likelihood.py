"""How well a generator predicts real music that it was not trained on (thesis, table 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from emsync.music.transformer.model import MusicTransformer
from emsync.training.corpus import Piece
from emsync.training.train_music import Crops, Quality, TrainingSettings, evaluate

BATCHES = 64


@dataclass(frozen=True)
class TierLikelihood:
    """Next-token prediction on the test split of one licence tier."""

    tier: str
    pieces: int
    quality: Quality


def likelihood(
    model: MusicTransformer, pieces: Sequence[Piece], length: int = 1024, batches: int = BATCHES
) -> list[TierLikelihood]:
    """Negative log-likelihood (nats a token), top-1 and top-5 on test pieces, tier by tier.

    Crops are drawn as in training (transposed) but at their own tempo and with all conditions
    told, always the same ones, four of at most `length` tokens a batch.
    """
    length = min(length, model.settings.context - 4)
    settings = TrainingSettings(batch=4, length=length, retimed=0.0)
    device = model.head.weight.device
    found = []
    for tier in sorted({piece.tier for piece in pieces}):
        of_tier = [piece for piece in pieces if piece.tier == tier and piece.split == "test"]
        if not of_tier:
            continue
        with torch.no_grad():
            quality = evaluate(
                model, Crops(of_tier, settings, condition_dropped=0.0), batches, device
            )
        found.append(TierLikelihood(tier, len(of_tier), quality))
    model.eval()
    return found
