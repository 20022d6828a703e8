"""The command line and the app are killed, and asked to stop, at every stage."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from emsync.benchmarks.load import App, family, started
from emsync.film.ffmpeg import ffmpeg_executable
from trials.hub import hub
from trials.machine import (
    GONE_SECONDS,
    REACH_SECONDS,
    REPOSITORY,
    STAGES,
    STOP_SECONDS,
    belonging_to,
    command_line,
    ended_after,
    files_below,
    film_in,
    is_at,
    nothing_runs,
    reached,
    visitor,
    wait_until,
)
from trials.trial import Wrong, case
from trials.visitors import begin_score


def cli_killed(stage: str, place: Path) -> str:
    """Kill the command at a stage: nothing of it is left, and the next run works and tidies up."""
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
    """Ask the command to stop at a stage: it does so within seconds and leaves nothing."""
    slow, out = film_in(place / "slow", 12, "640x360"), place / "out"
    with command_line(place, slow, out) as process:
        reached(process, stage, place / "tmp")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Wrong(f"it goes on for {STOP_SECONDS:g} s") from None
        took = time.monotonic() - began
    if status != 130:
        raise Wrong(f"status {status}")
    nothing_runs(place / "tmp")
    left = files_below(out) + [path.name for path in (place / "tmp").iterdir()]
    if left:
        raise Wrong(f"left over: {left}")
    return f"stopped after {took:.1f} s"


def cli_killed_while_moving(place: Path) -> str:
    """Kill it while results get their names: what has a name is whole, and the rest goes."""
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


def app_killed_and_stopped(stage: str, place: Path) -> str:
    """Kill the app at a stage of a visitor's film, start it again, and stop it at the same."""
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
        wait_until(lambda: not family(temporary), GONE_SECONDS, "its processes are gone")
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
                app.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                raise Wrong(f"it goes on for {STOP_SECONDS:g} s") from None
            took = time.monotonic() - began
    wait_until(lambda: not family(temporary), GONE_SECONDS, "its processes are gone")
    if list(temporary.iterdir()):
        raise Wrong(f"left over: {list(temporary.iterdir())}")
    return f"killed: tidied up by the restart; stopped: gone after {took:.1f} s"


def orphan(place: Path) -> str:
    """Kill the parent of an FFmpeg that writes nothing, and so notices no broken pipe: it goes."""
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
        with ended_after(parent, REACH_SECONDS):
            parent.stdout.readline()
        mine = [number for number in belonging_to(film) if number != parent.pid]
        parent.kill()
        if not mine:
            raise Wrong("no FFmpeg was started; the case proves nothing")
    wait_until(lambda: not belonging_to(film), GONE_SECONDS, "FFmpeg is gone")
    return "gone with its parent"


_FETCH = """
import sys
from pathlib import Path
from emsync.film.link.fetch import fetch
from emsync.process.files import process_folder, remove_stale_folders
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
remove_stale_folders()
with process_folder() as folder:
    if sys.argv[1:]:
        fetch(sys.argv[1], folder, FilmLimits(), lambda *_: None, CancelToken(), private=True)
"""
_READ = """
import sys
from pathlib import Path
from emsync.emotion.features.ocr import client
from emsync.process.files import process_folder, remove_stale_folders
from emsync.progress import CancelToken
remove_stale_folders()
with process_folder() as folder:
    if sys.argv[1:]:
        client.module_command = lambda name: [sys.executable, sys.argv[1]]
        client.TextReader(folder, folder).read(b"a picture", CancelToken())
"""
_READER = """
import sys, time
print('{"ready": true}', flush=True)
sys.stdin.buffer.read(4)
open(sys.argv[1] + "/seen", "w").close()
time.sleep(600)
"""


def helper_outlives(code: str, argument: str, is_there: Callable[[], object], place: Path) -> str:
    """Kill a program that has a helper at work: the helper goes, and the next program tidies up.

    Args:
        code: the program; without an argument it only tidies up.
        argument: with which it starts its helper.
        is_there: whether the helper is at work.
        place: an empty folder.
    """
    temporary = place / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen([*command, argument], cwd=REPOSITORY, env=environment) as parent:
        try:
            wait_until(is_there, REACH_SECONDS, "the helper is at work")
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
    """Kill it in the middle of a film that comes from a link."""
    with hub() as net:
        net.serve("film.mp4", film_in(place / "film", 10, "640x360").read_bytes() * 4)
        net.pause = 0.05
        return helper_outlives(_FETCH, net.url, lambda: net.sent > 1 << 17, place)


def killed_reading(place: Path) -> str:
    """Kill it while another process reads the text on the screen, in the middle of a picture."""
    worker = place / "worker.py"
    worker.write_text(_READER)
    seen = place / "tmp"
    return helper_outlives(_READ, str(worker), lambda: any(seen.rglob("seen")), place)


def program_hangs_up(place: Path) -> str:
    """Hang up where nobody knows the link: the work ends, and goes after its hour."""
    film = film_in(place / "film", 12, "640x360")
    with started(place, ("-m", "trials.hurried", "5")) as app:
        with begin_score(app.url, film):
            wait_until(lambda: _at_work(app), REACH_SECONDS, "its film is at work")
        wait_until(lambda: not app.request_folders(), 200, "its work is gone")
        wait_until(lambda: len(family(app.temporary)) == 1, GONE_SECONDS, "its helpers are gone")
    return "its work came to its end and is gone"


def _at_work(app: App) -> bool:
    return len(app.request_folders()) > 1 and len(family(app.temporary)) > 1


CASES = [
    *(
        case(f"command line killed: {stage}", partial(cli_killed, stage), 240, slow=True)
        for stage in (*STAGES, "stems")
    ),
    *(
        case(f"command line stopped: {stage}", partial(cli_stopped, stage), 120, slow=True)
        for stage in (*STAGES, "stems")
    ),
    case("command line killed: giving results their names", cli_killed_while_moving, 240, True),
    *(
        case(f"app killed and stopped: {stage}", partial(app_killed_and_stopped, stage), 600, True)
        for stage in STAGES
    ),
    case("no orphan", orphan, 30),
    case("killed while a link is fetched", killed_fetching),
    case("killed while text is read", killed_reading),
    case("a program hangs up", program_hangs_up, 240, slow=True),
]
