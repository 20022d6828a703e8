"""Composing by a plan: beat and chords first, then notes, then the arrangement, then film time.

1. Openings are drawn at several tempi around what the arousal asks for. Each has a grid on which
   the hit points lie on eighths, and a plan of its own.
2. The opening that costs the generator least to keep on its grid, and that sounds most like the
   mood that was asked for, is drawn to the end (`emsync.music.transformer.on_grid`).
3. What was drawn is arranged by the plan (`emsync.music.arranging`) and looked at for what a
   listener would notice as broken (`emsync.music.judging.gate`); then grid time becomes film time.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from emsync.emotion.curve import MoodCurve
from emsync.errors import EmsyncError
from emsync.music.arranging import Arrangement, Theme, arrange, theme_of
from emsync.music.chords import CHORD_GROUPS, strong_chords
from emsync.music.composition import (
    CHORD_VELOCITY,
    VELOCITY,
    BoundaryHit,
    BoundaryScore,
    Candidate,
    ticked_off,
)
from emsync.music.judging.gate import GateLimits, faults
from emsync.music.judging.listening import class_weights, key_of, pitched_of
from emsync.music.judging.quality import quality_of
from emsync.music.notes import GROUPS, TICK_SECONDS, Note, NoteTable
from emsync.music.planning.grid import (
    FASTEST_SIXTEENTH,
    METRES,
    PACES,
    SLOWEST_SIXTEENTH,
    STEPS_PER_QUARTER,
    Grid,
    Metre,
    lay_grid,
    pace_for,
    related_tempos,
)
from emsync.music.planning.plan import PITCH_NAMES, Plan
from emsync.music.planning.reels import LONGEST_REEL, part_of, reels_of
from emsync.music.planning.write import write_plan
from emsync.music.primer import read_theme_notes
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.candidates import (
    LONGEST_ENDING,
    OPENING_SECONDS,
    OPENINGS,
    SHORTEST_ENDED_FILM,
    Drawn,
    Job,
    Meter,
    Rounds,
    StagedSketch,
    draw_rounds,
    heard_moods,
    mood_distance,
)
from emsync.music.transformer.decoding import Drawing, Mark, Sketch, generate
from emsync.music.transformer.on_grid import GridRow
from emsync.music.transformer.primer import read_primer_tokens
from emsync.music.transformer.rows import Brief, MoodChange
from emsync.music.transformer.tokens import DecodedTokens, decode, encode
from emsync.settings import MusicSettings
from emsync.text import quoted

TEMPO_OF_AROUSAL = ((-0.8, 0.0, 0.8), (60.0, 98.0, 130.0))
"""Arousal, and the quarters a minute around which it is composed; linear between. The thesis maps
50 to 150 beats a minute to [-1, 1] (4.2); ours is a little narrower at the fast end, where the
generator writes double time."""
TEMPO_FACTORS = (1.0, 0.92, 1.08, 0.86, 1.16, 0.97, 1.03, 1.25)
"""Tempi that are tried, as multiples of that. Ours."""
REEL_STEP, TRY_STEP = 10_007, 101
"""Between the seeds of the reels of a piece, and of the tries at one."""
SHOWN_EVERY = 0.4
"""Seconds between two sketches, at least. Ours."""
SHOWN_REST = 8
"""So many times as long as a sketch took there is none. Ours: a ninth of the time at most."""
UNHEARD = 4.0
"""Distance of a mood that cannot be heard: as far as can be."""
COST_WEIGHT = 2.0
"""Of a nat that the grid costs a time shift, against a distance of 1 of the mood heard. Ours."""


@dataclass(frozen=True)
class Draft:
    """One piece before its notes: how fast, on which beat, with which chords."""

    grid: Grid
    plan: Plan
    brief: Brief
    theme: Theme | None


@dataclass(frozen=True)
class Given:
    """What a piece takes from the user's own MIDI files."""

    primer: tuple[int, ...] = ()
    """Tokens before the piece."""
    sixteenth: int | None = None
    """Ticks a sixteenth of the primer, at which the piece goes on."""
    theme: Theme | None = None


