"""The page's controls of performance and sound."""

from typing import Any

import gradio as gr

from emsync.interface.mixer import mixer
from emsync.performance.performer import PERFORMERS
from emsync.settings import DELIVERIES, GROUPS, Settings, SoundSettings, choices_of
from emsync.sound.programs import SOUNDS
from emsync.sound.soundfonts import installed

_BALANCE = 12.0  # decibels either way: beyond it one of the two is as good as gone
_LOUDNESS = {
    "streaming": "Video and music sites",
    "ebu-r128": "European television",
    "atsc-a85": "American television",
    "podcast": "Podcast",
    "lufs": "As loud as set below",
    "peak": f"Peak at {SoundSettings.peak_decibels:g} dB, as in the paper",
}
_SPACES = {
    "mood": "After the mood",
    "dry": "None",
    "room": "Room",
    "hall": "Hall",
    "published": "The synthesizer's own, as in the paper",
}
_SAMPLE_RATES = (44_100, 48_000)
STANDARD = ""
"""The SoundFont that is taken when none is named."""


def of_mix(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the music against the film's own sound."""
    sound = defaults.sound
    return {
        "sound.original_sound": gr.Radio(
            [
                ("Replace it", "replace"),
                ("Keep it under the music", "keep"),
                ("Keep it, music quieter under speech", "duck"),
            ],
            value=sound.original_sound,
            label="Original sound",
            info="What happens to the film's own sound.",
            elem_id="em-original-sound",
        ),
        "sound.balance_decibels": gr.Slider(
            -_BALANCE,
            _BALANCE,
            value=sound.balance_decibels,
            step=0.5,
            label="Quieter or louder music (dB)",
            info="Against the film's own sound, where both are kept.",
            elem_id="em-balance",
        ),
        "sound.gains": mixer(sound.gains, elem_id="em-mixer"),
    }


def of_performance(defaults: Settings) -> dict[str, Any]:
    """Return the controls of how the piece is played."""
    return {
        "performance.performer": gr.Radio(
            [(row.title.capitalize(), name) for name, row in PERFORMERS.items()],
            value=defaults.performance.performer,
            label="Played",
            info="By rule, with a touch learned from pianists' recordings (for research use), or "
            "as the paper plays: every note as loud as the next but for the chords on cuts.",
        ),
        "performance.expression": gr.Slider(
            0,
            2,
            value=defaults.performance.expression,
            step=0.1,
            label="Expression",
            info="0 plays everything flat; 2 doubles what the player adds.",
        ),
    }


def of_level(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the space, of how loud the film is in the end, and of its files."""
    sound = defaults.sound
    return {
        "sound.space": gr.Radio(
            [(_SPACES[word], word) for word in choices_of("sound.space")],
            value=sound.space,
            label="Reverb",
            info="After the mood: the calmer the film, the larger the space.",
        ),
        "sound.loudness": gr.Radio(
            [(_in_words(word), word) for word in _LOUDNESS],
            value=sound.loudness,
            label="Loudness",
        ),
        "sound.lufs": gr.Slider(
            -30,
            -8,
            value=sound.lufs,
            step=0.5,
            label="LUFS",
            info="With “As loud as set below”.",
        ),
        "sound.sample_rate": gr.Radio(
            [(f"{rate / 1000:g} kHz", rate) for rate in _SAMPLE_RATES],
            value=sound.sample_rate,
            label="WAV and stems",
            info="Cutting rooms work with 48 kHz and 24 bits.",
        ),
        "sound.bit_depth": gr.Radio(
            [(f"{word.removesuffix('-bit')} bits", word) for word in choices_of("sound.bit_depth")],
            value=sound.bit_depth,
            label="Bits of a sample",
        ),
    }


def _in_words(loudness: str) -> str:
    """Return what a choice of loudness is called, with its number if it has one."""
    name = _LOUDNESS[loudness]
    return f"{name} ({DELIVERIES[loudness][0]:g} LUFS)" if loudness in DELIVERIES else name


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


def sounds_of(group: str, program: int | None = None, alone: bool = False) -> list[tuple[str, int]]:
    """Return the sounds to choose from, by name.

    Args:
        group: of instruments.
        program: General MIDI program, counted from 0, that is offered whatever it is.
        alone: whether the group plays alone, and may sound like any that is no drum kit.
    """
    groups = [group, *(other for other in SOUNDS if other not in (group, "drums") and alone)]
    sounds = [one for other in groups for one in SOUNDS[other].items()]
    if program is not None and program not in [number for _, number in sounds]:
        named = {
            number: name
            for other in SOUNDS
            if other != "drums"
            for name, number in SOUNDS[other].items()
            if group != "drums"
        }
        sounds.append((named.get(program, f"General MIDI {program + 1}"), program))
    return sounds
