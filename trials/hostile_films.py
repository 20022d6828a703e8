"""Films made to do harm: playlists, references, bombs, impossible numbers, and what is no film."""

import functools
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trials import seeds
from trials.lures import (
    FOREIGN,
    LONG,
    READ,
    REFUSED,
    SECOND,
    SECRET,
    SIDE,
    SYSTEM_FILE,
    UNDECODED,
    Lure,
    Unmarked,
    due,
    looked_at,
)

_BITMAP = struct.pack("<IiiHH4sIiiII", 40, 64, 48, 1, 24, b"MPNG", 0, 0, 0, 0, 0)
Build = Callable[[Lure], bytes]


def _try_film(build: Build, name: str, must: str, folder: Path) -> str:
    place = folder / "upload"
    place.mkdir()
    with Lure(folder / "beside") as lure:
        path = place / name
        path.write_bytes(build(lure))
        lure.check_from_here()
        said = due(looked_at(path, folder), must)
        lure.check()
    return said


def film(
    name: str,
    build: Build,
    *,
    file: str = "film.mp4",
    must: str = "",
    seconds: float = 75.0,
) -> Unmarked:
    """Return a case of one film; `must` as for `due`."""
    return (name, functools.partial(_try_film, build, file, must), seconds)


def _hls(address: Callable[[Lure], str]) -> Build:
    return lambda lure: (
        f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{address(lure)}\n"
        "#EXT-X-ENDLIST\n"
    ).encode()


def _relative(lure: Lure) -> str:
    return "../beside/front.mp4"


def _joined(lure: Lure) -> str:
    return f"concat:{lure.url}/a|{lure.secret}"


def _lines(*lines: str) -> Build:
    """Return a text in which {film}, {secret} and {url} stand for what must not be opened."""
    return lambda lure: "\n".join(lines).format(
        film=lure.film, secret=lure.secret, url=lure.url, folder=lure.folder
    ).encode()  # fmt: skip


_MPD = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">',
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>{url}/film.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
)
_SDP = (
    "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=film", "c=IN IP4 127.0.0.1", "t=0 0",
    "m=video 5004 RTP/AVP 96", "a=rtpmap:96 H264/90000", "",
)  # fmt: skip


def _mov(**options: Any) -> bytes:
    return seeds.movie(b"png ", (64, 48), [seeds.png(64, 48)] * 10, **options)


def _mkv(count: int = 10, **options: Any) -> bytes:
    picture = seeds.png(64, 48)
    if options.get("packed"):
        picture = zlib.compress(picture)
    return seeds.matroska([picture] * count, codec=b"V_MS/VFW/FOURCC", private=_BITMAP, **options)


def _pngs(told: tuple[int, int], real: tuple[int, int]) -> Build:
    return lambda lure: seeds.movie(b"png ", told, [seeds.png(*real)] * 2)


def _url_reference(lure: Lure) -> bytes:
    return _mov(references=seeds.full(b"url ", f"file://{lure.film}".encode() + b"\0"))


def _web_reference(lure: Lure) -> bytes:
    return _mov(references=seeds.full(b"url ", f"{lure.url}/film.mov".encode() + b"\0"))


def _reference_movie(lure: Lure) -> bytes:
    """Return a QuickTime film that is only a reference to another."""
    place = str(lure.film).encode() + b"\0"
    target = seeds.full(b"rdrf", b"url ", struct.pack(">I", len(place)), place)
    return seeds.box(b"moov", seeds.box(b"rmra", seeds.box(b"rmda", target)))


def _linked(lure: Lure) -> bytes:
    """Return Matroska whose next segment is said to lie in another file."""
    other = str(lure.film).encode()
    info = seeds.element(0x73A4, bytes(range(16))) + seeds.element(0x3EB923, bytes(16))
    info += seeds.element(0x3E83BB, other) + seeds.element(0x3C83AB, other)
    return _mkv(info=info)


def _attached(lure: Lure) -> bytes:
    """Return Matroska with files in it, whose names lead out of it."""
    attachment = seeds.element(
        0x61A7,
        seeds.element(0x466E, str(lure.secret).encode()),
        seeds.element(0x4660, b"application/x-truetype-font"),
        seeds.element(0x465C, SECRET * 100),
        seeds.number(0x46AE, 7),
    )
    return _mkv(more=seeds.element(0x1941A469, attachment * 50))


