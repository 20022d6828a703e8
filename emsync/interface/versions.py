"""The strip of takes: everything that was made of a film, each with what it is worth."""

import gradio as gr

_TEMPLATE = """${value && value.length ? `
<div class="strip" role="group" aria-label="Takes">${value.map(one => `
<article class="${one.shown ? "shown" : ""}">
<button type="button" class="show" data-take="${one.take}" data-slot="${one.slot}" data-what="show"
aria-pressed="${one.shown}" title="${one.detail.join(" · ")}" ${one.ready ? "" : "disabled"}>
<strong>${one.name}</strong><span>${one.words.join(" · ")}</span></button>
</article>`).join("")}
<button type="button" class="more" data-slot="0" data-what="another">Another take</button></div>`
: ""}"""

_CSS = """
.strip { display: flex; gap: 8px; overflow-x: auto; padding: 4px; scrollbar-width: thin; }
article { flex: none; display: flex; }
button { min-height: 48px; padding: 4px 16px; border-radius: 8px; cursor: pointer; font: inherit;
  font-size: 14px; text-align: left; color: var(--body-text-color);
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary); }
.shown button { border-color: var(--em-accent, #0068A6);
  box-shadow: inset 0 0 0 1px var(--em-accent, #0068A6); }
.more { flex: none; }
strong { display: block; }
span { font-size: 12px; }
button:hover:enabled { border-color: var(--em-accent, #0068A6); }
button:disabled { cursor: default; }
button:focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
"""

_SCRIPT = """
element.addEventListener("click", event => {
  const { take, slot, what } = event.target.closest("button[data-slot]")?.dataset ?? {};
  if (what) trigger("select", { take: take ?? "", slot: Number(slot), what });
});
"""


def version_cards() -> gr.HTML:
    """Return the strip; its values are those of `emsync.interface.views.cards`, escaped there.

    The event "select" tells the token of a `take`, the `slot` of a version and `what` is wanted:
    "show" or "another", which means the take that is shown.
    """
    return gr.HTML(
        [],
        html_template=_TEMPLATE,
        css_template=_CSS,
        js_on_load=_SCRIPT,
        elem_id="em-versions",
    )
