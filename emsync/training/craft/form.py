"""The plan of a piece of the corpus: sections, chords, energy and who plays."""

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from emsync.music.notes import GROUPS
from emsync.music.planning.chart import Degree, degree_of
from emsync.music.planning.grid import STEPS_PER_QUARTER
from emsync.music.planning.plan import Chord, ModeName, Plan, Section
from emsync.training.craft.commission import Commission
from emsync.training.craft.manners import Part
from emsync.training.craft.progressions import (
    BLUES,
    JAZZ,
    LOOPS,
    coloured,
    degrees,
    functional,
)

TEMPLATES = ("AABA", "ABAB", "AABB", "ABAC", "ABCA", "AABC", "ABAA", "ABCB")
CHANGES_A_MINUTE = 28.0
"""Chord changes in real pieces, measured; planned ones are spread around it."""
BRIGHTNESS: dict[ModeName, float] = {
    "lydian": 0.6, "major": 0.6, "mixolydian": 0.25, "dorian": -0.2, "minor": -0.6,
    "phrygian": -0.9,
}  # fmt: skip
"""Valence that suits each mode: the fewer flats, the brighter (Temperley & Tan 2013)."""
COMMON: dict[ModeName, float] = {
    "lydian": 0.12, "major": 1.0, "mixolydian": 0.3, "dorian": 0.35, "minor": 1.0, "phrygian": 0.08,
}  # fmt: skip
HIT_STEPS = 2 * STEPS_PER_QUARTER
"""A strong chord lasts two beats, so no chord of the plan begins within them."""


def mode_for(rng: random.Random, valence: float, among: Sequence[ModeName]) -> ModeName:
    """Return a mode that suits the valence; the clearer the valence, the surer the choice."""
    modes = list(among) or list(BRIGHTNESS)
    weights = [
        COMMON[mode] * math.exp(-(((BRIGHTNESS[mode] - valence) / 0.35) ** 2)) for mode in modes
    ]
    return rng.choices(modes, weights if sum(weights) > 1e-12 else None)[0]


def parts_of(job: Commission, letter: str, energy: float) -> tuple[Part, ...]:
    """Return the parts that accompany a section: those that its energy asks for."""
    owned = [
        part
        for number, part in enumerate(job.manner.parts)
        if number == 0 or job.draws("has", number).random() < part.share
    ]
    playing = [part for part in owned if part.energy[0] <= energy <= part.energy[1]] or owned[:1]
    rng = job.draws("parts", letter)
    if len(playing) > 2 and rng.random() < 0.5:
        playing.pop(rng.randrange(1, len(playing)))
    # The first part rests at times where others carry on: a change of colour between sections.
    if len(playing) > 2 and letter.upper() != "A" and rng.random() < 0.4:
        playing.pop(0)
    return tuple(playing)


def _starts(job: Commission, bars: int) -> list[tuple[int, str]]:
    """Return the bars at which sections begin, with their letters; `I` is an introduction."""
    rng = job.draws("form")
    bar_seconds = job.grid.seconds_per_step(0) * job.grid.metre.bar
    length = 8 if bar_seconds < 2.1 else 4
    if job.manner.name == "blues" and bars >= 16:
        length = 12
    template = rng.choice(TEMPLATES)
    changes = sorted(
        {
            round(bar)
            for mood in job.moods[1:]
            if 2 <= (bar := mood.second / bar_seconds) <= bars - 3
        }
    )
    starts: list[tuple[int, str]] = []
    at, place = 0, 0
    if rng.random() < 0.55 and bars >= 12:
        starts.append((0, "I"))
        at = rng.choice((2, 4)) if length == 8 else 2
    while at < bars - 1:
        starts.append((at, template[place % len(template)]))
        place += 1
        inside = [change for change in changes if at + 1 < change < at + length]
        at = inside[0] if inside else at + length
    if len(starts) > 1 and bars - starts[-1][0] < 3:
        starts.pop()
    return starts


def _energy(job: Commission, place: int, count: int, arousal: float, letter: str) -> float:
    """Return how full a section is: a build-up to three quarters of the piece, by arousal."""
    rng = job.draws("energy")
    peak, climb = rng.uniform(0.6, 0.95), rng.uniform(0.15, 0.4)
    where = (place + 0.5) / count
    arc = climb * (1 - min(abs(where - peak) / peak, 1.0)) - climb / 2
    base = 0.58 + 0.32 * arousal + arc
    base += {"I": -0.22, "B": 0.05, "C": -0.08}.get(letter, 0.0)
    return min(max(base + job.draws("energy", place).uniform(-0.04, 0.04), 0.05), 1.0)


