"""Ctrl-C and its kin ask a command to stop, as the page's Cancel does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from emsync.progress import CancelToken

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def cancelled_by_signals() -> Iterator[CancelToken]:
    """Yield a token that Ctrl-C, SIGTERM and SIGHUP cancel in the `with` block.

    The first signal cancels and raises nothing: an exception that a signal raises within one of
    Python's own callbacks is dropped, and the work would go on. The second raises, for who cannot
    wait. Only the main thread can take signals; elsewhere nothing but the caller cancels.

    Raises:
        KeyboardInterrupt: at the second signal.
    """
    token = CancelToken()
    if threading.current_thread() is not threading.main_thread():
        yield token
        return

    def stop(*_: object) -> None:
        if token.cancelled:
            raise KeyboardInterrupt
        token.cancel()

    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
