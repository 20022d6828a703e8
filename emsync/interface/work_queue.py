"""Waiting one's turn: work that many ask for, and that a few places do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from emsync.errors import EmsyncError
from emsync.limits import HostLimits
from emsync.progress import CancelToken

LONGEST_LINE = HostLimits.waiting
"""Who may wait at the same time, unless it is said."""

_LOOK_SECONDS = 0.2


class Line:
    """First come, first served."""

    def __init__(self, places: int = 1, longest: int = LONGEST_LINE) -> None:
        """
        Args:
            places: how many are served at the same time.
            longest: how many may wait beside those.
        """
        self._places, self._longest = places, longest
        self._changed = threading.Condition()
        self._tickets: list[object] = []

    def __len__(self) -> int:
        """Those that are served and those that wait."""
        with self._changed:
            return len(self._tickets)

    @contextmanager
    def turn(self, cancel: CancelToken, tell: Callable[[int], None]) -> Iterator[None]:
        """Wait for a place, and keep it for the length of the `with`.

        Args:
            cancel: leaves the line at once.
            tell: told how many come before, whenever that changes; 0 when it is one's turn.

        Raises:
            EmsyncError: the line is too long.
            Cancelled: while waiting.
        """
        ticket = object()
        with self._changed:
            if len(self._tickets) >= self._places + self._longest:
                raise EmsyncError("Many people are composing right now. Try again in a while.")
            self._tickets.append(ticket)
        try:
            told = None
            while True:
                with self._changed:
                    before = max(0, self._tickets.index(ticket) - self._places + 1)
                if before != told:
                    tell(before)
                    told = before
                if not before:
                    break
                cancel.check()
                with self._changed:
                    self._changed.wait(_LOOK_SECONDS)
            yield
        finally:
            with self._changed:
                with suppress(ValueError):
                    self._tickets.remove(ticket)
                self._changed.notify_all()
