"""Our way of playing: by rule, from the score, the film's moods and its cuts."""

from collections.abc import Callable

import numpy as np

from emsync.music.composition import Composition
from emsync.music.notes import GROUPS, Note
from emsync.performance.conductor import conductor_of
from emsync.performance.context import Context, context_of
from emsync.performance.controllers import controls_of
from emsync.performance.drumming import ghost_notes
from emsync.performance.loudness import intended, velocities
from emsync.performance.performance import Performance
from emsync.performance.timing import ends, shifts
from emsync.settings import PerformanceSettings

_LOUDNESS, _TIMING, _GHOSTS = range(3)
"""Streams of random numbers, so that one rule's draws leave the others' as they are."""


Intention = Callable[[Context, PerformanceSettings], np.ndarray]
"""How loud each note is meant to be: velocities, float64 (notes,)."""


class ExpressivePerformer:
    """Plays by the rules of `emsync.performance.loudness` and its neighbours."""

    def __init__(self, intention: Intention = intended) -> None:
        self.intention = intention

    def perform(self, piece: Composition, settings: PerformanceSettings, seed: int) -> Performance:
        """Play a piece, see `Performer.perform`."""
        conductor = conductor_of(piece)
        if not piece.notes:
            return Performance((), (), conductor, piece.seconds)
        context = context_of(piece, conductor.tempo_map)
        asked = self.intention(context, settings)
        rng = np.random.default_rng([seed, _LOUDNESS])
        velocity = velocities(context, settings, rng, asked)
        notes = _played(context, velocity, settings, np.random.default_rng([seed, _TIMING]))
        if settings.ghost_notes and settings.groove and settings.expression:
            rng = np.random.default_rng([seed, _GHOSTS])
            notes += ghost_notes(piece, context, conductor.tempo_map, rng)
        notes.sort(key=lambda note: (note.start, note.group, note.pitch))
        controls = controls_of(piece, context, conductor.tempo_map, settings)
        return Performance(tuple(notes), controls, conductor, piece.seconds)


def open_performer() -> ExpressivePerformer:
    """Return the performer."""
    return ExpressivePerformer()


def _played(
    context: Context,
    velocity: np.ndarray,
    settings: PerformanceSettings,
    rng: np.random.Generator,
) -> list[Note]:
    """Return the notes with their velocities, at the moments at which they are played."""
    starts = np.maximum(context.start + shifts(context, settings, rng), 0.0)
    stops = ends(context, starts, settings)
    columns = (context.group, context.pitch, starts, stops, velocity)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Note(GROUPS[group], pitch, start, stop, loud)
        for group, pitch, start, stop, loud in rows
        if stop > start
    ]
