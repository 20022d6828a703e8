"""The options of the command line on performance, mix and sound."""

import argparse
from collections.abc import Callable
from typing import Any

from emsync.commands.option_types import gain_type, program_type, track_type
from emsync.settings import DELIVERIES, MUTED, Settings

Knob = Callable[..., Any]
"""Adds an option that is a setting to a group: the group, the option, its help, and more."""


def add_sound(sound: argparse._ArgumentGroup, knob: Knob, standard: Settings) -> None:
    """Add options on how it is played and sounds; `standard` holds where none is given."""
    _add_performance(sound, knob)
    _add_mix(sound, knob)
    knob(
        sound,
        "--program",
        "General MIDI program of a group, counted from 0, such as piano=4; may be given several "
        "times",
        metavar="GROUP=N",
        action="extend",
        type=program_type,
        default=list(standard.sound.programs),
    )
    knob(
        sound,
        "--gain",
        f"decibels by which a group is louder or softer in the mix, such as drums=-6; {MUTED:g} is "
        "silent; may be given several times",
        metavar="GROUP=DB",
        action="extend",
        type=gain_type,
        default=list(standard.sound.gains),
    )
    knob(
        sound,
        "--soundfont",
        "SF2 file to play with, or 'none' for the installed one (default: %(default)s)",
        metavar="FILE",
    )


def _add_performance(sound: argparse._ArgumentGroup, knob: Knob) -> None:
    """Add options on how it is played, and on the film's own sound beside it."""
    knob(
        sound,
        "--performer",
        "play with expression, by rule; with a touch learned from pianists' recordings, for "
        "research use; or flat: as written, every note as loud as the next but for the chords on "
        "cuts, as in the paper (default: %(default)s)",
    )
    knob(
        sound,
        "--expression",
        "how much expression: 0 is none, 2 is twice as much (default: %(default)s)",
        metavar="AMOUNT",
    )
    knob(
        sound,
        "--original-sound",
        "replace the film's own sound, keep it under the music, or keep it as it is and duck the "
        "music under speech (default: %(default)s)",
    )
    knob(
        sound,
        "--audio-track",
        "which of several sound tracks is the film's own sound, counted from 1; 'mix' for all of "
        "them; 'none' for the default one, or else one that is not silent (default: %(default)s)",
        metavar="N|mix",
        type=track_type,
    )
    knob(
        sound,
        "--balance",
        "the music against the film's own sound, -24 to 24 (default: %(default)s)",
        metavar="DB",
    )


def _add_mix(sound: argparse._ArgumentGroup, knob: Knob) -> None:
    """Add options on how it is mixed, and on the files."""
    knob(
        sound,
        "--loudness",
        f"where it will be heard: {_deliveries()}; lufs: as a preset says; peak: the loudest "
        "sample at -3 dB, as in the paper (default: %(default)s)",
    )
    knob(
        sound,
        "--space",
        "the reverb; mood: the calmer the film, the larger the space; published: FluidSynth's own, "
        "as it comes (default: %(default)s)",
    )
    knob(
        sound,
        "--width",
        "how far from the middle the instruments sit, 0 to 2 (default: %(default)s)",
        metavar="AMOUNT",
    )
    knob(
        sound,
        "--group-balance",
        "0: each instrument as loud as its samples; 1: balanced by what they measure "
        "(default: %(default)s)",
        metavar="SHARE",
    )
    knob(
        sound,
        "--compression",
        "how much the loudest moments are evened out, 0 to 2 (default: %(default)s)",
        metavar="AMOUNT",
    )
    knob(
        sound,
        "--sample-rate",
        "of WAV and stems, such as 48000 for a cutting room (default: %(default)s)",
        metavar="HZ",
    )
    knob(sound, "--bit-depth", "of WAV and stems (default: %(default)s)")


def _deliveries() -> str:
    """Return the loudness of every delivery, as the help says it."""
    return "; ".join(f"{name}: {lufs:g} LUFS" for name, (lufs, _) in DELIVERIES.items())
