"""Programs that we start end when we end, even if we are killed and can tidy up nothing."""

import subprocess
import sys
from contextlib import suppress

_WATCHER = 'read -r group && read -r end; [ -n "$group" ] && kill -s KILL -- "-$group"'
"""For the shell. The second `read` waits for a line that nobody writes: it ends when the pipe does,
and the system closes the pipe whatever becomes of its owner."""


class Lifeline:
    """Watches over one group of processes from outside; to be opened before the group is started.

    It works wherever there is a POSIX shell. Linux can send a signal when a parent dies, but means
    by that the thread that forked, and to ask for it code has to run between fork and exec, which
    is not safe where there are threads.
    """

    def __init__(self) -> None:
        self._watcher: subprocess.Popen[bytes] | None = None
        if sys.platform == "win32":
            return
        with suppress(OSError):  # a system without a shell; its programs end by their time limits
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHER],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us, not for it
            )

    def tie(self, group: int) -> None:
        """Have the group of this number killed when this process ends, however that comes about."""
        if self._watcher is not None and self._watcher.stdin is not None:
            with suppress(OSError):  # somebody killed the watcher
                self._watcher.stdin.write(b"%d\n" % group)
                self._watcher.stdin.flush()

    def close(self) -> None:
        """Let the group be; call it before its number may be another's."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher.stdin is not None:
            watcher.kill()
            watcher.wait()
            with suppress(OSError):
                watcher.stdin.close()
