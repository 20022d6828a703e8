"""A score as PDF pages: MuseScore engraves them where it is installed, and else Verovio.

Both are programs of others that run apart, without the app's environment, with bounds on memory and
time, and at a home of their own that is removed afterwards.
"""

import json
import os
import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from emsync.errors import EmsyncError, ToolError, TooLong
from emsync.process.child import Child, TooSlow, run_module
from emsync.process.files import PREFIX, written_whole
from emsync.progress import CancelToken

MUSESCORE: Final = (
    "mscore4", "musescore4", "MuseScore4", "musescore", "mscore", "mscore3", "musescore3",
    "/Applications/MuseScore 4.app/Contents/MacOS/mscore",
)  # fmt: skip
"""Names that systems give MuseScore, newer versions first. `EMSYNC_MUSESCORE` names another."""
ENGRAVERS: Final = ("verovio", "cairosvg", "pypdf")
"""Python packages that engrave in its place, together."""
MEMORY: Final = 4_000_000_000
"""Bytes of address space for MuseScore (Linux); version 3.2 takes 0.45 GB for a score of half an
hour, later ones more."""
SECONDS: Final = 180.0
"""That engraving may take. Ours: MuseScore takes 1 s for a minute of music."""
_LOOK_SECONDS = 0.05
MISSING: Final = (
    "A score as PDF needs MuseScore, which is free: install it (on Debian or Ubuntu: sudo apt-get "
    "install musescore3), or install Verovio with .venv/bin/pip install " + " ".join(ENGRAVERS)
    + ". The score as MusicXML needs neither."
)  # fmt: skip


def musescore() -> str | None:
    """Return the path of MuseScore; None where there is none."""
    named = os.environ.get("EMSYNC_MUSESCORE", "").strip()
    return next(filter(None, map(shutil.which, (named,) if named else MUSESCORE)), None)


def can_write_pdf() -> bool:
    """Return whether this machine has what engraves."""
    return musescore() is not None or _has_verovio()


def _has_verovio() -> bool:
    return all(find_spec(name) is not None for name in ENGRAVERS)


def write_pdf(score: Path, path: Path, cancel: CancelToken) -> None:
    """Engrave a score.

    Args:
        score: MusicXML.
        path: of the PDF; it appears whole or not at all.
        cancel: looked at twenty times a second.

    Raises:
        EmsyncError: nothing that engraves is installed.
        ToolError: it failed, or the file cannot be written.
        TooLong: it took longer than `SECONDS`.
        Cancelled: by `cancel`.
    """
    program = musescore()
    if program is None and not _has_verovio():
        raise EmsyncError(MISSING)
    with written_whole(path) as partial, TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-") as at:
        made = Path(at) / "score.pdf"
        try:
            if program is not None:
                _by_musescore(program, score.resolve(), made, cancel)
            else:
                _by_verovio(score.resolve(), made, cancel)
        except TooSlow:
            raise TooLong(
                f"Engraving the score was stopped: it took longer than the {SECONDS:.0f} seconds "
                "that it may take. Open the MusicXML in a notation program instead."
            ) from None
        shutil.copyfile(made, partial)


def _by_musescore(program: str, score: Path, made: Path, cancel: CancelToken) -> None:
    """Have MuseScore write the PDF `made`, in whose folder it has its home."""
    home = str(made.parent)
    variables = {"HOME": home, "XDG_RUNTIME_DIR": home, "QT_QPA_PLATFORM": "offscreen"}
    try:
        child = Child(
            [program, "-o", str(made), str(score)],
            variables=variables,
            memory=MEMORY,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise ToolError(f"MuseScore could not be started: {error.strerror}.") from error
    with child:
        deadline = time.monotonic() + SECONDS
        while not child.wait(_LOOK_SECONDS):
            # What it says is read, for one that nobody reads may wait for that.
            while child.read_line(0):
                pass
            cancel.check()
            if time.monotonic() > deadline:
                raise TooSlow
    _check(child.process.returncode, made, "MuseScore")


def _by_verovio(score: Path, made: Path, cancel: CancelToken) -> None:
    """Have a process of ours write the PDF `made` with Verovio."""
    message = json.dumps({"score": str(score), "pdf": str(made)}).encode()
    name = "emsync.performance.notation.verovio_worker"
    try:
        done = run_module(name, message, SECONDS, cancel)
    except OSError as error:
        raise ToolError(f"Verovio could not be started: {error.strerror}.") from error
    _check(done.status, made, "Verovio")


def _check(status: int | None, made: Path, program: str) -> None:
    """Refuse a PDF that was not written.

    Raises:
        ToolError: it was not.
    """
    if status != 0 or not made.is_file():
        raise ToolError(
            f"{program} could not engrave the score (exit status {status}). Open the MusicXML in a "
            "notation program instead."
        )
