"""The strip of takes: everything that was made of a film, each with what it is worth."""

import gradio as gr

_STAR = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 3l2.7 5.8 6.3.7-4.7 4.3 1.3 6.2L12 '
    '16.9 6.4 20l1.3-6.2L3 9.5l6.3-.7z"/></svg>'
)
_PEN = (
    '<svg viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M4 20l1-4L16 5l3 3L8 19zM14 7l3 3"/></svg>'
)
_BIN = (
    '<svg viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5"/></svg>'
)

_TEMPLATE = (
    """${value && value.length ? `
<div class="strip" role="group" aria-label="Takes">${value.map(one => `
<article class="${one.shown ? "shown" : ""}" data-take="${one.take}" data-slot="${one.slot}"
data-mark="${one.mark}">
<button type="button" class="show" data-what="show" aria-pressed="${one.shown}"
title="${one.detail.join(" · ")}" ${one.ready ? "" : "disabled"}>${one.roll}
<span><strong>${one.name}</strong><small>${one.words.join(" · ")}</small></span></button>
<div class="tools"><button type="button" data-what="star" aria-pressed="${one.starred}"
aria-label="Star ${one.name}" title="Starred takes are kept longest">STAR</button>
${one.shown ? `<button type="button" data-what="rename" aria-label="Rename ${one.name}"
title="Rename">PEN</button><button type="button" data-what="delete" data-name="${one.name}"
aria-label="Delete ${one.name}" title="Delete">BIN</button>` : ""}</div>
</article>`).join("")}
<button type="button" class="more" data-what="another">Another take</button></div>`
: ""}""".replace("STAR<", f"{_STAR}<")
    .replace("PEN<", f"{_PEN}<")
    .replace("BIN<", f"{_BIN}<")
)

_CSS = """
.strip { display: flex; gap: 8px; overflow-x: auto; padding: 4px; scrollbar-width: thin; }
article { flex: none; display: flex; align-items: center; position: relative; border-radius: 8px;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary); }
article:hover { border-color: var(--em-accent, #0068A6); }
.shown { border-color: var(--em-accent, #0068A6);
  box-shadow: inset 0 0 0 1px var(--em-accent, #0068A6); }
button { cursor: pointer; font: inherit; font-size: 14px; text-align: left; border: none;
  background: none; box-shadow: none; color: var(--body-text-color); border-radius: 8px; }
.show { display: flex; gap: 8px; align-items: center; min-height: 48px; padding: 4px 4px 4px 8px; }
.show > span { display: block; }
.roll { flex: none; display: block; width: 56px; height: 32px; }
.roll path { fill: none; stroke-width: 1; vector-effect: none; }
.more { flex: none; min-height: 48px; padding: 4px 16px;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary); }
.more:hover { border-color: var(--em-accent, #0068A6); }
.tools { display: flex; padding-right: 4px; }
.tools button { display: grid; place-items: center; width: 28px; height: 28px; padding: 4px; }
.tools button:hover { background: var(--background-fill-secondary); }
.tools svg { display: block; width: 18px; height: 18px; fill: none; stroke: currentColor;
  stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
[data-what="star"][aria-pressed="true"] svg { fill: #E69F00; stroke: #9A6700; }
.dark & [data-what="star"][aria-pressed="true"] svg { stroke: #F0C04A; }
strong, small { display: block; white-space: nowrap; font-size: 14px; }
strong { max-width: 200px; overflow: hidden; text-overflow: ellipsis; }
small { font-size: 12px; }
.title { position: absolute; inset: 4px 4px 4px 68px; width: auto; padding: 0 8px; font: inherit;
  font-size: 14px; border: 1px solid var(--em-accent, #0068A6); border-radius: 8px;
  color: var(--body-text-color); background: var(--background-fill-primary); }
button:disabled { cursor: default; }
:is(button, input):focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
"""

_SCRIPT = """
element.addEventListener("click", event => {
  const button = event.target.closest("button[data-what]");
  if (!button) return;
  const card = button.closest("article");
  const { what } = button.dataset;
  const data = { take: card?.dataset.take ?? "", slot: Number(card?.dataset.slot ?? 0), what };
  const version = { take: data.take, mark: card?.dataset.mark ?? "", what };
  if (what === "show" || what === "another") trigger("select", data);
  else if (what === "star") trigger("edit", version);
  else if (what === "delete") {
    if (confirm(`Delete “${button.dataset.name}”? Its film, music and files go.`))
      trigger("edit", version);
  } else if (what === "rename") rename(card, version);
});

function rename(card, version) {
  const field = document.createElement("input");
  const title = card.querySelector("strong").textContent;
  Object.assign(field, { className: "title", value: title, maxLength: 40, type: "text" });
  field.setAttribute("aria-label", "Name of the take");
  let over = false;
  const end = keep => {
    if (over) return;
    over = true;
    const value = field.value;
    field.remove();
    card.querySelector("[data-what=rename]")?.focus();
    if (keep && value !== title) trigger("edit", { ...version, title: value });
  };
  field.addEventListener("keydown", event => {
    event.stopPropagation();
    if (event.key === "Enter") end(true);
    if (event.key === "Escape") end(false);
  });
  // Later: a card that is drawn anew takes the field with it, and nothing may move meanwhile.
  field.addEventListener("blur", () => setTimeout(() => end(field.isConnected)));
  card.append(field);
  field.focus();
  field.select();
}
"""


def version_cards() -> gr.HTML:
    """Return the strip; its values are those of `emsync.interface.views.cards`, escaped there.

    The event "select" tells the token of a `take`, the `slot` of a version and `what` is wanted:
    "show" or "another", which means the take that is shown. The event "edit" tells the `take`, the
    `mark` of a version and `what`: "star", "rename" (to a `title`) or "delete".
    """
    return gr.HTML(
        [],
        html_template=_TEMPLATE,
        css_template=_CSS,
        js_on_load=_SCRIPT,
        elem_id="em-versions",
    )
