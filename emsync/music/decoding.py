"""Algorithm 1 of the thesis: sampling tokens while the clock and the boundaries are kept.

Each row of a batch is a piece of its own, with its own random generator. Keys and values are
cached; when the context is full, its later half is read in again and the rest forgotten.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emsync.music import vocabulary as v
from emsync.music.chords import CHORD_GROUPS
from emsync.music.transformer import KeyValueCache, MusicTransformer
from emsync.progress import CancelToken
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
class Plan:
    """What one piece is asked to be."""

    valence: float
    """In [-1, 1], or NaN for 'not given'."""
    arousal: float
    boundaries: tuple[float, ...]
    """Seconds, ascending: where a strong chord is wanted."""
    seconds: float
    """The piece is at least this long."""
    seed: int


@dataclass(frozen=True)
class Hit:
    """A CHORD that ticked off a boundary."""

    boundary: int
    """Index into `Plan.boundaries`."""
    seconds: float


@dataclass(frozen=True)
class DecodedPiece:
    """The tokens of one piece and what happened while they were drawn."""

    tokens: tuple[int, ...]
    """Without the instrument-count token."""
    hits: tuple[Hit, ...]
    forced: int
    """Draws in which a rule against standing still or silence left the model less choice."""


def _block(group: str, on: bool) -> slice:
    """Tokens of all note-ons, or all note-offs, of a group."""
    first = v.note_token(group, v.LOWEST_PITCH, on)
    return slice(first, first + v.PITCHES)


class _Row:
    """Clock, boundaries and rules of one piece."""

    def __init__(self, plan: Plan, settings: MusicSettings, start: Sequence[int]) -> None:
        self.plan = plan
        self.settings = settings
        self.generator = torch.Generator().manual_seed(plan.seed)
        self.tokens = list(start)
        self.ticks = 0
        self.last_note_on = 0
        self.sounding: dict[tuple[str, int], int] = {}
        """Tick at which each note began that is not yet ended; drum hits end by themselves."""
        self.restarted: set[tuple[str, int]] = set()
        """Notes of this time step that began while the one before still sounded."""
        self.held_until: dict[tuple[str, int], int] = {}
        """Tick before which a chord's note may not end."""
        self.owed_notes = 0
        """Notes that the chord of this time step still lacks."""
        self.events_now = len(self.tokens)
        self.open_boundaries = dict(enumerate(plan.boundaries))
        self.announced = dict(self.open_boundaries)
        """When the model expects each boundary; moved by `landing`."""
        self.hits: list[Hit] = []
        self.narrow_draws = 0
        self.forced = 0

    @property
    def seconds(self) -> float:
        return self.ticks * v.TICK_SECONDS

    @property
    def finished(self) -> bool:
        return self.seconds >= self.plan.seconds

    @property
    def offset(self) -> float:
        """Seconds to the next boundary that is neither past nor ticked off."""
        now = self.seconds
        announced = (self.announced[number] for number in self.open_boundaries)
        return min((at - now for at in announced if at >= now), default=math.inf)

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
        here = self.tokens[-self.events_now :] if self.events_now else []
        for once in (v.BAR, v.CHORD):
            no[once] = once in here
        for group in MOST_VOICES:
            no[_block(group, on=False)] = True
        for note, start in self.sounding.items():
            on, off = v.note_token(*note, on=True), v.note_token(*note, on=False)
            fresh = start == self.ticks
            held = self.ticks < self.held_until.get(note, 0)
            no[off] = note not in self.restarted if fresh else held
            no[on] = fresh or held
            if not held and (self.ticks - start) * v.TICK_SECONDS >= LONGEST_NOTES[note[0]]:
                no[:] = True
                no[off] = False
                return no, True
        if self.owed_notes:
            no[v.BAR : v.FIRST_NOTE] = True
            no[_block("strings", on=True)] = True
            return no, False
        for group, count in Counter(group for group, _ in self.sounding).items():
            if count >= MOST_VOICES[group]:
                no[_block(group, on=True)] = True
        silent = (self.ticks - self.last_note_on) * v.TICK_SECONDS >= LONGEST_PAUSE
        if silent:
            no[v.BAR : v.FIRST_NOTE] = True
            for group in v.GROUPS:
                no[_block(group, on=False)] = True
        return no, silent

    @property
    def _behind(self) -> bool:
        """Too many tokens at this time step, or since the start: time has to pass."""
        allowed = TOKENS_IN_ADVANCE + TOKENS_PER_SECOND * self.seconds
        return self.events_now >= EVENTS_AT_ONCE or len(self.tokens) > allowed

    def landing(self, token: int) -> int:
        """`token`, or the shorter time shift that does not jump past the next boundary.

        A boundary that is passed by no more than the tolerance moves to where the clock lands, so
        that the model hears of it there, on the beat (see `MusicSettings.late_tolerance`).
        """
        tolerance = self.settings.late_tolerance
        ticks = v.shift_ticks(token)
        coming = [(at, n) for n, at in self.open_boundaries.items() if at > self.seconds]
        if tolerance is None or not ticks or not coming:
            return token
        at, number = min(coming)
        needed = math.ceil((at - self.seconds) / v.TICK_SECONDS - 1e-6)
        if ticks < needed:
            return token
        late = self.seconds + ticks * v.TICK_SECONDS - at
        if late > tolerance or late >= self.settings.sensitivity:
            ticks = needed
        self.announced[number] = (self.ticks + ticks) * v.TICK_SECONDS
        return v.shift_token(ticks)

    def take(self, token: int, choices: int) -> None:
        """Advance by a drawn `token` that had `choices` rivals, itself included."""
        self.narrow_draws = self.narrow_draws + 1 if choices <= 2 else self.narrow_draws // 2
        self.tokens.append(token)
        if ticks := v.shift_ticks(token):
            self.ticks += ticks
            self.events_now = self.owed_notes = 0
            self.restarted.clear()
            return
        self.events_now += 1
        if token == v.CHORD:
            self.owed_notes = CHORD_NOTES
            number = tick_off(self.open_boundaries, self.seconds, self.settings.sensitivity)
            if number is not None:
                self.hits.append(Hit(number, self.seconds))
        elif v.is_note(token):
            self._take_note(*v.note_of(token))

    def _take_note(self, group: str, pitch: int, on: bool) -> None:
        note = (group, pitch)
        if not on:
            # An off in the step of its on belongs to the note before (see `tokens`).
            if self.sounding.get(note) == self.ticks:
                self.restarted.discard(note)
            else:
                self.sounding.pop(note, None)
            return
        self.last_note_on = self.ticks
        if group == "drums":
            return
        if note in self.sounding:
            self.restarted.add(note)
        self.sounding[note] = self.ticks
        if group in CHORD_GROUPS and v.CHORD in self.tokens[-self.events_now :]:
            self.owed_notes = max(self.owed_notes - 1, 0)
            self.held_until[note] = self.ticks + round(CHORD_SECONDS / v.TICK_SECONDS)


