"""The switch between the plain settings and all of them, which the browser remembers."""

import gradio as gr

EXPERT_ONLY = "em-expert-only"
"""Class of what is seen only while the switch is on. What stands in it counts all the same."""

HEAD = """<script>
// An address may ask for it; else it is as it was left. Before anything is drawn, so that nothing
// jumps.
{
  let kept = null;
  try { kept = localStorage.getItem("em-expert"); } catch {}
  const asked = new URL(location.href).searchParams.get("expert");
  document.documentElement.classList.toggle("em-expert", (asked ?? kept) === "1");
}
</script>
<style>
html:not(.em-expert) .em-expert-only { display: none !important; }
</style>"""

_TEMPLATE = """<label><input type="checkbox" role="switch"><span>Expert settings</span></label>"""

_CSS = """
label { display: flex; gap: 8px; align-items: center; min-height: 32px; cursor: pointer;
  font-size: 14px; color: var(--body-text-color); }
input { appearance: none; flex: none; position: relative; width: 36px; height: 20px; margin: 0;
  border-radius: 10px; cursor: pointer; background: var(--neutral-500, #6B7280); border: none; }
input::before { content: ""; position: absolute; top: 3px; left: 3px; width: 14px; height: 14px;
  border-radius: 50%; background: white; transition: left 0.15s; }
input:checked { background: #0068A6; }
input:checked::before { left: 19px; }
input:focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
@media (prefers-reduced-motion: reduce) { input::before { transition: none; } }
"""

_SCRIPT = """
const root = document.documentElement;
const box = element.querySelector("input");
box.checked = root.classList.contains("em-expert");
box.addEventListener("change", () => {
  root.classList.toggle("em-expert", box.checked);
  try { localStorage.setItem("em-expert", box.checked ? "1" : "0"); } catch {}
});
"""


def expert_switch() -> gr.HTML:
    """Return the switch. It is the browser's alone: the server never hears of it."""
    return gr.HTML(
        html_template=_TEMPLATE,
        css_template=_CSS,
        js_on_load=_SCRIPT,
        elem_id="em-expert-switch",
    )
