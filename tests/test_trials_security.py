"""What must not be possible: the attacks of `python -m trials.security`, and pages in a browser."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import open_page
from conftest import Films

from emsync.errors import EmsyncError
from emsync.interface.access import access_from
from emsync.interface.guard import what_is_wrong
from trials.security import CASES
from trials.site import PASSWORD, Site, site, upload

NAME = "'\"><img src=x onerror=alert(1)>.mp4"
TITLE = "<script>alert(2)</script><img src=x onerror=alert(3)>"


@pytest.fixture(scope="module")
def apps() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.mark.trial
@pytest.mark.parametrize("attack", CASES)
def test_an_attack_comes_to_nothing(
    attack: Callable[[Site, Path], str],
    apps: Site,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("outcome", attack(apps, tmp_path))


def test_names_tell_attacks_apart() -> None:
    assert len({one.id for one in CASES}) == len(CASES)


# Who may come -----------------------------------------------------------------------------------


def test_the_password_leaves_the_environment() -> None:
    environment = {"EMSYNC_PASSWORD": PASSWORD, "EMSYNC_USER": "me", "PATH": "/bin"}
    access = access_from(environment)
    assert environment == {"PATH": "/bin"}
    assert access.knows("me", PASSWORD)
    assert not access.knows("emsync", PASSWORD) and not access.knows("me", PASSWORD + " ")
    assert not access.knows("me", "") and not access.knows("", PASSWORD)
    assert PASSWORD not in repr(access)


@pytest.mark.parametrize(
    ("environment", "hosts"),
    [
        ({}, {"localhost", "127.0.0.1", "::1"}),
        ({"GRADIO_SERVER_NAME": "[::1]"}, {"localhost", "127.0.0.1", "::1"}),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, None),
        ({"COLAB_RELEASE_TAG": "1"}, None),
        (
            {"GRADIO_SERVER_NAME": "0.0.0.0", "EMSYNC_HOSTS": "Films.example.org, "},
            {"localhost", "127.0.0.1", "::1", "0.0.0.0", "films.example.org"},
        ),
    ],
)
def test_only_names_of_this_machine_are_answered_to(
    environment: dict[str, str], hosts: set[str] | None
) -> None:
    assert access_from(environment).hosts == hosts


def test_a_space_may_show_the_page_in_its_frame() -> None:
    assert access_from({}).frames == ()
    assert access_from({"SPACE_ID": "a/b"}).frames == ("https://huggingface.co",)
    asked = access_from({"EMSYNC_FRAMES": "https://a.example http://b.example:81"})
    assert asked.frames == ("https://a.example", "http://b.example:81")
    with pytest.raises(EmsyncError, match="origins"):
        access_from({"EMSYNC_FRAMES": "https://a.example;script-src *"})


def test_what_the_page_sends_is_let_through(tmp_path: Path) -> None:
    inside = str(tmp_path / "a film.mp4").replace("\\", "\\\\")
    good = f'{{"data":[{{"path":"{inside}","meta":{{}}}},null,[1,[2]]],"session_hash":"0abc"}}'
    assert what_is_wrong(good.encode(), tmp_path.resolve()) is None
    assert what_is_wrong(good.encode(), (tmp_path / "other").resolve()) is not None


# In a browser -----------------------------------------------------------------------------------


@pytest.fixture
def strange_film(films: Films, tmp_path: Path) -> Path:
    """Its name and everything that is said in it is HTML."""
    words = tmp_path / "words.srt"
    words.write_text(f"1\n00:00:00,000 --> 00:00:02,000\n{TITLE}\n")
    made = films.render(
        "strange.mp4",
        "-i", films.plain(), "-i", words, "-map", "0", "-map", "1", "-c", "copy",
        "-c:s", "mov_text", "-metadata", f"title={TITLE}", "-metadata", f"comment={TITLE}",
        "-metadata:s:v", f"handler_name={TITLE}",
    )  # fmt: skip
    path = tmp_path / NAME
    path.write_bytes(made.read_bytes())
    return path


def test_nothing_that_a_film_says_is_run(apps: Site, browser: Any, strange_film: Path) -> None:
    with open_page(browser, f"{apps.free.url}/?music.openings=1") as visit:
        page = visit.page
        shown: list[str] = []

        def hear(dialog: Any) -> None:
            shown.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", hear)
        page.wait_for_selector("#em-film button")
        page.set_input_files("#em-film input[type=file]", strange_film)
        page.wait_for_selector(".em-facts >> text=mp4", timeout=30_000)
        page.click("#em-compose")
        page.wait_for_selector("#em-status >> text=Your score is ready", timeout=60_000)
        page.wait_for_function("document.querySelector('#em-stage video')?.readyState >= 1")
        assert page.locator("img[src=x]").count() == 0
        assert "onerror" in page.inner_text("#em-facts")  # it is told, and told as text
        assert shown == [] and visit.complaints == []

        # Were something forgotten, the page's policy would still not run it.
        page.evaluate(
            "document.querySelector('#em-foot').innerHTML = '<img src=x onerror=alert(4)>'"
        )
        page.evaluate(
            "() => { const one = document.createElement('script'); one.textContent = 'alert(5)';"
            "document.head.append(one); }"
        )
        time.sleep(0.5)
        assert shown == []
        assert sum("Content Security Policy" in one for one in visit.complaints) >= 2


def test_the_page_with_a_password(apps: Site, browser: Any) -> None:
    with open_page(browser, apps.locked.url) as visit:
        page = visit.page
        page.wait_for_selector("input[type=password]")
        assert page.locator("#em-compose").count() == 0
        page.fill("input:not([type=password])", "emsync")
        page.fill("input[type=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("#em-film button", timeout=20_000)
        assert visit.complaints == []


def test_other_sites_cannot_show_it_or_read_it(apps: Site, browser: Any, tmp_path: Path) -> None:
    page_of_others = (
        f'<iframe src="{apps.free.url}"></iframe><script>fetch("{apps.free.url}/config")'
        ".then(answer => answer.text(), () => 'nothing').then(text => document.title = text);"
        f'fetch("{apps.free.url}/gradio_api/upload", {{method: "POST", mode: "no-cors",'
        "body: new FormData()});</script>"
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page_of_others.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        page = browser.new_page()
        page.goto(f"http://localhost:{server.server_port}")
        page.wait_for_function("document.title !== ''")
        assert page.title() == "nothing"
        assert [frame.url for frame in page.frames][1].startswith("chrome-error:")
        page.close()
    finally:
        server.shutdown()
        server.server_close()


def test_an_uploaded_page_is_not_shown(apps: Site, browser: Any) -> None:
    place = upload(apps.free, "page.html", b"<title>run</title><script>alert(1)</script>").json[0]
    page = browser.new_page()
    page.goto(apps.free.url)
    with page.expect_download():
        page.evaluate(f"location.href = '{apps.free.url}/gradio_api/file={place}'")
    assert page.title() != "run"
    page.close()
