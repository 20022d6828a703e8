"""Disks fill up: under results, uploads, the page's films, and weights."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from emsync.benchmarks.load import started
from emsync.limits import HostLimits
from emsync.pipeline import analyse, compose_pieces, perform
from emsync.progress import CancelToken, silent
from trials.hub import NAME, hub, registered
from trials.machine import QUICK, REPOSITORY, files_below, film_in, sentence_of
from trials.trial import Wrong, case
from trials.visitors import begin_upload


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a disk of `size` bytes while a ``with`` block runs; skip the case for all but root."""
    folder = place / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, left: int) -> Path:
    """Fill a disk up to `left` bytes; return the file that takes the room."""
    filler = folder / "filler"
    free = shutil.disk_usage(folder).free
    filler.write_bytes(bytes(max(0, free - left)))
    return filler


def _tells_of_it(sentence: str) -> bool:
    return "disk is full" in sentence or "No space left" in sentence


def disk_full_in_results(place: Path) -> str:
    """Let MIDI, WAV, scored film and report in turn be the first that does not fit."""
    path = film_in(place / "film", 2)
    analysis = analyse(path, QUICK, silent, CancelToken())
    piece = compose_pieces(analysis, QUICK, silent, CancelToken())[0]
    whole = place / "whole"
    whole.mkdir()
    result = perform(piece, whole, QUICK.sound, silent, CancelToken())
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
                sentence_of(lambda: perform(piece, folder, QUICK.sound, silent, CancelToken()))
            )
            # Those before it are there, and whole; of itself and of those after it is nothing.
            before = {one.name: one.read_bytes() for one in files[:number]}
            if {name: (folder / name).read_bytes() for name in files_below(folder)} != before:
                raise Wrong(f"when {file.name} does not fit, there is {files_below(folder)}")
            filler.unlink()
            shutil.rmtree(folder)
        folder.mkdir()
        perform(piece, folder, QUICK.sound, silent, CancelToken())
    if not all(map(_tells_of_it, said)):
        raise Wrong(f"somebody does not say that the disk is full: {said}")
    return said[2][:80]


def disk_full_on_the_page(place: Path) -> str:
    """Bring a film that cannot be copied in, and one that cannot be worked on: a sentence each."""
    from emsync.emotion.curve import MoodRequest
    from emsync.interface.studio import Studio

    path = film_in(place / "film", 2)
    with small_disk(place, 4 << 20) as disk:
        studio = Studio(disk, QUICK, HostLimits(disk_free=0))
        filler = fill(disk, 1000)
        # The ledger says so first, and the system where the ledger cannot know.
        first = sentence_of(lambda: studio.films.choose("a", path), "room")
        with patch.object(studio.quota, "has_room", lambda needed=0: True):
            second = sentence_of(lambda: studio.films.choose("a", path), "could not be kept")
            filler.unlink()
            if list(disk.iterdir()):
                raise Wrong(f"left over of what did not fit: {list(disk.iterdir())}")

            def composed() -> object:
                job = studio.compose("a", QUICK, MoodRequest(None, False, ()))
                assert job is not None
                if not job.done.wait(100):
                    raise Wrong("the work does not end")
                if job.error is not None:
                    raise job.error
                return job.take.result

            source = studio.films.choose("a", path)
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
    """Upload a film whose size nobody knows before: a sentence, and nothing of it is left."""
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
    """Fill the disk of the results, then that of the temporary files: a sentence each."""
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
    """Fetch weights that do not fit: a sentence, nothing under their name; with room they come."""
    from emsync.weights import download
    from emsync.weights import store as weights

    with hub() as net, small_disk(place, 1_600_000) as disk:
        filler = fill(disk, 500_000)
        with registered(net.serve("model.bin", bytes(range(256)) * 4096), disk / "weights"):
            said = sentence_of(lambda: weights.pull(NAME), "room")
            if (disk / "weights" / NAME).exists():
                raise Wrong("half of them have their name")
            # What the system says when it fills up in the middle.
            with (
                patch.object(weights, "check_free_space"),
                patch.object(download, "check_free_space"),
            ):
                sentence_of(lambda: weights.pull(NAME), "No space left")
            if (disk / "weights" / NAME).exists():
                raise Wrong("half of them have their name")
            filler.unlink()
            weights.pull(NAME)
    return said[:90]


CASES = [
    case("disk full: results", disk_full_in_results, 120, slow=True),
    case("disk full: page", disk_full_on_the_page, 240, slow=True),
    case("disk full: command line", disk_full_at_the_command_line, 240, slow=True),
    case("disk full: upload", disk_full_while_uploading, 120, slow=True),
    case("disk full: weights", disk_full_for_weights, 30),
]
