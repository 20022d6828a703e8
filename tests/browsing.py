"""The app in a process of its own, and pages of it in a real browser."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emsync.benchmarks.load import App, answers, started

__all__ = ["App", "answers", "running_app"]

REPOSITORY = Path(__file__).resolve().parents[1]


@contextmanager
def running_app(folder: Path, **variables: str) -> Iterator[App]:
    """`python app.py` on a free port, its files in `folder`; it soon hears of pages that went."""
    with started(folder, **{"GRADIO_HEARTBEAT_INTERVAL": "0.5", **variables}) as app:
        yield app


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


def wait_for(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def cpu_seconds(process: int) -> float:
    """Seconds of processor time that a process has used, all threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
