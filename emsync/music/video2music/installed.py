"""Which weights of Video2Music are on this machine."""

import logging
from pathlib import Path
from typing import Final

from emsync.errors import WeightsError, WeightsNotInstalled
from emsync.music.video2music.checkpoint import Checkpoint, load, save
from emsync.weights import store
from emsync.weights.folder import is_there

log = logging.getLogger(__name__)

WEIGHTS: Final = "video2music"
"""In the registry: the published weights."""
SHIPPED: Final = Path(__file__).resolve().parents[3] / "weights" / "video2music-small"
"""Our own small ones, where the repository has them."""
_CONVERTED: Final = "converted"


def find(weights: Path | None) -> Checkpoint:
    """Load the weights in a folder; None for the published ones, or those that come with EMSYNC.

    Raises:
        WeightsNotInstalled: there are none; with a sentence that says how to get them.
        WeightsError: they are damaged.
    """
    if weights is not None:
        return load(weights)
    try:
        return _published()
    except WeightsNotInstalled:
        if is_there(SHIPPED):
            return load(SHIPPED)
        raise


def folder_of(name: str) -> Path | None:
    """Return the folder of the weights that a report calls `name`; None if they are not here."""
    here = {WEIGHTS: store.folder() / WEIGHTS / _CONVERTED, SHIPPED.name: SHIPPED}
    folder = here.get(name)
    return folder if folder is not None and is_there(folder) else None


def _published() -> Checkpoint:
    """Load the published weights, from what they were converted to when they were used first.

    That lies in their folder, which the store replaces whole when other files are installed.

    Raises:
        WeightsNotInstalled: they are not here, or not whole.
        WeightsError: a file is not the one that was installed, or holds something else.
    """
    store.installed(WEIGHTS)
    folder = store.folder() / WEIGHTS / _CONVERTED
    if is_there(folder):
        try:
            return load(folder)
        except WeightsError as problem:
            log.warning("what the weights were converted to is made anew: %s", problem)
    return _convert(store.find(WEIGHTS), folder)


def _convert(source: Path, folder: Path) -> Checkpoint:
    """Read the published files, keep them converted in `folder` and load them from there.

    Raises:
        WeightsError: a file holds something else.
        ToolError: the disk is full, or the folder cannot be written.
    """
    from emsync.music.video2music.published import (
        CHORDS_FILE,
        DYNAMICS_FILE,
        read_chords,
        read_dynamics,
    )

    chords, dynamics = read_chords(source / CHORDS_FILE), read_dynamics(source / DYNAMICS_FILE)
    save(chords, dynamics, folder, {"name": WEIGHTS, "source": "published Video2Music"})
    return load(folder)
