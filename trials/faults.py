"""Machines break: `python -m trials.faults`.

The command line and the app are started as they are, killed and stopped at every stage; disks fill
up, FFmpegs die, hang and talk nonsense, model files are cut and swapped, the hub goes away, the GPU
is full, and the clock is set. What is promised: a sentence or a result, nothing half-written under
anybody's name, nothing left running or lying about, and a restart that works.
"""

import ast
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from emsync.benchmarks.load import App, family, score, started, what_is_wrong
from emsync.errors import EmsyncError, WeightsError
from emsync.film.examine import probe
from emsync.film.ffmpeg import ffmpeg_executable
from emsync.film.frames import read_audio
from emsync.limits import HostLimits
from emsync.pipeline import analyse, compose_pieces, perform
from emsync.progress import CancelToken, silent
from emsync.results import Piece
from emsync.settings import Settings
from emsync.stages import bounded, time_limits
from trials.trial import NotHere, Trial, Wrong, main
from trials.visitors import begin_score, begin_upload

REPOSITORY = Path(__file__).resolve().parents[1]
STAGES = ("probe", "scenes", "emotion", "compose", "render", "mux")
_WORDS = {
    "probe": "reading the film",
    "scenes": "finding the cuts",
    "emotion": "reading the emotion",
    "compose": "composing",
    "render": "playing the music",
    "mux": "joining picture and sound",
    "stems": "joining picture and sound",
}
_GONE_SECONDS = 5.0
"""After a kill, until everything that belonged to it must be gone."""
_REACH_SECONDS = 100.0
"""Until work has come to a stage."""
_STOP_SECONDS = 30.0
"""After a polite request to stop, until it must have stopped. An idle machine needs three; but an
import of PyTorch that has begun cannot be stopped, and a busy machine takes long over it."""
_QUICK = replace(
    Settings(),
    experts=replace(Settings().experts, names=()),
    music=replace(Settings().music, openings=1, redraws=0),
)


# What the cases are made of ----------------------------------------------------------------------


def film_in(folder: Path, seconds: float = 1.0, size: str = "160x120") -> Path:
    """MPEG-4 in Matroska with a tone: no browser plays it, so its picture has to be encoded."""
    path = folder / "film.mkv"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            ffmpeg_executable(), "-nostdin", "-v", "error",
            "-f", "lavfi", "-i", f"testsrc2=s={size}:d={seconds}:r=25",
            "-f", "lavfi", "-i", f"sine=d={seconds}:r=44100",
            "-c:v", "mpeg4", "-q:v", "5", "-c:a", "pcm_s16le", f"file:{path}",
        ],
        check=True,
        timeout=120,
    )  # fmt: skip
    return path


def sentence_of(work: Callable[[], object], *words: str) -> str:
    """The sentence with which `work` refuses.

    Raises:
        Wrong: it does not refuse, or not with these words.
    """
    try:
        came = work()
    except EmsyncError as error:
        said = str(error)
        if not said.rstrip().endswith((".", ")", "FOLDER")) and "emsync weights" not in said:
            raise Wrong(f"no sentence: {said}") from error
        missing = [word for word in words if word.lower() not in said.lower()]
        if missing:
            raise Wrong(f"nothing is said of {missing}: {said}") from error
        return said
    raise Wrong(f"it was taken as if all were well: {came!r:.100}")


