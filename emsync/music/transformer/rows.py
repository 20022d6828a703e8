"""The rules by which one piece is drawn: its clock, its boundaries, what may come next.

`Row` keeps the clock and the boundaries of Algorithm 1 (thesis 4.2) and the rules against stuck
notes and standing still; `emsync.music.transformer.on_grid` adds the beat and the chords of a plan.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from emsync.music.chords import CHORD_GROUPS
from emsync.music.composition import tick_off
from emsync.music.notes import GROUPS, TICK_SECONDS
from emsync.music.planning.grid import Grid
from emsync.music.planning.plan import Plan
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.harmony_labels import UNTOLD, Harmony
from emsync.settings import MusicSettings

EVENTS_AT_ONCE = 64
"""More events than this at one time step and the clock has to move."""
TOKENS_PER_SECOND = 100
"""More tokens than this per second of music, counted from the start, and time has to pass. The
corpus has 21 to 47 on average."""
TOKENS_IN_ADVANCE = 256
LONGEST_PAUSE = 5.0
"""Seconds without a note-on, after which the clock waits for one."""
LONGEST_NOTES = {"bass": 4.0, "guitar": 8.0, "piano": 8.0, "strings": 8.0}
"""Seconds after which a note is taken for stuck and ended. In the free and synthetic tiers 99 % of
the notes last less than half as long."""
MOST_VOICES = {"bass": 4, "guitar": 12, "piano": 12, "strings": 12}
"""Notes that a group may sound at once; nine pieces in ten stay below 9."""
CHORD_NOTES = 3
"""Guitar and piano notes that follow every CHORD token of the corpus, at least."""
CHORD_SECONDS = 1.0
"""A chord's notes are held at least this long: two beats at 120 a minute."""
FORCED_TICKS = 16
"""Least time shift when time has to pass: 128 ms."""


@dataclass(frozen=True)
class MoodChange:
    """Another mood from `seconds` on; valence and arousal as in `Brief`."""

    seconds: float
    valence: float
    arousal: float


@dataclass(frozen=True)
class Brief:
    """What one piece is asked to be."""

    valence: float
    """In [-1, 1], or NaN for 'not given'."""
    arousal: float
    boundaries: tuple[float, ...]
    """Seconds, ascending: where a strong chord is wanted."""
    seconds: float
    """The piece is at least this long."""
    seed: int
    changes: tuple[MoodChange, ...] = ()
    """Later moods, their seconds ascending."""
    primer: tuple[int, ...] = ()
    """Tokens that the model takes for the music before second 0; not part of the piece."""
    grid: Grid | None = None
    """The beat that is kept to; None: any. With it the seconds of this brief are those of the
    model's clock, `Grid.ticks_of`, not of the film."""
    plan: Plan | None = None
    """The chords to prefer; only with a grid."""
    given: tuple[tuple[int, int], ...] = ()
    """(tick, token) of notes that are there already, in the order of tokens, every tick on a step
    of the grid; only with a grid."""

    def __post_init__(self) -> None:
        if any(a.seconds >= b.seconds for a, b in pairwise(self.changes)):
            raise ValueError("the changes of mood must come one after the other")

    def changes_by(self, seconds: float) -> int:
        """Return how many changes of mood lie behind."""
        return bisect_right(self.changes, seconds, key=lambda change: change.seconds)

    def mood_after(self, changes: int) -> tuple[float, float]:
        """Valence and arousal after so many changes."""
        now = self.changes[changes - 1] if changes else self
        return now.valence, now.arousal


@dataclass(frozen=True)
class Hit:
    """A CHORD that ticked off a boundary."""

    boundary: int
    """Index into `Brief.boundaries`."""
    seconds: float


_VOICES = (len(GROUPS), v.PITCHES)
_DRUMS, _STRINGS = GROUPS.index("drums"), GROUPS.index("strings")
# Drum hits end by themselves and are never among the notes that sound.
_LONGEST_TICKS = np.array(
    [[round(LONGEST_NOTES.get(group, 0.0) / TICK_SECONDS)] for group in GROUPS]
)
_MOST_VOICES = np.array([MOST_VOICES.get(group, 1) for group in GROUPS])
_CHORD_GROUPS = frozenset(GROUPS.index(group) for group in CHORD_GROUPS)


