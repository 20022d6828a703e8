"""What happens on the page: one method an event.

Each asks the studio and answers with what the page shows next (`emsync.interface.changes`).
"""

import html
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import gradio as gr

from emsync.errors import Cancelled, EmsyncError
from emsync.interface import scripts, views
from emsync.interface.api import mood_from
from emsync.interface.asked import Asked, is_made_of
from emsync.interface.changes import Changes, PageChanges
from emsync.interface.compose_button import ComposeButton
from emsync.interface.event_options import EACH_TIME, QUIETLY, WORK, page_of
from emsync.interface.examples import Example
from emsync.interface.layout import Page
from emsync.interface.mix_events import MixEvents
from emsync.interface.mood_editor import with_own
from emsync.interface.passage_events import PassageEvents
from emsync.interface.records import Outcome, Playing
from emsync.interface.settings_events import SettingsEvents
from emsync.interface.studio import Studio
from emsync.interface.take_events import TakeEvents
from emsync.music.composer import check_obeyed
from emsync.presets import (
    from_query,
)

_OWN_QUERY = {"take", "mood", "expert", "view", "deep_link", "logs"}
"""Names in the address that are no settings: ours for a take's link, a mood and the expert switch,
and Gradio's."""


class Events:
    """Connects the components of a page with the studio."""

    def __init__(self, page: Page, studio: Studio, samples: tuple[Example, ...]) -> None:
        """
        Args:
            page: its components.
            studio: does the work.
            samples: films that are scored already.
        """
        self._page, self._studio = page, studio
        self._samples = {one.name: one for one in samples}
        self._show = PageChanges(page, studio)
        self._asked = Asked(page, studio)
        self._button = ComposeButton(page, studio)
        self._takes, self._settings = TakeEvents(page, studio), SettingsEvents(page, studio)
        self._mix = MixEvents(page, studio)
        self._passage = PassageEvents(page, studio)

    # What comes from where, and what it may change ------------------------------------------------

    def connect(self, blocks: gr.Blocks) -> None:
        """Connect everything, within `blocks`."""
        page, film, result = self._page, self._page.film, self._page.result
        chords = page.controls.named["music.chords"]
        no_result = list(self._show.no_result())
        of_film = [film.film, film.facts, film.status, page.editor, page.controls.mixer]
        about = list(dict.fromkeys([*of_film, *no_result]))
        everything = [
            *(film.status, film.compose, film.cancel, film.facts, result.film_file, result.player),
            *(result.versions, result.files, result.pack, result.use_example, result.forget),
            *(result.take_link, page.diagnostics, page.editor, page.example_shown),
            *(chords, page.music.edit_chords, result.mix),
        ]
        self._connect_films(about)
        self._connect_work(everything)
        self._connect_examples(everything, about)
        self._button.connect()
        self._takes.connect(everything, self._button)
        self._settings.connect()
        self._mix.connect(everything)
        self._passage.connect(everything, self._button)
        self._connect_page(blocks, everything)

    def _connect_films(self, about: list[Any]) -> None:
        page, film = self._page, self._page.film
        brought = film.film.upload(self.on_film, [film.film, page.editor], about, **EACH_TIME)
        self._button.name_after(brought).then(None, js=scripts.TO_COMPOSE, **QUIETLY)
        for event in (film.fetch.click, film.address.submit):
            brought = event(
                self.on_link, [film.address, page.editor], [*about, film.cancel], **EACH_TIME
            )
            self._button.name_after(brought).then(None, js=scripts.TO_COMPOSE, **QUIETLY)
        film.another.click(None, js=scripts.TO_THE_DROP_ZONE, **QUIETLY)
        film.back.click(None, js=scripts.BACK_TO_THE_FILM, **QUIETLY)

    def _connect_work(self, everything: list[Any]) -> None:
        film = self._page.film
        # In the browser alone, so that the press is seen at once.
        film.compose.click(None, None, film.status, js=scripts.PRESSED, **QUIETLY)
        work = film.compose.click(self.on_compose, self._asked.components, everything, **WORK)
        work.success(None, js=scripts.TO_THE_PLAYER, **QUIETLY)
        self._button.name_after(work)
        film.cancel.click(self.on_cancel, queue=False, **QUIETLY)

    def _connect_examples(self, everything: list[Any], about: list[Any]) -> None:
        page = self._page
        page.examples.select(self.on_example, None, everything, **EACH_TIME).then(
            None, js=scripts.PLAY, **QUIETLY
        )
        chosen = [page.example_shown, page.editor]
        used = page.result.use_example.click(self.on_use_example, chosen, about, **WORK)
        self._button.name_after(used).then(None, js=scripts.TO_COMPOSE, **QUIETLY)

    def _connect_page(self, blocks: gr.Blocks, everything: list[Any]) -> None:
        page, area = self._page, self._page.experts
        arriving = [*everything, *page.controls.components]
        loaded = blocks.load(self.on_load, [page.editor], list(dict.fromkeys(arriving)), **WORK)
        self._button.name_after(loaded).then(None, js=scripts.AFTER_LOADING, **QUIETLY)
        shown = [area.listing, area.install, area.stop, area.installing, area.clock]
        for event, handler in (
            (blocks.load, self.on_look_at_experts),
            (area.install.click, self.on_install),
            (area.stop.click, self.on_stop_installing),
            (area.clock.tick, self.on_look_at_experts),
        ):
            event(handler, None, shown, **QUIETLY)
        blocks.unload(self.on_unload)

    # Films --------------------------------------------------------------------------------------

    async def on_film(self, path: str | None, mood: dict[str, Any], request: gr.Request) -> Changes:
        """Open a film that was dropped in or recorded."""
        name = page_of(request)
        if path is None:
            return self._show.nothing()
        try:
            chosen = await self._studio.films.open(name, path)
        except EmsyncError as error:
            return self._show.no_film(error)
        if chosen is None:
            return self._show.nothing()  # another came in the meantime
        return self._show.new_film(name, mood)

    async def on_link(
        self, address: str, mood: dict[str, Any], request: gr.Request
    ) -> AsyncIterator[Changes]:
        """Fetch the film at a link."""
        name = page_of(request)
        try:
            async for share, words in self._studio.films.fetch(name, address):
                yield self._show.fetching(share, words)
            yield {
                **self._show.new_film(name, mood),
                **self._show.can_cancel(False),
            }
        except Cancelled:
            status = views.note("Cancelled.", Outcome.CANCELLED)
            yield self._show.status(status) | self._show.can_cancel(False)
        except EmsyncError as error:
            yield self._show.refusal(error) | self._show.can_cancel(False)

    # Work ---------------------------------------------------------------------------------------

    async def on_compose(
        self, request: gr.Request, mood: dict[str, Any], *values: Any
    ) -> AsyncIterator[Changes]:
        """Compose music for the page's film: another version where nothing else is asked for."""
        name = page_of(request)
        try:
            settings, asked = await self._asked.music(name, mood, values)
            take = self._asked.take_of_film(name)
            if take is None or not is_made_of(take, settings, asked):
                job = self._studio.compose(name, settings, asked)
            else:
                job = self._studio.another(name, Playing.of(settings))
        except EmsyncError as error:
            yield self._show.refusal(error)
            raise gr.Error(html.escape(str(error)), print_exception=False) from None
        if job is None:
            yield self._show.nothing()
            return
        job.take.asked = mood
        yield self._show.begun(job)
        async for changes in self._show.watch(name, mood, job):
            yield changes

    def on_cancel(self, request: gr.Request) -> None:
        """Stop what is under way."""
        self._studio.cancel(page_of(request))

    # Examples -----------------------------------------------------------------------------------

    def on_example(self, event: gr.EventData, request: gr.Request) -> Changes:
        """Show an example with its score."""
        one = self._samples.get(str(event.value))
        return self._show.nothing() if one is None else self._show.example(page_of(request), one)

    async def on_use_example(
        self, example_shown: str, mood: dict[str, Any], request: gr.Request
    ) -> Changes:
        """Make the film of the example that is shown the page's film."""
        one = self._samples.get(example_shown)
        if one is None:
            return self._show.nothing()
        return await self.on_film(str(one.film), mood, request)

    # Settings -----------------------------------------------------------------------------------

    # The page -----------------------------------------------------------------------------------

    async def on_load(self, mood: dict[str, Any], request: gr.Request) -> AsyncIterator[Changes]:
        """Open the page: its address may hold settings, or name a take."""
        name = page_of(request)
        session = self._studio.session(name)
        query = dict(request.query_params)
        asked = {key: text for key, text in query.items() if key not in _OWN_QUERY}
        yield self._show.nothing()
        try:
            if "mood" in query:
                own = with_own(mood, mood_from(query["mood"]), self._studio.settings.mood)
                yield {self._page.editor: own}
            if asked:
                base = from_query(asked, self._studio.settings)
                check_obeyed(base.music)
                session.base = base
                yield self._show.settings(base, mood)
        except EmsyncError as error:
            yield self._show.refusal(error)
        if "take" in query:
            async for changes in self._attach(name, query["take"], mood):
                yield changes

    async def _attach(self, name: str, token: str, mood: dict[str, Any]) -> AsyncIterator[Changes]:
        """Show the take of a link, and the work on it that is under way."""
        take = self._studio.attach(name, token)
        if take is None:
            yield self._show.refusal(
                EmsyncError(
                    "The take of this link is no longer here: takes are kept for an hour. "
                    "Drop the film in again."
                )
            )
            return
        session = self._studio.session(name)
        session.base = take.settings
        played = take.settings if take.result is None else take.result.settings
        mood = mood if take.asked is None else take.asked
        yield {
            **self._show.film(name),
            **self._page.controls.show(
                replace(take.settings, sound=played.sound, performance=played.performance)
            ),
            self._page.result.take_link: token,
            self._page.editor: mood,
        }
        if session.job is not None:
            async for changes in self._show.watch(name, mood):
                yield changes
        elif take.result is not None:
            yield self._show.outcome(name, take, Outcome.FOUND, False, mood)

    def on_unload(self, request: gr.Request) -> None:
        """Close the page."""
        self._studio.leave(page_of(request))

    # Experts ------------------------------------------------------------------------------------

    def on_look_at_experts(self) -> Changes:
        """Show who looks at films, and how far an installation is."""
        return self._show.experts()

    def on_install(self) -> Changes:
        """Install what is missing."""
        try:
            self._studio.installation.start()
        except EmsyncError as error:
            raise gr.Error(html.escape(str(error)), print_exception=False) from None
        return self._show.experts()

    def on_stop_installing(self) -> Changes:
        """Stop installing."""
        self._studio.installation.stop()
        return self._show.experts()
