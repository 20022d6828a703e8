"""One more token for pieces that are decoded side by side, each with a past of its own.

A piece is the same whatever is decoded beside it, to the last bit. Matrix products are the only
operations here whose rounding depends on how many rows there are, so each device has its own way
with them:

- CPU: the weights that this project ships are stored in half precision and lose nothing in it.
  Those of a rotary model run in a compiled function of ours (`kernel`), those of a relative one on
  half the memory with single-precision numbers (FBGEMM); in both a row's result does not depend
  on the others. Other weights take one matrix-vector product a row.
- GPU: the step always has `SLOTS` rows, whatever is in them, and is captured as one CUDA graph.

Attention is a piece's own affair on the CPU, so pieces may be of different lengths.
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emsync.music.transformer.harmony_labels import Harmony
from emsync.music.transformer.model import KeyValueCache, MusicTransformer

SLOTS = 16
"""Rows of every step on a GPU; more pieces are decoded one slotful after another."""
_ALIGNED = 16
"""Single-precision numbers in 64 bytes. Rows begin at such an address, for equal rounding."""

Product = Callable[[Tensor], Tensor]
"""(rows, in) → (rows, out)."""


def most_rows(model: MusicTransformer) -> int | None:
    """Return how many pieces one stepper decodes side by side at most; None for any number."""
    return None if model.head.weight.device.type == "cpu" else SLOTS


def stepper_for(model: MusicTransformer, rows: int) -> "Stepper":
    """Return what decodes `rows` pieces with `model`, on the device of its weights."""
    if most_rows(model) is not None:
        return SlotStepper(model)
    if model.settings.positions == "rotary" and _is_half(model):
        return CompiledStepper(model, rows)
    return RowStepper(model, rows)


class Stepper(ABC):
    """Logits after one more token, for some of the pieces.

    Build it once for a decoding, under `torch.inference_mode`; the model is not changed.
    """

    way: str
    """How it computes, in words."""

    def __init__(self, model: MusicTransformer, rows: int, shared: bool = False) -> None:
        """
        Args:
            model: in eval mode.
            rows: number of pieces.
            shared: they share a cache for one, and what is read in has to be kept elsewhere.
        """
        self.model = model
        settings = self.settings = model.settings
        like = model.embedding.weight
        self.device = like.device
        self.cache = KeyValueCache(settings, 1 if shared else rows, like)
        self.pasts = [self.cache.row(0 if shared else number) for number in range(rows)]
        """The positions that each piece has behind it."""
        self._moods = like.new_zeros(rows, settings.width - model.embedding.embedding_dim)
        """The mood's part of each embedding, for `continuous-concatenated`."""
        self._told: list[tuple[float, Harmony | None, Tensor] | None] = [None] * rows
        """The offset and the chords that each piece was last told, and their vector. Most tokens
        move no clock."""

    def read_in(
        self,
        row: int,
        tokens: Sequence[int],
        offsets: Sequence[float],
        mood: tuple[float, float],
        harmonies: Sequence[Harmony] | None = None,
    ) -> Tensor:
        """Forget what piece `row` has behind it and read `tokens` instead.

        Args:
            row: number of the piece.
            tokens: the instrument count, if any, comes first.
            offsets: seconds from each token's time to the next boundary; NaN for 'not told'.
            mood: valence and arousal in [-1, 1]; NaN for 'not given'.
            harmonies: one for each token: label of the chord at the clock after it, label of the
                next chord, seconds until that begins; `harmony_labels.UNTOLD` where not given, and
                None where none is. Only for models with `settings.harmony`.

        Returns:
            Logits of the next token, (1011,), on the CPU.
        """
        past = self.pasts[row]
        past.length = 0
        conditions = torch.tensor([mood], device=self.device)
        if self._moods.shape[1]:
            self._moods[row] = self.model.mood(conditions)[0]
        logits = self.model(
            torch.tensor([list(tokens)], device=self.device),
            torch.tensor([list(offsets)], device=self.device),
            conditions,
            past,
            None if harmonies is None else torch.tensor([list(harmonies)], device=self.device),
        )
        self._keep(row)
        out: Tensor = logits[0, -1].cpu()
        return out

    def _keep(self, row: int) -> None:  # noqa: B027
        """Put aside what was read in, where the pieces share a cache."""

    @abstractmethod
    def step(
        self,
        rows: Sequence[int],
        tokens: Sequence[int],
        offsets: Sequence[float],
        harmonies: Sequence[Harmony] | None = None,
    ) -> Tensor:
        """Return logits (rows, 1011) on the CPU after one token more in each of the pieces `rows`.

        Each has been read in, and has room in `pasts`. `offsets` and `harmonies` hold one for each
        of `rows`, as in `read_in`.
        """

    def _told_vectors(
        self, rows: Sequence[int], offsets: Sequence[float], harmonies: Sequence[Harmony] | None
    ) -> Tensor:
        """Return (rows, width): what is added to the embeddings for boundaries and chords."""
        chords = harmonies if harmonies is not None else [None] * len(rows)
        each = zip(rows, offsets, chords, strict=True)
        return torch.stack([self._told_vector(*one) for one in each])

    def _told_vector(self, row: int, offset: float, harmony: Harmony | None) -> Tensor:
        last = self._told[row]
        if last is None or last[:2] != (offset, harmony):
            vector = self.model.told_vectors(
                torch.tensor([[offset]], device=self.device),
                None if harmony is None else torch.tensor([[harmony]], device=self.device),
            )
            last = self._told[row] = (offset, harmony, vector[0, 0])
        return last[2]


