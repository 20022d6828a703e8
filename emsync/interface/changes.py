"""What the page shows next: updates of components, as Gradio takes them from an event."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from emsync.emotion.features.panel import device_of
from emsync.emotion.mapping import mood_of
from emsync.errors import Cancelled, EmsyncError
from emsync.interface import controls as knobs
from emsync.interface import examples, experts, views
from emsync.interface.examples import Example
from emsync.interface.jobs import APOLOGY
from emsync.interface.layout import Page
from emsync.interface.mixer import levels_as, made_with, mixing, sources_of, value_of
from emsync.interface.mood_editor import MOST_SCENES, fresh, with_reading, without_film
from emsync.interface.music_controls import OWN_CHORDS
from emsync.interface.player import showing
from emsync.interface.records import Job, Mix, Outcome, Playing, Take, Update
from emsync.interface.studio import Studio
from emsync.interface.timeline import blank_of, sketch_of, timeline_of
from emsync.settings import Settings

if TYPE_CHECKING:
    from emsync.results import Result

Changes = dict[Any, Any]
"""New values of components; those that are missing stay as they are."""


_NOTHING = dict.fromkeys(("film", "before", "poster", "timeline", "sketch"))
"""Values of the player, all empty."""


_NO_MIX: dict[str, Any] = {"can": False, "busy": False, "words": "", "film": None, "sources": None}
"""Parts of the mixer where there is nothing to mix."""


class PageChanges:
    """Puts films, takes, examples and refusals on the page."""

    def __init__(self, page: Page, studio: Studio) -> None:
        self._page, self._studio = page, studio
        self._film, self._result = page.film, page.result
        self._chords = page.controls.named["music.chords"]

    # Nothing and little -------------------------------------------------------------------------

    def nothing(self) -> Changes:
        """Change nothing. Gradio empties the outputs of an event that returns nothing."""
        return {self._film.status: gr.skip()}

    def status(self, html: str) -> Changes:
        """Show a status alone."""
        return {self._film.status: html}

    def refusal(self, error: EmsyncError) -> Changes:
        """Show why something cannot be done."""
        return self.status(views.problem(str(error)))

    def no_result(self) -> Changes:
        """Show no result."""
        page, result = self._page, self._result
        return {
            result.film_file: "",
            result.files: "",
            page.diagnostics: "",
            result.take_link: "",
            page.example_shown: "",
            result.player: showing(**_NOTHING),
            result.mix: mixing(**_NO_MIX),
            **self.chords(""),
            result.versions: [],
            result.pack: gr.Button(visible=False),
            result.use_example: gr.Button(visible=False),
        }

    # Films --------------------------------------------------------------------------------------

    def film(self, name: str) -> Changes:
        """Show the film of a page, or that it has none."""
        session = self._studio.session(name)
        source = session.source
        if source is None:
            return {self._film.facts: "", self._result.player: showing(**_NOTHING)}
        ahead = self._studio.ahead_of(name)
        return {
            self._result.player: showing(
                **_NOTHING
                | {"before": views.playable(source), "poster": views.poster_address(source)}
            ),
            self._film.facts: views.facts(source, ahead, self._studio.panel),
            self._film.status: "",
        }

    def no_film(self, error: EmsyncError) -> Changes:
        """Show why what was brought is no film that can be scored."""
        return {self._film.film: None} | self.refusal(error)

    def new_film(self, name: str, mood: dict[str, Any]) -> Changes:
        """Show a film that was not looked at yet, and nothing that was made of another.

        Args:
            name: Gradio's name of the page.
            mood: value of the editor.
        """
        editor = without_film(mood, self._studio.settings.mood)
        # Of another film nobody has heard the mix.
        gains = value_of(self._studio.session(name).base.sound.gains)
        dropped = {
            self._film.film: None,
            self._page.editor: editor,
            self._page.controls.mixer: gains,
        }
        return self.no_result() | dropped | self.film(name)

    def fetching(self, share: float | None, words: str) -> Changes:
        """Show how far a film is that is being fetched."""
        percent = "" if share is None else f" {share:.0%}"
        return self.status(views.note(f"{words} …{percent}")) | self.can_cancel(True)

    def can_cancel(self, is_possible: bool) -> Changes:
        """Show the button to cancel, or hide it."""
        return {self._film.cancel: gr.Button(visible=is_possible)}

    # Takes --------------------------------------------------------------------------------------

    def update(self, name: str, update: Update, mood: dict[str, Any]) -> Changes:
        """Show how far work is, or what came of it.

        Args:
            name: Gradio's name of the page.
            update: of the work.
            mood: value of the editor.
        """
        film, result = self._film, self._result
        changes: Changes = {
            film.status: update.status,
            film.compose: gr.Button(interactive=not update.busy),
            film.cancel: gr.Button(visible=update.busy),
            result.pack: gr.Button(interactive=not update.busy),
        }
        if update.sketch is not None:
            draft, seconds = update.sketch
            # What is missing here stays in the player as it was.
            changes[result.player] = showing(sketch=sketch_of(draft, seconds))
        if update.take is not None and update.take.result is not None:
            changes |= self._take(name, update.take, update.take.result, update.busy, mood)
        elif update.take is None and not update.busy:
            # Nothing came of it: what was there before is there still, under its own link.
            session = self._studio.session(name)
            shown = session.shown
            if shown is not None and session.source not in (None, shown.source):
                shown = None
            changes[result.player] = showing(sketch=None)
            changes[result.take_link] = "" if shown is None else shown.token
            changes[result.versions] = self._strip(name, shown)
        return changes

    async def watch(
        self, name: str, mood: dict[str, Any], job: Job | None = None
    ) -> AsyncIterator[Changes]:
        """Yield what the page shows of work until it is over.

        Args:
            name: Gradio's name of the page.
            mood: value of the editor.
            job: work that was begun; by default what is under way.
        """
        async for update in self._studio.watch(name, job):
            yield self.update(name, update, mood)

    def begun(self, job: Job) -> Changes:
        """Show that a take or a version is being made: its link, and room for its notes."""
        seconds = float(job.take.source.film.duration)
        return {
            self._result.take_link: job.take.token,
            self._result.player: showing(sketch=blank_of(seconds)),
        }

    def outcome(
        self, name: str, take: Take, outcome: Outcome, busy: bool, mood: dict[str, Any]
    ) -> Changes:
        """Show a take, and what was done with it at once, without a job.

        Args:
            name: Gradio's name of the page.
            take: that is shown.
            outcome: what was done.
            busy: whether other work of the page is under way.
            mood: value of the editor.
        """
        return self.update(name, Update(views.done(take, outcome), busy, take), mood)

    def _take(
        self, name: str, take: Take, made: "Result", busy: bool, mood: dict[str, Any]
    ) -> Changes:
        """Show the version of a take that is to be shown."""
        page, result = self._page, self._result
        changes: Changes = {
            result.player: showing(
                film=views.file_address(made.video),
                before=views.playable(take.source),
                poster=views.poster_address(take.source),
                timeline=timeline_of(made),
                sketch=None,
            ),
            result.film_file: views.film_file(made.video),
            page.example_shown: "",
            result.take_link: take.token,
            result.versions: self._strip(name, take),
            **self.chords(made.composition.chart),
            result.files: views.downloads(take),
            result.pack: gr.Button(visible=True, interactive=not busy),
            result.use_example: gr.Button(visible=False),
            result.forget: gr.Button(visible=True),
            page.diagnostics: take.versions[take.shown].diagnostics,
            result.mix: self.mix(take),
        }
        scenes = made.analysis.reading.scenes
        source = self._studio.session(name).source
        # The editor is that of the film that is chosen now. A film with more scenes than it has
        # handles for keeps one mood.
        if source in (None, take.source) and len(scenes) <= MOST_SCENES:
            plain = replace(made.settings.mood, mode="mean")
            moods = [
                (float(scene.start), float(scene.end), mood_of(scene.probabilities, plain))
                for scene in scenes
            ]
            film_mood = mood_of(made.analysis.reading.probabilities, plain)
            changes[page.editor] = with_reading(mood, film_mood, moods, plain)
        return changes

    def mix(self, take: Take) -> str:
        """Return what the mixer has to know of a take that is shown; without its sounds, as long as
        nobody wanted to mix them."""
        result, mix = take.result, take.versions[take.shown].mix
        if result is None:
            return mixing(**_NO_MIX)
        return mixing(
            can=True,
            busy=False,
            words="",
            film=views.file_address(result.video),
            made=made_with(result.settings.sound),
            dirty=False,
            sources=None if mix is None else sources_of(mix, result.settings.sound),
        )

    async def levels(self, name: str, mix: Mix, playing: Playing) -> Changes:
        """Tell the mixer at which level a film would be written.

        Args:
            name: Gradio's name of the page.
            mix: its sounds.
            playing: what is asked for.

        Raises:
            EmsyncError: something that is needed is missing.
            Cancelled: something else was turned in the meantime.
        """
        found = await self._studio.mix_levels(name, mix, playing)
        take = self._studio.session(name).shown
        result = None if take is None else take.result
        dirty = result is not None and Playing.of(result.settings) != playing
        return {self._result.mix: mixing(levels=levels_as(found), dirty=dirty)}

    def ended(self, error: BaseException) -> Changes:
        """Show why work that stands beside the film came to nothing."""
        if isinstance(error, Cancelled):
            return self.status(views.note("Cancelled.", Outcome.CANCELLED))
        known = error if isinstance(error, EmsyncError) else EmsyncError(APOLOGY)
        return self.refusal(known)

    def strip(self, name: str) -> Changes:
        """Show the strip of takes alone."""
        return {self._result.versions: self._strip(name, self._studio.session(name).shown)}

    def no_take(self, name: str) -> Changes:
        """Show the film of a page whose last take was deleted."""
        gone = views.note("The take is deleted. The film is still here.", Outcome.DELETED)
        return self.no_result() | self.film(name) | self.status(gone)

    def _strip(self, name: str, shown: Take | None) -> list[dict[str, Any]]:
        """Return the strip of the takes of the film whose take is shown."""
        if shown is None:
            return []
        return views.cards(self._studio.session(name).takes_of_film(shown.source), shown)

    def chords(self, chart: str) -> Changes:
        """Show the chords of the piece that is shown where those for the next one are written."""
        # Not as a component, which would stand on the page.
        return {
            self._chords: gr.update(placeholder=chart or OWN_CHORDS),
            self._page.music.edit_chords: gr.update(visible=bool(chart)),
        }

    def everything_gone(self) -> Changes:
        """Show a page on which all was deleted."""
        page, film, controls = self._page, self._film, self._page.controls
        files = (controls.primer, controls.theme, controls.own_soundfont)
        return {
            **self.no_result(),
            film.facts: "",
            film.status: views.note("Deleted: the film, the music, and what was found."),
            self._result.forget: gr.Button(visible=False),
            **dict.fromkeys((film.film, *files)),
            page.editor: fresh(self._studio.settings.mood),
        }

    def example(self, name: str, one: Example) -> Changes:
        """Show an example with its score.

        Args:
            name: Gradio's name of the page.
            one: the example.
        """
        session = self._studio.session(name)
        page, result = self._page, self._result
        return {
            result.player: showing(
                film=views.file_address(one.scored),
                before=views.file_address(one.film),
                poster=None,
                timeline=one.timeline,
                sketch=None,
            ),
            result.film_file: views.film_file(one.scored),
            result.versions: [],
            self._film.facts: "",
            result.mix: mixing(**_NO_MIX),
            **self.chords(""),
            result.files: examples.downloads(one),
            result.take_link: "",
            result.pack: gr.Button(visible=False),
            result.forget: gr.Button(visible=bool(session.takes or session.source)),
            result.use_example: gr.Button(visible=True),
            page.example_shown: one.name,
            page.diagnostics: "",
            self._film.status: views.note(
                f"Example: “{one.title}”, scored beforehand with the weights that come with EMSYNC."
            ),
        }

    # The button -----------------------------------------------------------------------------------

    def compose(self, words: str, seconds: float | None, wrong: str = "") -> Changes:
        """Show what the button will do.

        Args:
            words: what it is.
            seconds: that it takes; None where that is not known.
            wrong: why it cannot be done as it is asked for, for people.
        """
        about = "" if seconds is None else f" · about {views.duration(seconds)}"
        return {
            self._film.compose: gr.Button(f"{words}{about}"),
            self._film.wrong: views.wrong(wrong),
        }

    # Settings -----------------------------------------------------------------------------------

    def settings(self, base: Settings, mood: dict[str, Any]) -> Changes:
        """Show other settings; the editor follows the scenes where they do."""
        changes = self._page.controls.show(base)
        if base.mood.curve == "scenes":
            changes[self._page.editor] = {**mood, "mode": "scenes"}
        return changes

    def composer(self, composer: str, is_paper: bool, values: Sequence[Any]) -> Changes:
        """Show the controls that a composer obeys, and no others.

        Args:
            composer: its name.
            is_paper: whether the music of the paper is asked for.
            values: of the controls.
        """
        controls = self._page.controls
        visible = controls.visible_for(composer)
        offered = controls.offered_by(composer, values)
        return {
            **{
                one: gr.update(**offered.get(one, {}), visible=visible.get(one, True))
                for one in {**visible, **offered}
            },
            self._page.music.plan: gr.Column(visible=knobs.plan_is_visible(composer, is_paper)),
        }

    def experts(self) -> Changes:
        """Show who is installed, and how far an installation is."""
        area, installation = self._page.experts, self._studio.installation
        running = installation.running
        missing, refusal = experts.to_install(), experts.may_install()
        words = installation.words or (refusal if missing else "") or ""
        device = device_of(self._studio.settings.experts.device)
        return {
            area.listing: experts.table(self._studio.panel, device),
            area.install: gr.Button(
                f"Install what is missing ({missing / 1e6:.0f} MB)",
                visible=bool(missing) and not running,
                interactive=refusal is None,
            ),
            area.stop: gr.Button(visible=running),
            area.installing: views.note(words) if words else "",
            area.clock: gr.Timer(active=running),
        }
