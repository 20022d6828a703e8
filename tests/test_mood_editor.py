"""The mood editor: what its value means, whatever a browser sends, and how it is used in one."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import gradio as gr
import pytest
from browsing import Page, open_page, wait_for
from hypothesis import given
from hypothesis import strategies as st

from emsync.emotion.curve import MoodCurve, MoodRequest
from emsync.emotion.mapping import Mood, nearest_category, scaled_categories
from emsync.errors import EmsyncError
from emsync.interface.mood_editor import (
    MOST_SCENES,
    fresh,
    mood_editor,
    request_of,
    with_reading,
    without_film,
)
from emsync.settings import MoodSettings

SETTINGS = MoodSettings()
FILM = Mood(0.31, -0.22)
SCENES = (
    (0.0, 12.4, Mood(0.2, 0.5)),
    (12.4, 20.0, Mood(-0.41, 0.33)),
    (20.0, 31.2, Mood(0.52, -0.4)),
    (31.2, 60.0, Mood(-0.1, -0.6)),
)
OTHER_SCENES = ((0.0, 9.0, Mood(0.1, 0.1)), (9.0, 33.0, Mood(-0.2, 0.3)))


def read(**changed: Any) -> dict[str, Any]:
    """The editor's value after the film was read, with what the user changed."""
    return with_reading(fresh(SETTINGS), FILM, SCENES, SETTINGS) | changed


def moved(moods: dict[int, tuple[float, float]], **changed: Any) -> dict[str, Any]:
    """`read`, with scenes that the user set by hand."""
    value = read(mode="scenes", **changed)
    for index, mood in moods.items():
        value["scenes"][index]["mood"] = list(mood)
    return value


# What is wished ------------------------------------------------------------------------------


def test_each_mode_asks_for_what_it_shows() -> None:
    assert request_of(fresh(SETTINGS)) == MoodRequest(None, False, ())
    assert request_of(read()) == MoodRequest(None, False, ())
    assert request_of(read(mode="own", own=[-0.5, 1])) == MoodRequest(Mood(-0.5, 1.0), False, ())
    assert request_of(fresh(SETTINGS) | {"mode": "scenes"}) == MoodRequest(None, True, ())
    assert request_of(read(mode="scenes")) == MoodRequest(None, True, ())


def test_moved_scenes_become_changes_and_equal_neighbours_one() -> None:
    assert request_of(moved({1: (0.2, 0.5)})) == MoodRequest(
        None, False, ((0.0, Mood(0.2, 0.5)), (20.0, Mood(0.52, -0.4)), (31.2, Mood(-0.1, -0.6)))
    )
    everywhere = moved(dict.fromkeys(range(4), (0.7, 0.7)))
    assert request_of(everywhere) == MoodRequest(None, False, ((0.0, Mood(0.7, 0.7)),))


def test_other_modes_ignore_moved_scenes() -> None:
    assert request_of(moved({1: (1.0, 1.0)}) | {"mode": "film"}) == MoodRequest(None, False, ())


# What a reading changes ----------------------------------------------------------------------


def test_a_reading_shows_the_film_and_its_scenes() -> None:
    value = read()
    assert value["film"] == value["own"] == [0.31, -0.22]
    assert value["seconds"] == 60.0
    assert [scene["start"] for scene in value["scenes"]] == [0.0, 12.4, 20.0, 31.2]
    assert value["scenes"][2]["read"] == value["scenes"][2]["mood"] == [0.52, -0.4]


def test_what_was_set_by_hand_stays_when_the_range_changes_and_the_rest_follows() -> None:
    wide = MoodSettings(valence_arousal_range=1.0)
    wider = tuple(
        (start, end, Mood(mood.valence * 1.25, mood.arousal * 1.25)) for start, end, mood in SCENES
    )
    value = with_reading(moved({1: (0.9, 0.9)}, own=[0.1, 0.2]), Mood(0.4, -0.3), wider, wide)
    assert value["own"] == [0.1, 0.2]
    assert value["film"] == [0.4, -0.3]
    assert value["scenes"][1]["mood"] == [0.9, 0.9]
    assert value["scenes"][1]["read"] == [wider[1][2].valence, wider[1][2].arousal]
    assert value["scenes"][0]["mood"] == value["scenes"][0]["read"] == [0.25, 0.625]
    assert value["emotions"][3]["mean"][0] == pytest.approx(1.0)
    untouched = with_reading(read(), Mood(0.4, -0.3), wider, wide)
    assert untouched["own"] == [0.4, -0.3]


