"""The music generator (thesis 4.1 and 4.2): a causal transformer told of mood and boundaries.

The model is told of the mood in one of the four ways that the thesis compares:

- `continuous-token`: two vectors, made from valence and arousal, stand before the tokens.
- `discrete-token`: so do two tokens, for the bins in which valence and arousal fall.
- `continuous-concatenated`: a vector made from both is a part of every token's embedding.
- `none`: not at all.

Every position also carries the seconds to the next boundary and, with `harmony`, the chord of the
moment and the one that comes next, or that these are not told. Two position schemes:

- `relative`: learned positions and relative global attention, post-norm. What the published
  checkpoint was trained with; `tests/test_transformer.py` checks it against golden files.
- `rotary`: rotary positions, pre-norm, normalised queries and keys, squared ReLU. Ours: its
  attention runs on fused kernels, and it learns several times as much from the same tokens.
"""

import math
from collections.abc import Mapping
from copy import copy
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.harmony_labels import LABELS, tones_of

Positions = Literal["relative", "rotary"]
Conditioning = Literal["none", "discrete-token", "continuous-token", "continuous-concatenated"]

AXES = 2
"""Valence and arousal."""
MOOD_BINS = 5
"""Bins an axis for `discrete-token` (thesis 4.1), equally wide over [-1, 1]; the published code's
hold equally many pieces, which depends on the corpus."""
CONDITION_SHARE = 4
"""`continuous-concatenated` takes one part in so many of the embedding for the mood."""
MAXIMUM_OFFSET = 8.0
"""Seconds: a boundary further away than this is not announced."""
OFFSET_SCALES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Seconds: decay lengths at which the rotary model sees a boundary come near."""
CHANGE_SCALES = (0.125, 0.5, 2.0)
"""Seconds: decay lengths at which the model sees the next chord come near: as a sixteenth, a beat
and a bar are away."""


ATTENTION_BLOCK = 256
"""Positions at a time for which a CPU computes attention in training."""


@dataclass(frozen=True)
class TransformerSettings:
    """Architecture; saved beside the weights, so that nothing else in the code needs to know it."""

    positions: Positions = "rotary"
    layers: int = 6
    heads: int = 4
    width: int = 256
    inner_width: int = 1024
    context: int = 1216
    """Positions that the model can see, the two of the prefix among them."""
    dropout: float = 0.0
    conditioning: Conditioning = "continuous-token"
    """Weights that were saved without this field are of that kind."""
    harmony: bool = False
    """Whether chords can be told, see `MusicTransformer.embed`; for `rotary` alone."""

    def __post_init__(self) -> None:
        for name, kind in (("positions", Positions), ("conditioning", Conditioning)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(kind))}, "
                    f"not {getattr(self, name)!r}"
                )
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError("the width must be an even multiple of the number of heads")
        if self.harmony and self.positions != "rotary":
            raise ValueError("chords can be told to a model with rotary positions only")

    @property
    def prefix(self) -> int:
        """Positions that the mood takes before the first token: 2 or 0."""
        return AXES if self.conditioning in ("discrete-token", "continuous-token") else 0

    @staticmethod
    def from_dict(values: Mapping[str, object]) -> "TransformerSettings":
        return TransformerSettings(**values)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


class KeyValueCache:
    """Keys and values of the positions seen so far, preallocated for the whole context.

    Shapes: (layers, batch, heads, context, head width).
    """

    def __init__(self, settings: TransformerSettings, batch: int, like: Tensor) -> None:
        shape = (
            settings.layers,
            batch,
            settings.heads,
            settings.context,
            settings.width // settings.heads,
        )
        self.keys = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.values = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.length = 0

    @property
    def room(self) -> int:
        """Positions that still fit."""
        return self.keys.shape[3] - self.length

    def row(self, number: int) -> "KeyValueCache":
        """Return an empty cache for one of the pieces: a part of this one that counts for
        itself."""
        one = copy(self)
        one.keys = self.keys[:, number : number + 1]
        one.values = self.values[:, number : number + 1]
        one.length = 0
        return one

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store new (batch, heads, new, head width) and return all so far."""
        end = self.length + keys.shape[2]
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