@dataclass(frozen=True)
class Tempo:
    """How fast a draft is."""

    metre: Metre
    sixteenths: tuple[tuple[float, int], ...]
    """(second of the film, ticks a sixteenth), ascending from 0."""
    pace: float


def draw_planned(
    job: Job, advance: Callable[[float], None], sketch: StagedSketch | None
) -> tuple[Rounds, Callable[[int], BoundaryScore] | None]:
    """Draw candidates by plans.

    Returns:
        The candidates, and what composes the untold twin of one of them and counts its hits;
        None if nobody asked for it.
    """
    job, given = with_files(job)
    settings = job.settings
    drafts = [
        draft_of(job, given, number, seed, job.asked) for number, seed in enumerate(job.seeds)
    ]
    twin = settings.compare_untold and bool(job.cuts)
    opening = settings.openings * OPENING_SECONDS if job.chooses else 0.0
    meter = Meter(advance, sketch, job.seconds * (settings.candidates + twin) + opening)
    drawing = Drawing(job.checkpoint.model, [draft.brief for draft in drafts], _steady(settings))
    sounding = _Sounding(drafts, settings)
    order = job.order
    if job.chooses:
        told, shown = meter.part(opening), meter.sketch(OPENINGS, sounding)
        drawing.draw(range(settings.openings), job.cancel, told, shown, OPENING_SECONDS)
        order.sort(
            key=lambda number: _opening_rank(_beginning(drafts[number]), drawing, number, job)
        )

    def is_doubtful(number: int, until: float) -> bool:
        arrangement, _ = arranged(drafts[number], drawing.piece(number).tokens, settings)
        return bool(_faults_so_far(drafts[number], arrangement, until))

    def write(number: int, told: Callable[[float], None], shown: Sketch | None) -> None:
        _draw_by_reels(drafts[number], drawing, number, job, told, shown)

    # A long piece is not given up for a fault in one of its reels, which are drawn anew instead.
    by_reels = settings.candidates == 1 and job.seconds > LONGEST_REEL
    rounds = draw_rounds(
        drawing,
        order,
        job.seconds,
        replace(settings, redraws=0) if by_reels else settings,
        is_doubtful,
        lambda number: _judged(drafts[number], drawing, number, job),
        job.cancel,
        meter,
        write if by_reels else None,
        sounding,
    )

    def untold(seed: int) -> BoundaryScore:
        number = job.seeds.index(seed)
        draft = draft_of(job, given, number, seed, ())
        told = meter.part(job.seconds)
        (piece,) = generate(
            job.checkpoint.model, [draft.brief], _steady(settings), job.cancel, told
        )
        notes, _ = arranged(draft, piece.tokens, settings)
        return _score(draft, notes.notes, (), job)

    return rounds, untold if twin else None


def _draw_by_reels(
    draft: Draft,
    drawing: Drawing,
    number: int,
    job: Job,
    told: Callable[[float], None],
    shown: Sketch | None,
) -> None:
    """Draw a long piece to its end, each of its reels anew while it has a fault that is its own.

    So a fault costs minutes of music, not half an hour, and the time grows with the length alone.
    Of several tries the one with the fewest faults stays.
    """
    grid = draft.grid
    borders = [*reels_of(draft.plan, grid), grid.steps]
    ends = (grid.ticks_of(borders[1:]) * TICK_SECONDS).tolist()
    for reel, end in enumerate(ends):
        begun = drawing.mark(number)
        tries: list[tuple[int, int, Mark]] = []
        for attempt in range(job.settings.redraws + 1):
            if attempt:
                drawing.go_back(number, begun, _seed_of(draft, reel, attempt))
            share_of = partial(_share_of_piece, told, end / ends[-1])
            drawing.draw([number], job.cancel, share_of, shown, end)
            tokens = drawing.piece(number).tokens
            found = _faults_within(draft, tokens, job.settings, borders[reel], borders[reel + 1])
            tries.append((len(found), attempt, drawing.mark(number)))
            if not found:
                break
        _, best, reached = min(tries)
        if best != len(tries) - 1:
            drawing.go_back(number, reached, _seed_of(draft, reel, len(tries)))