def test_another_film_is_shown_as_it_was_read() -> None:
    value = with_reading(
        moved({0: (0.9, 0.9)}, own=[0.1, 0.2]), Mood(0.0, 0.5), OTHER_SCENES, SETTINGS
    )
    assert value["own"] == [0.0, 0.5]
    assert request_of(value) == MoodRequest(None, True, ())


def test_the_mood_that_was_asked_for_stays_where_it_was_asked_for() -> None:
    for before in (fresh(SETTINGS), read()):
        value = before | {"mode": "own", "own": [0.0, 0.0]}
        after = with_reading(value, Mood(0.0, 0.5), OTHER_SCENES, SETTINGS)
        assert request_of(after) == MoodRequest(Mood(0.0, 0.0), False, ())


def test_without_its_film_the_editor_forgets_scenes_but_not_what_is_asked_for() -> None:
    value = without_film(moved({0: (0.9, 0.9)}, edits=4), SETTINGS)
    assert request_of(value) == MoodRequest(None, True, ())
    assert (value["film"], value["seconds"], value["own"]) == (None, None, [0.0, 0.0])
    assert value["edits"] == 4
    kept = without_film(read(mode="own", own=[0.1, 0.2]), SETTINGS)
    assert request_of(kept) == MoodRequest(Mood(0.1, 0.2), False, ())


def test_scenes_that_tile_no_film_are_refused() -> None:
    late = ((1.0, 2.0, FILM),)
    backwards = ((0.0, 5.0, FILM), (5.0, 4.0, FILM))
    many = tuple((float(i), i + 1.0, FILM) for i in range(MOST_SCENES + 1))
    for scenes in ((), late, backwards, many):
        with pytest.raises(ValueError):
            with_reading(fresh(SETTINGS), FILM, scenes, SETTINGS)


# Whatever a browser sends --------------------------------------------------------------------

axis = st.floats(-1, 1)
moods = st.builds(Mood, axis, axis)


@st.composite
def tilings(draw: st.DrawFn) -> list[tuple[float, float, Mood]]:
    cuts = draw(st.lists(st.floats(0.01, 599), max_size=30, unique=True))
    edges = [0.0, *sorted(cuts), 600.0]
    return [(start, end, draw(moods)) for start, end in pairwise(edges)]


@given(tilings(), moods, moods, st.sampled_from(["film", "own", "scenes"]), st.data())
def test_whatever_is_edited_can_be_composed_for(
    scenes: list[tuple[float, float, Mood]], film: Mood, own: Mood, mode: str, data: st.DataObject
) -> None:
    value = with_reading(fresh(SETTINGS), film, scenes, SETTINGS)
    value |= {"mode": mode, "own": [own.valence, own.arousal]}
    by_hand = data.draw(st.dictionaries(st.integers(0, len(scenes) - 1), moods))
    for index, mood in by_hand.items():
        value["scenes"][index]["mood"] = [mood.valence, mood.arousal]
    request = request_of(value)
    if request.changes:
        starts, wished = zip(*request.changes, strict=True)
        curve = MoodCurve(starts, wished)
        assert all(a != b for a, b in pairwise(wished))
        shown = [Mood(*scene["mood"]) for scene in value["scenes"]]
        asked = [
            [mood for begin, mood in zip(curve.starts, curve.moods, strict=True) if begin <= start]
            for start, _, _ in scenes
        ]
        assert [held[-1] for held in asked] == shown
    # The same film again: nothing is lost.
    assert request_of(with_reading(value, film, scenes, SETTINGS)) == request


junk = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(junk)
def test_rubbish_is_refused_with_a_sentence(value: Any) -> None:
    with pytest.raises(EmsyncError, match=r"\.$"):
        request_of(value)


