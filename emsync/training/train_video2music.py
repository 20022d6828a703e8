"""Video2Music's trainer: `python -m emsync.training.train_video2music MUVI-SYNC -o OUT`.

MUVI-SYNC is a folder laid out as the published data set (`emsync.music.video2music.muvisync`). The
regression is trained first, then the transformer, with the losses, optimisers and rates of the
published code; of both the epoch with the best validation is kept. Weights are written whenever
they get better, so a run that is stopped leaves the best so far. At the end the test split is
looked at once. OUT gets the weights, `log.jsonl` and a card (`README.md`).

With --no-pictures the networks are not given the semantic vectors: such weights compose without
CLIP, from the mood, the cuts and the motion alone.
"""

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

import torch
import torch.nn.functional as F

from emsync.errors import EmsyncError
from emsync.music.video2music.checkpoint import load, save
from emsync.music.video2music.losses import losses_of
from emsync.music.video2music.measuring import (
    batch_of,
    measure_chords,
    measure_dynamics,
    table,
)
from emsync.music.video2music.model import ChordTransformer, ChordTransformerSettings
from emsync.music.video2music.muvisync import SECONDS, Song, read_split
from emsync.music.video2music.regression import Cell, DynamicsNetwork, DynamicsSettings
from emsync.process.command import check_empty, exit_status, parser_of, settings_from


@dataclass(frozen=True)
class TrainingSettings:
    """How both networks are trained. Published code, where nothing else is said."""

    seed: int = 0
    pictures: bool = True
    """Whether the semantic vectors are given. Without is ours."""
    half: bool = False
    """Whether the weights are written in half precision, as they are measured then. Ours."""
    layers: int = 6
    heads: int = 8
    width: int = 512
    inner_width: int = 1024
    dropout: float = 0.1
    seconds: int = 300
    """Of film and music that fit the networks; of longer songs the rest is left out. Fewer are
    ours: long films are then composed in more parts."""
    batch: int = 1
    """Songs at a time, of the transformer and of the regression."""
    warmup: int = 4000
    """Steps after which the learning rate of the transformer falls."""
    rate: float = 1.0
    """Factor of the learning rate of the transformer. Other than 1 is ours."""
    epochs: int = 100
    """Of the transformer. Ours."""
    patience: int = 20
    """Epochs without a lower validation loss after which its training ends. Ours."""
    cell: Cell = "bigru"
    """Of the regression. The published script trains the GRU, but the BiGRU is what is used."""
    dynamics_width: int = 64
    dynamics_epochs: int = 20
    dynamics_rate: float = 1e-3
    dynamics_decay: float = 1e-5

    def __post_init__(self) -> None:
        numbers = [getattr(self, field.name) for field in fields(self)]
        if min(n for n in numbers[3:] if isinstance(n, int)) < 1 or self.width % self.heads:
            raise ValueError("numbers must be positive, and the width a multiple of the heads")
        if self.seconds > SECONDS:
            raise ValueError(f"songs have {SECONDS} s at most")


