"""The disk that all requests share, and what one machine gives to them together."""

import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emsync.errors import EmsyncError
from emsync.interface.records import MOST_TAKES
from emsync.limits import HostLimits
from emsync.settings import ExpertSettings, FilmLimits, SoundSettings

FULL = (
    "There is no room for another film on this machine right now. Films go an hour after they were "
    "last looked at, so try again in a while."
)
REQUEST_FULL = (
    "What was made of this film takes all the room that one film gets here. Download what you like "
    "and press “Delete everything”, or choose the film again."
)
_ABANDONED_SECONDS = 600
"""An upload that nobody chose goes after this time when the disk is full."""
_WAV_BYTES = 4 * 44_100
"""Of a second of stereo sound, as it usually is."""
_SLACK = 20_000_000
"""Bytes of a version beside picture and sound: MIDI, report, pictures."""
_STEMS = 5
"""Sounds of the length of the film, one a group."""


def wav_bytes(sound: SoundSettings) -> int:
    """Return the bytes of a second of stereo sound in a WAV file."""
    return 2 * sound.sample_rate * int(sound.bit_depth.removesuffix("-bit")) // 8


def version_bytes(film_bytes: int, seconds: float, wav: int = _WAV_BYTES) -> int:
    """Return about how many bytes a version of a film takes, and what is written on its way.

    `wav` are those of a second of its sound.
    """
    return 2 * film_bytes + round(seconds * wav) + _SLACK


def bundle_bytes(film_bytes: int, seconds: float, wav: int = _WAV_BYTES) -> int:
    """Return about how many bytes stems and ZIP take, and what is written on their way; `wav` as
    for `version_bytes`."""
    stems = _STEMS * round(seconds * wav)
    # As files and in the ZIP, which has the version as well.
    return 2 * stems + version_bytes(film_bytes, seconds, wav)


def mix_bytes(seconds: float, wav: int = _WAV_BYTES) -> int:
    """Return about how many bytes the sounds of a version take, to be mixed; losslessly compressed
    they have half of it. `wav` as for `version_bytes`."""
    return (_STEMS + 1) * round(seconds * wav)


