"""Accompaniment: chords broken, struck, strummed and held under the melody."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from emsync.music.arranging.events import ChordSpan, Event
from emsync.music.notes import GROUPS
from emsync.music.planning.plan import Chord, Plan
from emsync.training.craft.manners import Kind, Part
from emsync.training.craft.patterns import STABS, TABLES, Level, figure, parsed, rhythm
from emsync.training.craft.voicing import led, open_stack

REACH = 4
"""Semitones by which a broken chord may rise above the part's range."""
RESTRUCK_FROM = 6
"""Steps: a chord that changes under a stroke with this much still to come is struck again."""


class Accompanist:
    """Plays one part in one section."""

    def __init__(
        self,
        plan: Plan,
        spans: Sequence[ChordSpan],
        part: Part,
        level: Level,
        choices: random.Random,
        memory: dict[Chord, tuple[int, ...]],
    ) -> None:
        """Choose what is played.

        Args:
            plan: of the piece.
            spans: its chords.
            part: which group plays, and what it may play.
            level: how lively the section is.
            choices: the same for all sections of a letter, so that they are accompanied alike.
            memory: voicings of the part so far; a chord that returns is voiced as before.
        """
        self.plan, self.spans, self.part, self.level = plan, spans, part, level
        self.energy = level.energy
        self.starts = [span.start for span in spans]
        self.group = GROUPS.index(part.group)
        self.kind: Kind = choices.choice(part.kinds)
        self.voices = choices.randint(*part.voices)
        self.spread = choices.random() < 0.35
        self.pedal = self.kind in ("broken", "figure", "fingers") and choices.random() < 0.3
        self.gate = choices.choice((1.0, 1.0, 1.0, 0.75, 0.5))
        self.tied = choices.random() < 0.6
        self.rng = choices
        self.pattern = self._pattern(choices)
        self.before: tuple[int, ...] = ()
        self.memory = memory

    def play(self, first: int, last: int) -> list[Event]:
        """Return the part from step `first`, to `last`."""
        if self.kind == "pad":
            return self._pad(first, last)
        if self.kind == "counter":
            return self._counter(first, last)
        return self._strokes(first, last)

    def _pattern(self, rng: random.Random) -> str:
        """Return a pattern whose density suits the energy."""
        metre, kind = self.plan.metre.name, self.kind
        if kind in ("figure", "ostinato"):
            slow = self.plan.metre.name == "4/4" and rng.random() < 0.08
            stroke = 0 if slow else self.level.stroke(rng, self.plan.metre.bar)
            return figure(rng, metre, stroke, short=kind == "ostinato")
        if kind == "free":
            return rhythm(rng, metre, 0.35 + 0.5 * self.energy)
        if kind in ("pad", "counter"):
            return ""
        if kind == "tremolo":
            return "a" * (16 if metre == "4/4" else 12)
        if kind == "stabs":
            return rng.choice(STABS[metre])
        table = TABLES[kind][metre]
        return self.level.choose(rng, table, self.plan.metre.bar)

    def _stack(self, span: ChordSpan) -> tuple[int, ...]:
        """Return the pitches from which strokes choose, ascending."""
        part = self.part
        if self.kind == "power":
            root = part.low + (span.chord.lowest - part.low) % 12
            return (root, root + 7, root + 12)
        if self.kind in ("broken", "boomchick", "fingers") and part.low < 53:
            return open_stack(span.chord, part.low, 6 if self.kind == "broken" else 4)
        chord = replace(span.chord, step=0)
        if chord not in self.memory:
            self.memory[chord] = led(
                chord.tones, self.before, part.low, part.high, self.voices, self.spread
            )
        self.before = self.memory[chord]
        return self.before

    def _chosen(self, stack: tuple[int, ...], code: str) -> tuple[int, ...]:
        """Return the pitches that a character of a pattern stands for."""
        if code == "a":
            return stack
        if code == "u":
            return stack[1:] or stack
        if code == "b":
            return stack[:2] if self.energy < 0.7 else stack[:3]
        place = 0 if code == "l" else int(code)
        octaves, voice = divmod(place, len(stack))
        pitch = stack[voice] + 12 * octaves
        while octaves and pitch > self.part.high + REACH:
            octaves, pitch = octaves - 1, pitch - 12
        return (pitch,)

    def _strokes(self, first: int, last: int) -> list[Event]:
        """Return the pattern played over the chords."""
        bar = self.plan.metre.bar
        bars = parsed(self.pattern, bar)
        inside = range(max(bisect_right(self.starts, first) - 1, 0), len(self.spans))
        stacks = {i: self._stack(self.spans[i]) for i in inside if self.spans[i].start < last}
        notes: list[Event] = []
        for number, line in enumerate(range(first // bar * bar, last, bar)):
            for event in bars[number % len(bars)]:
                at = line + event.offset
                until = min(at + event.length, last)
                while first <= at < until:
                    index = bisect_right(self.starts, at) - 1
                    end = min(until, self.spans[index].end)
                    if self.pedal:
                        held = min(self.spans[index].end, last, line + bar)
                    else:
                        held = max(at + round((end - at) * self.gate), at + 2)
                    notes += [
                        Event(self.group, pitch, at, held)
                        for pitch in self._chosen(stacks[index], event.code)
                    ]
                    at = end
                    if until - at < RESTRUCK_FROM:
                        break
        return notes

    def _pad(self, first: int, last: int) -> list[Event]:
        """Return held voices: common tones stay, some are suspended, some pass by step."""
        sounding: dict[int, int] = {}
        notes: list[Event] = []
        before: tuple[int, ...] = ()
        for span in self.spans:
            if span.end <= first or span.start >= last:
                continue
            start, end = max(span.start, first), min(span.end, last)
            stack = self._stack(span)
            kept = set(stack) & set(sounding) if self.tied and end - start < 96 else set()
            for pitch in [p for p in sounding if p not in kept]:
                notes.append(Event(self.group, pitch, sounding.pop(pitch), start))
            late = self._suspended(before, stack, start, end) if before else {}
            for pitch in stack:
                if pitch in late:
                    notes.append(Event(self.group, late[pitch], start, start + 12))
                sounding.setdefault(pitch, start + (12 if pitch in late else 0))
            before = stack
        notes += [Event(self.group, pitch, start, last) for pitch, start in sounding.items()]
        return [note for note in notes if note.end > note.start]

    def _suspended(
        self, before: tuple[int, ...], stack: tuple[int, ...], start: int, end: int
    ) -> dict[int, int]:
        """Return {pitch: the one a step above it that is held a beat first}; at most one."""
        if end - start < 24 or self.rng.random() > 0.3:
            return {}
        for pitch in stack:
            for above in (pitch + 1, pitch + 2):
                free = not {above - 1, above + 1} & (set(stack) - {pitch})
                if above in before and above not in stack and free:
                    return {pitch: above}
        return {}

    def _counter(self, first: int, last: int) -> list[Event]:
        """Return one voice in long notes that goes by step where it can."""
        beat = self.plan.metre.beat
        unit = beat * (2 if self.plan.metre.beats == 4 else 1)
        low, high = self.part.low, self.part.high
        pitch = (low + high) // 2
        notes: list[Event] = []
        direction = self.rng.choice((-1, 1))
        for at in range(first, last, unit):
            span = self.spans[max(bisect_right(self.starts, at) - 1, 0)]
            tones = [p for p in range(low, high + 1) if p % 12 in span.chord.tones]
            wanted = pitch + 2 * direction
            following = min(tones, key=lambda p: (abs(p - wanted), p))
            if following >= high - 3 or following <= low + 3 or self.rng.random() < 0.2:
                direction = -direction
            end = min(at + unit, last)
            passing = abs(following - pitch) in (3, 4) and notes and self.rng.random() < 0.5
            if passing and notes[-1].end == at and notes[-1].end - notes[-1].start >= 12:
                scale = self.plan.scale_at(at - 6)
                between = [p for p in range(min(pitch, following) + 1, max(pitch, following))
                           if p % 12 in scale]  # fmt: skip
                if between:
                    notes[-1] = notes[-1].moved(notes[-1].start, at - 6)
                    notes.append(Event(self.group, between[0], at - 6, at))
            if notes and notes[-1].pitch == following and notes[-1].end == at:
                notes[-1] = notes[-1].moved(notes[-1].start, end)
            else:
                notes.append(Event(self.group, following, at, end))
            pitch = following
        return notes
