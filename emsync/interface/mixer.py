"""The mixer: each group of a scored film muted, alone, louder or softer, and heard at once.

Its value travels both ways: {"gains": {group: decibels}, "live": whether the browser mixes}. What
it mixes comes in the property `mix`, as `mixing` makes it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from emsync.errors import EmsyncError
from emsync.interface.plots import GROUP_COLOURS
from emsync.interface.views import file_address
from emsync.sound.mix import DUCK_SECONDS
from emsync.sound.mixing import CHUNK_SECONDS, SCALE, MixLevels

if TYPE_CHECKING:
    from emsync.interface.records import Mix
    from emsync.settings import SoundSettings

# Static, as the player's: the rows are made by the script.
_TEMPLATE = """
<section class="mixer" data-part="mixer" aria-label="Mix" hidden>
  <h3>Mix</h3>
  <p data-part="words" role="status"></p>
  <button type="button" class="open" data-part="open">Mix the groups</button>
  <div data-part="rows" hidden></div>
  <button type="button" data-part="back" hidden>All as played</button>
  <template data-part="row"><div class="row" role="group"><span class="name"><i></i></span>
    <button type="button" class="mute" aria-pressed="false">Mute</button>
    <button type="button" class="solo" aria-pressed="false">Solo</button>
    <input type="range" min="-30" max="12" step="0.5"><output></output></div></template>
</section>
"""


def mixer(gains: Sequence[tuple[str, float]], **place: Any) -> gr.HTML:
    """Return the mixer, hidden until there is something to mix.

    The events are "prepare", when the sounds are wanted; "level", when something was turned; and
    "remix", when a download is wanted that is to have this mix.

    Args:
        gains: (group, decibels) at first.
        place: further arguments of `gr.HTML`, such as `elem_id`.
    """
    here = Path(__file__)
    # Gradio forgets the properties of what is in a tab that nobody has opened yet.
    colours = "".join(
        f'.row[data-group="{group}"] {{ --em-group: {colour}; }}\n'
        for group, colour in GROUP_COLOURS.items()
    )
    return gr.HTML(
        value=value_of(gains),
        html_template=_TEMPLATE,
        css_template=here.with_suffix(".css").read_text(encoding="utf-8") + colours,
        js_on_load="\n".join(
            here.with_name(name).read_text(encoding="utf-8") for name in ("mixing.js", "mixer.js")
        ),
        apply_default_css=False,
        mix="",
        **place,
    )


def value_of(gains: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """Return the mixer's value for gains; the browser adds whether it mixes."""
    return {"gains": dict(gains)}


def gains_of(value: object) -> dict[str, Any]:
    """Return the gains in the mixer's value, by group; they are not checked.

    Raises:
        EmsyncError: it is nothing that the mixer could have sent.
    """
    gains = value.get("gains") if isinstance(value, dict) else None
    if not isinstance(gains, dict):
        raise EmsyncError("The mixer sent what it cannot have made. Reload the page.")
    return gains


def is_live(value: object) -> bool:
    """Return whether the browser mixes, so that what is turned needs no new film to be heard."""
    return isinstance(value, dict) and value.get("live") is True


def mixing(**parts: Any) -> Any:
    """Return an update of the mixer, of some of these parts; what is missing stays as it was.

    can      whether there is a film to mix
    words    what is under way; empty if nothing is
    film     address of the scored film
    made     of `made_with`: how that sounds
    dirty    whether the film sounds otherwise than is asked for
    sources  of `sources_of`, or None
    levels   of `levels_as`
    """
    return gr.update(mix=json.dumps(parts, separators=(",", ":")))


def made_with(sound: "SoundSettings") -> dict[str, Any]:
    """Return how a film sounds, as far as the mixer turns it."""
    return {
        "gains": dict(sound.gains),
        "original": sound.original_sound,
        "balance": sound.balance_decibels,
    }


def sources_of(mix: "Mix", sound: "SoundSettings") -> dict[str, Any]:
    """Return what the browser has to know of sounds, as plain values for JSON.

    address        of the folder that holds NAME-0000.flac, NAME-0001.flac, …
    names          of the sounds: groups, and "original"
    seconds        of each, and `chunk` of each piece
    scale          by which they are stored
    speech         [[start, end], …] in seconds
    ducking        decibels, and seconds down and up
    original_gain  decibels of the original sound when it is kept under the music
    """
    sources = mix.sources
    down, up = DUCK_SECONDS
    return {
        "address": file_address(sources.folder),
        "names": list(sources.names),
        "seconds": sources.frames / sources.sample_rate,
        "chunk": CHUNK_SECONDS,
        "scale": SCALE,
        "speech": [list(stretch) for stretch in mix.speech],
        "ducking": {"decibels": sound.duck_decibels, "down": down, "up": up},
        "original_gain": sound.original_gain_decibels,
    }


def levels_as(levels: MixLevels) -> dict[str, Any]:
    """Return levels as plain values for JSON: for "music" and "original" the seconds and the
    factors of the points between which they change evenly; null where the original has those of
    the music."""

    def points(line: np.ndarray) -> list[list[float]]:
        seconds, factors = line.T.tolist()
        return [[round(at, 3) for at in seconds], [float(f"{factor:.4g}") for factor in factors]]

    alone = levels.original is levels.music
    return {
        "music": points(levels.music),
        "original": None if alone else points(levels.original),
    }
