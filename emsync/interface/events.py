"""What happens on the page: one method an event.

Each asks the studio and answers with what the page shows next (`emsync.interface.changes`).
"""

import asyncio
import html
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from emsync.emotion.curve import MoodRequest
from emsync.errors import Cancelled, EmsyncError
from emsync.interface import scripts, views
from emsync.interface.api import mood_from
from emsync.interface.changes import Changes, PageChanges
from emsync.interface.examples import Example
from emsync.interface.layout import Page
from emsync.interface.mood_editor import request_of, with_own
from emsync.interface.music_controls import LARGEST_SEED
from emsync.interface.records import Job, Outcome, Playing, Take
from emsync.interface.studio import Studio
from emsync.music.composer import check_obeyed
from emsync.presets import (
    as_in_the_paper,
    as_ours,
    from_query,
    read_preset,
    to_query,
    write_preset,
)
from emsync.settings import Settings

_OWN_QUERY = {"take", "mood", "view", "deep_link", "logs"}
"""Names in the address that are no settings: ours for a take's link and a mood, and Gradio's."""

_QUIETLY: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_WORK = _QUIETLY | {"concurrency_limit": None}
"""Of events that may wait: the studio has queues of its own, so that who waits can see the queue
and leave it."""
_EACH_TIME = _WORK | {"trigger_mode": "multiple"}
"""Of events that may come twice and then both count; what is impossible is refused."""


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

    # What comes from where, and what it may change ------------------------------------------------

    def connect(self, blocks: gr.Blocks) -> None:
        """Connect everything, within `blocks`."""
        page, film, result = self._page, self._page.film, self._page.result
        chords = page.controls.named["music.chords"]
        no_result = list(self._show.no_result())
        about = list(dict.fromkeys([film.film, film.facts, film.status, page.editor, *no_result]))
        everything = [
            *(film.status, film.compose, film.cancel, film.facts, result.film_file, result.player),
            *(result.versions, result.files, result.pack, result.use_example, result.forget),
            *(result.take_link, page.diagnostics, page.editor, page.example_shown),
            *(chords, page.music.edit_chords),
        ]
        self._connect_films(about)
        self._connect_work(everything)
        self._connect_examples(everything, about)
        self._connect_settings()
        self._connect_page(blocks, everything)

    def _connect_films(self, about: list[Any]) -> None:
        page, film = self._page, self._page.film
        for chosen, event in (
            (film.film, film.film.upload),
            (film.camera, film.camera.stop_recording),
        ):
            brought = event(self.on_film, [chosen, page.editor], about, **_EACH_TIME)
            self._then_name_the_button(brought).then(None, js=scripts.TO_COMPOSE, **_QUIETLY)
        for event in (film.fetch.click, film.address.submit):
            brought = event(
                self.on_link, [film.address, page.editor], [*about, film.cancel], **_EACH_TIME
            )
            self._then_name_the_button(brought).then(None, js=scripts.TO_COMPOSE, **_QUIETLY)
        film.another.click(None, js=scripts.TO_THE_DROP_ZONE, **_QUIETLY)
        film.back.click(None, js=scripts.BACK_TO_THE_FILM, **_QUIETLY)

    @property
    def _asked(self) -> list[Any]:
        """Components that say what is asked for."""
        return [self._page.editor, *self._page.controls.components]

    def _then_name_the_button(self, event: Any) -> Any:
        """Have the button say what it will do once an event is over."""
        return event.then(self.on_asked, self._asked, self._page.film.compose, **_QUIETLY)

    def _connect_work(self, everything: list[Any]) -> None:
        page, film, result = self._page, self._page.film, self._page.result
        controls = page.controls
        settings = self._asked
        # In the browser alone, so that the press is seen at once.
        film.compose.click(None, None, film.status, js=scripts.PRESSED, **_QUIETLY)
        for work in (
            film.compose.click(self.on_compose, settings, everything, **_WORK),
            result.versions.select(self.on_version, settings, everything, **_EACH_TIME),
        ):
            work.success(None, js=scripts.TO_THE_PLAYER, **_QUIETLY)
            self._then_name_the_button(work)
        gr.on(
            [
                page.editor.input,
                *(one.change for one in controls.components if one not in controls.of_sound),
            ],
            self.on_asked,
            settings,
            film.compose,
            trigger_mode="always_last",
            **_QUIETLY,
        )
        sound = [page.editor, page.example_shown, *controls.components]
        for control in controls.of_sound:
            if isinstance(control, gr.Slider):
                event = control.release
            else:
                event = control.change if isinstance(control, gr.File) else control.input
            event(self.on_sound, sound, everything, **_EACH_TIME)
        result.pack.click(self.on_pack, [page.editor], everything, **_WORK).success(
            None, js=scripts.SAVE_THE_ZIP, **_QUIETLY
        )
        film.cancel.click(self.on_cancel, queue=False, **_QUIETLY)
        files = [controls.primer, controls.theme, controls.own_soundfont]
        gone = [*everything, film.film, film.camera, *files]
        result.forget.click(self.on_forget, None, gone, **_WORK).then(
            None, js=scripts.TO_THE_STATUS, **_QUIETLY
        )

    def _connect_examples(self, everything: list[Any], about: list[Any]) -> None:
        page = self._page
        page.examples.select(self.on_example, None, everything, **_EACH_TIME).then(
            None, js=scripts.PLAY, **_QUIETLY
        )
        chosen = [page.example_shown, page.editor]
        used = page.result.use_example.click(self.on_use_example, chosen, about, **_WORK)
        self._then_name_the_button(used).then(None, js=scripts.TO_COMPOSE, **_QUIETLY)

    def _connect_settings(self) -> None:
        page, controls, share = self._page, self._page.controls, self._page.share
        named, status = controls.named, page.film.status
        page.music.another_seed.click(
            self.on_another_seed, None, named["seed"], queue=False, **_QUIETLY
        )
        controls.paper.input(
            self.on_paper, controls.components, [*controls.components, status], **_EACH_TIME
        )
        # Whatever turned it, a preset or a link as well.
        if controls.composer is None:
            plan = page.music.plan
            controls.paper.change(self.on_method, controls.paper, plan, queue=False, **_QUIETLY)
        else:
            choice = [controls.composer, controls.paper]
            shown = [*controls.of_music, page.music.plan]
            for control in choice:
                control.change(self.on_composer, choice, shown, queue=False, **_QUIETLY)
        page.music.edit_chords.click(
            self.on_edit_chords,
            None,
            [named["music.chords"], named["music.metre"], named["seed"]],
            **_QUIETLY,
        ).then(None, js=scripts.TO_CHORDS, **_QUIETLY)
        share.share.click(
            self.on_share,
            [page.editor, *controls.components],
            [share.query, share.preset, status],
            **_WORK,
        ).then(None, share.query, share.query, js=scripts.WHOLE_ADDRESS, **_QUIETLY)
        share.load_preset.upload(
            self.on_preset,
            [share.load_preset, page.editor],
            [*controls.components, status, page.editor],
            **_WORK,
        )

    def _connect_page(self, blocks: gr.Blocks, everything: list[Any]) -> None:
        page, area = self._page, self._page.experts
        arriving = [*everything, *page.controls.components]
        loaded = blocks.load(self.on_load, [page.editor], list(dict.fromkeys(arriving)), **_WORK)
        self._then_name_the_button(loaded).then(None, js=scripts.AFTER_LOADING, **_QUIETLY)
        shown = [area.listing, area.install, area.stop, area.installing, area.clock]
        for event, handler in (
            (blocks.load, self.on_look_at_experts),
            (area.install.click, self.on_install),
            (area.stop.click, self.on_stop_installing),
            (area.clock.tick, self.on_look_at_experts),
        ):
            event(handler, None, shown, **_QUIETLY)
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
            settings, asked = await self._asked_for(name, mood, values)
            take = self._take_of_film(name)
            if take is None or not _is_asked(take, settings, asked):
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
        async for changes in self._watch(name, mood, job):
            yield changes

    async def on_asked(self, request: gr.Request, mood: dict[str, Any], *values: Any) -> Changes:
        """Have the button say what it will do."""
        name = page_of(request)
        session = self._studio.session(name)
        if session.source is None:
            return self._show.compose("Compose music", None)
        try:
            settings, asked = await self._asked_for(name, mood, values)
        except EmsyncError:  # the press will tell
            return self._show.compose("Compose music", None)
        seconds = await asyncio.to_thread(
            self._studio.scorer.expected_seconds, session.source, settings
        )
        take = self._take_of_film(name)
        if take is None:
            words = "Compose music"
        elif _is_asked(take, settings, asked):
            words = "Another take"
        elif take.request == asked:
            words = "Re-score with these settings"
        else:
            title = views.mood_title(asked, settings)
            words = f"Re-score {_WITH.get(title, f'with {title.lower()}')}"
        return self._show.compose(words, seconds)

    async def _asked_for(
        self, name: str, mood: dict[str, Any], values: tuple[Any, ...]
    ) -> tuple[Settings, MoodRequest]:
        """Return what the editor and the controls ask for.

        Raises:
            EmsyncError: a value is out of its range, or a file cannot be used.
        """
        settings = await self._studio.in_thread(self._settings, name, values)
        asked = request_of(mood)
        return _following(settings, asked), asked

    def _take_of_film(self, name: str) -> Take | None:
        """Return the take that is shown, if it is one of the page's film."""
        session = self._studio.session(name)
        take = session.shown
        return take if take is not None and take.source is session.source else None

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
            asked = await self._studio.in_thread(self._settings, name, values)
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
            async for changes in self._watch(name, mood, job):
                yield changes
        elif take is not None and not wants_another and take.shown == slot:
            busy = session.job is not None
            yield self._show.outcome(name, take, Outcome.SHOWN, busy, mood)
        else:
            yield self._show.status(views.note("One moment: what is under way has to end first."))

    async def on_sound(
        self, request: gr.Request, mood: dict[str, Any], example_shown: str, *values: Any
    ) -> AsyncIterator[Changes]:
        """Play the piece that is shown as performance and sound are now."""
        name = page_of(request)
        yield self._show.nothing()
        if example_shown:
            return  # it is as it is
        try:
            asked = await self._studio.in_thread(self._settings, name, values)
            playing = Playing.of(asked)
            job = await self._studio.resound(name, playing)
        except EmsyncError as error:
            yield self._show.refusal(error)
            return
        if job is not None:
            async for changes in self._watch(name, mood, job):
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
        async for changes in self._watch(name, mood, job):
            yield changes

    def on_cancel(self, request: gr.Request) -> None:
        """Stop what is under way."""
        self._studio.cancel(page_of(request))

    async def on_forget(self, request: gr.Request) -> Changes:
        """Delete everything of this page."""
        await asyncio.to_thread(self._studio.forget, page_of(request))
        return self._show.everything_gone()

    async def _watch(
        self, name: str, mood: dict[str, Any], job: Job | None = None
    ) -> AsyncIterator[Changes]:
        """Yield what the page shows of work until it is over."""
        async for update in self._studio.watch(name, job):
            yield self._show.update(name, update, mood)

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

    def on_another_seed(self) -> int:
        """Draw a seed."""
        return secrets.randbelow(LARGEST_SEED)

    def on_paper(self, request: gr.Request, *values: Any) -> Changes:
        """Follow the switch of the paper: what has no control is switched as well."""
        session = self._studio.session(page_of(request))
        try:
            asked = self._page.controls.settings(session.base, values)
        except EmsyncError as error:
            return self._show.refusal(error)
        is_paper = asked.music.method == "free"
        ours = self._studio.settings
        session.base = as_in_the_paper(asked) if is_paper else as_ours(asked, ours)
        return self._page.controls.show(session.base) | self._show.nothing()

    def on_method(self, is_paper: bool) -> Any:
        """Hide the controls of the plan where nothing is planned."""
        return gr.Column(visible=not is_paper)

    def on_composer(self, composer: str, is_paper: bool) -> Changes:
        """Show what the composer that was chosen can be asked for."""
        return self._show.composer(composer, is_paper)

    def on_edit_chords(self, request: gr.Request) -> Changes:
        """Put the chords of the piece that is shown where they can be changed for the next one."""
        session = self._studio.session(page_of(request))
        result = None if session.shown is None else session.shown.result
        piece = None if result is None else result.composition
        if piece is None or piece.plan is None:
            return {self._page.controls.named["music.chords"]: gr.skip()}
        session.base, shown = self._page.controls.edited(session.base, piece, piece.plan.metre.name)
        return shown

    def on_share(self, request: gr.Request, mood: dict[str, Any], *values: Any) -> Changes:
        """Make a link and a preset of the settings."""
        name = page_of(request)
        try:
            asked = request_of(mood)
            settings = _following(self._settings(name, values), asked)
        except EmsyncError as error:
            return self._show.refusal(error)
        path = self._studio.store.new_temporary_folder() / "emsync preset.json"
        write_preset(settings, path)
        query = to_query(settings, self._studio.settings)
        if asked.mood is not None:
            point = f"{asked.mood.valence:g},{asked.mood.arousal:g}"
            query += ("&" if query else "") + f"mood={point}"
        return {
            self._page.share.query: gr.Textbox(value="?" + query, visible=True),
            self._page.share.preset: gr.File(value=str(path), visible=True),
        }

    def on_preset(self, path: str, mood: dict[str, Any], request: gr.Request) -> Changes:
        """Take the settings of a preset over."""
        name = page_of(request)
        try:
            base = read_preset(Path(path), self._studio.settings)
            check_obeyed(base.music)
        except EmsyncError as error:
            return self._show.refusal(error)
        self._studio.session(name).base = base
        status = self._show.status(views.note("The preset is loaded."))
        return self._show.settings(base, mood) | status

    def _settings(self, name: str, values: tuple[Any, ...]) -> Settings:
        """Return what the controls of a page ask for, its files kept.

        Raises:
            EmsyncError: a value is out of its range, or a file cannot be used.
        """
        session = self._studio.session(name)
        asked = self._page.controls.settings(session.base, values)
        return self._studio.user_files.kept(session, asked)

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
            async for changes in self._watch(name, mood):
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


def page_of(request: gr.Request) -> str:
    """Return Gradio's name of the open page.

    Raises:
        gradio.Error: a program calls what only the page may.
    """
    if not request.session_hash:
        raise gr.Error("Programs call /score.", print_exception=False)
    return str(request.session_hash)


def _following(settings: Settings, request: MoodRequest) -> Settings:
    """Return the settings with the curve that the editor asks for, whatever a preset said."""
    curve: Literal["constant", "scenes"] = "scenes" if request.follow_scenes else "constant"
    return replace(settings, mood=replace(settings.mood, curve=curve))


def _is_asked(take: Take, settings: Settings, request: MoodRequest) -> bool:
    """Return whether what is asked for is what a take was made of, however it is played."""
    made = take.settings
    alike = replace(request.in_settings(settings), performance=made.performance, sound=made.sound)
    return made == alike and take.request == request


_WITH = {
    "Film’s mood": "with the film’s mood",
    "By scene": "scene by scene",
    "Own mood": "with your own mood",
}
"""How the button says what a mood is called, if not by an emotion."""
