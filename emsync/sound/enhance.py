"""What makes played sound better before it is mixed: one protocol, a row for each.

An enhancer works on every stem by itself, so that the stems still add up to the music.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from emsync.errors import SoundError
from emsync.progress import CancelToken


class Enhancer(Protocol):
    """Sound in, as much sound out. Its weights, if it has any, are loaded."""

    def enhance(
        self, blocks: Iterator[np.ndarray], sample_rate: int, cancel: CancelToken
    ) -> Iterator[np.ndarray]:
        """Yield the enhanced sound of one stem.

        Args:
            blocks: (frames, 2) float32 each, one after the other. The memory of one is used again
                for the next: copy what is kept.
            sample_rate: in Hz.
            cancel: looked at at least once a second or so.

        Yields:
            Blocks of any length, (frames, 2) float32, together as many frames as came in.
        """


class AsPlayed:
    """Leaves the sound as the synthesizer played it."""

    def enhance(
        self, blocks: Iterator[np.ndarray], sample_rate: int, cancel: CancelToken
    ) -> Iterator[np.ndarray]:
        """Yield `blocks`, see `Enhancer.enhance`."""
        yield from blocks


@dataclass(frozen=True)
class EnhancerRow:
    """An enhancer as page, command line and settings know it before it is loaded."""

    title: str
    maker: str
    """"module:name" of what makes it, without arguments."""


ENHANCERS: Mapping[str, EnhancerRow] = {
    "none": EnhancerRow("As played", "emsync.sound.enhance:AsPlayed"),
}
"""All enhancers by their name in the settings."""


def open_enhancer(name: str) -> Enhancer:
    """Load an enhancer.

    Raises:
        WeightsError: its weights are missing or damaged; with a sentence that says what to do.
    """
    module, maker = ENHANCERS[name].maker.split(":")
    enhancer: Enhancer = getattr(import_module(module), maker)()
    return enhancer


def enhanced(
    enhancer: Enhancer,
    blocks: Iterator[np.ndarray],
    sample_rate: int,
    block_frames: int,
    cancel: CancelToken,
) -> Iterator[np.ndarray]:
    """Yield a stem's enhanced sound in blocks of `block_frames`, the last as long as what is left.

    Raises:
        SoundError: the enhancer gave more or less sound than it was given.
    """
    given = taken = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal given
        for block in blocks:
            given += len(block)
            yield block

    rest = np.zeros((0, 2), np.float32)
    for block in enhancer.enhance(counted(), sample_rate, cancel):
        rest = block if not len(rest) else np.concatenate([rest, block])
        while len(rest) >= block_frames:
            taken += block_frames
            yield rest[:block_frames]
            rest = rest[block_frames:]
    for _ in counted():  # what it left, if anything, counts as well
        pass
    if taken + len(rest) != given:
        raise SoundError(
            f"The enhancer made {taken + len(rest)} samples of {given}. Choose another, or none."
        )
    if len(rest):
        yield rest
