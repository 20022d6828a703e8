"""Films that are scored already: they play at once and show what comes out."""

import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from emsync.interface.views import file_address
from emsync.text import clock

FOLDER = Path(__file__).resolve().parents[2] / "examples"

_TEMPLATE = """<div class="shelf" role="group" aria-label="Examples">${value.map(one => `
<button type="button" data-name="${one.name}"><b><img src="${one.picture}" alt=""><i
aria-hidden="true">▶</i><time>${one.length}</time></b><span><strong>${one.title}</strong>
<small>${one.words}</small></span></button>`).join("")}</div>"""
_CSS = """
.shelf { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 200px), 1fr));
  gap: 10px; }
button { display: flex; flex-direction: column; height: 100%;
  padding: 0; overflow: hidden; cursor: pointer;
  text-align: left; border: 1px solid var(--border-color-primary); border-radius: 10px;
  background: var(--background-fill-secondary); color: var(--body-text-color); }
button:hover { border-color: #0072B2; }
b { position: relative; display: block; }
i { position: absolute; left: 50%; top: 50%; width: 40px; height: 40px; margin: -20px;
  border-radius: 50%; background: #10151ccc; color: white; font: 16px/40px sans-serif;
  text-align: center; text-indent: 2px; }
time { position: absolute; right: 8px; bottom: 8px; padding: 0 6px; border-radius: 4px;
  background: #10151ccc; color: white; font: 12px/18px sans-serif; }
button:focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
img { width: 100%; aspect-ratio: 16 / 9; object-fit: cover; display: block; }
span { display: block; padding: 6px 10px 8px; }
small { display: block; font-weight: 400; line-height: 16px; }
@media (max-width: 700px) {
  .shelf { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 6px; }
  span { padding: 4px 6px; font-size: 0.85em; }
  small { display: none; }
}
"""
_SCRIPT = """
element.addEventListener("click", event => {
  const button = event.target.closest("button[data-name]");
  if (button) trigger("select", { value: button.dataset.name, index: 0 });
});
"""


@dataclass(frozen=True)
class Example:
    """A film of ours with its score.

    Attributes:
        name: of its folder.
        title, words: what it is called, and what there is to see.
        film: as it came, to be scored anew.
        scored, midi, report: what was made of it.
        timeline: what the player shows of it.
        credits: who made it, and on which terms.
    """

    name: str
    title: str
    words: str
    film: Path
    scored: Path
    midi: Path
    report: Path
    timeline: dict[str, Any]
    credits: str


def examples(folder: Path = FOLDER) -> tuple[Example, ...]:
    """Return the examples that are here, by name; none where the folder was left out."""
    return tuple(_read(place.parent) for place in sorted(folder.glob("*/example.json")))


def _read(place: Path) -> Example:
    entry = json.loads((place / "example.json").read_text(encoding="utf-8"))
    return Example(
        place.name,
        entry["title"],
        entry["words"],
        place / entry["film"],
        place / "scored.mp4",
        place / "music.mid",
        place / "report.json",
        json.loads((place / "sheet.json").read_text(encoding="utf-8")),
        (place / "credits.txt").read_text(encoding="utf-8"),
    )


def gallery(shown: tuple[Example, ...]) -> gr.HTML:
    """Return pictures of examples; the event "select" has the name of one as its `value`."""
    return gr.HTML(
        [
            {
                "name": one.name,
                "title": html.escape(one.title),
                "words": html.escape(one.words),
                "picture": _picture(one),
                "length": clock(float(one.timeline["seconds"])),
            }
            for one in shown
        ],
        html_template=_TEMPLATE,
        css_template=_CSS,
        js_on_load=_SCRIPT,
        elem_id="em-examples",
        visible=bool(shown),
    )


def _picture(example: Example) -> str:
    # The one with the most to see in it takes the most bytes.
    return max((str(scene["picture"]) for scene in example.timeline["scenes"]), key=len, default="")


def downloads(example: Example) -> str:
    """Return HTML with links to the files of an example, and its credits."""
    links = "".join(
        f'<a href="{html.escape(file_address(path))}" download>{label}</a>'
        for label, path in (
            ("MIDI", example.midi),
            ("Report", example.report),
        )
    )
    terms = "".join(f"<p>{html.escape(part)}</p>" for part in example.credits.split("\n\n"))
    return (
        f'<p class="em-files">{links}</p><details class="em-credits"><summary>Credits and terms'
        f"</summary>{terms}</details>"
    )
