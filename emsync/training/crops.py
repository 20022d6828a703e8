"""Training examples: crops of the corpus's pieces, each played in another way.

A crop begins where a bar does. It is transposed, often played faster or slower, some of its strong
chords are taken out with their boundaries, and some of what can be told of it is not told: the
generator then learns to do without. Chords follow the notes in all of this.
"""

import itertools
import math
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from torch import Tensor

from emsync.music.notes import GROUPS, TICK_SECONDS
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.harmony_labels import NOT_GIVEN, transposed
from emsync.music.transformer.model import MAXIMUM_OFFSET
from emsync.music.transformer.tokens import tick_of_tokens
from emsync.training.corpus import Piece
from emsync.training.labels import arousal_of_tempo

CHORD_DROPPED = 0.2
"""Share of CHORD tokens taken out of a crop, with their boundaries (thesis 4.2)."""
FROM_START = 0.05
"""Share of crops that begin with the piece: START, BAR (thesis 4.1)."""
RETIMING = 1.3
"""How much faster or slower a crop is played at most (see `TrainingSettings.retimed`). Ours."""
TRANSPOSITION = 3
"""Semitones up or down at most, not for drums (thesis 4.1)."""
CONDITION_DROPPED = 0.1
"""Share of crops in which valence is not given; likewise arousal, the instrument count, and the
boundaries, each on its own."""
HARMONY_DROPPED = 0.15
"""Share of crops in which no chord is told, so that the model can do without. Ours."""
HARMONY_GAPS = 0.25
"""Share of the other crops in which chords are not told for a stretch, up to half of it. Ours."""
NEXT_DROPPED = 0.1
"""Share of the other crops in which the chord of the moment is told but never the next. Ours."""
LOOKAHEAD = 512
"""Tokens read past the crop to find the boundary after it."""
BATCHES_AHEAD = 3
"""Batches that are drawn while the device computes."""


@dataclass(frozen=True)
class TrainingSettings:
    """What a run was started with; saved with its weights."""

    seed: int = 0
    batch: int = 4
    length: int = 1024
    muon_rate: float = 0.02
    adam_rate: float = 1e-3
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup_steps: int = 50
    cooldown: float = 0.4
    """Last share of the training over which the learning rate falls to zero."""
    weak_mood: bool = True
    """Where valence or arousal is not known, take what the regressor hears near the crop."""
    retimed: float = 0.5
    """Share of crops with drums that are played at another tempo, with the arousal that goes with
    it. Arousal then tells the tempo, not the style that happens to go with it."""
    ema: float = 0.0
    """Decay of an exponential moving average of the weights, such as 0.999, or 0 for none. It is
    evaluated beside the last weights, and the better ones are saved. While the learning rate is
    level it was up to 0.06 nats better (0.99, 700,000 parameters, 1.4 M tokens of the synthetic
    tier); once the rate has fallen to zero, 0.005. So it only helps a training that is cut off."""
    share: dict[str, float] = field(default_factory=dict)
    """Relative number of crops drawn from each tier, source, or group of these (`a+b`); empty: as
    their tokens are."""


@dataclass(frozen=True)
class Batch:
    """One batch. `tokens` has one more column than the model is given: the last target."""

    tokens: Tensor
    """(batch, length + 1) int64; the first column is the instrument-count token, or PAD."""
    offsets: Tensor
    """(batch, length + 1) float32 seconds; NaN where boundaries are not told."""
    conditions: Tensor
    """(batch, 2) float32."""
    harmonies: Tensor
    """(batch, length + 1, 3) float32: chords as
    `emsync.music.transformer.harmony_labels.Harmony`."""
    pieces: Tensor
    """(batch,) int64: numbers of the pieces that the crops are from."""

    def to(self, device: torch.device) -> "Batch":
        """Move to `device`; from pinned memory without waiting for it."""
        return Batch(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))

    def pinned(self) -> "Batch":
        """Pin in memory that a GPU reads by itself."""
        return Batch(*(getattr(self, f.name).pin_memory() for f in fields(self)))