def _muted(settings: MusicSettings) -> np.ndarray:
    """Mask (groups,) of those that may not play.

    Raises:
        ValueError: nobody may play, or there is no such group.
    """
    playing = [GROUPS.index(group) for group in settings.groups]
    if not playing:
        raise ValueError("one group at least has to play")
    muted = np.ones(len(GROUPS), dtype=bool)
    muted[playing] = False
    return muted


class Row:
    """Clock, boundaries and rules of one piece."""

    chord_seconds = CHORD_SECONDS

    def __init__(self, brief: Brief, settings: MusicSettings, start: Sequence[int]) -> None:
        self.brief = brief
        self.settings = settings
        self.generator = torch.Generator().manual_seed(brief.seed)
        self.muted = _muted(settings)
        self.tokens = list(start)
        self.ticks = 0
        self.last_note_on = 0
        self.began = np.full(_VOICES, -1)
        """Tick at which each note (group, pitch) began that is not yet ended, else -1; drum hits
        end by themselves."""
        self.restarted = np.zeros(_VOICES, dtype=bool)
        """Notes of this time step that began while the one before still sounded."""
        self.held_until = np.zeros(_VOICES, dtype=int)
        """Tick before which a chord's note may not end."""
        self.owed_notes = 0
        """Notes that the chord of this time step still lacks."""
        self.events_now = len(self.tokens)
        self.marks_now = set(start) & {v.BAR, v.CHORD}
        """Which of BAR and CHORD this time step has."""
        self.open_boundaries = dict(enumerate(brief.boundaries))
        self.announced = dict(self.open_boundaries)
        """When the model expects each boundary; moved by `landing`, to later."""
        self._ahead = deque(self.open_boundaries)
        """Numbers of the boundaries, without the first ones that are past or ticked off."""
        self.reach = settings.sensitivity
        """Seconds from a boundary within which a chord ticks it off."""
        self.hits: list[Hit] = []
        self.narrow_draws = 0
        self.forced = 0

    def go_on_as(self, other: "Row", seed: int) -> None:
        """Take over what is known of the draws of the same piece; go on with another seed."""
        self.forced = other.forced
        self.generator.manual_seed(seed)

    @property
    def seconds(self) -> float:
        return self.ticks * TICK_SECONDS

    @property
    def finished(self) -> bool:
        return self.seconds >= self.brief.seconds

    @property
    def offset(self) -> float:
        """Seconds to the next boundary that is neither past nor ticked off."""
        nearest = math.inf
        for number in self._coming():
            if self.brief.boundaries[number] - self.seconds >= nearest:
                break
            if self.announced[number] >= self.seconds:
                nearest = min(nearest, self.announced[number] - self.seconds)
        return nearest

    def _coming(self) -> Iterator[int]:
        """Yield the boundaries that are neither past nor ticked off, in their order."""
        while self._ahead and (
            self._ahead[0] not in self.open_boundaries
            or max(self.announced[self._ahead[0]], self.brief.boundaries[self._ahead[0]])
            < self.seconds
        ):
            self._ahead.popleft()
        return (number for number in self._ahead if number in self.open_boundaries)

    @property
    def harmony(self) -> Harmony:
        """Return the chord of the moment and the one to come; not told without a plan."""
        return UNTOLD

    @property
    def temperature(self) -> float:
        """Raised while the nucleus stays narrow, so that loops break (published code)."""
        rise = max(
            0.0, math.log((self.narrow_draws + 1) / 4) * self.settings.repetition_coefficient
        )
        return self.settings.temperature * (1 + rise)

    def forbidden(self) -> tuple[np.ndarray, bool]:
        """Mask (1011,) of what may not come next, and whether it hems the model in.

        What no piece of the corpus does (a second BAR or CHORD at one time, a CHORD without its
        notes, a note-off without its note) is a matter of spelling and not counted.
        """
        no = np.zeros(v.SIZE, dtype=bool)
        if self._behind:
            no[:] = True
            no[v.shift_token(FORCED_TICKS) : v.FIRST_NOTE] = False
            return no, True
        no[[v.PAD, v.START, v.FEWER_INSTRUMENTS, v.MORE_INSTRUMENTS]] = True
        for mark in self.marks_now:
            no[mark] = True
        no[v.CHORD] |= all(self.muted[group] for group in _CHORD_GROUPS)
        notes = no[v.FIRST_NOTE : v.FEWER_INSTRUMENTS].reshape(len(GROUPS), 2, v.PITCHES)
        offs, ons = notes[:, 0], notes[:, 1]
        sounding = self.began >= 0
        fresh = self.began == self.ticks
        held = sounding & (self.held_until > self.ticks)
        np.logical_or(fresh, held, out=ons)
        ons[self.muted] = True
        np.logical_or(~sounding, np.where(fresh, ~self.restarted, held), out=offs)
        offs[_DRUMS] = self.muted[_DRUMS]
        overdue = sounding & ~held & (self.ticks - self.began >= _LONGEST_TICKS)
        if overdue.any():
            oldest = np.where(overdue, self.began, self.ticks).argmin()
            no[:] = True
            offs.flat[oldest] = False
            return no, True
        if self.owed_notes:
            no[v.BAR : v.FIRST_NOTE] = True
            ons[_STRINGS] = True
            return no, False
        ons[sounding.sum(axis=1) >= _MOST_VOICES] = True
        silent = (self.ticks - self.last_note_on) * TICK_SECONDS >= LONGEST_PAUSE
        if silent:
            no[v.BAR : v.FIRST_NOTE] = True
            offs[:] = True
        return no, silent

    @property
    def _behind(self) -> bool:
        """Too many tokens at this time step, or since the start: time has to pass."""
        allowed = TOKENS_IN_ADVANCE + TOKENS_PER_SECOND * self.seconds
        return self.events_now >= EVENTS_AT_ONCE or len(self.tokens) > allowed

    def rule(self, logits: np.ndarray) -> bool:
        """Take out of `logits` (1011,) what may not come next; returns whether that hems it in."""
        no, hems_in = self.forbidden()
        logits[no] = -math.inf
        return hems_in

    def landing(self, token: int) -> int:
        """Return `token`, or the shorter time shift that does not jump past the next boundary.

        A boundary that is passed by no more than the tolerance moves to where the clock lands, so
        that the model hears of it there, on the beat (see `MusicSettings.late_tolerance`).
        """
        tolerance = self.settings.late_tolerance
        ticks = v.shift_ticks(token)
        if tolerance is None or not ticks:
            return token
        ahead = ((self.open_boundaries[number], number) for number in self._coming())
        at, number = next((one for one in ahead if one[0] > self.seconds), (math.inf, -1))
        if number < 0:
            return token
        needed = math.ceil((at - self.seconds) / TICK_SECONDS - 1e-6)
        if ticks < needed:
            return token
        late = self.seconds + ticks * TICK_SECONDS - at
        if late > tolerance or late >= self.settings.sensitivity:
            ticks = needed
        self.announced[number] = (self.ticks + ticks) * TICK_SECONDS
        return v.shift_token(ticks)

    def take(self, token: int, choices: int) -> None:
        """Advance by a drawn `token` that had `choices` rivals, itself included."""
        self.narrow_draws = self.narrow_draws + 1 if choices <= 2 else self.narrow_draws // 2
        self.tokens.append(token)
        if ticks := v.shift_ticks(token):
            self.ticks += ticks
            self.events_now = self.owed_notes = 0
            self.marks_now.clear()
            self.restarted[:] = False
            return
        self.events_now += 1
        if token in (v.BAR, v.CHORD):
            self.marks_now.add(token)
        if token == v.CHORD:
            self.owed_notes = CHORD_NOTES
            number = tick_off(self.open_boundaries, self.seconds, self.reach)
            if number is not None:
                self.hits.append(Hit(number, self.seconds))
        elif v.is_note(token):
            group, place = divmod(token - v.FIRST_NOTE, v.GROUP_TOKENS)
            on, pitch = divmod(place, v.PITCHES)
            self._take_note((group, pitch), bool(on))

    def _take_note(self, note: tuple[int, int], on: bool) -> None:
        """Take in a note: indices of its group and of its pitch, from `LOWEST_PITCH`."""
        if not on:
            # An off in the step of its on belongs to the note before (see `tokens`).
            if self.began[note] == self.ticks:
                self.restarted[note] = False
            else:
                self.began[note] = -1
            return
        self.last_note_on = self.ticks
        if note[0] == _DRUMS:
            return
        self.restarted[note] = self.restarted[note] or self.began[note] >= 0
        self.began[note] = self.ticks
        if note[0] in _CHORD_GROUPS and v.CHORD in self.marks_now:
            self.owed_notes = max(self.owed_notes - 1, 0)
            self.held_until[note] = self.ticks + round(self.chord_seconds / TICK_SECONDS)
