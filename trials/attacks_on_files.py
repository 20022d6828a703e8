"""Attacks on files: those of the server, of other visitors, and those that are uploaded."""

import hashlib
import os
import socket
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from trials.site import FILE, REPOSITORY, Site, ask, expect, film, given, refused, upload
from trials.trial import case


def outside_files(site: Site, folder: Path) -> str:
    """Ask for files outside the folder, in every spelling."""
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
        for start in (FILE, "/gradio_api/file/", "/file=", "/file/"):
            refused(ask(site.free, start + way), start + way)
            count += 1
    for start in ("/static/", "/assets/", "/svelte/", "/gradio_api/custom_component/"):
        for way in ("../" * 12 + "etc/passwd", "..%2f" * 12 + "etc/passwd", "%2fetc%2fpasswd"):
            refused(ask(site.free, start + way), start + way)
            count += 1
    return f"{count} addresses, none of them served"


def other_visitors(site: Site, folder: Path) -> str:
    """Ask for files of other visitors, whose names only they know."""
    place = Path(upload(site.free, "mine.mp4", os.urandom(100)).json[0])
    expect(ask(site.free, f"{FILE}{place}").status == 200, "one's own file is not served")
    for other in (place.parent, f"{place.parent}/", site.root, f"{place}x", f"{place.parent}/*"):
        refused(ask(site.free, f"{FILE}{other}"), str(other))
    again = Path(upload(site.free, "mine.mp4", b"known content").json[0])
    name = again.parent.name
    known = {
        hashlib.sha256(b"known content").hexdigest(),
        hashlib.sha1(b"known content").hexdigest(),
    }
    expect(name not in known, "the folder's name follows from the content")
    return "only whoever knows the whole name gets a file, and the names cannot be made up"


def links_out(site: Site, folder: Path) -> str:
    """Ask for a link that leads out of the folder."""
    secret = folder / "secret.txt"
    secret.write_text("root: a secret")
    link = site.root / "link.txt"
    link.symlink_to(secret)
    try:
        refused(ask(site.free, f"{FILE}{link}"), "a link out of the folder", 403)
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
        """Listen no longer."""
        self._socket.close()


def addresses_for_files(site: Site, folder: Path) -> str:
    """Give addresses in place of files: the app calls none."""
    place = upload(site.free, "film.mp4", b"no film").json[0]
    listener = Listener()
    try:
        hosts = [listener.url, listener.url.replace("127.0.0.1", "localhost")]
        for url in [
            *hosts,
            "http://169.254.169.254/latest/meta-data/",
            "https://example.com/a.mp4",
        ]:
            for path in (f"{FILE}{url}", f"/gradio_api/proxy={url}", f"/gradio_api/file/{url}"):
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
    """Give files of the server in place of uploads, for every input of the page."""
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
    """Upload files with names that lead elsewhere, or run something."""
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
    """Upload pages and scripts: they are saved, not shown."""
    script = b"<script xmlns='http://www.w3.org/1999/xhtml'>alert(1)</script>"
    kinds = {
        "html": script,
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'>" + script + b"</svg>",
    }
    kinds |= {"xhtml": script, "xml": script, "js": b"alert(1)", "mp4": script, "shtml": script}
    for kind, content in kinds.items():
        place = upload(site.free, f"page.{kind}", content).json[0]
        answer = ask(site.free, f"{FILE}{place}")
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
    """Bring a recording of the camera: nobody else's FFmpeg opens the film."""
    config = ask(site.free, "/config").json
    (drop_zone,) = (
        part["id"] for part in config["components"] if part["props"].get("elem_id") == "em-film"
    )
    (function,) = (one for one in config["dependencies"] if drop_zone in one["inputs"])
    place = Path(upload(site.free, "sample.webm", film(folder).read_bytes()).json[0])
    data = [given(str(place)) if one == drop_zone else None for one in function["inputs"]]
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


CASES = [
    case("files outside its folder", outside_files, 60),
    case("files of other visitors", other_visitors, 30),
    case("links out of its folder", links_out, 30),
    case("addresses in place of files", addresses_for_files, 30),
    case("files of the server in place of uploads", server_files_for_uploads, 60),
    case("names of uploads", names_of_uploads, 30),
    case("uploads as pages", uploads_as_pages, 30),
    case("films of the camera", recordings, 30),
]
