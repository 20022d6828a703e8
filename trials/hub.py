"""The server that weights come from closes, stalls, refuses, and has another file."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

from emsync.errors import WeightsError
from trials.machine import REPOSITORY, files_below, wait_until
from trials.trial import Wrong, case

NAME = "whisper-tiny"


@dataclass
class Hub:
    """A server that does to one file whatever the next of `faults` says; none: it is well."""

    url: str
    content: bytes = b""
    tag: str = '"one"'
    faults: list[str] = field(default_factory=list)
    pause: float = 0.0
    sent: int = 0

    def serve(self, name: str, content: bytes) -> "Hub":
        """Offer one file under a name; return this server."""
        self.content, self.url = content, f"{self.url}/{name}"
        return self


@contextmanager
def hub() -> Iterator[Hub]:
    """Start the server on this machine, while a ``with`` block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with the file, or with the next fault."""
            fault = net.faults.pop(0) if net.faults else ""
            if fault == "refuses":
                self.send_error(503)
                return
            wanted = self.headers.get("Range")
            start = 0
            if wanted and self.headers.get("If-Range") in (None, net.tag):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            body = net.content[start:]
            if fault == "too much":
                body += b"more"
            self.send_response(206 if start else 200)
            self.send_header("ETag", net.tag)
            if start:
                size = len(net.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            if fault not in ("too much", "too little"):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                for at in range(0, len(body), 16_384):
                    if fault in ("closes", "too little") and at > len(body) // 2:
                        return
                    if fault == "stalls" and at > len(body) // 2:
                        time.sleep(1.5)
                        return
                    self.wfile.write(body[at : at + 16_384])
                    net.sent += 16_384
                    time.sleep(net.pause)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    net = Hub(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield net
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def registered(net: Hub, folder: Path) -> Iterator[None]:
    """Register weights that consist of the server's file; attempts follow at once."""
    from emsync.weights import download
    from emsync.weights import store as weights
    from emsync.weights.registry import File, Weights

    sha256 = hashlib.sha256(net.content).hexdigest()
    file = File("model.bin", (net.url,), len(net.content), sha256)
    one = Weights(NAME, "Tiny", "a trial", "https://example.org", "MIT", (file,), ("small",), 10)
    before = weights.REGISTRY[NAME]
    weights.REGISTRY[NAME] = one
    try:
        with (
            patch.dict(os.environ, EMSYNC_WEIGHTS=str(folder)),
            patch.object(download, "PAUSE", 0.0),
            patch.object(download, "TIMEOUT", 0.7),
        ):
            yield
    finally:
        weights.REGISTRY[NAME] = before


def hub_goes_away(fault: str, place: Path) -> str:
    """Fail in every attempt: a sentence, nothing under the name; afterwards it comes whole."""
    from emsync.weights import store as weights

    content = os.urandom(1 << 20)
    folder = place / "weights"
    with hub() as net, registered(net.serve("model.bin", content), folder):
        net.faults = [fault] * 8
        try:
            weights.pull(NAME)
            said = "it came all the same, by going on"
        except WeightsError as error:
            said = str(error).splitlines()[0][:90]
            if (folder / NAME).exists():
                raise Wrong("half of it has its name") from error
        net.faults = []
        weights.pull(NAME)
        if (folder / NAME / "model.bin").read_bytes() != content:
            raise Wrong("what is installed is not what the server has")
        if list((folder).rglob("*.partial*")):
            raise Wrong(f"left over: {files_below(folder)}")
    return said


def hub_changes(place: Path) -> str:
    """Have another file when a download goes on: it begins anew."""
    from emsync.weights import store as weights

    old, new = os.urandom(1 << 20), os.urandom(1 << 20)
    folder = place / "weights"
    with hub() as net, registered(net.serve("model.bin", new), folder):
        net.content, net.tag, net.faults = old, '"old"', ["closes", "refuses"] * 4
        with suppress(WeightsError):
            weights.pull(NAME)
        net.content, net.tag, net.faults = new, '"new"', []
        weights.pull(NAME)
        if (folder / NAME / "model.bin").read_bytes() != new:
            raise Wrong("two halves of two files were put together")
    return "begun anew"


def pull_is_killed(place: Path) -> str:
    """Kill the process that fetches in the middle: the next goes on where it was."""
    from emsync.weights import store as weights

    content, folder = os.urandom(3 << 20), place / "weights"
    with hub() as net, registered(net.serve("model.bin", content), folder):
        net.pause = 0.01
        file = weights.REGISTRY[NAME].files[0]
        code = (
            "from emsync.weights import store as weights; from emsync.weights.registry import *\n"
            f"weights.REGISTRY[{NAME!r}] = Weights({NAME!r}, '', '', '', '', (File('model.bin', "
            f"({net.url!r},), {file.bytes}, {file.sha256!r}),), (), 10)\n"
            f"weights.pull({NAME!r})"
        )
        with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY) as process:
            try:
                wait_until(lambda: net.sent > 1 << 20, 30, "a third of it has come")
            finally:
                process.kill()
        if (folder / NAME).exists():
            raise Wrong("half of it has its name")
        net.sent, net.pause = 0, 0.0
        weights.pull(NAME)
        if (folder / NAME / "model.bin").read_bytes() != content:
            raise Wrong("what is installed is not what the server has")
        if net.sent >= len(content):
            raise Wrong("it began anew instead of going on")
    return f"the rest of {net.sent >> 10} KiB came"


CASES = [
    *(
        case(f"hub {fault}", partial(hub_goes_away, fault), 30)
        for fault in ("closes", "stalls", "too little", "too much", "refuses")
    ),
    case("hub has another file", hub_changes, 30),
    case("download killed", pull_is_killed),
]
