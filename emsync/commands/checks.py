"""What the commands look at before any long work begins, so that what is wrong is said at once."""

import sys
from collections.abc import Iterable
from pathlib import Path

from emsync.errors import EmsyncError
from emsync.settings import Settings

PDF = ".pdf"
SCORES = (".musicxml", ".mxl", ".xml", PDF)
"""Endings of the names of scores."""


def check_files(settings: Settings) -> None:
    """Read the files that the settings name.

    Raises:
        EmsyncError: one is not there, cannot be read or is of another kind.
    """
    if settings.music.primer is not None:
        from emsync.music.primer import read_primer

        _first_bytes(settings.music.primer)
        read_primer(settings.music.primer, settings.music.primer_seconds)
        _say_passed_over(settings.music.primer)
    if settings.music.theme is not None:
        from emsync.music.primer import read_theme_notes

        _first_bytes(settings.music.theme)
        read_theme_notes(settings.music.theme)
        _say_passed_over(settings.music.theme)
    if settings.sound.soundfont is not None:
        head = _first_bytes(settings.sound.soundfont)
        if head[:4] != b"RIFF" or head[8:12] != b"sfbk":
            raise EmsyncError(
                f"“{settings.sound.soundfont}” is not a SoundFont. Choose an SF2 file."
            )


def _say_passed_over(path: Path) -> None:
    """Say on standard error how many events of a MIDI file were passed over, if any."""
    from emsync.music.midi_repair import repaired

    _, count = repaired(path.read_bytes())
    if count:
        events = "1 event" if count == 1 else f"{count} events"
        print(f"emsync: {events} of {path} made no sense: passed over.", file=sys.stderr)


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse to write over a file unless that is asked for.

    Raises:
        EmsyncError: there is something of that name.
    """
    if path.exists() and not overwrite:
        raise EmsyncError(f"{path} exists already. Choose another name, or add --overwrite.")


def check_scores(paths: Iterable[Path]) -> None:
    """Refuse scores of kinds that are not written, or not on this machine.

    Raises:
        EmsyncError: there is one.
    """
    kinds = {path.suffix.lower(): path for path in paths}
    for kind, path in kinds.items():
        if kind not in SCORES:
            raise EmsyncError(
                f"{path} is no kind of score that is written here. Give it a name that ends in "
                ".musicxml, .mxl or .pdf."
            )
    if PDF in kinds:
        from emsync.performance.notation.pdf import MISSING, can_write_pdf

        if not can_write_pdf():
            raise EmsyncError(MISSING)


def _first_bytes(path: Path) -> bytes:
    """Return the first 12 bytes of a file.

    Raises:
        EmsyncError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise EmsyncError(f"“{path}” is not a file. Give the name of a file.")
    try:
        with path.open("rb") as file:
            return file.read(12)
    except FileNotFoundError as problem:
        raise EmsyncError(f"There is no file “{path}”. Check the name and the folder.") from problem
    except OSError as problem:
        raise EmsyncError(f"“{path}” cannot be read: {problem.strerror}.") from problem
