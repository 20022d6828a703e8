"""Algorithm 1 token by token, with our choice among openings and candidates (thesis 4.2).

A piece keeps the mood in which it begins, so many openings are drawn, and those that sound most
like the mood that was asked for are continued: the candidates. The one with the fewest faults is
kept; among those the one that hits most boundaries; among those the one whose mood, as it is heard,
is nearest to the one asked for. While even the best has faults, others are continued.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from emsync.emotion.curve import MoodCurve
from emsync.music.composition import SEED_STEP, BoundaryHit, BoundaryScore, Candidate
from emsync.music.judging.emotion_regressor import EmotionRegressor
from emsync.music.judging.quality import faults, quality_of
from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable
from emsync.music.transformer.candidates import (
    ENDING_SENSITIVITY,
    LONGEST_ENDING,
    OPENING_SECONDS,
    OPENINGS,
    SHORTEST_ENDED_FILM,
    Drawn,
    Job,
    Meter,
    Rounds,
    StagedSketch,
    chooses,
    draw_rounds,
    heard_moods,
    mood_distance,
)
from emsync.music.transformer.decoding import DecodedPiece, Drawing, Sketch, generate
from emsync.music.transformer.primer import read_primer_tokens
from emsync.music.transformer.rows import Brief, MoodChange
from emsync.music.transformer.scoring import beat_ticks, notes_of, score_of
from emsync.music.transformer.tokens import DecodedTokens, decode
from emsync.progress import CancelToken
from emsync.settings import MusicSettings


def draw_free(
    job: Job, advance: Callable[[float], None], sketch: StagedSketch | None
) -> tuple[Rounds, Callable[[int], BoundaryScore] | None]:
    """Draw candidates token by token.

    Returns:
        The candidates, and what composes the untold twin of one of them and counts its hits;
        None if nobody asked for it.
    """
    settings = job.settings
    brief = brief_of(job.curve, job.asked, job.seconds, job.seed)
    if settings.primer is not None:
        context = job.checkpoint.model.settings.context // 2
        primer = read_primer_tokens(settings.primer, context, settings.primer_seconds, job.cancel)
        brief = replace(brief, primer=primer)
    twin = settings.compare_untold and bool(job.cuts)
    opening = settings.openings * _opening_seconds(brief) if job.chooses else 0.0
    meter = Meter(advance, sketch, job.seconds * (settings.candidates + twin) + opening)
    briefs = seeded(brief, settings)
    drawing = Drawing(job.checkpoint.model, briefs, settings)
    order = job.order
    if job.chooses:
        told, shown = meter.part(opening), meter.sketch(OPENINGS)
        order = promising(drawing, briefs, settings, job.regressor, job.cancel, told, shown)
    rounds = draw_rounds(
        drawing,
        order,
        job.seconds,
        settings,
        lambda number, until: _is_doubtful(drawing.piece(number), until, settings),
        lambda number: _judged(briefs[number], drawing.piece(number), job),
        job.cancel,
        meter,
    )

    def untold(seed: int) -> BoundaryScore:
        alone = replace(brief, boundaries=(), seed=seed)
        told = meter.part(job.seconds)
        (other,) = generate(job.checkpoint.model, [alone], settings, job.cancel, told)
        return score_of(decode(other.tokens), job.cuts, settings.sensitivity)

    return rounds, untold if twin else None


def seeded(brief: Brief, settings: MusicSettings) -> list[Brief]:
    """Return `brief` with as many seeds as all rounds and all openings may need."""
    count = settings.candidates * (settings.redraws + 1)
    if chooses(settings, brief.seconds):
        count = max(count, settings.openings)
    return [replace(brief, seed=brief.seed + SEED_STEP * number) for number in range(count)]


def brief_of(curve: MoodCurve, asked: tuple[float, ...], seconds: float, seed: int) -> Brief:
    """Return what the model is asked for: the moods of a curve, and the boundaries `asked`."""
    (_, _, mood), *later = curve.stretches(seconds)
    changes = tuple(MoodChange(start, then.valence, then.arousal) for start, _, then in later)
    return Brief(mood.valence, mood.arousal, asked, seconds, seed, changes=changes)


def _is_doubtful(piece: DecodedPiece, seconds: float, settings: MusicSettings) -> bool:
    """Return whether a piece that is drawn so far has faults already."""
    decoded = decode(piece.tokens)
    length = max(1, round(seconds / TICK_SECONDS))
    quality = quality_of(decoded.notes, decoded.bars, length)
    return bool(faults(quality, settings.quality))


def _opening_seconds(brief: Brief) -> float:
    """End an opening where the mood changes."""
    return min(
        [OPENING_SECONDS, *(change.seconds for change in brief.changes if change.seconds > 0)]
    )


def promising(
    drawing: Drawing,
    briefs: Sequence[Brief],
    settings: MusicSettings,
    regressor: EmotionRegressor,
    cancel: CancelToken,
    advance: Callable[[float], None],
    sketch: Sketch | None = None,
) -> list[int]:
    """Return the numbers of the `seeded` pieces, those that begin most like their mood first.

    Their openings are drawn for it, and can be gone on with.
    """
    first, *_ = briefs
    until = _opening_seconds(first)
    openings = range(min(settings.openings, len(briefs)))
    drawing.draw(openings, cancel, advance, sketch, until)
    distances = [math.inf] * len(briefs)
    for number in openings:
        decoded = decode(drawing.piece(number).tokens)
        heard = regressor.hear(decoded.notes, decoded.bars)
        distance = abs(heard.valence - first.valence) + abs(heard.arousal - first.arousal)
        distances[number] = math.inf if math.isnan(distance) else distance
    return sorted(range(len(briefs)), key=lambda number: (distances[number], number))


def end_on(decoded: DecodedTokens, tick: int, length: int) -> DecodedTokens:
    """End the piece on the chord at `tick`: it is held to `length`, and nothing follows it."""
    notes = decoded.notes.take(decoded.notes.start <= tick + 1)
    held = (notes.start >= tick) & (notes.group != GROUPS.index("drums"))
    return DecodedTokens(
        NoteTable(notes.group, notes.pitch, notes.start, np.where(held, length, notes.end)),
        tuple(bar for bar in decoded.bars if bar <= tick),
        tuple(chord for chord in decoded.chords if chord <= tick),
        length,
    )


def _judged(brief: Brief, piece: DecodedPiece, job: Job) -> Drawn:
    """Return what a drawn piece is worth, once it is ended on its last chord."""
    decoded, settings = decode(piece.tokens), job.settings
    length = max(1, round(brief.seconds / TICK_SECONDS))
    ending = _final_chord(brief, piece) if settings.end_on_chord else None
    if ending is not None:
        decoded = end_on(decoded, round(ending / TICK_SECONDS), length)
    hits = {
        hit.boundary: hit.seconds for hit in piece.hits if ending is None or hit.seconds <= ending
    }
    quality = quality_of(decoded.notes, decoded.bars, length)
    wrong = faults(quality, settings.quality)
    heard = heard_moods(decoded, job.curve, job.seconds, job.regressor)
    distance = mood_distance(heard, job.curve, job.seconds)
    notes = notes_of(decoded, job.seconds)
    return Drawn(
        candidate=Candidate(brief.seed, wrong, len(hits), heard, distance, quality.groups),
        tokens=piece.tokens,
        forced=piece.forced,
        notes=notes,
        lead=(False,) * len(notes),
        bars=tuple(at for bar in decoded.bars if (at := bar * TICK_SECONDS) < job.seconds),
        chords=tuple(tick * TICK_SECONDS for tick in decoded.chords),
        boundaries=tuple(
            BoundaryHit(at, hits.get(i), "cut" if i < len(job.cuts) else "ending")
            for i, at in enumerate(job.asked)
        ),
        score=score_of(decoded, job.cuts, settings.sensitivity),
        ended_on_chord=ending is not None,
        quality=quality,
        beats_per_minute=60.0 / (beat_ticks(decoded) * TICK_SECONDS),
    )


def _final_chord(brief: Brief, piece: DecodedPiece) -> float | None:
    """Second of the chord that hit the last boundary, if that is near enough to the end."""
    if brief.seconds < SHORTEST_ENDED_FILM or not brief.boundaries:
        return None
    last = len(brief.boundaries) - 1
    at = brief.boundaries[last]
    if at < brief.seconds - LONGEST_ENDING:
        return None
    near = [
        hit.seconds
        for hit in piece.hits
        if hit.boundary == last and abs(hit.seconds - at) <= ENDING_SENSITIVITY
    ]
    return near[0] if near else None
