"""What a person is told of a film that cannot be fetched.

Sites and yt-dlp have hundreds of reasons, and their wording changes. What can be told apart for
sure, by the kind of an exception or an HTTP status, is; what is only said in words is sorted into
six outcomes, each with one sentence.
"""

import errno
import re
import socket
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

ADVICE = "Download the film yourself where you are allowed to, and drop it in."
LARGE_PAGE = f"The page at this link is too large to look through. {ADVICE}"
LIVE = "This is a live stream, or a film that has not begun yet. Give the address of a film."

_QUOTE_LETTERS = 160


class Refused(BaseException):
    """A sentence for the user. Of the kind of exception that yt-dlp does not catch and go on."""


class Outcome(Enum):
    """How a fetch that failed is told; the values are sentences with places for the facts."""

    UNSUPPORTED = (
        "No film that EMSYNC can fetch was found on this page of {host}. Give the address of the "
        f"page that plays it, or of the film itself. Or: {ADVICE[0].lower()}{ADVICE[1:]}"
    )
    """No film, or one that is encrypted, protected against copying, or sent in an odd way."""
    RESTRICTED = (
        "{host} does not send the film to everybody: it may be private, or for people who have "
        f"signed in or paid, or closed to programs. EMSYNC signs in nowhere. {ADVICE}"
    )
    GONE = f"{{host}} says that the film is not there, or not any more. Check the link. {ADVICE}"
    BLOCKED = f"{{host}} does not send the film to the country in which this server is. {ADVICE}"
    LIVE = LIVE
    FAILED = (
        "The film cannot be fetched from {host}: {reason}. Check the link, or try again later. "
        f"{ADVICE}"
    )
    """The network or the site is in trouble, or nobody knows."""


_SAID = (
    (Outcome.BLOCKED, r"country|region|\blocation\b|geo.?(restrict|block)"),
    (Outcome.RESTRICTED,
     r"not a bot|captcha|cloudflare|anti-bot|unusual traffic|private|members|premium|subscri|"
     r"purchase|rent(ed|al)|\bpaid|payment|sign.?in|log.?in|logged|cookies|account|authenticat|"
     r"password|credentials|registered|your age"),
    (Outcome.LIVE, r"live event|live stream|premiere|not started|offline"),
    (Outcome.UNSUPPORTED,
     r"\bdrm\b|no video formats|requested format|url scheme|file:// urls|ffmpeg|websocket|"
     r"impersonat"),
    (Outcome.GONE,
     r"remov|delet|no longer|terminated|unavailable|not available|does ?n.t exist|not found"),
)  # fmt: skip
"""What words of a site, or of yt-dlp, mean; the first that fits. A geo block is often said to be
unavailable, and a video that wants a login to be private, so the particular comes first."""

_STATUS = {
    **dict.fromkeys((401, 402, 403, 407), Outcome.RESTRICTED),
    **dict.fromkeys((404, 410), Outcome.GONE),
    451: Outcome.BLOCKED,
}
"""What an HTTP status means, where the site says no more. All others have their number told."""

_BROKEN = {
    "ConnectionResetError", "ContentTooShortError", "IncompleteRead", "RemoteDisconnected",
    "SSLError", "TransportError",
}  # fmt: skip
"""Exceptions, of Python's and of yt-dlp's, that say that a connection broke."""


def sentence_of(problem: BaseException, url: str, most_bytes: int, stall: float) -> str | None:
    """Return what to tell a person of an exception that yt-dlp ended with.

    Args:
        problem: the exception; what led to it is looked at as well.
        url: that was to be fetched from.
        most_bytes: that a film may have.
        stall: seconds without a byte after which a connection is given up.

    Returns:
        A sentence or two; None where nothing is known of such a failure.
    """
    chain, host = list(causes(problem)), host_of(url)
    if any(
        isinstance(one, MemoryError) or (isinstance(one, OSError) and one.errno == errno.EFBIG)
        for one in chain
    ):
        return too_large(most_bytes)
    outcome = _outcome_of(chain)
    if outcome is not None:
        return outcome.value.format(host=host)
    reason = _reason_of(chain, stall) or _words_of(chain)
    return reason and failed(host, reason)


def causes(problem: BaseException) -> Iterator[BaseException]:
    """Yield an exception and whatever led to it, as yt-dlp and Python note it down."""
    waiting: list[object] = [problem]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "cause", None), getattr(one, "reason", None)]
            waiting += [one.__cause__, one.__context__, *(getattr(one, "exc_info", None) or ())]


def failed(host: str, reason: str) -> str:
    """Return the sentence for trouble that may pass; `reason` is a clause without a full stop."""
    return Outcome.FAILED.value.format(host=host, reason=reason)


