"""A folder of films, scored one after the other.

Each film gets a folder of its own, which is put together under another name and appears whole: what
is there is complete, and is not made again.
"""

import json
import logging
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emsync.batch.table import Row, row_of
from emsync.emotion.curve import MoodRequest
from emsync.errors import EmsyncError
from emsync.presets import to_plain
from emsync.process.files import digest, is_running
from emsync.progress import CancelToken, ProgressCallback
from emsync.settings import Settings
from emsync.text import one_line

if TYPE_CHECKING:
    from emsync.emotion.features.panel import Panel
    from emsync.music.composer import Composer

FILM_SUFFIXES = {
    ".3gp", ".asf", ".avi", ".dv", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".mxf", ".nut", ".ogv", ".rm", ".ts", ".vob", ".webm", ".wmv",
}  # fmt: skip
"""What files are called whose content `emsync.film.examine` may find to be a film."""

RECORD = "batch.json"
"""In the folder of each film: what was asked and its row of the table."""

_PREFIX = ".emsync-batch-"
_ABANDONED_SECONDS = 24 * 3600

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchRequest:
    """What is asked of every film."""

    settings: Settings
    mood: MoodRequest = MoodRequest()  # noqa: RUF009 (frozen)
    """Instead of the film's own."""
    stems: bool = False
    """Also a WAV file per group."""
    overwrite: bool = False
    """Replace what was scored otherwise."""


def films_in(folder: Path, out: Path) -> tuple[Path, ...]:
    """Return the films of a folder by name; files are taken for films by their names' endings.

    Args:
        folder: with the films. Folders in it are not looked into, hidden files passed over.
        out: where the results will go; made if needed.

    Raises:
        EmsyncError: there is no such folder, no film in it, or `out` cannot be used.
    """
    if not folder.is_dir():
        raise EmsyncError(f"There is no folder “{folder}”. Check its name.")
    if out.resolve() == folder.resolve():
        raise EmsyncError("The results cannot go among the films. Choose another folder for them.")
    try:
        films = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in FILM_SUFFIXES
            and not path.name.startswith(".")
            and path.is_file()
        )
        if not films:
            raise EmsyncError(
                f"There is no film in “{folder}”: no file there ends in "
                f"{', '.join(sorted(FILM_SUFFIXES))}."
            )
        out.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
        for old in out.glob(f"{_PREFIX}*"):
            if _is_abandoned(old):
                shutil.rmtree(old, ignore_errors=True)
    except OSError as problem:
        place = problem.filename or out
        raise EmsyncError(f"“{place}” cannot be used: {problem.strerror}.") from problem
    return tuple(films)


def _own_prefix() -> str:
    """Return how the names of this batch's temporary folders begin: with machine and process."""
    return f"{_PREFIX}{_host()}-{os.getpid()}-"


def _host() -> str:
    """Return the machine's name as it can stand in a file's name."""
    return re.sub(r"\W", "_", platform.node()) or "_"


def _is_abandoned(folder: Path) -> bool:
    """Return whether the batch of a temporary folder was killed."""
    here = f"{_PREFIX}{_host()}-"
    if folder.name.startswith(here):
        owner = folder.name.removeprefix(here).split("-")[0]
        return owner.isdecimal() and not is_running(int(owner))
    # It is of another machine that shares the disk: only time can tell.
    return time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS


def score_films(
    films: Sequence[Path],
    out: Path,
    request: BatchRequest,
    composer: "Composer",
    panel: "Panel | None",
    announce: Callable[[int, Path], None],
    tell: ProgressCallback,
    cancel: CancelToken,
) -> list[Row]:
    """Score each film into `out`/NAME: scored.mp4, music.mid, music.musicxml, music.wav,
    report.json, batch.json.

    A film that was scored by the same request is skipped; one that fails does not stop the others.

    Args:
        films: see `films_in`.
        out: a folder that can be written to.
        request: what is asked of each.
        composer: with its weights.
        panel: the experts, or None; its models stay loaded from film to film if it keeps them.
        announce: told the number, from 1, and the path of each film that is begun.
        tell: receives the progress within it.
        cancel: stops within a second or so; what is complete stays.

    Returns:
        A row for each film, in their order.

    Raises:
        Cancelled: the owner asked to stop.
    """
    rows = []
    for number, film in enumerate(films, 1):
        announce(number, film)
        try:
            row = _scored(film, out / film.name, request, composer, panel, tell, cancel)
        except EmsyncError as problem:
            row = Row(film.name, problem=one_line(str(problem), 1000))
        except OSError as error:
            row = Row(film.name, problem=f"The results cannot be written: {error.strerror}.")
        except Exception as error:
            log.exception("%s failed", film)
            row = Row(film.name, problem=f"Something went wrong on our side: {_words(error)}.")
        rows.append(row)
    return rows


