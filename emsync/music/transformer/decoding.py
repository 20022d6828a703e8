"""Algorithm 1 of the thesis: sampling tokens while the clock and the boundaries are kept.

Each piece of a batch has its own random generator and its own past, and does not depend on the
others. When the context is full, its later half is read in again and the rest forgotten.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.given import GivenRow
from emsync.music.transformer.harmony_labels import UNTOLD
from emsync.music.transformer.model import MusicTransformer
from emsync.music.transformer.on_grid import GridRow
from emsync.music.transformer.rows import Brief, Hit, Row
from emsync.music.transformer.stepping import Stepper, most_rows, stepper_for
from emsync.progress import CancelToken
from emsync.settings import MusicSettings

TOKENS_REMEMBERED = 64
"""Of the music before a change of mood: about two seconds, enough to go on in time and in key. The
more is remembered, the longer the old mood goes on: where arousal changed by 1.6, 16 pieces moved
by 0.21 as the regressor hears it with all that fits the context, and by 0.39 with 64 tokens."""
DRAWS_PER_SHARE = 16
"""Draws, one in each piece, after which the share done is told."""
DRAWS_PER_SKETCH = 32
"""Draws after which the music so far is shown. Ours: a few times a second on one core."""
GROWTH_PER_SKETCH = 1 / 40
"""Share by which a piece has grown, at least, when it is shown again: so all that is shown while
half an hour is drawn grows with its length, not with the square of it. Ours: every minute of it is
told forty times then, and what is shown is never more than seconds behind."""

Sketch = Callable[[int, tuple[int, ...]], None]
"""Shown the number of a piece that is being drawn and its tokens so far; must return quickly."""


@dataclass(frozen=True)
class DecodedPiece:
    """The tokens of one piece and what happened while they were drawn."""

    tokens: tuple[int, ...]
    """Without the instrument-count token."""
    hits: tuple[Hit, ...]
    forced: int
    """Draws in which a rule against standing still or silence left the model less choice."""


@dataclass(frozen=True)
class Mark:
    """A place in a piece to which its drawing can go back."""

    tokens: tuple[int, ...]
    before: tuple[int, ...]
    first: int
    changes: int | None
    """As `_Reading` has them there."""
    full: bool
    """Whether the context is."""


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
    briefs: Sequence[Brief],
    settings: MusicSettings,
    cancel: CancelToken,
    advance: Callable[[float], None],
    sketch: Sketch | None = None,
) -> list[DecodedPiece]:
    """Draw one piece for each brief, from beginning to end; see `Drawing`."""
    drawing = Drawing(model, briefs, settings)
    drawing.draw(range(len(briefs)), cancel, advance, sketch)
    return [drawing.piece(number) for number in range(len(briefs))]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: a token is too little work to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Reading:
    """One piece, and how much of it the model has before it."""

    def __init__(
        self, number: int, brief: Brief, settings: MusicSettings, first_place: int, ways: int
    ) -> None:
        self.number = number
        on_grid = GivenRow if brief.given else GridRow
        kind = Row if brief.grid is None else on_grid
        self.row = kind(brief, settings, (v.BAR,))
        self.before = brief.primer
        """What the model reads before the piece, until the context is full or the mood changes."""
        self.places = range(first_place, first_place + ways)
        """Rows of the stepper: the piece with its mood and, for guidance, without."""
        count = v.MORE_INSTRUMENTS if settings.instruments == "more" else v.FEWER_INSTRUMENTS
        self.count_token = count
        self.offsets = [self._offset]
        """Seconds to the next boundary, as told with each token."""
        self.harmonies = [self.row.harmony]
        """The chords that are told with each token."""
        self.first = 0
        """Index of the first token that the model has before it."""
        self.changes: int | None = None
        """Changes of mood that the model knows of; None before it has read anything."""
        self.went_back: Mark | None = None
        """Where to, if the model does not know of that yet."""

    @property
    def _offset(self) -> float:
        return min(self.row.offset, self.row.settings.maximum_offset)

    def take(self, token: int, choices: int) -> None:
        """See `Row.take`; a time shift that is too long is shortened first."""
        self.row.take(self.row.landing(token), choices)
        self.offsets.append(self._offset)
        self.harmonies.append(self.row.harmony)

    def is_stale(self, stepper: Stepper) -> bool:
        """Return whether the piece has to be read in (again): the mood changed, the context is
        full, or the piece went back to where it was."""
        changes = self.row.brief.changes_by(self.row.seconds)
        return (
            self.went_back is not None
            or changes != self.changes
            or stepper.pasts[self.places[0]].room == 0
        )

    def read_in(self, stepper: Stepper) -> Tensor:
        """Return logits (places, 1011) after what the model is to have before it.

        A full context is halved. A new mood is told with the last `TOKENS_REMEMBERED` tokens alone,
        which are read as if they had been written in it.
        """
        brief, written = self.row.brief, len(self.row.tokens)
        changes = brief.changes_by(self.row.seconds)
        full = stepper.pasts[self.places[0]].room == 0
        if self.went_back is not None:
            full = self.went_back.full
        if self.changes is not None and full:
            context = stepper.settings
            self.before = ()
            self.first = max(0, written - (context.context - context.prefix - 1) // 2)
        if self.changes is not None and self.changes != changes:
            self.before = ()
            self.first = max(self.first, written - TOKENS_REMEMBERED)
        self.changes, self.went_back = changes, None
        primed = len(self.before)
        tokens = [self.count_token, *self.before, *self.row.tokens[self.first :]]
        offsets = [self.row.settings.maximum_offset] * primed + self.offsets[self.first :]
        offsets = [offsets[0], *offsets]
        harmonies = None
        if stepper.settings.harmony:
            told = self.harmonies[self.first :]
            harmonies = [UNTOLD if primed else told[0], *([UNTOLD] * primed), *told]
        moods = (brief.mood_after(self.changes), (math.nan, math.nan))
        return torch.stack(
            [
                stepper.read_in(place, tokens, offsets, mood, harmonies)
                for place, mood in zip(self.places, moods, strict=False)
            ]
        )


class Drawing:
    """Pieces that are drawn side by side; any of them can be left for a while and taken up again.

    Every piece ends: the clock advances by at least 128 ms whenever more than `TOKENS_PER_SECOND`
    tokens were spent a second. Every piece covers its brief's seconds. None depends on the others,
    nor on when it is left.
    """

    def __init__(
        self, model: MusicTransformer, briefs: Sequence[Brief], settings: MusicSettings
    ) -> None:
        """
        Args:
            model: in eval mode; its device is used.
            briefs: one a piece.
            settings: sampling, sensitivity, instrument count.
        """
        self._model = model
        self._settings = settings
        self._ways = 1 if settings.guidance == 1.0 else 2
        most = most_rows(model)
        self._at_once = max(1, len(briefs)) if most is None else most // self._ways
        """As many as one stepper holds."""
        self._steppers: dict[int, Stepper] = {}
        """Of each so many pieces, from the first draw to the last."""
        self._readings = [
            _Reading(number, brief, settings, self._ways * (number % self._at_once), self._ways)
            for number, brief in enumerate(briefs)
        ]

    @property
    def tokens(self) -> int:
        """Drawn so far, over all pieces."""
        return sum(len(one.row.tokens) for one in self._readings)

    def row(self, number: int) -> Row:
        """Return the rules of a piece, and where it stands."""
        return self._readings[number].row

    def piece(self, number: int) -> DecodedPiece:
        """Return the piece as far as it is drawn."""
        row = self._readings[number].row
        return DecodedPiece(tuple(row.tokens), tuple(row.hits), row.forced)

    def mark(self, number: int) -> Mark:
        """Return where a piece stands."""
        one = self._readings[number]
        stepper = self._steppers.get(number - number % self._at_once)
        full = stepper is not None and stepper.pasts[one.places.start].room == 0
        if one.went_back is not None:
            full = one.went_back.full
        return Mark(tuple(one.row.tokens), one.before, one.first, one.changes, full)

    def go_back(self, number: int, mark: Mark, seed: int) -> None:
        """Take a piece back to a mark; it goes on from there with another seed.

        What is known of its draws (`Row.forced` and the like) stays.
        """
        old = self._readings[number]
        new = _Reading(number, old.row.brief, self._settings, old.places.start, len(old.places))
        for token in mark.tokens[1:]:
            new.take(token, v.SIZE)
        new.row.go_on_as(old.row, seed)
        new.before, new.first, new.changes = mark.before, mark.first, mark.changes
        new.went_back = mark
        self._readings[number] = new

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
                `DRAWS_PER_SKETCH` from there on, less often in a long piece
                (`GROWTH_PER_SKETCH`). It begins as the piece will.
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
        """Draw pieces of one stepper, as `draw` does."""
        ends = [min(one.row.brief.seconds, until) for one in leading]
        drawn_in_all, due = 0, 1
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
                if sketch is not None and drawn_in_all >= due:
                    shown = tuple(lead[0].row.tokens)
                    sketch(lead[0].number, shown)
                    due += max(DRAWS_PER_SKETCH, round(GROWTH_PER_SKETCH * len(shown)))


def _draw_once(stepper: Stepper, active: Sequence[_Reading], settings: MusicSettings) -> None:
    """Draw one token more for each."""
    logits = _guided(_next_logits(stepper, active), settings.guidance)
    ruled = [one.row.rule(row) for one, row in zip(active, logits.numpy(), strict=True)]
    temperatures = torch.tensor([[one.row.temperature] for one in active])
    draws = torch.stack([torch.rand(1, generator=one.row.generator) for one in active])
    drawn, choices = sample(logits, temperatures, settings.top_p, draws.double())
    for one, forced, token, rivals in zip(active, ruled, drawn, choices, strict=True):
        one.row.forced += forced
        one.take(token, rivals)


def _next_logits(stepper: Stepper, active: Sequence[_Reading]) -> Tensor:
    """Return (pieces, ways, 1011) after the last token of each."""
    stale = [one.is_stale(stepper) for one in active]
    steady = [one for one, is_stale in zip(active, stale, strict=True) if not is_stale]
    places = [place for one in steady for place in one.places]
    stepped: Iterator[Tensor] = iter(())
    if places:
        tokens = [one.row.tokens[-1] for one in steady for _ in one.places]
        offsets = [one.offsets[-1] for one in steady for _ in one.places]
        harmonies = None
        if stepper.settings.harmony:
            harmonies = [one.harmonies[-1] for one in steady for _ in one.places]
        logits = stepper.step(places, tokens, offsets, harmonies)
        stepped = iter(logits.view(len(steady), -1, logits.shape[1]))
    return torch.stack(
        [
            one.read_in(stepper) if is_stale else next(stepped)
            for one, is_stale in zip(active, stale, strict=True)
        ]
    )


def _guided(logits: Tensor, guidance: float) -> Tensor:
    """Return logits (pieces, 1011) for sampling; classifier-free guidance (Ho & Salimans 2022)."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    with_mood, without = logits.unbind(1)
    return without + guidance * (with_mood - without)
