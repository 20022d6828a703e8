"""A SoundFont that lacks an instrument: the installed one stands in for that group."""

from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from emsync.errors import SoundError
from emsync.sound.soundfonts import presets_of
from emsync.sound.synth import Score, find_soundfont
from emsync.text import listed

DRUM_CHANNEL, DRUM_BANK = 9, 128
"""Of General MIDI, and of SoundFonts (2.04, 7.2)."""


def has_all(soundfont: Path | None, is_drums: bool, programs: Collection[int]) -> bool:
    """Return whether a SoundFont has these programs.

    A kit stands for every kit, as synthesizers take the first where there is no other; a piano in
    place of strings is not what anybody wants. A file that cannot be read counts as whole: the
    synthesizer says what is wrong with it.

    Args:
        soundfont: SF2 or SF3; None for the installed one, which has all of General MIDI.
        is_drums: whether the programs are drum kits.
        programs: of General MIDI, from 0.
    """
    if soundfont is None:
        return True
    status = soundfont.stat()
    presets = _presets(soundfont, status.st_mtime_ns, status.st_size)
    if presets is None:
        return True
    if is_drums:
        return any(bank == DRUM_BANK for bank, _ in presets)
    return all((0, program) in presets for program in programs)


def font_for(soundfont: Path | None, is_drums: bool, programs: Collection[int]) -> Path:
    """Return the SoundFont that plays these programs: the one that is asked for if it `has_all`.

    Raises:
        SoundError: there is none.
    """
    if soundfont is None:
        return find_soundfont().path
    if not has_all(soundfont, is_drums, programs):
        with suppress(SoundError):  # without another one they are silent, as `note` says
            return find_soundfont().path
    return soundfont


def fonts_of(score: Score, soundfont: Path | None) -> dict[str, Path]:
    """Return the SoundFont that plays each stem; see `font_for`."""
    return {name: font_for(soundfont, *_asked_for(score, name)) for name in score.stems}


def lacking(score: Score, soundfont: Path | None) -> tuple[str, ...]:
    """Return the stems that the SoundFont has no instrument for, in the file's order."""
    return tuple(name for name in score.stems if not has_all(soundfont, *_asked_for(score, name)))


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


def _asked_for(score: Score, name: str) -> tuple[bool, set[int]]:
    """Return whether a stem is the drums, and its programs; 0 where none is named."""
    events = [message for _, message in score.events_of(name)]
    programs = {message.program for message in events if message.type == "program_change"}
    return any(message.channel == DRUM_CHANNEL for message in events), programs or {0}


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
        return None
