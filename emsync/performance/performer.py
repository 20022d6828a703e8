"""What every performer is: a composition goes in, a performance comes out.

A performer is a module beside this file and a row in `PERFORMERS`; what it can be asked for stands
in `PerformanceSettings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from emsync.music.composition import Composition
from emsync.performance.performance import Performance
from emsync.settings import PerformanceSettings


class Performer(Protocol):
    """One way to play what is written."""

    def perform(self, piece: Composition, settings: PerformanceSettings, seed: int) -> Performance:
        """Play a piece.

        Args:
            piece: with its mood curve, and the hit points that its strong chords meet.
            settings: how much of what.
            seed: the same seed, piece and settings give the same performance.

        Returns:
            Notes of which those at hit points begin when they were written to begin; nothing
            sounds after the film's end.
        """


@dataclass(frozen=True)
class PerformerRow:
    """A performer as page, command line and settings know it."""

    title: str
    module: str
    """Has `open_performer() -> Performer`."""


PERFORMERS: Mapping[str, PerformerRow] = {
    "expressive": PerformerRow("expressive", "emsync.performance.expressive"),
    "learned": PerformerRow("with a pianist's touch", "emsync.performance.learned"),
    "flat": PerformerRow("as written", "emsync.performance.flat"),
}
"""All performers by their name in the settings."""


def perform(piece: Composition, settings: PerformanceSettings, seed: int) -> Performance:
    """Play a piece as the performer does whom the settings name; see `Performer.perform`."""
    performer: Performer = import_module(PERFORMERS[settings.performer].module).open_performer()
    return performer.perform(piece, settings, seed)
