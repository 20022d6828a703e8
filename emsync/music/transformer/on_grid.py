"""Drawing on a beat grid: the clock lands on steps only, bars are full, hits fall where planned.

Real music spells hardly anything off the grid: the shipped weights give 0.2 to 0.3 % of the
probability of their time shifts to it. Keeping to a grid therefore costs the model little where the
tempo suits what it wants to write, and what it costs (`GridRow.cost`) tells which tempo does.
"""

import math
from collections.abc import Sequence

import numpy as np

from emsync.music.chords import CHORD_GROUPS
from emsync.music.notes import GROUPS, LOWEST_PITCH, TICK_SECONDS
from emsync.music.planning.grid import STEPS_PER_SIXTEENTH
from emsync.music.planning.plan import Chord
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.harmony_labels import UNTOLD, Harmony, ToldChords
from emsync.music.transformer.rows import Brief, Row
from emsync.settings import MusicSettings

TRIPLET_STEPS = 4
"""A triplet eighth. Notes begin on sixteenths and triplets; they may end on any step."""
ALMOST = TICK_SECONDS / 2
"""Seconds: nearer than this is the same tick."""
COUNTED_FROM = 0.5
"""Of the probability: a draw counts for `GridRow.cost` where the model wants time to pass."""
LEAST_LEFT = 1e-4
"""Of the probability of time passing, where the grid leaves less: a draw costs 9.2 nats at most."""

_BASS, _DRUMS = GROUPS.index("bass"), GROUPS.index("drums")
_PITCH_CLASSES = (np.arange(v.PITCHES) + LOWEST_PITCH) % 12


class GridRow(Row):
    """The rules of a piece that keeps to the grid and the chords of its brief."""

    chord_seconds = 0.0  # a strong chord is lengthened afterwards; held here, it blurs what follows

    def __init__(self, brief: Brief, settings: MusicSettings, start: Sequence[int]) -> None:
        super().__init__(brief, settings, start)
        if brief.grid is None:
            raise ValueError("a piece on a grid needs one")
        grid, self.plan = brief.grid, brief.plan
        self.bar = grid.metre.bar
        steps = np.arange(grid.steps + 2 * self.bar + 1)
        self.line = grid.ticks_of(steps)
        """Tick of each step."""
        self.step_of = {int(tick): step for step, tick in enumerate(self.line)}
        self.hit_steps = {hit.step for hit in grid.hits}
        self.reach = ALMOST
        if self.plan is not None:
            playing = {group for section in self.plan.sections for group in section.groups}
            self.muted |= [group not in playing for group in GROUPS]
        stops = {*range(0, len(steps), self.bar), *self.hit_steps, len(steps) - 1}
        if self.plan is not None:
            stops |= {chord.step for chord in self.plan.chords}
        self.stops = np.array(sorted(stops))
        """Steps that no time shift jumps past: bar lines, hits, changes of chord."""
        self._told: ToldChords | None = None
        if self.plan is not None:
            self._told = ToldChords.of(
                self.plan.chords, lambda step: int(self.line[step]) * TICK_SECONDS
            )
        self._has_chords = not all(self.muted[GROUPS.index(group)] for group in CHORD_GROUPS)
        self.cost_in_all, self.time_draws = 0.0, 0
        self._weights: dict[tuple[Chord, bool], np.ndarray] = {}

    def go_on_as(self, other: Row, seed: int) -> None:
        """See `Row.go_on_as`."""
        super().go_on_as(other, seed)
        if isinstance(other, GridRow):
            self.cost_in_all, self.time_draws = other.cost_in_all, other.time_draws

    @property
    def cost(self) -> float:
        """Nats that the grid took from a time shift or bar line, in the mean over the draws."""
        return self.cost_in_all / max(self.time_draws, 1)

    @property
    def harmony(self) -> Harmony:
        """Return the chord of the moment and the one to come, as in training."""
        return UNTOLD if self._told is None else self._told.at(self.seconds)

    def landing(self, token: int) -> int:
        """Return `token`: no time shift that is allowed jumps past a hit."""
        return token

    def rule(self, logits: np.ndarray) -> bool:
        """See `Row.rule`; counts what the grid costs, and leans towards the chord of the plan."""
        no, hems_in = self.forbidden()
        self._count_cost(logits, no)
        logits[no] = -math.inf
        if self.plan is not None and self.settings.harmony > 0:
            self._lean(logits)
        return hems_in

    def forbidden(self) -> tuple[np.ndarray, bool]:
        """See `Row.forbidden`."""
        step = self.step_of.get(self.ticks)
        if step is None:  # in the middle of a pause longer than one token tells
            no = np.ones(v.SIZE, dtype=bool)
            no[self._landings(int(np.searchsorted(self.line, self.ticks)) - 1)] = False
            return no, False
        # Bar lines and the chords on hits come before all else that happens at their step.
        if step % self.bar == 0 and v.BAR not in self.marks_now:
            return _only(v.BAR), False
        if step in self.hit_steps and v.CHORD not in self.marks_now and self._has_chords:
            return _only(v.CHORD), False
        no, hems_in = super().forbidden()
        no[v.BAR] = True
        landings = self._landings(step)
        elsewhere = np.ones(v.SIZE, dtype=bool)
        elsewhere[landings] = False
        no[v.FIRST_SHIFT : v.FIRST_NOTE] |= elsewhere[v.FIRST_SHIFT : v.FIRST_NOTE]
        if step % STEPS_PER_SIXTEENTH and step % TRIPLET_STEPS and step not in self.hit_steps:
            no[v.CHORD] = True
            _blocks(no)[:, 1] = True
        if no.all():
            no[landings[0]] = False
        return no, hems_in

    def _landings(self, step: int) -> np.ndarray:
        """Return the time shifts that lead from the clock to a step after `step`, ascending."""
        place = int(np.searchsorted(self.stops, step, "right"))
        stop = int(self.stops[min(place, len(self.stops) - 1)])
        ahead = self.line[step + 1 : stop + 1] - self.ticks
        within = ahead[(ahead >= 1) & (ahead <= v.MAXIMUM_SHIFT)]
        # The corpus tells a longer pause as one second and the rest, wherever the second ends.
        if ahead[-1] > v.MAXIMUM_SHIFT and (not len(within) or within[-1] != v.MAXIMUM_SHIFT):
            within = np.append(within, v.MAXIMUM_SHIFT)
        return within + v.FIRST_SHIFT - 1

    def _count_cost(self, logits: np.ndarray, no: np.ndarray) -> None:
        weights = np.exp(logits - logits.max())
        passing = np.r_[v.BAR, v.FIRST_SHIFT : v.FIRST_NOTE]
        wanted = weights[passing].sum()
        if wanted <= COUNTED_FROM * weights.sum():
            return
        left = weights[passing[~no[passing]]].sum()
        self.cost_in_all -= math.log(max(left / wanted, LEAST_LEFT))
        self.time_draws += 1

    def _lean(self, logits: np.ndarray) -> None:
        """Add to the note-ons of each pitched group what the chord of the moment gives them.

        The share of the probability that a group has stays what the model gave it, so rhythm and
        density remain the model's; only which pitch is begun changes.
        """
        assert self.plan is not None
        step = self.step_of.get(self.ticks)
        if step is None:
            return
        chord = self.plan.chord_at(step)
        strong = step % self.plan.metre.beat == 0 or step == chord.step
        ons = _blocks(logits)[:, 1]
        weights = self._chord_weights(chord, strong)
        for group in range(len(GROUPS)):
            if group == _DRUMS or not np.isfinite(ons[group]).any():
                continue
            leaning = ons[group] + weights[group] * self.temperature
            ons[group] = leaning + _log_sum(ons[group]) - _log_sum(leaning)
        self._release(logits, chord, step)

    def _release(self, logits: np.ndarray, chord: Chord, step: int) -> None:
        """Let the notes that do not belong to a new chord end before time passes."""
        if step != chord.step or step == 0 or self.owed_notes:
            return
        offs = _blocks(logits)[:, 0]
        wrong = (self.began >= 0) & (self.began < self.ticks) & np.isfinite(offs)
        wrong &= ~np.isin(_PITCH_CLASSES, chord.tones)
        wrong[_DRUMS] = False
        shifts = logits[v.FIRST_SHIFT : v.FIRST_NOTE]
        if not wrong.any() or not np.isfinite(shifts).any():
            return
        passing = _log_sum(shifts)
        shifts[:] = -math.inf
        offs[wrong] = np.logaddexp(offs[wrong], passing - math.log(int(wrong.sum())))

    def _chord_weights(self, chord: Chord, strong: bool) -> np.ndarray:
        """Return nats (groups, pitches) for the note-ons; 0 for the drums."""
        assert self.plan is not None
        if (chord, strong) not in self._weights:
            by_class = chord_weights(chord, self.plan.scale_at(chord.step), strong)
            rows = np.zeros((len(GROUPS), v.PITCHES), dtype=np.float32)
            for group in range(len(GROUPS)):
                if group != _DRUMS:
                    rows[group] = by_class[0 if group == _BASS else 1][_PITCH_CLASSES]
            self._weights[chord, strong] = self.settings.harmony * rows
        return self._weights[chord, strong]


