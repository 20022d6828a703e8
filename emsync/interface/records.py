"""What the page remembers of people's work: films, takes and their versions, and work under way.

These are records only. `store` keeps their files, `sessions` the open pages they belong to, and
`jobs` runs the work.
"""

import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, partial
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from emsync.film.film import Film
from emsync.interface.rolls import small_roll
from emsync.progress import CancelToken, Progress
from emsync.settings import PerformanceSettings, Settings, SoundSettings

if TYPE_CHECKING:
    from emsync.emotion.curve import MoodRequest
    from emsync.film.footage import Stretch
    from emsync.music.composer import Draft
    from emsync.results import Piece, Result
    from emsync.sound.mixing import MixSources

KEEP_SECONDS = 3600
"""A take goes this long after it was last looked at, and its film with it."""

MOST_TAKES = 4
"""Of one page; others go before their time, those without a star first, then the oldest."""

LOOK_SECONDS = 0.3
"""Between two looks of a page at work under way."""


class Outcome(StrEnum):
    """What came of a request, for scripts: they read this and never the sentence beside it."""

    SCORED = "scored"
    """A take was made."""
    ADDED = "added"
    """A take has one version more."""
    SHOWN = "shown"
    """Another version is shown."""
    REPLAYED = "replayed"
    """The piece was played anew, with other sound."""
    BUNDLED = "bundled"
    """Stems and ZIP were made."""
    MIXABLE = "mixable"
    """The sounds of each group are there to be mixed."""
    DELETED = "deleted"
    """A take was deleted, and another is shown."""
    FOUND = "found"
    """A take was found by its link."""
    CANCELLED = "cancelled"
    REFUSED = "refused"
    """It cannot be done, or it failed; a sentence says why."""


@dataclass(frozen=True)
class Source:
    """A film that somebody chose, in a folder of its own.

    Attributes:
        film: probed; its path is ours.
        sha256: of its content.
        poster: JPEG of one of its frames.
        upload: where it was uploaded; None if it came by another way.
        probe_seconds: that it took to find out what film it is.
    """

    film: Film
    sha256: str
    poster: bytes
    upload: Path | None = None
    probe_seconds: float = 0.0

    @property
    def name(self) -> str:
        """Name of the file as it came."""
        return self.film.path.name

    @property
    def folder(self) -> Path:
        """Folder that holds this film alone."""
        return self.film.path.parent


@dataclass(frozen=True)
class Mix:
    """The sounds of a version, to be mixed in the browser.

    Attributes:
        sources: the sounds.
        film: with the sound track whose sound is among them.
        speech: when somebody speaks in it, in seconds.
        playing: how they were played.
    """

    sources: "MixSources"
    film: Film
    speech: "tuple[Stretch, ...]"
    playing: "Playing"

    def fits(self, playing: "Playing") -> bool:
        """Return whether what is played so consists of these sounds."""
        from emsync.sound.mixing import have_same_sources

        return self.playing.performance == playing.performance and have_same_sources(
            self.playing.sound, playing.sound
        )


@dataclass
class Version:
    """One candidate of a take: a piece and, once it was played, its files.

    Attributes:
        piece: what was composed.
        label: a letter, by which people know it.
        result: its files; None until it was played.
        diagnostics: HTML of how it was made.
        stems: the sound of each group, once it was asked for.
        pages: its score as PDF, made with the stems where this machine can engrave.
        bundle: everything in one ZIP, made with the stems.
        name: that somebody gave it; empty until then.
        starred: whether somebody starred it.
        mark: by which pages know it, as others may delete what stands before it.
        mix: its sounds, once somebody wanted to mix them.
    """

    piece: "Piece"
    label: str
    result: "Result | None" = None
    diagnostics: str = ""
    stems: dict[str, Path] = field(default_factory=dict)
    pages: Path | None = None
    bundle: Path | None = None
    mix: Mix | None = None
    name: str = ""
    starred: bool = False
    mark: str = field(default_factory=partial(token_urlsafe, 6))

    @cached_property
    def roll(self) -> str:
        """A small picture of its notes, as SVG."""
        piece = self.piece.composition
        return small_roll(piece.notes, piece.seconds)