def silent(seconds: float) -> str:
    """Return the reason to give a site up that has sent nothing for so long."""
    return f"nothing came from it for {seconds:g} seconds"


def too_large(limit: int) -> str:
    """Return the sentence for a film of more than `limit` bytes."""
    return (
        f"The film at this link is larger than {limit / 1e6:.0f} MB, the limit. Choose a smaller "
        "one, or drop in a part of it."
    )


def host_of(url: str) -> str:
    """Return the host of an address, fit to be shown."""
    return shown(urlsplit(url).hostname or "the site", 60)


def shown(text: str, most: int) -> str:
    """Return text of strangers, fit to stand in a sentence of ours; `most` letters of it."""
    plain = "".join(c if c.isprintable() and c not in "“”<>" else " " for c in text)
    plain = " ".join(plain.split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def without_advice(text: str) -> str:
    """Return an error text without colours, addresses and yt-dlp's advice to its own users."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    text = re.sub(r"^\s*(ERROR:\s*)?(\[[^\]]*\]\s*)?", "", text)
    text = re.split(r"[;.(]?\s*(?:please report|caused by|use --|see\s+http|you might want|try "
                    r"selecting|--\w)", text, maxsplit=1, flags=re.IGNORECASE)[0]  # fmt: skip
    return shown(re.sub(r"\w+://\S+", "", text), _QUOTE_LETTERS).rstrip(".: ")


def _outcome_of(chain: Sequence[BaseException]) -> Outcome | None:
    """Return which outcome it is; None for trouble of the network and what nobody knows."""
    from yt_dlp.networking.exceptions import HTTPError
    from yt_dlp.utils import (
        ExtractorError,
        GeoRestrictedError,
        UnsupportedError,
        UserNotLive,
        YoutubeDLError,
    )

    for kind, outcome in (
        (UnsupportedError, Outcome.UNSUPPORTED),
        (GeoRestrictedError, Outcome.BLOCKED),
        (UserNotLive, Outcome.LIVE),
    ):
        if any(isinstance(one, kind) for one in chain):
            return outcome
    # Those that only pass on what an extractor said add names and advice of their own.
    saying = [one for one in chain if isinstance(one, ExtractorError)]
    saying = saying or [one for one in chain if isinstance(one, YoutubeDLError)]
    said = " ".join(map(_original, saying)).lower()
    # A number of HTTP says little where the site itself says more, and an address says nothing.
    said = re.sub(r"https?://\S+", "", said)
    said = re.sub(r"http error \d+: [\w ]*|unable to download [\w ]*|\(caused by .*", "", said)
    for outcome, pattern in _SAID:
        if re.search(pattern, said):
            return outcome
    statuses = [_STATUS.get(one.status) for one in chain if isinstance(one, HTTPError)]
    return next((outcome for outcome in statuses if outcome is not None), None)


def _reason_of(chain: Sequence[BaseException], stall: float) -> str | None:
    """Return why nothing comes, as a clause; None where it is not the network's fault."""
    from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError

    for one in chain:
        if isinstance(one, HTTPError):
            return _answered(one)
        if isinstance(one, CertificateVerifyError):
            return "it cannot prove who it is (its certificate is wrong)"
        if isinstance(one, socket.gaierror):
            return "there is no such site, or this server is not connected to the internet"
        if isinstance(one, TimeoutError):
            return silent(stall)
        if isinstance(one, ConnectionRefusedError):
            return "nobody answers there"
        if isinstance(one, OSError) and one.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return "there is no way from this server to it"
    # Of a downloader that gave up after several attempts there are words only.
    tried = any("Giving up after" in str(one) for one in chain)
    if tried or {type(one).__name__ for one in chain} & _BROKEN:
        return "the connection broke before the film was here"
    return None


def _answered(problem: Any) -> str:
    """Return what an HTTP status says, as a clause."""
    status: int = problem.status
    if problem.redirect_loop:
        return "the link only leads from one address to the next"
    if 300 <= status < 400:  # redirects to the web are followed
        return "the link leads to something other than a web page"
    if status == 429:
        return "this server has asked it too often (429)"
    return f"it answers {status}"


def _words_of(chain: Sequence[BaseException]) -> str | None:
    """Quote the site, or yt-dlp, where the words are made for people."""
    from yt_dlp.utils import YoutubeDLError

    for one in reversed(chain):
        if isinstance(one, YoutubeDLError) and (words := without_advice(_original(one))):
            return f"“{words}”"
    return None


def _original(problem: BaseException) -> str:
    """Return the text of an exception without what yt-dlp puts around it."""
    return str(getattr(problem, "orig_msg", None) or problem)
