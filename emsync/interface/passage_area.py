"""“Compose a part anew”: which part of the piece that is shown, and who gets other notes there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from emsync.music.composer import COMPOSERS
from emsync.music.notes import GROUPS
from emsync.music.passage import bars_between
from emsync.text import clock

if TYPE_CHECKING:
    from emsync.results import Piece

OWN_BARS = -1
"""Choice of the part that is no scene."""
USUAL_BARS = 4
"""From the first one on, that are suggested at first: a phrase."""

_SCRIPT = """
document.addEventListener("click", event => {
  if (!element.isConnected || !element.offsetParent) return;  // it is closed
  const scenes = [...document.querySelectorAll("#em-stage [data-part=scenes] > *")];
  const scene = scenes.findIndex(one => {
    const box = one.getBoundingClientRect();
    return event.clientX >= box.left && event.clientX < box.right
      && event.clientY >= box.top && event.clientY < box.bottom;
  });
  if (scene >= 0) trigger("select", { scene });
});
"""


@dataclass(frozen=True)
class PassageArea:
    """Its components."""

    whole: Any
    """Hidden where there is no piece of which a part could be composed anew."""
    words: Any
    """What it does. The event "select" tells the number of a `scene` that was clicked on the
    stage's strip, from 0."""
    part: Any
    first: Any
    last: Any
    groups: Any
    button: Any

    @property
    def asked(self) -> list[Any]:
        """Return those that say what is asked for."""
        return [self.part, self.first, self.last, self.groups]

    def of(
        self,
        piece: "Piece | None",
        part: int,
        first: float | None,
        last: float | None,
        groups: Sequence[str],
    ) -> dict[Any, Any]:
        """Return what they show of a piece; nothing of one without bars.

        Args:
            piece: that is shown.
            part, first, last, groups: their values now, which stay where they make sense.
        """
        if piece is None or not can_be_recomposed(piece):
            return {self.whole: gr.Accordion(visible=False)}
        count, parts = len(piece.composition.bars), parts_of(piece)
        if part not in [number for _, number in parts]:
            part = OWN_BARS
        bars = first or 0, last or 0
        if part != OWN_BARS:
            bars = bars_of_scene(piece, part) or bars
        elif not 1 <= bars[0] <= bars[1] <= count:
            bars = 1, min(USUAL_BARS, count)
        playing = {note.group for note in piece.composition.notes}
        names = [group for group in GROUPS if group in playing]
        return {
            self.whole: gr.Accordion(visible=True),
            self.part: gr.Dropdown(choices=parts, value=part),
            self.first: gr.Number(value=bars[0], maximum=count),
            self.last: gr.Number(value=bars[1], maximum=count),
            self.groups: gr.CheckboxGroup(
                choices=[(name.capitalize(), name) for name in names],
                value=[name for name in names if name in groups] or names,
            ),
        }


def can_be_recomposed(piece: "Piece") -> bool:
    """Return whether a part of a piece can be composed anew: by its composer, and with a plan."""
    row = COMPOSERS[piece.settings.music.composer]
    return row.recomposes and piece.composition.plan is not None and bool(piece.composition.bars)


def parts_of(piece: "Piece") -> list[tuple[str, int]]:
    """Return the parts to choose from: bars, and the film's scenes with their numbers from 0."""
    scenes = piece.analysis.reading.scenes
    if len(scenes) < 2:
        return [("Bars", OWN_BARS)]
    return [
        ("Bars", OWN_BARS),
        *(
            (f"Scene {number + 1}: {clock(float(scene.start))}–{clock(float(scene.end))}", number)
            for number, scene in enumerate(scenes)
        ),
    ]


def bars_of_scene(piece: "Piece", number: int) -> tuple[int, int] | None:
    """Return the first and the last bar of a scene, counted from 1; None if there is none such."""
    scenes = piece.analysis.reading.scenes
    if not 0 <= number < len(scenes):
        return None
    scene = scenes[number]
    return bars_between(piece.composition.bars, float(scene.start), float(scene.end))


def passage_area() -> PassageArea:
    """Lay it out."""
    with gr.Accordion(
        "Compose a part anew", open=False, visible=False, elem_id="em-passage"
    ) as whole:
        words = gr.HTML(
            "<p>Other music for some bars or one scene; everything else stays note for note. It "
            "becomes a version of its own. A click on a scene of the timeline chooses it.</p>",
            js_on_load=_SCRIPT,
        )
        with gr.Row():
            part = gr.Dropdown(
                label="Which part", choices=[("Bars", OWN_BARS)], value=OWN_BARS,
                elem_id="em-passage-part",
            )  # fmt: skip
            first = gr.Number(
                label="From bar", value=1, minimum=1, precision=0, elem_id="em-passage-first"
            )
            last = gr.Number(
                label="To bar", value=USUAL_BARS, minimum=1, precision=0, elem_id="em-passage-last"
            )
        groups = gr.CheckboxGroup(
            label="Who gets other notes",
            choices=[(name.capitalize(), name) for name in GROUPS],
            value=list(GROUPS),
            elem_id="em-passage-groups",
        )
        button = gr.Button("Compose this part anew", size="sm", elem_id="em-passage-compose")
    return PassageArea(whole, words, part, first, last, groups, button)
