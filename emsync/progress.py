"""How a running pipeline talks to whoever started it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from emsync.errors import Cancelled, TooLong


@dataclass(frozen=True)
class Progress:
    """One step forward of one stage.

    Attributes:
        stage: name of the stage, as in `emsync.stages.STAGES`.
        fraction: share of this stage that is done, in [0, 1].
        seconds_left: estimate for this and all later stages; None where there is no telling yet.
        detail: what of the stage is under way, in a word or two; may be empty.
    """

    stage: str
    fraction: float
    seconds_left: float | None = None
    detail: str = ""


ProgressCallback = Callable[[Progress], None]
"""Receives every `Progress`; must return quickly and may be called from any thread."""


def silent(progress: Progress) -> None:
    """Tell nobody; a `ProgressCallback`."""


def silent_share(fraction: float) -> None:
    """Tell nobody of a share done, in [0, 1]."""


class CancelToken:
    """Set by the owner of a request, looked at by every loop of the pipeline."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the pipeline to stop; it does so at its next look, within a second or so."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if the owner asked to stop."""
        if self._event.is_set():
            raise Cancelled

    def within(self, seconds: float, sentence: str) -> "CancelToken":
        """Return the same token with an end: for a stage that may not take for ever.

        Args:
            seconds: from now on, by a clock that nobody sets.
            sentence: for the user. Once the time is over, `check` raises `TooLong` with it.
        """
        return _Timed(self, seconds, sentence)


class _Timed(CancelToken):
    """A token whose time runs out."""

    def __init__(self, owner: CancelToken, seconds: float, sentence: str) -> None:
        super().__init__()
        self._owner, self._sentence = owner, sentence
        self._end = time.monotonic() + seconds

    def cancel(self) -> None:
        self._owner.cancel()

    @property
    def cancelled(self) -> bool:
        return self._owner.cancelled

    def check(self) -> None:
        self._owner.check()
        if time.monotonic() > self._end:
            raise TooLong(self._sentence)
