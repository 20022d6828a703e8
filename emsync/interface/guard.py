"""What stands between the network and the page: what may be asked for, how much may be sent, and
the headers that go with every answer.

Gradio serves more than this page needs. `Guard` lets through what the page and `gradio_client` use
and nothing else, so what Gradio adds one day is closed until somebody opens it here.
"""

import asyncio
import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emsync.errors import EmsyncError
from emsync.interface.access import Access, PasswordTries
from emsync.interface.disk_quota import FULL

MOST_BODY = 1_000_000
"""Bytes of a message that is no upload; the page's own have some thousands."""
_ENVELOPE = 1_000_000
"""Bytes of an upload beside the file."""
_MOST_DEPTH = 40
"""Of lists and objects in a message."""
_LONGEST_NAME = 64
"""Of an open page, as its browser or program calls it."""
_SILENCE_SECONDS = 60.0
"""An upload of which nothing comes for so long is given up; so is a message that is not whole."""
_SLOWEST = 5_000
"""Bytes a second of an upload, after the first minute."""
_TOO_MANY_TRIES = 429, "Too many wrong passwords. Wait ten minutes."
_BROKEN_OFF = "The upload was broken off."
_LOOK_BYTES = 16_000_000
"""Of an upload, between two looks at the disk."""
_PUBLIC = frozenset(
    {"/", "/login", "/login/", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json"}
)
"""What is served before a password is given: the form that asks for it. Its own start asks for
the last one."""
_STARTUP = "/gradio_api/startup-events"
_STATIC = ("/assets/", "/static/")
_FILE = "/gradio_api/file="
_UPLOAD = "/gradio_api/upload"
_HEARTBEAT = "/gradio_api/heartbeat/"
_READ = _PUBLIC | {
    "/config", "/config/", "/logout", _STARTUP,
    "/gradio_api/theme.css", "/gradio_api/info", "/gradio_api/info/", "/gradio_api/app_id",
    "/gradio_api/app_id/", "/gradio_api/queue/data", "/gradio_api/upload_progress",
}  # fmt: skip
_READ_BELOW = (
    *_STATIC, _FILE, _HEARTBEAT, "/gradio_api/call/score/", "/gradio_api/call/v2/score/",
)  # fmt: skip
_WRITE = {
    "/login", "/login/", _UPLOAD, "/gradio_api/queue/join", "/gradio_api/cancel",
    "/gradio_api/reset", "/gradio_api/reset/",
    # What does not wait in Gradio's own queue, by its number.
    "/gradio_api/run/predict",
    *(
        f"/gradio_api/{way}/score{end}"
        for way in ("run", "api", "call", "call/v2")
        for end in ("", "/")
    ),
}  # fmt: skip

_PERMISSIONS = ", ".join(
    [f"{name}=(self)" for name in ("autoplay", "camera", "clipboard-write", "fullscreen")]
    + [f"{name}=(self)" for name in ("microphone", "picture-in-picture")]
    + [
        f"{name}=()"
        for name in (
            *("accelerometer", "clipboard-read", "display-capture"),
            *("encrypted-media", "geolocation", "gyroscope", "hid", "idle-detection"),
            *("local-fonts", "magnetometer", "midi", "payment", "publickey-credentials-get"),
            *("screen-wake-lock", "serial", "usb", "window-management", "xr-spatial-tracking"),
        )
    ]
)


def guarded(
    access: Access,
    root: Path,
    shown: tuple[Path, ...],
    most_bytes: int,
    head: str,
    has_room: Callable[[int], bool],
) -> dict[str, Any]:
    """Return arguments for `Blocks.launch`, beside those for the looks.

    Args:
        access: who may come.
        root: folder of uploads and results.
        shown: folders that are served to everybody.
        most_bytes: of an uploaded file.
        head: HTML that the page adds to its head; its scripts may run.
        has_room: whether so many bytes more may lie in `root`.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        # Around everything that Gradio adds, its rules for other origins included, which let any
        # origin read a page that is not on this machine.
        inner = app.middleware_stack or app.build_middleware_stack()
        app.middleware_stack = Guard(inner, app, access, (root, *shown), most_bytes, head, has_room)
        yield

    options: dict[str, Any] = {
        "app_kwargs": {"lifespan": lifespan, "middleware": [Middleware(Nonces)]},
    }
    if access.password is not None:
        options["auth"] = access.knows
        options["auth_message"] = "This copy of EMSYNC asks for a password."
    return options


def check_guarded(app: Any) -> None:
    """Refuse to go on with an app that has no guard.

    Args:
        app: that `Blocks.launch` has started.

    Raises:
        EmsyncError: it has none.
    """
    if not isinstance(app.middleware_stack, Guard):
        raise EmsyncError("The page could not be protected, so it was not started.")


class Nonces:
    """Marks the scripts of the page with the nonce that its policy names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        nonce = scope.get("emsync.nonce")
        if nonce is None or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def hold(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if start is None or message.get("more_body"):
                return
            headers = MutableHeaders(scope=start)
            page = bytes(body)
            if headers.get("content-type", "").startswith("text/html"):
                page = page.replace(b"<script", b"<script nonce=" + nonce.encode())
                headers["content-length"] = str(len(page))
            await send(start)
            await send({"type": "http.response.body", "body": page})

        await self._app(scope, receive, hold)


class Guard:
    """The outermost layer of the app."""

    def __init__(
        self,
        inner: ASGIApp,
        app: Any,
        access: Access,
        folders: tuple[Path, ...],
        most_bytes: int,
        head: str,
        has_room: Callable[[int], bool],
    ) -> None:
        """
        Args:
            inner: what it protects.
            app: Gradio's, which knows who has given the password.
            access: who may come.
            folders: whose files may be served; uploads go into the first.
            most_bytes: of an uploaded file.
            head: HTML whose scripts may run.
            has_room: whether so many bytes more may lie here.
        """
        self._inner, self._app, self._access, self._has_room = inner, app, access, has_room
        self._served = tuple(folder.resolve() for folder in folders)
        self._most_upload = most_bytes + _ENVELOPE
        self._hashes = " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
            for script in re.findall(r"<script>(.*?)</script>", head, re.DOTALL)
        )
        self._frames = " ".join(("'self'", *access.frames))
        self._tries = PasswordTries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # nothing here speaks it
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._inner(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path, method = scope["path"], scope["method"]
        nonce = secrets.token_urlsafe(16) if path == "/" else None
        if nonce is not None:
            scope["emsync.nonce"] = nonce
        send = self._with_headers(send, scope, nonce)
        refusal = self._refusal(scope, headers)
        if refusal is None and method == "POST":
            if path == _UPLOAD:
                await _answer(*await self._upload(scope, receive), scope, send)
                return
            receive, refusal = await self._read(receive, path)
            if refusal is None and path.startswith("/login"):
                # Again: others of the same address may have been refused while this one came.
                if self._tries.has_to_wait(scope):
                    refusal = _TOO_MANY_TRIES
                else:
                    send = self._tries.counting(send, scope)
        if refusal is not None:
            await _answer(*refusal, scope, send)
            return
        await self._inner(scope, receive, send)

    # What may be asked for ------------------------------------------------------------------------

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Return status and sentence for what goes no further; None for what may pass."""
        path, method = scope["path"], scope["method"]
        hosts = self._access.hosts
        if hosts is not None and _host_of(headers.get("host", "")) not in hosts:
            return 403, (
                "The page is not to be called by this name. Whoever runs it can add the name to "
                "EMSYNC_HOSTS."
            )
        is_read = method in ("GET", "HEAD") and (path in _READ or path.startswith(_READ_BELOW))
        if not is_read and not (method == "POST" and path in _WRITE):
            return 404, "There is nothing here."
        if not _is_own(path, method, headers):
            return 403, "Other sites may not do this."
        if path.startswith(_FILE) and not _is_in(path.removeprefix(_FILE), self._served):
            return 403, "This file is not served."
        if path.startswith(_HEARTBEAT) and len(path) > len(_HEARTBEAT) + _LONGEST_NAME:
            return 400, "That is no name of a page."
        if self._access.password is not None:
            is_public = path in _PUBLIC or path.startswith(_STATIC) or path == _STARTUP
            if not is_public and not self._is_known(scope):
                return 401, "Not authenticated: give the password first."
            if method == "POST" and path.startswith("/login") and self._tries.has_to_wait(scope):
                return _TOO_MANY_TRIES
        most = self._most_upload if path == _UPLOAD else MOST_BODY
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size) > most:
            return 413, f"That is more than the {most / 1e6:.0f} MB that may be sent."
        return None

    def _is_known(self, scope: Scope) -> bool:
        cookies = Request(scope).cookies
        names = (f"access-token-{kind}{self._app.cookie_id}" for kind in ("", "unsecure-"))
        return any(self._app.tokens.get(cookies.get(name)) is not None for name in names)

    # How much may be sent -------------------------------------------------------------------------

    async def _can_take(self, needed: int) -> bool:
        """Return whether so many bytes more may lie here."""
        return await asyncio.to_thread(self._has_room, needed)

    async def _upload(self, scope: Scope, receive: Receive) -> tuple[int, Any]:
        """Take a file in; return the status, and its path as Gradio answers it or a sentence."""
        # Not before: Gradio reads where uploads go when it is imported.
        from emsync.interface.uploads import is_full, receive_upload

        if not await self._can_take(int(Headers(scope=scope).get("content-length", "0"))):
            # A browser that is still sending does not listen.
            with suppress(TimeoutError):
                await self._drain(receive)
            return 507, FULL
        request = Request(scope, self._bounded(receive))
        try:
            path = await receive_upload(request, self._served[0], self._most_upload - _ENVELOPE)
        except MultiPartException as error:
            # Gradio's parser has no other sign for it, and Gradio's own route reads it as well.
            return 413 if "maximum allowed size" in error.message else 400, error.message
        except ClientDisconnect:
            return 400, _BROKEN_OFF
        except OSError as error:
            if is_full(error):
                return 507, FULL
            return 500, f"The file could not be kept here: {error.strerror}. Try again in a while."
        return 200, [str(path)]

    def _bounded(self, receive: Receive) -> Receive:
        """Return a `receive` that raises when an upload grows too large, stops coming, comes too
        slowly or is broken off."""
        began = time.monotonic()
        count = looked = 0
        over = False

        async def bounded() -> Message:
            nonlocal count, looked, over
            if over:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), _SILENCE_SECONDS)
            except TimeoutError:
                raise MultiPartException("Nothing came any more. Send it again.") from None
            if message["type"] != "http.request":
                raise MultiPartException(_BROKEN_OFF)
            over = not message.get("more_body", False)
            count += len(message.get("body", b""))
            if count > self._most_upload:
                raise MultiPartException("This is larger than the maximum allowed size.")
            if time.monotonic() - began > _SILENCE_SECONDS + count / _SLOWEST:
                raise MultiPartException("That comes too slowly. Send it over a better line.")
            if count > looked + _LOOK_BYTES:
                looked = count
                if not await self._can_take(0):
                    raise MultiPartException(FULL)
            return message

        return bounded

    async def _drain(self, receive: Receive) -> None:
        """Read what is sent, and keep nothing of it."""
        count, more = 0, True
        while more and count < self._most_upload:
            message = await asyncio.wait_for(receive(), _SILENCE_SECONDS)
            count += len(message.get("body", b""))
            more = message.get("more_body", False)

    async def _read(self, receive: Receive, path: str) -> tuple[Receive, tuple[int, str] | None]:
        """Read a message as a whole; return it, to be read again, and what is wrong with it."""
        body = bytearray()
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                more = True
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        return receive, (400, "The message was broken off.")
                    body.extend(message.get("body", b""))
                    more = message.get("more_body", False)
                    if len(body) > MOST_BODY:
                        return receive, (
                            413,
                            f"That is more than the {MOST_BODY / 1e6:.0f} MB that may be sent.",
                        )
        except TimeoutError:
            return receive, (408, "The message did not come.")
        refusal = None
        if not path.startswith("/login"):
            refusal = what_is_wrong(bytes(body), self._served[0])
        sent = False

        async def again() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        return again, refusal

    # What goes with every answer ------------------------------------------------------------------

    def _with_headers(self, send: Send, scope: Scope, nonce: str | None) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {"headers": [], **message}
                headers = MutableHeaders(scope=message)
                self._set_headers(headers, scope["path"], nonce)
                if scope["method"] == "POST" and message["status"] >= 400:
                    # What may still come of it is not listened to.
                    headers["connection"] = "close"
            await send(message)

        return with_headers

    def _set_headers(self, headers: MutableHeaders, path: str, nonce: str | None) -> None:
        for name in [name for name in headers if name.startswith("access-control-")]:
            del headers[name]
        headers["x-content-type-options"] = "nosniff"
        # The address of a take is its key.
        headers["referrer-policy"] = "no-referrer"
        headers["permissions-policy"] = _PERMISSIONS
        headers["cross-origin-opener-policy"] = "same-origin"
        headers["cross-origin-resource-policy"] = "same-origin"
        if not path.startswith(_STATIC):
            headers["cache-control"] = "private, no-store"
            headers["content-security-policy"] = self._policy(path, nonce)

    def _policy(self, path: str, nonce: str | None) -> str:
        if path.startswith(_FILE):
            # Opened by itself a file is a page of its own, which must do nothing.
            return (
                "sandbox; default-src 'none'; media-src 'self'; img-src 'self'; "
                f"style-src 'unsafe-inline'; frame-ancestors {self._frames}"
            )
        if nonce is None:
            return "default-src 'none'; frame-ancestors 'none'"
        # Gradio makes functions of the text of its templates, hence unsafe-eval; a handler that is
        # written into HTML is not run.
        return (
            "default-src 'none'; "
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval' {self._hashes}; "
            "style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
            "img-src 'self' data: blob:; media-src 'self' data: blob:; "
            "connect-src 'self' data: blob:; worker-src 'self' blob:; manifest-src 'self'; "
            f"base-uri 'self'; form-action 'self'; frame-ancestors {self._frames}"
        )


def what_is_wrong(body: bytes, uploads: Path) -> tuple[int, str] | None:
    """Return status and sentence for a message that goes no further; None for one that may pass.

    Args:
        body: JSON.
        uploads: folder in which every file lies that a message may name. Gradio would fetch an
            address that stands in a file's place, and it knows no limit for what comes.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return 400, "The message is no JSON."
    if not isinstance(content, dict):
        return 400, "The message is no JSON object."
    name = content.get("session_hash")
    if name is not None and not (isinstance(name, str) and len(name) <= _LONGEST_NAME):
        return 400, "That is no name of a page."
    level: list[Any] = [content]
    for _ in range(_MOST_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                if "path" in value:
                    place = value["path"]
                    if not isinstance(place, str) or not _is_in(place, (uploads,)):
                        return 403, "Only files that were uploaded here can be used."
                below += value.values()
            elif isinstance(value, list):
                below += value
        level = [value for value in below if isinstance(value, dict | list)]
        if not level:
            return None
    return 400, "The message is too deep."


async def _answer(status: int, content: Any, scope: Scope, send: Send) -> None:
    """Send a sentence as Gradio's page shows it: that of an upload as it is, else as a detail."""

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    answer: Response
    if not isinstance(content, str):
        answer = JSONResponse(content, status)
    elif scope["path"] == _UPLOAD:
        answer = PlainTextResponse(content, status)
    else:
        answer = JSONResponse({"detail": content}, status)
    await answer(scope, nothing, send)


def _host_of(host: str) -> str:
    """Return a Host header without the port, in lower case."""
    name, colon, port = host.lower().rpartition(":")
    if not colon or not port.isdecimal():
        name = host.lower()
    return name.strip("[]").rstrip(".")


def _is_own(path: str, method: str, headers: Headers) -> bool:
    """Return whether no other site's page is behind a request."""
    site = headers.get("sec-fetch-site")
    if site in ("same-origin", "none"):
        return True
    if site is not None:
        # Links to the page are followed from anywhere; its style and scripts say nothing.
        is_visit = headers.get("sec-fetch-mode") == "navigate"
        return method != "POST" and ((path == "/" and is_visit) or not path.startswith(_PRIVATE))
    origin = headers.get("origin")
    if origin is None:
        return True  # a program, or a browser that follows a link
    names = {_host_of(headers.get(name, "")) for name in ("host", "x-forwarded-host")} - {""}
    return _host_of(origin.partition("://")[2]) in names


_PRIVATE = (_FILE, _HEARTBEAT, "/gradio_api/queue/", "/gradio_api/call/", "/logout")


def _is_in(place: str, folders: tuple[Path, ...]) -> bool:
    """Return whether a text is the plain absolute path of something in one of the folders.

    The folders are given without links; a link out of them leads out of them.
    """
    path = Path(place)
    if "\0" in place or not path.is_absolute() or ".." in re.split(r"[/\\]", place):
        return False
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # too long a name; links in a circle
        return False
    return any(real.is_relative_to(folder) for folder in folders)
