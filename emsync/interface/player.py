"""The player: the film before and after, and a timeline of its score that moves with it."""

import json
from pathlib import Path
from typing import Any

import gradio as gr

from emsync.interface.plots import EMOTION_COLOURS, GROUP_COLOURS, VERMILION
from emsync.interface.views import file_address

SOUNDS = Path(__file__).with_name("preview")
"""Folder of the sounds with which a piece is played while it is written."""

# Static: Gradio leaves the elements alone as long as the filled template does not change. The film
# must go on playing while sketches come and go.
_TEMPLATE = """
<div class="stage" data-part="stage" hidden>
  <div class="picture" data-part="picture">
    <div class="frame">
      <video class="screen" data-part="video" controls playsinline preload="metadata"
        aria-label="Your film"></video>
      <img class="screen" data-part="still" alt="A frame of your film" hidden>
      <div class="sides" data-part="sides" role="group" aria-label="Compare" hidden>
        <button type="button" data-side="before" aria-pressed="false">Before</button>
        <button type="button" data-side="after" aria-pressed="true">After</button>
      </div>
    </div>
  </div>
  <p class="aside" data-part="aside" hidden>Your browser cannot play this format. It will play the
    scored film.</p>
  <p class="trouble" data-part="trouble" role="alert" hidden></p>
  <div class="score" data-part="score">
    <div class="above">
      <p class="sketching" data-part="sketching" role="status"></p>
      <button type="button" class="listen" data-part="listen" aria-pressed="false" hidden>Listen
        while it is written</button>
      <p class="preview" data-part="preview" role="status"></p>
      <p class="now" data-part="now"></p>
    </div>
    <div class="desk" data-part="desk">
      <div class="names" data-part="names" aria-hidden="true"></div>
      <div class="view" data-part="view">
        <div class="timeline" data-part="timeline" role="slider" tabindex="0" aria-valuemin="0"
          aria-valuemax="0" aria-valuenow="0" aria-label="Place in the film, over its score"
          aria-keyshortcuts="ArrowLeft ArrowRight Shift+ArrowLeft Shift+ArrowRight Home End Space">
          <div class="paper" data-part="paper"></div>
          <canvas class="lights" data-part="lights"></canvas>
          <div class="strip" data-part="scenes"></div>
          <div class="strip plan" data-part="plan"></div>
          <div class="strip" data-part="said"></div>
          <div class="strip" data-part="read"></div>
          <div class="strip" data-part="times"></div>
          <div class="pointed" data-part="pointed" hidden></div>
          <div class="head" data-part="head"></div>
        </div>
      </div>
      <div class="tip" data-part="tip" hidden></div>
    </div>
    <p class="kind" data-part="kind"></p>
    <div class="key" data-part="key" aria-hidden="true"></div>
    <p class="unseen" data-part="words"></p>
  </div>
</div>
"""


def player(**place: Any) -> gr.HTML:
    """Return the player, empty; its values are those of `showing`.

    Args:
        place: further arguments of `gr.HTML`, such as `elem_id`.
    """
    here = Path(__file__)
    return gr.HTML(
        value=None,
        html_template=_TEMPLATE,
        css_template=here.with_suffix(".css").read_text(encoding="utf-8"),
        js_on_load="\n".join(
            (here.with_name(name)).read_text(encoding="utf-8")
            for name in ("listen.js", "player.js")
        ),
        apply_default_css=False,
        groups=GROUP_COLOURS,
        emotions=EMOTION_COLOURS,
        missed=VERMILION,
        preview=file_address(SOUNDS),
        **place,
    )


def showing(**parts: Any) -> str:
    """Return a value for the player, of some of these parts:

    film      address of the scored film, or None
    before    address of the film as it came, or None where browsers cannot play it
    poster    address of a picture to show before it plays, or None
    timeline  from `emsync.interface.timeline.timeline_of`, or None
    sketch    from `emsync.interface.timeline.sketch_of` while composing, or None

    What is missing stays as it was, so that a sketch need not carry the timeline with it. A sketch
    goes before the timeline; the player hides itself without film, poster, timeline and sketch.
    When another film comes that lasts as long (within 0.1 s), it goes on where the one before was;
    the first score of a film begins at the beginning.

    Returns:
        JSON: Gradio walks through values on both sides and makes every list in them reactive; for
        20,000 notes that takes seconds, for one text nothing.
    """
    return json.dumps(parts, separators=(",", ":"))
