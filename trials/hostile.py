"""Files that were made, or damaged, to do harm: each gets a sentence, or is what it seems to be.

Every film lies alone in its folder. Beside that folder wait a film, a secret and a server; whoever
follows a playlist out of the upload opens one of them, and that is seen.
"""

import copy
import ctypes
import functools
import json
import logging
import os
import random
import re
import resource
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from emsync.emotion.curve import MoodCurve
from emsync.errors import EmsyncError
from emsync.film.examine import Film, probe
from emsync.interface.mood_editor import MOST_SCENES, fresh, wish_of
from emsync.interface.store import Shelf
from emsync.music.primer import read_primer
from emsync.music.transformer.checkpoint import load
from emsync.music.transformer.tokens import decode, encode, tick_of_tokens
from emsync.pipeline import analyse, score
from emsync.presets import from_query, read_preset, write_preset
from emsync.progress import CancelToken, silent, silent_share
from emsync.report.write import read_report
from emsync.settings import FilmLimits, MoodSettings, Settings, SoundSettings
from emsync.sound.mix import mix_with_original, write_wav
from emsync.sound.mux import mux
from emsync.sound.soundfonts import check
from emsync.sound.synth import Sound, find_soundfont
from trials import seeds
from trials.trial import NotHere, Trial, Wrong, main
from trials.watching import SOUND_RATE, listen, watch

SECRET = b"nobody shall read this\n"
_OPENED = 0x20  # IN_OPEN of inotify(7)
_GROWTH = 400_000_000
"""Bytes by which this process may grow over one case; what is read apart does not count."""
SYSTEM_FILE = Path("/etc/issue")
"""Anybody may read it, and nobody does while films are tried."""
_TOLD = ("emsync.film.probe", "emsync.music.primer")
"""Who writes into the log how a process ended that read a stranger's file."""
_OF_THIS_MACHINE = ("FFmpeg is missing", "No suitable FFmpeg", "could not be started",
                    "stopped by the system", "The disk is full", "Try again later")  # fmt: skip
"""Words of sentences that say nothing of the file."""
_SOUND_TOLERANCE = 0.1
"""Seconds by which the scored film's sound may end earlier or later than the film."""
_ENTRY = struct.Struct("iIII")
_BITMAP = struct.pack("<IiiHH4sIiiII", 40, 64, 48, 1, 24, b"MPNG", 0, 0, 0, 0, 0)


# What must not happen ---------------------------------------------------------------------------


class Lure:
    """A film, a secret and a server that nobody has any business with.

    Attributes:
        folder: where the film and the secret lie.
        film, secret: their paths.
        url: of the server, without a slash at its end.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.film = seeds.film("front.mp4", folder)
        self.secret = folder / "secret.txt"
        self.secret.write_bytes(SECRET)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._visitors: list[object] = []
        self._watch = -1
        self._watched: dict[int, Path] = {}

    def __enter__(self) -> Self:
        threading.Thread(target=self._receive, daemon=True).start()
        if sys.platform == "linux":
            system = ctypes.CDLL(None)
            self._watch = system.inotify_init1(os.O_NONBLOCK)
            for place in filter(Path.exists, (self.folder, SYSTEM_FILE)):
                number = system.inotify_add_watch(self._watch, os.fsencode(place), _OPENED)
                if number < 0:
                    self.__exit__(None, None, None)
                    raise NotHere("nobody here tells which files are opened")
                self._watched[number] = place
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        if self._watch >= 0:
            os.close(self._watch)

    def _receive(self) -> None:
        with suppress(OSError):
            while True:
                visitor, address = self._server.accept()
                self._visitors.append(address)
                visitor.close()

    def check_from_here(self) -> None:
        """What was opened until now was opened to make the case."""
        for _ in self._opened():
            pass

    def check(self) -> None:
        """Raise `Wrong` if anything was opened or asked for; `NotHere` if none would be seen."""
        if self._visitors:
            raise Wrong("an address was opened that a file names")
        if opened := list(self._opened()):
            raise Wrong(f"files outside of the upload were opened: {', '.join(opened)}")
        if self._watch < 0:
            raise NotHere("nothing was wrong, but nobody here tells which files are opened")

    def _opened(self) -> Iterator[str]:
        if self._watch < 0:
            return
        with suppress(BlockingIOError):
            events = os.read(self._watch, 1 << 16)
            place = 0
            while place < len(events):
                number, mask, _, length = _ENTRY.unpack_from(events, place)
                place += _ENTRY.size
                name = events[place : place + length].rstrip(b"\0").decode("utf-8", "replace")
                place += length
                watched = self._watched[number]
                if mask & _OPENED and (name or watched == SYSTEM_FILE):
                    yield name or str(watched)


def sentence(error: EmsyncError, folder: Path) -> str:
    """What is told to the user, if it can be told.

    Raises:
        Wrong: it is no sentence, or tells what is nobody's business.
    """
    text = str(error)
    if not text.isprintable() or not text.endswith((".", "?")) or not 15 < len(text) < 900:
        raise Wrong(f"no sentence: {text[:300]!r}")
    for word in (str(folder), "/tmp/", "/usr/", "root:", "Traceback", "Errno", SECRET.decode()[:9]):
        if word in text:
            raise Wrong(f"the sentence tells {word!r}: {text[:300]!r}")
    for word in _OF_THIS_MACHINE:
        if word in text:
            raise Wrong(f"it was not even tried: {text[:300]!r}")
    return f"refused: {text}"


def due(said: str, must: str) -> str:
    """What came, if that is what has to come.

    Args:
        said: what came.
        must: how it has to begin, and behind a colon words that it has to have; either may be
            empty.

    Raises:
        Wrong: it is something else.
    """
    kind, _, words = must.partition(": ")
    if not said.startswith(kind) or words not in said:
        raise Wrong(f"it should be {must!r}, but was {said!r}")
    return said


class _Ear(logging.Handler):
    """Hears how processes ended that did not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@contextmanager
