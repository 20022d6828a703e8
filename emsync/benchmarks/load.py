"""Measure the app with many people at once: `python -m emsync.benchmarks.load [URL]` has a film
scored for each, and prints what came back, how long it took, and how the page answered meanwhile.

Without a URL the app is started for it, in a folder of its own, and stopped afterwards; only then
is it known what it took and what it left behind.
"""

import argparse
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import wave
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

from emsync.benchmarks.sampler import Sampler
from emsync.benchmarks.speed import machine, resident
from emsync.errors import EmsyncError
from emsync.process.files import digest
from emsync.text import one_line

_REPOSITORY = Path(__file__).resolve().parents[2]
_START_SECONDS = 120
_STOP_SECONDS = 30
_ANSWER_SECONDS = 60
"""A page that takes longer has not answered."""
_LONGEST_SECONDS = 3600
"""What takes longer has not come."""
_SAMPLE_SECONDS = 0.1
_MILLISECOND = Fraction(1, 1000)
"""Of which the clocks of films are rounded."""


@dataclass(frozen=True)
class Visit:
    """What came of one person's film.

    Attributes:
        film: as it was sent.
        seed: that was asked for, another for everybody.
        problem: what was wrong, in a sentence; empty if all was right.
        seconds: from the press to the last file, upload included; infinite if nothing came.
        files: scored film, MIDI, WAV and report.
        token: of the take's link.
    """

    film: Path
    seed: int
    problem: str
    seconds: float = math.inf
    files: tuple[Path, ...] = ()
    token: str = ""


@dataclass(frozen=True)
class Remains:
    """What was still there after the app had ended: names of files and folders, and numbers of
    processes."""

    files: tuple[str, ...]
    processes: tuple[int, ...]


class PageSampler(Sampler):
    """How fast the page answers while a ``with`` block runs."""

    def __init__(self, url: str, pause: float = 0.2) -> None:
        """Prepare to fetch the page.

        Args:
            url: of the app.
            pause: seconds between two samples; each fetches the page and its description.
        """
        super().__init__(pause, _ANSWER_SECONDS)
        self.seconds: list[float] = []
        """How long each answer took."""
        self.unanswered = 0
        self._addresses = [f"{url.rstrip('/')}/{path}" for path in ("", "config")]

    def sample(self) -> None:
        """Fetch both, and time them."""
        for address in self._addresses:
            began = time.monotonic()
            try:
                with urllib.request.urlopen(address, timeout=_ANSWER_SECONDS) as answer:
                    answer.read()
            except OSError:
                self.unanswered += 1
            else:
                self.seconds.append(time.monotonic() - began)


class AppSampler(Sampler):
    """What an app and its helpers take while a ``with`` block runs."""

    def __init__(self, process: int, temporary: Path) -> None:
        """Prepare to measure an app.

        Args:
            process: number of the app's own.
            temporary: the folder that it was given as TMPDIR, and nobody else.
        """
        super().__init__(_SAMPLE_SECONDS)
        self.bytes = 0
        """Largest resident memory of the app's own process."""
        self.bytes_together = 0
        """The same with its helpers."""
        self.looking = self.encoding = 0
        """Most FFmpegs at the same time that looked at a whole film, and that wrote one."""
        self._process, self._temporary = process, temporary

    def sample(self) -> None:
        """Raise each of the peaks that is passed now."""
        own = resident(self._process)
        commands = {number: _command(number) for number in family(self._temporary)}
        # One that is just being started still looks like the app, and holds what it holds.
        app = _command(self._process)
        helpers = {number: words for number, words in commands.items() if words != app}
        self.bytes = max(self.bytes, own)
        self.bytes_together = max(self.bytes_together, own + sum(map(resident, helpers)))
        kinds = helpers.values()
        self.looking = max(self.looking, sum("[large]" in words for words in kinds))
        self.encoding = max(self.encoding, sum("-progress" in words for words in kinds))


