"""Melodies: motifs that develop and return.

A theme is a few bars of rhythm and contour, in steps of the scale, each bar made from one or two
motifs: repeated, in sequence, inverted or with another end (Schoenberg, Fundamentals of Musical
Composition). It is fitted to the chords when it is played: strong places take chord tones, the
others follow the contour. So a theme that returns over other chords is still that theme.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from emsync.music.arranging.events import ChordSpan, Event
from emsync.music.notes import GROUPS
from emsync.music.planning.grid import MetreName
from emsync.music.planning.plan import Plan

RANGES = {"piano": (62, 88), "strings": (62, 88), "guitar": (57, 79)}
"""MIDI pitches in which each group sings."""
RHYTHMS: dict[MetreName, tuple[str, ...]] = {
    "4/4": (
        "x---x---x---x---", "x-----x-x---x---", "x-------x---x---", "x---x---x-------",
        "x-----x-x-------", "x---x-x-x---x---", "x-x-x---x-x-x---", "..x-x-x-x---x---",
        "x-----------x-x-", "x---x-x-x-x-x---", "x--x--x-x---x---", "....x-x-x---x---",
        "x--x--x---x-x---", "x-x-x-x-x---x---", "x-------x-x-x-x-", "x---..x-x---..x-",
        "x-xxx---x-xxx---", "x-----x-x-x-x-x-", "x-x---x-x---x---", "........x-x-x-x-",
        "x--xx---x--xx---", "x-------x-------", "x---------x-x-x-", "xx--x---x---x-x-",
        "x---x-------x---", "..x-x---..x-x---", "x-x-x-x-x-x-x-x-", "x--x--x--x--x-x-",
    ),
    "3/4": (
        "x---x---x---", "x-------x---", "x-----x-x---", "x---x-x-x---", "x-x-x---x---",
        "x---x---x-x-", "x-----x-x-x-", "....x---x---", "x-x-x-x-x---", "x-----------",
        "x---x-------", "x-x-x-x-x-x-", "....x-x-x-x-",
    ),
    "6/8": (
        "x---x-x---x-", "x-----x-x-x-", "x-x-x-x-----", "x---x-x-x-x-", "x---x-x-----",
        "x-x-x-x-x-x-", "x-----x---x-", "..x-x-x---x-", "x--xx-x---x-", "x-x-x-x---x-",
        "x-----x-----",
    ),
}  # fmt: skip
CLOSES: dict[MetreName, tuple[str, ...]] = {
    "4/4": ("x-----------....", "x---x-------....", "x-------........", "x-x-x-----------",
            "x---x---x-------", "x---------------"),
    "3/4": ("x-----------", "x---x-------", "x-------....", "x-x-x---...."),
    "6/8": ("x-----------", "x---x-x-----", "x-----x-....", "x---------.."),
}  # fmt: skip
"""Ends of phrases: longer notes and a breath."""
PHRASES = (
    ("a", "a", "b", "z"), ("a", "b", "a", "z"), ("a", "a+", "a++", "z"), ("a", "b", "a-", "z"),
    ("a", "z", "a", "z"), ("a", "a-", "b", "z"), ("a", "b", "b+", "z"), ("a", "i", "a", "z"),
    ("a", "y", "a+", "z"), ("a", "b", "c", "z"), ("a", "a", "a", "z"),
)  # fmt: skip
"""Four bars: motifs a, b, c, their sequences a step higher `+` or lower `-`, `i` the inversion of
a, `y` a half close and `z` a close."""
ARCS = ((0, 2, 4, 0), (0, 0, 3, 0), (0, 3, 5, 2), (4, 2, 0, -2), (0, 4, 2, 0), (-2, 0, 3, 0),
        (0, 2, 0, -2, 0, 4, 5, 0), (0, 0, 0, 0), (0, 3, 0, 0, 3, 5, 3, 0))  # fmt: skip
"""Semitones by which the bars of a phrase lie above the middle: most phrases rise and fall again
(Huron 1996)."""
STEPS = (1, -1, 1, -1, 1, -1, 2, -2, 0, 3, -3)


@dataclass(frozen=True)
class Motif:
    """A bar of melody."""

    rhythm: str
    contour: tuple[int, ...]
    """Steps of the scale from the bar's first note, one a note."""
    level: int = 0
    """Semitones above the middle of the line near which the bar's first note lies."""

    def shifted(self, steps: int) -> "Motif":
        """Return the motif in sequence."""
        return replace(self, contour=tuple(degree + steps for degree in self.contour))

    def inverted(self) -> "Motif":
        """Return the motif upside down."""
        return replace(self, contour=tuple(-degree for degree in self.contour))


def _motif(rng: random.Random, rhythm: str) -> Motif:
    """Return a motif with this rhythm; mostly by step, leaps made good by the next note."""
    contour, last = [0], 0
    drift = rng.choice((-1, 1))
    for _ in range(rhythm.count("x") - 1):
        move = rng.choice(STEPS)
        if abs(last) > 1:
            move = -1 if last > 0 else 1
        elif rng.random() < 0.3:
            move = drift
        contour.append(max(-4, min(5, contour[-1] + move)))
        last = move
    return Motif(rhythm, tuple(contour))


