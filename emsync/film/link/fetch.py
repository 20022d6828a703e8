"""A film from a link: yt-dlp finds and fetches it, in a process that may do nothing else.

The address is a stranger's and the pages behind it are other strangers', so yt-dlp runs apart, in
a scratch folder that is also its home, without the environment of the app. An audit hook, which
code in that process cannot take off again, lets it

- connect over TCP to public addresses only, on ports on which the web is served. What is looked at
  is the number that a connection is being opened to, after the name was resolved: redirects,
  embedded players, playlists, segments and keys go through it, and a name that resolves to another
  number the second time (DNS rebinding) gains nothing;
- ask for http and https addresses only: no ``file:``, ``ftp:`` or ``data:``;
- write into the scratch folder only, and start no program (so no FFmpeg and no JavaScript).

Sizes are bounded by what lies on the disk, time and silence by this process, which ends the other.
Picture and sound that come apart are put together here, by FFmpeg as it opens strangers' films.

Not covered: names are resolved by the system, so a name server learns them; services of this host
that listen on its own *public* address are public to us too; reading files is not forbidden to the
process (Python needs it), only sending them anywhere but to the web; memory is bounded on Linux
only. Proxies are not used, for behind one nobody knows what is connected to.
"""

import codecs
import errno
import importlib.util
import ipaddress
import json
import logging
import os
import queue
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from emsync.errors import EmsyncError, FilmError, ToolError
from emsync.film.ffmpeg import FFmpegRun, input_arguments
from emsync.limits import is_offline
from emsync.process import child
from emsync.process.lifeline import Lifeline
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
from emsync.text import clock

RIGHTS = (
    "Only fetch films that you may use: your own, or those whose licence allows it. Some sites "
    "forbid downloading in their terms."
)
"""For the page, beside the field."""

TOTAL_SECONDS = 300.0
"""That a film may take to come, all in all."""
STALL_SECONDS = 20.0
"""Without a single byte, after which it is given up."""
TALLEST = 1080
"""Pixels of the shorter side: more is neither needed nor fetched."""

Tell = Callable[[float | None, str], None]
"""Receives the share that is done, in [0, 1] or None where there is no telling, and what is under
way."""

log = logging.getLogger(__name__)

_ADVICE = "Download the film yourself where you are allowed to, and drop it in."
_LARGE_PAGE = f"The page at this link is too large to look through. {_ADVICE}"
_LOOK_SECONDS = 0.1
_BEAT_SECONDS = 0.2
_PAGE_BYTES = 32 << 20  # of one page; the largest that sites have are a few megabytes
_PIECE = 8 << 10
_MEMORY = 1 << 30
_NAME_BYTES = 100
_TITLE_LETTERS = 300
_QUOTE_LETTERS = 160
_GOOD_ENOUGH = 720  # pixels: a film in one file is taken from here on
_PROTOCOLS = {"http", "https", "m3u8", "m3u8_native", "http_dash_segments"}
_PORTS = {80, 443}  # and all from 1024 on
_KEPT = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_WORDLESS = b'{"failed": "the process ended without a word"}'
_METADATA = {"168.63.129.16"}  # Azure's, which looks like a public address
_PROTOCOL_NUMBERS = ipaddress.ip_network("192.0.0.0/24")  # Oracle's metadata among them
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def why_not() -> str | None:
    """Why no film can be fetched from a link here, as a sentence; None if it can.

    `EMSYNC_LINKS` says on or off; where it says neither, links are on, except on a Hugging Face
    Space, whose address most sites refuse.
    """
    if is_offline():
        return "EMSYNC_OFFLINE is set: films come from files only."
    switch = os.environ.get("EMSYNC_LINKS", "").strip().lower()
    if switch in ("off", "0", "no", "false"):
        return "Links are switched off here (EMSYNC_LINKS). Drop the film in as a file."
    if os.environ.get("SPACE_ID") and switch not in ("on", "1", "yes", "true"):
        return "On a Space most film sites refuse to answer. Drop the film in as a file."
    if importlib.util.find_spec("yt_dlp") is None:
        return "Fetching films from links needs yt-dlp: pip install yt-dlp"
    return None


