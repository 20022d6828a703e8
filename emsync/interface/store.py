"""What the page keeps for a while: films that were chosen, what is known of them, and the takes
that were made of them.

Everything lies in folders whose names nobody can guess: whoever knows a file's name is served it.
"""

import os
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emsync.errors import EmsyncError
from emsync.film.examine import Film, probe
from emsync.film.footage import poster
from emsync.interface.disk_quota import remove_upload
from emsync.interface.experts import installed_names
from emsync.progress import CancelToken, Progress
from emsync.settings import CutSettings, ExpertSettings, FilmLimits, Settings, SoundSettings
from emsync.stages import TimeLimits
from emsync.text import quoted
from emsync.weights.download import digest

if TYPE_CHECKING:
    from emsync.emotion.analysis import Analysis
    from emsync.emotion.curve import MoodRequest
    from emsync.music.composer import Draft
    from emsync.results import Piece, Result

KEEP_SECONDS = 3600
"""A take goes this long after it was last looked at, and its film with it."""

MOST_TAKES = 4
"""Of one page; older ones go before their time."""

MOST_ANALYSES = 24
"""Films of which the analysis is remembered."""


@dataclass(frozen=True)
class Source:
    """A film that somebody chose, in a folder of its own.

    Attributes:
        film: probed; its path is ours.
        sha256: of its content.
        poster: JPEG of one of its frames.
    """

    film: Film
    sha256: str
    poster: bytes
    upload: Path | None = None
    """Where it was uploaded; None if it came by another way."""

    @property
    def name(self) -> str:
        """As it was called when it came."""
        return self.film.path.name

    @property
    def folder(self) -> Path:
        return self.film.path.parent


@dataclass
class Version:
    """One candidate of a take: a piece and, once it was played, its files."""

    piece: "Piece"
    label: str
    result: "Result | None" = None
    diagnostics: str = ""
    stems: dict[str, Path] = field(default_factory=dict)
    """Sound of each group, once it was asked for."""
    bundle: Path | None = None
    """Everything in one ZIP, made with the stems."""


@dataclass
class Take:
    """What was made of a film at one press; it has a link of its own."""

    token: str
    """Whoever knows it may see the take."""
    folder: Path
    source: Source
    settings: Settings
    """As asked for; those of a version are its piece's."""
    request: "MoodRequest"
    versions: list[Version] = field(default_factory=list)
    shown: int = 0
    job: "Job | None" = None
    """The one under way, or the last one."""
    next_seed: int = 0
    """For the next piece in the place of one that did not please."""
    revision: int = 0
    """Counts what the page has to show anew."""
    used: float = field(default_factory=time.monotonic)
    asked: Any = None
    """The mood editor's value when it was begun, for a page that finds it again."""

    @property
    def result(self) -> "Result | None":
        """Of the version that is shown."""
        return self.versions[self.shown].result if self.shown < len(self.versions) else None

    def use(self) -> None:
        """Somebody looks at it: its hour begins anew."""
        self.used = time.monotonic()


@dataclass
class Job:
    """Work for one page, shared by the thread that does it and the pages that watch."""

    take: Take
    sound: SoundSettings
    cancel: CancelToken = field(default_factory=CancelToken)
    started: float = field(default_factory=time.monotonic)
    stage_started: float = field(default_factory=time.monotonic)
    now: Progress | None = None
    """None until it is its turn."""
    ahead: int = 0
    """How many it waits for."""
    waited: bool = False
    """For anybody, at any time."""
    expected: float = 0.0
    """Seconds that it was said to take; 0 if nothing was said."""
    words: str = ""
    """What is under way beside the stages."""
    share: float = 0.0
    past: dict[str, float] = field(default_factory=dict)
    """Seconds of each stage that is over."""
    sketch: "tuple[Draft, float] | None" = None
    """The piece that is being written, and the film's seconds."""
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def wait(self, ahead: int) -> None:
        """So many come before; the time spent waiting is not work."""
        self.ahead = ahead
        self.waited = self.waited or ahead > 0
        if ahead == 0 and self.now is None:
            self.started = self.stage_started = time.monotonic()

    def hear(self, progress: Progress) -> None:
        """A `ProgressCallback`; called from the working thread."""
        now = time.monotonic()
        elapsed = now - self.started
        if progress.seconds_left is not None and elapsed > 0:
            # Estimates waver; a bar that runs backwards looks broken.
            self.share = max(self.share, elapsed / (elapsed + progress.seconds_left))
        if self.now is not None and progress.stage != self.now.stage:
            self.past[self.now.stage] = now - self.stage_started
            self.stage_started = now
        self.now = progress

    def draw(self, draft: "Draft") -> None:
        """A sketch of the music; called from the working thread."""
        self.sketch = (draft, float(self.take.source.film.duration))