class DiskQuota:
    """Refuses work that needs more disk than there is, before it begins and not in its middle."""

    def __init__(self, root: Path, limits: HostLimits, sweep: Callable[[], None]) -> None:
        """
        Args:
            root: the folder in which all requests and uploads lie.
            limits: bytes that they may have.
            sweep: removes what is past its hour.
        """
        self.root, self.limits = root, limits
        self._sweep = sweep
        self._lock = threading.Lock()
        self.promised = 0
        """Bytes for work under way."""
        self._uploads: dict[tuple[Path, int], tuple[float, float]] = {}
        """By name and inode: since when each is known, and since when no request has it; infinity
        where one does."""

    def used(self, folder: Path | None = None) -> int:
        """Return the bytes of all files in a folder, by default of everybody's; a file counts once,
        however many names it has."""
        seen: set[tuple[int, int]] = set()
        total = 0
        for path, status in _files(self.root if folder is None else folder):
            del path
            if status.st_nlink > 1:
                key = (status.st_dev, status.st_ino)
                if key in seen:
                    continue
                seen.add(key)
            total += status.st_size
        return total

    def has_room(self, needed: int = 0) -> bool:
        """Return whether so many bytes more may be written now, beside what is promised already."""
        with suppress(OSError):
            free = shutil.disk_usage(self.root).free
            if free - self.promised - needed < self.limits.disk_free:
                return False
        return self.used() + self.promised + needed <= self.limits.disk

    @contextmanager
    def reserved(self, needed: int, folder: Path | None = None) -> Iterator[None]:
        """Keep so many bytes free for the work in the ``with`` block.

        What is past its hour goes first, and uploads that nobody chose; nothing else does.

        Args:
            needed: bytes, estimated high.
            folder: of the request, which has a bound of its own.

        Raises:
            EmsyncError: there is no room now; or never, for this request.
        """
        if folder is not None and self.used(folder) + needed > self.limits.disk_per_request:
            raise EmsyncError(REQUEST_FULL)
        with self._lock:
            enough = self.has_room(needed)
            if enough:
                self.promised += needed
        if not enough:
            self._sweep()
            self.remove_abandoned()
            with self._lock:
                if not self.has_room(needed):
                    raise EmsyncError(FULL)
                self.promised += needed
        try:
            yield
        finally:
            with self._lock:
                self.promised -= needed

    def check(self, folder: Path) -> None:
        """Raise if more lies here by now than may: some pictures take far more than was reserved.

        Args:
            folder: of the request.

        Raises:
            EmsyncError: its own bound, or that of all, is passed.
        """
        if self.used(folder) > self.limits.disk_per_request:
            raise EmsyncError(REQUEST_FULL)
        with suppress(OSError):
            if shutil.disk_usage(self.root).free < self.limits.disk_free:
                raise EmsyncError(FULL)
        if self.used() > self.limits.disk:
            raise EmsyncError(FULL)

    def look_at_uploads(self) -> None:
        """Note since when uploads lie there that no request has; every few minutes."""
        now = time.monotonic()
        uploads = [
            (path, status)
            for path, status in _files(self.root)
            if not path.relative_to(self.root).parts[0].startswith("request-")
        ]
        with self._lock:
            before, self._uploads = self._uploads, {}
            for path, status in uploads:
                known, unused = before.get((path, status.st_ino), (now, now))
                unused = math.inf if status.st_nlink > 1 else min(unused, now)
                self._uploads[path, status.st_ino] = known, unused

    def remove_old(self, seconds: float) -> None:
        """Remove uploads that were known for so long, and what else Gradio lays beside them.

        Gradio can do that as well, until its task for it dies: of an upload that comes while it
        looks through them all (6.31).
        """
        self.look_at_uploads()
        old = time.monotonic() - seconds
        with self._lock:
            stale = [path for (path, _), (known, _) in self._uploads.items() if known < old]
        for path in stale:
            remove_upload(path)

    def remove_abandoned(self) -> None:
        """Remove uploads that were known for ten minutes and that no request has."""
        self.look_at_uploads()
        old = time.monotonic() - _ABANDONED_SECONDS
        with self._lock:
            abandoned = [path for (path, _), (_, unused) in self._uploads.items() if unused < old]
        for path in abandoned:
            remove_upload(path)


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 if it is no longer there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def remove_upload(upload: Path) -> None:
    """Remove an upload, and its folder unless something else lies in it."""
    upload.unlink(missing_ok=True)
    with suppress(OSError):
        upload.parent.rmdir()


def in_words(film: FilmLimits, experts: ExpertSettings, host: HostLimits) -> list[str]:
    """Return all limits for the page, a plain sentence each."""
    tools = host.tools
    patience = experts.patience + 60 * experts.patience_per_second

    def minutes(stage: str) -> str:
        at_least, per_second = host.stages[stage]
        return f"{(at_least + 60 * per_second) / 60:.0f}"

    return [
        f"A film has at most {film.seconds / 60:g} minutes, {film.bytes / 1e6:.0f} MB, "
        f"{film.frames:,} frames, and {film.pixels / 1e6:.1f} million pixels a frame (4K is fine).",
        f"At most {host.waiting} films are at work or wait. Whoever comes then is told so, keeps "
        "the film, and can press again.",
        "Each stage has its time, more for a longer film; after that it is stopped, and a sentence "
        f"names it. Opening a film has {film.look_seconds / 60:g} min. For a film of a minute, "
        f"finding the cuts has {minutes('scenes')} min, reading the sound "
        f"{minutes('emotion')}, each expert {patience / 60:.0f}, composing "
        f"{minutes('compose')}, playing {minutes('render')}, writing the film "
        f"{minutes('mux')}, stems and ZIP {minutes('bundle')}. Commonly all of it "
        "together takes less than one.",
        f"All that is made of one film may take {host.disk_per_request / 1e9:g} GB of disk, and "
        f"everybody's together {host.disk / 1e9:g} GB; {host.disk_free / 1e9:g} GB of the disk "
        f"must stay free. A scored film has at most {tools.scored_bytes / 1e9:g} GB.",
        f"FFmpeg, which decodes and encodes, gets {tools.memory / 1e9:g} GB of memory and at most "
        f"{tools.threads} threads.",
        f"A page keeps its last {MOST_TAKES} takes. When another is made the oldest goes, one "
        "without a star before one with.",
        "Nothing of yours is removed to make room for others before its hour is over.",
    ]


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield all files below a folder; what goes in the meantime is left out."""
    waiting = [folder]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        yield Path(entry.path), entry.stat(follow_symlinks=False)