def fetch(
    address: str,
    folder: Path,
    limits: FilmLimits,
    tell: Tell,
    cancel: CancelToken,
    *,
    private: bool = False,
) -> Path:
    """The film at a link, in `folder`, under its title.

    What the module says of the network holds. No cookies, passwords, settings or plugins of yt-dlp
    are used, no playlists and no live streams followed, and no country pretended.

    Args:
        address: of a film's page, or of the film itself; http or https, which may be left out.
        folder: made if it is not there. Nothing but the film stays in it.
        limits: `bytes` holds while the film comes, `seconds` beforehand where the site tells.
        tell: called a few times a second, from this thread.
        cancel: looked at ten times a second.
        private: also go to private addresses and to any port. For tests and for networks of one's
            own, never for strangers.

    Returns:
        The path. Whether it really is a film is for `emsync.film.examine` to say.

    Raises:
        FilmError: it cannot be had from there; the text says why, and what to do instead.
        ToolError: FFmpeg is missing or failed, or there is no room.
        EmsyncError: links are switched off, see `why_not`.
        Cancelled: by `cancel`.
    """
    if reason := why_not():
        raise EmsyncError(reason)
    url = _checked(address)
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + TOTAL_SECONDS
    with tempfile.TemporaryDirectory(prefix=".link-", dir=folder) as name:
        scratch = Path(name)
        job = {
            "url": url,
            "bytes": limits.bytes,
            "seconds": limits.seconds,
            "stall": STALL_SECONDS,
            "total": TOTAL_SECONDS,
            "private": private,
        }
        title, files = _have_fetched(job, scratch, tell, cancel, deadline)
        film = files[0]
        if len(files) == 2:
            tell(None, "Putting picture and sound together")
            film = _joined(files[0], files[1], scratch, cancel, deadline)
        if film.stat().st_size > limits.bytes:
            raise FilmError(_too_large(limits.bytes))
        target = _free(folder, title, _suffix(film))
        film.replace(target)
    tell(1.0, "The film is here")
    return target


def is_public(address: str) -> bool:
    """Whether an IP address, in digits, is one of the open internet.

    Not those of this host, of private networks, of links, of groups, of carriers, of documentation,
    nor those that hosting companies answer their own machines on; nor such an IPv4 address wrapped
    in an IPv6 address.
    """
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(number, ipaddress.IPv6Address):
        if number.ipv4_mapped:
            return is_public(str(number.ipv4_mapped))
        if number in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)))
        if number.sixtofour or number.teredo or number.is_site_local:
            return False
    return (
        number.is_global
        and not (number.is_multicast or number.is_reserved or number.is_unspecified)
        and str(number) not in _METADATA
        and number not in _PROTOCOL_NUMBERS
    )


def file_stem(title: str, room: int = _NAME_BYTES) -> str:
    """A film's title as a file name without its suffix.

    Letters, digits and marks of all scripts, spaces and ``-_.`` stay; it begins with none of the
    latter, so that it is neither hidden nor an option, and is `room` bytes of UTF-8 at most.
    """
    kept = (
        letter if letter in "-_." or unicodedata.category(letter)[0] in "LNM" else " "
        for letter in unicodedata.normalize("NFC", title)
    )
    words = " ".join("".join(kept).split()).lstrip("-_. ")
    short = words.encode("utf-8", "ignore")[:room].decode("utf-8", "ignore")
    return re.sub(r"\.{2,}", ".", short).rstrip("-_. ") or "film"


def _checked(address: str) -> str:
    """The address to go to.

    Raises:
        FilmError: it is none that is gone to.
    """
    url = address.strip()
    if re.match(r"[\w-]+(\.[\w-]+)+(:\d+)?([/?#]|$)", url) and "://" not in url.partition("/")[0]:
        url = f"https://{url}"
    if not url:
        raise FilmError("There is no link. Paste the address of a film's page, or of the film.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or len(url) > 4000 or any(not c.isprintable() or c.isspace() for c in url):
        raise FilmError(
            "This is not a link. Paste the address of a film's page as the browser shows it, "
            "beginning with https://."
        )
    if parts.scheme.lower() not in ("http", "https"):
        raise FilmError(
            f"Links that begin with {_shown(parts.scheme, 20)}: are not followed, only https: and "
            f"http:. {_ADVICE}"
        )
    # The rest of an address is the browser's own; yt-dlp would take orders from it.
    return url.partition("#")[0] if "__youtubedl_smuggle" in url else url


# The process that fetches, from outside --------------------------------------------------------


def _command() -> list[str]:
    # -P and -B: no module comes from the scratch folder, no bytecode goes anywhere.
    return [sys.executable, "-P", "-B", "-m", "emsync.film.link.fetch"]


def _environment(scratch: Path) -> dict[str, str]:
    """Nothing that the app knows: no tokens, no proxies, no home with settings and passwords."""
    home = str(scratch)
    return {
        **child.environment(),
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        **dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "APPDATA", "TMPDIR"), home),
        "PYTHONIOENCODING": "utf-8",
        "YTDLP_NO_PLUGINS": "1",
    }


