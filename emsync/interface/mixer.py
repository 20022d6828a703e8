"""The mixer: each group of a scored film muted, alone, louder or softer, and heard at once.

Its value travels both ways, as JSON: {"gains": {group: decibels}, "live": whether the browser
mixes}. It is text because Gradio changes objects that came before when an event goes on to yield.
What is mixed comes by another component, `mix_news`, which is always on the page: of one in a tab
that nobody has opened yet Gradio forgets what does not change with its value.
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


_NEWS = """
const tell = () => {
  window.emMixNews = props.value;
  window.dispatchEvent(new Event("em-mix"));
};
watch("value", tell);
tell();
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
        **place,
    )


def mix_news(**place: Any) -> gr.HTML:
    """Return what tells the mixer what there is to mix; its values are those of `mixing`."""
    return gr.HTML(value="", html_template="", js_on_load=_NEWS, **place)


def value_of(gains: Sequence[tuple[str, float]]) -> str:
    """Return the mixer's value for gains; the browser adds whether it mixes."""
    return json.dumps({"gains": dict(gains)})


def gains_of(value: object) -> dict[str, Any]:
    """Return the gains in the mixer's value, by group; they are not checked.

    Raises:
        EmsyncError: it is nothing that the mixer could have sent.
    """
    gains = _read(value).get("gains")
    if not isinstance(gains, dict):
        raise EmsyncError("The mixer sent what it cannot have made. Reload the page.")
    return gains


def is_live(value: object) -> bool:
    """Return whether the browser mixes, so that what is turned needs no new film to be heard."""
    return _read(value).get("live") is True


def _read(value: object) -> dict[str, Any]:
    """Return what a stranger's browser sent, if it is a JSON object; else an empty one."""
    if not isinstance(value, str):
        return {}
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def mixing(**parts: Any) -> str:
    """Return a value of `mix_news`, of some of these parts; what is missing stays as it was.

    can      whether there is a film to mix
    busy     whether its sounds are being made
    words    what there is to say; empty for what the mixer says by itself
    film     address of the scored film
    made     of `made_with`: how that sounds
    dirty    whether the film sounds otherwise than is asked for
    sources  of `sources_of`, or None
    levels   of `levels_as`
    """
    return json.dumps(parts, separators=(",", ":"))


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
