"""People who use the page, without a browser: they speak to the app as the page's own scripts do,
and go away whenever they like."""

import http.client
import json
import re
import secrets
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from gradio_client.utils import apply_diff

from emsync.film.ffmpeg import ffmpeg_executable

_PATIENCE = 300.0
"""Seconds without a word from the app."""


def begin_upload(url: str, size: int) -> socket.socket:
    """Return a connection on which `size` bytes of a larger file have been sent."""
    host, _, port = url.partition("://")[2].partition(":")
    line = socket.create_connection((host, int(port)), 20)
    line.sendall(
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: "
        "multipart/form-data; boundary=edge\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    head = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
    for piece in (head, b"x" * size):
        line.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    time.sleep(0.02)
    return line


class Visitor:
    """One open page, from the moment that it is loaded until it is closed."""

    def __init__(self, url: str, query: str = "") -> None:
        """
        Args:
            url: of the app.
            query: of the page's address, without the question mark.
        """
        self._host = url.partition("://")[2]
        self._query = query
        self._name = secrets.token_hex(6)
        config = json.loads(self._get("/config"))
        self._functions = {one["api_name"]: one for one in config["dependencies"]}
        self._parts = {
            one["props"].get("elem_id") or one["props"].get("label"): one["id"]
            for one in config["components"]
        }
        self._values: dict[int, Any] = {
            one["id"]: one["props"].get("value") for one in config["components"]
        }
        self._stream: http.client.HTTPConnection | None = None
        # As long as it is open, so is the page.
        self._alive = http.client.HTTPConnection(self._host, timeout=_PATIENCE)
        self._alive.request("GET", f"/gradio_api/heartbeat/{self._name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the tab, whatever is under way."""
        for connection in (self._alive, self._stream):
            if connection is not None:
                with suppress(OSError):
                    if connection.sock is not None:
                        connection.sock.shutdown(socket.SHUT_RDWR)
                connection.close()

    def value(self, part: str) -> Any:
        """Return what a part of the page shows, by its `elem_id` or label."""
        return self._values[self._parts[part]]

    def set(self, part: str, value: object) -> None:
        """Turn a knob."""
        self._values[self._parts[part]] = value

    def upload(self, film: Path) -> dict[str, Any]:
        """Send a file; returns how messages name it."""
        edge = secrets.token_hex(12)
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{film.name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + film.read_bytes() + f"\r\n--{edge}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        (path,) = json.loads(self._ask("POST", "/gradio_api/upload", body, kind))
        return {
            "path": path,
            "orig_name": film.name,
            "size": film.stat().st_size,
            "meta": {"_type": "gradio.FileData"},
        }

    def choose(self, film: Path) -> None:
        """Drop a film into the page, and wait until it was looked at."""
        self.set("em-film", self.upload(film))
        for _ in self.call("on_film"):
            pass

    def call(self, function: str) -> Iterator[None]:
        """Press something; yields whenever the page has changed.

        Args:
            function: its name among the page's functions.

        Raises:
            RuntimeError: with what the page shows in a corner.
        """
        one = self._functions[function]
        message = {
            "data": [self._values[part] for part in one["inputs"]],
            "fn_index": one["id"],
            "session_hash": self._name,
            "trigger_id": one["targets"][0][0],
        }
        body = json.dumps(message).encode()
        address = f"/gradio_api/queue/join?{self._query}"
        event = json.loads(self._ask("POST", address, body, {"Content-Type": "application/json"}))
        self._stream = http.client.HTTPConnection(self._host, timeout=_PATIENCE)
        try:
            self._stream.request("GET", f"/gradio_api/queue/data?session_hash={self._name}")
            shown: list[Any] = []
            for line in self._stream.getresponse():
                if not line.startswith(b"data:"):
                    continue
                told = json.loads(line[5:])
                kind = told["msg"]
                if told.get("event_id") != event["event_id"]:
                    continue
                if kind == "process_completed" and not told["success"]:
                    raise RuntimeError(str(told["output"].get("error")))
                if kind == "process_generating" and shown:
                    changes = told["output"]["data"]
                    shown = [apply_diff(old, new) for old, new in zip(shown, changes, strict=True)]
                elif kind in ("process_generating", "process_completed"):
                    shown = told["output"]["data"]
                else:
                    continue
                self._show(one["outputs"], shown)
                yield
                if kind == "process_completed":
                    return
            raise RuntimeError("The app hung up.")
        finally:
            if self._stream is not None:
                self._stream.close()
                self._stream = None

    def press_cancel(self) -> None:
        """Cancel as the button does it: past Gradio's queue."""
        one = self._functions["on_cancel"]
        message = {"data": [], "fn_index": one["id"], "session_hash": self._name}
        kind = {"Content-Type": "application/json"}
        self._ask("POST", "/gradio_api/run/predict", json.dumps(message).encode(), kind)

    def files(self, folder: Path) -> tuple[Path, ...]:
        """Save scored film, MIDI, WAV and report."""
        found = dict(re.findall(r'id="(em-[\w-]+)"[^>]* href="([^"]+)"', self._links()))
        saved = []
        for part in ("em-film-file", "em-midi", "em-wav", "em-json"):
            path = folder / f"{part}{Path(found[part]).suffix}"
            path.write_bytes(self._get("/" + found[part]))
            saved.append(path)
        return tuple(saved)

    def addresses(self) -> list[str]:
        """Return where the files are."""
        return re.findall(r'href="([^"]+)"', self._links())

    def _links(self) -> str:
        return f"{self.value('em-get-film')}{self.value('em-downloads')}"

    def status_of(self, address: str) -> int:
        """Return the status with which the app answers for a file: 200 if it is there."""
        connection = http.client.HTTPConnection(self._host, timeout=_PATIENCE)
        try:
            connection.request("GET", "/" + address)
            return connection.getresponse().status
        finally:
            connection.close()

    def _show(self, parts: list[int], shown: list[Any]) -> None:
        for part, value in zip(parts, shown, strict=True):
            if isinstance(value, dict) and value.get("__type__") == "update":
                if "value" in value:
                    self._values[part] = value["value"]
            else:
                self._values[part] = value

    def _get(self, path: str) -> bytes:
        return self._ask("GET", path)

    def _ask(
        self, method: str, path: str, body: bytes | None = None, kind: dict[str, str] | None = None
    ) -> bytes:
        connection = http.client.HTTPConnection(self._host, timeout=_PATIENCE)
        try:
            connection.request(method, path, body, kind or {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path} {answer.status}: {content[:200].decode(errors='replace')}")
        return content


@contextmanager
def begin_score(url: str, film: Path) -> Iterator[None]:
    """Wait as a program for a film to be scored, and hang up at the end of the ``with`` block."""
    with Visitor(url) as page:
        body = json.dumps({"data": [page.upload(film), {"music": {"openings": 1}}, None]}).encode()
        kind = {"Content-Type": "application/json"}
        event = json.loads(page._ask("POST", "/gradio_api/call/score", body, kind))["event_id"]
        with urllib.request.urlopen(f"{url}/gradio_api/call/score/{event}", timeout=_PATIENCE):
            yield


def sentence_in(html: object) -> str:
    """Return what a problem says on the page; empty if it shows none."""
    found = re.search(r'class="em-problem"[^>]*>([^<]*)<', str(html or ""))
    return found[1] if found else ""


def colour_film(path: Path, colour: tuple[int, int, int], seconds: float) -> Path:
    """Write a film of one colour and as much of a tone, with 25 frames a second."""
    red, green, blue = colour
    picture = f"color=c=0x{red:02X}{green:02X}{blue:02X}:s=96x64:d={seconds}:r=25"
    tone = f"sine=frequency={200 + red}:d={seconds}:r=44100"
    command = [
        *(ffmpeg_executable(), "-nostdin", "-v", "error", "-y"),
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, "-threads", "1"),
        *("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"),
        f"file:{path}",
    ]
    subprocess.run(command, check=True, timeout=60)
    return path


def colour_of(film: Path) -> tuple[int, int, int]:
    """Return red, green and blue of its first frame, 0 to 255."""
    command = [
        *(ffmpeg_executable(), "-nostdin", "-v", "error", "-i", f"file:{film}", "-frames:v", "1"),
        *("-vf", "scale=1:1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"),
    ]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True)
    red, green, blue = done.stdout[:3]
    return red, green, blue


def query_of(**asked: object) -> str:
    """Return the part of an address after the question mark."""
    return urllib.parse.urlencode(asked)
