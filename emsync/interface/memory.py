"""What the app's C library does with memory that is free again."""

import ctypes
import sys
from contextlib import suppress
from typing import Any

_M_ARENA_MAX = -8
_ARENAS = 2


def few_arenas() -> None:
    """Have all threads share two heaps; call it before there are many threads.

    The GNU C library gives each thread that comes along a heap of its own, up to eight a core, and
    what is free in one is of no use to the others. After 200 short films on two cores an app that
    had begun with 0.9 GB had 1.4 GB; with two heaps, 1.0 GB (`python -m trials.soak`). Elsewhere
    nothing happens.
    """
    library = _library()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give free memory back to the system, after work that took much."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def _library() -> Any:
    """Return the GNU C library; None where there is another."""
    if sys.platform != "linux":
        return None
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        if library.mallopt and library.malloc_trim:
            return library
    return None
