"""Work on a stranger's bytes in a process of its own, which may crash, swell or hang by itself.

Libraries written in C read the files of strangers, and a file made for it could end such a library
or take it over. So the page's own process never opens them: a child does, which is told what to do
and answers in bytes. It knows none of the app's secrets, is given little memory and time, and is
ended, with whatever it has started, when it is no longer wanted.

`Child` is any such process; `run_module` starts one of ours, asks it one question and returns its
answer. A module of ours begins with `confine`, which bounds what it may take; a program of others,
such as FFmpeg, is bounded from outside.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from emsync.process.lifeline import Lifeline
from emsync.progress import CancelToken

LARGEST_ANSWER = 1 << 20
"""Bytes of an answer, or of one line of it; what a child says beyond is not read."""

_MOST_LINES = 100
"""Lines that wait to be read; a child that says more waits itself."""
_LOOK_SECONDS = 0.05
_GRACE_SECONDS = 5
"""A child whose parent was killed ends itself so much later than it would have been ended."""
_KEPT = (
    "PATH", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
)  # fmt: skip


class TooSlow(Exception):
    """The child was not done in its time, and was ended."""


@dataclass(frozen=True)
class Done:
    """How a child ended: its exit status, negative for a signal, and what it said."""

    status: int
    said: bytes


class Child:
    """A program that runs apart, in a process group of its own and without the app's environment.

    Leaving the ``with`` block, or `end`, kills the whole group; so does the death of this process,
    however it comes about.

    Attributes:
        process: the program, with those of its pipes that were asked for.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        variables: Mapping[str, str] | None = None,
        folder: Path | None = None,
        memory: int | None = None,
        stdin: int = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start the program.

        Args:
            command: its path and its arguments.
            variables: of its environment, beside those of `environment` or in their place.
            folder: where it runs; here if None.
            memory: bytes of address space, bound from outside on Linux; None for a module of ours,
                which calls `confine`.
            stdin, stderr, pass_fds: as for `subprocess.Popen`.

        Raises:
            OSError: it cannot be started.
        """
        self._lifeline = Lifeline()
        try:
            self.process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=folder,
                env=environment(variables),
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except BaseException:
            self._lifeline.close()
            raise
        self._lifeline.tie(self.process.pid)
        if memory is not None:
            _bound(self.process.pid, memory)
        self._ended = threading.Event()
        self._lines: queue.Queue[bytes] | None = None
        self._listener: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        if self.process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):  # Windows, and macOS before Python 3.13
            return self.process.poll() is None
        # It is not waited for: until then its group's number is nobody else's, see `end`.
        with suppress(ChildProcessError):
            how = os.WEXITED | os.WNOWAIT | os.WNOHANG
            return os.waitid(os.P_PID, self.process.pid, how) is None
        return False

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, `seconds` at most; return whether it has."""
        deadline, pause = time.monotonic() + seconds, 0.001
        while self.is_running:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LOOK_SECONDS)
        return True

    def send(self, message: bytes, *, last: bool = False) -> None:
        """Write to its standard input, and close it after the `last` message.

        A thread writes, for a program that hangs reads nothing, and whoever writes to it would hang
        as well. One that has ended says so by its output.
        """
        pipe = self.process.stdin
        assert pipe is not None, "started with a pipe"

        def write() -> None:
            with suppress(OSError, ValueError):  # closed by the program, or by `end`
                pipe.write(message)
                pipe.flush()
                if last:
                    pipe.close()

        threading.Thread(target=write, daemon=True).start()

    def read_line(self, seconds: float) -> bytes | None:
        """Return the next line of its standard output, of `LARGEST_ANSWER` bytes at most.

        Args:
            seconds: that it is waited for.

        Returns:
            An empty line at the end of the output; None if nothing came in that time.
        """
        if self._lines is None:
            self._lines = queue.Queue(_MOST_LINES)
            # A thread, for on Windows pipes cannot be waited for.
            self._listener = threading.Thread(target=self._listen, args=(self._lines,), daemon=True)
            self._listener.start()
        with suppress(queue.Empty):
            return self._lines.get(timeout=seconds)
        return None

    def end(self) -> None:
        """Kill what still runs of it and of all that it has started; once is enough."""
        if self._ended.is_set():
            return
        self._ended.set()
        _kill_group(self.process)
        self.process.wait()
        self._lifeline.close()
        if self._listener is not None:
            self._listener.join(_GRACE_SECONDS)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            # A pipe that somebody still reads cannot be closed.
            if pipe is not None and not (pipe is self.process.stdout and self._is_heard):
                with suppress(OSError):  # what could not be written is not missed
                    pipe.close()

    @property
    def _is_heard(self) -> bool:
        return self._listener is not None and self._listener.is_alive()

    def _listen(self, lines: "queue.Queue[bytes]") -> None:
        """Pass on each line, and an empty one at the end."""
        assert self.process.stdout is not None
        line = b" "
        while line:
            line = self.process.stdout.readline(LARGEST_ANSWER)
            while not self._ended.is_set():
                with suppress(queue.Full):
                    lines.put(line, timeout=_LOOK_SECONDS)
                    break


