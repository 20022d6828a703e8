"""VEMOCLAP's fusion: cross-attention between what the experts saw (arXiv 2410.21303; thesis 5.2.2).

Every feature is brought to one width. Features that are sequences (pictures, faces, sound) then
look at each other, every one at every other: what one asks, the other answers, averaged over the
sequence. Singular features (the sentiment of a text) go straight to the end, where a linear
classifier sees everything side by side.

Nothing here knows where in time an item stands, and padding is looked at like any other item: so
it was published, and so its weights were trained.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emsync.emotion.reading import EMOTIONS
from emsync.film.footage import nearest_equidistant

MODALITY = {
    "asr_sentiment": "asr",
    "beats": "beats",
    "clip": "clip",
    "face_emotion": "face",
    "ocr_sentiment": "ocr",
}
"""The expert behind each feature; the features' names are the published ones."""
SINGULAR = ("asr_sentiment", "ocr_sentiment")
"""Features of which a stretch of film has one, not a sequence."""


@dataclass(frozen=True)
class Feature:
    """One feature as the fusion takes it.

    Attributes:
        name: a key of `MODALITY`.
        dim: numbers per item.
        length: items; shorter sequences are padded with zeros, of longer ones some are chosen.
    """

    name: str
    dim: int
    length: int = 16

    @property
    def singular(self) -> bool:
        """Whether a stretch of film has one of it, not a sequence."""
        return self.name in SINGULAR


@dataclass(frozen=True)
class FusionSettings:
    """Architecture; saved beside the weights. The defaults are the published checkpoint's."""

    features: tuple[Feature, ...] = (
        Feature("asr_sentiment", 768, 1),
        Feature("beats", 768),
        Feature("clip", 512),
        Feature("face_emotion", 768),
    )
    width: int = 512
    heads: int = 4
    dropout: float = 0.5
    labels: tuple[str, ...] = EMOTIONS

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names) or not set(names) <= set(MODALITY):
            raise ValueError(f"features must be some of {', '.join(MODALITY)}, each once: {names}")
        if len(self.sequences) < 2:
            raise ValueError("the fusion needs two of beats, clip and face_emotion at least")
        if any(feature.singular and feature.length != 1 for feature in self.features):
            raise ValueError("a text has one sentiment: its length must be 1")
        if self.width % self.heads:
            raise ValueError("the width must be a multiple of the number of heads")
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels must be two at least, each once: {self.labels}")
        if set(self.labels) == set(EMOTIONS) and self.labels != EMOTIONS:
            raise ValueError(f"labels must be {', '.join(EMOTIONS)}, in this order")

    @property
    def sequences(self) -> tuple[str, ...]:
        """Names of the features that are sequences, in their order."""
        return tuple(feature.name for feature in self.features if not feature.singular)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "FusionSettings":
        """Return what `to_dict` wrote down."""
        features = tuple(Feature(**feature) for feature in values["features"])
        labels = tuple(values["labels"])
        return FusionSettings(**{**values, "features": features, "labels": labels})

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        return asdict(self)


