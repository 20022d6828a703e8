"""How the page looks, and with which options it is launched."""

from typing import Any

import gradio as gr

from emsync.interface import expert_switch
from emsync.interface.examples import FOLDER
from emsync.interface.player import SOUNDS
from emsync.interface.states import MOST_STATES
from emsync.settings import Settings

TITLE = "EMSYNC"
SHOWN = (FOLDER, SOUNDS)
"""Folders whose files are served to everybody."""

HEAD = """<script>
// Only who uses the keyboard wants the focus to follow the eye.
for (const name of ["keydown", "pointerdown"])
  addEventListener(name, () => { window.emKeys = name === "keydown"; }, true);
if (sessionStorage.getItem("em-dismissed"))
  document.documentElement.classList.add("em-dismissed");
// Before Gradio hears of it: what is deleted is gone.
document.addEventListener("click", event => {
  const badge = event.target.closest?.(".em-dismiss");
  if (badge) {
    sessionStorage.setItem("em-dismissed", "1");
    document.documentElement.classList.add("em-dismissed");
  }
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
.em-dismissed .em-badge { display: none; }
/* Gradio builds the page part by part: nothing of it is seen until it stands where it stays, or
   for some seconds at most. The form for a password is another page. */
body:not(:has(#em-head h1):has(#em-film):has(#em-foot p):has(#em-limits p)):not(:has(
  input[type="password"])) .gradio-container > * { animation: em-unbuilt 8s steps(1, end); }
@keyframes em-unbuilt { from, to { visibility: hidden; } }
body:not(:has(#em-head h1)):not(:has(input[type="password"]))::before { content: "EMSYNC";
  position: fixed; inset: 0; display: grid; place-items: center; font: 700 24px system-ui;
  letter-spacing: 0.02em; opacity: 0.5; pointer-events: none; }
.dark .gradio-container :is(button, input, textarea, a, summary, [tabindex]):focus-visible {
  outline-color: #56B4E9 !important; }
/* Gradio confines its `css` to what lies inside these; `clip`, so that parts of it may stick. */
.gradio-container { overflow: clip !important; }
.gradio-container .app { max-width: 1360px !important; padding: 8px 24px 24px !important; }
@media (max-width: 700px) { .gradio-container .app { padding: 8px 12px 24px !important; } }
/* The page is at its start while the player has nothing to show, or another film is wanted. */
.gradio-container:not(:has(#em-stage .stage:not([hidden]))) :is(#em-stage, #em-settings, #em-get,
  #em-passage, #em-menu, #em-kept, #em-diagnostics, #em-another, #em-back),
body.em-choosing :is(#em-stage, #em-settings, #em-get, #em-passage, #em-menu, #em-kept,
  #em-diagnostics, #em-another, #em-facts) {
  display: none !important; }
body:not(.em-choosing):has(#em-stage .stage:not([hidden])) :is(#em-start, #em-examples,
  #em-head p) {
  display: none !important; }
body:not(.em-choosing):has(#em-stage .stage:not([hidden])) #em-desk {
  grid-template-columns: minmax(0, 1fr) 360px; }
body:not(.em-choosing):has(#em-stage .stage:not([hidden])) #em-head {
  justify-content: space-between; }
body.em-choosing #em-head, body:has(#em-stage .stage[hidden]) #em-head { text-align: center;
  max-width: 720px; margin: 0 auto; }
body:has(#em-use-example) #em-status:not(:has(.em-busy)) {
  max-width: calc(100% - 248px) !important; }
body:not(:has(#em-stage .stage:not([hidden]))) #em-head { min-height: 88px; }
body:has(.em-busy) #em-another { visibility: hidden; }
body.em-choosing #em-status:has([data-outcome]:not(.em-problem)) { display: none !important; }
/* An example is as it is: nothing to set. */
body:has(#em-use-example) #em-desk { grid-template-columns: minmax(0, 1fr) !important; }
body:has(#em-use-example) #em-settings { display: none !important; }
/* What there is to say stands between the title and the button. */
@media (min-width: 901px) {
  body:not(.em-choosing):has(#em-stage .stage:not([hidden])) :is(#em-facts,
    #em-status:not(:has(.em-busy)):not(:has(.em-problem))) { margin: -56px 0 8px 128px;
    width: auto; max-width: calc(100% - 128px);
    min-height: 40px; }
}
/* Before there is a score its room belongs to the picture. */
body:has(#em-stage .score[hidden]):not(:has(.em-busy)) #em-left {
  --em-screen: min(64vh, 56.25cqi) !important; }
@media (max-width: 900px) {
  body #em-desk { grid-template-columns: minmax(0, 1fr) !important; }
  /* Room for what there is to say, so that the film does not move when it is said. */
  #em-screen { grid-template-rows: minmax(64px, max-content) !important; }
}
</style>"""

