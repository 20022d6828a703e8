"""The files of all pages: films that were chosen, takes made of them, and what else was uploaded.

Everything lies in folders whose names nobody can guess: whoever knows a file's name is served it.
"""

import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from emsync.errors import EmsyncError
from emsync.film.footage import poster
from emsync.film.probe import probe
from emsync.interface import records
from emsync.interface.disk_quota import remove_upload
from emsync.interface.records import Source, Take
from emsync.process.files import digest
from emsync.progress import CancelToken
from emsync.settings import FilmLimits, Settings
from emsync.stages import TimeLimits
from emsync.text import quoted

if TYPE_CHECKING:
    from emsync.emotion.curve import MoodRequest

_PREFIX = "request-"
"""Begins the name of every folder here."""
_CHOOSING_SECONDS = 60
"""A film that came this recently may be about to become a page's film."""


class Store:
    """Keeps files until nobody has looked at them for an hour, or somebody deletes them."""

    def __init__(self, root: Path, stages: TimeLimits | None = None) -> None:
        """
        Args:
            root: the folder for all of it.
            stages: seconds that it may take to open a film.
        """
        self.root = root
        self._stages = stages
        self._lock = threading.Lock()
        self._takes: dict[str, Take] = {}
        self._sources: dict[Path, tuple[Source, float]] = {}
        """By folder, with the time when it was last worked with."""
        self._kept: dict[Path, Path] = {}
        """Where the other files of users lie, by where they were uploaded."""
        self._temporary: dict[Path, float] = {}
        """Folders that go an hour after this time."""

    def new_folder(self) -> Path:
        """Make a folder whose name nobody can guess."""
        folder = self.root / f"{_PREFIX}{secrets.token_urlsafe(18)}"
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def new_temporary_folder(self) -> Path:
        """Make a folder that goes after an hour."""
        folder = self.new_folder()
        with self._lock:
            self._temporary[folder] = time.monotonic()
        return folder

    # Films --------------------------------------------------------------------------------------

    def add_film(
        self, upload: Path, limits: FilmLimits, cancel: CancelToken, ours: bool = False
    ) -> Source:
        """Take a film in.

        Args:
            upload: where it lies now; it stays there.
            limits: on its length and size.
            cancel: of whoever brings it.
            ours: whether it lies in a folder of this store already, and is to stay in it.

        Raises:
            EmsyncError: it is no longer there, or no film that can be scored; or it cannot be kept.
            Cancelled: whoever brings it went away.
        """
        from emsync.stages import bounded

        folder = upload.parent if ours else self.new_folder()
        path = upload if ours else folder / upload.name
        try:
            if not ours:
                _link(upload, path)
            began = time.monotonic()
            film = probe(path, limits, cancel)
            seconds = time.monotonic() - began
            came_from = None if ours or not upload.is_relative_to(self.root) else upload
            bound = bounded(cancel, "probe", float(film.duration), self._stages)
            source = Source(film, digest(path, bound), poster(film, bound), came_from, seconds)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise _not_kept(upload, error) from error
            raise
        with self._lock:
            self._sources[folder] = source, time.monotonic()
        return source

    def touch(self, source: Source) -> None:
        """Note that somebody works with a film: its hour begins anew."""
        with self._lock:
            if source.folder in self._sources:
                self._sources[source.folder] = source, time.monotonic()

    def remove_film(self, source: Source, uploaded: bool = False) -> None:
        """Delete a film unless a take is made of it.

        Args:
            source: the film.
            uploaded: also delete what was uploaded, which goes by itself after a while.
        """
        if self.takes_of(source):
            return
        with self._lock:
            self._sources.pop(source.folder, None)
        shutil.rmtree(source.folder, ignore_errors=True)
        if uploaded and source.upload is not None:
            remove_upload(source.upload)

    # Takes --------------------------------------------------------------------------------------

    def new_take(self, source: Source, settings: Settings, request: "MoodRequest") -> Take:
        """Begin a take, without versions yet, in a folder of its own."""
        folder = self.new_folder()
        token = folder.name.removeprefix(_PREFIX)
        take = Take(token, folder, source, settings, request, next_seed=settings.seed + 1)
        with self._lock:
            self._takes[token] = take
        return take

    def find(self, token: str) -> Take | None:
        """Return the take of a link; None if there is none, or no longer."""
        with self._lock:
            take = self._takes.get(token)
        if take is not None:
            take.touch()
        return take

    def takes(self) -> list[Take]:
        """Return all takes of all pages, the oldest first."""
        with self._lock:
            return list(self._takes.values())

    def takes_of(self, source: Source) -> list[Take]:
        """Return the takes made of a film, the oldest first."""
        with self._lock:
            return [take for take in self._takes.values() if take.source is source]

    def remove_take(self, take: Take) -> None:
        """Delete the files of a take, and its link."""
        with self._lock:
            self._takes.pop(take.token, None)
        shutil.rmtree(take.folder, ignore_errors=True)

    # Other files of users -----------------------------------------------------------------------

    def keep(self, upload: Path) -> Path:
        """Keep another file, such as a SoundFont, for an hour after it was last used.

        Returns:
            Where it is kept: the same place for the same upload.

        Raises:
            EmsyncError: it is no longer there, or cannot be kept.
        """
        with self._lock:
            path = self._kept.get(upload)
            if path is None:
                folder = self.new_folder()
                path = folder / upload.name
                try:
                    _link(upload, path)
                except OSError as error:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise _not_kept(upload, error) from error
                self._kept[upload] = path
            self._temporary[path.parent] = time.monotonic()
        return path

    def discard(self, kept: Path) -> None:
        """Delete a file that `keep` keeps, and what was uploaded."""
        with self._lock:
            uploads = [upload for upload, path in self._kept.items() if path == kept]
            for upload in uploads:
                del self._kept[upload]
            self._temporary.pop(kept.parent, None)
        for upload in uploads:
            remove_upload(upload)
        shutil.rmtree(kept.parent, ignore_errors=True)

    # After an hour ------------------------------------------------------------------------------

    def sweep(self, in_use: Iterable[Source]) -> None:
        """Delete what nobody has looked at for an hour.

        Args:
            in_use: films of open pages, which keep their hour without a take.
        """
        old = time.monotonic() - records.KEEP_SECONDS
        with self._lock:
            stale = [take for take in self._takes.values() if take.used < old and take.is_idle]
            folders = self._pop_old_folders(old)
        for take in stale:
            self.remove_take(take)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        open_films = {source.folder for source in in_use}
        with self._lock:
            films = [
                source
                for source, since in self._sources.values()
                if since < old or source.folder not in open_films
            ]
        for source in films:
            if time.monotonic() - self._since(source) > _CHOOSING_SECONDS:
                self.remove_film(source)

    def _pop_old_folders(self, old: float) -> list[Path]:
        """Forget the temporary folders used before `old` that no work under way needs."""
        needed = {
            path.parent
            for take in self._takes.values()
            if take.job is not None and not take.is_idle
            for path in (
                take.settings.music.primer,
                take.settings.music.theme,
                take.settings.sound.soundfont,
                take.job.playing.sound.soundfont,
            )
            if path is not None
        }
        folders = [
            folder
            for folder, since in self._temporary.items()
            if since < old and folder not in needed
        ]
        for folder in folders:
            del self._temporary[folder]
        self._kept = {
            upload: path for upload, path in self._kept.items() if path.parent in self._temporary
        }
        return folders

    def _since(self, source: Source) -> float:
        with self._lock:
            return self._sources.get(source.folder, (source, 0.0))[1]


def _not_kept(upload: Path, error: OSError) -> EmsyncError:
    """Return a sentence for an upload that could not be taken in."""
    if isinstance(error, FileNotFoundError):
        return EmsyncError(
            f"{quoted(upload.name)} is no longer here: uploads are removed after an hour. "
            "Upload it again."
        )
    return EmsyncError(
        f"{quoted(upload.name)} could not be kept here: {error.strerror or error}. Try again in "
        "a while."
    )


def _link(upload: Path, path: Path) -> None:
    """Give an upload a second name, which outlasts the first; or copy it."""
    try:
        os.link(upload, path)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copyfile(upload, path)
