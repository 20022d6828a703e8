"""The mixer in a real browser: heard at once, and written as it is heard."""

import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import App, Page, download, open_page, running_app, wait_for
from conftest import Films
from test_page import drop, film_on, scored, shoot, two_scenes

VIDEO = "document.querySelector('#em-stage video')"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("mixer")) as running:
        yield running


@pytest.fixture(scope="module")
def desk(app: App, browser: Any, films: Films) -> Iterator[Page]:
    """A page with a scored film of 12 s, its mixer open."""
    with open_page(browser, app.url, 1366, 657) as visit:
        page = visit.page
        page.wait_for_selector("#em-film button")
        drop(page, two_scenes(films))
        page.click("#em-compose")
        scored(page)
        page.click("#em-settings button[role=tab]:has-text('Sound')")
        shoot(page, "mixer 1 closed")
        page.click("#em-mixer .open")
        page.wait_for_selector("#em-mixer .row", timeout=60_000)
        page.wait_for_function("window.emMix?.isOn()", timeout=10_000)
        yield visit
        assert visit.complaints == []


def test_the_groups_are_in_time_with_the_picture(desk: Page) -> None:
    page = desk.page
    page.evaluate(f"{VIDEO}.currentTime = 1; {VIDEO}.play()")
    page.wait_for_function("emMix.inside.error !== null")
    for place in (None, 7.3):  # played on, and after a jump over the end of a piece
        if place is not None:
            page.evaluate(f"{VIDEO}.currentTime = {place}")
            page.wait_for_function(f"!{VIDEO}.seeking && emMix.inside.error !== null")
        page.wait_for_timeout(600)
        errors = page.evaluate("""async () => { const found = [];
            for (let i = 0; i < 20; i += 1) {
                await new Promise((done) => setTimeout(done, 100));
                found.push(emMix.inside.error);
            }
            return found; }""")
        print("picture before sound, ms:", [round(1000 * error) for error in errors])
        assert np.abs(np.median(errors)) < 0.04 and np.abs(errors).max() < 0.1


def row(page: Any, group: str) -> Any:
    return page.locator(f"#em-mixer .row[data-group={group}]")


# Adds up what the browser plays, as it plays it, and measures it in halves of a second.
HEARD = """async () => {
    const { context, sources, turned, at } = emMix.inside;
    const rate = context.sampleRate, frames = Math.round(sources.seconds * rate);
    const total = [new Float32Array(frames), new Float32Array(frames)];
    for (const name of sources.names) {
        for (let piece = 0; piece * sources.chunk < sources.seconds; piece += 1) {
            const place = `${sources.address}/${name}-${String(piece).padStart(4, "0")}.flac`;
            const answer = await (await fetch(place)).arrayBuffer();
            const buffer = await context.decodeAudioData(answer);
            const begin = piece * sources.chunk * rate;
            const gain = turned.gains[name] ?? 1;
            for (const side of [0, 1]) {
                buffer.getChannelData(side).forEach((value, i) => {
                    if (i % 32 === 0) {
                        const factors = at((begin + i) / rate);
                        buffer.now = gain * factors[name === "original" ? "original" : "music"];
                    }
                    total[side][begin + i] += value * buffer.now;
                });
            }
        }
    }
    const found = [];
    for (let begin = 0; begin + rate / 2 <= frames; begin += rate / 2) {
        let power = 0;
        for (const side of total) {
            for (let i = begin; i < begin + rate / 2; i += 1) power += side[i] * side[i];
        }
        found.push(power / rate);
    }
    return found;
}"""


