"""The versions of a take, side by side, each with what it is worth."""

import gradio as gr

_TEMPLATE = """${value && value.length ? `
<h3>${value.length > 1 ? "Versions" : "This version"}</h3>
<div class="cards" role="group" aria-label="Versions">${value.map((one, slot) => `
<article class="${one.shown ? "shown" : ""}">
<h4>${one.label}${one.shown ? " <span>playing above</span>" : ""}</h4>
<ul>${one.words.map(words => `<li>${words}</li>`).join("")}</ul>
${value.length > 1 ? `<p><button type="button" data-slot="${slot}" data-what="show"
${one.shown || !one.ready ? "disabled" : ""}>Play ${one.label}</button></p>` : ""}
</article>`).join("")}</div>
<p class="more"><button type="button" data-slot="0" data-what="another">Try another</button></p>`
: ""}"""

_CSS = """
h3 { margin: 0.6em 0 0.4em; font-size: 1.05em; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 210px), 1fr));
  gap: 10px; }
article { border: 1px solid var(--border-color-primary); border-radius: 10px; padding: 10px 12px;
  background: var(--background-fill-secondary); }
article.shown { border: 2px solid #0072B2; padding: 9px 11px; }
h4 { margin: 0 0 0.3em; font-size: 1.05em; }
h4 span { font-weight: 400; font-size: 0.85em; opacity: 0.85; }
ul { margin: 0 0 0.6em; padding: 0; list-style: none; font-size: 0.92em; }
article { display: flex; flex-direction: column; justify-content: space-between; }
p.more { margin-top: 10px; }
p { margin: 0; display: flex; flex-wrap: wrap; gap: 6px; }
button { padding: 0.4em 0.8em; border-radius: 8px; cursor: pointer; color: var(--body-text-color);
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary); }
button:hover:enabled { border-color: #0072B2; }
button:disabled { opacity: 0.5; cursor: default; }
button:focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
"""

_SCRIPT = """
element.addEventListener("click", event => {
  const button = event.target.closest("button[data-slot]");
  if (button) trigger("select", { slot: Number(button.dataset.slot), what: button.dataset.what });
});
"""


def version_cards() -> gr.HTML:
    """Return the cards; their values are those of `emsync.interface.views.cards`, escaped there.

    The event "select" tells the `slot` of a version and `what` is wanted: "show" or "another".
    """
    return gr.HTML(
        [],
        html_template=_TEMPLATE,
        css_template=_CSS,
        js_on_load=_SCRIPT,
        elem_id="em-versions",
    )