class CompiledStepper(Stepper):
    """For a CPU and a rotary model in half precision; see the module and `kernel`.

    Keys and values are kept in half precision too. Training, in bf16, saw them three bits coarser.
    """

    def __init__(self, model: MusicTransformer, rows: int) -> None:
        from emsync.music.transformer.kernel import compiled_step

        super().__init__(model, rows, shared=True)
        self.way = "one compiled function, all in half precision"
        self._compiled = compiled_step()
        layers: list[Any] = list(model.layers)
        self._matrices = [
            np.stack([_half_bits(getattr(layer, name).weight) for layer in layers])
            for name in ("project", "out", "widen", "narrow")
        ]
        self._head, self._bias = _half_bits(model.head.weight), model.head.bias.detach().numpy()
        self._embedding = model.embedding.weight.detach().numpy()
        self._turns = [turns.numpy() for turns in (layers[0].cosines, layers[0].sines)]
        like = self.cache.keys
        shape = (like.shape[0], rows, *like.shape[2:])
        self._keys, self._values = (np.zeros(shape, np.float16) for _ in range(2))

    def _keep(self, row: int) -> None:
        seen = self.pasts[row].length
        self._keys[:, row, :, :seen] = self.cache.keys[:, 0, :, :seen].numpy()
        self._values[:, row, :, :seen] = self.cache.values[:, 0, :, :seen].numpy()

    def step(
        self,
        rows: Sequence[int],
        tokens: Sequence[int],
        offsets: Sequence[float],
        harmonies: Sequence[Harmony] | None = None,
    ) -> Tensor:
        if not all(self.pasts[row].room for row in rows):  # nothing else keeps within the memory
            raise ValueError("the context of a piece is full")
        told = self._told_vectors(rows, offsets, harmonies).numpy()
        moods = self._moods.numpy()[list(rows)]
        embedded = np.concatenate((self._embedding[list(tokens)], moods), axis=1)
        logits = np.empty((len(rows), len(self._bias)), np.float32)
        self._compiled(
            embedded + told,
            np.array(rows),
            np.array([self.pasts[row].length for row in rows]),
            *self._matrices,
            self._head,
            self._bias,
            self._keys.view(np.int16),
            self._values.view(np.int16),
            *self._turns,
            logits,
        )
        for row in rows:
            self.pasts[row].length += 1
        return torch.from_numpy(logits)


