"""Weights: what is fetched is whole and the right thing, whatever the network does meanwhile."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emsync.commands.weights import run as run_command
from emsync.emotion.features.panel import Panel, standard_experts
from emsync.errors import Cancelled, WeightsError, WeightsNotInstalled
from emsync.interface.experts import table
from emsync.process.files import locked
from emsync.progress import CancelToken
from emsync.weights import download
from emsync.weights import store as weights
from emsync.weights.registry import PROFILES, File, Weights
from emsync.weights.store import REGISTRY, Pulling

REPOSITORY = Path(__file__).resolve().parents[1]
NAME = "whisper-tiny"
CONTENT = bytes(range(256)) * 4096  # 1 MiB


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Page:
    """How the server answers for one path; `faults` are spent one a request, from the left."""

    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    status: int = 200
    redirect: str = ""
    faults: list[str] = field(default_factory=list)
    pause: float = 0.0
    """Seconds between pieces of 16 kB."""


class Hub:
    """A web server on this machine that can be as unreliable as any."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        """Path, Range and If-Range of each request."""
        self.sent = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def serve(self, path: str, content: bytes = CONTENT) -> Page:
        self.pages[path] = Page(content, {"ETag": f'"{sha256(content)[:8]}"'})
        return self.pages[path]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("://")[2].partition("/")[2] or request.path[1:]
        wanted, unless = request.headers.get("Range"), request.headers.get("If-Range")
        self.asked.append((path, wanted, unless))
        page = self.pages.get(path, Page(status=404))
        fault = page.faults.pop(0) if page.faults else ""
        status = int(fault) if fault.isdigit() else 302 if page.redirect else page.status
        headers = dict(page.headers)
        start = 0
        if page.redirect:
            headers["Location"] = page.redirect
        elif wanted and page.ranges and status == 200 and unless in (None, headers.get("ETag")):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            status = 206 if start < len(page.content) else 416
            span = f"{start}-{len(page.content) - 1}" if status == 206 else "*"
            headers["Content-Range"] = f"bytes {span}/{len(page.content)}"
        body = page.content[start:] if status in (200, 206) else b""
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if fault != "no length":
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        try:
            for at in range(0, len(body), 16_384):
                if fault == "cut" and at >= len(body) // 2:
                    return
                if fault == "stall" and at >= len(body) // 2:
                    time.sleep(2)
                    return
                request.wfile.write(body[at : at + 16_384])
                self.sent += len(body[at : at + 16_384])
                time.sleep(page.pause)
        except OSError:
            pass  # the other side hung up


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the weights, in a machine without settings; attempts follow at once."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "EMSYNC_OFFLINE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "my weights"))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    return tmp_path / "my weights"


def register(monkeypatch: pytest.MonkeyPatch, *files: File) -> None:
    one = Weights(NAME, "Tiny", "a test", "https://example.org", "MIT", files, ("small",), 10)
    monkeypatch.setitem(REGISTRY, NAME, one)


@pytest.fixture
def page(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Page:
    """One file whose size and hash are known in advance."""
    url = f"{hub.url}/tiny.pt"
    register(monkeypatch, File("tiny.pt", (url,), len(CONTENT), sha256(CONTENT)))
    return hub.serve("tiny.pt")


@pytest.fixture
def unknown(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Page:
    """One file of which nothing is known in advance."""
    register(monkeypatch, File("tiny.pt", (f"{hub.url}/tiny.pt",)))
    return hub.serve("tiny.pt")


def refused(*words: str) -> None:
    with pytest.raises(WeightsError) as caught:
        weights.pull(NAME)
    for word in words:
        assert word in str(caught.value)
    with pytest.raises(WeightsNotInstalled, match=f"weights pull {NAME}"):
        weights.find(NAME)


# Fetching --------------------------------------------------------------------------------------


def test_weights_are_there_after_a_pull_and_fetched_once(hub: Hub, page: Page, place: Path) -> None:
    with pytest.raises(WeightsNotInstalled, match=r"are not installed\. Run: python -m emsync"):
        weights.find(NAME)
    told: list[Pulling] = []
    path = weights.pull(NAME, told.append)
    assert path == weights.find(NAME) == place / NAME
    assert (path / "tiny.pt").read_bytes() == CONTENT
    assert sorted(file.name for file in path.iterdir()) == [weights.MANIFEST, "tiny.pt"]
    received = [one.received for one in told]
    assert received == sorted(received) and received[-1] == len(CONTENT)
    assert all(one.received <= one.total for one in told)
    (file,) = weights.installed(NAME)
    assert (file.sha256, file.bytes, file.check) == (sha256(CONTENT), len(CONTENT), "pinned")
    assert file.source == f"{hub.url}/tiny.pt"
    manifest = json.loads((path / weights.MANIFEST).read_text())
    assert (manifest["licence"], manifest["origin"]) == ("MIT", "pulled")
    assert weights.pull(NAME) == path
    assert len(hub.asked) == 1


@pytest.mark.parametrize("fault", ["cut", "stall", "503", "429"])
def test_a_passing_fault_is_passed_over(
    hub: Hub, page: Page, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    page.faults = [fault]
    assert (weights.pull(NAME) / "tiny.pt").read_bytes() == CONTENT
    if fault in ("cut", "stall"):
        assert [wanted for _, wanted, _ in hub.asked] == [None, f"bytes={len(CONTENT) // 2}-"]


def test_without_ranges_it_begins_again(hub: Hub, page: Page) -> None:
    page.faults, page.ranges = ["cut"], False
    assert (weights.pull(NAME) / "tiny.pt").read_bytes() == CONTENT


def test_what_has_come_is_kept_for_the_next_time(hub: Hub, page: Page) -> None:
    page.faults = ["cut"] * download.ATTEMPTS
    refused("the connection ended after", "127.0.0.1", "weights add", "What has come is kept")
    status = weights.status_of(NAME)
    assert not status.installed
    assert 0 < status.bytes < len(CONTENT)
    assert status.to_download == len(CONTENT) + 10 - status.bytes
    sent = hub.sent
    weights.pull(NAME)
    assert hub.sent == sent + len(CONTENT) - status.bytes == len(CONTENT)


def test_the_wrong_file_is_never_installed(hub: Hub, page: Page, place: Path) -> None:
    page.content = CONTENT[::-1]
    refused("is not the file that was promised", sha256(CONTENT)[:12])
    page.content = CONTENT + b"more"
    refused(f"{len(CONTENT) + 4} bytes long there instead of {len(CONTENT)}")
    page.faults = ["no length"] * 9
    refused("sent more than")
    page.content, page.faults = CONTENT[:-1], ["no length"] * 9
    refused(f"ended after {len(CONTENT) - 1} of {len(CONTENT)}")
    assert not (place / NAME).exists()
    page.content, page.faults = CONTENT, []
    weights.pull(NAME)


def test_two_halves_of_two_versions_are_noticed(hub: Hub, page: Page) -> None:
    page.faults = ["cut"] * download.ATTEMPTS
    page.content = CONTENT[::-1]
    refused()
    page.content = CONTENT
    assert (weights.pull(NAME) / "tiny.pt").read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (500, download.ATTEMPTS)])
def test_the_next_address_is_tried(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, status: int, tries: int
) -> None:
    urls = (f"{hub.url}/gone", f"{hub.url}/other", f"{hub.url}/tiny.pt")
    register(monkeypatch, File("tiny.pt", urls, len(CONTENT), sha256(CONTENT)))
    hub.serve("gone").status = status
    hub.serve("other", CONTENT[::-1])
    hub.serve("tiny.pt")
    weights.pull(NAME)
    assert [path for path, *_ in hub.asked] == ["gone"] * tries + ["other", "tiny.pt"]
    assert weights.installed(NAME)[0].source == urls[2]
    del hub.pages["tiny.pt"]
    weights.remove(NAME)
    refused(f"it answered {status}", "not the file", "it answered 404 Not Found")


def test_a_web_page_is_no_weights(page: Page) -> None:
    page.headers["Content-Type"] = "text/html; charset=utf-8"
    refused("web page instead of the file")


def test_redirects_lead_only_to_safe_addresses(hub: Hub, page: Page) -> None:
    page.redirect = f"{hub.url}/elsewhere"
    hub.serve("elsewhere").faults = ["cut"]
    assert (weights.pull(NAME) / "tiny.pt").read_bytes() == CONTENT
    weights.remove(NAME)
    for unsafe in ("http://example.org/tiny.pt", "ftp://127.0.0.1/tiny.pt"):
        page.redirect = unsafe
        refused("not a safe address")
    page.redirect = "file:///tiny.pt"
    refused("it answered 302", "not allowed")  # the standard library sees to this one


def test_plain_http_is_for_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://example.org/tiny.pt", "file:///etc/hostname"):
        register(monkeypatch, File("tiny.pt", (url,)))
        refused("not a safe address")


def test_a_proxy_is_used(hub: Hub, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, File("tiny.pt", ("http://127.0.0.1:9/tiny.pt",), None, sha256(CONTENT)))
    monkeypatch.setenv("http_proxy", hub.url)
    weights.pull(NAME)
    assert len(hub.asked) == 1


def test_cancelling_stops_soon_and_keeps_what_has_come(hub: Hub, page: Page) -> None:
    page.pause = 0.05
    cancel = CancelToken()

    def look(pulling: Pulling) -> None:
        if pulling.received > 100_000:
            cancel.cancel()

    began = time.monotonic()
    with pytest.raises(Cancelled):
        weights.pull(NAME, look, cancel)
    assert time.monotonic() - began < 2
    assert weights.status_of(NAME).bytes > 100_000
    page.pause = 0
    weights.pull(NAME)
    assert hub.asked[-1][1] is not None


# What nothing is known of in advance ------------------------------------------------------------


def test_what_comes_first_is_pinned(unknown: Page, place: Path) -> None:
    weights.pull(NAME)
    (file,) = weights.installed(NAME)
    assert (file.sha256, file.check) == (sha256(CONTENT), "first download")
    # Damaged, and meanwhile its source has something else: that is not taken without a word.
    (place / NAME / "tiny.pt").write_bytes(b"")
    unknown.content = b"new version"
    refused("is not the file that was promised", f"weights remove {NAME}")
    assert weights.remove(NAME) > 0
    weights.pull(NAME)
    assert weights.installed(NAME)[0].sha256 == sha256(b"new version")


@pytest.mark.parametrize("right", [True, False])
def test_what_a_hub_publishes_is_checked(
    hub: Hub, unknown: Page, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub tells SHA-256 and size of a large file with the redirect to where it lies."""
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    tag = sha256(CONTENT if right else CONTENT[::-1])
    unknown.headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(CONTENT))}
    unknown.redirect = f"{hub.url}/store"
    hub.serve("store")
    if right:
        weights.pull(NAME)
        assert weights.installed(NAME)[0].check == "published"
    else:
        refused("is not the file that was promised")


