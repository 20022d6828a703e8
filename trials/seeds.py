"""Files as a stranger could make them, byte by byte, and small sound ones to damage."""

import functools
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from emsync.film.ffmpeg import ffmpeg_executable

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_KINDS = {
    "front.mp4": ("-c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart", "mp4"),
    "end.mp4": ("-c:v libx264 -pix_fmt yuv420p -c:a aac", "mp4"),
    "film.mkv": ("-c:v libx264 -pix_fmt yuv420p -c:a aac", "matroska"),
    "film.webm": ("-c:v libvpx -b:v 60k -deadline realtime -c:a libopus", "webm"),
    "film.avi": ("-c:v mpeg4 -c:a libmp3lame", "avi"),
    "film.ts": ("-c:v mpeg2video -c:a mp2", "mpegts"),
    "film.flv": ("-c:v flv1 -c:a libmp3lame", "flv"),
    "film.gif": ("-an", "gif"),
}
FILMS = tuple(_KINDS)
"""Names of the small films that `film` makes."""


def film(name: str, folder: Path, seconds: float = 1.0) -> Path:
    """Write a film of 10 frames a second, 64 × 48, with a tone; one of `FILMS`."""
    path = folder / name
    path.write_bytes(_made(name, seconds))
    return path


@functools.cache
def _made(name: str, seconds: float) -> bytes:
    codecs, form = _KINDS[name]
    source = ["-f", "lavfi", "-i", f"testsrc2=s=64x48:d={seconds}:r=10"]
    source += ["-f", "lavfi", "-i", f"sine=d={seconds}:r=44100"]
    with tempfile.TemporaryDirectory(prefix="seeds-") as folder:
        path = Path(folder) / name
        encode([*source, *codecs.split(), "-f", form], path)
        return path.read_bytes()


def encode(arguments: Sequence[str], path: Path) -> None:
    """Have FFmpeg write a film."""
    command = [ffmpeg_executable(), "-nostdin", "-v", "error", *arguments, "-y", f"file:{path}"]
    subprocess.run(command, check=True, timeout=60)


# MP4 --------------------------------------------------------------------------------------------


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of ISO/IEC 14496-12."""
    whole = b"".join(content)
    return struct.pack(">I4s", 8 + len(whole), kind) + whole


def full(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Return a box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def movie(
    codec: bytes,
    size: tuple[int, int],
    samples: Sequence[bytes],
    *,
    timescale: int = 10,
    times: Sequence[tuple[int, int]] | None = None,
    offsets: Sequence[int] = (),
    length: int | None = None,
    references: bytes | None = None,
    extra: bytes = b"",
    tracks: int = 1,
    sizes: bytes | None = None,
    edits: bytes = b"",
) -> bytes:
    """Return a QuickTime film, the index in front.

    Args:
        codec: such as b"png ".
        size: width and height as told.
        samples: coded pictures; keyframes all.
        timescale: ticks per second.
        times: (count, ticks) as the table of durations has them; one tick each if None.
        offsets: of composition, in ticks, one a sample; none if empty.
        length: as told, in ticks; what the durations sum up to if None.
        references: what stands in the table of data references; the file itself if None.
        extra: boxes in the sample's description, such as avcC.
        tracks: how often the track is there.
        sizes: the table of sizes in place of the right one.
        edits: an edit list box.
    """
    times = [(len(samples), 1)] if times is None else times
    total = sum(count * ticks for count, ticks in times) if length is None else length
    entry = box(
        codec, bytes(6), b"\0\1", bytes(16), struct.pack(">HH", *(min(n, 65535) for n in size)),
        struct.pack(">II", 0x480000, 0x480000), bytes(4), b"\0\1", bytes(32),
        struct.pack(">Hh", 24, -1), extra,
    )  # fmt: skip
    own = full(b"url ", flags=1)
    body = b"".join(samples)

    def table(start: int) -> bytes:
        boxes = [
            full(b"stsd", struct.pack(">I", 1), entry),
            full(b"stts", struct.pack(">I", len(times)), *(struct.pack(">II", *t) for t in times)),
            full(b"stsc", struct.pack(">IIII", 1, 1, len(samples), 1)),
            sizes
            or full(
                b"stsz",
                struct.pack(">II", 0, len(samples)),
                struct.pack(f">{len(samples)}I", *map(len, samples)),
            ),
            full(b"stco", struct.pack(">II", 1, start)),
        ]
        if offsets:
            pairs = (struct.pack(">Ii", 1, offset) for offset in offsets)
            boxes.append(full(b"ctts", struct.pack(">I", len(offsets)), *pairs, version=1))
        return box(b"stbl", *boxes)

    def index(start: int) -> bytes:
        duration = struct.pack(">QQIQ", 0, 0, timescale, total % 2**64)
        head = full(b"mdhd", duration, bytes(4), version=1)
        handler = full(b"hdlr", b"mhlr", b"vide", bytes(12), b"\0")
        reference = references if references is not None else own
        data = box(b"dinf", full(b"dref", struct.pack(">I", 1), reference))
        media = box(
            b"mdia", head, handler,
            box(b"minf", full(b"vmhd", bytes(8), flags=1), data, table(start)),
        )  # fmt: skip
        about = full(
            b"tkhd", struct.pack(">QQII", 0, 0, 1, 0), struct.pack(">Q", total % 2**64), bytes(16),
            _MATRIX, struct.pack(">II", *(min(n, 65535) << 16 for n in size)), version=1, flags=7,
        )  # fmt: skip
        track = box(b"trak", about, edits, media)
        whole = full(
            b"mvhd", struct.pack(">QQIQ", 0, 0, timescale, total % 2**64),
            struct.pack(">IH", 0x10000, 0x100), bytes(10), _MATRIX, bytes(24),
            struct.pack(">I", 2), version=1,
        )  # fmt: skip
        return box(b"moov", whole, track * tracks)

    head = box(b"ftyp", b"qt  ", bytes(4), b"qt  ")
    start = len(head) + len(index(0)) + 8
    return head + index(start) + box(b"mdat", body)


def alias(path: Path) -> bytes:
    """Return a data reference of QuickTime's to another file, by its full name."""
    name = path.name.encode()[:27]
    record = bytearray(150)
    record[4:6] = struct.pack(">H", 150)
    record[6:8] = struct.pack(">H", 2)
    record[10:15] = b"\4root"
    record[50 : 51 + len(name)] = bytes([len(name)]) + name
    for kind, text in ((2, str(path).encode()), (18, str(path).encode())):
        record += struct.pack(">HH", kind, len(text)) + text + bytes(len(text) % 2)
    record += struct.pack(">HH", 0xFFFF, 0)
    return full(b"alis", bytes(record))


