"""The mood editor of the page: one mood on the plane, or a mood for each scene of the film.

Its value is a JSON object that travels between Python and the browser:

    mode      "film", "own" or "scenes"
    own       [valence, arousal] of the user's one mood
    film      [valence, arousal] as read from the film; null until then
    seconds   the film's length; null until then
    scenes    [{"start": seconds, "read": [v, a], "mood": [v, a]}, ...], tiling the film
    emotions  the six Gaussians as drawn; only ever read by the browser
    edits     how often the user has changed anything

A mood that differs from what was read was set by hand; nothing else marks it. The browser keeps
what the user did after Python had looked, which it knows by `edits`.

For listeners: "input" comes after the user has changed something, once for each drag; "change" is
Gradio's own and comes after updates from Python as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NoReturn, cast, get_args

import gradio as gr

from emsync.emotion.curve import MoodCurve, MoodRequest
from emsync.emotion.mapping import Mood, scaled_categories
from emsync.errors import EmsyncError
from emsync.interface.plots import EMOTION_COLOURS
from emsync.settings import MoodSettings

MOST_SCENES = 500
"""Scenes that can be edited. Films of half an hour have up to 450, cuts being 4 s apart."""

Mode = Literal["film", "own", "scenes"]

_NEUTRAL = Mood(0.0, 0.0)
_LONGEST = 1e6  # seconds; beyond it no number is a film's length
_MOST_EDITS = 2**53  # beyond it the browser cannot count

# Static: Gradio leaves the elements alone as long as the filled template does not change, so the
# script can keep them (and the focus, and a drag) while values come and go. What appears only after
# an edit stands below what is dragged, which must not move under the pointer.
_TEMPLATE = """
<fieldset class="modes">
  <legend>Mood of the music</legend>
  <label><input type="radio" value="film"><span>The film’s</span></label>
  <label><input type="radio" value="own"><span>Your own</span></label>
  <label><input type="radio" value="scenes"><span>By scene</span></label>
</fieldset>
<p class="hint" data-part="hint"></p>
<div class="words" data-part="words" role="group" aria-label="Choose an emotion"></div>
<div class="desk">
  <svg class="pad" data-part="pad" viewBox="0 0 340 340" role="group"
    aria-label="Plane of moods: unpleasant to pleasant across, calm to excited upwards"></svg>
  <div class="tools">
    <div class="numbers" data-part="numbers">
      <label>Valence<input type="number" min="-1" max="1" step="0.01" data-part="valence"></label>
      <label>Arousal<input type="number" min="-1" max="1" step="0.01" data-part="arousal"></label>
    </div>
    <p class="told" data-part="told" role="status" aria-live="polite"></p>
    <div class="back">
      <button type="button" data-part="back">Back to the film’s own</button>
    </div>
  </div>
</div>
<div class="course" data-part="course">
  <div class="steps">
    <button type="button" data-part="previous">Previous scene</button>
    <button type="button" data-part="next">Next scene</button>
    <span data-part="scene"></span>
  </div>
  <p class="key" aria-hidden="true">
    <span class="valence"><svg width="34" height="14"><path d="M0 7H34"/><circle cx="17" cy="7"
      r="4.5"/></svg>valence</span>
    <span class="arousal"><svg width="34" height="14"><path d="M0 7H34"/><path class="sign"
      d="M17 1.5L22.5 7L17 12.5L11.5 7Z"/></svg>arousal</span>
  </p>
  <svg class="chart" data-part="chart" role="group"
    aria-label="Valence and arousal over the film, scene by scene"></svg>
  <div class="back">
    <button type="button" data-part="scene-back">Back to the scene’s own</button>
    <button type="button" data-part="all-back">All scenes back to their own</button>
  </div>
