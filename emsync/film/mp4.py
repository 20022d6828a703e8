"""What FFmpeg's libraries do not hand on of an MP4: where its edit lists end, and its tracks."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_LARGEST_BOX = 1 << 20
"""Bytes; the boxes read here have a few dozen, so a larger one is damage."""


def edit_end(path: Path, track: int) -> Fraction | None:
    """Return when a track stops being shown, in seconds (ISO/IEC 14496-12, 8.6.6).

    Args:
        path: an MP4 or MOV.
        track: the track's identifier.

    Returns:
        The sum of the track's edits; None if it has no edit list, or the file is damaged.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            movie = _find(file, 0, size, b"moov")
            if movie is None:
                return None
            timescale = _timescale(file, movie)
            for begin, end, about in _tracks(file, movie):
                (number,) = struct.unpack_from(">I", about, 20 if about[0] else 12)
                edits = _find(file, begin, end, b"edts")
                if number == track and edits is not None:
                    ticks = _edit_ticks(_content(file, _find(file, *edits, b"elst")))
                    return Fraction(ticks, timescale) if ticks else None
    except (OSError, struct.error, IndexError, ValueError, ZeroDivisionError):
        return None
    return None


def track_lengths(path: Path) -> dict[str, Fraction]:
    """Return how long each kind of track is shown or heard, in seconds, as the file itself says.

    Args:
        path: an MP4 that was written here.

    Returns:
        Seconds by the kind, "vide" for a picture and "soun" for sound; of several of one kind the
        longest.

    Raises:
        ValueError: it cannot be read as MP4.
    """
    lengths: dict[str, Fraction] = {}
    try:
        with path.open("rb") as file:
            movie = _find(file, 0, path.stat().st_size, b"moov")
            if movie is None:
                raise ValueError("there is no description of a film")
            timescale = _timescale(file, movie)
            for begin, end, about in _tracks(file, movie):
                (ticks,) = struct.unpack_from(
                    *((">Q", about, 28) if about[0] else (">I", about, 20))
                )
                edits = _find(file, begin, end, b"edts")
                if edits is not None:
                    ticks = _edit_ticks(_content(file, _find(file, *edits, b"elst")))
                media = _find(file, begin, end, b"mdia")
                if media is None:
                    raise ValueError("a track has no media")
                handler = _content(file, _find(file, *media, b"hdlr"))[8:12].decode("latin-1")
                seconds = Fraction(ticks, timescale)
                lengths[handler] = max(seconds, lengths.get(handler, Fraction(0)))
    except (OSError, struct.error, IndexError, ZeroDivisionError) as error:
        raise ValueError(str(error)) from error
    return lengths


def _timescale(file: BinaryIO, movie: tuple[int, int]) -> int:
    """Return the ticks a second of the film's own clock."""
    header = _content(file, _find(file, *movie, b"mvhd"))
    ticks: int = struct.unpack_from(">I", header, 20 if header[0] else 12)[0]
    return ticks


def _tracks(file: BinaryIO, movie: tuple[int, int]) -> Iterator[tuple[int, int, bytes]]:
    """Yield where each track begins and ends, and its header."""
    for kind, begin, end in _boxes(file, *movie):
        if kind == b"trak":
            yield begin, end, _content(file, _find(file, begin, end, b"tkhd"))


def _edit_ticks(content: bytes) -> int:
    """Return the total length of the edits in an edit list box, in ticks of the movie."""
    (count,) = struct.unpack_from(">I", content, 4)
    length, layout = (20, ">Q") if content[0] else (12, ">I")
    return sum(struct.unpack_from(layout, content, 8 + length * n)[0] for n in range(count))


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, begin, end) of the content of each box between two places of the file."""
    while begin + 8 <= end:
        file.seek(begin)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            head = 16
        elif size == 0:
            size = end - begin
        if size < head:
            raise ValueError("a box is smaller than its head")
        yield kind, begin + head, min(begin + size, end)
        begin += size


def _find(file: BinaryIO, begin: int, end: int, kind: bytes) -> tuple[int, int] | None:
    """Return where the content of the first box of a kind lies; None if there is none."""
    for found, first, last in _boxes(file, begin, end):
        if found == kind:
            return first, last
    return None


def _content(file: BinaryIO, place: tuple[int, int] | None) -> bytes:
    """Return the content of a box that lies at `place`.

    Raises:
        ValueError: there is none, or it is larger than any that is read here.
    """
    if place is None or place[1] - place[0] > _LARGEST_BOX:
        raise ValueError("a box is missing or damaged")
    file.seek(place[0])
    return file.read(place[1] - place[0])
