"""Sounds that suit each group of instruments, by the names that people know them by.

Any program may be asked for (`SoundSettings.programs`); these are the ones worth offering. Those of
drums are kits: on the drum channel a program chooses a kit (Roland GS, which FluidR3_GM follows). A
SoundFont without a kit or an instrument plays its first one instead.
"""

SOUNDS: dict[str, dict[str, int]] = {
    "piano": {
        "Grand piano": 0,
        "Bright piano": 1,
        "Electric piano": 4,
        "Harpsichord": 6,
        "Celesta": 8,
        "Music box": 10,
        "Vibraphone": 11,
        "Marimba": 12,
        "Church organ": 19,
    },
    "guitar": {
        "Steel-string guitar": 25,
        "Nylon-string guitar": 24,
        "Jazz guitar": 26,
        "Clean electric guitar": 27,
        "Muted electric guitar": 28,
        "Overdriven guitar": 29,
        "Harp": 46,
        "Sitar": 104,
        "Banjo": 105,
        "Koto": 107,
    },
    "bass": {
        "Acoustic bass": 32,
        "Fingered bass": 33,
        "Picked bass": 34,
        "Fretless bass": 35,
        "Synth bass": 38,
        "Double bass, bowed": 43,
    },
    "strings": {
        "Strings": 48,
        "Slow strings": 49,
        "Tremolo strings": 44,
        "Plucked strings": 45,
        "Synth strings": 50,
        "Violin": 40,
        "Cello": 42,
        "Choir": 52,
        "French horns": 60,
        "Flute": 73,
        "Warm pad": 89,
        "Halo pad": 94,
    },
    "drums": {
        "Standard kit": 0,
        "Room kit": 8,
        "Power kit": 16,
        "Electronic kit": 24,
        "TR-808": 25,
        "Jazz kit": 32,
        "Brush kit": 40,
        "Orchestra kit": 48,
    },
}
"""Group to name to General MIDI program, counted from 0. The first of each is the one that plays
unless another is asked for (`emsync.music.midi.PROGRAMS`)."""


def sound_name(group: str, program: int) -> str:
    """Return what to call a program: its name, or its number if it is not among those offered."""
    names = [name for name, number in SOUNDS[group].items() if number == program]
    return names[0] if names else f"Program {program}"
