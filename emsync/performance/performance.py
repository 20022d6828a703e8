"""What a performer makes of a composition: played notes, controllers, and what the conductor says.

All times are seconds from the film's start.
"""

from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Final

from emsync.music.composition import Composition
from emsync.music.notes import Note
from emsync.performance.tempo_map import TempoMap

EXPRESSION: Final = 11
SUSTAIN: Final = 64
"""Controllers of General MIDI: loudness within a note, and the right pedal of a piano."""


@dataclass(frozen=True)
class Control:
    """A controller is moved."""

    group: str
    """One of `emsync.music.notes.GROUPS`."""
    seconds: float
    number: int
    """Of the controller, 0 to 119."""
    value: int
    """0 to 127."""


@dataclass(frozen=True)
class Marker:
    """A moment of the film that has a name."""

    seconds: float
    text: str


@dataclass(frozen=True)
class KeySignature:
    """A key, from a moment on."""

    seconds: float
    name: str
    """As MIDI files name keys: "C", "F#m", "Bb"."""


@dataclass(frozen=True)
class Conductor:
    """What all players share: when bars and beats are, the keys, and the names of moments."""

    tempo_map: TempoMap
    keys: tuple[KeySignature, ...]
    """Ascending from 0 s; none where there are no pitched notes."""
    markers: tuple[Marker, ...]
    """Ascending."""


@dataclass(frozen=True)
class Performance:
    """A composition as it is played."""

    notes: tuple[Note, ...]
    """Ascending by start; with the velocities and at the moments at which they are played."""
    controls: tuple[Control, ...]
    """Ascending."""
    conductor: Conductor
    seconds: float
    """Length of the film; nothing sounds after it."""


@dataclass(frozen=True)
class Moved:
    """What quantising did to the beginnings of notes."""

    notes: int
    """That were moved by a millisecond or more."""
    median: float
    """Seconds, of those."""
    largest: float
    """Seconds."""


@dataclass(frozen=True)
class PerformanceSummary:
    """What a report tells of a performance."""

    notes: int
    added: int
    """Notes that are not written: ghost notes of the drums."""
    velocity_mean: float
    velocity_deviation: float
    """Standard deviation within the piece; pianists have 11 to 22."""
    controllers: int
    """Movements of pedal and bows."""
    bars: int
    tempo_changes: int
    """In the MIDI file, the first tempo not counted."""
    time_signatures: tuple[str, ...]
    """In the MIDI file, a pickup's among them."""
    keys: tuple[str, ...]
    quantised: Moved
    """What a quantised export does to it."""


def summary_of(piece: Composition, played: Performance, moved: Moved) -> PerformanceSummary:
    """Return what a report tells of how `piece` was played, and of its quantised export."""
    loud = [note.velocity for note in played.notes] or [0]
    tempo_map = played.conductor.tempo_map
    return PerformanceSummary(
        notes=len(played.notes),
        added=len(played.notes) - len(piece.notes),
        velocity_mean=fmean(loud),
        velocity_deviation=pstdev(loud),
        controllers=len(played.controls),
        bars=len(tempo_map.bars),
        tempo_changes=len(tempo_map.tempos) - 1,
        time_signatures=tuple(f"{upper}/{lower}" for _, upper, lower in tempo_map.metres),
        keys=tuple(key.name for key in played.conductor.keys),
        quantised=moved,
    )