def chord_weights(chord: Chord, scale: frozenset[int], strong: bool) -> np.ndarray:
    """Return how welcome each pitch class is over a chord, (2, 12): for the bass and the others.

    Chord tones first, the lowest one most in the bass; tones of the scale pass by off the beat;
    those a semitone above a chord tone are avoided (Levine, The Jazz Theory Book, "avoid notes");
    the rest is foreign. The sizes are ours.

    Args:
        chord: the chord of the moment.
        scale: pitch classes that fit it.
        strong: on a beat, or where the chord begins.
    """
    weights = np.full((2, 12), -3.0)
    for pitch_class in scale:
        avoided = any((pitch_class - tone) % 12 == 1 for tone in chord.tones)
        weights[0, pitch_class] = -1.2 if strong else -0.4
        weights[1, pitch_class] = -1.0 if strong else (-0.7 if avoided else -0.25)
    for tone in chord.tones:
        weights[0, tone] = 0.0 if strong else 0.3
        weights[1, tone] = 1.0
    weights[0, chord.tones[2]] = 0.5 if strong else 0.7
    weights[0, chord.lowest] = 1.5 if strong else 1.2
    return weights


def _only(token: int) -> np.ndarray:
    no = np.ones(v.SIZE, dtype=bool)
    no[token] = False
    return no


def _blocks(tokens: np.ndarray) -> np.ndarray:
    """Return the note tokens of (1011,) as a view (groups, off and on, pitches)."""
    return tokens[v.FIRST_NOTE : v.FEWER_INSTRUMENTS].reshape(len(GROUPS), 2, v.PITCHES)


def _log_sum(logits: np.ndarray) -> float:
    top = logits.max()
    return float(top + math.log(np.exp(logits - top).sum()))
