"""The generator's trainer: `python -m emsync.training.train_music SHARDS -o RUN --minutes 10`.

RUN keeps the whole state (`state.pt`), a log with one JSON object a line (`log.jsonl`), and the
weights (`weights/`). A run that finds a state goes on from it exactly: model, optimisers, and the
order of the data, which depends on the seed and the number of the step alone. A new run begins with
random weights, or with those of `--weights`. The learning rate falls over the last part of the
whole training, whose length is given in minutes or in steps.

A command ends within its `--minutes`, loading, compiling and the last evaluation included; at
SIGTERM it evaluates, saves and ends as well. Where several commands make one training,
`--total-minutes` is the sum of what they trained, a little less than the sum of their budgets.
`python -m emsync.training.plot RUN/log.jsonl` draws the log.

Runs on a CPU and on a GPU, in bf16 autocast, under torch 2.9 or newer.
"""

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TextIO, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emsync.errors import WeightsError
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.checkpoint import Checkpoint, load, save
from emsync.music.transformer.model import MusicTransformer, TransformerSettings
from emsync.process.command import parser_of
from emsync.process.files import written_whole
from emsync.training.corpus import Piece, read_shard
from emsync.training.crops import (
    Batch,
    Crops,
    TrainingSettings,
    batches_from,
    is_of,
    names_of,
)
from emsync.training.growing import deepened
from emsync.training.optimisers import WeightAverage, optimisers_of, rate_factor

CHORD_LOSS = 10.0
"""Weight of the CHORD token in the loss (thesis 4.2)."""
HELD_OUT_BATCHES = 16
MARGIN_SECONDS = 10.0
"""Of a command's budget, for what its clock does not see: the import of torch, and the exit."""


@dataclass(frozen=True)
class Quality:
    """Of next-token prediction on held-out crops, CHORD not weighted."""

    nll: float
    top1: float
    top5: float
    nll_of: dict[str, float] = field(default_factory=dict)
    """By source."""


