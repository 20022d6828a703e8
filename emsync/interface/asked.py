"""What the editor and the controls of a page ask for."""

from dataclasses import replace
from typing import Any, Literal

from emsync.emotion.curve import MoodRequest
from emsync.interface.layout import Page
from emsync.interface.mood_editor import request_of
from emsync.interface.records import Take
from emsync.interface.studio import Studio
from emsync.settings import Settings


class Asked:
    """Reads what is asked for."""

    def __init__(self, page: Page, studio: Studio) -> None:
        """
        Args:
            page: its components.
            studio: keeps the files that come with it.
        """
        self._page, self._studio = page, studio

    @property
    def components(self) -> list[Any]:
        """Those that say what is asked for, the mood editor first."""
        return [self._page.editor, *self._page.controls.components]

    def is_mixing(self, values: tuple[Any, ...]) -> bool:
        """Return whether the browser mixes; `values` are those of the controls."""
        return self._page.controls.is_mixing(values)

    async def music(
        self, name: str, mood: dict[str, Any], values: tuple[Any, ...]
    ) -> tuple[Settings, MoodRequest]:
        """Return what the editor and the controls ask for.

        Raises:
            EmsyncError: a value is out of its range, or a file cannot be used.
        """
        settings = await self._studio.in_thread(self.settings, name, values)
        asked = request_of(mood)
        return following(settings, asked), asked

    def settings(self, name: str, values: tuple[Any, ...]) -> Settings:
        """Return what the controls of a page ask for, its files kept.

        Raises:
            EmsyncError: a value is out of its range, or a file cannot be used.
        """
        session = self._studio.session(name)
        asked = self._page.controls.settings(session.base, values)
        return self._studio.user_files.kept(session, asked)

    def take_of_film(self, name: str) -> Take | None:
        """Return the take that is shown, if it is one of the page's film."""
        session = self._studio.session(name)
        take = session.shown
        return take if take is not None and take.source is session.source else None


def following(settings: Settings, request: MoodRequest) -> Settings:
    """Return the settings with the curve that the editor asks for, whatever a preset said."""
    curve: Literal["constant", "scenes"] = "scenes" if request.follow_scenes else "constant"
    return replace(settings, mood=replace(settings.mood, curve=curve))


def is_made_of(take: Take, settings: Settings, request: MoodRequest) -> bool:
    """Return whether what is asked for is what a take was made of, however it is played."""
    made = take.settings
    alike = replace(request.in_settings(settings), performance=made.performance, sound=made.sound)
    return made == alike and take.request == request
