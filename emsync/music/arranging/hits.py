"""Strong chords at the hit points, and the last chord."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from emsync.music.arranging.events import (
    BASS,
    CHORDAL,
    DRUMS,
    GUITAR,
    PIANO,
    STRINGS,
    Event,
    same_harmony,
)
from emsync.music.arranging.parts import HOME
from emsync.music.arranging.voicing import nearest, voice_chord
from emsync.music.notes import GROUPS
from emsync.music.planning.grid import STEPS_PER_QUARTER
from emsync.music.planning.plan import Plan, Section

HIT_STEPS = 2 * STEPS_PER_QUARTER
"""Two beats, the length that makes a chord a strong one (thesis 4.2)."""
SHORTEST_RING = 21
"""Steps that the chord of a hit lasts though the next one comes sooner: the least that makes it
strong (`emsync.music.chords.MINIMUM_BEATS`)."""
LONGEST_RING = 2 * HIT_STEPS
"""Steps that it lasts at most where there is energy. Ours."""
DRUM_STEPS = 3
FEWEST, MOST = 3, 5
"""Notes of a strong chord: three at least in guitar or piano (thesis 4.2); more than five sound
like a fist on the keys."""
BELOW_HOME = 7
"""Semitones under its register in which a group may strike: the left hand takes the chord, so that
what lies on top, melody or figure, goes on being heard. Ours."""
ENERGETIC = 0.55
KICK, CRASH = 36, 49
BASS_RANGE = (28, 48)


def hit_group(
    section: Section,
    allowed: Sequence[str],
    played: Mapping[int, int],
    ringing: Set[int] = frozenset(),
) -> int | None:
    """Return the group that strikes the chord of a hit in `section`.

    One that accompanies there comes first, then one with the melody, then one that plays elsewhere
    in the piece, then any that is allowed; without guitar and piano the strings.

    Args:
        section: in which the hit lies.
        allowed: names of the groups that may play at all.
        played: notes of each group in the piece.
        ringing: groups in which the chord of another hit still sounds.
    """
    choice = [g for g in (PIANO, GUITAR) if GROUPS[g] in allowed]
    if not choice:
        return STRINGS if "strings" in allowed else None
    return min(
        choice,
        key=lambda g: (
            g in ringing,
            GROUPS[g] not in section.groups,
            GROUPS[g] == section.lead,
            g not in played,
            # A figure that moves is missed more than one that does not.
            played.get(g, 0),
            g,
        ),
    )


def set_hits(events: Sequence[Event], plan: Plan, allowed: Sequence[str]) -> list[Event]:
    """Return the piece with a strong chord at every hit point, and nothing in its way.

    The striking group holds the chord for two beats or more while its rhythm goes on, the bass has
    its lowest tone, and the drums kick and crash where there is energy.

    Args:
        events: the piece, sorted by start.
        plan: of the piece.
        allowed: names of the groups that may play.
    """
    piece: list[Event | None] = list(events)
    starts = [event.start for event in events]
    longest = max((event.end - event.start for event in events), default=0)
    played = Counter(event.group for event in events if not event.lead)
    struck: list[Event] = []
    out: list[Event] = []
    for index, hit in enumerate(plan.hits):
        if hit >= plan.end:
            continue
        section = plan.section_at(hit)
        following = plan.hits[index + 1] if index + 1 < len(plan.hits) else plan.end
        until = min(_ring_end(plan, hit, following), plan.end)
        # Only what begins near the hit can sound there.
        near = range(
            bisect_left(starts, hit - max(longest, plan.metre.bar)), bisect_left(starts, until)
        )
        ringing = [event for event in struck if event.end > hit]
        group = hit_group(section, allowed, played, {event.group for event in ringing})
        if group is not None:
            struck = _strike(piece, near, ringing, plan, hit, until, group)
            out += struck
        if "bass" in section.groups and "bass" in allowed:
            out.append(_sound_bass(piece, near, plan, hit, until))
        if "drums" in section.groups and "drums" in allowed and section.energy >= ENERGETIC:
            out += [Event(DRUMS, pitch, hit, hit + DRUM_STEPS) for pitch in (KICK, CRASH)]
    return [event for event in piece if event is not None] + out


def _ring_end(plan: Plan, hit: int, following: int) -> int:
    """Return the step up to which the chord of a hit sounds, if the next hit is at `following`.

    Two beats, where there is energy as long as its harmony lasts: there the tempo may be quicker
    than the piece's, and two beats of it are short.
    """
    last = hit + HIT_STEPS
    if plan.section_at(hit).energy >= ENERGETIC:
        here = plan.chord_at(hit)
        first = bisect_right(plan.chords, hit, key=lambda c: c.step)
        changes = (c.step for c in plan.chords[first:] if not same_harmony(c, here))
        last = min(max(last, next(changes, plan.end)), hit + LONGEST_RING)
    return max(hit + SHORTEST_RING, min(following, last))


def _strike(
    piece: list[Event | None],
    near: range,
    ringing: Sequence[Event],
    plan: Plan,
    hit: int,
    until: int,
    group: int,
) -> list[Event]:
    """Return the chord of a hit struck by `group`, and make room for it in `piece`.

    A rhythm of the group goes on around it, under what lies on top; a single chord gives way.
    """
    around = [event for at in near if (event := piece[at]) is not None]
    inside = [e for e in around if e.group == group and not e.lead and hit <= e.start]
    figure = len({e.start for e in inside}) > 1
    taken = frozenset(e.pitch for e in ringing if e.group == group)
    own = frozenset(e.pitch for e in inside) if figure else frozenset()
    taken |= {e.pitch for e in around if e.group == group and e.lead and e.end > hit}
    tops = [e.pitch for e in around if e.group in CHORDAL and e.start == hit]
    below = [(taken | own, max(tops) - 1)] if tops else []
    pitches: tuple[int, ...] = ()
    for avoided, ceiling in (*below, (taken | own, None), (taken, None)):
        if len(pitches) < FEWEST:
            pitches = _voicing_at(around, plan, hit, until, group, avoided, ceiling)
    for at in near:
        event = piece[at]
        if event is None or event.group != group or event.lead or event.end <= hit:
            continue
        if event.start < hit:
            piece[at] = event.moved(event.start, hit)
        elif not figure or event.pitch in pitches:
            piece[at] = None
    return [Event(group, pitch, hit, until) for pitch in pitches]


def _voicing_at(
    around: Sequence[Event],
    plan: Plan,
    hit: int,
    until: int,
    group: int,
    taken: frozenset[int],
    ceiling: int | None,
) -> tuple[int, ...]:
    """Return the pitches of the chord of a hit: near what the group played, below the melody.

    With a `ceiling` they lie no higher than that, and if need be below the group's register.
    """
    low, high = HOME[group]
    if ceiling is not None and ceiling < high:
        low, high = low - BELOW_HOME, ceiling
    melody = [e.pitch for e in around if e.lead and e.start < until and e.end > hit]
    if melody:
        high = max(min(low + 12, high), min(high, min(melody) - 1))
    recent = [
        e.pitch
        for e in around
        if e.group == group and not e.lead and hit - plan.metre.bar <= e.start < hit
    ]
    middle = round(sum(recent) / len(recent)) if recent else (low + high) // 2
    others = {
        e.pitch
        for e in around
        if e.group in CHORDAL and e.group != group and e.start <= hit < e.end
    }
    size = FEWEST if taken else min(MOST, FEWEST + round(1.4 * plan.section_at(hit).energy))
    middle = min(max(middle, low + 5), max(low, high - 5))
    return voice_chord(
        plan.chord_at(hit), size, middle, low, high, (), tuple(sorted(others)), taken
    )


def _sound_bass(piece: list[Event | None], near: range, plan: Plan, hit: int, until: int) -> Event:
    """Return the lowest tone of a hit's chord for the bass, and make room for it in `piece`."""
    last, end = 38, until
    for at in near:
        event = piece[at]
        if event is None or event.group != BASS:
            continue
        if event.start <= hit:
            last = event.pitch
        else:
            end = min(end, event.start)
        if event.start == hit:
            piece[at] = None
        elif event.start < hit < event.end:
            piece[at] = event.moved(event.start, hit)
    pitch = nearest(last, (plan.chord_at(hit).lowest,), *BASS_RANGE)
    return Event(BASS, pitch, hit, max(end, hit + 1))


