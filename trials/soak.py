"""Many requests, some at a time, from people who cancel, go away, and send what is no film:
`python -m trials.soak [--requests 200] [--at-once 8]`.

Everybody's film has a colour, a length and a seed of its own, and what comes back must be made of
it. Afterwards nothing may be left: no file, no process, no descriptor, and the memory must have
stopped growing. What people do is drawn from a seed, which is printed. The app is `app.py` whose
hour is short (`trials.hurried`), so that the end of it can be waited for.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from gradio_client.exceptions import AppError

from emsync.benchmarks.load import App, PageSampler, connect, family, score, started, what_is_wrong
from emsync.benchmarks.sampler import Sampler
from emsync.benchmarks.speed import machine, resident
from trials.trial import Wrong
from trials.visitors import (
    Visitor,
    begin_score,
    begin_upload,
    colour_film,
    colour_of,
    query_of,
    sentence_in,
)

KEEP_SECONDS = 60
"""The app's hour."""
MOST_GROWTH = 0.1
"""MB of memory a request, from when nobody is there after half of them to the same after all. By
then as many films are remembered as ever are; who forgets no page loses three times as much."""
FEWEST_FOR_GROWTH = 100
"""Requests; of fewer the memory says nothing."""
MOST_DESCRIPTORS = 4
MOST_THREADS = 16
"""More than after the first visits: the pools fill up as they are used."""
_LOOK_SECONDS = 0.5
_FIRST = 4
"""Visits before anything is measured: what is loaded once is loaded then."""
_TOLERANCE = 16
"""Of 255, in each colour, after two encodings."""
_TOO_LATE = "scored before it was cancelled"


@dataclass(frozen=True)
class Visit:
    """What one person brings and does.

    Attributes:
        number: from 1.
        kind: one of `KINDS`.
        film: its own.
        colour: of every pixel of it.
        length: of it, in seconds.
        seed: that is asked for.
        pause: seconds, or changes of the page, until the person changes their mind.
    """

    number: int
    kind: str
    film: Path
    colour: tuple[int, int, int]
    length: float
    seed: int
    pause: float

    @property
    def query(self) -> str:
        """Of the page's address: nothing is tried out first, to be quick."""
        return query_of(**{"music.openings": 1, "seed": self.seed})


@dataclass(frozen=True)
class Outcome:
    """What came of it: `problem` is empty if that is right."""

    visit: Visit
    words: str
    problem: str
    seconds: float


class Gauges(Sampler):
    """What the app takes, again and again while a ``with`` block runs (Linux)."""

    def __init__(self, app: App) -> None:
        super().__init__(_LOOK_SECONDS)
        self.rows: list[tuple[float, ...]] = []
        """Seconds, MB of the app, MB of its helpers, descriptors, threads, helpers, files."""
        self._app = app
        self._began = time.monotonic()

    def sample(self) -> None:
        """Add a row."""
        with suppress(OSError, IndexError):  # it has just ended
            self.rows.append(self.now())

    def now(self) -> tuple[float, ...]:
        """Return a row."""
        process = self._app.process.pid
        helpers = [number for number in family(self._app.temporary) if number != process]
        place = Path(f"/proc/{process}")
        status = (place / "status").read_text()
        threads = int(status.partition("Threads:")[2].split()[0])
        return (
            time.monotonic() - self._began,
            resident(process) / 1e6,
            sum(map(resident, helpers)) / 1e6,
            len(list((place / "fd").iterdir())),
            threads,
            len(helpers),
            len(files_of(self._app)),
        )


def files_of(app: App) -> list[Path]:
    """Return all that lies in the app's TMPDIR, files and folders."""
    # What goes while it is looked at is passed over, as `Path.rglob` does not.
    return [
        Path(folder, name)
        for folder, folders, names in os.walk(app.temporary)
        for name in folders + names
    ]


# What people do ---------------------------------------------------------------------------------


def by_page(url: str, visit: Visit, folder: Path) -> str:
    """Drop the film in, press, wait, and save everything."""
    with Visitor(url, visit.query) as page:
        _compose(page, visit)
        _check(visit, page.files(folder))
    return "scored on the page"


def by_program(url: str, visit: Visit, folder: Path) -> str:
    """Do the same by `gradio_client`."""
    client = connect(url, folder / "received")
    try:
        settings = {"seed": visit.seed, "music": {"openings": 1}}
        files = score(client, visit.film, settings)[:4]
    finally:
        client.close()
    _check(visit, [Path(file) for file in files])
    return "scored for a program"