@dataclass
class Run:
    """Everything that is printed."""

    visits: list[Visit]
    pages: PageSampler
    app: AppSampler | None = None
    left: Remains | None = None

    @property
    def wrong(self) -> list[Visit]:
        """Return the visits of those who did not get what they asked for."""
        return [visit for visit in self.visits if visit.problem]


@dataclass
class App:
    """An `app.py` that was started here.

    Attributes:
        log: what it has said.
        temporary: its TMPDIR, and nobody else's.
        left: once it has ended.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    temporary: Path
    left: Remains = field(default=Remains((), ()))

    def request_folders(self) -> list[Path]:
        """Return the folders of films, takes and other files of visitors."""
        return list(self.temporary.glob("emsync-*/request-*"))


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print it; return the exit status: 1 if anything was wrong."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="emsync-load-") as name:
            folder = Path(name)
            films = own_films(options.film or example_films(), options.people, folder)
            run = _load(options.url, films, options.seconds_between_looks, folder)
        print(table(run))
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    left = run.left is not None and (run.left.files or run.left.processes)
    return 1 if run.wrong or run.pages.unanswered or left else 0


def example_films() -> list[Path]:
    """Return the films that come with EMSYNC.

    Raises:
        EmsyncError: they were left out.
    """
    from emsync.interface.examples import examples

    films = [example.film for example in examples()]
    if not films:
        raise EmsyncError("There are no example films here. Name a film with --film.")
    return films


def own_films(films: Sequence[Path], people: int, folder: Path) -> list[Path]:
    """Return a film for each person, in turn: a copy with a name of its own.

    The copy of an MP4 also has content of its own, though it shows the same: an app that remembers
    what it found in a film has to look at each.

    Raises:
        EmsyncError: a film cannot be read.
    """
    own = []
    for number in range(people):
        film = films[number % len(films)]
        path = folder / f"person {number + 1} {film.name}"
        try:
            shutil.copyfile(film, path)
        except OSError as error:
            raise EmsyncError(f"“{film}” cannot be read: {error.strerror}.") from error
        if film.suffix.lower() in (".mp4", ".m4v", ".mov"):
            content = f"person {number + 1}".encode()
            with path.open("ab") as file:  # a box that every reader skips
                file.write((8 + len(content)).to_bytes(4, "big") + b"free" + content)
        own.append(path)
    return own


def score_at_once(
    url: str, films: Sequence[Path], folder: Path, settings: Mapping[str, Any] | None = None
) -> list[Visit]:
    """Have all films scored at the same moment, each by a client of its own.

    Args:
        url: of a running app.
        films: one for each person.
        folder: receives what comes back.
        settings: as in a preset; everybody's seed is added.

    Returns:
        In the order of the films.
    """
    visits: list[Visit | None] = [None] * len(films)
    together = threading.Barrier(len(films))

    def visit(place: int) -> None:
        try:
            asked = {**(settings or {}), "seed": place + 1}
            visits[place] = _visit(url, films[place], asked, folder, together)
        except Exception as error:  # whatever it is, it is this person's result
            together.abort()
            problem = one_line(f"{type(error).__name__}: {error}")
            visits[place] = Visit(films[place], place + 1, problem)

    threads = [
        threading.Thread(target=visit, args=(place,), daemon=True) for place in range(len(films))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [visit for visit in visits if visit is not None]


def what_is_wrong(film: Path, seed: int, files: Sequence[Path]) -> str:
    """Return what is not as this film's score must be, in a sentence; empty if all is right.

    Args:
        film: that was sent.
        seed: that was asked for.
        files: scored film, MIDI, WAV and report that came back.
    """
    import mido

    from emsync.film.probe import probe

    scored, midi, wav, report = files
    sent, got = probe(film), probe(scored)
    told = json.loads(report.read_text(encoding="utf-8"))
    if (told["film"]["name"], told["film"]["sha256"]) != (film.name, digest(film)):
        return f"This is the report of “{told['film']['name']}”."
    if told["settings"]["seed"] != seed:
        return f"Seed {seed} was asked for, and {told['settings']['seed']} used."
    frame = 1 / sent.frame_rate + _MILLISECOND
    if max(abs(got.duration - sent.duration), abs(got.stated - sent.duration)) > frame:
        return f"The scored film lasts {float(got.duration):.3f} s."
    if not got.has_audio:
        return "The scored film has no sound."
    if (got.width, got.height) != (sent.width, sent.height):
        return f"The scored film has {got.width} × {got.height} pixels."
    with wave.open(str(wav)) as sound:
        missing = sent.duration * sound.getframerate() - sound.getnframes()
    if abs(missing) > 1:
        return f"The music lacks {float(missing):.0f} samples."
    if not any(message.type == "note_on" for message in mido.MidiFile(midi)):
        return "There is no note in the MIDI file."
    return ""


def table(run: Run) -> str:
    """Return what is printed: a line for each figure, then one for each visit that went wrong."""
    came = sorted(visit.seconds for visit in run.visits if math.isfinite(visit.seconds))
    looks = sorted(run.pages.seconds)
    rows = [
        ("tried", f"{len(run.visits)}"),
        ("right", f"{len(run.visits) - len(run.wrong)}"),
        ("wrong", f"{len(run.wrong)}"),
    ]
    if came:
        rows += [("first result after", f"{came[0]:.1f} s"), ("last after", f"{came[-1]:.1f} s")]
    if looks:
        rows.append(
            (
                "answers of the page",
                f"{len(looks)}: median {median(looks):.3f} s, 95 % within "
                f"{looks[math.ceil(0.95 * len(looks)) - 1]:.3f} s, longest {looks[-1]:.3f} s",
            )
        )
    rows.append(("no answer", f"{run.pages.unanswered}"))
    if run.app is not None:
        rows += [
            (
                "peak memory",
                f"{run.app.bytes / 1e9:.2f} GB ({run.app.bytes_together / 1e9:.2f} GB with FFmpeg)",
            ),
            (
                "FFmpegs at once",
                f"{run.app.looking} looking at films, {run.app.encoding} writing them",
            ),
        ]
    if run.left is not None:
        files, processes = len(run.left.files), len(run.left.processes)
        rows.append(("left over", f"folders: {files}, processes: {processes}"))
    rows.append(("machine", machine()))
    lines = [f"{len(run.visits)} people at once, each with a film"]
    lines += [f"  {what:<22}{value}" for what, value in rows]
    return "\n".join(lines + [f"  {visit.film.name}: {visit.problem}" for visit in run.wrong])


def family(temporary: Path) -> list[int]:
    """Return the numbers of the processes that were started with this folder as TMPDIR."""
    import psutil

    found = []
    for process in psutil.process_iter():
        # Somebody else's, or one that has just ended.
        with suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(temporary):
                found.append(process.pid)
    return found


def _parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(prog="python -m emsync.benchmarks.load", description=__doc__)
    made.add_argument("url", nargs="?", help="of a running app; default: start one")
    made.add_argument("--people", type=_count, default=8, help="how many (default: %(default)s)")
    made.add_argument(
        "--film",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="films to send, in turn; default: the examples",
    )
    made.add_argument(
        "--seconds-between-looks",
        type=_pause,
        default=0.2,
        metavar="SECONDS",
        help="between two looks at the page (default: %(default)s)",
    )
    return made


def _count(text: str) -> int:
    """Convert a number of people; an argparse type."""
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError("must be a number from 1 to 100")
    return int(text)


def _pause(text: str) -> float:
    """Convert the seconds between two looks at the page; an argparse type."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.01 <= seconds <= 60:
        raise argparse.ArgumentTypeError("must be in [0.01, 60]")
    return seconds


