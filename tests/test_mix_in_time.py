"""What plays the sounds of a mix in time with a film, by itself in a real browser."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import REPOSITORY
from conftest import Films

from emsync.sound.mix import DUCK_SECONDS, ducked

FOLDER = REPOSITORY / "emsync" / "interface"
ADDRESS = "http://mix.test/"
SPEECH = [[2.0, 3.5], [3.9, 5.0], [9.0, 9.2]]
SOURCES = {
    "address": "sounds",
    "names": ["piano", "drums", "original"],
    "seconds": 60.0,
    "chunk": 5,
    "scale": 0.25,
    "speech": SPEECH,
    "ducking": {"decibels": -14, "down": DUCK_SECONDS[0], "up": DUCK_SECONDS[1]},
    "original_gain": -6,
    "levels": {"music": [[0, 8, 12], [0.5, 0.5, 0.1]], "original": [[0, 12], [0.4, 0.4]]},
}


class Visit:
    """A page with a film and a button that starts the mix; what it fetches can be held up."""

    def __init__(self, page: Any, film: Path, piece: Path) -> None:
        self.page, self._film, self._piece = page, film, piece
        self.fetched: list[str] = []
        self.delay, self.is_gone = 0.0, False
        page.route("**/*", self._answer)
        page.goto(ADDRESS)
        page.add_script_tag(content=(FOLDER / "mixing.js").read_text(encoding="utf-8"))
        # As a blob one can seek in it.
        self._address = page.evaluate("""async () => {
            const video = document.querySelector("video");
            video.src = URL.createObjectURL(await (await fetch("film.mp4")).blob());
            return video.src;
        }""")
        page.evaluate("""() => {
            window.mix = makeMix(() => document.querySelector("video"));
            document.querySelector("button").onclick = () => mix.start();
        }""")

    def _answer(self, route: Any) -> None:
        path = route.request.url.removeprefix(ADDRESS)
        if path == "film.mp4":
            route.fulfill(path=self._film, content_type="video/mp4")
        elif path.startswith("sounds/"):
            self.fetched.append(path)
            time.sleep(self.delay)
            if self.is_gone:
                route.fulfill(status=404, body="gone")
            else:
                route.fulfill(path=self._piece)
        else:
            body = '<button>Mix</button><video preload="auto" loop></video>'
            route.fulfill(body=body, content_type="text/html")

    def set(self, **changed: Any) -> None:
        news = SOURCES | {"film": self._address} | changed
        self.page.evaluate("news => mix.set(news)", news)

    def start(self) -> None:
        self.page.click("button")
        self.page.wait_for_function("mix.isStarted()")


@pytest.fixture
def visit(browser: Any, films: Films) -> Iterator[Visit]:
    film = films.render(
        "in time.mp4",
        "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=12",
        "-f", "lavfi", "-i", "sine=d=12:r=44100",
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25",
        "-c:a", "aac", "-shortest", "-movflags", "+faststart",
    )  # fmt: skip
    piece = films.render("piece.flac", "-f", "lavfi", "-i", "sine=d=5:r=44100", "-ac", "2")
    page = browser.new_page()
    yield Visit(page, film, piece)
    page.close()


def test_music_steps_back_as_in_the_film_that_is_written(visit: Visit) -> None:
    times = np.arange(0, 11, 0.01)
    turned = {"original": "duck", "balance": 3}
    found = visit.page.evaluate(
        "([sources, turned, times]) => times.map((at) => mixAt(sources, turned, at))",
        [SOURCES, turned, times.tolist()],
    )
    level = np.interp(times, [0, 8, 12], [0.5, 0.5, 0.1]) / 0.25 * 10 ** (3 / 20)
    gains = ducked(1100, 100, [(start, end) for start, end in SPEECH], -14)[:, 0]
    assert np.array([one["music"] for one in found]) == pytest.approx(level * gains, rel=1e-3)
    assert {one["original"] for one in found} == {0.4 / 0.25}
    replaced = visit.page.evaluate(
        "sources => mixAt(sources, { original: 'replace', balance: 3 }, 2.5)", SOURCES
    )
    assert replaced == {"music": 2.0, "original": 0}


def test_the_films_own_track_is_heard_until_the_mix_is_there(visit: Visit) -> None:
    page = visit.page
    visit.is_gone = True
    visit.start()
    visit.set()
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_function("document.querySelector('video').currentTime > 0.3")
    assert page.evaluate("mix.isOn() && mix.inside.error === null")
    assert page.evaluate("mix.inside.film.gain.value") == pytest.approx(1)
    visit.is_gone = False
    page.wait_for_function("mix.inside.error !== null", timeout=15_000)
    page.wait_for_function("mix.inside.film.gain.value < 0.01")


def test_levels_that_come_while_sounds_are_fetched_hold_nothing_up(visit: Visit) -> None:
    page = visit.page
    visit.delay = 0.1
    visit.start()
    visit.set()
    visit.set(levels={"music": [[0, 12], [0.3, 0.3]], "original": None})
    page.wait_for_function("mix.inside.pieces.get(0)", timeout=10_000)
    assert page.evaluate("mix.inside.at(1).music") == pytest.approx(0.3 / 0.25)
    assert len(visit.fetched) == len(set(visit.fetched))  # nothing twice


def test_few_pieces_are_kept_however_long_the_film(visit: Visit) -> None:
    page = visit.page
    visit.start()
    visit.set(chunk=1, seconds=12.0)
    for place in (0, 5, 9, 2):
        page.evaluate(f"document.querySelector('video').currentTime = {place}")
        page.wait_for_function(f"mix.inside.pieces.get({place})", timeout=10_000)
        kept = page.evaluate("[...mix.inside.pieces.keys()]")
        assert len(kept) <= 4 and all(place - 1 <= number <= place + 2 for number in kept)


def test_the_mix_follows_the_films_volume_and_speed(visit: Visit) -> None:
    page = visit.page
    visit.start()
    visit.set()
    page.evaluate("Object.assign(document.querySelector('video'), { volume: 0.5 }).play()")
    page.wait_for_function("Math.abs(mix.inside.output.gain.value - 0.5) < 0.01")
    page.evaluate("document.querySelector('video').playbackRate = 1.5")
    page.wait_for_timeout(1000)
    errors = [page.evaluate("mix.inside.error") for _ in range(8)]
    print(json.dumps(errors))
    assert abs(np.median(errors)) < 0.04
    page.evaluate("document.querySelector('video').muted = true")
    page.wait_for_function("mix.inside.output.gain.value < 0.01")
    page.evaluate("document.querySelector('video').pause()")
    page.wait_for_function("mix.inside.error === null")
