"""How many boundaries the music hits, beside what chance would hit (thesis 4.2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from emsync.evaluation.composing import compose_briefs
from emsync.music.notes import TICK_SECONDS
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.decoding import DecodedPiece
from emsync.music.transformer.rows import Brief
from emsync.music.transformer.scoring import score_of
from emsync.music.transformer.tokens import decode
from emsync.progress import silent_share
from emsync.settings import MusicSettings

MINIMUM_GAP = 4.0
MINUTE = 60.0
WINDOWS = (1.0, 0.25)
"""Seconds."""


@dataclass(frozen=True)
class Hits:
    """Of all boundaries. A share is in [0, 1], an offset in seconds."""

    within_1s: float
    """A CHORD token comes less than a second from the boundary, before or after."""
    within_quarter: float
    median_offset: float | None
    """Of the boundaries hit within 1 s; None if there are none."""
    sounding_within_1s: float | None
    """By notes instead of tokens: three or more of guitar or piano that begin together and last
    two beats, whether or not a CHORD token announced them. None where there are no notes."""
    sounding_within_quarter: float | None
    chords_a_minute: float
    """CHORD tokens."""


@dataclass(frozen=True)
class Adherence:
    """Boundary adherence over made-up films of one minute with 5 to 14 kept cuts each."""

    films: int
    boundaries: int
    late_tolerance: float | None
    told: Hits
    """As the settings have it; one draw a film, no candidates."""
    as_printed: Hits
    """Told, but by Algorithm 1 as the thesis prints it: no late tolerance."""
    untold: Hits
    """The same seeds, told of no boundaries."""
    random: Hits
    """As many CHORD tokens as the told pieces have, placed uniformly at random."""


def cut_lists(films: int, seed: int) -> list[tuple[float, ...]]:
    """Draw cuts at least 4 s apart, 5 to 14 a minute (more do not fit), the same for the same
    seed."""
    generator = np.random.default_rng(seed)
    lists = []
    for film in range(films):
        count = 5 + film % 10
        slack = MINUTE - 1.0 - MINIMUM_GAP * count
        places = np.sort(generator.uniform(0, slack, count))
        cuts = 1.0 + places + MINIMUM_GAP * np.arange(count)
        lists.append(tuple(round(float(cut), 3) for cut in cuts))
    return lists


def adherence(
    checkpoint: Checkpoint,
    settings: MusicSettings,
    films: int,
    seed: int,
    advance: Callable[[float], None] = silent_share,
) -> Adherence:
    """Compose for `films` lists of cuts, one candidate each, moods spread over the plane."""
    lists = cut_lists(films, seed)
    moods = np.random.default_rng([seed, 1]).uniform(-0.8, 0.8, (films, 2)).tolist()
    briefs = [
        Brief(valence, arousal, cuts, MINUTE, seed + i)
        for i, ((valence, arousal), cuts) in enumerate(zip(moods, lists, strict=True))
    ]
    ways = (
        (briefs, settings),
        (briefs, replace(settings, late_tolerance=None)),
        ([replace(brief, boundaries=()) for brief in briefs], settings),
    )

    def share_of(way: int) -> Callable[[float], None]:
        return lambda share: advance((way + share) / len(ways))

    told, as_printed, untold = (
        compose_briefs(checkpoint, asked, chosen, share_of(way))
        for way, (asked, chosen) in enumerate(ways)
    )
    return Adherence(
        films=films,
        boundaries=sum(map(len, lists)),
        late_tolerance=settings.late_tolerance,
        told=_hits(lists, told),
        as_printed=_hits(lists, as_printed),
        untold=_hits(lists, untold),
        random=_random_hits(lists, [len(_chords(piece)) for piece in told], seed),
    )


def _hits(lists: Sequence[Sequence[float]], pieces: Sequence[DecodedPiece]) -> Hits:
    chords = [_chords(piece) for piece in pieces]
    boundaries = sum(map(len, lists))
    sounding = [
        sum(
            score_of(decode(piece.tokens), cuts, window).strong_chords
            for cuts, piece in zip(lists, pieces, strict=True)
        )
        / boundaries
        for window in WINDOWS
    ]
    return _hits_of(lists, chords, sounding[0], sounding[1])


def _random_hits(lists: Sequence[Sequence[float]], counts: Sequence[int], seed: int) -> Hits:
    draws = np.random.default_rng([seed, 2])
    often = [cuts for cuts in lists for _ in range(100)]
    chords = [draws.uniform(0, MINUTE, count).tolist() for count in counts for _ in range(100)]
    return _hits_of(often, chords, None, None)


def _hits_of(
    lists: Sequence[Sequence[float]],
    chords: Sequence[Sequence[float]],
    sounding: float | None,
    sounding_quarter: float | None,
) -> Hits:
    offsets = np.concatenate(
        [_offsets(cuts, times) for cuts, times in zip(lists, chords, strict=True)]
    )
    hits = offsets[offsets < WINDOWS[0]].tolist()
    return Hits(
        within_1s=float((offsets < WINDOWS[0]).mean()),
        within_quarter=float((offsets < WINDOWS[1]).mean()),
        median_offset=median(hits) if hits else None,
        sounding_within_1s=sounding,
        sounding_within_quarter=sounding_quarter,
        chords_a_minute=float(np.mean([len(times) for times in chords])) * 60 / MINUTE,
    )


def _chords(piece: DecodedPiece) -> list[float]:
    return [tick * TICK_SECONDS for tick in decode(piece.tokens).chords]


def _offsets(cuts: Sequence[float], chords: Sequence[float]) -> list[float]:
    """Distance from each cut to the nearest chord; infinite where there is no chord."""
    return [min((abs(cut - chord) for chord in chords), default=np.inf) for cut in cuts]
