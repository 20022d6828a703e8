"""How well both networks say what was there, over the songs of a split, beside the paper's.

The paper's figures are those of its test split, from its table 4, and from its figures for the
regression, as a public reproduction quotes them; they were not compared with the paper itself.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from emsync.music.video2music.losses import correspondence, hits, losses_of
from emsync.music.video2music.model import ChordTransformer
from emsync.music.video2music.muvisync import SECONDS, Song
from emsync.music.video2music.regression import DynamicsNetwork

PAPER: Final = {
    "hits_1": 0.5139,
    "hits_3": 0.7722,
    "hits_5": 0.8672,
    "emotion": 0.4662,
    "density": 4.5030,
    "loudness": 0.0876,
}
"""Of the affective multimodal transformer and the biGRU; what is absent the paper does not say."""


@dataclass(frozen=True)
class Batch:
    """Songs side by side, as tensors on one device; all of them 300 s long, or cut."""

    roots: Tensor
    """(batch, 299), of the chords that the transformer is given."""
    qualities: Tensor
    """(batch, 299) likewise."""
    key: Tensor
    """(batch,)."""
    features: Tensor
    """(batch, 300, features)."""
    targets: Tensor
    """(batch, 299) ids."""
    fitting: Tensor
    """(batch, 299, 159), see `Song.emotion_targets`."""
    certainty: Tensor
    """(batch, 299), see `Song.emotion_certainty`."""
    dynamics: Tensor
    """(batch, 300, 2): note density, loudness."""


@dataclass(frozen=True)
class ChordQuality:
    """The transformer on songs that it was not trained on. Means over songs."""

    songs: int
    total: float
    """Loss: 0.4 of that of the chords, 0.6 of that of the emotion."""
    chord: float
    """Loss, nats a chord."""
    emotion: float
    """Loss, nats an output."""
    hits_1: float
    hits_3: float
    hits_5: float
    """Share of chords among the 1, 3 or 5 most probable."""
    correspondence: float
    """Share of the most probable chords that fit a certain emotion; NaN where none is certain."""

    @property
    def perplexity(self) -> float:
        """Return among how many equally probable chords the model is as unsure."""
        return math.exp(self.chord)


@dataclass(frozen=True)
class DynamicsQuality:
    """The regression on songs that it was not trained on; 300 s a song, as published."""

    songs: int
    density: float
    """Root mean square error, notes a second."""
    loudness: float
    """Root mean square error, full scale 1."""
    both: float
    """Root mean square error of both outputs together, by which training keeps the best."""


def batch_of(
    songs: Sequence[Song],
    device: torch.device | str,
    semantic: bool = True,
    seconds: int = SECONDS,
) -> Batch:
    """Return songs as tensors.

    Args:
        songs: of features of one width.
        device: for all tensors.
        semantic: whether the semantic vectors are among the features.
        seconds: of each song that count, from its beginning; at most 300.
    """

    def stacked(arrays: Iterable[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(list(arrays))).to(device)

    first = 0 if semantic else songs[0].semantic
    return Batch(
        stacked(song.roots[: seconds - 1] for song in songs),
        stacked(song.qualities[: seconds - 1] for song in songs),
        torch.tensor([song.key for song in songs], device=device),
        stacked(song.features[:seconds, first:] for song in songs),
        stacked(song.chords[1:seconds] for song in songs),
        stacked(song.emotion_targets[: seconds - 1] for song in songs),
        stacked(song.emotion_certainty[: seconds - 1] for song in songs),
        stacked(song.dynamics[:seconds] for song in songs),
    )


def measure_chords(model: ChordTransformer, songs: Sequence[Song]) -> ChordQuality:
    """Measure the transformer, each chord from the true ones before it; it is in eval mode then.

    Of songs longer than what fits the model the rest is not looked at.
    """
    rows, fits = [], min(model.settings.chords, model.settings.frames, SECONDS)
    for batch in _one_by_one(songs, model, model.settings.semantic > 0, fits):
        logits = model(batch.roots, batch.qualities, batch.key, batch.features)
        losses = losses_of(logits, batch.targets, batch.fitting)
        rows.append(
            [
                float(losses.total),
                float(losses.chord),
                float(losses.emotion),
                *(hits(logits[0], batch.targets[0], first) for first in (1, 3, 5)),
                correspondence(logits[0], batch.fitting[0], batch.certainty[0]),
            ]
        )
    table = np.array(rows)  # (songs, 7)
    fitting = table[:, -1][~np.isnan(table[:, -1])]
    means = [*table[:, :-1].mean(0).tolist(), float(fitting.mean()) if len(fitting) else math.nan]
    return ChordQuality(len(songs), *means)


def measure_dynamics(model: DynamicsNetwork, songs: Sequence[Song]) -> DynamicsQuality:
    """Measure the regression, which is in eval mode then."""
    squares = torch.zeros(2)
    for batch in _one_by_one(songs, model, model.settings.semantic > 0):
        wrong = model(batch.features) - batch.dynamics  # (1, 300, 2)
        squares += wrong.square().mean((0, 1)).cpu() / len(songs)
    density, loudness = squares.sqrt().tolist()
    return DynamicsQuality(len(songs), density, loudness, float(squares.mean().sqrt()))


def table(chords: ChordQuality, dynamics: DynamicsQuality) -> str:
    """Return the figures beside the paper's, as Markdown."""
    rows = [
        ("Hits@1", chords.hits_1, "hits_1"),
        ("Hits@3", chords.hits_3, "hits_3"),
        ("Hits@5", chords.hits_5, "hits_5"),
        ("emotion loss", chords.emotion, "emotion"),
        ("chord loss, nats", chords.chord, "chord"),
        ("total loss, 0.4 chord + 0.6 emotion", chords.total, "total"),
        ("perplexity", chords.perplexity, "perplexity"),
        ("emotion correspondence", chords.correspondence, "correspondence"),
        ("RMSE of note density, notes a second", dynamics.density, "density"),
        ("RMSE of loudness, full scale 1", dynamics.loudness, "loudness"),
    ]
    lines = [f"| measure, {chords.songs} songs | ours | paper |", "| --- | --- | --- |"]
    lines += [
        f"| {title} | {_figure(value)} | {_figure(PAPER.get(name))} |"
        for title, value, name in rows
    ]
    return "\n".join(lines) + "\n"


def _figure(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def _one_by_one(
    songs: Sequence[Song], model: torch.nn.Module, semantic: bool, seconds: int = SECONDS
) -> Iterator[Batch]:
    """Yield the songs, for a model that only looks at them."""
    model.eval()
    device = next(model.parameters()).device
    with torch.inference_mode():
        for song in songs:
            yield batch_of([song], device, semantic, seconds)
