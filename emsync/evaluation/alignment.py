"""How many boundaries the music hits, beside what chance would hit (thesis 4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from emsync.music import vocabulary as v
from emsync.music.checkpoint import Checkpoint
from emsync.music.decoding import DecodedPiece, Plan, generate
from emsync.music.tokens import decode
from emsync.progress import CancelToken, silent_share
from emsync.settings import MusicSettings

MINIMUM_GAP = 4.0
MINUTE = 60.0
ROWS = 8
"""Pieces decoded side by side."""


@dataclass(frozen=True)
class Adherence:
    """Boundary adherence over made-up films of one minute with 5 to 14 kept cuts each.

    Shares are of all boundaries; offsets in seconds.
    """

    films: int
    boundaries: int
    within_1s: float
    within_quarter: float
    median_offset: float | None
    """Of the boundaries hit within 1 s; None if there are none."""
    chords_a_minute: float
    untold_within_1s: float
    """The same seeds, told of no boundaries: strong chords by their tokens."""
    random_within_1s: float
    """As many chords as the told pieces have, placed uniformly at random."""


def cut_lists(films: int, seed: int) -> list[tuple[float, ...]]:
    """Cuts at least 4 s apart, 5 to 14 a minute (more do not fit), the same for the same seed."""
    generator = np.random.default_rng(seed)
    lists = []
    for film in range(films):
        count = 5 + film % 10
        slack = MINUTE - 1.0 - MINIMUM_GAP * count
        places = np.sort(generator.uniform(0, slack, count))
        cuts = 1.0 + places + MINIMUM_GAP * np.arange(count)
        lists.append(tuple(round(float(cut), 3) for cut in cuts))
    return lists


def adherence(checkpoint: Checkpoint, settings: MusicSettings, films: int, seed: int) -> Adherence:
    """Compose for `films` lists of cuts, one candidate each, moods spread over the plane."""
    lists = cut_lists(films, seed)
    moods = np.random.default_rng([seed, 1]).uniform(-0.8, 0.8, (films, 2)).tolist()
    told = [
        Plan(valence, arousal, cuts, MINUTE, seed + i)
        for i, ((valence, arousal), cuts) in enumerate(zip(moods, lists, strict=True))
    ]
    untold = [Plan(p.valence, p.arousal, (), p.seconds, p.seed) for p in told]
    told_pieces, untold_pieces = (
        _generate(checkpoint, plans, settings) for plans in (told, untold)
    )
    offsets, untold_offsets, random_offsets = [], [], []
    draws = np.random.default_rng([seed, 2])
    chords_in_all = 0
    for cuts, piece, other in zip(lists, told_pieces, untold_pieces, strict=True):
        chords = _chords(piece)
        chords_in_all += len(chords)
        offsets += _offsets(cuts, chords)
        untold_offsets += _offsets(cuts, _chords(other))
        for _ in range(100):
            random_offsets += _offsets(cuts, draws.uniform(0, MINUTE, len(chords)).tolist())
    hits = [offset for offset in offsets if offset < 1.0]
    return Adherence(
        films=films,
        boundaries=len(offsets),
        within_1s=_share(offsets, 1.0),
        within_quarter=_share(offsets, 0.25),
        median_offset=median(hits) if hits else None,
        chords_a_minute=chords_in_all / films,
        untold_within_1s=_share(untold_offsets, 1.0),
        random_within_1s=_share(random_offsets, 1.0),
    )


def _generate(
    checkpoint: Checkpoint, plans: Sequence[Plan], settings: MusicSettings
) -> list[DecodedPiece]:
    pieces: list[DecodedPiece] = []
    for first in range(0, len(plans), ROWS):
        some = plans[first : first + ROWS]
        pieces += generate(checkpoint.model, some, settings, CancelToken(), silent_share)
    return pieces


def _chords(piece: DecodedPiece) -> list[float]:
    return [tick * v.TICK_SECONDS for tick in decode(piece.tokens).chords]


def _offsets(cuts: Sequence[float], chords: Sequence[float]) -> list[float]:
    """Distance from each cut to the nearest chord; infinite where there is no chord."""
    return [min((abs(cut - chord) for chord in chords), default=np.inf) for cut in cuts]


def _share(offsets: Sequence[float], within: float) -> float:
    return float(np.mean(np.array(offsets) < within))