</div>
"""


@dataclass(frozen=True)
class _Scene:
    start: float  # seconds
    read: Mood
    mood: Mood


@dataclass(frozen=True)
class _Edited:
    """The value of the editor, checked."""

    mode: Mode
    own: Mood
    film: Mood | None
    seconds: float | None
    scenes: tuple[_Scene, ...]
    edits: int

    def tiled(self) -> tuple[tuple[float, ...], float | None]:
        """Return what a film is known by: where its scenes begin, and its length."""
        return tuple(scene.start for scene in self.scenes), self.seconds


def mood_editor(settings: MoodSettings, **place: Any) -> gr.HTML:
    """Return the editor, with no film known.

    Args:
        settings: r, by which the emotions are placed.
        place: further arguments of `gr.HTML`, such as `elem_id`.
    """
    here = Path(__file__)
    return gr.HTML(
        value=fresh(settings),
        html_template=_TEMPLATE,
        css_template=here.with_suffix(".css").read_text(encoding="utf-8"),
        js_on_load=here.with_suffix(".js").read_text(encoding="utf-8"),
        apply_default_css=False,
        **place,
    )


def fresh(settings: MoodSettings) -> dict[str, Any]:
    """Return the editor's value with no film known and nothing done."""
    return _value(_Edited("film", _NEUTRAL, None, None, (), 0), settings)


def without_film(value: Mapping[str, Any], settings: MoodSettings) -> dict[str, Any]:
    """Return the editor's value when another film is dropped in, not looked at yet.

    The mode stays; the user's one mood as well if it is asked for or nothing was read yet.

    Raises:
        EmsyncError: as `request_of`.
    """
    old = _checked(value)
    own = old.own if old.mode == "own" or old.film is None else _NEUTRAL
    return _value(_Edited(old.mode, own, None, None, (), old.edits), settings)


def with_own(value: Mapping[str, Any], mood: Mood, settings: MoodSettings) -> dict[str, Any]:
    """Return the editor's value with one mood of the user's own, as an address asks for it.

    Raises:
        EmsyncError: as `request_of`.
    """
    old = _checked(value)
    return _value(replace(old, mode="own", own=mood), settings)


def with_reading(
    value: Mapping[str, Any],
    film: Mood,
    scenes: Sequence[tuple[float, float, Mood]],
    settings: MoodSettings,
) -> dict[str, Any]:
    """Return the editor's value after a film was read, or after r was changed.

    What the user set by hand for the same film stays, and so does a mood of his own that was set
    before any film was known, or that is what is asked for; all else follows the reading. Films
    are the same if their scenes begin and end at the same times.

    Args:
        value: the editor's, as it came from the browser.
        film: the mood of the whole film.
        scenes: (start, end, mood) in seconds, tiling the film from 0; at most `MOST_SCENES`.
        settings: r, by which the emotions are placed.

    Raises:
        EmsyncError: as `request_of`.
        ValueError: if the scenes do not tile a film, or are too many.
    """
    starts = tuple(float(start) for start, _, _ in scenes)
    MoodCurve(starts, tuple(mood for _, _, mood in scenes))
    seconds = float(scenes[-1][1])
    if len(scenes) > MOST_SCENES or not starts[-1] < seconds <= _LONGEST:
        raise ValueError(f"at most {MOST_SCENES} scenes that last, not {len(scenes)} to {seconds}")
    old = _checked(value)
    same = old.tiled() == (starts, seconds)
    by_hand = old.own != (old.film or _NEUTRAL) and (same or old.film is None)
    kept = {scene.start: scene.mood for scene in old.scenes if same and scene.mood != scene.read}
    return _value(
        _Edited(
            old.mode,
            old.own if by_hand or (old.mode == "own" and not same) else film,
            film,
            seconds,
            tuple(
                _Scene(start, mood, kept.get(start, mood))
                for start, (_, _, mood) in zip(starts, scenes, strict=True)
            ),
            old.edits,
        ),
        settings,
    )