def _have_fetched(
    job: Mapping[str, object], scratch: Path, tell: Tell, cancel: CancelToken, deadline: float
) -> tuple[str, list[Path]]:
    """Title and files: the film, or its picture and its sound."""
    tell(None, "Looking for the film")
    process = subprocess.Popen(
        _command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=scratch,
        env=_environment(scratch),
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    lifeline = Lifeline()
    lifeline.tie(process.pid)
    said: queue.Queue[bytes] = queue.Queue()
    listener = threading.Thread(target=_listen, args=(process.stdout, said), daemon=True)
    try:
        listener.start()
        with suppress(BrokenPipeError):  # it says so itself, by ending
            process.stdin.write(json.dumps(job).encode())
            process.stdin.close()
        return _followed(str(job["url"]), said, scratch, tell, cancel, deadline)
    finally:
        process.kill()
        process.wait()
        lifeline.close()
        listener.join()
        process.stdout.close()


def _listen(source: IO[bytes], said: queue.Queue[bytes]) -> None:
    for line in source:
        said.put(line)
    said.put(b"")


def _followed(
    url: str,
    said: queue.Queue[bytes],
    scratch: Path,
    tell: Tell,
    cancel: CancelToken,
    deadline: float,
) -> tuple[str, list[Path]]:
    host, heard, come, done = _host(url), time.monotonic(), -1, 0.0
    while True:
        cancel.check()
        now = time.monotonic()
        if now > deadline:
            raise FilmError(
                f"The film was not here after {clock(TOTAL_SECONDS)} minutes. {_ADVICE}"
            )
        if now - heard > STALL_SECONDS:
            raise FilmError(_silent(host, STALL_SECONDS))
        try:
            line = said.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            continue
        message: dict[str, Any] = json.loads(line or _WORDLESS)
        if "refused" in message:
            raise FilmError(message["refused"])
        if "no room" in message:
            raise ToolError("The disk is full. Make room for the film and try again.")
        if "failed" in message:
            log.warning("yt-dlp failed on %s: %s", host, message["failed"])
            raise FilmError(
                f"Fetching the film from {host} failed, and not in a way that is known. {_ADVICE}"
            )
        if "title" in message:
            files = [scratch / Path(name).name for name in message["files"]]
            if all(file.is_file() and not file.is_symlink() for file in files):
                return message["title"], files
            raise FilmError(f"{host} sent no film, though it said so. {_ADVICE}")
        if message["come"] != come:
            heard, come = now, message["come"]
        # Estimates of what is still to come change; what is done does not become less.
        done = max(done, message["share"] or 0.0)
        tell(done if message["share"] is not None else None, message["words"])


def _joined(
    picture: Path, sound: Path, scratch: Path, cancel: CancelToken, deadline: float
) -> Path:
    """Picture and sound in one file, both as they came."""
    kinds = {_suffix(picture), _suffix(sound)}
    # MP4 holds what sites put into MP4 and MPEG-TS, Matroska holds everything.
    choices = ["mp4", "matroska"] if kinds <= {".mp4", ".ts"} else ["matroska"]
    for form in choices:
        out = scratch / f"joined.{form}"
        with FFmpegRun(cancel) as run:
            run.start(
                [
                    *input_arguments(picture), *input_arguments(sound),
                    "-map", "0:v:0", "-map", "1:a:0", "-c", "copy", "-map_metadata", "-1",
                    "-progress", "pipe:1", "-stats_period", "0.5",
                    "-f", form, "-y", f"file:{out.absolute()}",
                ]
            )  # fmt: skip
            for _ in run.read():
                if time.monotonic() > deadline:
                    raise FilmError(
                        f"The film was not here after {clock(TOTAL_SECONDS)} minutes. {_ADVICE}"
                    )
            if run.finish() == 0:
                return out
            if run.disk_full:
                raise ToolError("The disk is full. Make room for the film and try again.")
    raise FilmError(
        f"The film's picture and sound came apart and cannot be put together. {_ADVICE}"
    )


def _suffix(film: Path) -> str:
    """The suffix that the content of a file asks for; the one that it has if there is no telling.

    HTTP servers and playlists of segments call many things mp4.
    """
    with film.open("rb") as file:
        head = file.read(512)
    if head[4:8] in (b"ftyp", b"styp", b"moov"):
        return ".mov" if head[8:12] == b"qt  " else ".mp4"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return ".webm" if b"webm" in head else ".mkv"
    if head[:1] == b"G" and head[188:189] == b"G":
        return ".ts"
    for begin, suffix in ((b"OggS", ".ogv"), (b"FLV", ".flv"), (b"0&\xb2u", ".wmv")):
        if head.startswith(begin):
            return suffix
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return ".avi"
    own = film.suffix.lower()
    return own if re.fullmatch(r"\.[a-z0-9]{1,5}", own) else ""


def _free(folder: Path, title: str, suffix: str) -> Path:
    """A path in `folder` that is not taken."""
    wanted = title.removesuffix(suffix) if suffix else title
    for count in range(1, 1000):
        end = (f" {count}" if count > 1 else "") + suffix
        path = folder / (file_stem(wanted, _NAME_BYTES - len(end)) + end)
        if not path.exists():
            return path
    raise ToolError(f"{folder} is full of films of that name. Remove some.")


# The process that fetches, from inside ---------------------------------------------------------


class _Stop(BaseException):
    """A sentence for the user. Of the kind that yt-dlp does not catch and go on from."""


class _Meter:
    """Looks at every response: how much there is, and that it does not become too much."""

    def __init__(self, limit: int, say: Callable[..., None]) -> None:
        self._limit = limit
        self._say = say
        self._said = 0.0
        self.come = 0
        self.share: float | None = None
        self.words = "Looking for the film"

    def watch(self, response: Any) -> None:
        """Count and bound what is read from a response of yt-dlp's from now on."""
        read = response.read
        length = response.headers.get("Content-Length") or ""
        length = int(length) if length.isdigit() else 0

        def metered(amount: int | None = None) -> bytes:
            if amount is None or amount < 0:
                return b"".join(self._page(read))
            # With a length, a film; only sites that are films are read in pieces.
            if length > self._limit or _on_disk() > self._limit:
                raise _Stop(_too_large(self._limit))
            return self._count(read(amount))

        response.read = metered

    def _page(self, read: Callable[[int], bytes]) -> Iterator[bytes]:
        size = 0
        while piece := self._count(read(_PIECE)):
            size += len(piece)
            if size > _PAGE_BYTES:
                raise _Stop(_LARGE_PAGE)
            yield piece

    def _count(self, piece: bytes) -> bytes:
        self.come += len(piece)
        if time.monotonic() - self._said > _BEAT_SECONDS:
            self.beat()
        return piece

    def beat(self) -> None:
        """Tell the other process how things are."""
        self._said = time.monotonic()
        self._say(come=self.come, share=self.share, words=self.words)


def _on_disk() -> int:
    """Bytes of all files in this folder."""
    size = 0
    for entry in os.scandir():
        with suppress(FileNotFoundError):  # yt-dlp has just renamed it
            size += entry.stat().st_size
    return size


def main() -> None:
    """Read a job from standard input, do it in this folder, and say how it goes, in JSON lines.

    ``{"come": bytes, "share": ..., "words": ...}`` time and again; at last ``{"title": ...,
    "files": [...]}``, or ``{"refused": sentence}``, ``{"failed": text for the log}`` or
    ``{"no room": true}``.
    """
    # What libraries print must not get between the messages.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def say(**message: object) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    job = json.load(sys.stdin)
    memory = _MEMORY if sys.platform == "linux" else None
    child.confine(int(job["total"]) + 30, memory, int(job["bytes"]) + (1 << 20))
    try:
        title, files = _work(job, say)
        say(title=title, files=files)
    except _Stop as stop:
        say(refused=str(stop))
    except Exception as problem:
        chain = list(_causes(problem))
        if any(isinstance(one, OSError) and one.errno == errno.ENOSPC for one in chain):
            say(**{"no room": True})
        elif sentence := _sentence(chain, str(job["url"]), job):
            say(refused=sentence)
        else:
            say(failed=_quoted(f"{type(chain[-1]).__name__}: {chain[-1]}"))


def _guard(private: bool) -> Callable[[str, tuple[Any, ...]], None]:
    """The audit hook that the module speaks of."""
    home = os.path.realpath(Path.cwd())
    changes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    forbidden = {
        "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
        "os.forkpty", "os.startfile", "pty.spawn", "webbrowser.open", "ftplib.connect",
        "smtplib.connect", "socket.bind", "socket.sendto",
    }  # fmt: skip
    places = {"os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.chown"}
    pairs = {"os.rename", "os.link", "os.symlink"}

    def inside(path: object) -> bool:
        if isinstance(path, int):
            return True  # opened before, and looked at then
        place = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        return place == os.devnull or place.startswith(home + os.sep)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            _allow_connection(arguments[1], private)
        elif event == "urllib.Request":
            scheme = str(arguments[0]).partition(":")[0].lower()
            if scheme not in ("http", "https"):
                raise _Stop(
                    f"The link leads to {_shown(scheme, 20)}: instead of a web page, and EMSYNC "
                    f"does not go there. {_ADVICE}"
                )
        elif event in forbidden or (event == "socket.sendmsg" and arguments[1] is not None):
            raise PermissionError(errno.EACCES, f"{event} is not for this process")
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & changes and not inside(path):
                raise PermissionError(errno.EACCES, "only the scratch folder is written to")
        elif (event in places and not inside(arguments[0])) or (
            event in pairs and not (inside(arguments[0]) and inside(arguments[1]))
        ):
            raise PermissionError(errno.EACCES, "only the scratch folder is changed")

    return hook


def _allow_connection(address: object, private: bool) -> None:
    """Raise unless a socket may be connected to this address."""
    known = isinstance(address, tuple) and len(address) >= 2
    host, port = (address[0], address[1]) if isinstance(address, tuple) and known else ("", 0)
    if private and known:
        return
    if not is_public(str(host)):
        raise _Stop(
            "The link leads to a computer in a private network, and EMSYNC does not go there. "
            f"{_ADVICE}"
        )
    if port not in _PORTS and port < 1024:
        raise _Stop(
            f"The link leads to port {port}, where no films are served, and EMSYNC does not go "
            f"there. {_ADVICE}"
        )


def _work(job: Mapping[str, Any], say: Callable[..., None]) -> tuple[str, list[str]]:
    """Fetch the film into this folder; its title, and the names of its files."""
    # Libraries that open connections in their own ways: yt-dlp does without, and starts sooner.
    for library in ("requests", "curl_cffi", "websockets"):
        sys.modules[library] = None  # type: ignore[assignment]
    import yt_dlp  # type: ignore[import-untyped]
    from yt_dlp.networking import _urllib  # type: ignore[import-untyped]
    from yt_dlp.networking.exceptions import HTTPError  # type: ignore[import-untyped]

    codecs.lookup("idna")  # is imported when the first name is resolved
    meter = _Meter(job["bytes"], say)
    sys.addaudithook(_guard(job["private"]))
    meter.beat()

    # The other handlers connect by libraries that no audit hook sees, or speak other protocols.
    class MeteredRH(_urllib.UrllibRH):
        _SUPPORTED_URL_SCHEMES = ("http", "https")
        RH_NAME = "metered"

        def _send(self, request: Any) -> Any:
            try:
                response = super()._send(request)
            except HTTPError as problem:
                meter.watch(problem.response)
                raise
            except MemoryError:  # a compressed page, which comes unpacked
                raise _Stop(_LARGE_PAGE) from None
            meter.watch(response)
            return response

    class Downloader(yt_dlp.YoutubeDL):
        def build_request_director(self, handlers: Any, preferences: Any = None) -> Any:
            return super().build_request_director([MeteredRH])

    parts = [1]

    def choose(context: Mapping[str, Any]) -> list[Any]:
        chosen = choose_formats(context["formats"], job["bytes"])
        parts[0] = max(1, len(chosen))
        return chosen

    finished: set[str] = set()

    def hear(state: Mapping[str, Any]) -> None:
        come = state.get("downloaded_bytes") or 0
        total = state.get("total_bytes") or state.get("total_bytes_estimate")
        count = state.get("fragment_count")
        share = (state.get("fragment_index") or 0) / count if count else come / (total or 1)
        if not (count or total):
            meter.share = None
        else:  # the sound is little beside the picture
            alone, second = parts[0] == 1, bool(finished)
            share = min(share, 1.0)
            meter.share = share if alone else 0.9 + 0.1 * share if second else 0.9 * share
        of = f" of {total / 1e6:.0f}" if total and not count else ""
        meter.words = f"Fetching the film: {come / 1e6:.0f}{of} MB"
        if state["status"] == "finished":
            finished.add(state["filename"])

    def look(info: Mapping[str, Any], *, incomplete: object = False) -> None:
        _look_at(info, job["seconds"])

    options = {
        "format": choose,
        "format_sort": [f"res:{TALLEST}", "fps:60", "vcodec:h264", "acodec:aac"],
        "outtmpl": {"default": "film-%(autonumber)s.%(ext)s"},
        "match_filter": look,
        "progress_hooks": [hear],
        "playlist_items": "1:2",
        "noplaylist": True,
        "socket_timeout": job["stall"],
        "retries": 2,
        "fragment_retries": 2,
        "extractor_retries": 1,
        "file_access_retries": 0,
        "skip_unavailable_fragments": False,
        "hls_prefer_native": True,
        "external_downloader": {"default": "native"},
        "ffmpeg_location": os.devnull,
        "fixup": "never",
        "js_runtimes": {},
        "remote_components": [],
        "proxy": "",
        "geo_bypass": False,
        "usenetrc": False,
        "cachedir": False,
        "updatetime": False,
        "noprogress": True,
        "quiet": True,
        "no_warnings": True,
        "logger": _Silence(),
        "color": {"stdout": "never", "stderr": "never"},
    }
    with Downloader(options) as downloader:
        found = downloader.extract_info(job["url"], download=True)
    entries = list(found.get("entries") or []) if found else []
    info = entries[0] if entries else found
    files = [Path(one["filepath"]).name for one in (info or {}).get("requested_downloads") or []]
    if not files:
        raise _Stop(f"There is no film at this link. {_ADVICE}")
    return str(info.get("title") or "")[:_TITLE_LETTERS], files


class _Silence:
    """A logger that says nothing: what went wrong comes as an exception."""

    def debug(self, message: str) -> None:
        """Not said."""

    info = warning = error = debug


def choose_formats(formats: Sequence[Mapping[str, Any]], limit: int) -> list[Mapping[str, Any]]:
    """What to fetch of what a site offers: one file, or a picture and a sound.

    One file if it is the best, or has `_GOOD_ENOUGH` lines; else the best picture of at most
    `TALLEST` lines with the best sound.

    Args:
        formats: yt-dlp's, from the worst to the best.
        limit: bytes, for everything together; sizes that the site does not tell count as nothing.

    Raises:
        _Stop: all are too large, or there is only sound.
    """
    usable = [
        one
        for one in formats
        if set(str(one.get("protocol", "")).split("+")) <= _PROTOCOLS
        and not one.get("has_drm")
        and _lines(one) <= TALLEST
    ]
    sounds = [one for one in usable if one.get("vcodec") == "none"]
    pictures = [one for one in usable if one.get("acodec") == "none" and one not in sounds]
    whole = [one for one in usable if one not in sounds and one not in pictures]
    sounds = [one for one in sounds if one.get("acodec") != "none"]
    if not (pictures or whole):
        if sounds:
            raise _Stop("There is only sound at this link. Give the address of a film.")
        return []
    sound = next((one for one in reversed(sounds) if _bytes(one) <= limit / 4), None)
    left = limit - (_bytes(sound) if sound else 0)
    best = next((one for one in reversed(whole) if _bytes(one) <= limit), None)
    picture = next((one for one in reversed(pictures) if _bytes(one) <= left), None)
    if picture and sound:
        wanted = min(_GOOD_ENOUGH, _lines(picture))
        return [best] if best and (_lines(best) or wanted) >= wanted else [picture, sound]
    if best or picture:
        return [one for one in (best or picture,) if one]
    raise _Stop(_too_large(limit))


def _lines(one: Mapping[str, Any]) -> int:
    """Pixels of the shorter side; 0 where the site does not tell."""
    sides = [side for side in (one.get("width"), one.get("height")) if side]
    return int(min(sides, default=0))


def _bytes(one: Mapping[str, Any]) -> float:
    return one.get("filesize") or one.get("filesize_approx") or 0


def _look_at(info: Mapping[str, Any], seconds: float) -> None:
    """Raise where a film should not even be begun."""
    if (info.get("n_entries") or 1) > 1:
        raise _Stop("There are several films at this link. Give the address of one of them.")
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming", "post_live"):
        raise _Stop("This is a live stream, which has no end yet. Give the address of a film.")
    if (info.get("duration") or 0) > seconds:
        raise _Stop(
            f"The film at this link lasts {clock(info['duration'])} minutes; the limit is "
            f"{clock(seconds)}. Choose a shorter film, or drop in a part of it."
        )


# Sentences -------------------------------------------------------------------------------------

_WORDS = (
    (r"not a bot|captcha|cloudflare|anti-bot|unusual traffic",
     "{host} takes this server for a robot and refuses to send the film."),
    (r"\bdrm\b", "The film at {host} is protected against copying (DRM)."),
    (r"private", "{host} refuses: the film is private."),
    (r"(country|region|location)|geo.?(restrict|block)",
     "{host} refuses to send the film to the country in which this server is."),
    (r"members|premium|subscri|purchase|rent(ed|al)|paid|payment",
     "{host} refuses: the film is for people who have paid for it."),
    (r"sign.?in|log.?in|logged|cookies|account|authenticat|password|credentials|your age",
     "{host} refuses: only people who have signed in may see the film, and EMSYNC signs in "
     "nowhere."),
    (r"live event|live stream|premiere|not started|offline",
     "The film at {host} is a live stream, or has not begun yet."),
    (r"remov|delet|no longer|terminated|unavailable|not available|does ?n.t exist|not found",
     "{host} says that the film is not there any more."),
    (r"no video formats|requested format",
     "{host} offers nothing at this address that EMSYNC can fetch."),
)  # fmt: skip
"""Of what yt-dlp passes on of a site's words, and what to make of them; the first that fits."""


_HABITS = (
    (r"(?i)unsupported url scheme|file:// urls",
     "The film at {host} lies at addresses that are not of the web, and EMSYNC does not go there."),
    (r"ffmpeg|websocket|impersonat",
     "{host} sends the film in a way that EMSYNC does not follow, perhaps encrypted."),
    (r"any data blocks|m3u header|empty", "{host} sent nothing where the film should be."),
)  # fmt: skip
"""The same of what yt-dlp says of itself and of what came."""


_BROKEN = {
    "ConnectionResetError", "ContentTooShortError", "IncompleteRead", "RemoteDisconnected",
    "SSLError", "TransportError",
}  # fmt: skip
"""Exceptions, of Python's and of yt-dlp's, that say that a connection broke."""


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """An exception and whatever led to it, as yt-dlp and Python note it down."""
    waiting: list[object] = [problem]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "cause", None), getattr(one, "reason", None)]
            waiting += [one.__cause__, one.__context__, *(getattr(one, "exc_info", None) or ())]