def _sections(job: Commission, bars: int) -> tuple[Section, ...]:
    """Return the sections of the piece."""
    bar = job.grid.metre.bar
    key = job.draws("key").randrange(12)
    starts = _starts(job, bars)
    lift = job.draws("lift")
    lifted = lift.choice((1, 2)) if lift.random() < 0.08 and len(starts) > 3 else 0
    # Middle sections may go to the dominant or the subdominant key, as songs and rondos do.
    elsewhere = {"B": lift.choice((5, 7))} if lift.random() < 0.12 else {}
    sections: list[Section] = []
    modes: dict[tuple[float, str], ModeName] = {}
    for place, (first, letter) in enumerate(starts):
        mood = job.mood_at(first * bar)
        mode = modes.setdefault(
            (mood.valence, ""),
            mode_for(job.draws("mode", mood.valence), mood.valence, job.manner.modes),
        )
        energy = _energy(job, place, len(starts), mood.arousal, letter)
        name = letter if mood is job.moods[0] else letter.lower()
        groups, lead = _who(job, name, energy)
        last = place == len(starts) - 1
        tonic = (key + (lifted if last else elsewhere.get(letter, 0))) % 12
        sections.append(
            Section(
                first * bar, name, tonic, mode, mood.valence, mood.arousal, energy, groups, lead
            )
        )
    return tuple(sections)


def _who(job: Commission, letter: str, energy: float) -> tuple[tuple[str, ...], str | None]:
    """Return the groups that play in a section, and who has the melody."""
    manner, whole = job.manner, job.draws("band")
    playing = {part.group for part in parts_of(job, letter, energy)}
    if whole.choice(manner.basses) != "none" and (energy > 0.28 or whole.random() < 0.5):
        playing.add("bass")
    drums_from = whole.uniform(0.15, 0.4)
    if whole.choice(manner.drums) != "none" and energy > drums_from:
        playing.add("drums")
    rng = job.draws("lead", letter.upper())
    melody = rng.random() < {"I": 0.2, "A": 0.97}.get(letter.upper(), 0.85)
    lead = rng.choice(manner.leads) if melody else None
    if lead:
        playing.add(lead)
    return tuple(group for group in GROUPS if group in playing), lead


