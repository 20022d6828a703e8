"""The clock is set, back and forth, while films are scored."""

import ast
import threading
import time
from pathlib import Path
from unittest.mock import patch

from emsync.benchmarks.load import score, started, what_is_wrong
from emsync.limits import HostLimits
from trials.machine import QUICK, REPOSITORY, film_in
from trials.trial import Wrong, case

_CLOCK_ALLOWED = {
    (
        "emsync/batch/films.py",
        "time.time",
    ): "leftovers of other machines, whose processes nobody here can see",
    (
        "emsync/weights/store.py",
        "datetime.datetime.now",
    ): "when a manifest was written; nothing depends on it",
}
_SETTABLE = {
    *(f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime", "ctime")),
    *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
    "datetime.date.today",
}


def settable_clocks(code: str) -> set[str]:
    """Return the full names of the clocks in a program that can be set."""
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
    """Look through the program: it measures no duration by a clock that somebody can set."""
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
    found = {
        (path.relative_to(REPOSITORY).as_posix(), clock)
        for path in files
        for clock in settable_clocks(path.read_text())
    }
    if found != set(_CLOCK_ALLOWED):
        raise Wrong(f"clocks that can be set: {sorted(found)}")
    return f"{len(files)} files"


def clock_jumps_on_the_page(place: Path) -> str:
    """Let time jump a day back and forth: takes keep their hour, stages their pace."""
    from emsync.emotion.curve import MoodRequest
    from emsync.interface.studio import Studio

    film = film_in(place / "film", 2)
    offset = [0.0]
    real, real_ns = time.time, time.time_ns
    with (
        patch.object(time, "time", lambda: real() + offset[0]),
        patch.object(time, "time_ns", lambda: real_ns() + int(offset[0] * 1e9)),
    ):
        studio = Studio(place / "root", QUICK, HostLimits(disk_free=0))
        (place / "root").mkdir(exist_ok=True)
        studio.films.choose("a", film)
        job = studio.compose("a", QUICK, MoodRequest(None, False, ()))
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
            if studio.store.find(job.take.token) is None or job.take.result is None:
                raise Wrong("the take is gone before its hour")
        from emsync.interface import records

        with patch.object(records, "KEEP_SECONDS", -1):
            studio.leave("a")
            studio.sweep()
        if studio.store.takes():
            raise Wrong("the take is there after its hour")
        studio.close()
    return "the hour is an hour"


def clock_jumps_in_the_app(place: Path) -> str:
    """Run the real app under a clock that jumps by hours, Gradio's own tidying included."""
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


CASES = [
    case("no clock that can be set", no_settable_clock, 30),
    case("clock jumps: page", clock_jumps_on_the_page, 120, slow=True),
    case("clock jumps: app", clock_jumps_in_the_app, 240, slow=True),
]