def _sentence(chain: Sequence[BaseException], url: str, job: Mapping[str, Any]) -> str | None:
    """What to tell a person; None where nothing is known of such a failure."""
    from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError
    from yt_dlp.utils import (  # type: ignore[import-untyped]
        ExtractorError,
        GeoRestrictedError,
        UnsupportedError,
    )

    host = _host(url)
    if any(isinstance(one, MemoryError) for one in chain) or any(
        isinstance(one, OSError) and one.errno == errno.EFBIG for one in chain
    ):
        return _too_large(job["bytes"])
    if any(isinstance(one, UnsupportedError) for one in chain):
        return (
            f"No film was found on this page of {host}. Give the address of the page that plays "
            f"it, or of the film itself. Or: {_ADVICE[0].lower()}{_ADVICE[1:]}"
        )
    words = " ".join(str(one) for one in chain if isinstance(one, ExtractorError)).lower()
    # Numbers of HTTP say little where the site itself says more.
    said = re.sub(r"http error \d+: [\w ]*|unable to download [\w ]*|caused by .*", "", words)
    if any(isinstance(one, GeoRestrictedError) for one in chain):
        said = "geo restricted"
    for pattern, sentence in _WORDS:
        if re.search(pattern, said):
            return f"{sentence.format(host=host)} {_ADVICE}"
    for one in chain:
        if isinstance(one, HTTPError):
            return _http_sentence(host, one)
        if isinstance(one, CertificateVerifyError):
            return f"{host} cannot prove that it is {host} (its certificate is wrong). {_ADVICE}"
    return _network_sentence(chain, host, job) or _passed_on(chain, host)


