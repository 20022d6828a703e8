"""The sampler that plays a piece while it is written, in a real browser."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from browsing import REPOSITORY

FOLDER = REPOSITORY / "emsync" / "interface"
ADDRESS = "http://sampler.test/"
SETUP = """() => {
    // The film runs from the press on.
    Object.assign(window, { began: null, offset: 0, still: false, notes: [] });
    window.film = () => offset + (performance.now() - (began ??= performance.now())) / 1000;
    window.sampler = makeSampler("/preview", () => still ? null : [film(), 1], () => notes);
    document.querySelector("button").onclick = () => sampler.start();
}"""
LISTEN = """async () => {
    const analyser = sampler.output.context.createAnalyser();
    analyser.fftSize = 8192;
    sampler.output.connect(analyser).connect(analyser.context.destination);
    const most = new Float32Array(analyser.frequencyBinCount).fill(-200);
    const now = new Float32Array(analyser.frequencyBinCount);
    for (let i = 0; i < 12; i += 1) {
        await new Promise((done) => setTimeout(done, 60));
        analyser.getFloatFrequencyData(now);
        now.forEach((value, bin) => { most[bin] = Math.max(most[bin], value); });
    }
    const best = most.indexOf(Math.max(...most));
    return [best * analyser.context.sampleRate / analyser.fftSize, most[best]];
}"""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    asked: list[str] = []

    def answer(route: Any) -> None:
        path = route.request.url.removeprefix(ADDRESS)
        asked.append(path)
        if path.startswith("preview/"):
            route.fulfill(path=FOLDER / path)
        else:
            route.fulfill(body="<button>Listen</button>", content_type="text/html")

    page.route("**/*", answer)
    page.goto(ADDRESS)
    page.add_script_tag(content=(FOLDER / "listen.js").read_text(encoding="utf-8"))
    page.evaluate(SETUP)
    assert asked == [""]  # nothing before it is needed
    yield page
    page.close()


def press(page: Any) -> None:
    page.click("button")
    page.wait_for_function("sampler.output !== null", timeout=10_000)


def test_the_sounds_are_few_and_their_licence_lies_beside_them() -> None:
    rows = json.loads((FOLDER / "preview" / "sounds.json").read_text())
    assert {row["group"] for row in rows} == {"piano", "guitar", "bass", "strings", "drums"}
    assert (FOLDER / "preview" / "sounds.flac").stat().st_size <= 2_000_000
    assert "Frank Wen" in (FOLDER / "preview" / "LICENSE.txt").read_text()


@pytest.mark.parametrize(
    ("group", "pitch", "low", "high"), [("strings", 72, 510, 540), ("piano", 74, 575, 600)]
)
def test_a_note_sounds_at_its_pitch(
    page: Any, group: str, pitch: int, low: float, high: float
) -> None:
    press(page)
    page.evaluate(f"notes = [['{group}', {pitch}, film() + 0.4, film() + 8]]")
    page.wait_for_function("sampler.given === 1")
    hertz, level = page.evaluate(LISTEN)
    assert low < hertz < high and level > -60


def test_only_the_next_second_is_handed_over_and_nothing_twice(page: Any) -> None:
    press(page)
    page.evaluate("""notes = Array.from({ length: 100 },
        (_, i) => ["drums", 38, film() + i / 10, film() + i / 10])""")
    page.wait_for_function("sampler.given > 0")
    assert 9 <= page.evaluate("sampler.given") <= 13
    page.wait_for_function("film() > notes[20][2]")
    assert 25 <= page.evaluate("sampler.given") <= 33
    page.evaluate("still = true")
    page.wait_for_function("sampler.output === null && sampler.given === 0")


def test_it_follows_the_film_when_that_jumps(page: Any) -> None:
    page.evaluate("""notes = [["piano", 60, 50.2, 53], ["piano", 62, 45, 60],
        ["strings", 64, 40, 60]]""")
    press(page)
    assert page.evaluate("sampler.given") == 0
    page.evaluate("window.before = sampler.output; offset = 49.8 - film()")
    # What is held sounds at once, what was struck before is not struck again.
    page.wait_for_function("sampler.given === 2 && sampler.output !== before", timeout=3000)
    page.evaluate("sampler.stop()")
    assert page.evaluate("sampler.output") is None


def test_missing_sounds_are_told(page: Any) -> None:
    page.evaluate("""() => {
        const gone = makeSampler("/gone", () => [0, 1], () => []);
        document.querySelector("button").onclick = () => gone.start().catch((e) => window.why = e);
    }""")
    page.unroute("**/*")
    page.route("**/*", lambda route: route.fulfill(status=404, body="none"))
    page.click("button")
    page.wait_for_function("String(window.why).includes('404')")
