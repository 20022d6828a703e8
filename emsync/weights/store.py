"""Pretrained weights of others: install them, find them, tell what is on this machine.

Weights are installed by `pull` or, from files that somebody has, by `add`; nothing else in the
program downloads anything. They are put together in a hidden folder and appear under their name
with a manifest, which says where each file came from and what it was compared with.

What `REGISTRY` knows of a file is checked. Where it knows no SHA-256, the one that the source tells
with the download is compared; where that tells none either, what came is pinned in the manifest.
"""

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from emsync.errors import ToolError, WeightsError, WeightsNotInstalled
from emsync.limits import is_offline
from emsync.process.files import digest, locked, written_whole
from emsync.progress import CancelToken
from emsync.text import listed
from emsync.weights.download import DownloadError, check_free_space, download
from emsync.weights.registry import PACKAGES, PROFILES, REGISTRY, File, Weights

MANIFEST = "emsync-manifest.json"
_FORMAT = 1

Origin = Literal["pulled", "added", "other"]
"""Downloaded by us; fetched by hand; not the published weights but some of the same kind."""


@dataclass(frozen=True)
class Installed:
    """One line of a manifest: a file as it was installed.

    Attributes:
        path: in the folder of the weights.
        bytes: its size.
        sha256: in hexadecimal digits.
        source: its address, or "by hand".
        check: "pinned": compared with `REGISTRY` or an earlier manifest; "published": with what the
            source told; "first download" or "by hand": with nothing, it is pinned from now on.
    """

    path: str
    bytes: int
    sha256: str
    source: str
    check: str


@dataclass(frozen=True)
class Status:
    """What is on this machine of some weights.

    Attributes:
        name: in `REGISTRY`.
        installed: whether `find` finds them.
        problem: why not, as the end of the sentence "The weights NAME ..."; None if installed.
        origin: how they came here; None if not installed.
        bytes: that they take here.
        to_download: bytes that `pull` has to fetch; roughly, see `Weights.about`.
        licence: as the source states it.
    """

    name: str
    installed: bool
    problem: str | None
    origin: Origin | None
    bytes: int
    to_download: int
    licence: str


@dataclass(frozen=True)
class Pulling:
    """How far `pull` is.

    Attributes:
        name: of the weights.
        step: the file that is being fetched, or what is waited for.
        received: bytes of all files that are here.
        total: bytes of all files; at least `received`.
    """

    name: str
    step: str
    received: int
    total: int


Tell = Callable[[Pulling], None]


def folder() -> Path:
    """Return the folder in which all installed weights lie; `EMSYNC_WEIGHTS` moves it."""
    moved = os.environ.get("EMSYNC_WEIGHTS")
    if moved:
        return Path(moved)
    home = Path.home()
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        cache = home / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return cache / "emsync" / "weights"


def names_of(*wanted: str) -> tuple[str, ...]:
    """Return the weights behind names and profiles, each once.

    Raises:
        WeightsError: there is nothing of that name.
    """
    found: dict[str, None] = {}
    for word in wanted:
        if word == "all":
            found |= dict.fromkeys(REGISTRY)
        elif word in PROFILES:
            found |= {one.name: None for one in REGISTRY.values() if word in one.profiles}
        else:
            found[_known(word).name] = None
    return tuple(found)


def find(name: str) -> Path:
    """Return the folder with the files of installed weights, to load them.

    Every file is compared with its SHA-256 in the manifest, which takes about a second a gigabyte:
    another file of the same size is one that nobody chose.

    Raises:
        WeightsNotInstalled: they are not here, or not whole.
        WeightsError: a file is not the one that was installed; there are no weights of that name.
    """
    path = folder() / name
    for file in installed(name):
        sha256 = digest(path / file.path)
        if sha256 != file.sha256:
            raise WeightsError(
                f"The weights {name} are not used: {path / file.path} is not the file that was "
                f"installed; its SHA-256 is {sha256} instead of {file.sha256}. Delete them (python "
                f"-m emsync weights remove {name}) and install them again (python -m emsync "
                f"weights pull {name}), or, if other weights of this kind are meant, install "
                f"those: python -m emsync weights add {name} FOLDER --other"
            )
    return path


