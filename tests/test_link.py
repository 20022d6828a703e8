"""Films from links: what is fetched, what is refused and in which words, and what is never done.

The sites are servers of this test on this machine, which only `private=True` may go to. Where a
public host is needed, 127.0.0.2 passes for one, in the process that fetches.
"""

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Films

from emsync.errors import Cancelled, EmsyncError, FilmError
from emsync.film.link import fetch as link
from emsync.film.link.fetch import (
    checked_address,
    fetch,
    file_stem,
    free_path,
    why_not,
    worker_variables,
)
from emsync.film.link.guard import allow_connection, is_public
from emsync.film.link.messages import Refused, sentence_of
from emsync.film.link.worker import choose_formats
from emsync.film.probe import probe
from emsync.process.child import environment
from emsync.progress import CancelToken
from emsync.settings import FilmLimits

pytest.importorskip("yt_dlp")

Page = Callable[["Asked"], None]

UNSUPPORTED = "No film that EMSYNC can fetch"
RESTRICTED = "does not send the film to everybody"
BLOCKED = "to the country in which this server is"
GONE = "is not there, or not any more"


class Asked(BaseHTTPRequestHandler):
    """One request; a page answers it with `send`, or piece by piece."""

    site: "Site"

    def do_GET(self) -> None:
        self.site.seen.append(self.path)
        page = self.site.pages.get(self.path.partition("?")[0])
        with suppress(ConnectionError):
            page(self) if page else self.send(b"", status=404)

    def begin(self, status: int = 200, **headers: object) -> None:
        """Send the head of the answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, body: bytes, kind: str = "text/html", status: int = 200) -> None:
        """Send a whole answer."""
        self.begin(status, Content_Type=kind, Content_Length=len(body))
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Not said."""