def _last_of(event: Event, plan: Plan, cadence: int) -> int:
    """Return where a note ends that the last chord cuts: a hit shortly before it rings on."""
    strikes = event.start in plan.hits and not event.lead and event.group in (GUITAR, PIANO)
    return max(cadence, event.start + SHORTEST_RING) if strikes else cadence


def set_ending(events: Sequence[Event], plan: Plan, allowed: Sequence[str]) -> list[Event]:
    """Return the piece with all that plays coming to rest on the last chord, held to the end.

    A plan without a cadence leaves the piece as it is, cut at its end.
    """
    if plan.cadence is None or plan.cadence >= plan.end:
        return [e.moved(e.start, min(e.end, plan.end)) for e in events if e.start < plan.end]
    at, chord = plan.cadence, plan.chord_at(plan.cadence)
    out = [e.moved(e.start, min(e.end, _last_of(e, plan, at))) for e in events if e.start < at]
    ringing = [e for e in out if e.end > at]
    section = plan.section_at(at)
    recent = [e for e in out if e.end > at - 2 * plan.metre.bar]
    playing = {e.group for e in recent} & {GROUPS.index(g) for g in allowed}
    melody = [e for e in recent if e.lead]
    top: int | None = None
    if melody:
        last = melody[-1]
        top = nearest(last.pitch, (chord.root,), 55, 91)
        if any(e.group == last.group and e.pitch == top for e in ringing):
            top += 12
        out.append(Event(last.group, top, at, plan.end, lead=True))
    if BASS in playing:
        near = next((e.pitch for e in reversed(out) if e.group == BASS), 36)
        out.append(Event(BASS, nearest(near, (chord.root,), *BASS_RANGE), at, plan.end))
    counted = Counter(e.group for e in recent)
    striker = hit_group(section, allowed, counted, {e.group for e in ringing})
    groups = [g for g in CHORDAL if g in playing or g == striker]
    if melody and set(groups) - {melody[-1].group}:
        groups = [g for g in groups if g != melody[-1].group or g == striker]
    sounding: tuple[int, ...] = ()
    for group in sorted(groups, key=lambda g: g != striker):
        low, high = HOME[group]
        high = max(low + 12, min(high, top - 1 if top else high))
        pitches = [e.pitch for e in recent if e.group == group and not e.lead]
        middle = round(sum(pitches) / len(pitches)) if pitches else (low + high) // 2
        middle = min(max(middle, low + 5), high - 5)
        size = FEWEST if group == striker else 2
        taken = frozenset(e.pitch for e in ringing if e.group == group)
        voicing = voice_chord(chord, size, middle, low, high, (), sounding, taken)
        sounding += voicing
        out += [Event(group, pitch, at, plan.end) for pitch in voicing]
    if DRUMS in playing:
        out.append(Event(DRUMS, KICK, at, at + DRUM_STEPS))
        if section.energy >= ENERGETIC:
            out.append(Event(DRUMS, CRASH, at, at + DRUM_STEPS))
    return out