class _MoodVectors(nn.Module):
    """Valence and arousal as two vectors; NaN means 'not given' and has a vector of its own."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(1, width // 2),
                nn.ReLU(),
                nn.Linear(width // 2, width),
                nn.Dropout(dropout),
            )
            for _ in range(AXES)
        )
        self.not_given = nn.ParameterList(
            nn.Parameter(0.1 * torch.randn(1, width)) for _ in range(AXES)
        )

    def forward(self, conditions: Tensor) -> Tensor:
        """Map (batch, 2) in [-1, 1] or NaN → (batch, 2, width)."""
        vectors = []
        for i in range(AXES):
            value = conditions[:, i : i + 1]
            missing = value.isnan()
            vector = self.networks[i](torch.where(missing, 0.0, value))
            vectors.append(torch.where(missing, self.not_given[i].to(vector.dtype), vector))
        return torch.stack(vectors, dim=1)


class _MoodTokens(nn.Module):
    """Valence and arousal as one token each: the bin they fall in, or the last for 'not given'."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(MOOD_BINS + 1, width) for _ in range(AXES))

    def forward(self, conditions: Tensor) -> Tensor:
        """Map (batch, 2) in [-1, 1] or NaN → (batch, 2, width)."""
        share = (conditions.nan_to_num(0.0).clamp(-1.0, 1.0) + 1.0) / 2.0
        bins = (share * MOOD_BINS).long().clamp(max=MOOD_BINS - 1)
        bins = torch.where(conditions.isnan(), MOOD_BINS, bins)
        return torch.stack([self.embeddings[i](bins[:, i]) for i in range(AXES)], dim=1)


class _MoodPart(nn.Module):
    """Valence and arousal as one vector; an axis that is not given adds one of its own instead."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = nn.Linear(AXES, width)
        self.not_given = nn.Parameter(0.1 * torch.randn(AXES, width))

    def forward(self, conditions: Tensor) -> Tensor:
        """Map (batch, 2) in [-1, 1] or NaN → (batch, width)."""
        vector = self.network(conditions.nan_to_num(0.0))
        out: Tensor = vector + (conditions.isnan().to(vector.dtype) @ self.not_given)
        return out


class _HarmonyVectors(nn.Module):
    """The chord of the moment and the next one as one vector, zero where they are not given.

    A chord is the sum of vectors for its tones and one for its root, so that each chord teaches the
    others and rare ones are understood too. The next chord has such vectors for each of
    `CHANGE_SCALES`, which grow as it comes near. All are zero at first: weights that were trained
    without chords go on as they were.
    """

    parts: Tensor
    scales: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        parts = torch.zeros(LABELS, 24)
        for label in range(1, LABELS):
            root, *others = tones_of(label)
            parts[label, [root, *others, 12 + root]] = 1.0
        self.register_buffer("parts", parts, persistent=False)
        self.register_buffer("scales", torch.tensor(CHANGE_SCALES), persistent=False)
        self.now = nn.Linear(parts.shape[1], width, bias=False)
        self.coming = nn.Linear(parts.shape[1], len(CHANGE_SCALES) * width, bias=False)
        nn.init.zeros_(self.now.weight)
        nn.init.zeros_(self.coming.weight)

    def forward(self, harmonies: Tensor) -> Tensor:
        """(..., 3): two labels and seconds, see `harmony_labels.Harmony` → (..., width)."""
        now, coming = self.parts[harmonies[..., :2].long()].unbind(-2)
        near = (-harmonies[..., 2:] / self.scales).exp().unsqueeze(-1)
        vectors = self.coming(coming).unflatten(-1, (len(CHANGE_SCALES), -1))
        out: Tensor = self.now(now) + (near * vectors).sum(-2)
        return out


class _RelativeAttention(nn.Module):
    """Relative global attention (Huang et al. 2018): one learned vector per distance."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        width = settings.width
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.distance = nn.Parameter(torch.randn(settings.context, width // settings.heads))
        """Row -1 belongs to distance 0, row -1 - d to distance d."""

    def forward(
        self, x: Tensor, hidden: Tensor | None, layer: int, cache: KeyValueCache | None
    ) -> Tensor:
        batch, new, width = x.shape
        q, k, values = (
            network(x).view(batch, new, self.heads, -1).transpose(1, 2)
            for network in (self.query, self.key, self.value)
        )
        past = 0
        if cache is not None:
            past = cache.length
            k, values = cache.extend(layer, k, values)
        seen = past + new
        at = torch.arange(past, seen, device=x.device)
        distance = at[:, None] - torch.arange(seen, device=x.device)[None, :]
        near = self.distance[self.distance.shape[0] - seen :]
        by_distance = q @ near.T
        index = (seen - 1 - distance.clamp(min=0)).expand(batch, self.heads, new, seen)
        scores = (q @ k.transpose(-1, -2) + by_distance.gather(-1, index)) / math.sqrt(q.shape[-1])
        scores = scores.masked_fill(distance < 0, -math.inf)
        if hidden is not None:  # a position always sees itself, or there would be nothing to mix
            unseen = hidden[:, None, None, :seen] & (distance > 0)
            scores = scores.masked_fill(unseen, -math.inf)
        mixed = scores.softmax(-1) @ values
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, new, width))
        return out


