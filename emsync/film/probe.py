"""What film a file is, found out in a process of its own (`emsync.film.probe_worker`)."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emsync.errors import FilmError
from emsync.film.examine import first_bytes
from emsync.film.film import Film, from_plain
from emsync.process import child
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
from emsync.text import one_line, quoted

OUT_OF_MEMORY = {"failed": "memory"}
"""Answer of a worker whose memory did not suffice."""

log = logging.getLogger(__name__)


def probe(
    path: Path,
    limits: FilmLimits = FilmLimits(),  # noqa: B008 (frozen)
    cancel: CancelToken | None = None,
) -> Film:
    """Find out what film a file is, as `emsync.film.examine.examine` does, but apart.

    Nothing that the process says is trusted further than a film's own header would be.

    Args:
        path: of the film.
        limits: on the film, and on the process that reads it.
        cancel: stops it within a tenth of a second.

    Raises:
        FilmError: as `examine`; or it takes too long or too much memory to read, or brings the
            process down.
        Cancelled: the owner of the request asked to stop.
    """
    first_bytes(path, limits)
    name = quoted(path.name)
    question = {"path": str(path), "limits": asdict(limits)}
    try:
        done = child.run_module(
            "emsync.film.probe_worker", json.dumps(question).encode(), limits.look_seconds, cancel
        )
    except child.TooSlow as error:
        raise FilmError(
            f"{name} could not be looked at within {limits.look_seconds:g} s: it has too many "
            "parts, or is made to keep its reader busy. Export it again, as MP4."
        ) from error
    except OSError as error:
        raise FilmError(
            f"{name} could not be looked at: {error.strerror}. Try again later."
        ) from error
    answer = _answer(done)
    if "refused" in answer and isinstance(answer["refused"], str):
        raise FilmError(one_line(answer["refused"], 600))
    if answer == OUT_OF_MEMORY:
        raise FilmError(
            f"To look at {name} more memory is needed than the "
            f"{limits.look_memory / 1e6:.0f} MB that a film gets. Export it smaller."
        )
    try:
        return from_plain(answer["film"], path)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        log.warning("looking at a film ended with %d: %.200r", done.status, done.said)
        raise FilmError(
            f"{name} brought down the program that reads films: it is damaged, or made to do "
            "harm. Try to export it again, as MP4."
        ) from error


def _answer(done: child.Done) -> dict[str, Any]:
    """Return what the process said; nothing if that is not JSON."""
    try:
        said = json.loads(done.said)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