@given(st.data())
def test_a_value_with_rubbish_in_it_is_refused_or_can_be_composed_for(data: st.DataObject) -> None:
    value = moved({1: (0.5, 0.5)}, own=[0.1, 0.1])
    places = [*_places(value)]
    for _ in range(data.draw(st.integers(1, 2))):
        holder, key = data.draw(st.sampled_from(places))
        holder[key] = data.draw(junk)
    try:
        request = request_of(value)
        after = with_reading(value, FILM, SCENES, SETTINGS)
    except EmsyncError:
        return
    if request.changes:
        MoodCurve(*zip(*request.changes, strict=True))
    request_of(after)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (holder, key) in a JSON object."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


@pytest.mark.parametrize(
    "changed",
    [
        {"mode": "loud"},
        {"mode": ["own"]},
        {"own": [0.1]},
        {"own": [0.1, 1.01]},
        {"own": [float("nan"), 0.0]},
        {"own": [10**400, 0]},
        {"own": [True, False]},
        {"own": {"0": 0.1, "1": 0.2}},
        {"film": None},
        {"seconds": None},
        {"seconds": float("inf")},
        {"seconds": 31.2},
        {"scenes": []},
        {"scenes": None},
        {"scenes": [{"start": 0.5, "read": [0, 0], "mood": [0, 0]}]},
        {"scenes": [{"start": 0, "read": [0, 0], "mood": [0, 0]}] * 2},
        {
            "scenes": [
                {"start": i / 100, "read": [0, 0], "mood": [0, 0]} for i in range(MOST_SCENES + 1)
            ]
        },
        {"edits": -1},
        {"edits": 0.5},
    ],
)
def test_what_the_editor_cannot_have_made_is_refused(changed: dict[str, Any]) -> None:
    value = read() | changed
    with pytest.raises(EmsyncError):
        request_of(value)
    with pytest.raises(EmsyncError):
        with_reading(value, FILM, SCENES, SETTINGS)


# In a browser --------------------------------------------------------------------------------


@dataclass
class Served:
    """A page with nothing but the editor, and what Python got from it."""

    url: str = ""
    values: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    scenes: Sequence[tuple[float, float, Mood]] = SCENES
    looked: threading.Event = field(default_factory=threading.Event)


@pytest.fixture(scope="module")
def app() -> Iterator[Served]:
    """Set up before `browser`: Playwright and Gradio cannot both start a loop in this thread."""
    served = Served()

    def look(value: dict[str, Any]) -> dict[str, Any]:
        assert served.looked.wait(30)
        return with_reading(value, FILM, served.scenes, SETTINGS)

    with gr.Blocks(analytics_enabled=False) as page:
        editor = mood_editor(SETTINGS, elem_id="em-editor")
        compose, reading = gr.Button("Compose"), gr.Button("Read")
        compose.click(lambda value: served.values.append(value), editor, show_progress="hidden")
        reading.click(look, editor, editor, show_progress="hidden")
        editor.input(lambda value: served.inputs.append(value), editor, show_progress="hidden")
    theme = gr.themes.Soft(font=("sans-serif",), font_mono=("monospace",))
    _, served.url, _ = page.launch(prevent_thread_lock=True, quiet=True, theme=theme)
    yield served
    page.close()


@pytest.fixture
def served(app: Served) -> Served:
    app.values, app.inputs, app.scenes = [], [], SCENES
    app.looked.set()
    return app


