"""The page's list of experts: who is installed, what each costs here, and installing the rest."""

import html
import logging
import os
import threading
from collections.abc import Sequence

from emsync.emotion.classifiers.classifier import CLASSIFIERS
from emsync.emotion.features.panel import Panel, missing
from emsync.errors import Cancelled, EmsyncError
from emsync.interface.access import is_loopback
from emsync.limits import is_offline
from emsync.progress import CancelToken
from emsync.text import listed
from emsync.weights import store as weights
from emsync.weights.store import Pulling

PROFILE = "standard"
"""What the button installs."""

FILM_SECONDS = 60.0
"""Length of the film for which costs are given."""

log = logging.getLogger(__name__)


def may_install() -> str | None:
    """Return why the page's visitors may not install anything; None if they may.

    Elsewhere than at home everybody would use up the disk of one.
    """
    if os.environ.get("SPACE_ID"):
        return "On a Space its owner chooses what is installed."
    if is_offline():
        return "EMSYNC_OFFLINE is set: nothing is downloaded."
    if not is_loopback(os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"):
        return (
            "Others can reach this page, so whoever runs it chooses what is installed: "
            "python -m emsync weights pull standard."
        )
    return None


def table(panel: Panel, device: str) -> str:
    """Return HTML of every expert, what it needs, whether that is here, and how long it takes."""
    rows = []
    for expert in panel.experts:
        rows.append(
            (
                expert.title,
                _here(expert.weights, missing(expert)),
                _size(expert.weights),
                f"{max(1, round(panel.cost(expert, FILM_SECONDS, device)))} s",
            )
        )
    for classifier in CLASSIFIERS.values():
        if classifier.weights:
            rows.append(
                (
                    classifier.title,
                    _here(classifier.weights, missing(classifier)),
                    _size(classifier.weights),
                    f"under {classifier.seconds} s",
                )
            )
    heads = ("Expert", "Weights", "Size", f"Time for {FILM_SECONDS:.0f} s of film here")
    return (
        "<table><thead><tr>"
        + "".join(f'<th scope="col">{head}</th>' for head in heads)
        + "</tr></thead><tbody>"
        + "".join(
            f'<tr><th scope="row">{html.escape(first)}</th>'
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
            + "</tr>"
            for first, *rest in rows
        )
        + "</tbody></table>"
    )


def to_install() -> int:
    """Return the bytes that installing `PROFILE` would fetch."""
    return sum(weights.status_of(name).to_download for name in weights.names_of(PROFILE))


def _here(needed: Sequence[str], absent: Sequence[str]) -> str:
    if why := next(filter(None, map(weights.unreadable, needed)), ""):
        return f"of no use here: {why}"
    if not absent:
        return "installed"
    if len(absent) < len(needed):
        return f"missing: {listed(absent)}"
    return "not installed"


def _size(needed: Sequence[str]) -> str:
    total = sum(weights.REGISTRY[name].bytes for name in needed)
    return f"{total / 1e6:.0f} MB" if total else "unknown"


class Installation:
    """At most one download for all pages. It goes on when its page is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._cancel = CancelToken()
        self.words = ""
        """How far it is, or how it ended."""

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin to install, unless that is under way.

        Raises:
            EmsyncError: installing is not allowed here.
        """
        refusal = may_install()
        if refusal:
            raise EmsyncError(refusal)
        with self._lock:
            if self.running:
                return
            self.words = "Starting …"
            self._cancel = CancelToken()
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop installing, which a silent host can delay; what was fetched stays."""
        if self.running:
            self.words = "Stopping …"
        self._cancel.cancel()

    def _work(self) -> None:
        failed = []
        for name in weights.names_of(PROFILE):
            try:
                weights.pull(name, self._tell, self._cancel)
            except Cancelled:
                self.words = "Stopped. What was fetched is kept for the next time."
                return
            except EmsyncError as error:
                failed.append(str(error))
            except Exception as error:
                log.exception("installing %s failed", name)
                failed.append(f"{name}: {type(error).__name__}")
        self.words = " ".join(failed) or "All is installed. The next film is read with it."

    def _tell(self, pulling: Pulling) -> None:
        if self._cancel.cancelled:
            return
        self.words = (
            f"{pulling.name}: {pulling.received / 1e6:.0f} of {pulling.total / 1e6:.0f} MB "
            f"({pulling.step})"
        )


def installed_names() -> frozenset[str]:
    """Return the names of all weights that are here."""
    return frozenset(name for name in weights.REGISTRY if weights.status_of(name).installed)
