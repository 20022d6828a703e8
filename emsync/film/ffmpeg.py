"""FFmpeg as a subprocess: which binary, what it may open, how it is read and how it is stopped."""

import functools
import os
import re
import selectors
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

from emsync.errors import ToolError
from emsync.limits import ToolLimits, tool_limits
from emsync.process.child import Child
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
from emsync.text import one_line

MEDIA_FORMATS = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "live_flv", "asf", "ogg", "gif",
    "mxf", "dv", "nut", "ivf", "rm", "wtv", "yuv4mpegpipe",
    "mp3", "wav", "w64", "flac", "aac", "aiff", "ac3", "eac3", "amr", "caf", "wv", "ape",
)  # fmt: skip
"""Demuxers that read one file and nothing else.

FFmpeg looks at the content, not at the name: a playlist or a concat script that calls itself
`.mp4` would otherwise make it read other files of this machine. The second half is sound only,
there so that a song is refused as a song.
"""

OLDEST_VERSION = (5, 1)
"""`-fps_mode` came with FFmpeg 5.1, and later versions dropped the option that it replaced."""

_NO_MEMORY = (
    b"Cannot allocate memory",
    b"malloc of size",
    b"Resource temporarily unavailable",
    b"Error while opening encoder",  # its parameters are ours: FFmpeg 9 says so of missing memory
)
"""What FFmpeg and x264 say when they get no more memory, or no thread for want of it."""

_SUMMARIES = (
    "Error opening input files",
    "Error opening output files",
    "Nothing was written into output file",
    "Conversion failed",
)
"""What FFmpeg says in the end of what went wrong before."""

Source = Literal["out", "side", "stills", "pictures"]
"""Which of its pipes FFmpeg wrote into: standard output, or one of `FFmpegRun.open_side_pipe`."""

_LOOK_SECONDS = 0.2
_GROWTH = 4
"""Times the limit on pixels that a picture may have after the first."""
_SIZE_SECONDS = 1.0
_ANSWER_SECONDS = 20.0
_CHUNK_BYTES = 1 << 20
_STDERR_BYTES = 4096


def ffmpeg_executable(encoders: Sequence[str] = ()) -> str:
    """Return the FFmpeg to run: the system's if it will do, else that of imageio-ffmpeg.

    Args:
        encoders: names of the encoders that it must have, such as ``"libx264"``.

    Raises:
        ToolError: there is no FFmpeg, or none that is recent and complete enough.
    """
    seen = []
    for path in _candidates():
        description = _describe(path)
        if description is None:
            continue
        version, available = description
        too_old = version is not None and version < OLDEST_VERSION
        missing = [name for name in encoders if name not in available]
        if not too_old and not missing:
            return path
        lack = "is too old" if too_old else f"has no {' and no '.join(missing)}"
        seen.append(f"the one at {path} {lack}")
    if not seen:
        raise ToolError(
            "FFmpeg is missing. Install it with `sudo apt-get install -y ffmpeg` or "
            "`pip install imageio-ffmpeg`."
        )
    raise ToolError(
        f"No suitable FFmpeg was found ({'; '.join(seen)}). "
        "`pip install imageio-ffmpeg` brings one that works."
    )


def input_arguments(path: Path) -> list[str]:
    """Return arguments that open `path` and, whatever it contains, no other file, no network."""
    # The explicit protocol keeps names such as "-y.mp4" and "pipe:0" from meaning something else.
    return [
        "-protocol_whitelist", "file,pipe",
        "-format_whitelist", ",".join(MEDIA_FORMATS),
        "-threads", str(threads()),
        # A film may grow in the middle, and only its first picture was looked at.
        "-max_pixels", str(_GROWTH * FilmLimits.pixels),
        "-i", f"file:{path.absolute()}",
    ]  # fmt: skip


