"""Reads the variables of a TensorFlow checkpoint without TensorFlow.

A checkpoint is a table of names (`.index`, in the format of LevelDB's sorted tables) and the raw
values (`.data-00000-of-00001`). Written after the formats' descriptions: LevelDB's
`doc/table_format.md`, TensorFlow's `tensor_bundle.proto`. Only what such a file holds in practice
is understood: one uncompressed data file, little-endian float32 or whole numbers.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_KINDS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 3: np.dtype("<i4"), 9: np.dtype("<i8")}


def read_variables(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Return the variables by name, in their own shapes.

    Raises:
        ValueError: the files are not a checkpoint of that kind.
    """
    footer = index[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise ValueError("the index is no TensorFlow checkpoint")
    _, at = _block_place(footer, 0)  # of the meta index, which is not needed
    (begin, size), _ = _block_place(footer, at)
    found = {}
    for _, place in _entries(index, begin, size):
        block, _ = _block_place(place, 0)
        for name, value in _entries(index, *block):
            if name:  # the empty name stands first and describes the whole checkpoint
                found[name.decode()] = _variable(value, data)
    return found


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, lowest first, and where the next thing begins."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _block_place(content: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block, and where the next thing begins."""
    offset, at = _varint(content, at)
    size, at = _varint(content, at)
    return (offset, size), at


def _entries(index: bytes, begin: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block; a key shares its first bytes with the key before."""
    if index[begin + size] != 0:
        raise ValueError("the index of the checkpoint is compressed")
    block = index[begin : begin + size]
    restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 * (restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of the fields of a protocol buffer: whole numbers and bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint(message, at)
        elif kind == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
            value, at = message[at : at + length], at + length
        else:
            raise ValueError("the index of the checkpoint holds what is not understood")
        yield number, value


def _variable(entry: bytes, data: bytes) -> np.ndarray:
    """Return what a `BundleEntryProto` points at: 1 type, 2 shape, 3 file, 4 offset, 5 size."""
    fields = dict(_fields(entry))
    kind, file, offset, size = (_number(fields, place) for place in (1, 3, 4, 5))
    shape = fields.get(2, b"")
    if kind not in _KINDS or file or not isinstance(shape, bytes):
        raise ValueError("the checkpoint holds a variable that is not understood")
    if offset + size > len(data):
        raise ValueError("the data of the checkpoint are cut short")
    # A shape is a list of messages, each with the size of one dimension as its first field.
    dimensions = [
        _number(dict(_fields(one)), 1)
        for place, one in _fields(shape)
        if place == 2 and isinstance(one, bytes)
    ]
    return np.frombuffer(data[offset : offset + size], _KINDS[kind]).reshape(dimensions)


def _number(fields: dict[int, int | bytes], place: int) -> int:
    """Read a whole number; 0 where it is left out, as protocol buffers do with zeros."""
    value = fields.get(place, 0)
    if not isinstance(value, int):
        raise ValueError("the index of the checkpoint holds what is not understood")
    return value
