"""A folder of films: the table, going on where it stopped, and films that fail."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Films

from emsync import pipeline
from emsync.__main__ import main
from emsync.batch import films as batch
from emsync.batch.table import Row, table, write_table
from emsync.errors import EmsyncError
from emsync.music.transformer import checkpoint

RESULTS = {
    "scored.mp4", "music.mid", "music.musicxml", "music.wav", "report.json", "batch.json",
}  # fmt: skip


@pytest.fixture
def folder(films: Films, tmp_path: Path) -> Path:
    """Two films, one that is none, and what is not taken for a film."""
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(films.plain(), folder / "a film.mp4")
    (folder / "broken.mov").write_bytes(b"no film" * 1000)
    shutil.copy(films.uneven(), folder / "cuts.MKV")
    (folder / "notes.txt").write_text("not a film")
    shutil.copy(films.plain(), folder / ".hidden.mp4")
    (folder / "folder.mp4").mkdir()
    return folder


def run(folder: Path, out: Path, *options: str) -> int:
    return main(["batch", str(folder), "-o", str(out), "--experts", "none", *options])


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "table.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def states(out: Path) -> dict[Path, tuple[int, int]]:
    """Every result and when it was written."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in out.rglob("*")
        if path.is_file() and path.name != "table.csv"
    }


def test_a_folder_is_scored_once_and_a_broken_film_stops_nobody(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    loaded, analysed = [], []
    load, analyse = checkpoint.load, pipeline.analyse

    def load_once(*of: Any) -> checkpoint.Checkpoint:
        loaded.append(of)
        return load(*of)

    def look(film: Path, *rest: Any) -> pipeline.Analysis:
        analysed.append(film.name)
        return analyse(film, *rest)

    monkeypatch.setattr("emsync.music.transformer.composer.load", load_once)
    monkeypatch.setattr(pipeline, "analyse", look)
    assert run(folder, out) == 1
    assert len(loaded) == 1
    told = capsys.readouterr()
    assert {path.name for path in out.iterdir()} == {"a film.mp4", "cuts.MKV", "table.csv"}
    for film in ("a film.mp4", "cuts.MKV"):
        assert {path.name for path in (out / film).iterdir()} == RESULTS
    first, broken, cuts = rows(out)
    assert [first["film"], broken["film"], cuts["film"]] == ["a film.mp4", "broken.mov", "cuts.MKV"]
    assert float(first["seconds"]) == 3 and float(first["seconds_taken"]) > 0
    assert (first["boundaries"], first["hits"], first["median_offset"]) == ("0", "0", "")
    assert int(cuts["boundaries"]) > 0 and -1 <= float(cuts["valence"]) <= 1
    assert not first["problem"] and not broken["seconds"]
    assert "“broken.mov” is not a film" in broken["problem"]
    lines = told.out.splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:4] == ["film", "seconds", "valence", "arousal"]
    assert lines[2].startswith("broken.mov") and lines[2].endswith(broken["problem"])
    assert "a film.mp4 (1 of 3)" in told.err and "cuts.MKV (3 of 3)" in told.err
    assert "composing" in told.err and "Traceback" not in told.err

    # What is complete is not made again; what failed is tried again, and the table is whole.
    before, table = states(out), rows(out)
    shutil.copy(folder / "a film.mp4", folder / "broken.mov")
    analysed.clear()
    assert run(folder, out, "-q") == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert analysed == ["broken.mov"]
    assert {path: state for path, state in states(out).items() if path in before} == before
    assert [rows(out)[0], rows(out)[2]] == [table[0], table[2]]
    assert not any(row["problem"] for row in rows(out))


def test_results_of_another_order_are_neither_taken_nor_lost(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "cuts.MKV").unlink()
    (folder / "broken.mov").unlink()
    out = tmp_path / "out"
    assert run(folder, out, "-q", "--mood", "0.5", "0.5") == 0
    before = states(out)
    for options in (("--seed", "2"), ("--mood", "0.5", "0.25"), ("--stems",)):
        extra = () if options[0] == "--mood" else ("--mood", "0.5", "0.5")
        capsys.readouterr()
        assert run(folder, out, "-q", *options, *extra) == 1
        assert "with other settings" in capsys.readouterr().out
    assert states(out) == before
    # With leave they are replaced, once.
    again = ("-q", "--stems", "--mood", "0.5", "0.5", "--overwrite")
    assert run(folder, out, *again) == 0
    after = states(out)
    assert not set(after.values()) & set(before.values())
    assert list((out / "a film.mp4" / "stems").iterdir())
    assert run(folder, out, *again) == 0
    assert states(out) == after
    assert {path.name for path in out.iterdir()} == {"a film.mp4", "table.csv"}


