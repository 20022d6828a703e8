"""What stands where on the page, and which handler listens to what."""

import asyncio
import html
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from emsync.emotion.curve import MoodRequest
from emsync.emotion.features.panel import device_of
from emsync.emotion.mapping import mood_of
from emsync.errors import Cancelled, EmsyncError
from emsync.film.link import fetch as links
from emsync.interface import controls as knobs
from emsync.interface import examples as shown_examples
from emsync.interface import experts, views
from emsync.interface.api import mood_from, offer_score
from emsync.interface.controls import LARGEST_SEED, Controls
from emsync.interface.disk_quota import in_words
from emsync.interface.mood_editor import (
    MOST_SCENES,
    fresh,
    mood_editor,
    request_of,
    with_own,
    with_reading,
    without_film,
)
from emsync.interface.player import showing, stage
from emsync.interface.states import MOST_STATES, States
from emsync.interface.store import Job
from emsync.interface.studio import Studio, Update
from emsync.interface.timeline import sheet_of, sketch_of
from emsync.interface.uploads import as_it_came
from emsync.interface.versions import version_cards
from emsync.limits import HostLimits
from emsync.presets import (
    as_in_the_paper,
    as_ours,
    from_query,
    read_preset,
    to_query,
    write_preset,
)
from emsync.settings import Settings

TITLE = "EMSYNC"

FILM_TYPES = [
    "video", ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".mpg", ".mpeg", ".wmv",
    ".flv", ".3gp", ".ts", ".m2ts", ".ogv",
]  # fmt: skip
"""What the drop target takes; whether it can be scored is seen when it is opened."""

_OWN_QUERY = {"take", "mood", "view", "deep_link", "logs"}
"""Names in the address that are no settings: ours for a take's link and a mood, and Gradio's."""

_HEAD = """<script>
// Before Gradio hears of it: what is deleted is gone.
document.addEventListener("click", event => {
  if (event.target.closest?.("#em-forget") &&
      !confirm("Delete the film, the music, and all else that was made on this page?")) {
    event.stopImmediatePropagation();
    event.preventDefault();
  }
}, true);
</script>
<style>
.gradio-container :is(button, input, textarea, a, summary, [tabindex]):focus-visible {
  outline: 3px solid #0072B2 !important; outline-offset: 2px; }
.dark .gradio-container :is(button, input, textarea, a, summary, [tabindex]):focus-visible {
  outline-color: #56B4E9 !important; }
/* Gradio confines its `css` to what lies inside these. */
.gradio-container .app { max-width: 1180px !important; }
@media (max-width: 700px) { .gradio-container .app { padding: 12px !important; } }
</style>"""

