"""The process in which a stranger's film is looked at: what it may, and what becomes of it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import Films

from emsync.errors import Cancelled, FilmError
from emsync.film.examine import examine
from emsync.film.ffmpeg import FFmpegRun, input_arguments
from emsync.film.film import from_plain, to_plain
from emsync.film.frames import stream_frames
from emsync.film.probe import probe
from emsync.music.primer import read_primer
from emsync.process import child
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
from trials import seeds

Instead = Callable[[str], None]


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Instead:
    """Runs a program in place of the module that was to be run, once its bounds are set."""
    start = subprocess.Popen

    def take(program: str) -> None:
        def other(command: list[str], **options: object) -> object:
            whole = (
                "import os, sys, time\nfrom emsync.process import child\n"
                f"child.confine(60, 1 << 30)\n{program}\n"
            )
            if "-m" in command:
                command = [*command[:-2], "-c", whole]
            return start(command, **options)  # type: ignore[call-overload]

        monkeypatch.setattr(subprocess, "Popen", other)

    return take


def test_a_film_comes_back_as_it_was_found(films: Films) -> None:
    film = probe(films.plain())
    assert film == examine(films.plain(), FilmLimits())
    assert isinstance(film.duration, Fraction) and film.stated >= 3
    assert from_plain(json.loads(json.dumps(to_plain(film))), film.path) == film


@pytest.mark.parametrize(
    "name", ["duration", "width", "has_audio", "video_codec", "audio_stream", "start"]
)
@pytest.mark.parametrize("value", [[], "1/0", "1" * 99, 1.5, {}, "x"])
def test_an_answer_that_is_no_film_is_not_believed(films: Films, name: str, value: object) -> None:
    plain = to_plain(examine(films.plain(), FilmLimits()))
    if name == "video_codec" and isinstance(value, str):
        return
    with pytest.raises((KeyError, TypeError, ValueError, ZeroDivisionError)):
        from_plain(plain | {name: value}, films.plain())


def test_neither_the_model_nor_the_page_is_loaded_to_look_at_a_film() -> None:
    program = "import sys, emsync.film.probe_worker, av; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "av" in loaded and not loaded & {"torch", "gradio", "numpy", "pandas", "PIL"}


@pytest.mark.parametrize(
    "program",
    [
        "os.abort()",
        "os.kill(os.getpid(), 11)",
        "import ctypes; ctypes.string_at(0)",
        "sys.exit(0)",
        "print('[' * 100000)",
        "print('{\"film\": {}}')",
        "print('{\"film\": 3}')",
        "print('x' * (3 << 20))",
        "os.close(1); os.close(0); sys.exit(7)",
    ],
)
def test_what_brings_the_process_down_is_told(
    films: Films, instead: Instead, program: str, caplog: pytest.LogCaptureFixture
) -> None:
    instead(program)
    with pytest.raises(FilmError, match=r"“plain\.mp4” brought down the program that reads films"):
        probe(films.plain())
    assert "looking at a film ended with" in caplog.text


def test_memory_is_bounded(films: Films, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("the bound on memory holds on Linux")
    with pytest.raises(FilmError, match=r"more memory is needed than the 60 MB|brought down"):
        probe(films.plain(), FilmLimits(look_memory=60_000_000))


def test_a_process_that_takes_too_long_is_ended_with_its_children(
    films: Films, instead: Instead, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    instead(
        "import subprocess\nown = subprocess.Popen(['sleep', '60'])\n"
        f"os.symlink(str(own.pid), {str(note)!r})\ntime.sleep(60)"
    )
    began = time.monotonic()
    with pytest.raises(FilmError, match=r"could not be looked at within 1\.5 s"):
        probe(films.plain(), FilmLimits(look_seconds=1.5))
    assert time.monotonic() - began < 5
    started = int(str(note.readlink()))
    assert _gone(started)


def test_a_cancelled_look_ends_at_once(films: Films, instead: Instead) -> None:
    instead("time.sleep(60)")
    cancel = CancelToken()
    threading.Timer(0.3, cancel.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        probe(films.plain(), FilmLimits(), cancel)
    assert time.monotonic() - began < 3


def test_nothing_is_left_when_the_app_is_killed(films: Films, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("there it ends by its time limit")
    note = tmp_path / "pid"
    inner = f"import os, time; os.symlink(str(os.getpid()), {str(note)!r}); time.sleep(60)"
    program = (
        "import subprocess, pathlib, emsync.film.probe as p\nstart = subprocess.Popen\n"
        f"inner = {inner!r}\n"
        "subprocess.Popen = lambda command, **options: start("
        "[*command[:-2], '-c', inner] if '-m' in command else command, **options)\n"
        f"p.probe(pathlib.Path({str(films.plain())!r}))"
    )
    app = subprocess.Popen([sys.executable, "-c", program])
    while not note.is_symlink():
        time.sleep(0.05)
        assert app.poll() is None
    app.kill()
    app.wait()
    assert _gone(int(str(note.readlink())))


def test_the_process_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("EMSYNC_PASSWORD", "secret")
    assert "secret" not in child.environment().values()


def test_what_a_process_leaves_behind_is_ended_with_it() -> None:
    """It has ended by itself; what it started would go on."""
    program = (
        "import subprocess\n"
        "print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL).pid, flush=True)"
    )
    with child.Child([sys.executable, "-c", program]) as parent:
        line = parent.read_line(30)
        assert line and parent.wait(30) and not parent.is_running
        started = int(line)
        assert not _gone(started, tries=2)
    assert parent.process.returncode == 0 and _gone(started)


def test_a_process_that_talks_too_much_waits() -> None:
    program = "while True: print('x' * 1000)"
    with child.Child([sys.executable, "-c", program]) as talker:
        assert talker.read_line(30) == b"x" * 1000 + b"\n"
        time.sleep(0.5)
        assert talker.is_running
    assert talker.process.returncode == -signal.SIGKILL


def test_writing_to_a_process_that_hangs_does_not_hang() -> None:
    with child.Child([sys.executable, "-c", "import time; time.sleep(60)"]) as hanging:
        began = time.monotonic()
        hanging.send(bytes(1 << 20))
        assert hanging.read_line(0.2) is None
    assert time.monotonic() - began < 5


def test_bounds_are_set() -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has none")
    program = (
        "import resource as r, signal\nfrom emsync.process.child import confine\n"
        "confine(9, 1 << 30)\n"
        "print(*(r.getrlimit(k)[1] for k in (r.RLIMIT_CPU, r.RLIMIT_CORE, r.RLIMIT_FSIZE)),"
        " signal.alarm(0))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["9", "0", "0", "14"]


def test_without_bounds_there_is_still_a_process(
    films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where there is no `resource`."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.platform = 'win32'\nsys.modules['resource'] = None\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    program = f"import pathlib, emsync.film.probe as p; print(p.probe(pathlib.Path({str(films.plain())!r})).width)"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.platform = 'linux'\n{program}"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": f"{Path(child.__file__).parents[2]}{os.pathsep}{tmp_path}",
        },
    )
    assert done.stdout.strip() == "160", done.stderr


def test_many_frames_are_refused(films: Films) -> None:
    with pytest.raises(FilmError, match="more than 10 frames"):
        probe(films.plain(), FilmLimits(frames=10))
    assert probe(films.plain(), FilmLimits(frames=75)).frame_count == 75


def test_a_long_side_is_refused(films: Films) -> None:
    with pytest.raises(FilmError, match=r"160 × 120 pixels; the limit is 159 for a side"):
        probe(films.plain(), FilmLimits(side=159))
    assert probe(films.plain(), FilmLimits(side=160)).width == 160


def test_names_of_strangers_are_told_on_one_line(films: Films, tmp_path: Path) -> None:
    path = tmp_path / "two\nlines\u202e.mp4"
    path.write_bytes(b"a film, honestly")
    with pytest.raises(FilmError, match=r"“two\?lines\?\.mp4” is not a film"):
        probe(path)
    with pytest.raises(FilmError, match="is not the name of a file") as caught:
        probe(Path("a\0.mp4"))
    assert str(caught.value).isprintable()


def test_ffmpeg_does_not_tell_where_files_lie(films: Films, tmp_path: Path) -> None:
    path = tmp_path / "a film.mp4"
    path.write_bytes(b"ffconcat version 1.0")
    with FFmpegRun(CancelToken()) as run:
        run.start([*input_arguments(path), "-f", "null", "-"])
        assert list(run.read()) == [] and run.finish() != 0
        assert run.complaint and str(tmp_path) not in run.complaint
        assert "a film.mp4" in run.complaint


def test_pictures_that_grow_beyond_the_limit_are_not_decoded(
    tmp_path: Path, either_ffmpeg: str
) -> None:
    path = tmp_path / "bursts.mov"
    small, large = seeds.png(64, 48), seeds.png(8000, 6000)
    path.write_bytes(seeds.movie(b"png ", (64, 48), [small] * 10 + [large] * 5 + [small] * 5))
    film = probe(path)
    assert film.frame_count == 20
    frames = [frame.time for frame in stream_frames(film, CancelToken(), 32)]
    assert len(frames) == 15 and frames[-1] == Fraction(19, 10)


def test_a_primer_is_read_apart_and_can_be_cancelled(tmp_path: Path, instead: Instead) -> None:
    (tmp_path / "song.mid").write_bytes(b"MThd")
    instead("time.sleep(60)")
    cancel = CancelToken()
    threading.Timer(0.3, cancel.cancel).start()
    with pytest.raises(Cancelled):
        read_primer(tmp_path / "song.mid", 10.0, cancel)


def _gone(process: int, tries: int = 50) -> bool:
    for _ in range(tries):
        try:
            os.kill(process, signal.SIGCONT)
        except ProcessLookupError:
            return True
        # Nobody may have waited for it yet, where there is no init.
        state = Path(f"/proc/{process}/stat")
        if state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False
