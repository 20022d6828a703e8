"""The quick cases of `python -m trials.hostile`, a little of `trials.fuzz`, and both can fail."""

import logging
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from emsync.errors import FilmError
from trials import fuzz, hostile_files, hostile_text, lures, seeds
from trials.hostile import CASES, QUICK
from trials.trial import Wrong


@pytest.mark.trial
@pytest.mark.parametrize("attempt", CASES)
def test_it_gets_a_sentence_or_is_right(
    attempt: Callable[[Path], str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("outcome", attempt(tmp_path))


def test_names_of_cases_are_unique() -> None:
    names = [one.id for one in CASES]
    assert len({*names}) == len(names)
    assert {*names} > QUICK


def test_a_file_opened_beside_the_upload_is_seen(tmp_path: Path) -> None:
    with lures.Lure(tmp_path / "beside") as lure:
        lure.check()
        lure.film.read_bytes()
        with pytest.raises(Wrong, match=r"outside of the upload were opened: front\.mp4"):
            lure.check()


def test_an_address_asked_for_is_seen(tmp_path: Path) -> None:
    with lures.Lure(tmp_path / "beside") as lure:
        with socket.create_connection(("127.0.0.1", int(lure.url.rpartition(":")[2]))) as visitor:
            visitor.recv(1)
        with pytest.raises(Wrong, match="an address was opened"):
            lure.check()


def test_where_nothing_is_watched_nothing_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lures, "_OPENED", 0)  # no event at all: inotify refuses
    with pytest.raises(pytest.skip.Exception), lures.Lure(tmp_path / "beside"):
        pass


def test_a_file_of_the_system_that_is_opened_is_seen(tmp_path: Path) -> None:
    with lures.Lure(tmp_path / "beside") as lure:
        lure.check()
        lures.SYSTEM_FILE.read_bytes()
        with pytest.raises(Wrong, match=str(lures.SYSTEM_FILE)):
            lure.check()


@pytest.mark.parametrize(
    "text", ["", "no end", "Two\nlines.", "It lies in {folder}/film.mp4.", "[Errno 2] Not there."]
)
def test_what_cannot_be_told_is_no_sentence(text: str, tmp_path: Path) -> None:
    with pytest.raises(Wrong):
        lures.sentence(FilmError(text.format(folder=tmp_path)), tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a while")
def test_growth_is_seen_after_more_of_it(tmp_path: Path) -> None:
    bytearray(lures._GROWTH + 200_000_000)
    with lures.little_memory():
        bytearray(1000)
    with pytest.raises(Wrong, match="the app itself grew by"), lures.little_memory():
        bytearray(lures._GROWTH + 100_000_000)


@pytest.mark.parametrize(
    ("text", "ours"),
    [("ended with 1: b''", True), ("ended with 0: b'{}'", True), ("ended with -11: b''", False)],
)
def test_a_reader_that_fails_by_itself_is_a_fault_of_ours(text: str, ours: bool) -> None:
    with pytest.raises(Wrong) if ours else nullcontext(), lures.no_fault_of_ours():
        logging.getLogger("emsync.music.primer").warning("reading a MIDI file %s", text)


@pytest.mark.parametrize("must", ["read", "refused: is a picture", "refused: 3 s"])
def test_something_else_than_is_due_is_wrong(must: str) -> None:
    with pytest.raises(Wrong, match="it should be"):
        lures.due("refused: “a.mp4” is empty. Choose another.", must)


def test_a_scored_film_that_is_shorter_is_wrong(tmp_path: Path) -> None:
    video = seeds.film("front.mp4", tmp_path)
    lures.compared(video, 1.0, 0.1)
    with pytest.raises(Wrong, match=r"came back with 1\.000 s, and 1\.200 s went in"):
        lures.compared(video, 1.2, 0.1)


def test_a_film_too_small_to_be_cut_off_is_not_right(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="not cut at all"):
        hostile_files.cut_off("film.gif", 10**9, tmp_path)


def test_what_hangs_is_wrong_while_it_runs() -> None:
    began = time.monotonic()
    with pytest.raises(Wrong, match=r"longer than the 0\.2 s"), fuzz.in_time(0.2):
        while True:
            try:
                time.sleep(60)
            except Exception:
                continue
    assert time.monotonic() - began < 20


@pytest.fixture
def no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


clean = pytest.mark.usefixtures("no_litter")


@clean
def test_the_fuzzer_comes_by_the_same_inputs_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[object]] = [[], []]
    inner = hostile_text.mood
    for run in seen:

        def noted(value: object, folder: Path, run: list[object] = run) -> str:
            run.append(value)
            return inner(value, folder)

        with monkeypatch.context() as patch:
            patch.setattr(hostile_text, "mood", noted)
            assert fuzz.main(["--rounds", "60", "--seed", "5", "--only", "mood"]) == 0
    assert len(seen[0]) == 61 and repr(seen[0]) == repr(seen[1])
    assert "0 wrong" in capsys.readouterr().out


@clean
@pytest.mark.parametrize(
    ("target", "sound"),
    [("film", 10), ("midi", 2), ("preset", 1), ("report", 1), ("address", 1), ("tokens", 1)],
)
def test_the_fuzzer_finds_nothing_wrong(
    target: str, sound: int, capsys: pytest.CaptureFixture[str]
) -> None:
    status = fuzz.main(["--rounds", "60", "--seed", "11", "--only", target])
    said = capsys.readouterr().out
    assert status == 0 and f"fuzz: {sound + 60} tried" in said, said


@clean
@pytest.mark.parametrize("status", [1, 0])
def test_a_reader_that_cannot_start_is_wrong(
    status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz.Reader, "ask", lambda self, path: {"died": status})
    assert fuzz.main(["--rounds", "1", "--seed", "11", "--only", "midi"]) == 1
    assert "3 wrong" in capsys.readouterr().out


@clean
def test_a_sound_input_that_is_refused_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz.Reader, "ask", lambda self, path: {"refused": "It is no song."})
    assert fuzz.main(["--rounds", "1", "--seed", "11", "--only", "midi"]) == 1
    assert "a sound input is not read" in capsys.readouterr().out


@clean
def test_a_target_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fuzz.main(["--only", "typo"])
    assert "no target typo" in capsys.readouterr().err


@clean
def test_the_fuzzer_keeps_what_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(numbers: list[int]) -> str:
        if len(numbers) > 203:
            raise OverflowError("too many")
        return "read"

    monkeypatch.setattr(hostile_text, "tokens", fails)
    assert fuzz.main(["--rounds", "200", "--seed", "11", "--only", "tokens"]) == 1
    said = capsys.readouterr().out
    kept = Path(said.split("WRONG  ")[1].split(": ")[0])
    assert "OverflowError: too many" in said and kept.read_text().startswith("[")
