"""The affective multimodal transformer: a film's features in, a chord for every second out.

An encoder reads the film, one vector a second; a decoder writes chords, one a second, each seeing
those before it and all of the film. Layers are those of Vaswani et al. (2017), with the norm after
each part and one more after each stack; the decoder's self-attention adds a learned score for how
long ago a chord was (Huang et al. 2018).

    features (batch, frames, 776) ─ encode ─▶ memory ─ start ─▶ state ─┐
                              roots, qualities, key (batch, new) ─ decode ─▶ logits (…, 159)
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emsync.music.video2music.features import OTHER_FEATURES
from emsync.music.video2music.vocabulary import OUTPUTS, QUALITY_INPUTS, ROOT_INPUTS

KeyValue = tuple[Tensor, Tensor]
"""Keys and values of one layer, (batch, heads, positions, head_dim) each."""


@dataclass(frozen=True)
class ChordTransformerSettings:
    """Architecture; the defaults are those of the published weights."""

    layers: int = 6
    """Of the encoder, and as many of the decoder."""
    heads: int = 8
    width: int = 512
    inner_width: int = 1024
    frames: int = 300
    """Seconds of film that fit."""
    chords: int = 300
    """Seconds of music that fit."""
    semantic: int = 768
    """Width of the semantic vector; 0 for weights trained without pictures."""
    relative: bool = True
    """Whether the decoder's self-attention knows how long ago a chord was."""
    dropout: float = 0.1

    @property
    def features(self) -> int:
        """Return the width of the features of one second: 776."""
        return self.semantic + OTHER_FEATURES

    def to_dict(self) -> dict[str, object]:
        """Return the settings as JSON can hold them."""
        return asdict(self)


@dataclass
class DecoderState:
    """What decoding goes on from: the film and the chords so far, as each layer sees them."""

    film: list[KeyValue]
    chords: list[KeyValue]

    @property
    def length(self) -> int:
        """Return how many chords were decoded."""
        return self.chords[0][0].shape[2]


def position_table(positions: int, width: int) -> Tensor:
    """Return sines in even columns and cosines in odd ones, (positions, width)."""
    speed = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))  # (width / 2)
    angle = torch.arange(positions)[:, None] * speed  # (positions, width / 2)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)  # (positions, width)


