"""A composition for a film: mood and boundaries in, notes and a boundary trace out.

A piece keeps the mood in which it begins, so many openings are drawn, and those that sound most
like the mood that was asked for are continued: the candidates. The one with the fewest faults is
kept; among those the one that hits most boundaries; among those the one whose mood, as it is heard,
is nearest to the one asked for. While even the best has faults, others are continued.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Literal

import numpy as np

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.errors import EmsyncError
from emsync.music import vocabulary as v
from emsync.music.checkpoint import Checkpoint
from emsync.music.chords import CHORD_GROUPS, strong_chords
from emsync.music.decoding import (
    DecodedPiece,
    Drawing,
    Hit,
    MoodChange,
    Plan,
    Sketch,
    generate,
    tick_off,
)
from emsync.music.emotion_regressor import EmotionRegressor, load_regressor
from emsync.music.midi import read_primer
from emsync.music.quality import PieceQuality, faults, quality_of
from emsync.music.tokens import DecodedTokens, Note, NoteTable, decode
from emsync.progress import CancelToken
from emsync.settings import MusicSettings
from emsync.wording import listed

VELOCITY = 80
CHORD_VELOCITY = 120
SEED_STEP = 1_000_003
"""Between the seeds of candidates, so that neighbouring seeds share none."""

ENDING_SECONDS = 3.0
"""The last chord is asked for this long before the end: it dies away with the fade-out."""
SHORTEST_ENDING = 1.5
"""A last chord is not asked for later than this before the end: there would be nothing to hold."""
ENDING_GAP = 4.0
"""Seconds between the last cut and the chord to end on, as between kept cuts."""
LONGEST_ENDING = ENDING_GAP + SHORTEST_ENDING
"""A chord on a cut in these last seconds is the last one as well: none fits in after it."""
ENDING_SENSITIVITY = 1.0
"""A chord further than this from where the end was asked does not end the piece."""
OPENING_SECONDS = 10.0
"""Length of an opening: what the regressor needs to hear tempo and mode."""
SHORTEST_ENDED_FILM = 6.0
"""Shorter films just fade out."""

DOUBT_SHARE = 1 / 3
"""Of a piece, after which it is looked at for faults. If it has some, what would be drawn in its
place is drawn along: a second row makes a step some 30 % longer. Of 64 pieces of a minute (drawn at
temperature 1.35 and top-p 0.6) 8 had a fault in the end; 5 of these had it by then, and 3 of the
others."""

BoundaryKind = Literal["cut", "ending"]

OPENINGS, WRITING, AGAIN = "Trying out openings", "Writing the piece", "Writing it again"
"""What is under way while music is shown."""
StagedSketch = Callable[[tuple[int, ...], str], None]
"""As `Sketch`, and which of these is under way."""


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

    tokens: tuple[int, ...]
    notes: tuple[Note, ...]
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

    @property
    def keep(self) -> int | None:
        """`MusicSettings.keep` with which this piece is composed again: None for the best."""
        return None if self.kept == _by_rank(self.candidates)[0] else self.kept + 1


@dataclass(frozen=True)
class _Drawn:
    """A candidate with its music."""

    candidate: Candidate
    piece: DecodedPiece
    decoded: DecodedTokens
    """As it will sound: ended on the last chord if there is one."""
    ending: float | None
    """Second of the chord that ends it."""
    quality: PieceQuality
    hits: tuple[Hit, ...]
    """Those that are still there once the piece is ended."""


def compose(
    checkpoint: Checkpoint,
    mood: Mood | MoodCurve,
    boundaries: Sequence[float],
    seconds: float,
    settings: MusicSettings,
    seed: int,
    cancel: CancelToken,
    advance: Callable[[float], None],
    sketch: StagedSketch | None = None,
) -> Composition:
    """Compose for a film: the first of `compose_all`, with its arguments and errors."""
    return compose_all(
        checkpoint, mood, boundaries, seconds, settings, seed, cancel, advance, sketch
    )[0]


def compose_all(
    checkpoint: Checkpoint,
    mood: Mood | MoodCurve,
    boundaries: Sequence[float],
    seconds: float,
    settings: MusicSettings,
    seed: int,
    cancel: CancelToken,
    advance: Callable[[float], None],
    sketch: StagedSketch | None = None,
) -> tuple[Composition, ...]:
    """Compose for a film: several candidates side by side, each of them a piece.

    Args:
        checkpoint: the generator.
        mood: one for the whole film, or a curve over it.
        boundaries: kept cuts, seconds, ascending.
        seconds: length of the film.
        settings: sampling, sensitivity, instrument count, candidates.
        seed: the same seed, weights and settings give the same pieces on the same device.
        cancel: stops within a token.
        advance: told the share that is done, in [0, 1]; it falls back only when a re-draw begins.
        sketch: shown the music while it is drawn, as by `generate`, and what is under way. It
            does not end on its last chord yet.

    Returns:
        The best `settings.candidates` of all that were drawn, the best first; `settings.keep`
        puts another in front. The untold twin is composed for the first alone. The piece `of`
        comes out again, and first, with `replace(settings, keep=of.keep)`.

    Raises:
        WeightsError: the emotion regressor is missing or damaged.
        EmsyncError: the primer cannot be read; fewer candidates were drawn than `settings.keep`.
        Cancelled: the owner asked to stop.
    """
    began = time.monotonic()
    _check_keep(settings.keep, settings.candidates * (settings.redraws + 1))
    cuts = tuple(float(at) for at in boundaries)
    ending = ending_of(cuts, seconds) if settings.end_on_chord else None
    asked = cuts if ending is None else (*cuts, ending)
    curve = mood if isinstance(mood, MoodCurve) else MoodCurve.constant(mood)
    plan = _plan(curve, asked, seconds, seed)
    if settings.primer is not None:
        context = checkpoint.model.settings.context // 2
        primer = read_primer(settings.primer, context, settings.primer_seconds, cancel)
        plan = replace(plan, primer=primer)
    regressor = load_regressor()
    twin = settings.compare_untold and bool(cuts)
    meter = _Meter(advance, sketch, settings, plan, twin)
    drawn, redrawn, tokens = _draw(checkpoint, plan, curve, settings, regressor, cancel, meter)
    candidates = tuple(one.candidate for one in drawn)
    _check_keep(settings.keep, len(drawn))
    best, *_ = ranking = _by_rank(candidates)
    first = best if settings.keep is None else settings.keep - 1
    untold = None
    if twin:
        alone = replace(plan, boundaries=(), seed=candidates[first].seed)
        (other,) = generate(checkpoint.model, [alone], settings, cancel, meter.part(seconds))
        untold = score_of(decode(other.tokens), cuts, settings.sensitivity)
        tokens += len(other.tokens)
    elapsed = time.monotonic() - began

    def composition(number: int) -> Composition:
        one = drawn[number]
        decoded = one.decoded
        hits = {hit.boundary: hit.seconds for hit in one.hits}
        return Composition(
            tokens=one.piece.tokens,
            notes=notes_of(decoded, seconds),
            chords=tuple(tick * v.TICK_SECONDS for tick in decoded.chords),
            boundaries=tuple(
                BoundaryHit(at, hits.get(i), "cut" if i < len(cuts) else "ending")
                for i, at in enumerate(asked)
            ),
            score=score_of(decoded, cuts, settings.sensitivity),
            score_without=untold if number == first else None,
            ended_on_chord=one.ending is not None,
            quality=one.quality,
            faults=one.candidate.faults,
            candidates=candidates,
            curve=curve,
            seed=seed,
            kept=number,
            seconds=seconds,
            beats_per_minute=60.0 / (_beat_ticks(decoded) * v.TICK_SECONDS),
            weights=checkpoint.name,
            weights_sha256=checkpoint.sha256,
            weights_tiers=_tiers(checkpoint),
            regressor_sha256=regressor.sha256,
            compose_seconds=elapsed,
            tokens_per_second=tokens / elapsed,
            remarks=(*redrawn, *_remarks(drawn, number, best, settings.end_on_chord)),
        )

    order = [first, *(number for number in ranking if number != first)]
    return tuple(composition(number) for number in order[: settings.candidates])


def _check_keep(keep: int | None, count: int) -> None:
    """EmsyncError if the candidate to keep is not among `count`."""
    if keep is not None and keep > count:
        raise EmsyncError(
            f"Candidate {keep} is asked for, but the number of those drawn is {count}. Ask for "
            "another, or for the best."
        )


def _by_rank(candidates: Sequence[Candidate]) -> list[int]:
    """Their numbers, from 0; the best first, and of equals the first drawn."""
    return sorted(range(len(candidates)), key=lambda number: candidates[number].rank)


def _tiers(checkpoint: Checkpoint) -> tuple[str, ...]:
    tiers = checkpoint.card.get("tiers")
    return tuple(map(str, tiers)) if isinstance(tiers, list) else ()


def _plan(curve: MoodCurve, asked: tuple[float, ...], seconds: float, seed: int) -> Plan:
    (_, _, mood), *later = curve.stretches(seconds)
    changes = tuple(MoodChange(start, then.valence, then.arousal) for start, _, then in later)
    return Plan(mood.valence, mood.arousal, asked, seconds, seed, changes=changes)


class _Meter:
    """How much is done, where the work is counted in seconds of music to be drawn; and a sketch of
    it, if anybody wants to see one."""

    def __init__(
        self,
        advance: Callable[[float], None],
        sketch: StagedSketch | None,
        settings: MusicSettings,
        plan: Plan,
        twin: bool,
    ) -> None:
        self._advance = advance
        self._sketch = sketch
        self._done = 0.0
        self._planned = plan.seconds * (settings.candidates + twin)
        if _chooses(settings, plan):
            self._planned += settings.openings * _opening_seconds(plan)

    def more(self, seconds: float) -> None:
        """So much more has to be drawn than was planned."""
        self._planned += seconds

    def part(self, seconds: float) -> Callable[[float], None]:
        """To be told the share that is done of the next `seconds` of the work."""
        before, self._done = self._done, self._done + seconds
        return lambda share: self._advance(
            min((before + share * seconds) / max(self._planned, self._done), 1.0)
        )

    def sketch(self, under_way: str) -> Sketch | None:
        """To be shown the music of this part of the work."""
        show = self._sketch
        return None if show is None else lambda tokens: show(tokens, under_way)


def _draw(
    checkpoint: Checkpoint,
    plan: Plan,
    curve: MoodCurve,
    settings: MusicSettings,
    regressor: EmotionRegressor,
    cancel: CancelToken,
    meter: _Meter,
) -> tuple[list[_Drawn], list[str], int]:
    """Candidates for `plan`, in rounds until one is without faults; a remark for each re-draw; and
    the number of tokens that were drawn, those of the openings included."""
    plans = planned(plan, settings)
    drawing = Drawing(checkpoint.model, plans, settings)
    coming = list(range(len(plans)))
    if _chooses(settings, plan):
        told = meter.part(settings.openings * _opening_seconds(plan))
        coming = promising(
            drawing, plans, settings, regressor, cancel, told, meter.sketch(OPENINGS)
        )
    drawn: list[_Drawn] = []
    remarks: list[str] = []
    round_seconds = settings.candidates * plan.seconds
    for number in range(settings.redraws + 1):
        if number:
            meter.more(round_seconds)
        now, coming = coming[: settings.candidates], coming[settings.candidates :]
        told, shown = meter.part(round_seconds), meter.sketch(AGAIN if number else WRITING)
        spare = coming[: settings.candidates] if number < settings.redraws else []
        until = plan.seconds * DOUBT_SHARE
        drawing.draw(now, cancel, _part_of(told, DOUBT_SHARE), shown, until)
        if not all(_is_doubtful(drawing.piece(one), until, settings) for one in now):
            spare = []
        drawing.draw(now, cancel, told, shown, beside=spare)
        drawn += [
            _judged(plans[one], drawing.piece(one), curve, regressor, settings) for one in now
        ]
        wrong = min(drawn, key=lambda one: one.candidate.rank).candidate.faults
        if not wrong:
            break
        if number < settings.redraws:
            remarks.append(
                f"Every candidate so far had a fault (the best: {listed(wrong)}), so "
                + (f"{settings.candidates} more were" if settings.candidates > 1 else "another was")
                + " drawn."
            )
    return drawn, remarks, drawing.tokens


def _part_of(told: Callable[[float], None], part: float) -> Callable[[float], None]:
    """To be told the share that is done of the first `part`."""
    return lambda share: told(share * part)


def _is_doubtful(piece: DecodedPiece, seconds: float, settings: MusicSettings) -> bool:
    """Whether a piece that is drawn so far has faults already."""
    decoded = decode(piece.tokens)
    length = max(1, round(seconds / v.TICK_SECONDS))
    quality = quality_of(decoded.notes, decoded.bars, length)
    return bool(faults(quality, settings.quality))


def planned(plan: Plan, settings: MusicSettings) -> list[Plan]:
    """`plan` with as many seeds as all rounds and all openings may need."""
    count = settings.candidates * (settings.redraws + 1)
    if _chooses(settings, plan):
        count = max(count, settings.openings)
    return [replace(plan, seed=plan.seed + SEED_STEP * number) for number in range(count)]


def _chooses(settings: MusicSettings, plan: Plan) -> bool:
    """Whether openings are drawn: not for a short film, nor where there is nothing to choose."""
    return settings.openings > settings.candidates and plan.seconds >= 2 * OPENING_SECONDS


def _opening_seconds(plan: Plan) -> float:
    """An opening ends where the mood changes."""
    return min(
        [OPENING_SECONDS, *(change.seconds for change in plan.changes if change.seconds > 0)]
    )


def promising(
    drawing: Drawing,
    plans: Sequence[Plan],
    settings: MusicSettings,
    regressor: EmotionRegressor,
    cancel: CancelToken,
    advance: Callable[[float], None],
    sketch: Sketch | None = None,
) -> list[int]:
    """The numbers of the `planned` pieces, those that begin most like their mood first.

    Their openings are drawn for it, and can be gone on with.
    """
    first, *_ = plans
    until = _opening_seconds(first)
    openings = range(min(settings.openings, len(plans)))
    drawing.draw(openings, cancel, advance, sketch, until)
    distances = [math.inf] * len(plans)
    for number in openings:
        decoded = decode(drawing.piece(number).tokens)
        heard = regressor.hear(decoded.notes, decoded.bars)
        distance = abs(heard.valence - first.valence) + abs(heard.arousal - first.arousal)
        distances[number] = math.inf if math.isnan(distance) else distance
    return sorted(range(len(plans)), key=lambda number: (distances[number], number))


def ending_of(cuts: Sequence[float], seconds: float) -> float | None:
    """When a last chord is to be asked for, in seconds; None if a cut or the end is too near.

    Args:
        cuts: kept cuts, ascending.
        seconds: length of the film.
    """
    at = max(seconds - ENDING_SECONDS, cuts[-1] + ENDING_GAP if cuts else 0.0)
    if seconds < SHORTEST_ENDED_FILM or at > seconds - SHORTEST_ENDING:
        return None
    return at


def end_on(decoded: DecodedTokens, tick: int, length: int) -> DecodedTokens:
    """The piece, ended on the chord at `tick`: it is held to `length`, and nothing follows it."""
    notes = decoded.notes.take(decoded.notes.start <= tick + 1)
    held = (notes.start >= tick) & (notes.group != v.GROUPS.index("drums"))
    return DecodedTokens(
        NoteTable(notes.group, notes.pitch, notes.start, np.where(held, length, notes.end)),
        tuple(bar for bar in decoded.bars if bar <= tick),
        tuple(chord for chord in decoded.chords if chord <= tick),
        length,
    )


def _judged(
    plan: Plan,
    piece: DecodedPiece,
    curve: MoodCurve,
    regressor: EmotionRegressor,
    settings: MusicSettings,
) -> _Drawn:
    """What a drawn piece is worth, once it is ended on its last chord."""
    decoded = decode(piece.tokens)
    length = max(1, round(plan.seconds / v.TICK_SECONDS))
    ending = _final_chord(plan, piece) if settings.end_on_chord else None
    if ending is not None:
        decoded = end_on(decoded, round(ending / v.TICK_SECONDS), length)
    hits = tuple(hit for hit in piece.hits if ending is None or hit.seconds <= ending)
    quality = quality_of(decoded.notes, decoded.bars, length)
    wrong = faults(quality, settings.quality)
    heard = _heard(decoded, curve, plan.seconds, regressor)
    distance = _mood_distance(heard, curve, plan.seconds)
    candidate = Candidate(plan.seed, wrong, len(hits), heard, distance, quality.groups)
    return _Drawn(candidate, piece, decoded, ending, quality, hits)


def _heard(
    decoded: DecodedTokens, curve: MoodCurve, seconds: float, regressor: EmotionRegressor
) -> tuple[Mood | None, ...]:
    """The mood of what begins in each stretch of the curve; None where there are too few notes."""
    found: list[Mood | None] = []
    for start, end, _ in curve.stretches(seconds):
        first, last = start / v.TICK_SECONDS, end / v.TICK_SECONDS
        begins = (decoded.notes.start >= first) & (decoded.notes.start < last)
        bars = [bar for bar in decoded.bars if first <= bar < last]
        heard = regressor.hear(decoded.notes.take(begins), bars)
        found.append(None if math.isnan(heard.valence) else Mood(heard.valence, heard.arousal))
    return tuple(found)


def _mood_distance(heard: Sequence[Mood | None], curve: MoodCurve, seconds: float) -> float:
    """See `Candidate.mood_distance`."""
    total = 0.0
    for (start, end, asked), mood in zip(curve.stretches(seconds), heard, strict=True):
        valence, arousal = (
            (2.0, 2.0)
            if mood is None
            else (abs(mood.valence - asked.valence), abs(mood.arousal - asked.arousal))
        )
        total += (end - start) * (valence + arousal) / 2
    return total / seconds


def _final_chord(plan: Plan, piece: DecodedPiece) -> float | None:
    """Second of the chord that hit the last boundary, if that is near enough to the end."""
    if plan.seconds < SHORTEST_ENDED_FILM or not plan.boundaries:
        return None
    last = len(plan.boundaries) - 1
    at = plan.boundaries[last]
    if at < plan.seconds - LONGEST_ENDING:
        return None
    near = [
        hit.seconds
        for hit in piece.hits
        if hit.boundary == last and abs(hit.seconds - at) <= ENDING_SENSITIVITY
    ]
    return near[0] if near else None


def _remarks(drawn: Sequence[_Drawn], kept: int, best: int, wanted_ending: bool) -> list[str]:
    """What was decided, and which rules had to step in."""
    one, remarks = drawn[kept], []
    if len(drawn) > 1:
        why = "none is better" if kept == best else f"candidate {best + 1} was judged the best"
        remarks.append(f"Candidate {kept + 1} of {len(drawn)} was kept: {why}.")
    if one.candidate.faults:
        remarks.append(
            f"A fault stayed: {listed(one.candidate.faults)}. Another seed may do better."
        )
    if wanted_ending and one.ending is None:
        remarks.append("The piece does not end on a chord.")
    if one.piece.forced:
        remarks.append(
            f"In {one.piece.forced} of {len(one.piece.tokens)} draws a rule against stuck "
            "notes, silence or standing still narrowed the model's choice."
        )
    return remarks


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


def score_of(decoded: DecodedTokens, asked: Sequence[float], sensitivity: float) -> BoundaryScore:
    """Cuts in `asked` (seconds) that a piece hits, by its CHORD tokens and by its notes."""
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


def _beat_ticks(decoded: DecodedTokens) -> float:
    """A quarter of the usual bar, 0.2 to 2 s; half a second where there are no bars."""
    bars = [b - a for a, b in pairwise(decoded.bars) if b > a]
    beat = median(bars) / 4 if bars else 0.5 / v.TICK_SECONDS
    return min(max(beat, 0.2 / v.TICK_SECONDS), 2.0 / v.TICK_SECONDS)
