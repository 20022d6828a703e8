"""A performance as a MIDI file: a conductor's track, and one for each group.

The first track has tempo, time and key signatures, markers, the film's title and who made it; the
others have the group's name, its General MIDI program, controllers and notes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

import emsync
from emsync.music.midi import PROGRAMS
from emsync.performance.performance import SUSTAIN, Performance
from emsync.performance.tempo_map import TICKS_PER_QUARTER
from emsync.process.files import written_whole
from emsync.text import one_line

CHANNELS: Final = {"piano": 0, "guitar": 1, "bass": 2, "strings": 3, "drums": 9}
"""Counted from 0: drums are on the tenth (General MIDI)."""
PEDALLED = range(6)
"""Programs with a right pedal: pianos and electric pianos."""
RIGHTS = (
    "Who made EMSYNC claims nothing in this music. The report tells what the weights were trained "
    "on."
)
_TEMPO, _METRE, _KEY, _TEXT, _PROGRAM, _CONTROL, _OFF, _ON = range(8)
"""Order of what stands at one tick."""


def write_performance(
    performance: Performance,
    path: Path,
    title: str,
    programs: Sequence[tuple[str, int]] = (),
    rights: str = RIGHTS,
    desk: Mapping[str, Sequence[tuple[int, int]]] | None = None,
) -> None:
    """Write a performance, with tracks in a fixed order; groups that are silent have none.

    Args:
        performance: its notes keep their moments to a tick, at most 1 ms.
        path: appears whole or not at all.
        title: of the film; the sequence's name.
        programs: (group, program) in place of those of `PROGRAMS`.
        rights: the copyright notice.
        desk: (number, value) of controllers that stand before a group's first note, such as its
            volume and pan.
    """
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER, charset="utf-8")
    end = int(performance.conductor.tempo_map.ticks_of([performance.seconds])[0])
    file.tracks.append(_track(_conducted(performance, one_line(title), rights), end))
    for group, program in (PROGRAMS | dict(programs)).items():
        if any(note.group == group for note in performance.notes):
            set_up = (desk or {}).get(group, ())
            file.tracks.append(_track(_played(performance, group, program, set_up), end))
    with written_whole(path) as partial:
        file.save(str(partial))


Event = tuple[int, int, int, Any]
"""Tick, rank among what stands there, place among equals, message."""


def _track(events: Iterable[Event], end: int) -> Any:
    """Return the messages in their order, each with the ticks since the one before."""
    import mido

    ordered = sorted(events, key=lambda event: event[:3])
    track = mido.MidiTrack()
    ticks = [0, *(event[0] for event in ordered)]
    for (before, now), event in zip(pairwise(ticks), ordered, strict=True):
        event[3].time = now - before
        track.append(event[3])
    track.append(mido.MetaMessage("end_of_track", time=max(end - ticks[-1], 0)))
    return track


def _conducted(performance: Performance, title: str, rights: str) -> Iterator[Event]:
    """Yield what the first track says."""
    from mido import MetaMessage

    conductor = performance.conductor
    tempo_map = conductor.tempo_map
    yield 0, -1, 0, MetaMessage("track_name", name=title)
    yield 0, -1, 1, MetaMessage("copyright", text=rights)
    made = f"Made with EMSYNC {emsync.__version__}"
    yield 0, -1, 2, MetaMessage("text", text=made)
    for tick, quarter in tempo_map.tempos:
        yield tick, _TEMPO, 0, MetaMessage("set_tempo", tempo=quarter)
    for tick, numerator, denominator in tempo_map.metres:
        metre = MetaMessage("time_signature", numerator=numerator, denominator=denominator)
        yield tick, _METRE, 0, metre
    for key in conductor.keys:
        (tick,) = tempo_map.ticks_of([key.seconds]).tolist()
        yield tick, _KEY, 0, MetaMessage("key_signature", key=key.name)
    ticks = tempo_map.ticks_of([marker.seconds for marker in conductor.markers]).tolist()
    for place, (tick, marker) in enumerate(zip(ticks, conductor.markers, strict=True)):
        yield tick, _TEXT, place, MetaMessage("marker", text=one_line(marker.text))


def _played(
    performance: Performance, group: str, program: int, set_up: Sequence[tuple[int, int]]
) -> Iterator[Event]:
    """Yield what the track of one group says."""
    from mido import Message, MetaMessage

    channel, tempo_map = CHANNELS[group], performance.conductor.tempo_map
    yield 0, -1, 0, MetaMessage("track_name", name=group)
    yield 0, _PROGRAM, 0, Message("program_change", channel=channel, program=program)
    for place, (number, value) in enumerate(set_up):
        told = Message("control_change", channel=channel, control=number, value=value)
        yield 0, _CONTROL, place - len(set_up), told
    moved = [
        one
        for one in performance.controls
        if one.group == group and (one.number != SUSTAIN or program in PEDALLED)
    ]
    ticks = tempo_map.ticks_of([one.seconds for one in moved]).tolist()
    for place, (tick, one) in enumerate(zip(ticks, moved, strict=True)):
        yield (
            tick,
            _CONTROL,
            place,
            Message("control_change", channel=channel, control=one.number, value=one.value),
        )
    notes = [n for n in performance.notes if n.group == group and n.start < performance.seconds]
    times = np.array([(n.start, min(n.end, performance.seconds)) for n in notes]).reshape(-1, 2)
    ticks_of_notes = tempo_map.ticks_of(times).tolist()
    for place, ((start, stop), note) in enumerate(zip(ticks_of_notes, notes, strict=True)):
        struck = {"channel": channel, "note": note.pitch}
        yield start, _ON, place, Message("note_on", velocity=note.velocity, **struck)
        yield max(stop, start + 1), _OFF, place, Message("note_off", velocity=0, **struck)
