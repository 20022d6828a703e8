"""Pretrained weights of others: what there is, where it comes from, what is on this machine.

(Skeleton: replaced by the full module.)
"""

import os
import shutil
from pathlib import Path

from emsync.errors import WeightsNotInstalled


def folder() -> Path:
    """The one folder in which all installed weights lie; `EMSYNC_WEIGHTS` moves it."""
    return Path(os.environ.get("EMSYNC_WEIGHTS") or Path.home() / ".cache" / "emsync" / "weights")


def find(name: str) -> Path:
    """The folder with the files of installed weights.

    Raises:
        WeightsNotInstalled: they are not here, or not whole.
    """
    path = folder() / name
    if not path.is_dir():
        raise WeightsNotInstalled(
            f"The weights {name} are not installed. Run: python -m emsync weights pull {name}"
        )
    return path


def add(name: str, source: Path, *, other: bool = False) -> Path:
    """Install weights that somebody fetched by hand: a file or a folder of files.

    Args:
        name: as in the registry.
        source: the one file, or a folder laid out as the published one is.
        other: they are not the published ones but some of the same kind (fine-tuned, converted,
            made by a test), so they are not compared with them.
    """
    target = folder() / name
    target.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target / source.name)
    return target
