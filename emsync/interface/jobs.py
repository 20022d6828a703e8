"""Work in threads of their own, and what a page shows of it meanwhile.

Work goes on when its page is closed, and can be found again by the link of its take.
"""

import asyncio
import errno
import html
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context

import gradio as gr

from emsync.errors import Cancelled, EmsyncError
from emsync.interface import views
from emsync.interface.disk_quota import DiskQuota
from emsync.interface.memory import give_back
from emsync.interface.records import LOOK_SECONDS, Job, Outcome, Playing, Take, Update
from emsync.interface.store import Store
from emsync.interface.work_queue import BUSY

APOLOGY = (
    "Sorry, something went wrong on our side. The details were written to the log. "
    "Try again, or try another film."
)

log = logging.getLogger(__name__)


class Jobs:
    """All work under way."""

    def __init__(self, store: Store, quota: DiskQuota, most: int) -> None:
        """
        Args:
            store: of the takes that are worked on.
            quota: of the disk.
            most: how many jobs may be at work or wait.
        """
        self._store, self._quota, self._most = store, quota, most
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    @property
    def threads(self) -> list[threading.Thread]:
        """Those of the jobs that are at work or wait."""
        with self._lock:
            return list(self._threads)

    def start(self, take: Take, playing: Playing, work: Callable[[Job], None], needed: int) -> Job:
        """Begin work in a thread of its own.

        Args:
            take: what is worked on.
            playing: how it is to be played.
            work: what to do; raises what goes wrong.
            needed: bytes of disk, estimated high.

        Raises:
            EmsyncError: as many are at work or wait as may.
        """
        job = Job(take, playing)
        # In the context of the request: a borrowed GPU counts for the visitor who asked.
        run = copy_context().run
        arguments = (self._run, job, work, needed)
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        with self._lock:
            if len(self._threads) >= self._most:
                raise EmsyncError(BUSY)
            self._threads.add(thread)
        before, take.job = take.job, job
        try:
            thread.start()
        except RuntimeError as error:  # this machine gives no more threads
            take.job = before
            with self._lock:
                self._threads.discard(thread)
            raise EmsyncError(BUSY) from error
        return job

    async def watch(self, job: Job) -> AsyncIterator[Update]:
        """Report a job until it is over; it may be over already.

        Raises:
            gradio.Error: with a sentence for the user, after an update that shows the same.
        """
        take = job.take
        shown: tuple[object, ...] = (None, take.revision, None)
        while True:
            over = job.done.is_set()
            sketch, revision, status = job.sketch, take.revision, _status(job)
            if (status, revision, sketch) != shown and not over:
                changed = revision != shown[1]
                newer = sketch if sketch is not shown[2] else None
                shown = (status, revision, sketch)
                yield Update(status, True, take if changed else None, newer)
            if over:
                break
            await asyncio.sleep(LOOK_SECONDS)
        last = take if take.result is not None else None
        if job.error is None:
            took = time.monotonic() - job.started
            yield Update(views.done(take, job.outcome, took), False, last)
        elif isinstance(job.error, Cancelled):
            kept = "What was there before is still there." if last else "Nothing was kept of it."
            yield Update(views.note(f"Cancelled. {kept}", Outcome.CANCELLED), False, last)
        else:
            is_known = isinstance(job.error, EmsyncError)
            sentence = str(job.error) if is_known else APOLOGY
            yield Update(views.problem(sentence), False, last)
            # Toasts take HTML, and sentences quote file names.
            raise gr.Error(html.escape(sentence), print_exception=False) from None

    def _run(self, job: Job, work: Callable[[Job], None], needed: int) -> None:
        """Work in a thread, and tidy up."""
        take = job.take
        try:
            with self._quota.reserved(needed, take.folder):
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
                self._store.remove_take(take)
            take.touch()
            # Before `done`, so that whoever presses again at once finds a place.
            with self._lock:
                self._threads.discard(threading.current_thread())
            job.done.set()
            give_back()


def _status(job: Job) -> str:
    """Return HTML of how far a job is."""
    if job.cancel.cancelled:
        return views.busy("Cancelling …")
    if job.ahead:
        return views.waiting(job.ahead)
    if job.progress is None:
        return views.busy("Starting …", 0.0)
    return views.progress(job.progress, job.share, dict(job.stage_seconds))


def _in_words(error: BaseException) -> BaseException:
    """Return an error with a sentence where the system's says that disk or memory is full."""
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