def _http_sentence(host: str, problem: Any) -> str:
    """About an answer that is a number."""
    status = problem.status
    if problem.redirect_loop:
        return f"The link only leads from one address of {host} to the next. Check it. {_ADVICE}"
    if 300 <= status < 400:  # redirects to the web are followed
        return f"The link leads to something other than a web page. {_ADVICE}"
    if status in (404, 410):
        return f"There is nothing at this address: {host} answers {status}. Check the link."
    if status == 429:
        return f"{host} refuses: this server has asked it too often (429). Try later. {_ADVICE}"
    if status >= 500:
        return f"{host} has trouble of its own (it answers {status}). Try again later."
    reasons = {
        401: "it wants a name and a password",
        402: "it wants to be paid",
        407: "it wants a name and a password",
        451: "the law forbids it",
    }
    reason = reasons.get(status, f"it answers {status}")
    return f"{host} refuses to send the film ({reason}). {_ADVICE}"


def _network_sentence(
    chain: Sequence[BaseException], host: str, job: Mapping[str, Any]
) -> str | None:
    """About a connection that does not come about, or breaks."""
    for one in chain:
        if isinstance(one, socket.gaierror):
            return (
                f"{host} cannot be found. Check the link for typing errors, and whether this "
                f"server is connected to the internet. {_ADVICE}"
            )
        if isinstance(one, TimeoutError):
            return _silent(host, job["stall"])
        if isinstance(one, ConnectionRefusedError):
            return f"Nobody answers at {host}. Check the link, or try again later."
        if isinstance(one, OSError) and one.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return f"There is no way from this server to {host}. Is it connected? {_ADVICE}"
    names = {type(one).__name__ for one in chain}
    # Of a downloader that gave up after several attempts there are words only.
    tried = any("Giving up after" in str(one) for one in chain)
    if tried or names & _BROKEN:
        return f"The connection to {host} broke before the film was here. Try again. {_ADVICE}"
    return None


