"""What happens to takes that are there: one method an event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import gradio as gr

from emsync.errors import Cancelled, EmsyncError
from emsync.interface import scripts, views
from emsync.interface.changes import Changes
from emsync.interface.compose_button import ComposeButton
from emsync.interface.event_group import EventGroup
from emsync.interface.event_options import EACH_TIME, QUIETLY, WORK, page_of
from emsync.interface.records import Outcome, Playing


class TakeEvents(EventGroup):
    """Connects the strip of takes, the sound and the files of a take with the studio."""

    def connect(self, everything: list[Any], button: ComposeButton) -> None:
        """Connect everything, within the `gr.Blocks` that is open.

        Args:
            everything: components that a take may change.
            button: is named anew when another take is shown.
        """
        page, film, result = self._page, self._page.film, self._page.result
        controls = page.controls
        picked = result.versions.select(
            self.on_version, self._asked.components, everything, **EACH_TIME
        )
        picked.success(None, js=scripts.TO_THE_PLAYER, **QUIETLY)
        button.name_after(picked)
        # A card is never waited for: what is on it is changed at once, whatever else is under way.
        edited = result.versions.edit(self.on_edit, [page.editor], everything, **EACH_TIME)
        button.name_after(edited)
        sound = [page.editor, page.example_shown, *controls.components]
        for control in controls.of_sound:
            if control is controls.mixer:
                continue  # heard at once, and has events of its own
            if isinstance(control, gr.Slider):
                event = control.release
            else:
                event = control.change if isinstance(control, gr.File) else control.input
            event(self.on_sound, sound, everything, **EACH_TIME)
        result.pack.click(self.on_pack, [page.editor], everything, **WORK).success(
            None, js=scripts.SAVE_THE_ZIP, **QUIETLY
        )
        files = [controls.primer, controls.theme, controls.own_soundfont]
        gone = [*everything, film.film, *files]
        result.forget.click(self.on_forget, None, gone, **WORK).then(
            None, js=scripts.TO_THE_STATUS, **QUIETLY
        )

    async def on_version(
        self, event: gr.EventData, request: gr.Request, mood: dict[str, Any], *values: Any
    ) -> AsyncIterator[Changes]:
        """Show a take that was picked, or compose one more version."""
        name = page_of(request)
        try:
            try:
                slot, wants_another = int(event.slot), str(event.what) == "another"
            except (AttributeError, TypeError, ValueError, OverflowError):
                raise EmsyncError("There is no such version.") from None
            if not wants_another:
                self._studio.pick(name, str(event.take))
            asked = await self._studio.in_thread(self._asked.settings, name, values)
            playing = Playing.of(asked)
            if wants_another:
                job = self._studio.another(name, playing)
            else:
                job = self._studio.show(name, slot, playing)
        except EmsyncError as error:
            yield self._show.refusal(error)
            return
        session = self._studio.session(name)
        take = session.shown
        if job is not None:
            yield self._show.nothing()
            async for changes in self._show.watch(name, mood, job):
                yield changes
        elif take is not None and not wants_another and take.shown == slot:
            busy = session.job is not None
            yield self._show.outcome(name, take, Outcome.SHOWN, busy, mood)
        else:
            yield self._show.status(views.note("One moment: what is under way has to end first."))

    def on_edit(self, event: gr.EventData, request: gr.Request, mood: dict[str, Any]) -> Changes:
        """Star, rename or delete the take of a card."""
        name = page_of(request)
        session, takes = self._studio.session(name), self._studio.takes
        before = session.shown, None if session.shown is None else session.shown.shown
        try:
            token, mark, what = str(event.take), str(event.mark), str(event.what)
            if what == "star":
                takes.star(name, token, mark)
            elif what == "rename":
                takes.rename(name, token, mark, str(event.title))
            elif what == "delete":
                takes.delete(name, token, mark)
        except AttributeError:
            return self._show.nothing()  # no browser sends that
        except EmsyncError as error:
            return self._show.refusal(error)
        take = session.shown
        if what != "delete" or (take, take.shown if take is not None else None) == before:
            return self._show.strip(name)
        if take is None or session.source not in (None, take.source):
            return self._show.no_take(name)
        return self._show.outcome(name, take, Outcome.DELETED, session.job is not None, mood)

    async def on_sound(
        self, request: gr.Request, mood: dict[str, Any], example_shown: str, *values: Any
    ) -> AsyncIterator[Changes]:
        """Play the piece that is shown as performance and sound are now."""
        name = page_of(request)
        yield self._show.nothing()
        if example_shown:
            return  # it is as it is
        try:
            asked = await self._studio.in_thread(self._asked.settings, name, values)
            playing = Playing.of(asked)
            mix = self._studio.mix(name, playing) if self._asked.is_mixing(values) else None
            if mix is not None:
                # Heard already; what is downloaded will be written with it.
                with suppress(Cancelled):
                    yield await self._show.levels(name, mix, playing)
                return
            job = await self._studio.resound(name, playing)
        except EmsyncError as error:
            yield self._show.refusal(error)
            return
        if job is not None:
            async for changes in self._show.watch(name, mood, job):
                yield changes

    async def on_pack(self, mood: dict[str, Any], request: gr.Request) -> AsyncIterator[Changes]:
        """Make stems and ZIP of the version that is shown."""
        name = page_of(request)
        try:
            job = self._studio.bundle(name)
        except EmsyncError as error:
            yield self._show.refusal(error)
            return
        if job is None:
            yield self._show.nothing()
            return
        async for changes in self._show.watch(name, mood, job):
            yield changes

    async def on_forget(self, request: gr.Request) -> Changes:
        """Delete everything of this page."""
        await asyncio.to_thread(self._studio.forget, page_of(request))
        return self._show.everything_gone()
