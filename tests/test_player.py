"""The player in a real browser: the film, and the score that moves in time with it."""

import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from browsing import REPOSITORY, Page, answers, open_page, wait_for
from conftest import Films

GROUPS = ["bass", "drums", "guitar", "piano", "strings"]
APP = """
import json, sys
from pathlib import Path
import gradio as gr
from emsync.interface.player import player, showing

folder = Path(sys.argv[2])
values = json.loads((folder / "values.json").read_text())
with gr.Blocks() as page:
    shown = player(elem_id="em-stage")
    with gr.Row():
        for name, value in values.items():
            button = gr.Button(name, elem_id=f"show-{name}", min_width=60)
            text = None if value is None else showing(**value)
            button.click(lambda text=text: text, None, shown, show_progress="hidden")
page.launch(
    server_name="127.0.0.1", server_port=int(sys.argv[1]), allowed_paths=[str(folder)],
    theme=gr.themes.Soft(font="sans-serif"), ssr_mode=False,
)
"""


def timeline(seconds: float, notes: Sequence[Sequence[float]], **more: Any) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "groups": GROUPS,
        "notes": notes,
        "chords": [0.0, 4.05],
        "boundaries": [
            {"asked": 4.0, "hit": 4.05, "offset": 0.05, "kind": "cut"},
            {"asked": 8.0, "hit": None, "offset": None, "kind": "cut"},
            {"asked": 11.0, "hit": 11.0, "offset": 0.0, "kind": "ending"},
        ],
        "cuts": [
            {"time": 4.0, "score": 0.9, "kept": True},
            {"time": 5.0, "score": 0.4, "kept": False},
            {"time": 8.0, "score": 0.8, "kept": True},
        ],
        "scenes": [
            scene(0, 4, "joy", 0.5, 0.4),
            scene(4, 8, "fear", -0.5, 0.3),
            scene(8, seconds, "sadness", -0.3, -0.4),
        ],
        "curve": [{"start": 0, "end": seconds, "valence": -0.1, "arousal": 0.1}],
        "said": [{"start": 5.0, "end": 7.0, "text": "Is <b>anybody</b> there?"}],
        "read": [],
        "words": "Three notes on piano and drums.",
        **more,
    }


def scene(start: float, end: float, emotion: str, valence: float, arousal: float) -> dict[str, Any]:
    return {
        "start": start,
        "end": end,
        "valence": valence,
        "arousal": arousal,
        "emotion": emotion,
        "share": 0.42,
        "picture": "",
    }


NOTES = [[3, 60, 0.0, 12.0, 80], [3, 67, 2.0, 4.0, 80], [1, 38, 4.0, 4.1, 80]]
SKETCH = {
    "seconds": 12.0,
    "groups": GROUPS,
    "notes": [[3, 60 + i % 12, i * 0.2, i * 0.2 + 0.15] for i in range(30)],
    "words": "Trying out openings",
}


PLANNED: dict[str, Any] = {
    "notes": [[4, 57, 0.0, 4.0, 80, 0], [3, 72, 0.0, 1.0, 80, 1], [3, 60, 0.0, 1.0, 80, 0],
              [3, 76, 1.0, 3.0, 80, 1], [1, 38, 4.0, 4.1, 80, 0]],
    "bars": [0.0, 2.0, 4.0, 6.0, 8.0, 10.0],
    "symbols": [[0.0, "Am"], [2.0, "F"], [4.0, "B♭maj7"], [4.02, "Bdim"], [8.0, "E7"]],
    "sections": [[0.0, "A"], [4.0, "B"]],
    "plan": "A minor, 120 beats a minute, 4/4, folk style",
}  # fmt: skip


NUMBERS = {"sketch": 30, "scored": 3, "planned": 5, "long": 20_000}


def crowd() -> list[list[float]]:
    """20,000 notes in ten minutes."""
    dice = random.Random(3)
    starts = sorted(round(dice.uniform(0, 599), 3) for _ in range(20_000))
    return [
        [dice.randrange(5), dice.randrange(36, 84), at, round(at + dice.uniform(0.1, 2), 3), 80]
        for at in starts
    ]


