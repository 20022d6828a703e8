"""Measure how long a film takes on this machine: `python -m emsync.benchmarks.speed [film.mp4]`, or
`make bench`.

Everything is counted from the start of the process, libraries and weights included, as somebody
who types one command waits for it.
"""

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from emsync.benchmarks.sampler import Sampler
from emsync.errors import EmsyncError

if TYPE_CHECKING:
    from emsync.emotion.mapping import Mood
    from emsync.results import Result
    from emsync.settings import Settings

_REPOSITORY = Path(__file__).resolve().parents[2]
_SAMPLE_SECONDS = 0.05
_OTHER_MOODS = ((0.8, 0.6), (-0.8, 0.6), (-0.6, -0.6), (0.6, -0.6), (0.0, 0.0))


class PeakMemory(Sampler):
    """The most memory that this process and FFmpeg hold while a ``with`` block runs.

    getrusage alone will not do: Linux hands a child the peak of the parent that started it.
    """

    def __init__(self) -> None:
        super().__init__(_SAMPLE_SECONDS)
        self.bytes = 0
        """Largest sum of the resident memory of this process and its children."""

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts kibibytes on Linux
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        self.bytes = max(self.bytes, own)

    def sample(self) -> None:
        """Raise the peak if it is passed now."""
        self.bytes = max(self.bytes, sum(map(resident, _own_processes())))


def main(arguments: list[str] | None = None) -> int:
    """Score a film once and print what it took; return the exit status."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m emsync.benchmarks.speed", description=__doc__)
    parser.add_argument(
        "film",
        type=Path,
        nargs="?",
        help="default: emsync_demo_60s.mp4 in $EMSYNC_TEST_VIDEOS, else examples/landscapes.mp4",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="then compose again for other moods, for four versions, and play with other sound, "
        "as one does on the page",
    )
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="emsync-") as name:
            folder = Path(name)
            film = options.film or find_film()
            with PeakMemory() as memory:
                result = _score(film, folder)
            print(table(film.name, result, time.monotonic() - began, memory.bytes))
            if options.again:
                print(*(f"  {what:<26}{value}" for what, value in again(result, folder)), sep="\n")
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def find_film() -> Path:
    """Return the demo film of the paper where it is to be had, else the film in `examples`."""
    film = Path(os.environ.get("EMSYNC_TEST_VIDEOS", _REPOSITORY.parent / "shared" / "videos"))
    film /= "emsync_demo_60s.mp4"
    return film if film.is_file() else _REPOSITORY / "examples" / "landscapes.mp4"


def table(name: str, result: "Result", wall_seconds: float, memory: int) -> str:
    """Return what is printed: one line a stage, then the whole.

    Args:
        name: of the film.
        result: what came of it.
        wall_seconds: from the start of the process.
        memory: bytes, at most.
    """
    film_seconds = float(result.analysis.film.duration)
    piece = result.composition
    staged = sum(result.seconds.values())
    rows = [(stage, f"{seconds:.1f} s") for stage, seconds in result.seconds.items()]
    rows += [
        (f"  expert {report.modality}", f"{report.seconds:.1f} s, {report.status}")
        for report in result.analysis.reading.reports
    ]
    rows += [
        ("loading libraries", f"{wall_seconds - staged:.1f} s"),
        ("all, from a cold process", f"{wall_seconds:.1f} s"),
        ("real-time factor", f"{wall_seconds / film_seconds:.2f} (below 1: faster than the film)"),
        ("tokens per second", f"{piece.tokens_per_second:.0f} (over all pieces side by side)"),
        ("peak memory", f"{memory / 1e9:.2f} GB (FFmpeg included)"),
        ("weights", f"{piece.weights}, sha256 {piece.weights_sha256[:12]}"),
        ("machine", machine()),
    ]  # fmt: skip
    film = result.analysis.film
    lines = [f"{name}: {film_seconds:.2f} s, {film.width} × {film.height}, {film.video_codec}"]
    return "\n".join(lines + [f"  {what:<26}{value}" for what, value in rows])


def again(result: "Result", folder: Path) -> list[tuple[str, str]]:
    """Measure what is waited for after the first time, with everything analysed and loaded.

    Args:
        result: of the first time.
        folder: receives the other results.

    Returns:
        What is printed: what was measured, and the figures.
    """
    from emsync.emotion.curve import MoodRequest
    from emsync.emotion.mapping import Mood
    from emsync.music.composer import open_composer
    from emsync.pipeline import compose_pieces, perform
    from emsync.progress import CancelToken, silent

    composer, cancel = open_composer(result.settings.music.composer), CancelToken()
    settings = result.settings

    def timed(settings: "Settings", mood: "Mood | None") -> tuple[float, float]:
        """Return the seconds to the scored film, and to the first notes of the sketch."""
        began = time.monotonic()
        notes: list[float] = []
        pieces = compose_pieces(
            result.analysis,
            settings,
            silent,
            cancel,
            composer,
            MoodRequest(mood),
            sketch=lambda draft: notes.append(time.monotonic() - began),
        )
        for number, piece in enumerate(pieces):
            place = folder / f"again {len(list(folder.iterdir()))} {number}"
            place.mkdir()
            perform(piece, place, settings.sound, silent, cancel, result)
        return time.monotonic() - began, notes[0]

    moods = [Mood(valence, arousal) for valence, arousal in _OTHER_MOODS]
    taken = [timed(settings, mood) for mood in moods]
    whole, first = zip(*taken, strict=True)
    four, _ = timed(replace(settings, music=replace(settings.music, candidates=4)), None)
    began = time.monotonic()
    place = folder / "other sound"
    place.mkdir()
    louder = replace(settings.sound, balance_decibels=3.0)
    perform(result.piece, place, louder, silent, cancel, result)
    return [
        (
            "again, for other moods",
            f"{median(whole):.1f} s in the median, {max(whole):.1f} s at most, of {len(whole)}",
        ),
        ("  first notes seen", f"after {median(first):.1f} s in the median, {max(first):.1f} s"),
        ("again, four versions", f"{four:.1f} s"),
        ("again, with other sound", f"{time.monotonic() - began:.1f} s"),
    ]


def machine() -> str:
    """Return the processor, the cores that this process may use, the system and Python."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def _own_processes() -> list[int]:
    """Return the numbers of this process and its children; of the latter on Linux only."""
    found = [os.getpid()]
    # psutil asks every process of the machine for its parent: 2 ms of the 50 between two samples.
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            found += map(int, task.read_text().split())
    return found


def resident(process: int) -> int:
    """Return the bytes of a process's resident memory; 0 if it has ended."""
    import psutil

    try:
        return int(psutil.Process(process).memory_info().rss)
    except psutil.Error:
        return 0


def _score(film: Path, folder: Path) -> "Result":
    """Score a film into `folder` as the command line does by default."""
    from emsync.emotion.features.panel import Panel, standard_experts
    from emsync.pipeline import analyse, score
    from emsync.progress import CancelToken, silent
    from emsync.settings import Settings

    settings, cancel = Settings(), CancelToken()
    panel = Panel(standard_experts(), keep=False)
    analysis = analyse(film, settings, silent, cancel, panel)
    return score(analysis, folder, settings, silent, cancel)


if __name__ == "__main__":
    sys.exit(main())
