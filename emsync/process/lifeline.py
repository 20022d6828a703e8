"""Programs that we start end when we end, even if we are killed and can tidy up nothing."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

_GUARD = 'read -r group && read -r end; [ -n "$group" ] && kill -s KILL -- "-$group"'
"""For the shell. The second `read` waits for a line that nobody writes: it ends when the pipe does,
and the system closes the pipe whatever becomes of its owner."""


class Lifeline:
    """Watches over one group of processes from outside; to be opened before the group is started.

    It works wherever there is a POSIX shell. Linux can send a signal when a parent dies, but means
    by that the thread that forked, and to ask for it code has to run between fork and exec, which
    is not safe where there are threads.
    """

    def __init__(self) -> None:
        self._guard: subprocess.Popen[bytes] | None = None
        if sys.platform == "win32":
            return
        with suppress(OSError):  # a system without a shell; its programs end by their time limits
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us, not for it
            )

    def tie(self, group: int) -> None:
        """The group of this number is killed when this process ends, however that comes about."""
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(OSError):  # somebody killed the guard
                self._guard.stdin.write(b"%d\n" % group)
                self._guard.stdin.flush()

    def close(self) -> None:
        """The group may live on, or has ended; call it before its number may be another's."""
        guard, self._guard = self._guard, None
        if guard is not None and guard.stdin is not None:
            guard.kill()
            guard.wait()
            with suppress(OSError):
                guard.stdin.close()


def bound(process: int, memory: int) -> None:
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


def end_group(group: int) -> None:
    """Kill all processes of a group that we lead; stopped ones as well."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
