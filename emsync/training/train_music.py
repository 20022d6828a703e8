"""The generator's trainer: `python -m emsync.training.train_music SHARDS -o RUN --minutes 10`.

RUN keeps the whole state (`state.pt`), a log with one JSON object a line (`log.jsonl`), and the
weights (`weights/`). A run that finds a state goes on from it exactly: model, optimisers, and the
order of the data, which depends on the seed and the number of the step alone. A new run begins with
random weights, or with those of `--weights`. The learning rate falls over the last part of the
whole training, whose length is given in minutes or in steps.

Runs on a CPU and on a GPU, in bf16 autocast, under torch 2.9 or newer.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TextIO

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

CHORD_LOSS = 10.0
"""Weight of the CHORD token in the loss (thesis 4.2)."""
CHORD_DROPPED = 0.2
"""Share of CHORD tokens taken out of a crop, with their boundaries (thesis 4.2)."""
FROM_START = 0.05
"""Share of crops that begin with the piece: START, BAR (thesis 4.1)."""
TRANSPOSITION = 3
"""Semitones up or down at most, not for drums (thesis 4.1)."""
CONDITION_DROPPED = 0.1
"""Share of crops in which valence is not given; likewise arousal, the instrument count, and the
boundaries, each on its own."""
LOOKAHEAD = 512
"""Tokens read past the crop to find the boundary after it."""


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
    weak_valence: bool = True
    """Take the mode (major or minor) of a piece for its valence where no label is known."""
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
        return Batch(*(t.to(device) for t in (self.tokens, self.offsets, self.conditions)))


MAJORNESS_SCALE = 0.25
"""Majorness that counts as valence 1: about the 80th percentile of the free and synthetic tiers."""


class Crops:
    """Draws training examples from pieces; a draw depends on its generator alone."""

    def __init__(self, pieces: Sequence[Piece], settings: TrainingSettings) -> None:
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
            crop = np.concatenate([[v.START], piece.tokens[: length + LOOKAHEAD]])
        else:
            last = max(int(np.searchsorted(bars, len(piece.tokens) - length // 2)), 1)
            start = bars[generator.integers(last)]
            crop = piece.tokens[start : start + length + LOOKAHEAD]
        crop = crop.astype(np.int64)
        dropped = (crop == v.CHORD) & (generator.random(len(crop)) < CHORD_DROPPED)
        crop = transpose(crop[~dropped], int(generator.integers(-TRANSPOSITION, TRANSPOSITION + 1)))
        count = (
            v.MORE_INSTRUMENTS if piece.groups >= v.MORE_INSTRUMENTS_FROM else v.FEWER_INSTRUMENTS
        )
        if generator.random() < CONDITION_DROPPED:
            count = v.PAD
        offsets = boundary_offsets(crop)
        tokens = np.full(length + 1, v.PAD, dtype=np.int64)
        seconds = np.full(length + 1, MAXIMUM_OFFSET, dtype=np.float32)
        used = min(len(crop), length)
        tokens[0], tokens[1 : used + 1] = count, crop[:used]
        seconds[0], seconds[1 : used + 1] = offsets[0], offsets[:used]
        if generator.random() < CONDITION_DROPPED:
            seconds[:] = np.nan
        return tokens, seconds, self._conditions(piece, generator)

    def _conditions(self, piece: Piece, generator: np.random.Generator) -> np.ndarray:
        valence = piece.valence
        if np.isnan(valence) and self.settings.weak_valence:
            valence = float(np.clip(piece.majorness / MAJORNESS_SCALE, -1, 1))
        conditions = np.array([valence, piece.arousal], dtype=np.float32)
        conditions[generator.random(2) < CONDITION_DROPPED] = np.nan
        return conditions


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
    adam = torch.optim.AdamW(rest, lr=settings.adam_rate, betas=(0.9, 0.95), weight_decay=0.0)
    if not inner:
        return [adam]
    muon = torch.optim.Muon(inner, lr=settings.muon_rate, weight_decay=settings.weight_decay)
    return [muon, adam]


def rate_factor(done: float, step: int, settings: TrainingSettings) -> float:
    """Learning rate relative to its peak: warm-up by steps, level, then linear to zero."""
    warm = min((step + 1) / settings.warmup_steps, 1.0)
    return warm * min(max(1.0 - done, 0.0) / settings.cooldown, 1.0)


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
        with _seeded(settings.seed):
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
        self.phases: list[tuple[int, dict[str, object]]] = []
        """First step and settings of each stretch; a run may go on with others, and says so."""
        if (folder / "state.pt").exists():
            state = torch.load(folder / "state.pt", map_location=self.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
            self.counters = _Counters(**state["counters"])
            self.phases = [tuple(phase) for phase in state["phases"]]
            self.began_from = state["began_from"]
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

    def step(self, done: float) -> float:
        """One optimiser step, with the share `done` of the training behind it; returns the loss."""
        generator = np.random.default_rng([self.settings.seed, self.counters.step])
        batch = self.training.batch(generator).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
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
        self.counters.step += 1
        self.counters.tokens += self.settings.batch * self.settings.length
        return float(loss.detach())

    def save(self, quality: Quality | None) -> None:
        """Write the state and the weights; each appears whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "counters": asdict(self.counters),
            "phases": self.phases,
            "began_from": self.began_from,
            "architecture": self.model.settings.to_dict(),
        }
        partial = self.folder / "state.partial"
        torch.save(state, partial)
        partial.replace(self.folder / "state.pt")
        save(
            self.model,
            self.folder / "weights",
            {
                "phases": [{"from_step": step, **settings} for step, settings in self.phases],
                "seen": asdict(self.counters),
                "device": self.device.type,
                "began_from": self.began_from,
                "sources": self._ever("sources"),
                "tiers": self._ever("tiers"),
                "training_tokens": self.training.tokens,
                "validation": asdict(quality) if quality else None,
            },
        )

    def run(
        self,
        minutes: float,
        total_minutes: float,
        total_steps: int | None,
        report_every: int,
        log: TextIO,
    ) -> None:
        """Train for at most `minutes`, or to the end of the whole training, and save."""
        began, before = time.monotonic(), self.counters.seconds
        average: float | None = None
        quality: Quality | None = None
        while True:
            done = (
                self.counters.step / total_steps
                if total_steps
                else self.counters.seconds / (60 * total_minutes)
            )
            finished = done >= 1.0 or time.monotonic() - began >= 60 * minutes
            if self.counters.step % report_every == 0 or finished:
                quality = evaluate(self.run_model, self.held_out, 16, self.device)
                row = {**asdict(self.counters), "loss": average, **asdict(quality)}
                log.write(json.dumps(row) + "\n")
                log.flush()
                print(json.dumps(row), flush=True)
                self.save(quality)
            if finished:
                return
            loss = self.step(done)
            average = loss if average is None else 0.98 * average + 0.02 * loss
            self.counters.seconds = before + time.monotonic() - began


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """What is drawn on the CPU inside depends on `seed` alone, and changes no draw outside."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
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
        "--total-minutes", type=float, help="of the whole training; default: --minutes"
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
            help=f"of a new model; default: {getattr(TransformerSettings, name)}",
        )
    options = parser.parse_args(arguments)
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
    held_out = Crops([piece for piece in pieces if piece.split == "valid"], settings)
    options.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        architecture, settings, training, held_out, options.out, options.compile, began_from
    )
    with (options.out / "log.jsonl").open("a") as log:
        trainer.run(
            options.minutes,
            options.total_minutes or options.minutes,
            options.total_steps,
            options.report_every,
            log,
        )


if __name__ == "__main__":
    main()