def _faults_within(
    draft: Draft, tokens: Sequence[int], settings: MusicSettings, start: int, end: int
) -> tuple[str, ...]:
    """Return what is wrong with a reel, looked at as if there were no other: so each costs once."""
    start -= start % draft.grid.metre.bar
    plan, grid = part_of(draft.plan, draft.grid, start, end)
    drawn = _in_steps(decode(tokens).notes, draft.grid)
    drawn = drawn.take((drawn.start >= start) & (drawn.start < end))
    moved = NoteTable(drawn.group, drawn.pitch, drawn.start - start, drawn.end - start)
    notes = arrange(moved, plan, settings, draft.brief.seed, draft.theme).notes
    return faults(notes.take(notes.start < end - start), plan, grid, GateLimits())


def _beginning(draft: Draft) -> Draft:
    """Return a draft as far as its first reel goes; that is all of a short piece."""
    borders = reels_of(draft.plan, draft.grid)
    if len(borders) == 1:
        return draft
    plan, grid = part_of(draft.plan, draft.grid, 0, borders[1])
    return replace(draft, plan=plan, grid=grid)


def _share_of_piece(told: Callable[[float], None], part: float, share: float) -> None:
    """Tell how much of a piece is done, given the share of its first `part`."""
    told(part * share)


def _seed_of(draft: Draft, reel: int, attempt: int) -> int:
    """Return a seed for another try at a reel that no other candidate, reel or try has."""
    return draft.brief.seed + TRY_STEP * attempt + REEL_STEP * reel


class _Sounding:
    """Makes of drawn tokens those of the arrangement in film time, for the sketch.

    That takes longer than drawing a few tokens, so it is done only now and then.
    """

    def __init__(self, drafts: Sequence[Draft], settings: MusicSettings) -> None:
        self._drafts, self._settings = drafts, settings
        self._due = 0.0

    def __call__(self, number: int, tokens: tuple[int, ...]) -> tuple[int, ...] | None:
        now = time.monotonic()
        if now < self._due:
            return None
        draft, first = self._drafts[number], _beginning(self._drafts[number])
        end = int(draft.grid.steps_of([sum(map(v.shift_ticks, tokens))])[0])
        if end <= first.plan.end:  # the rest of half an hour would take seconds to arrange
            draft = first
        arrangement, _ = arranged(draft, tokens, self._settings)
        notes = arrangement.notes.take(arrangement.notes.start < end)
        heard = in_film_ticks(notes, draft.grid)
        taken = time.monotonic() - now
        self._due = now + taken + max(SHOWN_EVERY, SHOWN_REST * taken)
        return tuple(encode(heard, drum_offs=False).tolist())


def with_files(job: Job) -> tuple[Job, Given]:
    """Return the job, and what it takes from the user's MIDI files.

    A piece that goes on from a primer keeps its key, unless another is asked for.

    Raises:
        EmsyncError: a file cannot be read, or has no melody for a theme.
    """
    settings, given = job.settings, Given()
    if settings.theme is not None:
        theme = theme_of(read_theme_notes(settings.theme, job.cancel), STEPS_PER_QUARTER)
        if theme is None:
            raise EmsyncError(
                f"{quoted(settings.theme.name)} has no melody of four notes or more. "
                "Choose another for the theme."
            )
        given = replace(given, theme=theme)
    if settings.primer is not None:
        most = job.checkpoint.model.settings.context // 2
        primer = read_primer_tokens(settings.primer, most, settings.primer_seconds, job.cancel)
        decoded = decode(primer)
        given = replace(given, primer=primer, sixteenth=_sixteenth_of(decoded.bars))
        pitched = pitched_of(decoded.notes)
        if settings.tonic == "auto" and settings.mode == "auto" and len(pitched):
            key = key_of(class_weights(pitched))
            settings = replace(
                settings,
                tonic=PITCH_NAMES[key.tonic],
                mode="minor" if key.minor else "major",
            )
    return replace(job, settings=settings), given


