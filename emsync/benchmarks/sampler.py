"""Looking at something again and again while something else goes on."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Watcher(ABC):
    """Looks, on a thread of its own, as long as its ``with`` block runs."""

    def __init__(self, pause: float, patience: float | None = None) -> None:
        """
        Args:
            pause: seconds between two looks.
            patience: seconds that the end of the block waits for a look under way; None for ever.
        """
        self._pause, self._patience = pause, patience
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @abstractmethod
    def look(self) -> None:
        """Look once; what was seen is kept by whoever looks."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(self._patience)

    def _watch(self) -> None:
        while not self._stop.wait(self._pause):
            self.look()