def later_by_link(url: str, visit: Visit, folder: Path) -> str:
    """Close the page, and come back by its link."""
    with Visitor(url, visit.query) as page:
        _compose(page, visit)
        token = page.value("em-kept")
    time.sleep(visit.pause)
    _fetch(url, token, visit, folder)
    return "fetched later by its link"


def deleted(url: str, visit: Visit, folder: Path) -> str:
    """Delete everything at once: files and link are gone."""
    with Visitor(url, visit.query) as page:
        _compose(page, visit)
        _check(visit, page.files(folder))
        token, addresses = page.value("em-kept"), page.addresses()
        for _ in page.call("on_forget"):
            pass
        for address in addresses:
            if page.status_of(address) == 200:
                raise Wrong(f"{address} is still served")
    with Visitor(url, query_of(take=token)) as page:
        _arrive(page)
        if "no longer here" not in sentence_in(page.value("em-status")):
            raise Wrong("the link still leads somewhere")
    return "deleted, and gone"


def cancelled(url: str, visit: Visit, folder: Path) -> str:
    """Press, and press Cancel after some changes of the page."""
    with Visitor(url, visit.query) as page:
        _arrive(page)
        page.choose(visit.film)
        for changes, _ in enumerate(page.call("on_compose")):
            if changes == int(visit.pause):
                page.press_cancel()
        status = page.value("em-status")
        if "Your score is ready" in status:
            _check(visit, page.files(folder))
            return _TOO_LATE
        if "Cancelled" not in status:
            raise Wrong(f"cancelled, and the page says {status[:200]}")
    return "cancelled"


def gone_uploading(url: str, visit: Visit, folder: Path) -> str:
    """Close the connection in the middle of the upload."""
    begin_upload(url, visit.film.stat().st_size).close()
    return "gone during the upload"


def gone_waiting(url: str, visit: Visit, folder: Path) -> str:
    """Close the page as soon as it has a place in the line; the work goes on, and can be found."""
    return _gone(url, visit, folder, lambda status: True, "gone while it waited")


def gone_working(url: str, visit: Visit, folder: Path) -> str:
    """Close the page in the middle of the work; it goes on, and can be found."""
    return _gone(url, visit, folder, lambda status: "em-progress" in status, "gone during the work")


def program_gone(url: str, visit: Visit, folder: Path) -> str:
    """End a program in the middle: its connections close, and nobody knows the token."""
    with begin_score(url, visit.film):
        time.sleep(visit.pause / 2)
    return "a program that went"


def no_film(url: str, visit: Visit, folder: Path) -> str:
    """Drop in what is no film: the page says so."""
    with Visitor(url, visit.query) as page:
        _arrive(page)
        page.choose(_damaged(visit, folder))
        sentence = sentence_in(page.value("em-status"))
    if not sentence.endswith((".", "?")):
        raise Wrong(f"a damaged film, and the page says “{sentence}”")
    return "no film: told so on the page"


def no_film_by_program(url: str, visit: Visit, folder: Path) -> str:
    """Do the same by `gradio_client`."""
    client = connect(url, folder / "received")
    try:
        score(client, _damaged(visit, folder), None)
    except AppError as told:
        if not str(told).endswith((".", "?")):
            raise Wrong(f"a damaged film, and the program is told “{told}”") from None
        return "no film: a program told so"
    finally:
        client.close()
    raise Wrong("a damaged film was scored")


_USUAL = {by_page: 35, by_program: 30, later_by_link: 20, deleted: 15}
"""Kinds of visits, and how often each comes."""
_GOING = (gone_uploading, gone_waiting, gone_working, program_gone)
_DAMAGED = (no_film, no_film_by_program)
KINDS: dict[str, Callable[[str, Visit, Path], str]] = {
    kind.__name__: kind for kind in (*_USUAL, cancelled, *_GOING, *_DAMAGED)
}


