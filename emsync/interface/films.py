"""How films come to a page: dropped in, recorded, fetched from a link, or taken from an example."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emsync.errors import Cancelled, EmsyncError
from emsync.interface.disk_quota import DiskQuota, size_of
from emsync.interface.records import LOOK_SECONDS, Source
from emsync.interface.sessions import Session, Sessions
from emsync.interface.store import Store
from emsync.interface.work_queue import BUSY
from emsync.progress import CancelToken
from emsync.settings import FilmLimits

_BUSY_OPENING = "Many films are being opened right now. Try again in a while."
_THREADS = 2
"""Films that are opened at the same time, and as many that are fetched."""


class Films:
    """Opens films, a few at a time, and makes each its page's own."""

    def __init__(
        self,
        sessions: Sessions,
        store: Store,
        quota: DiskQuota,
        limits: FilmLimits,
        most_waiting: int,
        closed: threading.Event,
    ) -> None:
        """
        Args:
            sessions: the open pages.
            store: keeps the films.
            quota: of the disk.
            limits: on every film.
            most_waiting: how many may be opened or wait for it; and be fetched or wait.
            closed: set when the app ends.
        """
        self._sessions, self._store, self._quota = sessions, store, quota
        self._limits, self._most, self._closed = limits, most_waiting, closed
        self._lock = threading.Lock()
        self._opening = 0
        self._openers = ThreadPoolExecutor(_THREADS)
        # Of their own, so that slow sites hold up nobody who has a file.
        self._fetchers = ThreadPoolExecutor(_THREADS)

    async def open(self, name: str, upload: str | Path) -> Source | None:
        """Do as `choose`, in a thread.

        Raises:
            EmsyncError: it is no film that can be scored, or too many wait to be opened.
        """
        session, token = self._begin(name)
        with self._lock:
            if self._opening >= self._most:
                raise EmsyncError(_BUSY_OPENING)
            self._opening += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._openers, self._open, session, token, Path(upload), False
            )
        finally:
            with self._lock:
                self._opening -= 1

    def choose(self, name: str, upload: str | Path, ours: bool = False) -> Source | None:
        """Make a film the page's own; blocks while it is opened.

        Args:
            name: Gradio's name of the open page.
            upload: path of the film.
            ours: whether it lies in a folder of the store already.

        Returns:
            The film; None if another was chosen while it was opened, or the page went.

        Raises:
            EmsyncError: it is no film that can be scored; the page has none then.
        """
        return self._open(*self._begin(name), Path(upload), ours)

    def drop(self, name: str) -> None:
        """Leave a page without a film, and with none coming. Takes made of the film stay."""
        source = self._sessions.of(name).drop_film()
        if source is not None:
            self._store.remove_film(source)

    async def fetch(self, name: str, address: str) -> AsyncIterator[tuple[float | None, str]]:
        """Fetch the film at a link and make it the page's own.

        Yields:
            The share that is here, in [0, 1] or None if unknown, and what is under way.

        Raises:
            EmsyncError: with a sentence for the user.
            Cancelled: the page went, or asked for something else.
        """
        session = self._sessions.of(name)
        if session.fetching is not None:
            session.fetching.cancel()
        fetching = sum(one.fetching is not None for one in self._sessions.all())
        if fetching > self._most:
            raise EmsyncError(BUSY)
        session.fetching = cancel = CancelToken()
        steps: list[tuple[float | None, str]] = [(None, "Waiting for the films of others")]
        task = asyncio.get_running_loop().run_in_executor(
            self._fetchers, self._fetch, name, address, cancel, steps
        )
        try:
            while not task.done():
                yield steps[-1]
                await asyncio.wait({task}, timeout=LOOK_SECONDS)
            task.result()
        finally:
            cancel.cancel()
            # Retrieved, though nobody waits any more: asyncio would complain in the log.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            if session.fetching is cancel:
                session.fetching = None

    def close(self) -> None:
        """Open and fetch nothing any more."""
        for pool in (self._openers, self._fetchers):
            pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, name: str) -> tuple[Session, CancelToken]:
        """Drop the film that the page has; another is coming."""
        self.drop(name)
        session = self._sessions.of(name)
        token = session.begin_opening()
        if self._closed.is_set():
            token.cancel()
        return session, token

    def _open(
        self, session: Session, token: CancelToken, upload: Path, ours: bool
    ) -> Source | None:
        # A second name for what is here already takes no room, but a copy does.
        copied = 0 if ours or _is_on_volume(upload, self._store.root) else size_of(upload)
        try:
            token.check()
            with self._quota.reserved(copied):
                source = self._store.add_film(upload, self._limits, token, ours)
        except Cancelled:
            return None
        if not session.end_opening(token, source):
            self._store.remove_film(source)
            return None
        return source

    def _fetch(
        self,
        name: str,
        address: str,
        cancel: CancelToken,
        steps: list[tuple[float | None, str]],
    ) -> None:
        """Fetch and open a film in a thread, noting each step forward."""
        from emsync.film.link.fetch import fetch

        cancel.check()
        steps.append((None, "Asking the site"))
        folder = self._store.new_folder()
        try:
            # Picture and sound may come apart, and are both there when they are joined.
            with self._quota.reserved(2 * self._limits.bytes):
                film = fetch(
                    address,
                    folder,
                    self._limits,
                    lambda share, words: steps.append((share, words)),
                    cancel,
                )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        cancel.check()
        self.choose(name, film, ours=True)


def _is_on_volume(path: Path, folder: Path) -> bool:
    """Return whether a file can have a second name in a folder."""
    try:
        return path.stat().st_dev == folder.stat().st_dev
    except OSError:
        return False
