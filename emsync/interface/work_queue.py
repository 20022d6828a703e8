"""Waiting for one's turn: work that many ask for and few places do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from emsync.errors import EmsyncError
from emsync.limits import HostLimits
from emsync.progress import CancelToken

MOST_WAITING = HostLimits.waiting
"""How many may wait at the same time, unless it is said."""
BUSY = "Many people are composing right now. Your film stays; try again in a while."
_LOOK_SECONDS = 0.2


class WorkQueue:
    """First come, first served."""

    def __init__(self, places: int = 1, most_waiting: int = MOST_WAITING) -> None:
        """
        Args:
            places: how many are served at the same time.
            most_waiting: how many may wait beside those.
        """
        self._places, self._most_waiting = places, most_waiting
        self._changed = threading.Condition()
        self._tickets: list[object] = []

    def __len__(self) -> int:
        """Return how many are served or wait."""
        with self._changed:
            return len(self._tickets)

    @contextmanager
    def turn(self, cancel: CancelToken, on_position: Callable[[int], None]) -> Iterator[None]:
        """Wait for a place, and keep it for the length of the `with`.

        Args:
            cancel: leaves the queue at once.
            on_position: called with how many come before, whenever that changes; with 0 when it
                is one's turn.

        Raises:
            EmsyncError: the queue is too long.
            Cancelled: while waiting.
        """
        ticket = object()
        with self._changed:
            if len(self._tickets) >= self._places + self._most_waiting:
                raise EmsyncError("Many people are composing right now. Try again in a while.")
            self._tickets.append(ticket)
        try:
            last = None
            while True:
                with self._changed:
                    ahead = max(0, self._tickets.index(ticket) - self._places + 1)
                if ahead != last:
                    on_position(ahead)
                    last = ahead
                if not ahead:
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