def _words(error: Exception) -> str:
    """Return an unforeseen error as the end of a sentence."""
    text = str(error).rstrip(".")
    return one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _scored(
    film: Path,
    place: Path,
    request: BatchRequest,
    composer: "Composer",
    panel: "Panel | None",
    tell: ProgressCallback,
    cancel: CancelToken,
) -> Row:
    """Score one film into the folder `place`, unless that is done; arguments as for `score_films`.

    Raises:
        EmsyncError: the film cannot be scored, or something else is in the way.
        OSError: the results cannot be written.
        Cancelled: the owner asked to stop.
    """
    from emsync.pipeline import analyse, score
    from emsync.sound.stems import write_stems

    asked = _asked(film, request, composer, cancel)
    done = _record(place)
    if done is not None and done["asked"] == asked:
        return done["row"]
    if done is not None and not request.overwrite:
        raise EmsyncError(
            f"“{place}” was made from another film, or with other settings or weights. Choose "
            "another folder for the results, or add --overwrite."
        )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=_own_prefix(), dir=place.parent) as temporary:
        folder = Path(temporary) / "new"
        folder.mkdir()
        analysis = analyse(film, request.settings, tell, cancel, panel)
        result = score(
            analysis,
            folder,
            request.settings,
            tell,
            cancel,
            composer,
            request.mood,
        )
        if request.stems:
            (folder / "stems").mkdir()
            write_stems(
                result.midi,
                analysis.film.duration,
                request.settings.sound,
                request.settings.sound.soundfont,
                folder / "stems",
                cancel,
                space=result.mix.space,
            )
        row = row_of(result, time.monotonic() - began)
        record = {"asked": asked, "row": asdict(row)}
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        _put(folder, place, Path(temporary) / "old")
    return row


def _put(folder: Path, place: Path, old: Path) -> None:
    """Move `folder` to `place`; what is there goes to `old`, and comes back if that fails."""
    try:
        if place.exists():
            place.rename(old)
        folder.rename(place)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise


def _asked(
    film: Path, request: BatchRequest, composer: "Composer", cancel: CancelToken
) -> dict[str, Any]:
    """Return all on which the result rests, as JSON gives it back; files by their content.

    Raises:
        EmsyncError: a file cannot be read.
    """

    files = {
        "film": film,
        "primer": request.settings.music.primer,
        "theme": request.settings.music.theme,
        "soundfont": request.settings.sound.soundfont,
    }
    try:
        digests = {name: path and digest(path, cancel) for name, path in files.items()}
    except OSError as problem:
        raise EmsyncError(f"“{problem.filename}” cannot be read: {problem.strerror}.") from problem
    asked: dict[str, Any] = {
        "settings": to_plain(request.mood.in_settings(request.settings), "name"),
        "mood": None if request.mood.mood is None else asdict(request.mood.mood),
        "changes": [{"start": start, **asdict(mood)} for start, mood in request.mood.changes],
        "stems": request.stems,
        "weights": composer.weights.sha256,
        **digests,
    }
    plain: dict[str, Any] = json.loads(json.dumps(asked))
    return plain


def _record(place: Path) -> dict[str, Any] | None:
    """Return what an earlier batch wrote of the film of this folder; None if there is none.

    Raises:
        EmsyncError: something else stands there.
    """
    if not place.exists() and not place.is_symlink():
        return None
    try:
        record = json.loads((place / RECORD).read_text(encoding="utf-8"))
        return {"asked": record["asked"], "row": Row(**record["row"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise EmsyncError(
            f"“{place}” is in the way, and no batch made it. Move it, or choose another folder "
            "for the results."
        ) from None
