"""A passage composed anew: drawn from the bars before, arranged between what stays, and joined.

The plan of the piece holds: key, chords, form and hit points are where they were. Candidates are
drawn side by side, each hearing the bars before, the groups that stay and what sounds across the
seams; the one that joins what comes before and after best is taken.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property

import numpy as np

from emsync.errors import EmsyncError
from emsync.music.arranging.anew import Manner, arrange_anew, sing_anew
from emsync.music.arranging.events import Event, events_of, in_order, table_of_events
from emsync.music.arranging.texture import Feel, feel_of
from emsync.music.arranging.theme import Theme, theme_of
from emsync.music.chords import CHORD_GROUPS, strong_chords
from emsync.music.composition import (
    CHORD_VELOCITY,
    SEED_STEP,
    VELOCITY,
    Composition,
    ticked_off,
)
from emsync.music.judging.gate import GateLimits, faults
from emsync.music.judging.quality import quality_of
from emsync.music.judging.seams import Seam, roughness, seam_at
from emsync.music.notes import GROUPS, TICK_SECONDS, Note, NoteTable
from emsync.music.passage import Passage
from emsync.music.planning.grid import STEPS_PER_QUARTER, Grid
from emsync.music.planning.plan import Plan
from emsync.music.planning.reels import part_of
from emsync.music.primer import read_theme_notes
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.decoding import Drawing, Mark
from emsync.music.transformer.rows import Brief, MoodChange
from emsync.music.transformer.tokens import decode, encode
from emsync.progress import CancelToken
from emsync.settings import MusicSettings
from emsync.text import listed

DRAWS = 2
"""Drawn side by side. Ours: drawing is what takes time."""
MANNERS = (Manner(), Manner(-4, 0.2), Manner(5, -0.2), Manner(0, -0.4), Manner(0, 0.4))
"""In which each draw is arranged, every time with another melody. Ours: so that there is something
to choose from, also where little depends on the draw, as with held chords."""
SAME_COST = 4.0
"""Of a candidate that is what was there before, note for note, against `roughness`; it grows with
the square of the share of its notes that are. Ours: who asks for other music wants to hear some."""
BARS_BEFORE = 8
"""That the model reads before a passage, at most. Ours: a phrase."""
MOST_BEFORE = 512
"""Tokens of them. Ours: so that a passage of eight bars fits into the context beside them."""
BARS_AHEAD = 4
"""After a passage, whose hit points are told: the model hears of them up to 8 s before."""
TRY_STEP = 101
"""Between the seeds of the arrangements of one draw."""
SHOWN_EVERY = 0.4
"""Seconds between two sketches, at least. Ours."""

Shown = Callable[[NoteTable, str], None]
"""Shown the piece while its passage is drawn, in ticks of the film, and what is under way."""


@dataclass(frozen=True)
class _Task:
    """A passage, and the piece that it lies in, in steps."""

    piece: Composition
    plan: Plan
    grid: Grid
    passage: Passage
    settings: MusicSettings
    theme: Theme | None
    notes: tuple[Event, ...]
    """Of the piece, in its order."""
    stays: tuple[bool, ...]
    """Which of them stay."""
    start: int
    end: int
    planned: frozenset[int]
    """Groups that are to play in it by the plan, as indices."""
    around: tuple[int, int]
    """From the first bar that the model reads to the last one of which it is told."""

    @property
    def kept(self) -> list[Event]:
        """Return the notes that stay."""
        return [note for note, stays in zip(self.notes, self.stays, strict=True) if stays]

    @cached_property
    def before(self) -> list[Event]:
        """Return the notes around the passage as they were, in their order."""
        first, last = self.around
        return [note for note in self.notes if first <= note.start < last]

    @cached_property
    def neighbours(self) -> list[Event]:
        """Return those of them that stay, in their order."""
        first, last = self.around
        return [note for note in self.kept if first <= note.start < last]

    @cached_property
    def leaving(self) -> list[Event]:
        """Return the notes that go."""
        return [note for note, stays in zip(self.notes, self.stays, strict=True) if not stays]

    @cached_property
    def gone(self) -> set[tuple[int, int, int]]:
        """Return group, pitch and start of the notes that go."""
        return {(note.group, note.pitch, note.start) for note in self.leaving}

    @cached_property
    def part(self) -> tuple[Plan, Grid]:
        """Return plan and grid of what lies around the passage, from step 0 on."""
        return part_of(self.plan, self.grid, *self.around)

    @cached_property
    def feel(self) -> Feel | None:
        """Return how the music around it divides its beats; None where that is not to be seen."""
        if self.plan.style == "jazz":  # eighths are swung already
            return None
        return feel_of(note for note in self.before if not note.lead)

    @cached_property
    def melodies(self) -> list[list[Event]]:
        """Return a melody for each of the `MANNERS`; none where somebody else has it."""
        groups, seed = self.passage.groups, self.passage.seed
        first = self.piece.candidates[self.piece.kept].seed
        return [
            sing_anew(
                self.plan, self.start, self.end, groups, self.settings, seed + TRY_STEP * number,
                first, self.theme,
            )
            for number in range(len(MANNERS))
        ]  # fmt: skip

    @cached_property
    def seams(self) -> dict[int, Seam]:
        """Return the bar lines at which the passage meets its neighbours, as they were."""
        table, lead = table_of_events(self.before)
        lines = [line for line in (self.start, self.end) if 0 < line < self.plan.end]
        return {line: seam_at(table, lead, self.plan, line) for line in lines}


def recompose(
    checkpoint: Checkpoint,
    piece: Composition,
    passage: Passage,
    settings: MusicSettings,
    cancel: CancelToken,
    advance: Callable[[float], None],
    sketch: Shown | None = None,
) -> Composition:
    """Return `piece` with other notes in a passage; all others are the same objects.

    Args:
        checkpoint: the generator.
        piece: with a plan.
        passage: of the piece; its groups that may not play by `settings` do not.
        settings: those that the piece was composed with.
        cancel: looked at before every token.
        advance: told the share that is done.
        sketch: shown the piece while the passage is drawn.

    Raises:
        EmsyncError: the piece has no plan or no such bars, none of the groups is to play there,
            nothing else was found for them, or the theme cannot be read.
        Cancelled: the owner asked to stop.
    """
    began = time.monotonic()
    task = _task_of(piece, passage, settings, cancel)
    briefs, mark = _briefs(task)
    steady = replace(
        settings,
        groups=tuple(group for group in settings.groups if group in passage.groups),
        repetition_coefficient=0.0,
        late_tolerance=None,
    )
    drawing = Drawing(checkpoint.model, briefs, steady)
    if mark is not None:
        for number, brief in enumerate(briefs):
            drawing.go_back(number, mark, brief.seed)
    read = drawing.tokens
    shown = None if sketch is None else _Sounding(task, sketch)
    drawing.draw(range(len(briefs)), cancel, advance, shown)
    drawn = drawing.tokens - read
    tokens = [drawing.piece(number).tokens for number in range(len(briefs))]
    found = []
    for number, said in enumerate(tokens):
        for manner in range(len(MANNERS)):
            cancel.check()
            events = _arranged(task, said, number, manner)
            found.append((*_rank(task, events), number, manner, events))
    *_, best, _, events = min(found, key=lambda one: one[:4])
    events = in_order([*events, *_for_whom_nothing_was_found(task, events)])
    if sorted(map(astuple, events)) == sorted(map(astuple, task.leaving)):
        raise EmsyncError(
            f"In {passage.bars} nothing else was found for {listed(list(passage.groups))}. Ask for "
            "more bars, for other groups, or with another seed."
        )
    elapsed = time.monotonic() - began
    new = tokens[best][0 if mark is None else len(mark.tokens) :]
    made = _with(task, events, new)
    return replace(
        made,
        compose_seconds=piece.compose_seconds + elapsed,
        tokens_per_second=drawn / elapsed,
    )


def _task_of(
    piece: Composition, passage: Passage, settings: MusicSettings, cancel: CancelToken
) -> _Task:
    """Return the passage in steps.

    Raises:
        EmsyncError: as for `recompose`.
    """
    plan, grid = piece.plan, piece.grid
    if plan is None or grid is None:
        raise EmsyncError(
            "This piece was drawn without a plan, so no part of it can be composed anew. Compose "
            "one with a plan first."
        )
    if passage.last > len(piece.bars):
        raise EmsyncError(
            f"The piece has {len(piece.bars)} bars, and {passage.bars} are asked for. Ask for "
            "earlier ones."
        )
    bar = plan.metre.bar
    start = (passage.first - 1) * bar
    end = plan.end if passage.last == len(piece.bars) else passage.last * bar
    playing = {
        group
        for at in [start, *(s.step for s in plan.sections if start < s.step < end)]
        for group in plan.section_at(at).groups
        if group in settings.groups
    }
    if not playing & set(passage.groups):
        who = f"only {listed(sorted(playing))}" if playing else "nobody"
        verb = "are" if len(playing) > 1 else "is"
        raise EmsyncError(
            f"In {passage.bars} {who} {verb} to play. Ask for other groups, or for other bars."
        )
    notes = _in_steps(piece, grid)
    anew = {GROUPS.index(group) for group in passage.groups}
    stays = tuple(e.group not in anew or e.start < start or e.end > end for e in notes)
    around = max(0, start - BARS_BEFORE * bar), min(plan.end, end + BARS_AHEAD * bar)
    theme = _theme(settings, cancel)
    planned = frozenset(GROUPS.index(group) for group in playing)
    return _Task(
        piece, plan, grid, passage, settings, theme, notes, stays, start, end, planned, around
    )  # fmt: skip


def _theme(settings: MusicSettings, cancel: CancelToken) -> Theme | None:
    if settings.theme is None:
        return None
    return theme_of(read_theme_notes(settings.theme, cancel), STEPS_PER_QUARTER)


def _in_steps(piece: Composition, grid: Grid) -> tuple[Event, ...]:
    """Return the notes of a piece on the steps of its grid."""
    times = grid.seconds_of(np.arange(grid.steps + grid.metre.bar + 1))

    def steps(seconds: list[float]) -> list[int]:
        at = np.array(seconds)
        after = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
        near = np.where(at - times[after - 1] < times[after] - at, after - 1, after)
        found: list[int] = near.tolist()
        return found

    starts = steps([note.start for note in piece.notes])
    ends = steps([note.end for note in piece.notes])
    leads = piece.lead or (False,) * len(piece.notes)
    return tuple(
        Event(GROUPS.index(note.group), note.pitch, start, max(end, start + 1), lead)
        for note, start, end, lead in zip(piece.notes, starts, ends, leads, strict=True)
    )


def notes_in_steps(piece: Composition) -> tuple[NoteTable, np.ndarray]:
    """Return the notes of a planned piece on the steps of its grid, and which are the melody.

    Raises:
        ValueError: the piece has no grid.
    """
    if piece.grid is None:
        raise ValueError("a piece without a grid has no steps")
    return table_of_events(_in_steps(piece, piece.grid))


# Drawing ------------------------------------------------------------------------------------------


def _briefs(task: _Task) -> tuple[list[Brief], Mark | None]:
    """Return what each draw is asked to be, and where they go on; None for the beginning."""
    first, _ = task.around
    part, clock = task.part
    tokens, given = _told(task)
    asked = replace(_asked(part, clock, task.end - first), given=given)
    briefs = [replace(asked, seed=_seed(task.passage, number)) for number in range(DRAWS)]
    if task.start == first:
        return briefs, None
    # What is read counts as written in the mood before: a new one is told with its end alone.
    before = asked.changes_by(float(clock.ticks_of(task.start - first)) * TICK_SECONDS - 1e-6)
    return briefs, Mark(tokens, (), max(0, len(tokens) - MOST_BEFORE), before, False)


def _seed(passage: Passage, number: int) -> int:
    return passage.seed + SEED_STEP * number


def _asked(part: Plan, clock: Grid, end: int) -> Brief:
    """Return what a stretch of the piece was asked to be, up to step `end` of it."""

    def second(step: int) -> float:
        return float(clock.ticks_of(step)) * TICK_SECONDS

    opening, *later = part.sections
    changes: list[MoodChange] = []
    now = opening.valence, opening.arousal
    for section in later:
        if (section.valence, section.arousal) != now:
            now = section.valence, section.arousal
            changes.append(MoodChange(second(section.step), *now))
    return Brief(
        opening.valence,
        opening.arousal,
        tuple(second(hit.step) for hit in clock.hits),
        second(end),
        0,
        changes=tuple(changes),
        grid=clock,
        plan=part,
    )


def _told(task: _Task) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Return what is there already: the tokens before the passage, and those given in it."""
    (first, _), (part, clock) = task.around, task.part
    near = [e.moved(e.start - first, e.end - first) for e in task.neighbours if e.start < task.end]
    table, _ = table_of_events(near)
    ticks = NoteTable(
        table.group, table.pitch, clock.ticks_of(table.start), clock.ticks_of(table.end)
    )
    begins, ends = (int(clock.ticks_of(at - first)) for at in (task.start, task.end))
    bars = clock.ticks_of(range(0, task.start - first, part.metre.bar))
    strong = set(strong_chords(table, STEPS_PER_QUARTER).tolist())
    draws_chords = bool(set(task.passage.groups) & set(CHORD_GROUPS))
    struck = [
        hit for hit in part.hits if hit in strong and (hit < task.start - first or not draws_chords)
    ]
    said = encode(ticks, bars, clock.ticks_of(struck), drum_offs=False).tolist()
    before: list[int] = []
    given: list[tuple[int, int]] = []
    at = 0
    for token in map(int, said):
        shift = v.shift_ticks(token)
        if at + shift >= begins:
            # A pause that reaches into the passage goes on to its first bar line.
            if shift and at < begins:
                before.append(v.shift_token(begins - at))
            if not shift and at < ends:
                given.append((at, token))
        else:
            before.append(token)
        at += shift
    if at < begins:
        before += _pause(begins - at)
    return tuple(before), tuple(given)


