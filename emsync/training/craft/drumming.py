"""Drum patterns and fills.

A groove is put together from a row for each drum, one bar or several with `/` between; the bar is
divided evenly among a row's characters: `x` a hit, `.` none. Rows are drawn one by one, so that a
few dozen of them make thousands of grooves.
"""

import random
from dataclasses import dataclass

from emsync.music.arranging.events import DRUMS, Event
from emsync.music.planning.grid import MetreName
from emsync.training.craft.patterns import Level, parsed

KICK, RIM, SNARE, CLAP, HAT, PEDAL, OPEN = 36, 37, 38, 39, 42, 44, 46
LOW_TOM, MIDDLE_TOM, HIGH_TOM = 43, 47, 50
CRASH, RIDE, BELL, TAMBOURINE, COWBELL, SHAKER = 49, 51, 53, 54, 56, 70
HIGH_CONGA, LOW_CONGA, BASS_DRUM = 63, 64, 35
"""General MIDI percussion keys."""
HIT_STEPS = 2
"""Length of a hit on the grid; no note-off tells it."""


@dataclass(frozen=True)
class Kit:
    """Rows to draw a groove from."""

    low: tuple[str, ...]
    back: tuple[str, ...]
    top: tuple[str, ...]
    more: tuple[str, ...] = ("",)
    low_drum: int = KICK
    back_drums: tuple[int, ...] = (SNARE,)
    top_drums: tuple[int, ...] = (HAT, HAT, RIDE)
    more_drums: tuple[int, ...] = (TAMBOURINE, SHAKER)