def no_fault_of_ours() -> Iterator[None]:
    """Raise `Wrong` if a process that reads strangers' files failed by itself.

    That a signal ended it, for example for want of memory, may be the file's doing; all else that
    is written into the log is a fault of ours.
    """
    ear = _Ear()
    for name in _TOLD:
        logging.getLogger(name).addHandler(ear)
    try:
        yield
    finally:
        for name in _TOLD:
            logging.getLogger(name).removeHandler(ear)
    for text in ear.heard:
        if not re.search(r"ended with -\d", text):
            raise Wrong(text[:400])


def _peak(anew: bool = False) -> int:
    """Bytes of memory that this process had at most: on Linux since `anew`, else ever."""
    if sys.platform == "linux":
        if anew:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def little_memory() -> Iterator[None]:
    """Raise `Wrong` if this process grows by more than `_GROWTH`."""
    before = _peak(anew=True)
    yield
    grown = _peak() - before
    if grown > _GROWTH:
        raise Wrong(f"the app itself grew by {grown / 1e6:.0f} MB")


def _with_silence(film: Film, folder: Path) -> Path:
    """The film with silence in place of music, and with its own sound."""
    seconds = min(float(film.duration), 30.0)
    silence = Sound(np.zeros((round(seconds * SOUND_RATE), 2), np.float32), SOUND_RATE)
    kept = SoundSettings(original_sound="keep")
    wav, video = folder / "silence.wav", folder / "scored.mp4"
    write_wav(mix_with_original(silence, film, kept, CancelToken()), wav)
    mux(film, wav, video, silent_share, CancelToken())
    return video


def _compared(video: Path, seconds: float, frame: float) -> None:
    """Raise `Wrong` if a scored film is not as long as it has to be, picture and sound."""
    seen = watch(video)
    heard = len(listen(video)) / SOUND_RATE
    if abs(seen.end - seconds) > frame + 0.001:
        raise Wrong(f"it came back with {float(seen.end):.3f} s, and {seconds:.3f} s went in")
    if abs(heard - seconds) > _SOUND_TOLERANCE:
        raise Wrong(f"it came back with {heard:.3f} s of sound, and {seconds:.3f} s went in")


def looked_at(path: Path, folder: Path, scored: bool = True) -> str:
    """What the pipeline says to a film: a sentence, or what film it is.

    Args:
        path: of the film.
        folder: what is made is written there.
        scored: a film that is read is also put together with sound, and must come back whole.

    Raises:
        Wrong: neither, or it does not come back whole.
    """
    video = None
    with no_fault_of_ours(), little_memory():
        try:
            analysis = analyse(path, Settings(), silent, CancelToken())
            film = analysis.film
            if not (
                0 < film.duration <= 600 and film.frame_count > 0 and film.width > 0 < film.height
            ):
                raise Wrong(f"it is taken for a film of {float(film.duration):g} s: {film}")
            if any(not 0 < boundary < film.duration for boundary in analysis.boundaries):
                raise Wrong(f"cuts outside of the film: {analysis.boundaries}")
            if scored:
                video = _with_silence(film, folder)
        except EmsyncError as error:
            return sentence(error, folder)
    if video is not None:
        _compared(video, float(film.duration), float(1 / film.frame_rate))
    return f"read: {film.width} × {film.height}, {float(film.duration):g} s"


# Films ------------------------------------------------------------------------------------------

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
) -> Trial:
    """A case of one film; `must` as for `due`."""
    return Trial(name, functools.partial(_try_film, build, file, must), seconds)


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
    """Text in which {film}, {secret} and {url} stand for what must not be opened."""
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
    """A QuickTime film that is only a reference to another."""
    place = str(lure.film).encode() + b"\0"
    target = seeds.full(b"rdrf", b"url ", struct.pack(">I", len(place)), place)
    return seeds.box(b"moov", seeds.box(b"rmra", seeds.box(b"rmda", target)))


def _linked(lure: Lure) -> bytes:
    """Matroska whose next segment is said to lie in another file."""
    other = str(lure.film).encode()
    info = seeds.element(0x73A4, bytes(range(16))) + seeds.element(0x3EB923, bytes(16))
    info += seeds.element(0x3E83BB, other) + seeds.element(0x3C83AB, other)
    return _mkv(info=info)


def _attached(lure: Lure) -> bytes:
    """Matroska with files in it, whose names lead out of it."""
    attachment = seeds.element(
        0x61A7,
        seeds.element(0x466E, str(lure.secret).encode()),
        seeds.element(0x4660, b"application/x-truetype-font"),
        seeds.element(0x465C, SECRET * 100),
        seeds.number(0x46AE, 7),
    )
    return _mkv(more=seeds.element(0x1941A469, attachment * 50))


def _subtitled(lure: Lure) -> bytes:
    """A film of which FFmpeg's own old script names other pictures (a demuxer named "vobsub")."""
    return f"# VobSub index file, v7\nid: en, index: 0\n# {lure.film}\n".encode()


def _squeezed(claimed: int, real: int) -> bytes:
    """A QuickTime index that is packed by zlib and becomes this large."""
    packed = zlib.compress(bytes(real), 9)
    content = seeds.box(b"cmvd", struct.pack(">I", claimed & 0xFFFFFFFF), packed)
    head = seeds.box(b"ftyp", b"qt  ", bytes(4), b"qt  ")
    return head + seeds.box(b"moov", seeds.box(b"cmov", seeds.box(b"dcom", b"zlib"), content))


@functools.cache
def _gigabyte() -> bytes:
    """A gigabyte of zeros, packed into a megabyte."""
    packer = zlib.compressobj(1)
    piece = bytes(1 << 24)
    return b"".join([*(packer.compress(piece) for _ in range(64)), packer.flush()])


def _nested(depth: int, kind: bytes = b"moov") -> bytes:
    """Boxes within boxes."""
    sizes = range(8 * depth, 0, -8)
    return b"".join(struct.pack(">I4s", size, kind) for size in sizes)


def _nested_elements(depth: int) -> bytes:
    """Tags of Matroska within tags, each 12 bytes longer than what is in it."""
    head = seeds.element(0x1A45DFA3, seeds.element(0x4282, b"matroska"))
    parts = []
    for level in range(depth):
        length = ((depth - level - 1) * 10 | 1 << 56).to_bytes(8, "big")
        parts.append(b"\x67\xc8" + length)
    tags = seeds.element(0x1254C367, seeds.element(0x7373, b"".join(parts)))
    return head + seeds.element(0x18538067, tags)