_CSS = """
#em-head h1 { margin: 0.4em 0 0; letter-spacing: 0.02em; }
#em-head p, #em-limits p, #em-kept p, #em-foot p { margin: 0.2em 0; opacity: 0.8; }
#em-limits p, #em-kept p, #em-foot p { font-size: 0.9em; }
#em-limits details { font-size: 0.9em; opacity: 0.8; }
#em-limits summary { cursor: pointer; padding: 0.2em 0; }
#em-limits ul { margin: 0.2em 0 0.6em; padding-left: 1.3em; }
#em-foot { border-top: 1px solid var(--border-color-primary); margin-top: 2em; padding-top: 1em; }
#em-results { flex-basis: 100%; }
#em-film, #em-settings > .block { border: 1px solid var(--border-color-primary); }
/* Trimming fetches a program from elsewhere; there is nothing to reset to. */
#em-camera button[aria-label^="Trim"], #em-camera button[aria-label^="Reset"] { display: none; }
.em-preview { width: 100%; max-height: 240px; margin: 0; display: block; border-radius: 8px;
  background: black; object-fit: contain; }
figure.em-preview { background: none; max-height: none; }
figure.em-preview img { width: 100%; max-height: 220px; object-fit: contain; background: black;
  border-radius: 8px; }
figure.em-preview figcaption { font-size: 0.9em; opacity: 0.85; padding-top: 0.3em; }
.em-facts p { margin: 0.25em 0; }
.em-files { display: flex; flex-wrap: wrap; gap: 8px; margin: 0.4em 0; }
.em-files a { padding: 0.5em 0.9em; border: 1px solid var(--border-color-primary);
  border-radius: 8px; text-decoration: none; color: var(--body-text-color);
  background: var(--background-fill-secondary); }
.em-files a:hover { border-color: #0072B2; }
.em-files a:focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
.em-files small { opacity: 0.75; }
.em-credits { font-size: 0.85em; opacity: 0.85; }
#em-kept input { font-size: 0.9em; }
@media (max-width: 700px) {
  .html-container { padding: 4px; }
  /* What was waited for comes before what may be changed. */
  #em-input { order: 1; } #em-results { order: 2; } #em-settings { order: 3; }
}
.em-note, .em-problem { padding: 0.8em 1em; margin: 0; border-radius: 8px; }
.em-note { background: var(--background-fill-secondary); border-left: 4px solid #0072B2; }
.em-problem { background: #FDF0E7; color: #5A2600; border-left: 4px solid #D55E00; }
.em-progress > p { display: flex; justify-content: space-between; gap: 1em; margin: 0 0 0.4em; }
.em-progress progress { appearance: none; width: 100%; height: 10px; border: none;
  border-radius: 5px; overflow: hidden; background: var(--border-color-primary); }
.em-progress progress::-webkit-progress-bar { background: var(--border-color-primary); }
.em-progress progress::-webkit-progress-value { background: #0072B2; transition: width 0.4s; }
.em-progress progress::-moz-progress-bar { background: #0072B2; }
.em-progress ol { list-style: none; padding: 0; margin: 0.6em 0 0; font-size: 0.92em; }
.em-progress li { display: flex; gap: 0.6em; padding: 0.15em 0; opacity: 0.7; margin: 0; }
.em-progress li span { margin-left: auto; font-variant-numeric: tabular-nums; }
.em-progress li.done, .em-progress li.now { opacity: 1; }
.em-progress li.now { font-weight: 600; }
.em-progress li small { font-weight: 400; align-self: center; }
.em-progress li::before { content: "○"; width: 1em; }
.em-progress li.now::before { content: "●"; color: #0072B2; }
.em-progress li.done::before { content: "✓"; color: #009E73; }
.em-report { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr));
  gap: 1.8em 1.6em; padding-top: 1em; }
.em-report section { min-width: 0; }
.em-report section.wide { grid-column: 1 / -1; }
.em-report h2 { margin: 0 0 0.2em; font-size: 1.25em; }
.em-report p { margin: 0 0 0.6em; }
.em-report .pair { display: grid; gap: 0 1.6em;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.em-report table { width: 100%; border-collapse: collapse; margin: 0.4em 0 1em;
  font-size: 0.92em; border: none !important; align-self: start; }
.em-report tr, .em-report th, .em-report td, .em-report thead { border: none !important;
  background: none !important; }
.em-report th, .em-report td { text-align: left; padding: 0.25em 0.6em 0.25em 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important; vertical-align: top; }
.em-report th { font-weight: 500; width: 42%; }
.em-report h3 { margin: 1em 0 0.2em; font-size: 1.05em; }
.em-report figure { margin: 0.4em 0 1em; }
.em-report figure img { max-width: 100%; border-radius: 6px; }
.em-report figcaption { font-size: 0.9em; opacity: 0.85; }
.em-transcript { list-style: none; padding: 0; margin: 0.4em 0 1em; font-size: 0.92em; }
.em-transcript time { opacity: 0.75; margin-right: 0.6em; font-variant-numeric: tabular-nums; }
#em-panel table { width: 100%; border-collapse: collapse; font-size: 0.92em; }
#em-panel tr, #em-panel th, #em-panel td { border: none !important; background: none !important; }
#em-panel th, #em-panel td { text-align: left; padding: 0.25em 0.6em 0.25em 0 !important;
  font-weight: 400; border-bottom: 1px solid var(--border-color-primary) !important; }
#em-panel thead th { font-weight: 600; }
.em-why > summary { font-size: 1.05em; font-weight: 600; padding: 0.6em 0; cursor: pointer; }
.em-report summary { cursor: pointer; padding: 0.4em 0; }
"""


