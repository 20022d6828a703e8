"""An expert: one pretrained way of looking at a film. Each modality's file has one."""

from collections.abc import Callable
from typing import Protocol

from emsync.emotion.features.report import FeatureReport
from emsync.film.footage import Footage
from emsync.progress import CancelToken
from emsync.settings import ExpertSettings

ShareCallback = Callable[[float], None]
"""Receives the share done, in [0, 1]."""


class Expert(Protocol):
    """One modality. Its models are loaded by `prepare` and kept, so that requests share them.

    An expert is used by one thread at a time; whoever holds it sees to that. It never downloads
    anything: weights are those that `emsync.weights.store` finds on this machine.
    """

    modality: str
    """Name in reports and settings, e.g. "face"."""
    title: str
    """For the page, e.g. "Faces"."""

    @property
    def weights(self) -> tuple[str, ...]:
        """Names in `emsync.weights.store.REGISTRY` of all that it uses."""

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        """About how long `prepare` and `run` take on this machine, for the page to say before."""

    def prepare(self, device: str) -> None:
        """Load the models, unless they are loaded.

        Args:
            device: "cpu" or "cuda".

        Raises:
            WeightsNotInstalled: with a sentence that says how to install them.
            WeightsError: they are damaged or of another format.
        """

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        """Look at the film; `prepare` has been called.

        Args:
            footage: shared with the other experts; not to be changed.
            settings: how much to look at.
            tell: told the share done.
            cancel: looked at at least once a second or so, between batches.

        Raises:
            Cancelled: the request was cancelled, or the expert's time is up.
        """

    def release(self) -> None:
        """Let go of the models."""
