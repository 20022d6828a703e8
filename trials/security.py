"""Attacks on the running app: `python -m trials.security`.

Two apps are started in folders of their own, one that is open to everybody and one with a password.
Whatever is asked for here is asked for by plain HTTP, as anybody can.
"""

import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from gradio_client.exceptions import AppError

from emsync.benchmarks.load import App, connect, score, started
from emsync.benchmarks.speed import resident
from emsync.film.ffmpeg import ffmpeg_executable
from emsync.interface.disk_quota import FULL
from emsync.interface.guard import MOST_BODY
from emsync.settings import FilmLimits
from trials import trial
from trials.trial import Trial, Wrong
from trials.visitors import begin_upload

REPOSITORY = Path(__file__).resolve().parents[1]
PASSWORD = "a long word & a longer: one"
HUB_TOKEN = "hf_thisIsNobodysTokenButOurs"
FILM_NAME = "nobody is to know of this film"
QUICK = {"music": {"openings": 1}}
_FILE = "/gradio_api/file="
_JSON = {"Content-Type": "application/json"}
_MOST_READ = 2_000_000
_EVIL = "http://evil.example"


@dataclass(frozen=True)
class Site:
    """The two apps, and what lies in the folder of the open one."""

    free: App
    locked: App

    @property
    def root(self) -> Path:
        """Of the open one's uploads and results."""
        (root,) = self.free.temporary.glob("emsync-*")
        return root


@dataclass(frozen=True)
class Case:
    """An attack: returns in a few words what came of it, raises `Wrong` if it went through."""

    name: str
    attack: Callable[[Site, Path], str]
    seconds: float = 30.0
    slow: bool = False

    def of(self, site: Site) -> Trial:
        """As a trial of these apps."""
        return Trial(self.name, lambda folder: self.attack(site, folder), self.seconds, self.slow)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def site() -> Iterator[Site]:
    """Both apps, while a ``with`` block runs."""
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
    """One request, its path sent as it is. A stream is read up to its first piece.

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
    """A file, as a browser sends it."""
    edge = "edge-of-this-message"
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode() + content
    body += f"\r\n--{edge}--\r\n".encode()
    kind = f"multipart/form-data; boundary={edge}"
    return ask(app, "/gradio_api/upload", "POST", body, Content_Type=kind, **headers)


def film(folder: Path, name: str = f"{FILM_NAME}.mp4", *options: str) -> Path:
    """1.5 s of test picture."""
    path = folder / name
    if path.exists():
        return path
    source = ["-f", "lavfi", "-i", "testsrc2=s=160x120:d=1.5:r=25", "-pix_fmt", "yuv420p"]
    command = [ffmpeg_executable(), "-nostdin", "-v", "error", *source, *options, f"file:{path}"]
    subprocess.run(command, check=True, timeout=60)
    return path


def given(path: str) -> dict[str, Any]:
    """A file as a message names it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def expect(is_right: bool, otherwise: str) -> None:
    """Raises `Wrong` unless it is right."""
    if not is_right:
        raise Wrong(otherwise)


def refused(answer: Answer, what: str, *statuses: int) -> None:
    """It was refused: in words, and with nothing of the machine in them."""
    allowed = statuses or (400, 401, 403, 404, 405, 413)
    expect(answer.status in allowed, f"{what}: {answer.status} {answer.body[:80]!r}")
    expect(b"root:" not in answer.body and b"Traceback" not in answer.body, f"{what}: it told")


# Files ------------------------------------------------------------------------------------------


