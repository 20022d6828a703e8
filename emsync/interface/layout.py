"""What stands where on the page, and which handler listens to what."""

import html
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Literal

import gradio as gr

from emsync.emotion.mapping import Mood, scaled_categories
from emsync.emotion.panel import device_of
from emsync.emotion.reading import EMOTIONS
from emsync.errors import EmsyncError
from emsync.interface import experts, views
from emsync.interface.handlers import KEEP_SECONDS, Studio, Update
from emsync.settings import CurveMode, InstrumentCount, OriginalSound, Settings

TITLE = "EMSYNC"
LARGEST_SEED = 2**31 - 1

_HEAD = """<style>
/* Gradio confines its `css` to what lies inside these. */
.gradio-container .app { max-width: 1180px !important; }
@media (max-width: 700px) { .gradio-container .app { padding: 12px !important; } }
</style>"""

_CSS = """
#em-head h1 { margin: 0.4em 0 0; letter-spacing: 0.02em; }
#em-head p, #em-limits p, #em-kept p, #em-foot p { margin: 0.2em 0; opacity: 0.8; }
#em-limits p, #em-kept p, #em-foot p { font-size: 0.9em; }
#em-foot { border-top: 1px solid var(--border-color-primary); margin-top: 2em; padding-top: 1em; }
#em-results { flex-basis: 100%; }
#em-film, #em-scored, #em-settings > .block { border: 1px solid var(--border-color-primary); }
/* Trimming fetches a program from elsewhere; there is nothing to reset to. */
#em-film button[aria-label^="Trim"], #em-film button[aria-label^="Reset"] { display: none; }
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
.em-report summary { cursor: pointer; padding: 0.4em 0; }
"""


def build(studio: Studio) -> gr.Blocks:
    """The page, with everything connected; nothing is started."""
    defaults = studio.settings
    page = gr.Blocks(
        title=f"{TITLE}: music for your film",
        analytics_enabled=False,
        delete_cache=(300, KEEP_SECONDS),
    )
    with page:
        gr.HTML(
            f"<h1>{TITLE}</h1><p>Drop in a film and get it back with music of its own, composed "
            "for its emotion and its cuts.</p>",
            elem_id="em-head",
        )
        with gr.Row(elem_id="em-desk"):
            with gr.Column(scale=6, min_width=320, elem_id="em-input"):
                film = gr.Video(label="Film", sources=["upload"], height=300, elem_id="em-film")
                gr.HTML(_limits(defaults), elem_id="em-limits")
                compose = gr.Button("Compose", variant="primary", size="lg", elem_id="em-compose")
                cancel = gr.Button("Cancel", variant="stop", visible=False, elem_id="em-cancel")
                status = gr.HTML(elem_id="em-status")
            with (
                gr.Column(scale=4, min_width=300, elem_id="em-settings"),
                gr.Accordion("Settings (the paper's numbers, if left alone)", open=True),
            ):
                controls = _controls(defaults)
                with gr.Group(visible=False, elem_id="em-mood") as own_mood:
                    word = gr.Dropdown(
                        [(name.capitalize(), name) for name in EMOTIONS],
                        value=None,
                        label="Emotion",
                        info="Sets the two below to the middle of an emotion.",
                    )
                    pleasure, energy = _plane()
                with gr.Accordion("Who looks at the film", open=False, elem_id="em-experts"):
                    listing = gr.HTML(elem_id="em-panel")
                    install = gr.Button("Install what is missing", size="sm", elem_id="em-install")
                    stop = gr.Button("Stop", size="sm", visible=False, elem_id="em-stop")
                    installing = gr.HTML(elem_id="em-installing")
                    clock = gr.Timer(1.0, active=False)
            with gr.Column(scale=10, visible=False, elem_id="em-results") as results:
                scored = gr.Video(
                    label="Your film, scored",
                    interactive=False,
                    height=420,
                    buttons=["download"],
                    elem_id="em-scored",
                )
                with gr.Row():
                    midi = gr.DownloadButton("MIDI", elem_id="em-midi", min_width=90)
                    wav = gr.DownloadButton("WAV", elem_id="em-wav", min_width=90)
                    report = gr.DownloadButton("Report", elem_id="em-json", min_width=90)
                gr.HTML(
                    "<p>Kept while this page is open, for an hour at most.</p>", elem_id="em-kept"
                )
        diagnostics = gr.HTML(elem_id="em-diagnostics")
        gr.HTML(_footer(), elem_id="em-foot")

        def shown(update: Update) -> dict[Any, Any]:
            changes: dict[Any, Any] = {
                status: update.status,
                compose: gr.Button(interactive=not update.busy),
                cancel: gr.Button(visible=update.busy),
            }
            result = update.result
            if result is not None:
                changes |= {
                    results: gr.Column(visible=True),
                    scored: str(result.video),
                    midi: str(result.midi),
                    wav: str(result.wav),
                    report: str(result.report),
                    diagnostics: update.diagnostics,
                }
            return changes

        async def press(
            path: str | None,
            span: float,
            curve: CurveMode | Literal["own"],
            sensitivity: float,
            instruments: InstrumentCount,
            seed: float | None,
            original: OriginalSound,
            valence: float,
            arousal: float,
            request: gr.Request,
        ) -> AsyncIterator[dict[Any, Any]]:
            own = Mood(float(valence), float(arousal)) if curve == "own" else None
            followed = defaults.mood.curve if curve == "own" else curve
            settings = chosen(defaults, span, followed, sensitivity, instruments, seed, original)
            async for update in studio.compose(path, settings, str(request.session_hash), own):
                changes = shown(update)
                if update.result is not None and own is None:
                    # Where the film's mood is, for who wants to move it.
                    mood = update.result.mood
                    changes |= {pleasure: round(mood.valence, 2), energy: round(mood.arousal, 2)}
                yield changes

        def press_cancel(request: gr.Request) -> None:
            studio.cancel(str(request.session_hash))

        def close(request: gr.Request) -> None:
            studio.leave(str(request.session_hash))

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

        shelf = [listing, install, stop, installing, clock]
        for event, handler in (
            (page.load, look_at_experts),
            (install.click, press_install),
            (stop.click, press_stop),
            (clock.tick, look_at_experts),
        ):
            event(handler, None, shelf, show_progress="hidden", api_visibility="private")

        def pick(emotion: str | None, span: float) -> tuple[Any, Any]:
            """The middle of an emotion, as far out as the range lets it be."""
            if emotion is None:
                return gr.skip(), gr.skip()
            scaled = scaled_categories(replace(defaults.mood, valence_arousal_range=float(span)))[
                EMOTIONS.index(emotion)
            ]
            return round(scaled.valence_mean, 2), round(scaled.arousal_mean, 2)

        quietly: dict[str, Any] = {
            "show_progress": "hidden",
            "api_visibility": "private",
            "queue": False,
        }
        controls[1].change(
            lambda curve: gr.Group(visible=curve == "own"), controls[1], own_mood, **quietly
        )
        word.input(pick, [word, controls[0]], [pleasure, energy], **quietly)
        compose.click(
            press,
            [film, *controls, pleasure, energy],
            [
                *(status, compose, cancel, results, scored, midi, wav, report, diagnostics),
                *(pleasure, energy),
            ],
            show_progress="hidden",
            # The studio keeps its own line, so that who waits can see the line and leave it.
            concurrency_limit=None,
            api_visibility="private",
        )
        cancel.click(press_cancel, queue=False, show_progress="hidden", api_visibility="private")
        page.unload(close)
    return page


