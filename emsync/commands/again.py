"""A part of a report's piece composed anew: `--again 9-16 --again-groups strings`."""

import argparse
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emsync.errors import EmsyncError

if TYPE_CHECKING:
    from emsync.music.passage import Passage
    from emsync.results import Piece


@dataclass(frozen=True)
class Part:
    """Which part is meant: bars, or a scene; both counted from 1."""

    first: int
    last: int
    is_scene: bool = False


def add_again(made: argparse.ArgumentParser) -> None:
    """Add the options that name a part of the piece of `--from-report`."""
    again = made.add_argument_group("compose a part anew, with --from-report")
    again.add_argument(
        "--again",
        type=_part,
        metavar="BARS",
        help="compose these bars of the report's piece anew, such as 9-16, or one scene, such as "
        "scene3; all other notes stay",
    )
    again.add_argument(
        "--again-groups",
        type=_groups,
        default=(),
        metavar="NAMES",
        help="only these groups get other notes there, such as strings,piano (default: all)",
    )
    again.add_argument(
        "--again-seed", type=_seed, default=0, metavar="N", help="(default: %(default)s)"
    )


def passages_asked(options: argparse.Namespace, piece: "Piece") -> "tuple[Passage, ...]":
    """Return the passage of a piece that the options name; nothing if they name none.

    Raises:
        EmsyncError: the piece has no such bars, or the film no such scene.
    """
    from emsync.music.passage import bars_between, passage_of

    part: Part | None = options.again
    if part is None:
        return ()
    bars, first, last = piece.composition.bars, part.first, part.last
    if part.is_scene:
        scenes = piece.analysis.reading.scenes
        if part.first > len(scenes):
            raise EmsyncError(
                f"Scene {part.first} is to be composed anew, but the number of scenes is "
                f"{len(scenes)}. Name one of them."
            )
        scene = scenes[part.first - 1]
        first, last = bars_between(bars, float(scene.start), float(scene.end))
    return (passage_of(bars, first, last, options.again_groups, options.again_seed),)


def _part(text: str) -> Part:
    """Convert "9-16", "9" or "scene3"; an argparse type."""
    found = re.fullmatch(r"(scene *)?([0-9]{1,6})(?:-([0-9]{1,6}))?", text.strip())
    if found is None or (found[1] and found[3]):
        raise argparse.ArgumentTypeError(f"“{text}” is neither bars, such as 9-16, nor a scene")
    first, last = int(found[2]), int(found[3] or found[2])
    if not 1 <= first <= last:
        raise argparse.ArgumentTypeError(f"“{text}”: bars and scenes are counted from 1, upwards")
    return Part(first, last, bool(found[1]))


def _groups(text: str) -> tuple[str, ...]:
    """Convert "strings,piano"; an argparse type."""
    from emsync.settings import Settings

    names = tuple(name.strip() for name in text.split(","))
    known = Settings().music.groups
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"“{unknown[0]}” is none of {', '.join(known)}")
    return names


def _seed(text: str) -> int:
    """Convert a seed; an argparse type."""
    seed = int(text)
    if not 0 <= seed < 2**31:
        raise argparse.ArgumentTypeError("a seed lies between 0 and 2147483647")
    return seed


_seed.__name__ = "number"