class Crops:
    """Draws training examples from pieces; a draw depends on its generator alone."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        settings: TrainingSettings,
        condition_dropped: float = CONDITION_DROPPED,
    ) -> None:
        self.condition_dropped = condition_dropped
        self.pieces = [piece for piece in pieces if _is_usable(piece)]
        if not self.pieces:
            raise SystemExit("The shards hold no piece of this split with pitched notes.")
        self.settings = settings
        self.bars = [np.flatnonzero(piece.tokens == v.BAR) for piece in self.pieces]
        sizes = np.array([len(piece.tokens) for piece in self.pieces], dtype=float)
        chords = np.array([bool((piece.tokens == v.CHORD).any()) for piece in self.pieces])
        # Boundaries can only be learned from pieces that have strong chords.
        weights = sizes * np.where(chords, 2.0, 1.0)
        for group, share in settings.share.items():
            ours = np.array([is_of(piece, group) for piece in self.pieces])
            weights[ours] *= share / max(weights[ours].sum(), 1.0)
        self.cumulative = np.cumsum(weights) / weights.sum()
        """Share of draws that fall on a piece or one before it."""

    @property
    def tokens(self) -> int:
        return sum(len(piece.tokens) for piece in self.pieces)

    def batch(self, generator: np.random.Generator) -> Batch:
        rows = [self._example(generator) for _ in range(self.settings.batch)]
        return Batch(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))

    def _example(self, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return one row of each field of `Batch`."""
        length = self.settings.length
        number = int(np.searchsorted(self.cumulative, generator.random(), side="right"))
        piece, bars = self.pieces[number], self.bars[number]
        if generator.random() < FROM_START:
            start = 0
            crop = np.concatenate([[v.START], piece.tokens[: length + LOOKAHEAD]])
        else:
            last = max(int(np.searchsorted(bars, len(piece.tokens) - length // 2)), 1)
            start = bars[generator.integers(last)]
            crop = piece.tokens[start : start + length + LOOKAHEAD]
        crop = crop.astype(np.int64)
        changes, labels = _chords_from(piece, start, crop)
        dropped = (crop == v.CHORD) & (generator.random(len(crop)) < CHORD_DROPPED)
        crop, factor = self._retimed(crop[~dropped], piece, generator)
        faster = arousal_of_tempo(piece.bpm / factor, True) - arousal_of_tempo(piece.bpm, True)
        arousal = float(np.clip(piece.arousal + faster, -1, 1))
        semitones = int(generator.integers(-TRANSPOSITION, TRANSPOSITION + 1))
        crop = transpose(crop, semitones)
        count = (
            v.MORE_INSTRUMENTS if piece.groups >= v.MORE_INSTRUMENTS_FROM else v.FEWER_INSTRUMENTS
        )
        if generator.random() < self.condition_dropped:
            count = v.PAD
        offsets = boundary_offsets(crop)
        tokens = np.full(length + 1, v.PAD, dtype=np.int64)
        seconds = np.full(length + 1, MAXIMUM_OFFSET, dtype=np.float32)
        used = min(len(crop), length)
        tokens[0], tokens[1 : used + 1] = count, crop[:used]
        seconds[0], seconds[1 : used + 1] = offsets[0], offsets[:used]
        if generator.random() < self.condition_dropped:
            seconds[:] = np.nan
        conditions = np.array([piece.valence, arousal], dtype=np.float32)
        if self.settings.weak_mood and len(piece.heard):
            heard = piece.heard[np.abs(piece.heard_from - start).argmin()]
            conditions = np.where(np.isnan(conditions), heard, conditions)
        conditions[generator.random(2) < self.condition_dropped] = np.nan
        chords = harmonies_of(crop, np.round(changes * factor), transposed(labels, semitones))
        told = np.zeros((length + 1, 3), dtype=np.float32)
        told[0], told[1 : used + 1] = chords[0], chords[:used]
        if self.condition_dropped:
            _untell(told, generator)
        return tokens, seconds, conditions, told, np.array(number)

    def _retimed(
        self, crop: np.ndarray, piece: Piece, generator: np.random.Generator
    ) -> tuple[np.ndarray, float]:
        """Return the crop, perhaps at another tempo if it has drums, and how much longer it takes.

        The sixteenth of the piece's usual tempo stays a whole number of ticks, as in the corpus.
        """
        if np.isnan(piece.arousal) or generator.random() >= self.settings.retimed:
            return crop, 1.0
        sixteenth = round(15.0 / piece.bpm / TICK_SECONDS)
        least, most = (math.ceil(sixteenth / RETIMING), math.floor(sixteenth * RETIMING))
        factor = int(generator.integers(least, most + 1)) / sixteenth
        return retime(crop, factor), factor


def batches_from(crops: Crops, seed: int, step: int, pinned: bool) -> Generator[Batch, None, None]:
    """Yield the batches of `step` and of all steps after it, drawn ahead in a thread of their
    own."""

    def draw(step: int) -> Batch:
        batch = crops.batch(np.random.default_rng([seed, step]))
        return batch.pinned() if pinned else batch

    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(draw, step + i) for i in range(BATCHES_AHEAD))
        for later in itertools.count(step + BATCHES_AHEAD):
            yield coming.popleft().result()
            coming.append(thread.submit(draw, later))


def _is_usable(piece: Piece) -> bool:
    return not np.isnan(piece.majorness) and bool((piece.tokens == v.BAR).any())


def names_of(group: str) -> list[str]:
    """Return tiers and sources that a key of `TrainingSettings.share` names."""
    return group.split("+")


def is_of(piece: Piece, group: str) -> bool:
    return bool({piece.tier, piece.source} & set(names_of(group)))


def _chords_from(piece: Piece, start: int, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return chords of a crop: ticks from its beginning, the first at or before it, and labels.

    Args:
        piece: that it is from.
        start: its first token.
        crop: (tokens,) of the crop; in front of those of the piece there may be others that move
            no clock.
    """
    if not len(piece.harmony):
        return np.zeros(1), np.full(1, NOT_GIVEN, dtype=np.int64)
    first = max(int(np.searchsorted(piece.harmony_from, start, side="right")) - 1, 0)
    end = int(np.searchsorted(piece.harmony_from, min(start + len(crop), len(piece.tokens))))
    # From one token before, so that the clock of the crop's own beginning is 0.
    clock = np.append(0, tick_of_tokens(piece.tokens[start : start + len(crop)]))
    at = np.maximum(piece.harmony_from[first:end] - start + 1, 0)
    return clock[at], piece.harmony[first:end].astype(np.int64)


def harmonies_of(tokens: np.ndarray, changes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return what each position is told of the chords, before anything is dropped.

    Args:
        tokens: (tokens,).
        changes: (chords,) ticks at which chords begin, ascending; what comes before the first is
            not given.
        labels: (chords,) their labels.

    Returns:
        (tokens, 3) float32 as `emsync.music.transformer.harmony_labels.Harmony`.
    """
    clock = tick_of_tokens(tokens)
    following = np.searchsorted(changes, clock, side="right")
    bounded = np.concatenate([[NOT_GIVEN], labels, [NOT_GIVEN]])
    due = np.append(changes, np.inf)[following]
    seconds = np.where(np.isfinite(due), (due - clock) * TICK_SECONDS, 0.0)
    columns = (bounded[following], bounded[following + 1], seconds)
    return np.stack(columns, axis=1).astype(np.float32)


def _untell(harmonies: np.ndarray, generator: np.random.Generator) -> None:
    """Take chords out of `harmonies` (positions, 3), in place: all, a stretch, or the next ones."""
    whole, gap, coming = generator.random(3)
    start, length = generator.random(2)
    if whole < HARMONY_DROPPED:
        harmonies[:] = 0
        return
    if gap < HARMONY_GAPS:
        first = int(start * len(harmonies))
        harmonies[first : first + int(length * len(harmonies) / 2)] = 0
    if coming < NEXT_DROPPED:
        harmonies[:, 1:] = 0


def transpose(tokens: np.ndarray, semitones: int) -> np.ndarray:
    """Pitched notes moved by `semitones`; an octave less where they would leave the range."""
    notes = (tokens >= v.FIRST_NOTE) & (tokens < v.FEWER_INSTRUMENTS)
    group = (tokens - v.FIRST_NOTE) // v.GROUP_TOKENS
    notes &= group != GROUPS.index("drums")
    within = (tokens - v.FIRST_NOTE) % v.PITCHES
    moved = within + semitones
    moved = np.where(moved >= v.PITCHES, moved - 12, np.where(moved < 0, moved + 12, moved))
    return np.where(notes, tokens - within + moved, tokens)


def retime(tokens: np.ndarray, factor: float) -> np.ndarray:
    """Return the same music, lasting `factor` times as long: (tokens,) to (about as many,)."""
    is_shift = (tokens >= v.FIRST_SHIFT) & (tokens < v.FIRST_NOTE)
    shifts = np.where(is_shift, tokens - v.FIRST_SHIFT + 1, 0)
    ticks: np.ndarray = np.diff(np.round(np.cumsum(shifts) * factor), prepend=0).astype(np.int64)
    parts = np.where(is_shift, -(-ticks // v.MAXIMUM_SHIFT), 1)
    out = np.repeat(tokens, parts)
    # A shift of more than a second is several whole ones and what remains.
    out[np.repeat(is_shift, parts)] = v.shift_token(v.MAXIMUM_SHIFT)
    moves = is_shift & (parts > 0)
    out[np.cumsum(parts)[moves] - 1] = v.FIRST_SHIFT + (ticks[moves] - 1) % v.MAXIMUM_SHIFT
    return out


def boundary_offsets(tokens: np.ndarray) -> np.ndarray:
    """Return seconds from each token's time to the next CHORD after it, at most 8. (tokens,)
    float32."""
    seconds = tick_of_tokens(tokens) * TICK_SECONDS
    at_chord = np.where(tokens == v.CHORD, seconds, np.inf)
    following = np.append(at_chord[1:], np.inf)
    coming = np.minimum.accumulate(following[::-1])[::-1]
    return np.minimum(coming - seconds, MAXIMUM_OFFSET).astype(np.float32)
