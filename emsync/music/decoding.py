"""Algorithm 1 of the thesis: sampling tokens while the clock and the boundaries are kept.

Each piece of a batch has its own random generator and its own past, and does not depend on the
others. When the context is full, its later half is read in again and the rest forgotten.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from emsync.music import vocabulary as v
from emsync.music.chords import CHORD_GROUPS
from emsync.music.stepping import Stepper, most_rows, stepper_for
from emsync.music.transformer import MusicTransformer
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
TOKENS_REMEMBERED = 64
"""Of the music before a change of mood: about two seconds, enough to go on in time and in key. The
more is remembered, the longer the old mood goes on: where arousal changed by 1.6, 16 pieces moved
by 0.21 as the regressor hears it with all that fits the context, and by 0.39 with 64 tokens."""
FORCED_TICKS = 16
"""Least time shift when time has to pass: 128 ms."""
DRAWS_PER_SHARE = 16
"""Draws, one in each piece, after which the share done is told."""
DRAWS_PER_SKETCH = 32
"""Draws after which the music so far is shown. Ours: a few times a second on one core."""

Sketch = Callable[[tuple[int, ...]], None]
"""Shown the tokens so far of a piece that is being drawn; must return quickly."""


@dataclass(frozen=True)
class MoodChange:
    """Another mood from `seconds` on; valence and arousal as in `Plan`."""

    seconds: float
    valence: float
    arousal: float


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
    changes: tuple[MoodChange, ...] = ()
    """Later moods, their seconds ascending."""
    primer: tuple[int, ...] = ()
    """Tokens that the model takes for the music before second 0; not part of the piece."""

    def __post_init__(self) -> None:
        if any(a.seconds >= b.seconds for a, b in pairwise(self.changes)):
            raise ValueError("the changes of mood must come one after the other")

    def changes_by(self, seconds: float) -> int:
        """How many changes of mood lie behind."""
        return sum(change.seconds <= seconds for change in self.changes)

    def mood_after(self, changes: int) -> tuple[float, float]:
        """Valence and arousal after so many changes."""
        now = self.changes[changes - 1] if changes else self
        return now.valence, now.arousal


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


_VOICES = (len(v.GROUPS), v.PITCHES)
_DRUMS, _STRINGS = v.GROUPS.index("drums"), v.GROUPS.index("strings")
# Drum hits end by themselves and are never among the notes that sound.
_LONGEST_TICKS = np.array(
    [[round(LONGEST_NOTES.get(group, 0.0) / v.TICK_SECONDS)] for group in v.GROUPS]
)
_MOST_VOICES = np.array([MOST_VOICES.get(group, 1) for group in v.GROUPS])
_CHORD_GROUPS = frozenset(v.GROUPS.index(group) for group in CHORD_GROUPS)


def _muted(settings: MusicSettings) -> np.ndarray:
    """Mask (groups,) of those that may not play.

    Raises:
        ValueError: nobody may play, or there is no such group.
    """
    playing = [v.GROUPS.index(group) for group in settings.groups]
    if not playing:
        raise ValueError("one group at least has to play")
    muted = np.ones(len(v.GROUPS), dtype=bool)
    muted[playing] = False
    return muted


class _Row:
    """Clock, boundaries and rules of one piece."""

    def __init__(self, plan: Plan, settings: MusicSettings, start: Sequence[int]) -> None:
        self.plan = plan
        self.settings = settings
        self.generator = torch.Generator().manual_seed(plan.seed)
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
        for mark in self.marks_now:
            no[mark] = True
        no[v.CHORD] |= all(self.muted[group] for group in _CHORD_GROUPS)
        notes = no[v.FIRST_NOTE : v.FEWER_INSTRUMENTS].reshape(len(v.GROUPS), 2, v.PITCHES)
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
        silent = (self.ticks - self.last_note_on) * v.TICK_SECONDS >= LONGEST_PAUSE
        if silent:
            no[v.BAR : v.FIRST_NOTE] = True
            offs[:] = True
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
            self.marks_now.clear()
            self.restarted[:] = False
            return
        self.events_now += 1
        if token in (v.BAR, v.CHORD):
            self.marks_now.add(token)
        if token == v.CHORD:
            self.owed_notes = CHORD_NOTES
            number = tick_off(self.open_boundaries, self.seconds, self.settings.sensitivity)
            if number is not None:
                self.hits.append(Hit(number, self.seconds))
        elif v.is_note(token):
            group, place = divmod(token - v.FIRST_NOTE, v.GROUP_TOKENS)
            on, pitch = divmod(place, v.PITCHES)
            self._take_note((group, pitch), bool(on))

    def _take_note(self, note: tuple[int, int], on: bool) -> None:
        """`note`: indices of its group and of its pitch, from `LOWEST_PITCH`."""
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
    # Rarer tokens than this weigh less than 1 - top_p together, so all of the nucleus is likelier.
    least = (1 - top_p) / logits.shape[1]
    tokens, choices = [], []
    scaled = logits.double().numpy() / temperatures.numpy()
    for row, draw in zip(scaled, draws.flatten().tolist(), strict=True):
        weights = np.exp(row - row.max())
        probabilities = weights / weights.sum()
        likely = np.flatnonzero((probabilities >= least) & (probabilities > 0))
        likely = likely[np.argsort(-probabilities[likely], kind="stable")]
        reached = probabilities[likely].cumsum()
        kept = max(1, int(reached.searchsorted(top_p, side="right")))
        at = int(reached[:kept].searchsorted(draw * reached[kept - 1], side="right"))
        tokens.append(int(likely[min(at, kept - 1)]))
        choices.append(kept)
    return tokens, choices


def generate(
    model: MusicTransformer,
    plans: Sequence[Plan],
    settings: MusicSettings,
    cancel: CancelToken,
    advance: Callable[[float], None],
    sketch: Sketch | None = None,
) -> list[DecodedPiece]:
    """Draw one piece for each plan, from beginning to end; see `Drawing`."""
    drawing = Drawing(model, plans, settings)
    drawing.draw(range(len(plans)), cancel, advance, sketch)
    return [drawing.piece(number) for number in range(len(plans))]


@contextmanager
def one_thread() -> Iterator[None]:
    """One token is too little work to share: a second thread costs more than it brings."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Reading:
    """One piece, and how much of it the model has before it."""

    def __init__(self, plan: Plan, settings: MusicSettings, first_place: int, ways: int) -> None:
        self.row = _Row(plan, settings, (v.BAR,))
        self.before = plan.primer
        """What the model reads before the piece, until the context is full or the mood changes."""
        self.places = range(first_place, first_place + ways)
        """Rows of the stepper: the piece with its mood and, for guidance, without."""
        count = v.MORE_INSTRUMENTS if settings.instruments == "more" else v.FEWER_INSTRUMENTS
        self.count_token = count
        self.offsets = [self._offset]
        """Seconds to the next boundary, as told with each token."""
        self.first = 0
        """Index of the first token that the model has before it."""
        self.changes: int | None = None
        """Changes of mood that the model knows of; None before it has read anything."""

    @property
    def _offset(self) -> float:
        return min(self.row.offset, self.row.settings.maximum_offset)

    def take(self, token: int, choices: int) -> None:
        """See `_Row.take`; a time shift that is too long is shortened first."""
        self.row.take(self.row.landing(token), choices)
        self.offsets.append(self._offset)

    def is_stale(self, stepper: Stepper) -> bool:
        """Whether the piece has to be read in (again): the mood changed or the context is full."""
        changes = self.row.plan.changes_by(self.row.seconds)
        return changes != self.changes or stepper.pasts[self.places[0]].room == 0

    def read_in(self, stepper: Stepper) -> Tensor:
        """Logits (places, 1011) after what the model is to have before it.

        A full context is halved. A new mood is told with the last `TOKENS_REMEMBERED` tokens alone,
        which are read as if they had been written in it.
        """
        plan, written = self.row.plan, len(self.row.tokens)
        changes = plan.changes_by(self.row.seconds)
        if self.changes is not None and stepper.pasts[self.places[0]].room == 0:
            context = stepper.settings
            self.before = ()
            self.first = max(0, written - (context.context - context.prefix - 1) // 2)
        if self.changes is not None and self.changes != changes:
            self.before = ()
            self.first = max(self.first, written - TOKENS_REMEMBERED)
        self.changes = changes
        tokens, offsets = self.row.tokens[self.first :], self.offsets[self.first :]
        tokens = [*self.before, *tokens]
        offsets = [self.row.settings.maximum_offset] * len(self.before) + offsets
        moods = (plan.mood_after(self.changes), (math.nan, math.nan))
        return torch.stack(
            [
                stepper.read_in(place, [self.count_token, *tokens], [offsets[0], *offsets], mood)
                for place, mood in zip(self.places, moods, strict=False)
            ]
        )


class Drawing:
    """Pieces that are drawn side by side; any of them can be left for a while and taken up again.

    Every piece ends: the clock advances by at least 128 ms whenever more than `TOKENS_PER_SECOND`
    tokens were spent a second. Every piece covers its plan's seconds. None depends on the others,
    nor on when it is left.
    """

    def __init__(
        self, model: MusicTransformer, plans: Sequence[Plan], settings: MusicSettings
    ) -> None:
        """
        Args:
            model: in eval mode; its device is used.
            plans: one a piece.
            settings: sampling, sensitivity, instrument count.
        """
        self._model = model
        self._settings = settings
        self._ways = 1 if settings.guidance == 1.0 else 2
        most = most_rows(model)
        self._at_once = max(1, len(plans)) if most is None else most // self._ways
        """As many as one stepper holds."""
        self._steppers: dict[int, Stepper] = {}
        """Of each so many pieces, from the first draw to the last."""
        self._readings = [
            _Reading(plan, settings, self._ways * (number % self._at_once), self._ways)
            for number, plan in enumerate(plans)
        ]

    @property
    def tokens(self) -> int:
        """Drawn so far, over all pieces."""
        return sum(len(one.row.tokens) for one in self._readings)

    def piece(self, number: int) -> DecodedPiece:
        """As far as it is drawn."""
        row = self._readings[number].row
        return DecodedPiece(tuple(row.tokens), tuple(row.hits), row.forced)

    @torch.inference_mode()
    def draw(
        self,
        numbers: Sequence[int],
        cancel: CancelToken,
        advance: Callable[[float], None],
        sketch: Sketch | None = None,
        until: float = math.inf,
        beside: Sequence[int] = (),
    ) -> None:
        """Go on with some of the pieces until each is finished, or `until` seconds long.

        Args:
            numbers: which pieces.
            cancel: looked at before every token.
            advance: told the share that is done, in [0, 1].
            sketch: shown the first of them that is not finished, after the first draw and every
                `DRAWS_PER_SKETCH` from there on. It begins as the piece will.
            until: seconds from the beginning of the pieces.
            beside: pieces that are drawn along for as long as that takes.

        Raises:
            Cancelled: the owner asked to stop; the pieces can be taken up again.
        """
        done = 0
        for part in range(0, len(self._readings), self._at_once):
            own = range(part, part + self._at_once)
            leading = [self._readings[number] for number in numbers if number in own]
            riding = [self._readings[number] for number in beside if number in own]

            def told(share: float, done: int = done, rows: int = len(leading)) -> None:
                advance((done + share * rows) / len(numbers))

            if leading:
                self._draw(part, leading, riding, until, cancel, told, sketch)
                done += len(leading)
            if all(one.row.finished for one in self._readings[part : part + self._at_once]):
                self._steppers.pop(part, None)

    def _draw(
        self,
        part: int,
        leading: Sequence[_Reading],
        riding: Sequence[_Reading],
        until: float,
        cancel: CancelToken,
        advance: Callable[[float], None],
        sketch: Sketch | None,
    ) -> None:
        """As `draw`, for pieces of one stepper."""
        ends = [min(one.row.plan.seconds, until) for one in leading]
        drawn_in_all = 0
        with one_thread() if self._model.head.weight.device.type == "cpu" else nullcontext():
            if part not in self._steppers:
                rows = min(self._at_once, len(self._readings) - part)
                self._steppers[part] = stepper_for(self._model, self._ways * rows)
            while lead := [
                one for one, end in zip(leading, ends, strict=True) if one.row.seconds < end
            ]:
                cancel.check()
                _draw_once(
                    self._steppers[part],
                    [*lead, *(one for one in riding if not one.row.finished)],
                    self._settings,
                )
                drawn_in_all += 1
                if drawn_in_all % DRAWS_PER_SHARE == 0:
                    shares = [
                        min(one.row.seconds / end, 1.0)
                        for one, end in zip(leading, ends, strict=True)
                    ]
                    advance(sum(shares) / len(shares))
                if sketch is not None and drawn_in_all % DRAWS_PER_SKETCH == 1:
                    sketch(tuple(lead[0].row.tokens))


def _draw_once(stepper: Stepper, active: Sequence[_Reading], settings: MusicSettings) -> None:
    """One token more for each."""
    logits = _guided(_next_logits(stepper, active), settings.guidance)
    ruled = [one.row.forbidden() for one in active]
    logits.masked_fill_(torch.from_numpy(np.stack([no for no, _ in ruled])), -math.inf)
    temperatures = torch.tensor([[one.row.temperature] for one in active])
    draws = torch.stack([torch.rand(1, generator=one.row.generator) for one in active])
    drawn, choices = sample(logits, temperatures, settings.top_p, draws.double())
    for one, (_, forced), token, rivals in zip(active, ruled, drawn, choices, strict=True):
        one.row.forced += forced
        one.take(token, rivals)


def _next_logits(stepper: Stepper, active: Sequence[_Reading]) -> Tensor:
    """(pieces, ways, 1011) after the last token of each."""
    stale = [one.is_stale(stepper) for one in active]
    steady = [one for one, is_stale in zip(active, stale, strict=True) if not is_stale]
    places = [place for one in steady for place in one.places]
    stepped: Iterator[Tensor] = iter(())
    if places:
        tokens = [one.row.tokens[-1] for one in steady for _ in one.places]
        offsets = [one.offsets[-1] for one in steady for _ in one.places]
        logits = stepper.step(places, tokens, offsets)
        stepped = iter(logits.view(len(steady), -1, logits.shape[1]))
    return torch.stack(
        [
            one.read_in(stepper) if is_stale else next(stepped)
            for one, is_stale in zip(active, stale, strict=True)
        ]
    )


def _guided(logits: Tensor, guidance: float) -> Tensor:
    """Logits (pieces, 1011) for sampling; classifier-free guidance (Ho & Salimans 2022)."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    with_mood, without = logits.unbind(1)
    return without + guidance * (with_mood - without)