def losses(model: nn.Module, batch: Batch, told: bool = True) -> tuple[Tensor, Tensor]:
    """Return logits and targets of all predicted positions, flattened: (n, 1011) and (n,).

    The model is told of chords if it can be and `told`.
    """
    settings: Any = model.settings
    harmonies = batch.harmonies[:, :-1] if told and settings.harmony else None
    inputs = (batch.tokens[:, :-1], batch.offsets[:, :-1], batch.conditions)
    logits = model(*inputs, harmonies=harmonies)
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
def evaluate(
    model: nn.Module, crops: Crops, batches: int, device: torch.device, told: bool = True
) -> Quality:
    """Quality over `batches` fixed batches; see `losses`."""
    model.eval()
    top1 = top5 = 0.0
    nll, count = (np.zeros(len(crops.pieces)) for _ in range(2))
    for i in range(batches):
        batch = crops.batch(np.random.default_rng([i, 1])).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            logits, targets = losses(model, batch, told)
        known = targets != v.PAD
        piece = batch.pieces.repeat_interleave(batch.tokens.shape[1] - 1)[known].cpu().numpy()
        logits, targets = logits[known].float(), targets[known]
        each = F.cross_entropy(logits, targets, reduction="none").cpu().numpy()
        np.add.at(nll, piece, each)
        np.add.at(count, piece, 1)
        best = logits.topk(5).indices == targets[:, None]
        top1 += float(best[:, 0].sum())
        top5 += float(best.any(-1).sum())
    model.train()
    sources = np.array([piece.source for piece in crops.pieces])
    nll_of = {
        str(source): round(float(nll[sources == source].sum() / count[sources == source].sum()), 4)
        for source in np.unique(sources[count > 0])
    }
    total = count.sum()
    return Quality(float(nll.sum() / total), top1 / total, top5 / total, nll_of)


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
            # Where the weights know of no chords, what is told of them begins as zero.
            fresh = {n: w for n, w in self.model.state_dict().items() if n.startswith("harmony.")}
            known = deepened(began_from.model.state_dict(), architecture.layers)
            self.model.load_state_dict(fresh | known)
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
        self.stopping = False
        """Whether the command is to save and end before its time."""
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
        """Return what the pieces of this stretch are, for the card."""
        pieces = self.training.pieces
        return {
            "sources": sorted({piece.source for piece in pieces}),
            "tiers": sorted({piece.tier for piece in pieces}),
        }

    def _ever(self, key: str) -> list[str]:
        """Return all `sources` or `tiers` that these weights have learned from, in whatever
        stretch."""
        stretches: list[dict[str, Any]] = [settings for _, settings in self.phases]
        if self.began_from is not None:
            stretches.append(self.began_from)
        return sorted({name for stretch in stretches for name in stretch[key] or ["unknown"]})

    def step(self, batch: Batch, done: float) -> None:
        """Take one optimiser step, with the share `done` of the training behind it."""
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
                group["lr"] = peak * factor * group["scale"]
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
        quality = self._evaluated(self.model)
        row = {
            **asdict(self.counters),
            "tokens_per_second": speed,
            "loss": loss,
            **asdict(quality),
        }
        if self.model.settings.harmony:
            row["nll_untold"] = self._evaluated(self.model, told=False).nll
        best, name = self.model, "last"
        if self.average is not None:
            averaged = self._evaluated(self.average.model)
            row["nll_ema"] = averaged.nll
            if averaged.nll < quality.nll:
                best, name, quality = self.average.model, "moving average", averaged
        log.write(json.dumps(row) + "\n")
        log.flush()
        print(json.dumps(row), flush=True)
        self._save(best, name, quality)
        self.reported = time.monotonic(), self.counters.tokens

    def _evaluated(self, model: MusicTransformer, told: bool = True) -> Quality:
        return evaluate(model, self.held_out, HELD_OUT_BATCHES, self.device, told)

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
        with written_whole(self.folder / "state.pt") as partial:
            torch.save(state, partial)
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
        """Train and save, until `minutes` after `began`, to the end of the whole training, or
        until `stopping` is set.

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
                finished = done >= 1.0 or elapsed + pace + reserve >= 60 * minutes or self.stopping
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
    """Make what torch draws inside depend on `seeds` alone, and change no draw outside."""
    seed = int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0])
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield


@contextmanager
def _ended_by_sigterm(trainer: Trainer) -> Iterator[None]:
    """SIGTERM makes `trainer` save and end after the step that it is at."""

    def stop(*_: object) -> None:
        trainer.stopping = True

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _share(text: str) -> tuple[str, float]:
    group, _, weight = text.partition("=")
    try:
        value = float(weight)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a group and a weight: free=0.5")
    return group, value


def _of_shares(pieces: list[Piece], share: dict[str, float]) -> list[Piece]:
    """Return the pieces that one group of `share` names; all, when there are none."""
    if not share:
        return pieces
    named = [name for group in share for name in names_of(group)]
    there = {name for piece in pieces for name in (piece.source, piece.tier)}
    if unknown := sorted(set(named) - there):
        sys.exit(
            f"No piece has the tier or source {', '.join(unknown)}; there are "
            f"{', '.join(sorted(there))}."
        )
    for piece in pieces:
        if len([name for name in named if name in (piece.tier, piece.source)]) > 1:
            sys.exit(f"--share counts {piece.source} more than once.")
    return [piece for piece in pieces if any(is_of(piece, group) for group in share)]


def _only(pieces: list[Piece], field: str, names: list[str] | None) -> list[Piece]:
    """Return the pieces whose `field` is one of `names`; all, when none are named."""
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
    parameters: dropout, and the context of rotary positions. And weights that know of no chords
    can learn of them, and rotary ones may be given more layers.
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
    if began_from is not None and not known.harmony:
        free.add("harmony")
    if began_from is not None and architecture.layers > known.layers and "context" in free:
        free.add("layers")
    for setting in fields(known):
        there, wanted = (getattr(settings, setting.name) for settings in (known, architecture))
        if there != wanted and setting.name not in free:
            sys.exit(f"The weights have {setting.name} {there}; it cannot be changed to {wanted}.")
    return architecture, began_from


def _parser() -> argparse.ArgumentParser:
    """Return the options: of the command, of the training, and of the architecture."""
    parser = parser_of("emsync.training.train_music", __doc__)
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
        metavar="GROUP=WEIGHT",
        help="relative number of crops from each group, a tier, a source, or several of these as "
        "a+b, and none from what is not named",
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
        if kind is bool:
            parser.add_argument(
                f"--{name.replace('_', '-')}",
                action=argparse.BooleanOptionalAction,
                help="of a new model, or of one that begins from weights",
            )
            continue
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind if kind in (int, float) else str,
            choices=get_args(kind) or None,
            help=f"of a new model; default: {getattr(TransformerSettings, name)}",
        )
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
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
    pieces = _of_shares(pieces, settings.share)
    training = Crops([piece for piece in pieces if piece.split == "train"], settings)
    valid = [piece for piece in pieces if piece.split == "valid"]
    held_out = Crops(valid, replace(settings, retimed=0.0), condition_dropped=0.0)
    options.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        architecture, settings, training, held_out, options.out, options.compile, began_from
    )
    with (options.out / "log.jsonl").open("a") as log, _ended_by_sigterm(trainer):
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
