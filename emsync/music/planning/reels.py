"""Form over minutes: the music of a long film as a chain of reels that share their themes.

A song form does not carry half an hour: a rondo of a hundred sections says its refrain sixty times.
So a long piece is divided into reels of two to four minutes. Each has a song form of its own, in a
key related to the home key; where one mood goes through several, each has another of its themes for
a refrain. The first and the last are at home, and the last one alone comes to an end. The themes
stay the same throughout, as those of an opera or a film score do.
"""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emsync.emotion.mapping import Mood
from emsync.music.planning.form import CONTRASTS, form_of
from emsync.music.planning.grid import Grid
from emsync.music.planning.plan import Plan

USUAL_REEL, SHORTEST_REEL, LONGEST_REEL = 180.0, 120.0, 240.0
"""Seconds. Ours: as long as a song is, for that is what a song form carries. A piece up to the
longest is one reel."""
LENGTH_COST, BOUND_COST = 0.5, 20.0
"""Of a square minute off the usual length, and of one beyond the bounds. Ours."""
MOOD_WORTH, HIT_WORTH = 0.6, 0.3
"""What it is worth to begin a reel where valence and arousal change, together, by 1; and where a
hit point lies. Ours: a change of mood by 1.1 outweighs a minute in one reel of two."""
DOMINANT, SUBDOMINANT = 7, 5
"""Semitones from the home key. Both share six of its seven tones, and forms of several parts have
gone there and come home since the baroque: the dominant first, the subdominant before the end."""
GROWTH = 0.08
"""Energy that the last reel has before the first, beside what each grows by in itself. Ours."""


@dataclass(frozen=True)
class Reel:
    """A stretch of a long piece with a form, a key and a refrain of its own."""

    first: int
    """Number of its first section."""
    stop: int
    """Number of the section after its last one."""
    key: int
    """Semitones from the home key, in [0, 12)."""
    energy: float
    """Added to what the mood and the form ask for."""


def refrain_of(part: int, themes: int, comes_home: bool) -> int:
    """Return the theme that is the main one of a mood in one of the reels that it goes through.

    That of the first is 0, and so is that of the last reel of the piece, which comes home; in the
    others the other themes have their turns.

    Args:
        part: number of the reel among them, from 0.
        themes: of the mood.
        comes_home: whether it is the last of the piece.
    """
    return 0 if part == 0 or comes_home else 1 + (part - 1) % (themes - 1)


def theme_of(number: int, refrain: int) -> int:
    """Return the theme of a section of a song form.

    Args:
        number: 0 for the form's main section, above for its contrasts.
        refrain: the theme of the main section. The first contrast is then theme 0, so that it is
            never gone for long; the other themes follow in their order.
    """
    order = (refrain, *(theme for theme in range(number + 2) if theme != refrain))
    return order[number]


def forms_of_mood(
    parts: Sequence[int], intro: bool, ends: bool, rnd: random.Random
) -> list[tuple[int, bool]]:
    """Return the theme of each section of a mood, and whether it is a contrast.

    Args:
        parts: sections in each of the reels that the mood goes through.
        intro: the first section is one, and has the first theme.
        ends: the piece ends with this mood.
        rnd: of the plan.
    """
    found = [(0, False)] if intro else []
    for part, number in enumerate(parts):
        refrain = refrain_of(part, CONTRASTS + 1, ends and part == len(parts) - 1)
        digits = form_of(number - (intro and part == 0), rnd)
        found += [(theme_of(digit, refrain), digit > 0) for digit in digits]
    return found


def divide_into_reels(
    grid: Grid,
    starts: Sequence[int],
    moods: Sequence[Mood],
    hits: Sequence[int],
    modulates: bool = True,
) -> tuple[Reel, ...]:
    """Return the reels of a piece; time and memory grow with its sections.

    They begin with sections: where the mood changes most, on hit points, and about
    `USUAL_REEL` apart, whichever together costs least.

    Args:
        grid: of the piece.
        starts: steps at which its sections begin, ascending from 0.
        moods: of each section.
        hits: steps of the hit points, ascending.
        modulates: whether the key may change.
    """
    at = [*grid.seconds_of(np.array(starts)).tolist(), float(grid.seconds_of(grid.steps))]
    firsts = [0]
    if at[-1] - at[0] > LONGEST_REEL:
        worths = [0.0, *(_worth(starts, moods, hits, i) for i in range(1, len(starts))), 0.0]
        firsts = _divided(at, worths)
    number = len(firsts)
    keys = key_plan(number) if modulates else (0,) * number
    return tuple(
        Reel(
            first,
            stop,
            keys[i],
            GROWTH * (i / (number - 1) - 0.5) if number > 1 else 0.0,
        )
        for i, (first, stop) in enumerate(zip(firsts, [*firsts[1:], len(starts)], strict=True))
    )


