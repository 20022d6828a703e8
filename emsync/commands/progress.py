"""What is under way, for whoever watches a command: on standard error."""

import sys
import time

from emsync.progress import Progress
from emsync.stages import STAGES


class StatusLine:
    """What is under way: one line, written over, on a terminal; a line for each thing elsewhere."""

    def __init__(self, quiet: bool, pause: float = 0.0) -> None:
        """Show nothing yet.

        Args:
            quiet: show nothing at all.
            pause: seconds that a line stays at least on a terminal.
        """
        self._quiet, self._pause = quiet, pause
        self._stream = sys.stderr
        self._shown = ""
        self._next = 0.0

    def show(self, doing: str, more: str) -> None:
        """Show what is under way.

        Args:
            doing: the thing itself.
            more: how far it is; only shown on a terminal.
        """
        if self._quiet:
            return
        if not self._stream.isatty():
            if self._shown != doing:
                print(doing, file=self._stream, flush=True)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + self._pause
            print(f"\r\033[K{doing}{more}", end="", file=self._stream, flush=True)
        self._shown = doing

    def clear(self) -> None:
        """Leave nothing on the line, and begin anew."""
        if self._shown and self._stream.isatty():
            print("\r\033[K", end="", file=self._stream, flush=True)
        self._shown = ""

    def show_progress(self, progress: Progress) -> None:
        """Show how far a pipeline is; a `ProgressCallback`."""
        doing = STAGES[progress.stage].doing
        if progress.detail:
            doing += f" ({progress.detail.lower()})"
        left = (
            "" if progress.seconds_left is None else f", about {progress.seconds_left:.0f} s left"
        )
        self.show(doing, f" {progress.fraction:4.0%}{left}")