def _growing(lure: Lure) -> bytes:
    """Its picture has another size from the middle on."""
    small = seeds.film("film.ts", lure.folder).read_bytes()
    args = "-f lavfi -i testsrc2=s=640x480:d=1:r=10 -c:v mpeg2video -output_ts_offset 1.5 -f mpegts"
    large = lure.folder / "large.ts"
    seeds.encode(args.split(), large)
    return small + large.read_bytes()


def _bursting(lure: Lure) -> bytes:
    """Ten small pictures, then three of 256 million pixels."""
    return seeds.movie(
        b"png ", (64, 48), [seeds.png(64, 48)] * 10 + [seeds.png(16_000, 16_000)] * 3
    )


def _many_samples(count: int, ticks: int, timescale: int) -> bytes:
    """A film of so many frames, each one byte long; the first is a picture."""
    first = seeds.png(16, 16)
    sizes = seeds.full(
        b"stsz", struct.pack(">III", 0, count, len(first)), b"\0\0\0\1" * (count - 1)
    )
    body = first + bytes(count)
    return seeds.movie(
        b"png ", (16, 16), [body], sizes=sizes, times=[(count, ticks)], timescale=timescale
    ).replace(struct.pack(">IIII", 1, 1, 1, 1), struct.pack(">IIII", 1, 1, count, 1), 1)