_EIGHTHS, _SIXTEENTHS, _QUARTERS = "x.x.x.x.x.x.x.x.", "x" * 16, "x...x...x...x..."
_BACKBEAT = "....x.......x..."
KITS: dict[str, dict[MetreName, Kit]] = {
    "pop": {
        "4/4": Kit(
            ("x.......x.......", "x.....x.x.......", "x..x....x.......", "x.......x.x.....",
             "x.....x...x.....", "x..x..x.x.......", "x.......x......./x.....x.x.x.....",
             "x...x...x...x...", "x.x.....x.x.....", "x......xx.......", "x.....xx..x....."),
            (*[_BACKBEAT] * 5, "....x.......x..x", "........x.......",
             "....x..x....x...", "....x.......x.../....x.......x.x."),
            (_EIGHTHS, _EIGHTHS, _SIXTEENTHS, _QUARTERS, "x.xxx.xxx.xxx.xx", "..x...x...x...x.",
             "x.x.x.xxx.x.x.x."),
            ("", "", _SIXTEENTHS, _QUARTERS, "....x.......x..."),
        ),
        "3/4": Kit(("x...........", "x.........x.", "x.....x....."),
                   ("....x...x...", "........x..."),
                   ("x.x.x.x.x.x.", "x...x...x...")),
        "6/8": Kit(("x...........", "x.........x.", "x...x......."), ("......x.....",),
                   ("x.x.x.x.x.x.", "x...x.x...x.")),
    },
    "ballad": {
        "4/4": Kit(("x.......x.......", "x...............", "x.........x....."),
                   ("....x.......x...", "............x...", "........x......."),
                   (_QUARTERS, _EIGHTHS, "x.......x......."), back_drums=(RIM, SNARE)),
        "3/4": Kit(("x...........",), ("........x...", "....x......."),
                   ("x...x...x...",), back_drums=(RIM,)),
        "6/8": Kit(("x...........", "x.........x."), ("......x.....",), ("x.x.x.x.x.x.",),
                   back_drums=(RIM, SNARE)),
    },
    "rock": {
        "4/4": Kit(
            ("x.......x.......", "x.....x.x.......", "x.x.....x.x.....", "x..x..x.x..x....",
             "x.......x.x.....", "x.x...x.x.x.....", "x.....x...x...x.", "x.xx....x.xx....",
             "x.x.x.x.x.x.x.x."),
            (*[_BACKBEAT] * 4, "....x.......x.x.", "........x.......", "....x..x.x..x..."),
            (_EIGHTHS, _EIGHTHS, _QUARTERS), top_drums=(HAT, OPEN, RIDE, CRASH, HAT),
        ),
        "3/4": Kit(("x.......x...", "x.....x....."), ("....x...x...", "....x......."),
                   ("x.x.x.x.x.x.",)),
        "6/8": Kit(("x.........x.", "x...x......."), ("......x.....",), ("x.x.x.x.x.x.",),
                   top_drums=(HAT, RIDE, OPEN)),
    },
    "disco": {
        "4/4": Kit((_QUARTERS,), (_BACKBEAT,),
                   ("..x...x...x...x.", _SIXTEENTHS, "x.xxx.xxx.xxx.xx"),
                   ("", _SIXTEENTHS), back_drums=(SNARE, CLAP), top_drums=(OPEN, HAT)),
        "3/4": Kit(("x...x...x...",), ("....x...x...",), ("..x...x...x.",)),
        "6/8": Kit(("x.....x.....",), ("......x.....",), ("..x.x...x.x.",)),
    },
    "house": {
        "4/4": Kit((_QUARTERS, _QUARTERS, "x...x...x...x.x.", "x..x..x...x.x...",
                    "x.......x..x...."),
                   (_BACKBEAT, _BACKBEAT, "................", "....x.......x..x"),
                   ("..x...x...x...x.", _SIXTEENTHS, "..xx..xx..xx..xx", "x.xxx.xxx.xxx.xx"),
                   ("", "...x..x....x..x.", "..x..x..x..x..x."), back_drums=(CLAP, SNARE),
                   top_drums=(OPEN, HAT, HAT), more_drums=(COWBELL, SHAKER, RIM)),
        "3/4": Kit(("x...x...x...",), ("....x...x...",), ("..x...x...x.",)),
        "6/8": Kit(("x.....x.....",), ("......x.....",), ("..x.x...x.x.",)),
    },
    "funk": {
        "4/4": Kit(
            ("x.x...x..xx.....", "x..x..x...x..x..", "x.x.....x.x.....", "x......x.xx.....",
             "x..x.......x..x."),
            ("....x.......x...", "....x..x.x..x..x", "....x..x....x...", "....x.......x.x."),
            (_SIXTEENTHS, _EIGHTHS, "x.xxx.xxx.xxx.xx", "x.x.x.x.x.x.xxx."),
            ("", _EIGHTHS, "x..x..x...x.x...")),
        "3/4": Kit(("x..x..x.....",), ("....x...x...",), ("x.x.x.x.x.x.",)),
        "6/8": Kit(("x..x..x.....",), ("......x.....",), ("x.x.x.x.x.x.",)),
    },
    "reggae": {
        "4/4": Kit(("........x.......", "x.......x.......", _QUARTERS),
                   ("........x.......", "....x.......x..."),
                   (_EIGHTHS, "..x...x...x...x.", "x.x.x.xxx.x.x.x."), back_drums=(RIM, SNARE)),
        "3/4": Kit(("........x...",), ("........x...",), ("x.x.x.x.x.x.",)),
        "6/8": Kit(("......x.....",), ("......x.....",), ("x.x.x.x.x.x.",)),
    },
    "shuffle": {
        "4/4": Kit(("x.......x.......", "x.....x.x.......", _QUARTERS), (_BACKBEAT,),
                   (_EIGHTHS, _QUARTERS), top_drums=(HAT, RIDE)),
        "3/4": Kit(("x...........",), ("....x...x...",), ("x.x.x.x.x.x.",)),
        "6/8": Kit(("x.........x.",), ("......x.....",), ("x.x.x.x.x.x.",)),
    },
    "swing": {
        "4/4": Kit(("x...............", "................", _QUARTERS, "x.........x....."),
                   ("................", "......x.........", "......x.......x.", "..........x..x.."),
                   ("x...x.x.x...x.x.", "x...x.x.x...x.x.", _QUARTERS, "x...x.x.x...x..."),
                   (_BACKBEAT,), top_drums=(RIDE,), more_drums=(PEDAL,)),
        "3/4": Kit(("x...........",), ("............", "......x....."),
                   ("x...x.x.x...", "x...x.x.x.x."), ("....x...x...", "....x......."),
                   top_drums=(RIDE,), more_drums=(PEDAL,)),
        "6/8": Kit(("x...........",), ("......x.....",), ("x...x.x...x.",), top_drums=(RIDE,)),
    },
    "bossa": {
        "4/4": Kit(("x.....x.x.....x.", "x.....xxx.....xx"),
                   ("x..x..x...x..x..", "x...x..x..x.x...",
                    "..x..x....x..x..", "x..x..x...x..x../..x..x..x..x...."),
                   (_EIGHTHS, _SIXTEENTHS), ("", "..x...x...x...x."), back_drums=(RIM,),
                   top_drums=(HAT, SHAKER, RIDE), more_drums=(PEDAL,)),
        "3/4": Kit(("x.........x.",), ("x..x..x.....",), ("x.x.x.x.x.x.",), back_drums=(RIM,)),
        "6/8": Kit(("x.........x.",), ("x..x..x.....",), ("x.x.x.x.x.x.",), back_drums=(RIM,)),
    },
    "latin": {
        "4/4": Kit((_QUARTERS, "x.....x.x.....x.", "......x.......x.", "x..x..x.x..x..x."),
                   ("x..x..x...x.x...", "...x..x....x..x.", "..x.x...x..x..x."),
                   (_QUARTERS, "x.xxx.xxx.xxx.xx", _EIGHTHS, "x.x.xx.x.x.xx.x."),
                   ("..x...xx..x...xx", "x..xx.x.x..xx.x."), back_drums=(RIM, SNARE, HIGH_CONGA),
                   top_drums=(COWBELL, SHAKER, RIDE), more_drums=(LOW_CONGA, HIGH_CONGA)),
        "3/4": Kit(("x.....x.....",), ("x..x..x...x.",), ("x.x.x.x.x.x.",)),
        "6/8": Kit(("x.....x.....",), ("..x.x...x.x.",), ("x.x.x.x.x.x.",)),
    },
    "country": {
        "4/4": Kit(("x.......x.......", "x.......x.x....."), (_BACKBEAT, "..x...x...x...x."),
                   ("x.xxx.xxx.xxx.xx", _EIGHTHS), back_drums=(SNARE, RIM),
                   top_drums=(HAT, SHAKER)),
        "3/4": Kit(("x...........",), ("....x...x...",), ("x.x.x.x.x.x.",), back_drums=(RIM,)),
        "6/8": Kit(("x...........",), ("......x.....",), ("x.x.x.x.x.x.",)),
    },
    "jig": {
        "4/4": Kit(("x.......x.......", _QUARTERS), ("....x..x....x..x", _BACKBEAT),
                   (_EIGHTHS,), low_drum=BASS_DRUM, back_drums=(LOW_TOM, RIM),
                   top_drums=(TAMBOURINE, SHAKER)),
        "3/4": Kit(("x...........",), ("....x...x...",), ("x...x...x...",)),
        "6/8": Kit(("x.....x.....", "x...x.x...x."), ("....x.....x.", "..x.x...x.x."),
                   ("x.x.x.x.x.x.", "x...x.x...x."), low_drum=BASS_DRUM,
                   back_drums=(LOW_TOM, RIM), top_drums=(TAMBOURINE, SHAKER)),
    },
    "waltz": {
        "4/4": Kit(("x.......x.......",), (_BACKBEAT,), (_EIGHTHS,)),
        "3/4": Kit(("x...........", "x...........", "x.........x."),
                   ("....x...x...", "........x..."),
                   ("....x...x...", "x...x...x...", "x...x.x.x..."), back_drums=(SNARE, RIM),
                   top_drums=(HAT, RIDE, PEDAL)),
        "6/8": Kit(("x...........",), ("....x.....x.",), ("x...x.x...x.",)),
    },
    "march": {
        "4/4": Kit(("x.......x.......", _QUARTERS), ("..x.x.xx..x.x.xx", "x..xx.x.x..xx.x.",
                    "..x...x...x.x.xx", "x.xxx.xxx.xxx.x."),
                   ("x.......x.......", "................", "..x...x...x...x."),
                   low_drum=BASS_DRUM, top_drums=(CRASH, PEDAL)),
        "3/4": Kit(("x...........",), ("....x.xxx.xx",), ("x...........",), low_drum=BASS_DRUM),
        "6/8": Kit(("x.....x.....",), ("..x.x...x.xx",), ("x...........",), low_drum=BASS_DRUM),
    },
    "cinematic": {
        "4/4": Kit(
            ("x.......x.......", "x...............", "x..x..x.x..x..x.", "x.....x.x...x.x.",
             "x...x...x...x.x.", "x.......x..x..x."),
            ("................", "....x.......x...", "..x.x.x...x.x.xx", "............x.xx",
             "...x..x....x..x."),
            ("................", "x.x.x.x.x.x.x.x.", "x.xxx.xxx.xxx.xx"),
            ("", "......x.......x.", "..x...x...x..xx."), low_drum=BASS_DRUM,
            back_drums=(LOW_TOM, MIDDLE_TOM, SNARE), top_drums=(SHAKER, MIDDLE_TOM, HAT),
            more_drums=(LOW_TOM, HIGH_TOM)),
        "3/4": Kit(("x...........", "x.....x....."), ("............", "....x...x.xx"),
                   ("............", "x.x.x.x.x.x."), low_drum=BASS_DRUM,
                   back_drums=(LOW_TOM, MIDDLE_TOM), top_drums=(SHAKER,)),
        "6/8": Kit(("x.....x.....", "x..........."),
                   ("............", "..x.x...x.xx", "......x..xxx"),
                   ("............", "x.x.x.x.x.x."), low_drum=BASS_DRUM,
                   back_drums=(LOW_TOM, MIDDLE_TOM), top_drums=(SHAKER,)),
    },
}  # fmt: skip
FILLS = (
    "s.s.s.s.", "ssssssss", "s.sshhmm", "hhmmllss", "hhhhmmmm", "ss.ss.ss", "s..s..s.", "s.h.m.l.",
    "....ssss", "..ss..ss", "hmlhmlss", "sssshhhh", "l.l.llll", "s.hhm.ll", "..s.ssss", "sshhmmll",
    "....s.ss", "s...s.ss", "hh.mm.ll", "o.......",
)  # fmt: skip
"""Half a bar of eight sixteenths: snare, three toms, an open hi-hat."""
_FILL_DRUMS = {"s": SNARE, "h": HIGH_TOM, "m": MIDDLE_TOM, "l": LOW_TOM, "o": OPEN}
PHRASE = 4
"""Bars between fills."""


