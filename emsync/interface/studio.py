"""What happens when somebody presses a button: the parts of the app put together.

Nothing here is global: `app.py` makes one `Studio`, and every open page has a session in it.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emsync.emotion.features.zero_gpu import standard_panel
from emsync.errors import EmsyncError
from emsync.interface import records
from emsync.interface.disk_quota import DiskQuota
from emsync.interface.experts import Installation
from emsync.interface.films import Films
from emsync.interface.jobs import Jobs
from emsync.interface.records import LOOK_SECONDS, MOST_TAKES, Job, Mix, Playing, Take, Update
from emsync.interface.scoring import LABELS, Scorer
from emsync.interface.sessions import Session, Sessions
from emsync.interface.store import Store
from emsync.interface.takes import Takes
from emsync.interface.user_files import UserFiles
from emsync.limits import HostLimits, film_limits, host_limits
from emsync.progress import CancelToken
from emsync.settings import Settings
from emsync.text import quoted

if TYPE_CHECKING:
    from emsync.emotion.curve import MoodRequest
    from emsync.sound.mixing import MixLevels

SWEEP_SECONDS = 120
"""Between two looks for what is past its hour."""
_CLOSE_SECONDS = 5
"""That work which is cancelled has to end."""

log = logging.getLogger(__name__)


class Studio:
    """All that the open pages share.

    Attributes:
        settings: defaults of a new page.
        host: limits on all requests together.
        store: the files.
        quota: of the disk.
        sessions: the open pages.
        films: how films come to pages.
        takes: what people do with those that are there.
        user_files: what else comes to pages.
        panel: the experts. Their models stay loaded, and all requests share them.
        scorer: does the work.
        jobs: the work under way.
        installation: of experts that are missing.
    """

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
        self._closed = threading.Event()
        self.store = Store(root, self.host.stages)
        self.quota = DiskQuota(root, self.host, self.sweep)
        self.sessions = Sessions(self.settings)
        self.films = Films(
            self.sessions,
            self.store,
            self.quota,
            self.settings.limits,
            self.host.waiting,
            self._closed,
        )
        self.takes = Takes(self.sessions, self.store)
        self.user_files = UserFiles(self.store)
        self.panel = standard_panel()
        self.scorer = Scorer(self.panel, self.quota, self.host)
        self.jobs = Jobs(self.store, self.quota, self.host.waiting)
        self.installation = Installation()
        self._checkers = ThreadPoolExecutor(2)
        self._also_sweep: list[Callable[[float], None]] = []

    def session(self, name: str) -> Session:
        """Return the session of an open page, by Gradio's name of it."""
        return self.sessions.of(name)

    async def in_thread(self, work: Callable[..., Settings], *arguments: object) -> Settings:
        """Call `work` in a thread: a stranger's SoundFont may take long to be checked."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._checkers, work, *arguments)

    def ahead_of(self, name: str) -> int:
        """Return how many of others are at work or wait before a film of this page."""
        return max(0, self.scorer.waiting() - (self.session(name).job is not None))

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
        self.store.touch(session.source)
        take = self.store.new_take(session.source, request.in_settings(settings), request)
        try:
            needed = self.scorer.bytes_of(take)
            job = self.jobs.start(take, Playing.of(settings), self.scorer.score, needed)
        except EmsyncError:
            self.store.remove_take(take)
            raise
        # Of one that failed or was cancelled nothing is left.
        session.takes = [*(one for one in session.takes if one.result is not None), take]
        session.chosen = take
        session.begun.add(take.token)
        self.takes.make_room(session, MOST_TAKES)
        return job

    def pick(self, name: str, token: str) -> None:
        """Show another take of this page; nothing happens if it has none of that token."""
        session = self.session(name)
        for take in session.takes:
            if take.token == token and take.result is not None:
                session.chosen = take
                self.store.touch(take.source)
                take.touch()

    def another(self, name: str, playing: Playing) -> Job | None:
        """Compose one version more, beside those that did not please.

        Returns:
            The work; None if there is no take, or work is under way.

        Raises:
            EmsyncError: there are as many as are kept, or too many wait already.
        """
        take = self.session(name).idle_take()
        if take is None:
            return None
        if len(take.versions) == len(LABELS):
            raise EmsyncError(
                f"There are {len(LABELS)} versions already, as many as are kept side by side. "
                "Change a setting for a new take."
            )
        return self.jobs.start(take, playing, self.scorer.another, self.scorer.bytes_of(take))

    def recompose(
        self,
        name: str,
        bars: tuple[int, int],
        groups: Sequence[str],
        playing: Playing,
        seed: int | None = None,
    ) -> Job | None:
        """Compose a part of the piece that is shown anew, as one version more of its take.

        Args:
            name: Gradio's name of the open page.
            bars: the first and the last one, counted from 1.
            groups: names of those that get other notes; none for all.
            playing: how it is to be played.
            seed: of the draws; None for one that the take has not had.

        Returns:
            The work; None if there is no take, or work is under way.

        Raises:
            EmsyncError: the piece has no such bars, its parts cannot be composed anew, there are as
                many versions as are kept, or too many wait already.
        """
        from emsync.music.passage import passage_of

        take = self.session(name).idle_take()
        if take is None:
            return None
        if len(take.versions) == len(LABELS):
            raise EmsyncError(
                f"There are {len(LABELS)} versions already, as many as are kept side by side. "
                "Delete one of them first."
            )
        piece = take.versions[take.shown].piece
        seed = take.next_seed if seed is None else seed
        passage = passage_of(piece.composition.bars, *bars, groups, seed)
        work = partial(self.scorer.recompose, slot=take.shown, passage=passage)
        return self.jobs.start(take, playing, work, self.scorer.bytes_of(take))

    def show(self, name: str, slot: int, playing: Playing) -> Job | None:
        """Show another version, or the same played in another way; it is played anew if need be.

        While other work is under way, a version that was played is shown as it is.

        Returns:
            The work, or None if there is none to do, or it cannot be begun now.

        Raises:
            EmsyncError: too many wait already.
        """
        session = self.session(name)
        take = session.shown
        if take is None or not 0 <= slot < len(take.versions):
            return None
        result = take.versions[slot].result
        if result is not None and (
            session.job is not None or Playing.of(result.settings) == playing
        ):
            take.shown = slot
            take.revision += 1
            return None
        if session.idle_take() is None:
            return None
        replay = partial(self.scorer.replay, slot=slot)
        return self.jobs.start(take, playing, replay, self.scorer.bytes_of(take))

    async def resound(self, name: str, playing: Playing) -> Job | None:
        """Play what the page shows in another way, once nothing else is under way, unless that
        was changed again by then.

        Returns:
            The work, or None if there is none to do.

        Raises:
            EmsyncError: too many wait already.
        """
        session = self.session(name)
        session.playing = playing
        if session.job is not None:
            session.job.playing = playing  # it may not have come to the playing yet
        while session.job is not None and session.playing is playing:
            await asyncio.sleep(LOOK_SECONDS)
        take = session.shown
        if take is None or session.playing is not playing or self.session(name) is not session:
            return None
        if session.source is not None and session.source is not take.source:
            return None  # it is meant for the film that was chosen since
        return self.show(name, take.shown, playing)

    def bundle(self, name: str) -> Job | None:
        """Make the stems of the version that is shown, and a ZIP of everything.

        Returns:
            The work, or None if it is done, or cannot be begun now.

        Raises:
            EmsyncError: too many wait already.
        """
        take = self.session(name).idle_take()
        if take is None or take.result is None or take.versions[take.shown].bundle is not None:
            return None
        needed = self.scorer.bundle_bytes_of(take)
        return self.jobs.start(take, Playing.of(take.result.settings), self.scorer.bundle, needed)

    def open_mix(self, name: str) -> Job | None:
        """Make the sounds of the version that is shown, to be mixed in the browser.

        Returns:
            The work; None if they are there, or it cannot be begun now.

        Raises:
            EmsyncError: too many wait already.
        """
        take = self.session(name).idle_take()
        if take is None or take.result is None or take.versions[take.shown].mix is not None:
            return None
        needed = self.scorer.mix_bytes_of(take)
        return self.jobs.start(take, Playing.of(take.result.settings), self.scorer.open_mix, needed)

    def mix(self, name: str, playing: Playing) -> Mix | None:
        """Return the sounds of which what the page shows consists if it is played in this way; None
        if they are not there."""
        take = self.session(name).shown
        mix = None if take is None else take.versions[take.shown].mix
        return mix if mix is not None and mix.fits(playing) else None

    async def mix_levels(self, name: str, mix: Mix, playing: Playing) -> "MixLevels":
        """Return the levels of a mix; an earlier call for the same page comes to nothing.

        Raises:
            EmsyncError: something that is needed is missing.
            Cancelled: something else was turned in the meantime.
        """
        session = self.session(name)
        if session.levelling is not None:
            session.levelling.cancel()
        session.levelling = cancel = CancelToken()
        return await asyncio.wrap_future(self.scorer.mix_levels(mix, playing, cancel))

    async def watch(self, name: str, job: Job | None = None) -> AsyncIterator[Update]:
        """Report work until it is over.

        Args:
            name: of the page.
            job: work that was begun, which may be over by now; by default what is under way.

        Raises:
            gradio.Error: with a sentence for the user, after an update that shows the same.
        """
        job = job or self.session(name).job
        if job is not None:
            async for update in self.jobs.watch(job):
                yield update

    def cancel(self, name: str) -> None:
        """Stop the work of this page, if there is any; `watch` then says so."""
        self.session(name).cancel()

    # Pages come and go --------------------------------------------------------------------------

    def attach(self, name: str, token: str) -> Take | None:
        """Show the take of a link on this page; return None if there is none."""
        take = self.store.find(token)
        if take is not None:
            session = self.session(name)
            session.takes = [*(one for one in session.takes if one is not take), take]
            session.chosen, session.source = take, take.source
        return take

    def leave(self, name: str) -> None:
        """Close a page: its takes keep their hour, its film goes if there is no take of it."""
        session = self.sessions.pop(name)
        if session is None:
            return
        source = session.drop_film()
        for take in session.takes:
            take.touch()
        if source is not None:
            self.store.remove_film(source)

    def forget(self, name: str) -> None:
        """Delete everything of this page at once: takes, films, and what was found in them."""
        session = self.session(name)
        session.cancel()
        sources = {take.source.folder: take.source for take in session.takes}
        if session.source is not None:
            sources[session.source.folder] = session.source
        for take in session.takes:
            if take.job is not None:
                take.job.done.wait(_CLOSE_SECONDS)
            self.store.remove_take(take)
        for source in sources.values():
            self.store.remove_film(source, uploaded=True)
            self.scorer.analyses.forget(source)
        self.user_files.discard(session, self.sessions.all())
        session.takes, session.chosen, session.source = [], None, None

    # After an hour ------------------------------------------------------------------------------

    def also_sweep(self, work: Callable[[float], None]) -> None:
        """Call `work` as well whenever old files are removed, with the seconds after which what
        nobody looks at goes."""
        self._also_sweep.append(work)

    def start_sweeping(self) -> None:
        """Remove old files every few minutes, whether or not anybody composes."""

        def keep_sweeping() -> None:
            while not self._closed.wait(SWEEP_SECONDS):
                try:
                    self.sweep()
                    self.quota.remove_old(records.KEEP_SECONDS)
                    for work in self._also_sweep:
                        work(records.KEEP_SECONDS)
                    if not self.quota.has_room():
                        self.quota.remove_abandoned()
                except Exception:  # the next time it may go better, and there has to be one
                    log.exception("old files could not be removed")

        threading.Thread(target=keep_sweeping, daemon=True).start()

    def sweep(self) -> None:
        """Remove what is past its hour."""
        sessions = self.sessions.all()
        self.user_files.sweep()
        self.store.sweep([session.source for session in sessions if session.source is not None])
        self.sessions.forget_idle()

    def close(self) -> None:
        """Cancel all work and wait until its threads, and the FFmpegs in them, are gone."""
        self._closed.set()
        self.installation.stop()
        threads = self.jobs.threads
        for session in self.sessions.all():
            session.cancel()
            source = session.drop_film()
            if source is not None:
                self.store.remove_film(source)
        for take in self.store.takes():
            if take.job is not None:
                take.job.cancel.cancel()
        for thread in threads:
            thread.join(_CLOSE_SECONDS)
        self.films.close()
        self._checkers.shutdown(wait=False, cancel_futures=True)
        self.scorer.close()