CSS = """
.app { --em-accent: #0068A6; }
.app :is(.or, .min_value, .max_value) { color: var(--body-text-color); }
.app button[role="tab"] { color: var(--body-text-color); transition: none; }
.app button[role="tab"].selected { color: var(--em-accent); font-weight: 600; }
.dark .app { --em-accent: #56B4E9; }
#em-head { align-items: center; min-height: 40px; }
#em-head > .block { flex: 1; }
#em-head .html-container { padding: 0; }
#em-head h1 { margin: 0; font-size: 24px; line-height: 40px; letter-spacing: 0.02em; }
#em-head p { margin: 0 0 8px; font-size: 18px; line-height: 24px; }
#em-another, #em-back { flex: none; min-width: 0; width: auto; }
#em-back { align-self: center; }
#em-start { max-width: 720px; margin: 0 auto; width: 100%; gap: 8px; }
#em-sources { min-height: 188px; } /* as high as it will be, from the first */
#em-start .html-container, #em-examples .html-container { padding: 0; }
#em-film { border: 2px dashed var(--em-accent) !important; border-radius: 16px !important;
  background: color-mix(in srgb, var(--em-accent) 6%, var(--background-fill-primary)); }
#em-kept a, .em-credits a { margin: 0; padding: 0; color: inherit !important;
  text-decoration: underline; }
#em-limits { text-align: center; }
#em-limits p, #em-limits details, #em-kept p, #em-foot p { margin: 0; font-size: 14px; }
#em-limits summary { cursor: pointer; min-height: 24px; }
#em-limits ul { margin: 0 0 8px; padding-left: 24px; text-align: left; }
#em-examples { max-width: 720px; margin: 0 auto; width: 100%; }
#em-more { margin-top: 24px; gap: 8px; }
#em-foot { border-top: 1px solid var(--border-color-primary); padding-top: 16px; }
/* The stage, and the panel beside it. */
#em-desk { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; align-items: start; }
#em-left { gap: 8px; min-width: 0 !important; container-type: inline-size; scroll-margin-top: 8px;
  --em-screen: min(45vh, max(38vh, 100vh - 480px), 56.25cqi); }
#em-screen { display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; }
#em-left .html-container { padding: 0; }
#em-facts, #em-status { grid-row: 1; grid-column: 1; }
#em-stage { grid-row: 2; grid-column: 1; }
#em-get { position: sticky; bottom: 0; z-index: 3; padding: 8px 0; align-items: center;

  background: var(--body-background-fill); }
#em-left:has(#em-status p) #em-facts, #em-get:not(:has(a)), #em-get:not(:has(a)) ~ #em-menu,
#em-get:not(:has(article)) ~ #em-passage, #em-kept:not(:has(a)) {
  display: none; }
#em-status:not(:has(p)), #em-facts:not(:has(p)) { display: none; }
#em-status:has(.em-busy) { grid-row: 2; z-index: 4; height: var(--em-screen); overflow: hidden;
  border-radius: 8px; background: #10151cd9; color: white; }
#em-status:has(.em-busy) * { color: white; }
#em-left:has(.em-busy) #em-facts { display: block; }
#em-cancel { grid-row: 2; grid-column: 1; z-index: 5; justify-self: center; align-self: start;
  min-width: 120px; width: auto; min-height: 32px; margin-top: calc(var(--em-screen) - 48px); }
body:has(#em-stage .stage[hidden]) #em-cancel { grid-row: 2; margin-top: 0; }
.em-busy { display: grid; align-content: center; justify-items: center; gap: 4px;
  height: calc(var(--em-screen) - 56px); padding: 0 16px; text-align: center; }
.em-busy p { margin: 0; }
.em-busy .em-percent { font-size: 40px; line-height: 48px; font-weight: 700;
  font-variant-numeric: tabular-nums; }
#em-settings { position: sticky; top: 8px; max-height: calc(100vh - 72px); min-width: 0 !important;
  display: flex; flex-flow: column; flex-wrap: nowrap !important; gap: 8px; }
#em-tabs { min-height: 0; overflow-y: auto; scrollbar-width: thin; }
#em-expert-switch, #em-wrong { flex: none; }
#em-wrong:not(:has(p)), #em-plan .row:not(:has(.block)),
#em-plan:not(:has(#em-chords)) #em-take-chords { display: none; }
.em-wrong { margin: 0; padding: 8px 12px; border-left: 4px solid #D55E00; border-radius: 8px;
  font-size: 14px; line-height: 20px; background: #FDF0E7; color: #5A2600; }
#em-compose { flex: none; min-height: 48px; }
@media (max-width: 900px) {
  #em-settings { position: static; max-height: none; }
  #em-compose { order: -1; }
}
.em-facts { display: flex; gap: 4px 16px; align-items: center; min-height: 40px; }
.em-facts strong { display: inline-block; max-width: 240px; overflow: hidden; white-space: nowrap;
  text-overflow: ellipsis; vertical-align: bottom; }
.em-facts p:first-child { white-space: nowrap; }
@media (max-width: 1100px) { .em-facts { flex-wrap: wrap; } }
.em-facts p { margin: 0; font-size: 14px; line-height: 24px; }
.em-badge { padding: 0 0 0 12px; border-radius: 12px; font-size: 12px !important;
  background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.em-facts .em-dismiss { width: 24px; height: 24px; padding: 0; border: none; background: none;
  box-shadow: none; cursor: pointer; color: inherit; font-size: 16px; line-height: 24px; }
#em-get-film { flex: none; min-width: 0; width: auto; }
.em-files { display: flex; flex-wrap: wrap; gap: 8px; margin: 0; }
.em-files a { padding: 8px 16px; border: 1px solid var(--border-color-primary);
  border-radius: 8px; text-decoration: none; color: var(--body-text-color);
  background: var(--background-fill-secondary); }
.em-files a:hover { border-color: var(--em-accent); }
.em-files .em-primary { background: #0068A6; color: white; border-color: #0068A6;
  font-weight: 600; }
.em-files .em-primary small { color: white; }
#em-versions { flex: 1; min-width: 0; }
#em-menu, #em-passage { border: 1px solid var(--border-color-primary); }
@media (max-width: 700px) {
  #em-get { position: static; flex-wrap: wrap; }
  #em-versions { flex: 1 0 100%; }
}
#em-use-example { flex: none; }
.em-credits { font-size: 14px; }
.em-note, .em-problem { padding: 4px 16px; line-height: 24px; margin: 0; border-radius: 8px; }
.em-note { background: var(--background-fill-secondary); border-left: 4px solid #0072B2; }
.em-problem { background: #FDF0E7; color: #5A2600; border-left: 4px solid #D55E00; }
.em-progress > p { display: flex; justify-content: center; gap: 16px; }
.em-progress progress { appearance: none; width: min(100%, 480px); height: 8px; border: none;
  border-radius: 4px; overflow: hidden; background: #ffffff40; }
.em-progress progress::-webkit-progress-bar { background: #ffffff40; }
.em-progress progress::-webkit-progress-value { background: #56B4E9; transition: width 0.4s; }
.em-progress progress::-moz-progress-bar { background: #56B4E9; }
.em-progress ol { display: flex; flex-wrap: wrap; justify-content: center; gap: 0 16px;
  list-style: none; padding: 0; margin: 4px 0 0; font-size: 12px; line-height: 18px; }
@media (max-width: 700px) { .em-progress ol { display: none; } }
.em-progress li { display: flex; gap: 4px; margin: 0; }
.em-progress li.now { font-weight: 600; }
.em-progress li small { font-weight: 400; }
.em-progress li span { font-variant-numeric: tabular-nums; }
.em-progress li::before { content: "○"; }
.em-progress li.now::before { content: "●"; }
.em-progress li.done::before { content: "✓"; }
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
.em-picture { display: block; width: 100%; max-width: 520px; height: auto; margin: 0 auto; }
.em-picture.em-wide { max-width: 960px; margin: 0; }
@media (max-width: 799px) { .em-picture.em-wide { display: none; } }
@media (min-width: 800px) { .em-picture.em-narrow { display: none; } }
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
            block_title_text_color="*neutral_800",
            block_title_text_color_dark="*neutral_100",
            block_title_background_fill="none",
            block_title_background_fill_dark="none",
            block_title_padding="0",
            block_title_text_weight="600",
            block_label_text_color="*primary_800",
            checkbox_border_color="*neutral_500",
            checkbox_label_background_fill_selected="#0068A6",
            checkbox_label_background_fill_selected_dark="#0068A6",
            checkbox_label_text_color_selected="white",
            input_placeholder_color="*neutral_500",
            input_placeholder_color_dark="*neutral_300",
            button_primary_background_fill="#0068A6",
            button_primary_background_fill_hover="#005587",
            button_primary_background_fill_dark="#0068A6",
            button_primary_background_fill_hover_dark="#005587",
        ),
        "css": CSS,
        "head": HEAD + expert_switch.HEAD,
        "allowed_paths": [str(folder) for folder in SHOWN],
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