def launch_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for `Blocks.launch`: looks, limits, and nothing fetched from elsewhere."""
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
        "max_file_size": settings.limits.bytes,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "enable_monitoring": False,
    }


def chosen(
    defaults: Settings,
    span: float,
    curve: CurveMode,
    sensitivity: float,
    instruments: InstrumentCount,
    seed: float | None,
    original: OriginalSound,
) -> Settings:
    """The settings of one request; an empty seed field means the default."""
    return replace(
        defaults,
        mood=replace(defaults.mood, valence_arousal_range=float(span), curve=curve),
        music=replace(defaults.music, sensitivity=float(sensitivity), instruments=instruments),
        sound=replace(defaults.sound, original_sound=original),
        seed=defaults.seed if seed is None else min(LARGEST_SEED, max(0, int(seed))),
    )


def _controls(defaults: Settings) -> list[Any]:
    """In the order of `chosen`."""
    return [
        gr.Slider(
            0.1,
            1.0,
            value=defaults.mood.valence_arousal_range,
            step=0.05,
            label="Valence–arousal range r",
            info="How far the mood may go: larger is more extreme. The paper uses 0.8.",
        ),
        gr.Radio(
            [("One mood", "constant"), ("Follow the scenes", "scenes"), ("My own", "own")],
            value=defaults.mood.curve,
            label="Mood over the film",
            info="The film's mood throughout, or changing on cuts with its scenes, or one of "
            "yours. Composing again takes no new look at the film.",
        ),
        gr.Slider(
            0.1,
            3.0,
            value=defaults.music.sensitivity,
            step=0.1,
            label="Sensitivity ξ (seconds)",
            info="How close to a cut a strong chord must fall to count as a hit. The paper: 1 s.",
        ),
        gr.Radio(
            [("Fewer", "fewer"), ("More", "more")],
            value=defaults.music.instruments,
            label="Instruments",
            info="What the music is asked for: fewer or more of the five groups.",
        ),
        gr.Number(
            value=defaults.seed,
            precision=0,
            minimum=0,
            maximum=LARGEST_SEED,
            label="Seed",
            info="Another number, another piece; the same number, the same piece.",
        ),
        gr.Radio(
            [
                ("Replace it", "replace"),
                ("Keep it under the music", "keep"),
                ("Keep it, and lower the music under speech", "duck"),
            ],
            value=defaults.sound.original_sound,
            label="Original sound",
            info="What becomes of the film's own sound.",
        ),
    ]


def _plane() -> tuple[gr.Slider, gr.Slider]:
    """Valence and arousal."""
    return (
        gr.Slider(-1, 1, value=0, step=0.01, label="Valence", info="Unpleasant to pleasant."),
        gr.Slider(-1, 1, value=0, step=0.01, label="Arousal", info="Calm to excited."),
    )


def _limits(settings: Settings) -> str:
    limits = settings.limits
    return (
        f"<p>Up to {views.duration(limits.seconds)} and {limits.bytes / 1e6:.0f} MB: MP4, MOV, "
        "MKV, WebM, AVI and most others. Some films cannot be previewed here; they are scored "
        "all the same.</p>"
    )


def _footer() -> str:
    return (
        "<p>What you make here is yours; we claim nothing in it, and your rights in the film are "
        "your own affair. The code is under the MIT licence. What the weights were trained on, and "
        "what that allows, is said under “Making of”; the authors of that music are named in "
        "their card, in the folder weights. Results "
        "are deleted when you close this page, the film within an hour or so after that.</p>"
        "<p>Method: S. Sulun, P. Viana, M. E. P. Davies, “Video Soundtrack Generation by "
        "Aligning Emotions and Temporal Boundaries”.</p>"
    )