def _subtitled(lure: Lure) -> bytes:
    """Return an old script of FFmpeg's that names other pictures (its demuxer "vobsub")."""
    return f"# VobSub index file, v7\nid: en, index: 0\n# {lure.film}\n".encode()


def _squeezed(claimed: int, real: int) -> bytes:
    """Return a QuickTime index that is packed by zlib and becomes this large."""
    packed = zlib.compress(bytes(real), 9)
    content = seeds.box(b"cmvd", struct.pack(">I", claimed & 0xFFFFFFFF), packed)
    head = seeds.box(b"ftyp", b"qt  ", bytes(4), b"qt  ")
    return head + seeds.box(b"moov", seeds.box(b"cmov", seeds.box(b"dcom", b"zlib"), content))


@functools.cache
def _gigabyte() -> bytes:
    """Return a gigabyte of zeros, packed into a megabyte."""
    packer = zlib.compressobj(1)
    piece = bytes(1 << 24)
    return b"".join([*(packer.compress(piece) for _ in range(64)), packer.flush()])


def _nested(depth: int, kind: bytes = b"moov") -> bytes:
    """Return boxes within boxes."""
    sizes = range(8 * depth, 0, -8)
    return b"".join(struct.pack(">I4s", size, kind) for size in sizes)


def _nested_elements(depth: int) -> bytes:
    """Return tags of Matroska within tags, each 12 bytes longer than what is in it."""
    head = seeds.element(0x1A45DFA3, seeds.element(0x4282, b"matroska"))
    parts = []
    for level in range(depth):
        length = ((depth - level - 1) * 10 | 1 << 56).to_bytes(8, "big")
        parts.append(b"\x67\xc8" + length)
    tags = seeds.element(0x1254C367, seeds.element(0x7373, b"".join(parts)))
    return head + seeds.element(0x18538067, tags)


def _growing(lure: Lure) -> bytes:
    """Return a film whose picture has another size from the middle on."""
    small = seeds.film("film.ts", lure.folder).read_bytes()
    args = "-f lavfi -i testsrc2=s=640x480:d=1:r=10 -c:v mpeg2video -output_ts_offset 1.5 -f mpegts"
    large = lure.folder / "large.ts"
    seeds.encode(args.split(), large)
    return small + large.read_bytes()


def _bursting(lure: Lure) -> bytes:
    """Return ten small pictures, then three of 256 million pixels."""
    return seeds.movie(
        b"png ", (64, 48), [seeds.png(64, 48)] * 10 + [seeds.png(16_000, 16_000)] * 3
    )


def _many_samples(count: int, ticks: int, timescale: int) -> bytes:
    """Return a film of `count` frames, each one byte long; the first is a picture."""
    first = seeds.png(16, 16)
    sizes = seeds.full(
        b"stsz", struct.pack(">III", 0, count, len(first)), b"\0\0\0\1" * (count - 1)
    )
    body = first + bytes(count)
    return seeds.movie(
        b"png ", (16, 16), [body], sizes=sizes, times=[(count, ticks)], timescale=timescale
    ).replace(struct.pack(">IIII", 1, 1, 1, 1), struct.pack(">IIII", 1, 1, count, 1), 1)


def _sounding(form: str, filters: str = "anull", head: bytes = b"") -> Build:
    """Return a second of picture with other sound than it has.

    Args:
        form: FFmpeg's name of the container.
        filters: what FFmpeg makes of a tone of a second.
        head: in an AVI, what is said of the sound in place of its channels (two bytes), samples a
            second (four), and so on.
    """

    def build(lure: Lure) -> bytes:
        path = lure.folder / "sounding"
        source = "-f lavfi -i testsrc2=s=64x48:d=1:r=10 -f lavfi -i sine=d=1:r=44100"
        codecs = "-c:v mpeg4 -c:a pcm_s16le"
        seeds.encode([*source.split(), "-af", filters, *codecs.split(), "-f", form], path)
        whole = path.read_bytes()
        if not head:
            return whole
        place = whole.index(b"strf", whole.index(b"auds")) + 10
        return whole[:place] + head + whole[place + len(head) :]

    return build


