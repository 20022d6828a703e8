"""Pretrained weights of others: what there is, where it comes from, what is on this machine.

(Skeleton: replaced by the full module.)
"""

import os
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
