"""How passages that were composed anew join their neighbours, beside unbroken music.

`python -m emsync.evaluation.seams` composes pieces of a minute, has passages of them composed anew,
and prints for both seams of each what changes at the bar line, beside what changed at the same bar
lines before and what changes at all others: medians, and quartiles in brackets.
"""

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from emsync.evaluation.musicianship.requests import requests_for
from emsync.music.composition import Composition
from emsync.music.judging.seams import Seam, roughness, seam_at
from emsync.music.notes import GROUPS, TICK_SECONDS
from emsync.music.passage import Passage
from emsync.music.transformer.checkpoint import Checkpoint, load
from emsync.music.transformer.compose import compose_all
from emsync.music.transformer.passage import notes_in_steps, recompose
from emsync.progress import CancelToken, silent_share
from emsync.settings import MusicSettings

SECONDS = 60.0
LENGTHS = (2, 4, 8)
"""Bars of the passages, by turns."""


@dataclass(frozen=True)
class Joined:
    """What was measured of all seams, one row each."""

    anew: list[Seam]
    before: list[Seam]
    """At the same bar lines, in the piece that was there before."""
    elsewhere: list[Seam]
    """At the other bar lines of the pieces."""
    same: list[float]
    """Share of a passage's notes that were there before as well, of each passage."""
    seconds: list[float]
    """That each passage took."""
    seconds_of_eight_bars: list[float]
    faulty: int
    """Pieces that have a fault which they had not before."""


def joined(
    checkpoint: Checkpoint,
    pieces: int,
    passages: int,
    groups: Sequence[str],
    seed: int,
    tell: Callable[[str], None],
) -> Joined:
    """Compose pieces, have passages of each composed anew, and measure their seams.

    Args:
        checkpoint: the generator.
        pieces: how many.
        passages: of each piece, each of the piece as it was first.
        groups: names of those that play anew.
        seed: of films, pieces and passages.
        tell: told what was done.
    """
    found = Joined([], [], [], [], [], [], 0)
    settings = replace(MusicSettings(), openings=1)
    for request in requests_for(pieces, SECONDS, seed):
        (piece, *_) = compose_all(
            checkpoint, request.curve, request.cuts, request.seconds, settings, request.seed,
            CancelToken(), silent_share,
        )  # fmt: skip
        draws = np.random.default_rng([seed, 40, request.number])
        last = len(piece.bars)
        seams = set()
        for number in range(passages):
            bars = min(LENGTHS[number % len(LENGTHS)], last - 2)
            first = int(draws.integers(2, last - bars + 1))
            passage = Passage(first, first + bars - 1, tuple(groups), seed + number)
            if not _plays(piece, passage):
                continue
            seams |= {first - 1, first + bars - 1}
            _measure(checkpoint, piece, passage, settings, found)
        found.elsewhere.extend(
            seam for line, seam in _seams(piece, range(1, last)) if line not in seams
        )
        tell(f"{request.number + 1} of {pieces} pieces")
    return found


def _plays(piece: Composition, passage: Passage) -> bool:
    """Return whether anybody who is to play anew plays throughout the passage."""
    assert piece.plan is not None
    bar = piece.plan.metre.bar
    return any(
        all(
            group in piece.plan.section_at(line * bar).groups
            for line in range(passage.first - 1, passage.last)
        )
        for group in passage.groups
    )


def _measure(
    checkpoint: Checkpoint,
    piece: Composition,
    passage: Passage,
    settings: MusicSettings,
    found: Joined,
) -> None:
    """Compose a passage anew, and add what it comes to."""
    began = time.monotonic()
    made = recompose(checkpoint, piece, passage, settings, CancelToken(), silent_share)
    found.seconds.append(time.monotonic() - began)
    if passage.last - passage.first == 7:
        found.seconds_of_eight_bars.append(found.seconds[-1])
    lines = (passage.first - 1, passage.last)
    found.before.extend(seam for _, seam in _seams(piece, lines))
    found.anew.extend(seam for _, seam in _seams(made, lines))
    inside = [_inside(one, passage) for one in (piece, made)]
    found.same.append(len(inside[0] & inside[1]) / max(len(inside[1]), 1))


def _seams(piece: Composition, lines: Sequence[int]) -> list[tuple[int, Seam]]:
    """Return what changes at bar lines, numbered from 0, of a piece."""
    assert piece.plan is not None
    notes, lead = notes_in_steps(piece)
    bar = piece.plan.metre.bar
    return [(line, seam_at(notes, lead, piece.plan, line * bar)) for line in lines]


def _inside(piece: Composition, passage: Passage) -> set[tuple[str, int, float]]:
    ends = (*piece.bars, piece.seconds)
    return {
        (note.group, note.pitch, note.start)
        for note in piece.notes
        if note.group in passage.groups
        and ends[passage.first - 1] - TICK_SECONDS <= note.start < ends[passage.last] - TICK_SECONDS
    }


def table(found: Joined) -> str:
    """Return what was measured as a Markdown table."""
    sets = (found.anew, found.before, found.elsewhere)
    rows = ["| at a bar line | composed anew | the same, before | elsewhere |", "|---|---|---|---|"]
    for field in fields(Seam):
        columns = [[getattr(seam, field.name) for seam in some] for some in sets]
        rows.append(f"| {field.name} | " + " | ".join(map(_spread, columns)) + " |")
    rough = [[roughness(seam) for seam in some] for some in sets]
    rows.append("| all of it | " + " | ".join(map(_spread, rough)) + " |")
    return "\n".join(rows)


def _spread(values: Sequence[float]) -> str:
    low, middle, high = np.nanpercentile(np.array(values), (25, 50, 75))
    return f"{middle:.2f} [{low:.2f}, {high:.2f}], mean {np.nanmean(values):.2f}"


def main() -> None:
    """Run from the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pieces", type=int, default=12)
    options.add_argument("--passages", type=int, default=3, help="of each piece")
    options.add_argument("--groups", default=",".join(GROUPS), help="who plays anew")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--weights", type=Path, help="folder of another generator")
    asked = options.parse_args()
    groups = tuple(group for group in GROUPS if group in asked.groups.split(","))
    found = joined(
        load(asked.weights), asked.pieces, asked.passages, groups, asked.seed,
        lambda words: print(words, flush=True),
    )  # fmt: skip
    print(table(found))
    print(
        f"{len(found.seconds)} passages; {np.median(found.seconds):.1f} s in the median, of eight "
        f"bars {np.median(found.seconds_of_eight_bars or [np.nan]):.1f} s, on {platform.machine()};"
        f" notes that were there before: {_spread(found.same)}"
    )


if __name__ == "__main__":
    main()
