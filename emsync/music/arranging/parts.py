"""What each group does in a section: its role, how many voices it has, and in which register."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emsync.music.arranging.events import (
    CHORDAL,
    GUITAR,
    PIANO,
    STRINGS,
    Event,
    SectionSpan,
    onsets,
)
from emsync.music.arranging.patterns import STEADY, steadiness
from emsync.music.notes import GROUPS
from emsync.music.planning.grid import STEPS_PER_EIGHTH, STEPS_PER_SIXTEENTH, MetreName
from emsync.music.planning.plan import Plan, Section
from emsync.settings import Density, MusicSettings

Role = Literal["chords", "pad", "broken", "line"]
"""Chords in the drawn rhythm; chords held; chords broken into single notes; a single line."""
Figure = tuple[tuple[int, ...], ...]
"""Voices of a chord that sound together, lowest 0, one after the other."""

HOME = {GUITAR: (48, 71), PIANO: (48, 76), STRINGS: (48, 81)}
"""Registers of accompaniment: the middle octaves, where chords blend (Adler, "The Study of
Orchestration"); the bass has what lies below, the melody what lies above."""
LEAD_RANGE = {GUITAR: (61, 83), PIANO: (63, 87), STRINGS: (62, 87)}
"""Registers of melodies, comfortable on the instrument and above the accompaniment."""
SINGLE = 1.5
"""Notes struck together on average, below which a group plays a line rather than chords."""
DENSE = 1.2
"""Chords a beat above which their re-strikes become a wall of tremolo where the mood is calm."""
BREAKING = 0.15
"""Arousal below which repeated chords are broken into figures."""
CALM_BELOW = 0.3
"""Arousal from which strings may drive the music by repeated chords."""
DRIVEN = 0.5
"""Energy from which held chords of guitar and piano are struck on every beat."""
EVEN = 0.6
"""Share of equal distances between onsets from which a line has a rhythm of its own. Where the mood
is calm, one that has none is heard as hesitating."""
MOVING = 0.9
"""Onsets a beat from which a group gives the music its motion."""
SLOW, RIPPLING = -0.25, 0.2
"""Arousal below which the tempo is slow, and energy from which chords are then broken into
sixteenths: at 70 quarters a minute that is as quick as eighths at 140."""
FLOWING = 0.05
"""Energy from which chords are broken into eighths; into quarters below."""


@dataclass(frozen=True, slots=True)
class Part:
    """How a group accompanies in one section."""

    group: int
    role: Role
    size: int
    """Voices of its chords."""
    middle: int
    """MIDI pitch around which its chords lie."""
    low: int
    high: int
    legato: bool
    """Whether a chord lasts until the next one."""
    restless: bool
    """Whether a line that stays on its note is led through the chord instead."""
    unit: int
    """Steps from one note of a broken chord to the next."""
    hold: int
    """Steps after which a held chord is struck anew."""
    figure: Figure
    """Order in which a broken chord sounds its voices."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What the generator wrote for a group in a section."""

    together: float
    """Notes struck together on average."""
    rate: float
    """Onsets a beat, while it plays."""
    middle: float
    still: bool
    """Whether a single line hardly leaves its note."""
    even: float
    """Share of its commonest distance between onsets."""
    steady: float
    """Steadiness of its onsets (`patterns.steadiness`)."""


def voice_budget(energy: float, density: Density) -> int:
    """Return how many voices accompany beside bass and melody.

    Real music sounds 4.6 voices on average, eight or more a tenth of the time (MIDI windows of
    pop, game and orchestral music); bass and melody are two of them.
    """
    return max(2, 3 + round(2.4 * energy) + {"sparse": -1, "auto": 0, "full": 1}[density])


def share_parts(
    span: SectionSpan,
    events: Sequence[Event],
    plan: Plan,
    settings: MusicSettings,
    lead: int | None,
    ceiling: int | None,
    turn: int,
    lift: int = 0,
) -> dict[int, Part]:
    """Return what each accompanying group does in a section.

    Args:
        span: the section.
        events: what is drawn in it, sorted.
        plan: of the piece.
        settings: groups allowed and density.
        lead: group that has the melody here and therefore does not accompany, if there is one.
        ceiling: highest pitch of accompaniment, if a melody sounds above it.
        turn: number that decides which of equally good figures is taken.
        lift: semitones by which chords lie higher than they were drawn.
    """
    section = span.section
    allowed = [g for g in section.groups if g in settings.groups]
    groups = [g for g in CHORDAL if GROUPS[g] in allowed and g != lead]
    drawn = {g: _look_at([e for e in events if e.group == g], plan) for g in groups}
    roles = _roles(drawn, section.arousal, plan.style)
    sizes = _sizes(roles, voice_budget(section.energy, settings.density))
    parts = {}
    for group in groups:
        low, high = HOME[group]
        high = min(high, ceiling) if ceiling else high
        wide = roles[group] in ("broken", "line")
        middle = int(np.clip(round(drawn[group].middle) + lift, low + 7, max(low + 7, high - 7)))
        parts[group] = Part(
            group,
            roles[group],
            sizes[group],
            middle,
            low,
            max(high, low + 14),
            legato=section.arousal < BREAKING or wide,
            restless=section.arousal < 0.4,
            unit=_unit_of(plan, section),
            figure=_figure(plan, turn),
            hold=_hold_of(plan, group, section.energy),
        )
    return parts


def _unit_of(plan: Plan, section: Section) -> int:
    """Return the steps between the notes of a broken chord: fewer where the tempo is slow."""
    if section.energy < FLOWING:
        return plan.metre.beat
    slow = section.arousal < SLOW and section.energy >= RIPPLING
    return STEPS_PER_SIXTEENTH if slow else STEPS_PER_EIGHTH


def _hold_of(plan: Plan, group: int, energy: float) -> int:
    """Return the steps after which a held chord is struck anew.

    Bows hold as long as they like; strings that are plucked or struck die away.
    """
    if group == STRINGS and energy < DRIVEN:
        return plan.metre.bar
    if group == STRINGS and plan.metre.name == "4/4":
        return plan.metre.bar // 2 if energy < 0.65 else plan.metre.beat
    if plan.metre.name == "3/4":
        return plan.metre.beat if energy >= DRIVEN else plan.metre.bar
    return plan.metre.beat if energy >= DRIVEN else plan.metre.bar // 2


def _look_at(events: Sequence[Event], plan: Plan) -> _Drawn:
    """Return the figures of one group's notes; those of held chords if there are none."""
    struck = list(onsets(events))
    if not struck:
        return _Drawn(3.0, 0.25, 62.0, still=False, even=1.0, steady=0.0)
    bars = {step // plan.metre.bar for step, _ in struck}
    tops = [notes[-1].pitch for _, notes in struck]
    gaps = np.diff([step for step, _ in struck])
    begun = {step: 1 for step, _ in struck}
    return _Drawn(
        steady=steadiness(begun, max(begun) + 2 * plan.metre.bar, plan.metre),
        even=float(np.unique(gaps, return_counts=True)[1].max() / len(gaps)) if len(gaps) else 1.0,
        together=len(events) / len(struck),
        rate=len(struck) / (len(bars) * plan.metre.bar / 12),
        middle=float(np.mean([event.pitch for event in events])),
        still=len(struck) > 8 and float(np.mean(np.diff(tops) == 0)) > 0.7,
    )


def _roles(drawn: dict[int, _Drawn], arousal: float, style: str) -> dict[int, Role]:
    """Return the roles: where the mood is calm, one group moves and the others hold."""
    pulses = 2 if arousal > 0.4 else 1
    order = (PIANO, GUITAR, STRINGS) if arousal < CALM_BELOW or style == "piano" else CHORDAL
    roles: dict[int, Role] = {}
    for group in (g for g in order if g in drawn):
        look = drawn[group]
        if look.together < SINGLE:
            uneven = look.even < EVEN or look.steady < STEADY
            strays = look.still or (arousal < BREAKING and uneven)
            roles[group] = "broken" if strays else "line"
            pulses -= strays or look.rate > DENSE
        elif look.rate <= DENSE and not (group == STRINGS and arousal < CALM_BELOW):
            roles[group] = "chords"
        elif (group == STRINGS and (arousal < CALM_BELOW or pulses <= 0)) or pulses <= 0:
            roles[group] = "pad"
        else:
            roles[group] = "broken" if arousal < BREAKING else "chords"
            pulses -= 1
    moving = "broken" in roles.values() or any(
        look.rate >= MOVING and look.steady >= STEADY and roles[g] != "pad"
        for g, look in drawn.items()
    )
    if not moving and arousal < CALM_BELOW:
        # Held chords alone have no pulse: one of them is broken.
        for group in (PIANO, GUITAR):
            if roles.get(group) in ("chords", "pad"):
                roles[group] = "broken"
                break
    return roles


def _sizes(roles: dict[int, Role], budget: int) -> dict[int, int]:
    """Return how many voices each group has; a broken chord counts as two of the budget."""
    sizes = dict.fromkeys(roles, 1)
    left = budget - len(roles) - list(roles.values()).count("broken")
    chordal = [g for g in (PIANO, GUITAR, STRINGS) if roles.get(g) in ("chords", "pad")]
    while left > 0 and any(sizes[group] < 4 for group in chordal):
        for group in chordal:
            if left > 0 and sizes[group] < 4:
                sizes[group] += 1
                left -= 1
    return {g: 3 if roles[g] in ("broken", "line") else size for g, size in sizes.items()}


_FIGURES: dict[MetreName, tuple[Figure, ...]] = {
    "4/4": (
        ((0, 2), (1,), (2,), (1,)),
        ((0,), (1, 2), (0,), (1, 2)),
        ((0, 2), (1,), (0, 2), (1,)),
        ((0,), (1, 2), (1, 2), (1, 2)),
        ((0,), (1,), (2,), (1,), (0, 2), (1,), (2,), (1,)),
    ),
    "3/4": (
        ((0,), (1,), (2,), (1,), (2,), (1,)),
        ((0, 2), (1,), (2,), (1,), (2,), (1,)),
        ((0,), (0,), (1, 2), (1,), (1, 2), (1,)),
    ),
    "6/8": (
        ((0, 2), (1,), (2,)),
        ((0,), (1, 2), (1, 2)),
        ((0,), (1,), (2,), (0, 2), (2,), (1,)),
    ),
}
"""Broken chords as they accompany songs: Alberti basses, arpeggios and after-beats."""


def _figure(plan: Plan, turn: int) -> Figure:
    """Return a figure of broken chords that fits the metre."""
    figures = _FIGURES[plan.metre.name]
    return figures[turn % len(figures)]