def tick_off(open_boundaries: dict[int, float], seconds: float, sensitivity: float) -> int | None:
    """Remove the boundary that a chord at `seconds` meets (Algorithm 1) and return its number.

    That is the nearest one less than `sensitivity` seconds away; None if there is none.
    """
    near = [
        (abs(at - seconds), number)
        for number, at in open_boundaries.items()
        if abs(at - seconds) < sensitivity
    ]
    if not near:
        return None
    number = min(near)[1]
    del open_boundaries[number]
    return number


def sample(
    logits: Tensor, temperatures: Tensor, top_p: float, draws: Tensor
) -> tuple[list[int], list[int]]:
    """Draw one token a row from the nucleus.

    The nucleus holds the most likely tokens whose probabilities sum to at most `top_p`, and the
    likeliest in any case (published code).

    Args:
        logits: (rows, tokens); -inf for what may not be drawn.
        temperatures: (rows, 1).
        top_p: in (0, 1].
        draws: (rows, 1) uniform in [0, 1).

    Returns:
        The tokens, and how many tokens each nucleus held.
    """
    probabilities, tokens = (logits.double() / temperatures).softmax(-1).sort(-1, descending=True)
    reached = probabilities.cumsum(-1)
    kept = (reached <= top_p) & (probabilities > 0)
    kept[:, 0] = True
    choices = kept.sum(-1)
    nucleus = (probabilities * kept).cumsum(-1)
    at = (nucleus <= draws * nucleus[:, -1:]).sum(-1, keepdim=True)
    at = at.minimum(choices.unsqueeze(-1) - 1)
    return tokens.gather(-1, at).squeeze(-1).tolist(), choices.tolist()


