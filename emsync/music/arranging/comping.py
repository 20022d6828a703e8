"""Accompaniment written from scratch: the rhythms in which each style strikes its chords."""

import random

from emsync.music.arranging.events import chord_spans, section_spans
from emsync.music.arranging.voicing import voice_chord
from emsync.music.planning.grid import MetreName
from emsync.music.planning.plan import Plan

Rhythm = tuple[tuple[int, int], ...]
"""(offset, length) in steps of the chords of one bar."""

HELD_BELOW = 0.35
"""Energy below which chords are held. Ours."""

_HELD: dict[MetreName, Rhythm] = {"4/4": ((0, 48),), "3/4": ((0, 36),), "6/8": ((0, 36),)}
_FOUR: dict[str, tuple[Rhythm, Rhythm]] = {
    # Middle and energetic; calm music holds its chords.
    "cinematic": (((0, 24), (24, 24)), tuple((at, 6) for at in range(0, 48, 6))),
    "piano": (((0, 24), (24, 24)), tuple((at, 12) for at in range(0, 48, 12))),
    "pop": (((0, 18), (18, 30)), ((0, 12), (18, 6), (24, 12), (36, 12))),
    "rock": (((0, 24), (24, 24)), tuple((at, 6) for at in range(0, 48, 6))),
    "jazz": (((0, 12), (20, 12)), ((8, 6), (24, 8), (44, 4))),
    "electronic": (
        ((6, 6), (18, 6), (30, 6), (42, 6)),
        tuple((beat + at, 3) for beat in range(0, 48, 12) for at in (6, 9)),
    ),
    "folk": (
        ((0, 12), (12, 12), (24, 12), (36, 12)),
        ((0, 12), (12, 6), (18, 12), (30, 6), (36, 12)),
    ),
}
_THREE: tuple[Rhythm, Rhythm] = (((12, 12), (24, 12)), ((12, 10), (24, 10)))
_SIX: tuple[Rhythm, Rhythm] = (((0, 18), (18, 18)), ((0, 12), (12, 6), (18, 12), (30, 6)))


def comping_rhythm(plan: Plan, style: str, energy: float) -> Rhythm:
    """Return the rhythm in which a style strikes its chords, bar by bar, at an energy."""
    metre = plan.metre.name
    if energy < HELD_BELOW and style != "waltz":
        return _HELD[metre]
    level = 0 if energy < 0.7 else 1
    if metre == "4/4":
        return _FOUR.get(style, _FOUR["cinematic"])[level]
    return (_THREE if metre == "3/4" else _SIX)[level]


def write_comping(
    plan: Plan,
    style: str,
    group: str,
    rng: random.Random,
    size: int = 3,
    middle: int = 62,
    low: int = 48,
    high: int = 76,
) -> list[tuple[int, int, int]]:
    """Return chords in the style's rhythm as (start, end, pitch) in steps.

    The voices move the shortest way from chord to chord. Only the sections in which `group` plays
    without the melody are written.

    Args:
        plan: of the piece.
        style: one of `settings.Style` but "auto".
        group: name of the group that plays them.
        rng: moves the middle by a tone or two, so that pieces differ.
        size: notes of a chord.
        middle: MIDI pitch around which they lie.
        low: lowest pitch.
        high: highest pitch.
    """
    middle += rng.randrange(-2, 3)
    spans, bar = chord_spans(plan), plan.metre.bar
    last = plan.cadence if plan.cadence is not None else plan.end
    before: tuple[int, ...] = ()
    out: list[tuple[int, int, int]] = []
    for section in section_spans(plan):
        if group not in section.section.groups or group == section.section.lead:
            continue
        rhythm = comping_rhythm(plan, style, section.section.energy)
        for span in spans:
            a, b = max(span.start, section.start), min(span.end, section.end, last)
            if a >= b:
                continue
            before = voice_chord(span.chord, size, middle, low, high, before)
            struck = [
                (line + offset, min(line + offset + length, b))
                for line in range(a // bar * bar, b, bar)
                for offset, length in rhythm
                if a <= line + offset < b
            ]
            # A chord that begins within the rhythm is struck where it begins.
            if not struck or (struck[0][0] > a and a % bar):
                struck.insert(0, (a, struck[0][0] if struck else b))
            out += [(start, end, pitch) for start, end in struck for pitch in before]
    if plan.cadence is not None and group in plan.section_at(plan.cadence).groups:
        chord = plan.chord_at(plan.cadence)
        closing = voice_chord(chord, size, middle, low, high, before)
        out += [(plan.cadence, plan.end, pitch) for pitch in closing]
    return out
