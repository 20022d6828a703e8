"""How good Video2Music's networks are: `python -m emsync.evaluation.video2music MUVI-SYNC`.

MUVI-SYNC is a folder laid out as the published data set. The command prints one table: our figures
of a split, and beside them those of the paper, which are those of its test split. The paper's are
from its table 4, and from its figures for the regression, as a public reproduction quotes them;
they were not compared with the paper itself.
"""

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from emsync.errors import EmsyncError
from emsync.music.video2music.checkpoint import Checkpoint
from emsync.music.video2music.installed import find
from emsync.music.video2music.measuring import (
    ChordQuality,
    DynamicsQuality,
    measure_chords,
    measure_dynamics,
)
from emsync.music.video2music.muvisync import Song, read_split

PAPER: Final = {
    "hits_1": 0.5139,
    "hits_3": 0.7722,
    "hits_5": 0.8672,
    "emotion": 0.4662,
    "density": 4.5030,
    "loudness": 0.0876,
}
"""Of the affective multimodal transformer and the biGRU; what is absent the paper does not say."""


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


def table(chords: ChordQuality, dynamics: DynamicsQuality) -> str:
    """Return the figures beside the paper's, as Markdown."""
    rows = [
        ("Hits@1", chords.hits_1, "hits_1"),
        ("Hits@3", chords.hits_3, "hits_3"),
        ("Hits@5", chords.hits_5, "hits_5"),
        ("emotion loss", chords.emotion, "emotion"),
        ("chord loss, nats", chords.chord, "chord"),
        ("total loss, 0.4 chord + 0.6 emotion", chords.total, "total"),
        ("perplexity", chords.perplexity, "perplexity"),
        ("emotion correspondence", chords.correspondence, "correspondence"),
        ("RMSE of note density, notes a second", dynamics.density, "density"),
        ("RMSE of loudness, full scale 1", dynamics.loudness, "loudness"),
    ]
    lines = [f"| measure, {chords.songs} songs | ours | paper |", "| --- | --- | --- |"]
    lines += [
        f"| {title} | {_figure(value)} | {_figure(PAPER.get(name))} |"
        for title, value, name in rows
    ]
    return "\n".join(lines) + "\n"


def _figure(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def _known(figures: dict[str, float]) -> dict[str, float | None]:
    """Return figures as JSON can hold them: null for what could not be measured."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m emsync.evaluation.video2music",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