@torch.inference_mode()
def generate(
    model: MusicTransformer,
    plans: Sequence[Plan],
    settings: MusicSettings,
    cancel: CancelToken,
    advance: Callable[[float], None],
) -> list[DecodedPiece]:
    """Draw one piece for each plan.

    Every piece ends: the clock advances by at least 128 ms whenever more than `TOKENS_PER_SECOND`
    tokens were spent a second. Every piece covers its plan's seconds.

    Args:
        model: in eval mode; its device is used.
        plans: one a piece, all decoded side by side.
        settings: sampling, sensitivity, instrument count.
        cancel: looked at before every token.
        advance: told the share that is done, in [0, 1].

    Raises:
        Cancelled: the owner asked to stop.
    """
    device = model.head.weight.device
    if device.type == "cpu":
        with _one_thread():
            return _generate(model, plans, settings, cancel, advance)
    return _generate(model, plans, settings, cancel, advance)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One token is too little work to share: a second thread costs more than it brings."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _generate(
    model: MusicTransformer,
    plans: Sequence[Plan],
    settings: MusicSettings,
    cancel: CancelToken,
    advance: Callable[[float], None],
) -> list[DecodedPiece]:
    device = model.head.weight.device
    count = v.MORE_INSTRUMENTS if settings.instruments == "more" else v.FEWER_INSTRUMENTS
    rows = [_Row(plan, settings, (v.BAR,)) for plan in plans]
    moods = [[plan.valence, plan.arousal] for plan in plans]
    conditions = torch.tensor(moods, dtype=torch.float32, device=device)
    offsets = [[min(row.offset, settings.maximum_offset)] for row in rows]

    def read_in(cache: KeyValueCache, tokens: list[list[int]], past: list[list[float]]) -> Tensor:
        """Logits after the instrument count and `tokens`, read into an empty cache."""
        spelled = torch.tensor([[count, *row] for row in tokens], device=device)
        seconds = torch.tensor([[row[0], *row] for row in past], device=device)
        out: Tensor = model(spelled, seconds, conditions, cache)
        return out[:, -1]

    def fresh_cache() -> KeyValueCache:
        return model.new_cache(len(rows))

    cache = fresh_cache()
    logits = read_in(cache, [row.tokens for row in rows], offsets)
    shortest = min(plan.seconds for plan in plans) or 1.0
    while not all(row.finished for row in rows):
        cancel.check()
        logits = logits.float().cpu()
        for number, row in enumerate(rows):
            no, forced = row.forbidden()
            logits[number, torch.from_numpy(no)] = -math.inf
            row.forced += forced and not row.finished
        temperatures = torch.tensor([[row.temperature] for row in rows])
        draws = torch.stack([torch.rand(1, generator=row.generator) for row in rows]).double()
        drawn, choices = sample(logits, temperatures, settings.top_p, draws)
        for number, row in enumerate(rows):
            drawn[number] = row.landing(drawn[number])
            row.take(drawn[number], choices[number])
            offsets[number].append(min(row.offset, settings.maximum_offset))
        if cache.room == 0:
            kept = (model.settings.context - model.settings.prefix - 1) // 2
            cache = fresh_cache()
            logits = read_in(
                cache, [row.tokens[-kept:] for row in rows], [o[-kept:] for o in offsets]
            )
        else:
            new = torch.tensor([[token] for token in drawn], device=device)
            seconds = torch.tensor([[row[-1]] for row in offsets], device=device)
            logits = model(new, seconds, conditions, cache)[:, -1]
        if len(rows[0].tokens) % 16 == 0:
            advance(min(min(row.seconds for row in rows) / shortest, 1.0))
    return [_decoded(row) for row in rows]


def _decoded(row: _Row) -> DecodedPiece:
    """The piece up to the token with which its clock reached the end."""
    ticks = length = 0
    while length < len(row.tokens) and ticks * v.TICK_SECONDS < row.plan.seconds:
        ticks += v.shift_ticks(row.tokens[length])
        length += 1
    hits = tuple(hit for hit in row.hits if hit.seconds < row.plan.seconds)
    return DecodedPiece(tuple(row.tokens[:length]), hits, row.forced)