def build(studio: Studio) -> gr.Blocks:
    """The page, with everything connected; nothing is started."""
    defaults = studio.settings
    samples = shown_examples.examples()
    page = gr.Blocks(title=f"{TITLE}: music for your film", analytics_enabled=False)
    studio.sweep_also(States(page).forget)
    with page:
        gr.HTML(
            f"<h1>{TITLE}</h1><p>Drop in a film and get it back with music of its own, composed "
            "for its emotion and its cuts.</p>",
            elem_id="em-head",
        )
        shelf = shown_examples.shelf(samples)
        with gr.Row(elem_id="em-desk"):
            with gr.Column(scale=6, min_width=320, elem_id="em-input"):
                with gr.Tabs():
                    with gr.Tab("File"):
                        film = gr.File(
                            label="Your film",
                            file_types=FILM_TYPES,
                            height=130,
                            elem_id="em-film",
                        )
                    with gr.Tab("Camera"):
                        camera = gr.Video(
                            label="Record",
                            sources=["webcam"],
                            height=300,
                            elem_id="em-camera",
                        )
                    with gr.Tab("Link"):
                        refusal = links.why_not()
                        if refusal is not None:
                            gr.HTML(views.note(refusal), elem_id="em-no-link")
                        address = gr.Textbox(
                            label="Address of a film",
                            placeholder="https://…",
                            info=links.RIGHTS,
                            visible=refusal is None,
                            elem_id="em-link",
                        )
                        fetch = gr.Button(
                            "Fetch", size="sm", visible=refusal is None, elem_id="em-fetch"
                        )
                gr.HTML(_limits(defaults, studio.host), elem_id="em-limits")
                facts = gr.HTML(elem_id="em-facts")
                compose = gr.Button("Compose", variant="primary", size="lg", elem_id="em-compose")
                cancel = gr.Button("Cancel", variant="stop", visible=False, elem_id="em-cancel")
                status = gr.HTML(elem_id="em-status")
                preview = gr.HTML(elem_id="em-preview")
            with gr.Column(scale=4, min_width=300, elem_id="em-settings"):
                with gr.Accordion("Mood", open=True, elem_id="em-mood"):
                    editor = mood_editor(defaults.mood, elem_id="em-mood-editor")
                    with gr.Accordion("How far moods go", open=False, elem_id="em-mood-range"):
                        named = knobs.of_mood(defaults)
                with gr.Accordion("Music", open=False, elem_id="em-music"):
                    with gr.Column(
                        visible=defaults.music.method == "planned", elem_id="em-plan"
                    ) as plan:
                        named |= knobs.of_plan(defaults)
                        with gr.Row():
                            named |= knobs.of_metre(defaults)
                            tempo = knobs.tempo_field(defaults)
                        named |= knobs.of_line(defaults)
                        take_over = gr.Button(
                            "Edit the chords of this piece",
                            size="sm",
                            visible=False,
                            elem_id="em-take-chords",
                        )
                        theme = gr.File(
                            label="A theme of yours (MIDI)",
                            file_types=[".mid", ".midi"],
                            height=110,
                            elem_id="em-theme",
                        )
                    named |= knobs.of_music(defaults)
                    another = gr.Button("Another seed", size="sm", elem_id="em-seed")
                    with gr.Accordion("Advanced", open=False, elem_id="em-advanced"):
                        paper = knobs.paper_switch(defaults)
                        primer = gr.File(
                            label="MIDI file to go on from",
                            file_types=[".mid", ".midi"],
                            height=110,
                            elem_id="em-primer",
                        )
                        named |= knobs.of_drawing(defaults)
                with gr.Accordion("Sound", open=False, elem_id="em-sound"):
                    named |= knobs.of_sound(defaults)
                    with gr.Row():
                        programs = knobs.of_programs()
                    soundfont = knobs.soundfonts()
                    own_soundfont = gr.File(
                        label="A SoundFont of your own (SF2)",
                        file_types=[".sf2", ".sf3"],
                        height=110,
                        elem_id="em-soundfont",
                    )
                with gr.Accordion("Who looks at the film", open=False, elem_id="em-experts"):
                    listing = gr.HTML(elem_id="em-panel")
                    install = gr.Button("Install what is missing", size="sm", elem_id="em-install")
                    stop = gr.Button("Stop", size="sm", visible=False, elem_id="em-stop")
                    installing = gr.HTML(elem_id="em-installing")
                    clock = gr.Timer(1.0, active=False)
                with gr.Accordion("Keep or share these settings", open=False, elem_id="em-share"):
                    share = gr.Button("Make a link and a preset", size="sm", elem_id="em-make-link")
                    query = gr.Textbox(
                        label="Link to this page with these settings",
                        interactive=False,
                        visible=False,
                        buttons=["copy"],
                        elem_id="em-query",
                    )
                    preset = gr.File(label="Preset", visible=False, height=70, elem_id="em-preset")
                    given = gr.UploadButton(
                        "Load a preset", file_types=[".json"], size="sm", elem_id="em-load-preset"
                    )
            with gr.Column(scale=10, elem_id="em-results"):
                heading = gr.HTML(elem_id="em-title")
                files = gr.HTML(elem_id="em-downloads")
                with gr.Row():
                    pack = gr.Button(
                        "Stems and everything as a ZIP",
                        size="sm",
                        visible=False,
                        elem_id="em-pack",
                    )
                    again = gr.Button(
                        "Use this film", size="sm", visible=False, elem_id="em-use-example"
                    )
                    forget = gr.Button(
                        "Delete all of it now", size="sm", visible=False, elem_id="em-forget"
                    )
                place = gr.HTML(
                    "",
                    html_template="<p>${value ? `Here for an hour, also when this page was "
                    'closed: <a href="?take=${value}">link to this result</a>. Whoever has the '
                    'link sees the film, and may change or delete what was made of it.` : ""}</p>',
                    js_on_load=_ADDRESS_SCRIPT,
                    elem_id="em-kept",
                )
                seen = stage(elem_id="em-stage")
                versions = version_cards()
        for part in (film, camera, primer, theme, own_soundfont, given):
            as_it_came(part)
        diagnostics = gr.HTML(elem_id="em-diagnostics")
        picked = gr.State("")
        offer_score(studio)
        gr.HTML(_footer(), elem_id="em-foot")
        board = Controls(named, tempo, paper, programs, soundfont, own_soundfont, primer, theme)
        chords = named["music.chords"]

        def settings_from(name: str, values: tuple[Any, ...]) -> Settings:
            """What the controls ask for."""
            return studio.with_files(name, board.settings(studio.session(name).base, values))

        def following(settings: Settings, request: MoodRequest) -> Settings:
            """With the curve that the editor asks for, whatever a preset said."""
            curve: Literal["constant", "scenes"] = "scenes" if request.follow_scenes else "constant"
            return replace(settings, mood=replace(settings.mood, curve=curve))

        # A film ---------------------------------------------------------------------------------

        async def about_film(name: str) -> dict[Any, Any]:
            """What the page shows of its film."""
            source = studio.session(name).source
            if source is None:
                return {preview: "", facts: ""}
            base = studio.session(name).base
            seconds = await asyncio.to_thread(studio.expected_seconds, source, base)
            return {
                preview: views.preview(source),
                facts: views.facts(source, seconds, studio.before(name), studio.panel),
                status: "",
            }

        def without_example(picked_name: str) -> dict[Any, Any]:
            """An example's score does not stay beside a film of one's own."""
            return cleared if picked_name else {}

        async def choose(
            path: str | None, mood: dict[str, Any], picked_name: str, request: gr.Request
        ) -> dict[Any, Any]:
            name = page_of(request)
            if path is None:
                studio.drop(name)
                return await about_film(name)
            try:
                chosen = await studio.open(name, path)
            except EmsyncError as error:
                return {preview: "", facts: "", status: views.problem(str(error))}
            if chosen is None:
                return unchanged  # another came in the meantime
            mood_of_none = {editor: without_film(mood, defaults.mood)}
            return (await about_film(name)) | mood_of_none | without_example(picked_name)

        async def press_fetch(
            where: str, mood: dict[str, Any], picked_name: str, request: gr.Request
        ) -> AsyncIterator[dict[Any, Any]]:
            name = page_of(request)
            try:
                async for portion, words in studio.fetch(name, where):
                    percent = "" if portion is None else f" {portion:.0%}"
                    yield {
                        status: views.note(f"{words} …{percent}"),
                        cancel: gr.Button(visible=True),
                    }
                yield {
                    **(await about_film(name)),
                    cancel: gr.Button(visible=False),
                    editor: without_film(mood, defaults.mood),
                    **without_example(picked_name),
                }
            except Cancelled:
                yield {status: views.note("Cancelled."), cancel: gr.Button(visible=False)}
            except EmsyncError as error:
                yield {status: views.problem(str(error)), cancel: gr.Button(visible=False)}

        # Work -----------------------------------------------------------------------------------

        # Gradio empties the outputs of a handler that says nothing.
        unchanged: dict[Any, Any] = {status: gr.skip()}

        cleared: dict[Any, Any] = {
            **dict.fromkeys((heading, files, diagnostics, place, picked), ""),
            seen: showing(film=None, poster=None, sheet=None, sketch=None),
            # Not as a component, which would stand on the page.
            chords: gr.update(placeholder=knobs.OWN_CHORDS),
            take_over: gr.update(visible=False),
            versions: [],
            pack: gr.Button(visible=False),
            again: gr.Button(visible=False),
        }

        def chords_of(chart: str) -> dict[Any, Any]:
            """The chords of the piece that is shown, where those for the next one are written."""
            return {
                chords: gr.update(placeholder=chart or knobs.OWN_CHORDS),
                take_over: gr.update(visible=bool(chart)),
            }

        def changes_of(name: str, update: Update, mood: dict[str, Any]) -> dict[Any, Any]:
            """What an update changes on the page."""
            changes: dict[Any, Any] = {
                status: update.status,
                compose: gr.Button(interactive=not update.busy),
                cancel: gr.Button(visible=update.busy),
                pack: gr.Button(interactive=not update.busy),
            }
            if update.sketch is not None:
                draft, seconds = update.sketch
                changes |= {
                    # What is missing here stays on the stage as it was.
                    seen: showing(sketch=sketch_of(draft, seconds)),
                }
            if not update.busy and update.take is None:
                # Nothing came of it: what was there before is there still, under its own link.
                shown = studio.session(name).shown
                changes |= {
                    seen: showing(sketch=None),
                    place: "" if shown is None else shown.token,
                }
            result = None if update.take is None else update.take.result
            if update.take is not None and result is not None:
                made = update.take
                analysis = result.analysis
                plain = replace(result.settings.mood, mode="mean")
                changes |= {
                    seen: showing(
                        film=views.file_address(result.video),
                        poster=views.poster_address(made.source),
                        sheet=sheet_of(result),
                        sketch=None,
                    ),
                    heading: views.title(made.source.name),
                    picked: "",
                    versions: views.cards(made),
                    **chords_of(result.composition.chart),
                    files: views.downloads(made),
                    pack: gr.Button(visible=True, interactive=not update.busy),
                    again: gr.Button(visible=False),
                    forget: gr.Button(visible=True),
                    diagnostics: made.versions[made.shown].diagnostics,
                }
                scenes = analysis.reading.scenes
                source = studio.session(name).source
                # The editor is that of the film that is chosen now. A film with more scenes than
                # it has handles for keeps one mood.
                if source in (None, made.source) and len(scenes) <= MOST_SCENES:
                    changes[editor] = with_reading(
                        mood,
                        mood_of(analysis.reading.probabilities, plain),
                        [
                            (
                                float(scene.start),
                                float(scene.end),
                                mood_of(scene.probabilities, plain),
                            )
                            for scene in scenes
                        ],
                        plain,
                    )
            return changes

        async def watch(
            name: str, mood: dict[str, Any], job: Job | None = None
        ) -> AsyncIterator[dict[Any, Any]]:
            async for update in studio.watch(name, job):
                yield changes_of(name, update, mood)

        def refused(error: EmsyncError) -> dict[Any, Any]:
            return {status: views.problem(str(error))}

        async def press(
            request: gr.Request, mood: dict[str, Any], *values: Any
        ) -> AsyncIterator[dict[Any, Any]]:
            name = page_of(request)
            try:
                settings, wanted = await studio.aside(settings_from, name, values), request_of(mood)
                job = studio.compose(name, following(settings, wanted), wanted)
            except EmsyncError as error:
                yield refused(error)
                raise gr.Error(html.escape(str(error)), print_exception=False) from None
            if job is None:
                yield unchanged
                return
            job.take.asked = mood
            yield {place: job.take.token}
            async for changes in watch(name, mood, job):
                yield changes

        async def press_version(
            event: gr.EventData, request: gr.Request, mood: dict[str, Any], *values: Any
        ) -> AsyncIterator[dict[Any, Any]]:
            """A version was picked, or is to be replaced by another."""
            name = page_of(request)
            try:
                try:
                    slot, what = int(event.slot), str(event.what)
                except (AttributeError, TypeError, ValueError, OverflowError):
                    raise EmsyncError("There is no such version.") from None
                sound = (await studio.aside(settings_from, name, values)).sound
                job = (
                    studio.another(name, sound)
                    if what == "another"
                    else studio.show(name, slot, sound)
                )
            except EmsyncError as error:
                yield refused(error)
                return
            session = studio.session(name)
            take = session.shown
            if job is None:
                if take is not None and what == "show" and take.shown == slot:
                    words = views.done(take, f"This is version {take.versions[slot].label}.", 0)
                    yield changes_of(name, Update(words, session.job is not None, take), mood)
                else:
                    yield {status: views.note("One moment: what is under way has to end first.")}
                return
            yield unchanged
            async for changes in watch(name, mood, job):
                yield changes

        async def press_sound(
            request: gr.Request, mood: dict[str, Any], picked_name: str, *values: Any
        ) -> AsyncIterator[dict[Any, Any]]:
            """The sound was changed: the piece that is shown is played anew."""
            name = page_of(request)
            yield unchanged
            if picked_name:
                return  # an example is shown, which is as it is
            try:
                sound = (await studio.aside(settings_from, name, values)).sound
                job = await studio.resound(name, sound)
            except EmsyncError as error:
                yield refused(error)
                return
            if job is not None:
                async for changes in watch(name, mood, job):
                    yield changes

        async def press_pack(
            mood: dict[str, Any], request: gr.Request
        ) -> AsyncIterator[dict[Any, Any]]:
            name = page_of(request)
            try:
                job = studio.bundle(name)
            except EmsyncError as error:
                yield refused(error)
                return
            if job is None:
                yield unchanged
                return
            async for changes in watch(name, mood, job):
                yield changes

        def press_cancel(request: gr.Request) -> None:
            studio.cancel(page_of(request))

        async def press_forget(request: gr.Request) -> dict[Any, Any]:
            await asyncio.to_thread(studio.forget, page_of(request))
            return {
                **cleared,
                **dict.fromkeys((preview, facts), ""),
                status: views.note(
                    "All of it is deleted: the film, the music, and what was found."
                ),
                forget: gr.Button(visible=False),
                **dict.fromkeys((film, camera, primer, theme, own_soundfont)),
                editor: fresh(defaults.mood),
            }

        def close(request: gr.Request) -> None:
            studio.leave(page_of(request))

        # Examples -------------------------------------------------------------------------------

        def show_example(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
            session = studio.session(page_of(request))
            one = next((one for one in samples if one.name == str(event.value)), None)
            if one is None:
                return unchanged
            return {
                seen: showing(
                    film=views.file_address(one.scored), poster=None, sheet=one.sheet, sketch=None
                ),
                heading: views.title(one.title),
                versions: [],
                **chords_of(""),
                files: shown_examples.downloads(one),
                place: "",
                pack: gr.Button(visible=False),
                forget: gr.Button(visible=bool(session.takes or session.source)),
                again: gr.Button(visible=True),
                picked: one.name,
                diagnostics: "",
                status: views.note(
                    f"“{one.title}” was scored beforehand, with the weights that come with EMSYNC."
                ),
            }

        async def use_example(
            name_of: str, mood: dict[str, Any], request: gr.Request
        ) -> dict[Any, Any]:
            one = next((one for one in samples if one.name == name_of), None)
            if one is None:
                return unchanged
            return await choose(str(one.film), mood, name_of, request)

        # Settings -------------------------------------------------------------------------------

        async def arrive(
            mood: dict[str, Any], request: gr.Request
        ) -> AsyncIterator[dict[Any, Any]]:
            """The page was opened: its address may hold settings, or name a take."""
            name = page_of(request)
            session = studio.session(name)
            asked = dict(request.query_params)
            token = asked.get("take")
            wanted = {key: text for key, text in asked.items() if key not in _OWN_QUERY}
            yield unchanged
            try:
                if "mood" in asked:
                    yield {editor: with_own(mood, mood_from(asked["mood"]), defaults.mood)}
                if wanted:
                    session.base = from_query(wanted, studio.settings)
                    yield board.show(session.base) | followed(session.base, mood)
            except EmsyncError as error:
                yield refused(error)
            if token is None:
                return
            take = studio.attach(name, token)
            if take is None:
                yield {
                    status: views.problem(
                        "The take of this link is no longer here: takes are kept for an hour. "
                        "Drop the film in again."
                    )
                }
                return
            session.base = take.settings
            heard = take.settings if take.result is None else take.result.settings
            mood = mood if take.asked is None else take.asked
            yield {
                **(await about_film(name)),
                **board.show(replace(take.settings, sound=heard.sound)),
                place: token,
                editor: mood,
            }
            if session.job is not None:
                async for changes in watch(name, mood):
                    yield changes
            elif take.result is not None:
                update = Update(views.done(take, "Here it is again.", 0), False, take)
                yield changes_of(name, update, mood)

        def turn_to_the_paper(request: gr.Request, *values: Any) -> dict[Any, Any]:
            """The switch was turned: what has no control is switched as well."""
            session = studio.session(page_of(request))
            try:
                asked = board.settings(session.base, values)
            except EmsyncError as error:
                return refused(error)
            is_paper = asked.music.method == "free"
            session.base = as_in_the_paper(asked) if is_paper else as_ours(asked, studio.settings)
            return board.show(session.base) | {status: gr.skip()}

        def edit_chords(request: gr.Request) -> dict[Any, Any]:
            """The chords of the piece that is shown, to be changed for the next one."""
            session = studio.session(page_of(request))
            result = None if session.shown is None else session.shown.result
            piece = None if result is None else result.composition
            if piece is None or piece.plan is None:
                return {chords: gr.skip()}
            session.base, shown = board.edited(session.base, piece, piece.plan.metre.name)
            return shown

        def followed(base: Settings, mood: dict[str, Any]) -> dict[Any, Any]:
            """The editor follows the scenes where the settings do."""
            return {editor: {**mood, "mode": "scenes"}} if base.mood.curve == "scenes" else {}

        def make_link(request: gr.Request, mood: dict[str, Any], *values: Any) -> dict[Any, Any]:
            name = page_of(request)
            try:
                wanted = request_of(mood)
                settings = following(settings_from(name, values), wanted)
            except EmsyncError as error:
                return refused(error)
            path = studio.shelf.passing_folder() / "emsync preset.json"
            write_preset(settings, path)
            asked = to_query(settings, studio.settings)
            if wanted.mood is not None:
                point = f"{wanted.mood.valence:g},{wanted.mood.arousal:g}"
                asked += ("&" if asked else "") + f"mood={point}"
            return {
                query: gr.Textbox(value="?" + asked, visible=True),
                preset: gr.File(value=str(path), visible=True),
            }

        def load_preset(path: str, mood: dict[str, Any], request: gr.Request) -> dict[Any, Any]:
            name = page_of(request)
            try:
                base = read_preset(Path(path), studio.settings)
            except EmsyncError as error:
                return refused(error)
            studio.session(name).base = base
            told = {status: views.note("The preset is loaded.")}
            return board.show(base) | followed(base, mood) | told

        def look_at_experts() -> dict[Any, Any]:
            """What the list of experts shows now."""
            running = studio.installation.running
            missing, refusal = experts.to_install(), experts.may_install()
            words = studio.installation.words or (refusal if missing else "") or ""
            return {
                listing: experts.table(studio.panel, device_of(defaults.experts.device)),
                install: gr.Button(
                    f"Install what is missing ({missing / 1e6:.0f} MB)",
                    visible=bool(missing) and not running,
                    interactive=refusal is None,
                ),
                stop: gr.Button(visible=running),
                installing: views.note(words) if words else "",
                clock: gr.Timer(active=running),
            }

        def press_install() -> dict[Any, Any]:
            try:
                studio.installation.start()
            except EmsyncError as error:
                raise gr.Error(html.escape(str(error)), print_exception=False) from None
            return look_at_experts()

        def press_stop() -> dict[Any, Any]:
            studio.installation.stop()
            return look_at_experts()

        # What listens to what -------------------------------------------------------------------

        quietly: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        # The studio keeps its own lines, so that who waits can see the line and leave it.
        work = quietly | {"concurrency_limit": None}
        # Who presses twice means both, or the last; what is impossible is told.
        each_time = work | {"trigger_mode": "multiple"}
        about = [preview, facts, status, editor, *cleared]
        everything = [
            *(status, compose, cancel, heading, seen, versions, files, pack, again, forget),
            *(place, diagnostics, editor, picked, chords, take_over),
        ]
        for chosen, event in (
            (film, film.change),
            (camera, camera.stop_recording),
            (address, fetch.click),
            (address, address.submit),
        ):
            fetched = chosen is address
            event(
                press_fetch if fetched else choose,
                [chosen, editor, picked],
                [*about, cancel] if fetched else about,
                **each_time,
            ).then(None, js=_TO_COMPOSE, **quietly)
        compose.click(press, [editor, *board.components], everything, **work).success(
            None, js=_TO_THE_STAGE, **quietly
        )
        compose.click(None, js=_TO_CANCEL, **quietly)
        versions.select(None, js=_TO_THE_STATUS, **quietly)
        versions.select(
            press_version, [editor, *board.components], everything, **each_time
        ).success(None, js=_TO_THE_STAGE, **quietly)
        for control in board.of_sound:
            listen = (
                control.release
                if isinstance(control, gr.Slider)
                else (control.change if isinstance(control, gr.File) else control.input)
            )
            listen(press_sound, [editor, picked, *board.components], everything, **each_time)
        pack.click(press_pack, [editor], everything, **work).success(
            None, js=_SAVE_THE_ZIP, **quietly
        )
        cancel.click(press_cancel, queue=False, **quietly)
        gone = [*everything, preview, facts, film, camera, primer, theme, own_soundfont]
        forget.click(press_forget, None, gone, **work).then(None, js=_TO_THE_STATUS, **quietly)
        shelf.select(show_example, None, everything, **each_time).then(
            None, js=_TO_THE_RESULTS, **quietly
        )
        again.click(use_example, [picked, editor], about, **work).then(
            None, js=_TO_COMPOSE, **quietly
        )
        another.click(
            lambda: secrets.randbelow(LARGEST_SEED), None, named["seed"], queue=False, **quietly
        )
        paper.input(turn_to_the_paper, board.components, [*board.components, status], **each_time)
        # Whatever turned it, a preset or a link as well.
        paper.change(
            lambda is_paper: gr.Column(visible=not is_paper), paper, plan, queue=False, **quietly
        )
        take_over.click(
            edit_chords, None, [chords, named["music.metre"], named["seed"]], **quietly
        ).then(None, js=_TO_CHORDS, **quietly)
        share.click(make_link, [editor, *board.components], [query, preset, status], **work).then(
            None, query, query, js=_WHOLE_ADDRESS, **quietly
        )
        given.upload(load_preset, [given, editor], [*board.components, status, editor], **work)
        arriving = list(dict.fromkeys([*everything, preview, facts, *board.components]))
        page.load(arrive, [editor], arriving, **work).then(None, js=_ARRIVED, **quietly)
        shown = [listing, install, stop, installing, clock]
        for event, handler in (
            (page.load, look_at_experts),
            (install.click, press_install),
            (stop.click, press_stop),
            (clock.tick, look_at_experts),
        ):
            event(handler, None, shown, **quietly)
        page.unload(close)
    return page


_WHOLE_ADDRESS = "text => text.startsWith('?') ? location.origin + location.pathname + text : text"

# The keyboard's focus goes where the eye goes, if what had it is gone.
_GO = """
const go = (to, focus, block = "start") => {
  const part = document.querySelector(to);
  part?.scrollIntoView({ behavior: "smooth", block });
  if (focus && [document.body, null].includes(document.activeElement))
    document.querySelector(focus)?.focus({ preventScroll: true });
};
const told = () => document.querySelector("#em-status")?.innerText ?? "";
"""
_TO_THE_STAGE = f"""() => {{ {_GO}
  if (!/own music now|This is version|is new\\./.test(told())) return;
  go("#em-results", "#em-stage [role=slider]");
  if (!told().includes("own music now"))
    document.querySelector("#em-stage video")?.play().catch(() => {{}});
}}"""
_TO_THE_RESULTS = f'() => {{ {_GO} go("#em-results", null); }}'
_TO_THE_STATUS = f'() => {{ {_GO} setTimeout(() => go("#em-status", null, "center"), 100); }}'
_TO_COMPOSE = f'() => {{ {_GO} go("#em-compose", "#em-compose", "nearest"); }}'
_TO_CHORDS = """() => {
  const field = document.querySelector("#em-chords textarea, #em-chords input");
  field?.focus();
  field?.setSelectionRange(0, 0);
}"""
_TO_CANCEL = f'() => {{ {_GO} setTimeout(() => go("#em-status", "#em-cancel", "nearest"), 600); }}'
_ARRIVED = f"""() => {{ {_GO}
  if (document.querySelector("#em-status .em-problem")) go("#em-status", null, "center");
  else if (told().includes("Here it is again")) go("#em-results", null);
}}"""
_SAVE_THE_ZIP = """() => {
  const save = (left) => {
    const link = document.querySelector("#em-zip");
    if (link) link.click();
    else if (left) setTimeout(save, 100, left - 1);
  };
  save(30);
}"""

# The address bar names the take, so that a page that was closed or reloaded finds it again.
_ADDRESS_SCRIPT = """
const note = () => {
  const here = new URL(location.href);
  if ((here.searchParams.get("take") || "") === (props.value || "")) return;
  if (props.value) here.searchParams.set("take", props.value);
  else here.searchParams.delete("take");
  history.replaceState(null, "", here);
};
watch("value", note);
"""


def launch_options(settings: Settings, waiting: int) -> dict[str, Any]:
    """Keyword arguments for `Blocks.launch`: looks, limits, and nothing fetched from elsewhere.

    Args:
        settings: with the limits on a film.
        waiting: how many may be at work or wait.
    """
    font = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    return {
        "theme": gr.themes.Soft(
            primary_hue="blue",
            font=font,
            font_mono=("ui-monospace", "Menlo", "Consolas", "monospace"),
        ).set(
            # Gradio's own greys and blues are too pale to read on white.
            block_info_text_color="*neutral_600",
            block_info_text_color_dark="*neutral_300",
            block_title_text_color="*primary_800",
            block_label_text_color="*primary_800",
            button_primary_background_fill="#0068A6",
            button_primary_background_fill_hover="#005587",
            button_primary_background_fill_dark="#0068A6",
            button_primary_background_fill_hover_dark="#005587",
        ),
        "css": _CSS,
        "head": _HEAD,
        "allowed_paths": [str(shown_examples.FOLDER)],
        "max_file_size": settings.limits.bytes,
        "state_session_capacity": MOST_STATES,
        # Of things that happen on pages; who waits for work takes one of them all the while, and
        # others must find one to be told that there is no place.
        "max_threads": 40 + 4 * waiting,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "enable_monitoring": False,
    }


def page_of(request: gr.Request) -> str:
    """Gradio's name of the open page.

    Raises:
        gradio.Error: a program calls what only the page may.
    """
    if not request.session_hash:
        raise gr.Error("Programs call /score.", print_exception=False)
    return str(request.session_hash)


def _limits(settings: Settings, host: HostLimits) -> str:
    limits = settings.limits
    everything = "".join(
        f"<li>{sentence}</li>" for sentence in in_words(limits, settings.experts, host)
    )
    return (
        f"<p>Up to {views.duration(limits.seconds)} and {limits.bytes / 1e6:.0f} MB: MP4, MOV, "
        "MKV, WebM, AVI, GIF and most others. Some films cannot be previewed here; they are scored "
        "all the same.</p>"
        f"<details><summary>What are the limits?</summary><ul>{everything}</ul></details>"
    )


def _footer() -> str:
    return (
        "<p>What you make here is yours; we claim nothing in it, and your rights in the film are "
        "your own affair. The code is under the MIT licence. What the weights were trained on, and "
        "what that allows, is said under “How it came about”; the authors of that music are named "
        "in their card, in the folder weights. Films and results are deleted an hour after they "
        "were last looked at, also when the page was closed before, and at once by “Delete all of "
        "it now”.</p>"
        "<p>Method: S. Sulun, P. Viana, M. E. P. Davies, “Video Soundtrack Generation by "
        "Aligning Emotions and Temporal Boundaries”.</p>"
    )