def _system_list(lure: Lure) -> str:
    if not SYSTEM_FILE.exists():
        pytest.skip(f"there is no {SYSTEM_FILE}")
    return f"file://{SYSTEM_FILE}"


def _gif(frames: int, delay: int) -> Build:
    return lambda lure: seeds.gif(16, 16, frames, delay)


def _edit(duration: int, time: int) -> bytes:
    entry = struct.pack(">QqI", duration, time, 0x10000)
    return seeds.box(b"edts", seeds.full(b"elst", struct.pack(">I", 3), entry * 3, version=1))


def _exe(lure: Lure) -> bytes:
    return Path(sys.executable).resolve().read_bytes()[:500_000]


def _zip(lure: Lure) -> bytes:
    return b"PK\3\4\x14\0\0\0\x08\0" + bytes(16) + struct.pack("<HH", 8, 0) + b"film.mp4" * 100


_PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript>>>>endobj\n%%EOF\n"
_HTML = b"<!doctype html><script>fetch('http://127.0.0.1')</script><video src=film.mp4></video>\n"
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>\n'
_INF = 2**62
_FAR = struct.pack(">I4sQ", 1, b"moov", 2**63 - 1) + bytes(99)


def films() -> Iterator[Unmarked]:
    """Yield the films of each kind of harm."""
    for file in ("list.mp4", "list.mov", "list.avi", "list.m3u8"):
        kind = file.partition(".")[2]
        yield film(f"hls-secret-{kind}", _hls(lambda lure: f"file://{lure.secret}"), file=file,
                   must=FOREIGN)  # fmt: skip
    yield film("hls-film", _hls(lambda lure: f"file://{lure.film}"), must=FOREIGN)
    yield film("hls-system", _hls(_system_list), must=FOREIGN)
    yield film("hls-web", _hls(lambda lure: f"{lure.url}/a.ts"), must=FOREIGN)
    yield film("hls-relative", _hls(_relative), must=FOREIGN)
    yield film("hls-concat", _hls(_joined), must=FOREIGN)
    yield film("hls-key", _lines("#EXTM3U", '#EXT-X-KEY:METHOD=AES-128,URI="{url}/key"',
                                 "#EXTINF:1,", "{film}", ""), must=FOREIGN)  # fmt: skip
    yield film("hls-variants", _lines("#EXTM3U", "#EXT-X-STREAM-INF:BANDWIDTH=1", "{url}/list",
                                      ""), must=FOREIGN)  # fmt: skip
    yield film("concat-script", _lines("ffconcat version 1.0", "file '{film}'"), must=FOREIGN)
    yield film("concat-script-avi", _lines("ffconcat version 1.0", "file '{url}/a.mp4'"),
               file="list.avi", must=FOREIGN)  # fmt: skip
    yield film("dash", _lines(*_MPD), must=FOREIGN)
    yield film("dash-mpd", _lines(*_MPD), file="film.mpd", must=FOREIGN)
    yield film("session", _lines(*_SDP), file="film.sdp", must=FOREIGN)
    yield film("session-mp4", _lines(*_SDP), must=FOREIGN)
    yield film("rtsp-text", _lines("[Reference]", "Ref1={url}/a.asf"), file="a.asf", must=FOREIGN)
    yield film("smil", _lines("<smil><body><video src='{film}'/></body></smil>"), must=FOREIGN)
    yield film("avisynth", _lines('DirectShowSource("{film}")'), file="film.avs", must=FOREIGN)
    yield film("vapoursynth", _lines("import os; os.system('true')"), file="film.vpy",
               must=FOREIGN)  # fmt: skip
    yield film("metadata-script", _lines(";FFMETADATA1", "title={film}"), must=FOREIGN)
    yield film("tee-script", _lines("[f=mpegts]{film}|[f=null]-"), must=FOREIGN)
    yield film("vobsub", _subtitled, file="film.idx", must=FOREIGN)
    yield film("terminal", lambda lure: b"\x1b[2J\x1b[31mfilm" * 500, file="film.ans", must=FOREIGN)
    yield film("ascii-art", lambda lure: b"a film, honestly\n" * 500, file="film.txt", must=FOREIGN)
    yield film("reference-url", _url_reference, must=SECOND)
    yield film("reference-web", _web_reference, must=SECOND)
    yield film("reference-alias", lambda lure: _mov(references=seeds.alias(lure.film)))
    yield film("reference-movie", _reference_movie, must=REFUSED)
    yield film("linked-segments", _linked, file="film.mkv", must=SECOND)
    yield film("attachments", _attached, file="film.mkv", must=SECOND)
    # What is much larger inside than outside.
    yield film("png-huge", _pngs((16_000, 16_000), (16_000, 16_000)),
               must=SIDE)  # fmt: skip
    yield film("png-wide", _pngs((100_000, 2), (100_000, 2)),
               must=SIDE)  # fmt: skip
    yield film("png-tall", _pngs((2, 60_000), (2, 60_000)),
               must=SIDE)  # fmt: skip
    yield film("png-lies", _pngs((64, 48), (16_000, 16_000)),
               must=SIDE)  # fmt: skip
    yield film("png-lies-wide", _pngs((64, 48), (100_000, 2)),
               must=SIDE)  # fmt: skip
    yield film("h264-claims", lambda lure: seeds.avc(16_000, 16_000), must=SIDE)
    yield film("h264-claims-wide", lambda lure: seeds.avc(16_384, 16), must=SIDE)
    yield film("h264-small", lambda lure: seeds.avc(64, 48), must=READ)
    yield film(
        "vp9-claims", lambda lure: seeds.vp9(65_535, 65_535), file="film.ivf", must=UNDECODED
    )
    yield film(
        "gif-claims", lambda lure: seeds.gif(65_535, 65_535, 20), file="film.gif", must=UNDECODED
    )
    yield film("gif-large", lambda lure: seeds.gif(16_000, 16_000, 20), file="film.gif", must=SIDE)
    yield film("gif-million", _gif(10**6, 0), file="film.gif", must=LONG)  # fmt: skip
    yield film("gif-million-slow", _gif(10**6, 1), file="film.gif",
               must=LONG)  # fmt: skip
    yield film("changes-size", _growing, file="film.ts", must="read: 64 × 48, 2.4 s")
    yield film("bursts", _bursting)
    yield film("cmov-bomb", lambda lure: _squeezed(_INF, 1 << 24), must=REFUSED)
    yield film("cmov-claims", lambda lure: _squeezed(0x7FFFFFFF, 100), must=REFUSED)
    yield film("cmov-gigabyte", lambda lure: _squeezed(1 << 30, 1 << 29), must=REFUSED)
    yield film("packed-blocks", lambda lure: _mkv(packed=True), file="film.mkv", must=SECOND)
    yield film("packed-bomb", lambda lure: seeds.matroska(
        [_gigabyte()] * 3, codec=b"V_MS/VFW/FOURCC", private=_BITMAP, packed=True),
        file="film.mkv", must=REFUSED)  # fmt: skip
    # Too many of something.
    yield film("streams-mkv", lambda lure: _mkv(tracks=5000), file="film.mkv")
    # FFmpeg reads the first thousand of them, where it has the memory.
    yield film("streams-million", lambda lure: _mkv(tracks=10**6), file="film.mkv", seconds=150)
    yield film("streams-mp4", lambda lure: _mov(tracks=3000))
    yield film(
        "frames-million",
        lambda lure: _many_samples(10**6, 1, 10**4),
        must="refused: frames, which is the limit",
    )
    yield film("frames-hours", lambda lure: _many_samples(10**5, 1, 1), must=LONG)
    yield film("frames-claimed", lambda lure: _mov(
        sizes=seeds.full(b"stsz", struct.pack(">II", 1, 2**32 - 1))))  # fmt: skip
    yield film("table-claimed", lambda lure: _mov(
        sizes=seeds.full(b"stsz", struct.pack(">II", 0, 2**32 - 1))))  # fmt: skip
    # Times that cannot be.
    yield film("time-2^62", lambda lure: _mov(length=_INF), must=SECOND)
    yield film("time-year", lambda lure: _mov(length=3600 * 24 * 365 * 10))
    yield film("time-gaps", lambda lure: _mov(times=[(5, 1), (1, 2**32 - 1), (4, 1)]))
    yield film("time-negative", lambda lure: _mov(offsets=[-(2**31)] * 10))
    yield film("time-jumps", lambda lure: _mov(offsets=[0, 2**31 - 1, -(2**31), 5, -5] * 2))
    yield film("time-back", lambda lure: _mov(offsets=[90 - 20 * n for n in range(10)]))
    yield film("time-still", lambda lure: _mov(times=[(10, 0)]))
    yield film("timebase-1", lambda lure: _mov(timescale=1), must=READ)
    yield film("timebase-0", lambda lure: _mov(timescale=0))
    yield film("timebase-2^31", lambda lure: _mov(timescale=2**31 - 1))
    yield film("timebase-2^32", lambda lure: _mov(timescale=2**32 - 1))
    yield film("edits-2^62", lambda lure: _mov(edits=_edit(_INF, _INF)))
    yield film("edits-negative", lambda lure: _mov(edits=_edit(10, -_INF)))
    yield film("mkv-scale-0", lambda lure: _mkv(scale=0), file="film.mkv")
    yield film("mkv-scale-2^62", lambda lure: _mkv(scale=_INF), file="film.mkv")
    yield film("mkv-length-infinite", lambda lure: _mkv(
        info=seeds.element(0x4489, struct.pack(">d", float("inf")))), file="film.mkv",
        must=SECOND)  # fmt: skip
    yield film("mkv-length-nan", lambda lure: _mkv(
        info=seeds.element(0x4489, struct.pack(">d", float("nan")))), file="film.mkv",
        must=SECOND)  # fmt: skip
    # Sound that cannot be.
    for name, filters in (("hours", "asetpts='PTS+gte(T,0.5)*30*3600/TB'"),
                          ("late", "asetpts=PTS+30*3600/TB")):  # fmt: skip
        yield film(f"sound-{name}", _sounding("matroska", filters), file="film.mkv", must=SECOND)
    for name, channels, rate in (("rate-0", 1, 0), ("rate-2^31", 1, 2**31),
                                 ("channels-0", 0, 8000), ("channels-255", 255, 8000)):  # fmt: skip
        said = struct.pack("<HI", channels, rate)
        yield film(f"sound-{name}", _sounding("avi", head=said), file="film.avi")
    # Structures that cannot be.
    head = seeds.box(b"ftyp", b"isom", bytes(4))
    yield film("atom-0", lambda lure: head + bytes(4) + b"moov" + bytes(100), must=REFUSED)
    yield film(
        "atom-small", lambda lure: head + struct.pack(">I4s", 4, b"moov") * 1000, must=REFUSED
    )
    yield film("atom-huge", lambda lure: head + _FAR,
               must=REFUSED)  # fmt: skip
    yield film("atoms-nested", lambda lure: head + _nested(10_000), must=REFUSED)
    yield film("atoms-nested-udta", lambda lure: head + _nested(10_000, b"udta"), must=REFUSED)
    yield film("atoms-many", lambda lure: head + seeds.box(b"free") * 200_000, must=REFUSED)
    yield film(
        "elements-nested", lambda lure: _nested_elements(10_000), file="film.mkv", must=REFUSED
    )
    # What is no film.
    for name, content in (("pdf", _PDF), ("html", _HTML), ("svg", _SVG),
                          ("zeros", bytes(10_000)), ("one-byte", b"\0"),
                          ("text", b"a film, honestly\n"),
                          ("midi", seeds.midi(seeds.melody())), ("json", b"{}")):  # fmt: skip
        yield film(f"no-film-{name}", functools.partial(_constant, content), must=FOREIGN)
    yield film("no-film-empty", lambda lure: b"", must="refused: is empty")
    yield film("no-film-png", lambda lure: seeds.png(64, 48), must="refused: is a picture")
    yield film("no-film-program", _exe, must=FOREIGN)
    yield film("no-film-zip", _zip, must=FOREIGN)


def _constant(content: bytes, lure: Lure) -> bytes:
    return content