def _sixteenth_of(bars: Sequence[int]) -> int | None:
    """Return the ticks a sixteenth of music with bars of four quarters at these ticks."""
    if len(bars) < 2:
        return None
    ticks = round(float(np.median(np.diff(bars))) / 16)
    return ticks if FASTEST_SIXTEENTH <= ticks <= SLOWEST_SIXTEENTH else None


def draft_of(job: Job, given: Given, number: int, seed: int, asked: Sequence[float]) -> Draft:
    """Return the `number`th draft for a film: a tempo, a grid, a plan and a brief for the model."""
    settings, seconds = job.settings, job.seconds
    tempo = tempo_of(job.curve, asked, seconds, settings, number)
    if given.sixteenth is not None and settings.slowest is None and settings.fastest is None:
        going_on = ((0.0, given.sixteenth),)
        pace = pace_for(going_on, asked, metre=tempo.metre)
        tempo = replace(tempo, sixteenths=going_on, pace=pace)
    grid = lay_grid(tempo.metre, tempo.sixteenths, asked, seconds, pace=tempo.pace)
    plan = write_plan(grid, job.curve, seconds, settings, seed, _ends(asked, job))
    brief = _brief(grid, plan, job.curve, seconds, seed)
    return Draft(grid, plan, replace(brief, primer=given.primer), given.theme)


def tempo_of(
    curve: MoodCurve,
    hits: Sequence[float],
    seconds: float,
    settings: MusicSettings,
    number: int,
) -> Tempo:
    """Return the tempo and the metre of the `number`th draft.

    The first is about what the arousal asks for, the others lie around it; each is adjusted so that
    the hit points bend the beat as little as may be. Where the mood changes, so does the tempo.

    Args:
        curve: moods over the film.
        hits: seconds of the film.
        seconds: length of the film.
        settings: bounds on the tempo, the metre.
        number: of the draft, from 0.
    """
    factor = TEMPO_FACTORS[number % len(TEMPO_FACTORS)]
    lowest, highest = settings.slowest or 0.0, settings.fastest or math.inf
    sixteenths: list[tuple[float, int]] = []
    for start, _, mood in curve.stretches(seconds):
        asked = float(np.interp(mood.arousal, *TEMPO_OF_AROUSAL)) * factor
        ticks = round(_ticks_a_sixteenth(min(max(asked, lowest), highest)))
        ticks = min(max(ticks, FASTEST_SIXTEENTH), SLOWEST_SIXTEENTH)
        if not sixteenths or sixteenths[-1][1] != ticks:
            sixteenths.append((start, ticks))
    metre = _metre(settings, number)
    related = related_tempos(sixteenths, highest / lowest if lowest else math.inf)
    if lowest or highest < math.inf:
        # A tempo that was asked for is kept to, whatever whole ticks and hit points would like.
        ticks_at_most, ticks_at_least = max(t for _, t in related), min(t for _, t in related)
        least = _tempo_of_ticks(ticks_at_least) / highest
        most = _tempo_of_ticks(ticks_at_most) / max(lowest, 1.0)
        paces = np.clip(PACES, least, max(least, most))
        pace = pace_for(related, hits, paces, metre)
    else:
        pace = pace_for(sixteenths, hits, metre=metre)
    return Tempo(metre, related, pace)


def _ticks_a_sixteenth(tempo: float) -> float:
    return 60.0 / tempo / 4 / TICK_SECONDS


def _tempo_of_ticks(ticks: float) -> float:
    return 60.0 / (4 * ticks * TICK_SECONDS)


def _metre(settings: MusicSettings, number: int) -> Metre:
    """Return the metre of the `number`th draft: one in four is tried in three where it may be."""
    if settings.metre != "auto":
        return METRES[settings.metre]
    if settings.style == "waltz":
        return METRES["3/4"]
    # Chords that a user wrote are read in four, unless another metre is asked for.
    unsaid = settings.style in ("auto", "cinematic", "piano", "folk") and not settings.chords
    if unsaid and number % 4 == 3:
        return METRES["3/4" if number % 8 == 3 else "6/8"]
    return METRES["4/4"]


