"""What people do with takes that are there: star, rename and delete them."""

import shutil

from emsync.errors import EmsyncError
from emsync.interface.records import MOST_TAKES, Take, Version
from emsync.interface.sessions import Session, Sessions
from emsync.interface.store import Store
from emsync.text import one_line

LONGEST_NAME = 40
"""Letters of a take's name."""
_GONE = "That take is no longer here."
_BUSY = "One moment: what is under way has to end first."


class Takes:
    """Changes the takes of open pages."""

    def __init__(self, sessions: Sessions, store: Store) -> None:
        """
        Args:
            sessions: the open pages.
            store: has the files.
        """
        self._sessions, self._store = sessions, store

    def star(self, name: str, token: str, mark: str) -> None:
        """Star a version of a take, or take the star away.

        Args:
            name: Gradio's name of the open page.
            token: of the take.
            mark: of the version.

        Raises:
            EmsyncError: the page has none such.
        """
        _, version = self._found(name, token, mark)
        version.starred = not version.starred

    def rename(self, name: str, token: str, mark: str, title: str) -> None:
        """Give a version a name of its own; an empty one gives it back the one it had at first.

        Args:
            name: Gradio's name of the open page.
            token: of the take.
            mark: of the version.
            title: the new name, which is shortened if need be.

        Raises:
            EmsyncError: the page has none such.
        """
        _, version = self._found(name, token, mark)
        version.name = one_line(" ".join(title.split()), LONGEST_NAME)

    def delete(self, name: str, token: str, mark: str) -> None:
        """Delete a version and its files; a take without any other goes with it.

        Args:
            name: Gradio's name of the open page.
            token: of the take.
            mark: of the version.

        Raises:
            EmsyncError: the page has none such, or somebody is at work on the take.
        """
        session = self._sessions.of(name)
        take, version = self._found(name, token, mark)
        if not take.is_idle:
            raise EmsyncError(_BUSY)
        others = [one for one in take.versions if one is not version]
        if not any(one.result is not None for one in others):
            session.takes = [one for one in session.takes if one is not take]
            session.chosen = next(reversed(session.takes_of_film(take.source)), None)
            self._store.remove_take(take)
            return
        shown = take.versions[take.shown]
        if shown is version:
            shown = next(one for one in reversed(others) if one.result is not None)
        take.versions, take.shown = others, others.index(shown)
        take.revision += 1
        if version.result is not None:
            shutil.rmtree(version.result.video.parent, ignore_errors=True)
        if version.mix is not None:
            shutil.rmtree(version.mix.sources.folder, ignore_errors=True)

    def make_room(self, session: Session, most: int = MOST_TAKES) -> None:
        """Let the takes of a page go that are too many: those without a star first, then the
        oldest. The newest stays, and what came by a link stays for whoever made it.

        Args:
            session: of the page.
            most: takes that it may keep.
        """
        too_many = max(0, len(session.takes) - most)
        for take in sorted(session.takes[:-1], key=lambda one: one.is_starred)[:too_many]:
            session.takes.remove(take)
            if take.token in session.begun:
                self._store.remove_take(take)

    def _found(self, name: str, token: str, mark: str) -> tuple[Take, Version]:
        for take in self._sessions.of(name).takes:
            for version in take.versions:
                if (take.token, version.mark) == (token, mark):
                    return take, version
        raise EmsyncError(_GONE)
