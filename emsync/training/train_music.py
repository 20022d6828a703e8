"""The generator's trainer: `python -m emsync.training.train_music SHARDS -o RUN --minutes 10`.

RUN keeps the whole state (`state.pt`), a log with one JSON object a line (`log.jsonl`), and the
weights (`weights/`). A run that finds a state goes on from it exactly: model, optimisers, and the
order of the data, which depends on the seed and the number of the step alone. A new run begins with
random weights, or with those of `--weights`. The learning rate falls over the last part of the
whole training, whose length is given in minutes or in steps.

A command ends within its `--minutes`, loading, compiling and the last evaluation included. Where
several commands make one training, `--total-minutes` is the sum of what they trained, a little less
than the sum of their budgets. `python -m emsync.training.plot RUN/log.jsonl` draws the log.

Runs on a CPU and on a GPU, in bf16 autocast, under torch 2.9 or newer.
"""

import argparse
import copy
import itertools
import json
import math
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TextIO, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emsync.errors import WeightsError
from emsync.music import vocabulary as v
from emsync.music.checkpoint import Checkpoint, load, save
from emsync.music.tokens import tick_of_tokens
from emsync.music.transformer import MAXIMUM_OFFSET, MusicTransformer, TransformerSettings
from emsync.training.corpus import Piece, read_shard
from emsync.training.labels import arousal_of_tempo

CHORD_LOSS = 10.0
"""Weight of the CHORD token in the loss (thesis 4.2)."""
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
LOOKAHEAD = 512
"""Tokens read past the crop to find the boundary after it."""
BATCHES_AHEAD = 3
"""Batches that are drawn while the device computes."""
HELD_OUT_BATCHES = 16
MARGIN_SECONDS = 10.0
"""Of a command's budget, for what its clock does not see: the import of torch, and the exit."""


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
    """Relative number of crops drawn from each tier; empty: as its tokens are."""