def _pause(ticks: int) -> list[int]:
    whole, rest = divmod(ticks, v.MAXIMUM_SHIFT)
    return [v.shift_token(v.MAXIMUM_SHIFT)] * whole + ([v.shift_token(rest)] if rest else [])


# What is heard of it ------------------------------------------------------------------------------


def _arranged(task: _Task, tokens: Sequence[int], number: int, manner: int = 0) -> list[Event]:
    """Return the passage that the tokens of a draw become, in one of the `MANNERS`."""
    (first, _), (_, clock) = task.around, task.part
    notes = decode(tokens).notes
    start, end = clock.steps_of(notes.start) + first, clock.steps_of(notes.end) + first
    table = NoteTable(notes.group, notes.pitch, start, np.maximum(end, start + 1))
    drawn = events_of(table.take((start >= task.start) & (start < task.end)))
    heard = [e for e in task.kept if e.start < task.end and e.end > task.start]
    seed = _seed(task.passage, number) + TRY_STEP * manner
    return arrange_anew(
        drawn, task.melodies[manner], heard, task.plan, task.start, task.end, task.passage.groups,
        task.settings, task.feel, seed, MANNERS[manner],
    )  # fmt: skip


def _rank(task: _Task, new: Sequence[Event]) -> tuple[int, float]:
    """Return how little a candidate is worth: faults, then how rough its seams are.

    Looked at is what lies around the passage; what was wrong with it before does not count. A group
    for which nothing was found, though it played, is a fault as well.
    """
    table, lead = table_of_events([*task.neighbours, *new])
    rough = sum(
        roughness(seam_at(table, lead, task.plan, line), than) for line, than in task.seams.items()
    )
    same = sum((e.group, e.pitch, e.start) in task.gone for e in new) / max(len(new), 1)
    before, _ = table_of_events(task.before)
    wrong = set(_faults_around(task, table)) - set(_faults_around(task, before))
    silent = {event.group for event in _for_whom_nothing_was_found(task, new)}
    return len(wrong) + len(silent), rough + SAME_COST * same**2