class Site:
    """A web site: pages by path, and what was asked of it."""

    def __init__(self, number: str) -> None:
        self.pages: dict[str, Page] = {}
        self.seen: list[str] = []
        self.sent = 0
        self.over = threading.Event()
        self._server = ThreadingHTTPServer((number, 0), type("Of", (Asked,), {"site": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.port = self._server.server_address[1]
        self.root = f"http://{number}:{self.port}"

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, body: bytes | str, kind: str = "text/html", status: int = 200) -> str:
        """A page that is always the same; its address."""
        content = body.encode() if isinstance(body, str) else body
        self.pages[path] = lambda asked: asked.send(content, kind, status)
        return self.root + path

    def lead(self, path: str, to: str) -> str:
        """A redirect; its address."""
        self.pages[path] = lambda asked: asked.begin(302, Location=to, Content_Length=0)
        return self.root + path

    def pour(self, path: str, piece: bytes, pause: float, first: bytes = b"") -> str:
        """An endless film of no known length; its address."""

        def page(asked: Asked) -> None:
            asked.begin(Content_Type="video/mp4")
            asked.wfile.write(first)
            while not self.over.wait(pause):
                asked.wfile.write(piece)
                self.sent += len(piece)

        self.pages[path] = page
        return self.root + path


@pytest.fixture
def sites() -> Iterator[Callable[[str], Site]]:
    made: list[Site] = []

    def make(number: str) -> Site:
        try:
            made.append(Site(number))
        except OSError:
            pytest.skip(f"this machine does not have {number}")
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def site(sites: Callable[[str], Site]) -> Site:
    return sites("127.0.0.1")


@pytest.fixture(autouse=True)
def links_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMSYNC_LINKS", "EMSYNC_OFFLINE", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def film(films: Films) -> bytes:
    return films.plain().read_bytes()


class Told:
    """Keeps what a fetching tells."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self.words: list[str] = []

    def __call__(self, share: float | None, words: str) -> None:
        self.words.append(words)
        if share is not None:
            self.shares.append(share)


def got(address: str, folder: Path, private: bool = True, **limits: Any) -> Path:
    """The film, which is alone in the folder."""
    path = fetch(address, folder, FilmLimits(**limits), Told(), CancelToken(), private=private)
    assert [*folder.iterdir()] == [path]
    return path


def refused(address: str, folder: Path, private: bool = True, **limits: Any) -> str:
    """Why a film is not had, in a sentence; nothing stays of it."""
    with pytest.raises(FilmError) as caught:
        fetch(address, folder, FilmLimits(**limits), Told(), CancelToken(), private=private)
    assert not folder.exists() or not [*folder.iterdir()]
    sentence = str(caught.value)
    assert re.match(r"[\w\[].*[.]$", sentence), sentence
    assert not re.search(r"\x1b|ERROR|Traceback|yt-dlp|--|not in a way", sentence), sentence
    return sentence


def passing(folder: Path, monkeypatch: pytest.MonkeyPatch, names: Mapping[str, list[str]]) -> None:
    """Names get numbers, one after the other at each look-up, and 127.0.0.2 passes for public.

    So it is in the process that fetches, which runs this before anything else.
    """
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"""
import socket, sys
if sys.flags.safe_path:
    from emsync.film.link import guard
    names, real, public = {dict(names)!r}, socket.getaddrinfo, guard.is_public
    def look_up(host, *rest, **more):
        numbers = names.get(host, [host])
        return real(numbers.pop(0) if len(numbers) > 1 else numbers[0], *rest, **more)
    socket.getaddrinfo = look_up
    guard.is_public = lambda number: number == "127.0.0.2" or public(number)
""")
    monkeypatch.setenv("PYTHONPATH", str(folder))


# What is fetched --------------------------------------------------------------------------------


def test_a_direct_link_gives_the_film_byte_for_byte(
    site: Site, tmp_path: Path, film: bytes
) -> None:
    address = site.put("/my%20film.mp4", film, "video/mp4")
    told = Told()
    path = fetch(address, tmp_path, FilmLimits(), told, CancelToken(), private=True)
    assert (path.name, path.read_bytes()) == ("my film.mp4", film)
    assert told.shares == sorted(told.shares) and told.shares[-1] == 1.0
    assert told.words[0] == "Looking for the film"
    second = fetch(address, tmp_path, FilmLimits(), told, CancelToken(), private=True)
    assert second.name == "my film 2.mp4" and path.read_bytes() == film


def test_a_page_that_plays_a_film_gives_it_under_the_title_of_the_page(
    site: Site, tmp_path: Path, film: bytes
) -> None:
    site.put("/media/1.bin", film, "video/mp4")
    page = "<!doctype html><html><title>../Caf\u00e9: \u201ctwo\u201d / three</title><body>"
    address = site.put("/watch", page + '<video src="/media/1.bin"></video></body></html>')
    path = got(address, tmp_path)
    assert path.parent == tmp_path and path.suffix == ".mp4" and "Caf\u00e9" in path.name
    assert path.read_bytes() == film


def test_what_only_calls_itself_a_film_is_left_to_the_probe(site: Site, tmp_path: Path) -> None:
    path = got(site.put("/not.mp4", b"words " * 500, "video/mp4"), tmp_path)
    with pytest.raises(FilmError):
        probe(path)


def test_a_film_in_segments_comes_whole(site: Site, tmp_path: Path, films: Films) -> None:
    segments = films.folder / "hls"
    segments.mkdir(exist_ok=True)
    films.render(
        "hls/list.m3u8", "-i", films.plain(), "-c", "copy", "-hls_time", "1",
        "-hls_playlist_type", "vod", "-f", "hls",
    )  # fmt: skip
    for file in segments.iterdir():
        site.put(f"/{file.name}", file.read_bytes(), "application/octet-stream")
    path = got(site.root + "/list.m3u8", tmp_path)
    assert path.suffix == ".ts"
    read, whole = probe(path), probe(films.plain())
    assert (read.frame_count, read.has_audio) == (whole.frame_count, True)


def test_picture_and_sound_that_come_apart_are_put_together(
    site: Site, tmp_path: Path, films: Films
) -> None:
    folder = films.folder / "dash"
    folder.mkdir(exist_ok=True)
    films.render("dash/list.mpd", "-i", films.plain(), "-c", "copy", "-f", "dash")
    for file in folder.iterdir():
        site.put(f"/{file.name}", file.read_bytes(), "application/octet-stream")
    site.put("/list.mpd", (folder / "list.mpd").read_bytes(), "application/dash+xml")
    path = got(site.root + "/list.mpd", tmp_path)
    read, whole = probe(path), probe(films.plain())
    assert path.suffix == ".mp4"
    assert (read.frame_count, read.has_audio) == (whole.frame_count, True)


def test_a_broken_connection_is_taken_up_again(site: Site, tmp_path: Path, film: bytes) -> None:
    def page(asked: Asked) -> None:
        start = int((asked.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        span = f"bytes {start}-{len(film) - 1}/{len(film)}"
        head = {"Content_Range": span} if start else {}
        rest = len(film) - start
        asked.begin(206 if start else 200, Content_Type="video/mp4", Content_Length=rest, **head)
        asked.wfile.write(film[start:] if start else film[: len(film) // 2])

    site.pages["/film.mp4"] = page
    assert got(site.root + "/film.mp4", tmp_path).read_bytes() == film


# What is refused, and in which words ------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "does not send the film to everybody"),
        (404, "says that the film is not there"),
        (500, "it answers 500. Check the link, or try again later."),
    ],
)
def test_a_site_that_answers_with_a_number(
    site: Site, tmp_path: Path, status: int, words: str
) -> None:
    assert words in refused(site.put("/film.mp4", "no", status=status), tmp_path)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "films.example does not send the film to everybody"),
        (402, "have signed in or paid"),
        (410, "not any more"),
        (429, "from films.example: this server has asked it too often (429)"),
        (451, "the country"),
        (503, "from films.example: it answers 503"),
    ],
)
def test_other_numbers_have_their_words(status: int, words: str) -> None:
    from yt_dlp.networking import Response
    from yt_dlp.networking.exceptions import HTTPError

    problem = HTTPError(Response(io.BytesIO(), "https://films.example/1", {}, status))
    sentence = sentence_of(problem, "https://films.example/1", 1, 20)
    assert sentence and words in sentence


def test_a_page_without_a_film(site: Site, tmp_path: Path) -> None:
    address = site.put("/", "<html><title>Words</title><body>Only words.</body></html>")
    sentence = refused(address, tmp_path / "new")
    assert "No film that EMSYNC can fetch was found on this page of 127.0.0.1" in sentence
    assert "download the film yourself" in sentence


def test_a_page_with_several_films(site: Site, tmp_path: Path, film: bytes) -> None:
    for name in "123":
        site.put(f"/{name}.mp4", film, "video/mp4")
    videos = "".join(f'<video src="/{name}.mp4"></video>' for name in "123")
    address = site.put("/", f"<html><title>Three</title><body>{videos}</body></html>")
    assert "several films" in refused(address, tmp_path)


def test_a_song_is_no_film(site: Site, tmp_path: Path) -> None:
    assert "only sound" in refused(site.put("/a.mp3", b"ID3" * 99, "audio/mpeg"), tmp_path)


def test_redirects_in_a_circle(site: Site, tmp_path: Path) -> None:
    site.lead("/a", "/b")
    assert "from one address" in refused(site.lead("/b", "/a"), tmp_path)


def test_nobody_there(site: Site, tmp_path: Path) -> None:
    address = site.root + "/film.mp4"
    site.close()
    assert "from 127.0.0.1: nobody answers there" in refused(address, tmp_path)
    assert "there is no such site" in refused("https://nowhere.invalid/film.mp4", tmp_path)


@pytest.mark.parametrize(
    "address",
    ["", "a film", "https://", "http://[::1", "https://a b/", "file:///etc/passwd", "ytsearch:cats",
     "ftp://example.org/film.mp4", "data:video/mp4;base64,AAAA", "javascript:alert(1)", "x" * 5000,
     "https://example.org/\nfilm.mp4"],
)  # fmt: skip
def test_what_is_no_link_is_refused_before_anything_is_begun(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    refused(address, tmp_path)


def test_an_address_gives_no_orders() -> None:
    smuggled = "https://example.org/film#__youtubedl_smuggle=%7B%22to_generic%22%3A1%7D"
    assert checked_address(smuggled) == "https://example.org/film"
    assert checked_address(" example.org/film?a=1#t=2 ") == "https://example.org/film?a=1#t=2"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Sign in to confirm you\u2019re not a bot. Use --cookies-from-browser", RESTRICTED),
        ("Got HTTP Error 403 caused by Cloudflare anti-bot challenge; try again", RESTRICTED),
        ("This video is DRM protected", UNSUPPORTED),
        ("Private video. Sign in if you've been granted access", RESTRICTED),
        ("The uploader has not made this video available in your country", BLOCKED),
        ("This video is not available from your location due to geo restriction", BLOCKED),
        ("Join this channel to get access to members-only content", RESTRICTED),
        ("Sign in to confirm your age", RESTRICTED),
        ("This content requires login. Use --cookies, --username and --password", RESTRICTED),
        ("This video is only available for registered users", RESTRICTED),
        ("Video unavailable. This video has been removed by the uploader", GONE),
        ("This live event will begin in 3 days.", "not begun"),
        ("No video formats found!", UNSUPPORTED),
        ("Requested format is not available", UNSUPPORTED),
        ("Unable to download the page https://films.example/private/deleted/drm", "cannot be"),
        ("\x1b[0;31mThe frobnicator is full\x1b[0m; please report this issue on  https://x.y",
         "\u201cThe frobnicator is full\u201d"),
    ],
)  # fmt: skip
def test_what_sites_say_becomes_a_plain_sentence(said: str, words: str) -> None:
    from yt_dlp.utils import DownloadError, ExtractorError

    problem = ExtractorError(said, expected=True, video_id="1")
    outer = DownloadError(f"\x1b[0;31mERROR:\x1b[0m {said}", (type(problem), problem, None))
    sentence = sentence_of(outer, "https://films.example/1", 1, 20)
    assert sentence and words in sentence
    assert "live" in said or ("films.example" in sentence and "ownload the film your" in sentence)
    assert not re.search(r"\x1b|--|ERROR|https|report", sentence)


# How much and how long --------------------------------------------------------------------------


def test_a_film_that_says_it_is_too_large_is_not_begun(site: Site, tmp_path: Path) -> None:
    def page(asked: Asked) -> None:
        asked.begin(Content_Type="video/mp4", Content_Length=10**9)
        while not site.over.is_set():
            asked.wfile.write(bytes(10_000))
            site.sent += 10_000

    site.pages["/film.mp4"] = page
    assert "larger than 50 MB" in refused(site.root + "/film.mp4", tmp_path, bytes=50_000_000)
    assert site.sent < 25_000_000  # what the system takes in advance


def test_a_film_that_does_not_say_is_stopped_at_the_limit(site: Site, tmp_path: Path) -> None:
    address = site.pour("/film.mp4", bytes(100_000), 0.0)
    assert "larger than 2 MB, the limit" in refused(address, tmp_path, bytes=2_000_000)
    assert site.sent < 30_000_000


def test_a_film_shorter_than_it_says_is_not_taken_for_whole(site: Site, tmp_path: Path) -> None:
    def page(asked: Asked) -> None:
        asked.begin(Content_Type="video/mp4", Content_Length=100_000)
        asked.wfile.write(bytes(2000))

    site.pages["/film.mp4"] = page
    assert "the connection broke before the film was here" in refused(
        site.root + "/film.mp4", tmp_path
    )


def test_a_page_without_end_is_given_up(site: Site, tmp_path: Path) -> None:
    def page(asked: Asked) -> None:
        asked.begin(Content_Type="text/html")
        asked.wfile.write(b"<html>")
        while not site.over.is_set():
            asked.wfile.write(b"words " * 100_000)

    site.pages["/"] = page
    assert "too large to look through" in refused(site.root + "/", tmp_path)


@pytest.mark.parametrize("begun", [True, False])
def test_cancelling_takes_no_two_seconds(site: Site, tmp_path: Path, begun: bool) -> None:
    """While the film comes, and while its site has not answered yet."""
    address = site.pour("/film.mp4", b"0" * 100, 0.02)
    if not begun:
        site.pages["/film.mp4"] = lambda asked: [site.over.wait(60)].clear()
    cancel = CancelToken()
    cancelled: list[float] = []

    def stop() -> None:
        while not (site.sent > 5000 if begun else site.seen):
            time.sleep(0.02)
        cancelled.append(time.monotonic())
        cancel.cancel()

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(Cancelled):
        fetch(address, tmp_path, FilmLimits(), Told(), cancel, private=True)
    assert time.monotonic() - cancelled[0] < 2
    assert not [*tmp_path.iterdir()]


def test_silence_is_given_up(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "STALL_SECONDS", 4.0)
    address = site.pour("/film.mp4", b"0", 60.0, bytes(50_000))
    assert "from 127.0.0.1: nothing came from it for 4 seconds" in refused(address, tmp_path)


def test_a_film_that_trickles_is_given_up_in_the_end(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "TOTAL_SECONDS", 2.5)
    address = site.pour("/film.mp4", b"0" * 500, 0.05)
    assert "was not here after" in refused(address, tmp_path)


def playlist(*lines: str, end: bool = True) -> str:
    head = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:10"]
    return "\n".join([*head, *lines, *(["#EXT-X-ENDLIST"] if end else [])]) + "\n"


HLS = "application/vnd.apple.mpegurl"


def test_a_film_that_says_it_is_too_long_is_not_begun(site: Site, tmp_path: Path) -> None:
    segments = [f"#EXTINF:10,\n{n}.ts" for n in range(8)]
    address = site.put("/long.m3u8", playlist(*segments), HLS)
    assert "lasts 1:20 minutes; the limit is 1:00" in refused(address, tmp_path, seconds=60)
    assert not any(path.endswith(".ts") for path in site.seen)


def test_a_live_stream_is_refused(site: Site, tmp_path: Path) -> None:
    site.put("/0.ts", b"G" * 376, "video/mp2t")
    address = site.put("/live.m3u8", playlist("#EXTINF:10,\n0.ts", end=False), HLS)
    assert "live stream" in refused(address, tmp_path)


# Where it does not go ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    ["127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1",
     "100.100.100.200", "169.254.169.254", "168.63.129.16", "192.0.0.192", "198.18.0.1",
     "203.0.113.5", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
     "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
     "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
     "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:4136:e378::", "localhost", "", "/run/docker"],
)  # fmt: skip
def test_addresses_that_are_not_public(number: str) -> None:
    assert not is_public(number)


@pytest.mark.parametrize(
    "number",
    ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_addresses_that_are_public(number: str) -> None:
    assert is_public(number)


@pytest.mark.parametrize("host", ["localhost", "0x7f000001", "[::ffff:7f00:1]"])
def test_this_machine_is_not_gone_to_by_any_of_its_names(
    site: Site, tmp_path: Path, film: bytes, host: str
) -> None:
    site.put("/film.mp4", film, "video/mp4")
    address = f"http://{host}:{site.port}/film.mp4"
    assert "in a private network" in refused(address, tmp_path, private=False)
    assert not site.seen


@pytest.mark.parametrize("host", ["[::1]", "169.254.169.254", "10.0.0.1"])
def test_private_networks_are_not_gone_to(tmp_path: Path, host: str) -> None:
    sentence = refused(f"http://{host}/latest/meta-data", tmp_path, private=False)
    assert "in a private network" in sentence


def test_a_public_host_is_gone_to_and_leads_nowhere_private(
    sites: Callable[[str], Site], tmp_path: Path, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, inner = sites("127.0.0.2"), sites("127.0.0.1")
    passing(tmp_path / "own", monkeypatch, {"films.example": ["127.0.0.2"]})
    secret = inner.put("/secret.mp4", film, "video/mp4")
    public.put("/film.mp4", film, "video/mp4")
    host = f"http://films.example:{public.port}"
    assert got(f"{host}/film.mp4", tmp_path / "film", private=False).read_bytes() == film

    def found(name: str, page: str) -> str:
        return public.put(name, f"<html><title>T</title><body>{page}</body></html>")

    public.lead("/redirect", secret)
    found("/embedded", f'<video src="{secret}"></video>')
    public.put("/segments.m3u8", playlist(f"#EXTINF:5,\n{secret}"), HLS)
    public.put(
        "/key.m3u8", playlist(f'#EXT-X-KEY:METHOD=AES-128,URI="{secret}"', "#EXTINF:5,\n1.ts"), HLS
    )
    public.put("/1.ts", b"G" * 376, "video/mp2t")
    for path in ("/redirect", "/embedded", "/segments.m3u8", "/key.m3u8"):
        sentence = refused(host + path, tmp_path / "none", private=False)
        assert "in a private network" in sentence, path
    assert not inner.seen


def test_a_name_with_another_number_the_second_time_gains_nothing(
    sites: Callable[[str], Site], tmp_path: Path, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = sites("127.0.0.2")
    try:
        inner = Site.__new__(Site)
        inner.pages, inner.seen, inner.sent, inner.over = {}, [], 0, threading.Event()
        inner._server = ThreadingHTTPServer(
            ("127.0.0.1", public.port), type("Of", (Asked,), {"site": inner})
        )
    except OSError:
        pytest.skip("the port is taken")
    threading.Thread(target=inner._server.serve_forever, args=(0.02,), daemon=True).start()
    public.put("/film.mp4", film, "video/mp4")
    passing(tmp_path / "own", monkeypatch, {"films.example": ["127.0.0.2", "127.0.0.1"]})
    address = f"http://films.example:{public.port}/film.mp4"
    sentence = refused(address, tmp_path / "film", private=False)
    inner.close()
    assert "in a private network" in sentence
    assert public.seen and not inner.seen


@pytest.mark.parametrize("path", ["/file", "/ftp", "/segments.m3u8", "/map.m3u8", "/disguised.mp4"])
def test_only_the_web_is_gone_to(site: Site, tmp_path: Path, path: str) -> None:
    """Even where private addresses may be: by redirects, in pages and in playlists."""
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"secret" * 100)
    site.lead("/file", f"file://{secret}")
    site.lead("/ftp", "ftp://127.0.0.1/film.mp4")
    segments = playlist(f"#EXTINF:5,\nfile://{secret}")
    site.put("/segments.m3u8", segments, HLS)
    site.put("/disguised.mp4", segments, "application/octet-stream")
    site.put("/map.m3u8", playlist(f'#EXT-X-MAP:URI="file://{secret}"', "#EXTINF:5,\n1.ts"), HLS)
    site.put("/1.ts", b"G" * 376, "video/mp2t")
    sentence = refused(site.root + path, tmp_path / "film")
    assert re.search(r"leads to|No film that EMSYNC can fetch", sentence)


def test_an_encrypted_stream_is_refused_and_no_program_started_for_it(
    site: Site, tmp_path: Path
) -> None:
    key = f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="{site.root}/key"'
    address = site.put("/list.m3u8", playlist(key, "#EXTINF:5,\n1.ts"), HLS)
    site.put("/1.ts", b"G" * 376, "video/mp2t")
    assert "No film that EMSYNC can fetch" in refused(address, tmp_path)
    assert "/1.ts" not in site.seen


def test_a_port_of_something_else_is_not_gone_to() -> None:
    with pytest.raises(Refused, match="port 25"):
        allow_connection(("8.8.8.8", 25), False)
    for port in (80, 443, 8080):
        allow_connection(("8.8.8.8", port), False)
    for address in ("/run/docker.sock", b"\0socket", None):
        with pytest.raises(Refused):
            allow_connection(address, True)


def test_the_process_can_do_nothing_else(tmp_path: Path) -> None:
    """No program, no file elsewhere, no datagram, no socket of the system's own."""
    program = """
import json, os, socket, subprocess, sys
from pathlib import Path
from emsync.film.link.guard import audit_hook
from emsync.film.link.messages import Refused
sys.addaudithook(audit_hook(True))
outside = Path(sys.argv[1])
acts = {
    "inside": lambda: Path("film.part").write_bytes(b"1"),
    "rename inside": lambda: Path("film.part").rename("film.mp4"),
    "write": lambda: (outside / "a").write_bytes(b"1"),
    "write up": lambda: Path("../a").write_bytes(b"1"),
    "rename": lambda: Path("film.mp4").rename(outside / "a"),
    "link": lambda: Path("l").symlink_to(outside),
    "remove": lambda: (outside / "kept").unlink(),
    "folder": lambda: (outside / "b").mkdir(),
    "program": lambda: subprocess.run(["true"]),
    "shell": lambda: os.system("true"),
    "fork": lambda: os.fork(),
    "datagram": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"1", ("127.0.0.1", 9)),
    "listen": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "unix": lambda: socket.socket(socket.AF_UNIX).connect("/none"),
}
done = []
for name, act in acts.items():
    try:
        act()
        done.append(name)
    except (PermissionError, Refused):
        pass
print(json.dumps(done))
"""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "kept").touch()
    run = subprocess.run(
        [sys.executable, "-P", "-B", "-c", program, str(outside)],
        cwd=inside,
        env=environment(worker_variables(inside)),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(run.stdout) == ["inside", "rename inside"]
    assert [path.name for path in outside.iterdir()] == ["kept"]


def test_the_process_is_told_nothing_that_the_app_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "HTTPS_PROXY", "http_proxy", "NETRC", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "secret")
    told = environment(worker_variables(tmp_path))
    assert "secret" not in told.values()
    assert told["HOME"] == str(tmp_path) and told["YTDLP_NO_PLUGINS"]
    if os.environ.get("HOME"):
        assert os.environ["HOME"] not in told.values()


# Names, formats, the switch ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A film", "A film"),
        ("../../etc/passwd", "etc passwd"),
        ("-rf --no", "rf --no"),
        ("...", "film"),
        (".hidden", "hidden"),
        ('a "b"\n\t<c>|d?*\\e\0', "a b c d e"),
        ("Кино / 映画", "Кино 映画"),
        ("e\u0301tude", "\u00e9tude"),
        ("\u202egpj.exe", "gpj.exe"),
        ("", "film"),
    ],
)
def test_a_title_becomes_a_safe_name(title: str, name: str) -> None:
    assert file_stem(title) == name


