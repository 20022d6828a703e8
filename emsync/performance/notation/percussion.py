"""Where drums stand on their staff: the usual kit notation (Weinberg 1998, "Guide to Standardized
Drumset Notation"): feet below, hands above, cymbals as crosses."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Drum:
    """One sound of the kit."""

    name: str
    step: str
    octave: int
    """Place on a staff that is read as with a treble clef."""
    head: str = "normal"
    """Name of its note head in MusicXML."""


DRUMS: Mapping[int, Drum] = {
    35: Drum("Bass drum 2", "E", 4),
    36: Drum("Bass drum", "F", 4),
    37: Drum("Side stick", "C", 5, "x"),
    38: Drum("Snare", "C", 5),
    39: Drum("Hand clap", "D", 5, "diamond"),
    40: Drum("Snare 2", "C", 5),
    41: Drum("Low floor tom", "G", 4),
    42: Drum("Closed hi-hat", "G", 5, "x"),
    43: Drum("Floor tom", "A", 4),
    44: Drum("Pedal hi-hat", "D", 4, "x"),
    45: Drum("Low tom", "B", 4),
    46: Drum("Open hi-hat", "G", 5, "circle-x"),
    47: Drum("Middle tom", "D", 5),
    48: Drum("High tom", "E", 5),
    49: Drum("Crash cymbal", "A", 5, "x"),
    50: Drum("High tom 2", "E", 5),
    51: Drum("Ride cymbal", "F", 5, "x"),
    52: Drum("China cymbal", "B", 5, "x"),
    53: Drum("Ride bell", "F", 5, "diamond"),
    54: Drum("Tambourine", "B", 5, "triangle"),
    55: Drum("Splash cymbal", "B", 5, "diamond"),
    56: Drum("Cowbell", "E", 5, "triangle"),
    57: Drum("Crash cymbal 2", "A", 5, "diamond"),
    59: Drum("Ride cymbal 2", "F", 5, "x"),
    69: Drum("Cabasa", "E", 5, "x"),
    70: Drum("Maracas", "E", 5, "x"),
    82: Drum("Shaker", "E", 5, "x"),
}
"""By General MIDI percussion key."""
_KIT = frozenset((35, 36, 37, 38, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 57, 59))
"""Sounds that every drummer knows without a word."""


def drum_of(key: int) -> Drum:
    """Return where a percussion key stands; those that have no usual place stand above the staff,
    by their number."""
    return DRUMS.get(key, Drum(f"Percussion {key}", "C", 6, "diamond"))


def needs_words(key: int) -> bool:
    """Return whether a sound is named where it is first played."""
    return key not in _KIT
