"""The 1,011 tokens of the music generator (thesis 4.1 and the published checkpoint's order).

`PAD, START, BAR, CHORD`, 125 time shifts of 8 to 1000 ms, then for each instrument group 88
note-offs and 88 note-ons (pitches 21 to 108), then the two instrument-count tokens.
"""

from typing import Final

from emsync.music.notes import GROUPS, HIGHEST_PITCH, LOWEST_PITCH, PITCHES

PAD: Final = 0
START: Final = 1
BAR: Final = 2
CHORD: Final = 3

MAXIMUM_SHIFT: Final = 125
"""Ticks that one TIMESHIFT token spans at most (1000 ms); longer pauses repeat it."""
FIRST_SHIFT: Final = 4

EVENT_ORDER: Final = ("drums", "bass", "guitar", "piano", "strings")
"""Order of the groups among events of one kind at one time."""

FIRST_NOTE: Final = FIRST_SHIFT + MAXIMUM_SHIFT
GROUP_TOKENS: Final = 2 * PITCHES

FEWER_INSTRUMENTS: Final = FIRST_NOTE + len(GROUPS) * GROUP_TOKENS
MORE_INSTRUMENTS: Final = FEWER_INSTRUMENTS + 1
SIZE: Final = MORE_INSTRUMENTS + 1

MORE_INSTRUMENTS_FROM: Final = 3
"""A piece with this many groups or more is labelled MORE_INSTRUMENTS (published code)."""


def shift_token(ticks: int) -> int:
    """Token that moves the clock by `ticks` (1 to 125)."""
    if not 1 <= ticks <= MAXIMUM_SHIFT:
        raise ValueError(f"a time shift spans 1 to {MAXIMUM_SHIFT} ticks, not {ticks}")
    return FIRST_SHIFT + ticks - 1


def note_token(group: str, pitch: int, on: bool) -> int:
    """Token that starts (`on`) or ends a note of MIDI `pitch` (21 to 108) in `group`."""
    if not LOWEST_PITCH <= pitch <= HIGHEST_PITCH:
        raise ValueError(f"pitch {pitch} is outside {LOWEST_PITCH} to {HIGHEST_PITCH}")
    return FIRST_NOTE + GROUPS.index(group) * GROUP_TOKENS + on * PITCHES + pitch - LOWEST_PITCH


def shift_ticks(token: int) -> int:
    """Return ticks by which `token` moves the clock; 0 for every token that is no TIMESHIFT."""
    return token - FIRST_SHIFT + 1 if FIRST_SHIFT <= token < FIRST_NOTE else 0


def is_note(token: int) -> bool:
    """Return whether `token` starts or ends a note."""
    return FIRST_NOTE <= token < FEWER_INSTRUMENTS


def note_of(token: int) -> tuple[str, int, bool]:
    """Group, MIDI pitch, and whether it is a note-on, of a note token."""
    if not is_note(token):
        raise ValueError(f"token {token} is no note")
    block, within = divmod(token - FIRST_NOTE, GROUP_TOKENS)
    return GROUPS[block], within % PITCHES + LOWEST_PITCH, within >= PITCHES


def name(token: int) -> str:
    """Return the token's name in the thesis's notation, such as `TIMESHIFT_80` or `ON_PIANO_60`."""
    if token in (PAD, START, BAR, CHORD):
        return ("PAD", "START", "BAR", "CHORD")[token]
    if ticks := shift_ticks(token):
        return f"TIMESHIFT_{ticks * 8}"
    if token in (FEWER_INSTRUMENTS, MORE_INSTRUMENTS):
        return "LESS_INSTRUMENTS" if token == FEWER_INSTRUMENTS else "MORE_INSTRUMENTS"
    group, pitch, on = note_of(token)
    return f"{'ON' if on else 'OFF'}_{group.upper()}_{pitch}"
