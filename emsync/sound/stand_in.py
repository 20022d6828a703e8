"""A SoundFont that lacks an instrument: the installed one stands in for that group."""

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from emsync.errors import SoundError
from emsync.sound.soundfonts import presets_of
from emsync.sound.synth import Score, find_soundfont
from emsync.text import listed

DRUM_CHANNEL, DRUM_BANK = 9, 128
"""Of General MIDI, and of SoundFonts (2.04, 7.2)."""


def lacking(score: Score, soundfont: Path | None) -> tuple[str, ...]:
    """Return the stems that the SoundFont has no instrument for, in the file's order.

    A kit stands for every kit, as synthesizers take the first where there is no other; a piano in
    place of strings is not what anybody wants.

    Args:
        score: whose programs are asked for.
        soundfont: SF2 or SF3; None for the installed one, which has all of General MIDI.
    """
    if soundfont is None:
        return ()
    status = soundfont.stat()
    presets = _presets(soundfont, status.st_mtime_ns, status.st_size)
    if presets is None:
        return ()
    has_kit = any(bank == DRUM_BANK for bank, _ in presets)
    missing = []
    for name in score.stems:
        channels, programs = _asked_for(score, name)
        if DRUM_CHANNEL in channels:
            whole = has_kit
        else:
            whole = all((0, program) in presets for program in programs)
        if not whole:
            missing.append(name)
    return tuple(missing)


def fonts_of(score: Score, soundfont: Path | None) -> Mapping[str, Path]:
    """Return the SoundFont that plays each stem.

    Raises:
        SoundError: there is none.
    """
    if soundfont is None:
        return dict.fromkeys(score.stems, find_soundfont().path)
    fonts = dict.fromkeys(score.stems, soundfont)
    missing = lacking(score, soundfont)
    if missing:
        with suppress(SoundError):  # without another one they are silent, as `note` says
            fonts |= dict.fromkeys(missing, find_soundfont().path)
    return fonts


def note(missing: tuple[str, ...], soundfont: str) -> str:
    """Return a sentence on what the SoundFont lacks; empty if it lacks nothing.

    Args:
        missing: stems, as `lacking` returns them.
        soundfont: its name.
    """
    if not missing:
        return ""
    groups = listed(list(missing))
    try:
        played = f"{find_soundfont().name} plays {'it' if len(missing) == 1 else 'them'} instead"
    except SoundError:
        played = "and no other SoundFont is installed, so the film is without"
    return f"The SoundFont {soundfont} has no instrument for {groups}: {played}."


def _asked_for(score: Score, name: str) -> tuple[set[int], set[int]]:
    """Return the channels and the programs of a stem; 0 where none is named."""
    channels, programs = set[int](), set[int]()
    for _, message in score.events_of(name):
        channels.add(message.channel)
        if message.type == "program_change":
            programs.add(message.program)
    return channels, programs or {0}


@lru_cache(maxsize=16)
def _presets(soundfont: Path, modified: int, size: int) -> frozenset[tuple[int, int]] | None:
    """Return (bank, program) of what is in a file; None if it cannot be read.

    Args:
        soundfont: SF2 or SF3.
        modified, size: of the file: another one of the same name is read anew.
    """
    try:
        return presets_of(soundfont)
    except (SoundError, OSError):
        return None  # the synthesizer says what is wrong with it