def _groove(rng: random.Random, kit: Kit, level: Level, bar: int) -> list[tuple[int, str]]:
    """Return (drum, row) of one groove; the livelier, the fuller."""
    rows = [(kit.low_drum, rng.choice(kit.low)), (rng.choice(kit.back_drums), rng.choice(kit.back))]
    rows.append((rng.choice(kit.top_drums), level.choose(rng, kit.top, bar)))
    more = rng.choice(kit.more)
    if more and level.energy > 0.45:
        rows.append((rng.choice(kit.more_drums), more))
    return rows


def write_drumming(
    family: str,
    metre: MetreName,
    bar: int,
    stretch: tuple[int, int],
    level: Level,
    rng: random.Random,
) -> list[Event]:
    """Return drums for the steps from `stretch[0]`, a bar line, to `stretch[1]`.

    A fill leads into every fourth bar line or so and into the next section; a crash tells where a
    section begins, if it is lively.
    """
    rows = _groove(rng, KITS[family][metre], level, bar)
    first, last = stretch
    bars = range(first // bar, -(-last // bar))
    fill_share = rng.uniform(0.2, 0.9) * (0.4 if family in ("bossa", "house", "disco") else 1.0)
    fills = [rng.choice(FILLS) for _ in range(2)]
    long_fill = rng.random() < 0.25
    crashes = level.energy > 0.4 and family not in ("bossa", "reggae", "jig", "ballad")
    hits: set[tuple[int, int]] = set()
    for number, index in enumerate(bars):
        line = index * bar
        final = index == bars[-1]
        fills_here = (final and rng.random() < 0.8) or (
            number % PHRASE == PHRASE - 1 and rng.random() < fill_share
        )
        length = (48 if long_fill and bar == 48 and final else 24) if fills_here else 0
        for drum, row in rows:
            strokes = parsed(row, bar)
            for stroke in strokes[number % len(strokes)]:
                if stroke.offset < bar - length:
                    hits.add((line + stroke.offset, drum))
        if fills_here:
            text = fills[final] if length == 24 else fills[0] + fills[1]
            for place, sign in enumerate(text):
                if sign != ".":
                    hits.add((line + bar - length + 3 * place, _FILL_DRUMS[sign]))
        if crashes and (number == 0 or (number % 8 == 0 and rng.random() < 0.5)):
            hits = {(at, d) for at, d in hits if at != line or d not in (HAT, RIDE, OPEN)}
            hits |= {(line, CRASH), (line, rows[0][0])}
    return [
        Event(DRUMS, drum, at, at + HIT_STEPS) for at, drum in sorted(hits) if first <= at < last
    ]