def status_of(name: str) -> Status:
    """Return what is here of some weights.

    Raises:
        WeightsError: there are no weights of that name.
    """
    weights, path = _known(name), folder() / name
    problem = _problem(weights, path)
    here = _manifest(path)
    begun = sum(
        file.stat().st_size
        for file in _files(_staging(name))
        if file.name != MANIFEST and not file.name.endswith(".partial.json")
    )
    return Status(
        name,
        problem is None,
        problem,
        here[0] if here and problem is None else None,
        sum(file.bytes for file in here[1]) if here and problem is None else begun,
        max(0, weights.bytes - begun) if problem else 0,
        weights.licence,
    )


def unreadable(name: str) -> str:
    """Return why this Python cannot read weights, whether installed or not; empty if it can."""
    package = _known(name).package
    if not package or importlib.util.find_spec(package):
        return ""
    return f"{PACKAGES[package]} is not installed, and nothing else reads them"


def installed(name: str) -> tuple[Installed, ...]:
    """Return the manifest of installed weights.

    Raises:
        WeightsNotInstalled: they are not here, or not whole.
    """
    weights, path = _known(name), folder() / name
    problem = _problem(weights, path)
    if problem:
        raise WeightsNotInstalled(
            f"The weights {name} {problem}. Run: python -m emsync weights pull {name}"
        )
    here = _manifest(path)
    return here[1] if here else ()


def pull(
    name: str,
    tell: Tell = lambda pulling: None,
    cancel: CancelToken | None = None,
    offline: bool | None = None,
) -> Path:
    """Download weights, unless they are here already; return their folder.

    A download that was interrupted goes on where it stopped. Another process that installs the
    same weights is waited for.

    Args:
        name: in `REGISTRY`.
        tell: called after every piece, from this thread.
        cancel: looked at between pieces.
        offline: forbid downloads; None asks the environment.

    Raises:
        WeightsError: they cannot be had, or cannot be written; the text says what to do.
        Cancelled: by `cancel`.
    """
    weights, cancel = _known(name), cancel or CancelToken()
    path, staging = folder() / name, _staging(name)
    if _problem(weights, path) is None:
        return path
    if is_offline() if offline is None else offline:
        raise WeightsError(
            f"The weights {name} are not installed, and EMSYNC works offline. Unset "
            f"EMSYNC_OFFLINE, or install files that you have: python -m emsync weights add {name} "
            "FOLDER"
        )
    with _installing(name, tell, cancel):
        if _problem(weights, path) is None:  # another process was faster
            return path
        _check_owner(path)
        _fetch(weights, tell, cancel)
        _publish(staging, path)
    return path


def _fetch(weights: Weights, tell: Tell, cancel: CancelToken) -> None:
    """Download what is missing of weights into their staging folder, and write the manifest.

    Args:
        weights: what to fetch.
        tell, cancel: as for `pull`.

    Raises:
        WeightsError: a file cannot be had, or there is no room for it.
        OSError, ToolError: a file cannot be written.
        Cancelled: by `cancel`.
    """
    name, staging = weights.name, _staging(weights.name)
    staging.mkdir(parents=True, exist_ok=True)
    done, wanted = _begun(weights)
    received = sum(file.bytes for file in done.values())
    partial = sum(_size(staging / f"{file.path}.partial") or 0 for file, _ in wanted)
    check_free_space(staging, weights.bytes - received - partial)
    for file, pin in wanted:
        target = staging / file.path
        target.parent.mkdir(parents=True, exist_ok=True)

        def advance(come: int, path: str = file.path, before: int = received) -> None:
            here = before + come
            tell(Pulling(name, path, here, max(here, weights.bytes)))

        try:
            came = download(
                file.urls, target, bytes=file.bytes, sha256=pin, tell=advance, cancel=cancel
            )
        except DownloadError as problem:
            raise WeightsError(_advice(weights, file, pin, problem)) from problem
        received += came.bytes
        done[file.path] = Installed(file.path, came.bytes, came.sha256, came.url, came.check)
        # After each file, so that an interrupted download goes on after the last whole one.
        _write(staging, name, "pulled", done.values())


def _begun(weights: Weights) -> tuple[dict[str, Installed], list[tuple[File, str | None]]]:
    """Return the files that an earlier download has fetched whole, and those that are missing.

    Returns:
        Whole files by their paths; missing ones with the SHA-256 that they must have, if known.
    """
    staging = _staging(weights.name)
    # Damaged or outdated: what was pinned then still holds where the registry is silent.
    before, begun = _manifest(folder() / weights.name), _manifest(staging)
    pins = {file.path: file.sha256 for file in (before[1] if before else ())}
    done = {
        file.path: file
        for file in (begun[1] if begun else ())
        if _size(staging / file.path) == file.bytes
    }
    wanted = []
    for file in weights.files:
        pin = file.sha256 or pins.get(file.path)
        if file.path in done and pin not in (None, done[file.path].sha256):
            del done[file.path]
        if file.path not in done:
            wanted.append((file, pin))
    return done, wanted