@dataclass(frozen=True)
class Batch:
    """One batch. `tokens` has one more column than the model is given: the last target."""

    tokens: Tensor
    """(batch, length + 1) int64; the first column is the instrument-count token, or PAD."""
    offsets: Tensor
    """(batch, length + 1) float32 seconds; NaN where boundaries are not told."""
    conditions: Tensor
    """(batch, 2) float32."""

    def to(self, device: torch.device) -> "Batch":
        """On `device`; from pinned memory without waiting for it."""
        parts = (self.tokens, self.offsets, self.conditions)
        return Batch(*(part.to(device, non_blocking=True) for part in parts))

    def pinned(self) -> "Batch":
        """In memory that a GPU reads by itself."""
        return Batch(*(p.pin_memory() for p in (self.tokens, self.offsets, self.conditions)))


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
        tiers = np.array([piece.tier for piece in self.pieces])
        for tier, share in settings.share.items():
            weights[tiers == tier] *= share / max(weights[tiers == tier].sum(), 1.0)
        self.cumulative = np.cumsum(weights) / weights.sum()
        """Share of draws that fall on a piece or one before it."""

    @property
    def tokens(self) -> int:
        return sum(len(piece.tokens) for piece in self.pieces)

    def batch(self, generator: np.random.Generator) -> Batch:
        rows = [self._example(generator) for _ in range(self.settings.batch)]
        tokens, offsets, conditions = (np.stack(column) for column in zip(*rows, strict=True))
        return Batch(
            torch.from_numpy(tokens), torch.from_numpy(offsets), torch.from_numpy(conditions)
        )

    def _example(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        dropped = (crop == v.CHORD) & (generator.random(len(crop)) < CHORD_DROPPED)
        crop, arousal = self._retimed(crop[~dropped], piece, generator)
        crop = transpose(crop, int(generator.integers(-TRANSPOSITION, TRANSPOSITION + 1)))
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
        return tokens, seconds, conditions

    def _retimed(
        self, crop: np.ndarray, piece: Piece, generator: np.random.Generator
    ) -> tuple[np.ndarray, float]:
        """The crop, perhaps at another tempo, and its arousal by tempo (NaN without drums).

        The sixteenth of the piece's usual tempo stays a whole number of ticks, as in the corpus.
        """
        if np.isnan(piece.arousal) or generator.random() >= self.settings.retimed:
            return crop, piece.arousal
        sixteenth = round(15.0 / piece.bpm / v.TICK_SECONDS)
        least, most = (math.ceil(sixteenth / RETIMING), math.floor(sixteenth * RETIMING))
        factor = int(generator.integers(least, most + 1)) / sixteenth
        return retime(crop, factor), arousal_of_tempo(piece.bpm / factor, has_drums=True)


def batches_from(crops: Crops, seed: int, step: int, pinned: bool) -> Generator[Batch, None, None]:
    """The batches of `step` and of all steps after it, drawn ahead in a thread of their own."""

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


def transpose(tokens: np.ndarray, semitones: int) -> np.ndarray:
    """Pitched notes moved by `semitones`; an octave less where they would leave the range."""
    notes = (tokens >= v.FIRST_NOTE) & (tokens < v.FEWER_INSTRUMENTS)
    group = (tokens - v.FIRST_NOTE) // v.GROUP_TOKENS
    notes &= group != v.GROUPS.index("drums")
    within = (tokens - v.FIRST_NOTE) % v.PITCHES
    moved = within + semitones
    moved = np.where(moved >= v.PITCHES, moved - 12, np.where(moved < 0, moved + 12, moved))
    return np.where(notes, tokens - within + moved, tokens)


def retime(tokens: np.ndarray, factor: float) -> np.ndarray:
    """The same music, lasting `factor` times as long. (tokens,) to (about as many,)."""
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
    """Seconds from each token's time to the next CHORD after it, at most 8. (tokens,) float32."""
    seconds = tick_of_tokens(tokens) * v.TICK_SECONDS
    at_chord = np.where(tokens == v.CHORD, seconds, np.inf)
    following = np.append(at_chord[1:], np.inf)
    coming = np.minimum.accumulate(following[::-1])[::-1]
    return np.minimum(coming - seconds, MAXIMUM_OFFSET).astype(np.float32)


@dataclass(frozen=True)
class Quality:
    """Of next-token prediction on held-out crops, CHORD not weighted."""

    nll: float
    top1: float
    top5: float


def losses(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits and targets of all predicted positions, flattened: (n, 1011) and (n,)."""
    logits = model(batch.tokens[:, :-1], batch.offsets[:, :-1], batch.conditions)
    targets = batch.tokens[:, 1:]
    return logits[:, -targets.shape[1] :].flatten(0, 1), targets.flatten()


def training_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean negative log-likelihood, CHORD ten times, PAD not at all (thesis 4.2)."""
    logits, targets = losses(model, batch)
    weight = torch.ones(v.SIZE, device=logits.device)
    weight[v.CHORD] = CHORD_LOSS
    per_token = F.cross_entropy(
        logits.float(), targets, weight=weight, ignore_index=v.PAD, reduction="sum"
    )
    return per_token / (targets != v.PAD).sum()


@torch.no_grad()
def evaluate(model: nn.Module, crops: Crops, batches: int, device: torch.device) -> Quality:
    """Quality over `batches` fixed batches."""
    model.eval()
    nll = top1 = top5 = count = 0.0
    for i in range(batches):
        batch = crops.batch(np.random.default_rng([i, 1])).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            logits, targets = losses(model, batch)
        known = targets != v.PAD
        logits, targets = logits[known].float(), targets[known]
        nll += float(F.cross_entropy(logits, targets, reduction="sum"))
        best = logits.topk(5).indices == targets[:, None]
        top1 += float(best[:, 0].sum())
        top5 += float(best.any(-1).sum())
        count += len(targets)
    model.train()
    return Quality(nll / count, top1 / count, top5 / count)


def optimisers_of(
    model: MusicTransformer, settings: TrainingSettings
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the rest; AdamW alone for `relative`."""
    inner: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and name.startswith("layers.")
        (inner if is_matrix and model.settings.positions == "rotary" else rest).append(parameter)
    adam = torch.optim.AdamW(
        rest, lr=settings.adam_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    if not inner:
        return [adam]
    if not hasattr(torch.optim, "Muon"):
        sys.exit(f"Muon came with torch 2.9; this is torch {torch.__version__}.")
    muon = torch.optim.Muon(inner, lr=settings.muon_rate, weight_decay=settings.weight_decay)
    return [muon, adam]


def rate_factor(done: float, step: int, settings: TrainingSettings) -> float:
    """Learning rate relative to its peak: warm-up by steps, level, then linear to zero."""
    warm = min((step + 1) / settings.warmup_steps, 1.0)
    return warm * min(max(1.0 - done, 0.0) / settings.cooldown, 1.0)


class WeightAverage:
    """Exponential moving average of a model's weights, over fewer steps while it is young."""

    def __init__(self, model: MusicTransformer, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.model = copy.deepcopy(model)

    @torch.no_grad()
    def update(self, model: MusicTransformer) -> None:
        """Move towards the weights of `model`."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for mine, latest in zip(self.model.parameters(), model.parameters(), strict=True):
            mine.lerp_(latest, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]
        self.model.load_state_dict(state["model"])


@dataclass
class _Counters:
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


class Trainer:
    """A run: its model, its optimisers, and how far it has come."""

    def __init__(
        self,
        architecture: TransformerSettings,
        settings: TrainingSettings,
        training: Crops,
        held_out: Crops,
        folder: Path,
        compiled: bool,
        began_from: Checkpoint | None = None,
    ) -> None:
        self.settings, self.training, self.held_out, self.folder = (
            settings,
            training,
            held_out,
            folder,
        )
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with _seeded([settings.seed], self.device):
            self.model = MusicTransformer(architecture)
        self.began_from: dict[str, object] | None = None
        if began_from is not None:
            self.model.load_state_dict(began_from.model.state_dict())
            self.began_from = {
                "name": began_from.name,
                "sha256": began_from.sha256,
                **{key: began_from.card.get(key) for key in ("seen", "sources", "tiers")},
            }
        self.model.to(self.device)
        self.optimisers = optimisers_of(self.model, settings)
        self.counters = _Counters()
        self.loss: Tensor | None = None
        """Of training, over about the last fifty steps; stays on the device."""
        self.reported: tuple[float, int] | None = None
        """When the last report of this command was done, and the tokens seen by then."""
        self.phases: list[tuple[int, dict[str, object]]] = []
        """First step and settings of each stretch; a run may go on with others, and says so."""
        state: dict[str, Any] = {}
        if (folder / "state.pt").exists():
            state = torch.load(folder / "state.pt", map_location=self.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
            self.counters = _Counters(**state["counters"])
            self.phases = [tuple(phase) for phase in state["phases"]]
            self.began_from = state["began_from"]
            self.loss = state.get("loss")
        self.average: WeightAverage | None = None
        if settings.ema:
            self.average = WeightAverage(self.model, settings.ema)
            if state.get("average"):
                self.average.load_state_dict(state["average"])
        now = {**asdict(settings), **self._origin()}
        if not self.phases or self.phases[-1][1] != now:
            if self.phases:
                print(f"From step {self.counters.step} on with other settings: {now}", flush=True)
            self.phases.append((self.counters.step, now))
        self.run_model: nn.Module = self.model
        if compiled:
            self.run_model = torch.compile(self.model, dynamic=False)  # type: ignore[assignment]

    def _origin(self) -> dict[str, object]:
        """What the pieces of this stretch are, for the card."""
        pieces = self.training.pieces
        return {
            "sources": sorted({piece.source for piece in pieces}),
            "tiers": sorted({piece.tier for piece in pieces}),
        }

    def _ever(self, key: str) -> list[str]:
        """All `sources` or `tiers` that these weights have learned from, in whatever stretch."""
        stretches: list[dict[str, Any]] = [settings for _, settings in self.phases]
        if self.began_from is not None:
            stretches.append(self.began_from)
        return sorted({name for stretch in stretches for name in stretch[key] or ["unknown"]})

    def step(self, batch: Batch, done: float) -> None:
        """One optimiser step, with the share `done` of the training behind it."""
        batch = batch.to(self.device)
        with (
            _seeded([self.settings.seed, self.counters.step], self.device),
            torch.autocast(self.device.type, torch.bfloat16),
        ):
            loss = training_loss(self.run_model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        factor = rate_factor(done, self.counters.step, self.settings)
        peaks = (self.settings.muon_rate, self.settings.adam_rate)[-len(self.optimisers) :]
        for optimiser, peak in zip(self.optimisers, peaks, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.model)
        loss = loss.detach()
        self.loss = loss if self.loss is None else self.loss.lerp(loss, 0.02)
        self.counters.step += 1
        self.counters.tokens += self.settings.batch * self.settings.length

    def report(self, log: TextIO) -> None:
        """Evaluate, write a line to the log, and save."""
        loss = None if self.loss is None else float(self.loss)  # waits for the device
        speed = None
        if self.reported is not None:
            at, tokens = self.reported
            speed = round((self.counters.tokens - tokens) / (time.monotonic() - at), 1)
        if loss is not None and not math.isfinite(loss):
            sys.exit(
                f"The loss is {loss} at step {self.counters.step}; what was saved before is kept. "
                "Lower the learning rates and go on from there."
            )
        # Compiling pays for training; for evaluation it would be done a second time.
        quality = evaluate(self.model, self.held_out, HELD_OUT_BATCHES, self.device)
        row = {
            **asdict(self.counters),
            "tokens_per_second": speed,
            "loss": loss,
            **asdict(quality),
        }
        best, name = self.model, "last"
        if self.average is not None:
            averaged = evaluate(self.average.model, self.held_out, HELD_OUT_BATCHES, self.device)
            row["nll_ema"] = averaged.nll
            if averaged.nll < quality.nll:
                best, name, quality = self.average.model, "moving average", averaged
        log.write(json.dumps(row) + "\n")
        log.flush()
        print(json.dumps(row), flush=True)
        self._save(best, name, quality)
        self.reported = time.monotonic(), self.counters.tokens

    def _save(self, best: MusicTransformer, name: str, quality: Quality) -> None:
        """Write the state and the weights; each appears whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "average": self.average.state_dict() if self.average is not None else None,
            "loss": self.loss,
            "counters": asdict(self.counters),
            "phases": self.phases,
            "began_from": self.began_from,
            "architecture": self.model.settings.to_dict(),
        }
        partial = self.folder / "state.partial"
        torch.save(state, partial)
        partial.replace(self.folder / "state.pt")
        save(
            best,
            self.folder / "weights",
            {
                "phases": [{"from_step": step, **settings} for step, settings in self.phases],
                "seen": asdict(self.counters),
                "device": self.device.type,
                "began_from": self.began_from,
                "sources": self._ever("sources"),
                "tiers": self._ever("tiers"),
                "training_tokens": self.training.tokens,
                "saved": name,
                "validation": asdict(quality),
            },
        )

    def run(
        self,
        began: float,
        minutes: float,
        total_minutes: float,
        total_steps: int | None,
        report_every: int,
        log: TextIO,
    ) -> None:
        """Train and save, until `minutes` after `began` or to the end of the whole training.

        Args:
            began: when the command began, in seconds of `time.monotonic`.
            minutes: for this command, all that it does included.
            total_minutes: of the whole training, in all commands together.
            total_steps: of the whole training instead, if given.
            report_every: steps between reports.
            log: is given a line a report.
        """
        before = self.counters.seconds
        reserve, pace = MARGIN_SECONDS, 0.0
        pinned = self.device.type == "cuda"
        ahead = batches_from(self.training, self.settings.seed, self.counters.step, pinned)
        with closing(ahead) as batches:
            for taken, batch in enumerate(batches):
                elapsed = time.monotonic() - began
                self.counters.seconds = before + elapsed
                if total_steps:
                    done = self.counters.step / total_steps
                else:
                    done = self.counters.seconds / max(60 * total_minutes - reserve, 1.0)
                finished = done >= 1.0 or elapsed + pace + reserve >= 60 * minutes
                if self.counters.step % report_every == 0 or finished:
                    self.report(log)
                    reserve = MARGIN_SECONDS + 1.5 * (time.monotonic() - began - elapsed)
                if finished:
                    return
                begun = time.monotonic()
                self.step(batch, done)
                # The first step may have compiled the model; no other is as slow.
                pace = time.monotonic() - begun if taken else 0.0


@contextmanager
def _seeded(seeds: Sequence[int], device: torch.device) -> Iterator[None]:
    """What torch draws inside depends on `seeds` alone, and changes no draw outside."""
    seed = int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0])
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield


def _share(text: str) -> tuple[str, float]:
    tier, _, weight = text.partition("=")
    try:
        value = float(weight)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a tier and a weight: free=0.5")
    return tier, value


def _only(pieces: list[Piece], field: str, names: list[str] | None) -> list[Piece]:
    """The pieces whose `field` is one of `names`; all, when none are named."""
    if not names:
        return pieces
    there = sorted({getattr(piece, field) for piece in pieces})
    if unknown := sorted(set(names) - set(there)):
        sys.exit(f"No piece has the {field} {', '.join(unknown)}; there are {', '.join(there)}.")
    return [piece for piece in pieces if getattr(piece, field) in names]


def _beginning(
    run: Path, weights: Path | None, asked: dict[str, Any]
) -> tuple[TransformerSettings, Checkpoint | None]:
    """Architecture of the model to train, and the weights it begins with, if not random ones.

    A run that has a state keeps its architecture; otherwise that of the weights holds; otherwise
    the defaults do. What is asked besides may not contradict the first two, except where it has no
    parameters: dropout, and the context of rotary positions.
    """
    began_from: Checkpoint | None = None
    if (run / "state.pt").exists():
        if weights is not None:
            print(f"{run} has a state and goes on from it; --weights is not used.", flush=True)
        state = torch.load(run / "state.pt", map_location="cpu", weights_only=True, mmap=True)
        if "architecture" not in state:
            sys.exit(
                f"The state in {run} is of an older version. Begin another run from its weights: "
                f"--weights {run / 'weights'}."
            )
        known = TransformerSettings.from_dict(state["architecture"])
    elif weights is not None:
        try:
            began_from = load(weights)
        except WeightsError as problem:
            sys.exit(str(problem))
        known = began_from.model.settings
    else:
        return TransformerSettings(**asked), None
    architecture = replace(known, **asked)
    free = {"dropout", "context"} if known.positions == "rotary" else {"dropout"}
    for setting in fields(known):
        there, wanted = (getattr(settings, setting.name) for settings in (known, architecture))
        if there != wanted and setting.name not in free:
            sys.exit(f"The weights have {setting.name} {there}; it cannot be changed to {wanted}.")
    return architecture, began_from


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m emsync.training.train_music",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shards", type=Path, help="folder written by emsync.training.corpus")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--minutes", type=float, default=10, help="wall-clock budget of this command"
    )
    parser.add_argument(
        "--total-minutes",
        type=float,
        help="of the whole training, in all commands together; default: --minutes",
    )
    parser.add_argument("--total-steps", type=int, help="end after so many steps instead")
    parser.add_argument("--report-every", type=int, default=250, help="steps between evaluations")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument(
        "--weights", type=Path, help="begin from this saved generator, architecture included"
    )
    parser.add_argument("--tiers", nargs="+", help="only pieces of these tiers")
    parser.add_argument("--sources", nargs="+", help="only pieces of these sources")
    parser.add_argument(
        "--share",
        nargs="+",
        type=_share,
        default=[],
        metavar="TIER=WEIGHT",
        help="relative number of crops from each tier, and none from tiers that are not named",
    )
    for name, kind in TrainingSettings.__annotations__.items():
        if name == "share":
            continue
        default = getattr(TrainingSettings, name)
        if kind is bool:
            parser.add_argument(
                f"--{name.replace('_', '-')}",
                action=argparse.BooleanOptionalAction,
                default=default,
            )
        else:
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default)
    for name, kind in TransformerSettings.__annotations__.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind if kind in (int, float) else str,
            choices=get_args(kind) or None,
            help=f"of a new model; default: {getattr(TransformerSettings, name)}",
        )
    options = parser.parse_args(arguments)
    began = time.monotonic()
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")  # TF32 for what autocast leaves in float32
    settings = TrainingSettings(
        share=dict(options.share),
        **{n: getattr(options, n) for n in TrainingSettings.__annotations__ if n != "share"},
    )
    asked = {
        name: getattr(options, name)
        for name in TransformerSettings.__annotations__
        if getattr(options, name) is not None
    }
    architecture, began_from = _beginning(options.out, options.weights, asked)
    if settings.length + architecture.prefix > architecture.context:
        sys.exit(f"A length of {settings.length} does not fit a context of {architecture.context}.")
    pieces = [
        piece for shard in sorted(options.shards.glob("*.npz")) for piece in read_shard(shard)
    ]
    pieces = _only(pieces, "source", options.sources)
    pieces = _only(pieces, "tier", options.tiers)
    pieces = _only(pieces, "tier", list(settings.share))
    training = Crops([piece for piece in pieces if piece.split == "train"], settings)
    valid = [piece for piece in pieces if piece.split == "valid"]
    held_out = Crops(valid, replace(settings, retimed=0.0), condition_dropped=0.0)
    options.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        architecture, settings, training, held_out, options.out, options.compile, began_from
    )
    with (options.out / "log.jsonl").open("a") as log:
        trainer.run(
            began,
            options.minutes,
            options.total_minutes or options.minutes,
            options.total_steps,
            options.report_every,
            log,
        )


if __name__ == "__main__":
    main()
