"""A commission to a finished piece."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from emsync.music.arranging.events import (
    BASS,
    CHORDAL,
    DRUMS,
    GUITAR,
    PIANO,
    ChordSpan,
    Event,
    chord_spans,
    one_at_a_time,
    section_spans,
    within,
)
from emsync.music.notes import GROUPS
from emsync.music.planning.grid import STEPS_PER_QUARTER
from emsync.music.planning.plan import Chord, Plan, Section
from emsync.training.craft.accompaniment import Accompanist
from emsync.training.craft.basslines import write_bassline
from emsync.training.craft.commission import Commission
from emsync.training.craft.drumming import write_drumming
from emsync.training.craft.form import HIT_STEPS, parts_of, write_form
from emsync.training.craft.manners import Part
from emsync.training.craft.melody import RANGES, Motif, Singer, theme
from emsync.training.craft.patterns import Level
from emsync.training.craft.voicing import led, open_stack

SWUNG = {3: 4, 6: 8, 9: 8}
"""Places within a quarter, straight and swung: the second eighth comes on the last triplet."""


def compose(job: Commission) -> tuple[Plan, list[Event]]:
    """Return the plan of a commission and its notes, sorted."""
    plan = write_form(job)
    spans = chord_spans(plan)
    cadence = plan.cadence if plan.cadence is not None else plan.end
    notes: list[Event] = []
    family = job.draws("band").choice(job.manner.basses)
    drums = job.draws("band")
    drums.choice(job.manner.basses)
    memories: dict[tuple[str, int], dict[Chord, tuple[int, ...]]] = {}
    energies: dict[str, float] = {}
    bar_seconds = job.grid.seconds_per_step(0) * plan.metre.bar
    for section in section_spans(plan):
        here = section.section
        letter = here.letter.upper()
        energy = energies.setdefault(here.letter, here.energy)
        level = Level(energy, bar_seconds)
        first, last = section.start, min(section.end, cadence)
        if first >= last:
            continue
        for number, part in enumerate(parts_of(job, here.letter, here.energy)):
            choices = job.draws("part", letter, number)
            memory = memories.setdefault((letter, number), {})
            if here.lead and choices.random() < 0.75:
                part = _under(part, _middle(here))
            player = Accompanist(plan, spans, part, level, choices, memory)
            notes += player.play(first, last)
        if "bass" in here.groups and family != "none":
            rng = job.draws("bass", letter)
            notes += write_bassline(plan, spans, family, (first, last), level, rng)
        if "drums" in here.groups:
            rng = job.draws("drums", letter)
            kit = job.draws("kit").choice([d for d in job.manner.drums if d != "none"])
            notes += write_drumming(kit, job.metre, plan.metre.bar, (first, last), level, rng)
    lead = _melody(job, plan, spans, cadence)
    notes = _cleared(notes, lead) + lead + _doubled(job, plan, lead)
    notes = _hits(job, plan, notes)
    notes = _ending(job, plan, notes, cadence)
    if job.swung:
        notes = [_swing(note, plan) for note in notes]
    return plan, one_at_a_time(notes)


def _middle(section: Section) -> float:
    """Return the pitch around which the melody of a section lies: brighter moods lie higher."""
    low, high = RANGES[section.lead or "piano"]
    raised = {"B": 3, "C": -2}.get(section.letter.upper(), 0)
    share = 0.44 + 0.12 * section.valence + 0.14 * (section.energy - 0.5)
    return low + (high - low) * share + raised


def _under(part: Part, melody: float) -> Part:
    """Return the part, kept below a melody that lies around this pitch, if its range allows."""
    return replace(part, high=min(part.high, max(part.low + 18, round(melody) + 1)))


def _melody(job: Commission, plan: Plan, spans: Sequence[ChordSpan], cadence: int) -> list[Event]:
    """Return the lead line of the whole piece."""
    singer = Singer(plan, spans)
    line: list[Event] = []
    rng = job.draws("theme")
    # In 6/8 a melody moves in eighths where it moves in quarters elsewhere.
    lively = 1.5 if job.metre == "6/8" else 1.0
    bar_seconds = job.grid.seconds_per_step(0) * plan.metre.bar * lively
    gate = rng.choice((1.0, 1.0, 1.0, 0.8, 0.6))  # how long short notes are held: legato or not
    themes: dict[str, tuple[Motif, ...]] = {}
    first = theme(rng, job.metre, job.moods[0].arousal, bar_seconds)
    for section in section_spans(plan):
        here = section.section
        last = min(section.end, cadence)
        if here.lead is None or section.start >= last:
            continue
        letter = here.letter.upper()
        if letter not in themes:
            other = theme(rng, job.metre, here.arousal, bar_seconds)
            # A contrasting section keeps the rhythm of the theme, or its contour, or neither.
            themes[letter] = first if letter in "AI" else other
            if letter not in "AI" and rng.random() < 0.4:
                themes[letter] = tuple(motif.inverted() for motif in first)
        line += singer.sing(themes[letter], (section.start, last), here.lead, _middle(here))
    return [
        note.moved(note.start, note.start + max(2, round((note.end - note.start) * gate)))
        if note.end - note.start <= STEPS_PER_QUARTER
        else note
        for note in line
    ]


def _doubled(job: Commission, plan: Plan, lead: Sequence[Event]) -> list[Event]:
    """Return the melody of full sections once more, an octave away on another group, at times."""
    out: list[Event] = []
    for section in section_spans(plan):
        here, rng = section.section, job.draws("doubled", section.section.letter.upper())
        others = [GROUPS.index(name) for name in here.groups if name != here.lead]
        others = [group for group in others if group in CHORDAL]
        if here.energy < 0.65 or not others or rng.random() > 0.35:
            continue
        group, octave = rng.choice(others), rng.choice((-12, -12, 12, 0))
        out += [
            Event(group, note.pitch + octave, note.start, note.end, lead=True)
            for note in within(lead, section)
            if 48 <= note.pitch + octave <= 98
        ]
    return out


def _cleared(notes: Iterable[Event], lead: Sequence[Event]) -> list[Event]:
    """Return the accompaniment without what rubs against the melody, a semitone away."""
    at: dict[int, set[int]] = {}
    for event in lead:
        for step in range(event.start, event.end):
            at.setdefault(step, set()).add(event.pitch)
    kept = []
    for note in notes:
        if note.group in (BASS, DRUMS):
            kept.append(note)
            continue
        end = note.end
        for step in range(note.start, note.end, 3):
            sung = at.get(step, ())
            if any(abs(note.pitch - pitch) <= 1 for pitch in sung):
                end = step
                break
        if end > note.start:
            kept.append(note.moved(note.start, end))
    return kept


def _hits(job: Commission, plan: Plan, notes: list[Event]) -> list[Event]:
    """Return the notes with a strong chord of guitar or piano, two beats long, at each hit."""
    before: tuple[int, ...] = ()
    lead = [note for note in notes if note.lead]
    for hit in plan.hits:
        sung = [
            note.pitch for note in lead if note.start < hit + STEPS_PER_QUARTER and note.end > hit
        ]
        groups = plan.section_at(hit).groups
        both = [g for g, name in ((PIANO, "piano"), (GUITAR, "guitar")) if name in groups]
        rng = job.draws("hit", hit)
        group = rng.choice(both) if both else PIANO
        chord = plan.chord_at(hit)
        low = 53 if group == PIANO else 48
        top = min(low + 21, max([low + 18, *(pitch - 1 for pitch in sung[:1])]))
        before = led(chord.tones, before, low, top, rng.choice((3, 3, 4)), False)
        pitches = list(before)
        if group == PIANO and rng.random() < 0.4:
            pitches = [*open_stack(chord, 36, 2), *pitches]
        notes = [_given_way(note, group, hit, set(pitches)) for note in notes]
        notes = [note for note in notes if note.end > note.start]
        notes += [Event(group, pitch, hit, hit + HIT_STEPS) for pitch in pitches]
        playing = any(n.group == DRUMS and hit - 48 < n.start < hit + 48 for n in notes)
        if playing and rng.random() < 0.7:
            notes += [Event(DRUMS, drum, hit, hit + 2) for drum in (36, 49)]
    return notes


def _given_way(note: Event, group: int, hit: int, pitches: set[int]) -> Event:
    """Return `note`, ended at the hit, or without length if the hit takes its place."""
    if note.group != group or note.end <= hit or note.start >= hit + HIT_STEPS:
        return note
    if note.start < hit:
        return note if note.lead and note.pitch not in pitches else note.moved(note.start, hit)
    near = any(abs(note.pitch - pitch) <= 1 for pitch in pitches)
    # The melody and a rhythm that keeps clear of the chord go on.
    return note if not near and note.lead else note.moved(note.start, note.start)


def _ending(job: Commission, plan: Plan, notes: list[Event], cadence: int) -> list[Event]:
    """Return the notes with the tonic held from the cadence to the end."""
    notes = [
        note if note.end <= cadence else note.moved(note.start, cadence)
        for note in notes
        if note.start < cadence
    ]
    rng = job.draws("ending")
    chord = plan.chord_at(cadence)
    last = [note for note in notes if note.start >= cadence - 2 * plan.metre.bar]
    groups = {note.group for note in last} | {PIANO if rng.random() < 0.7 else GUITAR}
    end = max(plan.end, cadence + HIT_STEPS)
    for group in groups & set(CHORDAL):
        low = {GUITAR: 48, PIANO: 52}.get(group, 55)
        stack = led(chord.tones, (), low, low + 24, rng.choice((3, 4)), False)
        notes += [Event(group, pitch, cadence, end) for pitch in stack]
    if BASS in groups or rng.random() < 0.4:
        notes.append(Event(BASS, 28 + (chord.root - 28) % 12, cadence, end))
    if DRUMS in groups:
        notes += [Event(DRUMS, drum, cadence, cadence + 2) for drum in (36, 49)]
    lead = [note for note in last if note.lead]
    if lead:
        final = min(
            (p for p in range(55, 90) if p % 12 in (chord.root, chord.tones[1])),
            key=lambda p: abs(p - lead[-1].pitch),
        )
        notes.append(Event(lead[-1].group, final, cadence, end, lead=True))
    return notes


def _swing(note: Event, plan: Plan) -> Event:
    """Return `note` with its eighths swung; hits stay where they are."""
    if note.start in plan.hits:
        return note
    start, end = (
        step - step % STEPS_PER_QUARTER + SWUNG.get(step % STEPS_PER_QUARTER, step % 12)
        for step in (note.start, note.end)
    )
    return replace(note, start=start, end=max(end, start + 1))