class Editor:
    """An open editor."""

    def __init__(self, page: Any, served: Served) -> None:
        self.page, self.served = page, served
        self.here = page.locator("#em-editor")
        self.pad, self.chart = self.here.locator(".pad"), self.here.locator(".chart")
        self.point = self.here.locator(".point")
        self.point.wait_for(state="attached")

    def choose(self, mode: str) -> None:
        self.here.get_by_role("radio", name=mode).check()

    def press(self, button: str) -> None:
        self.here.get_by_role("button", name=button, exact=True).click()

    def look_at_film(self) -> None:
        self.page.get_by_role("button", name="Read").click()
        self.page.wait_for_selector("#em-editor .film:not([hidden])", state="attached")

    def value(self) -> dict[str, Any]:
        """What a handler of the page gets now."""
        before = len(self.served.values)
        self.page.get_by_role("button", name="Compose").click()
        wait_for(lambda: len(self.served.values) > before, 20)
        return self.served.values[-1]

    def request(self) -> MoodRequest:
        return request_of(self.value())

    def place(self, valence: float, arousal: float) -> tuple[float, float]:
        """Where a mood lies on the pad, in pixels of the window."""
        box = self.here.locator(".pad > .plane").bounding_box()
        side = box["width"] / 2
        return (
            box["x"] + side * (1 + valence / 1.1),
            box["y"] + side * (1 - arousal / 1.1),
        )

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=5)
        mouse.move(*end, steps=5)
        mouse.up()

    def handle(self, axis: str, scene: int) -> Any:
        """Of a scene, counted from 1."""
        return self.here.get_by_role("slider", name=f"{axis} of scene {scene},")

    def middle(self, handle: Any) -> tuple[float, float]:
        # Its sign; the ring around it is not there unless it has the focus.
        box = handle.locator(".sign").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def has_told(self, times: int) -> None:
        """How often "input" has come; with a click on Compose since, no more is on its way."""
        wait_for(lambda: len(self.served.inputs) >= times, 20)
        assert len(self.served.inputs) == times

    def told(self) -> str:
        return str(self.here.get_by_role("status").inner_text())


@contextmanager
def opened(browser: Any, served: Served, width: int = 1180) -> Iterator[Editor]:
    """An editor on a page that has nothing to complain of in the end."""
    page: Page
    with open_page(browser, served.url, width) as page:
        yield Editor(page.page, served)
        assert page.complaints == []


def near(mood: Mood, valence: float, arousal: float, by: float = 0.02) -> bool:
    return abs(mood.valence - valence) <= by and abs(mood.arousal - arousal) <= by


