"""The stages of a request, a row each: what they are called, and how long they take and may take.

A stage that is added here has its progress, its clock, its time limit and its words everywhere:
page, command line and report read this table.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from emsync.progress import CancelToken, Progress, ProgressCallback


@dataclass(frozen=True)
class Stage:
    """One stage of the way from film to scored film.

    Times are a fixed part in seconds and a part per second of film.
    """

    name: str
    """In reports, settings and progress."""
    title: str
    """On the page."""
    doing: str
    """On a line of the command line."""
    stopped: str
    """Begins the sentence that says that it took too long."""
    expected: tuple[float, float]
    """What it takes. Round figures from `make bench` on two cores; they serve the first estimate
    only, later ones follow the pace."""
    allowed: tuple[float, float]
    """What it may take. After that it is stopped, children and all, with a sentence. Ours: ten
    times and more what `make bench` measures for films as people have them; 30 frames of 4K HEVC a
    second, the most that is to be expected, take two cores 3 s to look at and 6 s to encode per
    second of film. A film of half an hour may therefore keep one stage busy for hours where it is
    made for that; nobody else's request is stopped by it, and `EMSYNC_MINUTES` shortens all."""


_ROWS = (
    # The time of the first look at a file is `FilmLimits.look_seconds`.
    Stage(
        "probe", "Opening the film", "reading the film", "Opening the film",
        expected=(0.2, 0.002), allowed=(60.0, 0.1),
    ),
    Stage(
        "scenes", "Finding the cuts", "finding the cuts", "Finding the cuts",
        expected=(0.3, 0.04), allowed=(60.0, 6.0),
    ),
    # Limited is reading the film's sound; the experts have `ExpertSettings.patience`.
    Stage(
        "emotion", "Reading the emotion", "reading the emotion", "Reading the film's sound",
        expected=(0.2, 0.01), allowed=(60.0, 1.0),
    ),
    # With everything that costs time turned up it takes 4 s per second of film.
    Stage(
        "compose", "Composing the music", "composing", "Composing the music",
        expected=(2.0, 0.2), allowed=(120.0, 6.0),
    ),
    Stage(
        "perform", "Shaping the performance", "shaping the performance", "Shaping the performance",
        expected=(0.1, 0.005), allowed=(60.0, 0.5),
    ),
    Stage(
        "render", "Playing the instruments", "playing the music", "Playing the instruments",
        expected=(1.0, 0.03), allowed=(60.0, 2.0),
    ),
    Stage(
        "mux", "Writing the scored film", "joining picture and sound", "Writing the scored film",
        expected=(0.5, 0.12), allowed=(120.0, 8.0),
    ),
)  # fmt: skip

STAGES: Mapping[str, Stage] = {row.name: row for row in _ROWS}
"""The stages of every request, in their order."""

BUNDLE = Stage(
    "bundle", "Making stems and ZIP", "making stems and ZIP", "Making stems and ZIP",
    expected=(1.0, 0.1), allowed=(60.0, 2.0),
)  # fmt: skip
"""Stems and ZIP, when they are asked for."""

TimeLimits = Mapping[str, tuple[float, float]]
"""For each stage the seconds that it may take at least, and more per second of film."""


def time_limits(**changed: tuple[float, float]) -> TimeLimits:
    """Return what each stage may take, with other limits for those that are named.

    Raises:
        KeyError: there is no stage of that name.
    """
    standard = {row.name: row.allowed for row in (*STAGES.values(), BUNDLE)}
    if unknown := changed.keys() - standard.keys():
        raise KeyError(f"no stage is called {', '.join(sorted(unknown))}")
    return standard | changed


class Advance(Protocol):
    """Told the share done of a stage, in [0, 1], and what of it is under way."""

    def __call__(self, fraction: float, detail: str = "") -> None: ...


class StageClock:
    """Times the stages and estimates what is left."""

    def __init__(self, tell: ProgressCallback) -> None:
        self.seconds: dict[str, float] = {}
        self.film_seconds: float | None = None
        self.extra: dict[str, float] = {}
        """Seconds that a stage is expected to take beside `Stage.expected`."""
        self._tell = tell
        self._pace = 1.0

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """Time a stage; yields the function to which it tells its share done."""
        began = time.monotonic()

        def advance(fraction: float, detail: str = "") -> None:
            left = self._left(name, fraction, time.monotonic() - began)
            self._tell(Progress(name, fraction, left, detail))

        advance(0.0)
        yield advance
        self.learn({name: time.monotonic() - began})
        advance(1.0)

    def learn(self, seconds: dict[str, float]) -> None:
        """Take in what stages took; later estimates follow that pace."""
        self.seconds |= seconds
        # The experts say nothing of the pace: how long they take depends on who is installed.
        known = [stage for stage in self.seconds if stage != "emotion"]
        expected = sum(self._expected(stage) for stage in known)
        if self.film_seconds is not None and expected > 1.0:
            self._pace = sum(self.seconds[stage] for stage in known) / expected

    def _expected(self, stage: str) -> float:
        fixed, per_second = STAGES[stage].expected
        return fixed + per_second * (self.film_seconds or 0.0) + self.extra.get(stage, 0.0)

    def _left(self, stage: str, fraction: float, elapsed: float) -> float | None:
        if self.film_seconds is None:
            return None
        here = self._pace * self._expected(stage) * (1 - fraction)
        if fraction > 0.1:
            here = elapsed / fraction * (1 - fraction)
        names = list(STAGES)
        later = names[names.index(stage) + 1 :]
        return here + self._pace * sum(self._expected(name) for name in later)


def allowed_seconds(stage: str, film_seconds: float, limits: TimeLimits) -> float:
    """Return how long a stage may take for a film of this length."""
    at_least, per_second = limits[stage]
    return at_least + per_second * film_seconds


def bounded(
    cancel: CancelToken, stage: str, film_seconds: float, limits: TimeLimits | None
) -> CancelToken:
    """Return a request's token for one stage: it ends with a sentence when the time is over.

    `limits` are those of `time_limits` if None.
    """
    seconds = allowed_seconds(stage, film_seconds, limits or time_limits())
    most = f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    row = BUNDLE if stage == BUNDLE.name else STAGES[stage]
    return cancel.within(
        seconds,
        f"{row.stopped} was stopped: it took longer than the {most} that it "
        "may take for a film of this length. Try a shorter or smaller film, or try again when this "
        "machine has less to do.",
    )


def expected_seconds(film_seconds: float, stages: Sequence[str] = tuple(STAGES)) -> float:
    """Return about how long these stages take a machine such as `Stage.expected` was measured on,
    the experts not counted."""
    times = [STAGES[stage].expected for stage in stages]
    return sum(fixed + per_second * film_seconds for fixed, per_second in times)
