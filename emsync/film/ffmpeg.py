"""FFmpeg as a subprocess: which binary, what it may open, how it is read and how it is stopped."""

import functools
import os
import re
import selectors
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from emsync.errors import ToolError
from emsync.progress import CancelToken

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

Source = Literal["out", "side", "stills"]

_LOOK_SECONDS = 0.2
_CHUNK_BYTES = 1 << 20
_STDERR_BYTES = 4096


def ffmpeg_executable(encoders: Sequence[str] = ()) -> str:
    """The FFmpeg to run: the system's if it will do, else the one packaged with imageio-ffmpeg.

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
    """Arguments that open `path` and, whatever it contains, no other file and no network."""
    # The explicit protocol keeps names such as "-y.mp4" and "pipe:0" from meaning something else.
    return [
        "-protocol_whitelist", "file,pipe",
        "-format_whitelist", ",".join(MEDIA_FORMATS),
        "-i", f"file:{path.absolute()}",
    ]  # fmt: skip


class FFmpegRun:
    """One run of FFmpeg. Leaving the ``with`` block, however that happens, ends the process.

    Output is read with a selector in the caller's own thread: nothing blocks for longer than
    0.2 s, so a cancelled request stops even when FFmpeg is silent, and a slow reader makes FFmpeg
    wait instead of filling memory.
    """

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel
        self._process: subprocess.Popen[bytes] | None = None
        self._sides: dict[Source, tuple[int, ...]] = {}
        """Their ends that are open here: ours and, until the start, FFmpeg's."""
        self._stderr = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is not None:
            if process.poll() is None:
                # The whole group: some systems wrap ffmpeg in a script or a sandbox.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        # Each once: a number that is closed already may be another thread's file by now.
        for ends in self._sides.values():
            for descriptor in ends:
                os.close(descriptor)
        self._sides.clear()

    def open_side_pipe(self, source: Source = "side") -> int:
        """Another pipe out of FFmpeg, which `read` calls `source`; before `start`.

        Returns:
            The number that ``pipe:N`` needs.
        """
        self._sides[source] = os.pipe()
        return self._sides[source][1]

    def start(self, arguments: Sequence[str], executable: str | None = None) -> None:
        """Start FFmpeg with `arguments` (without the program's name and the quiet options)."""
        self._cancel.check()
        command = [executable or ffmpeg_executable(), "-nostdin", "-hide_banner", "-v", "error"]
        # A film with damage in it is still a film: only our callers decide what is too little.
        command += ["-max_error_rate", "1"]
        try:
            self._process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[written for _, written in self._sides.values()],
                start_new_session=True,
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
        """
        process = self._process
        assert process is not None and process.stdout is not None and process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout.fileno(), selectors.EVENT_READ, "out")
            selector.register(process.stderr.fileno(), selectors.EVENT_READ, "err")
            for source, (ours, *_) in self._sides.items():
                selector.register(ours, selectors.EVENT_READ, source)
            while selector.get_map():
                self._cancel.check()
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
        """Wait for the end after `read` is exhausted; the exit status, negative for a signal."""
        assert self._process is not None
        while True:
            self._cancel.check()
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(_LOOK_SECONDS)

    @property
    def complaint(self) -> str:
        """The last line that FFmpeg wrote to standard error, for messages; may be empty."""
        lines = self._stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    @property
    def disk_full(self) -> bool:
        """Whether FFmpeg stopped because there was no room left to write."""
        return b"No space left on device" in self._stderr


def _candidates() -> Iterator[str]:
    system = shutil.which("ffmpeg")
    if system is not None:
        yield system
    with suppress(ImportError, RuntimeError):
        import imageio_ffmpeg

        packaged = imageio_ffmpeg.get_ffmpeg_exe()
        if packaged != system:
            yield packaged


@functools.cache
def _describe(path: str) -> tuple[tuple[int, int] | None, frozenset[str]] | None:
    """Version (None for builds between releases) and encoders; None if it does not run at all."""
    try:
        listing = subprocess.run(
            [path, "-encoders"], capture_output=True, text=True, errors="replace", timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if listing.returncode != 0:
        return None
    found = re.search(r"ffmpeg version n?(\d+)\.(\d+)", listing.stderr)
    version = (int(found[1]), int(found[2])) if found else None
    # A line reads " V....D libx264    description": capabilities, name, words.
    encoders = re.findall(r"^ [VAS][.A-Z]{5} (\S+)", listing.stdout, re.MULTILINE)
    return version, frozenset(encoders)
