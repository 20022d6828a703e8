"""A composition for a film: mood and boundaries in, notes and a boundary trace out.

Two methods draw the candidates (`MusicSettings.method`): `emsync.music.transformer.planned` writes
a plan and keeps to a beat grid, `emsync.music.transformer.free` is Algorithm 1 token by token. Here
their candidates are put in order and told about.
"""

import time
from collections.abc import Callable, Sequence

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.music.composition import BoundaryScore, Composition, by_rank
from emsync.music.judging.emotion_regressor import load_regressor
from emsync.music.planning.chart import chart_of
from emsync.music.transformer.candidates import (
    Drawn,
    Job,
    Rounds,
    StagedSketch,
    check_keep,
    ending_of,
    tiers_of,
)
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.free import draw_free
from emsync.music.transformer.planned import draw_planned
from emsync.progress import CancelToken
from emsync.settings import MusicSettings
from emsync.text import listed


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
        settings: method, plan, sampling, candidates.
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
        EmsyncError: the primer, the theme or the chords cannot be read; fewer candidates were
            drawn than `settings.keep`.
        Cancelled: the owner asked to stop.
    """
    began = time.monotonic()
    check_keep(settings.keep, settings.candidates * (settings.redraws + 1))
    cuts = tuple(float(at) for at in boundaries)
    ending = ending_of(cuts, seconds) if settings.end_on_chord else None
    curve = mood if isinstance(mood, MoodCurve) else MoodCurve.constant(mood)
    job = Job(checkpoint, curve, cuts, ending, seconds, settings, seed, load_regressor(), cancel)
    method = draw_planned if settings.method == "planned" else draw_free
    rounds, untold = method(job, advance, sketch)
    candidates = tuple(one.candidate for one in rounds.drawn)
    check_keep(settings.keep, len(candidates))
    best, *_ = ranking = by_rank(candidates)
    first = best if settings.keep is None else settings.keep - 1
    without = None if untold is None else untold(candidates[first].seed)
    elapsed = time.monotonic() - began
    order = [first, *(number for number in ranking if number != first)]
    return tuple(
        _composition(job, rounds, number, best, without if number == first else None, elapsed)
        for number in order[: settings.candidates]
    )


def _composition(
    job: Job,
    rounds: Rounds,
    number: int,
    best: int,
    without: BoundaryScore | None,
    elapsed: float,
) -> Composition:
    """Return the candidate `number` as a finished piece.

    Args:
        job: what was asked for.
        rounds: all that was drawn.
        number: counted from 0.
        best: the number that was judged the best.
        without: see `Composition.score_without`.
        elapsed: seconds of all the composing.
    """
    one, checkpoint = rounds.drawn[number], job.checkpoint
    return Composition(
        written=one.tokens,
        notes=one.notes,
        lead=one.lead,
        plan=one.plan,
        grid=one.grid,
        bars=one.bars,
        symbols=_symbols(one),
        sections=_sections(one),
        chart="" if one.plan is None else chart_of(one.plan),
        chords=one.chords,
        boundaries=one.boundaries,
        score=one.score,
        score_without=without,
        ended_on_chord=one.ended_on_chord,
        quality=one.quality,
        faults=one.candidate.faults,
        candidates=tuple(each.candidate for each in rounds.drawn),
        curve=job.curve,
        seed=job.seed,
        kept=number,
        seconds=job.seconds,
        beats_per_minute=one.beats_per_minute,
        weights=checkpoint.name,
        weights_sha256=checkpoint.sha256,
        weights_tiers=tiers_of(checkpoint),
        regressor_sha256=job.regressor.sha256,
        compose_seconds=elapsed,
        tokens_per_second=rounds.tokens / elapsed,
        remarks=(
            *rounds.remarks,
            *_remarks(rounds.drawn, number, best, job.settings.end_on_chord),
        ),
    )


def _symbols(one: Drawn) -> tuple[tuple[float, str], ...]:
    """Return the plan's chord symbols and the film seconds from which they hold."""
    if one.plan is None or one.grid is None:
        return ()
    at = one.grid.seconds_of([chord.step for chord in one.plan.chords]).tolist()
    return tuple(zip(at, (chord.symbol for chord in one.plan.chords), strict=True))


def _sections(one: Drawn) -> tuple[tuple[float, str], ...]:
    """Return the letters of the plan's sections and the film seconds from which they hold."""
    if one.plan is None or one.grid is None:
        return ()
    at = one.grid.seconds_of([section.step for section in one.plan.sections]).tolist()
    return tuple(zip(at, (section.letter for section in one.plan.sections), strict=True))


def _remarks(drawn: Sequence[Drawn], kept: int, best: int, wanted_ending: bool) -> list[str]:
    """Return what was decided, and which rules had to step in."""
    one, remarks = drawn[kept], []
    if len(drawn) > 1:
        why = "none is better" if kept == best else f"candidate {best + 1} was judged the best"
        remarks.append(f"Candidate {kept + 1} of {len(drawn)} was kept: {why}.")
    if one.candidate.faults:
        remarks.append(
            f"A fault stayed: {listed(one.candidate.faults)}. Another seed may do better."
        )
    if wanted_ending and not one.ended_on_chord:
        remarks.append("The piece does not end on a chord.")
    if one.forced:
        remarks.append(
            f"In {one.forced} of {len(one.tokens)} draws a rule against stuck "
            "notes, silence or standing still narrowed the model's choice."
        )
    return remarks
