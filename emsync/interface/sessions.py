"""The open pages, each with its film, its takes and its defaults."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from emsync.interface.records import Job, Playing, Source, Take
from emsync.progress import CancelToken
from emsync.settings import Settings

_IDLE_SECONDS = 86_400
"""A page that has done nothing for so long, and has nothing, is forgotten."""


@dataclass
class Session:
    """One open page.

    Attributes:
        base: the defaults here, with what its address or preset asked for.
        source: its film.
        takes: those begun on it or found by their links, the oldest first.
        fetching: stops the film that is being fetched.
        opening: stops the film that was chosen last.
        playing: as it was changed last.
        levelling: stops the search for the levels of a mix.
        chosen: the take that was picked last; None for the newest.
        begun: tokens of the takes that were begun on it, not found by a link.
        files: other files that came on it, where they are kept.
        used: when it last did something, by `time.monotonic`.
    """

    base: Settings
    source: Source | None = None
    takes: list[Take] = field(default_factory=list)
    fetching: CancelToken | None = None
    opening: CancelToken | None = None
    playing: Playing | None = None
    levelling: CancelToken | None = None
    chosen: Take | None = None
    begun: set[str] = field(default_factory=set)
    files: set[Path] = field(default_factory=set)
    used: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def job(self) -> Job | None:
        """Its work under way."""
        return next((take.job for take in self.takes if not take.is_idle), None)

    @property
    def shown(self) -> Take | None:
        """The take that it shows: the one that was picked, or the last of which there is something
        to show."""
        if self.chosen in self.takes and self.chosen is not None and self.chosen.result is not None:
            return self.chosen
        return next((take for take in reversed(self.takes) if take.result is not None), None)

    def drop_film(self) -> Source | None:
        """Cancel a film that is coming, and return the one that the page had until now."""
        with self._lock:
            opening, self.opening = self.opening, None
            source, self.source = self.source, None
        for token in (opening, self.fetching):
            if token is not None:
                token.cancel()
        return source

    def begin_opening(self) -> CancelToken:
        """Return the token of a film that is coming now; any earlier one comes too late."""
        token = CancelToken()
        with self._lock:
            self.opening = token
        return token

    def end_opening(self, token: CancelToken, source: Source) -> bool:
        """Make a film the page's own, unless another was chosen since `token`, or the page went.

        Returns:
            Whether it is the page's film now.
        """
        with self._lock:
            is_last = self.opening is token and not token.cancelled
            if is_last:
                self.source = source
        return is_last

    def cancel(self) -> None:
        """Stop its work, and a film that is being fetched."""
        if self.job is not None:
            self.job.cancel.cancel()
        if self.fetching is not None:
            self.fetching.cancel()

    def idle_take(self) -> Take | None:
        """Return the take that is shown; None while work on it is under way."""
        take = self.shown
        # Somebody else who has its link may be at work on it.
        if self.job is not None or take is None or not take.is_idle:
            return None
        return take

    def takes_of_film(self, source: Source) -> list[Take]:
        """Return the takes of a film of which there is something to show, the oldest first."""
        return [take for take in self.takes if take.source is source and take.versions]


class Sessions:
    """All open pages, by Gradio's names of them."""

    def __init__(self, base: Settings) -> None:
        """
        Args:
            base: the defaults of a page that is new.
        """
        self._base = base
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def of(self, name: str) -> Session:
        """Return the session of an open page, a new one if it has none."""
        with self._lock:
            session = self._sessions.setdefault(name, Session(self._base))
        session.used = time.monotonic()
        return session

    def pop(self, name: str) -> Session | None:
        """Forget a page and return its session; None if it had none."""
        with self._lock:
            return self._sessions.pop(name, None)

    def all(self) -> list[Session]:
        """Return all sessions."""
        with self._lock:
            return list(self._sessions.values())

    def forget_idle(self) -> None:
        """Forget takes whose files are gone, and pages that did nothing for a day."""
        old = time.monotonic() - _IDLE_SECONDS
        with self._lock:
            for name, session in list(self._sessions.items()):
                session.takes = [take for take in session.takes if take.folder.exists()]
                if session.used < old and not session.takes and session.fetching is None:
                    del self._sessions[name]
