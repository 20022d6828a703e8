"""The paper's way of playing: every note as it is written, velocity 80, chords on hits 120."""

from emsync.music.composition import Composition
from emsync.performance.conductor import conductor_of
from emsync.performance.performance import Performance
from emsync.settings import PerformanceSettings


class FlatPerformer:
    """Plays the notes as they are written and nothing else."""

    def perform(self, piece: Composition, settings: PerformanceSettings, seed: int) -> Performance:
        """Play a piece, see `Performer.perform`; settings and seed change nothing."""
        return Performance(piece.notes, (), conductor_of(piece), piece.seconds)


def open_performer() -> FlatPerformer:
    """Return the performer."""
    return FlatPerformer()