@pytest.mark.parametrize("title", ["x" * 255, "映" * 255, "🎬" * 99, "a/" * 200, "é" * 255])
def test_a_long_title_is_cut_between_letters(title: str, tmp_path: Path) -> None:
    path = free_path(tmp_path, title, ".mp4")
    assert path.parent == tmp_path and len(path.name.encode()) <= 100
    path.touch()
    assert free_path(tmp_path, title, ".mp4") != path


def test_odd_names_of_files_stay_in_the_folder(site: Site, tmp_path: Path, film: bytes) -> None:
    folder = tmp_path / "deep" / "er"
    path = got(site.put("/..%2F..%2F-%0A%22x%27.mp4", film, "video/mp4"), folder)
    assert path.parent == folder and re.fullmatch(r"[\w .]+\.mp4", path.name)
    assert [*tmp_path.iterdir()] == [tmp_path / "deep"]


def offered(name: str, lines: int, size: int | None = None, **more: object) -> dict[str, object]:
    codecs = {"p": {"acodec": "none"}, "s": {"vcodec": "none", "acodec": "mp4a"}, "w": {}}
    found: dict[str, object] = {"name": name, "height": lines, "width": lines * 2}
    return {**found, "protocol": "https", "filesize": size, **codecs[name[0]], **more}


