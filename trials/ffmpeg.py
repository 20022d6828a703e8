"""FFmpegs and the processes that open films die, hang, talk nonsense and want too much memory."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np

from emsync.film.ffmpeg import ffmpeg_executable
from emsync.film.frames import read_audio
from emsync.film.probe import probe
from emsync.pipeline import analyse
from emsync.progress import CancelToken, silent
from emsync.stages import bounded, time_limits
from trials.machine import (
    QUICK,
    REPOSITORY,
    belonging_to,
    files_below,
    film_in,
    nothing_runs,
    sentence_of,
    silence,
)
from trials.trial import Wrong, case

_BEHAVIOURS = {
    "exits at once": "exit 1",
    "hangs": "sleep 600",
    "says nothing of any use": "head -c 3000000 /dev/urandom; exit 0",
    "closes its pipes and stays": "exec >&- 2>&-; sleep 600",
    "is killed": "kill -9 $$",
    "crashes": "kill -SEGV $$",
    "is frozen": 'REAL "$@" & kill -STOP $!; wait',
}
_ENDLESS = ("hangs", "closes its pipes and stays", "is frozen")
_SAID = {"scenes": "film.mkv", "emotion": "film's sound", "mux": "film"}
"""What is spoken of where it ends too soon."""
_AT = {"scenes": "*rawvideo*", "emotion": "*f32le*", "mux": "*-progress*"}
_SHORT = time_limits(scenes=(0.7, 0), emotion=(0.7, 0), mux=(0.7, 0))


@contextmanager
def broken_ffmpeg(place: Path, at: str, behaviour: str) -> Iterator[None]:
    """Put an FFmpeg first in PATH that misbehaves at one stage and else is the real one.

    Args:
        place: an empty folder.
        at: one of `_AT`.
        behaviour: one of `_BEHAVIOURS`.
    """
    real = ffmpeg_executable(("libx264", "aac"))
    folder = place / f"bin {at}"
    folder.mkdir()
    fake = folder / "ffmpeg"
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in\n{_AT[at]}) {_BEHAVIOURS[behaviour].replace("REAL", real)};;\n'
        f'*) exec {real} "$@";;\nesac\n'
    )
    fake.chmod(0o700)
    with patch.dict(os.environ, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}"):
        if ffmpeg_executable(("libx264",)) != str(fake):
            raise Wrong("the broken FFmpeg is not the one that is used")
        yield


def ffmpeg_breaks(behaviour: str, place: Path) -> str:
    """Break FFmpeg at every stage that needs it: a sentence in time, no file, nothing running."""
    from emsync.sound.mux import mux

    path = film_in(place / "film")
    film = probe(path)
    wav = silence(place / "music.wav", 1)
    limits = _SHORT if behaviour in _ENDLESS else time_limits()
    said = ""
    for at in _AT:
        out = place / f"{at}.mp4"

        def work(at: str = at, out: Path = out) -> object:
            token = bounded(CancelToken(), at, 0.0, limits)
            if at == "mux":
                return mux(film, wav, out, lambda _: None, token)
            if at == "emotion":
                return np.isfinite(read_audio(film, 16_000, token)).all()
            return analyse(path, QUICK, silent, token, None, limits)

        began = time.monotonic()
        with broken_ffmpeg(place, at, behaviour):
            if at == "emotion" and behaviour in ("exits at once", "says nothing of any use"):
                # Sound that cannot be decoded is silence: the film is scored all the same.
                if not work():
                    raise Wrong("sound that is no number goes on")
            else:
                said = sentence_of(work, "took longer" if behaviour in _ENDLESS else _SAID[at])
        took = time.monotonic() - began
        if took > 10:
            raise Wrong(f"at {at} it took {took:.0f} s to say so")
        if out.exists() or list(place.glob(".*.partial")):
            raise Wrong(f"a half-written film: {files_below(place)}")
        nothing_runs(place)
    return said[:90]


def _command(number: int) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""


def ffmpeg_is_shot(place: Path) -> str:
    """Kill the real FFmpeg from outside in the middle of its work."""
    path = film_in(place / "film", 20, "640x360")
    with shooting(lambda: _ffmpegs(path)):
        said = sentence_of(lambda: analyse(path, QUICK, silent, CancelToken()), "FFmpeg")
    return said[:90]


@contextmanager
def shooting(targets: Callable[[], list[int]]) -> Iterator[None]:
    """Kill the first of these processes that is seen while a ``with`` block runs.

    Raises:
        Wrong: none was seen.
    """
    over = threading.Event()
    shot: list[int] = []

    def shoot() -> None:
        while not shot and not over.wait(0.005):
            for number in targets():
                with suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(number, signal.SIGKILL)
                    shot.append(number)

    hunter = threading.Thread(target=shoot)
    hunter.start()
    try:
        yield
    finally:
        over.set()
        hunter.join()
    if not shot:
        raise Wrong("nothing was shot; the case proves nothing")


def _ffmpegs(film: Path) -> list[int]:
    mark = os.fsencode(f"file:{film}")
    return [
        number
        for number in belonging_to(film)
        if mark in _command(number) and b"rawvideo" in _command(number)
    ]


def child_is_shot(place: Path) -> str:
    """Kill the process that opens a film while it does so."""
    path = film_in(place / "film")
    with shooting(_probings):
        said = sentence_of(lambda: probe(path), "film")
    probe(path)
    return said[:90]


def _probings() -> list[int]:
    """Return the children of this process that look at a film."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"emsync.film.probe" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def memory_is_bounded(place: Path) -> str:
    """Give FFmpeg less memory than it needs: it ends with a sentence."""
    path = film_in(place / "film", 0.4, "3840x2160")
    from emsync.sound.mux import mux

    film, wav = probe(path), silence(place / "music.wav", 0.4)

    def work() -> object:
        return mux(film, wav, place / "out.mp4", lambda _: None, CancelToken())

    # Encoding 4K takes more than that, with as many threads as it may have.
    four = set(range(4))
    with (
        patch.dict(os.environ, EMSYNC_FFMPEG_MEMORY="0.5"),
        patch.object(os, "sched_getaffinity", lambda _: four),
    ):
        said = sentence_of(work, "memory")
    if (place / "out.mp4").exists():
        raise Wrong("half a film is there")
    return said[:100]


