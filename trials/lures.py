"""What hostile files must not open, and how it is seen that they are refused or come back whole.

Every film lies alone in its folder. Beside that folder wait a film, a secret and a server; whoever
follows a playlist out of the upload opens one of them, and that is seen.
"""

import ctypes
import logging
import os
import re
import resource
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pytest

from emsync.errors import EmsyncError
from emsync.film.film import Film
from emsync.pipeline import analyse
from emsync.progress import CancelToken, silent, silent_share
from emsync.settings import Settings, SoundSettings
from emsync.sound.mix import mix_with_original, write_wav
from emsync.sound.mux import mux
from emsync.sound.synth import Sound
from trials import seeds
from trials.trial import Wrong
from trials.watching import SOUND_RATE, listen, watch

Unmarked = tuple[str, Callable[[Path], str], float]
"""A case before it is known whether it is slow: its name, what tries it, and seconds at most."""

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
                    pytest.skip("nobody here tells which files are opened")
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
        """Forget what was opened until now, to make the case."""
        for _ in self._opened():
            pass

    def check(self) -> None:
        """Raise `Wrong` if anything was opened; skip the case where nobody would see it."""
        if self._visitors:
            raise Wrong("an address was opened that a file names")
        if opened := list(self._opened()):
            raise Wrong(f"files outside of the upload were opened: {', '.join(opened)}")
        if self._watch < 0:
            pytest.skip("nothing was wrong, but nobody here tells which files are opened")

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
    """Return what is told to the user, if it can be told.

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
    """Return what came, if that is what has to come.

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
        """Keep the message."""
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
    """Return the most bytes of memory that this process had: on Linux since `anew`, else ever."""
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
    """Return the film with silence in place of music, and with its own sound."""
    seconds = min(float(film.duration), 30.0)
    silence = Sound(np.zeros((round(seconds * SOUND_RATE), 2), np.float32), SOUND_RATE)
    kept = SoundSettings(original_sound="keep")
    wav, video = folder / "silence.wav", folder / "scored.mp4"
    write_wav(mix_with_original(silence, film, kept, CancelToken()), wav)
    mux(film, wav, video, silent_share, CancelToken())
    return video


def compared(video: Path, seconds: float, frame: float) -> None:
    """Raise `Wrong` if a scored film is not as long as it has to be, picture and sound."""
    seen = watch(video)
    heard = len(listen(video)) / SOUND_RATE
    if abs(seen.end - seconds) > frame + 0.001:
        raise Wrong(f"it came back with {float(seen.end):.3f} s, and {seconds:.3f} s went in")
    if abs(heard - seconds) > _SOUND_TOLERANCE:
        raise Wrong(f"it came back with {heard:.3f} s of sound, and {seconds:.3f} s went in")


def looked_at(path: Path, folder: Path, scored: bool = True) -> str:
    """Return what the pipeline says to a film: a sentence, or what film it is.

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
        compared(video, float(film.duration), float(1 / film.frame_rate))
    return f"read: {film.width} × {film.height}, {float(film.duration):g} s"


REFUSED = "refused"
FOREIGN = "refused: is not a film that can be read"
SIDE = "refused: the limit is 8192 for a side"
LONG = "refused: the limit is 30 min"
UNDECODED = "refused: None of the frames"
READ = "read"
SECOND = "read: 64 × 48, 1 s"


def fifo(folder: Path) -> Path:
    """Make a pipe with the name of a film."""
    os.mkfifo(folder / "film.mp4")
    return folder / "film.mp4"


def own_folder(folder: Path) -> Path:
    """Make a folder with the name of a film."""
    (folder / "film.mp4").mkdir()
    return folder / "film.mp4"


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
