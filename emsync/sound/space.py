"""The space that the music seems to be played in: FluidSynth's reverb and chorus.

Both work on every stem by itself, as each has a synthesizer of its own; so stems still add up.
"""

from dataclasses import dataclass

from emsync.emotion.mapping import Mood
from emsync.settings import SpaceChoice


@dataclass(frozen=True)
class Space:
    """FluidSynth's two effects. A level of 0 is none."""

    name: str
    room_size: float = 0.0
    """0 to 1; how long the reverb lasts."""
    damping: float = 0.0
    """0 to 1; how much sooner high tones fade."""
    width: float = 0.0
    """0 to 1, from mono to as wide as the stage."""
    reverb: float = 0.0
    """Level, 0 to 1."""
    chorus: float = 0.0
    """Level, 0 to 10."""
    chorus_voices: int = 3
    chorus_hertz: float = 0.25
    chorus_milliseconds: float = 4.0

    @property
    def is_dry(self) -> bool:
        """Whether nothing is heard of it."""
        return not self.reverb and not self.chorus


DRY = Space("dry")
ROOM = Space("room", room_size=0.0, damping=0.5, width=0.6, reverb=1.0, chorus=0.5)
"""Fades by 60 dB in 0.9 s: a chamber music hall, or a large studio; FluidSynth's shortest."""
HALL = Space("hall", room_size=0.6, damping=0.3, width=0.9, reverb=0.6, chorus=0.8)
"""Fades by 60 dB in 1.9 s: concert halls that are loved have 1.8 to 2.1 s (Beranek 2004)."""
_NAMED = {space.name: space for space in (DRY, ROOM, HALL)}


def space_of(choice: SpaceChoice, mood: Mood) -> Space | None:
    """Return the space that is asked for; None for FluidSynth's effects as they come.

    "mood": the calmer, the longer the reverb, from `ROOM` at arousal 1 to `HALL` at -1. To
    listeners short reverb makes music angrier and more comic, medium happier and more heroic, and
    long calmer, sadder, more romantic and mysterious (Mo, Wu & Horner 2015; with the reverb of
    real halls, Computer Music Journal 47/2, 2023). That goes with arousal, and not with valence.
    """
    if choice == "published":
        return None
    if choice != "mood":
        return _NAMED[choice]
    share = (1 - mood.arousal) / 2

    def between(room: float, hall: float) -> float:
        return room + share * (hall - room)

    return Space(
        "mood",
        between(ROOM.room_size, HALL.room_size),
        between(ROOM.damping, HALL.damping),
        between(ROOM.width, HALL.width),
        between(ROOM.reverb, HALL.reverb),
        between(ROOM.chorus, HALL.chorus),
    )
