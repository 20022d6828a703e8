"""What the trials of breaking machines have in common: films, processes, and looks from outside."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emsync.benchmarks.load import App, family
from emsync.errors import EmsyncError
from emsync.film.ffmpeg import ffmpeg_executable
from emsync.settings import Settings
from trials.trial import Wrong

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
GONE_SECONDS = 5.0
"""After a kill, until everything that belonged to it must be gone."""
REACH_SECONDS = 100.0
"""Until work has come to a stage."""
STOP_SECONDS = 30.0
"""After a polite request to stop, until it must have stopped. An idle machine needs three; but an
import of PyTorch that has begun cannot be stopped, and a busy machine takes long over it."""
QUICK = replace(
    Settings(),
    experts=replace(Settings().experts, names=()),
    music=replace(Settings().music, openings=1, redraws=0),
)


def film_in(folder: Path, seconds: float = 1.0, size: str = "160x120") -> Path:
    """Make a film of MPEG-4 and a tone: no browser plays it, so its picture has to be encoded."""
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
    """Return the sentence with which `work` refuses.

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
    """Return the numbers of the other processes in whose arguments or environment a folder is."""
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
    """Wait for a condition; raise `Wrong` if it does not come true within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Wrong(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def nothing_runs(place: Path) -> None:
    """Raise `Wrong` if processes of this trial live on."""
    wait_until(lambda: not belonging_to(place), GONE_SECONDS, "all processes are gone")


def files_below(folder: Path) -> list[str]:
    """Return the names of all files in a folder and its folders, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@contextmanager
def command_line(place: Path, film: Path, out: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run `python -m emsync` on a film; kill it at the end of the ``with`` block."""
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
    """Kill a process that is still waited for after `seconds`, for nothing here waits for ever."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def reached(process: "subprocess.Popen[str]", stage: str, temporary: Path) -> None:
    """Wait until the command line says that it is at a stage, and is seen to be in it."""
    assert process.stderr is not None
    with ended_after(process, REACH_SECONDS):
        for line in process.stderr:
            if line.strip().startswith(_WORDS[stage]):
                break
        else:
            raise Wrong(f"it ended before it came to {stage!r}, with status {process.wait()}")
    if stage in ("scenes", "mux", "stems"):
        wait_until(lambda: is_at(stage, temporary, set()), REACH_SECONDS, f"it is at {stage}")


@contextmanager
def visitor(app: App, film: Path, folder: Path) -> Iterator[None]:
    """Send a film to the app in the background, and expect no answer."""
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
    """Say whether the app or the command line is at a stage, by its FFmpegs and its files.

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
    files = {name.rpartition("/")[2] for name in files_below(temporary)}
    # A file that is not whole yet has a name of its own.
    writing = any(name.endswith(".partial") for name in files)
    midi, sound, video = (name in files for name in ("music.mid", "music.wav", "scored.mp4"))
    signs = {
        "probe": bool(list(temporary.glob("emsync-*/request-*"))),
        "scenes": any(b"[large]" in words for words in commands),
        "emotion": listening,
        "compose": "emotion" in past and not listening and not midi,
        "render": midi and not sound,
        "mux": sound and writing and not video,
        "stems": video and writing,
    }
    past |= {name for name, is_there in signs.items() if is_there}
    return signs[stage]


def silence(path: Path, seconds: float) -> Path:
    """Write a WAV file of silence, two channels at 44,100 Hz."""
    from emsync.sound.mix import write_wav
    from emsync.sound.synth import Sound

    write_wav(Sound(np.zeros((round(seconds * 44_100), 2), np.float32), 44_100), path)
    return path
