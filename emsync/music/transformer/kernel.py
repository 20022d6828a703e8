"""The rotary model's step as one compiled function, for weights in half precision on a CPU.

A step of a small model is over before PyTorch has called its two hundred operations, and what is
left is the time to read the weights, keys and values from memory. So Numba compiles all of it into
one function, and everything that is read lies in half precision. For the shipped weights a step
takes two fifths to a half of the time that it took PyTorch (128 to 1,000 positions, one core of an
AMD EPYC), and Python is free for others meanwhile.

A half `h` is widened by its bits: moved 13 places they are those of a single that is 2¹¹² times too
small, subnormal ones included (IEEE 754).
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

_F = np.float32
_HALF_BITS = np.int32(13)
"""By which a single's mantissa is longer than a half's."""
_SIGN_AND_REST = np.int32(-(2**31) | 0x0FFFE000)
"""Bits of a single that a half has as well; the sign has been copied into those between."""
_UP, _DOWN = _F(2.0**112), _F(2.0**-112)
"""Between a single and one that has the bits of a half."""
_MOST = np.int32(0x7BFF)
"""Bits of the largest half."""
_EPSILON = np.finfo(np.float32).eps
"""What `torch.nn.functional.rms_norm` adds to the mean square."""
_AT_ONCE = 8
"""Rows of a matrix that are widened, and multiplied, at a time."""

# The compiler may choose the order in which is added up: it is the same one for each piece, however
# many others there are.
_COMPILED: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}


@njit(inline="always", **_COMPILED)
def _widened(half: Any) -> Any:
    """Return the single that a half's bits stand for, times 2⁻¹¹²."""
    return np.int32((np.int32(half) << _HALF_BITS) & _SIGN_AND_REST).view(np.float32)


@njit(inline="always", **_COMPILED)
def _halved(number: Any) -> Any:
    """Return bits of the half that is nearest, or of the largest one; NaN is not kept.

    Ties go to even, but for some halves below 2⁻¹⁴, which are rounded twice."""
    bits = _F(abs(number) * _DOWN).view(np.int32)
    half = min((bits + np.int32(0xFFF) + ((bits >> _HALF_BITS) & 1)) >> _HALF_BITS, _MOST)
    return np.int16(half | 0x8000 if number < 0 else half)


@njit(**_COMPILED)
def _multiply(x: Any, weights: Any, out: Any, wide: Any) -> None:
    """Multiply (rows, in) by halves (in, out) → (rows, out); `wide`: scratch (_AT_ONCE, out or
    more)."""
    rows = x.shape[0]
    ins, outs = weights.shape
    out[:] = 0
    whole = ins - ins % _AT_ONCE
    for i in range(0, whole, _AT_ONCE):
        for k in range(_AT_ONCE):
            for o in range(outs):
                wide[k, o] = _widened(weights[i + k, o]) * _UP
        for row in range(rows):
            a, b, c, d = x[row, i], x[row, i + 1], x[row, i + 2], x[row, i + 3]
            e, f, g, h = x[row, i + 4], x[row, i + 5], x[row, i + 6], x[row, i + 7]
            for o in range(outs):
                first = (a * wide[0, o] + b * wide[1, o]) + (c * wide[2, o] + d * wide[3, o])
                second = (e * wide[4, o] + f * wide[5, o]) + (g * wide[6, o] + h * wide[7, o])
                out[row, o] += first + second
    for i in range(whole, ins):
        # Stored first: the compiler might multiply `x` by 2¹¹² otherwise, which is too large then.
        for o in range(outs):
            wide[0, o] = _widened(weights[i, o]) * _UP
        for row in range(rows):
            for o in range(outs):
                out[row, o] += x[row, i] * wide[0, o]