def threads(limits: ToolLimits = ToolLimits()) -> int:  # noqa: B008 (frozen)
    """Return the threads of a decoder, encoder or filter graph: the cores, up to the limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(limits.threads, cores or 1))


class FFmpegRun:
    """One run of FFmpeg. Leaving the ``with`` block, however that happens, ends the process.

    Output is read with a selector in the caller's own thread: nothing blocks for longer than
    0.2 s, so a cancelled request stops even when FFmpeg is silent, and a slow reader makes FFmpeg
    wait instead of filling memory. Its own memory and threads are bounded (`ToolLimits`), and it
    ends with this process, even if that is killed.
    """

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel
        self._written: tuple[Path, int] | None = None
        self._next_size = 0.0
        self._child: Child | None = None
        self._sides: dict[Source, tuple[int, ...]] = {}
        """Their ends that are open here: ours and, until the start, FFmpeg's."""
        self._stderr = bytearray()
        self._places: list[str] = []
        """As files are named in its arguments."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            # With its group: some systems wrap FFmpeg in a script or a sandbox.
            self._child.end()
        # Each once: a number that is closed already may be another thread's file by now.
        for ends in self._sides.values():
            for descriptor in ends:
                os.close(descriptor)
        self._sides.clear()

    @property
    def pid(self) -> int | None:
        """Number of the process, and of its group; None before `start`."""
        return None if self._child is None else self._child.process.pid

    def open_side_pipe(self, source: Source = "side") -> int:
        """Open another pipe out of FFmpeg, which `read` calls `source`; before `start`.

        Returns:
            The number that ``pipe:N`` needs.
        """
        self._sides[source] = os.pipe()
        return self._sides[source][1]

    def start(
        self,
        arguments: Sequence[str],
        executable: str | None = None,
        writes: Path | None = None,
    ) -> None:
        """Start FFmpeg with `arguments` (without the program's name and the quiet options).

        Args:
            arguments: inputs and outputs.
            executable: which FFmpeg; None for `ffmpeg_executable`.
            writes: a file among the outputs, which may not become larger than the limits say.

        Raises:
            ToolError: it is missing or cannot be started.
            Cancelled: the owner of the request asked to stop.
        """
        self._cancel.check()
        files = [word for word in arguments if word.startswith("file:")]
        self._places = [*files, *(word.removeprefix("file:") for word in files)]
        limits = tool_limits()
        if writes is not None:
            self._written = writes, limits.scored_bytes
        command = [executable or ffmpeg_executable(), "-nostdin", "-hide_banner", "-v", "error"]
        command += ["-filter_threads", str(threads(limits))]
        command += ["-filter_complex_threads", str(threads(limits))]
        # A film with damage in it is still a film: only our callers decide what is too little.
        command += ["-max_error_rate", "1"]
        try:
            self._child = Child(
                [*command, *arguments],
                # Where FFmpeg is a wrapper, that may look at home for its own.
                variables={name: os.environ[name] for name in {"HOME"} & {*os.environ}},
                memory=limits.memory,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[written for _, written in self._sides.values()],
            )
        except OSError as error:
            raise ToolError(f"FFmpeg could not be started: {error.strerror}.") from error
        for source, (ours, theirs) in self._sides.items():
            # Ours must go, or the pipe would never report its end.
            os.close(theirs)
            self._sides[source] = (ours,)

    def read(self) -> Iterator[tuple[Source, bytes]]:
        """Yield what FFmpeg writes, in pieces, until it has closed all its outputs.

        Raises:
            Cancelled: the owner of the request asked to stop.
            TooLong: the stage's time is over.
            ToolError: the file that is written has become too large.
        """
        assert self._child is not None, "started"
        process = self._child.process
        assert process.stdout is not None and process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout.fileno(), selectors.EVENT_READ, "out")
            selector.register(process.stderr.fileno(), selectors.EVENT_READ, "err")
            for source, (ours, *_) in self._sides.items():
                selector.register(ours, selectors.EVENT_READ, source)
            while selector.get_map():
                self._look()
                for key, _ in selector.select(_LOOK_SECONDS):
                    chunk = os.read(key.fd, _CHUNK_BYTES)
                    if not chunk:
                        selector.unregister(key.fd)
                    elif key.data == "err":
                        self._stderr += chunk
                        del self._stderr[:-_STDERR_BYTES]
                    else:
                        yield key.data, chunk

    def finish(self) -> int:
        """Wait for the end after `read` is exhausted.

        Returns:
            The exit status, negative for a signal.

        Raises:
            ToolError: it had to give up because it got no more memory.
            Cancelled, TooLong, ToolError: as `read`.
        """
        assert self._child is not None, "started"
        self._look()
        while not self._child.wait(_LOOK_SECONDS):
            self._look()
        self._child.end()
        status = self._child.process.returncode
        if status != 0 and any(words in self._stderr for words in _NO_MEMORY):
            raise ToolError(
                f"FFmpeg needs more memory for this film than the {tool_limits().memory / 1e9:g} "
                "GB that it gets. Export the film smaller, for example in 1080p, and try again."
            )
        return status

    def _look(self) -> None:
        """Stop if the owner asked to, the time is over, or too much was written."""
        self._cancel.check()
        now = time.monotonic()
        if self._written is None or now < self._next_size:
            return
        self._next_size = now + _SIZE_SECONDS
        path, most = self._written
        with suppress(FileNotFoundError):  # not begun yet
            if path.stat().st_size > most:
                raise ToolError(
                    f"The scored film would be larger than {most / 1e9:g} GB. Export the film "
                    "smaller, or as MP4 (H.264), and try again."
                )

    @property
    def complaint(self) -> str:
        """The line of FFmpeg's standard error that says most, for messages; may be empty.

        That is the last one, but for what newer versions add to sum up.
        """
        said = self._stderr.decode("utf-8", "replace")
        for place in self._places:  # nobody needs to know where files lie here
            said = said.replace(place, Path(place).name)
        lines = said.strip().splitlines()
        telling = [line for line in lines if not any(word in line for word in _SUMMARIES)]
        best = (telling or lines or [""])[-1]
        return one_line(best.strip())

    @property
    def words(self) -> str:
        """`complaint` as a sentence to add to one of ours; empty if it said nothing."""
        return f" FFmpeg says: {self.complaint.rstrip('.')}." if self.complaint else ""

    @property
    def disk_full(self) -> bool:
        """Whether FFmpeg stopped because there was no room left to write."""
        return b"No space left on device" in self._stderr


def _candidates() -> Iterator[str]:
    """Yield the paths at which there may be an FFmpeg, the system's first."""
    system = shutil.which("ffmpeg")
    if system is not None:
        yield system
    with suppress(ImportError, RuntimeError):
        import imageio_ffmpeg

        packaged = imageio_ffmpeg.get_ffmpeg_exe()
        if packaged != system:
            yield packaged


def _describe(path: str) -> tuple[tuple[int, int] | None, frozenset[str]] | None:
    """Return what `_described` does; None if it does not run, which is asked anew next time."""
    with suppress(OSError, subprocess.SubprocessError):
        return _described(path)
    return None


@functools.cache
def _described(path: str) -> tuple[tuple[int, int] | None, frozenset[str]]:
    """Return the version (None for builds between releases) and the encoders of an FFmpeg.

    Raises:
        OSError, subprocess.SubprocessError: it does not run.
    """
    listing = subprocess.run(
        [path, "-encoders"],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_ANSWER_SECONDS,
        check=True,
    )
    found = re.search(r"ffmpeg version n?(\d+)\.(\d+)", listing.stderr)
    version = (int(found[1]), int(found[2])) if found else None
    # A line reads " V....D libx264    description": capabilities, name, words.
    encoders = re.findall(r"^ [VAS][.A-Z]{5} (\S+)", listing.stdout, re.MULTILINE)
    return version, frozenset(encoders)
