"""MIDI files as players read them: an event that makes no sense is passed over, not the file."""

from collections.abc import Iterator

_META = 0xFF
_KEY_SIGNATURE, _TEMPO, _TIME_SIGNATURE = 0x59, 0x51, 0x58
_LENGTHS = {_KEY_SIGNATURE: 2, _TEMPO: 3, _TIME_SIGNATURE: 4}
"""Bytes of meta events whose content is read (Standard MIDI Files 1.0)."""
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
"""Of channel messages, by their status."""


def repaired(data: bytes) -> tuple[bytes, int]:
    """Return a MIDI file without events that make no sense, and how many those were.

    Meta events of a wrong length, and keys and time signatures that do not exist, become empty
    texts, so that all times stay. What is no MIDI file, or ends early, is returned as it is.
    """
    made, passed_over = bytearray(data), 0
    try:
        for begin, end in _tracks(data):
            for place, content, stop in _meta_events(data, begin, end):
                if not _makes_sense(data[place], data[content:stop]):
                    made[place] = 0x01  # a text
                    passed_over += 1
    except IndexError:
        return data, 0
    return bytes(made), passed_over


def _makes_sense(kind: int, content: bytes) -> bool:
    if kind in _LENGTHS and len(content) != _LENGTHS[kind]:
        return False
    if kind == _KEY_SIGNATURE:
        sharps = content[0] - 256 if content[0] > 127 else content[0]
        return -7 <= sharps <= 7 and content[1] in (0, 1)
    if kind == _TEMPO:
        return any(content)
    return kind != _TIME_SIGNATURE or (content[0] > 0 and content[1] <= 8)


def _tracks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the content of each track begins and ends."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        if data[at : at + 4] == b"MTrk":
            yield at + 8, min(at + 8 + size, len(data))
        at += 8 + size


def _meta_events(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield where the kind of each meta event of a track stands, and its content begins and ends.

    Raises:
        IndexError: the file ends within an event, or an event has no status.
    """
    status = 0
    while at < end:
        _, at = _number(data, at)
        if data[at] & 0x80:
            status = data[at]
            at += 1
        if status == _META:
            place = at
            length, at = _number(data, at + 1)
            yield place, at, at + length
            at += length
        elif status in (0xF0, 0xF7):
            length, at = _number(data, at)
            at += length
        else:
            if status & 0xF0 not in _DATA_BYTES:
                raise IndexError("an event without a status")
            at += _DATA_BYTES[status & 0xF0]


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    value = 0
    for _ in range(4):
        value = value << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            break
    return value, at
