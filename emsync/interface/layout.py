"""What stands where on the page: components only. `events` connects them, `theme` dresses them."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from emsync.film.link import fetch as links
from emsync.interface import controls as knobs
from emsync.interface import examples as shown_examples
from emsync.interface import (
    music_controls,
    scripts,
    sound_controls,
    video2music_controls,
    views,
)
from emsync.interface.camera import camera
from emsync.interface.controls import Controls
from emsync.interface.disk_quota import in_words
from emsync.interface.examples import Example
from emsync.interface.expert_switch import EXPERT_ONLY, expert_switch
from emsync.interface.mixer import mix_news
from emsync.interface.mood_editor import mood_editor
from emsync.interface.passage_area import PassageArea, passage_area
from emsync.interface.player import player
from emsync.interface.records import MOST_TAKES
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
    address: Any
    fetch: Any
    facts: Any
    compose: Any
    wrong: Any
    """Says why what is asked for cannot be composed."""
    cancel: Any
    status: Any
    another: Any
    """Goes to the drop zone again."""
    back: Any
    """Leaves it."""


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

    film_file: Any
    """The one download that everybody wants."""
    files: Any
    pack: Any
    use_example: Any
    forget: Any
    take_link: Any
    player: Any
    versions: Any
    mix: Any
    """Tells the mixer what there is to mix."""


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
    passage: PassageArea
    diagnostics: Any
    example_shown: Any


def lay_out(defaults: Settings, host: HostLimits, samples: tuple[Example, ...]) -> Page:
    """Lay out the page, all but its foot, within the `gr.Blocks` that is open.

    Args:
        defaults: what the controls show at first.
        host: limits that the page states.
        samples: films that are scored already.
    """
    with gr.Row(elem_id="em-head"):
        gr.HTML(
            f"<h1>{TITLE}</h1><p>Drop in a video. Get it back with an original score that follows "
            "its mood and lands on its cuts.</p>"
        )
        another = gr.Button("New film", size="sm", elem_id="em-another")
    with gr.Column(elem_id="em-start"):
        film, address, fetch, back = _drop_zone(defaults, host)
    with gr.Row(elem_id="em-desk"):
        with gr.Column(min_width=300, elem_id="em-left"):
            with gr.Column(elem_id="em-screen"):
                facts = gr.HTML(elem_id="em-facts")
                status = gr.HTML(elem_id="em-status")
                shown = player(elem_id="em-stage")
                cancel = gr.Button("Cancel", visible=False, size="sm", elem_id="em-cancel")
            result, passage = _result(shown)
        with gr.Column(min_width=300, elem_id="em-settings"):
            with gr.Tabs(elem_id="em-tabs"):
                with gr.Tab("Mood", render_children=True):
                    editor, named = _mood(defaults)
                with gr.Tab("Music", render_children=True):
                    music, named, pieces = _music(defaults, named)
                with gr.Tab("Sound", render_children=True):
                    controls = _sound(defaults, named, pieces)
            expert_switch()
            wrong = gr.HTML(elem_id="em-wrong")
            compose = gr.Button("Compose music", variant="primary", size="lg", elem_id="em-compose")
    film_area = FilmArea(film, address, fetch, facts, compose, wrong, cancel, status, another, back)
    examples = shown_examples.gallery(samples)
    diagnostics = gr.HTML(elem_id="em-diagnostics")
    with gr.Column(elem_id="em-more"):
        experts = _experts()
        share = _share()
    files = (controls.primer, controls.theme, controls.own_soundfont)
    for part in (film, *files, share.load_preset):
        as_it_came(part)
    example_shown = gr.State("")
    return Page(
        examples,
        film_area,
        editor,
        music,
        controls,
        experts,
        share,
        result,
        passage,
        diagnostics,
        example_shown,
    )


def _drop_zone(defaults: Settings, host: HostLimits) -> tuple[Any, Any, Any, Any]:
    """Lay out where films come from, and return the file, the field for a link and its button,
    and the button that goes back."""
    with gr.Tabs(elem_id="em-sources"):
        with gr.Tab("File"):
            film = gr.File(label="Your film", file_types=FILM_TYPES, height=136, elem_id="em-film")
        with gr.Tab("Camera"):
            camera("#em-film input[type=file]", elem_id="em-camera")
        with gr.Tab("Link"):
            address, fetch = _link()
    gr.HTML(_limits(defaults, host), elem_id="em-limits")
    back = gr.Button("Back to the film", size="sm", elem_id="em-back")
    return film, address, fetch, back


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
    """Lay out the mood: its editor, and the controls by the setting that each turns."""
    editor = mood_editor(defaults.mood, elem_id="em-mood-editor")
    return editor, music_controls.of_mood(defaults)


def _music(
    defaults: Settings, named: dict[str, Any]
) -> tuple[MusicArea, dict[str, Any], tuple[Any, ...]]:
    """Lay out the music.

    Args:
        defaults: what the controls show at first.
        named: the controls so far, by the setting that each turns.

    Returns:
        The area, the controls with those of the music, and tempo, switch of the paper, MIDI file
        to go on from, theme and composer.
    """
    with gr.Column(elem_id="em-music"):
        composer = knobs.composer_choice(defaults)
        named |= music_controls.of_instruments(defaults)
        named |= music_controls.of_cuts(defaults) | video2music_controls.of_cuts(defaults)
        plan, of_plan, tempo, edit_chords = _plan(defaults)
        named |= of_plan | video2music_controls.of_chords(defaults)
        named |= music_controls.of_versions(defaults)
        with gr.Column(elem_id="em-advanced", elem_classes=EXPERT_ONLY):
            named |= music_controls.of_seed(defaults)
            another_seed = gr.Button("Another seed", size="sm", elem_id="em-another-seed")
            named |= video2music_controls.of_experts(defaults)
            paper = music_controls.paper_switch(defaults)
            named |= music_controls.of_sampling(defaults)
            theme = _midi_file("Your own theme (MIDI)", "em-theme")
            primer = _midi_file("MIDI file to continue", "em-primer")
            named |= music_controls.of_primer(defaults) | music_controls.of_reading(defaults)
    return (
        MusicArea(plan, edit_chords, another_seed),
        named,
        (tempo, paper, primer, theme, composer),
    )


def _sound(defaults: Settings, named: dict[str, Any], pieces: tuple[Any, ...]) -> Controls:
    """Lay out the sound.

    Args:
        defaults: what the controls show at first.
        named: the controls so far, by the setting that each turns.
        pieces: of the music, which turn no single setting.

    Returns:
        All controls.
    """
    tempo, paper, primer, theme, composer = pieces
    with gr.Column(elem_id="em-sound"):
        named = named | sound_controls.of_mix(defaults)
        with gr.Row():
            programs = sound_controls.of_programs()
        with gr.Column(elem_classes=EXPERT_ONLY):
            named |= sound_controls.of_performance(defaults) | sound_controls.of_level(defaults)
            soundfont = sound_controls.soundfonts()
            own_soundfont = gr.File(
                label="Your own SoundFont (SF2)",
                file_types=[".sf2", ".sf3"],
                height=110,
                elem_id="em-soundfont",
            )
    controls = Controls(
        named, tempo, paper, programs, soundfont, own_soundfont, primer, theme, composer
    )
    for control, is_visible in controls.visible_for(defaults.music.composer).items():
        control.visible = is_visible
    return controls


def _plan(defaults: Settings) -> tuple[Any, dict[str, Any], Any, Any]:
    """Lay out what is planned before the notes: the column that holds it, the controls by the
    setting that each turns, the tempo, and the button for the chords."""
    is_visible = knobs.plan_is_visible(defaults.music.composer, defaults.music.method == "free")
    with gr.Column(visible=is_visible, elem_id="em-plan") as plan:
        named = music_controls.of_plan(defaults)
        with gr.Row():
            named |= music_controls.of_metre(defaults)
            tempo = music_controls.tempo_field(defaults)
        named |= music_controls.of_melody(defaults)
        edit_chords = gr.Button(
            "Edit this piece’s chords", size="sm", visible=False, elem_id="em-take-chords"
        )
    return plan, named, tempo, edit_chords


def _midi_file(label: str, elem_id: str) -> Any:
    return gr.File(label=label, file_types=[".mid", ".midi"], height=110, elem_id=elem_id)


def _experts() -> ExpertsArea:
    with gr.Accordion("Mood analysis", open=False, elem_id="em-experts"):
        listing = gr.HTML(elem_id="em-panel")
        install = gr.Button("Install what is missing", size="sm", elem_id="em-install")
        stop = gr.Button("Stop", size="sm", visible=False, elem_id="em-stop")
        installing = gr.HTML(elem_id="em-installing")
        clock = gr.Timer(1.0, active=False)
    return ExpertsArea(listing, install, stop, installing, clock)


def _share() -> ShareArea:
    with gr.Accordion("Save or share these settings", open=False, elem_id="em-share"):
        share = gr.Button("Make a link and a preset", size="sm", elem_id="em-make-link")
        query = gr.Textbox(
            label="Link to these settings",
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


def _result(shown: Any) -> tuple[ResultArea, PassageArea]:
    """Lay out what stands under the player, which is `shown`."""
    with gr.Row(elem_id="em-get"):
        film_file = gr.HTML(elem_id="em-get-film")
        use_example = gr.Button("Use this film", visible=False, elem_id="em-use-example")
        versions = version_cards()
    passage = passage_area()
    with gr.Accordion("More files, link and delete", open=False, elem_id="em-menu"):
        files = gr.HTML(elem_id="em-downloads")
        with gr.Row():
            pack = gr.Button(
                "Stems and everything as a ZIP", size="sm", visible=False, elem_id="em-pack"
            )
            forget = gr.Button("Delete everything", size="sm", visible=False, elem_id="em-forget")
    take_link = gr.HTML(
        "",
        html_template="<p>${value ? `Kept for one hour, even if you close this page; the last "
        f"{MOST_TAKES} takes, starred ones longest. "
        '<a href="?take=${value}">Link to this result</a>. Anyone with the link can watch, '
        'change or delete it.` : ""}</p>',
        js_on_load=scripts.TAKE_IN_ADDRESS,
        elem_id="em-kept",
    )
    mix = mix_news(visible="hidden", elem_id="em-mix-news")
    area = ResultArea(film_file, files, pack, use_example, forget, take_link, shown, versions, mix)
    return area, passage


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
        "MKV, WebM, AVI, GIF and most others.</p>"
        f"<details><summary>Limits</summary><ul>{everything}</ul></details>"
    )


_FOOT = (
    "<p>You keep all rights to your film, and the music is yours to use; we claim nothing in "
    "either. The code is under the MIT licence. What the weights were trained on, and what that "
    "allows, is under “How this score was made”. Films and results are deleted one hour after "
    "they were last viewed, or at once with “Delete everything”.</p>"
    "<p>Method: S. Sulun, P. Viana, M. E. P. Davies, “Video Soundtrack Generation by "
    "Aligning Emotions and Temporal Boundaries”.</p>"
)
