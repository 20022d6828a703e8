"""Notes to tokens and back (thesis 4.1).

Within one time step the order is BAR, CHORD, note-ons, note-offs, each kind in the order drums,
bass, guitar, piano, strings and then by pitch. A group sounds each pitch at most once: a note that
starts again ends the one before, and the note-off that follows the new note-on within the same
step belongs to the old note.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emsync.music.notes import TICK_SECONDS, NoteTable, one_voice_per_pitch, table_of
from emsync.music.transformer import vocabulary as v

DRUM_SECONDS = 0.096
"""Length of a drum hit that no note-off ends (see `encode`), seconds."""


def encode(
    notes: NoteTable,
    bars: Sequence[int] | np.ndarray = (),
    chords: Sequence[int] | np.ndarray = (),
    drum_offs: bool = True,
) -> np.ndarray:
    """Return tokens of a piece.

    Args:
        notes: the piece; overlapping notes of one voice are separated first.
        bars: ticks at which bars begin.
        chords: ticks at which a strong chord begins.
        drum_offs: write note-offs for drums, as the thesis does. Without them a piece with drums
            is about a quarter shorter and loses nothing audible; our own weights go without.

    Returns:
        Token indices, uint16, shape (tokens,).
    """
    notes = one_voice_per_pitch(notes)
    rank = np.array([v.EVENT_ORDER.index(group) for group in v.GROUPS])
    base = v.FIRST_NOTE + notes.group * v.GROUP_TOKENS + notes.pitch - v.LOWEST_PITCH
    ended = np.ones(len(notes), dtype=bool)
    if not drum_offs:
        ended = notes.group != v.GROUPS.index("drums")
    bars, chords = np.asarray(bars, dtype=np.int64), np.asarray(chords, dtype=np.int64)
    ticks = np.concatenate([bars, chords, notes.start, notes.end[ended]])
    kinds = np.concatenate(
        [
            np.full(len(bars), 0),
            np.full(len(chords), 1),
            2 + rank[notes.group],
            2 + len(rank) + rank[notes.group[ended]],
        ]
    )
    events = np.concatenate(
        [
            np.full(len(bars), v.BAR),
            np.full(len(chords), v.CHORD),
            base + v.PITCHES,
            base[ended],
        ]
    )
    order = np.lexsort((events, kinds, ticks))
    ticks, events = ticks[order], events[order]
    pauses = np.diff(ticks, prepend=0)
    if len(pauses) and pauses[0] < 0:
        raise ValueError("a piece begins at tick 0 or later")
    shifts = -(-pauses // v.MAXIMUM_SHIFT)
    positions = np.cumsum(shifts + 1) - 1
    tokens = np.full(int(np.sum(shifts + 1)), v.shift_token(v.MAXIMUM_SHIFT), dtype=np.uint16)
    tokens[positions] = events
    paused = shifts > 0
    remainder = pauses[paused] - (shifts[paused] - 1) * v.MAXIMUM_SHIFT
    tokens[positions[paused] - 1] = v.FIRST_SHIFT + remainder - 1
    return tokens


def tick_of_tokens(tokens: np.ndarray) -> np.ndarray:
    """Clock after each token, in ticks. Any integer array (..., tokens) → int64, same shape."""
    tokens = tokens.astype(np.int64)
    is_shift = (tokens >= v.FIRST_SHIFT) & (tokens < v.FIRST_NOTE)
    return np.cumsum(np.where(is_shift, tokens - v.FIRST_SHIFT + 1, 0), axis=-1)


@dataclass(frozen=True)
class DecodedTokens:
    """What a token sequence says. Times in ticks."""

    notes: NoteTable
    """Sorted by start, then group, then pitch."""
    bars: tuple[int, ...]
    chords: tuple[int, ...]
    length: int
    """Clock after the last token."""


def decode(tokens: Sequence[int] | np.ndarray) -> DecodedTokens:
    """Return the notes, bars and chords of a token sequence, whatever a model wrote into it.

    A note-off without its note is ignored; a note without its note-off ends with the piece, a
    drum hit after `DRUM_SECONDS`. Inverse of `encode` for what `encode` wrote.
    """
    drum_ticks = round(DRUM_SECONDS / TICK_SECONDS)
    clock = 0
    bars: list[int] = []
    chords: list[int] = []
    sounding: dict[tuple[int, int], int] = {}
    restarted: dict[tuple[int, int], int] = {}
    rows: list[tuple[int, int, int, int]] = []

    def end(voice: tuple[int, int], at: int) -> None:
        start = sounding.pop(voice)
        if at > start:
            rows.append((*voice, start, at))

    for token in map(int, tokens):
        if ticks := v.shift_ticks(token):
            clock += ticks
        elif token == v.BAR:
            bars.append(clock)
        elif token == v.CHORD:
            chords.append(clock)
        elif v.is_note(token):
            group, pitch, on = v.note_of(token)
            voice = (v.GROUPS.index(group), pitch)
            if on:
                if voice in sounding and sounding[voice] < clock:
                    end(voice, clock)
                    restarted[voice] = clock
                sounding[voice] = clock
            elif restarted.get(voice) == clock:
                del restarted[voice]
            elif voice in sounding:
                end(voice, clock)
    drums = v.GROUPS.index("drums")
    for voice in list(sounding):
        at = sounding[voice] + drum_ticks if voice[0] == drums else clock
        end(voice, at)
    if rows:
        table = NoteTable(*np.array(rows, dtype=np.int64).T)
        table = table.take(np.lexsort((table.pitch, table.group, table.start)))
    else:
        table = table_of(())
    return DecodedTokens(_short_drums(table, drum_ticks), tuple(bars), tuple(chords), clock)


def _short_drums(table: NoteTable, longest: int) -> NoteTable:
    """Drum hits that only their own repetition ended are no longer than an unended one.

    Without drum note-offs a hit would otherwise last until the next one of its kind.
    """
    is_drum = table.group == v.GROUPS.index("drums")
    capped = np.minimum(table.end, table.start + longest)
    return NoteTable(table.group, table.pitch, table.start, np.where(is_drum, capped, table.end))