_HALF_AN_HOUR = """
import resource, sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from emsync.benchmarks.speed import PeakMemory
from emsync.pipeline import analyse, compose_pieces, perform
from emsync.progress import CancelToken
from emsync.settings import Settings

said = []


def tell(progress):
    if progress.stage not in said:
        said.append(progress.stage)
        print(progress.stage, resource.getrusage(0).ru_maxrss, flush=True)


quick = replace(
    Settings(),
    experts=replace(Settings().experts, names=()),
    music=replace(Settings().music, openings=1, redraws=0),
    sound=replace(Settings().sound, original_sound="duck", loudness="lufs"),
)
with PeakMemory() as memory:
    whole = analyse(Path(sys.argv[1]), quick, tell, CancelToken())
    # What composing takes does not grow with the film: the model sees so many tokens.
    short = replace(whole, film=replace(whole.film, duration=Fraction(5)))
    piece = compose_pieces(short, quick, tell, CancelToken())[0]
    piece = replace(piece, analysis=whole)
    perform(piece, Path(sys.argv[2]), quick.sound, tell, CancelToken())
print("end", resource.getrusage(0).ru_maxrss, memory.bytes)
"""


def memory_of_half_an_hour(place: Path) -> str:
    """Score the longest film with everything that takes memory: the peak keeps to a bound."""
    path = film_in(place / "film", 1800, "160x120")
    done = subprocess.run(
        [sys.executable, "-c", _HALF_AN_HOUR, str(path), str(place)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=2300,
    )
    if done.returncode:
        raise Wrong(done.stderr[-300:])
    *_, own, together = done.stdout.split()
    peak = int(own) * 1024
    if peak > MOST_MEMORY:
        raise Wrong(f"{peak / 1e9:.2f} GB: {done.stdout}")
    steps = ", ".join(
        f"{line.split()[0]} {int(line.split()[1]) / 1e6:.2f}" for line in done.stdout.splitlines()
    )
    return f"{peak / 1e9:.2f} GB, {int(together) / 1e9:.2f} GB with FFmpeg ({steps})"


MOST_MEMORY = 2_000_000_000
"""Bytes that the app's process may need for a film of half an hour, the experts' models aside."""


CASES = [
    *(case(f"FFmpeg {behaviour}", partial(ffmpeg_breaks, behaviour)) for behaviour in _BEHAVIOURS),
    case("FFmpeg is shot", ffmpeg_is_shot),
    case("the process that opens films is shot", child_is_shot),
    case("FFmpeg gets no more memory", memory_is_bounded),
    case("memory of half an hour", memory_of_half_an_hour, 2400, slow=True),
]