def test_a_mood_arrives_as_it_was_dragged_and_is_told_once(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        assert editor.request() == MoodRequest(None, False, ())
        assert not editor.point.is_visible()
        editor.choose("Your own")
        editor.has_told(1)
        # Taken hold of beside its middle, it does not jump there.
        start, end = editor.place(0.03, 0.03), editor.place(-0.57, 0.43)
        editor.drag(start, end)
        request = editor.request()
        assert request.mood is not None
        assert near(request.mood, -0.6, 0.4), request
        editor.has_told(2)
        assert served.inputs[-1]["own"] == served.values[-1]["own"]
        nearest = nearest_category(request.mood, SETTINGS)
        assert re.fullmatch(
            rf"Valence −0\.\d\d \(unpleasant\), arousal \+0\.\d\d \(excited\): "
            rf"nearest to {nearest}\.",
            editor.told(),
        )
        editor.page.mouse.click(*editor.place(0.5, -0.9))
        request = editor.request()
        assert request.mood is not None
        assert near(request.mood, 0.5, -0.9), request
        editor.drag(editor.place(0.5, -0.9), (0.0, 0.0))
        assert editor.request().mood == Mood(-1.0, 1.0)


def test_the_point_obeys_the_arrow_keys(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        editor.choose("Your own")
        # Beyond the radio buttons come six emotions, and nothing else before the point.
        for _ in range(7):
            editor.page.keyboard.press("Tab")
        for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowDown", "Shift+ArrowLeft"):
            editor.page.keyboard.press(key)
        assert editor.point.get_attribute("aria-valuetext") == (
            "valence +0.09, arousal +0.04, nearest to "
            + nearest_category(Mood(0.09, 0.04), SETTINGS)
        )
        ring = editor.point.locator(".ring")
        assert ring.evaluate("ring => getComputedStyle(ring).stroke") != "none"
        for _ in range(25):
            editor.page.keyboard.press("ArrowLeft")
        assert editor.request().mood == Mood(-1.0, 0.04)


def test_numbers_can_be_typed_and_stay_in_range(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        editor.choose("Your own")
        valence, arousal = (
            editor.here.get_by_role("spinbutton", name=name) for name in ("Valence", "Arousal")
        )
        valence.click()
        valence.press("ControlOrMeta+a")
        valence.press_sequentially("-0.37")
        assert "Valence −0.37" in editor.told()
        assert len(served.inputs) <= 1
        arousal.fill("7")
        assert editor.request().mood == Mood(-0.37, 1.0)
        assert arousal.input_value() == "1.00"
        valence.fill("")
        assert editor.request().mood == Mood(-0.37, 1.0)
        assert valence.input_value() == "-0.37"


def test_an_emotion_can_be_chosen_by_its_word(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        editor.choose("Your own")
        for category in scaled_categories(SETTINGS):
            button = editor.here.get_by_role("button", name=category.emotion)
            assert button.get_attribute("aria-pressed") == "false"
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            assert f"nearest to {category.emotion}." in editor.told()
        mood = editor.request().mood
        assert mood is not None
        assert near(mood, category.valence_mean, category.arousal_mean, 1e-5)


def test_the_scenes_are_known_once_the_film_is(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        editor.choose("By scene")
        assert "once the film has been looked at" in editor.here.inner_text()
        assert not editor.chart.is_visible()
        assert editor.request() == MoodRequest(None, True, ())
        editor.look_at_film()
        # The mode that was chosen is still chosen.
        assert editor.here.get_by_role("radio", name="By scene").is_checked()
        assert "Scene 1 of 4, 0:00–0:12" in editor.here.inner_text()
        assert editor.request() == MoodRequest(None, True, ())
        editor.choose("The film’s")
        assert editor.told().startswith(
            "The film’s own mood. Valence +0.31 (pleasant), arousal −0."
        )
        assert not editor.point.is_visible()


def test_a_step_of_the_curve_can_be_dragged_and_put_back(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        editor.look_at_film()
        editor.choose("By scene")
        editor.has_told(1)
        across, up = editor.middle(editor.handle("Arousal", 2))
        plane = editor.chart.locator(".plane").bounding_box()
        stood = editor.chart.bounding_box()
        editor.drag((across, up), (across + 60, up - 0.2 * plane["height"]))
        # What appears after an edit does not push the curve away from under the pointer.
        assert editor.chart.bounding_box() == stood
        request = editor.request()
        editor.has_told(2)
        assert [start for start, _ in request.changes] == [0.0, 12.4, 20.0, 31.2]
        moods = [mood for _, mood in request.changes]
        assert [moods[0], *moods[2:]] == [scene[2] for scene in (SCENES[0], *SCENES[2:])]
        assert moods[1].valence == -0.41
        assert abs(moods[1].arousal - 0.73) <= 0.02
        assert "Scene 2 of 4, 0:12–0:20, by hand" in editor.here.inner_text()
        editor.press("Back to the scene’s own")
        assert editor.request() == MoodRequest(None, True, ())
        # A press that is no drag selects, and changes nothing.
        editor.page.mouse.click(*editor.middle(editor.handle("Valence", 4)))
        assert "Scene 4 of 4, 0:31–1:00" in editor.here.inner_text()
        assert editor.request() == MoodRequest(None, True, ())


def test_scenes_can_be_set_by_keyboard_alone(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        editor.look_at_film()
        editor.choose("By scene")
        keyboard = editor.page.keyboard
        # Six words, the point, two numbers, two buttons, then the curve's two handles.
        for _ in range(12):
            keyboard.press("Tab")
        for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowDown"):
            keyboard.press(key)
        keyboard.press("Tab")
        keyboard.press("ArrowUp")
        assert editor.request().changes == (
            *((start, mood) for start, _, mood in SCENES[:2]),
            (20.0, Mood(0.46, -0.35)),
            (31.2, SCENES[3][2]),
        )
        editor.press("Next scene")
        editor.press("joy")
        assert len({mood for _, mood in editor.request().changes}) == 4
        editor.press("All scenes back to their own")
        assert editor.request() == MoodRequest(None, True, ())


def test_a_scene_can_be_moved_on_the_plane(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        editor.look_at_film()
        editor.choose("By scene")
        third = SCENES[2][2]
        editor.drag(editor.place(third.valence, third.arousal), editor.place(-0.8, 0.8))
        changes = editor.request().changes
        assert near(changes[2][1], -0.8, 0.8)
        assert [changes[i][1] for i in (0, 1, 3)] == [SCENES[i][2] for i in (0, 1, 3)]


def test_what_the_user_does_while_python_works_is_kept(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        editor.look_at_film()
        served.looked.clear()
        served.scenes = tuple((start, end, Mood(0.0, 0.1)) for start, end, _ in SCENES)
        editor.page.get_by_role("button", name="Read").click()
        editor.choose("By scene")
        editor.press("Next scene")
        editor.press("sadness")
        editor.point.focus()
        editor.page.keyboard.press("ArrowRight")
        sadness = editor.told()
        served.looked.set()
        arrived = editor.handle("Valence", 1)
        editor.page.wait_for_function(
            "handle => handle.getAttribute('aria-valuenow') === '0'",
            arg=arrived.element_handle(),
        )
        assert editor.told() == sadness
        assert editor.point.evaluate("point => point === document.activeElement")
        assert editor.here.get_by_role("radio", name="By scene").is_checked()
        editor.page.keyboard.press("ArrowLeft")
        value = editor.value()
        mean = value["emotions"][4]["mean"]
        assert value["emotions"][4]["name"] == "sadness"
        assert request_of(value).changes[1][0] == 12.4
        assert near(request_of(value).changes[1][1], mean[0], mean[1], 0.011)
        assert value["scenes"][1]["read"] == [0, 0.1]
        assert request_of(value).changes[2] == (20.0, Mood(0.0, 0.1))


def test_the_film_s_own_mood_can_be_had_back(served: Served, browser: Any) -> None:
    with opened(browser, served) as editor:
        editor.look_at_film()
        editor.choose("Your own")
        back = editor.here.get_by_role("button", name="Back to the film’s own")
        assert not back.is_visible()
        assert editor.request().mood == FILM
        editor.press("fear")
        back.click()
        assert editor.request().mood == FILM
        assert not back.is_visible()


def test_a_hundred_and_fifty_scenes_can_be_edited(served: Served, browser: Any) -> None:
    served.scenes = [(4.0 * i, 4.0 * i + 4, Mood(0.3, i / 300)) for i in range(150)]
    with opened(browser, served) as editor:
        editor.look_at_film()
        editor.choose("By scene")
        plane = editor.chart.locator(".plane").bounding_box()
        across = plane["x"] + plane["width"] * 77.5 / 150
        editor.page.mouse.click(across, plane["y"] + plane["height"] - 5)
        assert "Scene 78 of 150, 5:08–5:12" in editor.here.inner_text()
        assert editor.chart.locator("[tabindex='0']").count() == 2
        up = editor.middle(editor.handle("Valence", 78))[1]
        editor.drag((across, up), (across, plane["y"] + plane["height"]))
        changes = dict(editor.request().changes)
        assert changes[308.0].valence == -1.0
        assert len(changes) == 150


@pytest.mark.parametrize("width", [1180, 390])
def test_nothing_is_wider_than_the_window(served: Served, browser: Any, width: int) -> None:
    with opened(browser, served, width) as editor:
        editor.look_at_film()
        for mode in ("Your own", "By scene", "The film’s"):
            editor.choose(mode)
            wide = editor.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, mode
            # A page must scroll under a finger except where something can be dragged.
            action = editor.pad.evaluate("pad => getComputedStyle(pad).touchAction")
            assert action == ("auto" if mode == "The film’s" else "none")
        assert 300 <= editor.pad.bounding_box()["width"] <= 341


def test_a_finger_drags_the_point(served: Served, browser: Any) -> None:
    with opened(browser, served, 390) as editor:
        editor.choose("Your own")
        session = editor.page.context.new_cdp_session(editor.page)
        path = [editor.place(0.1 * i, -0.1 * i) for i in range(6)]
        for kind, places in (
            ("touchStart", path[:1]),
            *(("touchMove", [place]) for place in path[1:]),
            ("touchEnd", []),
        ):
            points = [{"x": x, "y": y} for x, y in places]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        mood = editor.request().mood
        assert mood is not None
        assert near(mood, 0.5, -0.5), mood
        assert editor.page.evaluate("scrollY") == 0
