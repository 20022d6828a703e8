"""A finished piece: its notes, its plan, what it hit, and what it was judged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.music.judging.quality import PieceQuality
from emsync.music.notes import Note
from emsync.music.passage import Passage
from emsync.music.planning.grid import Grid
from emsync.music.planning.plan import Plan

SEED_STEP = 1_000_003
"""Between the seeds of candidates, so that neighbouring seeds share none."""
VELOCITY = 80
CHORD_VELOCITY = 120

BoundaryKind = Literal["cut", "ending"]


@dataclass(frozen=True)
class BoundaryHit:
    """One boundary: the second asked for and, if a chord ticked it off, the chord's."""

    asked: float
    hit: float | None
    kind: BoundaryKind = "cut"
    """A kept cut of the film, or the chord that was asked for to end on."""

    @property
    def offset(self) -> float | None:
        """Seconds from the boundary to its chord; negative when the chord came first."""
        return None if self.hit is None else self.hit - self.asked


@dataclass(frozen=True)
class BoundaryScore:
    """How many cuts a piece hits, each chord ticking off one at most (Algorithm 1)."""

    boundaries: int
    """Kept cuts; the chord to end on is not counted."""
    chord_tokens: int
    """Cuts ticked off by CHORD tokens."""
    strong_chords: int
    """Cuts ticked off by notes: three or more of guitar or piano that begin together and last two
    beats, whether or not a CHORD token announced them."""


@dataclass(frozen=True)
class Candidate:
    """One of the pieces that were composed, and what it was judged by, in this order."""

    seed: int
    faults: tuple[str, ...]
    hits: int
    """Boundaries hit by CHORD tokens, that to end on included."""
    heard: tuple[Mood | None, ...]
    """By the emotion regressor, for each stretch of the curve; None for too few notes."""
    mood_distance: float
    """Mean distance of the moods heard from those asked for, over time and both axes, 0 to 2. What
    cannot be heard is as far as can be."""
    groups: int
    """Instrument groups that sound: of two that are equal otherwise, the fuller is nicer."""

    @property
    def rank(self) -> tuple[float, ...]:
        """The smaller the better."""
        return len(self.faults), -self.hits, self.mood_distance, -self.groups


@dataclass(frozen=True)
class Composition:
    """A finished piece. Times in seconds from the film's start."""

    written: tuple[int, ...]
    """What the composer wrote, in numbers that it alone can read: tokens, chords."""
    notes: tuple[Note, ...]
    lead: tuple[bool, ...]
    """Which of the notes are the melody; none where the piece was not planned."""
    plan: Plan | None
    """Key, form and chords; None if the piece was drawn freely."""
    grid: Grid | None
    """The beat, and how it was stretched to the film; None likewise."""
    bars: tuple[float, ...]
    """Where bars begin."""
    symbols: tuple[tuple[float, str], ...]
    """Chord symbols of the plan, each with the second from which it holds."""
    sections: tuple[tuple[float, str], ...]
    """Letters of the plan's sections, each with the second from which it holds."""
    chart: str
    """The plan's chords as text, as `MusicSettings.chords` takes them; empty without a plan."""
    chords: tuple[float, ...]
    boundaries: tuple[BoundaryHit, ...]
    """Every kept cut and, where one was asked for, the chord to end on."""
    score: BoundaryScore
    score_without: BoundaryScore | None
    """Of the piece that the same seed gives when it is told of no boundaries, if it was composed
    (`MusicSettings.compare_untold`). The told piece was chosen for its hits among others, so
    compare over many films before you conclude anything: `python -m emsync.evaluation`."""
    ended_on_chord: bool
    """The last chord was hit: it is held to the end, and nothing begins after it."""
    quality: PieceQuality
    faults: tuple[str, ...]
    """Phrases; empty for nearly every piece."""
    candidates: tuple[Candidate, ...]
    """All that were composed, in the order of drawing."""
    curve: MoodCurve
    """The moods asked for."""
    seed: int
    """As asked for; the seed of the piece itself is that of `kept`."""
    kept: int
    """Index into `candidates`."""
    seconds: float
    beats_per_minute: float
    weights: str
    weights_sha256: str
    weights_tiers: tuple[str, ...]
    """Licence tiers of the music they were trained on; empty if their card does not say."""
    regressor_sha256: str
    """Of the emotion regressor, which chose the opening and the candidate."""
    compose_seconds: float
    tokens_per_second: float
    """Tokens drawn, over all pieces, per second."""
    remarks: tuple[str, ...]
    """What the user should know: re-draws, rules that had to step in."""
    passages: tuple[Passage, ...] = ()
    """Composed anew on top of what was drawn first, one after the other."""

    @property
    def opening(self) -> int:
        """Return the number of the opening that this piece goes on from, counted from 1."""
        return (self.candidates[self.kept].seed - self.seed) // SEED_STEP + 1

    @property
    def warp(self) -> float:
        """Largest share by which the beat gives way so that chords fall on hit points."""
        return 0.0 if self.grid is None else max(map(abs, self.grid.warps), default=0.0)

    @property
    def keep(self) -> int | None:
        """`MusicSettings.keep` with which this piece is composed again: None for the best."""
        return None if self.kept == by_rank(self.candidates)[0] else self.kept + 1


def by_rank(candidates: Sequence[Candidate]) -> list[int]:
    """Rank `candidates`: their numbers, from 0, the best first, and of equals the first drawn."""
    return sorted(range(len(candidates)), key=lambda number: candidates[number].rank)


def ticked_off(asked: Sequence[float], chords: Sequence[float], sensitivity: float) -> int:
    """Return how many of the moments `asked` the `chords` tick off (Algorithm 1); all seconds."""
    open_boundaries = dict(enumerate(asked))
    for at in chords:
        tick_off(open_boundaries, at, sensitivity)
    return len(asked) - len(open_boundaries)


def tick_off(open_boundaries: dict[int, float], seconds: float, sensitivity: float) -> int | None:
    """Remove the boundary that a chord at `seconds` meets (Algorithm 1) and return its number.

    That is the nearest one less than `sensitivity` seconds away; None if there is none.
    """
    near = [
        (abs(at - seconds), number)
        for number, at in open_boundaries.items()
        if abs(at - seconds) < sensitivity
    ]
    if not near:
        return None
    number = min(near)[1]
    del open_boundaries[number]
    return number
