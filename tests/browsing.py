"""The app in a process of its own, and pages of it in a real browser."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass
class App:
    """A running `app.py`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    temporary: Path

    def request_folders(self) -> list[Path]:
        return list(self.temporary.glob("emsync-*/request-*"))


@contextmanager
def running_app(folder: Path, **variables: str) -> Iterator[App]:
    """`python app.py` on a free port, its files in `folder`."""
    temporary = folder / "tmp"
    temporary.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_HEARTBEAT_INTERVAL": "0.5",
        "TMPDIR": str(temporary),
        **variables,
    }
    log = folder / "app.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=REPOSITORY,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = App(f"http://127.0.0.1:{port}", process, log, temporary)
    try:
        wait_for(lambda: answers(running.url) or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class Page:
    """An open page, and all that went wrong in it."""

    page: Any
    complaints: list[str]


@contextmanager
def open_page(browser: Any, url: str, width: int = 1100, height: int = 900) -> Iterator[Page]:
    """A page that notes errors in its console, in its scripts, and what it fetches from elsewhere.

    Args:
        url: its first part, up to the path, is where the page may fetch from.
    """
    page = browser.new_page(viewport={"width": width, "height": height})
    complaints: list[str] = []
    home = "/".join(url.split("/")[:3])

    def hear(message: Any) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def see(request: Any) -> None:
        if not request.url.startswith((home, "data:", "blob:")):
            complaints.append(f"fetched from elsewhere: {request.url}")

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("request", see)
    page.goto(url)
    yield Page(page, complaints)
    page.close()


def download(page: Any, button: str, folder: Path) -> Path:
    with page.expect_download() as started:
        page.click(button)
    path = folder / str(started.value.suggested_filename)
    started.value.save_as(path)
    return path


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def wait_for(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def cpu_seconds(process: int) -> float:
    """Seconds of processor time that a process has used, all threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
