"""How good Video2Music's networks are: `python -m emsync.evaluation.video2music MUVI-SYNC`.

MUVI-SYNC is a folder laid out as the published data set. The command prints one table: our figures
of a split, and beside them those of the paper, which are those of its test split. See
`emsync.music.video2music.measuring` for where the paper's are from.
"""

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

from emsync.errors import EmsyncError
from emsync.music.video2music.checkpoint import Checkpoint
from emsync.music.video2music.installed import find
from emsync.music.video2music.measuring import (
    PAPER,
    ChordQuality,
    DynamicsQuality,
    measure_chords,
    measure_dynamics,
    table,
)
from emsync.music.video2music.muvisync import Song, read_split
from emsync.process.command import parser_of


def evaluate(checkpoint: Checkpoint, songs: list[Song]) -> tuple[ChordQuality, DynamicsQuality]:
    """Return the quality of both networks on songs.

    Raises:
        EmsyncError: the features of the songs are not those that the networks were trained on.
    """
    found = songs[0].semantic
    if checkpoint.semantic not in (0, found):
        raise EmsyncError(
            f"These weights expect semantic vectors of {checkpoint.semantic} numbers, but those of "
            f"the data set have {found}. Choose other weights or another data set."
        )
    return measure_chords(checkpoint.chords, songs), measure_dynamics(checkpoint.dynamics, songs)


def _known(figures: dict[str, float]) -> dict[str, float | None]:
    """Return figures as JSON can hold them: null for what could not be measured."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return the exit status."""
    parser = parser_of("emsync.evaluation.video2music", __doc__)
    parser.add_argument("data", type=Path, help="folder laid out as MuVi-Sync")
    parser.add_argument("--weights", type=Path, help="folder (default: what is installed)")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("-o", "--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    try:
        checkpoint = find(options.weights)
        chords, dynamics = evaluate(checkpoint, read_split(options.data, options.split))
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    print(table(chords, dynamics), end="")
    if options.out is not None:
        figures = {
            "weights": checkpoint.name,
            "weights_sha256": checkpoint.sha256,
            "split": options.split,
            "chords": _known(asdict(chords) | {"perplexity": chords.perplexity}),
            "dynamics": _known(asdict(dynamics)),
            "paper": PAPER,
        }
        options.out.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