def _for_whom_nothing_was_found(task: _Task, new: Sequence[Event]) -> list[Event]:
    """Return what groups played that are to play and are silent now: they go on with it."""
    missing = task.planned - {event.group for event in new}
    return [event for event in task.leaving if event.group in missing]


def _faults_around(task: _Task, table: NoteTable) -> tuple[str, ...]:
    first, _ = task.around
    moved = NoteTable(table.group, table.pitch, table.start - first, table.end - first)
    return faults(moved, *task.part, GateLimits())


class _Sounding:
    """Shows the piece with what is drawn of a passage, arranged, now and then."""

    def __init__(self, task: _Task, show: Shown) -> None:
        self._task, self._show = task, show
        self._due = 0.0

    def __call__(self, number: int, tokens: tuple[int, ...]) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        task = self._task
        new = _arranged(task, tokens, number)
        table, _ = table_of_events([*task.kept, *new])
        self._show(_in_film_ticks(table, task.grid), f"Composing {task.passage.bars} anew")
        taken = time.monotonic() - now
        self._due = now + taken + max(SHOWN_EVERY, 8 * taken)


def _in_film_ticks(notes: NoteTable, grid: Grid) -> NoteTable:
    start = np.round(grid.seconds_of(notes.start) / TICK_SECONDS).astype(np.int64)
    end = np.round(grid.seconds_of(notes.end) / TICK_SECONDS).astype(np.int64)
    return NoteTable(notes.group, notes.pitch, start, np.maximum(end, start + 1))


