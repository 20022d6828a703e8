"""Everything of a request in one ZIP: whole or not at all, and safe to unpack."""

import errno
import json
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emsync.errors import Cancelled, EmsyncError
from emsync.progress import CancelToken
from emsync.sound.bundle import ABOUT, bundle, safe_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a request leaves: media that are large, and texts that get smaller."""
    made = tmp_path / "request"
    (made / "stems").mkdir(parents=True)
    (made / "scored.mp4").write_bytes(bytes(range(256)) * 12_000)
    (made / "music.mid").write_bytes(b"MThd" + bytes(5000))
    (made / "music.wav").write_bytes(bytes(100_000))
    (made / "stems" / "piano.wav").write_bytes(b"piano" * 1000)
    (made / "report.json").write_text(json.dumps(["the same"] * 1000))
    return made


NAMES = ("scored.mp4", "music.mid", "music.wav", "stems/piano.wav", "report.json")


def entries(folder: Path) -> list[tuple[str, Path]]:
    return [(name, folder / name) for name in NAMES]


def test_the_zip_holds_the_files(folder: Path, tmp_path: Path, cancel: CancelToken) -> None:
    out = tmp_path / "all.zip"
    about = "Composed for “Ein Überfilm”.\n"
    assert bundle(folder, out, entries(folder), cancel, about) == out
    with zipfile.ZipFile(out) as package:
        assert package.testzip() is None
        assert package.namelist() == [ABOUT, *NAMES]
        assert package.read(ABOUT).decode() == about
        for name in NAMES:
            assert package.read(name) == (folder / name).read_bytes()
        kinds = {info.filename: info.compress_type for info in package.infolist()}
        assert {name for name, kind in kinds.items() if kind == zipfile.ZIP_DEFLATED} == {
            ABOUT, "music.mid", "report.json",
        }  # fmt: skip
        assert package.getinfo("report.json").compress_size < 1000
        package.extractall(tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "stems" / "piano.wav").read_bytes() == b"piano" * 1000
    assert not (tmp_path / "unpacked" / "music.wav").stat().st_mode & 0o111


def test_the_same_files_give_the_same_bytes(
    folder: Path, tmp_path: Path, cancel: CancelToken
) -> None:
    once = bundle(folder, tmp_path / "one.zip", entries(folder), cancel, "About.").read_bytes()
    for name in NAMES:
        (folder / name).touch()
    twice = bundle(folder, tmp_path / "two.zip", entries(folder), cancel, "About.").read_bytes()
    assert once == twice
    without = bundle(folder, tmp_path / "one.zip", [("a.wav", Path("music.wav"))], cancel)
    assert zipfile.ZipFile(without).namelist() == ["a.wav"]


def test_names_are_made_safe_and_different(
    folder: Path, tmp_path: Path, cancel: CancelToken
) -> None:
    file = folder / "music.mid"
    names = ["../../etc/passwd", "/a.mid", "A.mid", "C:\\b.mid", "readme.TXT", "..", "con.mid",
             "x/./y\n.mid", "a.mid"]  # fmt: skip
    out = bundle(folder, tmp_path / "a.zip", [(name, file) for name in names], cancel, "About.")
    with zipfile.ZipFile(out) as package:
        assert package.namelist() == [
            ABOUT, "etc/passwd", "a.mid", "A 2.mid", "C__b.mid", "readme 2.TXT", "_",
            "_con.mid", "x/y_.mid", "a 3.mid",
        ]  # fmt: skip


@given(st.text(max_size=300))
def test_any_name_becomes_a_safe_one(name: str) -> None:
    safe = safe_name(name)
    assert safe == safe_name(safe), "what is safe stays as it is"
    path = PurePosixPath(safe)
    assert safe and not path.is_absolute() and ".." not in path.parts
    assert not set(safe) & set('\\:*?"<>|') and safe.isprintable()
    assert all(0 < len(part) <= 101 and part == part.strip(" .") for part in path.parts)


def test_nothing_else_of_the_machine_is_given_away(
    folder: Path, tmp_path: Path, cancel: CancelToken
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    (folder / "link.txt").symlink_to(secret)
    for file in (secret, folder / "link.txt", folder / ".." / "secret.txt", Path("../secret.txt")):
        with pytest.raises(EmsyncError, match="does not belong to this film"):
            bundle(folder, tmp_path / "all.zip", [("a.txt", file)], cancel)
    for file in (folder / "none.wav", folder / "stems"):
        with pytest.raises(EmsyncError, match="There is no file"):
            bundle(folder, tmp_path / "all.zip", [("a.txt", file)], cancel)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["request", "secret.txt"]


def test_cancelled_zip_leaves_the_old_one(folder: Path, tmp_path: Path) -> None:
    class Impatient(CancelToken):
        """Asks to stop at its third look."""

        looks = 0

        def check(self) -> None:
            self.looks += 1
            if self.looks == 3:
                self.cancel()
            super().check()

    out = tmp_path / "all.zip"
    out.write_bytes(b"the old one")
    with pytest.raises(Cancelled):
        bundle(folder, out, entries(folder), Impatient(), "About.")
    assert out.read_bytes() == b"the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.zip", "request"]


def test_full_disk_gets_a_sentence_and_leaves_nothing(
    folder: Path, tmp_path: Path, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile._ZipWriteFile, "write", full)  # type: ignore[attr-defined]
    with pytest.raises(EmsyncError, match="The disk is full"):
        bundle(folder, tmp_path / "all.zip", entries(folder), cancel)
    assert [path.name for path in tmp_path.iterdir()] == ["request"]


def test_folder_that_is_not_there_gets_a_sentence(
    folder: Path, tmp_path: Path, cancel: CancelToken
) -> None:
    with pytest.raises(EmsyncError, match=r"“all\.zip” cannot be written: No such file"):
        bundle(folder, tmp_path / "nowhere" / "all.zip", entries(folder), cancel)
