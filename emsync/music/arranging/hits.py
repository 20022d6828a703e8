"""Strong chords at the hit points, and the last chord."""

from collections import Counter
from collections.abc import Mapping, Sequence

from emsync.music import vocabulary as v
from emsync.music.arranging.events import BASS, CHORDAL, DRUMS, GUITAR, PIANO, STRINGS, Event
from emsync.music.arranging.parts import HOME
from emsync.music.arranging.voicing import nearest, voice_chord
from emsync.music.grid import STEPS_PER_QUARTER
from emsync.music.plan import Plan, Section

HIT_STEPS = 2 * STEPS_PER_QUARTER
"""Two beats, the length that makes a chord a strong one (thesis 4.2)."""
FEWEST, MOST = 3, 5
"""Notes of a strong chord: three at least in guitar or piano (thesis 4.2); more than five sound
like a fist on the keys."""
ENERGETIC = 0.55
KICK, CRASH = 36, 49
BASS_RANGE = (28, 48)


def hit_group(section: Section, allowed: Sequence[str], played: Mapping[int, int]) -> int | None:
    """Return the group that strikes the chord of a hit in `section`.

    One that accompanies there comes first, then one with the melody, then one that plays elsewhere
    in the piece, then any that is allowed; without guitar and piano the strings.

    Args:
        section: in which the hit lies.
        allowed: names of the groups that may play at all.
        played: notes of each group in the piece.
    """
    choice = [g for g in (PIANO, GUITAR) if v.GROUPS[g] in allowed]
    if not choice:
        return STRINGS if "strings" in allowed else None
    return min(
        choice,
        key=lambda g: (
            v.GROUPS[g] not in section.groups,
            v.GROUPS[g] == section.lead,
            g not in played,
            # A figure that moves is missed more than one that does not.
            played.get(g, 0),
            g,
        ),
    )


def set_hits(events: Sequence[Event], plan: Plan, allowed: Sequence[str]) -> list[Event]:
    """Return the piece with a strong chord at every hit point, and nothing in its way.

    The striking group has the chord for two beats and no other notes, the bass its lowest tone, and
    the drums kick and crash where there is energy.
    """
    out = list(events)
    played = Counter(event.group for event in events if not event.lead)
    for index, hit in enumerate(plan.hits):
        if hit >= plan.end:
            continue
        until = min(hit + HIT_STEPS, *(plan.hits[index + 1 : index + 2] or [plan.end]), plan.end)
        section = plan.section_at(hit)
        group = hit_group(section, allowed, played)
        if group is not None:
            out = _strike(out, plan, hit, until, group)
        if "bass" in section.groups and "bass" in allowed:
            out = _sound_bass(out, plan, hit, until)
        if "drums" in section.groups and "drums" in allowed and section.energy >= ENERGETIC:
            out += [Event(DRUMS, pitch, hit, hit + 3) for pitch in (KICK, CRASH)]
    return out


def _strike(events: list[Event], plan: Plan, hit: int, until: int, group: int) -> list[Event]:
    """Return the events with the chord of a hit struck by `group`.

    A figure of single notes goes on around it; chords make room for it.
    """
    inside = [e for e in events if e.group == group and not e.lead and hit <= e.start < until]
    figure = len(inside) > 2 and len(inside) == len({e.start for e in inside})
    taken = frozenset(e.pitch for e in inside) if figure else frozenset()
    pitches = _voicing_at(events, plan, hit, until, group, taken)
    if len(pitches) < FEWEST:
        pitches = _voicing_at(events, plan, hit, until, group, frozenset())
    out: list[Event] = []
    for e in events:
        if e.group != group or e.lead or e.end <= hit or e.start >= until:
            out.append(e)
        elif e.start < hit:
            out.append(e.moved(e.start, hit))
        elif figure and e.pitch not in pitches:
            out.append(e)
    return out + [Event(group, pitch, hit, until) for pitch in pitches]


