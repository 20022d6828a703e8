"""The mixing desk: a channel strip for each group, with its level, its place and its effects.

Its settings are MIDI controllers: whoever opens the MIDI file finds the same desk there, and
FluidSynth obeys them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from emsync.emotion.mapping import Mood
from emsync.music.midi import PROGRAMS
from emsync.progress import CancelToken
from emsync.settings import GROUPS, SoundSettings
from emsync.sound.level import LevelMeter
from emsync.sound.space import DRY, Space, space_of
from emsync.sound.stand_in import font_for
from emsync.sound.synth import BLOCK, sound_on, synthesizer

VOLUME, PAN, REVERB, CHORUS = 7, 10, 91, 93
"""Controllers (General MIDI 2)."""

BALANCE: Final = {"piano": 0.0, "guitar": -1.0, "strings": 1.0, "bass": -2.0, "drums": -6.0}
"""LU of each group's test phrase, against the piano's. Ours: who may have the melody is about as
loud as another; the bass lies below, and the drums, of which a stroke is heard far above its mean
loudness, farther: this music goes with pictures and speech. What leads in a piece stands out by how
it is performed (`PerformanceSettings.melody`)."""
MOST_CORRECTION = 12.0
"""Decibels to either side; a sound further off is broken rather than soft. Ours."""
LOUDEST_VOLUME = 110
"""Of controller 7, for the group that is turned up most: whoever opens the MIDI has room to turn
up."""

PLACES: Final = {"bass": 0.0, "drums": 0.0, "piano": -0.3, "guitar": 0.3, "strings": -0.1}
"""From -1, left, to 1, right, as the audience sees the stage. Ours, after the usual seating: rhythm
section in the middle, as low tones have no direction and both loudspeakers shall carry them; keys
at the left and guitar at the right of a band; strings all over the stage, with the violins, which
are heard most, at the left."""
SEATS: Final = {
    40: -0.4, 41: 0.2, 42: 0.4, 43: 0.5,  # violin, viola, cello, double bass
    46: -0.4,  # harp
    60: -0.2,  # horns
    73: -0.1,  # flute
}  # fmt: skip
"""Of single programs of guitar and strings: the seats of an orchestra in the American seating
(Meyer, "Acoustics and the Performance of Music", 2009, chapter 7)."""

SENDS: Final = {
    "piano": (50, 0), "guitar": (45, 10), "bass": (8, 0), "strings": (75, 30), "drums": (25, 0),
}  # fmt: skip
"""Controllers 91 and 93, of 127: what sounds low or marks the time stays near. Ours."""

TEST_RATE = 44_100
TEST_SECONDS = 2.0
TEST_VELOCITY = 80
_CHORDS = ((60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62))
TEST_PHRASES: Mapping[str, tuple[tuple[int, float, float], ...]] = {
    "piano": tuple((pitch, i / 2, 0.5) for i in range(4) for pitch in _CHORDS[i]),
    "guitar": tuple((pitch, i / 2, 0.5) for i in range(4) for pitch in _CHORDS[i]),
    "strings": tuple((pitch, float(i), 1.0) for i in range(2) for pitch in _CHORDS[i]),
    "bass": tuple((root, i / 4, 0.25) for i, root in enumerate((36, 36, 33, 33, 29, 29, 31, 31))),
    "drums": (
        *((36, float(i), 0.1) for i in range(2)),
        *((38, i + 0.5, 0.1) for i in range(2)),
        *((42, i / 4, 0.1) for i in range(8)),
    ),
}
"""(pitch, start, length) of what each group plays to be measured, at 120 quarters a minute: triads
of piano and guitar in quarters, of strings in halves, roots of the bass in eighths, and bass drum,
snare and hi-hat."""


@dataclass(frozen=True)
class ChannelStrip:
    """Settings of one group at the desk."""

    program: int
    loudness: float | None
    """LUFS of its test phrase, as the SoundFont plays it; None if that was not measured, or is
    silent."""
    decibels: float
    """By which it is turned up, against the other groups."""
    place: float
    """-1, left, to 1, right."""
    controls: tuple[tuple[int, int], ...]
    """(number, value) of MIDI controllers."""


@dataclass(frozen=True)
class Desk:
    """All of it."""

    strips: Mapping[str, ChannelStrip]
    """Of every group, whichever of them play."""
    space: Space | None
    """None for FluidSynth's reverb and chorus as they come."""

    @property
    def controls(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """Return (number, value) of MIDI controllers by group."""
        return {group: strip.controls for group, strip in self.strips.items()}


def desk_of(settings: SoundSettings, soundfont: Path | None, mood: Mood) -> Desk:
    """Return the desk as it is set up for a piece.

    Args:
        settings: programs, space, and how much of place and balance.
        soundfont: which is measured, as far as it goes (`font_for`). That takes some tenths of a
            second the first time, and nothing after.
        mood: of the whole film.

    Raises:
        SoundError: the FluidSynth library or the SoundFont cannot be used.
    """
    programs = PROGRAMS | dict(settings.programs)
    space = space_of(settings.space, mood)
    places = {group: _place(group, programs[group]) * settings.width for group in GROUPS}
    pans = {group: 64 + round(63 * min(max(places[group], -1.0), 1.0)) for group in GROUPS}
    loudness: dict[str, float | None] = dict.fromkeys(GROUPS)
    if settings.group_balance:
        fonts = {
            group: font_for(soundfont, group == "drums", (programs[group],)) for group in GROUPS
        }
        for font in dict.fromkeys(fonts.values()):
            status = font.stat()
            set_up = tuple((g, programs[g], pans[g]) for g in GROUPS if fonts[g] == font)
            loudness |= _measured(font, status.st_mtime_ns, status.st_size, set_up)
    decibels = {group: _correction(loudness, group) * settings.group_balance for group in GROUPS}
    highest = max(decibels.values())
    strips = {}
    for group in GROUPS:
        controls: list[tuple[int, int]] = []
        if settings.group_balance:
            controls.append((VOLUME, volume_of(decibels[group] - highest)))
        if settings.width:
            controls.append((PAN, pans[group]))
        if space is not None:
            reverb, chorus = SENDS[group]
            controls.append((REVERB, reverb if space.reverb else 0))
            controls.append((CHORUS, chorus if space.chorus else 0))
        strips[group] = ChannelStrip(
            programs[group], loudness[group], decibels[group], places[group], tuple(controls)
        )
    return Desk(strips, space)


def volume_of(decibels: float) -> int:
    """Return controller 7 for a level below that of `LOUDEST_VOLUME`: a step is 1/6 dB and more.

    Synthesizers take its square as the factor (General MIDI 2, and the SoundFont standard, 8.4.6).
    """
    return max(1, round(LOUDEST_VOLUME * 10 ** (decibels / 40)))


def _place(group: str, program: int) -> float:
    seated = group in ("guitar", "strings") and program in SEATS
    return SEATS[program] if seated else PLACES[group]


def _correction(loudness: Mapping[str, float | None], group: str) -> float:
    """Return the decibels that bring a group to its place in `BALANCE`, against the mean of all."""
    off = {
        name: BALANCE[name] - measured
        for name, measured in loudness.items()
        if measured is not None
    }
    if group not in off:
        return 0.0
    mean = sum(off.values()) / len(off)
    return min(max(off[group] - mean, -MOST_CORRECTION), MOST_CORRECTION)


@lru_cache(maxsize=64)
def _measured(
    font: Path, modified: int, size: int, set_up: tuple[tuple[str, int, int], ...]
) -> dict[str, float | None]:
    """Return the loudness in LUFS of each group's test phrase; None for silence.

    Args:
        font: SF2 or SF3 file.
        modified, size: of the file: another one of the same name is measured anew.
        set_up: (group, General MIDI program, pan); a stereo instrument is louder to one side.
    """
    found = {}
    with synthesizer(font, TEST_RATE, space=DRY) as (synth, write):
        samples = np.zeros((round(TEST_SECONDS * TEST_RATE / BLOCK) * BLOCK, 2), np.float32)
        for group, program, pan in set_up:
            channel = 9 if group == "drums" else 0
            synth.program_change(channel, program)
            synth.cc(channel, PAN, pan)
            moments = [
                (at, is_on, pitch)
                for pitch, start, length in TEST_PHRASES[group]
                for at, is_on in ((start, True), (start + length, False))
            ]
            done = 0
            for at, is_on, pitch in sorted(moments):
                frame = min(math.floor(at * TEST_RATE / BLOCK) * BLOCK, len(samples))
                done = sound_on(synth, write, samples, done, frame, CancelToken())
                if is_on:
                    synth.noteon(channel, pitch, TEST_VELOCITY)
                else:
                    synth.noteoff(channel, pitch)
            sound_on(synth, write, samples, done, len(samples), CancelToken())
            synth.all_sounds_off(channel)
            meter = LevelMeter(TEST_RATE)
            meter.take(samples)
            found[group] = meter.loudness
    return found
