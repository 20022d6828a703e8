"""How a drummer plays: accents of each drum by its place in the bar, fills, and ghost notes.

Accented and unaccented strokes on the hi-hat differ the more, the faster they follow each other
(Dahl 2004, four drummers; Räsänen et al. 2015, the hi-hat of one recording). Back-beats are the
loudest strokes of a rock groove, and the strokes between them are played from a few centimetres
above the head: ghost notes. The amounts are ours.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from emsync.music.composition import Composition
from emsync.music.notes import GROUPS, Note
from emsync.performance.context import DRUMS, NEAR_BEAT, Context
from emsync.performance.tempo_map import TICKS_PER_QUARTER, TempoMap

KICKS = (35, 36)
SNARES = (37, 38, 40)
GHOSTED = (38, 40)
"""Snares; a stick on the rim has no ghost notes."""
TOMS = (41, 43, 45, 47, 48, 50)
TIME_KEEPERS = (42, 44, 46, 51, 53, 59, 69, 70, 82)
"""Hi-hats, rides and shakers of General MIDI."""
OPEN_HAT = 46
CRASHES = (49, 52, 55, 57)

_KICK = {1.0: 6.0, 0.5: 3.0, 0.2: 0.0, -0.3: -6.0, -0.7: -10.0, -1.0: -10.0}
_SNARE = {1.0: 0.0, 0.5: 0.0, 0.2: 0.0, -0.3: -10.0, -0.7: -34.0, -1.0: -20.0}
_TIME = {1.0: 5.0, 0.5: 3.0, 0.2: 2.0, -0.3: -10.0, -0.7: -18.0, -1.0: -14.0}
"""Steps of velocity by metrical strength (`emsync.performance.context.strength_of`)."""
BACKBEAT, CRASH, OPEN = 9.0, 8.0, 8.0
FILL_FROM, FILL_TO, FILL_OFF = -14.0, 8.0, -5.0
"""A fill rises into what it leads to; every other stroke is the weaker hand's."""
FILL_STROKES, FILL_GAP = 4, 0.55
"""Strokes on snare and toms, at most so many quarters apart, that make a fill."""

GHOST_VELOCITY = 36
GHOST_PATTERNS = ((2.25,), (1.75, 2.25), (2.25, 3.75), (1.75, 3.75), (3.75,))
"""Places between the back-beats, in quarters since the bar line: the sixteenths around them."""
GHOST_STYLES = ("pop", "rock", "jazz", "folk")
LEAST_ENERGY = 0.35
SHORTEST_SIXTEENTH = 0.11
"""Seconds; faster ones are no ghost notes but a roll."""
CLEAR = 0.2
"""Quarters around a ghost note in which nothing else is struck on snare and toms."""


def groove(context: Context) -> np.ndarray:
    """Return by how many steps each drum stroke is louder, float64 (notes,); 0 for other notes."""
    out = np.zeros(len(context))
    key, drum = context.pitch, context.is_drum
    for keys, table in ((KICKS, _KICK), (SNARES, _SNARE), (TIME_KEEPERS, _TIME)):
        mine = drum & np.isin(key, keys)
        for strength, steps in table.items():
            out[mine & np.isclose(context.strength, strength)] = steps
    out[drum & (key == OPEN_HAT) & (context.strength < 0)] += OPEN
    out[drum & np.isin(key, CRASHES)] = CRASH
    toms = drum & np.isin(key, TOMS)
    out[toms] = 6 * context.strength[toms]
    out[drum & np.isin(key, SNARES) & _on_backbeat(context)] = BACKBEAT
    for run in _fills(context):
        share = np.linspace(0.0, 1.0, len(run))
        weak = FILL_OFF * (np.arange(len(run)) % 2)
        out[run] = FILL_FROM + (FILL_TO - FILL_FROM) * share + weak
    return out


def _on_backbeat(context: Context) -> np.ndarray:
    """Return which notes are on the second and fourth beat, or on all but the first of three."""
    beats = np.nan_to_num(context.place) / context.beat
    beat = np.round(beats)
    on_beat = np.abs(beats - beat) * context.beat < NEAR_BEAT
    in_bar = np.nan_to_num(context.bar_quarters) / context.beat
    even, three = np.isin(in_bar, (2, 4)), np.isclose(in_bar, 3)
    return on_beat & ((even & (beat % 2 == 1)) | (three & (beat % 3 > 0)))


def _fills(context: Context) -> Iterator[np.ndarray]:
    """Yield the indices of the strokes of each fill, in time."""
    struck = np.flatnonzero(context.is_drum & np.isin(context.pitch, (*GHOSTED, *TOMS)))
    struck = struck[np.argsort(context.start[struck], kind="stable")]
    if not len(struck):
        return
    gap = np.diff(context.start[struck]) / context.quarter[struck[1:]]
    for run in np.split(struck, np.flatnonzero(gap > FILL_GAP) + 1):
        if len(run) >= FILL_STROKES:
            yield run


def ghost_notes(
    piece: Composition, context: Context, tempo_map: TempoMap, rng: np.random.Generator
) -> list[Note]:
    """Return soft strokes between the back-beats of bars that have both; none for calm music.

    Every section letter has its own pattern, so that a groove stays one.
    """
    if piece.plan is not None and piece.plan.style not in GHOST_STYLES:
        return []
    drums = context.is_drum
    snares = drums & np.isin(context.pitch, GHOSTED)
    ticks = tempo_map.places_of(context.start[drums & np.isin(context.pitch, (*GHOSTED, *TOMS))])
    hits = tempo_map.places_of([one.hit for one in piece.boundaries if one.hit is not None])
    patterns: dict[str, tuple[float, ...]] = {}
    found: list[Note] = []
    for line, after in _whole_bars(tempo_map):
        begin, end = tempo_map.seconds_of([line, after]).tolist()
        letter = _letter_at(piece, begin)
        if letter not in patterns:
            patterns[letter] = GHOST_PATTERNS[int(rng.integers(len(GHOST_PATTERNS)))]
        bar = snares & (context.start > begin - 0.01) & (context.start < end - 0.01)
        places, keys = context.place[bar], context.pitch[bar]
        beats = [keys[np.abs(places - beat) < NEAR_BEAT] for beat in (1, 3)]
        if not all(len(one) for one in beats) or (end - begin) / 16 < SHORTEST_SIXTEENTH:
            continue
        if float(context.energy[bar].mean()) < LEAST_ENERGY:
            continue
        for place in patterns[letter]:
            at = line + place * TICKS_PER_QUARTER
            taken = np.abs(ticks - at) < CLEAR * TICKS_PER_QUARTER
            led = (hits > at - CLEAR * TICKS_PER_QUARTER) & (hits < at + TICKS_PER_QUARTER)
            start, stop = tempo_map.seconds_of([at, at + TICKS_PER_QUARTER / 4]).tolist()
            if not taken.any() and not led.any() and stop < piece.seconds:
                found.append(Note(GROUPS[DRUMS], int(beats[0][0]), start, stop, GHOST_VELOCITY))
    return found


def _whole_bars(tempo_map: TempoMap) -> Iterator[tuple[int, int]]:
    """Yield the ticks at which bars of four quarters begin and end."""
    for line, after in pairwise(tempo_map.bars):
        if after - line == 4 * TICKS_PER_QUARTER:
            yield line, after


def _letter_at(piece: Composition, seconds: float) -> str:
    """Return the letter of the section at a moment; empty without a plan."""
    begun = [letter for at, letter in piece.sections if at <= seconds + 0.01]
    return begun[-1] if begun else ""