def powers(path: Path) -> np.ndarray:
    """Mean squares of the halves of a second of a WAV file of 44.1 kHz."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == 44_100 and file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_767
    halves = samples[: len(samples) // 44_100 * 44_100].reshape(-1, 44_100)
    return np.square(halves).mean(axis=1)


def test_what_is_turned_is_heard_at_once(desk: Page) -> None:
    page = desk.page
    groups = [one.get_attribute("data-group") for one in page.locator("#em-mixer .row").all()]
    assert len(groups) >= 3
    page.evaluate(f"{VIDEO}.currentTime = 1; {VIDEO}.play()")
    page.wait_for_function("emMix.inside.error !== null")
    # From the press until it is silent; other programs may hold the browser up once or twice.
    page.evaluate("""() => {
        window.took = [];
        document.querySelector("#em-mixer .row .mute").addEventListener("click", ({ target }) => {
            const part = emMix.inside.parts.get(target.closest(".row").dataset.group);
            if (part.gain.value < 0.001) return;
            const began = performance.now();
            const look = () => {
                if (part.gain.value < 0.001) took.push(performance.now() - began);
                else setTimeout(look, 1);
            };
            look();
        }, { capture: true });
    }""")
    for time in range(5):
        row(page, groups[0]).locator(".mute").click()
        page.wait_for_function("count => took.length === count", arg=time // 2 + 1)
        page.wait_for_function(f"emMix.inside.parts.get('{groups[0]}').gain.value === {time % 2}")
    took = page.evaluate("took")
    print("silent after", [f"{one:.0f} ms" for one in took])
    assert len(took) == 3 and min(took) < 100
    assert row(page, groups[0]).locator("output").inner_text() == "silent"
    gain = "name => emMix.inside.turned.gains[name] ?? 1"
    assert page.evaluate(gain, groups[0]) == 0 and page.evaluate(gain, groups[1]) == 1
    # One alone; and by the keyboard.
    solo = row(page, groups[1]).locator(".solo")
    solo.focus()
    page.keyboard.press("Space")
    assert solo.get_attribute("aria-pressed") == "true"
    assert [page.evaluate(gain, group) for group in groups] == [0, 1, *(0 for _ in groups[2:])]
    page.keyboard.press("Space")
    slider = row(page, groups[1]).locator("input")
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "−6 dB"
    assert page.evaluate(gain, groups[1]) == pytest.approx(10 ** (-6 / 20))
    shoot(page, "mixer 2 turned")
    # The film that lies there is none of it, and nothing was written anew.
    assert "with this mix" in page.inner_text("#em-film-file")
    assert not page.is_visible("#em-cancel")


def test_what_is_downloaded_is_what_was_heard(desk: Page, tmp_path: Path) -> None:
    page = desk.page
    before = film_on(page)
    page.click("#em-settings label:has-text('Keep it under the music')")
    page.wait_for_function("emMix.inside.turned.original === 'keep'", timeout=5000)
    factors = page.evaluate("emMix.inside.at(3)")
    assert factors["original"] > 0.1
    # The level follows from the mix; it is found while the film goes on.
    page.wait_for_function("emMix.inside.sources.levels.original !== null", timeout=20_000)
    assert film_on(page) == before
    heard = page.evaluate(HEARD)
    page.evaluate(f"{VIDEO}.pause(); {VIDEO}.currentTime = 5")
    page.wait_for_selector("#em-menu")
    page.click("#em-menu button, #em-menu summary")
    with page.expect_download(timeout=90_000) as started:
        page.click("#em-wav")
    path = tmp_path / "music.wav"
    started.value.save_as(path)
    written = powers(path)
    assert film_on(page) != before
    apart = 10 * np.log10(np.array(heard[: len(written)]) / written)
    print("decibels between what was heard and what was written:", apart.round(2).tolist())
    assert np.abs(apart).max() < 0.5
    wait_for(lambda: "MB" in page.inner_text("#em-film-file"), 5)
    # The film plays on where it was, through the mixer, and is what is heard.
    page.wait_for_function(f"Math.abs({VIDEO}.currentTime - 5) < 0.2")
    wait_for(lambda: page.evaluate("emMix.isOn()"), 5)
    report = download(page, "#em-json", tmp_path)
    sound = json.loads(report.read_text())["settings"]["sound"]
    assert sound["original_sound"] == "keep" and sorted(sound["gains"].values()) == [-60.0, -6.0]


def test_the_film_before_is_heard_as_it_came(desk: Page) -> None:
    page = desk.page
    page.click("#em-stage .sides >> text=Before")
    page.wait_for_function("!emMix.isOn() && emMix.inside.error === null")
    page.click("#em-stage .sides >> text=After")
    page.wait_for_function("emMix.isOn()")


def test_all_is_as_played_again(desk: Page) -> None:
    page = desk.page
    page.click("#em-mixer button >> text=All as played")
    page.wait_for_function("Object.keys(emMix.inside.turned.gains).length === 0")
    assert "with this mix" in page.inner_text("#em-film-file")
    assert all(text == "0 dB" for text in page.locator("#em-mixer output").all_inner_texts())


@pytest.mark.parametrize(
    ("size", "theme"),
    [
        ((390, 844), "dark"),
        pytest.param((390, 844), "light", marks=pytest.mark.slow),
        pytest.param((1366, 657), "dark", marks=pytest.mark.slow),
    ],
    ids=lambda value: value if isinstance(value, str) else "x".join(map(str, value)),
)
def test_another_page_finds_the_mix(
    desk: Page, app: App, browser: Any, size: tuple[int, int], theme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    address = f"{app.url}/?{desk.page.url.partition('?')[2]}"
    with open_page(browser, address, *size) as visit:
        page = visit.page
        page.wait_for_selector("#em-versions article")
        page.evaluate("theme => document.body.classList.toggle('dark', theme === 'dark')", theme)
        page.click("#em-settings button[role=tab]:has-text('Sound')")
        first = page.locator("#em-mixer .row").first
        first.wait_for()
        assert not page.evaluate("emMix.isStarted()")
        assert not page.is_visible("#em-wrong p")
        for part in page.locator("#em-mixer .row :is(button, input)").all():
            box = part.bounding_box()
            assert box["width"] >= 24 and box["height"] >= 24
        first.locator(".mute").click()
        page.wait_for_function("emMix.isOn()")
        first.locator(".solo").focus()
        page.evaluate("document.querySelector('#em-mixer').scrollIntoView({ block: 'center' })")
        page.wait_for_timeout(400)
        shoot(page, f"mixer 3 {theme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
        serious = [
            (one["id"], [(node["target"], node["failureSummary"]) for node in one["nodes"][:4]])
            for one in found.response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == []
    assert visit.complaints == []


def test_what_was_set_is_said_where_nothing_is_mixed_yet(desk: Page) -> None:
    page = desk.page
    row(page, "drums").locator(".mute").click()
    page.click("#em-compose")
    page.wait_for_selector("#em-mixer .open", timeout=90_000)
    page.wait_for_selector("#em-mixer p:has-text('As you set it: drums silent')")