@njit(**_COMPILED)
def _normalise(x: Any, out: Any) -> None:
    """Divide `x` (width,) by the root of its mean square."""
    total = _F(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    scale = _F(1) / np.sqrt(total / _F(len(x)) + _EPSILON)
    for i in range(len(x)):
        out[i] = x[i] * scale


@njit(**_COMPILED)
def _turn(x: Any, cosines: Any, sines: Any, out: Any) -> None:
    """Normalise `x` (head width,) and rotate it; see `transformer`."""
    _normalise(x, out)
    half = len(cosines)
    for i in range(half):
        a, b = out[i], out[half + i]
        out[i] = a * cosines[i] - b * sines[i]
        out[half + i] = a * sines[i] + b * cosines[i]


@njit(**_COMPILED)
def _attend(
    query: Any, keys: Any, values: Any, seen: Any, query_wide: Any, scores: Any, out: Any
) -> None:
    """Attend in one head of one piece: `query` (head width,) over the first `seen` keys → `out`."""
    width = len(query)
    root = _UP / np.sqrt(_F(width))
    for i in range(width):
        query_wide[i] = query[i] * root
        out[i] = 0
    highest = _F(-np.inf)
    for at in range(seen):
        score = _F(0)
        for i in range(width):
            score += query_wide[i] * _widened(keys[at, i])
        scores[at] = score
        highest = max(highest, score)
    total = _F(0)
    for at in range(seen):
        scores[at] = _F(math.exp(scores[at] - highest))
        total += scores[at]
    share = _UP / total
    whole = seen - seen % 4
    for at in range(0, whole, 4):
        a, b = scores[at] * share, scores[at + 1] * share
        c, d = scores[at + 2] * share, scores[at + 3] * share
        for i in range(width):
            first = a * _widened(values[at, i]) + b * _widened(values[at + 1, i])
            out[i] += first + (c * _widened(values[at + 2, i]) + d * _widened(values[at + 3, i]))
    for at in range(whole, seen):
        for i in range(width):
            out[i] += scores[at] * share * _widened(values[at, i])


def _step(
    x: Any,
    pieces: Any,
    at: Any,
    project: Any,
    mix: Any,
    widen: Any,
    narrow: Any,
    head: Any,
    bias: Any,
    keys: Any,
    values: Any,
    cosines: Any,
    sines: Any,
    out: Any,
) -> None:
    """See `compiled_step`."""
    rows, width = x.shape
    layers, _, inner_width = widen.shape
    heads, context, head_width = keys.shape[2:]
    wide = np.empty((_AT_ONCE, max(3 * width, inner_width, out.shape[1])), np.float32)
    normal, mixed = np.empty_like(x), np.empty_like(x)
    projected = np.empty((rows, 3 * width), np.float32)
    inner = np.empty((rows, inner_width), np.float32)
    turned, query = np.empty(head_width, np.float32), np.empty(head_width, np.float32)
    scores = np.empty(context, np.float32)
    for row in range(rows):
        _normalise(x[row], x[row])
    for layer in range(layers):
        for row in range(rows):
            _normalise(x[row], normal[row])
        _multiply(normal, project[layer], projected, wide)
        for row in range(rows):
            now, piece = at[row], pieces[row]
            for number in range(heads):
                own = slice(number * head_width, (number + 1) * head_width)
                of_key, of_value = projected[row, width:][own], projected[row, 2 * width :][own]
                past_keys, past_values = keys[layer, piece, number], values[layer, piece, number]
                _turn(of_key, cosines[now], sines[now], turned)
                for i in range(head_width):
                    past_keys[now, i] = _halved(turned[i])
                    past_values[now, i] = _halved(of_value[i])
                _turn(projected[row, own], cosines[now], sines[now], turned)
                _attend(turned, past_keys, past_values, now + 1, query, scores, mixed[row, own])
        _multiply(mixed, mix[layer], normal, wide)
        for row in range(rows):
            x[row] += normal[row]
            _normalise(x[row], normal[row])
        _multiply(normal, widen[layer], inner, wide)
        for row in range(rows):
            for i in range(inner_width):
                positive = max(inner[row, i], _F(0))
                inner[row, i] = positive * positive
        _multiply(inner, narrow[layer], mixed, wide)
        x += mixed
    for row in range(rows):
        _normalise(x[row], normal[row])
    _multiply(normal, head, out, wide)
    out += bias


@cache
def compiled_step() -> Callable[..., None]:
    """Return the step, compiled, which takes some seconds, or as it was kept beside this file.

    Its arguments are contiguous arrays; `int16` holds the bits of halves:

    - x: (rows, width) float32, the embedded tokens before they are normalised; is written over.
    - pieces: (rows,) int64, the number of each row's piece.
    - at: (rows,) int64, the positions that each has behind it.
    - project, mix, widen, narrow: (layers, in, out) int16, the matrices of each layer.
    - head, bias: (width, tokens) int16 and (tokens,) float32.
    - keys, values: (layers, pieces, heads, context, head width) int16; those of the new positions
      are stored in them.
    - cosines, sines: (context, head width / 2) float32.
    - out: (rows, tokens) float32, where the logits are written.

    Each row's result depends on that row and its piece alone, to the last bit.
    """
    half3, half5 = types.int16[:, :, ::1], types.int16[:, :, :, :, ::1]
    single1, single2 = types.float32[::1], types.float32[:, ::1]
    numbers = types.int64[::1]
    signature = types.void(
        single2, numbers, numbers, half3, half3, half3, half3, types.int16[:, ::1], single1,
        half5, half5, single2, single2, single2,
    )  # fmt: skip
    try:
        function: Callable[..., None] = njit(signature, cache=True, **_COMPILED)(_step)
    except Exception:
        # There is nowhere to keep it, the disk is full, or what was kept is damaged, which shows as
        # any error of `pickle`: this process compiles it for itself.
        function = njit(signature, **_COMPILED)(_step)
    return function
