"""The page's controls of performance and sound."""

from typing import Any

import gradio as gr

from emsync.performance.performer import PERFORMERS
from emsync.settings import GROUPS, Settings, SoundSettings
from emsync.sound.programs import SOUNDS
from emsync.sound.soundfonts import installed

_BALANCE = 12.0  # decibels either way: beyond it one of the two is as good as gone
STANDARD = ""
"""The SoundFont that is taken when none is named."""


def of_sound(defaults: Settings) -> dict[str, Any]:
    """Return the controls of performance, level and mix."""
    sound = defaults.sound
    return {
        "performance.performer": gr.Radio(
            [(row.title.capitalize(), name) for name, row in PERFORMERS.items()],
            value=defaults.performance.performer,
            label="Played",
            info="By rule, with a touch learned from pianists' recordings (for research use), or "
            "as the paper plays: every note as loud as the next but for the chords on cuts.",
        ),
        "sound.original_sound": gr.Radio(
            [
                ("Replace it", "replace"),
                ("Keep it under the music", "keep"),
                ("Keep it, music quieter under speech", "duck"),
            ],
            value=sound.original_sound,
            label="Original sound",
            info="What happens to the film's own sound.",
        ),
        "sound.balance_decibels": gr.Slider(
            -_BALANCE,
            _BALANCE,
            value=sound.balance_decibels,
            step=0.5,
            label="Balance (decibels)",
            info="Left: more of the film's sound. Right: more music. Where both are kept.",
        ),
        "sound.loudness": gr.Radio(
            [
                (f"Peak at {SoundSettings.peak_decibels:g} dB, as in the paper", "peak"),
                (f"{SoundSettings.lufs:g} LUFS, as video sites want it", "lufs"),
            ],
            value=sound.loudness,
            label="Loudness",
        ),
    }


def of_programs() -> dict[str, Any]:
    """Return, for each group, the choice of its sound."""
    return {
        group: gr.Dropdown(
            sounds_of(group), value=standard_program(group), label=group.capitalize(), min_width=140
        )
        for group in GROUPS
        if len(SOUNDS[group]) > 1
    }


def soundfonts() -> gr.Dropdown:
    """Return the choice among the SoundFonts that are installed."""
    here = installed()
    names: list[tuple[str, str]] = [(one.name, str(one.path)) for one in here[1:]]
    first = [(f"{here[0].name} (standard)", STANDARD)] if here else []
    return gr.Dropdown([*first, *names], value=STANDARD, label="SoundFont")


def standard_program(group: str) -> int:
    """Return the General MIDI program of a group of which nothing else is asked."""
    return next(iter(SOUNDS[group].values()))


def sounds_of(group: str, program: int | None = None) -> list[tuple[str, int]]:
    """Return the sounds to choose from, by name, and `program` as well if it is none of them."""
    sounds = list(SOUNDS[group].items())
    if program is not None and program not in [number for _, number in sounds]:
        sounds.append((f"General MIDI {program + 1}", program))
    return sounds
