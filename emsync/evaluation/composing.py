"""Pieces for the measurements: one draw each, without candidates or re-draws."""

from collections.abc import Callable, Sequence

from emsync.music.checkpoint import Checkpoint
from emsync.music.decoding import DecodedPiece, Plan, generate
from emsync.progress import CancelToken
from emsync.settings import MusicSettings

ROWS = 16
"""Pieces decoded side by side."""


def compose_plans(
    checkpoint: Checkpoint,
    plans: Sequence[Plan],
    settings: MusicSettings,
    advance: Callable[[float], None],
) -> list[DecodedPiece]:
    """One piece a plan, in their order; `advance` is told the share that is done, in [0, 1]."""
    pieces: list[DecodedPiece] = []
    for first in range(0, len(plans), ROWS):
        some = plans[first : first + ROWS]

        def told(share: float, first: int = first, rows: int = len(some)) -> None:
            advance((first + share * rows) / len(plans))

        pieces += generate(checkpoint.model, some, settings, CancelToken(), told)
    advance(1.0)
    return pieces
