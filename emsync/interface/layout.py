"""What stands where on the page: components only. `events` connects them, `theme` dresses them."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from emsync.film.link import fetch as links
from emsync.interface import controls as knobs
from emsync.interface import examples as shown_examples
from emsync.interface import scripts, views
from emsync.interface.controls import Controls
from emsync.interface.disk_quota import in_words
from emsync.interface.examples import Example
from emsync.interface.mood_editor import mood_editor
from emsync.interface.player import player
from emsync.interface.theme import TITLE
from emsync.interface.uploads import as_it_came
from emsync.interface.versions import version_cards
from emsync.limits import HostLimits
from emsync.settings import Settings

FILM_TYPES = [
    "video", ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".mpg", ".mpeg", ".wmv",
    ".flv", ".3gp", ".ts", ".m2ts", ".ogv",
]  # fmt: skip
"""What the drop target takes; whether it can be scored is seen when it is opened."""


@dataclass(frozen=True)
class FilmArea:
    """Where a film comes from, what it is, and the button."""

    film: Any
    camera: Any
    address: Any
    fetch: Any
    facts: Any
    compose: Any
    cancel: Any
    status: Any
    preview: Any


@dataclass(frozen=True)
class MusicArea:
    """What kind of music it is to be, beside the controls of single settings."""

    plan: Any
    """Holds what only music has that is planned."""
    edit_chords: Any
    another_seed: Any


@dataclass(frozen=True)
class ExpertsArea:
    """Who looks at the film, and how to install who is missing."""

    listing: Any
    install: Any
    stop: Any
    installing: Any
    clock: Any


@dataclass(frozen=True)
class ShareArea:
    """Settings as a link and as a preset."""

    share: Any
    query: Any
    preset: Any
    load_preset: Any


@dataclass(frozen=True)
class ResultArea:
    """What came of it."""

    heading: Any
    files: Any
    pack: Any
    use_example: Any
    forget: Any
    take_link: Any
    player: Any
    versions: Any


@dataclass(frozen=True)
class Page:
    """All components of the page that an event reads, changes or comes from.

    Attributes:
        examples: pictures of films that are scored already.
        editor: of the mood.
        controls: of settings.
        diagnostics: how a result came about.
        example_shown: name of the example that is shown, or "".
    """

    examples: Any
    film: FilmArea
    editor: Any
    music: MusicArea
    controls: Controls
    experts: ExpertsArea
    share: ShareArea
    result: ResultArea
    diagnostics: Any
    example_shown: Any


def lay_out(defaults: Settings, host: HostLimits, samples: tuple[Example, ...]) -> Page:
    """Lay out the page, all but its foot, within the `gr.Blocks` that is open.

    Args:
        defaults: what the controls show at first.
        host: limits that the page states.
        samples: films that are scored already.
    """
    gr.HTML(
        f"<h1>{TITLE}</h1><p>Drop in a film and get it back with music of its own, composed "
        "for its emotion and its cuts.</p>",
        elem_id="em-head",
    )
    examples = shown_examples.gallery(samples)
    with gr.Row(elem_id="em-desk"):
        with gr.Column(scale=6, min_width=320, elem_id="em-input"):
            film = _film(defaults, host)
        with gr.Column(scale=4, min_width=300, elem_id="em-settings"):
            editor, named = _mood(defaults)
            music, controls = _music_and_sound(defaults, named)
            experts = _experts()
            share = _share()
        with gr.Column(scale=10, elem_id="em-results"):
            result = _result()
    files = (controls.primer, controls.theme, controls.own_soundfont)
    for part in (film.film, film.camera, *files, share.load_preset):
        as_it_came(part)
    diagnostics = gr.HTML(elem_id="em-diagnostics")
    example_shown = gr.State("")
    return Page(
        examples,
        film,
        editor,
        music,
        controls,
        experts,
        share,
        result,
        diagnostics,
        example_shown,
    )


def _film(defaults: Settings, host: HostLimits) -> FilmArea:
    with gr.Tabs():
        with gr.Tab("File"):
            film = gr.File(label="Your film", file_types=FILM_TYPES, height=130, elem_id="em-film")
        with gr.Tab("Camera"):
            camera = gr.Video(label="Record", sources=["webcam"], height=300, elem_id="em-camera")
        with gr.Tab("Link"):
            address, fetch = _link()
    gr.HTML(_limits(defaults, host), elem_id="em-limits")
    facts = gr.HTML(elem_id="em-facts")
    compose = gr.Button("Compose", variant="primary", size="lg", elem_id="em-compose")
    cancel = gr.Button("Cancel", variant="stop", visible=False, elem_id="em-cancel")
    status = gr.HTML(elem_id="em-status")
    preview = gr.HTML(elem_id="em-preview")
    return FilmArea(film, camera, address, fetch, facts, compose, cancel, status, preview)


def _link() -> tuple[Any, Any]:
    """Lay out the field for a link and its button, or why there is none."""
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
    fetch = gr.Button("Fetch", size="sm", visible=refusal is None, elem_id="em-fetch")
    return address, fetch


def _mood(defaults: Settings) -> tuple[Any, dict[str, Any]]:
    with gr.Accordion("Mood", open=True, elem_id="em-mood"):
        editor = mood_editor(defaults.mood, elem_id="em-mood-editor")
        with gr.Accordion("How far moods go", open=False, elem_id="em-mood-range"):
            named = knobs.of_mood(defaults)
    return editor, named


def _music_and_sound(defaults: Settings, named: dict[str, Any]) -> tuple[MusicArea, Controls]:
    """Lay out music and sound.

    Args:
        defaults: what the controls show at first.
        named: the controls so far, by the setting that each turns.
    """
    with gr.Accordion("Music", open=False, elem_id="em-music"):
        composer = knobs.composer_choice(defaults)
        plan, of_plan, tempo, edit_chords, theme = _plan(defaults)
        named = named | of_plan | knobs.of_video2music(defaults) | knobs.of_music(defaults)
        another_seed = gr.Button("Another seed", size="sm", elem_id="em-seed")
        with gr.Accordion("Advanced", open=False, elem_id="em-advanced"):
            paper = knobs.paper_switch(defaults)
            primer = _midi_file("MIDI file to go on from", "em-primer")
            named |= knobs.of_sampling(defaults)
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
    controls = Controls(
        named, tempo, paper, programs, soundfont, own_soundfont, primer, theme, composer
    )
    for control, is_visible in controls.visible_for(defaults.music.composer).items():
        control.visible = is_visible
    return MusicArea(plan, edit_chords, another_seed), controls


def _plan(defaults: Settings) -> tuple[Any, dict[str, Any], Any, Any, Any]:
    """Lay out what is planned before the notes: the column that holds it, the controls by the
    setting that each turns, the tempo, the button for the chords, and the theme."""
    is_visible = knobs.plan_is_visible(defaults.music.composer, defaults.music.method == "free")
    with gr.Column(visible=is_visible, elem_id="em-plan") as plan:
        named = knobs.of_plan(defaults)
        with gr.Row():
            named |= knobs.of_metre(defaults)
            tempo = knobs.tempo_field(defaults)
        named |= knobs.of_melody(defaults)
        edit_chords = gr.Button(
            "Edit the chords of this piece", size="sm", visible=False, elem_id="em-take-chords"
        )
        theme = _midi_file("A theme of yours (MIDI)", "em-theme")
    return plan, named, tempo, edit_chords, theme


def _midi_file(label: str, elem_id: str) -> Any:
    return gr.File(label=label, file_types=[".mid", ".midi"], height=110, elem_id=elem_id)


def _experts() -> ExpertsArea:
    with gr.Accordion("Who looks at the film", open=False, elem_id="em-experts"):
        listing = gr.HTML(elem_id="em-panel")
        install = gr.Button("Install what is missing", size="sm", elem_id="em-install")
        stop = gr.Button("Stop", size="sm", visible=False, elem_id="em-stop")
        installing = gr.HTML(elem_id="em-installing")
        clock = gr.Timer(1.0, active=False)
    return ExpertsArea(listing, install, stop, installing, clock)


def _share() -> ShareArea:
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
        load_preset = gr.UploadButton(
            "Load a preset", file_types=[".json"], size="sm", elem_id="em-load-preset"
        )
    return ShareArea(share, query, preset, load_preset)


def _result() -> ResultArea:
    heading = gr.HTML(elem_id="em-title")
    files = gr.HTML(elem_id="em-downloads")
    with gr.Row():
        pack = gr.Button(
            "Stems and everything as a ZIP", size="sm", visible=False, elem_id="em-pack"
        )
        use_example = gr.Button("Use this film", size="sm", visible=False, elem_id="em-use-example")
        forget = gr.Button("Delete all of it now", size="sm", visible=False, elem_id="em-forget")
    take_link = gr.HTML(
        "",
        html_template="<p>${value ? `Here for an hour, also when this page was "
        'closed: <a href="?take=${value}">link to this result</a>. Whoever has the '
        'link sees the film, and may change or delete what was made of it.` : ""}</p>',
        js_on_load=scripts.TAKE_IN_ADDRESS,
        elem_id="em-kept",
    )
    shown = player(elem_id="em-stage")
    versions = version_cards()
    return ResultArea(heading, files, pack, use_example, forget, take_link, shown, versions)


def foot() -> None:
    """Lay out what stands below everything else."""
    gr.HTML(_FOOT, elem_id="em-foot")


def _limits(settings: Settings, host: HostLimits) -> str:
    """Return HTML of what the page takes."""
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


_FOOT = (
    "<p>What you make here is yours; we claim nothing in it, and your rights in the film are "
    "your own affair. The code is under the MIT licence. What the weights were trained on, and "
    "what that allows, is said under “How it came about”; the authors of that music are named "
    "in their card, in the folder weights. Films and results are deleted an hour after they "
    "were last looked at, also when the page was closed before, and at once by “Delete all of "
    "it now”.</p>"
    "<p>Method: S. Sulun, P. Viana, M. E. P. Davies, “Video Soundtrack Generation by "
    "Aligning Emotions and Temporal Boundaries”.</p>"
)
