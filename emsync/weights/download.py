"""One file over HTTPS: whole and the one that was promised, or not at all.

What has come so far lies in `NAME.partial` and is gone on with the next time. The file appears
under its own name only after its size and its SHA-256 were compared with what is known of them.
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from emsync.errors import WeightsError
from emsync.process.files import digest
from emsync.progress import CancelToken

TIMEOUT = 20.0
"""Seconds without a single byte after which a connection is given up."""
ATTEMPTS = 4
"""At one address, before the next is tried."""
PAUSE = 1.0
"""Seconds before the second attempt; before each later one twice as long."""

Check = Literal["pinned", "published", "first download"]
"""What a file was compared with: a SHA-256 that was known before, one that its source published
with the download, or nothing: it is pinned now."""
Tell = Callable[[int], None]
"""Receives the bytes of the file that have come so far."""

_CHUNK = 1 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PASSING = (408, 425, 429)  # and all of 500 to 599: worth another attempt
_SHA256, _GIT_BLOB = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Download:
    """A file that came and was checked."""

    bytes: int
    sha256: str
    url: str
    check: Check


class DownloadError(WeightsError):
    """The file cannot be had; the text says why, address by address."""


class _Failed(Exception):
    """An attempt failed. Its text ends the sentence "host: ..."."""

    def __init__(self, why: str, passing: bool = False) -> None:
        super().__init__(why)
        self.passing = passing


@dataclass(frozen=True)
class _Promise:
    """What a server says of the file. Its git blob is a SHA-1, what a Hugging Face repository
    publishes of small files; of large ones it publishes the SHA-256."""

    total: int | None
    sha256: str | None = None
    git_blob: str | None = None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to where it is allowed, and keeps what they say of the file."""

    def __init__(self, local: bool) -> None:
        self.local = local
        self.linked: dict[str, str] = {}

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _allow(newurl, self.local)
        for name in ("X-Linked-Etag", "X-Linked-Size"):
            if name in headers:
                self.linked[name] = headers[name]
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    urls: Sequence[str],
    target: Path,
    *,
    bytes: int | None = None,
    sha256: str | None = None,
    tell: Tell = lambda received: None,
    cancel: CancelToken | None = None,
) -> Download:
    """Fetch one file, from the first address that has it.

    Args:
        urls: the same file, at one or more addresses; https, or http on this machine.
        target: where it goes; its folder exists.
        bytes: its size, if that is known.
        sha256: its SHA-256 in hexadecimal digits, if that is known.
        tell: called after every piece.
        cancel: looked at between pieces; what has come stays for the next time.

    Raises:
        DownloadError: no address has it.
        WeightsError: there is no room for it.
        OSError: it cannot be written.
        Cancelled: by `cancel`.
    """
    cancel = cancel or CancelToken()
    problems = []
    for url in urls:
        for attempt in range(ATTEMPTS):
            if attempt:
                _wait(PAUSE * 2 ** (attempt - 1), cancel)
            try:
                return _attempt(url, target, bytes, sha256, tell, cancel)
            except _Failed as failed:
                problem = f"{urlsplit(url).hostname}: {failed}"
                if not failed.passing:
                    break
        problems.append(problem)
    raise DownloadError(f"{target.name} cannot be downloaded ({'; '.join(problems)}).")


def answers(url: str, seconds: float) -> bool:
    """Return whether the host of an address answers at all, whatever it says."""
    parts = urlsplit(url)
    local = parts.hostname in _LOOPBACK
    request = urllib.request.Request(f"{parts.scheme}://{parts.netloc}/", method="HEAD")
    try:
        _allow(url, local)
        urllib.request.build_opener(_Redirects(local)).open(request, timeout=seconds).close()
    except urllib.error.HTTPError:
        pass
    except (OSError, http.client.HTTPException, _Failed):
        return False
    return True


