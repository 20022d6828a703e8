"""What happens in the mixer: one method an event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import gradio as gr

from emsync.errors import Cancelled, EmsyncError
from emsync.interface.changes import Changes
from emsync.interface.event_group import EventGroup
from emsync.interface.event_options import EACH_TIME, WORK, page_of
from emsync.interface.mixer import mixing
from emsync.interface.records import LOOK_SECONDS, Job, Playing
from emsync.interface.views import note

_BUSY = "One moment: what is under way has to end first."


class MixEvents(EventGroup):
    """Connects the mixer with the studio."""

    def connect(self, everything: list[Any]) -> None:
        """Connect everything, within the `gr.Blocks` that is open.

        Args:
            everything: components that a take may change.
        """
        mixer, asked = self._page.controls.mixer, self._asked.components
        film, mix = self._page.film, self._page.result.mix
        mixer.prepare(
            self.on_prepare, asked, [mix, film.compose, film.cancel, film.status], **EACH_TIME
        )
        mixer.level(self.on_level, asked, mix, trigger_mode="always_last", **WORK)
        mixer.remix(self.on_remix, asked, everything, **EACH_TIME)

    async def on_prepare(
        self, request: gr.Request, mood: dict[str, Any], *values: Any
    ) -> AsyncIterator[Changes]:
        """Make the sounds of the film that is shown, and hand them to the mixer."""
        name = page_of(request)
        mix, film = self._page.result.mix, self._page.film
        try:
            job = self._studio.open_mix(name)
        except EmsyncError as error:
            yield self._show.refusal(error)
            return
        if job is None:
            take = self._studio.session(name).shown
            is_there = take is not None and take.versions[take.shown].mix is not None
            yield {mix: self._show.mix(take) if take and is_there else mixing(words=_BUSY)}
            return
        can = {film.compose: gr.Button(interactive=False), film.cancel: gr.Button(visible=True)}
        while not job.done.is_set():
            yield {mix: mixing(busy=True, words=_words(job)), **can}
            await asyncio.sleep(LOOK_SECONDS)
        yield {
            mix: self._show.mix(job.take),
            film.compose: gr.Button(interactive=True),
            film.cancel: gr.Button(visible=False),
            **({} if job.error is None else self._show.ended(job.error)),
        }

    async def on_level(
        self, request: gr.Request, mood: dict[str, Any], *values: Any
    ) -> AsyncIterator[Changes]:
        """Tell the mixer at which level the film would be written now."""
        name = page_of(request)
        with suppress(EmsyncError, Cancelled):  # the download will tell
            playing = Playing.of(await self._studio.in_thread(self._asked.settings, name, values))
            sounds = self._studio.mix(name, playing)
            if sounds is not None:
                yield await self._show.levels(name, sounds, playing)
                return
        yield {self._page.result.mix: gr.skip()}

    async def on_remix(
        self, request: gr.Request, mood: dict[str, Any], *values: Any
    ) -> AsyncIterator[Changes]:
        """Write the film that is shown as the mixer has it."""
        name = page_of(request)
        try:
            playing = Playing.of(await self._studio.in_thread(self._asked.settings, name, values))
            take = self._studio.session(name).idle_take()
            job = None if take is None else self._studio.show(name, take.shown, playing)
        except EmsyncError as error:
            yield self._show.refusal(error)
            return
        if job is None:
            yield self._show.status(note(_BUSY)) if take is None else self._show.nothing()
            return
        async for changes in self._show.watch(name, mood, job):
            yield changes


def _words(job: Job) -> str:
    """Return how far the sounds are."""
    if job.ahead:
        films = "one film is" if job.ahead == 1 else f"{job.ahead} films are"
        return f"Waiting: {films} before yours."
    return f"Preparing the sounds … {job.share:.0%}"
