"""The shape of the page in a real browser: two states, one stage, one button."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import App, Page, open_page, running_app, wait_for
from conftest import Films

SIZES = [(1366, 657), (1440, 900), (390, 844)]
AXE_QUICKLY = [(SIZES[0], "light"), (SIZES[2], "dark")]
"""Size and theme of what axe looks at in every run; all of them in a long one."""
SHOTS = os.environ.get("EMSYNC_SHOTS")
"""A folder for pictures of every state, for a person to look at."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture(params=SIZES, ids=lambda size: "x".join(map(str, size)))
def visit(app: App, browser: Any, request: pytest.FixtureRequest) -> Iterator[Page]:
    with open_page(browser, app.url, *request.param) as visit:
        visit.page.wait_for_selector("#em-film button")
        yield visit
    assert visit.complaints == []


@pytest.fixture
def desk(app: App, browser: Any) -> Iterator[Page]:
    with open_page(browser, app.url, *SIZES[0]) as visit:
        visit.page.wait_for_selector("#em-film button")
        yield visit
    assert visit.complaints == []


def two_scenes(films: Films) -> Path:
    """12 s of H.264 with a tone; red until 6 s, then blue."""
    return films.render(
        "twelve seconds.mp4",
        "-f", "lavfi", "-i", "color=0xA03020:s=640x360:r=25:d=6",
        "-f", "lavfi", "-i", "color=0x60C0F0:s=640x360:r=25:d=6",
        "-f", "lavfi", "-i", "sine=frequency=330:d=12:r=44100",
        "-filter_complex", "[0:v][1:v]concat=n=2:v=1[v]", "-map", "[v]", "-map", "2:a",
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart",
    )  # fmt: skip


def shoot(page: Any, state: str) -> None:
    """Keep a picture of a state if somebody wants one."""
    if SHOTS:
        size = page.viewport_size
        page.screenshot(path=Path(SHOTS) / f"{size['width']}x{size['height']} {state}.png")


def in_view(page: Any, part: str) -> bool:
    """Whether all of a part of the page is inside the window."""
    box = page.locator(part).bounding_box()
    size = page.viewport_size
    return (
        box is not None
        and box["x"] >= 0
        and box["y"] >= 0
        and box["x"] + box["width"] <= size["width"] + 1
        and box["y"] + box["height"] <= size["height"] + 1
    )


def drop(page: Any, film: Path) -> None:
    page.set_input_files("#em-film input[type=file]", film)
    page.wait_for_selector(f"#em-facts >> text={film.name}", timeout=30_000)
    page.wait_for_selector("#em-compose:has-text('about')", timeout=30_000)


def open_tab(page: Any, name: str) -> None:
    """Open a tab of the panel beside the stage."""
    page.click(f"#em-settings button[role=tab]:has-text('{name}')")


def press_and_time(page: Any) -> float:
    """Press the button; the milliseconds until the percentage is inside the window."""
    page.evaluate("""() => {
        window.seen = null;
        document.querySelector("#em-compose").addEventListener("click", () => {
            const began = performance.now();
            const look = () => {
                const box = document.querySelector(".em-percent")?.getBoundingClientRect();
                if (box && box.height && box.top >= 0 && box.bottom <= innerHeight)
                    window.seen = performance.now() - began;
                else requestAnimationFrame(look);
            };
            look();
        }, { once: true, capture: true });
    }""")
    page.click("#em-compose")
    page.wait_for_function("window.seen !== null", timeout=10_000)
    return float(page.evaluate("seen"))


def scored(page: Any, before: str = "") -> str:
    """Wait until another film is on the stage than before; its address."""
    page.wait_for_function(
        "before => (document.querySelector('#em-film-file')?.href ?? before) !== before",
        arg=before,
        timeout=120_000,
    )
    page.wait_for_selector("#em-compose:enabled", timeout=20_000)
    return str(page.evaluate("document.querySelector('#em-film-file').href"))


def film_on(page: Any) -> str:
    return str(page.evaluate("document.querySelector('#em-stage video').src"))


