"""Measuring something again and again while something else goes on."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Sampler(ABC):
    """Takes samples, on a thread of its own, as long as its ``with`` block runs."""

    def __init__(self, pause: float, patience: float | None = None) -> None:
        """Prepare to take samples.

        Args:
            pause: seconds between two samples.
            patience: seconds that the end of the block waits for a sample being taken; None for
                ever.
        """
        self._pause, self._patience = pause, patience
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @abstractmethod
    def sample(self) -> None:
        """Take one sample, and keep what it shows."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(self._patience)

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            self.sample()