@pytest.mark.parametrize(
    ("formats", "chosen"),
    [
        ([offered("w1", 360), offered("w2", 1080), offered("p1", 1080), offered("s1", 0)], "w2"),
        ([offered("w1", 360), offered("p1", 1080), offered("s1", 0)], "p1 s1"),
        ([offered("w1", 720), offered("p1", 1080), offered("s1", 0)], "w1"),
        ([offered("w1", 360), offered("p1", 2160), offered("s1", 0)], "w1"),
        ([offered("w1", 360), offered("p1", 1080)], "w1"),
        ([offered("p1", 480), offered("p2", 1080, 99), offered("s1", 0, 9)], "p1 s1"),
        ([offered("p1", 480)], "p1"),
        ([offered("w1", 480), offered("w2", 720, 101)], "w1"),
        ([offered("w1", 480), offered("w2", 720, has_drm=True)], "w1"),
        ([offered("w1", 480), offered("w2", 720, protocol="rtmp")], "w1"),
        ([offered("w1", 0)], "w1"),
        ([offered("w1", 720, protocol="mhtml")], ""),
    ],
)
def test_the_best_that_is_wanted_and_fits(formats: list[dict[str, object]], chosen: str) -> None:
    assert " ".join(one["name"] for one in choose_formats(formats, 100)) == chosen


