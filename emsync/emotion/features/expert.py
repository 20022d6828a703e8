"""What every expert is: one pretrained way of looking at a film, which answers with a report.

An expert is a module beside this file and a row in `MODALITIES`; its name stands in
`emsync.settings.EXPERTS` too, so that it is asked unless somebody says otherwise. Panel,
pooling, page and reports know nothing else of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
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
        """Names in `emsync.weights.store.REGISTRY` of all that it uses on this machine."""

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        """Return about how long `prepare` and `run` take here, for the page to say before."""

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


@dataclass(frozen=True)
class Modality:
    """One way of looking at a film as everybody else knows it, before anything is loaded."""

    title: str
    """For the page, e.g. "Faces"."""
    noun: str
    """What it looks at, in sentences, e.g. "the pictures"."""
    reliability: float
    """How often it is taken to be right about a film, in [0, 1]; see `MODALITIES`."""
    helped_by_gpu: bool
    """Whether a GPU makes it faster."""
    module: str | None
    """Has `open_expert() -> Expert`; None for the cues, which the pipeline measures itself while
    the film is decoded."""


_FEATURES = "emsync.emotion.features"

MODALITIES: Mapping[str, Modality] = {
    "cues": Modality("Cues", "colour, movement, cutting and loudness", 0.4, False, None),
    "clip": Modality("Pictures", "the pictures", 0.5, True, f"{_FEATURES}.clip"),
    "beats": Modality("Sounds", "sound", 0.3, True, f"{_FEATURES}.beats.expert"),
    "face": Modality("Faces", "faces", 0.4, True, f"{_FEATURES}.face"),
    "asr": Modality("Speech", "speech", 0.35, True, f"{_FEATURES}.asr"),
    # PaddleOCR reads on the CPU anywhere.
    "ocr": Modality(
        "Text on the screen", "text on the screen", 0.35, False, f"{_FEATURES}.ocr.expert"
    ),
}
"""All modalities by their name in reports and settings, in the order in which they report.

Reliabilities are ours, and assumptions: no labelled films come with this project. Where the orders
of size come from:

- clip: zero-shot CLIP names the emotion of photographs of six to eight emotions about half the
  time; it sees all of the picture.
- face: the expression classifier's card gives 71 % on FER-2013, but the film does not always feel
  what its faces show.
- asr, ocr: three kinds of sentiment cannot tell four unpleasant emotions apart, and much that is
  said is not meant.
- beats: AudioSet's mood classes are among its least reliable.
- cues: they see colour and movement, not what is shown. Their own probabilities are shrunk
  already; where they are alone, those stand as they are (`emsync.emotion.classifiers.read`).

`python -m emsync.training.train_emotion` replaces all of this where labelled films are to be had.
"""

CUES = "cues"
"""The one modality that is no expert."""


def open_expert(name: str) -> Expert:
    """Return an expert of which no model is loaded yet.

    Args:
        name: in `MODALITIES`, of one that has a module.
    """
    module = MODALITIES[name].module
    if module is None:
        raise ValueError(f"{name} is no expert")
    expert: Expert = import_module(module).open_expert()
    return expert


def noun_of(modality: str) -> str:
    """Return what a modality looks at, in words; its name if a report of elsewhere brings it."""
    row = MODALITIES.get(modality)
    return modality if row is None else row.noun