def _ends(asked: Sequence[float], job: Job) -> bool:
    """Return whether the last hit point is the chord to end on."""
    return (
        job.settings.end_on_chord
        and bool(asked)
        and job.seconds >= SHORTEST_ENDED_FILM
        and asked[-1] >= job.seconds - LONGEST_ENDING
    )


def _brief(grid: Grid, plan: Plan, curve: MoodCurve, seconds: float, seed: int) -> Brief:
    """Return what the model is asked for, in seconds of its own clock."""

    def clock(step: int) -> float:
        return float(grid.ticks_of(step)) * TICK_SECONDS

    (_, _, mood), *later = curve.stretches(seconds)
    sounding = grid.seconds_of(np.arange(grid.steps))
    hits = {hit.asked: hit.step for hit in grid.hits}
    changes: dict[int, MoodChange] = {}
    for start, _, then in later:
        # The chord of a hit may sound a little early or late; the new mood comes with it.
        step = hits.get(start, int(np.searchsorted(sounding, start - 1e-6)))
        changes[step] = MoodChange(clock(step), then.valence, then.arousal)
    return Brief(
        mood.valence,
        mood.arousal,
        tuple(clock(hit.step) for hit in grid.hits),
        clock(grid.steps),
        seed,
        changes=tuple(changes[step] for step in sorted(changes)),
        grid=grid,
        plan=plan,
    )


def _steady(settings: MusicSettings) -> MusicSettings:
    """Return the settings for drawing: on the grid the temperature does not rise."""
    return replace(settings, repetition_coefficient=0.0, late_tolerance=None)


def arranged(
    draft: Draft, tokens: Sequence[int], settings: MusicSettings
) -> tuple[Arrangement, DecodedTokens]:
    """Return the arrangement of drawn tokens, in steps, and what the tokens say."""
    decoded = decode(tokens)
    drawn = _in_steps(decoded.notes, draft.grid)
    return arrange(drawn, draft.plan, settings, draft.brief.seed, draft.theme), decoded


def _in_steps(table: NoteTable, grid: Grid) -> NoteTable:
    """Return drawn notes, in ticks, as notes in steps."""
    start, end = grid.steps_of(table.start), grid.steps_of(table.end)
    return NoteTable(table.group, table.pitch, start, np.maximum(end, start + 1))


def in_film_ticks(notes: NoteTable, grid: Grid) -> NoteTable:
    """Return notes in steps as notes in ticks of film time."""
    start = np.round(grid.seconds_of(notes.start) / TICK_SECONDS).astype(np.int64)
    end = np.round(grid.seconds_of(notes.end) / TICK_SECONDS).astype(np.int64)
    return NoteTable(notes.group, notes.pitch, start, np.maximum(end, start + 1))


def _opening_rank(draft: Draft, drawing: Drawing, number: int, job: Job) -> tuple[float, ...]:
    """Return how little promising an opening is: faults, then cost and distance from the mood."""
    row = drawing.row(number)
    if not isinstance(row, GridRow) or not row.time_draws:
        return math.inf, math.inf
    (_, _, asked), *_ = job.curve.stretches(job.seconds)
    arrangement, _ = arranged(draft, drawing.piece(number).tokens, job.settings)
    notes = in_film_ticks(arrangement.notes, draft.grid)
    until = round(OPENING_SECONDS / TICK_SECONDS)
    bars = _film_bars(draft.grid, OPENING_SECONDS)
    heard = job.regressor.hear(notes.take(notes.start < until), bars)
    distance = abs(heard.valence - asked.valence) + abs(heard.arousal - asked.arousal)
    if math.isnan(distance):
        distance = UNHEARD
    found = _faults_so_far(draft, arrangement, row.seconds)
    return len(found), COST_WEIGHT * row.cost + distance


def _film_bars(grid: Grid, seconds: float) -> list[int]:
    """Return the bar lines of the film up to `seconds`, in ticks."""
    at = grid.seconds_of(np.array(grid.bar_lines))
    return np.round(at[at < seconds] / TICK_SECONDS).astype(np.int64).tolist()


