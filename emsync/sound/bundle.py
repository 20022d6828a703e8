"""All that came out of a request, in one ZIP."""

import errno
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from emsync.errors import EmsyncError
from emsync.process.files import written_whole
from emsync.progress import CancelToken
from emsync.text import quoted

ABOUT = "README.txt"
"""What the text about the rest is called."""

_DEFLATED = {".json", ".mid", ".midi", ".txt", ".md", ".csv"}
"""Everything else is compressed as it comes, or hardly gets smaller."""
_CHUNK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a ZIP knows."""
_LONGEST_NAME = 100
_UNSAFE = re.compile(r'[\\:*?"<>|]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def bundle(
    folder: Path,
    out: Path,
    entries: Sequence[tuple[str, Path]],
    cancel: CancelToken,
    about: str = "",
) -> Path:
    """Put files into one ZIP; the same files give the same bytes.

    Args:
        folder: in which all files lie; nothing else of the machine is given away.
        out: the file to write; it appears whole or not at all, and is replaced if it exists.
        entries: (name in the ZIP, file), such as ("stems/piano.wav", …); a relative file is looked
            for in `folder`. Names are made safe for every system, and different from each other.
        cancel: looked at for every MiB; nothing is left behind.
        about: a text for `ABOUT`, which comes first; none without it.

    Returns:
        `out`.

    Raises:
        EmsyncError: a file is missing or lies elsewhere, the disk is full, or a folder cannot be
            written to; a sentence says which.
        Cancelled: the owner of the request asked to stop.
    """
    names: set[str] = set()
    with written_whole(out) as part, zipfile.ZipFile(part, "x") as package:
        if about:
            names.add(ABOUT.lower())
            package.writestr(_entry(ABOUT), about.encode())
        for name, file in entries:
            content = _inside(folder, folder / file)
            entry = _entry(_different(safe_name(name), names))
            with _reading(content), content.open("rb") as source:
                # Told before, so that a film of more than 4 GB gets the room that it needs.
                entry.file_size = content.stat().st_size
                with package.open(entry, "w") as target:
                    while chunk := source.read(_CHUNK_BYTES):
                        cancel.check()
                        target.write(chunk)
        cancel.check()
    return out


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Name the file where one that goes into the ZIP is the trouble, and not the disk."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise EmsyncError(
            f"{quoted(file.name)} cannot be put into the ZIP: {error.strerror or error}."
        ) from error


def safe_name(name: str) -> str:
    """Return a name for a ZIP that unpacks below the reader's folder on every system.

    Parts between "/" stay parts; ".." and empty ones go; characters that some system forbids become
    "_", and names that it keeps for its devices get one in front.
    """
    parts = []
    for raw in name.split("/"):
        printable = "".join(letter if letter.isprintable() else "_" for letter in raw)
        part = _UNSAFE.sub("_", printable).strip(" .")
        suffix = Path(part).suffix[:10]
        if len(part) > _LONGEST_NAME:
            part = part[: _LONGEST_NAME - len(suffix)].rstrip(" .") + suffix
        if part:
            parts.append(f"_{part}" if _DEVICES.match(part) else part)
    return "/".join(parts) or "_"


def _different(name: str, names: set[str]) -> str:
    """Take `name`, with a number if it is taken. Some systems see no capitals."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or "/" in suffix:
        stem, dot, suffix = name, "", ""
    number, found = 1, name
    while found.lower() in names:
        number += 1
        found = f"{stem} {number}{dot}{suffix}"
    names.add(found.lower())
    return found


def _entry(name: str) -> zipfile.ZipInfo:
    """Return how a file is stored: nothing of its owner, of when, or of the system that wrote
    it."""
    entry = zipfile.ZipInfo(name, _EPOCH)
    deflated = Path(name).suffix.lower() in _DEFLATED
    entry.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    entry.create_system = 3  # Unix: the rights below are its
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def _inside(folder: Path, file: Path) -> Path:
    """Return `file`, if it is one and lies in `folder`, links followed."""
    if not file.is_file():
        raise EmsyncError(f"There is no file {quoted(file.name)} to put into the ZIP.")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise EmsyncError(
            f"{quoted(file.name)} does not belong to this film, so it is not in the ZIP."
        )
    return file