def _load(url: str | None, films: Sequence[Path], pause: float, folder: Path) -> Run:
    """Have all films scored at once, by the app at `url` or one that is started in `folder`."""
    if url is not None:
        with PageSampler(url, pause) as pages:
            return Run(score_at_once(url, films, folder), pages)
    with started(folder) as app:
        with (
            PageSampler(app.url, pause) as pages,
            AppSampler(app.process.pid, app.temporary) as looks,
        ):
            visits = score_at_once(app.url, films, folder)
        run = Run(visits, pages, looks)
    run.left = app.left
    return run


@contextmanager
def started(folder: Path, program: Sequence[str] = ("app.py",), **variables: str) -> Iterator[App]:
    """Start the app in a process of its own on a free port, and have it stop afterwards.

    Args:
        folder: receives its files.
        program: what Python is to run in its place, with arguments.
        variables: of its environment, beside those of here.

    Raises:
        EmsyncError: it does not start; with what it said.
    """
    temporary = folder / "tmp"
    temporary.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "TMPDIR": str(temporary),
        **variables,
    }
    log = folder / "app.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *program],
            cwd=_REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    app = App(f"http://127.0.0.1:{port}", process, log, temporary)
    try:
        end = time.monotonic() + _START_SECONDS
        while not answers(app.url):
            if process.poll() is not None or time.monotonic() > end:
                raise EmsyncError(f"The app does not start. It says:\n{log.read_text()}")
            time.sleep(_SAMPLE_SECONDS)
        yield app
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        app.left = Remains(
            tuple(path.name for path in temporary.iterdir()), tuple(family(temporary))
        )


