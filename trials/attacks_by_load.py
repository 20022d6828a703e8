"""Attacks by too much: messages and uploads without end, broken off, stalled, and in parts."""

import http.client
import os
import socket
from contextlib import suppress
from pathlib import Path

from emsync.benchmarks.load import App, started
from emsync.benchmarks.speed import resident
from emsync.interface.disk_quota import FULL
from emsync.interface.guard import MOST_BODY
from emsync.settings import FilmLimits
from trials.site import Site, ask, descriptors, expect, files_of, refused, soon, upload
from trials.trial import case
from trials.visitors import begin_upload


def large_messages(site: Site, folder: Path) -> str:
    """Send messages that are too large, announced and in pieces."""
    for path in ("/gradio_api/queue/join", "/gradio_api/run/score", "/gradio_api/cancel"):
        for send in (_announced, _in_pieces):
            status = send(site.free, path, MOST_BODY + 100_000)
            expect(status == 413, f"{send.__name__} to {path}: {status}")
    status = _announced(site.free, "/gradio_api/upload", FilmLimits().bytes + 2_000_000, False)
    expect(status == 413, f"an upload that is announced as too large: {status}")
    for size in ("-1", "1e3", "x"):
        with suppress(OSError, http.client.HTTPException):  # the server may hang up at once
            refused(ask(site.free, "/gradio_api/cancel", "POST", b"", Content_Length=size), size)
    return "413"


def endless_upload(site: Site, folder: Path) -> str:
    """Upload without end: it is stopped soon after the limit, and nothing is left."""
    before = files_of(site.root)
    sent = _endless(site.free, FilmLimits().bytes + 200_000_000)
    expect(sent < FilmLimits().bytes + 60_000_000, f"{sent / 1e6:.0f} MB were taken")
    soon(lambda: files_of(site.root) == before, "what was uploaded is still there")
    return f"stopped after {sent / 1e6:.0f} MB, and nothing is left of it"


def broken_off_uploads(site: Site, folder: Path) -> str:
    """Break off 20 uploads: nothing of them is left."""
    before, open_before = files_of(site.root), descriptors(site.free)
    for _ in range(20):
        begin_upload(site.free.url, 300_000).close()
    soon(lambda: files_of(site.root) == before, "half of a file is left")
    soon(lambda: descriptors(site.free) <= open_before + 2, "descriptors are left open")
    return "20 broken off, nothing left of them"


def uploads_of_parts(site: Site, folder: Path) -> str:
    """Upload fields, a hundred files at once, and nothing: one file a message is taken."""
    before, memory = files_of(site.root), resident(site.free.process.pid)
    field = b'--edge\r\nContent-Disposition: form-data; name="%d"\r\n\r\n'
    file = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="%d.mp4"\r\n\r\n'
    for what, body in (
        ("100 MB that are no file", field % 0 + b"x" * 100_000_000),
        ("a hundred files", b"".join(file % number + b"x\r\n" for number in range(100))),
        ("a thousand fields", b"".join(field % number + b"x\r\n" for number in range(1000))),
        ("a field and no file", field % 0 + b"x"),
        ("nothing", b""),
    ):
        kind = "multipart/form-data; boundary=edge"
        with suppress(ConnectionError):  # what is refused early is not listened to
            answer = ask(
                site.free,
                "/gradio_api/upload?upload_id=x",
                "POST",
                body + b"\r\n--edge--\r\n",
                Content_Type=kind,
            )
            refused(answer, what, 400)
    refused(ask(site.free, "/gradio_api/upload", "POST", b"x", Content_Type="text/plain"), "plain")
    grown = (resident(site.free.process.pid) - memory) / 1e6
    expect(grown < 50, f"the app has grown by {grown:.0f} MB")
    soon(lambda: files_of(site.root) == before, "something is left of it")
    expect(upload(site.free, "a.mp4", b"x").status == 200, "nobody can upload any more")
    return "one file a message, and nothing else is kept"


def uploads_without_room(site: Site, folder: Path) -> str:
    """Upload until the disk's share is used up, without ever pressing a button."""
    with started(folder, EMSYNC_DISK="0.03") as app:
        (root,) = app.temporary.glob("emsync-*")
        answers = [upload(app, "a.mp4", os.urandom(10_000_000)) for _ in range(4)]
        statuses = [answer.status for answer in answers]
        # The page shows it as it comes.
        expect(answers[-1].body.decode() == FULL, f"it says {answers[-1].body!r}")
        expect(statuses == [200, 200, 507, 507], f"10 MB each where 30 MB may lie: {statuses}")
        kept = sum(path.stat().st_size for path in files_of(root))
        expect(kept <= 30_000_000, f"{kept} bytes lie there")
        before = files_of(root)
        sent = _endless(app, 200_000_000)
        expect(sent < 60_000_000, f"{sent} bytes of an upload without end were taken")
        soon(lambda: files_of(root) == before, "what was uploaded is still there")
    return "507 once the room is used up, without anybody having pressed"


def stalled_uploads(site: Site, folder: Path) -> str:
    """Begin an upload and fall silent: it is given up after a minute."""
    before = files_of(site.root)
    line = begin_upload(site.free.url, 300_000)
    line.settimeout(90)
    answer = line.recv(1000)
    line.close()
    expect(b"400" in answer.split(b"\r\n")[0], f"it said {answer[:60]!r}")
    soon(lambda: files_of(site.root) == before, "half of a file is left")
    return "given up after a minute of silence"


def _announced(app: App, path: str, size: int, sent: bool = True) -> int:
    """Return the status for a body that is announced to have `size` bytes."""
    host, _, port = app.url.partition("://")[2].partition(":")
    with socket.create_connection((host, int(port)), 20) as line:
        line.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {size}\r\n\r\n".encode()
        )
        with suppress(OSError):
            if sent:
                line.sendall(b'{"data":["' + b"x" * 1000)
        return int(line.recv(100).split()[1])


def _in_pieces(app: App, path: str, size: int) -> int:
    """Return the status for a body of `size` bytes that is not announced."""
    host, _, port = app.url.partition("://")[2].partition(":")
    with socket.create_connection((host, int(port)), 20) as line:
        line.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        with suppress(OSError):
            for _ in range(size // 10_000):
                line.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        return int(line.recv(100).split()[1])


def _endless(app: App, most: int) -> int:
    """Return how many bytes are taken of an upload without end; stop after `most`."""
    piece = b"\0" * 1_000_000
    sent = 0
    with begin_upload(app.url, 1000) as line:
        try:
            while sent < most:
                line.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                sent += len(piece)
        except OSError:
            pass
    return sent


CASES = [
    case("messages too large", large_messages, 30),
    case("an upload without end", endless_upload, 120, slow=True),
    case("uploads broken off", broken_off_uploads, 30),
    case("uploads that are no file", uploads_of_parts, 30),
    case("uploads without a press", uploads_without_room, 60, slow=True),
    case("an upload that stalls", stalled_uploads, 100, slow=True),
]
