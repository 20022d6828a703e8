"""The quick cases of `python -m trials.hostile`, a little of `trials.fuzz`, and both can fail."""

import socket
from pathlib import Path

import pytest

from emsync.errors import FilmError
from trials import fuzz, hostile
from trials.trial import Wrong, judge

QUICK = [one for one in hostile.TRIALS if not one.slow]


@pytest.mark.parametrize("trial", QUICK, ids=lambda trial: trial.name)
def test_it_gets_a_sentence_or_is_right(trial: hostile.Trial, tmp_path: Path) -> None:
    verdict = judge(trial, tmp_path)
    assert not verdict.problem, verdict.problem


def test_names_of_cases_are_unique() -> None:
    names = [one.name for one in hostile.TRIALS]
    assert len({*names}) == len(names)
    assert {one.name for one in QUICK} == hostile._QUICK


def test_a_file_opened_beside_the_upload_is_seen(tmp_path: Path) -> None:
    with hostile.Lure(tmp_path / "beside") as lure:
        lure.check()
        lure.film.read_bytes()
        with pytest.raises(Wrong, match=r"outside of the upload were opened: front\.mp4"):
            lure.check()


def test_an_address_asked_for_is_seen(tmp_path: Path) -> None:
    with hostile.Lure(tmp_path / "beside") as lure:
        with socket.create_connection(("127.0.0.1", int(lure.url.rpartition(":")[2]))) as visitor:
            visitor.recv(1)
        with pytest.raises(Wrong, match="an address was opened"):
            lure.check()


@pytest.mark.parametrize(
    "text", ["", "no end", "Two\nlines.", "It lies in {folder}/film.mp4.", "[Errno 2] Not there."]
)
def test_what_cannot_be_told_is_no_sentence(text: str, tmp_path: Path) -> None:
    with pytest.raises(Wrong):
        hostile.sentence(FilmError(text.format(folder=tmp_path)), tmp_path)


def test_the_fuzzer_comes_by_the_same_inputs_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[object]] = [[], []]
    inner = hostile.mood
    for run in seen:

        def noted(value: object, folder: Path, run: list[object] = run) -> str:
            run.append(value)
            return inner(value, folder)

        with monkeypatch.context() as patch:
            patch.setattr(hostile, "mood", noted)
            assert fuzz.main(["0.3", "--seed", "5", "--only", "mood"]) == 0
    least = min(map(len, seen))
    assert least > 20 and repr(seen[0][:least]) == repr(seen[1][:least])
    assert "0 wrong" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["film", "midi", "preset", "report", "address", "tokens"])
def test_the_fuzzer_finds_nothing_wrong(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["0.7", "--seed", "11", "--only", target]) == 0, capsys.readouterr().out


def test_the_fuzzer_keeps_what_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(numbers: list[int]) -> str:
        if len(numbers) > 203:
            raise OverflowError("too many")
        return "read"

    monkeypatch.setattr(hostile, "tokens", fails)
    assert fuzz.main(["0.5", "--seed", "11", "--only", "tokens"]) == 1
    said = capsys.readouterr().out
    kept = Path(said.split("WRONG  ")[1].split(": ")[0])
    assert "OverflowError: too many" in said and kept.read_text().startswith("[")
    for path in kept.parent.iterdir():
        path.unlink()
    kept.parent.rmdir()
