"""What happens when somebody presses a button: pages, the lines they wait in, and cancelling.

Nothing here is global: `app.py` makes one `Studio`, and every open page has a session in it. Work
goes on when its page is closed, and can be found again by its link.
"""

import asyncio
import errno
import html
import logging
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from emsync.emotion.features.zero_gpu import standard_panel
from emsync.errors import Cancelled, EmsyncError
from emsync.interface import views
from emsync.interface.disk_quota import Room, bundle_bytes, version_bytes
from emsync.interface.experts import Installation
from emsync.interface.memory import give_back
from emsync.interface.store import (
    KEEP_SECONDS,
    MOST_TAKES,
    Analyses,
    Job,
    Key,
    Shelf,
    Source,
    Take,
    Version,
)
from emsync.interface.work_queue import Line
from emsync.limits import HostLimits, film_limits, host_limits
from emsync.presets import RANGES
from emsync.progress import CancelToken
from emsync.settings import Settings, SoundSettings
from emsync.text import quoted

if TYPE_CHECKING:
    from emsync.emotion.analysis import Analysis
    from emsync.emotion.curve import MoodRequest
    from emsync.music.composer import Composer, Draft
    from emsync.results import Piece, Result

_LOOK_SECONDS = 0.3
_SWEEP_SECONDS = 120
_CLOSE_SECONDS = 5
_SESSION_SECONDS = 86_400
"""A page that has done nothing for so long, and has nothing, is forgotten."""
_APOLOGY = (
    "Sorry, something went wrong on our side. The details were written to the log. "
    "Try again, or try another film."
)
_BUSY = "Many people are composing right now. Your film stays; try again in a while."
_BUSY_OPENING = "Many films are being opened right now. Try again in a while."
_LETTERS = "ABCDEFGH"
_LONGEST_STEM = 60
_LARGEST_SEED = int(RANGES["seed"].high)
BUNDLED = ("scored.mp4", "music.mid", "music.wav", "report.json")
"""What the files of a result are called in its ZIP."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Update:
    """What the page shall show next.

    Attributes:
        status: HTML of the progress, or of what came of it.
        busy: whether work of this page is under way.
        take: set when what it holds has changed.
        sketch: a piece that is being written, and the film's seconds;
            set when it changed.
    """

    status: str
    busy: bool
    take: Take | None = None
    sketch: "tuple[Draft, float] | None" = None


@dataclass
class Session:
    """One open page."""

    base: Settings
    """The defaults here, with what its address or preset asked for."""
    source: Source | None = None
    takes: list[Take] = field(default_factory=list)
    """Those begun on it or found by their links, the oldest first."""
    choosing: CancelToken | None = None
    """Of a film that is being fetched."""
    opening: CancelToken | None = None
    """Of the film that was chosen last."""
    sound: SoundSettings | None = None
    """As it was changed last."""
    begun: set[str] = field(default_factory=set)
    """Tokens of the takes that were begun on it, not found by a link."""
    files: set[Path] = field(default_factory=set)
    """Other files that came on it, where they are kept."""
    used: float = field(default_factory=time.monotonic)

    @property
    def job(self) -> Job | None:
        """Its work under way."""
        job = self.takes[-1].job if self.takes else None
        return None if job is None or job.done.is_set() else job

    @property
    def shown(self) -> Take | None:
        """The take that it shows: the last of which there is something to show."""
        return next((take for take in reversed(self.takes) if take.result is not None), None)


class Studio:
    """All that the open pages share: the files, the lines, and what is loaded."""

    def __init__(
        self, root: Path, settings: Settings | None = None, host: HostLimits | None = None
    ) -> None:
        """
        Args:
            root: the folder whose files Gradio may serve; every request gets a folder in it whose
                name nobody can guess.
            settings: defaults, of which each request changes its own copy; None for the usual ones,
                with what the environment says of films.
            host: what all requests get together; None for what the environment says.

        Raises:
            EmsyncError: an environment variable for the limits makes no sense.
        """
        self.settings = settings or Settings(limits=film_limits())
        self.host = host or host_limits()
        self.shelf = Shelf(root, self.host.stages)
        self.room = Room(root, self.host, self.sweep)
        self.analyses = Analyses()
        self.panel = standard_panel()
        """Its models stay loaded, and are shared by all requests."""
        self.installation = Installation()
        # A film is looked at while another's music is written: who only turns a knob does not wait
        # for somebody's long film.
        self._analysing = Line(longest=self.host.waiting)
        self._composing = Line(longest=self.host.waiting)
        self._opening = ThreadPoolExecutor(2)
        self._opened = 0
        """Films that are being opened, or wait for it."""
        # Of its own, so that slow sites hold up nobody who has a file.
        self._fetching = ThreadPoolExecutor(2)
        self._aside = ThreadPoolExecutor(2)
        # Always the same thread: Matplotlib opens its fonts anew for each that draws, and keeps 64.
        self._drawing = ThreadPoolExecutor(1)
        self._also: list[Callable[[float], None]] = []
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._composers: dict[str, Composer] = {}
        self._soundfonts: set[Path] = set()
        """Those of users that were checked."""
        self._pace = 1.0
        """Seconds that a take takes here, against those expected."""
        self._workers: set[threading.Thread] = set()
        self._closed = threading.Event()

    # Films --------------------------------------------------------------------------------------

    async def open(self, name: str, upload: str | Path) -> Source | None:
        """`choose`, in a thread, two at a time.

        Raises:
            EmsyncError: it is no film that can be scored, or too many wait to be opened.
        """
        begun = self._begin(name)
        with self._lock:
            if self._opened >= self.host.waiting:
                raise EmsyncError(_BUSY_OPENING)
            self._opened += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._opening, self._open, *begun, Path(upload), False
            )
        finally:
            with self._lock:
                self._opened -= 1

    def choose(self, name: str, upload: str | Path, ours: bool = False) -> Source | None:
        """This page's film is now `upload`; blocks while it is opened.

        Args:
            name: Gradio's name of the open page.
            upload: its path.
            ours: it lies in a folder of the shelf already.

        Returns:
            The film; None if another was chosen while it was opened, or the page went.

        Raises:
            EmsyncError: it is no film that can be scored; the page has none then.
        """
        return self._open(*self._begin(name), Path(upload), ours)

    def _begin(self, name: str) -> tuple[Session, CancelToken]:
        """A film is coming in place of the one before."""
        self.drop(name)
        session = self.session(name)
        session.opening = token = CancelToken()
        if self._closed.is_set():
            token.cancel()
        return session, token

    def _open(
        self, session: Session, token: CancelToken, upload: Path, ours: bool
    ) -> Source | None:
        # A second name for what is here already takes no room, but a copy does.
        copied = 0 if ours or _on_volume(upload, self.shelf.root) else _size(upload)
        try:
            token.check()
            with self.room.reserved(copied):
                source = self.shelf.add_film(upload, self.settings.limits, token, ours)
        except Cancelled:
            return None
        with self._lock:
            is_last = session.opening is token and not token.cancelled
            if is_last:
                session.source = source
        if not is_last:
            self.shelf.remove_film(source)
            return None
        return source

    def drop(self, name: str) -> None:
        """This page has no film any more, and none is coming. Takes made of it stay."""
        session = self.session(name)
        with self._lock:
            opening, session.opening = session.opening, None
            source, session.source = session.source, None
        for token in (opening, session.choosing):
            if token is not None:
                token.cancel()
        if source is not None:
            self.shelf.remove_film(source)

    async def fetch(self, name: str, address: str) -> AsyncIterator[tuple[float | None, str]]:
        """Fetch the film at a link, which is then this page's film.

        Yields:
            The share that is here, if known, and what is under way.

        Raises:
            EmsyncError: with a sentence for the user.
            Cancelled: the page went, or asked for something else.
        """
        from emsync.film.link.fetch import fetch

        session = self.session(name)
        if session.choosing is not None:
            session.choosing.cancel()
        with self._lock:
            fetching = sum(one.choosing is not None for one in self._sessions.values())
        if fetching > self.host.waiting:
            raise EmsyncError(_BUSY)
        session.choosing = cancel = CancelToken()
        told: list[tuple[float | None, str]] = [(None, "Waiting for the films of others")]

        def work() -> None:
            cancel.check()
            told.append((None, "Asking the site"))
            folder = self.shelf.folder()
            try:
                # Picture and sound may come apart, and are both there when they are joined.
                with self.room.reserved(2 * self.settings.limits.bytes):
                    film = fetch(
                        address,
                        folder,
                        self.settings.limits,
                        lambda share, words: told.append((share, words)),
                        cancel,
                    )
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            cancel.check()
            self.choose(name, film, ours=True)

        task = asyncio.get_running_loop().run_in_executor(self._fetching, work)
        try:
            while not task.done():
                yield told[-1]
                await asyncio.wait({task}, timeout=_LOOK_SECONDS)
            task.result()
        finally:
            cancel.cancel()
            # Seen, though nobody waits any more.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            if session.choosing is cancel:
                session.choosing = None

    async def aside(self, work: Callable[..., Settings], *arguments: object) -> Settings:
        """`work` in a thread: a stranger's SoundFont may take long to be checked."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._aside, work, *arguments)

    def with_files(self, name: str, settings: Settings) -> Settings:
        """These settings, the user's own files in them checked and kept as long as they are used.

        Args:
            name: Gradio's name of the page on which they came.
            settings: with the paths of what was uploaded.

        Raises:
            EmsyncError: a file is gone, or no SoundFont that can be played.
        """
        from emsync.sound.soundfonts import check, installed

        music, sound = settings.music, settings.sound
        session = self.session(name)

        def put_aside(midi: Path | None) -> Path | None:
            if midi is None:
                return None
            path = self.shelf.keep(midi)
            session.files.add(path)
            return path

        music = replace(music, primer=put_aside(music.primer), theme=put_aside(music.theme))
        font = sound.soundfont
        if font is not None and font not in [one.path for one in installed()]:
            kept = self.shelf.keep(font)
            session.files.add(kept)
            with self._lock:
                is_new = kept not in self._soundfonts
            if is_new:
                check(kept)
                with self._lock:
                    self._soundfonts.add(kept)
            sound = replace(sound, soundfont=kept)
        return replace(settings, music=music, sound=sound)

    def expected_seconds(self, source: Source, settings: Settings) -> float:
        """About how long a take of this film will take here, once it is its turn.

        Not to be called by the server's own thread: the first time PyTorch is imported, to see
        what there is to compute with.
        """
        from emsync.stages import expected_seconds

        seconds = float(source.film.duration)
        known = self.analyses.get(Key.of(source, settings), source.film) is not None
        looking = 0.0
        if not known:
            looking = expected_seconds(seconds, ("probe", "scenes", "emotion"))
            looking += self.panel.expected_seconds(seconds, settings.experts)
        # Pieces are written side by side (four took 1.6 times as long as one), and played in turn.
        more = settings.music.candidates - 1
        writing = expected_seconds(seconds, ("compose",)) * (1 + 0.2 * more)
        return self._pace * (
            looking + writing + expected_seconds(seconds, ("render", "mux")) * (1 + more)
        )

    def waiting(self) -> int:
        """How many are at work or wait."""
        return max(len(self._analysing), len(self._composing))

    def before(self, name: str) -> int:
        """How many of others are at work or wait, before a film of this page."""
        return max(0, self.waiting() - (self.session(name).job is not None))

    # Work ---------------------------------------------------------------------------------------

    def compose(self, name: str, settings: Settings, request: "MoodRequest") -> Job | None:
        """Begin a take of this page's film.

        Args:
            name: Gradio's name of the open page.
            settings: of this take.
            request: the mood to compose for.

        Returns:
            The work; None if some is under way already (a second press).

        Raises:
            EmsyncError: there is no film yet, or too many wait already; the film stays then.
        """
        session = self.session(name)
        if session.job is not None:
            return None
        if session.source is None:
            raise EmsyncError("Choose a film first: drop it into the box, or click there.")
        if not session.source.film.path.exists():
            raise EmsyncError(
                f"{quoted(session.source.name)} is no longer here: films are kept for an hour. "
                "Drop it in again."
            )
        self.shelf.touch(session.source)
        take = self.shelf.new_take(session.source, request.in_settings(settings), request)
        try:
            job = self._start(take, settings.sound, self._score)
        except EmsyncError:
            self.shelf.remove_take(take)
            raise
        # Of one that failed or was cancelled nothing is left.
        session.takes = [*(one for one in session.takes if one.result is not None), take]
        session.begun.add(take.token)
        while len(session.takes) > MOST_TAKES:
            oldest = session.takes.pop(0)
            if oldest.token in session.begun:  # what came by a link stays for whoever made it
                self.shelf.remove_take(oldest)
        return job

    def another(self, name: str, sound: SoundSettings) -> Job | None:
        """Compose one version more, beside those that did not please.

        Raises:
            EmsyncError: there are as many as are kept.
        """
        take = self._idle_take(name)
        if take is None:
            return None
        if len(take.versions) == len(_LETTERS):
            raise EmsyncError(
                f"There are {len(_LETTERS)} versions already, as many as are kept side by side. "
                "Press “Compose” for a new row of them."
            )
        return self._start(take, sound, self._another)

    def show(self, name: str, slot: int, sound: SoundSettings) -> Job | None:
        """Show another version, or the same with other sound; it is played anew if need be.

        While other work is under way, a version that was played is shown as it is.

        Returns:
            The work, or None if there is none to do, or it cannot be begun now.
        """
        session = self.session(name)
        take = session.shown
        if take is None or not 0 <= slot < len(take.versions):
            return None
        result = take.versions[slot].result
        if result is not None and (session.job is not None or result.settings.sound == sound):
            take.shown = slot
            take.revision += 1
            return None
        if self._idle_take(name) is None:
            return None
        return self._start(take, sound, lambda job: self._play(job, slot))

    async def resound(self, name: str, sound: SoundSettings) -> Job | None:
        """The page's sound is now this: what it shows is played anew, once nothing else is under
        way, unless the sound was changed again by then.

        Returns:
            The work, or None if there is none to do.
        """
        session = self.session(name)
        session.sound = sound
        if session.job is not None:
            session.job.sound = sound  # it may not have come to the playing yet
        while session.job is not None and session.sound is sound:
            await asyncio.sleep(_LOOK_SECONDS)
        take = session.shown
        if take is None or session.sound is not sound or self.session(name) is not session:
            return None
        if session.source is not None and session.source is not take.source:
            return None  # it is meant for the film that was chosen since
        return self.show(name, take.shown, sound)

    def bundle(self, name: str) -> Job | None:
        """Make the stems of the version that is shown, and a ZIP of everything."""
        take = self._idle_take(name)
        if take is None or take.result is None or take.versions[take.shown].bundle is not None:
            return None
        return self._start(take, take.result.settings.sound, self._bundle)

    def attach(self, name: str, token: str) -> Take | None:
        """This page shows the take of a link from now on; None if there is none."""
        take = self.shelf.find(token)
        if take is not None:
            session = self.session(name)
            session.takes.append(take)
            session.source = take.source
        return take

    async def watch(self, name: str, job: Job | None = None) -> AsyncIterator[Update]:
        """Report work until it is over.

        Args:
            name: of the page.
            job: work that was begun, which may be over by now; by default what is under way.

        Raises:
            gradio.Error: with a sentence for the user, after an update that shows the same.
        """
        job = job or self.session(name).job
        if job is None:
            return
        take = job.take
        shown: tuple[object, ...] = (None, take.revision, None)
        while True:
            over = job.done.is_set()
            sketch, revision, status = job.sketch, take.revision, self._status(job)
            if (status, revision, sketch) != shown and not over:
                changed = revision != shown[1]
                drawn = sketch if sketch is not shown[2] else None
                shown = (status, revision, sketch)
                yield Update(status, True, take if changed else None, drawn)
            if over:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        last = take if take.result is not None else None
        if job.error is None:
            took = time.monotonic() - job.started
            yield Update(views.done(take, job.words, took), False, last)
        elif isinstance(job.error, Cancelled):
            kept = "What was there before is still there." if last else "Nothing was kept of it."
            yield Update(views.note(f"Cancelled. {kept}"), False, last)
        else:
            known = isinstance(job.error, EmsyncError)
            sentence = str(job.error) if known else _APOLOGY
            yield Update(views.problem(sentence), False, last)
            # Toasts take HTML, and sentences quote file names.
            raise gr.Error(html.escape(sentence), print_exception=False) from None

    def cancel(self, name: str) -> None:
        """Stop the work of this page, if there is any; `watch` then says so."""
        session = self.session(name)
        if session.job is not None:
            session.job.cancel.cancel()
        if session.choosing is not None:
            session.choosing.cancel()

    def leave(self, name: str) -> None:
        """The page was closed: its takes keep their hour, its film goes if there is no take."""
        with self._lock:
            session = self._sessions.pop(name, None)
        if session is None:
            return
        with self._lock:
            source, session.source = session.source, None
        for token in (session.opening, session.choosing):
            if token is not None:
                token.cancel()
        for take in session.takes:
            take.use()
        if source is not None:
            self.shelf.remove_film(source)

    def forget(self, name: str) -> None:
        """Everything of this page goes at once: takes, films, and what was found in them."""
        session = self.session(name)
        self.cancel(name)
        sources = {take.source.folder: take.source for take in session.takes}
        if session.source is not None:
            sources[session.source.folder] = session.source
        for take in session.takes:
            if take.job is not None:
                take.job.done.wait(_CLOSE_SECONDS)
            self.shelf.remove_take(take)
        for source in sources.values():
            self.shelf.remove_film(source, uploaded=True)
            self.analyses.forget(source)
        with self._lock:
            others = {
                file for one in self._sessions.values() if one is not session for file in one.files
            }
        for file in session.files - others:
            self.shelf.discard(file)
        session.takes, session.source, session.files = [], None, set()

    def session(self, name: str) -> Session:
        """Of an open page, by Gradio's name of it."""
        with self._lock:
            session = self._sessions.setdefault(name, Session(self.settings))
        session.used = time.monotonic()
        return session

    def sweep_also(self, work: Callable[[float], None]) -> None:
        """Do this as well whenever old files are removed; it is told after how many seconds what
        nobody looks at goes."""
        self._also.append(work)

    def start_sweeping(self) -> None:
        """Remove old files every few minutes, whether or not anybody composes."""

        def sweep() -> None:
            while not self._closed.wait(_SWEEP_SECONDS):
                try:
                    self.sweep()
                    self.room.remove_old(KEEP_SECONDS)
                    for work in self._also:
                        work(KEEP_SECONDS)
                    if not self.room.has():
                        self.room.remove_abandoned()
                except Exception:  # the next time it may go better, and there has to be one
                    log.exception("old files could not be removed")

        threading.Thread(target=sweep, daemon=True).start()

    def sweep(self) -> None:
        """Remove what is past its hour."""
        with self._lock:
            sessions = list(self._sessions.values())
            self._soundfonts = {path for path in self._soundfonts if path.exists()}
        self.shelf.sweep([session.source for session in sessions if session.source is not None])
        old = time.monotonic() - _SESSION_SECONDS
        with self._lock:
            for name, session in list(self._sessions.items()):
                session.takes = [take for take in session.takes if take.folder.exists()]
                if session.used < old and not session.takes and session.choosing is None:
                    del self._sessions[name]

    def close(self) -> None:
        """Cancel all work and wait until its threads, and the FFmpegs in them, are gone."""
        self._closed.set()
        self.installation.stop()
        with self._lock:
            sessions, workers = list(self._sessions), list(self._workers)
        for name in sessions:
            self.cancel(name)
            self.drop(name)
        for take in self.shelf.takes():
            if take.job is not None:
                take.job.cancel.cancel()
        for worker in workers:
            worker.join(_CLOSE_SECONDS)
        for pool in (self._opening, self._fetching, self._aside, self._drawing):
            pool.shutdown(wait=False, cancel_futures=True)
        self.panel.release()

    # In the working thread ------------------------------------------------------------------------

    def _start(self, take: Take, sound: SoundSettings, work: Callable[[Job], None]) -> Job:
        """Begin work in a thread of its own.

        Raises:
            EmsyncError: as many are at work or wait as may.
        """
        job = Job(take, sound)
        # In the context of the request: a borrowed GPU counts for the visitor who asked.
        run = copy_context().run
        worker = threading.Thread(target=run, args=(self._work, job, work), daemon=True)
        with self._lock:
            if len(self._workers) >= self.host.waiting:
                raise EmsyncError(_BUSY)
            self._workers.add(worker)
        before, take.job = take.job, job
        try:
            worker.start()
        except RuntimeError as error:  # this machine gives no more threads
            take.job = before
            with self._lock:
                self._workers.discard(worker)
            raise EmsyncError(_BUSY) from error
        return job

    def _idle_take(self, name: str) -> Take | None:
        session = self.session(name)
        if session.job is not None or session.shown is None:
            return None
        # What is worked on, or was last, stands last.
        take = session.shown
        if take.job is not None and not take.job.done.is_set():
            return None  # somebody else who has its link is at work on it
        session.takes = [*(one for one in session.takes if one is not take), take]
        return take

    def _work(self, job: Job, work: Callable[[Job], None]) -> None:
        """Do it, and tidy up after it."""
        take = job.take
        try:
            source = take.source
            seconds, size = float(source.film.duration), _size(source.film.path)
            candidates = take.settings.music.candidates
            needed = (
                bundle_bytes(size, seconds)
                if work == self._bundle
                else version_bytes(size, seconds) * (1 if take.versions else candidates)
            )
            with self.room.reserved(needed, take.folder):
                work(job)
        except BaseException as error:
            job.error = _in_words(error)
            if not isinstance(job.error, Cancelled | EmsyncError):
                log.exception("a request failed")
        finally:
            job.sketch = None
            # A version that was not played yet when the work ended can be played when it is asked
            # for; a take without any is nothing.
            if take.result is None:
                self.shelf.remove_take(take)
            take.use()
            # First, so that whoever presses again at once finds a place.
            with self._lock:
                self._workers.discard(threading.current_thread())
            job.done.set()
            give_back()

    def _score(self, job: Job) -> None:
        """A take from the beginning."""
        from emsync.sound.synth import load_library

        load_library()
        take = job.take
        job.expected = self.expected_seconds(take.source, take.settings)
        analysis = self._analysis(job)
        job.past |= analysis.seconds
        with self._composing.turn(job.cancel, job.wait):
            pieces = self._pieces(job, analysis, take.settings)
            take.versions = [
                Version(piece, letter) for letter, piece in zip(_LETTERS, pieces, strict=False)
            ]
            for version in take.versions:
                if version is not take.versions[0]:
                    job.words = f"Playing version {version.label}"
                self._perform(job, version)
        job.words = ""
        self._learn(job)

    def _another(self, job: Job) -> None:
        """One version more."""
        take = job.take
        analysis = take.versions[0].piece.analysis
        settings = replace(
            take.settings,
            music=replace(take.settings.music, candidates=1, keep=None, opening=None),
            seed=take.next_seed,
        )
        job.past |= analysis.seconds
        with self._composing.turn(job.cancel, job.wait):
            (piece,) = self._pieces(job, analysis, settings)
            take.next_seed = (take.next_seed + 1) % (_LARGEST_SEED + 1)
            made = Version(piece, _LETTERS[len(take.versions)])
            self._perform(job, made)
            take.versions.append(made)
            take.shown = len(take.versions) - 1
            take.revision += 1
        job.words = f"Version {made.label} is new."

    def _pieces(self, job: Job, analysis: "Analysis", settings: Settings) -> tuple["Piece", ...]:
        """Composed for the mood that the take asks for."""
        from emsync.pipeline import compose_pieces

        return compose_pieces(
            analysis,
            settings,
            job.hear,
            job.cancel,
            self._composer(settings.music.composer),
            job.take.request,
            job.draw,
            self.host.stages,
        )

    def _learn(self, job: Job) -> None:
        """How quick this machine is, from a take that did not have to wait."""
        if not job.waited and job.expected > 0:
            ratio = (time.monotonic() - job.started) / (job.expected / self._pace)
            self._pace = min(max((self._pace + ratio) / 2, 0.2), 10.0)

    def _play(self, job: Job, slot: int) -> None:
        """A version as its piece is, with other sound; it is shown then."""
        job.past |= job.take.versions[slot].piece.seconds
        job.words = "The sound is new; the piece is the same."
        with self._composing.turn(job.cancel, job.wait):
            self._perform(job, job.take.versions[slot])
            job.take.shown = slot

    def _perform(self, job: Job, version: Version) -> None:
        """Play a version into a folder of its own."""
        from emsync.pipeline import perform

        take, before = job.take, version.result
        self.room.check(take.folder)
        earlier = next((one.result for one in take.versions if one.result is not None), None)
        folder = take.folder / secrets.token_urlsafe(6)
        folder.mkdir(mode=0o700)
        try:
            result = perform(
                version.piece,
                folder,
                job.sound,
                job.hear,
                job.cancel,
                earlier,
                self.host.stages,
            )
            result = _named_after(take.source, result)
            # Here, because drawing would hold up everybody's page if the server did it.
            diagnostics = self._drawing.submit(views.diagnostics, result).result()
            job.cancel.check()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        version.result, version.diagnostics = result, diagnostics
        version.stems, version.bundle = {}, None
        job.sketch = None
        take.revision += 1
        if before is not None:
            shutil.rmtree(before.video.parent, ignore_errors=True)

    def _bundle(self, job: Job) -> None:
        """Stems, and a ZIP of everything."""
        from emsync.sound.bundle import bundle
        from emsync.sound.stems import write_stems
        from emsync.stages import bounded

        version = job.take.versions[job.take.shown]
        result = version.result
        assert result is not None
        job.words = "Stems and ZIP are ready."
        job.past |= result.seconds
        folder = result.video.parent
        stems = folder / "stems"
        with self._composing.turn(job.cancel, job.wait):
            seconds = float(result.analysis.film.duration)
            token = bounded(job.cancel, "bundle", seconds, self.host.stages)
            stems.mkdir(exist_ok=True)
            sounds = write_stems(
                result.midi,
                result.analysis.film.duration,
                result.settings.sound,
                result.settings.sound.soundfont,
                stems,
                token,
            )
            files = [
                *zip(BUNDLED, views.files_of(result), strict=True),
                *((f"stems/{group}.wav", path) for group, path in sounds.items()),
            ]
            whole = folder / f"{_stem(job.take.source)} everything.zip"
            version.bundle = bundle(folder, whole, files, token, views.about(result))
            version.stems = sounds
        job.take.revision += 1

    def _analysis(self, job: Job) -> "Analysis":
        """Of the take's film: remembered, or made when it is its turn."""
        from emsync.pipeline import analyse

        source, settings = job.take.source, job.take.settings
        key = Key.of(source, settings)
        known = self.analyses.get(key, source.film)
        if known is None:
            with self._analysing.turn(job.cancel, job.wait):
                # Somebody else may have brought the same film.
                known = self.analyses.get(key, source.film)
                if known is None:
                    known = analyse(
                        source.film.path,
                        settings,
                        job.hear,
                        job.cancel,
                        self.panel,
                        self.host.stages,
                    )
                    self.analyses.put(key, known)
        return known

    def _composer(self, name: str) -> "Composer":
        """Return a composer, which stays loaded for the next request."""
        from emsync.music.composer import open_composer

        if name not in self._composers:
            self._composers[name] = open_composer(name)
        return self._composers[name]

    def _status(self, job: Job) -> str:
        if job.cancel.cancelled:
            return views.note("Cancelling …")
        if job.ahead:
            return views.waiting(job.ahead)
        if job.now is None:
            return views.note("Starting …")
        return views.progress(job.now, job.share, dict(job.past))


def _in_words(error: BaseException) -> BaseException:
    """A sentence in the place of what the system says of a full disk or of no more memory."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EmsyncError("The disk of this machine is full. Try again in a while.")
    if isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EAGAIN)
    ):
        return EmsyncError(
            "This machine has no memory left for this film. Try again in a while, or a shorter or "
            "smaller film."
        )
    return error


def _on_volume(path: Path, folder: Path) -> bool:
    """Whether a file can have a second name in a folder."""
    try:
        return path.stat().st_dev == folder.stat().st_dev
    except OSError:
        return False


def _size(path: Path) -> int:
    """Bytes of a file; 0 if it is no longer there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _stem(source: Source) -> str:
    """What its files are called, without endings."""
    return source.film.path.stem[:_LONGEST_STEM]


def _named_after(source: Source, result: "Result") -> "Result":
    """The result, its files named after the film, as they are when they are downloaded."""
    stem = _stem(source)
    names = (f"{stem} (scored).mp4", f"{stem}.mid", f"{stem}.wav", f"{stem} report.json")
    video, midi, wav, report = (
        path.rename(path.with_name(name))
        for path, name in zip(views.files_of(result), names, strict=True)
    )
    return replace(result, video=video, midi=midi, wav=wav, report=report)