def request_of(value: object) -> MoodRequest:
    """Return the mood that the user asks for.

    Args:
        value: the editor's, as it came from the browser: anything at all.

    Raises:
        EmsyncError: if it is nothing that the editor could have sent.
    """
    edited = _checked(value)
    if edited.mode == "film":
        return MoodRequest(None, False, ())
    if edited.mode == "own":
        return MoodRequest(edited.own, False, ())
    if all(scene.mood == scene.read for scene in edited.scenes):
        return MoodRequest(None, True, ())
    changes: list[tuple[float, Mood]] = []
    for scene in edited.scenes:
        if not changes or changes[-1][1] != scene.mood:
            changes.append((scene.start, scene.mood))
    return MoodRequest(None, False, tuple(changes))


def _value(edited: _Edited, settings: MoodSettings) -> dict[str, Any]:
    return {
        "mode": edited.mode,
        "own": _pair(edited.own),
        "film": None if edited.film is None else _pair(edited.film),
        "seconds": edited.seconds,
        "scenes": [
            {"start": scene.start, "read": _pair(scene.read), "mood": _pair(scene.mood)}
            for scene in edited.scenes
        ],
        # Rounded, so that no mean lies beyond 1 by the last bit.
        "emotions": [
            {
                "name": category.emotion,
                "colour": EMOTION_COLOURS[category.emotion],
                "mean": [round(category.valence_mean, 6), round(category.arousal_mean, 6)],
                "sd": [round(category.valence_sd, 6), round(category.arousal_sd, 6)],
            }
            for category in scaled_categories(settings)
        ],
        "edits": edited.edits,
    }


def _pair(mood: Mood) -> list[float]:
    return [mood.valence, mood.arousal]


# What a stranger's browser sent --------------------------------------------------------------


def _checked(value: object) -> _Edited:
    """Return the value in parts if the editor can have sent it.

    Raises:
        EmsyncError: if not.
    """
    whole = _object(value)
    mode = whole.get("mode")
    if not isinstance(mode, str) or mode not in get_args(Mode):
        _refuse("no such mode")
    film = None if whole.get("film") is None else _mood(whole["film"])
    seconds = None if whole.get("seconds") is None else _number(whole["seconds"], 0, _LONGEST)
    listed = whole.get("scenes")
    if not isinstance(listed, list) or len(listed) > MOST_SCENES:
        _refuse(f"the scenes must be a list of {MOST_SCENES} at most")
    scenes = tuple(_scene(entry) for entry in listed)
    if not (film is None) == (seconds is None) == (not scenes):
        _refuse("a film that was read has a mood, a length and scenes")
    if scenes and seconds is not None:
        limits = [*(scene.start for scene in scenes), seconds]
        if limits[0] != 0 or any(a >= b for a, b in pairwise(limits)):
            _refuse("scenes must follow one another from the film’s beginning to its end")
    edits = whole.get("edits")
    if isinstance(edits, bool) or not isinstance(edits, int) or not 0 <= edits <= _MOST_EDITS:
        _refuse("no such number of edits")
    return _Edited(cast(Mode, mode), _mood(whole.get("own")), film, seconds, scenes, edits)


def _scene(entry: object) -> _Scene:
    scene = _object(entry)
    return _Scene(
        _number(scene.get("start"), 0, _LONGEST), _mood(scene.get("read")), _mood(scene.get("mood"))
    )


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        _refuse("something is missing")
    return value


def _mood(pair: object) -> Mood:
    if not isinstance(pair, list) or len(pair) != 2:
        _refuse("a mood is a valence and an arousal")
    return Mood(_number(pair[0], -1, 1), _number(pair[1], -1, 1))


def _number(value: object, least: float, most: float) -> float:
    # A comparison with NaN is false; one with an integer of any length is exact.
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        _refuse(f"a number must lie between {least:g} and {most:g}")
    return float(value)


def _refuse(what: str) -> NoReturn:
    raise EmsyncError(f"The mood editor sent what it cannot have made ({what}). Reload the page.")