class Shelf:
    """All takes and films of all pages, until they go."""

    def __init__(self, root: Path, stages: TimeLimits | None = None) -> None:
        """
        Args:
            root: the folder for all of it.
            stages: seconds that it may take to open a film.
        """
        self.root = root
        self._stages = stages
        self._lock = threading.Lock()
        self._takes: dict[str, Take] = {}
        self._sources: dict[Path, tuple[Source, float]] = {}
        self._kept: dict[Path, Path] = {}
        """Where the other files of users lie, by where they came."""
        self._passing: dict[Path, float] = {}
        """Folders that go an hour after this time."""

    def folder(self) -> Path:
        """A new one, whose name nobody can guess."""
        folder = self.root / f"request-{secrets.token_urlsafe(18)}"
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def passing_folder(self) -> Path:
        """A new one that goes after an hour."""
        folder = self.folder()
        with self._lock:
            self._passing[folder] = time.monotonic()
        return folder

    def add_film(
        self, upload: Path, limits: FilmLimits, cancel: CancelToken, take: bool = False
    ) -> Source:
        """Take a film in.

        Args:
            upload: where it lies now; it stays there.
            limits: on its length and size.
            cancel: of whoever brings it.
            take: it lies in a folder of ours already, and is to stay in it.

        Raises:
            EmsyncError: it is no longer there, or no film that can be scored; or there is no room.
            Cancelled: whoever brings it went away.
        """
        from emsync.stages import bounded

        folder = upload.parent if take else self.folder()
        path = upload if take else folder / upload.name
        try:
            if not take:
                _link(upload, path)
            film = probe(path, limits, cancel)
            came = None if take or not upload.is_relative_to(self.root) else upload
            bound = bounded(cancel, "probe", float(film.duration), self._stages)
            source = Source(film, digest(path, bound), poster(film, bound), came)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise _not_kept(upload, error) from error
            raise
        with self._lock:
            self._sources[folder] = source, time.monotonic()
        return source

    def keep(self, upload: Path) -> Path:
        """Another file of the user's, such as a SoundFont, for an hour after it was last used.

        Raises:
            EmsyncError: it is no longer there.
        """
        with self._lock:
            path = self._kept.get(upload)
            if path is None:
                folder = self.folder()
                path = folder / upload.name
                try:
                    _link(upload, path)
                except OSError as error:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise _not_kept(upload, error) from error
                self._kept[upload] = path
            self._passing[path.parent] = time.monotonic()
        return path

    def discard(self, kept: Path) -> None:
        """A file of the user's goes at once, and what was uploaded."""
        with self._lock:
            uploads = [upload for upload, path in self._kept.items() if path == kept]
            for upload in uploads:
                del self._kept[upload]
            self._passing.pop(kept.parent, None)
        for upload in uploads:
            remove_upload(upload)
        shutil.rmtree(kept.parent, ignore_errors=True)

    def new_take(self, source: Source, settings: Settings, request: "MoodRequest") -> Take:
        """An empty take with a folder of its own."""
        folder = self.folder()
        token = folder.name.removeprefix("request-")
        take = Take(token, folder, source, settings, request, next_seed=settings.seed + 1)
        with self._lock:
            self._takes[token] = take
        return take

    def find(self, token: str) -> Take | None:
        """The take of a link; None if there is none, or no longer."""
        with self._lock:
            take = self._takes.get(token)
        if take is not None:
            take.use()
        return take

    def takes(self) -> list[Take]:
        """All there are."""
        with self._lock:
            return list(self._takes.values())

    def remove_take(self, take: Take) -> None:
        """Its files go at once, and so does its link."""
        with self._lock:
            self._takes.pop(take.token, None)
        shutil.rmtree(take.folder, ignore_errors=True)

    def takes_of(self, source: Source) -> list[Take]:
        """Those made of this film, the oldest first."""
        with self._lock:
            return [take for take in self._takes.values() if take.source is source]

    def remove_film(self, source: Source, uploaded: bool = False) -> None:
        """It goes, unless a take is made of it.

        Args:
            source: the film.
            uploaded: so does what was uploaded, which goes by itself after a while.
        """
        if self.takes_of(source):
            return
        with self._lock:
            self._sources.pop(source.folder, None)
        shutil.rmtree(source.folder, ignore_errors=True)
        if uploaded and source.upload is not None:
            remove_upload(source.upload)

    def sweep(self, in_use: Iterable[Source]) -> None:
        """Remove what nobody has looked at for an hour.

        Args:
            in_use: films of pages that are open, which stay for their hour without a take.
        """
        old = time.monotonic() - KEEP_SECONDS
        with self._lock:
            stale = [
                take
                for take in self._takes.values()
                if take.used < old and (take.job is None or take.job.done.is_set())
            ]
            needed = {
                path.parent
                for take in self._takes.values()
                if take.job is not None and not take.job.done.is_set()
                for path in (
                    take.settings.music.primer,
                    take.settings.music.theme,
                    take.settings.sound.soundfont,
                    take.job.sound.soundfont,
                )
                if path is not None
            }
            folders = [
                folder
                for folder, since in self._passing.items()
                if since < old and folder not in needed
            ]
            for folder in folders:
                del self._passing[folder]
            self._kept = {
                upload: path for upload, path in self._kept.items() if path.parent in self._passing
            }
        for take in stale:
            self.remove_take(take)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        open_films = {source.folder for source in in_use}
        with self._lock:
            films = [
                source
                for source, since in self._sources.values()
                if since < old or source.folder not in open_films
            ]
        for source in films:
            if time.monotonic() - self._since(source) > 60:  # not one that is just being chosen
                self.remove_film(source)

    def touch(self, source: Source) -> None:
        """Somebody works with this film."""
        with self._lock:
            if source.folder in self._sources:
                self._sources[source.folder] = source, time.monotonic()

    def _since(self, source: Source) -> float:
        with self._lock:
            return self._sources.get(source.folder, (source, 0.0))[1]


