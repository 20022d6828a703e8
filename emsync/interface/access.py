"""Who may come: the names of the page, its password, and those who try passwords."""

import asyncio
import hmac
import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.types import Message, Scope, Send

from emsync.errors import EmsyncError

_MOST_FAILURES = 10
"""Wrong passwords from one address within `_FAILURE_SECONDS`; then it has to wait."""
_FAILURE_SECONDS = 600.0
_FAILURE_PAUSE = 1.0
"""Seconds until it is said that a password was wrong."""
_MOST_ADDRESSES = 10_000
_SHORTEST_PASSWORD = 8
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Access:
    """Who may come, as the environment says it.

    Attributes:
        password: None: everybody may.
        user: name that goes with it.
        hosts: names by which the page may be called, lower case, without port; None: any.
        frames: where else it may be shown in a frame, as origins.
    """

    password: str | None = field(default=None, repr=False)
    user: str = "emsync"
    hosts: frozenset[str] | None = None
    frames: tuple[str, ...] = ()

    def knows(self, user: str, password: str) -> bool:
        """Return whether these are the right ones, in a time that does not tell how nearly."""
        right = hmac.compare_digest(user.encode(), self.user.encode())
        return hmac.compare_digest(password.encode(), (self.password or "").encode()) and right


def access_from(environment: MutableMapping[str, str]) -> Access:
    """Return what the environment asks for.

    The password is taken out of it: programs that are started later do not get to see it.

    Raises:
        EmsyncError: it asks for something that cannot be.
    """
    password = environment.pop("EMSYNC_PASSWORD", "")
    user = environment.pop("EMSYNC_USER", "").strip()
    if password and len(password) < _SHORTEST_PASSWORD:
        raise EmsyncError(
            f"EMSYNC_PASSWORD must have at least {_SHORTEST_PASSWORD} characters, better 20."
        )
    if user and not password:
        raise EmsyncError("EMSYNC_USER is set, but EMSYNC_PASSWORD is not. Set both or neither.")
    bound = environment.get("GRADIO_SERVER_NAME", "127.0.0.1").strip("[]").lower()
    named = {name.strip().lower() for name in environment.get("EMSYNC_HOSTS", "").split(",")} - {""}
    hosts = None
    # A page of somebody else's whose name is made to mean 127.0.0.1 is the same origin to a browser
    # that runs here; its name gives it away. On Colab nobody's browser runs here.
    if named or (is_loopback(bound) and "COLAB_RELEASE_TAG" not in environment):
        hosts = frozenset(named | _LOOPBACK | {bound})
    frames = environment.get("EMSYNC_FRAMES", "").replace(",", " ").split()
    for origin in frames:
        if not re.fullmatch(r"https?://(\*\.)?[\w.-]+(:\d+)?", origin):
            raise EmsyncError(
                f"EMSYNC_FRAMES must be origins such as https://example.org, and “{origin}” is "
                "none."
            )
    if environment.get("SPACE_ID"):
        frames.append("https://huggingface.co")
    return Access(password or None, user or "emsync", hosts, tuple(frames))


class PasswordTries:
    """Counts wrong passwords by the address that they come from."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def has_to_wait(self, scope: Scope) -> bool:
        """Return whether too many wrong passwords came from where a request comes from."""
        recent = self._failures.get(address_of(scope), [])
        return sum(at > time.monotonic() - _FAILURE_SECONDS for at in recent) >= _MOST_FAILURES

    def counting(self, send: Send, scope: Scope) -> Send:
        """Return a `send` that takes its time to say that a password was wrong.

        The password counts as wrong until it was right: many may be tried at the same moment.
        """
        failures = self._failures.setdefault(address_of(scope), [])
        tried = time.monotonic()
        failures.append(tried)
        del failures[:-_MOST_FAILURES]
        self._failures.move_to_end(address_of(scope))
        while len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 400:
                    await asyncio.sleep(_FAILURE_PAUSE)
                else:
                    with suppress(ValueError):
                        failures.remove(tried)
            await send(message)

        return counting


def is_loopback(name: str) -> bool:
    """Return whether only this machine can reach what listens at a name."""
    if name in _LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def address_of(scope: Scope) -> str:
    """Return where a request comes from; whoever has one address of IPv6 has the whole /64."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if address.version == 6:
        return str(ipaddress.ip_network((host, 64), strict=False))
    return str(address)