# Pictures ---------------------------------------------------------------------------------------


def png(width: int, height: int, depth: int = 8) -> bytes:
    """Return a grey picture of zeros, in as few bytes as zlib needs."""
    row = bytes(1 + (width * depth + 7) // 8)
    packer = zlib.compressobj(9)
    many, rest = divmod(height, step := max(1, min(height, (1 << 22) // len(row))))
    data = b"".join(packer.compress(row * step) for _ in range(many))
    data += packer.compress(row * rest) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif(width: int, height: int, frames: int, delay: int = 1) -> bytes:
    """Return an animation whose every frame is one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\x04" + struct.pack("<H", delay) + b"\0\0"
    frame += b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return head + frame * frames + b"\x3b"


class Bits:
    """Writes bits, and the codes of H.264."""

    def __init__(self) -> None:
        self._bits = ""

    def put(self, value: int, count: int) -> "Bits":
        """Write a number in `count` bits."""
        self._bits += format(value, f"0{count}b")
        return self

    def golomb(self, *values: int) -> "Bits":
        """Write numbers in exponential Golomb code."""
        for value in values:
            code = format(value + 1, "b")
            self._bits += "0" * (len(code) - 1) + code
        return self

    def repeat(self, bits: str, times: int) -> "Bits":
        """Write the same bits so many times."""
        self._bits += bits * times
        return self

    def bytes(self) -> bytes:
        """Return all so far and the bit that ends it."""
        bits = self._bits + "1"
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big")


def avc(width: int, height: int, frames: int = 3) -> bytes:
    """Return a film in H.264 whose header claims this size, and whose pictures are tiny."""
    sps = Bits().put(0x67, 8).put(66, 8).put(0, 8).put(62, 8).golomb(0, 0, 2, 1).put(0, 1)
    sps.golomb(width // 16 - 1, height // 16 - 1).put(1, 1).put(1, 1).put(0, 1).put(0, 1)
    pps = Bits().put(0x68, 8).golomb(0, 0).put(0, 2).golomb(0, 0, 0).put(0, 3).golomb(0, 0, 0)
    pps.put(0, 3)
    one, two = sps.bytes(), pps.bytes()
    config = b"\1" + one[1:4] + b"\xff\xe1" + struct.pack(">H", len(one)) + one
    config += b"\1" + struct.pack(">H", len(two)) + two
    # One slice: every macroblock is predicted from its neighbours, and nothing is added.
    nal = Bits().put(0x65, 8).golomb(0, 7, 0).put(0, 4).golomb(0).put(0, 2).golomb(0)
    nal.repeat("00100111", width * height // 256)
    picture = nal.bytes()
    sample = struct.pack(">I", len(picture)) + picture
    return movie(b"avc1", (width, height), [sample] * frames, extra=box(b"avcC", config))


def vp9(width: int, height: int, frames: int = 3) -> bytes:
    """Return an IVF whose VP9 pictures claim this size."""
    head = Bits().put(2, 2).put(0, 2).put(0, 1).put(0, 1).put(1, 1).put(0, 1).put(0x498342, 24)
    head.put(1, 3).put(0, 1).put(width - 1, 16).put(height - 1, 16).put(0, 1)
    frame = head.put(0, 1).put(1, 1).put(0, 2).bytes() + bytes(64)
    size = (min(width, 65535), min(height, 65535))
    whole = b"DKIF" + struct.pack("<HH4sHHIII", 0, 32, b"VP90", *size, 10, 1, frames) + bytes(4)
    for number in range(frames):
        whole += struct.pack("<IQ", len(frame), number) + frame
    return whole


# Matroska ---------------------------------------------------------------------------------------


def element(identifier: int, *content: bytes) -> bytes:
    """Return an element of EBML."""
    whole = b"".join(content)
    length = (len(whole) | 1 << 56).to_bytes(8, "big")
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big") + length + whole


def number(identifier: int, value: int) -> bytes:
    """Return an element that is a whole number."""
    return element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def matroska(
    blocks: Sequence[bytes],
    size: tuple[int, int] = (64, 48),
    codec: bytes = b"V_MJPEG",
    *,
    packed: bool = False,
    tracks: int = 1,
    info: bytes = b"",
    more: bytes = b"",
    scale: int = 1_000_000,
    private: bytes = b"",
) -> bytes:
    """Return a Matroska film.

    Args:
        blocks: coded pictures, 100 ms each.
        size: width and height as told.
        codec: Matroska's name.
        packed: the blocks are packed by zlib, as told in the track.
        tracks: how many there are; the first has the blocks.
        info: elements in the segment's information.
        more: elements in the segment, before the blocks.
        scale: nanoseconds of a tick.
        private: the codec's private data.
    """
    packing = element(0x6D80, element(0x6240, element(0x5034, number(0x4254, 0))))

    def track(own: int) -> bytes:
        picture = element(0xE0, number(0xB0, size[0]), number(0xBA, size[1]))
        parts = [number(0xD7, own), number(0x73C5, own), number(0x83, 1), element(0x86, codec)]
        parts += [element(0x63A2, private)] * bool(private) + [picture]
        return element(0xAE, *parts, packing * packed)

    clusters = b"".join(
        element(
            0x1F43B675,
            number(0xE7, 100 * count),
            element(0xA3, b"\x81\0\0\x80", block),
        )
        for count, block in enumerate(blocks)
    )
    head = element(0x1A45DFA3, element(0x4282, b"matroska"), number(0x4287, 4))
    return head + element(
        0x18538067,
        element(0x1549A966, number(0x2AD7B1, scale), info),
        element(0x1654AE6B, *(track(1 + own) for own in range(tracks))),
        more,
        clusters,
    )


# MIDI -------------------------------------------------------------------------------------------


def midi(*tracks: bytes, form: int = 1, division: int = 480, count: int | None = None) -> bytes:
    """Return a standard MIDI file of these tracks' events.

    Args:
        tracks: events with their times.
        form: 0, 1 or 2.
        division: ticks per quarter, or frames.
        count: of tracks as told; as many as there are if None.
    """
    told = len(tracks) if count is None else count
    head = b"MThd" + struct.pack(">IHHH", 6, form, told, division & 0xFFFF)
    return head + b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)


def delta(ticks: int) -> bytes:
    """Return a time of MIDI, in seven bits a byte."""
    parts = [ticks & 0x7F]
    while ticks := ticks >> 7:
        parts.insert(0, ticks & 0x7F | 0x80)
    return bytes(parts)


def melody(notes: int = 64, gap: int = 240) -> bytes:
    """Return the events of one track: notes one after the other, and the end."""

    def events() -> Iterator[bytes]:
        yield b"\0\xff\x51\x03\x07\xa1\x20\0\xff\x58\x04\x04\x02\x18\x08\0\xc0\0"
        for one in range(notes):
            pitch = 60 + one * 5 % 12
            yield b"\0" + bytes([0x90, pitch, 80]) + delta(gap) + bytes([0x80, pitch, 0])
        yield b"\0\xff\x2f\0"

    return b"".join(events())