class LayeredStepper(Stepper):
    """One operation of PyTorch's after the other; what a product and attention are is left open."""

    def __init__(self, model: MusicTransformer, rows: int) -> None:
        super().__init__(model, rows)
        self._head = self._product(model.head)
        self._layers: list[dict[str, Product]] = []
        for layer in model.layers:
            products = {
                name: self._product(part)
                for name, part in layer.named_modules()
                if isinstance(part, nn.Linear | _HalfLinear)
            }
            self._layers.append(products)
        if self.settings.positions == "rotary":
            first: Any = model.layers[0]
            cosines, sines = first.cosines, first.sines
            self._cosines = torch.cat((cosines, cosines), -1).unsqueeze(1)
            self._sines = torch.cat((-sines, sines), -1).unsqueeze(1)

    @abstractmethod
    def _product(self, part: nn.Module) -> Product:
        """Compute `part` such that no row's result depends on the other rows."""

    @abstractmethod
    def _attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, distances: Tensor | None
    ) -> Tensor:
        """Store keys and values of this position and attend to all so far.

        Args:
            layer: its number.
            queries: (rows, heads, head width), scaled.
            keys: the same shape, as `values`.
            distances: (context, head width), one vector per distance, the nearest last, for
                relative attention.

        Returns:
            (rows, width).
        """

    def _logits(self, tokens: Tensor, at: Tensor, told: Tensor, moods: Tensor) -> Tensor:
        """Run the step: (rows,) tokens at the positions (rows,) `at` → (rows, 1011).

        `told`, of boundaries and chords, and `moods` hold a row each, as `MusicTransformer.embed`
        adds them.
        """
        x = F.embedding(tokens, self.model.embedding.weight)
        if self.settings.positions == "relative":
            x = x * math.sqrt(x.shape[1])
        if moods.shape[1]:
            x = torch.cat((x, moods), dim=-1)
        if self.settings.positions == "relative":
            x = x + torch.cat((self.model.position.index_select(0, at), told), dim=-1)
            for number in range(len(self._layers)):
                x = self._relative_layer(number, x)
            return self._head(x)
        x = self._normalised(x + told)
        cosines, sines = self._cosines.index_select(0, at), self._sines.index_select(0, at)
        for number in range(len(self._layers)):
            x = self._rotary_layer(number, x, cosines, sines)
        return self._head(self._normalised(x))

    def _normalised(self, x: Tensor) -> Tensor:
        """Divide `x` by the root mean square of its last axis."""
        return F.rms_norm(x, x.shape[-1:])

    def _rotary_layer(self, number: int, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        rows, heads = len(x), self.settings.heads
        products = self._layers[number]
        projected = products["project"](self._normalised(x)).view(rows, 3 * heads, -1)
        head_width = projected.shape[-1]
        turned = self._normalised(projected[:, : 2 * heads])
        halves = turned.view(rows, 2 * heads, 2, head_width // 2)
        turned = torch.addcmul(turned * cosines, halves.flip(2).view_as(turned), sines)
        queries = turned[:, :heads] * head_width**-0.5
        mixed = self._attend(number, queries, turned[:, heads:], projected[:, 2 * heads :], None)
        x = x + products["out"](mixed)
        inner = products["widen"](self._normalised(x)).relu()
        return x + products["narrow"](inner * inner)

    def _relative_layer(self, number: int, x: Tensor) -> Tensor:
        rows, heads = len(x), self.settings.heads
        products, layer = self._layers[number], self.model.layers[number]
        attention: Any = layer.attention
        queries, keys, values = (
            products[f"attention.{name}"](x).view(rows, heads, -1)
            for name in ("query", "key", "value")
        )
        queries = queries * queries.shape[-1] ** -0.5
        mixed = self._attend(number, queries, keys, values, attention.distance)
        norm1: Any = layer.norm1
        norm2: Any = layer.norm2
        x = norm1(x + products["attention.out"](mixed))
        out: Tensor = norm2(x + products["narrow"](products["widen"](x).relu()))
        return out


class RowStepper(LayeredStepper):
    """For a CPU and what `CompiledStepper` is not for; see the module."""

    def __init__(self, model: MusicTransformer, rows: int) -> None:
        self.halves = torch.backends.quantized.engine in ("fbgemm", "x86") and _is_half(model)
        """Whether products run on half-precision weights."""
        self.way = "half-precision weights" if self.halves else "single-precision weights, by rows"
        super().__init__(_with_halves(model) if self.halves else model, rows)
        self._stored = [
            list(zip(past.keys[:, 0].unbind(), past.values[:, 0].unbind(), strict=True))
            for past in self.pasts
        ]
        """Keys and values of each piece in each layer: (heads, context, head width)."""
        self._now: Sequence[int] = ()
        """The pieces of this step."""

    def step(
        self,
        rows: Sequence[int],
        tokens: Sequence[int],
        offsets: Sequence[float],
        harmonies: Sequence[Harmony] | None = None,
    ) -> Tensor:
        at = [self.pasts[row].length for row in rows]
        new, positions = torch.tensor((list(tokens), at)).unbind()
        told = self._told_vectors(rows, offsets, harmonies)
        self._now = rows
        logits = self._logits(new, positions, told, self._moods[list(rows)])
        for row in rows:
            self.pasts[row].length += 1
        return logits

    def _product(self, part: nn.Module) -> Product:
        if isinstance(part, _HalfLinear):
            return part.forward
        assert isinstance(part, nn.Linear)
        weight = part.weight
        outs = len(weight)
        aligned = -(-outs // _ALIGNED) * _ALIGNED
        bias = part.bias if part.bias is not None else weight.new_zeros(outs)
        # Column by column a matrix is read twice as fast as row by row, once no cache holds it.
        columns = weight.t().contiguous().t()

        def product(x: Tensor) -> Tensor:
            out = x.new_empty(len(x), aligned)[:, :outs]
            for row, into in zip(x.unbind(), out.unbind(), strict=True):
                torch.addmv(bias, columns, row, out=into)
            return out

        return product

    def _attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, distances: Tensor | None
    ) -> Tensor:
        rows, heads, head_width = queries.shape
        out = queries.new_empty(rows, heads, 1, head_width)
        each = zip(
            self._now, queries.unbind(), keys.unbind(), values.unbind(), out.unbind(), strict=True
        )
        for row, query, key, value, into in each:
            at = self.pasts[row].length
            past_keys, past_values = self._stored[row][layer]
            past_keys.select(1, at).copy_(key)
            past_values.select(1, at).copy_(value)
            past_keys = past_keys.narrow(1, 0, at + 1).transpose(1, 2)
            if distances is None:
                scores = torch.bmm(query.unsqueeze(1), past_keys)
            else:
                by_distance = query.mm(distances[-1 - at :].t())
                scores = torch.baddbmm(by_distance.unsqueeze(1), query.unsqueeze(1), past_keys)
            torch.bmm(scores.softmax(-1), past_values.narrow(1, 0, at + 1), out=into)
        return out.view(rows, heads * head_width)


class _HalfLinear(nn.Module):
    """`nn.Linear` with weights in half precision and all else in single."""

    def __init__(self, part: nn.Linear) -> None:
        super().__init__()
        self.packed = torch.ops.quantized.linear_prepack_fp16(part.weight, part.bias)
        self.multiply = torch.ops.quantized.linear_dynamic_fp16.default

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.multiply(x, self.packed)
        return out


def _is_half(model: MusicTransformer) -> bool:
    """Return whether all large products lose nothing with weights in half precision."""
    weights = [part.weight for part in model.layers.modules() if isinstance(part, nn.Linear)]
    return all(
        weight.dtype == torch.float32 and torch.equal(weight.half().float(), weight)
        for weight in [model.head.weight, *weights]
    )


def _half_bits(weight: Tensor) -> np.ndarray:
    """Map (out, in), which half precision holds → (in, out) int16, the bits."""
    return np.ascontiguousarray(weight.detach().numpy().T.astype(np.float16)).view(np.int16)


def _with_halves(model: MusicTransformer) -> MusicTransformer:
    """Return the same model, its large products in half precision; all other weights are shared."""
    same = deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
    for parent in (same, *same.layers.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.Linear):
                setattr(parent, name, _HalfLinear(part))
    return same


class SlotStepper(LayeredStepper):
    """For a GPU; see the module. `SLOTS` pieces at most."""

    def __init__(self, model: MusicTransformer) -> None:
        super().__init__(model, SLOTS)
        self._slots = torch.arange(SLOTS, device=self.device)
        self._positions = torch.arange(self.settings.context, device=self.device)
        self._tokens = torch.zeros_like(self._slots)
        self._at = torch.zeros_like(self._slots)
        self._told_now = torch.zeros(SLOTS, len(model.boundary_not_told), device=self.device)
        self.way = "all slots, operation by operation"
        self._graph: torch.cuda.CUDAGraph | None = None
        if self.device.type == "cuda":
            self._capture()

    def step(
        self,
        rows: Sequence[int],
        tokens: Sequence[int],
        offsets: Sequence[float],
        harmonies: Sequence[Harmony] | None = None,
    ) -> Tensor:
        where = torch.tensor(list(rows), device=self.device)
        self._tokens[where] = torch.tensor(list(tokens), device=self.device)
        self._told_now[where] = self._told_vectors(rows, offsets, harmonies)
        # The other slots compute too. What they store is overwritten before it is read.
        last = self.settings.context - 1
        self._at.copy_(torch.tensor([min(past.length, last) for past in self.pasts]))
        if self._graph is None:
            self._out = self._all_slots()
        else:
            self._graph.replay()
        for row in rows:
            self.pasts[row].length += 1
        return self._out[where].cpu()

    def _all_slots(self) -> Tensor:
        return self._logits(self._tokens, self._at, self._told_now, self._moods)

    def _capture(self) -> None:
        """Record the step, so that one launch does the work of hundreds."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            self._all_slots()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._out = self._all_slots()
        except RuntimeError as problem:
            warnings.warn(f"Decoding goes on without a CUDA graph: {problem}", stacklevel=2)
            return
        self._graph = graph
        self.way = "all slots, one CUDA graph"

    def _product(self, part: nn.Module) -> Product:
        return part

    def _attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, distances: Tensor | None
    ) -> Tensor:
        past_keys, past_values = self.cache.keys[layer], self.cache.values[layer]
        past_keys[self._slots, :, self._at] = keys
        past_values[self._slots, :, self._at] = values
        scores = queries.unsqueeze(2) @ past_keys.transpose(2, 3)
        back = self._at.unsqueeze(1) - self._positions
        if distances is not None:
            index = (len(distances) - 1 - back.clamp(min=0)).unsqueeze(1)
            by_distance = queries @ distances.t()
            scores = scores + by_distance.gather(2, index.expand_as(by_distance)).unsqueeze(2)
        scores = scores.masked_fill((back < 0)[:, None, None], -math.inf)
        return (scores.softmax(-1) @ past_values).flatten(1)
