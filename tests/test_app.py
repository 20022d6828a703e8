"""The page, driven in a real browser."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import wave
import zipfile
from collections.abc import Iterator
from contextlib import suppress
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

from emsync.settings import Settings


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture
def visit(app: App, browser: Any) -> Iterator[Page]:
    with open_page(browser, app.url) as visit:
        visit.page.wait_for_selector("#em-film button")
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


def drop(page: Any, film: Path) -> None:
    """Put a film into the box and wait until the page has opened it."""
    page.set_input_files("#em-film input[type=file]", film)
    page.wait_for_selector(f".em-facts >> text={film.name}", timeout=30_000)


def open_menu(page: Any) -> None:
    """Open the menu of files, unless it is open."""
    if not page.is_visible("#em-json"):
        page.click("#em-menu button")
        page.wait_for_selector("#em-json")


def open_tab(page: Any, name: str) -> None:
    """Open a tab of the panel beside the stage."""
    page.click(f"#em-settings button[role=tab]:has-text('{name}')")


def shown_result(page: Any) -> str | None:
    """Where the scored film lies that the page shows; None if it shows none."""
    link = page.locator("#em-film-file")
    return str(link.get_attribute("href")) if link.count() else None


def composed(page: Any) -> None:
    """Press the button and wait for the music."""
    before = shown_result(page)
    page.click("#em-compose")
    page.wait_for_selector("#em-status progress", timeout=20_000)
    page.wait_for_selector(
        "#em-status :text('Your score is ready'), #em-status .em-problem", timeout=60_000
    )
    finished(page, before)


def finished(page: Any, before: str | None) -> None:
    """Wait until the work is over, and something else is shown than before."""
    page.wait_for_selector("#em-compose:enabled", timeout=120_000)
    assert page.locator(".em-problem").count() == 0, page.inner_text("#em-status")
    # The parts of the page change one after the other.
    wait_for(lambda: shown_result(page) != before, 10)


def report_of(page: Any, folder: Path) -> dict[str, Any]:
    open_menu(page)
    return dict(json.loads(download(page, "#em-json", folder).read_text()))


def mood(page: Any) -> dict[str, Any]:
    """What the mood editor asks for."""
    script = "[...document.querySelectorAll('#em-mood-editor [data-part=numbers] input')]"
    valence, arousal = page.evaluate(f"{script}.map(field => Number(field.value))")
    return {"valence": valence, "arousal": arousal}


def is_heard(page: Any) -> bool:
    """Whether the film on the stage has a sound track that is not silent, by Web Audio."""
    return bool(
        page.evaluate(
            """async () => {
              const video = document.querySelector("#em-stage video");
              const bytes = await (await fetch(video.src)).arrayBuffer();
              const sound = await new OfflineAudioContext(2, 1, 44100).decodeAudioData(bytes);
              return sound.getChannelData(0).some(value => Math.abs(value) > 0.1);
            }"""
        )
    )


@pytest.mark.parametrize("width", [1180, pytest.param(390, marks=pytest.mark.slow)])
def test_a_film_goes_in_and_comes_out_scored(
    app: App, browser: Any, films: Films, tmp_path: Path, width: int
) -> None:
    with open_page(browser, app.url, width) as visit:
        page = visit.page
        page.wait_for_selector("#em-film button")
        before = len(app.request_folders())
        drop(page, two_scenes(films))
        facts = page.inner_text("#em-facts")
        for expected in ("0:06", "320 × 240", "with sound", "estimated from colour"):
            assert expected in facts
        assert page.locator("#em-stage video").evaluate("video => video.controls")
        page.click("#em-compose")
        page.wait_for_selector("#em-status progress")
        page.wait_for_selector("#em-stage >> text=Writing the piece", timeout=60_000)
        page.wait_for_selector("#em-status >> text=Your score is ready", timeout=120_000)
        assert "Its strong chords land on" in page.inner_text("#em-status")

        video = page.locator("#em-stage video")
        video.evaluate("video => { video.muted = true; return video.play(); }")
        page.wait_for_function(
            "document.querySelector('#em-stage video').currentTime > 0.5", timeout=10_000
        )
        duration, columns, rows = video.evaluate(
            "video => [video.duration, video.videoWidth, video.videoHeight]"
        )
        assert duration == pytest.approx(6, abs=1 / 25)
        assert (columns, rows) == (320, 240)
        assert is_heard(page)
        page.wait_for_function(
            "Number(document.querySelector('#em-stage [role=slider]').ariaValueNow) > 0.4"
        )

        open_menu(page)
        midi, wav = (download(page, button, tmp_path) for button in ("#em-midi", "#em-wav"))
        assert midi.name == "two scenes.mid"
        music = pretty_midi.PrettyMIDI(str(midi))
        notes = [note for instrument in music.instruments for note in instrument.notes]
        assert notes
        assert max(note.end for note in notes) <= 6.1
        with wave.open(str(wav)) as sound:
            assert (sound.getnframes(), sound.getframerate()) == (6 * 44_100, 44_100)
        assert report_of(page, tmp_path)["film"]["name"] == "two scenes.mp4"

        page.click(".em-why > summary")
        text = page.inner_text("#em-diagnostics")
        for expected in ("Cuts", "built-in reading", "Mood", "Hits", "Every boundary", "Weights"):
            assert expected in text
        pictures = page.locator("#em-diagnostics svg.em-picture:visible")
        assert pictures.count() == 3
        for number in range(3):
            assert pictures.nth(number).get_attribute("aria-label")
            assert pictures.nth(number).bounding_box()["width"] > 300
        overhang = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overhang <= 0

        archive = download(page, "#em-pack", tmp_path)  # it comes by itself once it is made
        assert archive.name == "two scenes everything.zip"
        with zipfile.ZipFile(archive) as whole:
            names = whole.namelist()
            assert whole.testzip() is None
        assert {"README.txt", "scored.mp4", "music.mid", "music.musicxml", "report.json"} <= {
            *names
        }
        stems = page.locator("[id^=em-stem-]").count()
        assert stems == len([name for name in names if name.startswith("stems/")]) > 0
        assert visit.complaints == []

        assert len(app.request_folders()) == before + 2  # one has the film, one the take
        page.click("#em-forget")  # and the question is declined
        page.once("dialog", lambda question: question.accept())
        page.click("#em-forget")
        page.wait_for_selector("#em-status >> text=Deleted")
        assert len(app.request_folders()) == before
        assert "take=" not in page.url


def test_the_examples_play_at_once(visit: Page) -> None:
    page = visit.page
    assert page.locator("#em-examples button").count() == 3
    for number in range(3):
        if number:
            page.click("#em-another")
        page.click(f"#em-examples button >> nth={number}")
        page.wait_for_selector("#em-status >> text=scored beforehand")
        # The example before may still be there for a moment: whichever comes is played.
        page.wait_for_function(
            """() => {
                const video = document.querySelector('#em-stage video');
                video.muted = true;
                if (video.paused) video.play().catch(() => {});
                return video.currentTime > 0.3;
            }""",
            timeout=20_000,
        )
        assert is_heard(page)
    page.click("#em-menu button")
    page.wait_for_selector("#em-downloads")
    assert "CC0" in page.inner_html("#em-downloads")
    page.click("#em-use-example")
    page.wait_for_selector(".em-facts >> text=film.mp4")
    assert visit.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [1180, 390])
def test_a_mood_of_ones_own_is_composed_for_without_a_new_look(
    app: App, browser: Any, films: Films, tmp_path: Path, width: int
) -> None:
    with open_page(browser, app.url, width) as visit:
        page = visit.page
        page.wait_for_selector("#em-film button")
        drop(page, two_scenes(films))
        composed(page)
        first = report_of(page, tmp_path)
        assert not first["mood"]["given_by_user"]

        page.check("#em-mood-editor input[value=own]")
        page.click("#em-mood-editor button >> text=joy")
        wait_for(lambda: mood(page)["valence"] == 0.8, 5)
        # On the plane, from there to calm and unpleasant, by the mouse.
        pad = page.locator("#em-mood-editor [data-part=pad]")
        pad.scroll_into_view_if_needed()
        pad.click(position={"x": 90, "y": 200})
        wait_for(lambda: mood(page)["valence"] < -0.2 and mood(page)["arousal"] < 0.2, 5)
        asked = mood(page)
        composed(page)
        second = report_of(page, tmp_path)
        assert second["mood"]["given_by_user"]
        assert second["mood"]["valence"] == pytest.approx(asked["valence"], abs=0.011)
        assert second["mood"]["arousal"] == pytest.approx(asked["arousal"], abs=0.011)
        seconds = "seconds_per_stage"
        for stage in ("probe", "scenes", "emotion"):  # those of the first time
            assert second[seconds][stage] == first[seconds][stage]

        # A curve: the second scene is moved by the keyboard.
        page.check("#em-mood-editor input[value=scenes]")
        page.click("#em-mood-editor >> text=Next scene")
        field = page.locator("#em-mood-editor [data-part=valence]")
        field.fill("0.9")
        field.press("Enter")
        composed(page)
        curve = report_of(page, tmp_path)["mood"]["curve"]
        assert [part["start"] for part in curve] == pytest.approx([0, 4.4], abs=0.05)
        assert curve[1]["valence"] == 0.9 and curve[0]["valence"] != 0.9
        assert visit.complaints == []

        open_menu(page)
        # Whoever has the film and the report gets the same piece from the command line.
        report, midi = (download(page, button, tmp_path) for button in ("#em-json", "#em-midi"))
        again = tmp_path / "again.mid"
        files = (two_scenes(films), "--from-report", report, "-o", tmp_path / "again.mp4")
        subprocess.run(
            [sys.executable, "-m", "emsync", *map(str, files), "--midi", str(again), "--quiet"],
            cwd=REPOSITORY,
            check=True,
            timeout=120,
        )
        assert again.read_bytes() == midi.read_bytes()


@pytest.mark.slow
def test_versions_sound_and_another_try(visit: Page, films: Films, tmp_path: Path) -> None:
    page = visit.page
    drop(page, two_scenes(films))
    open_tab(page, "Music")
    page.fill("#em-music input[aria-label*='Versions']", "2")
    page.press("#em-music input[aria-label*='Versions']", "Tab")
    versions = "#em-music input[type=range][aria-label*='Versions']"
    wait_for(lambda: page.input_value(versions) == "2", 5)
    composed(page)
    cards = page.locator("#em-versions article")
    wait_for(lambda: cards.count() == 2, 10)
    assert "hits" in cards.nth(0).inner_text() and "Mood match" in cards.nth(1).inner_text()
    open_menu(page)
    best = download(page, "#em-midi", tmp_path).read_bytes()
    before = shown_result(page)
    page.click("#em-versions .show >> nth=1")
    page.wait_for_selector("#em-status >> text=This is version B")
    finished(page, before)
    second = download(page, "#em-midi", tmp_path).read_bytes()
    assert second != best

    before = shown_result(page)
    page.click("#em-versions >> text=Another take")
    page.wait_for_selector("#em-status >> text=Version C is new", timeout=60_000)
    finished(page, before)
    page.wait_for_selector("#em-versions article.shown strong:has-text('Film’s mood 3')")
    assert download(page, "#em-midi", tmp_path).read_bytes() not in (best, second)
    assert report_of(page, tmp_path)["settings"]["seed"] == 1

    first, before = report_of(page, tmp_path), shown_result(page)
    open_tab(page, "Sound")
    page.click("#em-sound >> text=Keep it under the music")
    page.wait_for_selector("#em-status >> text=the piece is the same", timeout=60_000)
    finished(page, before)
    after = report_of(page, tmp_path)
    assert after["settings"]["sound"]["original_sound"] == "keep"
    assert after["music"]["boundaries"] == first["music"]["boundaries"]
    assert visit.complaints == []


@pytest.mark.slow
def test_the_kind_of_music_is_asked_for(visit: Page, films: Films, tmp_path: Path) -> None:
    page = visit.page
    drop(page, two_scenes(films))
    open_tab(page, "Music")
    page.click("#em-plan input[aria-label='Style']")
    page.click("[role=option]:has-text('Folk')")
    page.fill("#em-tempo input, #em-tempo textarea", "fast")
    page.click("#em-compose")
    page.wait_for_selector(".em-problem >> text=such as 92 or 80–100")
    page.fill("#em-tempo input, #em-tempo textarea", "90-110")
    page.uncheck("#em-plan input[type=checkbox]")
    page.fill("#em-chords textarea", "H | C")
    page.click("#em-compose")
    page.wait_for_selector(".em-problem >> text='H' is not known")
    page.fill("#em-chords textarea", "")
    composed(page)
    first = report_of(page, tmp_path)
    asked, plan = first["settings"]["music"], first["music"]["plan"]
    assert (asked["style"], asked["slowest"], asked["fastest"]) == ("folk", 90, 110)
    assert not asked["melody"] and plan["melody_notes"] == 0 and plan["style"] == "folk"
    assert 89.9 <= first["music"]["beats_per_minute"] <= 110.1
    # The chords of the piece stand on the stage, and can be taken over and changed.
    shown = page.locator("#em-stage .symbol")
    assert shown.count() and plan["chart"].startswith(plan["chords"][0]["symbol"])
    field = page.locator("#em-chords textarea")
    assert field.get_attribute("placeholder") == plan["chart"] and field.input_value() == ""
    page.click("#em-take-chords")
    wait_for(lambda: field.input_value() == plan["chart"], 5)
    field.fill("C | C#dim7")
    composed(page)
    second = report_of(page, tmp_path)
    assert second["settings"]["music"]["chords"] == "C | C#dim7"
    # All else is as it was: beat, form, and which opening goes on.
    assert second["settings"]["music"]["opening"] == first["music"]["opening"]
    for same in ("metre", "tempi", "style"):
        assert second["music"]["plan"][same] == plan[same]
    assert [one["letter"] for one in second["music"]["plan"]["sections"]] == [
        one["letter"] for one in plan["sections"]
    ]
    assert {chord["symbol"] for chord in second["music"]["plan"]["chords"]} <= {"C", "Dbdim7"}
    assert field.input_value() == "C | C#dim7"
    assert visit.complaints == []


@pytest.mark.slow
def test_the_music_of_the_paper_is_a_switch(visit: Page, films: Films, tmp_path: Path) -> None:
    page = visit.page
    drop(page, two_scenes(films))
    open_tab(page, "Music")
    assert page.is_visible("#em-plan") and not page.is_visible("#em-paper")
    page.click("#em-expert-switch label")
    page.check("#em-paper input")
    page.wait_for_selector("#em-plan", state="hidden")
    temperature = page.locator("#em-advanced input[aria-label*='Temperature']").first
    wait_for(lambda: temperature.input_value() == "1.35", 10)
    composed(page)
    report = report_of(page, tmp_path)
    asked = report["settings"]["music"]
    assert (asked["method"], asked["temperature"], asked["openings"]) == ("free", 1.35, 1)
    assert asked["late_tolerance"] is None and asked["repetition_coefficient"] == 0.4
    assert report["music"]["plan"] is None
    assert page.locator("#em-stage .symbol").count() == 0
    assert not page.is_visible("#em-take-chords")
    page.uncheck("#em-paper input")
    page.wait_for_selector("#em-plan")
    wait_for(lambda: temperature.input_value() == str(Settings().music.temperature), 10)
    assert visit.complaints == []


def go_to(page: Any, part: str, key: str = "Tab") -> None:
    """Press a key until the focus is in a part of the page."""
    for _ in range(120):
        if page.evaluate("part => Boolean(document.activeElement?.closest(part))", part):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{part} is not reached")


def test_the_keyboard_alone_is_enough(visit: Page, films: Films, tmp_path: Path) -> None:
    from playwright.sync_api import TimeoutError as Unheard

    page = visit.page
    film = two_scenes(films)
    for _ in range(4):  # while the page is still being built it may not hear a key
        go_to(page, "#em-film button")
        with suppress(Unheard):
            with page.expect_file_chooser(timeout=4_000) as chooser:
                page.keyboard.press("Enter")
            chooser.value.set_files(film)
            break
    page.wait_for_selector(".em-facts >> text=two scenes.mp4", timeout=30_000)
    go_to(page, "#em-compose")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector("#em-status >> text=Your score is ready", timeout=120_000)
    finished(page, None)
    go_to(page, "#em-stage [role=slider]")
    # It played by itself, to its end.
    page.wait_for_function("document.querySelector('#em-stage video').ended", timeout=20_000)
    page.keyboard.press("Space")
    page.wait_for_function(
        "(video => !video.paused && video.currentTime > 0.3)"
        "(document.querySelector('#em-stage video'))"
    )
    go_to(page, "#em-menu button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#em-midi")
    go_to(page, "#em-midi")
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    assert started.value.suggested_filename == "two scenes.mid"
    assert visit.complaints == []


@pytest.mark.slow
def test_a_take_is_found_again_by_its_link(app: App, browser: Any, films: Films) -> None:
    with open_page(browser, app.url) as visit:
        page = visit.page
        page.wait_for_selector("#em-film button")
        drop(page, two_scenes(films))
        page.click("#em-compose")
        page.wait_for_function("location.search.includes('take=')", timeout=20_000)
        link = page.url
    # The page was closed in the middle of the work, which went on.
    with open_page(browser, link) as visit:
        page = visit.page
        page.wait_for_selector(
            "#em-status >> text=/Your score is ready|Here it is again/", timeout=60_000
        )
        page.wait_for_function(
            "document.querySelector('#em-stage video').duration > 5.9", timeout=20_000
        )
        assert "two scenes.mp4" in page.inner_text("#em-facts")
        page.reload()
        page.wait_for_selector("#em-status >> text=Here it is again", timeout=20_000)
        assert visit.complaints == []
    with open_page(browser, f"{app.url}/?take=guessed") as visit:
        visit.page.wait_for_selector(".em-problem >> text=no longer here", timeout=20_000)


def test_settings_are_in_the_address_and_in_a_preset(
    app: App, browser: Any, films: Films, tmp_path: Path
) -> None:
    asked = "?music.temperature=1.1&music.groups=piano,bass&sound.programs=piano:4&seed=12"
    with open_page(browser, f"{app.url}/{asked}&mood=0.5,-0.25") as visit:
        page = visit.page
        page.wait_for_selector("#em-film button")
        wait_for(lambda: mood(page) == {"valence": 0.5, "arousal": -0.25}, 20)
        page.click("#em-share button >> nth=0")
        page.click("#em-make-link")
        page.wait_for_selector("#em-query textarea, #em-query input", timeout=20_000)
        wait_for(lambda: "://" in page.input_value("#em-query textarea, #em-query input"), 10)
        link = page.input_value("#em-query textarea, #em-query input")
        assert link.startswith(app.url)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)
        assert query == {
            "music.temperature": ["1.1"],
            "music.groups": ["bass,piano"] if "bass,piano" in link else ["piano,bass"],
            "sound.programs": ["piano:4"],
            "seed": ["12"],
            "mood": ["0.5,-0.25"],
        }
        preset = json.loads(download(page, "#em-preset a", tmp_path).read_text())
        assert preset["settings"]["music"]["temperature"] == 1.1

        drop(page, two_scenes(films))
        composed(page)
        report = report_of(page, tmp_path)
        assert report["settings"]["seed"] == 12
        assert {*report["music"]["notes_by_group"]} <= {"bass", "piano"}
        assert report["mood"]["valence"] == 0.5

        preset["settings"]["seed"] = 34
        path = tmp_path / "other.json"
        path.write_text(json.dumps(preset))
        page.set_input_files("#em-load-preset input[type=file], input[accept*=json]", path)
        page.wait_for_selector("#em-status >> text=preset is loaded", timeout=20_000)
        open_tab(page, "Music")
        assert page.input_value("#em-music input[aria-label='Seed']") == "34"
        assert visit.complaints == []
    with open_page(browser, f"{app.url}/?music.top_p=7") as visit:
        visit.page.wait_for_selector(".em-problem >> text=music.top_p", timeout=20_000)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("old.avi", ("-c:v", "mpeg4", "-c:a", "mp3")),
        ("hevc in matroska.mkv", ("-c:v", "libx265", "-c:a", "aac")),
        ("quick.mov", ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")),
        ("web.webm", ("-c:v", "libvpx", "-c:a", "libvorbis")),
        ("moving.gif", ("-an",)),
    ],
)
def test_films_of_every_kind_are_opened_and_shown(
    visit: Page, films: Films, name: str, options: tuple[str, ...]
) -> None:
    page = visit.page
    film = films.render(name, "-i", films.plain(), *options)
    drop(page, film)
    facts = page.inner_text("#em-facts")
    assert "0:03" in facts or "0:02" in facts
    shown = page.locator("#em-stage .frame > :is(video, img):visible")
    assert shown.count() == 1
    if name.endswith((".mov", ".webm")):
        wait_for(lambda: shown.evaluate("video => video.videoWidth") == 160, 10)
    else:
        wait_for(lambda: shown.evaluate("image => image.naturalWidth") >= 160, 10)
    assert visit.complaints == []


def test_the_camera_records_a_film(app: App, browser: Any) -> None:
    context = browser.new_context(permissions=["camera", "microphone"])
    page = context.new_page()
    page.goto(app.url)
    page.wait_for_selector("#em-film button")
    page.click("button[role=tab]:has-text('Camera')")
    page.click("#em-camera button:has-text('Turn on')")
    page.wait_for_function("document.querySelector('#em-camera video').videoWidth > 0")
    page.click("#em-camera button:has-text('Record')")
    page.wait_for_selector("#em-camera button:has-text('Stop · 0:02')", timeout=10_000)
    page.click("#em-camera button:has-text('Stop')")
    page.wait_for_selector(".em-facts >> text=/recording.*with sound/s", timeout=30_000)
    # Who goes elsewhere is not filmed.
    page.click("#em-another")
    page.click("#em-camera button:has-text('Turn on')")
    page.wait_for_function("document.querySelector('#em-camera video').srcObject !== null")
    page.click("button[role=tab]:has-text('File')")
    page.wait_for_function("document.querySelector('#em-camera video').srcObject === null")
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_experts_are_listed_on_any_screen(visit: Page, width: int) -> None:
    page = visit.page
    page.set_viewport_size({"width": width, "height": 900})
    page.click("text=Mood analysis")
    page.wait_for_selector("#em-panel >> text=not installed", timeout=30_000)
    assert page.locator("#em-panel tbody tr").count() == 6
    assert page.is_visible("#em-install") and page.is_enabled("#em-install")
    overhang = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overhang <= 0
    assert visit.complaints == []


def test_nonsense_gets_a_sentence(app: App, visit: Page, tmp_path: Path) -> None:
    page = visit.page
    assert not page.is_visible("#em-compose")  # until there is a film
    nonsense = tmp_path / "not a film.mp4"
    nonsense.write_text("no film at all\n" * 100)
    page.set_input_files("#em-film input[type=file]", nonsense)
    page.wait_for_selector(".em-problem >> text=not a film")
    assert "Traceback" not in page.content()
    assert page.is_visible("#em-film") and not page.is_visible("#em-stage")
    assert "Traceback" not in app.log.read_text()


def test_cancel_really_cancels(app: App, visit: Page, films: Films) -> None:
    page = visit.page
    before = len(app.request_folders())
    drop(page, films.silent(seconds=60))
    page.click("#em-compose")
    page.wait_for_selector("li.now:has-text('Composing the music')", timeout=60_000)
    page.click("#em-cancel")
    page.wait_for_selector("#em-status >> text=Cancelled", timeout=10_000)
    time.sleep(1)
    used = cpu_seconds(app.process.pid)
    time.sleep(2)
    assert cpu_seconds(app.process.pid) - used < 0.5  # nobody is composing any more
    assert page.is_enabled("#em-compose")
    assert len(app.request_folders()) == before + 1  # the film, for another try
    assert visit.complaints == []


@pytest.mark.slow
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