def check_free_space(folder: Path, needed: int) -> None:
    """Check that so many bytes fit into a folder.

    Raises:
        WeightsError: they do not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WeightsError(
            f"{folder} has room for {free / 1e6:.0f} MB, but {needed / 1e6:.0f} MB are missing. "
            "Make room, or have the weights elsewhere: set EMSYNC_WEIGHTS to another folder."
        )


def _attempt(
    url: str,
    target: Path,
    size: int | None,
    sha256: str | None,
    tell: Tell,
    cancel: CancelToken,
) -> Download:
    """Make one attempt at one address; arguments as for `download`.

    Raises:
        _Failed: with the reason, and whether another attempt is worth while.
        WeightsError: there is no room for it.
        OSError: it cannot be written.
        Cancelled: by `cancel`.
    """
    partial = target.with_name(f"{target.name}.partial")
    begun = partial.stat().st_size if partial.exists() else 0
    promise = _receive(url, partial, size, sha256, tell, cancel)
    total, come = size if size is not None else promise.total, partial.stat().st_size
    if total is not None and come < total:
        raise _Failed(f"the connection ended after {come} of {total} bytes", passing=True)
    found = digest(partial, cancel)
    expected = sha256 or promise.sha256
    same = come > 0 and (total is None or come == total)
    if expected:
        same = same and found == expected
    elif promise.git_blob:
        same = same and _git_blob(partial) == promise.git_blob
    if not same:
        _forget(partial)
        # Two halves of two versions make a third, so a file that was gone on with has another try.
        raise _Failed(
            f"what came is not the file that was promised, SHA-256 {found[:12]}…"
            + (f" instead of {expected[:12]}…" if expected else ""),
            passing=begun > 0,
        )
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)
    _forget(partial)
    published = promise.sha256 or promise.git_blob
    check: Check = "pinned" if sha256 else "published" if published else "first download"
    return Download(come, found, url, check)


def _receive(
    url: str,
    partial: Path,
    size: int | None,
    sha256: str | None,
    tell: Tell,
    cancel: CancelToken,
) -> _Promise:
    """Add to the partial file what is missing of it; return what the server says of the whole.

    Arguments as for `download`.

    Raises:
        _Failed: with the reason.
        WeightsError: there is no room for it.
        Cancelled: by `cancel`.
    """
    local = urlsplit(url).hostname in _LOOPBACK
    _allow(url, local)
    have, validator = _begun(partial, url, sha256)
    if size is not None and have == size:
        return _Promise(size)
    headers = {"User-Agent": "emsync", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    redirects = _Redirects(local)
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = urllib.request.build_opener(redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as problem:
        if problem.code == 416 and have:
            if problem.headers.get("Content-Range") == f"bytes */{have}":
                return _Promise(have)  # there was nothing missing
            _forget(partial)
            raise _Failed("it no longer has what was begun", passing=True) from problem
        passing = problem.code in _PASSING or problem.code >= 500
        raise _Failed(f"it answered {problem.code} {problem.reason}", passing) from problem
    except (OSError, http.client.HTTPException) as problem:
        raise _Failed(_why(problem), passing=True) from problem
    with answer:
        start, promise = _promised(answer, redirects.linked)
        if promise.sha256 and sha256 and promise.sha256 != sha256:
            raise _Failed(
                f"it has another version there, SHA-256 {promise.sha256[:12]}… instead of "
                f"{sha256[:12]}…"
            )
        if size is not None and promise.total not in (None, size):
            raise _Failed(f"the file is {promise.total} bytes long there instead of {size}")
        if start not in (0, have):
            _forget(partial)
            raise _Failed("it sent another part of the file than was asked for", passing=True)
        if start == 0:
            _remember(partial, url, answer.headers.get("ETag"))
        check_free_space(partial.parent, (promise.total or 0) - start)
        _pour(answer, partial, start, size or promise.total, tell, cancel)
        return promise


def _pour(
    answer: http.client.HTTPResponse,
    partial: Path,
    start: int,
    total: int | None,
    tell: Tell,
    cancel: CancelToken,
) -> None:
    """Write an answer into the partial file as it comes.

    Args:
        answer: of the server, from byte `start` on.
        partial: what it has beyond `start` is cut off.
        start: where the answer belongs.
        total: bytes of the whole file, if known; more than that is refused.
        tell: told the bytes that are here.
        cancel: looked at between pieces.

    Raises:
        _Failed: the connection broke, or more came than the file has.
        OSError: it cannot be written.
        Cancelled: by `cancel`.
    """
    with partial.open("r+b" if start else "wb") as file:
        come = file.seek(start)
        file.truncate()
        tell(come)
        while True:
            cancel.check()
            # What is there, even if it is little: progress and cancelling do not wait for more.
            try:
                piece = answer.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as problem:
                raise _Failed(_why(problem), passing=True) from problem
            if not piece:
                return
            come += len(piece)
            if total is not None and come > total:
                _forget(partial)
                raise _Failed(f"it sent more than the {total} bytes that the file has")
            file.write(piece)
            tell(come)


def _promised(answer: http.client.HTTPResponse, linked: dict[str, str]) -> tuple[int, _Promise]:
    """Return at which byte of the file the answer begins, and what is promised of the whole.

    Raises:
        _Failed: it is no file, or does not say which part of it.
    """
    headers: Message = answer.headers
    if headers.get_content_type() == "text/html":
        raise _Failed("it answered with a web page instead of the file")
    start, total = 0, None
    if answer.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        if not match:
            raise _Failed("it sent a part of the file without saying which", passing=True)
        start = int(match[1])
        total = int(match[2]) if match[2] != "*" else None
    elif headers.get("Content-Length", "").isdigit():
        total = int(headers["Content-Length"])
    if linked.get("X-Linked-Size", "").isdigit():
        total = int(linked["X-Linked-Size"])
    # Other servers' ETags may be any hash of anything, so only what is known to be one is taken.
    hub = urlsplit(answer.url).hostname in ("huggingface.co", *_LOOPBACK)
    tag = linked.get("X-Linked-Etag") or (hub and headers.get("ETag")) or ""
    tag = tag.removeprefix("W/").strip('"')
    return start, _Promise(
        total,
        tag if _SHA256.fullmatch(tag) else None,
        tag if _GIT_BLOB.fullmatch(tag) else None,
    )


def _begun(partial: Path, url: str, sha256: str | None) -> tuple[int, str | None]:
    """Return the bytes that are here, and the version that they are of.

    Where the SHA-256 is known in advance it tells whether two parts belong together, so that one
    address may go on with what another began. Else the same address must have the same version.
    """
    if not partial.exists():
        return 0, None
    have = partial.stat().st_size
    if sha256:
        return have, None
    try:
        note = json.loads(_note(partial).read_text())
        if note["url"] == url and note["etag"]:
            return have, str(note["etag"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, None


def _remember(partial: Path, url: str, etag: str | None) -> None:
    """Note which address and version a partial file is of."""
    # A weak tag says that two versions mean the same, not that they have the same bytes.
    strong = etag if etag and etag.startswith('"') else None
    _note(partial).write_text(json.dumps({"url": url, "etag": strong}))


def _forget(partial: Path) -> None:
    """Delete a partial file, so that the next attempt begins anew."""
    partial.unlink(missing_ok=True)
    _note(partial).unlink(missing_ok=True)


def _note(partial: Path) -> Path:
    """Return the file that says which address and version a partial file is of."""
    return partial.with_name(f"{partial.name}.json")


def _allow(url: str, local: bool) -> None:
    """Refuse an address that is neither https nor, from the beginning, http on this machine.

    Raises:
        _Failed: it is none of these.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or (
        local and parts.scheme == "http" and parts.hostname in _LOOPBACK
    ):
        return
    raise _Failed(f"{parts.scheme}://{parts.hostname} is not a safe address (https)")


def _git_blob(path: Path) -> str:
    """Return the SHA-1 by which git names the content of a file."""
    found = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            found.update(piece)
    return found.hexdigest()


def _why(problem: object) -> str:
    """Return what went wrong with a connection, to follow "host:"."""
    if isinstance(problem, urllib.error.URLError):
        problem = problem.reason
    if isinstance(problem, TimeoutError):
        return f"it said nothing for {TIMEOUT:g} seconds"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return str(problem) or type(problem).__name__


def _wait(seconds: float, cancel: CancelToken) -> None:
    """Wait, looking at `cancel` twenty times a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        cancel.check()
        time.sleep(0.05)