@pytest.mark.parametrize("right", [True, False])
def test_small_files_of_a_hub_are_checked_by_their_git_name(unknown: Page, right: bool) -> None:
    unknown.content = b"{}\n"
    # git hash-object of a file with this content
    name = "0967ef424bce6791893e9a57bb952f80fd536e93" if right else "0" * 40
    unknown.headers["ETag"] = f'"{name}"'
    if right:
        weights.pull(NAME)
        assert weights.installed(NAME)[0].check == "published"
    else:
        refused("is not the file that was promised")


def test_another_version_at_the_source_is_said_before_it_is_fetched(hub: Hub, page: Page) -> None:
    page.headers |= {"X-Linked-Etag": f'"{sha256(b"new")}"'}
    page.redirect = f"{hub.url}/store"
    hub.serve("store")
    refused("another version there")
    assert hub.sent < 300_000  # no more than what was under way


def test_a_file_that_changed_meanwhile_begins_again(hub: Hub, unknown: Page) -> None:
    unknown.faults = ["cut"] * download.ATTEMPTS
    refused()
    asked = len(hub.asked)
    changed = hub.serve("tiny.pt", CONTENT[::-1])
    assert (weights.pull(NAME) / "tiny.pt").read_bytes() == changed.content
    assert hub.asked[asked][2] == f'"{sha256(CONTENT)[:8]}"'