@pytest.mark.parametrize(
    "end", [KeyboardInterrupt(), ZeroDivisionError("oh\n dear"), OSError(28, "x")]
)
def test_a_half_written_film_does_not_count(
    end: BaseException,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "broken.mov").unlink()
    out = tmp_path / "out"
    write = batch.row_of

    def row(result: Any, seconds: float) -> Row:
        if result.analysis.film.path.suffix == ".MKV":
            raise end
        return write(result, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(batch, "row_of", row)
        assert run(folder, out, "-q") == (130 if isinstance(end, KeyboardInterrupt) else 1)
    told = capsys.readouterr()
    if isinstance(end, KeyboardInterrupt):
        assert told.err == "emsync: interrupted.\n"
        assert {path.name for path in out.iterdir()} == {"a film.mp4"}
    else:
        assert {path.name for path in out.iterdir()} == {"a film.mp4", "table.csv"}
        expected = {
            "ZeroDivisionError": "wrong on our side: ZeroDivisionError: oh? dear.",
            "OSError": "cannot be written: x.",
        }
        assert expected[type(end).__name__] in rows(out)[1]["problem"]
        return
    before = states(out)
    assert run(folder, out, "-q") == 0
    assert {path: states(out)[path] for path in before} == before
    assert {path.name for path in (out / "cuts.MKV").iterdir()} == RESULTS


def test_the_old_comes_back_if_the_new_cannot_take_its_place(tmp_path: Path) -> None:
    place, old = tmp_path / "place", tmp_path / "old"
    place.mkdir()
    (place / "precious").touch()
    with pytest.raises(FileNotFoundError):
        batch._put(tmp_path / "gone", place, old)
    assert [path.name for path in place.iterdir()] == ["precious"]


def test_what_no_batch_made_is_left_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "cuts.MKV").unlink()
    (folder / "broken.mov").unlink()
    out = tmp_path / "out"
    (out / "a film.mp4").mkdir(parents=True)
    (out / "a film.mp4" / "batch.json").write_text("{}")
    assert run(folder, out, "-q", "--overwrite") == 1
    assert "is in the way" in capsys.readouterr().out
    assert [path.name for path in (out / "a film.mp4").iterdir()] == ["batch.json"]


def test_a_batch_that_cannot_begin_says_why(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    file = tmp_path / "file"
    file.touch()
    for films, out, words in (
        (tmp_path / "gone", tmp_path / "out", "There is no folder"),
        (empty, tmp_path / "out", "no film"),
        (folder, folder, "among the films"),
        (folder, file, "cannot be used: File exists."),
        (folder, tmp_path / "no" / "out", "cannot be used: No such file"),
    ):
        assert run(films, out) == 1
        told = capsys.readouterr()
        assert told.out == "" and told.err.startswith("emsync: ") and words in told.err
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit) as end:
        main(["batch", str(folder)])
    assert end.value.code == 2


def test_the_table_shows_names_as_they_can_be_shown() -> None:
    row = Row("a\nb\033[2J\udcff.mp4", 1.0, 0.5, -0.5, 3, 2, None, 9.25)
    heading, line = table([row]).splitlines()
    assert line.split() == ["a?b?[2J?.mp4", "1.00", "+0.50", "-0.50", "3", "2", "-", "9.2"]
    assert len(heading) == len(line)


def test_a_table_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmsyncError, match="cannot be written"):
        write_table([], tmp_path / "no" / "table.csv")
    path = tmp_path / "table.csv"
    write_table([Row("b\udcff.mp4", problem="x, “y”")], path)
    assert path.read_bytes().splitlines()[1].startswith(b"b\xff.mp4,")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