@pytest.fixture(scope="module")
def page_address(films: Films, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with nothing but the player, and a button for each value it is given."""
    folder = tmp_path_factory.mktemp("stage")
    film = films.render(
        "stage.mp4",
        "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=12",
        "-f", "lavfi", "-i", "sine=d=12:r=44100",
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25",
        "-c:a", "aac", "-shortest", "-movflags", "+faststart",
    )  # fmt: skip
    again = films.render("stage again.mp4", "-i", film, "-c", "copy")
    short = films.render("stage short.mp4", "-t", "6", "-i", film, "-c", "copy")
    addresses = {}
    for path in (film, again, short):
        (folder / path.name).write_bytes(path.read_bytes())
        addresses[path.name] = f"/gradio_api/file={folder / path.name}".replace(" ", "%20")
    scored = {"poster": None, "timeline": timeline(12.0, NOTES), "sketch": None}
    values = {
        "nothing": None,
        "sketch": {"film": None, "poster": None, "timeline": None, "sketch": SKETCH},
        "scored": {"film": addresses["stage.mp4"], **scored},
        "planned": {
            "film": addresses["stage.mp4"],
            **scored,
            "timeline": timeline(12.0, **PLANNED),
        },
        "unmarked": {
            "film": addresses["stage.mp4"],
            **scored,
            "timeline": timeline(12.0, **{**PLANNED, "notes": [n[:5] for n in PLANNED["notes"]]}),
        },
        "anew": {"sketch": SKETCH},
        "again": {"film": addresses["stage again.mp4"], **scored},
        "gone": {"film": addresses["stage.mp4"] + ".gone", **scored},
        "short": {"film": addresses["stage short.mp4"], **scored, "timeline": timeline(6.0, NOTES)},
        "long": {
            "film": addresses["stage.mp4"],
            **scored,
            "timeline": timeline(600.0, crowd(), scenes=[scene(0, 600, "joy", 0.5, 0.5)]),
        },
    }
    (folder / "values.json").write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "app.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", APP, str(port), str(folder)],
            cwd=REPOSITORY,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(address) or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        # Gradio would write it for a component class of one's own.
        assert not (REPOSITORY / "emsync/interface/player.pyi").exists()
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def desk(page_address: str, browser: Any) -> Iterator[Page]:
    with open_page(browser, page_address, 1180) as visit:
        yield visit


@pytest.fixture(scope="module")
def telephone(page_address: str, browser: Any) -> Iterator[Page]:
    with open_page(browser, page_address, 390) as visit:
        yield visit


@pytest.fixture
def page(desk: Page) -> Iterator[Any]:
    """The page on a desk, its player empty."""
    yield emptied(desk)
    assert desk.complaints == []


@pytest.fixture
def phone(telephone: Page) -> Iterator[Any]:
    """The same on a phone."""
    yield emptied(telephone)
    assert telephone.complaints == []


def emptied(visit: Page) -> Any:
    visit.page.wait_for_selector("#show-nothing")
    show(visit.page, "nothing")
    visit.page.wait_for_selector("#em-stage", state="hidden")
    visit.page.mouse.move(0, 0)
    return visit.page


def show(page: Any, name: str) -> None:
    page.click(f"#show-{name}")


def show_scored(page: Any) -> None:
    show(page, "scored")
    page.wait_for_function("document.querySelector('#em-stage video').readyState >= 2")


def now(page: Any) -> float:
    """Where the film is, in seconds, once it has got there."""
    page.wait_for_function("!document.querySelector('#em-stage video').seeking")
    return float(page.evaluate("document.querySelector('#em-stage video').currentTime"))


def slider(page: Any) -> Any:
    return page.locator("#em-stage [role=slider]")


def head(page: Any) -> float:
    """Middle of the playhead, pixels from the page's left."""
    box = page.locator("#em-stage .head").bounding_box()
    return float(box["x"] + box["width"] / 2)


def ends(page: Any) -> tuple[float, float]:
    """Where the playhead is when the film begins and ends, pixels from the page's left."""
    found = []
    for button in ("Home", "End"):
        slider(page).press(button)
        now(page)
        found.append(head(page))
    slider(page).press("Home")
    return found[0], found[1]


def click_at(page: Any, share: float) -> None:
    """Click where the film has done this share of its way."""
    first, last = ends(page)
    box = slider(page).bounding_box()
    page.mouse.click(first + share * (last - first), box["y"] + box["height"] / 2)


def drawn(page: Any) -> str:
    """The pixels of the paper."""
    return str(page.evaluate("document.querySelector('#em-stage .paper canvas').toDataURL()"))


def test_without_a_film_it_takes_no_room(page: Any) -> None:
    assert not page.is_visible("#em-stage")
    show_scored(page)
    assert page.is_visible("#em-stage video")
    show(page, "nothing")
    page.wait_for_selector("#em-stage", state="hidden")


def test_the_playhead_moves_with_the_film(page: Any) -> None:
    show_scored(page)
    first, last = ends(page)
    assert last - first > 700
    page.evaluate("document.querySelector('#em-stage video').muted = true")
    slider(page).press("Space")
    page.wait_for_function("document.querySelector('#em-stage video').currentTime > 0.7")
    slider(page).press("Space")
    page.wait_for_function("document.querySelector('#em-stage video').paused")
    expected = first + now(page) / 12 * (last - first)
    assert head(page) == pytest.approx(expected, abs=2)
    lit = """() => {
        const canvas = document.querySelector('#em-stage .lights');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return data.some((value) => value > 0);
    }"""
    assert page.evaluate(lit)


def test_a_click_and_a_drag_seek(page: Any) -> None:
    show_scored(page)
    click_at(page, 0.6)
    assert now(page) == pytest.approx(7.2, abs=0.1)
    first, last = ends(page)
    height = slider(page).bounding_box()["y"] + 20
    page.mouse.move(first + 10, height)
    page.mouse.down()
    for share in (0.1, 0.2, 0.3, 0.25):
        page.mouse.move(first + share * (last - first), height)
    page.mouse.up()
    wait_for(lambda: abs(now(page) - 3.0) < 0.1, 5)
    page.mouse.move(first + 0.9 * (last - first), height)
    assert now(page) == pytest.approx(3.0, abs=0.1)


def test_keys_seek(page: Any) -> None:
    show_scored(page)
    for button, expected in (
        ("ArrowRight", 1.0),
        ("ArrowRight", 2.0),
        ("ArrowLeft", 1.0),
        ("Shift+ArrowRight", 4.0),
        ("Shift+ArrowRight", 8.0),
        ("Shift+ArrowLeft", 4.0),
        ("Shift+ArrowLeft", 0.0),
        ("End", 12.0),
        ("Home", 0.0),
    ):
        slider(page).press(button)
        wait_for(lambda goal=expected: abs(now(page) - goal) < 0.1, 5)


def test_it_says_what_it_shows(page: Any) -> None:
    show_scored(page)
    for _ in range(5):
        slider(page).press("ArrowRight")
        now(page)
    assert slider(page).get_attribute("aria-valuetext") == "0:05 of 0:12"
    assert float(slider(page).get_attribute("aria-valuenow")) == pytest.approx(5, abs=0.1)
    assert (slider(page).get_attribute("aria-valuemin"), float(slider(page).get_attribute(
        "aria-valuemax"))) == ("0", 12)  # fmt: skip
    described = slider(page).get_attribute("aria-describedby")
    assert page.locator(f"#{described}").text_content() == "Three notes on piano and drums."
    line = page.inner_text("#em-stage .now")
    assert "Scene 2 of 3: fear 42%" in line
    assert "next cut in 3 s, the music misses it" in line
    assert "Is <b>anybody</b> there?" in line
    key = page.inner_text("#em-stage .key")
    for words in ("piano", "drums", "cut hit (1)", "cut missed (1)", "ending", "too close"):
        assert words in key
    assert "strings" not in key
    assert page.locator("#em-stage .caption").inner_text() == "Is <b>anybody</b> there?"


def test_pointing_tells_the_rest(page: Any) -> None:
    show_scored(page)
    first, last = ends(page)
    box = slider(page).bounding_box()
    page.mouse.move(first + (last - first) * 4.03 / 12, box["y"] + 20)
    tip = page.inner_text("#em-stage .tip")
    assert tip.startswith("0:04.0")
    assert "Scene 2: fear 42%, valence −0.50, arousal +0.30" in tip
    assert "Cut at 4.0 s: hit 0.05 s late" in tip


def test_chords_and_form_of_a_planned_piece_are_shown(page: Any) -> None:
    show(page, "planned")
    page.wait_for_selector("#em-stage [data-notes='5']")
    page.wait_for_function("document.querySelector('#em-stage video').readyState >= 1")
    assert page.inner_text("#em-stage .kind") == "A minor, 120 beats a minute, 4/4, folk style"
    symbols = page.locator("#em-stage .symbol")
    # One that would lie over another is left out; pointing tells it.
    assert symbols.all_inner_texts() == ["Am", "F", "B♭maj7", "E7"]
    assert page.locator("#em-stage .section").all_inner_texts() == ["A", "B"]
    first, last = ends(page)
    left = symbols.nth(1).bounding_box()["x"]
    assert left == pytest.approx(first + (last - first) * 2 / 12, abs=1.5)
    boxes = [one.bounding_box() for one in page.locator("#em-stage .plan > *").all()]
    spans = sorted((box["x"], box["x"] + box["width"]) for box in boxes)
    assert all(a[1] <= b[0] + 1 for a, b in pairwise(spans)), spans
    assert "melody" in page.inner_text("#em-stage .key")
    box = slider(page).bounding_box()
    page.mouse.move(first + (last - first) * 4.5 / 12, box["y"] + 20)
    assert "Chord Bdim, section B" in page.inner_text("#em-stage .tip")
    slider(page).press("End")
    now(page)
    assert "E7, section B" in page.inner_text("#em-stage .now")
    # While another piece is drawn its chords are not known, and nothing jumps.
    height = box["height"]
    show(page, "anew")
    page.wait_for_function("document.querySelector('#em-stage .sketching').textContent")
    assert symbols.count() == 0 and page.inner_text("#em-stage .kind") == ""
    assert slider(page).bounding_box()["height"] == height
    # A timeline of before there were plans is shown as it was then.
    show_scored(page)
    assert symbols.count() == 0 and "melody" not in page.inner_text("#em-stage .key")


def test_the_melody_stands_out(page: Any) -> None:
    show(page, "planned")
    page.wait_for_selector("#em-stage [data-notes='5']")
    with_melody = drawn(page)
    show(page, "unmarked")
    page.wait_for_function("!document.querySelector('#em-stage .key').textContent.includes('melo')")
    assert drawn(page) != with_melody


def test_a_sketch_grows_and_gives_way_to_the_timeline(page: Any) -> None:
    show(page, "sketch")
    page.wait_for_selector("#em-stage [data-notes='30']")
    assert page.inner_text("#em-stage .sketching") == "Trying out openings"
    assert not page.is_visible("#em-stage video")
    sketched = drawn(page)
    show_scored(page)
    scored = drawn(page)
    assert scored != sketched
    assert page.inner_text("#em-stage .sketching") == ""
    show(page, "anew")
    page.wait_for_function("document.querySelector('#em-stage .sketching').textContent")
    assert drawn(page) not in (scored, sketched)
    assert page.is_visible("#em-stage video")
    slider(page).press("ArrowRight")
    assert now(page) == pytest.approx(1, abs=0.1)
    show(page, "scored")
    page.wait_for_function("!document.querySelector('#em-stage .sketching').textContent")
    assert drawn(page) == scored


def test_new_music_goes_on_where_the_old_was(page: Any) -> None:
    show_scored(page)
    page.evaluate("""() => {
        window.before = document.querySelector('#em-stage video');
        before.muted = true;
        before.currentTime = 5;
        before.playbackRate = 0.2;
        return before.play();
    }""")
    page.wait_for_function("before.currentTime > 5.1")
    show(page, "again")
    page.wait_for_function(
        "before.currentSrc.includes('again') && before.readyState >= 2 && !before.paused"
    )
    assert page.evaluate("before === document.querySelector('#em-stage video')")
    assert 5.1 < now(page) < 11
    assert page.evaluate("before.playbackRate") == 0.2
    show(page, "short")
    page.wait_for_function("before.currentSrc.includes('short') && before.readyState >= 2")
    assert now(page) < 1
    assert page.evaluate("before.paused")


def test_a_film_that_does_not_play_is_said_to(desk: Page) -> None:
    page = emptied(desk)
    show(page, "gone")
    page.wait_for_selector("#em-stage [role=alert]")
    assert "cannot play the film" in page.inner_text("#em-stage [role=alert]")
    show_scored(page)
    assert not page.is_visible("#em-stage [role=alert]")
    # The browser complains of what it was not given, and of nothing else.
    assert desk.complaints
    assert all("Failed to load resource" in complaint for complaint in desk.complaints)
    desk.complaints.clear()


def test_nothing_hangs_over_the_edge(page: Any, phone: Any) -> None:
    for tried, width in ((page, 1180), (phone, 390)):
        for name in ("sketch", "scored", "planned", "long"):
            show(tried, name)
            tried.wait_for_selector(f"#em-stage [data-notes='{NUMBERS[name]}']")
            assert tried.evaluate("document.documentElement.scrollWidth") <= width


def test_a_wide_timeline_keeps_the_playhead_in_sight(phone: Any) -> None:
    show(phone, "long")
    phone.wait_for_function("document.querySelector('#em-stage video').readyState >= 1")
    view = phone.locator("#em-stage .view")
    assert view.evaluate("view => view.scrollWidth > 2 * view.clientWidth")
    view.evaluate("view => { view.scrollLeft = 2000; }")
    slider(phone).press("ArrowRight")
    now(phone)
    box = view.bounding_box()
    assert box["x"] < head(phone) < box["x"] + box["width"]


def test_a_crowd_of_notes_is_drawn_once(page: Any) -> None:
    began = time.monotonic()
    show(page, "long")
    page.wait_for_selector("#em-stage [data-notes='20000']")
    shown = time.monotonic() - began
    page.wait_for_function("document.querySelector('#em-stage video').readyState >= 2")
    painted = page.locator("#em-stage [data-painted]").get_attribute("data-painted")
    print(f"20,000 notes: shown after {shown:.2f} s, of which drawn in {painted} ms")
    assert shown < 10
    # Seeking and playing leave the paper alone.
    page.evaluate("""() => {
        window.fills = 0;
        const fill = CanvasRenderingContext2D.prototype.fillRect;
        CanvasRenderingContext2D.prototype.fillRect = function (...box) {
            window.fills += 1;
            return fill.apply(this, box);
        };
    }""")
    slider(page).press("ArrowRight")
    now(page)
    assert page.evaluate("fills") < 1000


def test_the_theme_may_change(page: Any) -> None:
    show_scored(page)
    light = drawn(page)
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_timeout(100)
    dark = drawn(page)
    page.evaluate("document.body.classList.remove('dark')")
    assert dark != light


def test_who_wants_less_motion_still_sees_where_the_film_is(page: Any) -> None:
    page.emulate_media(reduced_motion="reduce")
    try:
        show_scored(page)
        page.evaluate("""() => {
            window.frames = 0;
            window.steps = new Set();
            const request = window.requestAnimationFrame;
            window.requestAnimationFrame = (act) => request((at) => { frames += 1; act(at); });
            const head = document.querySelector('#em-stage .head');
            new MutationObserver(() => steps.add(head.style.transform))
                .observe(head, { attributeFilter: ['style'] });
            const video = document.querySelector('#em-stage video');
            video.muted = true;
            return video.play();
        }""")
        page.wait_for_function("steps.size > 2")
        assert page.evaluate("frames") == 0
    finally:
        page.emulate_media(reduced_motion="no-preference")
