"""What one request and all of them together may take: stated, held, and said in a sentence."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from conftest import Films
from gradio.state_holder import StateHolder

from emsync.emotion.curve import MoodRequest
from emsync.errors import Cancelled, EmsyncError, ToolError, TooLong
from emsync.film.ffmpeg import FFmpegRun, ffmpeg_executable, input_arguments, threads
from emsync.film.probe import probe
from emsync.interface import disk_quota as rooms
from emsync.interface.disk_quota import (
    FULL,
    REQUEST_FULL,
    DiskQuota,
    bundle_bytes,
    in_words,
    version_bytes,
    wav_bytes,
)
from emsync.interface.page import build
from emsync.interface.records import Job, Playing, Version
from emsync.interface.states import States
from emsync.interface.studio import Studio
from emsync.limits import HostLimits, ToolLimits, film_limits, host_limits
from emsync.pipeline import analyse
from emsync.process.files import (
    locked,
    process_folder,
    remove_stale_files,
    remove_stale_folders,
    written_whole,
)
from emsync.process.lifeline import Lifeline
from emsync.progress import CancelToken, silent
from emsync.settings import ExpertSettings, FilmLimits, Settings, SoundSettings
from emsync.stages import BUNDLE, STAGES, allowed_seconds, bounded, time_limits

FILMS_OWN = MoodRequest(None, False, ())
ENDED = 2**22 + 1
"""No process has this number: it is beyond the largest that Linux gives."""


# Stages -----------------------------------------------------------------------------------------


def test_every_stage_has_its_time_and_more_for_a_longer_film() -> None:
    limits = time_limits()
    for stage in (*STAGES, "bundle"):
        assert 10 <= allowed_seconds(stage, 0, limits) < allowed_seconds(stage, 600, limits)
    assert limits.keys() == {*STAGES, BUNDLE.name}


def test_a_stage_that_takes_too_long_is_stopped_and_named() -> None:
    token = bounded(CancelToken(), "compose", 10.0, time_limits(compose=(0.05, 0.0)))
    token.check()
    time.sleep(0.1)
    with pytest.raises(TooLong, match=r"^Composing the music was stopped.*0 seconds.*Try a"):
        token.check()
    assert not token.cancelled


def test_a_request_that_is_cancelled_is_not_told_of_time() -> None:
    owner = CancelToken()
    token = bounded(owner, "mux", 10.0, time_limits(mux=(0.0, 0.0)))
    owner.cancel()
    assert token.cancelled
    with pytest.raises(Cancelled):
        token.check()


def test_the_cuts_of_a_long_film_are_not_looked_for_for_ever(films: Films) -> None:
    film, began = films.silent(20, 25, "640x360"), time.monotonic()
    with pytest.raises(TooLong, match="Finding the cuts"):
        analyse(film, Settings(), silent, CancelToken(), None, time_limits(scenes=(0.1, 0.0)))
    assert time.monotonic() - began < 10


# FFmpeg -----------------------------------------------------------------------------------------


def test_ffmpeg_has_bounds_on_memory_and_threads_and_knows_no_secrets(
    films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with FFmpegRun(CancelToken()) as run:
        run.start(["-re", *input_arguments(films.plain()), "-f", "null", "-"])
        process = Path(f"/proc/{run.pid}")
        said = (process / "limits").read_text()
        while not (line := (process / "cmdline").read_bytes()):
            time.sleep(0.01)  # it has begun, and Linux has not set its words in place yet
        told = (process / "environ").read_bytes()
    assert b"PATH=" in told and b"hf_secret" not in told
    words = line.split(b"\0")
    (space,) = [line.split() for line in said.splitlines() if line.startswith("Max address")]
    assert space[3:5] == ["4000000000", "4000000000"]
    assert words[words.index(b"-threads") + 1] == str(threads()).encode()
    assert b"-filter_complex_threads" in words
    assert 1 <= threads() <= ToolLimits.threads


def test_the_owner_of_a_machine_says_how_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSYNC_FFMPEG_MEMORY", "much")
    with (
        pytest.raises(ToolError, match="EMSYNC_FFMPEG_MEMORY is “much”"),
        FFmpegRun(CancelToken()) as run,
    ):
        run.start(["-version"])


def test_what_ffmpeg_starts_ends_with_it(films: Films, tmp_path: Path) -> None:
    wrapper = tmp_path / "ffmpeg"
    wrapper.write_text(f'#!/bin/sh\nsleep 4711 &\nexec {ffmpeg_executable()} "$@"\n')
    wrapper.chmod(0o700)
    with FFmpegRun(CancelToken()) as run:
        run.start(["-re", *input_arguments(films.plain()), "-f", "null", "-"], str(wrapper))
        group = run.pid
        assert group is not None
    assert not _alive_in(group)


def test_a_scored_film_that_becomes_too_large_is_not_written_to_its_end(
    films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.mkv"
    monkeypatch.setattr("emsync.film.ffmpeg.tool_limits", lambda: ToolLimits(scored_bytes=100_000))
    with pytest.raises(ToolError, match="larger than"), FFmpegRun(CancelToken()) as run:
        arguments = ["-stream_loop", "-1", *input_arguments(films.plain())]
        run.start([*arguments, "-c", "copy", "-y", str(out)], writes=out)
        for _ in run.read():
            pass


def test_a_group_ends_when_its_owner_is_killed() -> None:
    code = (
        "import subprocess, os, time; from emsync.process.lifeline import Lifeline\n"
        "line = Lifeline(); p = subprocess.Popen(['sleep', '4712'], start_new_session=True)\n"
        "line.tie(p.pid); print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        group = int(owner.stdout.readline())
        assert _alive_in(group)
        owner.kill()
    end = time.monotonic() + 5
    while _alive_in(group):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_lifeline_that_is_closed_kills_nobody() -> None:
    with subprocess.Popen(["sleep", "4713"], start_new_session=True) as process:
        line = Lifeline()
        line.tie(process.pid)
        line.close()
        line.close()
        time.sleep(0.3)
        assert process.poll() is None
        process.kill()


# Leftovers --------------------------------------------------------------------------------------


def test_folders_of_killed_runs_go_and_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead, alive = tmp_path / f"emsync-{ENDED}-abc", tmp_path / "emsync-1-abc"
    other = tmp_path / "emsync-load-abc"
    for folder in (dead, alive, other):
        folder.mkdir()
    remove_stale_folders()
    assert sorted(tmp_path.iterdir()) == sorted([alive, other])
    with process_folder() as own:
        assert own.name.startswith(f"emsync-{os.getpid()}-")
    assert not own.exists()


def test_halves_of_killed_runs_go(tmp_path: Path) -> None:
    for name in (f".emsync-{ENDED}-a.partial", ".emsync-1-a.partial", ".emsync-x-a.partial"):
        (tmp_path / name).touch()
    remove_stale_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".emsync-1-a.partial", ".emsync-x-a.partial",
    ]  # fmt: skip


# Files that appear whole, and locks ---------------------------------------------------------------


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with written_whole(path) as partial:
        partial.write_text("first")
        assert not path.exists() and partial.parent == tmp_path
    with pytest.raises(KeyError), written_whole(path) as partial:
        partial.write_text("second")
        raise KeyError
    assert path.read_text() == "first" and [*tmp_path.iterdir()] == [path]
    with written_whole(path) as one, written_whole(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one" and [*tmp_path.iterdir()] == [path]


def test_half_a_file_of_a_killed_run_goes(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from emsync.process.files import written_whole\n"
        "with written_whole(Path(sys.argv[1])) as partial:\n"
        "    partial.touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.mid")], check=False)
    assert len([*tmp_path.iterdir()]) == 1
    remove_stale_files(tmp_path)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "The disk is full. Make room for a.txt and try again."),
        (errno.EROFS, "“a.txt” cannot be written: Read-only file system."),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, number: int, sentence: str) -> None:
    with pytest.raises(ToolError) as caught, written_whole(tmp_path / "a.txt") as partial:
        partial.touch()
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == sentence and not [*tmp_path.iterdir()]


def test_a_lock_is_one_owners_and_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    code = (
        "import sys, time; from pathlib import Path; from emsync.process.files import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(path)]
    waited: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == b"held\n"

        def wait() -> None:
            waited.append(time.monotonic())
            if len(waited) == 3:
                owner.kill()

        with locked(path, wait):
            assert len(waited) >= 3
            with pytest.raises(Cancelled), locked(path, _stop):
                pytest.fail("two hold the lock")
    with locked(path, _stop):
        pass


def _stop() -> None:
    raise Cancelled


# Disk -------------------------------------------------------------------------------------------


def room(root: Path, **limits: Any) -> DiskQuota:
    return DiskQuota(root, replace(HostLimits(disk_free=0), **limits), lambda: None)


def test_a_file_of_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "upload").mkdir()
    film = tmp_path / "upload" / "film.mp4"
    film.write_bytes(bytes(1000))
    (tmp_path / "request-1").mkdir()
    os.link(film, tmp_path / "request-1" / "film.mp4")
    (tmp_path / "request-1" / "music.mid").write_bytes(bytes(10))
    assert room(tmp_path).used() == 1010


def test_what_is_promised_to_one_is_not_promised_to_another(tmp_path: Path) -> None:
    one = room(tmp_path, disk=1000)
    with one.reserved(600):
        with pytest.raises(EmsyncError) as refusal, one.reserved(600):
            pass
        assert str(refusal.value) == FULL
        with one.reserved(400):
            pass
    with one.reserved(1000):
        pass


def test_one_request_has_a_bound_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "take").mkdir()
    (tmp_path / "take" / "scored.mp4").write_bytes(bytes(700))
    one = room(tmp_path, disk_per_request=1000)
    with one.reserved(300, tmp_path / "take"):
        pass
    with pytest.raises(EmsyncError) as refusal, one.reserved(301, tmp_path / "take"):
        pass
    assert str(refusal.value) == REQUEST_FULL


def test_the_disk_keeps_what_the_machine_needs(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    one = room(tmp_path, disk_free=free + (1 << 30))
    with pytest.raises(EmsyncError, match="no room"), one.reserved(1):
        pass


def lay(upload: Path, chosen: Path, take: Path, size: int) -> None:
    """An upload that nobody chose, and one that a take has."""
    for path in (upload, chosen, take):
        path.parent.mkdir()
    upload.write_bytes(bytes(size))
    chosen.write_bytes(bytes(size))
    os.link(chosen, take)


def test_when_it_is_full_what_is_past_its_hour_goes_first_and_abandoned_uploads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, chosen, take = (tmp_path / name for name in ("a/upload", "b/chosen", "request-1/film"))
    lay(upload, chosen, take, 500)
    swept: list[bool] = []
    one = DiskQuota(tmp_path, HostLimits(disk=1200, disk_free=0), lambda: swept.append(True))
    one.look_at_uploads()
    with pytest.raises(EmsyncError, match="no room"), one.reserved(600):
        pass
    assert swept and upload.exists()  # it has just come: perhaps it is about to be chosen
    monkeypatch.setattr(rooms, "_ABANDONED_SECONDS", -1)
    with one.reserved(600):
        assert not upload.parent.exists() and chosen.exists() and take.exists()


def test_uploads_go_after_their_hour_chosen_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, chosen, take = (tmp_path / name for name in ("a/upload", "b/chosen", "request-1/film"))
    lay(upload, chosen, take, 5)
    one, now = room(tmp_path), time.monotonic
    one.remove_old(100)
    monkeypatch.setattr(rooms.time, "monotonic", lambda: now() + 99)
    (tmp_path / "a/again").write_bytes(bytes(5))
    (tmp_path / "a/again").replace(upload)  # sent a second time: its hour begins anew
    one.remove_old(100)
    assert upload.exists() and chosen.exists()
    monkeypatch.setattr(rooms.time, "monotonic", lambda: now() + 101)
    one.remove_old(100)
    assert upload.exists() and not chosen.parent.exists() and take.exists()


def test_what_became_larger_than_was_reserved_is_seen_before_more_is_made(tmp_path: Path) -> None:
    take = tmp_path / "take"
    take.mkdir()
    for limits, words in (
        ({"disk_per_request": 400}, REQUEST_FULL),
        ({"disk": 400}, FULL),
        ({"disk_free": 1 << 60}, FULL),
    ):
        one = room(tmp_path, **limits)
        (take / "scored.mp4").write_bytes(bytes(400))
        if "disk_free" not in limits:
            one.check(take)
            (take / "scored.mp4").write_bytes(bytes(401))
        with pytest.raises(EmsyncError) as refusal:
            one.check(take)
        assert str(refusal.value) == words


def test_gradio_forgets_pages_that_are_closed_or_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    with gr.Blocks() as page:
        gr.Textbox()
    states, now = States(page), time.monotonic
    states.forget(100)  # not launched yet
    holder = StateHolder()
    holder.set_blocks(page)
    for name in ("open", "closed", "unused"):
        assert holder[name]
    holder.session_data["closed"].is_closed = True
    states.forget(100)
    assert "closed" not in holder
    monkeypatch.setattr(time, "monotonic", lambda: now() + 101)
    assert holder["open"]  # it is used
    states.forget(100)
    assert list(holder.session_data) == list(holder.time_last_used) == ["open"]


def test_the_sweeping_of_the_app_reaches_gradio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emsync.interface.studio.SWEEP_SECONDS", 0.01)
    studio = Studio(tmp_path)
    holder = StateHolder()
    holder.set_blocks(build(studio))
    assert holder["page"]
    holder.session_data["page"].is_closed = True
    studio.start_sweeping()
    end = time.monotonic() + 20
    while "page" in holder:
        assert time.monotonic() < end
        time.sleep(0.01)
    studio.close()


# The machine's owner, and the page ----------------------------------------------------------------


def test_the_environment_sets_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSYNC_QUEUE", "3")
    monkeypatch.setenv("EMSYNC_DISK", "1.5")
    monkeypatch.setenv("EMSYNC_DISK_FREE", "0")
    limits = host_limits()
    assert (limits.waiting, limits.disk, limits.disk_free) == (3, 1_500_000_000, 0)
    assert limits.disk_per_request == HostLimits.disk_per_request
    for text in ("many", "-1", "nan", "0"):
        monkeypatch.setenv("EMSYNC_QUEUE", text)
        with pytest.raises(EmsyncError, match="EMSYNC_QUEUE is"):
            host_limits()


def test_the_owner_may_want_shorter_films(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert film_limits() == FilmLimits()
    monkeypatch.setenv("EMSYNC_MINUTES", "7.5")
    assert film_limits() == FilmLimits(seconds=450)
    assert "at most 7.5 minutes" in in_words(film_limits(), ExpertSettings(), HostLimits())[0]
    studio = Studio(tmp_path, host=HostLimits(disk_free=0))
    assert studio.settings == Settings(limits=FilmLimits(seconds=450))
    studio.close()
    for text in ("long", "0", "31"):  # what longer ones take was not reckoned
        monkeypatch.setenv("EMSYNC_MINUTES", text)
        with pytest.raises(EmsyncError, match="EMSYNC_MINUTES is"):
            film_limits()


def test_the_largest_film_has_room_for_what_the_page_offers() -> None:
    """Four versions, or one with its stems and its ZIP; and several such requests at a time."""
    film, host = FilmLimits(), HostLimits()
    version = version_bytes(film.bytes, film.seconds)
    wav = round(film.seconds * 4 * 44_100)
    assert film.bytes + 4 * version <= host.disk_per_request
    finest = wav_bytes(SoundSettings(sample_rate=48_000, bit_depth="24-bit"))
    assert wav_bytes(SoundSettings()) * film.seconds == wav and finest == 6 * 48_000
    assert version_bytes(film.bytes, film.seconds, finest) > version
    one = 2 * film.bytes + wav
    assert one + bundle_bytes(film.bytes, film.seconds) <= host.disk_per_request
    assert 3 * host.disk_per_request <= host.disk


def test_the_page_states_every_limit() -> None:
    said = " ".join(in_words(FilmLimits(), ExpertSettings(), HostLimits()))
    for number in (
        "30 minutes", "500 MB", "9.4 million pixels", "450,000 frames", "20 films", "6 GB",
        "20 GB", "1 GB", "2 GB", "4 GB", "cuts has 7 min", "each expert 3", "the film 10",
    ):  # fmt: skip
        assert number in said


# The line ---------------------------------------------------------------------------------------


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    root = tmp_path / "root"
    root.mkdir()
    made = Studio(root, Settings(), HostLimits(waiting=1, disk_free=0))
    yield made
    made.close()


def begin_and_cancel(studio: Studio, name: str) -> None:
    """A take can be begun on this page; it is not waited for."""
    job = studio.compose(name, Settings(), FILMS_OWN)
    assert job is not None
    studio.cancel(name)
    assert job.done.wait(60)


def test_who_comes_to_a_full_line_is_told_and_keeps_the_film(studio: Studio, films: Films) -> None:
    for name in ("first", "second"):
        studio.films.choose(name, films.silent())
    with studio.scorer.analysing.turn(CancelToken(), lambda ahead: None):  # somebody is at work
        job = studio.compose("first", Settings(), FILMS_OWN)
        assert job is not None
        with pytest.raises(EmsyncError, match="Your film stays; try again"):
            studio.compose("second", Settings(), FILMS_OWN)
        assert studio.session("second").source is not None
        assert studio.session("second").takes == []
        studio.cancel("first")
        assert job.done.wait(60)
    begin_and_cancel(studio, "second")


def test_a_machine_that_gives_no_more_threads_keeps_no_place_taken(
    studio: Studio, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.films.choose("page", films.silent())

    def full(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        with pytest.raises(EmsyncError, match="Your film stays; try again"):
            studio.compose("page", Settings(), FILMS_OWN)
    assert studio.session("page").takes == []
    begin_and_cancel(studio, "page")


def test_so_many_films_are_opened_and_no_more(
    studio: Studio, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def slowly(*_: Any) -> None:
        opening.set()
        go_on.wait(20)
        raise EmsyncError("That took long.")

    monkeypatch.setattr(studio.store, "add_film", slowly)

    async def two() -> None:
        first = asyncio.create_task(studio.films.open("first", films.silent()))
        await asyncio.to_thread(opening.wait, 20)
        with pytest.raises(EmsyncError, match="Many films are being opened right now"):
            await studio.films.open("second", films.silent())
        go_on.set()
        with pytest.raises(EmsyncError, match="That took long"):
            await first
        with pytest.raises(EmsyncError, match="That took long"):
            await studio.films.open("second", films.silent())

    asyncio.run(two())


def test_a_film_whose_page_goes_is_not_opened_to_the_end(
    studio: Studio, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_film = studio.store.add_film
    tokens: list[CancelToken] = []

    def leaving(upload: Path, limits: FilmLimits, cancel: CancelToken, ours: bool) -> Any:
        studio.leave("page")
        tokens.append(cancel)
        return add_film(upload, limits, cancel, ours)

    monkeypatch.setattr(studio.store, "add_film", leaving)
    assert asyncio.run(studio.films.open("page", films.silent())) is None
    assert tokens[0].cancelled
    assert list(studio.store.root.glob("request-*")) == []


def test_a_film_for_which_there_is_no_room_is_refused_and_leaves_nothing(
    tmp_path: Path, films: Films
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    studio = Studio(root, Settings(), HostLimits(disk=1, disk_free=0))
    (root / "upload").mkdir()
    upload = root / "upload" / "film.mp4"
    shutil.copyfile(films.plain(), upload)
    with pytest.raises(EmsyncError, match="no room for another film"):
        studio.films.choose("page", upload)
    assert [path.name for path in root.iterdir()] == ["upload"]
    studio.close()


def test_the_disk_is_given_back_after_the_work(studio: Studio, films: Films) -> None:
    studio.films.choose("page", films.silent())
    begin_and_cancel(studio, "page")
    assert studio.quota.promised == 0


def test_no_version_is_made_where_the_ones_before_took_more_than_was_reserved(
    tmp_path: Path, films: Films
) -> None:
    (tmp_path / "root").mkdir()
    studio = Studio(tmp_path / "root", Settings(), HostLimits(disk_per_request=400, disk_free=0))
    source = studio.films.choose("page", films.silent())
    assert source is not None
    take = studio.store.new_take(source, Settings(), FILMS_OWN)
    (take.folder / "scored.mp4").write_bytes(bytes(401))
    nothing: Any = None
    with pytest.raises(EmsyncError) as refusal:
        studio.scorer.perform(Job(take, Playing.of(Settings())), Version(nothing, "B"))
    assert str(refusal.value) == REQUEST_FULL
    assert [path.name for path in take.folder.iterdir()] == ["scored.mp4"]
    studio.close()


def test_a_film_is_opened_within_its_time(
    tmp_path: Path, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emsync.interface.store.probe", probe)
    limits = HostLimits(stages=time_limits(probe=(0.0, 0.0)), disk_free=0)
    (tmp_path / "root").mkdir()
    studio = Studio(tmp_path / "root", Settings(), limits)
    with pytest.raises(TooLong, match="Opening the film"):
        studio.films.choose("page", films.plain())
    assert list((tmp_path / "root").iterdir()) == []
    studio.close()


def _alive_in(group: int) -> list[int]:
    """Processes of a group that are no zombies."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields_after = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields_after[2]) == group and fields_after[0] != "Z":
            found.append(int(entry.name))
    return found