def add(name: str, source: Path, *, other: bool = False) -> Path:
    """Install weights from files that somebody fetched or converted; return their folder.

    Args:
        name: in `REGISTRY`.
        source: the one file, or a folder with the files of the published weights.
        other: they are not the published weights but some of the same kind (fine-tuned, converted,
            made by a test): everything in `source` is taken, and compared with nothing.

    Raises:
        WeightsError: a file is missing or not the published one, or cannot be written.
    """
    weights, path, staging = _known(name), folder() / name, folder() / f".{name}.adding"
    chosen = _chosen(weights, source, other)
    with _installing(name, lambda pulling: None, CancelToken()):
        if source.resolve() != path.resolve():
            _check_owner(path)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            check_free_space(staging, sum(file.stat().st_size for _, file in chosen))
            done = []
            for file, origin in chosen:
                target = staging / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(origin, target)
                length, sha256 = target.stat().st_size, digest(target)
                if file.bytes not in (None, length) or file.sha256 not in (None, sha256):
                    raise WeightsError(
                        f"{origin} is not the file {file.path} of the weights {name}: it has "
                        f"{length} bytes and SHA-256 {sha256}, not {file.bytes or 'some'} bytes "
                        f"and {file.sha256 or 'any'}. If other weights of this kind are meant, "
                        "add --other."
                    )
                check = "pinned" if file.sha256 else "by hand"
                done.append(Installed(file.path, length, sha256, "by hand", check))
            _write(staging, name, "other" if other else "added", done)
            _publish(staging, path)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return path


def remove(name: str) -> int:
    """Delete installed weights and what was fetched of them; return how many bytes that frees.

    Raises:
        WeightsError: they cannot be deleted.
    """
    path = folder() / _known(name).name
    if not path.exists() and not _staging(name).exists():
        return 0
    with _installing(name, lambda pulling: None, CancelToken()):
        _check_owner(path)
        freed = sum(file.stat().st_size for one in (path, _staging(name)) for file in _files(one))
        for one in (path, _staging(name)):
            if one.exists():
                shutil.rmtree(one)
    return freed


def _known(name: str) -> Weights:
    """Return an entry of the registry.

    Raises:
        WeightsError: there is none of that name.
    """
    try:
        return REGISTRY[name]
    except KeyError:
        raise WeightsError(
            f"There are no weights called {name}. There are {listed(tuple(REGISTRY))}; "
            f"and the profiles {listed(tuple(PROFILES))}."
        ) from None


def _problem(weights: Weights, path: Path) -> str | None:
    """Return why weights cannot be used, to follow "The weights NAME"; None if they can."""
    if not path.is_dir():
        return "are not installed"
    if not (path / MANIFEST).exists():
        return f"are not installed: {path} was not put there by EMSYNC"
    here = _manifest(path)
    if here is None:
        return "are damaged: their manifest cannot be read"
    origin, files = here
    for file in files:
        size = _size(path / file.path)
        if size is None:
            return f"are damaged: {file.path} is missing"
        if size != file.bytes:
            return f"are damaged: {file.path} has {size} bytes instead of {file.bytes}"
    if origin != "other":
        hashes = {file.path: file.sha256 for file in files}
        for wanted in weights.files:
            if wanted.path not in hashes or wanted.sha256 not in (None, hashes[wanted.path]):
                return "are not those that this version needs"
    return None


