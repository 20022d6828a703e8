"""What happens in “Compose a part anew”: one method an event."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from emsync.errors import EmsyncError
from emsync.interface import scripts, views
from emsync.interface.changes import Changes
from emsync.interface.compose_button import ComposeButton
from emsync.interface.event_group import EventGroup
from emsync.interface.event_options import QUIETLY, WORK, page_of
from emsync.interface.passage_area import OWN_BARS, bars_of_scene, parts_of
from emsync.interface.records import Playing

if TYPE_CHECKING:
    from emsync.results import Piece


class PassageEvents(EventGroup):
    """Connects the part of a piece that is to be composed anew with the studio."""

    def connect(self, everything: list[Any], button: ComposeButton) -> None:
        """Connect everything, within the `gr.Blocks` that is open.

        Args:
            everything: components that a take may change.
            button: is named anew when another version is shown.
        """
        area, result = self._page.passage, self._page.result
        result.versions.change(
            self.on_shown,
            area.asked,
            [area.whole, *area.asked],
            trigger_mode="always_last",
            **QUIETLY,
        )
        area.part.input(self.on_part, area.part, [area.first, area.last], **QUIETLY)
        area.words.select(self.on_scene, None, [area.part, area.first, area.last], **QUIETLY)
        for number in (area.first, area.last):
            number.input(lambda: OWN_BARS, None, area.part, queue=False, **QUIETLY)
        inputs = [area.first, area.last, area.groups, *self._asked.components]
        # In the browser alone, so that the press is seen at once.
        area.button.click(None, None, self._page.film.status, js=scripts.PRESSED, **QUIETLY)
        work = area.button.click(self.on_compose, inputs, everything, **WORK)
        work.success(None, js=scripts.TO_THE_PLAYER, **QUIETLY)
        button.name_after(work)

    def on_shown(
        self,
        part: int,
        first: float | None,
        last: float | None,
        groups: list[str],
        request: gr.Request,
    ) -> Changes:
        """Offer the parts of the piece that is shown."""
        return self._page.passage.of(self._piece(page_of(request)), part, first, last, groups)

    def on_part(self, number: int, request: gr.Request) -> Changes:
        """Put the bars of a scene where they can be changed."""
        area, piece = self._page.passage, self._piece(page_of(request))
        bars = None if piece is None else bars_of_scene(piece, number)
        if bars is None:
            return {area.first: gr.skip()}
        return {area.first: bars[0], area.last: bars[1]}

    def on_scene(self, event: gr.EventData, request: gr.Request) -> Changes:
        """Choose the scene that was clicked on the stage."""
        try:
            number = int(event.scene)
        except (AttributeError, TypeError, ValueError, OverflowError):
            return {self._page.passage.first: gr.skip()}  # no browser sends that
        piece = self._piece(page_of(request))
        if piece is None or number not in [one for _, one in parts_of(piece)]:
            return {self._page.passage.first: gr.skip()}
        return {self._page.passage.part: number} | self.on_part(number, request)

    async def on_compose(
        self,
        request: gr.Request,
        first: float | None,
        last: float | None,
        groups: list[str],
        mood: dict[str, Any],
        *values: Any,
    ) -> AsyncIterator[Changes]:
        """Compose a part of the piece that is shown anew, as one version more."""
        name = page_of(request)
        try:
            if not groups:
                raise EmsyncError("Choose who gets other notes.")
            settings = await self._studio.in_thread(self._asked.settings, name, values)
            bars = round(first or 0), round(last or 0)
            job = self._studio.recompose(name, bars, groups, Playing.of(settings))
        except EmsyncError as error:
            yield self._show.refusal(error)
            return
        if job is None:
            yield self._show.status(views.note("One moment: what is under way has to end first."))
            return
        yield self._show.nothing()
        async for changes in self._show.watch(name, mood, job):
            yield changes

    def _piece(self, name: str) -> "Piece | None":
        """Return the piece that a page shows."""
        take = self._studio.session(name).shown
        return None if take is None else take.versions[take.shown].piece