LIGHTEST = 800_000
"""Bytes that the page may load before anybody does anything."""
SHIFTS = """
    window.shifted = 0;
    new PerformanceObserver(list => list.getEntries().forEach(one => {
        if (!one.hadRecentInput) shifted += one.value;
    })).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_the_page_is_light_and_stands_still(app: App, browser: Any, size: tuple[int, int]) -> None:
    page = browser.new_page(viewport=dict(zip(("width", "height"), size, strict=True)))
    page.add_init_script(SHIFTS)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    arrived: list[int] = []
    asked: list[str] = []
    network.on("Network.loadingFinished", lambda one: arrived.append(one["encodedDataLength"]))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(app.url)
    page.wait_for_selector("#em-film button")
    page.wait_for_selector("#em-foot p")
    page.wait_for_timeout(1000)
    loading = page.evaluate("shifted")
    print(f"{sum(arrived) / 1e3:.0f} kB, layout shift {loading:.3f} while loading")
    assert asked and not [url for url in asked if "hls" in url]
    assert sum(arrived) <= LIGHTEST
    assert loading < 0.05
    page.close()


@pytest.mark.parametrize(
    "visit",
    [SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.slow), SIZES[2]],
    indirect=True,
    ids=lambda size: "x".join(map(str, size)),
)
def test_two_actions_from_the_start_to_ones_own_score(visit: Page, films: Films) -> None:
    page = visit.page
    assert not page.is_visible("#em-compose") and not page.is_visible("#em-stage")
    assert in_view(page, "#em-head") and in_view(page, "#em-film")
    shoot(page, "1 start")
    drop(page, two_scenes(films))  # one action
    page.wait_for_function("document.querySelector('#em-stage video').readyState >= 1")
    wait_for(lambda: in_view(page, "#em-compose"), 3)
    assert not page.is_visible("#em-film") and not page.is_visible("#em-examples")
    page.wait_for_timeout(500)
    shoot(page, "2 film")
    scrolled = page.evaluate("scrollY")
    took = press_and_time(page)  # and another
    print(f"percentage in view after {took:.0f} ms")
    assert took <= 300
    page.wait_for_selector("#em-cancel")
    page.wait_for_selector("#em-status >> text=Composing the music", timeout=60_000)
    wait_for(lambda: in_view(page, ".em-percent") and in_view(page, "#em-cancel"), 3)
    assert page.is_visible("#em-status >> text=left")
    page.wait_for_selector("#em-stage [data-notes]", timeout=20_000)  # notes, as written
    shoot(page, "3 running")
    address = scored(page)
    # It plays by itself, the scored film, from the beginning, and no other player is in view.
    page.wait_for_function("!document.querySelector('#em-stage video').paused", timeout=10_000)
    page.wait_for_function("document.querySelector('#em-stage video').currentTime > 0.3")
    assert film_on(page) == address
    assert page.evaluate("!document.querySelector('#em-stage video').muted")
    assert page.locator("video:visible").count() == 1
    wait_for(lambda: in_view(page, "#em-stage video"), 3)
    assert page.is_visible("#em-status >> text=strong chords land on")
    if page.viewport_size["width"] > 900:
        assert page.evaluate("scrollY") == scrolled == 0  # nobody had to scroll
        assert in_view(page, "#em-film-file") and in_view(page, "#em-compose")
    shoot(page, "4 result")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_another_mood_is_two_actions_and_the_first_take_stays(desk: Page, films: Films) -> None:
    page = desk.page
    drop(page, two_scenes(films))
    page.click("#em-compose")
    first = scored(page)
    wait_for(lambda: "Another take" in page.inner_text("#em-compose"), 10)
    page.click("#em-mood-editor button >> text=joy")
    page.wait_for_selector("#em-compose:has-text('Re-score with joy · about')", timeout=10_000)
    poster = page.evaluate("document.querySelector('#em-stage video').poster")
    page.click("#em-compose")
    page.wait_for_selector("#em-status .em-percent")
    assert page.evaluate("document.querySelector('#em-stage video').paused")
    assert poster and page.evaluate("document.querySelector('#em-stage video').poster") == poster
    second = scored(page, first)
    takes = page.locator("#em-versions article")
    wait_for(lambda: takes.count() == 2, 10)
    assert takes.nth(0).inner_text().startswith("Film’s mood")
    assert takes.nth(1).inner_text().startswith("Joy")
    assert "Mood match" in takes.nth(1).inner_text() and " of 1" in takes.nth(1).inner_text()
    page.wait_for_selector("#em-stage .kind:has-text('Music: joy')")
    # The earlier take is there and plays, where the later one was.
    page.evaluate("""() => { const video = document.querySelector("#em-stage video");
        video.pause(); video.currentTime = 5; }""")
    page.wait_for_function("!document.querySelector('#em-stage video').seeking")
    page.click("#em-versions button >> text=Film’s mood")
    wait_for(lambda: film_on(page) == first, 10)
    page.wait_for_function("document.querySelector('#em-stage video').currentTime >= 5")
    page.wait_for_function("document.querySelector('#em-stage video').currentTime < 11")
    assert second != first and takes.count() == 2
    # Nothing is asked for but what is there: the button makes a further version of it.
    page.click("#em-mood-editor label:has-text('The film')")
    wait_for(lambda: "Another take" in page.inner_text("#em-compose"), 10)
    page.click("#em-compose")
    scored(page, first)
    wait_for(lambda: takes.count() == 3, 10)
    names = [text.splitlines()[0] for text in takes.all_inner_texts()]
    assert names == ["Film’s mood", "Film’s mood 2", "Joy"]


def test_takes_are_starred_renamed_and_deleted(desk: Page, films: Films) -> None:
    page = desk.page
    drop(page, two_scenes(films))
    page.click("#em-compose")
    first = scored(page)
    page.click("#em-mood-editor button >> text=joy")
    page.wait_for_selector("#em-compose:has-text('Re-score with joy · about')", timeout=10_000)
    page.click("#em-compose")
    second = scored(page, first)
    cards = page.locator("#em-versions article")
    wait_for(lambda: cards.count() == 2, 10)
    page.evaluate("document.querySelector('#em-stage video').pause()")
    assert page.locator("#em-versions .roll path").count() >= 4  # notes of both
    star = cards.nth(0).locator("[data-what=star]")
    star.click()
    page.wait_for_selector("#em-versions article >> nth=0 >> [data-what=star][aria-pressed=true]")
    assert star.get_attribute("aria-label") == "Star Film’s mood"
    assert film_on(page) == second  # nothing else has changed
    assert page.evaluate("document.querySelector('#em-stage video').paused")
    # By the keyboard, with a name that is no HTML.
    cards.nth(1).locator("[data-what=rename]").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Wild <b>one</b>")
    shoot(page, "take renaming")
    page.keyboard.press("Enter")
    wait_for(lambda: cards.nth(1).locator("strong").inner_text() == "Wild <b>one</b>", 10)
    cards.nth(1).locator("[data-what=rename]").click()
    page.keyboard.press("Escape")
    assert page.locator("#em-versions .title").count() == 0
    shoot(page, "takes")
    # What is deleted is asked for; another take comes in its place.
    page.once("dialog", lambda question: question.dismiss())
    cards.nth(1).locator("[data-what=delete]").click()
    page.wait_for_timeout(500)
    assert cards.count() == 2
    asked: list[str] = []

    def agree(question: Any) -> None:
        asked.append(question.message)
        question.accept()

    page.once("dialog", agree)
    cards.nth(1).locator("[data-what=delete]").click()
    wait_for(lambda: cards.count() == 1 and film_on(page) == first, 10)
    assert "Wild <b>one</b>" in asked[0]
    assert page.is_visible("#em-status >> text=The take is deleted")
    page.once("dialog", lambda question: question.accept())
    cards.nth(0).locator("[data-what=delete]").click()
    page.wait_for_selector("#em-status >> text=The film is still here")
    page.wait_for_selector("#em-compose:has-text('Compose music')")
    wait_for(lambda: film_on(page).endswith(".mp4") and film_on(page) != first, 5)
    assert not page.is_visible("#em-get") and "take=" not in page.url


def test_before_and_after_share_the_playhead(desk: Page, films: Films) -> None:
    page = desk.page
    drop(page, two_scenes(films))
    before = film_on(page)
    assert not page.is_visible("#em-stage .sides")
    page.click("#em-compose")
    after = scored(page)
    wait_for(lambda: film_on(page) == after, 10)
    page.evaluate("""() => { const video = document.querySelector("#em-stage video");
        video.pause(); video.currentTime = 7; }""")
    page.wait_for_function("!document.querySelector('#em-stage video').seeking")
    for name, address in (("Before", before), ("After", after)):
        page.click(f"#em-stage .sides >> text={name}")
        wait_for(lambda expected=address: film_on(page) == expected, 5)
        page.wait_for_function(
            "Math.abs(document.querySelector('#em-stage video').currentTime - 7) < 0.1"
        )
        pressed = page.locator("#em-stage .sides [aria-pressed=true]")
        assert pressed.inner_text() == name


def test_the_music_is_heard_while_it_is_written(desk: Page, films: Films) -> None:
    page = desk.page
    fetched: list[str] = []

    def see(request: Any) -> None:
        fetched.append(request.url.rpartition("/")[2])

    page.on("request", see)
    drop(page, two_scenes(films))
    assert not page.is_visible("#em-stage .listen")
    page.evaluate("document.querySelector('#em-stage video').currentTime = 11")
    page.click("#em-compose")
    listen = page.locator("#em-stage .listen")
    listen.wait_for(timeout=20_000)
    assert listen.bounding_box()["height"] >= 24
    assert "sounds.flac" not in fetched and "Listen while it is written" in listen.inner_text()
    listen.click()
    page.wait_for_selector("#em-stage .preview:has-text('simple sounds')", timeout=30_000)
    assert fetched.count("sounds.flac") == 1 and listen.get_attribute("aria-pressed") == "true"
    # From the beginning, as nothing was written where the film was.
    page.wait_for_function("!document.querySelector('#em-stage video').paused")
    page.wait_for_function("document.querySelector('#em-stage video').currentTime > 0.5")
    assert page.evaluate("document.querySelector('#em-stage video').muted")
    shoot(page, "3 listening")
    page.evaluate("""() => { const video = document.querySelector("#em-stage video");
        window.reached = 0;
        video.addEventListener("timeupdate", () => {
            if (video.muted) reached = video.currentTime;
            else if (!video.paused && !video.seeking) window.resumed ??= video.currentTime;
        }); }""")
    address = scored(page)
    wait_for(lambda: film_on(page) == address, 10)
    page.wait_for_function("window.resumed !== undefined && reached > 0", timeout=10_000)
    print("heard up to, and on from:", page.evaluate("[reached, resumed]"))
    assert not listen.is_visible() and not page.is_visible("#em-stage .preview")
    # Where it was, or from the beginning if all was heard already.
    assert page.evaluate("""reached > 11.8 ? resumed < 2
        : resumed >= reached - 0.3 && resumed < reached + 2""")
    assert not page.evaluate("document.querySelector('#em-stage video').muted")


def test_another_film_can_be_brought_and_declined(desk: Page, films: Films) -> None:
    page = desk.page
    drop(page, two_scenes(films))
    page.click("#em-another")
    page.wait_for_selector("#em-film")
    assert not page.is_visible("#em-stage")
    page.click("#em-back")
    page.wait_for_selector("#em-stage")
    page.click("#em-another")
    drop(page, films.plain())
    page.wait_for_selector("#em-stage")
    assert not page.is_visible("#em-film")


def labels(page: Any) -> set[str]:
    """What the controls in view are called."""
    texts = page.locator("#em-settings [data-testid=block-info]:visible").all_inner_texts()
    boxes = page.locator("#em-settings label:has(input[type=checkbox]):visible").all_inner_texts()
    return {text.strip().splitlines()[0] for text in [*texts, *boxes] if text.strip()}


def test_expert_settings_are_a_switch_that_the_browser_remembers(
    app: App, desk: Page, browser: Any, films: Films
) -> None:
    page = desk.page
    drop(page, two_scenes(films))
    assert "Mood intensity (range r)" in labels(page)
    open_tab(page, "Music")
    plain = labels(page)
    assert {"Instruments", "Groups that may play", "Closeness to cuts (ξ, s)", "Style"} <= plain
    experts = {"Temperature", "Top-p", "Guidance towards the mood", "Openings", "Seed"}
    assert not experts & plain
    open_tab(page, "Sound")
    assert {"Original sound", "Quieter or louder music (dB)"} <= labels(page)
    assert not {"Loudness", "LUFS"} & labels(page)
    page.click("#em-expert-switch label")
    assert {"Loudness", "LUFS", "Original sound"} <= labels(page)
    open_tab(page, "Music")
    assert experts | plain <= labels(page)
    # What stands there counts whether or not it is seen.
    page.fill("#em-seed input", "7")
    page.press("#em-seed input", "Tab")
    page.click("#em-expert-switch label")
    assert not experts & labels(page)
    page.click("#em-expert-switch label")
    page.reload()
    page.wait_for_selector("#em-film button")
    drop(page, two_scenes(films))
    open_tab(page, "Music")
    assert experts <= labels(page)
    assert page.is_checked("#em-expert-switch input")
    # An address asks for it as well, for whoever has never switched it.
    for asked, is_on in (("?expert=1", True), ("", False)):
        with open_page(browser, app.url + "/" + asked) as other:
            other.page.wait_for_selector("#em-film button")
            drop(other.page, two_scenes(films))
            open_tab(other.page, "Music")
            assert (experts <= labels(other.page)) == is_on
            assert other.complaints == []


def test_video2music_offers_what_it_can_be_asked_for(desk: Page, films: Films) -> None:
    page = desk.page
    drop(page, two_scenes(films))
    open_tab(page, "Music")
    page.click("#em-plan input[aria-label='Mode']")
    page.click("[role=option]:has-text('Dorian')")
    page.click("#em-composer >> text=Video2Music")
    page.wait_for_selector("#em-first-chords")
    page.wait_for_selector("#em-compose:has-text('about')")
    plain = {"Key", "Mode", "First chords", "Strike a chord on every cut", "Versions"}
    assert plain <= labels(page)
    assert not {"Style", "Instruments", "Arpeggios follow"} & labels(page)
    shoot(page, "video2music")
    # A mode that it does not know is let go of.
    assert page.input_value("#em-plan input[aria-label='Mode']") == "By mood"
    page.fill("#em-first-chords :is(input, textarea)", "C Hm")
    page.wait_for_selector("#em-wrong >> text=“Hm” among the first chords is not known")
    shoot(page, "video2music wrong chords")
    page.fill("#em-first-chords :is(input, textarea)", "Dm7 Gsus4")
    page.wait_for_selector("#em-wrong p", state="detached")
    page.check("#em-accents input")
    page.click("#em-expert-switch label")
    assert {"Arpeggios follow", "Smooth the emotion (seconds)"} <= labels(page)
    assert not {"Temperature", "Openings"} & labels(page)
    shoot(page, "video2music expert")
    open_tab(page, "Sound")
    assert "Instrument" in labels(page) and not {"Piano", "Drums"} & labels(page)
    page.click("#em-compose")
    scored(page)
    shoot(page, "video2music result")
    assert page.inner_text("#em-stage .symbol >> nth=0") == "Dm7"
    wait_for(lambda: "hits 1 of 1" in page.inner_text("#em-versions article"), 5)
    assert "undefined" not in page.inner_text("#em-stage")


@pytest.mark.parametrize(
    ("visit", "theme"),
    [
        pytest.param(size, theme, marks=[] if (size, theme) in AXE_QUICKLY else [pytest.mark.slow])
        for size in SIZES
        for theme in ("light", "dark")
    ],
    indirect=["visit"],
    ids=lambda value: value if isinstance(value, str) else "x".join(map(str, value)),
)
def test_axe_finds_nothing_serious(visit: Page, films: Films, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = visit.page
    page.evaluate("theme => document.body.classList.toggle('dark', theme === 'dark')", theme)

    def check(state: str) -> None:
        page.wait_for_timeout(400)  # colours fade from one to the other
        shoot(page, f"{theme} {state}")
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
        serious = [
            (one["id"], [(node["target"], node["failureSummary"]) for node in one["nodes"][:4]])
            for one in found.response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], state

    check("start")
    drop(page, two_scenes(films))
    check("film")
    page.click("#em-compose")
    page.wait_for_selector("#em-status >> text=Composing the music", timeout=60_000)
    check("running")
    scored(page)
    time.sleep(1)
    check("result")
    page.click("#em-diagnostics summary >> nth=0")
    check("how it was made")
    page.click("#em-diagnostics summary >> nth=0")
    for name in ("Music", "Sound"):
        open_tab(page, name)
        check(name.lower())
    page.click("#em-expert-switch label")
    for name in ("Music", "Sound"):
        open_tab(page, name)
        check(f"{name.lower()} expert")
