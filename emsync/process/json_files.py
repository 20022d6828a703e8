"""Reading JSON files that may come from strangers."""

import json
from pathlib import Path
from typing import Any

from emsync.errors import EmsyncError
from emsync.text import one_line, quoted

_MOST_DIGITS = 40
"""Digits of a whole number. Python takes time that grows with their square to read them."""


def read_json(path: Path, most: int) -> Any:
    """Return what a JSON file holds.

    A name that stands twice, a word for a number that is none and very long numbers are refused,
    since nobody writes them in good faith.

    Args:
        path: of the file.
        most: bytes; a longer file is not read.

    Raises:
        EmsyncError: it is not there, too large, not JSON, or refused for one of these reasons.
    """

    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in pairs:
            if name in made:
                raise ValueError(f"“{one_line(name, 40)}” is there twice")
            made[name] = value
        return made

    def whole_number(digits: str) -> int:
        if len(digits) > _MOST_DIGITS:
            raise ValueError(f"it has a number with {len(digits)} digits")
        return int(digits)

    def refused(word: str) -> float:
        raise ValueError(f"{word} is no number")

    try:
        if path.exists() and not path.is_file():
            raise EmsyncError(f"{quoted(path.name)} is not a file. Give the name of a JSON file.")
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise EmsyncError(
                f"{quoted(path.name)} is too large: at most {most / 1000:g} kB are read. "
                "Choose another file."
            )
        return json.loads(
            content, object_pairs_hook=each_once, parse_constant=refused, parse_int=whole_number
        )
    except FileNotFoundError as problem:
        raise EmsyncError(
            f"There is no file {quoted(path.name)}. Check the name and the folder."
        ) from problem
    except OSError as problem:
        raise EmsyncError(f"{quoted(path.name)} cannot be read: {problem.strerror}.") from problem
    except (ValueError, RecursionError) as problem:
        reason = "it is nested too deep" if isinstance(problem, RecursionError) else problem
        raise EmsyncError(
            f"{quoted(path.name)} is not a JSON file that can be read: {reason}."
        ) from problem
