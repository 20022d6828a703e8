"""Files that appear whole or not at all, folders for the time of one run, digests and locks."""

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emsync.errors import ToolError
from emsync.progress import CancelToken

PREFIX = "emsync-"
"""Of the names of temporary folders; the number of the process follows."""

_PARTIAL = ".partial"
_CHUNK_BYTES = 1 << 20
_RETRY_SECONDS = 0.2


@contextmanager
def process_folder() -> Iterator[Path]:
    """Yield a folder of this process, which is removed at the end of the ``with`` block."""
    with tempfile.TemporaryDirectory(
        prefix=f"{PREFIX}{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def remove_stale_folders() -> None:
    """Remove the folders of processes that no longer run; call it before making one."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        # This process has made none yet: what bears its number is of an earlier container.
        if owner.isdecimal() and (int(owner) == os.getpid() or not is_running(int(owner))):
            shutil.rmtree(folder, ignore_errors=True)


def remove_stale_files(folder: Path) -> None:
    """Remove what processes that no longer run had begun to write there with `written_whole`."""
    for path in folder.glob(f".{PREFIX}*-*{_PARTIAL}"):
        owner = path.name.removeprefix(f".{PREFIX}").split("-")[0]
        if owner.isdecimal() and not is_running(int(owner)):
            path.unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path, name: str | None = None) -> Iterator[Path]:
    """Yield the path at which to write a file that is to appear as `path` whole or not at all.

    It lies beside `path`, so that it can be renamed, under a name of this process alone, so that
    two writers do not meet and `remove_stale_files` knows whose it was.

    Args:
        path: replaced if it exists.
        name: how an error calls it; the file's name if None.

    Raises:
        ToolError: it cannot be written, for example because the disk is full.
    """
    partial = path.with_name(f".{PREFIX}{os.getpid()}-{secrets.token_hex(4)}{_PARTIAL}")
    with writing(name or path.name):
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn what the system says of a file that cannot be written into a sentence.

    Raises:
        ToolError: in place of any `OSError` in the ``with`` block.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ToolError(f"The disk is full. Make room for {name} and try again.") from error
        raise ToolError(f"“{name}” cannot be written: {error.strerror or error}.") from error


@contextmanager
def locked(path: Path, wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock against all other threads and processes that ask for the same file.

    The system releases the lock when its owner ends, however that comes about.

    Args:
        path: of the lock's own file, which is made if it is not there.
        wait: called five times a second while somebody else holds the lock; it may raise.

    Raises:
        OSError: the file cannot be made.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=_RETRY_SECONDS, poll_interval=_RETRY_SECONDS)
            break
        except Timeout:
            wait()
    try:
        yield
    finally:
        lock.release()


def digest(path: Path, cancel: CancelToken | None = None) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: it cannot be read.
        Cancelled: by `cancel`, which is looked at for every MiB.
    """
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            if cancel:
                cancel.check()
            found.update(piece)
    return found.hexdigest()


def is_running(process: int) -> bool:
    """Return whether there is a process of this number."""
    import psutil

    try:
        return psutil.pid_exists(process)
    except OverflowError:  # the number is of no process, but of a file somebody named so
        return False