def _voicing_at(
    events: Sequence[Event], plan: Plan, hit: int, until: int, group: int, taken: frozenset[int]
) -> tuple[int, ...]:
    """Return the pitches of the chord of a hit: near what the group played, below the melody."""
    low, high = HOME[group]
    melody = [e.pitch for e in events if e.lead and e.start < until and e.end > hit]
    if melody:
        high = max(low + 12, min(high, min(melody) - 1))
    recent = [
        e.pitch
        for e in events
        if e.group == group and not e.lead and hit - plan.metre.bar <= e.start < hit
    ]
    middle = round(sum(recent) / len(recent)) if recent else (low + high) // 2
    sounding = {
        e.pitch
        for e in events
        if e.group in CHORDAL and e.group != group and e.start <= hit < e.end
    }
    size = min(MOST, FEWEST + round(1.4 * plan.section_at(hit).energy))
    size = FEWEST if taken else size
    middle = min(max(middle, low + 5), high - 5)
    return voice_chord(
        plan.chord_at(hit), size, middle, low, high, (), tuple(sorted(sounding)), taken
    )


def _sound_bass(events: list[Event], plan: Plan, hit: int, until: int) -> list[Event]:
    """Return the events with the lowest tone of the chord in the bass at a hit."""
    bass = [e for e in events if e.group == BASS]
    near = next((e.pitch for e in reversed(bass) if e.start <= hit), 38)
    pitch = nearest(near, (plan.chord_at(hit).lowest,), *BASS_RANGE)
    following = min((e.start for e in bass if e.start > hit), default=until)
    out = []
    for e in events:
        if e.group == BASS and e.start == hit:
            continue
        out.append(e.moved(e.start, hit) if e.group == BASS and e.start < hit < e.end else e)
    out.append(Event(BASS, pitch, hit, max(hit + 3, min(following, until))))
    return out


def set_ending(events: Sequence[Event], plan: Plan, allowed: Sequence[str]) -> list[Event]:
    """Return the piece with all that plays coming to rest on the last chord, held to the end.

    A plan without a cadence leaves the piece as it is, cut at its end.
    """
    if plan.cadence is None or plan.cadence >= plan.end:
        return [e.moved(e.start, min(e.end, plan.end)) for e in events if e.start < plan.end]
    at, chord = plan.cadence, plan.chord_at(plan.cadence)
    out = [e.moved(e.start, min(e.end, at)) for e in events if e.start < at]
    section = plan.section_at(at)
    recent = [e for e in out if e.end > at - 2 * plan.metre.bar]
    playing = {e.group for e in recent} & {v.GROUPS.index(g) for g in allowed}
    melody = [e for e in recent if e.lead]
    top: int | None = None
    if melody:
        last = melody[-1]
        top = nearest(last.pitch, (chord.root,), 55, 91)
        out.append(Event(last.group, top, at, plan.end, lead=True))
    if BASS in playing:
        near = next((e.pitch for e in reversed(out) if e.group == BASS), 36)
        out.append(Event(BASS, nearest(near, (chord.root,), *BASS_RANGE), at, plan.end))
    striker = hit_group(section, allowed, Counter(e.group for e in recent))
    groups = [g for g in CHORDAL if g in playing or g == striker]
    sounding: tuple[int, ...] = ()
    for group in sorted(groups, key=lambda g: g != striker):
        low, high = HOME[group]
        high = max(low + 12, min(high, top - 1 if top else high))
        pitches = [e.pitch for e in recent if e.group == group and not e.lead]
        middle = round(sum(pitches) / len(pitches)) if pitches else (low + high) // 2
        middle = min(max(middle, low + 5), high - 5)
        size = FEWEST if group == striker else 2
        voicing = voice_chord(chord, size, middle, low, high, (), sounding)
        sounding += voicing
        out += [Event(group, pitch, at, plan.end) for pitch in voicing]
    if DRUMS in playing:
        out.append(Event(DRUMS, KICK, at, at + 3))
        if section.energy >= ENERGETIC:
            out.append(Event(DRUMS, CRASH, at, at + 3))
    return out