def test_without_a_version_nothing_is_pieced_together(hub: Hub, unknown: Page) -> None:
    del unknown.headers["ETag"]
    unknown.faults = ["cut"]
    assert (weights.pull(NAME) / "tiny.pt").read_bytes() == CONTENT
    assert [wanted for _, wanted, _ in hub.asked] == [None, None]


def test_an_empty_file_is_none(unknown: Page) -> None:
    unknown.content = b""
    refused("is not the file that was promised")


# Several files, several processes ----------------------------------------------------------------


def test_half_of_the_files_are_not_found(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [File(path, (f"{hub.url}/{path}",)) for path in ("config.json", "sub/model.bin")]
    register(monkeypatch, *files)
    hub.serve("config.json", b"{}")
    refused("404")
    hub.serve("sub/model.bin")
    asked = len(hub.asked)
    path = weights.pull(NAME)
    assert [path for path, *_ in hub.asked[asked:]] == ["sub/model.bin"]
    assert (path / "sub" / "model.bin").read_bytes() == CONTENT


PULL = """
import sys
from emsync.weights import store as weights
from emsync.__main__ import main
from emsync.weights.registry import File, Weights
name, url, size, sha256, *arguments = sys.argv[1:]
file = File("tiny.pt", (url,), int(size), sha256)
weights.REGISTRY[name] = Weights(name, "Tiny", "a test", "page", "MIT", (file,), ("small",))
sys.exit(main(["weights", *arguments]))
"""


def command(hub: Hub, *arguments: str) -> list[str]:
    """A process with the command line, in which `NAME` comes from the hub."""
    about = [NAME, f"{hub.url}/tiny.pt", str(len(CONTENT)), sha256(CONTENT)]
    return [sys.executable, "-c", PULL, *about, *arguments]


def test_two_processes_fetch_it_once(hub: Hub, page: Page, place: Path) -> None:
    page.pause = 0.01
    both = [
        subprocess.Popen(
            command(hub, "pull", NAME), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [one.communicate(timeout=60)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert (weights.find(NAME) / "tiny.pt").read_bytes() == CONTENT
    assert hub.sent == len(CONTENT)
    assert not any(".partial" in path.name for path in place.iterdir())


def test_a_killed_process_leaves_what_the_next_goes_on_with(
    hub: Hub, page: Page, place: Path
) -> None:
    page.pause = 0.05
    process = subprocess.Popen(command(hub, "pull", NAME), cwd=REPOSITORY)
    while hub.sent < len(CONTENT) // 3:
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    with pytest.raises(WeightsNotInstalled):
        weights.find(NAME)
    begun = weights.status_of(NAME).bytes
    assert 0 < begun < len(CONTENT)
    page.pause = 0
    time.sleep(0.2)  # the server notices
    sent = hub.sent
    assert (weights.pull(NAME) / "tiny.pt").read_bytes() == CONTENT
    assert hub.sent == sent + len(CONTENT) - begun


def test_who_waits_for_another_can_be_cancelled(page: Page, place: Path) -> None:
    place.mkdir()
    cancel, told = CancelToken(), []

    def look(pulling: Pulling) -> None:
        told.append(pulling.step)
        cancel.cancel()

    with locked(place / f".{NAME}.lock"), pytest.raises(Cancelled):
        weights.pull(NAME, look, cancel)
    assert told == ["waiting for another process that installs it"]


# What a person finds and does ---------------------------------------------------------------------


@pytest.mark.parametrize("way", ["variable", "flag"])
def test_offline_nothing_is_asked(
    hub: Hub, page: Page, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "variable":
        monkeypatch.setenv("EMSYNC_OFFLINE", "1")
    with pytest.raises(WeightsError, match="works offline"):
        weights.pull(NAME, offline=True if way == "flag" else None)
    assert hub.asked == []
    monkeypatch.delenv("EMSYNC_OFFLINE", raising=False)
    path = weights.pull(NAME)
    monkeypatch.setenv("EMSYNC_OFFLINE", "1")
    assert weights.pull(NAME) == weights.find(NAME) == path


def test_damage_is_said_and_mended(
    page: Page, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights.pull(NAME)
    (path / "tiny.pt").write_bytes(CONTENT[:-1])
    refused_by_find("are damaged: tiny.pt has 1048575 bytes instead of 1048576")
    (path / "tiny.pt").unlink()
    refused_by_find("are damaged: tiny.pt is missing")
    weights.pull(NAME)
    (path / weights.MANIFEST).write_text("{")
    refused_by_find("are damaged: their manifest cannot be read")
    weights.pull(NAME)
    # A later version of this program wants other weights.
    register(monkeypatch, File("tiny.pt", ("https://example.org/",), None, sha256(b"new")))
    refused_by_find("are not those that this version needs")


@pytest.mark.parametrize("origin", ["pulled", "added", "other"])
def test_another_file_of_the_same_size_is_not_loaded(
    page: Page, place: Path, tmp_path: Path, origin: str
) -> None:
    (tmp_path / "tiny.pt").write_bytes(CONTENT)
    if origin == "pulled":
        weights.pull(NAME)
    else:
        weights.add(NAME, tmp_path / "tiny.pt", other=origin == "other")
    path = weights.find(NAME) / "tiny.pt"
    before = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(WeightsError) as refusal:
        weights.find(NAME)
    for words in (str(path), f"weights remove {NAME}", f"weights pull {NAME}", "--other"):
        assert words in str(refusal.value)
    # What the sentence says helps.
    weights.remove(NAME)
    assert (weights.pull(NAME) / "tiny.pt").read_bytes() == CONTENT
    (tmp_path / "mine.pt").write_bytes(CONTENT[::-1])
    weights.add(NAME, tmp_path / "mine.pt", other=True)
    assert (weights.find(NAME) / "mine.pt").read_bytes() == CONTENT[::-1]


def test_what_is_here_is_told_without_reading_it(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights.pull(NAME)

    def read(*_: object) -> str:
        raise AssertionError("a page would wait for it")

    monkeypatch.setattr(weights, "digest", read)
    assert weights.status_of(NAME).installed and weights.installed(NAME)


def refused_by_find(words: str) -> None:
    with pytest.raises(WeightsNotInstalled, match=re.escape(words)):
        weights.find(NAME)
    status = weights.status_of(NAME)
    assert not status.installed and status.problem == words and status.to_download > 0


def test_there_must_be_room(
    hub: Hub, page: Page, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type(shutil.disk_usage(REPOSITORY))(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    refused("has room for 0 MB, but 1 MB are missing", "EMSYNC_WEIGHTS")
    assert hub.asked == []


def test_a_place_that_cannot_be_written_is_said(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "file" / "weights"))
    refused("Weights cannot be put into", "Not a directory", "EMSYNC_WEIGHTS")


def test_files_fetched_by_hand_are_installed(page: Page, tmp_path: Path, place: Path) -> None:
    source = tmp_path / "downloads"
    source.mkdir()
    (source / "renamed.bin").write_bytes(CONTENT)
    with pytest.raises(WeightsError, match=r"lacks tiny.pt of whisper-tiny. Fetch http://127"):
        weights.add(NAME, source)
    path = weights.add(NAME, source / "renamed.bin")  # there is only one that it can be
    assert path == weights.find(NAME)
    (file,) = weights.installed(NAME)
    assert (file.path, file.source, file.check) == ("tiny.pt", "by hand", "pinned")
    (source / "tiny.pt").write_bytes(CONTENT)
    weights.add(NAME, source)
    assert sorted(one.name for one in path.iterdir()) == [weights.MANIFEST, "tiny.pt"]
    assert weights.status_of(NAME).origin == "added"


def test_files_that_are_not_the_published_ones_need_to_be_called_so(
    page: Page, tmp_path: Path, place: Path
) -> None:
    source = tmp_path / "mine"
    (source / "sub").mkdir(parents=True)
    (source / "tiny.pt").write_bytes(b"fine-tuned")
    (source / "sub" / "more.json").write_text("{}")
    (source / ".git").mkdir()
    (source / ".git" / "config").touch()
    with pytest.raises(WeightsError, match=r"is not the file tiny.pt .* add --other"):
        weights.add(NAME, source)
    assert not (place / NAME).exists()
    path = weights.add(NAME, source, other=True)
    found = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    assert found == {weights.MANIFEST, "tiny.pt", "sub/more.json"}
    assert weights.find(NAME) == path
    assert weights.status_of(NAME).origin == "other"
    (tmp_path / "empty").mkdir()
    for nothing, words in ((tmp_path / "empty", "no files"), (tmp_path / "no", "does not exist")):
        with pytest.raises(WeightsError, match=words):
            weights.add(NAME, nothing, other=True)
    assert weights.find(NAME) == path


def test_a_folder_of_somebody_else_is_neither_found_nor_deleted(page: Page, place: Path) -> None:
    (place / NAME).mkdir(parents=True)
    (place / NAME / "tiny.pt").write_bytes(CONTENT)
    refused("did not put there", f"weights add {NAME}")
    with pytest.raises(WeightsError, match="did not put there"):
        weights.remove(NAME)
    assert weights.add(NAME, place / NAME) == weights.find(NAME)


def test_removing_frees_what_was_there(page: Page, place: Path) -> None:
    assert weights.remove(NAME) == 0
    weights.pull(NAME)
    assert weights.remove(NAME) > len(CONTENT)
    assert weights.status_of(NAME).problem == "are not installed"


def test_the_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert weights.folder() == tmp_path / "my weights"
    monkeypatch.delenv("EMSYNC_WEIGHTS")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.folder() == tmp_path / "emsync" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert weights.folder() == Path.home() / ".cache" / "emsync" / "weights"


# The registry ----------------------------------------------------------------------------------


def test_the_registry_makes_sense() -> None:
    for name, one in REGISTRY.items():
        assert name == one.name and re.fullmatch(r"[a-z0-9.-]+", name)
        assert one.page.startswith("https://") and one.licence and one.title and one.purpose
        assert set(one.profiles) <= set(PROFILES) - {"all"}
        paths = [file.path for file in one.files]
        assert paths and len(set(paths)) == len(paths)
        for file in one.files:
            assert file.urls and all(url.startswith("https://") for url in file.urls)
            assert not Path(file.path).is_absolute() and ".." not in file.path
            assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.sha256 or "/main/" not in "".join(file.urls), "pinned to nothing"
    standard = weights.names_of("standard")
    assert sum(REGISTRY[name].bytes for name in standard) < 2.5e9
    assert set(weights.names_of("all")) == set(REGISTRY) > set(standard)
    assert weights.names_of("small", "whisper-tiny", "small") == weights.names_of("small")
    with pytest.raises(WeightsError, match=r"no weights called foo\. There are clip-vit-b-32, "):
        weights.names_of("foo")


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("whisper", [name for name in REGISTRY if name.startswith("whisper-")]),
        ("open_clip.pretrained", ["clip-vit-b-32"]),
    ],
)
def test_the_registry_agrees_with_the_libraries(module: str, names: list[str]) -> None:
    top, _, rest = module.partition(".")
    found = importlib.util.find_spec(top)  # found, not imported: that would load torch
    assert found is not None and found.origin is not None
    source = Path(found.origin)
    text = (source.with_name(f"{rest}.py") if rest else source).read_text()
    for name in names:
        (file,) = REGISTRY[name].files
        assert f'"{file.urls[0]}"' in text
        assert file.sha256 == file.urls[0].split("/")[-2]


# The command -----------------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )


def emsync(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "emsync", "weights", *arguments)


def test_the_command_pulls_lists_and_finds(hub: Hub, page: Page, place: Path) -> None:
    done = run(*command(hub, "pull", NAME))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{NAME}: tiny.pt\n{NAME}: installed, 1 MB.\n"
    done = run(*command(hub, "list", NAME, "--files"))
    assert done.returncode == 0 and done.stdout.startswith(f"{NAME}: installed\n")
    for word in (sha256(CONTENT), hub.url, "licence: MIT", "1 MB"):
        assert word in done.stdout
    assert run(*command(hub, "path", NAME)).stdout == f"{place / NAME}\n"
    assert emsync("path").stdout == f"{place}\n"
    done = run(*command(hub, "remove", NAME))
    assert done.returncode == 0 and "1 MB freed" in done.stderr
    done = emsync("path", NAME)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"emsync: The weights {NAME} are not installed. Run: ")


def test_the_command_says_what_it_could_not_do(hub: Hub, page: Page, place: Path) -> None:
    page.status = 404
    done = run(*command(hub, "pull", NAME))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "it answered 404" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"emsync: {NAME} could not be installed; the reasons stand above."
    )
    for arguments in ((), ("pull",), ("shout",)):
        assert emsync(*arguments).returncode == 2
    done = emsync("pull", "foo")
    assert done.returncode == 1 and "no weights called foo" in done.stderr


def test_the_command_lists_everything(place: Path) -> None:
    done = emsync("list")
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines() if line[0] != " "] == [
        *REGISTRY
    ]
    assert not place.exists()


def test_weights_that_this_python_cannot_read_are_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here PaddlePaddle is installed: in its place stands a package that is not."""
    name = "ocr-detection"
    assert weights.unreadable(name) == "" == weights.unreadable("beats")
    lacking = replace(REGISTRY[name], package="no_such_package")
    monkeypatch.setitem(weights.REGISTRY, name, lacking)
    monkeypatch.setitem(weights.PACKAGES, "no_such_package", "A package")
    run_command(["list", name, "beats"])
    first, *_, later = [line for line in capsys.readouterr().out.splitlines() if line[0] != " "]
    assert first == (
        f"{name}: not installed, and of no use here: A package is not installed, and nothing else "
        "reads them"
    )
    assert later == "beats: not installed"
    assert "of no use here: A package" in table(Panel(standard_experts()), "cpu")


def test_the_command_adds(place: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.pt").write_bytes(b"x")
    done = emsync("add", NAME, str(tmp_path / "tiny.pt"))
    assert done.returncode == 1 and "add --other" in done.stderr
    done = emsync("add", NAME, str(tmp_path / "tiny.pt"), "--other")
    assert (done.returncode, done.stdout) == (0, f"{place / NAME}\n"), done.stderr
    assert "(other weights than the published ones)" in emsync("list", NAME).stdout


def test_set_up_goes_on_where_nobody_answers(hub: Hub, page: Page, place: Path) -> None:
    hub.server.shutdown()
    hub.server.server_close()
    done = run(*command(hub, "pull", NAME, "--if-reachable"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        f"{NAME}: not installed, because their host does not answer.\n"
        f"Later: python -m emsync weights pull {NAME}\n"
    )
    done = run(*command(hub, "pull", NAME, "--if-reachable", "--offline"))
    assert (done.returncode, done.stderr.count("EMSYNC works offline")) == (0, 1)


def test_set_up_pulls_where_somebody_answers(hub: Hub, page: Page) -> None:
    assert run(*command(hub, "pull", NAME, "--if-reachable")).returncode == 0
    assert [path for path, *_ in hub.asked] == ["", "tiny.pt"]
    assert weights.find(NAME)
