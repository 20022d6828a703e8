"""What is moved while notes sound: the pedal of the piano, and the bows of the strings."""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from emsync.music.composition import Composition
from emsync.music.notes import GROUPS
from emsync.performance.context import (
    PIANO,
    STRINGS,
    TOGETHER,
    Context,
    arousal_at,
    phrase_starts,
    rise_at,
)
from emsync.performance.loudness import PEAK
from emsync.performance.performance import EXPRESSION, SUSTAIN, Control
from emsync.performance.tempo_map import TempoMap
from emsync.settings import PerformanceSettings

DOWN, UP = 100, 0
"""Values of the pedal; from 64 on it is down (MIDI 1.0)."""
AFTER_CHORD = 0.09
"""Seconds after a chord at which the pedal goes down: it comes up with the chord and goes down
behind it (legato pedalling; Repp 1996 measured 0.05 to 0.2)."""
SHORTEST_PEDAL = 0.25
"""Seconds below which pedalling is not worth while."""
BEFORE_END = 0.05
"""Seconds before the film's end at which the pedal is up."""
FOREIGN = 0.2
"""Share of the sounding time that notes foreign to the chord may have under the pedal."""
STEPWISE = 0.4
"""Share of steps of one or two semitones in what follows each other, from which it is a run."""
BRIGHT_PITCH = 72
"""Above this a run may be pedalled: there are few dampers, and short sound."""
DRY_AROUSAL = 0.5
"""From here on music is too busy for a pedal."""
DRY_STYLES = ("rock", "electronic", "jazz")
PEDAL_QUARTERS = 8
"""The pedal is changed at least so often; twice as often where nobody knows the harmony."""
ONE_CHORD = 4
"""Different pitch classes that may ring together where nobody knows the harmony."""

CONTROL_SECONDS = 0.08
"""Between two values of a swell: nobody hears steps of half a decibel this short."""
LEAST_STEP = 2
CEILING = 127
RESTING = 0.55
"""Share of a swell that lies below its resting level."""
LONG_QUARTERS = 1.5
"""Shorter notes do not swell."""
SUMMIT = 0.6
"""Place of the loudest moment in a swelling note."""


def controls_of(
    piece: Composition, context: Context, tempo_map: TempoMap, settings: PerformanceSettings
) -> tuple[Control, ...]:
    """Return the controllers of a piece, ascending."""
    found: list[Control] = []
    if settings.pedal and settings.expression > 0:
        found += pedal(piece, context)
    if settings.swell and settings.expression > 0:
        found += swells(piece, context, tempo_map, settings)
    return tuple(sorted(found, key=lambda one: one.seconds))


def pedal(piece: Composition, context: Context) -> list[Control]:
    """Return the pedal of the piano: down behind each chord, up with the next one.

    It stays up where the harmony does not allow it: where notes foreign to the chord sound, or runs
    in the lower registers; and in busy music.
    """
    if piece.plan is not None and piece.plan.style in DRY_STYLES:
        return []
    mine = context.group == PIANO
    if not mine.any():
        return []
    found: list[Control] = []
    for begin, end, tones in _harmonies(piece, context):
        until = min(end, piece.seconds - BEFORE_END)
        inside = mine & (context.start >= begin - 0.02) & (context.start < end - 0.02)
        if until - begin < SHORTEST_PEDAL + AFTER_CHORD or not _allowed(context, inside, tones):
            continue
        found.append(Control(GROUPS[PIANO], begin + AFTER_CHORD, SUSTAIN, DOWN))
        found.append(Control(GROUPS[PIANO], until, SUSTAIN, UP))
    return found


def _harmonies(
    piece: Composition, context: Context
) -> Iterator[tuple[float, float, frozenset[int]]]:
    """Yield (start, end, pitch classes) of stretches of one harmony; no classes where unknown."""
    quarter = float(np.median(context.quarter))
    if piece.plan is not None and piece.symbols:
        rows = list(
            zip(
                [at for at, _ in piece.symbols],
                [*(at for at, _ in piece.symbols[1:]), piece.seconds],
                [frozenset(chord.tones) for chord in piece.plan.chords],
                strict=True,
            )
        )
    else:
        lines = [*piece.bars, piece.seconds] if piece.bars else [0.0, piece.seconds]
        halves = [at for a, b in pairwise(lines) for at in (a, (a + b) / 2)] + [lines[-1]]
        rows = [(a, b, frozenset[int]()) for a, b in pairwise(halves)]
    for begin, end, tones in rows:
        longest = (PEDAL_QUARTERS if tones else PEDAL_QUARTERS / 2) * quarter
        parts = max(1, math.ceil((end - begin) / longest - 0.5))
        edges = np.linspace(begin, end, parts + 1).tolist()
        for first, last in pairwise(edges):
            yield max(first, 0.0), last, tones


