"""The process that fetches a film with yt-dlp (``python -m emsync.film.link.worker``).

It reads a job from its standard input, works in the current folder, and writes JSON, a message a
line, to its standard output: ``{"come": bytes, "share": ..., "words": ...}`` time and again; at
last ``{"title": ..., "files": [...]}``, or ``{"refused": sentence}``, ``{"failed": text for the
log}`` or ``{"no room": true}``.
"""

import codecs
import errno
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from emsync.film.link.guard import audit_hook
from emsync.film.link.messages import (
    ADVICE,
    LARGE_PAGE,
    LIVE,
    Refused,
    causes,
    sentence_of,
    too_large,
    without_advice,
)
from emsync.process import child
from emsync.text import clock

TALLEST = 1080
"""Pixels of the shorter side: more is neither needed nor fetched."""

_MEMORY = 1 << 30
_BEAT_SECONDS = 0.2
_PAGE_BYTES = 32 << 20  # of one page; the largest that sites have are a few megabytes
_PIECE_BYTES = 8 << 10
_TITLE_LETTERS = 300
_GOOD_ENOUGH = 720  # pixels: a film in one file is taken from here on
_PROTOCOLS = {"http", "https", "m3u8", "m3u8_native", "http_dash_segments"}

Say = Callable[..., None]
"""Writes one message: its names and values."""


def main() -> None:
    """Do the job that standard input names, and say how it goes."""
    answers = child.take_output()

    def say(**message: object) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    job = json.load(sys.stdin)
    memory = _MEMORY if sys.platform == "linux" else None
    child.confine(int(job["total"]) + 30, memory, int(job["bytes"]) + (1 << 20))
    try:
        title, files = _fetch(job, say)
        say(title=title, files=files)
    except Refused as refusal:
        say(refused=str(refusal))
    except Exception as problem:
        chain = list(causes(problem))
        if any(isinstance(one, OSError) and one.errno == errno.ENOSPC for one in chain):
            say(**{"no room": True})
        elif sentence := sentence_of(problem, str(job["url"]), job["bytes"], job["stall"]):
            say(refused=sentence)
        else:
            say(failed=without_advice(f"{type(chain[-1]).__name__}: {chain[-1]}"))


def _fetch(job: Mapping[str, Any], say: Say) -> tuple[str, list[str]]:
    """Fetch the film into this folder; return its title, and the names of its files."""
    # Libraries that open connections in their own ways: yt-dlp does without, and starts sooner.
    for library in ("requests", "curl_cffi", "websockets"):
        sys.modules[library] = None  # type: ignore[assignment]
    import yt_dlp

    codecs.lookup("idna")  # is imported when the first name is resolved
    meter = _Meter(job["bytes"], say)
    handler = _metered_handler(meter)
    sys.addaudithook(audit_hook(job["private"]))
    meter.beat()

    class Downloader(yt_dlp.YoutubeDL):
        def build_request_director(self, handlers: Any, preferences: Any = None) -> Any:
            return super().build_request_director([handler])

    with Downloader(_options(job, meter)) as downloader:
        found = downloader.extract_info(job["url"], download=True)
    entries = list(found.get("entries") or []) if found else []
    info = entries[0] if entries else found
    files = [Path(one["filepath"]).name for one in (info or {}).get("requested_downloads") or []]
    if not files:
        raise Refused(f"There is no film at this link. {ADVICE}")
    return str(info.get("title") or "")[:_TITLE_LETTERS], files


