"""Folders for the time of one run, the removal of what runs that were killed left behind, and files
of which no half is left."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "emsync-"
"""Of the folders' names; the number of the process follows."""


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder of this process, which goes at the end of the ``with`` block."""
    with tempfile.TemporaryDirectory(
        prefix=f"{PREFIX}{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def remove_leftovers() -> None:
    """Remove the folders of processes that are no more; call it before making one."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        # This process has made none yet: what bears its number is of an earlier container.
        if owner.isdecimal() and (int(owner) == os.getpid() or not is_running(int(owner))):
            shutil.rmtree(folder, ignore_errors=True)


def remove_partials(folder: Path, prefix: str, suffix: str) -> None:
    """Remove the files ``PREFIX<number of a process>SUFFIX`` of processes that are no more."""
    for path in folder.glob(f"{prefix}*{suffix}"):
        owner = path.name.removeprefix(prefix).removesuffix(suffix)
        if owner.isdecimal() and not is_running(int(owner)):
            path.unlink(missing_ok=True)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file that is to appear under its name whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Whether a process of this number is there."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
