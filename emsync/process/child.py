"""Work on a stranger's bytes in a process of its own, which may crash, swell or hang by itself.

Libraries written in C read the files of strangers, and a file made for it could end such a library
or take it over. So the page's own process never opens them: a child does, which is told what to do
and answers in bytes. It knows none of the app's secrets, is given little memory and time, and is
ended, with whatever it has started, when it is no longer wanted.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emsync.process.lifeline import Lifeline
from emsync.progress import CancelToken

LARGEST_ANSWER = 1 << 20
"""Bytes; what a child says beyond is not read."""

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


def run_module(
    name: str,
    message: bytes,
    seconds: float,
    cancel: CancelToken | None = None,
) -> Done:
    """Run a module of ours apart, give it a message and read its answer.

    Args:
        name: of the module, such as "emsync.film.probe"; it should call `confine` first.
        message: written to its standard input; a few kilobytes.
        seconds: of wall-clock time that it may take.
        cancel: looked at twenty times a second.

    Raises:
        TooSlow: it took longer.
        Cancelled: by `cancel`.
        OSError: it could not be started.
    """
    # -P and -B: no module comes from the current folder, no bytecode goes anywhere.
    process = subprocess.Popen(
        [sys.executable, "-P", "-B", "-m", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    lifeline = Lifeline()
    lifeline.tie(process.pid)
    answer, deadline = process.stdout, time.monotonic() + seconds
    said: list[bytes] = []
    # A thread, for on Windows pipes cannot be waited for.
    listener = threading.Thread(
        target=lambda: said.append(answer.read(LARGEST_ANSWER + 1)), daemon=True
    )
    listener.start()
    try:
        with suppress(BrokenPipeError):  # it says so itself, by ending
            process.stdin.write(message)
            process.stdin.close()
        while listener.is_alive():
            if cancel is not None:
                cancel.check()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooSlow
            listener.join(min(_LOOK_SECONDS, left))
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)  # one that talks too much is not waited for
    finally:
        _end(process)
        lifeline.close()
        with suppress(BrokenPipeError):
            process.stdin.close()
        listener.join(_GRACE_SECONDS)
        if not listener.is_alive():
            answer.close()
    return Done(process.returncode, b"".join(said))


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a child: none of the app's secrets, and one thread for each library.

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


def confine(seconds: float, memory: int | None, file_bytes: int = 0) -> None:
    """Bound what this process may take, where the system can do that.

    Args:
        seconds: of the processor; of the clock a little more.
        memory: bytes of address space; None for as much as there is. macOS does not heed it.
        file_bytes: that a file which it writes may have.
    """
    whole = max(1, round(seconds))
    if hasattr(signal, "alarm"):
        signal.alarm(whole + _GRACE_SECONDS)  # should the other process have been killed
    if sys.platform == "win32":
        return
    import resource

    bounds = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: whole,
        resource.RLIMIT_FSIZE: file_bytes,
    }
    if memory is not None:
        bounds[resource.RLIMIT_AS] = memory
    for kind, most in bounds.items():
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # macOS knows some of them by name only.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (bound, bound))


def fault(error: Exception) -> str:
    """What a child says, for the log, of an exception that it does not know: a fault of ours."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {error}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a child and all that it has started, and wait until it is gone."""
    if sys.platform == "win32":
        process.kill()
    else:
        # Also if it has ended by itself, for others of its group may live on; until it is waited
        # for, nobody else can have its number.
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    process.wait()