def outside_files(site: Site, folder: Path) -> str:
    root, count = site.root, 0
    secret = folder / "secret.txt"
    secret.write_text("root: a secret")
    weights = next((REPOSITORY / "weights").rglob("*.safetensors"))
    places = ["/etc/passwd", "/proc/self/environ", str(secret), str(site.free.log), str(weights)]
    places += [str(REPOSITORY / name) for name in ("app.py", "README.md", ".git/config")]
    ways: list[str] = []
    for place in places:
        up = "../" * 12 + place[1:]
        encoded = place.replace("/", "%2F")
        ways += [place, f"/{place}", f"//{place}", encoded, encoded.replace("%", "%25")]
        ways += [f"{root}/{up}", f"{root}/{up}".replace("..", "%2e%2e"), up]
        ways += [f"{REPOSITORY}/examples/{up}", f"{root}/..%5c..%5c{place}", f"{place}%00.mp4"]
        ways += [f"file://{place}", f"file:{place}", f"{place}/", f"{place}?", f".{place}"]
    ways += ["C:/Windows/win.ini", "C:%5CWindows%5Cwin.ini", "%5C%5Chost%5Cshare", "~", "%7E/.ssh"]
    ways += [str(root), f"{root}/", str(root.parent), "/", "", "%00", "a" * 5000, "."]
    for way in ways:
        for start in (_FILE, "/gradio_api/file/", "/file=", "/file/"):
            refused(ask(site.free, start + way), start + way)
            count += 1
    for start in ("/static/", "/assets/", "/svelte/", "/gradio_api/custom_component/"):
        for way in ("../" * 12 + "etc/passwd", "..%2f" * 12 + "etc/passwd", "%2fetc%2fpasswd"):
            refused(ask(site.free, start + way), start + way)
            count += 1
    return f"{count} addresses, none of them served"


def other_visitors(site: Site, folder: Path) -> str:
    place = Path(upload(site.free, "mine.mp4", os.urandom(100)).json[0])
    expect(ask(site.free, f"{_FILE}{place}").status == 200, "one's own file is not served")
    for other in (place.parent, f"{place.parent}/", site.root, f"{place}x", f"{place.parent}/*"):
        refused(ask(site.free, f"{_FILE}{other}"), str(other))
    again = Path(upload(site.free, "mine.mp4", b"known content").json[0])
    name = again.parent.name
    known = {
        hashlib.sha256(b"known content").hexdigest(),
        hashlib.sha1(b"known content").hexdigest(),
    }
    expect(name not in known, "the folder's name follows from the content")
    return "only whoever knows the whole name gets a file, and the names cannot be made up"


def links_out(site: Site, folder: Path) -> str:
    secret = folder / "secret.txt"
    secret.write_text("root: a secret")
    link = site.root / "link.txt"
    link.symlink_to(secret)
    try:
        refused(ask(site.free, f"{_FILE}{link}"), "a link out of the folder", 403)
    finally:
        link.unlink()
    return "a link out of the folder leads nowhere"


class Listener:
    """Somebody else's server, which counts who comes."""

    def __init__(self) -> None:
        self.came = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/film.mp4"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                other, _ = self._socket.accept()
                self.came += 1
                other.close()

    def close(self) -> None:
        self._socket.close()


def addresses_for_files(site: Site, folder: Path) -> str:
    place = upload(site.free, "film.mp4", b"no film").json[0]
    listener = Listener()
    try:
        hosts = [listener.url, listener.url.replace("127.0.0.1", "localhost")]
        for url in [
            *hosts,
            "http://169.254.169.254/latest/meta-data/",
            "https://example.com/a.mp4",
        ]:
            for path in (f"{_FILE}{url}", f"/gradio_api/proxy={url}", f"/gradio_api/file/{url}"):
                refused(ask(site.free, path), path)
            for value in (given(url), {"path": url}, {**given(url), "url": url}):
                message = {"data": [value, None, None]}
                refused(ask(site.free, "/gradio_api/run/score", "POST", message), url, 403)
            # What was uploaded is looked at, wherever else it is said to be, and is no film.
            message = {"data": [{**given(place), "url": url}, None, None]}
            refused(ask(site.free, "/gradio_api/run/score", "POST", message), url, 403, 500)
        expect(listener.came == 0, f"the app called {listener.came} times")
    finally:
        listener.close()
    return "no address is called"


