"""Where the chord changes: how often, and how hit points move the changes."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from emsync.music.planning.grid import STEPS_PER_EIGHTH, Grid
from emsync.music.planning.plan import Section

LONGEST_CHORD = 4.6
"""Seconds. Ours: real music's longest stretch on one chord is 5 s in the median."""
CALM_CHORD, EXCITED_CHORD = 2.5, 1.7
"""Seconds a chord at arousal -1 and 1. Ours: real music changes 28 times a minute."""


def unit_of(grid: Grid, section: Section) -> int:
    """Return the usual steps of a chord in a section: half a bar, a bar or two.

    The quicker the more aroused (harmonic rhythm is one of the means of tension), and nearly the
    same in seconds whatever the tempo.
    """
    metre = grid.metre
    per_step = grid.seconds_per_step(section.step)
    wanted = CALM_CHORD + (EXCITED_CHORD - CALM_CHORD) * (section.arousal + 1) / 2
    choices = [metre.bar, 2 * metre.bar]
    if metre.beats % 2 == 0:
        choices.insert(0, metre.bar // 2)
    return min(choices, key=lambda steps: max(steps * per_step / wanted, wanted / steps / per_step))


def changes_of(grid: Grid, sections: Sequence[Section], hits: Sequence[int], end: int) -> list[int]:
    """Return the steps at which the chord changes, ascending from 0, all before `end`.

    On every hit point; on section starts and the section's units where the end is not within a
    beat. A hit point up to a beat before such a line takes its change, so that the chord struck
    there rings on; one after it finds the new chord.
    """
    bar, beat = grid.metre.bar, grid.metre.beat
    met = sorted(hit for hit in hits if hit < end)
    begun = [s.step for s in sections if s.step < end and not _close(s.step, [*met, end], beat)]
    edges = sorted({0, *begun, end})
    changes = {0, *met, *begun}
    for section, following in zip(sections, [*sections[1:], None], strict=True):
        until = min(end, following.step if following else end)
        unit = unit_of(grid, section)
        first = -(-section.step // bar) * bar
        lines = range(first if first > section.step else first + unit, until, unit)
        changes.update(
            line
            for line in lines
            if not _close(line, edges, beat + 1) and not _taken(line, met, beat)
        )
    return _filled(grid, sorted(changes), end)


def _taken(line: int, hits: Sequence[int], beat: int) -> bool:
    """Return whether one of `hits`, ascending, lies up to a beat before `line` or just after it."""
    i = bisect_left(hits, line - beat)
    return i < len(hits) and hits[i] < line + STEPS_PER_EIGHTH


def _close(step: int, anchors: Sequence[int], near: int) -> bool:
    """Return whether one of `anchors`, ascending, is less than `near` from `step`."""
    i = bisect_left(anchors, step)
    return any(abs(anchor - step) < near for anchor in anchors[max(0, i - 1) : i + 1])


def _filled(grid: Grid, changes: Sequence[int], end: int) -> list[int]:
    """Return the changes with more between them where a chord would last too long."""
    out = []
    for start, stop in pairwise([*changes, end]):
        out.append(start)
        lasting = (stop - start) * grid.seconds_per_step(start)
        parts = int(-(-lasting // LONGEST_CHORD))
        for part in range(1, parts):
            out.append(_between(start, stop, start + (stop - start) * part / parts, grid))
    return sorted(set(out))


def _between(start: int, stop: int, wanted: float, grid: Grid) -> int:
    """Return a step near `wanted` that is strong in its bar and leaves a beat on either side."""
    bar, beat = grid.metre.bar, grid.metre.beat
    strong = bar // 2 if grid.metre.beats % 2 == 0 else bar
    for unit in (strong, beat, STEPS_PER_EIGHTH):
        step = round(wanted / unit) * unit
        if start + beat <= step <= stop - beat and abs(step - wanted) <= (stop - start) / 4:
            return step
    return round(wanted)