@dataclass
class Take:
    """What was made of a film at one press; it has a link of its own.

    Attributes:
        token: whoever knows it may see the take, change it and delete it.
        folder: holds its files, and nothing else.
        source: the film.
        settings: as asked for; those of a version are its piece's.
        request: the mood that is composed for.
        versions: pieces side by side.
        shown: index of the version that is shown.
        job: the work under way on it, or the last one.
        next_seed: of the next version that is asked for.
        revision: grows with every change that the page has to show.
        used: when it was last looked at, by `time.monotonic`.
        asked: the mood editor's value when it was begun, for a page that finds it again.
    """

    token: str
    folder: Path
    source: Source
    settings: Settings
    request: "MoodRequest"
    versions: list[Version] = field(default_factory=list)
    shown: int = 0
    job: "Job | None" = None
    next_seed: int = 0
    revision: int = 0
    used: float = field(default_factory=time.monotonic)
    asked: Any = None

    @property
    def result(self) -> "Result | None":
        """Result of the version that is shown; None until it was played."""
        return self.versions[self.shown].result if self.shown < len(self.versions) else None

    @property
    def is_starred(self) -> bool:
        """Whether one of its versions is."""
        return any(version.starred for version in self.versions)

    @property
    def is_idle(self) -> bool:
        """Whether nobody is at work on it."""
        return self.job is None or self.job.done.is_set()

    def touch(self) -> None:
        """Note that somebody looks at it: its hour begins anew."""
        self.used = time.monotonic()


@dataclass(frozen=True)
class Playing:
    """How a piece is played: all that can be changed without composing it again."""

    performance: PerformanceSettings
    sound: SoundSettings

    @classmethod
    def of(cls, settings: Settings) -> "Playing":
        """Return what the settings of a request say of it."""
        return cls(settings.performance, settings.sound)


@dataclass
class Job:
    """Work on a take, shared by the thread that does it and the pages that watch.

    Attributes:
        take: what is worked on.
        playing: how it is to be played.
        cancel: stops the work.
        started: when it was its turn; until then when it was asked for.
        stage_started: when the present stage began.
        progress: of the present stage; None until it is its turn.
        ahead: how many come before it in the queue.
        waited: whether it ever had to wait in a queue.
        expected: seconds that it was said to take; 0 if nothing was said.
        outcome: what the work comes to if nothing goes wrong.
        share: of all the work that is done, in [0, 1]; never falls.
        stage_seconds: of each stage that is over.
        sketch: the piece while it is being written, and the film's seconds.
        error: why it ended early.
        done: set when it has ended, well or not.
    """

    take: Take
    playing: Playing
    cancel: CancelToken = field(default_factory=CancelToken)
    started: float = field(default_factory=time.monotonic)
    stage_started: float = field(default_factory=time.monotonic)
    progress: Progress | None = None
    ahead: int = 0
    waited: bool = False
    expected: float = 0.0
    outcome: Outcome = Outcome.SCORED
    share: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    sketch: "tuple[Draft, float] | None" = None
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def on_position(self, ahead: int) -> None:
        """Note how many come before it in a queue; time spent waiting is not work."""
        self.ahead = ahead
        self.waited = self.waited or ahead > 0
        if ahead == 0 and self.progress is None:
            self.started = self.stage_started = time.monotonic()

    def on_progress(self, progress: Progress) -> None:
        """Take a step forward: a `ProgressCallback`, called by the thread at work."""
        now = time.monotonic()
        elapsed = now - self.started
        if progress.seconds_left is not None and elapsed > 0:
            # Estimates waver; a bar that runs backwards looks broken.
            self.share = max(self.share, elapsed / (elapsed + progress.seconds_left))
        if self.progress is not None and progress.stage != self.progress.stage:
            self.stage_seconds[self.progress.stage] = now - self.stage_started
            self.stage_started = now
        self.progress = progress

    def on_share(self, share: float) -> None:
        """Take note of the share of the work that is done, where it is no stage of its own."""
        self.share = max(self.share, share)

    def on_sketch(self, draft: "Draft") -> None:
        """Keep the music as written so far: a `Sketch`, called by the thread at work."""
        self.sketch = (draft, float(self.take.source.film.duration))


@dataclass(frozen=True)
class Update:
    """What a page shows next of a job.

    Attributes:
        status: HTML of the progress, or of what came of it.
        busy: whether the work is under way.
        take: set when what it holds has changed.
        sketch: the piece while it is being written, and the film's seconds; set when it changed.
    """

    status: str
    busy: bool
    take: Take | None = None
    sketch: "tuple[Draft, float] | None" = None