def module_command(name: str) -> list[str]:
    """Return the command that runs a module of ours, such as "emsync.film.probe_worker"."""
    # -P and -B: no module comes from the current folder, no bytecode goes anywhere.
    return [sys.executable, "-P", "-B", "-m", name]


def run_module(
    name: str,
    message: bytes,
    seconds: float,
    cancel: CancelToken | None = None,
) -> Done:
    """Run a module of ours apart, give it a message and return its answer.

    Args:
        name: of the module, such as "emsync.film.probe_worker"; it should call `confine` first.
        message: written to its standard input; a few kilobytes.
        seconds: of wall-clock time that it may take.
        cancel: looked at twenty times a second.

    Raises:
        TooSlow: it took longer.
        Cancelled: by `cancel`.
        OSError: it could not be started.
    """
    said = bytearray()
    with Child(module_command(name)) as child:
        child.send(message, last=True)
        deadline = time.monotonic() + seconds
        while len(said) <= LARGEST_ANSWER:
            if cancel is not None:
                cancel.check()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooSlow
            line = child.read_line(min(_LOOK_SECONDS, left))
            if line == b"":
                break
            said += line or b""
        child.wait(_LOOK_SECONDS)  # one that talks too much is not waited for
    return Done(child.process.returncode, bytes(said))


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a child: no secrets of the app, and one thread for each library.

    Args:
        more: variables beside these, or in their place.
    """
    own = str(Path(__file__).resolve().parents[2])
    found = os.environ.get("PYTHONPATH")
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PYTHONPATH": f"{own}{os.pathsep}{found}" if found else own,
        "PYTHONUTF8": "1",
        # Memory is set aside for every thread, and it is counted.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        **(more or {}),
    }


def confine(seconds: float | None, memory: int | None, file_bytes: int = 0) -> None:
    """Bound what this process may take, where the system can do that.

    Args:
        seconds: of the processor, and of the clock a little more; None for a process that answers
            as long as it is asked.
        memory: bytes of address space; None for as much as there is. macOS does not heed it.
        file_bytes: that a file which it writes may have.
    """
    if seconds is not None and hasattr(signal, "alarm"):
        # Should the other process have been killed.
        signal.alarm(max(1, round(seconds)) + _GRACE_SECONDS)
    if sys.platform == "win32":
        return
    import resource

    bounds = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: file_bytes}
    if seconds is not None:
        bounds[resource.RLIMIT_CPU] = max(1, round(seconds))
    if memory is not None:
        bounds[resource.RLIMIT_AS] = memory
    for kind, most in bounds.items():
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # macOS knows some of them by name only.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (bound, bound))


def take_output() -> IO[bytes]:
    """Return this process's standard output, for its answers alone.

    What libraries print from then on, in C or in Python, goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def fault(error: Exception) -> str:
    """Return what a child says, for the log, of an exception that is a fault of ours."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {error}"


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a child and all that it has started; stopped processes as well."""
    if sys.platform == "win32":
        import psutil

        with suppress(psutil.NoSuchProcess):
            for one in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        process.kill()
        return
    # Also if it has ended by itself, for others of its group may live on; until it is waited for,
    # nobody else can have its number.
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _bound(process: int, memory: int) -> None:
    """Give a process that was just started so many bytes of address space, on Linux.

    From outside, as nothing of ours should run between fork and exec. A process that has ended
    already, or a system that allows no bounds, is left alone.
    """
    if sys.platform != "linux":
        return
    import resource

    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):
            _, hard = resource.prlimit(process, kind)
            value = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(process, kind, (value, value))
