"""The process in which a stranger's film is looked at (``python -m emsync.film.probe``).

It reads a question from its standard input and writes its answer to its standard output, both JSON:
the film's name and the limits go in; what kind of film it is comes out, or a sentence. Nothing that
it says is trusted further than a film's own header would be.
"""

import json
import logging
import os
import re
import sys
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, get_type_hints

from emsync.errors import FilmError
from emsync.film.examine import Film, examine
from emsync.process import child
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
from emsync.text import one_line, quoted

log = logging.getLogger(__name__)

_MEMORY = {"failed": "memory"}
_FRACTION = re.compile(r"-?\d{1,40}(/\d{1,40})?")
"""Time stamps have 19 digits."""


def look(path: Path, limits: FilmLimits, cancel: CancelToken | None = None) -> Film:
    """What `emsync.film.examine.examine` says of a film, found out in a process of its own.

    Args:
        path: of the film.
        limits: on the film, and on the process that reads it.
        cancel: stops it within a tenth of a second.

    Raises:
        FilmError: what the process says is wrong; or it took too long, needed too much memory, or
            did not survive the film.
        Cancelled: the owner of the request asked to stop.
    """
    name = quoted(path.name)
    question = {"path": str(path), "limits": asdict(limits)}
    try:
        done = child.run_module(
            "emsync.film.probe", json.dumps(question).encode(), limits.look_seconds, cancel
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
    if answer == _MEMORY:
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
    """What the process said; nothing if that is not JSON."""
    try:
        said = json.loads(done.said)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def to_plain(film: Film) -> dict[str, Any]:
    """A film as values for JSON, without its path."""
    plain = {one.name: getattr(film, one.name) for one in fields(film) if one.name != "path"}
    return {
        name: str(value) if isinstance(value, Fraction) else value for name, value in plain.items()
    }


def from_plain(plain: Any, path: Path) -> Film:
    """Inverse of `to_plain`.

    Raises:
        KeyError, TypeError, ValueError, ZeroDivisionError: it is no film's.
    """
    values: dict[str, Any] = {"path": path}
    for name, hint in get_type_hints(Film).items():
        if name == "path":
            continue
        value = plain[name]
        if hint is Fraction:
            # Not as it would be read: "1e999999999" is a number that nobody can write out.
            if not isinstance(value, str) or not _FRACTION.fullmatch(value):
                raise TypeError(f"{name} is no fraction")
            value = Fraction(value)
        elif not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
            raise TypeError(f"{name} is of another type")
        values[name] = value
    return Film(**values)


def main() -> None:
    """Look at the film that standard input names and say what it is, or what is wrong."""
    out = os.fdopen(os.dup(1), "wb")
    # What libraries print must not get into the answer.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    question = json.load(sys.stdin)
    limits = FilmLimits(**question["limits"])
    child.confine(limits.look_seconds, limits.look_memory)
    try:
        answer: dict[str, Any] = {"film": to_plain(examine(Path(question["path"]), limits))}
    except FilmError as error:
        answer = {"refused": str(error)}
    except MemoryError:
        answer = _MEMORY
    except Exception as error:  # a fault of ours, for the log
        answer = {"failed": child.fault(error)}
    out.write(json.dumps(answer).encode())
    out.flush()
    # Libraries that tidy up after a damaged film may fail at it, and the answer is given.
    os._exit(0)


if __name__ == "__main__":
    main()
