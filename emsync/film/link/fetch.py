"""A film from a link: yt-dlp finds and fetches it, in a process that may do nothing else.

The address is a stranger's and the pages behind it are other strangers', so yt-dlp runs apart
(`emsync.film.link.worker`), in a scratch folder that is also its home, without the environment of
the app. An audit hook (`emsync.film.link.guard`), which code in that process cannot take off again,
lets it

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

import importlib.util
import json
import logging
import os
import re
import tempfile
import time
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emsync.errors import EmsyncError, FilmError, ToolError
from emsync.film.ffmpeg import FFmpegRun, input_arguments
from emsync.film.link.messages import ADVICE, failed, host_of, shown, silent, too_large
from emsync.limits import is_offline
from emsync.process.child import Child, module_command
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
from emsync.text import clock, one_line

RIGHTS = (
    "Only fetch films that you may use: your own, or those whose licence allows it. Some sites "
    "forbid downloading in their terms."
)
"""For the page, beside the field."""

TOTAL_SECONDS = 300.0
"""That a film may take to come, all in all."""
STALL_SECONDS = 20.0
"""Without a single byte, after which it is given up."""

Tell = Callable[[float | None, str], None]
"""Receives the share that is done, in [0, 1] or None where there is no telling, and what is under
way."""

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
_NAME_BYTES = 100
_KEPT = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_DISK_FULL = "The disk is full. Make room for the film and try again."
_LATE = f"The film was not here after {{}} minutes. {ADVICE}"


def why_not() -> str | None:
    """Return why no film can be fetched from a link here, as a sentence; None if it can.

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
    """Fetch the film at a link into `folder`, under its title.

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
        The path. Whether it really is a film is for `emsync.film.probe` to say.

    Raises:
        FilmError: it cannot be had from there; the text says why, and what to do instead.
        ToolError: FFmpeg is missing or failed, or there is no room.
        EmsyncError: links are switched off, see `why_not`.
        Cancelled: by `cancel`.
    """
    if reason := why_not():
        raise EmsyncError(reason)
    url = checked_address(address)
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
        title, files = _fetched(job, scratch, tell, cancel, deadline)
        film = files[0]
        if len(files) == 2:
            tell(None, "Putting picture and sound together")
            film = _joined(files[0], files[1], scratch, cancel, deadline)
        if film.stat().st_size > limits.bytes:
            raise FilmError(too_large(limits.bytes))
        target = free_path(folder, title, _suffix(film))
        film.replace(target)
    tell(1.0, "The film is here")
    return target


def file_stem(title: str, most: int = _NAME_BYTES) -> str:
    """Return a film's title as a file name without its suffix.

    Letters, digits and marks of all scripts, spaces and ``-_.`` stay; it begins with none of the
    latter, so that it is neither hidden nor an option, and is `most` bytes of UTF-8 at most.
    """
    kept = (
        letter if letter in "-_." or unicodedata.category(letter)[0] in "LNM" else " "
        for letter in unicodedata.normalize("NFC", title)
    )
    words = " ".join("".join(kept).split()).lstrip("-_. ")
    short = words.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")
    return re.sub(r"\.{2,}", ".", short).rstrip("-_. ") or "film"


def checked_address(address: str) -> str:
    """Return the address to go to for what a person has pasted.

    Raises:
        FilmError: it is no address, or one that is not followed.
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
            f"Links that begin with {shown(parts.scheme, 20)}: are not followed, only https: and "
            f"http:. {ADVICE}"
        )
    # The rest of an address is the browser's own; yt-dlp would take orders from it.
    return url.partition("#")[0] if "__youtubedl_smuggle" in url else url


def worker_variables(scratch: Path) -> dict[str, str]:
    """Return what the worker's environment has beside that of every child.

    It is nothing that the app knows: no tokens, no proxies, no home with settings and passwords.
    """
    home = str(scratch)
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        **dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "APPDATA", "TMPDIR"), home),
        "PYTHONIOENCODING": "utf-8",
        "YTDLP_NO_PLUGINS": "1",
    }


def _fetched(
    job: Mapping[str, object], scratch: Path, tell: Tell, cancel: CancelToken, deadline: float
) -> tuple[str, list[Path]]:
    """Have the worker fetch; return the title and the files: the film, or picture and sound."""
    tell(None, "Looking for the film")
    host, last_byte, done = host_of(str(job["url"])), time.monotonic(), 0.0
    come: object = None
    with Child(
        module_command("emsync.film.link.worker"),
        variables=worker_variables(scratch),
        folder=scratch,
    ) as worker:
        worker.send(json.dumps(job).encode(), last=True)
        while True:
            cancel.check()
            now = time.monotonic()
            if now > deadline:
                raise FilmError(_LATE.format(clock(TOTAL_SECONDS)))
            if now - last_byte > STALL_SECONDS:
                raise FilmError(failed(host, silent(STALL_SECONDS)))
            line = worker.read_line(_LOOK_SECONDS)
            if line is None:
                continue
            message = _message_of(line)
            if "title" in message:
                return str(message["title"]), _files_of(message, scratch, host)
            _check_refusal(message, host)
            if message.get("come") != come:
                last_byte, come = now, message.get("come")
            share = message.get("share")
            if isinstance(share, float):
                # Estimates of what is still to come change; what is done does not become less.
                done = max(done, min(share, 1.0))
            tell(None if share is None else done, one_line(str(message.get("words"))))


def _message_of(line: bytes) -> dict[str, Any]:
    """Return what a line of the worker says; it has read strangers' pages, so anything may come."""
    said: object = None
    with suppress(ValueError, RecursionError):
        said = json.loads(line)
    return said if isinstance(said, dict) else {"failed": f"the process said {line[:99]!r}"}


def _check_refusal(message: Mapping[str, Any], host: str) -> None:
    """Raise what the worker says is wrong, if it says so."""
    if "refused" in message:
        raise FilmError(one_line(str(message["refused"]), 600))
    if "no room" in message:
        raise ToolError(_DISK_FULL)
    if "failed" in message:
        log.warning("yt-dlp failed on %s: %.200s", host, message["failed"])
        raise FilmError(failed(host, "something went wrong that is not known"))


def _files_of(message: Mapping[str, Any], scratch: Path, host: str) -> list[Path]:
    """Return the files that the worker names, which must be in its folder."""
    names = message.get("files") or []
    files = [scratch / Path(str(name)).name for name in names[:2]]
    if not files or not all(file.is_file() and not file.is_symlink() for file in files):
        raise FilmError(failed(host, "it sent no film, though it said so"))
    return files


def _joined(
    picture: Path, sound: Path, scratch: Path, cancel: CancelToken, deadline: float
) -> Path:
    """Put picture and sound into one file, both as they came."""
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
                    raise FilmError(_LATE.format(clock(TOTAL_SECONDS)))
            if run.finish() == 0:
                return out
            if run.disk_full:
                raise ToolError(_DISK_FULL)
    raise FilmError(f"The film's picture and sound came apart and cannot be put together. {ADVICE}")


def _suffix(film: Path) -> str:
    """Return the suffix for the content of a file; its own if there is no telling.

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


def free_path(folder: Path, title: str, suffix: str) -> Path:
    """Return a path in `folder` that is not taken."""
    wanted = title.removesuffix(suffix) if suffix else title
    for count in range(1, 1000):
        end = (f" {count}" if count > 1 else "") + suffix
        path = folder / (file_stem(wanted, _NAME_BYTES - len(end)) + end)
        if not path.exists():
            return path
    raise ToolError(f"{folder} is full of films of that name. Remove some.")
