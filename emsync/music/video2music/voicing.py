"""From chord symbols to notes, each chord moved close to the one before it."""

from collections.abc import Iterable, Sequence
from typing import Final

from emsync.music.video2music.vocabulary import ALL, NO_CHORD, QUALITIES, Chord

Notes = tuple[int, ...]
"""MIDI pitches of a chord, the bass first; empty for `N`."""

_INTERVALS: Final = dict(
    zip(
        QUALITIES,
        (
            (0, 4, 7),
            (0, 3, 6),
            (0, 5, 7, 5),
            (0, 3, 7, 10),
            (0, 3, 7),
            (0, 2, 7, 2),
            (0, 4, 8),
            (0, 3, 6, 10),  # in theory a diminished seventh has 9
            (0, 4, 7, 9),
            (0, 4, 7, 10),  # in theory a half-diminished chord has 3 and 6
            (0, 4, 7, 10),
            (0, 3, 7, 9),
            (0, 4, 7, 11),
        ),
        strict=True,
    )
)
"""Semitones above the root, as the published code has them, its two slips included."""
_MIDDLE_C: Final = 60
_OCTAVE: Final = 12
_HIGHEST_ROOT: Final = 8
"""G#: roots above it, A to B, lie below middle C."""
_CENTRE_ABOVE: Final = 3
"""Semitones from the first chord's second note to the centre about which all others stay."""
_FARTHEST: Final = 8
"""Semitones from the centre beyond which a note that hardly moves is left as it is written."""
_CLOSE: Final = 2
"""Semitones between pitch classes up to which a note hardly moves."""
_BASS_STEP: Final = 7
"""Semitones beyond which the bass comes an octave nearer."""


def written_notes(symbol: str) -> Notes:
    """Return the notes of a chord as it is written: a bass an octave below, then from the root up.

    Raises:
        KeyError: there is no chord of this symbol.
    """
    return _WRITTEN[symbol]


def _written(chord: Chord) -> Notes:
    if chord.symbol == NO_CHORD:
        return ()
    above = (chord.root - 1) % _OCTAVE
    root = _MIDDLE_C + above - (_OCTAVE if above > _HIGHEST_ROOT else 0)
    quality = QUALITIES[(chord.id - 1) % len(QUALITIES)]
    return (root - _OCTAVE, *(root + interval for interval in _INTERVALS[quality]))


_WRITTEN: Final = {chord.symbol: _written(chord) for chord in ALL}


def lead_voices(chords: Iterable[Sequence[int]]) -> list[Notes]:
    """Return the chords, each with its notes moved by octaves close to those of the chord before.

    The first chord that sounds stays as it is; silent ones are skipped. Every other one comes out
    sorted.

    Args:
        chords: notes of each, the bass first; empty for silence.
    """
    voiced: list[Notes] = []
    before: Notes = ()
    centre = 0
    for notes in chords:
        if not notes:
            voiced.append(())
            continue
        if before:
            notes = _led(notes, before, centre)
        else:
            centre = notes[1] + _CENTRE_ABOVE
        before = tuple(notes)
        voiced.append(before)
    return voiced


def _led(notes: Sequence[int], before: Notes, centre: int) -> Notes:
    """Return the notes of one chord moved close to those `before`, sorted."""
    bass, *others = notes
    if abs(bass - before[0]) > _BASS_STEP:
        bass += _OCTAVE if before[0] > bass else -_OCTAVE
    return tuple(sorted([bass, *(_nearer(note, before[1:], centre) for note in others)]))


def _nearer(note: int, before: Sequence[int], centre: int) -> int:
    """Return `note`, moved by octaves to the note before it that is nearest in pitch class."""
    goal = min(before, key=lambda other: _class_distance(note, other))  # the first of equals
    distance = _class_distance(note, goal)
    moved = min(
        (note + _OCTAVE * octaves for octaves in range(-5, 6)), key=lambda one: abs(one - goal)
    )
    return note if abs(moved - centre) > _FARTHEST and distance <= _CLOSE else moved


def _class_distance(one: int, other: int) -> int:
    """Return the semitones between two pitch classes, the shorter way round: 0 to 6."""
    apart = (one - other) % _OCTAVE
    return min(apart, _OCTAVE - apart)
