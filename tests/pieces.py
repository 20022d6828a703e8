"""Compositions to perform: planned and arranged as the composer's are, without a generator."""

from collections.abc import Callable, Sequence

import numpy as np

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.music.arranging import arrange
from emsync.music.chords import strong_chords
from emsync.music.composition import (
    CHORD_VELOCITY,
    VELOCITY,
    BoundaryHit,
    BoundaryScore,
    Candidate,
    Composition,
)
from emsync.music.judging.quality import quality_of
from emsync.music.notes import GROUPS, TICK_SECONDS, Note, NoteTable, table_of
from emsync.music.planning.chart import chart_of
from emsync.music.planning.grid import METRES, STEPS_PER_QUARTER, Grid, MetreName, lay_grid
from emsync.music.planning.plan import Plan
from emsync.music.planning.write import write_plan
from emsync.music.transformer.candidates import StagedSketch
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.compose import compose_all
from emsync.progress import CancelToken
from emsync.settings import MusicSettings

CUTS = (5.3, 11.1, 19.7, 27.4)


def planned_piece(
    seconds: float = 36.0,
    cuts: Sequence[float] = CUTS,
    mood: Mood | MoodCurve = Mood(0.4, 0.3),  # noqa: B008 (frozen)
    metre: MetreName = "4/4",
    sixteenth: int = 17,
    seed: int = 1,
    **asked: object,
) -> Composition:
    """Return a planned piece over simple material, with a chord at every cut and at the end."""
    curve = mood if isinstance(mood, MoodCurve) else MoodCurve.constant(mood)
    settings = MusicSettings(**asked)  # type: ignore[arg-type]
    ending = seconds - 1.8
    grid = lay_grid(METRES[metre], [(0.0, sixteenth)], [*cuts, ending], seconds)
    plan = write_plan(grid, curve, seconds, settings, seed, True)
    arrangement = arrange(_drawn(plan), plan, settings, seed)
    steps = arrangement.notes
    strong = set(strong_chords(steps, STEPS_PER_QUARTER).tolist())
    kept = np.flatnonzero(grid.seconds_of(steps.start) < seconds)
    notes = _in_film(steps.take(kept), grid, set(plan.hits) & strong, seconds)
    boundaries = tuple(
        BoundaryHit(
            hit.asked,
            hit.seconds if hit.step in strong else None,
            "cut" if number < len(cuts) else "ending",
        )
        for number, hit in enumerate(grid.hits)
    )
    bars = [float(at) for at in grid.seconds_of(np.array(grid.bar_lines)) if at < seconds]
    return _composition(
        notes, bars, boundaries, curve, seconds, grid.tempo_at(0),
        lead=tuple(arrangement.lead[kept].tolist()), plan=plan, grid=grid,
    )  # fmt: skip


def free_piece(
    bars: Sequence[float],
    seconds: float,
    quarters_a_minute: float,
    notes: Sequence[Note] = (),
    hits: Sequence[float] = (),
    mood: Mood = Mood(0.0, 0.0),  # noqa: B008 (frozen)
) -> Composition:
    """Return a piece with bars of any length; without `notes` some that keep to no grid."""
    rng = np.random.default_rng(len(bars))
    made = notes or [
        Note(group, 40 + int(rng.integers(40)), start, min(start + 0.4, seconds))
        for group in GROUPS
        for start in np.sort(rng.uniform(0, seconds - 0.1, 30)).tolist()
    ]
    boundaries = tuple(BoundaryHit(at, at, "cut") for at in hits)
    curve = MoodCurve.constant(mood)
    return _composition(made, bars, boundaries, curve, seconds, quarters_a_minute)


def _drawn(plan: Plan) -> NoteTable:
    """Return chords on every beat, a bass and a groove in all the plan's steps."""
    rows = []
    for step in range(0, plan.end, STEPS_PER_QUARTER):
        rows += [
            (group, 55 + group + third, step, step + 10) for group in (2, 3) for third in (0, 4)
        ]
        rows += [(4, pitch, step, step + 40) for pitch in (60, 64) if step % 48 == 0]
        rows += [(0, 36, step, step + 10), (1, 36 if step % 24 == 0 else 38, step, step + 3)]
        rows += [(1, 42, step + half, step + half + 3) for half in (0, 6)]
    columns = np.array(sorted(rows, key=lambda row: (row[2], row[0], row[1])), dtype=np.int64)
    return NoteTable(*columns.reshape(-1, 4).T)


def _in_film(table: NoteTable, grid: Grid, loud: set[int], seconds: float) -> tuple[Note, ...]:
    starts = np.maximum(grid.seconds_of(table.start), 0.0).tolist()
    ends = np.minimum(grid.seconds_of(table.end), seconds).tolist()
    rows = zip(table.group, table.pitch, table.start, starts, ends, strict=True)
    return tuple(
        Note(
            GROUPS[group],
            int(pitch),
            start,
            end,
            CHORD_VELOCITY
            if GROUPS[group] in ("guitar", "piano") and int(step) in loud
            else VELOCITY,
        )
        for group, pitch, step, start, end in rows
    )


def _composition(
    notes: Sequence[Note],
    bars: Sequence[float],
    boundaries: tuple[BoundaryHit, ...],
    curve: MoodCurve,
    seconds: float,
    quarters_a_minute: float,
    lead: tuple[bool, ...] = (),
    plan: Plan | None = None,
    grid: Grid | None = None,
) -> Composition:
    ticks = [round(at / TICK_SECONDS) for at in bars]
    symbols: tuple[tuple[float, str], ...] = ()
    sections: tuple[tuple[float, str], ...] = ()
    if plan is not None and grid is not None:
        at = grid.seconds_of([chord.step for chord in plan.chords]).tolist()
        symbols = tuple(zip(at, (chord.symbol for chord in plan.chords), strict=True))
        at = grid.seconds_of([section.step for section in plan.sections]).tolist()
        sections = tuple(zip(at, (section.letter for section in plan.sections), strict=True))
    return Composition(
        written=(),
        notes=tuple(notes),
        lead=lead or (False,) * len(notes),
        plan=plan,
        grid=grid,
        bars=tuple(bars),
        symbols=symbols,
        sections=sections,
        chart="" if plan is None else chart_of(plan),
        chords=tuple(one.hit for one in boundaries if one.hit is not None),
        boundaries=boundaries,
        score=BoundaryScore(len(boundaries), 0, 0),
        score_without=None,
        ended_on_chord=plan is not None,
        quality=quality_of(table_of(notes), ticks, max(1, round(seconds / TICK_SECONDS))),
        faults=(),
        candidates=(Candidate(0, (), 0, (None,), 0.0, 5),),
        curve=curve,
        seed=0,
        kept=0,
        seconds=seconds,
        beats_per_minute=quarters_a_minute,
        weights="none",
        weights_sha256="",
        weights_tiers=(),
        regressor_sha256="",
        compose_seconds=0.0,
        tokens_per_second=0.0,
        remarks=(),
    )


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
    """Return the first of `compose_all`, with its arguments and errors."""
    return compose_all(
        checkpoint, mood, boundaries, seconds, settings, seed, cancel, advance, sketch
    )[0]
