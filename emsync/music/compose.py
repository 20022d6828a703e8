"""A composition for a film: mood and boundaries in, notes and a boundary trace out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from emsync.emotion.mapping import Mood
from emsync.music import vocabulary as v
from emsync.music.checkpoint import Checkpoint
from emsync.music.chords import CHORD_GROUPS, strong_chords
from emsync.music.decoding import DecodedPiece, Plan, generate, tick_off
from emsync.music.tokens import DecodedTokens, Note, decode
from emsync.progress import CancelToken
from emsync.settings import MusicSettings

VELOCITY = 80
CHORD_VELOCITY = 120
SEED_STEP = 1_000_003
"""Between the seeds of candidates, so that neighbouring seeds share none."""


@dataclass(frozen=True)
class BoundaryHit:
    """One boundary: the second asked for and, if a chord ticked it off, the chord's."""

    asked: float
    hit: float | None

    @property
    def offset(self) -> float | None:
        """Seconds from the boundary to its chord; negative when the chord came first."""
        return None if self.hit is None else self.hit - self.asked


@dataclass(frozen=True)
class BoundaryScore:
    """How many boundaries a piece hits, each chord ticking off one at most (Algorithm 1)."""

    boundaries: int
    chord_tokens: int
    """Boundaries ticked off by CHORD tokens."""
    strong_chords: int
    """Boundaries ticked off by notes: three or more of guitar or piano that begin together and
    last two beats, whether or not a CHORD token announced them."""


@dataclass(frozen=True)
class Composition:
    """A finished piece. Times in seconds from the film's start."""

    tokens: tuple[int, ...]
    notes: tuple[Note, ...]
    chords: tuple[float, ...]
    boundaries: tuple[BoundaryHit, ...]
    score: BoundaryScore
    score_without: BoundaryScore
    """Of the piece that the same seed gives when it is told of no boundaries. With several
    candidates the told piece was chosen for its hits, so compare over many films before you
    conclude anything: `python -m emsync.evaluation`."""
    mood: Mood
    seed: int
    seconds: float
    beats_per_minute: float
    weights: str
    weights_sha256: str
    compose_seconds: float
    tokens_per_second: float
    """Tokens drawn, over all pieces decoded side by side, per second."""
    remarks: tuple[str, ...]
    """What the user should know: re-draws, rules that had to step in."""


def compose(
    checkpoint: Checkpoint,
    mood: Mood,
    boundaries: Sequence[float],
    seconds: float,
    settings: MusicSettings,
    seed: int,
    cancel: CancelToken,
    advance: Callable[[float], None],
) -> Composition:
    """Compose for a film: several candidates side by side, the one that hits most is kept.

    Each candidate is accompanied by a piece of the same seed that is told of no boundaries, so
    that the effect of the boundaries can be stated.

    Args:
        checkpoint: the generator.
        mood: valence and arousal in [-1, 1].
        boundaries: seconds, ascending.
        seconds: length of the film.
        settings: sampling, sensitivity, instrument count, candidates.
        seed: the same seed, weights and settings give the same piece on the same device.
        cancel: stops within a token.
        advance: told the share that is done, in [0, 1].

    Raises:
        Cancelled: the owner asked to stop.
    """
    began = time.monotonic()
    asked = tuple(float(at) for at in boundaries)
    seeds = [seed + number * SEED_STEP for number in range(settings.candidates)]
    plans = [Plan(mood.valence, mood.arousal, asked, seconds, own_seed) for own_seed in seeds]
    twins = [replace(plan, boundaries=()) for plan in plans] if asked else []
    pieces = generate(checkpoint.model, plans + twins, settings, cancel, advance)
    told = pieces[: len(plans)]
    untold = pieces[len(plans) :] or told
    scores = [score_of(piece, asked, settings.sensitivity) for piece in told]
    best = max(range(len(told)), key=lambda i: (scores[i].chord_tokens, _fullness(told[i]), -i))
    piece = told[best]
    decoded = decode(piece.tokens)
    hits = {hit.boundary: hit.seconds for hit in piece.hits}
    notes = notes_of(decoded, seconds)
    remarks = []
    if settings.candidates > 1 and asked:
        remarks.append(
            f"Candidate {best + 1} of {settings.candidates} was kept: none hits more boundaries."
        )
    if piece.forced:
        remarks.append(
            f"In {piece.forced} of {len(piece.tokens)} draws a rule against stuck notes, "
            "silence or standing still narrowed the model's choice."
        )
    if not notes:
        remarks.append("The generator wrote no note: the soundtrack is silent. Try another seed.")
    elapsed = time.monotonic() - began
    return Composition(
        tokens=piece.tokens,
        notes=notes,
        chords=tuple(tick * v.TICK_SECONDS for tick in decoded.chords),
        boundaries=tuple(BoundaryHit(at, hits.get(i)) for i, at in enumerate(asked)),
        score=scores[best],
        score_without=score_of(untold[best], asked, settings.sensitivity),
        mood=mood,
        seed=seed,
        seconds=seconds,
        beats_per_minute=60.0 / (_beat_ticks(decoded) * v.TICK_SECONDS),
        weights=checkpoint.name,
        weights_sha256=checkpoint.sha256,
        compose_seconds=elapsed,
        tokens_per_second=sum(len(p.tokens) for p in pieces) / elapsed,
        remarks=tuple(remarks),
    )


def notes_of(decoded: DecodedTokens, seconds: float) -> tuple[Note, ...]:
    """Notes up to `seconds`; those of a strong chord are played louder (thesis 4.2)."""
    table = decoded.notes
    chords = set(decoded.chords)
    notes = []
    rows = zip(table.group, table.pitch, table.start, table.end, strict=True)
    for group_index, pitch, start, end in rows:
        begin = start * v.TICK_SECONDS
        if begin >= seconds:
            continue
        group = v.GROUPS[group_index]
        loud = group in CHORD_GROUPS and int(start) in chords
        notes.append(
            Note(
                group,
                int(pitch),
                float(begin),
                float(min(end * v.TICK_SECONDS, seconds)),
                CHORD_VELOCITY if loud else VELOCITY,
            )
        )
    return tuple(notes)


def score_of(piece: DecodedPiece, asked: Sequence[float], sensitivity: float) -> BoundaryScore:
    """Boundaries in `asked` that `piece` hits, by its CHORD tokens and by its notes."""
    decoded = decode(piece.tokens)
    sounding = strong_chords(decoded.notes, _beat_ticks(decoded)).tolist()
    return BoundaryScore(
        len(asked),
        _ticked_off(asked, decoded.chords, sensitivity),
        _ticked_off(asked, sounding, sensitivity),
    )


def _ticked_off(asked: Sequence[float], chord_ticks: Sequence[int], sensitivity: float) -> int:
    open_boundaries = dict(enumerate(asked))
    for tick in chord_ticks:
        tick_off(open_boundaries, tick * v.TICK_SECONDS, sensitivity)
    return len(asked) - len(open_boundaries)


def _fullness(piece: DecodedPiece) -> int:
    """Instrument groups that sound: of two candidates that hit as much, the fuller is nicer."""
    return len(set(decode(piece.tokens).notes.group.tolist()))


def _beat_ticks(decoded: DecodedTokens) -> float:
    """A quarter of the usual bar, 0.2 to 2 s; half a second where there are no bars."""
    bars = [b - a for a, b in pairwise(decoded.bars) if b > a]
    beat = median(bars) / 4 if bars else 0.5 / v.TICK_SECONDS
    return min(max(beat, 0.2 / v.TICK_SECONDS), 2.0 / v.TICK_SECONDS)
