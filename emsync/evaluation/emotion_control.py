"""Whether valence and arousal are heard: a grid of asked moods against what was composed."""

from dataclasses import dataclass
from statistics import median

import numpy as np

from emsync.music import vocabulary as v
from emsync.music.checkpoint import Checkpoint
from emsync.music.decoding import DecodedPiece, Plan, generate
from emsync.music.tokens import decode
from emsync.progress import CancelToken, silent_share
from emsync.settings import MusicSettings
from emsync.training.labels import majorness

GRID = (-0.8, -0.4, 0.0, 0.4, 0.8)
SECONDS = 30.0


@dataclass(frozen=True)
class EmotionControl:
    """Pearson correlations over the 5 x 5 grid, one point a piece."""

    pieces: int
    arousal_with_tempo: float
    """Tempo from the length of the bars, four beats each."""
    arousal_with_density: float
    """Note-ons a second."""
    valence_with_majorness: float
    valence_with_tempo: float
    """What valence should leave alone."""


def emotion_control(
    checkpoint: Checkpoint, settings: MusicSettings, pieces_a_cell: int, seed: int
) -> EmotionControl:
    """Compose `pieces_a_cell` pieces of 30 s for each of 25 moods, without boundaries."""
    rows = []
    for cell, valence in enumerate(GRID):
        plans = [
            Plan(valence, arousal, (), SECONDS, seed + 1000 * cell + 100 * row + i)
            for row, arousal in enumerate(GRID)
            for i in range(pieces_a_cell)
        ]
        for plan, piece in zip(
            plans,
            generate(checkpoint.model, plans, settings, CancelToken(), silent_share),
            strict=True,
        ):
            rows.append((plan.valence, plan.arousal, *_heard(piece)))
    table = np.array(rows)
    return EmotionControl(
        pieces=len(table),
        arousal_with_tempo=_correlation(table[:, 1], table[:, 2]),
        arousal_with_density=_correlation(table[:, 1], table[:, 3]),
        valence_with_majorness=_correlation(table[:, 0], table[:, 4]),
        valence_with_tempo=_correlation(table[:, 0], table[:, 2]),
    )


def _heard(piece: DecodedPiece) -> tuple[float, float, float]:
    """Tempo in beats a minute (NaN without bars), notes a second, majorness."""
    decoded = decode(piece.tokens)
    bars = [b - a for a, b in zip(decoded.bars, decoded.bars[1:], strict=False)]
    tempo = 240.0 / (median(bars) * v.TICK_SECONDS) if bars else float("nan")
    return tempo, len(decoded.notes) / SECONDS, majorness(decoded.notes)


def _correlation(asked: np.ndarray, heard: np.ndarray) -> float:
    known = ~np.isnan(heard)
    if known.sum() < 3 or not heard[known].std():
        return float("nan")
    return float(np.corrcoef(asked[known], heard[known])[0, 1])