class _RelativeLayer(nn.Module):
    """Post-norm layer of the published model."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.attention = _RelativeAttention(settings)
        self.widen = nn.Linear(settings.width, settings.inner_width)
        self.narrow = nn.Linear(settings.inner_width, settings.width)
        self.norm1 = nn.LayerNorm(settings.width, eps=1e-6)
        self.norm2 = nn.LayerNorm(settings.width, eps=1e-6)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(
        self, x: Tensor, hidden: Tensor | None, layer: int, cache: KeyValueCache | None
    ) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, hidden, layer, cache)))
        out: Tensor = self.norm2(x + self.dropout(self.narrow(F.relu(self.widen(x)))))
        return out


def _causal_in_blocks(q: Tensor, k: Tensor, values: Tensor, dropout: float) -> Tensor:
    """Causal attention, block by block of queries, each with no keys but those up to its end.

    What `F.scaled_dot_product_attention` gives, for training on a CPU, where that took two fifths
    of a step. A whole step takes 0.93 times as long with it, and under `torch.compile` 0.54 times
    (5.4 M parameters, 4 × 1023 tokens, one core of a busy machine).

    Args:
        q, k, values: (batch, heads, positions, head width), of one type.
        dropout: share of the attention that is dropped.
    """
    parts = []
    # Autocast would take the softmax in single precision, in memory of twice the size.
    with torch.autocast(q.device.type, enabled=False):
        q = q / math.sqrt(q.shape[-1])
        for start in range(0, q.shape[2], ATTENTION_BLOCK):
            end = min(start + ATTENTION_BLOCK, q.shape[2])
            scores = q[:, :, start:end] @ k[:, :, :end].transpose(-1, -2)
            at = torch.arange(end, device=q.device)
            scores = scores.masked_fill(at > at[start:, None], -math.inf)
            parts.append(F.dropout(scores.softmax(-1), dropout) @ values[:, :, :end])
    return torch.cat(parts, dim=2)


class _RotaryLayer(nn.Module):
    """Pre-norm layer with rotary positions (Su et al. 2021) and normalised queries and keys."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        width, head_width = settings.width, settings.width // settings.heads
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.widen = nn.Linear(width, settings.inner_width, bias=False)
        self.narrow = nn.Linear(settings.inner_width, width, bias=False)
        # A layer that begins as the identity trains stably at high learning rates.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.narrow.weight)
        self.dropout = settings.dropout
        speed = 10_000.0 ** (-torch.arange(0, head_width, 2) / head_width)
        angle = torch.arange(settings.context)[:, None] * speed[None, :]
        self.register_buffer("cosines", angle.cos(), persistent=False)
        self.register_buffer("sines", angle.sin(), persistent=False)

    def _turn(self, x: Tensor, past: int) -> Tensor:
        """Rotate (batch, new, 2, heads, head width), whose first position is `past`."""
        here = slice(past, past + x.shape[1])
        cosines = self.cosines[here, None, None].to(x.dtype)
        sines = self.sines[here, None, None].to(x.dtype)
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cosines - b * sines, a * sines + b * cosines), dim=-1)

    def forward(
        self, x: Tensor, hidden: Tensor | None, layer: int, cache: KeyValueCache | None
    ) -> Tensor:
        batch, new, width = x.shape
        projected = self.project(F.rms_norm(x, (width,))).view(batch, new, 3, self.heads, -1)
        past = cache.length if cache is not None else 0
        q, k = self._turn(F.rms_norm(projected[:, :, :2], (width // self.heads,)), past).permute(
            2, 0, 3, 1, 4
        )
        values = projected[:, :, 2].transpose(1, 2)
        if cache is not None:
            k, values = cache.extend(layer, k, values)
        mask = None
        if past and new > 1:
            at = torch.arange(past, past + new, device=x.device)
            mask = torch.arange(past + new, device=x.device)[None, :] <= at[:, None]
        if self.training and x.device.type == "cpu":
            mixed = _causal_in_blocks(q, k, values, self.dropout)
        else:
            mixed = F.scaled_dot_product_attention(
                q,
                k,
                values,
                attn_mask=mask,
                is_causal=past == 0 and new > 1,
                dropout_p=self.dropout if self.training else 0.0,
            )
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, new, width))
        inner = F.relu(self.widen(F.rms_norm(x, (width,)))).square()
        return x + F.dropout(self.narrow(inner), self.dropout, self.training)


