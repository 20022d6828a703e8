"""Notes to a MIDI file that any sequencer opens, five tracks, one per group."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from emsync.music.notes import GROUPS, Note
from emsync.process.files import written_whole

if TYPE_CHECKING:
    import pretty_midi

PROGRAMS = {"piano": 0, "guitar": 25, "bass": 32, "strings": 48, "drums": 0}
"""General MIDI programs, counted from 0 (published code)."""


def write_midi(
    notes: Sequence[Note],
    path: Path,
    duration: Fraction,
    beats_per_minute: float = 120.0,
    programs: Sequence[tuple[str, int]] = (),
) -> None:
    """Write `notes`, cut at `duration` seconds, with tracks in a fixed order.

    Args:
        notes: any order; those that begin at or after `duration` are left out.
        path: appears whole or not at all.
        duration: seconds.
        beats_per_minute: written into the file, so that a sequencer's grid fits the music.
        programs: (group, program) in place of those of `PROGRAMS`.
    """
    import pretty_midi

    end = float(duration)
    music = pretty_midi.PrettyMIDI(resolution=480, initial_tempo=beats_per_minute)
    for group, program in (PROGRAMS | dict(programs)).items():
        track = pretty_midi.Instrument(program, is_drum=group == "drums", name=group)
        track.notes = [
            pretty_midi.Note(note.velocity, note.pitch, note.start, min(note.end, end))
            for note in sorted(notes, key=lambda note: (note.start, note.pitch))
            if note.group == group and note.start < end
        ]
        if track.notes:
            music.instruments.append(track)
    with written_whole(path) as partial:
        music.write(str(partial))


def group_of(program: int, is_drum: bool) -> int | None:
    """Return the index into `notes.GROUPS`, as in LPD-5; None for effects, which are dropped."""
    if is_drum:
        return GROUPS.index("drums")
    if program <= 7:
        return GROUPS.index("piano")
    if 24 <= program <= 31:
        return GROUPS.index("guitar")
    if 32 <= program <= 39:
        return GROUPS.index("bass")
    if 96 <= program <= 103 or program >= 112:
        return None
    return GROUPS.index("strings")


def notes_of(song: "pretty_midi.PrettyMIDI") -> list[Note]:
    """Return the notes of a MIDI file, track by track; effects are left out."""
    notes: list[Note] = []
    for track in song.instruments:
        group = group_of(track.program, track.is_drum)
        if group is not None:
            notes += [
                Note(GROUPS[group], note.pitch, note.start, note.end, note.velocity)
                for note in track.notes
            ]
    return notes