def reels_of(plan: Plan, grid: Grid) -> tuple[int, ...]:
    """Return the steps at which the reels of a plan begin, as they follow from its sections."""
    sections = plan.sections
    reels = divide_into_reels(
        grid,
        [section.step for section in sections],
        [Mood(section.valence, section.arousal) for section in sections],
        plan.hits,
    )
    return tuple(sections[reel.first].step for reel in reels)


def part_of(plan: Plan, grid: Grid, start: int, end: int) -> tuple[Plan, Grid]:
    """Return what lies between two steps as a plan and a grid of their own.

    Args:
        plan, grid: of the whole piece.
        start: becomes step 0; a bar line, so that bars stay bars.
        end: step at which the part ends.
    """

    def inside(steps: Sequence[int]) -> slice:
        return slice(max(0, bisect_right(steps, start) - 1), bisect_left(steps, end))

    def moved(step: int) -> int:
        return max(step - start, 0)

    chords = plan.chords[inside([chord.step for chord in plan.chords])]
    sections = plan.sections[inside([section.step for section in plan.sections])]
    tempos = grid.tempos[inside([step for step, _ in grid.tempos])]
    cadence, met = plan.cadence, [hit.step for hit in grid.hits]
    after, until = bisect_right(met, start), bisect_left(met, end) + 1
    return replace(
        plan,
        chords=tuple(replace(chord, step=moved(chord.step)) for chord in chords),
        sections=tuple(replace(section, step=moved(section.step)) for section in sections),
        hits=tuple(hit - start for hit in plan.hits if start <= hit < end),
        cadence=cadence - start if cadence is not None and start <= cadence < end else None,
        end=end - start,
    ), replace(
        grid,
        tempos=tuple((moved(step), ticks) for step, ticks in tempos),
        lead_in=float(grid.seconds_of(start)),
        # The stretch in which the part ends reaches to the next one.
        hits=tuple(replace(hit, step=hit.step - start) for hit in grid.hits[after:until]),
        steps=end - start,
    )


def key_plan(number: int) -> tuple[int, ...]:
    """Return the keys of so many reels, in semitones from the home key.

    The first and the last are at home, and no two neighbours alike where there are three or more;
    between them dominant and subdominant take turns, with the home key in between as in a rondo.
    """
    between = number - 2
    if between <= 0:
        return (0,) * number
    keys = [DOMINANT, SUBDOMINANT] if between % 2 == 0 else []
    turns = [0, DOMINANT, 0, SUBDOMINANT] if keys else [DOMINANT, 0, SUBDOMINANT, 0]
    keys += [turns[i % len(turns)] for i in range(between - len(keys))]
    return (0, *keys, 0)


def _worth(starts: Sequence[int], moods: Sequence[Mood], hits: Sequence[int], i: int) -> float:
    """Return what it is worth to begin a reel with section `i`."""
    change = abs(moods[i].valence - moods[i - 1].valence)
    change += abs(moods[i].arousal - moods[i - 1].arousal)
    place = bisect_left(hits, starts[i])
    met = place < len(hits) and hits[place] == starts[i]
    return MOOD_WORTH * change + HIT_WORTH * met


def _divided(at: Sequence[float], worths: Sequence[float]) -> list[int]:
    """Return the sections that begin reels, by the division that costs least.

    Args:
        at: seconds at which sections begin, and the end.
        worths: of a border at each of them.
    """
    least, before = [0.0], [0]
    for i in range(1, len(at)):
        # A reel is never far longer than the longest, unless one section is.
        options: list[tuple[float, int]] = []
        for j in range(i - 1, -1, -1):
            if at[i] - at[j] > 2 * LONGEST_REEL and options:
                break
            options.append((least[j] + _length_cost(at[i] - at[j]) - worths[i], j))
        cost, place = min(options)
        least.append(cost)
        before.append(place)
    firsts, place = [], len(at) - 1
    while place:
        place = before[place]
        firsts.append(place)
    return firsts[::-1]


def _length_cost(seconds: float) -> float:
    beyond = max(SHORTEST_REEL - seconds, seconds - LONGEST_REEL, 0.0) / 60
    return LENGTH_COST * ((seconds - USUAL_REEL) / 60) ** 2 + BOUND_COST * beyond**2