def _allowed(context: Context, inside: np.ndarray, tones: frozenset[int]) -> bool:
    """Return whether the notes of one harmony may ring into each other."""
    notes = np.flatnonzero(inside)
    if not len(notes) or float(context.arousal[notes].mean()) > DRY_AROUSAL:
        return False
    order = notes[np.lexsort((context.pitch[notes], context.start[notes]))]
    pitch, start = context.pitch[order], context.start[order]
    lasting = context.end[order] - start
    if tones:
        foreign = ~np.isin(pitch % 12, list(tones))
        if float(lasting[foreign].sum()) > FOREIGN * float(lasting.sum()):
            return False
    elif len(np.unique(pitch % 12)) > ONE_CHORD:
        return False
    moved = np.diff(start) > TOGETHER
    step = np.abs(np.diff(pitch))
    near = moved & (step > 0) & (step <= 2) & (np.minimum(pitch[1:], pitch[:-1]) < BRIGHT_PITCH)
    return int(near.sum()) <= STEPWISE * max(int(moved.sum()), 1)


def swells(
    piece: Composition, context: Context, tempo_map: TempoMap, settings: PerformanceSettings
) -> list[Control]:
    """Return the bows of the strings: each long note grows and fades, phrases and cuts beyond it.

    Players of strings and winds shape a held note from within, to its second half (messa di voce;
    Gabrielsson & Juslin 1996 measured such envelopes in played melodies).
    """
    mine = context.group == STRINGS
    if not mine.any():
        return []
    times = np.arange(0.0, piece.seconds, CONTROL_SECONDS)
    onsets = np.unique(context.start[mine])
    quarter = float(np.median(context.quarter[mine]))
    following = np.append(onsets[1:], max(float(context.end[mine].max()), onsets[-1] + 0.1))
    note = np.searchsorted(onsets, times + 1e-6, side="right") - 1
    known = np.maximum(note, 0)
    length = following[known] - onsets[known]
    place = np.clip((times - onsets[known]) / length, 0.0, 1.0)
    up, down = place / SUMMIT, (1 - place) / (1 - SUMMIT)
    shape = np.sin(np.pi / 2 * np.minimum(np.minimum(up, down), 1.0))
    swelling = (note >= 0) & (length >= LONG_QUARTERS * quarter)
    level = settings.swell * np.where(swelling, shape - RESTING, 0.0)
    level += settings.phrase_arch * _arch(piece, tempo_map, times)
    level += settings.crescendo * rise_at(times, piece, tempo_map)
    level *= 1 + settings.arousal_range * arousal_at(piece.curve, times)
    depth = settings.expression * (settings.swell + settings.phrase_arch / 3)
    resting = CEILING - min(depth * (1 - RESTING), 40.0)
    values = np.clip(np.round(resting + settings.expression * level), 30, CEILING)
    return _thinned(times, values.astype(np.int64))


def _arch(piece: Composition, tempo_map: TempoMap, times: np.ndarray) -> np.ndarray:
    """Return the arch of phrases at moments, -2/3 to 1/3."""
    starts = phrase_starts(piece, tempo_map)
    ends = np.append(starts[1:], piece.seconds)
    phrase = np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)
    lasting = np.maximum(ends[phrase] - starts[phrase], 1e-3)
    place = np.clip((times - starts[phrase]) / lasting, 0, 1)
    side = np.where(place < PEAK, (place - PEAK) / PEAK, (place - PEAK) / (1 - PEAK))
    return np.asarray(1 / 3 - side**2)


def _thinned(times: np.ndarray, values: np.ndarray) -> list[Control]:
    """Return the first value, and those that differ by `LEAST_STEP` from the one before."""
    found: list[Control] = []
    for at, value in zip(times.tolist(), values.tolist(), strict=True):
        if not found or abs(value - found[-1].value) >= LEAST_STEP:
            found.append(Control(GROUPS[STRINGS], at, EXPRESSION, value))
    return found
