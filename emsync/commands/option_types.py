"""How the words of the command line become the values of settings."""

import argparse
from collections.abc import Callable
from typing import Any

from emsync.errors import EmsyncError
from emsync.presets import value_of
from emsync.settings import GAINS, PROGRAMS


def setting_type(name: str) -> Callable[[str], Any]:
    """Return an argparse type: the value of a setting, checked as in a preset."""

    def convert(text: str) -> Any:
        try:
            return value_of(name, text, allow_paths=True)
        except EmsyncError as problem:
            raise argparse.ArgumentTypeError(str(problem)) from None

    return convert


def program_type(text: str) -> Any:
    """Convert "piano=4" into the programs that a setting holds; an argparse type."""
    group, equals, program = text.partition("=")
    if not equals or "," in text:
        raise argparse.ArgumentTypeError(
            f"“{text}” is not a group and a program {PROGRAMS}, such as piano=4"
        )
    return setting_type("sound.programs")(f"{group}:{program}")


def gain_type(text: str) -> Any:
    """Convert "drums=-6" into the gains that a setting holds; an argparse type."""
    group, equals, gain = text.partition("=")
    if not equals or "," in text:
        raise argparse.ArgumentTypeError(
            f"“{text}” is not a group and decibels {GAINS}, such as drums=-6"
        )
    return setting_type("sound.gains")(f"{group}:{gain}")


def track_type(text: str) -> Any:
    """Convert the number of a sound track, or "mix"; an argparse type."""
    return setting_type("sound.audio_track")("0" if text == "mix" else text)


def unit_type(text: str) -> float:
    """Convert a valence or an arousal; an argparse type."""
    value = float(text)
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in [-1, 1]")
    return value


unit_type.__name__ = "number"