def _manifest(path: Path) -> tuple[Origin, tuple[Installed, ...]] | None:
    """Return what a folder holds by its manifest; None where there is none that can be read."""
    try:
        read = json.loads((path / MANIFEST).read_text())
        if read["format"] != _FORMAT:
            return None
        return read["origin"], tuple(Installed(**file) for file in read["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, name: str, origin: Origin, files: Iterable[Installed]) -> None:
    """Write the manifest, whole or not at all."""
    weights = REGISTRY[name]
    content = {
        "format": _FORMAT,
        "name": name,
        "title": weights.title,
        "page": weights.page,
        "licence": weights.licence,
        "origin": origin,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": [asdict(file) for file in files],
    }
    with written_whole(path / MANIFEST) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n")


def _publish(staging: Path, path: Path) -> None:
    """Give a complete folder its name; nothing but what its manifest lists stays in it."""
    here = _manifest(staging)
    assert here is not None, "the manifest is written before"
    listed = {MANIFEST, *(file.path for file in here[1])}
    for file in _files(staging):
        if file.relative_to(staging).as_posix() not in listed:
            file.unlink()
    if path.exists():
        shutil.rmtree(path)
    staging.rename(path)


def _advice(weights: Weights, file: File, pin: str | None, problem: DownloadError) -> str:
    """Return what to tell a person when a file cannot be had."""
    name = weights.name
    sentences = [
        f"The weights {name} cannot be installed: {problem}",
        f"What has come is kept; to go on, run: python -m emsync weights pull {name}",
        f"By hand: fetch {listed([one.path for one in weights.files])} (see {weights.page}) into "
        f"a folder, and run: python -m emsync weights add {name} FOLDER",
    ]
    if pin and not file.sha256:
        sentences.append(
            f"{file.path} was pinned when it came first; if its source has a new version that you "
            f"trust, run before: python -m emsync weights remove {name}"
        )
    return "\n".join(sentences)


def _chosen(weights: Weights, source: Path, other: bool) -> list[tuple[File, Path]]:
    """Return which file of `source` becomes which file of the weights; arguments as for `add`.

    Raises:
        WeightsError: one is missing.
    """
    if not source.exists():
        raise WeightsError(f"{source} does not exist. Give the file or folder to install.")
    if other:
        root = source if source.is_dir() else source.parent
        files = [
            (File(file.relative_to(root).as_posix(), ()), file)
            for file in ([source] if source.is_file() else _files(source))
            if not any(part.startswith(".") for part in file.relative_to(root).parts)
            and file.name != MANIFEST
        ]
        if not files:
            raise WeightsError(f"There are no files in {source}.")
        return files
    if source.is_file() and len(weights.files) == 1:
        return [(weights.files[0], source)]
    root = source if source.is_dir() else source.parent
    pairs = [(file, root / file.path) for file in weights.files]
    missing = [file for file, origin in pairs if not origin.is_file()]
    if missing:
        raise WeightsError(
            f"{root} lacks {listed([file.path for file in missing])} of {weights.name}. Fetch "
            f"{listed([file.urls[0] for file in missing])} into it; if other weights of this kind "
            "are meant, add --other."
        )
    return pairs


def _check_owner(path: Path) -> None:
    """Refuse to delete files that somebody else put there.

    Raises:
        WeightsError: `path` is a folder without a manifest.
    """
    if path.exists() and not (path / MANIFEST).exists():
        raise WeightsError(
            f"{path} holds files that EMSYNC did not put there. Move them away, or install them: "
            f"python -m emsync weights add {path.name} {path}"
        )


@contextmanager
def _installing(name: str, tell: Tell, cancel: CancelToken) -> Iterator[None]:
    """Keep others from installing the same weights, and say in a sentence what the disk refuses.

    Args:
        name: of the weights.
        tell: called while another process or thread installs them.
        cancel: looked at meanwhile.

    Raises:
        WeightsError: in place of what the system says.
        Cancelled: by `cancel`.
    """

    def wait() -> None:
        tell(Pulling(name, "waiting for another process that installs it", 0, 1))
        cancel.check()

    try:
        folder().mkdir(parents=True, exist_ok=True)
        with locked(folder() / f".{name}.lock", wait):
            yield
    except OSError as problem:
        raise WeightsError(
            f"Weights cannot be put into {folder()}: {problem.strerror or problem} "
            f"({problem.filename}). Mend that, or set EMSYNC_WEIGHTS to another folder."
        ) from problem
    except ToolError as problem:
        raise WeightsError(
            f"Weights cannot be put into {folder()}: {problem} Or set EMSYNC_WEIGHTS to another "
            "folder."
        ) from problem


def _staging(name: str) -> Path:
    """Return the hidden folder in which downloaded weights are put together."""
    return folder() / f".{name}.partial"


def _files(path: Path) -> list[Path]:
    """Return all files in a folder and the folders in it."""
    return sorted(file for file in path.rglob("*") if file.is_file())


def _size(path: Path) -> int | None:
    """Return the bytes of a file; None if there is none."""
    return path.stat().st_size if path.is_file() else None