class MusicTransformer(nn.Module):
    """Next-token logits from tokens, mood and boundary offsets."""

    offset_scales: Tensor

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        mood_width = 0
        if settings.conditioning == "continuous-token":
            self.mood: nn.Module = _MoodVectors(width, settings.dropout)
        elif settings.conditioning == "discrete-token":
            self.mood = _MoodTokens(width)
        elif settings.conditioning == "continuous-concatenated":
            mood_width = width // CONDITION_SHARE
            self.mood = _MoodPart(mood_width)
        self.embedding = nn.Embedding(v.SIZE, width - mood_width, padding_idx=v.PAD)
        self.head = nn.Linear(width, v.SIZE)
        layer: type[nn.Module]
        if settings.positions == "relative":
            layer = _RelativeLayer
            self.boundary = nn.Sequential(
                nn.Linear(1, width // 4), nn.ReLU(), nn.Linear(width // 4, width // 2)
            )
            self.position = nn.Parameter(
                torch.empty(settings.context, width // 2).uniform_(-0.1, 0.1)
            )
        else:
            layer = _RotaryLayer
            self.boundary = nn.Sequential(
                nn.Linear(1 + len(OFFSET_SCALES), width // 2),
                nn.ReLU(),
                nn.Linear(width // 2, width),
            )
            self.register_buffer("offset_scales", torch.tensor(OFFSET_SCALES), persistent=False)
            nn.init.normal_(self.embedding.weight, std=0.5)
            nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.layers = nn.ModuleList(layer(settings) for _ in range(settings.layers))
        self.dropout = nn.Dropout(settings.dropout)
        if settings.harmony:
            self.harmony = _HarmonyVectors(width)
        boundary_width = width // 2 if settings.positions == "relative" else width
        self.boundary_not_told = nn.Parameter(torch.zeros(boundary_width))
        self.register_load_state_dict_pre_hook(_add_boundary_not_told)

    def boundary_vectors(self, offsets: Tensor) -> Tensor:
        """Map (batch, positions) seconds → (batch, positions, width, or half of it for `relative`).

        8 s is 'none in sight', so that no CHORD is due; NaN is 'not told', so that chords may come
        at any time. The published model, and ours from before, take the second for the first.
        """
        not_told = offsets.isnan().unsqueeze(-1) * self.boundary_not_told
        offsets = offsets.nan_to_num(MAXIMUM_OFFSET).clamp(0.0, MAXIMUM_OFFSET)
        near = (MAXIMUM_OFFSET - offsets).unsqueeze(-1)
        if self.settings.positions == "relative":
            out: Tensor = self.boundary(near) + not_told
            return out
        features = torch.cat(
            (near / MAXIMUM_OFFSET, (-offsets.unsqueeze(-1) / self.offset_scales).exp()), dim=-1
        )
        announced: Tensor = self.boundary(features)
        # With no boundary in sight nothing is added: the model without boundaries is the same
        # model, not one that hears of a boundary eight seconds away.
        return announced * (near > 0) + not_told

    def told_vectors(self, offsets: Tensor, harmonies: Tensor | None) -> Tensor:
        """Boundary and chords as one vector, to be added to each position's embedding.

        Args:
            offsets: see `boundary_vectors`.
            harmonies: (batch, positions, 3) as `harmony_labels.Harmony`; None for 'not given'.

        Raises:
            ValueError: the model cannot be told of chords.
        """
        vectors = self.boundary_vectors(offsets)
        if harmonies is None:
            return vectors
        if not self.settings.harmony:
            raise ValueError("this model was not trained to be told of chords")
        return vectors + self.harmony(harmonies)

    def new_cache(self, batch: int) -> KeyValueCache:
        """Return an empty cache for `batch` pieces, on the weights' device and in their type."""
        return KeyValueCache(self.settings, batch, self.head.weight)

    def embed(
        self,
        tokens: Tensor,
        offsets: Tensor,
        conditions: Tensor | None,
        past: int = 0,
        harmonies: Tensor | None = None,
    ) -> Tensor:
        """Return what the layers are given: tokens, mood, boundaries, chords, and positions if
        `relative`.

        Args:
            tokens: (batch, new) token indices.
            offsets: (batch, new) seconds to the next boundary; NaN for 'not told'.
            conditions: (batch, 2) valence and arousal in [-1, 1]; NaN for 'not given'. Always
                safe to pass; needed at the start of a piece, and for `continuous-concatenated`
                everywhere.
            past: positions that came before; 0 at the start of a piece, where the mood's follow.
            harmonies: (batch, new, 3): label of the chord at the clock after each token, label of
                the next chord, seconds until that begins (`harmony_labels.Harmony`); label 0 for
                'not given', and None where none is.

        Returns:
            (batch, positions, width): `settings.prefix` more than `new` when `past` is 0.
        """
        kind = self.settings.conditioning
        if conditions is None and (past == 0 or kind == "continuous-concatenated"):
            raise ValueError("valence and arousal are missing; NaN stands for 'not given'")
        x = self.embedding(tokens)
        if self.settings.positions == "relative":
            x = x * math.sqrt(self.embedding.embedding_dim)
        if kind == "continuous-concatenated":
            mood = self.mood(conditions).to(x.dtype).unsqueeze(1)
            x = torch.cat((x, mood.expand(-1, x.shape[1], -1)), dim=-1)
        elif self.settings.prefix and past == 0:
            x = torch.cat((self.mood(conditions).to(x.dtype), x), dim=1)
            offsets = torch.cat((offsets[:, :1].expand(-1, self.settings.prefix), offsets), dim=1)
            if harmonies is not None:
                first = harmonies[:, :1].expand(-1, self.settings.prefix, -1)
                harmonies = torch.cat((first, harmonies), dim=1)
        new = x.shape[1]
        if past + new > self.settings.context:
            raise ValueError(
                f"{past + new} positions do not fit a context of {self.settings.context}"
            )
        told = self.told_vectors(offsets, harmonies).to(x.dtype)
        if self.settings.positions == "relative":
            position = self.position[past : past + new].expand(x.shape[0], -1, -1)
            x = x + torch.cat((position.to(x.dtype), told), dim=-1)
        else:
            x = F.rms_norm(x + told, (x.shape[-1],))
        out: Tensor = self.dropout(x)
        return out

    def logits(self, x: Tensor) -> Tensor:
        """Return what the last layer gave, (..., width) → (..., 1011)."""
        if self.settings.positions == "rotary":
            x = F.rms_norm(x, (x.shape[-1],))
        out: Tensor = self.head(x)
        return out

    def forward(
        self,
        tokens: Tensor,
        offsets: Tensor,
        conditions: Tensor | None = None,
        cache: KeyValueCache | None = None,
        harmonies: Tensor | None = None,
    ) -> Tensor:
        """Return logits for the token after each position.

        Args:
            tokens: (batch, new) token indices; the instrument-count token, if any, comes first.
            offsets: (batch, new) seconds from each token's time to the next boundary; see `embed`.
            conditions: (batch, 2) valence and arousal; see `embed`.
            cache: positions seen in earlier calls; the new ones are added to it.
            harmonies: (batch, new, 3) chords; see `embed`.

        Returns:
            (batch, new, 1011); with `settings.prefix` more positions at the start of a piece.
        """
        past = cache.length if cache is not None else 0
        x = self.embed(tokens, offsets, conditions, past, harmonies)
        hidden = None
        if self.settings.positions == "relative" and cache is None:
            hidden = F.pad(tokens == v.PAD, (self.settings.prefix, 0))
        new = x.shape[1]
        for i, layer in enumerate(self.layers):
            x = layer(x, hidden, i, cache)
        if cache is not None:
            cache.length += new
        return self.logits(x)


def _add_boundary_not_told(
    model: MusicTransformer, state: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """Complete weights from before `boundary_not_told`, the published ones: zeros change
    nothing."""
    state.setdefault(f"{prefix}boundary_not_told", torch.zeros_like(model.boundary_not_told))
