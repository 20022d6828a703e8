"""How the page looks, and with which options it is launched."""

from typing import Any

import gradio as gr

from emsync.interface.examples import FOLDER
from emsync.interface.states import MOST_STATES
from emsync.settings import Settings

TITLE = "EMSYNC"

HEAD = """<script>
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

CSS = """
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


def launch_options(settings: Settings, waiting: int) -> dict[str, Any]:
    """Return arguments for `Blocks.launch`: looks, limits, and nothing fetched from elsewhere.

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
        "css": CSS,
        "head": HEAD,
        "allowed_paths": [str(FOLDER)],
        "max_file_size": settings.limits.bytes,
        "state_session_capacity": MOST_STATES,
        # Threads for events. Whoever waits for work keeps one all the while, and others need
        # one to learn that there is no place.
        "max_threads": 40 + 4 * waiting,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "enable_monitoring": False,
    }