def _faults_so_far(draft: Draft, arrangement: Arrangement, drawn: float) -> tuple[str, ...]:
    """Return what is wrong with a piece of which so many seconds of the model's clock are drawn."""
    end = int(draft.grid.steps_of([round(drawn / TICK_SECONDS)])[0])
    end = min(end, draft.grid.steps)
    notes = arrangement.notes.take(arrangement.notes.start < end)
    return faults(notes, draft.plan, draft.grid, GateLimits(), end)


def _judged(draft: Draft, drawing: Drawing, number: int, job: Job) -> Drawn:
    """Return a piece that is drawn to its end, arranged and in film time, and what it is worth."""
    piece, grid, settings = drawing.piece(number), draft.grid, job.settings
    arrangement, decoded = arranged(draft, piece.tokens, settings)
    steps = arrangement.notes
    table = in_film_ticks(steps, grid)
    length = max(1, round(job.seconds / TICK_SECONDS))
    bars = _film_bars(grid, job.seconds)
    quality = quality_of(table, bars, length)
    wrong = faults(steps, draft.plan, grid, GateLimits())
    found = DecodedTokens(table, tuple(bars), (), length)
    heard = heard_moods(found, job.curve, job.seconds, job.regressor)
    distance = mood_distance(heard, job.curve, job.seconds)
    strong = set(strong_chords(steps, STEPS_PER_QUARTER).tolist())
    boundaries = tuple(
        BoundaryHit(
            hit.asked,
            hit.seconds if hit.step in strong else None,
            "cut" if i < len(job.cuts) else "ending",
        )
        for i, hit in enumerate(grid.hits)
    )
    kept = np.flatnonzero(grid.seconds_of(steps.start) < job.seconds)
    notes = _film_notes(steps.take(kept), draft, strong, job.seconds)
    return Drawn(
        candidate=Candidate(
            draft.brief.seed,
            wrong,
            sum(one.hit is not None for one in boundaries),
            heard,
            distance,
            quality.groups,
        ),
        tokens=piece.tokens,
        forced=piece.forced,
        notes=notes,
        lead=tuple(arrangement.lead[kept].tolist()),
        bars=tuple(at * TICK_SECONDS for at in bars),
        chords=tuple(grid.seconds_of(sorted(strong)).tolist()),
        boundaries=boundaries,
        score=_score(draft, steps, decoded.chords, job),
        ended_on_chord=draft.plan.cadence is not None,
        quality=quality,
        beats_per_minute=_usual_tempo(grid),
        plan=draft.plan,
        grid=grid,
    )


def _usual_tempo(grid: Grid) -> float:
    """Return the quarters a minute that hold longest."""
    edges = [*(step for step, _ in grid.tempos), grid.steps]
    longest = max(range(len(grid.tempos)), key=lambda i: edges[i + 1] - edges[i])
    return grid.tempo_at(edges[longest])


def _film_notes(
    notes: NoteTable, draft: Draft, strong: set[int], seconds: float
) -> tuple[Note, ...]:
    """Return notes in seconds of the film; those of the chords on hits are played louder."""
    loud = set(draft.plan.hits) & strong
    starts = np.maximum(draft.grid.seconds_of(notes.start), 0.0).tolist()
    ends = np.minimum(draft.grid.seconds_of(notes.end), seconds).tolist()
    rows = zip(notes.group, notes.pitch, notes.start, starts, ends, strict=True)
    return tuple(
        Note(
            GROUPS[group],
            int(pitch),
            start,
            end,
            CHORD_VELOCITY if GROUPS[group] in CHORD_GROUPS and int(step) in loud else VELOCITY,
        )
        for group, pitch, step, start, end in rows
    )


def _score(draft: Draft, notes: NoteTable, chords: Sequence[int], job: Job) -> BoundaryScore:
    """Return how many cuts a piece hits, by its CHORD tokens and by its notes."""
    grid, sensitivity = draft.grid, job.settings.sensitivity
    told = grid.seconds_of(grid.steps_of(chords)).tolist()
    heard = grid.seconds_of(strong_chords(notes, STEPS_PER_QUARTER)).tolist()
    return BoundaryScore(
        len(job.cuts),
        ticked_off(job.cuts, told, sensitivity),
        ticked_off(job.cuts, heard, sensitivity),
    )