def answers(url: str) -> bool:
    """Return whether there is a page."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _visit(
    url: str, film: Path, settings: Mapping[str, Any], folder: Path, together: threading.Barrier
) -> Visit:
    """Connect, wait for the others, send the film, and look at what comes back.

    Args:
        url: of the app.
        film: to send.
        settings: as in a preset.
        folder: receives what comes back.
        together: where everybody waits until all are connected.
    """
    seed = settings["seed"]
    client = connect(url, folder / f"of {seed}")
    try:
        with suppress(threading.BrokenBarrierError):  # somebody could not even connect
            together.wait(_ANSWER_SECONDS)
        began = time.monotonic()
        made = score(client, film, settings)
        seconds = time.monotonic() - began
    finally:
        client.close()
    files, token = tuple(map(Path, made[:4])), str(made[4])
    return Visit(film, seed, what_is_wrong(film, seed, files), seconds, files, token)


def connect(url: str, folder: Path, password: str | None = None) -> Any:
    """Return a `gradio_client.Client` that puts what it gets into `folder`."""
    from gradio_client import Client

    auth = None if password is None else ("emsync", password)
    return Client(url, auth=auth, verbose=False, download_files=folder, analytics_enabled=False)


def score(
    client: Any, film: Path | None, settings: object = None, moods: object = None
) -> tuple[str, ...]:
    """Have the app score a film; return scored film, MIDI, WAV, report and the link's token.

    Args:
        client: of `connect`.
        film: to send; None for nobody's.
        settings: as in a preset; None for the app's own.
        moods: [[seconds, valence, arousal], ...]; None for the film's own.

    Raises:
        gradio_client.exceptions.AppError: with the app's sentence.
        TimeoutError: nothing came within an hour.
    """
    from gradio_client import handle_file

    sent = None if film is None else handle_file(film)
    work = client.submit(sent, settings, moods, api_name="/score")
    return tuple(work.result(_LONGEST_SECONDS))


def _command(process: int) -> str:
    """Return the words of a process's command line; nothing if it has ended."""
    import psutil

    try:
        return " ".join(psutil.Process(process).cmdline())
    except psutil.Error:
        return ""


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # the app that was started must go as well
    sys.exit(main())
