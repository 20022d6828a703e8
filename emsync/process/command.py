"""What small commands have in common: a parser, an exit status, problems told in a line."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from emsync.errors import EmsyncError

Settings = TypeVar("Settings")


def parser_of(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser for `python -m module`; the lines of `description` stay as they are."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def settings_from(
    parser: argparse.ArgumentParser, kind: Callable[..., Settings], values: Mapping[str, object]
) -> Settings:
    """Return settings of a kind, or end with a line on what is wrong with their values."""
    try:
        return kind(**values)
    except ValueError as problem:
        parser.error(str(problem))


def exit_status(work: Callable[[], object]) -> int:
    """Do the work of a command and return 0, or tell the problem in a line and return 1."""
    try:
        work()
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    return 0


def check_empty(folder: Path) -> None:
    """Refuse a folder for results in which something lies.

    Raises:
        EmsyncError: there is something in it.
    """
    if folder.exists() and any(folder.iterdir()):
        raise EmsyncError(f"{folder} is not empty. Choose another folder.")