def _sounding(form: str, filters: str = "anull", head: bytes = b"") -> Build:
    """A second of picture with other sound than it has.

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
        raise NotHere(f"there is no {SYSTEM_FILE}")
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

REFUSED = "refused"
FOREIGN = "refused: is not a film that can be read"
SIDE = "refused: the limit is 8192 for a side"
LONG = "refused: the limit is 30 min"
UNDECODED = "refused: None of the frames"
READ = "read"
SECOND = "read: 64 × 48, 1 s"


def _films() -> Iterator[Trial]:
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
    yield film("streams-million", lambda lure: _mkv(tracks=10**6), file="film.mkv",
               must=REFUSED, seconds=150)  # fmt: skip
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


def _try_place(make: Callable[[Path], Path], must: str, folder: Path) -> str:
    return due(looked_at(make(folder), folder), must)


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "film.mp4")
    return folder / "film.mp4"


def _link_to(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "film.mp4").symlink_to(target)
        return folder / "film.mp4"

    return make


def _folder(folder: Path) -> Path:
    (folder / "film.mp4").mkdir()
    return folder / "film.mp4"


def _places() -> Iterator[Trial]:
    nowhere = "refused: There is no file"
    for name, make, must in (
        ("fifo", _fifo, "refused: is not a file"),
        ("folder", _folder, "refused: is a folder"),
        ("link-passwd", _link_to("/etc/passwd"), FOREIGN),
        ("link-zero", _link_to("/dev/zero"), "refused: is not a file"),
        ("link-loop", _link_to("film.mp4"), "refused: cannot be opened"),
        ("link-nowhere", _link_to("nowhere"), nowhere),
        ("nul", lambda folder: folder / "a\0b.mp4", "refused: is not the name of a file"),
        ("too-long", lambda folder: folder / ("a" * 300 + ".mp4"), "refused: cannot be opened"),
        ("missing", lambda folder: folder / "a\nb\x1b[31m.mp4", nowhere),
    ):
        yield Trial(f"place-{name}", functools.partial(_try_place, make, must), 75)


# Cut off and overwritten ------------------------------------------------------------------------


_CUT_SECONDS = 2.0
_UNTOLD = ("film.ts", "film.gif")
"""Films whose head does not say how long they are."""


def _cut_off(name: str, step: int, folder: Path) -> str:
    whole = seeds.film(name, folder, _CUT_SECONDS).read_bytes()
    path, read = folder / f"cut-{name}", 0
    places = range(step, len(whole), step)
    if not places:
        raise Wrong(f"the film of {len(whole)} bytes is not cut at all")
    # Where the head says how long a film is, it may lack half a second; else nobody can know.
    least = 0.0 if name in _UNTOLD else _CUT_SECONDS - 0.5
    for place in places:
        path.write_bytes(whole[:place])
        said = looked_at(path, folder, scored=read % 10 == 0)
        if said.startswith(READ):
            read += 1
            seconds = float(said.split()[-2])
            if not least - 0.1 <= seconds <= _CUT_SECONDS + 0.1:
                raise Wrong(f"cut off after {place} of {len(whole)} bytes it was {said!r}")
    return f"{read} of {len(places)} read, the others refused"


_MAGIC = {
    "none": b"",
    "mp4": seeds.box(b"ftyp", b"isom", bytes(4)) + struct.pack(">I4s", 3000, b"moov"),
    "mkv": seeds.element(0x1A45DFA3, seeds.element(0x4282, b"matroska")) + b"\x18\x53\x80\x67",
    "avi": b"RIFF\xff\xff\0\0AVI LIST\xc0\0\0\0hdrlavih\x38\0\0\0",
    "ts": b"\x47\x40\0\x10",
    "mpg": b"\0\0\1\xba\x44\0\4\0\4\1\0\0\3\xf8\0\0\1\xe0",
    "flv": b"FLV\1\5\0\0\0\x09\0\0\0\0",
    "gif": b"GIF89a\x40\0\x30\0\xf7\0\0",
    "ogg": b"OggS\0\2" + bytes(8) + b"\1\0\0\0\0\0\0\0\0\0\0\0\1\x1e\1vorbis",
    "asf": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "ivf": b"DKIF\0\0\x20\0VP90\x40\0\x30\0\x0a\0\0\0\1\0\0\0",
    "rm": b".RMF\0\0\0\x12",
    "nut": b"nut/multimedia container\0",
    "mxf": bytes.fromhex("060e2b34020501010d0102010102"),
    "dv": bytes.fromhex("1f0700bf"),
    "y4m": b"YUV4MPEG2 W64 H48 F10:1\n",
    "wtv": bytes.fromhex("b7d800203749da11a64e0007e95ead8d"),
    "wav": b"RIFF\xff\xff\0\0WAVEfmt ",
    "aiff": b"FORM\0\0\xff\xffAIFFCOMM",
    "flac": b"fLaC\0\0\0\x22",
    "mp3": b"ID3\4\0\0\0\0\x0f\x76",
    "caf": b"caff\0\1\0\0desc",
    "ape": b"MAC \x96\x0f\0\0",
    "wv": b"wvpk\xff\0\0\0",
    "ac3": b"\x0b\x77",
    "amr": b"#!AMR\n",
}


def _noise(kinds: Sequence[str], rounds: int, folder: Path) -> str:
    for kind in kinds:
        for number in range(rounds):
            path = folder / f"noise.{kind}"
            noise = random.Random(f"{kind}-{number}").randbytes(20_000)
            path.write_bytes(_MAGIC[kind] + noise)
            looked_at(path, folder)
    return f"{len(kinds) * rounds} without harm"


def _damaged() -> Iterator[Trial]:
    for name in seeds.FILMS:
        step = 7000 if name != "film.gif" else 900
        yield Trial(f"cut-{name}", functools.partial(_cut_off, name, step), 120)
        yield Trial(f"cut-each-{name}", functools.partial(_cut_off, name, 1024), 600)
    for kind in _MAGIC:
        yield Trial(f"noise-{kind}", functools.partial(_noise, [kind], 2), 120)


# Names ------------------------------------------------------------------------------------------

NAMES = {
    "quotes": 'it\'s "quoted" `x` $(x) ;&|.mp4',
    "newline": "two\nlines\r\tand more.mp4",
    "option": "-i.mp4",
    "options": "--output=x -y",
    "pattern": "%d%s%n-%05d.mp4",
    "long": "a" + "ä" * 125 + ".mp4",
    "bidi": "\u202efdp.\u2066film\u2069.mp4",
    "emoji": "\U0001f3ac\U0001f468\u200d\U0001f469\u200d\U0001f467 film.mp4",
    "concat": "concat:a|b.mp4",
    "subfile": "subfile,,start,0,end,100,,:film.mp4",
    "pipe": "pipe:0",
    "url": "http:..127.0.0.1.mp4",
    "lavfi": "testsrc2=s=64x48",
    "dots": "....mp4",
    "html": "<img src=x onerror=alert(1)>.mp4",
    "bytes": "caf\udce9.mp4",
    "no-suffix": "film",
    "image": "film-001.png",
    "spaces": "  .mp4  ",
    "backslash": "..\\..\\film.mp4",
}
"""What films may be called on Linux."""


def _named(name: str, whole: bool, folder: Path) -> str:
    upload = folder / "upload"
    upload.mkdir()
    made = seeds.film("front.mp4", folder)
    (upload / name).write_bytes(made.read_bytes())
    (upload / "1.mp4").write_bytes(b"not this one")
    limits = FilmLimits()
    source = Shelf(folder / "shelf").add_film(upload / name, limits, CancelToken())
    if source.name != name or not source.poster.startswith(b"\xff\xd8"):
        raise Wrong(f"it came as {source.name!r}")
    if source.film.path.parent.parent != folder / "shelf":
        raise Wrong(f"it lies in {source.film.path.parent}")
    if not whole:
        return "taken in, with a picture of it"
    settings = replace(Settings(), music=replace(Settings().music, openings=1, redraws=0))
    analysis = analyse(source.film.path, settings, silent, CancelToken())
    target = folder / "scored"
    target.mkdir()
    result = score(analysis, target, settings, silent, CancelToken(), _generator())
    _compared(result.video, 1.0, 0.1)
    if json.loads(result.report.read_text("utf-8"))["film"]["name"] != name:
        raise Wrong("the report has another name")
    if sorted(path.name for path in upload.iterdir()) != sorted([name, "1.mp4"]):
        raise Wrong("something else was written beside the upload")
    return "scored"


@functools.cache
def _generator() -> Any:
    return load()


_SCORED = ("quotes", "newline", "long", "option", "bidi", "bytes")


def _names() -> Iterator[Trial]:
    for kind, name in NAMES.items():
        yield Trial(f"name-{kind}", functools.partial(_named, name, False), 75)
        if kind in _SCORED:
            yield Trial(f"name-scored-{kind}", functools.partial(_named, name, True), 300
        )  # fmt: skip


# MIDI -------------------------------------------------------------------------------------------


def primer(path: Path, folder: Path) -> str:
    """What comes of a MIDI file to continue from: tokens that can be decoded, or a sentence.

    Raises:
        Wrong: neither.
    """
    with no_fault_of_ours(), little_memory():
        try:
            tokens = read_primer(path, 512, 15.0)
        except EmsyncError as error:
            return sentence(error, folder)
    if len(tokens) > 512:
        raise Wrong(f"{len(tokens)} tokens, and 512 were asked for at most")
    return f"read: {len(decode(tokens).notes)} notes"


def _try_midi(build: Callable[[], bytes], must: str, folder: Path) -> str:
    path = folder / "song.mid"
    path.write_bytes(build())
    return due(primer(path, folder), must)


def _cut_midi(step: int, folder: Path) -> str:
    whole, path = seeds.midi(seeds.melody()), folder / "song.mid"
    places = range(step, len(whole), step)
    for place in places:
        path.write_bytes(whole[:place])
        primer(path, folder)
    return f"{len(places)} without harm"


def _riff(content: bytes) -> bytes:
    data = b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(data)) + b"RMID" + data


_END = b"\0\xff\x2f\0"


_NO_MIDI = "refused: is not a MIDI file that can be read"
_MIDI_DUE: dict[str, str] = {
    "sound": READ, "empty": _NO_MIDI, "noise": _NO_MIDI, "text": _NO_MIDI, "picture": _NO_MIDI,
    "too-large": "refused: is too large",
}  # fmt: skip
"""What has to come of some; of the others either may."""


def _midis() -> Iterator[Trial]:
    melody, quick = seeds.melody(), seeds.melody(gap=1)
    note, on, off = b"\0\x90\x3c\x50", b"\0\x90\x3c\x50", b"\0\x80\x3c\0"
    tempo_0 = b"\0\xff\x51\x03\0\0\0"
    cases: dict[str, Callable[[], bytes]] = {
        "sound": lambda: seeds.midi(melody),
        "empty": lambda: b"",
        "head-only": lambda: seeds.midi(),
        "division-0": lambda: seeds.midi(melody, division=0),
        "division-1": lambda: seeds.midi(melody, division=1),
        "division-32767": lambda: seeds.midi(melody, division=32767),
        "division-smpte": lambda: seeds.midi(melody, division=0xE728),
        "division-negative": lambda: seeds.midi(melody, division=0x8000),
        "form-9": lambda: seeds.midi(melody, form=9),
        "form-2": lambda: seeds.midi(melody, melody, form=2),
        "tracks-65535": lambda: seeds.midi(*[b""] * 65_535),
        "tracks-claimed": lambda: seeds.midi(melody, count=65_535),
        "tempo-0": lambda: seeds.midi(tempo_0 + melody),
        "tempo-0-each": lambda: seeds.midi((tempo_0 + note) * 5000 + _END),
        "running-status": lambda: seeds.midi(b"\0\x90" + b"\x3c\x50\0" * 100_000),
        "status-garbage": lambda: seeds.midi(random.Random(1).randbytes(200_000)),
        "delta-huge": lambda: seeds.midi(b"\xff\xff\xff\x7f\x90\x3c\x50" + _END),
        "delta-endless": lambda: seeds.midi(b"\xff" * 100_000),
        "note-endless": lambda: seeds.midi(note + b"\xff\xff\xff\x7f\x80\x3c\0" + _END, division=1),
        "note-long": lambda: seeds.midi(note + seeds.delta(9_999_999) + off[1:] + _END, division=1),
        "ticks-ten-million": lambda: seeds.midi(
            melody[:-4] + seeds.delta(9_900_000) + note[1:] + b"\x60" + off[1:] + _END, division=1
        ),
        "meter-0": lambda: seeds.midi(b"\0\xff\x58\4\0\0\0\0" + melody),
        "meter-2^255": lambda: seeds.midi(b"\0\xff\x58\4\x04\xff\x18\x08" + melody),
        "key-99": lambda: seeds.midi(b"\0\xff\x59\2\x63\x63" + melody),
        "meta-claimed": lambda: seeds.midi(b"\0\xff\x01\xff\xff\xff\x7f" + melody),
        "sysex-endless": lambda: seeds.midi(b"\0\xf0\xff\xff\xff\x7f" + bytes(1000)),
        "notes-held": lambda: seeds.midi(on * 100_000 + off * 100_000 + _END),
        "notes-held-later": lambda: seeds.midi(on * 100_000 + b"\x01\x80\x3c\0" * 90_000 + _END),
        "events-million": lambda: seeds.midi(b"\0\x90" + b"\x3c\x50\1" * 330_000),
        "too-large": lambda: seeds.midi(bytes(1_000_001)),
        "rmid": lambda: _riff(seeds.midi(melody)),
        "chords-many": lambda: seeds.midi(*[quick] * 300),
        "drums-only": lambda: seeds.midi(melody.replace(b"\x90", b"\x99")),
        "effects-only": lambda: seeds.midi(melody.replace(b"\xc0\0", b"\xc0\x7f")),
        "picture": lambda: seeds.png(64, 48),
        "text": lambda: b"a song, honestly\n" * 99,
        "noise": lambda: random.Random(4).randbytes(20_000),
    }
    for name, build in cases.items():
        yield Trial(
            f"midi-{name}", functools.partial(_try_midi, build, _MIDI_DUE.get(name, "")), 60
        )
    yield Trial("midi-cut", functools.partial(_cut_midi, 199), 60)
    yield Trial("midi-cut-64", functools.partial(_cut_midi, 64), 300)
    yield Trial("midi-folder", lambda folder: primer(_folder(folder), folder), 30)
    yield Trial("midi-missing", lambda folder: primer(folder / "x\n.mid", folder), 30)
    yield Trial("midi-fifo", lambda folder: primer(_fifo(folder), folder), 30)
    yield Trial("midi-nul", lambda folder: primer(folder / "a\0.mid", folder), 30)


# SoundFonts -------------------------------------------------------------------------------------


def font(path: Path, folder: Path) -> str:
    """What comes of a SoundFont: it can be played, or there is a sentence."""
    with little_memory():
        try:
            check(path)
        except EmsyncError as error:
            return sentence(error, folder)
    return "read: it plays"


def _try_font(change: Callable[[bytearray], bytes], must: str, folder: Path) -> str:
    # TimGM6mb where it is installed, for it is small.
    small = Path(find_soundfont().path)
    with suppress(ImportError):
        import pretty_midi

        small = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
    path = folder / "font.sf2"
    path.write_bytes(change(bytearray(small.read_bytes())))
    return due(font(path, folder), must)


def _table(font: bytearray, kind: bytes) -> tuple[int, int]:
    """Where the records of a table begin and end."""
    place = font.rindex(kind) + 4
    return place + 4, place + 4 + int(struct.unpack_from("<I", font, place)[0])


def _each_sample(font: bytearray, begin: int, layout: str, *values: int) -> bytes:
    """Other numbers in the head of every sample."""
    first, last = _table(font, b"shdr")
    for place in range(first, last - 46, 46):
        struct.pack_into(layout, font, place + begin, *values)
    return bytes(font)


def _without(font: bytearray, kind: bytes) -> bytes:
    """A table with nothing in it, and what follows it moved up."""
    begin, end = _table(font, kind)
    struct.pack_into("<I", font, begin - 4, 0)
    return bytes(font[:begin] + font[end:])


def _filled(font: bytearray, kind: bytes, byte: int) -> bytes:
    begin, end = _table(font, kind)
    font[begin:end] = bytes([byte]) * (end - begin)
    return bytes(font)


_CUT_FONT = "refused: is damaged or cut off"
_NO_FONT = "refused: is not a SoundFont"
_FONT_DUE: dict[str, str] = {
    "sound": READ, "empty": "refused: is empty", "text": _NO_FONT, "presets-0": REFUSED,
    **dict.fromkeys(("head", "half", "last-byte", "chunks-million", "size-claimed",
                     "no-instruments", "no-samples", "noise"), _CUT_FONT),
}  # fmt: skip
"""What has to come of some; of the others FluidSynth decides."""


def _fonts() -> Iterator[Trial]:
    chunks = b"LIST" + struct.pack("<I", 4 + 8 * 10**6) + b"INFO" + (b"ICMT" + bytes(4)) * 10**6
    many = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"sfbk" + chunks
    cases: dict[str, Callable[[bytearray], bytes]] = {
        "sound": bytes,
        "empty": lambda font: b"",
        "head": lambda font: bytes(font[:12]),
        "half": lambda font: bytes(font[: len(font) // 2]),
        "last-byte": lambda font: bytes(font[:-1]),
        "text": lambda font: b"a SoundFont, honestly\n" * 99,
        "chunks-million": lambda font: many,
        "size-claimed": lambda font: b"RIFF\xff\xff\xff\xff" + bytes(font[8:]),
        "no-instruments": lambda font: _without(font, b"inst"),
        "no-samples": lambda font: _without(font, b"shdr"),
        "samples-huge": lambda font: _each_sample(font, 20, "<II", 0, 2**32 - 1),
        "samples-backward": lambda font: _each_sample(font, 20, "<II", 10**6, 10),
        "loops-outside": lambda font: _each_sample(font, 28, "<II", 0, 2**32 - 1),
        "loops-backward": lambda font: _each_sample(font, 28, "<II", 2**31, 1),
        "loops-none": lambda font: _each_sample(font, 28, "<II", 7, 7),
        "rate-0": lambda font: _each_sample(font, 36, "<I", 0),
        "rate-huge": lambda font: _each_sample(font, 36, "<I", 2**32 - 1),
        "links-outside": lambda font: _each_sample(font, 42, "<HH", 65535, 4),
        "rom-samples": lambda font: _each_sample(font, 44, "<H", 0x8001),
        "generators-255": lambda font: _filled(font, b"igen", 255),
        "generators-127": lambda font: _filled(font, b"pgen", 127),
        "modulators-255": lambda font: _filled(font, b"imod", 255),
        "bags-255": lambda font: _filled(font, b"ibag", 255),
        "presets-0": lambda font: _filled(font, b"phdr", 0),
        "noise": lambda font: bytes(font[:12]) + random.Random(2).randbytes(len(font) - 12),
    }
    for name, change in cases.items():
        must = _FONT_DUE.get(name, "")
        yield Trial(f"font-{name}", functools.partial(_try_font, change, must), 60)
    for share in range(1, 20):
        cut = functools.partial(_try_font, _share(share / 20), _CUT_FONT)
        yield Trial(f"font-cut-{share}", cut, 60)


def _share(share: float) -> Callable[[bytearray], bytes]:
    return lambda font: bytes(font[: int(len(font) * share)])


# JSON, addresses, the mood editor, tokens -------------------------------------------------------

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**30, -(10**39), 1e308, -1e308, 5e-324, 0.1, "", "x", "none",
    "/etc/nothing", "../../secret", "\0", "\ud800", "a\nb\x1b[31m", "9" * 400, [], {}, [[]], [None],
    [{}], {"": None}, {"x": {"y": {}}}, "x" * 2000, [0] * 400,
)  # fmt: skip
"""Values where others are expected."""
RAW = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "[" * 10_000 + "]" * 10_000,
       '{"a":' * 10_000 + "1" + "}" * 10_000, '"\\ud800"', '{"a": 1, "a": 2}')  # fmt: skip
"""JSON that Python's writer does not write."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a value; of lists only to the first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(
        value, list
    ) else ()  # fmt: skip
    for key, one in inner:
        yield from places(one, (*path, key))