class Fusion(nn.Module):
    """Features in, logits of the labels out."""

    def __init__(self, settings: FusionSettings) -> None:
        super().__init__()
        self.settings = settings
        width, sequences = settings.width, settings.sequences
        self.ranges = nn.ModuleDict({f.name: Range(f.dim) for f in settings.features})
        self.encoders = nn.ModuleDict({f.name: nn.Linear(f.dim, width) for f in settings.features})
        self.query = nn.ModuleDict({name: nn.Linear(width, width) for name in sequences})
        self.key = nn.ModuleDict({name: nn.Linear(width, width) for name in sequences})
        self.value = nn.ModuleDict({name: nn.Linear(width, width) for name in sequences})
        self.pairs = {f"{one}_{other}": (one, other) for one, other in permutations(sequences, 2)}
        self.attention = nn.ModuleDict(
            {pair: _CrossAttention(width, settings.heads) for pair in self.pairs}
        )
        self.norms = nn.ModuleDict({pair: nn.LayerNorm(width) for pair in self.pairs})
        parts = len(self.pairs) + len(settings.features) - len(sequences)
        self.classify = nn.Linear(parts * width, len(settings.labels))

    def forward(
        self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """Return logits, (batch, labels) in the order of the settings' labels.

        Args:
            inputs: for each feature (batch, length, dim), as `input_of` makes them.
            generator: draws what is dropped out, on the model's device; None drops nothing.
        """

        def drop(x: Tensor) -> Tensor:
            """Return `x` with some of its numbers zero, the others scaled so that means stay."""
            if generator is None or not self.settings.dropout:
                return x
            kept = torch.rand(x.shape, device=x.device, generator=generator)
            return x * (kept >= self.settings.dropout) / (1 - self.settings.dropout)

        # each (batch, length, width)
        encoded = {name: drop(layer(inputs[name])) for name, layer in self.encoders.items()}
        queries, keys, values = (
            {name: drop(layer(encoded[name])) for name, layer in layers.items()}
            for layers in (self.query, self.key, self.value)
        )
        # each (batch, width)
        parts = {name: encoded[name][:, 0] for name in encoded if name in SINGULAR}
        for pair, (one, other) in self.pairs.items():
            # (batch, length of the one that asks, width)
            answer = self.attention[pair](queries[one], keys[other], values[other], drop)
            parts[pair] = drop(self.norms[pair](answer)).mean(dim=1)
        # The published weights expect the parts in the order of their names.
        joined = torch.cat([parts[name] for name in sorted(parts)], dim=1)  # (batch, parts * width)
        logits: Tensor = self.classify(F.relu(joined))  # (batch, labels)
        return logits

    def range_of(self, feature: Feature) -> "Range":
        """Return the range of a feature's values in training."""
        found = self.ranges[feature.name]
        assert isinstance(found, Range)
        return found

    @torch.no_grad()
    def input_of(
        self,
        feature: Feature,
        vectors: np.ndarray | None,
        times: Sequence[float] | None = None,
    ) -> Tensor:
        """Return one feature of one film for `forward`: (length, dim) float32, on the CPU.

        Each number is brought to [0, 1] by the range it had in training. What is missing is zeros,
        and so is the padding; both come after that.

        Args:
            feature: one of the settings'.
            vectors: (items, dim); None or no items where the film has no such content.
            times: of the items, ascending; None takes them for equidistant.

        Raises:
            ValueError: the vectors are not what the feature is.
        """
        padded = torch.zeros(feature.length, feature.dim)
        if vectors is None or not len(vectors):
            return padded
        if vectors.ndim != 2 or vectors.shape[1] != feature.dim:
            raise ValueError(f"{feature.name} must be (items, {feature.dim}), not {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise ValueError(f"{feature.name} holds values that are not finite")
        moments = list(range(len(vectors))) if times is None else times
        chosen = vectors[evenly(moments, feature.length)].astype(np.float32)
        # Padding comes after normalising: 0 is the smallest value of training, not a mean one.
        padded[: len(chosen)] = self.range_of(feature)(torch.from_numpy(chosen))
        return padded

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw random weights, of the sizes that PyTorch gives such layers.

        Args:
            generator: on the CPU, where the model must be as well; nothing else is drawn from.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        for module in self.attention.values():
            assert isinstance(module, _CrossAttention)
            nn.init.xavier_uniform_(module.project.weight, generator=generator)
            nn.init.zeros_(module.project.bias)
            nn.init.zeros_(module.out.bias)


class Range(nn.Module):
    """Smallest and largest value of a feature in training; brings it to [0, 1]. Buffers: (dim,)."""

    minimum: Tensor
    maximum: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("minimum", torch.zeros(dim))
        self.register_buffer("maximum", torch.ones(dim))

    def set(self, minimum: Any, maximum: Any) -> None:
        """Take over a range: one number for all of the feature, or one for each of its numbers.

        Raises:
            ValueError: it is empty or does not fit.
        """
        for buffer, value in ((self.minimum, minimum), (self.maximum, maximum)):
            given = torch.as_tensor(value, dtype=torch.float32).flatten()
            if given.numel() not in (1, buffer.numel()):
                raise ValueError(f"a range of {given.numel()} numbers for {buffer.numel()}")
            buffer.copy_(given.expand_as(buffer))
        if not bool((self.maximum > self.minimum).all()):
            raise ValueError("its smallest value is not below its largest")

    def forward(self, x: Tensor) -> Tensor:
        """Return (items, dim) as shares of the range; values outside it lie outside [0, 1]."""
        minimum, maximum = self.minimum.cpu(), self.maximum.cpu()
        return (x - minimum) / (maximum - minimum)


class _CrossAttention(nn.Module):
    """Multi-head attention in which one sequence asks and another answers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, drop: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Return what is answered, (batch, length of the query, width).

        Dropout falls on the attention, after the softmax.
        """
        # each (batch, heads, length, head_dim)
        q, k, v = (
            F.linear(x, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip(
                (query, key, value),
                self.project.weight.chunk(3),
                self.project.bias.chunk(3),
                strict=True,
            )
        )
        # (batch, heads, length of the query, length of the key)
        weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(dim=-1)
        out: Tensor = self.out((drop(weights) @ v).transpose(1, 2).flatten(2))
        return out


def evenly(times: Sequence[float], count: int) -> list[int]:
    """Return indices of `count` items spread evenly in time; of all if there are no more.

    Where items crowd, fewer are the nearest to evenly spaced moments: then an even choice of the
    others fills up.

    Args:
        times: ascending.
        count: at least 1.
    """
    chosen = nearest_equidistant(times, count)
    others = sorted(set(range(len(times))) - set(chosen))
    lacking = min(count, len(times)) - len(chosen)
    picked = np.linspace(0, len(others) - 1, lacking).round().astype(int)
    return sorted([*chosen, *(others[index] for index in picked)])