def _harmonic_rhythm(job: Commission) -> int:
    """Return the steps of most chords: half a bar, a bar or two."""
    bar = job.grid.metre.bar
    seconds = job.grid.seconds_per_step(0)
    choices = [bar, 2 * bar] + ([bar // 2] if job.metre != "3/4" else [])
    weights = [
        math.exp(-(math.log2(60 / (steps * seconds) / CHANGES_A_MINUTE) ** 2) / 0.5)
        for steps in choices
    ]
    return job.draws("harmonic rhythm").choices(choices, weights)[0]


def _progression(job: Commission, section: Section, chords: int) -> tuple[Degree, ...]:
    """Return the chords of a letter in its mode, to go round as long as the section lasts."""
    letter = "A" if section.letter.upper() == "I" else section.letter
    rng = job.draws("progression", letter, section.mode)
    manner, minor = job.manner, section.mode in ("minor", "dorian", "phrygian")
    if manner.name == "blues" and section.mode in BLUES:
        found = degrees(rng.choice(BLUES[section.mode]))
    elif manner.style == "jazz" or (manner.name == "funk" and rng.random() < 0.6):
        found = degrees(rng.choice(JAZZ[section.mode]))
    elif section.mode in ("major", "minor") and rng.random() < manner.functional:
        found = functional(rng, minor, rng.choice((4, 8, 8)) if chords >= 8 else 4)
    else:
        found = degrees(rng.choice(LOOPS[section.mode]))
        if len(found) == 4 and rng.random() < 0.35:
            other = degrees(rng.choice(LOOPS[section.mode]))
            found = found + (other if len(other) == 4 else other[4:])
    return tuple(coloured(rng, degree, section.mode, manner.colour) for degree in found)


def _changes(job: Commission, sections: Sequence[Section], end: int) -> list[int]:
    """Return the steps at which chords change, before hits and cadence are looked at."""
    bar, unit = job.grid.metre.bar, _harmonic_rhythm(job)
    steps: list[int] = []
    for place, section in enumerate(sections):
        stop = sections[place + 1].step if place + 1 < len(sections) else end
        rng = job.draws("harmonic rhythm", section.letter)
        # Two chords in the last bar of a phrase: the harmony hurries towards the cadence.
        hurries = unit == bar and job.metre != "3/4" and rng.random() < 0.35
        at = section.step
        while at < stop:
            steps.append(at)
            at += bar // 2 if hurries and (at - section.step) // bar % 4 == 3 else unit
    return steps


def _met(steps: Sequence[int], hits: Sequence[int]) -> list[int]:
    """Return the changes such that there is one at each hit and none in the two beats after.

    A change up to a beat before a hit waits for it; one that would follow it at once comes early.
    """
    met = list(steps)
    for hit in hits:
        if hit in met:
            continue
        now = bisect_right(met, hit) - 1
        if now > 0 and met[now] not in hits and hit - met[now] <= STEPS_PER_QUARTER:
            met[now] = hit
        elif now + 1 < len(met) and met[now + 1] not in hits and met[now + 1] - hit < HIT_STEPS:
            met[now + 1] = hit
        else:
            met.insert(now + 1, hit)
    return [
        step
        for step in met
        if step in hits or not any(hit < step < hit + HIT_STEPS for hit in hits)
    ]


def _dealt(
    job: Commission, sections: Sequence[Section], steps: Sequence[int], hits: Sequence[int]
) -> list[tuple[int, Degree]]:
    """Return the chords: each section's progression in its order, from its first chord on."""
    starts = [section.step for section in sections]
    progressions = [
        _progression(job, section, sum(bisect_right(starts, s) - 1 == i for s in steps))
        for i, section in enumerate(sections)
    ]
    dealt: list[tuple[int, Degree]] = []
    place = [0] * len(sections)
    for step in steps:
        number = bisect_right(starts, step) - 1
        chords = progressions[number]
        for _ in chords:
            degree = chords[place[number] % len(chords)]
            place[number] += 1
            if not dealt or step not in hits or degree != dealt[-1][1]:
                break
        if not dealt or degree != dealt[-1][1]:
            dealt.append((step, degree))
    return dealt


def _close(mode: ModeName, rng: random.Random) -> tuple[Degree, Degree, Degree]:
    """Return what leads to the dominant, the dominant and the tonic of a cadence."""
    minor = mode in ("minor", "dorian", "phrygian")
    tonic = degree_of("i" if minor else "I")
    if mode in ("dorian", "mixolydian") and rng.random() < 0.5:
        return degree_of("IV"), degree_of("bVII"), tonic
    if mode == "phrygian":
        return degree_of("iv"), degree_of("bII"), tonic
    before = rng.choice(("iv", "iv", "bVI", "iiø") if minor else ("IV", "ii", "ii7", "IV/6"))
    return degree_of(before), degree_of(rng.choice(("V", "V7", "V7"))), tonic


def _cadential(
    cadence: int, bar: int, hits: Sequence[int], chords: tuple[Degree, Degree, Degree]
) -> list[tuple[int, Degree]]:
    """Return the last three chords, the first two moved to hits where there are any."""
    before, dominant, tonic = chords
    start = cadence - 2 * bar
    near = [hit for hit in hits if start - HIT_STEPS < hit <= start + bar // 2]
    start = near[0] if near else start
    met = [hit for hit in hits if hit > start]
    laid = [(start, before), *((hit, dominant) for hit in met)]
    if not met:
        laid.append((max(cadence - bar, start + HIT_STEPS), dominant))
    return [*laid, (cadence, tonic)]


def write_form(job: Commission) -> Plan:
    """Return the plan of a commission.

    The last chord, the tonic, begins on the last bar line that leaves it three quarters of a bar.
    """
    grid, bar = job.grid, job.grid.metre.bar
    end = grid.steps
    cadence = max((end - bar * 3 // 4) // bar, 2) * bar
    sections = _sections(job, cadence // bar)
    hits = tuple(sorted({hit.step for hit in grid.hits if 0 <= hit.step < cadence - HIT_STEPS}))
    closing = _close(sections[-1].mode, job.draws("cadence"))
    end_of_it = _cadential(cadence, bar, hits, closing)
    steps = _met([s for s in _changes(job, sections, cadence) if s < end_of_it[0][0]], hits)
    laid = _dealt(job, sections, [s for s in steps if s < end_of_it[0][0]], hits) + end_of_it
    plan = Plan(grid.metre, (), sections, hits, cadence, end, job.manner.style)
    chords = [degree.chord(step, plan.section_at(step).key) for step, degree in laid]
    return replace(plan, chords=tuple(_voiced_bass(job, chords)))


def _voiced_bass(job: Commission, chords: list[Chord]) -> list[Chord]:
    """Return the chords, some inverted where the bass then moves by step."""
    rng, share = job.draws("inversions"), 0.1 + 0.4 * job.manner.functional
    if job.manner.style in ("rock", "jazz"):
        return chords
    for i in range(1, len(chords) - 1):
        before, chord, after = chords[i - 1 : i + 2]
        third = chord.tones[1]
        near = (third - before.lowest) % 12 in (1, 2, 10, 11)
        onward = (after.lowest - third) % 12 in (1, 2, 10, 11)
        if chord.bass is None and near and onward and rng.random() < share:
            chords[i] = replace(chord, bass=third)
    return chords