def _passed_on(chain: Sequence[BaseException], host: str) -> str | None:
    """The site's or yt-dlp's own words, where they are made for people."""
    from yt_dlp.utils import YoutubeDLError

    said = " ".join(map(str, chain))
    for pattern, sentence in _HABITS:
        if re.search(pattern, said):
            return f"{sentence.format(host=host)} {_ADVICE}"
    for one in reversed(chain):
        words = str(getattr(one, "orig_msg", None) or one)
        if isinstance(one, YoutubeDLError) and (quoted := _quoted(words)):
            return f"The film cannot be fetched from {host}: “{quoted}”. {_ADVICE}"
    return None


def _silent(host: str, seconds: float) -> str:
    return f"Nothing came from {host} for {seconds:g} seconds. Try again later. {_ADVICE}"


def _too_large(limit: int) -> str:
    return (
        f"The film at this link is larger than {limit / 1e6:.0f} MB, the limit. Choose a smaller "
        "one, or drop in a part of it."
    )


def _host(url: str) -> str:
    return _shown(urlsplit(url).hostname or "the site", 60)


def _shown(text: str, most: int) -> str:
    """Text of strangers, fit to stand in a sentence of ours."""
    plain = "".join(c if c.isprintable() and c not in "“”<>" else " " for c in text)
    plain = " ".join(plain.split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _quoted(text: str) -> str:
    """An error text without colours, yt-dlp's advice to its own users, and addresses."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    text = re.sub(r"^\s*(ERROR:\s*)?(\[[^\]]*\]\s*)?", "", text)
    text = re.split(r"[;.(]?\s*(?:please report|caused by|use --|see\s+http|you might want|try "
                    r"selecting|--\w)", text, maxsplit=1, flags=re.IGNORECASE)[0]  # fmt: skip
    return _shown(re.sub(r"\w+://\S+", "", text), _QUOTE_LETTERS).rstrip(".: ")


if __name__ == "__main__":
    main()