class _Meter:
    """Looks at every response: how much there is, and that it does not become too much."""

    def __init__(self, limit: int, say: Say) -> None:
        self._limit = limit
        self._say = say
        self._said = 0.0
        self._come = 0
        self._share: float | None = None
        self._words = "Looking for the film"
        self._parts = 1
        self._finished: set[str] = set()

    def watch(self, response: Any) -> None:
        """Count and bound what is read from a response of yt-dlp's from now on."""
        read = response.read
        length = response.headers.get("Content-Length") or ""
        length = int(length) if length.isdigit() else 0

        def metered(amount: int | None = None) -> bytes:
            if amount is None or amount < 0:
                return b"".join(self._page(read))
            # With a length, a film; only sites that are films are read in pieces.
            if length > self._limit or _bytes_on_disk() > self._limit:
                raise Refused(too_large(self._limit))
            return self._count(read(amount))

        response.read = metered

    def choose(self, context: Mapping[str, Any]) -> list[Any]:
        """Choose among the formats of a film, as yt-dlp asks; see `choose_formats`."""
        chosen = choose_formats(context["formats"], self._limit)
        self._parts = max(1, len(chosen))
        return chosen

    def on_progress(self, state: Mapping[str, Any]) -> None:
        """Take in how far yt-dlp is with a file."""
        come = state.get("downloaded_bytes") or 0
        total = state.get("total_bytes") or state.get("total_bytes_estimate")
        count = state.get("fragment_count")
        share = (state.get("fragment_index") or 0) / count if count else come / (total or 1)
        if not (count or total):
            self._share = None
        else:  # the sound is little beside the picture
            alone, second = self._parts == 1, bool(self._finished)
            share = min(share, 1.0)
            self._share = share if alone else 0.9 + 0.1 * share if second else 0.9 * share
        of = f" of {total / 1e6:.0f}" if total and not count else ""
        self._words = f"Fetching the film: {come / 1e6:.0f}{of} MB"
        if state["status"] == "finished":
            self._finished.add(state["filename"])

    def beat(self) -> None:
        """Tell the other process how things are."""
        self._said = time.monotonic()
        self._say(come=self._come, share=self._share, words=self._words)

    def _page(self, read: Callable[[int], bytes]) -> Iterator[bytes]:
        """Yield the pieces of a page, which must not become too large."""
        size = 0
        while piece := self._count(read(_PIECE_BYTES)):
            size += len(piece)
            if size > _PAGE_BYTES:
                raise Refused(LARGE_PAGE)
            yield piece

    def _count(self, piece: bytes) -> bytes:
        self._come += len(piece)
        if time.monotonic() - self._said > _BEAT_SECONDS:
            self.beat()
        return piece


def _bytes_on_disk() -> int:
    """Return the bytes of all files in this folder."""
    size = 0
    for entry in os.scandir():
        with suppress(FileNotFoundError):  # yt-dlp has just renamed it
            size += entry.stat().st_size
    return size


def _metered_handler(meter: _Meter) -> Any:
    """Return the only request handler that yt-dlp gets: of the web, and through the meter.

    Its others connect by libraries that no audit hook sees, or speak other protocols.
    """
    from yt_dlp.networking import _urllib
    from yt_dlp.networking.exceptions import HTTPError

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
                raise Refused(LARGE_PAGE) from None
            meter.watch(response)
            return response

    return MeteredRH


def _options(job: Mapping[str, Any], meter: _Meter) -> dict[str, Any]:
    """Return yt-dlp's options: no settings, passwords, plugins, programs or playlists."""

    def check(info: Mapping[str, Any], *, incomplete: object = False) -> None:
        _check_before(info, job["seconds"])

    return {
        "format": meter.choose,
        "format_sort": [f"res:{TALLEST}", "fps:60", "vcodec:h264", "acodec:aac"],
        "outtmpl": {"default": "film-%(autonumber)s.%(ext)s"},
        "match_filter": check,
        "progress_hooks": [meter.on_progress],
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


class _Silence:
    """A logger that says nothing: what went wrong comes as an exception."""

    def debug(self, message: str) -> None:
        """Say nothing."""

    info = warning = error = debug


def choose_formats(formats: Sequence[Mapping[str, Any]], limit: int) -> list[Mapping[str, Any]]:
    """Return what to fetch of what a site offers: one file, or a picture and a sound.

    One file if it is the best, or has `_GOOD_ENOUGH` lines; else the best picture of at most
    `TALLEST` lines with the best sound.

    Args:
        formats: yt-dlp's, from the worst to the best.
        limit: bytes, for everything together; sizes that the site does not tell count as nothing.

    Raises:
        Refused: all are too large, or there is only sound.
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
            raise Refused("There is only sound at this link. Give the address of a film.")
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
    raise Refused(too_large(limit))


def _lines(one: Mapping[str, Any]) -> int:
    """Return the pixels of a format's shorter side; 0 where the site does not tell."""
    sides = [side for side in (one.get("width"), one.get("height")) if side]
    return int(min(sides, default=0))


def _bytes(one: Mapping[str, Any]) -> float:
    """Return the size of a format; 0 where the site does not tell."""
    return one.get("filesize") or one.get("filesize_approx") or 0


def _check_before(info: Mapping[str, Any], seconds: float) -> None:
    """Raise where a film should not even be begun; `seconds`: that it may last."""
    if (info.get("n_entries") or 1) > 1:
        raise Refused("There are several films at this link. Give the address of one of them.")
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming", "post_live"):
        raise Refused(LIVE)
    if (info.get("duration") or 0) > seconds:
        raise Refused(
            f"The film at this link lasts {clock(info['duration'])} minutes; the limit is "
            f"{clock(seconds)}. Choose a shorter film, or drop in a part of it."
        )


if __name__ == "__main__":
    main()
