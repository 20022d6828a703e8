"""Weights that lie in the cache of Hugging Face's Hub already, installed without a download.

A Hugging Face Space fetches the files that its front matter names (`preload_from_hub`) when it is
built; they lie in the cache of `huggingface_hub` then, and `emsync.weights.store` looks in its own
folder only. The cache, after https://huggingface.co/docs/huggingface_hub/guides/manage-cache:

    models--OWNER--NAME/refs/main                 the commit that a branch is at
    models--OWNER--NAME/snapshots/COMMIT/PATH     link to the file's content
    models--OWNER--NAME/blobs/ETAG                content; named by its SHA-256, or small files by
                                                  the SHA-1 of git
"""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from emsync.errors import WeightsError
from emsync.process.files import digest
from emsync.weights import store as weights
from emsync.weights.registry import REGISTRY, File, Weights

_ADDRESS = re.compile(r"https://huggingface\.co/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass(frozen=True)
class HubCopy:
    """Where the Hub has a file.

    Attributes:
        repository: OWNER/NAME.
        revision: commit, or branch.
        path: in the repository.
    """

    repository: str
    revision: str
    path: str


@dataclass(frozen=True)
class Adoption:
    """What became of weights that were found in the cache.

    Attributes:
        name: in `REGISTRY`.
        problem: why they were not installed, as a sentence; None if they were.
    """

    name: str
    problem: str | None


def hub_copies(file: File) -> tuple[HubCopy, ...]:
    """Return where the Hub has a file, in the order of its addresses; nothing if nowhere."""
    found = (_ADDRESS.fullmatch(url) for url in file.urls)
    return tuple(HubCopy(*match.groups()) for match in found if match)


def hub_caches() -> tuple[Path, ...]:
    """Return the folders in which files of the Hub may lie: those of the environment, the usual.

    Spaces preload into the usual one, whatever the environment says.
    """
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    home = os.environ.get("HF_HOME")
    named = (
        os.environ.get("HF_HUB_CACHE"),
        Path(home) / "hub" if home else None,
        usual / "hub",
        Path.home() / ".cache" / "huggingface" / "hub",
    )
    return tuple(dict.fromkeys(Path(folder).expanduser() for folder in named if folder))


def adopt_hub_cache() -> tuple[Adoption, ...]:
    """Install what is whole in a cache of the Hub and not installed; nothing is downloaded.

    Files are copied, and compared with what is known of them, as `emsync.weights.store.pull` does.
    A copy and not a hard link: on a Space the cache lies in a layer of the image, where a link
    copies as well.

    Returns:
        One for each weights of which the cache has every file.
    """
    made = []
    for one in REGISTRY.values():
        if weights.status_of(one.name).installed:
            continue
        found = _in_caches(one)
        if found is None:
            continue
        try:
            _install(one, found)
        except (WeightsError, OSError) as problem:
            made.append(Adoption(one.name, str(problem)))
        else:
            made.append(Adoption(one.name, None))
    return tuple(made)


def _in_caches(one: Weights) -> dict[str, Path] | None:
    """Return where each file of the weights lies; None unless all are there."""
    found = {}
    for file in one.files:
        places = (_cached(copy, cache) for copy in hub_copies(file) for cache in hub_caches())
        place = next(filter(None, places), None)
        if place is None:
            return None
        found[file.path] = place
    return found


def _cached(copy: HubCopy, cache: Path) -> Path | None:
    """Return where a file lies in one cache; None if it does not."""
    folder = cache / f"models--{copy.repository.replace('/', '--')}"
    try:
        commit = (folder / "refs" / copy.revision).read_text().strip()
    except OSError:
        commit = copy.revision
    path = folder / "snapshots" / commit / copy.path
    return path if path.is_file() else None


def _install(one: Weights, found: dict[str, Path]) -> None:
    """Install files of a cache, by a folder in which links have the names of the registry.

    Raises:
        WeightsError: a file is not the one that was promised.
        OSError: a link cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="emsync-adopt-") as name:
        for file in one.files:
            place = found[file.path]
            if not _is_as_promised(place.resolve(), file.sha256):
                raise WeightsError(
                    f"{place} is not the file {file.path} of the weights {one.name}, and is not "
                    "used. To have it fetched anew, build the Space again from scratch (“Factory "
                    f"rebuild” in its settings), or run: python -m emsync weights pull {one.name}"
                )
            link = Path(name) / file.path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(place.resolve())
        weights.add(one.name, Path(name))


def _is_as_promised(content: Path, sha256: str | None) -> bool:
    """Return whether a file has its known SHA-256, or else the hash that the Hub named it by."""
    told = sha256 or content.name
    if re.fullmatch(r"[0-9a-f]{64}", told):
        return digest(content) == told
    if re.fullmatch(r"[0-9a-f]{40}", told):
        data = content.read_bytes()  # the Hub keeps only small files in git
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == told
    return False