class Log:
    """What happened, a line an epoch: on standard error, and in `log.jsonl`."""

    def __init__(self, path: Path) -> None:
        self._path, self._began = path, time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the seconds since it was begun."""
        return time.monotonic() - self._began

    def add(self, **row: Any) -> None:
        """Write one line."""
        row["seconds"] = round(self.seconds, 1)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(
            " ".join(
                f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            ),
            file=sys.stderr,
        )


def rate_of(step: int, settings: TrainingSettings) -> float:
    """Return the learning rate of the transformer at a step, counted from 0 (Vaswani et al.)."""
    if step == 0:
        return 0.0
    falling = min(step**-0.5, step * settings.warmup**-1.5)
    return float(settings.rate * settings.width**-0.5 * falling)


def train_dynamics(
    songs: Sequence[Song],
    validation: Sequence[Song],
    settings: TrainingSettings,
    device: torch.device,
    log: Log,
) -> DynamicsNetwork:
    """Train the regression; return it as it was in its best epoch."""
    torch.manual_seed(settings.seed)
    model = DynamicsNetwork(
        DynamicsSettings(
            cell=settings.cell,
            width=settings.dynamics_width,
            semantic=songs[0].semantic if settings.pictures else 0,
            dropout=settings.dropout,
        )
    ).to(device)
    optimiser = torch.optim.Adam(
        model.parameters(), lr=settings.dynamics_rate, weight_decay=settings.dynamics_decay
    )
    order = torch.Generator().manual_seed(settings.seed)
    best, kept = math.inf, _weights(model)
    for epoch in range(1, settings.dynamics_epochs + 1):
        model.train()
        for some in _batches(songs, settings.batch, order):
            batch = batch_of(some, device, settings.pictures, settings.seconds)
            loss = F.mse_loss(model(batch.features), batch.dynamics)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        quality = measure_dynamics(model, validation)
        log.add(network="dynamics", epoch=epoch, rmse=quality.both)
        if quality.both < best:
            best, kept = quality.both, _weights(model)
    model.load_state_dict(kept)
    return model


def train_chords(
    songs: Sequence[Song],
    validation: Sequence[Song],
    settings: TrainingSettings,
    device: torch.device,
    log: Log,
) -> Iterator[ChordTransformer]:
    """Train the transformer; yield it, as it is then, after every epoch that was the best so far.

    Raises:
        EmsyncError: training came to nothing: the loss is no number.
    """
    torch.manual_seed(settings.seed)
    model = ChordTransformer(
        ChordTransformerSettings(
            layers=settings.layers,
            heads=settings.heads,
            width=settings.width,
            inner_width=settings.inner_width,
            frames=settings.seconds,
            chords=settings.seconds,
            semantic=songs[0].semantic if settings.pictures else 0,
            dropout=settings.dropout,
        )
    ).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-8)
    order = torch.Generator().manual_seed(settings.seed)
    step, best, best_epoch = 0, math.inf, 0
    for epoch in range(1, settings.epochs + 1):
        model.train()
        for some in _batches(songs, settings.batch, order):
            batch = batch_of(some, device, settings.pictures, settings.seconds)
            for group in optimiser.param_groups:
                group["lr"] = rate_of(step, settings)
            logits = model(batch.roots, batch.qualities, batch.key, batch.features)
            loss = losses_of(logits, batch.targets, batch.fitting).total
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
        quality = measure_chords(model, validation)
        log.add(network="chords", epoch=epoch, total=quality.total, hits_1=quality.hits_1)
        if math.isnan(quality.total):
            raise EmsyncError("The loss is no number any more. Train with other settings.")
        if quality.total < best:
            best, best_epoch = quality.total, epoch
            yield model
        elif epoch - best_epoch >= settings.patience:
            return


def run(data: Path, out: Path, settings: TrainingSettings, device: torch.device) -> str:
    """Train both networks and write them; return the table of the test split.

    Args:
        data: folder laid out as MuVi-Sync.
        out: an empty folder, or none yet.
        settings: how.
        device: where.

    Raises:
        EmsyncError: the data cannot be read, or training came to nothing.
    """
    splits = [read_split(data, split) for split in ("train", "val", "test")]
    training, validation, test = splits
    out.mkdir(parents=True, exist_ok=True)
    log = Log(out / "log.jsonl")
    card: dict[str, object] = {
        "source": "trained by emsync.training.train_video2music",
        "songs": dict(zip(("train", "val", "test"), map(len, splits), strict=True)),
        "training": asdict(settings),
        **made_up(data),
    }
    dynamics = train_dynamics(training, validation, settings, device, log)
    for chords in train_chords(training, validation, settings, device, log):
        save(chords, dynamics, out, card, "half" if settings.half else "single")
    best = load(out)
    found = table(measure_chords(best.chords, test), measure_dynamics(best.dynamics, test))
    (out / "README.md").write_text(_card(card, found, log.seconds))
    return found


def made_up(data: Path) -> dict[str, object]:
    """Return what `emsync.training.make_muvisync` tells of a data set; nothing of any other.

    Raises:
        EmsyncError: it cannot be read.
    """
    path = data / "vevo_meta" / "made.json"
    if not path.exists():
        return {}
    try:
        about = json.loads(path.read_text())
        return {"data": about, "tiers": about["tiers"], "sources": list(about["sources"])}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise EmsyncError(f"{path} cannot be read: {problem}.") from problem


def _batches(songs: Sequence[Song], size: int, generator: torch.Generator) -> Iterator[list[Song]]:
    """Yield the songs once each, in an order that `generator` draws."""
    order = torch.randperm(len(songs), generator=generator).tolist()
    for start in range(0, len(songs), size):
        yield [songs[number] for number in order[start : start + size]]


def _weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _card(card: dict[str, object], figures: str, seconds: float) -> str:
    """Return the card of the weights, as Markdown."""
    songs = card["songs"]
    assert isinstance(songs, dict)
    films = "Without films: they are made up.\n\n" if "data" in card else ""
    return (
        "# Weights of Video2Music\n\n"
        f"Trained on {songs['train']} songs for {seconds / 60:.0f} minutes, stopped by "
        f"{songs['val']}, measured on {songs['test']} songs of the test split, which were looked "
        f"at once.\n\n{films}{figures}\n"
        "The paper's figures are those of its own test split; with other songs they cannot be "
        "compared.\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Train by the command line; return the exit status."""
    parser = parser_of("emsync.training.train_video2music", __doc__)
    standard = TrainingSettings()
    parser.add_argument("data", type=Path, help="folder laid out as MuVi-Sync")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--no-pictures", dest="pictures", action="store_false")
    parser.add_argument("--half", action="store_true", help="write half precision")
    parser.add_argument("--cell", choices=get_args(Cell), default=standard.cell)
    for field in fields(standard):
        if field.name not in ("pictures", "half", "cell"):
            default = getattr(standard, field.name)
            name = field.name.replace("_", "-")
            parser.add_argument(f"--{name}", type=type(default), default=default)
    options = vars(parser.parse_args(arguments))
    data, out, device = options.pop("data"), options.pop("out"), options.pop("device")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = settings_from(parser, TrainingSettings, options)

    def work() -> None:
        check_empty(out)
        print(run(data, out, settings, torch.device(device)), end="")

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