def theme(
    rng: random.Random, metre: MetreName, arousal: float, bar_seconds: float
) -> tuple[Motif, ...]:
    """Return eight bars: an antecedent of four and a consequent that begins alike.

    Args:
        rng: draws motifs and phrases.
        metre: of the piece.
        arousal: in [-1, 1]; the higher, the more notes a second.
        bar_seconds: length of a bar.
    """
    wanted = min(max((1.9 + 0.8 * arousal) * bar_seconds, 2.5), 8.0)
    pool = sorted(RHYTHMS[metre], key=lambda r: abs(r.count("x") - wanted) + rng.random() * 2.5)
    rhythms = pool[:3]
    kinds = {kind: _motif(rng, rhythm) for kind, rhythm in zip("abc", rhythms, strict=True)}
    if rng.random() < 0.3:
        kinds["b"] = Motif(rhythms[0], _motif(rng, rhythms[0]).contour)
    kinds["i"] = kinds["a"].inverted()
    kinds["y"] = _motif(rng, rng.choice(CLOSES[metre]))
    kinds["z"] = _motif(rng, rng.choice(CLOSES[metre]))
    phrase = rng.choice(PHRASES)
    second = phrase if rng.random() < 0.8 else rng.choice(PHRASES)
    arc = rng.choice(ARCS)
    bars = []
    for place, sign in enumerate([*phrase, *second]):
        motif = kinds[sign[0]].shifted(sign.count("+") - sign.count("-"))
        if place == 3 and sign == "z" and rng.random() < 0.6:
            motif = kinds["y"]
        bars.append(replace(motif, level=arc[place % len(arc)]))
    return tuple(bars)


def _notes_of(rhythm: str, bar: int) -> list[tuple[int, int]]:
    """Return (offset, length) in steps of the notes of a rhythm."""
    unit, notes = bar // len(rhythm), []
    for place, sign in enumerate(rhythm):
        if sign == "x":
            notes.append((place * unit, unit))
        elif sign == "-" and notes:
            notes[-1] = (notes[-1][0], notes[-1][1] + unit)
    return notes


class Singer:
    """Plays themes over the chords of a plan."""

    def __init__(self, plan: Plan, spans: Sequence[ChordSpan]) -> None:
        self.plan, self.spans = plan, spans
        self._scales: dict[tuple[int, int], list[int]] = {}

    def sing(
        self, bars: Sequence[Motif], stretch: tuple[int, int], group: str, middle: float
    ) -> list[Event]:
        """Return the theme in the steps from `stretch[0]` to `stretch[1]`, around `middle`.

        Args:
            bars: of the theme, which goes round.
            stretch: first step and end.
            group: that sings.
            middle: MIDI pitch.
        """
        low, high = RANGES[group]
        bar, number = self.plan.metre.bar, GROUPS.index(group)
        line: list[Event] = []
        first, last = stretch
        for place, start in enumerate(range(first, last, bar)):
            motif = bars[place % len(bars)]
            base: float | None = None
            for (offset, length), degree in zip(
                _notes_of(motif.rhythm, bar), motif.contour, strict=True
            ):
                at = start + offset
                if at >= last:
                    break
                span = self._span(at)
                scale = self._scale(at, span, low, high)
                if base is None:
                    aim = middle + motif.level
                    base = float(min(_tones(span, low, high), key=lambda p: abs(p - aim)))
                near = min(range(len(scale)), key=lambda i: abs(scale[i] - base))
                pitch = scale[max(0, min(len(scale) - 1, near + degree))]
                beat = offset % self.plan.metre.beat == 0
                if (beat and length >= 9) or at == span.start or length >= 18:
                    pitch = min(_tones(span, low, high), key=lambda p: (abs(p - pitch), p))
                line.append(Event(number, pitch, at, min(at + length, last), lead=True))
        return self._let_go(line)

    def _span(self, step: int) -> ChordSpan:
        low, high = 0, len(self.spans) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.spans[middle].start <= step:
                low = middle
            else:
                high = middle - 1
        return self.spans[low]

    def _scale(self, step: int, span: ChordSpan, low: int, high: int) -> list[int]:
        key = (span.start, low)
        if key not in self._scales:
            classes = self.plan.scale_at(max(step, span.start))
            self._scales[key] = [p for p in range(low, high + 1) if p % 12 in classes]
        return self._scales[key]

    def _let_go(self, line: list[Event]) -> list[Event]:
        """Return the line, no note held into a chord that it rubs against."""
        out = []
        for event in line:
            end = event.end
            span = self._span(event.start)
            while span.end < end:
                span = self._span(span.end)
                if event.pitch % 12 not in span.chord.tones:
                    end = span.start
                    break
            out.append(event.moved(event.start, max(end, event.start + 3)))
        return out


def _tones(span: ChordSpan, low: int, high: int) -> list[int]:
    """Return the pitches of a chord in a range."""
    return [p for p in range(low, high + 1) if p % 12 in span.chord.tones]