def belonging_to(place: Path) -> list[int]:
    """Numbers of the processes, but this one, that were told of a folder."""
    mark = os.fsencode(str(place))
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Wrong(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def nothing_runs(place: Path) -> None:
    """Wrong if processes of this trial live on."""
    wait_until(lambda: not belonging_to(place), _GONE_SECONDS, "all processes are gone")


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """An environment variable, for the time of the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def changed(thing: Any, name: str, value: Any) -> Iterator[None]:
    """Another attribute, for the time of the block."""
    before = getattr(thing, name)
    setattr(thing, name, value)
    try:
        yield
    finally:
        setattr(thing, name, before)


# Kills and stops: the command line ----------------------------------------------------------------


@contextmanager
def command_line(place: Path, film: Path, out: Path) -> Iterator["subprocess.Popen[str]"]:
    """`python -m emsync` on a film, in a process that is this trial's."""
    temporary = place / "tmp"
    temporary.mkdir(exist_ok=True)
    out.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [
            sys.executable, "-u", "-m", "emsync", str(film), "-o", str(out / "scored.mp4"),
            "--midi", str(out / "music.mid"), "--wav", str(out / "music.wav"),
            "--report", str(out / "report.json"), "--experts", "none", "--openings", "1",
            "--stems", str(out / "stems"),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@contextmanager
def ended_after(process: "subprocess.Popen[Any]", seconds: float) -> Iterator[None]:
    """Kill a process that is still waited for after so long: nothing here waits for ever."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def reached(process: "subprocess.Popen[str]", stage: str, temporary: Path) -> None:
    """Wait until the command line says that it is at a stage, and is seen to be in it."""
    assert process.stderr is not None
    with ended_after(process, _REACH_SECONDS):
        for line in process.stderr:
            if line.strip().startswith(_WORDS[stage]):
                break
        else:
            raise Wrong(f"it ended before it came to {stage!r}, with status {process.wait()}")
    if stage in ("scenes", "mux", "stems"):
        wait_until(lambda: is_at(stage, temporary, set()), _REACH_SECONDS, f"it is at {stage}")


def cli_killed(stage: str, place: Path) -> str:
    """Killed at a stage: nothing of it is left, and the next run works and tidies up."""
    slow, out = film_in(place / "slow", 12, "640x360"), place / "out"
    with command_line(place, slow, out) as process:
        reached(process, stage, place / "tmp")
        process.send_signal(signal.SIGKILL)
        process.wait()
    nothing_runs(place / "tmp")
    if files_below(out):
        raise Wrong(f"half-written: {files_below(out)}")
    with command_line(place, film_in(place / "short"), out) as process:
        said = process.communicate(timeout=120)[1]
        if process.returncode:
            raise Wrong(f"the next run fails: {said}")
    names = [name for name in files_below(out) if not name.startswith("stems/")]
    if names != ["music.mid", "music.wav", "report.json", "scored.mp4"] or names == files_below(
        out
    ):
        raise Wrong(f"after the next run there is {files_below(out)}")
    left = list((place / "tmp").iterdir())
    if left:
        raise Wrong(f"left over: {left}")
    return "nothing left, the next run works"


def cli_stopped(stage: str, place: Path) -> str:
    """Asked to stop at a stage: it does so within seconds and leaves nothing."""
    slow, out = film_in(place / "slow", 12, "640x360"), place / "out"
    with command_line(place, slow, out) as process:
        reached(process, stage, place / "tmp")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Wrong(f"it goes on for {_STOP_SECONDS:g} s") from None
        took = time.monotonic() - began
    if status != 130:
        raise Wrong(f"status {status}")
    nothing_runs(place / "tmp")
    left = files_below(out) + [path.name for path in (place / "tmp").iterdir()]
    if left:
        raise Wrong(f"left over: {left}")
    return f"stopped after {took:.1f} s"


def cli_killed_while_moving(place: Path) -> str:
    """Killed while results get their names: what has a name is whole, and the rest goes."""
    out = place / "out"
    out.mkdir()
    killer = (
        "import os, sys, shutil, signal; import emsync.__main__ as m; copy = shutil.copyfile\n"
        "def half(a, b):\n"
        "    content = open(a, 'rb').read(); open(b, 'wb').write(content[:len(content) // 2])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "shutil.copyfile = half; sys.exit(m.main(sys.argv[1:]))"
    )
    film = film_in(place / "film")
    arguments = [str(film), "-o", str(out / "scored.mp4"), "--experts", "none", "--openings", "1"]
    (place / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(place / "tmp")}
    done = subprocess.run(
        [sys.executable, "-c", killer, *arguments], cwd=REPOSITORY, env=environment, timeout=120
    )
    if done.returncode != -signal.SIGKILL or (out / "scored.mp4").exists():
        raise Wrong(f"status {done.returncode}, there is {files_below(out)}")
    again = [sys.executable, "-m", "emsync", *arguments, "-q"]
    subprocess.run(again, cwd=REPOSITORY, env=environment, timeout=120, check=True)
    if files_below(out) != ["scored.mp4"] or list((place / "tmp").iterdir()):
        raise Wrong(f"left over: {files_below(out)}, {list((place / 'tmp').iterdir())}")
    return "the half had no name, and the next run took it away"


# Kills and stops: the app -------------------------------------------------------------------------


def app_killed_and_stopped(stage: str, place: Path) -> str:
    """The app is killed at a stage of a visitor's film, started again, and stopped at the same."""
    film = film_in(place / "film", 12, "640x360")
    temporary = place / "shared"
    temporary.mkdir()
    first, second = place / "first", place / "second"
    first.mkdir()
    second.mkdir()
    # Sound is read in a moment; here that takes long enough to be seen.
    slow = place / "bin" / "ffmpeg"
    slow.parent.mkdir()
    slow.write_text(
        f'#!/bin/sh\ncase "$*" in *f32le*) sleep 3;; esac\nexec {ffmpeg_executable()} "$@"\n'
    )
    slow.chmod(0o700)
    path = f"{slow.parent}{os.pathsep}{os.environ['PATH']}"
    variables = {"TMPDIR": str(temporary), "PATH": path}
    past: set[str] = set()
    with started(first, **variables) as app, visitor(app, film, place / "a"):
        wait_until(lambda: is_at(stage, temporary, past), 240, f"the app is at {stage}")
        app.process.kill()
        app.process.wait()
        wait_until(lambda: not family(temporary), _GONE_SECONDS, "its processes are gone")
        if not list(temporary.glob("emsync-*")):
            raise Wrong("there was nothing to tidy up; the case proves nothing")
        killed = {path.name for path in temporary.glob("emsync-*")}
    past.clear()
    with started(second, **variables) as app:
        left = [path.name for path in temporary.iterdir() if path.name in killed]
        if left:
            raise Wrong(f"after the restart there is still {left}")
        with visitor(app, film, place / "b"):
            wait_until(lambda: is_at(stage, temporary, past), 240, f"the app is at {stage}")
            began = time.monotonic()
            app.process.terminate()
            try:
                app.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                raise Wrong(f"it goes on for {_STOP_SECONDS:g} s") from None
            took = time.monotonic() - began
    wait_until(lambda: not family(temporary), _GONE_SECONDS, "its processes are gone")
    if list(temporary.iterdir()):
        raise Wrong(f"left over: {list(temporary.iterdir())}")
    return f"killed: tidied up by the restart; stopped: gone after {took:.1f} s"


@contextmanager
def visitor(app: App, film: Path, folder: Path) -> Iterator[None]:
    """Somebody who sends a film, and whose answer will never come."""
    from gradio_client import Client, handle_file

    client = Client(app.url, verbose=False, download_files=folder, analytics_enabled=False)
    settings: dict[str, Any] = {"experts": {"names": []}}

    def visit() -> None:
        with suppress(Exception):  # the other side goes away
            client.predict(handle_file(film), settings, None, api_name="/score")

    threading.Thread(target=visit, daemon=True).start()
    try:
        yield
    finally:
        with suppress(Exception):
            client.close()


def is_at(stage: str, temporary: Path, past: set[str]) -> bool:
    """What the app or the command line is doing, seen from outside: by its FFmpegs and its files.

    Args:
        stage: one of `STAGES`.
        temporary: its own TMPDIR.
        past: what was seen of it before; it is added to.
    """
    commands = []
    for number in family(temporary):
        with suppress(OSError):
            commands.append(Path(f"/proc/{number}/cmdline").read_bytes())
    listening = any(b"f32le" in words for words in commands)
    names = files_below(temporary)
    midi = [name for name in names if "/music.mid" in name]
    part = [name for name in names if name.endswith(".part")]
    signs = {
        "probe": bool(list(temporary.glob("emsync-*/request-*"))),
        "scenes": any(b"[large]" in words for words in commands),
        "emotion": listening,
        "compose": "emotion" in past and not listening and not midi,
        "render": bool(midi) and not part,
        "mux": bool(part),
        "stems": any("/.stems-" in name for name in names),
    }
    past |= {name for name, is_there in signs.items() if is_there}
    return signs[stage]


def orphan(place: Path) -> str:
    """An FFmpeg that writes nothing notices no broken pipe, and has to go all the same."""
    film = film_in(place / "film", 2)
    code = (
        "import sys, time; from pathlib import Path\n"
        "from emsync.film.ffmpeg import FFmpegRun, input_arguments\n"
        "from emsync.progress import CancelToken\n"
        "with FFmpegRun(CancelToken()) as run:\n"
        "    run.start(['-stream_loop', '-1', '-re', *input_arguments(Path(sys.argv[1])),"
        " '-f', 'null', '-'])\n"
        "    print('started', flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(film)], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        with ended_after(parent, _REACH_SECONDS):
            parent.stdout.readline()
        mine = [number for number in belonging_to(film) if number != parent.pid]
        parent.kill()
        if not mine:
            raise Wrong("no FFmpeg was started; the case proves nothing")
    wait_until(lambda: not belonging_to(film), _GONE_SECONDS, "FFmpeg is gone")
    return "gone with its parent"


_FETCH = """
import sys
from pathlib import Path
from emsync.film.link.fetch import fetch
from emsync.process.files import own_folder, remove_leftovers
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
remove_leftovers()
with own_folder() as folder:
    if sys.argv[1:]:
        fetch(sys.argv[1], folder, FilmLimits(), lambda *_: None, CancelToken(), private=True)
"""
_READ = """
import sys
from pathlib import Path
from emsync.emotion.features.ocr import expert as ocr
from emsync.process.files import own_folder, remove_leftovers
from emsync.progress import CancelToken
remove_leftovers()
with own_folder() as folder:
    if sys.argv[1:]:
        ocr.__file__ = sys.argv[1]
        ocr.TextReader(folder, folder).read(b"a picture", CancelToken())
"""
_READER = """
import sys, time
print('{"ready": true}', flush=True)
sys.stdin.buffer.read(4)
open(sys.argv[1] + "/seen", "w").close()
time.sleep(600)
"""


def helper_outlives(code: str, argument: str, is_there: Callable[[], object], place: Path) -> str:
    """Whoever had a helper at work is killed: the helper goes, and the next one tidies up."""
    temporary = place / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen([*command, argument], cwd=REPOSITORY, env=environment) as parent:
        try:
            wait_until(is_there, _REACH_SECONDS, "the helper is at work")
        finally:
            parent.kill()
    nothing_runs(place)
    if not list(temporary.iterdir()):
        raise Wrong("there was nothing to tidy up; the case proves nothing")
    subprocess.run(command, cwd=REPOSITORY, env=environment, timeout=60, check=True)
    if list(temporary.iterdir()):
        raise Wrong(f"left over: {files_below(temporary)}")
    return "gone with its parent, and the next one tidied up"


def killed_fetching(place: Path) -> str:
    """In the middle of a film that comes from a link."""
    with hub() as net:
        net.serve("film.mp4", film_in(place / "film", 10, "640x360").read_bytes() * 4)
        net.pause = 0.05
        return helper_outlives(_FETCH, net.url, lambda: net.sent > 1 << 17, place)


def killed_reading(place: Path) -> str:
    """While another process reads the text on the screen, and is in the middle of a picture."""
    worker = place / "ocr_worker.py"
    worker.write_text(_READER)
    seen = place / "tmp"
    return helper_outlives(_READ, str(place / "ocr.py"), lambda: any(seen.rglob("seen")), place)


def program_hangs_up(place: Path) -> str:
    """Nobody knows the link of what was asked for: the work ends, and goes after its hour."""
    film = film_in(place / "film", 12, "640x360")
    with started(place, ("-m", "trials.hurried", "5")) as app:
        with begin_score(app.url, film):
            wait_until(lambda: _at_work(app), _REACH_SECONDS, "its film is at work")
        wait_until(lambda: not app.request_folders(), 200, "its work is gone")
        wait_until(lambda: len(family(app.temporary)) == 1, _GONE_SECONDS, "its helpers are gone")
    return "its work came to its end and is gone"


def _at_work(app: App) -> bool:
    return len(app.request_folders()) > 1 and len(family(app.temporary)) > 1


# FFmpeg -------------------------------------------------------------------------------------------

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
    """FFmpeg is as ever, except when it does what is done at one stage."""
    real = ffmpeg_executable(("libx264", "aac"))
    folder = place / f"bin {at}"
    folder.mkdir()
    fake = folder / "ffmpeg"
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in\n{_AT[at]}) {_BEHAVIOURS[behaviour].replace("REAL", real)};;\n'
        f'*) exec {real} "$@";;\nesac\n'
    )
    fake.chmod(0o700)
    with variable("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}"):
        if ffmpeg_executable(("libx264",)) != str(fake):
            raise Wrong("the broken FFmpeg is not the one that is used")
        yield


def silence(path: Path, seconds: float) -> Path:
    from emsync.sound.mix import write_wav
    from emsync.sound.synth import Sound

    write_wav(Sound(np.zeros((round(seconds * 44_100), 2), np.float32), 44_100), path)
    return path


def ffmpeg_breaks(behaviour: str, place: Path) -> str:
    """At every stage that needs it: a sentence in time, no file, nothing left running."""
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
            return analyse(path, _QUICK, silent, token, None, limits)

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
        if out.exists() or list(place.glob(".*.part")):
            raise Wrong(f"a half-written film: {files_below(place)}")
        nothing_runs(place)
    return said[:90]


def _command(number: int) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""


def ffmpeg_is_shot(place: Path) -> str:
    """The real FFmpeg, killed from outside in the middle of its work."""
    path = film_in(place / "film", 20, "640x360")
    with shooting(lambda: _ffmpegs(path)):
        said = sentence_of(lambda: analyse(path, _QUICK, silent, CancelToken()), "FFmpeg")
    return said[:90]


@contextmanager
def shooting(targets: Callable[[], list[int]]) -> Iterator[None]:
    """The first of these processes that is seen is killed.

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
    """The process that opens a film is killed while it does so."""
    path = film_in(place / "film")
    with shooting(_probings):
        said = sentence_of(lambda: probe(path), "film")
    probe(path)
    return said[:90]


def _probings() -> list[int]:
    """Children of this process that look at a film."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"emsync.film.probe" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def memory_is_bounded(place: Path) -> str:
    """An FFmpeg that needs more than it gets ends with a sentence."""
    path = film_in(place / "film", 0.4, "3840x2160")
    from emsync.sound.mux import mux

    film, wav = probe(path), silence(place / "music.wav", 0.4)

    def work() -> object:
        return mux(film, wav, place / "out.mp4", lambda _: None, CancelToken())

    # Encoding 4K takes more than that, with as many threads as it may have.
    four = set(range(4))
    with variable("EMSYNC_FFMPEG_MEMORY", "0.5"), changed(os, "sched_getaffinity", lambda _: four):
        said = sentence_of(work, "memory")
    if (place / "out.mp4").exists():
        raise Wrong("half a film is there")
    return said[:100]


# Disk full ----------------------------------------------------------------------------------------


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A disk of so many bytes. Only root may have one; `NotHere` is raised for others."""
    folder = place / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        raise NotHere("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, left: int) -> Path:
    """Leave so many bytes on a disk."""
    filler = folder / "filler"
    free = shutil.disk_usage(folder).free
    filler.write_bytes(bytes(max(0, free - left)))
    return filler


def _tells_of_it(sentence: str) -> bool:
    return "disk is full" in sentence or "No space left" in sentence


def disk_full_in_results(place: Path) -> str:
    """MIDI, WAV, scored film and report: each is the first that does not fit."""
    path = film_in(place / "film", 2)
    analysis = analyse(path, _QUICK, silent, CancelToken())
    piece = compose_pieces(analysis, _QUICK, silent, CancelToken())[0]
    whole = place / "whole"
    whole.mkdir()
    result = perform(piece, whole, _QUICK.sound, silent, CancelToken())
    page = 4096
    files = (result.midi, result.wav, result.video, result.report)
    sizes = [-(-file.stat().st_size // page) * page for file in files]
    said = []
    with small_disk(place, 16 << 20) as disk:
        folder = disk / "request"
        for number, (file, more) in enumerate(zip(files, (0, 3, 6, 1), strict=True)):
            folder.mkdir()
            filler = fill(disk, sum(sizes[:number]) + more * page)
            said.append(
                sentence_of(lambda: perform(piece, folder, _QUICK.sound, silent, CancelToken()))
            )
            # Those before it are there, and whole; of itself and of those after it is nothing.
            before = {one.name: one.read_bytes() for one in files[:number]}
            if {name: (folder / name).read_bytes() for name in files_below(folder)} != before:
                raise Wrong(f"when {file.name} does not fit, there is {files_below(folder)}")
            filler.unlink()
            shutil.rmtree(folder)
        folder.mkdir()
        perform(piece, folder, _QUICK.sound, silent, CancelToken())
    if not all(map(_tells_of_it, said)):
        raise Wrong(f"somebody does not say that the disk is full: {said}")
    return said[2][:80]


def disk_full_on_the_page(place: Path) -> str:
    """A film that cannot be copied in, and one that cannot be worked on: a sentence each."""
    from emsync.interface.mood_editor import Wish
    from emsync.interface.studio import Studio

    path = film_in(place / "film", 2)
    with small_disk(place, 4 << 20) as disk:
        studio = Studio(disk, _QUICK, HostLimits(disk_free=0))
        filler = fill(disk, 1000)
        # The ledger says so first, and the system where the ledger cannot know.
        first = sentence_of(lambda: studio.choose("a", path), "room")
        with changed(studio.room, "has", lambda needed=0: True):
            second = sentence_of(lambda: studio.choose("a", path), "could not be kept")
            filler.unlink()
            if list(disk.iterdir()):
                raise Wrong(f"left over of what did not fit: {list(disk.iterdir())}")

            def composed() -> object:
                job = studio.compose("a", _QUICK, Wish(None, False, ()))
                assert job is not None
                if not job.done.wait(100):
                    raise Wrong("the work does not end")
                if job.error is not None:
                    raise job.error
                return job.take.result

            source = studio.choose("a", path)
            assert source is not None
            filler = fill(disk, 40_000)
            third = sentence_of(composed)
            if not _tells_of_it(third):
                raise Wrong(f"nothing is said of the disk: {third}")
            filler.unlink()
            left = [one for one in disk.rglob("*") if one not in (source.folder, source.film.path)]
            if left or source.film.path.read_bytes() != path.read_bytes():
                raise Wrong(f"left over: {left}")
            if composed() is None:
                raise Wrong("there is room again, and no result")
        studio.close()
    return f"{first[:40]}… {second[:40]}…"


def disk_full_while_uploading(place: Path) -> str:
    """An upload whose size nobody knows before: a sentence, and nothing of it is left."""
    with small_disk(place, 8 << 20) as disk, started(disk, EMSYNC_DISK_FREE="0") as app:
        before = files_below(app.temporary)
        filler = fill(disk, 1 << 20)
        with begin_upload(app.url, 2 << 20) as line:
            line.settimeout(60)
            answer = line.recv(2000).decode()
        filler.unlink()
        if " 507 " not in answer or "no room" not in answer:
            raise Wrong(f"it says {answer}")
        if files_below(app.temporary) != before:
            raise Wrong(f"left over: {files_below(app.temporary)}")
    return answer.splitlines()[-1][:90]


def disk_full_at_the_command_line(place: Path) -> str:
    """Results that do not fit where they shall go, and temporary files that do not."""
    film = film_in(place / "film", 2)
    with small_disk(place, 1 << 20) as disk:
        environment = {**os.environ, "TMPDIR": str(place)}
        command = [sys.executable, "-m", "emsync", str(film), "-q", "--experts", "none"]
        command += ["--openings", "1"]
        filler = fill(disk, 20_000)
        said = []
        for out, temporary in ((disk, place), (place, disk)):
            done = subprocess.run(
                [*command, "-o", str(out / "scored.mp4")],
                cwd=REPOSITORY,
                env=environment | {"TMPDIR": str(temporary)},
                capture_output=True,
                text=True,
                timeout=120,
            )
            if done.returncode != 1 or "Traceback" in done.stderr:
                raise Wrong(f"status {done.returncode}: {done.stderr[-300:]}")
            said.append(done.stderr.strip())
            if not _tells_of_it(said[-1]):
                raise Wrong(f"nothing is said of the disk: {said[-1]}")
            if (out / "scored.mp4").exists() or list(out.glob(".emsync-*")):
                raise Wrong(f"half-written: {files_below(out)}")
        filler.unlink()
    return said[0][:90]


def disk_full_for_weights(place: Path) -> str:
    """Weights that do not fit: a sentence, nothing under their name; with room they come."""
    from emsync.weights import store as weights

    with hub() as net, small_disk(place, 1_600_000) as disk:
        filler = fill(disk, 500_000)
        with registered(net.serve("model.bin", bytes(range(256)) * 4096), disk / "weights"):
            said = sentence_of(lambda: weights.pull(_NAME), "room")
            if (disk / "weights" / _NAME).exists():
                raise Wrong("half of them have their name")
            # What the system says when it fills up in the middle.
            with changed(weights, "room", lambda *_: None), changed(_download(), "room", _allow):
                sentence_of(lambda: weights.pull(_NAME), "No space left")
            if (disk / "weights" / _NAME).exists():
                raise Wrong("half of them have their name")
            filler.unlink()
            weights.pull(_NAME)
    return said[:90]


def _allow(*_: object) -> None:
    """There is room, it says."""


def _download() -> Any:
    from emsync.weights import download

    return download


# Models -------------------------------------------------------------------------------------------


def tiny_generator(folder: Path) -> Path:
    """A generator with random weights, as it lies on disk."""
    from emsync.music.transformer.checkpoint import save
    from emsync.music.transformer.model import MusicTransformer, TransformerSettings

    settings = TransformerSettings(layers=2, heads=2, width=32, inner_width=64)
    save(MusicTransformer(settings), folder, {"tier": "free"})
    return folder


def generator_damaged(place: Path) -> str:
    """Cut at many places, swapped, linked to nowhere, with another config: a sentence each."""
    from emsync.music.transformer.checkpoint import SHIPPED, load

    whole = tiny_generator(place / "whole")
    (name,) = [path.name for path in whole.glob("*.safetensors")]
    content = (whole / name).read_bytes()
    config = json.loads((whole / "config.json").read_text())
    load(whole)
    tried = 0

    def refuses(model: bytes | None, told: object, trusted: bool = False) -> None:
        """Of a folder with this model file and this config; `trusted`: its SHA-256 is right."""
        nonlocal tried
        folder = place / f"case {tried}"
        folder.mkdir()
        if model is not None:
            (folder / name).write_bytes(model)
        if trusted and model is not None and isinstance(told, dict):
            told = {**told, "sha256": {name: hashlib.sha256(model).hexdigest()}}
        text = told if isinstance(told, str) else json.dumps(told)
        (folder / "config.json").write_text(text)
        sentence_of(lambda: load(folder), str(folder), "again")
        tried += 1
        shutil.rmtree(folder)

    for place_of_cut in np.linspace(0, len(content) - 1, 25).astype(int):
        refuses(content[:place_of_cut], config)
        refuses(content[:place_of_cut], config, trusted=True)
    for at in (0, 4, 8, 100, len(content) // 2):
        swapped = bytearray(content)
        swapped[at] ^= 0xFF
        refuses(bytes(swapped), config)
    for other in (b"\xff" * 64, b"\0" * 8, (1 << 62).to_bytes(8, "little") + b"{}", b"{}" * 500):
        refuses(other, config, trusted=True)
    wider = {**config, "architecture": {**config["architecture"], "width": 64}}
    for told in (
        "", "[]", "{}", "null", "7", "{", wider, {**config, "sha256": {}}, {**config, "sha256": 5},
        {**config, "architecture": {}}, {**config, "architecture": 3},
        {**config, "architecture": {**config["architecture"], "layers": "many"}},
    ):  # fmt: skip
        refuses(content, told)
    link = place / "link"
    shutil.copytree(whole, link)
    (link / name).unlink()
    (link / name).symlink_to(place / "nowhere")
    sentence_of(lambda: load(link), str(link))
    (link / name).unlink()
    (link / name).symlink_to(link / name)
    sentence_of(lambda: load(link), str(link))
    # The shipped one, with one byte changed.
    shipped = place / "shipped"
    shutil.copytree(SHIPPED / "free-5m", shipped)
    first = sorted(shipped.glob("*.safetensors"))[0]
    damaged = bytearray(first.read_bytes())
    damaged[-1] ^= 1
    first.write_bytes(damaged)
    sentence_of(lambda: load(shipped), first.name)
    load(whole)
    return f"{tried + 3} kinds of damage"


def regressor_damaged(place: Path) -> str:
    """The same for what hears the mood."""
    from emsync.music.judging.emotion_regressor import FILE, SHIPPED, load_regressor

    content, tried = (SHIPPED / FILE).read_bytes(), 0
    config = json.loads((SHIPPED / "config.json").read_text())

    def refuses(model: bytes, told: Any) -> None:
        nonlocal tried
        folder = place / f"case {tried}"
        folder.mkdir()
        (folder / FILE).write_bytes(model)
        (folder / "config.json").write_text(told if isinstance(told, str) else json.dumps(told))
        sentence_of(lambda: load_regressor(folder), str(folder))
        tried += 1

    for cut in np.linspace(0, len(content) - 1, 15).astype(int):
        short = content[:cut]
        refuses(short, config)
        refuses(short, {**config, "sha256": hashlib.sha256(short).hexdigest()})
    for told in ("", "[]", "{}", "null", "3", {**config, "features": 3}, {**config, "sha256": 3}):
        refuses(content, told)
    return f"{tried} kinds of damage"


def weights_damaged(place: Path) -> str:
    """Files of installed weights cut, gone, linked to nowhere; others work on."""
    from emsync.weights import store as weights

    with variable("EMSYNC_WEIGHTS", str(place / "weights")):
        source = place / "source"
        source.mkdir()
        for name in ("beats", "whisper-tiny"):
            (source / "model.bin").write_bytes(os.urandom(5000))
            weights.add(name, source, other=True)
        model = weights.find("beats") / "model.bin"
        content = model.read_bytes()
        model.write_bytes(content[::-1])
        sentence_of(lambda: weights.find("beats"), "beats", "SHA-256", "weights pull beats")

        def refused(*words: str) -> None:
            sentence_of(lambda: weights.find("beats"), "beats", "weights pull beats", *words)
            weights.find("whisper-tiny")

        for cut in (0, 1, 2500, 4999):
            model.write_bytes(content[:cut])
            refused("model.bin", "damaged")
        model.unlink()
        refused("model.bin", "missing")
        model.symlink_to(place / "nowhere")
        refused("model.bin", "missing")
        model.unlink()
        model.mkdir()
        refused("model.bin")
        model.rmdir()
        model.write_bytes(content)
        manifest = model.with_name(weights.MANIFEST)
        whole = manifest.read_text()
        for text in ("", "{", "[]", "null", "3", '{"format": 1}', whole[: len(whole) // 2]):
            manifest.write_text(text)
            refused()
        manifest.write_text(whole)
        weights.find("beats")
    return "each is named, and the others work"


def experts_on_nonsense(place: Path) -> str:
    """Model files of the right size with another content: the film is read without the expert."""
    from emsync.emotion.features.panel import Panel, standard_experts
    from emsync.film.footage import Footage
    from emsync.weights import store as weights

    with variable("EMSYNC_WEIGHTS", str(place / "weights")):
        for number, name in enumerate(sorted(weights.REGISTRY)):
            source = place / f"source {number}"
            for file in weights.REGISTRY[name].files:
                path = source / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"{}" if path.suffix == ".json" else os.urandom(20_000))
            weights.add(name, source, other=True)
        path = film_in(place / "film", 3)
        stills: list[Any] = []
        film = probe(path)
        from emsync.film.footage import StillCollector
        from emsync.film.frames import stream_frames

        collector = StillCollector(film, Settings().experts)
        for frame in stream_frames(film, CancelToken(), 160, collector.request):
            collector.see(frame)
        stills += collector.stills
        footage = Footage(
            seconds=3.0,
            scenes=((0.0, 3.0),),
            stills=tuple(stills),
            sound=read_audio(film, 16_000, CancelToken()),
        )
        panel = Panel(standard_experts())
        reports = panel.consult(
            footage, replace(Settings().experts, device="cpu"), lambda *_: None, CancelToken()
        )
        fusion = panel.fusion()
        panel.release()
    said = {report.modality: (report.status, report.detail) for report in reports}
    opened = {name: one for name, one in said.items() if "a package is missing" not in one[1]}
    if not (isinstance(fusion, str) and "cannot be loaded" in fusion):
        raise Wrong(f"the fusion was opened: {fusion}")
    odd = {
        name: one
        for name, one in opened.items()
        if one[0] != "failed" or "went wrong" in one[1] or "weights pull" not in one[1]
    }
    if odd:
        raise Wrong(f"no sentence on the file: {odd}")
    missing = [name for name in said if name not in opened]
    if not opened:
        raise NotHere("no expert's packages are installed")
    return f"a sentence of {', '.join(opened)}" + f"; not to be tried: {missing}" * bool(missing)


# The hub ------------------------------------------------------------------------------------------

_NAME = "whisper-tiny"


@dataclass
class Hub:
    """A server that does to one file whatever the next of `faults` says; none: it is well."""

    url: str
    content: bytes = b""
    tag: str = '"one"'
    faults: list[str] = field(default_factory=list)
    pause: float = 0.0
    sent: int = 0

    def serve(self, name: str, content: bytes) -> "Hub":
        self.content, self.url = content, f"{self.url}/{name}"
        return self


@contextmanager
def hub() -> Iterator[Hub]:
    """The server, on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fault = net.faults.pop(0) if net.faults else ""
            if fault == "refuses":
                self.send_error(503)
                return
            wanted = self.headers.get("Range")
            start = 0
            if wanted and self.headers.get("If-Range") in (None, net.tag):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            body = net.content[start:]
            if fault == "too much":
                body += b"more"
            self.send_response(206 if start else 200)
            self.send_header("ETag", net.tag)
            if start:
                size = len(net.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            if fault not in ("too much", "too little"):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                for at in range(0, len(body), 16_384):
                    if fault in ("closes", "too little") and at > len(body) // 2:
                        return
                    if fault == "stalls" and at > len(body) // 2:
                        time.sleep(1.5)
                        return
                    self.wfile.write(body[at : at + 16_384])
                    net.sent += 16_384
                    time.sleep(net.pause)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    net = Hub(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield net
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def registered(net: Hub, folder: Path) -> Iterator[None]:
    """Weights that consist of the server's file; attempts follow at once."""
    from emsync.weights import download
    from emsync.weights import store as weights
    from emsync.weights.registry import File, Weights

    sha256 = hashlib.sha256(net.content).hexdigest()
    file = File("model.bin", (net.url,), len(net.content), sha256)
    one = Weights(_NAME, "Tiny", "a trial", "https://example.org", "MIT", (file,), ("small",), 10)
    before = weights.REGISTRY[_NAME]
    weights.REGISTRY[_NAME] = one
    try:
        with (
            variable("EMSYNC_WEIGHTS", str(folder)),
            changed(download, "PAUSE", 0.0),
            changed(download, "TIMEOUT", 0.7),
        ):
            yield
    finally:
        weights.REGISTRY[_NAME] = before


def hub_goes_away(fault: str, place: Path) -> str:
    """In every attempt: a sentence, nothing under the name; afterwards it comes, whole."""
    from emsync.weights import store as weights

    content = os.urandom(1 << 20)
    folder = place / "weights"
    with hub() as net, registered(net.serve("model.bin", content), folder):
        net.faults = [fault] * 8
        try:
            weights.pull(_NAME)
            said = "it came all the same, by going on"
        except WeightsError as error:
            said = str(error).splitlines()[0][:90]
            if (folder / _NAME).exists():
                raise Wrong("half of it has its name") from error
        net.faults = []
        weights.pull(_NAME)
        if (folder / _NAME / "model.bin").read_bytes() != content:
            raise Wrong("what is installed is not what the server has")
        if list((folder).rglob("*.partial*")):
            raise Wrong(f"left over: {files_below(folder)}")
    return said


def hub_changes(place: Path) -> str:
    """The file is another one when a download is gone on with."""
    from emsync.weights import store as weights

    old, new = os.urandom(1 << 20), os.urandom(1 << 20)
    folder = place / "weights"
    with hub() as net, registered(net.serve("model.bin", new), folder):
        net.content, net.tag, net.faults = old, '"old"', ["closes", "refuses"] * 4
        with suppress(WeightsError):
            weights.pull(_NAME)
        net.content, net.tag, net.faults = new, '"new"', []
        weights.pull(_NAME)
        if (folder / _NAME / "model.bin").read_bytes() != new:
            raise Wrong("two halves of two files were put together")
    return "begun anew"


def pull_is_killed(place: Path) -> str:
    """The process that fetches is killed in the middle: the next goes on where it was."""
    from emsync.weights import store as weights

    content, folder = os.urandom(3 << 20), place / "weights"
    with hub() as net, registered(net.serve("model.bin", content), folder):
        net.pause = 0.01
        file = weights.REGISTRY[_NAME].files[0]
        code = (
            "import sys; from emsync import weights; from emsync.weights.registry import *\n"
            f"weights.REGISTRY[{_NAME!r}] = Weights({_NAME!r}, '', '', '', '', (File('model.bin', "
            f"({net.url!r},), {file.bytes}, {file.sha256!r}),), (), 10)\n"
            f"weights.pull({_NAME!r})"
        )
        with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY) as process:
            try:
                wait_until(lambda: net.sent > 1 << 20, 30, "a third of it has come")
            finally:
                process.kill()
        if (folder / _NAME).exists():
            raise Wrong("half of it has its name")
        net.sent, net.pause = 0, 0.0
        weights.pull(_NAME)
        if (folder / _NAME / "model.bin").read_bytes() != content:
            raise Wrong("what is installed is not what the server has")
        if net.sent >= len(content):
            raise Wrong("it began anew instead of going on")
    return f"the rest of {net.sent >> 10} KiB came"


# The GPU ------------------------------------------------------------------------------------------


def gpu_full_for_the_generator(place: Path) -> str:
    """The generator finds no memory on the GPU, twice: each piece is composed on the CPU, and its
    report says so; with room again the GPU composes, and nothing is said."""
    import torch

    from emsync.interface import views
    from emsync.music.transformer.checkpoint import Checkpoint, load

    shipped = load()

    class OnGpu(Checkpoint):
        """Believed to be on a GPU."""

        @property
        def device(self) -> str:
            return "cuda"

    on_gpu = OnGpu(shipped.name, shipped.model, shipped.card, shipped.sha256)
    asked: list[None] = []

    def out_of_memory(*_: object) -> None:
        asked.append(None)
        try:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        except RuntimeError as error:  # as libraries wrap it
            raise RuntimeError("The layer cannot be computed.") from error

    def composed(generator: Checkpoint) -> Piece:
        return compose_pieces(analysis, _QUICK, silent, CancelToken(), generator)[0]

    analysis = analyse(film_in(place / "film"), _QUICK, silent, CancelToken())
    plain = composed(shipped).composition
    hook = shipped.model.register_forward_pre_hook(out_of_memory)
    try:
        pieces = [composed(on_gpu) for _ in range(2)]
    finally:
        hook.remove()
    if len(asked) != 2:
        raise Wrong(f"the GPU was asked {len(asked)} times for two pieces")
    for piece in pieces:
        result = perform(piece, place, _QUICK.sound, silent, CancelToken())
        told = json.loads(result.report.read_text())["music"]["remarks"]
        if not any("CPU" in remark and "GPU" in remark for remark in told):
            raise Wrong(f"the report says nothing of it: {told}")
        if "memory of the GPU" not in views.diagnostics(result):
            raise Wrong("the page says nothing of it")
        if piece.composition.tokens != plain.tokens:
            raise Wrong("it is another piece than the CPU's own")
    if composed(on_gpu).composition.remarks != plain.remarks:
        raise Wrong("the GPU has room again, and something else is said")
    return str(told[-1])


def gpu_full_for_an_expert(place: Path) -> str:
    """An expert finds no memory on the GPU, loading or looking: it looks on the CPU and says so."""
    import torch

    from emsync.emotion.features import panel as panels
    from emsync.emotion.features.report import FeatureReport
    from emsync.film.footage import Footage

    class Hungry:
        """Fits onto the CPU only."""

        title, weights = "Hungry", ()

        def __init__(self, modality: str, fails: str) -> None:
            self.modality, self.fails = modality, fails
            self.device = "cpu"
            self.released = 0

        def expected_seconds(self, film_seconds: float, device: str) -> float:
            return 1.0

        def prepare(self, device: str) -> None:
            self.device = device
            self._allocate("prepare")

        def run(self, footage: Any, settings: Any, tell: Any, cancel: Any) -> FeatureReport:
            self._allocate("run")
            return FeatureReport(self.modality, "ran", "It looked.", None, (), 0.1, self.device)

        def release(self) -> None:
            self.released += 1

        def _allocate(self, where: str) -> None:
            if self.device == "cuda" and where == self.fails:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    experts = (Hungry("clip", "prepare"), Hungry("beats", "run"), Hungry("face", "never"))
    footage = Footage(1.0, ((0.0, 1.0),), (), np.zeros(16_000, np.float32))
    panel = panels.Panel(experts)
    with changed(panels, "device_of", lambda wanted: "cuda"):
        reports = panel.consult(footage, Settings().experts, lambda *_: None, CancelToken())
    where = {report.modality: (report.status, report.device) for report in reports}
    if where != {"clip": ("ran", "cpu"), "beats": ("ran", "cpu"), "face": ("ran", "cuda")}:
        raise Wrong(f"{where}")
    if not all("memory of the GPU" in report.detail for report in reports[:2]):
        raise Wrong(f"nothing is said: {[report.detail for report in reports]}")
    if not all(expert.released for expert in experts[:2]):
        raise Wrong("what lay on the GPU is still there")
    return reports[0].detail


# The clock ----------------------------------------------------------------------------------------

_CLOCK_ALLOWED = {
    ("batch.py", "time.time"): "leftovers of other machines, whose processes nobody here can see",
    ("weights.py", "datetime.datetime.now"): "when a manifest was written; nothing depends on it",
}
_SETTABLE = {
    *(f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime", "ctime")),
    *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
    "datetime.date.today",
}


def settable_clocks(code: str) -> set[str]:
    """Clocks that can be set, by their full names, of which a program speaks."""
    tree = ast.parse(code)
    full: dict[str, str] = {}
    """Of names that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            full |= {one.asname or one.name: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            full |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}

    def name_of(node: ast.AST) -> str:
        match node:
            case ast.Name(name):
                return full.get(name, name)
            case ast.Attribute(inner, name):
                return f"{name_of(inner)}.{name}"
        return ""

    return {name_of(node) for node in ast.walk(tree)} & _SETTABLE


def no_settable_clock(place: Path) -> str:
    """No duration in the program is measured by a clock that somebody can set."""
    del place
    for code in (
        "import time as t\nt.time()",
        "from time import time_ns as now\nnow()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as d\nd.utcnow()",
    ):
        if len(settable_clocks(code)) != 1:
            raise Wrong(f"this is not found: {code}")
    files = [*(REPOSITORY / "emsync").rglob("*.py"), REPOSITORY / "app.py"]
    found = {(path.name, clock) for path in files for clock in settable_clocks(path.read_text())}
    if found != set(_CLOCK_ALLOWED):
        raise Wrong(f"clocks that can be set: {sorted(found)}")
    return f"{len(files)} files"


def clock_jumps_on_the_page(place: Path) -> str:
    """Time jumps a day back and forth: takes keep their hour, lines and stages their pace."""
    from emsync.interface.mood_editor import Wish
    from emsync.interface.studio import Studio

    film = film_in(place / "film", 2)
    offset = [0.0]
    real, real_ns = time.time, time.time_ns
    with (
        changed(time, "time", lambda: real() + offset[0]),
        changed(time, "time_ns", lambda: real_ns() + int(offset[0] * 1e9)),
    ):
        studio = Studio(place / "root", _QUICK, HostLimits(disk_free=0))
        (place / "root").mkdir(exist_ok=True)
        studio.choose("a", film)
        job = studio.compose("a", _QUICK, Wish(None, False, ()))
        assert job is not None
        end = time.monotonic() + 100
        while not job.done.wait(0.2):
            if time.monotonic() > end:
                raise Wrong("the work does not end")
            offset[0] = -86_400 if offset[0] >= 0 else 86_400
            studio.sweep()
        if job.error is not None:
            raise Wrong(f"the work failed: {job.error!r}")
        for offset[0] in (-86_400 * 365, 86_400 * 365):
            studio.sweep()
            if studio.shelf.find(job.take.token) is None or job.take.result is None:
                raise Wrong("the take is gone before its hour")
        from emsync.interface import store as takes

        with changed(takes, "KEEP_SECONDS", -1):
            studio.leave("a")
            studio.sweep()
        if studio.shelf.takes():
            raise Wrong("the take is there after its hour")
        studio.close()
    return "the hour is an hour"


def clock_jumps_in_the_app(place: Path) -> str:
    """The real app under a clock that jumps by hours, Gradio's own tidying included."""
    shim = place / "shim"
    shim.mkdir()
    jump = place / "jump"
    jump.write_text("0")
    (shim / "sitecustomize.py").write_text(
        "import os, time\n_real = time.time\n"
        "def _set():\n"
        "    try:\n"
        f"        hours = float(open({str(jump)!r}).read() or 0)\n"
        "    except (OSError, ValueError):\n"
        "        return _real()\n"
        "    if hours:\n"
        f"        open(f'{place}/jumped {{os.getpid()}}', 'w').close()\n"
        "    return _real() + hours * 3600\n"
        "time.time = _set\n"
    )
    film = film_in(place / "film", 2)
    stop = threading.Event()

    def turn() -> None:
        hours = [0, 2, -3, 26, -24]
        number = 0
        while not stop.wait(0.5):
            number += 1
            jump.write_text(str(hours[number % len(hours)]))

    folder = place / "app"
    folder.mkdir()
    with started(folder, PYTHONPATH=str(shim)) as app:
        from gradio_client import Client

        client = Client(
            app.url, verbose=False, download_files=place / "got", analytics_enabled=False
        )
        threading.Thread(target=turn, daemon=True).start()
        try:
            for seed in (1, 2):
                files = score(client, film, {"experts": {"names": []}, "seed": seed})
                problem = what_is_wrong(film, seed, [Path(file) for file in files[:4]])
                if problem:
                    raise Wrong(problem)
        finally:
            stop.set()
            client.close()
        if not (place / f"jumped {app.process.pid}").exists():
            raise Wrong("the app never saw the clock jump; the case proves nothing")
    if app.left.files or app.left.processes:
        raise Wrong(f"left over: {app.left}")
    return "both films scored as ever"


# Limits -------------------------------------------------------------------------------------------


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
    """The longest film with everything that takes memory: the peak is measured and bounded."""
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


TRIALS = [
    *(
        Trial(f"command line killed: {stage}", partial(cli_killed, stage), 240, slow=True)
        for stage in (*STAGES, "stems")
    ),
    *(
        Trial(f"command line stopped: {stage}", partial(cli_stopped, stage), 120, slow=True)
        for stage in (*STAGES, "stems")
    ),
    Trial("command line killed: giving results their names", cli_killed_while_moving, 240, True),
    *(
        Trial(f"app killed and stopped: {stage}", partial(app_killed_and_stopped, stage), 600, True)
        for stage in STAGES
    ),
    Trial("no orphan", orphan, 30),
    Trial("killed while a link is fetched", killed_fetching, 60),
    Trial("killed while text is read", killed_reading, 60),
    Trial("a program hangs up", program_hangs_up, 240, slow=True),
    *(
        Trial(f"FFmpeg {behaviour}", partial(ffmpeg_breaks, behaviour), 60)
        for behaviour in _BEHAVIOURS
    ),
    Trial("FFmpeg is shot", ffmpeg_is_shot, 60),
    Trial("the process that opens films is shot", child_is_shot, 60),
    Trial("FFmpeg gets no more memory", memory_is_bounded, 60),
    Trial("disk full: results", disk_full_in_results, 120, slow=True),
    Trial("disk full: page", disk_full_on_the_page, 240, slow=True),
    Trial(
        "disk full: command line",
        disk_full_at_the_command_line,
        240,
        slow=True,
    ),
    Trial("disk full: upload", disk_full_while_uploading, 120, slow=True),
    Trial("disk full: weights", disk_full_for_weights, 30),
    Trial("generator damaged", generator_damaged, 60),
    Trial("mood regressor damaged", regressor_damaged, 30),
    Trial("weights damaged", weights_damaged, 30),
    Trial("experts on nonsense", experts_on_nonsense, 300, slow=True),
    *(
        Trial(f"hub {fault}", partial(hub_goes_away, fault), 30)
        for fault in ("closes", "stalls", "too little", "too much", "refuses")
    ),
    Trial("hub has another file", hub_changes, 30),
    Trial("download killed", pull_is_killed, 60),
    Trial("GPU full: generator", gpu_full_for_the_generator, 60),
    Trial("GPU full: experts", gpu_full_for_an_expert, 30),
    Trial("no clock that can be set", no_settable_clock, 30),
    Trial("clock jumps: page", clock_jumps_on_the_page, 120, slow=True),
    Trial("clock jumps: app", clock_jumps_in_the_app, 240, slow=True),
    Trial("memory of half an hour", memory_of_half_an_hour, 2400, slow=True),
]
"""All that breaks."""


if __name__ == "__main__":
    sys.exit(main("faults", TRIALS))
