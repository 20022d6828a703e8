"""What happens when somebody presses a button: sessions, their folders, the line, cancelling.

Nothing here is global: `app.py` makes one `Studio`, and every visitor has a session in it.
"""

import asyncio
import html
import logging
import os
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from emsync.errors import Cancelled, EmsyncError
from emsync.interface import views
from emsync.interface.experts import Installation, installed_names
from emsync.progress import CancelToken, Progress
from emsync.settings import Settings
from emsync.zero_gpu import standard_panel

if TYPE_CHECKING:
    from emsync.emotion.mapping import Mood
    from emsync.music.checkpoint import Checkpoint
    from emsync.pipeline import Analysis, Result

KEEP_SECONDS = 3600
"""Results of a page that stays open go after this long; those of a closed page at once."""

LONGEST_LINE = 20
"""Visitors who may wait at the same time."""

_LOOK_SECONDS = 0.5
_SWEEP_SECONDS = 300
_CLOSE_SECONDS = 5
_APOLOGY = (
    "Sorry, something went wrong on our side. The details were written to the log. "
    "Try again, or try another film."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Update:
    """What the page shall show next.

    Attributes:
        status: HTML of the progress, or of what came of it.
        busy: whether a request of this page is under way.
        result: set once, when it is done.
        diagnostics: HTML that comes with the result.
    """

    status: str
    busy: bool
    result: "Result | None" = None
    diagnostics: str = ""


class Line:
    """First come, first served: the machine composes for one visitor at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: deque[object] = deque()

    def join(self) -> object:
        """A ticket at the end of the line.

        Raises:
            EmsyncError: if the line is too long.
        """
        ticket = object()
        with self._lock:
            if len(self._tickets) > LONGEST_LINE:
                raise EmsyncError("Many people are composing right now. Try again in a while.")
            self._tickets.append(ticket)
        return ticket

    def ahead_of(self, ticket: object) -> int:
        """How many come before this ticket; 0 means it is its turn."""
        with self._lock:
            return self._tickets.index(ticket)

    def leave(self, ticket: object) -> None:
        """Give the place up; harmless if that has happened already."""
        with self._lock, suppress(ValueError):
            self._tickets.remove(ticket)


@dataclass
class _Source:
    """A film that a page has uploaded, and what is known of it."""

    upload: Path
    film: Path
    """A link in a folder of its own: Gradio removes uploads after a while."""
    analysis: "Analysis | None" = None
    weights: frozenset[str] = frozenset()
    """Those that were installed when it was analysed."""

    @property
    def is_known(self) -> bool:
        """Whether another look would see nothing else: nobody failed, nothing was installed."""
        return (
            self.analysis is not None
            and self.weights == installed_names()
            and all(report.status != "failed" for report in self.analysis.reading.reports)
        )


@dataclass
class _Session:
    """One open page."""

    cancel: CancelToken | None = None
    """Of the request under way, if any."""
    source: _Source | None = None
    results: Path | None = None
    """Folder of the latest results."""
    closed: bool = False


@dataclass
class _Job:
    """One request, shared by the thread that works on it and the page that watches."""

    source: _Source
    folder: Path
    settings: Settings
    cancel: CancelToken
    mood: "Mood | None" = None
    started: float = field(default_factory=time.monotonic)
    stage_started: float = field(default_factory=time.monotonic)
    now: Progress = field(default_factory=lambda: Progress("probe", 0.0))
    share: float = 0.0
    past: dict[str, float] = field(default_factory=dict)
    """Seconds of each stage that is over."""
    result: "Result | None" = None
    diagnostics: str = ""
    error: BaseException | None = None

    def __post_init__(self) -> None:
        if self.source.analysis is not None and self.source.is_known:
            self.past = dict(self.source.analysis.seconds)
            self.now = Progress("compose", 0.0)

    def hear(self, progress: Progress) -> None:
        """A `ProgressCallback`; called from the working thread."""
        now = time.monotonic()
        elapsed = now - self.started
        if progress.seconds_left is not None and elapsed > 0:
            # Estimates waver; a bar that runs backwards looks broken.
            self.share = max(self.share, elapsed / (elapsed + progress.seconds_left))
        if progress.stage != self.now.stage:
            self.past[self.now.stage] = now - self.stage_started
            self.stage_started = now
        self.now = progress


class Studio:
    """All that the open pages share: the folder, the line, and how long things took before."""

    def __init__(self, root: Path, settings: Settings | None = None) -> None:
        """
        Args:
            root: the folder whose files Gradio may serve; every request gets a folder in it whose
                name nobody can guess.
            settings: defaults; each request changes its own copy.
        """
        self.root = root
        self.settings = settings or Settings()
        self._line = Line()
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._checkpoint: Checkpoint | None = None
        self.panel = standard_panel()
        """Its models stay loaded, and are shared by all requests."""
        self.installation = Installation()
        self._workers: set[threading.Thread] = set()
        self._closed = threading.Event()

    # Events -----------------------------------------------------------------------------------

    async def compose(
        self,
        film: str | None,
        settings: Settings,
        session_name: str,
        mood: "Mood | None" = None,
    ) -> AsyncIterator[Update]:
        """Score a film and report every step; the last update carries the result.

        Args:
            film: path of the upload, or None if there is none yet.
            settings: of this request.
            session_name: Gradio's name of the open page.
            mood: to compose for instead of the film's own.

        Raises:
            gradio.Error: with a sentence for the user, after an update that shows the same.
        """
        session = self._session(session_name)
        if session.cancel is not None:
            return  # a second press while the first is under way
        session.cancel = cancel = CancelToken()
        try:
            async for update in self._compose(film, settings, session, cancel, mood):
                yield update
        except Cancelled:
            yield Update(views.note("Cancelled. Nothing was kept of this attempt."), False)
        except EmsyncError as error:
            yield Update(views.problem(str(error)), False)
            # Toasts take HTML, and sentences quote file names.
            raise gr.Error(html.escape(str(error)), print_exception=False) from None
        except Exception:
            log.exception("a request failed")
            yield Update(views.problem(_APOLOGY), False)
            raise gr.Error(_APOLOGY, print_exception=False) from None
        finally:
            # Also reached when the page goes away in the middle.
            cancel.cancel()
            session.cancel = None

    def cancel(self, session_name: str) -> None:
        """Stop the request of this page, if there is one; `compose` then says so."""
        with self._lock:
            session = self._sessions.get(session_name)
        if session is not None and session.cancel is not None:
            session.cancel.cancel()

    def leave(self, session_name: str) -> None:
        """The page was closed: stop its request and remove its files."""
        with self._lock:
            session = self._sessions.pop(session_name, None)
            if session is None:
                return
            session.closed = True
            folders = [session.results, session.source.film.parent if session.source else None]
        if session.cancel is not None:
            session.cancel.cancel()
        for folder in folders:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def start_sweeping(self) -> None:
        """Remove old folders every few minutes, whether or not anybody composes."""

        def sweep() -> None:
            while not self._closed.wait(_SWEEP_SECONDS):
                self._remove_old_folders()

        threading.Thread(target=sweep, daemon=True).start()

    def close(self) -> None:
        """Cancel all requests and wait until their threads, and the FFmpegs in them, are gone."""
        self._closed.set()
        self.installation.stop()
        with self._lock:
            sessions, workers = list(self._sessions.values()), list(self._workers)
        for session in sessions:
            if session.cancel is not None:
                session.cancel.cancel()
        for worker in workers:
            worker.join(_CLOSE_SECONDS)
        self.panel.release()

    # One request ------------------------------------------------------------------------------

    async def _compose(
        self,
        film: str | None,
        settings: Settings,
        session: _Session,
        cancel: CancelToken,
        mood: "Mood | None",
    ) -> AsyncIterator[Update]:
        if film is None:
            raise EmsyncError("Choose a film first: drop it into the box, or click there.")
        self._remove_old_folders()
        ticket = self._line.join()
        try:
            while ahead := self._line.ahead_of(ticket):
                yield Update(views.waiting(ahead), True)
                await asyncio.sleep(_LOOK_SECONDS)
                cancel.check()
            source = self._source(Path(film), session)
            job = _Job(source, self._folder(), settings, cancel, mood)
        except BaseException:
            self._line.leave(ticket)
            raise
        # In the context of the request: a borrowed GPU counts for the visitor who asked.
        work = copy_context().run
        worker = threading.Thread(target=work, args=(self._work, job, session, ticket), daemon=True)
        with self._lock:
            self._workers.add(worker)
        worker.start()
        shown = None
        while worker.is_alive():
            status = self._status(job)
            if status != shown:
                shown = status
                yield Update(status, True)
            await asyncio.sleep(_LOOK_SECONDS)
        if job.error is not None:
            raise job.error
        assert job.result is not None
        took = time.monotonic() - job.started
        yield Update(views.done(job.result, took), False, job.result, job.diagnostics)

    def _source(self, upload: Path, session: _Session) -> _Source:
        """The uploaded film; the same one as before keeps its analysis."""
        source = session.source
        if source is not None and source.upload == upload and source.film.exists():
            os.utime(source.film.parent)  # young again for `_remove_old_folders`
            return source
        if source is not None:
            shutil.rmtree(source.film.parent, ignore_errors=True)
            session.source = None
        folder = self._folder()
        film = folder / upload.name
        try:
            try:
                os.link(upload, film)
            except FileNotFoundError:
                raise
            except OSError:  # a file system without hard links
                shutil.copyfile(upload, film)
        except FileNotFoundError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise EmsyncError(
                "The uploaded film is no longer here: uploads are removed after an hour. "
                "Upload it again."
            ) from error
        session.source = _Source(upload, film)
        return session.source

    def _work(self, job: _Job, session: _Session, ticket: object) -> None:
        """The working thread: everything that takes time, and the tidying up after it."""
        from emsync.music.checkpoint import load
        from emsync.pipeline import analyse, score
        from emsync.sound.synth import load_library

        try:
            load_library()
            source = job.source
            if source.analysis is None or not source.is_known:
                here = installed_names()
                source.analysis = analyse(
                    source.film, job.settings, job.hear, job.cancel, self.panel
                )
                source.weights = here  # only now: a look that was cancelled changes nothing
            if self._checkpoint is None:
                self._checkpoint = load()
            job.cancel.check()
            result = score(
                source.analysis,
                job.folder,
                job.settings,
                job.hear,
                job.cancel,
                self._checkpoint,
                job.mood,
            )
            # Here, because drawing would hold up everybody's page if the server did it.
            job.diagnostics = views.diagnostics(result)
            job.cancel.check()
            job.result = result
        except BaseException as error:
            job.error = error
        finally:
            self._hand_over(job, session)
            self._line.leave(ticket)
            with self._lock:
                self._workers.discard(threading.current_thread())

    def _hand_over(self, job: _Job, session: _Session) -> None:
        """The new results take the place of the page's old ones, or go with the page."""
        unwanted = []
        with self._lock:
            if session.closed:
                unwanted += [job.folder, job.source.film.parent]
            elif job.result is None:
                unwanted += [job.folder]
            else:
                unwanted += [session.results] if session.results is not None else []
                session.results = job.folder
        for folder in unwanted:
            shutil.rmtree(folder, ignore_errors=True)

    def _status(self, job: _Job) -> str:
        if job.cancel.cancelled:
            return views.note("Cancelling …")
        return views.progress(job.now, job.share, dict(job.past))

    def _folder(self) -> Path:
        """A new folder whose name nobody can guess, for who knows its name is served its files."""
        folder = self.root / f"request-{secrets.token_urlsafe(18)}"
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def _session(self, name: str) -> _Session:
        with self._lock:
            return self._sessions.setdefault(name, _Session())

    def _remove_old_folders(self) -> None:
        """Folders whose files are past their hour."""
        oldest = time.time() - KEEP_SECONDS - 600
        for folder in self.root.glob("request-*"):
            with suppress(FileNotFoundError):
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)
