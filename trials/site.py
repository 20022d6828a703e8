"""The apps that `trials.security` attacks; whatever is asked for is asked for by plain HTTP."""

import http.client
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emsync.benchmarks.load import App, started
from emsync.film.ffmpeg import ffmpeg_executable
from trials.trial import Wrong

REPOSITORY = Path(__file__).resolve().parents[1]
PASSWORD = "a long word & a longer: one"
HUB_TOKEN = "hf_thisIsNobodysTokenButOurs"
FILM_NAME = "nobody is to know of this film"
QUICK = {"music": {"openings": 1}}
FILE = "/gradio_api/file="
_JSON = {"Content-Type": "application/json"}
_MOST_READ = 2_000_000


@dataclass(frozen=True)
class Site:
    """The two apps, and what lies in the folder of the open one."""

    free: App
    locked: App

    @property
    def root(self) -> Path:
        """The folder of the open app's uploads and results."""
        (root,) = self.free.temporary.glob("emsync-*")
        return root


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@contextmanager
def site() -> Iterator[Site]:
    """Start both apps, while a ``with`` block runs."""
    with tempfile.TemporaryDirectory(prefix="trials-security-") as name:
        folder = Path(name)
        for part in ("free", "locked"):
            (folder / part).mkdir()
        common = {
            "HF_TOKEN": HUB_TOKEN,
            "GRADIO_HEARTBEAT_INTERVAL": "0.5",
            "EMSYNC_WEIGHTS": str(folder / "no weights"),
        }
        with (
            started(folder / "free", **common) as free,
            started(folder / "locked", EMSYNC_PASSWORD=PASSWORD, **common) as locked,
        ):
            yield Site(free, locked)


def ask(
    app: App,
    path: str,
    method: str = "GET",
    body: object = None,
    **headers: str,
) -> Answer:
    """Send one request, its path as it is. Of a stream only the first piece is read.

    Args:
        body: bytes as they are, everything else as JSON.
        headers: with _ for -.
    """
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, bytes):
        body, sent = json.dumps(body).encode(), _JSON | sent
    connection = http.client.HTTPConnection(app.url.partition("://")[2], timeout=20)
    try:
        connection.request(method, path, body, sent)
        came = connection.getresponse()
        told = {name.lower(): value for name, value in came.getheaders()}
        streams = told.get("content-type", "").startswith("text/event-stream")
        return Answer(
            came.status, told, came.read1(_MOST_READ) if streams else came.read(_MOST_READ)
        )
    finally:
        connection.close()


def upload(app: App, name: str, content: bytes, **headers: str) -> Answer:
    """Send a file, as a browser does."""
    edge = "edge-of-this-message"
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode() + content
    body += f"\r\n--{edge}--\r\n".encode()
    kind = f"multipart/form-data; boundary={edge}"
    return ask(app, "/gradio_api/upload", "POST", body, Content_Type=kind, **headers)


def film(folder: Path, name: str = f"{FILM_NAME}.mp4", *options: str) -> Path:
    """Make a film of 1.5 s of test picture, if it is not there."""
    path = folder / name
    if path.exists():
        return path
    source = ["-f", "lavfi", "-i", "testsrc2=s=160x120:d=1.5:r=25", "-pix_fmt", "yuv420p"]
    command = [ffmpeg_executable(), "-nostdin", "-v", "error", *source, *options, f"file:{path}"]
    subprocess.run(command, check=True, timeout=60)
    return path


def given(path: str) -> dict[str, Any]:
    """Return how a message names a file."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def expect(is_right: bool, otherwise: str) -> None:
    """Raise `Wrong` unless it is right."""
    if not is_right:
        raise Wrong(otherwise)


def refused(answer: Answer, what: str, *statuses: int) -> None:
    """Raise `Wrong` unless it was refused in words that tell nothing of the machine."""
    allowed = statuses or (400, 401, 403, 404, 405, 413)
    expect(answer.status in allowed, f"{what}: {answer.status} {answer.body[:80]!r}")
    expect(b"root:" not in answer.body and b"Traceback" not in answer.body, f"{what}: it told")


def files_of(root: Path) -> set[Path]:
    """Return all files in a folder and its folders."""
    return {path for path in root.rglob("*") if path.is_file()}


def descriptors(app: App) -> int:
    """Return how many files and connections are open; 0 where that cannot be seen."""
    folder = Path(f"/proc/{app.process.pid}/fd")
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def soon(is_right: Callable[[], bool], otherwise: str, seconds: float = 10) -> None:
    """Raise `Wrong` unless it becomes right within `seconds`."""
    end = time.monotonic() + seconds
    while not is_right():
        expect(time.monotonic() < end, otherwise)
        time.sleep(0.1)