def _with(task: _Task, new: Sequence[Event], tokens: tuple[int, ...]) -> Composition:
    """Return the piece with a passage in place of the one before, and what is known of it."""
    piece, plan, grid = task.piece, task.plan, task.grid
    whole = in_order([*task.kept, *new])
    table, _ = table_of_events(whole)
    strong = set(strong_chords(table, STEPS_PER_QUARTER).tolist())
    loud = set(plan.hits) & strong
    rows = [
        (event, note)
        for event, note, stays in zip(task.notes, piece.notes, task.stays, strict=True)
        if stays
    ]
    for event in new:
        start = max(float(grid.seconds_of(event.start)), 0.0)
        end = min(float(grid.seconds_of(event.end)), piece.seconds)
        group = GROUPS[event.group]
        velocity = CHORD_VELOCITY if group in CHORD_GROUPS and event.start in loud else VELOCITY
        if start < piece.seconds:
            rows.append((event, Note(group, event.pitch, start, end, velocity)))
    rows.sort(key=lambda row: (row[0].start, row[0].group, row[0].pitch))
    heard = grid.seconds_of(sorted(strong)).tolist()
    cuts = [one.asked for one in piece.boundaries if one.kind == "cut"]
    length = max(1, round(piece.seconds / TICK_SECONDS))
    bars = [round(at / TICK_SECONDS) for at in piece.bars]
    who = "everything was"
    if len(task.passage.groups) < len(GROUPS):
        who = listed(list(task.passage.groups))
        who += " was" if len(task.passage.groups) == 1 else " were"
    return replace(
        piece,
        written=(*piece.written, *tokens),
        notes=tuple(note for _, note in rows),
        lead=tuple(event.lead for event, _ in rows),
        chords=tuple(heard),
        boundaries=tuple(
            replace(one, hit=hit.seconds if hit.step in strong else None)
            for one, hit in zip(piece.boundaries, grid.hits, strict=True)
        ),
        score=replace(
            piece.score, strong_chords=ticked_off(cuts, heard, task.settings.sensitivity)
        ),
        quality=quality_of(_in_film_ticks(table, grid), bars, length),
        faults=faults(table, plan, grid, GateLimits()),
        remarks=(
            *piece.remarks,
            f"In {task.passage.bars} {who} composed anew, with seed {task.passage.seed}.",
        ),
        passages=(*piece.passages, task.passage),
    )
