"""What both networks make of a film's features: a chord, a loudness and a density a second."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from emsync.music.video2music.checkpoint import Checkpoint
from emsync.music.video2music.features import padded
from emsync.music.video2music.generate import DrawingRules, Draws, generate
from emsync.music.video2music.vocabulary import Chord
from emsync.progress import CancelToken

OVERLAP = 4
"""Seconds that two windows of a film longer than 300 s share. Ours: the published code ends there;
here the last chords of one window begin the next."""


@dataclass(frozen=True)
class Dynamics:
    """What the regression says of every second. Arrays float32, (seconds,)."""

    density: np.ndarray
    """Notes a second."""
    loudness: np.ndarray
    """Full scale 1."""


def window_of(checkpoint: Checkpoint) -> int:
    """Return how many seconds are composed at a time: 300."""
    settings = checkpoint.chords.settings
    return min(settings.chords, settings.frames)


def dynamics_of(checkpoint: Checkpoint, rows: np.ndarray) -> Dynamics:
    """Return loudness and note density of every second of a film.

    Args:
        checkpoint: of both networks.
        rows: (seconds, features), see `FilmFeatures.rows`.
    """
    frames = max(len(rows), checkpoint.chords.settings.frames)
    with torch.inference_mode():
        found = checkpoint.dynamics(torch.from_numpy(padded(rows, frames))[None])[0]  # (frames, 2)
    density, loudness = found[: len(rows)].numpy().T
    return Dynamics(density, loudness)


def write_chords(
    checkpoint: Checkpoint,
    rows: np.ndarray,
    primer: Sequence[Chord],
    key: float,
    rules: DrawingRules,
    draws: Draws,
    cancel: CancelToken,
    advance: Callable[[float], None],
    show: Callable[[Sequence[Chord]], None],
) -> list[Chord]:
    """Return a chord for every second of a film.

    Args:
        checkpoint: of both networks.
        rows: (seconds, features), see `FilmFeatures.rows`.
        primer: chords to begin with.
        key: 0 for major, 1 for minor.
        rules, draws: see `generate`.
        cancel: stops within a chord.
        advance: told the share that is done.
        show: shown the chords so far after each one.

    Raises:
        Cancelled: the owner asked to stop.
    """
    window = window_of(checkpoint)
    chords: list[Chord] = []
    while len(chords) < len(rows):
        start = max(0, len(chords) - OVERLAP)
        before, begun = chords[:start], chords[start:] or primer

        def shown(new: list[Chord], before: Sequence[Chord] = before) -> None:
            advance((len(before) + len(new)) / len(rows))
            show([*before, *new])

        chords = before + generate(
            checkpoint.chords,
            torch.from_numpy(padded(rows[start:], checkpoint.chords.settings.frames)),
            begun,
            key,
            min(window, len(rows) - start),
            rules,
            draws,
            cancel,
            shown,
        )
    return chords


def draws_of(seed: int) -> Draws:
    """Yield the numbers that the candidate of this seed is drawn by, without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield float(torch.rand((), generator=generator, dtype=torch.float64))