def test_formats_of_which_none_fits() -> None:
    with pytest.raises(Refused, match="larger"):
        choose_formats([offered("w1", 480, 101)], 100)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, None),
        ({"EMSYNC_LINKS": "off"}, "EMSYNC_LINKS"),
        ({"EMSYNC_LINKS": "on"}, None),
        ({"SPACE_ID": "someone/emsync"}, "Space"),
        ({"SPACE_ID": "someone/emsync", "EMSYNC_LINKS": "on"}, None),
        ({"EMSYNC_OFFLINE": "1", "EMSYNC_LINKS": "on"}, "EMSYNC_OFFLINE"),
    ],
)
def test_links_can_be_switched_off(
    settings: dict[str, str],
    words: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    reason = why_not()
    if words is None:
        assert reason is None
        return
    assert reason and words in reason
    with pytest.raises(EmsyncError, match=words):
        fetch("https://example.org", tmp_path, FilmLimits(), Told(), CancelToken())


@pytest.mark.parametrize(
    "program",
    ["", "print('[' * 99999)", "print('{}')", "print('{\"title\": 1}')", "print('x' * (3 << 20))",
     "print('{\"title\": \"t\", \"files\": [\"../../secret\", \"/etc/passwd\"]}')"],
)  # fmt: skip
def test_a_process_that_says_anything_is_not_believed(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that were made for it might take it over."""
    start = subprocess.Popen

    def other(command: list[str], **options: object) -> object:
        words = [*command[:-2], "-c", program] if "-m" in command else command
        return start(words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", other)
    monkeypatch.setattr(link, "STALL_SECONDS", 3.0)
    (tmp_path / "secret").touch()
    sentence = refused("https://films.example/1", tmp_path / "new")
    assert "The film cannot be fetched from films.example" in sentence


def test_without_yt_dlp_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link.importlib.util, "find_spec", lambda name: None)
    assert "yt-dlp" in (why_not() or "")