def server_files_for_uploads(site: Site, folder: Path) -> str:
    count = 0
    config = ask(site.free, "/config").json
    for function in config["dependencies"]:
        for slot in range(len(function["inputs"])):
            place = ("/etc/passwd", f"{site.root}/../x")[slot % 2]
            data: list[Any] = [None] * len(function["inputs"])
            data[slot] = (given(place), [{"path": place}])[slot // 2 % 2]
            message = {"data": data, "fn_index": function["id"], "session_hash": "mine"}
            answer = ask(site.free, "/gradio_api/queue/join", "POST", message)
            refused(answer, f"{place} for input {slot} of {function['id']}", 403)
            count += 1
    places = ["/etc/passwd", str(REPOSITORY / "examples"), str(site.free.log), "app.py", "~", ""]
    for way in ("run", "api", "call"):
        for place in places:
            message = {"data": [given(place), None, None]}
            refused(ask(site.free, f"/gradio_api/{way}/score", "POST", message), place, 403)
    message = {"film": given("/etc/passwd"), "settings": None, "moods": None}
    refused(ask(site.free, "/gradio_api/call/v2/score", "POST", message), "call/v2", 403)
    expect(count > 100, f"only {count} were tried")
    return f"{count} files of the server in place of uploads, all refused"


def names_of_uploads(site: Site, folder: Path) -> str:
    names = ["../../x.mp4", "..%2f..%2fx.mp4", "/etc/passwd", "C:\\Windows\\x.mp4", "..", ".", ""]
    names += ["a" * 255 + ".mp4", "\u202etxt.4pm", "a\tb.mp4", "-rf.mp4", "$(touch x).mp4"]
    names += ["`id`.mp4", "x;y.mp4", "x|y.mp4", "x.mp4\0.html", "<img src=x onerror=alert(1)>.mp4"]
    names += ["é" * 120 + ".mp4", "con.mp4", ".bashrc", "a'b.mp4", "%00.mp4", "&lt;.mp4"]
    before = {path for path in site.root.parent.rglob("*") if site.root not in path.parents}
    for name in names:
        answer = upload(site.free, name, os.urandom(50))
        if answer.status != 200:
            refused(answer, name)
            continue
        place = Path(answer.json[0])
        expect(place.parent.parent == site.root, f"{name!r} lies at {place}")
        expect(not set(place.name) & set('<>"/\\\0\n'), f"{name!r} is called {place.name}")
        expect(not place.stat().st_mode & 0o111, f"{name!r} can be executed")
    after = {path for path in site.root.parent.rglob("*") if site.root not in path.parents}
    expect(before == after, f"beside the folder: {after - before}")
    return f"{len(names)} names, each in a folder of its own or refused"


def uploads_as_pages(site: Site, folder: Path) -> str:
    script = b"<script xmlns='http://www.w3.org/1999/xhtml'>alert(1)</script>"
    kinds = {
        "html": script,
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'>" + script + b"</svg>",
    }
    kinds |= {"xhtml": script, "xml": script, "js": b"alert(1)", "mp4": script, "shtml": script}
    for kind, content in kinds.items():
        place = upload(site.free, f"page.{kind}", content).json[0]
        answer = ask(site.free, f"{_FILE}{place}")
        told = answer.headers
        expect(answer.status == 200, f"{kind}: {answer.status}")
        expect(told["x-content-type-options"] == "nosniff", f"{kind} may be taken for a page")
        policy = told["content-security-policy"]
        expect("sandbox;" in policy and "default-src 'none'" in policy, f"{kind}: {policy}")
        if kind != "mp4":
            expect("attachment" in told["content-disposition"], f"{kind} is shown")
            expect(told["content-type"] == "application/octet-stream", f"{kind}: its own type")
    return "saved, not shown; and in a sandbox"


def recordings(site: Site, folder: Path) -> str:
    config = ask(site.free, "/config").json
    (camera,) = (
        part["id"] for part in config["components"] if part["props"].get("elem_id") == "em-camera"
    )
    (function,) = (one for one in config["dependencies"] if camera in one["inputs"])
    place = Path(upload(site.free, "sample.webm", film(folder).read_bytes()).json[0])
    data = [given(str(place)) if one == camera else None for one in function["inputs"]]
    message = {"data": data, "fn_index": function["id"], "session_hash": "records"}
    answer = ask(site.free, "/gradio_api/queue/join", "POST", message)
    expect(answer.status == 200, f"it was refused: {answer.status}")
    with urllib.request.urlopen(
        f"{site.free.url}/gradio_api/queue/data?session_hash=records", timeout=20
    ) as told:
        lines = (line.decode() for line in told)
        expect(any('"process_completed"' in line for line in lines), "it did not end")
    beside = [path.name for path in place.parent.iterdir() if path != place]
    expect(not beside, f"something made {beside} of it")
    expect("ffmpeg" not in site.free.log.read_text(), "somebody else's FFmpeg has opened it")
    return "opened by nobody but us"


# Ways in ----------------------------------------------------------------------------------------


def other_routes(site: Site, folder: Path) -> str:
    """Every route that Gradio has, and some that servers often have."""
    import gradio
    from gradio.routes import App as GradioApp

    with gradio.Blocks() as page:
        pass
    page.config = page.get_config_file()
    needed = re.compile(
        r"/(login|config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|logout)?/?|"
        r"/(assets|static)/.*|/gradio_api/((info|app_id|reset)/?|startup-events|theme\.css|cancel|"
        r"upload|upload_progress|queue/(join|data)|file=.*|heartbeat/.*|"
        r"run/predict|(run|api|call|call/v2)/score/?|call/(v2/)?score/x)"
    )
    closed = 0
    listed = GradioApp.create_app(page).openapi()["paths"]
    found = {re.sub(r"\{\w+\}", "x", path.replace("{api_name}", "score")) for path in listed}
    expect(len(found) > 60, f"only {len(found)} routes were found")
    found |= {"/docs", "/redoc", "/openapi.json", "/metrics", "/.env", "/admin", "/gradio_api/mcp/"}
    found |= {"/gradio_api/run/press", "/gradio_api/call/press", "//", "/gradio_api//upload"}
    for path in sorted(found):
        if not needed.fullmatch(path):
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                refused(ask(site.free, path, method), f"{method} {path}", 404)
            closed += 1
    return f"{closed} of {len(found)} routes are closed"


def names_of_calls(site: Site, folder: Path) -> str:
    told = ask(site.free, "/gradio_api/info").json
    expect(list(told["named_endpoints"]) == ["/score"], f"named: {list(told['named_endpoints'])}")
    expect(not told["unnamed_endpoints"], "there are calls without a name")
    for function in ask(site.free, "/config").json["dependencies"]:
        data = [None] * len(function["inputs"])
        message = {"data": data, "fn_index": function["id"]}
        answer = ask(site.free, "/gradio_api/queue/join", "POST", message)
        refused(answer, f"function {function['id']} without a page", 400)
        if function["api_name"] in ("press", "choose", "press_cancel", "press_forget", "close"):
            answer = ask(site.free, "/gradio_api/run/predict", "POST", message)
            refused(answer, f"function {function['id']} without a page", 500)
    return "/score and nothing else"


def strange_messages(site: Site, folder: Path) -> str:
    join = "/gradio_api/queue/join"
    deep: Any = None
    for _ in range(500):
        deep = [deep]
    wrong: list[object] = [
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff\xfe",
        b'{"data":' * 50_000,
        b"1e999999",
    ]
    wrong += [{"data": [], "session_hash": name} for name in ("x" * 65, 5, ["x"], {"a": 1})]
    wrong += [{"data": deep}, {"data": [{"path": 5}]}, {"data": [{"path": "/etc\0/passwd"}]}]
    for message in wrong:
        answer = ask(site.free, join, "POST", message)
        refused(answer, repr(message)[:60], 400, 403)
    expect(b"detail" in ask(site.free, join, "POST", b"{").body, "it is not said what is wrong")
    refused(ask(site.free, "/gradio_api/heartbeat/" + "x" * 65), "a long name of a page", 400)
    return "each gets a sentence"


def takes_of_others(site: Site, folder: Path) -> str:
    client = connect(site.free.url, folder / "received")
    try:
        token = score(client, film(folder), QUICK)[4]
    finally:
        client.close()
    expect(len(token) >= 24, f"the token {token} is short")
    told = "".join(ask(site.free, path).body.decode() for path in ("/", "/config"))
    expect(token not in told and FILM_NAME not in told, "the page tells of others' takes")
    (place,) = site.root.glob(f"request-{token}/*/*.mp4")
    expect(ask(site.free, f"{_FILE}{place}".replace(" ", "%20")).status == 200, "it is not served")
    near = token[:-1] + ("y" if token.endswith("x") else "x")
    for other in (place.parent, place.parent.parent, str(place).replace(token, near)):
        refused(ask(site.free, f"{_FILE}{other}".replace(" ", "%20")), str(other), 403)
    return "not told, not listed, not guessed"


# How much ---------------------------------------------------------------------------------------


def large_messages(site: Site, folder: Path) -> str:
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
    before = _files(site.root)
    sent = _endless(site.free, FilmLimits().bytes + 200_000_000)
    expect(sent < FilmLimits().bytes + 60_000_000, f"{sent / 1e6:.0f} MB were taken")
    _soon(lambda: _files(site.root) == before, "what was uploaded is still there")
    return f"stopped after {sent / 1e6:.0f} MB, and nothing is left of it"


def broken_off_uploads(site: Site, folder: Path) -> str:
    before, open_before = _files(site.root), _descriptors(site.free)
    for _ in range(20):
        begin_upload(site.free.url, 300_000).close()
    _soon(lambda: _files(site.root) == before, "half of a file is left")
    _soon(lambda: _descriptors(site.free) <= open_before + 2, "descriptors are left open")
    return "20 broken off, nothing left of them"


def uploads_of_parts(site: Site, folder: Path) -> str:
    before, memory = _files(site.root), resident(site.free.process.pid)
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
    _soon(lambda: _files(site.root) == before, "something is left of it")
    expect(upload(site.free, "a.mp4", b"x").status == 200, "nobody can upload any more")
    return "one file a message, and nothing else is kept"


def uploads_without_room(site: Site, folder: Path) -> str:
    with started(folder, EMSYNC_DISK="0.03") as app:
        (root,) = app.temporary.glob("emsync-*")
        answers = [upload(app, "a.mp4", os.urandom(10_000_000)) for _ in range(4)]
        statuses = [answer.status for answer in answers]
        # The page shows it as it comes.
        expect(answers[-1].body.decode() == FULL, f"it says {answers[-1].body!r}")
        expect(statuses == [200, 200, 507, 507], f"10 MB each where 30 MB may lie: {statuses}")
        kept = sum(path.stat().st_size for path in _files(root))
        expect(kept <= 30_000_000, f"{kept} bytes lie there")
        before = _files(root)
        sent = _endless(app, 200_000_000)
        expect(sent < 60_000_000, f"{sent} bytes of an upload without end were taken")
        _soon(lambda: _files(root) == before, "what was uploaded is still there")
    return "507 once the room is used up, without anybody having pressed"


def stalled_uploads(site: Site, folder: Path) -> str:
    before = _files(site.root)
    line = begin_upload(site.free.url, 300_000)
    line.settimeout(90)
    answer = line.recv(1000)
    line.close()
    expect(b"400" in answer.split(b"\r\n")[0], f"it said {answer[:60]!r}")
    _soon(lambda: _files(site.root) == before, "half of a file is left")
    return "given up after a minute of silence"


def _announced(app: App, path: str, size: int, sent: bool = True) -> int:
    """Status for a body that is announced to be so large."""
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
    """Status for a body that is not announced."""
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
    """Bytes that were taken of an upload without end."""
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


def _files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def _descriptors(app: App) -> int:
    """Open files and connections; 0 where that cannot be seen."""
    folder = Path(f"/proc/{app.process.pid}/fd")
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def _soon(is_right: Callable[[], bool], otherwise: str, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not is_right():
        expect(time.monotonic() < end, otherwise)
        time.sleep(0.1)


# Other sites ------------------------------------------------------------------------------------


def other_origins(site: Site, folder: Path) -> str:
    place = upload(site.free, "a.mp4", b"some film").json[0]
    origins = [_EVIL, "null", "https://huggingface.co", "http://localhost:1", "http://127.0.0.1:1"]
    for origin in origins:
        for path in ("/", "/config", "/gradio_api/info", f"{_FILE}{place}", "/nothing"):
            for method in ("GET", "OPTIONS"):
                answer = ask(
                    site.free, path, method, Origin=origin, Access_Control_Request_Method="POST"
                )
                told = [name for name in answer.headers if name.startswith("access-control")]
                expect(not told, f"{origin} is told {told} for {path}")
    for origin in (_EVIL, "null", "https://huggingface.co"):
        answer = ask(site.free, "/gradio_api/queue/join", "POST", {"data": []}, Origin=origin)
        refused(answer, f"a message from {origin}", 403)
        refused(upload(site.free, "a.mp4", b"x", Origin=origin), f"an upload from {origin}", 403)
    for other in ("cross-site", "same-site"):
        refused(upload(site.free, "a.mp4", b"x", Sec_Fetch_Site=other), other, 403)
        for path in (f"{_FILE}{place}", "/gradio_api/queue/data?session_hash=a", "/logout"):
            refused(ask(site.free, path, Sec_Fetch_Site=other), f"{other} {path}", 403)
    visit = ask(site.free, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    expect(visit.status == 200, "a link from elsewhere does not lead to the page")
    own = upload(site.free, "a.mp4", b"x", Origin=site.free.url, Sec_Fetch_Site="same-origin")
    expect(own.status == 200, "the page itself may not upload")
    return "nothing is told to them, and nothing taken from them"


def other_names(site: Site, folder: Path) -> str:
    port = site.free.url.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "127.1"):
        for path in ("/", "/config", f"{_FILE}/etc/passwd"):
            refused(ask(site.free, path, Host=host), f"{path} at {host!r}", 400, 403)
    for host in (f"localhost:{port}", "LOCALHOST", f"127.0.0.1:{port}", "[::1]:1", "localhost."):
        expect(ask(site.free, "/", Host=host).status == 200, f"{host} is refused")
    return "a name that is made to mean this machine is refused"


def headers_of_answers(site: Site, folder: Path) -> str:
    place = upload(site.free, "a.mp4", b"some film").json[0]
    for path in ("/", "/config", "/nothing", f"{_FILE}{place}", "/gradio_api/heartbeat/x"):
        told = ask(site.free, path).headers
        for name, value in {
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "private, no-store",
        }.items():
            expect(told.get(name) == value, f"{path}: {name} is {told.get(name)}")
        expect("geolocation=()" in told["permissions-policy"], f"{path}: permissions")
        policy = told["content-security-policy"]
        expect("default-src 'none'" in policy, f"{path}: {policy}")
        expect("frame-ancestors" in policy and "*" not in policy, f"{path}: {policy}")
    first, second = (ask(site.free, "/").headers["content-security-policy"] for _ in range(2))
    scripts = re.findall(r"script-src ([^;]*)", first)[0]
    expect("'unsafe-inline'" not in scripts, "scripts in HTML may run")
    expect(first != second, "the number of the page's scripts is always the same")
    return "all there"


# Password and log -------------------------------------------------------------------------------


def without_password(site: Site, folder: Path) -> str:
    refused(upload(site.locked, "a.mp4", b"x"), "upload", 401)
    paths = ["/config", "/gradio_api/info", "/gradio_api/heartbeat/x", "/gradio_api/app_id"]
    paths += [f"{_FILE}{REPOSITORY}/examples/README.md", "/gradio_api/call/score/x"]
    paths += ["/gradio_api/queue/data?session_hash=x", "/gradio_api/upload_progress?upload_id=x"]
    for path in paths:
        refused(ask(site.locked, path), path, 401)
        forged = "; ".join(f"access-token-{kind}x=None" for kind in ("", "unsecure-"))
        refused(ask(site.locked, path, Cookie=forged), path, 401)
    for path in ("queue/join", "cancel", "reset", "run/score", "call/score", "call/v2/score"):
        message = {"data": [], "session_hash": "x"}
        refused(ask(site.locked, f"/gradio_api/{path}", "POST", message), path, 401)
    page = ask(site.locked, "/").body.decode()
    expect('"auth_required":true' in page, "the page does not ask for the password")
    expect("em-compose" not in page and PASSWORD not in page, "the page is told before")
    return "nothing but the question for it"


def wrong_passwords(site: Site, folder: Path) -> str:
    def attempt(word: str, user: str = "emsync", place: str = "203.0.113.9") -> int:
        body = urlencode({"username": user, "password": word}).encode()
        kind = "application/x-www-form-urlencoded"
        answer = ask(site.locked, "/login", "POST", body, Content_Type=kind, X_Forwarded_For=place)
        return answer.status

    began = time.monotonic()
    expect(attempt("wrong", place="203.0.113.8") == 400, "a wrong password is right")
    expect(time.monotonic() - began > 0.9, "a wrong password is refused at once")
    expect(attempt(PASSWORD, "else", "203.0.113.8") == 400, "any name will do")
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda word=word: statuses.append(attempt(word)))
        for word in map(str, range(10))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(set(statuses) == {400}, f"wrong ones: {statuses}")
    expect(attempt(PASSWORD) == 429, "whoever has guessed ten times may go on")
    expect(attempt(PASSWORD, place="203.0.113.10") == 200, "and everybody else has to wait too")
    at_once = _held_back(site.locked, 25)
    expect(at_once.count(400) <= 10, f"25 that came at the same moment: {at_once}")
    return "a second each, and after ten of them ten minutes"


def _held_back(app: App, count: int) -> list[int]:
    """Statuses of wrong passwords whose last byte comes only after all were begun."""
    host, _, port = app.url.partition("://")[2].partition(":")
    body = urlencode({"username": "emsync", "password": "wrong"}).encode()
    head = (
        f"POST /login HTTP/1.1\r\nHost: {host}:{port}\r\nX-Forwarded-For: 203.0.113.11\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    lines = [socket.create_connection((host, int(port)), 20) for _ in range(count)]
    for line in lines:
        line.sendall(head + body[:-1])
    time.sleep(0.5)
    for line in lines:
        line.sendall(body[-1:])
    statuses = []
    for line in lines:
        with line:
            statuses.append(int(line.recv(100).split()[1]))
    return statuses


def secrets_in_log(site: Site, folder: Path) -> str:
    broken = folder / f"{FILM_NAME} broken.mp4"
    broken.write_bytes(b"no film")
    received = folder / "received"
    for app in (site.free, site.locked):
        password = PASSWORD if app is site.locked else None
        before = len(app.log.read_text())
        client = connect(app.url, received, password)
        try:
            scored, *_, token = score(client, film(folder), QUICK)
            expect(Path(scored).stat().st_size > 1000, "no film came back")
            with suppress(AppError):
                score(client, broken, QUICK)
        finally:
            client.close()
        ask(app, f"/?take={token}&password={quote(PASSWORD)}")
        ask(app, f"{_FILE}/x/{HUB_TOKEN}")
        said = app.log.read_text()
        for secret in (PASSWORD, HUB_TOKEN, token, FILM_NAME, "POST ", "GET "):
            expect(secret not in said, f"the log says {secret!r}")
        # Of others' nonsense Gradio does write one.
        expect("Traceback" not in said[before:], f"the log says {said[before:][-2000:]}")
        command = Path(f"/proc/{app.process.pid}/cmdline")
        if command.exists():
            expect(PASSWORD.encode() not in command.read_bytes(), "it is among the arguments")
    return "no password, token, link or name of a film; and whoever has the password gets a film"


def nonsense_about_access(site: Site, folder: Path) -> str:
    for variables, word in (
        ({"EMSYNC_PASSWORD": "short"}, "at least"),
        ({"EMSYNC_USER": "me"}, "both or neither"),
        ({"EMSYNC_FRAMES": "javascript:x; script-src *"}, "origins"),
    ):
        done = subprocess.run(
            [sys.executable, "app.py"],
            cwd=REPOSITORY,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=60,
        )
        expect(done.returncode == 1 and word in done.stderr, f"{variables}: {done.stderr}")
        expect("short" not in done.stderr and "Traceback" not in done.stderr, done.stderr)
    return "a sentence, and no start"


CASES = (
    Case("files outside its folder", outside_files, 60),
    Case("files of other visitors", other_visitors),
    Case("links out of its folder", links_out),
    Case("addresses in place of files", addresses_for_files),
    Case("files of the server in place of uploads", server_files_for_uploads, 60),
    Case("names of uploads", names_of_uploads),
    Case("uploads as pages", uploads_as_pages),
    Case("films of the camera", recordings),
    Case("routes nobody needs", other_routes),
    Case("calls nobody is to make", names_of_calls),
    Case("messages that are none", strange_messages),
    Case("takes of others", takes_of_others, 60),
    Case("messages too large", large_messages),
    Case("an upload without end", endless_upload, 120, slow=True),
    Case("uploads broken off", broken_off_uploads),
    Case("uploads that are no file", uploads_of_parts),
    Case("uploads without a press", uploads_without_room, 60, slow=True),
    Case("an upload that stalls", stalled_uploads, 100, slow=True),
    Case("pages of other origins", other_origins),
    Case("other names for this machine", other_names),
    Case("headers", headers_of_answers),
    Case("no password", without_password),
    Case("wrong passwords", wrong_passwords),
    Case("secrets in the log", secrets_in_log, 90),
    Case("nonsense about who may come", nonsense_about_access),
)


def main(arguments: list[str] | None = None) -> int:
    """Try all or some against apps that are started for it."""
    with site() as apps:
        return trial.main("security", [case.of(apps) for case in CASES], arguments)


if __name__ == "__main__":
    sys.exit(main())
