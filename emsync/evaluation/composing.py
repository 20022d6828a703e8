"""Pieces for the measurements: one draw each, or the continued opening, without re-draws."""

from collections.abc import Callable, Sequence

from emsync.music.judging.emotion_regressor import load_regressor
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.decoding import DecodedPiece, Drawing, generate
from emsync.music.transformer.free import promising, seeded
from emsync.music.transformer.rows import Brief
from emsync.progress import CancelToken, silent_share
from emsync.settings import MusicSettings

ROWS = 16
"""Pieces decoded side by side."""


def compose_briefs(
    checkpoint: Checkpoint,
    briefs: Sequence[Brief],
    settings: MusicSettings,
    advance: Callable[[float], None],
) -> list[DecodedPiece]:
    """Compose a piece for each brief; `advance` is told the share that is done, in [0, 1]."""
    before = 0.0
    if settings.openings > settings.candidates:  # the caller sees to it that pieces are long enough
        before = 0.5
        briefs = _chosen(checkpoint, briefs, settings, lambda share: advance(before * share))
    pieces: list[DecodedPiece] = []
    for first in range(0, len(briefs), ROWS):
        some = briefs[first : first + ROWS]

        def told(share: float, first: int = first, rows: int = len(some)) -> None:
            advance(before + (1 - before) * (first + share * rows) / len(briefs))

        pieces += generate(checkpoint.model, some, settings, CancelToken(), told)
    advance(1.0)
    return pieces


def _chosen(
    checkpoint: Checkpoint,
    briefs: Sequence[Brief],
    settings: MusicSettings,
    advance: Callable[[float], None],
) -> list[Brief]:
    """Return each brief with the seed whose opening is nearest to its mood, as in `compose`."""
    regressor, chosen = load_regressor(), []
    for number, brief in enumerate(briefs):
        seeds = seeded(brief, settings)
        # Begun again by the caller: many side by side are quicker than this one to its end.
        drawing = Drawing(checkpoint.model, seeds, settings)
        first, *_ = promising(drawing, seeds, settings, regressor, CancelToken(), silent_share)
        chosen.append(seeds[first])
        advance((number + 1) / len(briefs))
    return chosen
