"""The page, driven in a real browser."""

import json
import os
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pretty_midi
import pytest
from browsing import (
    REPOSITORY,
    App,
    Page,
    answers,
    cpu_seconds,
    download,
    open_page,
    running_app,
    wait_for,
)
from conftest import Films


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture
def visit(app: App, browser: Any) -> Iterator[Page]:
    with open_page(browser, app.url) as visit:
        visit.page.wait_for_selector("#em-compose")
        yield visit


def two_scenes(films: Films) -> Path:
    """6 s of H.264 with a tone; red until 4.4 s, then blue."""
    return films.render(
        "two scenes.mp4",
        "-f", "lavfi", "-i", "color=0xA03020:s=320x240:r=25:d=4.4",
        "-f", "lavfi", "-i", "color=0x60C0F0:s=320x240:r=25:d=1.6",
        "-f", "lavfi", "-i", "sine=frequency=330:d=6:r=44100",
        "-filter_complex", "[0:v][1:v]concat=n=2:v=1[v]", "-map", "[v]", "-map", "2:a",
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart",
    )  # fmt: skip


def test_a_film_goes_in_and_comes_out_scored(
    app: App, visit: Page, films: Films, tmp_path: Path
) -> None:
    page = visit.page
    page.set_input_files("#em-film input[type=file]", two_scenes(films))
    page.wait_for_selector("#em-film video")
    page.click("#em-compose")
    page.wait_for_selector("#em-status progress")
    assert "Composing the music" in page.inner_text("#em-status")
    page.wait_for_selector("#em-scored video, .em-problem", timeout=120_000)
    assert page.locator(".em-problem").count() == 0, page.inner_text("#em-status")
    assert "kept cuts" in page.inner_text("#em-status")

    video = page.locator("#em-scored video")
    video.evaluate("video => { video.muted = true; return video.play(); }")
    page.wait_for_function(
        "document.querySelector('#em-scored video').currentTime > 0.5", timeout=10_000
    )
    duration, width, height = video.evaluate(
        "video => [video.duration, video.videoWidth, video.videoHeight]"
    )
    assert duration == pytest.approx(6, abs=1 / 25)
    assert (width, height) == (320, 240)

    midi, wav, report = (
        download(page, button, tmp_path) for button in ("#em-midi", "#em-wav", "#em-json")
    )
    music = pretty_midi.PrettyMIDI(str(midi))
    notes = [note for instrument in music.instruments for note in instrument.notes]
    assert notes
    assert max(note.end for note in notes) <= 6.1
    with wave.open(str(wav)) as sound:
        assert (sound.getnframes(), sound.getframerate()) == (6 * 44_100, 44_100)
    assert json.loads(report.read_text())["film"]["name"] == "two scenes.mp4"

    text = page.inner_text("#em-diagnostics")
    for expected in ("Cuts", "built-in reading", "Mood", "Music", "Every boundary", "Weights"):
        assert expected in text
    pictures = page.locator("#em-diagnostics img")
    assert pictures.count() == 4
    assert all(pictures.nth(i).get_attribute("alt") for i in range(4))
    assert all(
        pictures.nth(i).evaluate("image => image.complete && image.naturalWidth > 0")
        for i in range(4)
    )
    assert visit.complaints == []

    assert len(app.request_folders()) == 2  # one holds the film, one the results
    page.close()
    wait_for(lambda: not app.request_folders(), 20)


def test_a_mood_of_ones_own_is_composed_for_without_a_new_look(
    visit: Page, films: Films, tmp_path: Path
) -> None:
    page = visit.page

    def composed() -> dict[str, Any]:
        page.click("#em-compose")
        page.wait_for_selector("#em-status progress")
        page.wait_for_selector("#em-status >> text=kept cuts", timeout=120_000)
        return dict(json.loads(download(page, "#em-json", tmp_path).read_text()))

    page.set_input_files("#em-film input[type=file]", two_scenes(films))
    page.wait_for_selector("#em-film video")
    first = composed()
    assert not first["mood"]["given_by_user"]
    page.click("text=My own")
    page.click("#em-mood input[aria-label=Emotion]")
    page.click("[role=option] >> text=Joy")
    page.wait_for_function(
        "document.querySelectorAll('#em-mood input[type=number]')[0].value === '0.8'"
    )
    second = composed()
    assert second["mood"]["given_by_user"]
    assert second["mood"]["valence"] == pytest.approx(0.8)
    seconds = "seconds_per_stage"
    for stage in ("probe", "scenes", "emotion"):  # those of the first time
        assert second[seconds][stage] == first[seconds][stage]
    assert visit.complaints == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_experts_are_listed_on_any_screen(visit: Page, width: int) -> None:
    page = visit.page
    page.set_viewport_size({"width": width, "height": 900})
    page.click("text=Who looks at the film")
    page.wait_for_selector("#em-panel >> text=not installed", timeout=30_000)
    assert page.locator("#em-panel tbody tr").count() == 6
    assert page.is_visible("#em-install") and page.is_enabled("#em-install")
    overhang = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overhang <= 0
    assert visit.complaints == []


def test_nonsense_gets_a_sentence(app: App, visit: Page, tmp_path: Path) -> None:
    page = visit.page
    page.click("#em-compose")
    page.wait_for_selector(".em-problem")
    assert "Choose a film first" in page.inner_text(".em-problem")
    nonsense = tmp_path / "not a film.mp4"
    nonsense.write_text("no film at all\n" * 100)
    page.set_input_files("#em-film input[type=file]", nonsense)
    page.wait_for_selector("#em-film video")
    page.click("#em-compose")
    page.wait_for_selector(".em-problem >> text=not a film")
    # The same sentence, and no more, in the message that pops up.
    assert "Traceback" not in page.content()
    assert page.is_enabled("#em-compose")
    assert "Traceback" not in app.log.read_text()


def test_cancel_really_cancels(app: App, visit: Page, films: Films) -> None:
    page = visit.page
    page.set_input_files("#em-film input[type=file]", films.silent(seconds=60))
    page.wait_for_selector("#em-film video")
    page.click("#em-compose")
    page.wait_for_selector("li.now:has-text('Composing the music')", timeout=60_000)
    page.click("#em-cancel")
    page.wait_for_selector("#em-status >> text=Cancelled", timeout=10_000)
    time.sleep(1)
    before = cpu_seconds(app.process.pid)
    time.sleep(2)
    assert cpu_seconds(app.process.pid) - before < 0.5  # nobody is composing any more
    assert page.is_enabled("#em-compose")
    assert len(app.request_folders()) == 1  # the film, for another try
    assert visit.complaints == []


def test_the_app_leaves_nothing_behind(films: Films, tmp_path: Path) -> None:
    """SIGTERM, as a host sends it: the folder of uploads and results must go."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}"), 60)
        assert len(list(tmp_path.glob("emsync-*"))) == 1
    finally:
        process.terminate()
    assert process.wait(20) == 0
    assert list(tmp_path.glob("emsync-*")) == []