class _Attention(nn.Module):
    """Multi-head attention whose keys and values are worked out apart, so that they can be kept."""

    def __init__(self, settings: ChordTransformerSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.dropout = settings.dropout
        self.query = nn.Linear(settings.width, settings.width)
        self.key = nn.Linear(settings.width, settings.width)
        self.value = nn.Linear(settings.width, settings.width)
        self.out = nn.Linear(settings.width, settings.width)

    def _split(self, x: Tensor) -> Tensor:
        """(batch, positions, width) → (batch, heads, positions, head_dim)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys_values(self, source: Tensor) -> KeyValue:
        """Return what can be attended to in `source`, (batch, positions, width)."""
        return self._split(self.key(source)), self._split(self.value(source))

    def forward(self, x: Tensor, attended: KeyValue) -> Tensor:
        """(batch, new, width) → (batch, new, width)."""
        return self._mix(self._split(self.query(x)), attended, None)

    def _mix(self, q: Tensor, attended: KeyValue, bias: Tensor | None) -> Tensor:
        """Return what queries (batch, heads, new, head_dim) find; `bias` is added to the scores."""
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, *attended, attn_mask=bias, dropout_p=dropout)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))  # (batch, new, width)
        return out


class CausalAttention(_Attention):
    """Attention to the chords so far, with a learned score for how long ago each was."""

    causal = True
    """Whether chords to come are hidden, as they always are but where somebody compares."""

    def __init__(self, settings: ChordTransformerSettings) -> None:
        super().__init__(settings)
        head_dim = settings.width // settings.heads
        self.distance = (
            nn.Parameter(torch.rand(settings.chords, head_dim)) if settings.relative else None
        )
        """Row -1 belongs to the chord itself, row -1 - d to the one d seconds before."""

    def forward(self, x: Tensor, attended: KeyValue) -> Tensor:
        """(batch, new, width) → (batch, new, width); the last `new` keys are those of `x`."""
        q = self._split(self.query(x))  # (batch, heads, new, head_dim)
        new, seen = q.shape[2], attended[0].shape[2]
        at = torch.arange(seen, device=x.device)
        ago = at[seen - new :, None] - at  # (new, seen), negative for what is to come
        bias = torch.zeros_like(ago, dtype=q.dtype)
        if self.distance is not None:
            near = self.distance[-seen:]  # (seen, head_dim)
            by_row = q @ near.T / math.sqrt(q.shape[-1])  # (batch, heads, new, seen)
            row = (seen - 1 - ago.clamp(min=0)).expand_as(by_row)
            bias = by_row.gather(-1, row).masked_fill(ago < 0, 0.0)
        if self.causal:
            bias = bias.masked_fill(ago < 0, -math.inf)
        return self._mix(q, attended, bias)


class _FeedForward(nn.Module):
    """Two linear layers with a ReLU between them."""

    def __init__(self, settings: ChordTransformerSettings) -> None:
        super().__init__()
        self.widen = nn.Linear(settings.width, settings.inner_width)
        self.narrow = nn.Linear(settings.inner_width, settings.width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) → (batch, positions, width)."""
        out: Tensor = self.narrow(self.dropout(F.relu(self.widen(x))))
        return out


class _EncoderLayer(nn.Module):
    """Every second of the film looks at every other."""

    def __init__(self, settings: ChordTransformerSettings) -> None:
        super().__init__()
        self.attention = _Attention(settings)
        self.inner = _FeedForward(settings)
        self.norm1 = nn.LayerNorm(settings.width)
        self.norm2 = nn.LayerNorm(settings.width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) → (batch, frames, width)."""
        x = self.norm1(x + self.dropout(self.attention(x, self.attention.keys_values(x))))
        out: Tensor = self.norm2(x + self.dropout(self.inner(x)))
        return out


class _DecoderLayer(nn.Module):
    """Every chord looks at those before it, then at the film."""

    def __init__(self, settings: ChordTransformerSettings) -> None:
        super().__init__()
        self.attention = CausalAttention(settings)
        self.film = _Attention(settings)
        self.inner = _FeedForward(settings)
        self.norm1 = nn.LayerNorm(settings.width)
        self.norm2 = nn.LayerNorm(settings.width)
        self.norm3 = nn.LayerNorm(settings.width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, chords: KeyValue, film: KeyValue) -> tuple[Tensor, KeyValue]:
        """Return (batch, new, width) of `x`, and the keys and values with the new chords added."""
        new = self.attention.keys_values(x)
        chords = (torch.cat((chords[0], new[0]), dim=2), torch.cat((chords[1], new[1]), dim=2))
        x = self.norm1(x + self.dropout(self.attention(x, chords)))
        x = self.norm2(x + self.dropout(self.film(x, film)))
        return self.norm3(x + self.dropout(self.inner(x))), chords


class ChordTransformer(nn.Module):
    """Logits of the next chord from the chords so far, the key and the film."""

    film_positions: Tensor
    chord_positions: Tensor

    def __init__(self, settings: ChordTransformerSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.root = nn.Embedding(ROOT_INPUTS, width)
        self.quality = nn.Embedding(QUALITY_INPUTS, width)
        self.chord_in = nn.Linear(width + 1, width)
        self.film_in = nn.Linear(settings.features, width)
        self.encoder = nn.ModuleList(_EncoderLayer(settings) for _ in range(settings.layers))
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(_DecoderLayer(settings) for _ in range(settings.layers))
        self.decoder_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, OUTPUTS)
        self.dropout = nn.Dropout(settings.dropout)
        for name, count in (("film", settings.frames), ("chord", settings.chords)):
            table = position_table(count, width)
            self.register_buffer(f"{name}_positions", table, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: Xavier uniform for all matrices, as the published code does."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def encode(self, features: Tensor) -> Tensor:
        """Return the film as the decoder sees it.

        Args:
            features: (batch, frames, 776): semantic vector, scene offset + 1, motion, emotions;
                zeros after the film's end, which are attended to like the rest.

        Returns:
            (batch, frames, width).
        """
        x = self.film_in(features)  # (batch, frames, width)
        x = self.dropout(x + self.film_positions[: x.shape[1]])
        for layer in self.encoder:
            x = layer(x)
        out: Tensor = self.encoder_norm(x)
        return out

    def start(self, memory: Tensor) -> DecoderState:
        """Return the state from which chords for a film are decoded; `memory`: from `encode`."""
        layers = cast(Iterable[_DecoderLayer], self.decoder)
        film = [layer.film.keys_values(memory) for layer in layers]
        none = film[0][0][:, :, :0]  # (batch, heads, 0, head_dim)
        return DecoderState(film, [(none, none)] * len(film))

    def decode(self, roots: Tensor, qualities: Tensor, key: Tensor, state: DecoderState) -> Tensor:
        """Return the logits of the chord after each of the new ones, which `state` then holds too.

        Args:
            roots, qualities: (batch, new) indices, see `vocabulary.Chord`.
            key: (batch,), 0 for major and 1 for minor.
            state: from `start`, or from decoding the chords before.

        Returns:
            (batch, new, 159).

        Raises:
            ValueError: more chords than `settings.chords`.
        """
        past, new = state.length, roots.shape[1]
        if past + new > self.settings.chords:
            raise ValueError(f"{past + new} chords do not fit in {self.settings.chords} seconds")
        x = self.root(roots) + self.quality(qualities)  # (batch, new, width)
        column = key.to(x.dtype)[:, None, None].expand(-1, new, 1)  # (batch, new, 1)
        x = self.chord_in(torch.cat((x, column), dim=-1))  # (batch, new, width)
        x = self.dropout(x + self.chord_positions[past : past + new])
        for i, layer in enumerate(self.decoder):
            x, state.chords[i] = layer(x, state.chords[i], state.film[i])
        logits: Tensor = self.head(self.decoder_norm(x))  # (batch, new, 159)
        return logits

    def forward(self, roots: Tensor, qualities: Tensor, key: Tensor, features: Tensor) -> Tensor:
        """Return the logits (batch, chords, 159) of a whole piece; see `encode` and `decode`."""
        return self.decode(roots, qualities, key, self.start(self.encode(features)))