def plan(requests: int, seed: int, folder: Path) -> list[Visit]:
    """Return who comes: every 11th with a damaged film, every 7th goes away, every 5th cancels.

    Args:
        requests: how many.
        seed: of everything that is drawn.
        folder: where the films are to lie.
    """
    chance = random.Random(seed)
    visits = []
    for number in range(1, requests + 1):
        if number % 11 == 0:
            kind = _DAMAGED[number // 11 % 2].__name__
        elif number % 7 == 0:
            kind = _GOING[number // 7 % 4].__name__
        elif number % 5 == 0:
            kind = cancelled.__name__
        else:
            (drawn,) = chance.choices(list(_USUAL), list(_USUAL.values()))
            kind = drawn.__name__
        # Spread over the cube of colours, so that neighbours in time are far apart.
        colour = (number * 97 % 200 + 28, number * 61 % 200 + 28, number * 151 % 200 + 28)
        film = folder / f"film {number}.mp4"
        length = round(25 + chance.random() * 25) / 25
        visits.append(Visit(number, kind, film, colour, length, number, chance.uniform(0.2, 6)))
    return visits


def one(url: str, visit: Visit) -> Outcome:
    """Make one visit, from its beginning to its end."""
    began = time.monotonic()
    words = problem = ""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        try:
            words = KINDS[visit.kind](url, visit, Path(name))
        except Exception as error:  # whatever it is, it is this visit's outcome
            problem = f"{type(error).__name__}: {error}"[:400]
    return Outcome(visit, words, problem, time.monotonic() - began)


def _arrive(page: Visitor) -> None:
    """Load the page; it reads its address."""
    for _ in page.call("on_load"):
        pass


def _compose(page: Visitor, visit: Visit) -> None:
    """Go from the empty page to the scored film."""
    _arrive(page)
    page.choose(visit.film)
    told = sentence_in(page.value("em-status"))
    if told:
        raise Wrong(f"when the film was chosen: {told}")
    _press(page)
    if "Your score is ready" not in page.value("em-status"):
        raise Wrong(f"the page says {page.value('em-status')[:200]}")


def _press(page: Visitor) -> None:
    for _ in page.call("on_compose"):
        pass


def _gone(url: str, visit: Visit, folder: Path, is_time: Callable[[str], bool], words: str) -> str:
    with Visitor(url, visit.query) as page:
        _arrive(page)
        page.choose(visit.film)
        token = ""
        for _ in page.call("on_compose"):
            token = page.value("em-kept") or token
            if token and is_time(page.value("em-status") or ""):
                break
    _fetch(url, token, visit, folder)
    return words + ", and found again"


def _fetch(url: str, token: str, visit: Visit, folder: Path) -> None:
    """Fetch the results by the link, when the work is done."""
    with Visitor(url, query_of(take=token)) as page:
        _arrive(page)
        told = sentence_in(page.value("em-status"))
        if told:
            raise Wrong(f"by the link: {told}")
        _check(visit, page.files(folder))


def _check(visit: Visit, files: Sequence[Path]) -> None:
    """Raise `Wrong` unless these files are made of this film, with this seed."""
    problem = what_is_wrong(visit.film, visit.seed, files)
    if problem:
        raise Wrong(f"mixed up? {problem}")
    colour = colour_of(files[0])
    if max(abs(one - other) for one, other in zip(colour, visit.colour, strict=True)) > _TOLERANCE:
        raise Wrong(f"mixed up? The film is {visit.colour}, and the scored one {colour}")


def _damaged(visit: Visit, folder: Path) -> Path:
    """Write what was a film: its beginning, its end, or nothing of it."""
    content = visit.film.read_bytes()
    path = folder / f"damaged {visit.number}.mp4"
    half = len(content) // 2
    path.write_bytes((content[:half], content[half:], os.urandom(half), b"")[visit.number % 4])
    return path


# The end ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Soak:
    """Everything that is printed."""

    seed: int
    at_once: int
    outcomes: list[Outcome]
    seconds: float
    rows: list[tuple[float, ...]]
    """While the visits went on, as in `Gauges`."""
    start: tuple[float, ...]
    """After the first visits."""
    middle: tuple[float, ...]
    """When everything of half of them had gone."""
    end: tuple[float, ...]
    """When everything had gone."""
    left: list[str]
    pages: PageSampler

    @property
    def growth(self) -> float:
        """MB of the app's memory a request, over the second half."""
        return (self.end[1] - self.middle[1]) / (len(self.outcomes) / 2)

    def faults(self) -> list[str]:
        """Return what is wrong with the app as a whole."""
        found = [f"left behind: {name}" for name in self.left]
        if self.end[3] > self.start[3] + MOST_DESCRIPTORS:
            found.append(f"{self.end[3]:.0f} descriptors are open, after {self.start[3]:.0f}")
        if self.end[4] > self.start[4] + MOST_THREADS:
            found.append(f"{self.end[4]:.0f} threads run, after {self.start[4]:.0f}")
        if self.end[5]:
            found.append(f"{self.end[5]:.0f} helpers still run")
        if len(self.outcomes) >= FEWEST_FOR_GROWTH and self.growth > MOST_GROWTH:
            found.append(f"memory grows by {self.growth:.2f} MB a request")
        stopped = Counter(one.words for one in self.outcomes if one.visit.kind == "cancelled")
        if stopped[_TOO_LATE] > stopped["cancelled"]:
            found.append(f"of those who cancelled, {stopped[_TOO_LATE]} got a film all the same")
        if self.pages.unanswered:
            found.append(f"the page did not answer {self.pages.unanswered} times")
        return found


def soak(requests: int, at_once: int, seed: int, keep: int = KEEP_SECONDS) -> Soak:
    """Do it.

    Args:
        requests: how many.
        at_once: how many of them at the same time.
        seed: of what people do.
        keep: seconds that the app keeps what nobody looks at.
    """
    with tempfile.TemporaryDirectory(prefix="trials-soak-") as name:
        folder = Path(name)
        (folder / "films").mkdir()
        visits = plan(requests, seed, folder / "films")
        first = plan(_FIRST, seed, folder)
        for visit in visits + first:
            colour_film(visit.film, visit.colour, visit.length)
        hurried = ("-m", "trials.hurried", str(keep))
        variables = {
            "GRADIO_HEARTBEAT_INTERVAL": "0.5",
            "EMSYNC_WEIGHTS": str(folder / "no weights"),
        }
        with started(folder, hurried, **variables) as app:
            gauges, empty = Gauges(app), files_of(app)
            for visit in first:
                outcome = one(app.url, visit)
                if outcome.problem:
                    raise Wrong(f"{visit.kind}, alone: {outcome.problem}\n{app.log.read_text()}")
            _settle()
            idle, seconds = [gauges.now()], 0.0
            outcomes: list[Outcome] = []
            half = requests // 2
            with gauges, PageSampler(app.url) as pages:
                for part in (visits[:half], visits[half:]):
                    began = time.monotonic()
                    with ThreadPoolExecutor(at_once) as people:
                        outcomes += people.map(lambda visit: one(app.url, visit), part)
                    seconds += time.monotonic() - began
                    end = time.monotonic() + keep + 60
                    while (more := {*files_of(app)} - {*empty}) and time.monotonic() < end:
                        time.sleep(1)
                    left = [str(path.relative_to(app.temporary)) for path in more]
                    _settle()
                    idle.append(gauges.now())
            said = app.log.read_text()
        left += [f"the app's own {name}" for name in app.left.files]
        left += [f"process {number}" for number in app.left.processes]
        if "Traceback" in said:
            left.append(f"a Traceback in the log: {said[said.index('Traceback') :][:3000]}")
    start, middle, last = idle
    return Soak(seed, at_once, outcomes, seconds, gauges.rows, start, middle, last, left, pages)


def _settle() -> None:
    """Wait until idle connections and threads have ended; Gradio needs ten seconds at most."""
    time.sleep(12)


def table(run: Soak) -> str:
    """Return what is printed."""
    rows, tried = np.array(run.rows), len(run.outcomes)
    wrong = [outcome for outcome in run.outcomes if outcome.problem]
    kinds = Counter(outcome.words for outcome in run.outcomes if not outcome.problem)
    looks = sorted(run.pages.seconds)
    lines = [f"{tried} requests, {run.at_once} at a time, seed {run.seed}"]
    lines += [f"  {count:4d}  {words}" for words, count in kinds.most_common()]

    def tell(what: str, words: str) -> None:
        lines.append(f"  {what:<22}{words}")

    tell("took", f"{run.seconds:.0f} s, {run.seconds / tried:.1f} s a request")
    tell(
        "memory of the app",
        f"{run.start[1]:.0f} MB at first, {rows[:, 1].max():.0f} at most, {run.middle[1]:.0f} "
        f"after half, {run.end[1]:.0f} in the end: {run.growth:+.2f} MB a request of that half",
    )
    tell("of its helpers", f"{rows[:, 2].max():.0f} MB at most")
    for place, what in ((3, "descriptors"), (4, "threads"), (5, "helpers"), (6, "files")):
        tell(
            what,
            f"{run.start[place]:.0f} at first, {rows[:, place].max():.0f} at most, "
            f"{run.end[place]:.0f} in the end",
        )
    if looks:
        tell(
            "answers of the page",
            f"{len(looks)}: median {median(looks):.3f} s, longest {looks[-1]:.3f} s",
        )
    tell("machine", machine())
    for outcome in wrong:
        lines.append(f"WRONG  {outcome.visit.kind} {outcome.visit.number}: {outcome.problem}")
    lines += [f"WRONG  {fault}" for fault in run.faults()]
    bad = len(wrong) + len(run.faults())
    return "\n".join([*lines, f"soak: {tried} tried, {tried - len(wrong)} right, {bad} wrong"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m trials.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    run: Any = soak(options.requests, options.at_once, options.seed)
    print(table(run))
    return int(any(outcome.problem for outcome in run.outcomes) or bool(run.faults()))


if __name__ == "__main__":
    sys.exit(main())