@dataclass(frozen=True)
class Key:
    """On what an analysis depends: the film, what is looked for in it, and who looks."""

    sha256: str
    cuts: CutSettings
    experts: ExpertSettings
    installed: frozenset[str]

    @classmethod
    def of(cls, source: Source, settings: Settings) -> "Key":
        """For an analysis that is made now."""
        return cls(source.sha256, settings.cuts, settings.experts, installed_names())


class Analyses:
    """What was found in films, by their content: the same film is looked at once, whoever brings
    it."""

    def __init__(self, most: int = MOST_ANALYSES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[Key, tuple[Analysis, float]] = OrderedDict()

    def get(self, key: "Key", film: Film) -> "Analysis | None":
        """What is remembered, as if it had just been found in `film`; None if there is nothing."""
        with self._lock:
            found = self._known.pop(key, None)
            if found is None or time.monotonic() - found[1] > KEEP_SECONDS:
                return None
            self._known[key] = found[0], time.monotonic()
        return replace(found[0], film=film)

    def put(self, key: "Key", analysis: "Analysis") -> None:
        """Remember it, unless an expert failed: then another look may see more."""
        if any(report.status == "failed" for report in analysis.reading.reports):
            return
        with self._lock:
            self._known[key] = analysis, time.monotonic()
            while len(self._known) > self._most:
                self._known.popitem(last=False)

    def forget(self, source: Source) -> None:
        """Nothing is remembered of this film."""
        with self._lock:
            for key in [key for key in self._known if key.sha256 == source.sha256]:
                del self._known[key]


def _not_kept(upload: Path, error: OSError) -> EmsyncError:
    """Why an upload could not be taken in."""
    if isinstance(error, FileNotFoundError):
        return EmsyncError(
            f"{quoted(upload.name)} is no longer here: uploads are removed after an hour. "
            "Upload it again."
        )
    return EmsyncError(
        f"{quoted(upload.name)} could not be kept here: {error.strerror or error}. Try again in "
        "a while."
    )


def _link(upload: Path, path: Path) -> None:
    """A second name for the upload, which Gradio removes after a while; or a copy of it."""
    try:
        os.link(upload, path)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copyfile(upload, path)
