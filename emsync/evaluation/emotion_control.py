"""Whether valence and arousal are heard: a grid of asked moods against what was composed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

import numpy as np

from emsync.evaluation.composing import compose_briefs
from emsync.music.notes import TICK_SECONDS, NoteTable
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.decoding import DecodedPiece
from emsync.music.transformer.rows import Brief
from emsync.music.transformer.tokens import decode
from emsync.progress import silent_share
from emsync.settings import MusicSettings
from emsync.training.labels import majorness

GRID = (-0.8, -0.4, 0.0, 0.4, 0.8)
SECONDS = 30.0
RANGE = 2.0
"""Width of [-1, 1], in which moods lie."""


class Mood(Protocol):
    """What a listener says of a piece."""

    @property
    def valence(self) -> float: ...
    @property
    def arousal(self) -> float: ...


class Listener(Protocol):
    """Who hears the mood of a piece from its notes (ticks) and bars (ticks)."""

    def hear(self, notes: NoteTable, bars: Sequence[int]) -> Mood: ...


@dataclass(frozen=True)
class HeardPiece:
    """One piece, or the mean of the pieces of one mood. NaN where there is nothing to hear."""

    asked_valence: float
    asked_arousal: float
    valence: float
    """As the regressor hears it, in [-1, 1]."""
    arousal: float
    tempo: float
    """Beats a minute, from the median length of the bars, four beats each."""
    density: float
    """Note-ons a second."""
    majorness: float


@dataclass(frozen=True)
class EmotionControl:
    """Over the 5 x 5 grid. Correlations are Pearson's, one point a piece.

    Monotonicity is Spearman's rank correlation of the five means along one axis with what was
    asked, averaged over the five levels of the other axis: 1 if every step up is heard as one.
    """

    pieces: int
    normalised_error: float
    """|asked - heard| by the regressor, mean of both axes and all pieces, divided by the width 2
    of [-1, 1]."""
    valence_error: float
    """The same of valence alone."""
    arousal_error: float
    neutral_error: float
    """The same of a generator of which 0 is heard whatever is asked."""
    valence_with_heard_valence: float
    arousal_with_heard_arousal: float
    valence_with_heard_arousal: float
    """What valence should leave alone."""
    arousal_with_heard_valence: float
    """What arousal should leave alone."""
    arousal_with_tempo: float
    arousal_with_density: float
    valence_with_majorness: float
    valence_with_tempo: float
    """What valence should leave alone."""
    monotonicity: dict[str, float]
    """By what is heard: "valence" and "majorness" along valence, "arousal", "tempo" and "density"
    along arousal."""
    cells: tuple[HeardPiece, ...]
    """The means of the 25 moods."""


def emotion_control(
    checkpoint: Checkpoint,
    settings: MusicSettings,
    listener: Listener,
    pieces_a_cell: int,
    seed: int,
    seconds: float = SECONDS,
    advance: Callable[[float], None] = silent_share,
) -> EmotionControl:
    """Compose `pieces_a_cell` pieces for each of 25 moods, without boundaries, and hear them."""
    briefs = [
        Brief(valence, arousal, (), seconds, seed + 1000 * column + 100 * row + i)
        for column, valence in enumerate(GRID)
        for row, arousal in enumerate(GRID)
        for i in range(pieces_a_cell)
    ]
    pieces = compose_briefs(checkpoint, briefs, settings, advance)
    return control_of(
        [_heard(brief, piece, listener) for brief, piece in zip(briefs, pieces, strict=True)]
    )


def control_of(heard: Sequence[HeardPiece]) -> EmotionControl:
    """Return the figures for pieces that cover the grid."""
    table = {
        name: np.array([getattr(one, name) for one in heard]) for name in HeardPiece.__annotations__
    }
    valence, arousal = table["asked_valence"], table["asked_arousal"]
    errors = [
        _mean(np.abs(table[axis] - table[f"asked_{axis}"])) for axis in ("valence", "arousal")
    ]
    cells = [
        HeardPiece(
            **{
                name: _mean(column[(valence == x) & (arousal == y)])
                for name, column in table.items()
            }
        )
        for x in GRID
        for y in GRID
    ]
    return EmotionControl(
        pieces=len(heard),
        normalised_error=sum(errors) / 2 / RANGE,
        valence_error=errors[0] / RANGE,
        arousal_error=errors[1] / RANGE,
        neutral_error=_mean(np.abs(np.concatenate([valence, arousal]))) / RANGE,
        valence_with_heard_valence=_correlation(valence, table["valence"]),
        arousal_with_heard_arousal=_correlation(arousal, table["arousal"]),
        valence_with_heard_arousal=_correlation(valence, table["arousal"]),
        arousal_with_heard_valence=_correlation(arousal, table["valence"]),
        arousal_with_tempo=_correlation(arousal, table["tempo"]),
        arousal_with_density=_correlation(arousal, table["density"]),
        valence_with_majorness=_correlation(valence, table["majorness"]),
        valence_with_tempo=_correlation(valence, table["tempo"]),
        monotonicity={
            name: _monotonicity(np.array([getattr(cell, name) for cell in cells]), axis)
            for name, axis in (
                ("valence", 0), ("majorness", 0), ("arousal", 1), ("tempo", 1), ("density", 1)
            )
        },
        cells=tuple(cells),
    )  # fmt: skip


def _heard(brief: Brief, piece: DecodedPiece, listener: Listener) -> HeardPiece:
    decoded = decode(piece.tokens)
    bars = [b - a for a, b in zip(decoded.bars, decoded.bars[1:], strict=False)]
    mood = listener.hear(decoded.notes, decoded.bars) if len(decoded.notes) else None
    return HeardPiece(
        brief.valence,
        brief.arousal,
        mood.valence if mood else float("nan"),
        mood.arousal if mood else float("nan"),
        tempo=240.0 / (median(bars) * TICK_SECONDS) if bars else float("nan"),
        density=len(decoded.notes) / brief.seconds,
        majorness=majorness(decoded.notes),
    )


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _correlation(asked: np.ndarray, heard: np.ndarray) -> float:
    known = ~np.isnan(heard)
    if known.sum() < 3 or not heard[known].std():
        return float("nan")
    return float(np.corrcoef(asked[known], heard[known])[0, 1])


def _monotonicity(means: np.ndarray, axis: int) -> float:
    """Return the mean Spearman correlation of 25 cell means along an axis, 0 valence, 1 arousal."""
    from scipy.stats import rankdata

    lines = means.reshape(len(GRID), len(GRID))
    lines = lines.T if axis == 0 else lines
    levels = np.arange(len(GRID), dtype=float)
    ranks = rankdata(lines, axis=1, nan_policy="omit")
    return _mean(np.array([_correlation(levels, line) for line in ranks]))