def altered(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """A copy of a value with another one at a place."""
    if not path:
        return other
    made = copy.deepcopy(value)
    part = made
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = other
    return made


def preset(path: Path, folder: Path) -> str:
    """What comes of a preset file.

    Raises:
        Wrong: neither settings nor a sentence.
    """
    try:
        made = read_preset(path)
    except EmsyncError as error:
        return sentence(error, folder)
    limits = FilmLimits()
    if made.music.primer or made.sound.soundfont:
        raise Wrong("a preset named a file of this machine")
    if any(getattr(made.limits, name) > most for name, most in asdict(limits).items()):
        raise Wrong("a preset raised the limits")
    return "read"


def report(path: Path, folder: Path) -> str:
    """What comes of a report: what it holds can be shown and written, or there is a sentence.

    Raises:
        Wrong: neither.
    """
    try:
        recorded = read_report(path)
    except EmsyncError as error:
        return sentence(error, folder)
    for word in (recorded.film, recorded.weights, recorded.film_sha256):
        if not word.isprintable():
            raise Wrong(f"{word!r} cannot be shown")
    str(recorded).encode()
    if recorded.settings.music.primer or recorded.settings.sound.soundfont:
        raise Wrong("a report named a file of this machine")
    MoodCurve(*zip(*recorded.curve, strict=True))
    return "read"


def _report_file() -> Path:
    return Path(__file__).resolve().parents[1] / "examples" / "carnival" / "report.json"


def example_report() -> dict[str, Any]:
    """That of an example, with short lists."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: short(one) for key, one in value.items()}
        return [short(one) for one in value[:3]] if isinstance(value, list) else value

    made: dict[str, Any] = short(json.loads(_report_file().read_text("utf-8")))
    made["emotion"]["scenes"] = made["emotion"]["scenes"][:3]
    return made


def example_preset(folder: Path) -> dict[str, Any]:
    """One with every setting."""
    path = folder / "made.json"
    write_preset(Settings(), path)
    made: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return made


def _wrong_everywhere(
    valid: Callable[[Path], dict[str, Any]], read: Callable[[Path, Path], str], folder: Path
) -> str:
    whole, path, tried = valid(folder), folder / "odd.json", 0
    path.write_text(json.dumps(whole), "utf-8")
    due(read(path, folder), READ)
    for place in places(whole):
        for odd in ODD:
            path.write_text(json.dumps(altered(whole, place, odd)), "utf-8")
            read(path, folder)
            tried += 1
        if len(place) == 1:
            for raw in RAW:
                text = json.dumps(altered(whole, place, "RAW")).replace('"RAW"', raw)
                path.write_text(text, "utf-8")
                read(path, folder)
                tried += 1
    return f"{tried} without harm"


def _try_text(
    valid: Callable[[Path], dict[str, Any]],
    spoil: Callable[[dict[str, Any]], str | bytes],
    must: str,
    read: Callable[[Path, Path], str],
    folder: Path,
) -> str:
    path, content = folder / "odd.json", spoil(valid(folder))
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    )
    with little_memory():
        return due(read(path, folder), must)


def _lying_report(folder: Path) -> str:
    made, path = example_report(), folder / "lies.json"
    made["film"]["sha256"] = made["music"]["weights_sha256"] = "0" * 64
    made["film"]["name"] = "../../../etc/passwd"
    made["music"]["weights"] = "../../elsewhere"
    path.write_text(json.dumps(made))
    recorded = read_report(path)
    film_path = seeds.film("front.mp4", folder)
    found = recorded.differences(probe(film_path), recorded.settings, "1" * 64, "2" * 64)
    if not any("film is not" in one for one in found) or not any("weights" in one for one in found):
        raise Wrong(f"nobody is told that the report lies: {found}")
    return f"told: {found[0]}"


def query(asked: dict[str, str], folder: Path) -> str:
    """What comes of the settings in an address.

    Raises:
        Wrong: neither settings nor a sentence.
    """
    try:
        made = from_query(asked)
    except EmsyncError as error:
        return sentence(error, folder)
    if made.music.primer or made.sound.soundfont:
        raise Wrong("an address named a file of this machine")
    return "read"


def _queries(folder: Path) -> str:
    tried = 0
    flat = [".".join(map(str, place)) for place in places(example_preset(folder)["settings"])]
    for name in [*filter(None, flat), "music.primer", "sound.soundfont", "", "x" * 99, "a\0", "é"]:
        for odd in (*ODD, *RAW, "1/0", "1/3", "٣", "0x10", "1_000", " 1", "1e-400", "inf", "nan"):
            query({name: odd if isinstance(odd, str) else str(odd)}, folder)
            tried += 1
    query({str(number): "1" for number in range(10_000)}, folder)
    query({"seed": "1" * 10**7}, folder)
    return f"{tried + 2} without harm"


def mood(value: Any, folder: Path) -> str:
    """What comes of what a browser sends for the mood editor.

    Raises:
        Wrong: neither a wish nor a sentence.
    """
    try:
        wish = wish_of(value)
    except EmsyncError as error:
        return sentence(error, folder)
    for one in (wish.mood, *(mood for _, mood in wish.changes)):
        if one is not None and not (-1 <= one.valence <= 1 and -1 <= one.arousal <= 1):
            raise Wrong(f"a mood that is none: {one}")
    return "read"


def example_mood() -> dict[str, Any]:
    """As the browser sends it for a film of three scenes."""
    scenes = [{"start": float(at), "read": [0.1, 0.2], "mood": [0.1 * at, -0.5]} for at in range(3)]
    return fresh(MoodSettings()) | {
        "mode": "scenes", "film": [0.1, 0.2], "seconds": 9.0, "scenes": scenes, "edits": 3,
    }  # fmt: skip


def _moods(folder: Path) -> str:
    valid, tried = example_mood(), 0
    if mood(valid, folder) != READ:
        raise Wrong("the right value is refused")
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    others = (*ODD, float("nan"), float("inf"), deep, 10**5000, b"x", {1: 2}, object())
    for place in places(valid):
        for odd in others:
            made = altered(valid, place, odd) if odd is not deep else _shallow(valid, place, deep)
            mood(made, folder)
            tried += 1
    mood(valid | {"scenes": valid["scenes"] * 10**5}, folder)
    mood(valid | {"scenes": valid["scenes"][:1] * (MOST_SCENES + 1)}, folder)
    return f"{tried + 2} without harm"


def _shallow(value: dict[str, Any], place: tuple[Any, ...], other: Any) -> Any:
    """As `altered`, for what cannot be copied."""
    return value | {place[0]: other} if place else other


def tokens(numbers: Sequence[int]) -> str:
    """What comes of a sequence of tokens: notes that give the same tokens again and again.

    Raises:
        Wrong: they do not.
    """
    decoded = decode(numbers)
    notes = decoded.notes
    if len(notes) and not ((notes.end > notes.start).all() and (notes.start >= 0).all()):
        raise Wrong("a note ends before it begins")
    again = encode(notes, decoded.bars, decoded.chords)
    twice = decode(again)
    if len(twice.notes) != len(notes) or twice.bars != decoded.bars:
        raise Wrong(f"{len(notes)} notes become {len(twice.notes)}")
    if len(again) and tick_of_tokens(again)[-1] > decoded.length + 100:
        raise Wrong("the clock runs on")
    return f"read: {len(notes)} notes"


def _token_trials(folder: Path) -> str:
    dice = random.Random(3)
    tried = 0
    for most in (300, 1200, 70_000, 2**40):
        for _ in range(150):
            tokens([dice.randint(-5, most) for _ in range(dice.randint(0, 400))])
            tried += 1
    tokens([2**70, -(2**70), 10**400])
    return f"{tried + 1} without harm"


def _texts() -> Iterator[Trial]:
    yield Trial("preset-wrong-everywhere",
                functools.partial(_wrong_everywhere, example_preset, preset), 120)  # fmt: skip
    yield Trial("report-wrong-everywhere",
                functools.partial(_wrong_everywhere, lambda _: example_report(), report), 300
        )  # fmt: skip
    yield Trial("report-lies", _lying_report)
    yield Trial("address", _queries)
    yield Trial("mood-editor", _moods)
    yield Trial("tokens", _token_trials)
    for kind, valid, read in (("preset", example_preset, preset),
                              ("report", lambda _: example_report(), report)):  # fmt: skip
        for name, (spoil, *musts) in _spoiled(f"emsync_{kind}").items():
            must = musts[-1] if kind == "report" else musts[0]
            yield Trial(f"{kind}-{name}",
                        functools.partial(_try_text, valid, spoil, must, read), 30)  # fmt: skip


def _spoiled(marker: str) -> dict[str, tuple[Any, ...]]:
    """What is done to the values of a whole file, and what has to come of it; of a report at last,
    where that is something else than of a preset."""

    def seed(raw: str) -> Callable[[dict[str, Any]], str]:
        """With this text in place of a number."""
        return lambda whole: json.dumps(altered(whole, ("settings", "seed"), "RAW")).replace(
            '"RAW"', raw
        )  # fmt: skip

    def more(raw: str) -> Callable[[dict[str, Any]], str]:
        """With this text among the settings."""
        return lambda whole: json.dumps(whole).replace(
            '"settings": {', '"settings": {' + raw + ", ", 1
        )  # fmt: skip

    deep, large = "refused: it is nested too deep", "refused: is too large"
    unread, unknown = "refused: is not a JSON file that can be read", "refused: There is no setting"
    other = f"refused: is not a {marker.removeprefix('emsync_')}"
    version = "refused: version"
    numbers = ",".join(f'"{n}": 1' for n in range(300_000))
    return {
        "whole": (json.dumps, READ),
        "empty": (lambda whole: "", unread), "nothing": (lambda whole: "null", other),
        "list": (lambda whole: "[]", other), "text": (lambda whole: "a file, honestly", unread),
        "bytes": (lambda whole: bytes(range(256)) * 9, unread),
        "deep": (seed("[" * 10_000 + "]" * 10_000), deep),
        "deep-groups": (seed('{"a":' * 10_000 + "1" + "}" * 10_000), deep),
        "unclosed": (seed("[" * 50_000), deep),
        "huge-text": (seed('"' + "x" * 10**7 + '"'), large),
        "huge-number": (seed("1" * 50_000), "refused: a number with 50000 digits"),
        "nan": (seed("NaN"), "refused: NaN is no number"),
        "infinity": (seed("1e999"), "refused: seed must be"),
        "twice": (more('"seed": 1'), "refused: “seed” is there twice"),
        "many-names": (more(numbers), large, unknown),
        "many-groups": (more('"x": [' + "{}," * 10**6 + "{}]"), large, unknown),
        "version": (lambda whole: json.dumps(whole | {marker: "\ud83c"}), version),
        "version-deep": (lambda whole: json.dumps(whole | {marker: [[[[{}]]]]}), version),
        "elsewhere": (lambda whole: json.dumps(whole | {"settings": "/etc/passwd"}),
                      "refused: a group of names with values"),
        "utf-16": (lambda whole: json.dumps(whole).encode("utf-16"), READ),
        "bom": (lambda whole: b"\xef\xbb\xbf" + json.dumps(whole).encode(), READ),
        "nul": (more('"a\\u0000": 1'), unknown),
    }  # fmt: skip


def _odd_names(read: Callable[[Path, Path], str], contents: Sequence[bytes], folder: Path) -> str:
    """Nothing of these can be read, and the sentence names the file."""
    for name in NAMES.values():
        path = folder / name
        due(read(path, folder), REFUSED)
        for content in contents:
            path.write_bytes(content)
            due(read(path, folder), REFUSED)
        path.unlink()
    return f"{len(NAMES) * (1 + len(contents))} without harm"


def _named_otherwise() -> Iterator[Trial]:
    """Odd names of what is no film."""
    head = '{{"emsync_preset": {0}, "emsync_report": {0}, "settings": 1}}'
    texts = [b"", b"[]", b"{", bytes(5_000_001), head.format(1).encode(), head.format(2).encode()]
    silent_song = seeds.midi(_END)
    for kind, read, contents in (("preset", preset, texts), ("report", report, texts),
                                 ("midi", primer, [silent_song]),
                                 ("font", font, [b"", b"a SoundFont, honestly"])):  # fmt: skip
        yield Trial(f"name-of-{kind}", functools.partial(_odd_names, read, contents), 120)


_QUICK = {
    "hls-secret-mp4", "hls-web", "hls-relative", "concat-script", "dash-mpd", "session",
    "vobsub", "hls-system", "reference-url",
    "reference-alias", "linked-segments", "attachments", "png-wide", "png-lies-wide",
    "h264-claims-wide", "vp9-claims", "gif-large", "changes-size", "cmov-bomb", "packed-blocks",
    "streams-mkv", "frames-hours", "frames-claimed", "time-2^62", "time-gaps", "time-jumps",
    "time-still", "timebase-0", "timebase-2^32", "edits-2^62", "mkv-scale-2^62",
    "mkv-length-nan", "atom-huge", "atoms-nested", "elements-nested", "no-film-pdf",
    "no-film-empty", "no-film-program", "place-fifo", "place-folder", "place-link-passwd",
    "place-link-zero", "place-nul", "place-too-long", "place-missing", "cut-front.mp4",
    "cut-end.mp4", "cut-film.mkv", "cut-film.avi", "noise-mp4", "name-quotes", "name-long",
    "name-option", "name-pattern", "name-bytes", "name-scored-newline", "midi-sound",
    "midi-division-0", "midi-division-smpte", "midi-tempo-0", "midi-status-garbage",
    "midi-delta-huge", "midi-form-9", "midi-meta-claimed", "midi-too-large", "midi-fifo",
    "midi-nul", "midi-text", "font-empty",
    "font-half", "font-chunks-million", "font-no-instruments",
    "font-sound", "sound-hours", "sound-rate-0", "sound-channels-255", "noise-none",
    "name-of-preset", "name-of-report", "name-of-font", "preset-whole", "report-whole",
    "preset-wrong-everywhere", "report-lies", "address", "mood-editor", "tokens",
    "preset-deep", "preset-huge-number", "preset-elsewhere", "preset-twice", "report-deep",
    "report-huge-text", "report-many-names", "report-version", "report-utf-16",
}  # fmt: skip
"""Those that `make test` tries."""

TRIALS: tuple[Trial, ...] = tuple(
    replace(one, slow=one.name not in _QUICK)
    for one in (
        *_films(), *_places(), *_damaged(), *_names(), *_midis(), *_fonts(), *_texts(),
        *_named_otherwise(),
    )
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main("hostile", TRIALS))
