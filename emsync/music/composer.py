"""What every composer is: an analysed film and a mood go in, compositions come out.

A composer is a folder beside this file and a row in `COMPOSERS`. Page, command line, batch and
report know nothing else of it: what can be asked of it stands in its row, what it composed with in
`Composer.weights`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Protocol, runtime_checkable

from emsync.emotion.analysis import Analysis, FrameWatcher
from emsync.emotion.curve import MoodCurve
from emsync.errors import EmsyncError
from emsync.film.film import Film
from emsync.music.composition import Composition
from emsync.music.notes import NoteTable
from emsync.music.passage import Passage
from emsync.progress import CancelToken
from emsync.settings import GROUPS, MusicSettings, Settings
from emsync.text import listed


@dataclass(frozen=True)
class Commission:
    """What is to be composed."""

    analysis: Analysis
    curve: MoodCurve
    """Moods over the film."""
    hit_points: tuple[float, ...]
    """Seconds, ascending: where strong chords are wanted."""
    settings: MusicSettings
    seed: int
    """The same seed, weights and settings give the same pieces on the same device."""

    @property
    def seconds(self) -> float:
        """Return the length of the film, and of the music."""
        return float(self.analysis.film.duration)


@dataclass(frozen=True)
class Draft:
    """A piece while it is being written."""

    notes: Callable[[], NoteTable]
    """Reads the notes so far; called only when somebody looks."""
    doing: str
    """What is under way, for people."""


Sketch = Callable[[Draft], None]
"""Shown the piece while it is being written; must return quickly."""


@dataclass(frozen=True)
class ComposerWeights:
    """What a composer composes with."""

    name: str
    sha256: str
    device: str
    """Where they compute: "cpu" or "cuda"."""
    judge_sha256: str
    """Of the weights that chose among openings and candidates; empty if nothing learned did."""


class Composer(Protocol):
    """One way to compose. Its weights are loaded; requests share it, one at a time."""

    @property
    def weights(self) -> ComposerWeights:
        """Return what the report names."""

    def compose(
        self,
        commission: Commission,
        advance: Callable[[float], None],
        cancel: CancelToken,
        sketch: Sketch | None = None,
    ) -> tuple[Composition, ...]:
        """Compose as many candidates as the settings ask for, the best first.

        Args:
            commission: what for.
            advance: told the share that is done, in [0, 1].
            cancel: looked at at least once a second or so.
            sketch: shown the music while it is written.

        Raises:
            EmsyncError: something that the settings name cannot be used; with a sentence.
            Cancelled: the owner asked to stop.
        """


@runtime_checkable
class Recomposer(Protocol):
    """A composer that can compose a part of a piece anew; its row says so (`recomposes`)."""

    def recompose(
        self,
        piece: Composition,
        passage: Passage,
        settings: MusicSettings,
        advance: Callable[[float], None],
        cancel: CancelToken,
        sketch: Sketch | None = None,
    ) -> Composition:
        """Return `piece` with other notes in a passage; the rest stays note for note.

        Args:
            piece: of this composer.
            passage: which bars, who plays anew, and the seed.
            settings: those that the piece was composed with.
            advance: told the share that is done, in [0, 1].
            cancel: looked at at least once a second or so.
            sketch: shown the piece while the passage is written.

        Raises:
            EmsyncError: there is no such passage, or nobody who is asked for plays in it.
            Cancelled: the owner asked to stop.
        """


@dataclass(frozen=True)
class ComposerRow:
    """A composer as page, command line and settings know it before it is loaded."""

    title: str
    module: str
    """Has `open_composer(weights: Path | None) -> Composer`, and `weights_folder(name: str)`: where
    weights of that name lie, or None."""
    obeys: frozenset[str]
    """Fields of `MusicSettings` that it can be asked for."""
    watcher: str = ""
    """Module with `open_watcher(settings: Settings, film: Film) -> FrameWatcher`, for a composer
    that looks at the film itself; what it saw is in `Analysis.features` then."""
    recomposes: bool = False
    """Whether it is a `Recomposer`: parts of its pieces can be composed anew."""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By field of `MusicSettings`, the words that it knows, where those are not all."""
    groups: tuple[str, ...] = GROUPS
    """Groups of instruments that it writes for."""
    key_by_mood: bool = False
    """Whether the mood chooses a key that is left open; any will do otherwise, by the seed."""


_OWN = frozenset({"video2music"})
"""Fields of `MusicSettings` that are for one composer alone."""
_SHARED = frozenset(field.name for field in fields(MusicSettings)) - _OWN

COMPOSERS: Mapping[str, ComposerRow] = {
    "emsync": ComposerRow("EMSYNC", "emsync.music.transformer.composer", _SHARED, recomposes=True),
    "video2music": ComposerRow(
        "Video2Music",
        "emsync.music.video2music.composer",
        frozenset({"tonic", "mode", "candidates", "keep", "sensitivity", "quality"} | _OWN),
        watcher="emsync.music.video2music.looking",
        choices={"mode": ("auto", "major", "minor")},
        groups=("piano",),
        key_by_mood=True,
    ),
}
"""All composers by their name in the settings."""


def open_composer(name: str, weights: Path | None = None) -> Composer:
    """Load a composer.

    Args:
        name: in `COMPOSERS`.
        weights: folder of its weights; None for those that come with EMSYNC or are installed.

    Raises:
        WeightsError: they are missing or damaged; with a sentence that says what to do.
    """
    composer: Composer = import_module(COMPOSERS[name].module).open_composer(weights)
    return composer


def open_watcher(settings: Settings, film: Film) -> FrameWatcher | None:
    """Return what watches the frames for the composer that is asked for; None if nothing does."""
    module = COMPOSERS[settings.music.composer].watcher
    if not module:
        return None
    watcher: FrameWatcher = import_module(module).open_watcher(settings, film)
    return watcher


def weights_folder(composer: str, name: str) -> Path | None:
    """Return where the weights `name` of a composer lie; None if they are not here."""
    folder: Path | None = import_module(COMPOSERS[composer].module).weights_folder(name)
    return folder


def check_obeyed(settings: MusicSettings) -> None:
    """Refuse what the composer cannot be asked for.

    Raises:
        EmsyncError: a setting is not the usual one, and the composer would not follow it.
    """
    row, usual = COMPOSERS[settings.composer], MusicSettings()
    ignored = [
        field.name.replace("_", " ")
        for field in fields(settings)
        if field.name not in row.obeys | {"composer"}
        and getattr(settings, field.name) != getattr(usual, field.name)
    ]
    if ignored:
        raise EmsyncError(
            f"{row.title} cannot be told: {listed(ignored)}. Leave that as it is, or choose "
            "another composer."
        )
    for name, known in row.choices.items():
        if getattr(settings, name) not in known:
            raise EmsyncError(
                f"{row.title} does not know the {name} {getattr(settings, name)}. Choose "
                f"{' or '.join(known)}, or another composer."
            )
