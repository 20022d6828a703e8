"""Notes to a MIDI file that any sequencer opens, five tracks, one per group; and back."""

import json
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from emsync import child
from emsync.errors import EmsyncError
from emsync.leftovers import whole
from emsync.music import vocabulary as v
from emsync.music.tokens import Note, encode, table_of
from emsync.progress import CancelToken
from emsync.wording import one_line, quoted

log = logging.getLogger(__name__)

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
    with whole(path) as partial:
        music.write(str(partial))


LARGEST_PRIMER = 1_000_000
"""Bytes of a MIDI file to continue from. Ours: hours of music."""
PRIMER_SECONDS = 40.0
"""That it may take to read it; one of that size with nothing odd about it takes five."""
_MEMORY = 1 << 30


def group_of(program: int, is_drum: bool) -> int | None:
    """Index into `vocabulary.GROUPS` as in LPD-5; None for effects, which are dropped."""
    if is_drum:
        return v.GROUPS.index("drums")
    if program <= 7:
        return v.GROUPS.index("piano")
    if 24 <= program <= 31:
        return v.GROUPS.index("guitar")
    if 32 <= program <= 39:
        return v.GROUPS.index("bass")
    if 96 <= program <= 103 or program >= 112:
        return None
    return v.GROUPS.index("strings")


def read_primer(
    path: Path, most: int, seconds: float, cancel: CancelToken | None = None
) -> tuple[int, ...]:
    """The last tokens of a MIDI file, for a piece to go on from; it ends on a bar line.

    The file is a stranger's and its parsers trust it: a few bytes can ask them for hours of work
    or gigabytes. So they run apart (``python -m emsync.music.midi``).

    Args:
        path: a standard MIDI file.
        most: tokens at most.
        seconds: of music at most.
        cancel: stops it within a tenth of a second.

    Returns:
        At most `most` tokens. All notes have ended.

    Raises:
        EmsyncError: with a sentence, if it is no MIDI file, too large, takes too long or too much
            memory to read, or has no notes in it that the generator knows.
        Cancelled: the owner of the request asked to stop.
    """
    try:
        if not path.is_file():
            raise _unreadable(path)
        if path.stat().st_size > LARGEST_PRIMER:
            raise EmsyncError(
                f"{quoted(path.name)} is too large to continue from: at most "
                f"{LARGEST_PRIMER / 1e6:g} MB."
            )
        question = json.dumps([str(path), most, seconds]).encode()
        done = child.run_module("emsync.music.midi", question, PRIMER_SECONDS, cancel)
    except child.TooSlow as error:
        raise EmsyncError(
            f"{quoted(path.name)} could not be read within {PRIMER_SECONDS:g} s: it has too "
            "many notes, or is made to keep its reader busy. Choose another to continue from."
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error
    answer: object = None
    with suppress(ValueError, RecursionError):
        answer = json.loads(done.said)
    if isinstance(answer, str):
        raise EmsyncError(one_line(answer, 600))
    if not (
        isinstance(answer, list)
        and len(answer) <= most
        and all(type(token) is int and 0 <= token < v.SIZE for token in answer)
    ):
        log.warning("reading a MIDI file ended with %d: %.200r", done.status, done.said)
        raise _unreadable(path)
    return tuple(answer)


def _unreadable(path: Path) -> EmsyncError:
    return EmsyncError(
        f"{quoted(path.name)} is not a MIDI file that can be read. Choose another to continue from."
    )


def _primer(path: Path, most: int, seconds: float) -> tuple[int, ...]:
    """As `read_primer`, in this process.

    Raises:
        EmsyncError: it cannot be parsed, or has no notes in it that the generator knows.
    """
    import pretty_midi

    try:
        song = pretty_midi.PrettyMIDI(str(path))
        bars = [float(at) for at in song.get_downbeats()]
    except Exception as error:  # its parsers raise nearly anything
        raise _unreadable(path) from error
    notes = []
    for track in song.instruments:
        group = group_of(track.program, track.is_drum)
        if group is not None:
            notes += [
                Note(v.GROUPS[group], note.pitch, note.start, note.end, note.velocity)
                for note in track.notes
                if v.LOWEST_PITCH <= note.pitch <= v.HIGHEST_PITCH
            ]
    if not notes:
        raise EmsyncError(
            f"{quoted(path.name)} has no notes that can be continued. Choose another."
        )
    last = max(note.end for note in notes)
    if len(bars) > 1:
        bars.append(2 * bars[-1] - bars[-2])  # the bar line after the last bar
    end = min((bar for bar in bars if bar >= last - 0.05), default=last)
    first = max(0.0, end - seconds)
    begin = min((bar for bar in bars if bar >= first - 1e-6), default=first)
    kept = [
        Note(note.group, note.pitch, note.start - begin, min(note.end, end) - begin, note.velocity)
        for note in notes
        if begin <= note.start < end
    ]
    if not kept:
        raise EmsyncError(
            f"No note begins in the last {end - begin:g} s of {quoted(path.name)}. Choose "
            "another to continue from."
        )
    ticks = [round((bar - begin) / v.TICK_SECONDS) for bar in bars if begin <= bar < end]
    tokens = [int(token) for token in encode(table_of(kept), ticks, drum_offs=False)]
    rest = round((end - begin) / v.TICK_SECONDS) - sum(map(v.shift_ticks, tokens))
    tokens += [v.shift_token(v.MAXIMUM_SHIFT)] * (max(0, rest) // v.MAXIMUM_SHIFT)
    if rest % v.MAXIMUM_SHIFT > 0 and rest > 0:
        tokens.append(v.shift_token(rest % v.MAXIMUM_SHIFT))
    return tuple(tokens[-most:])


def main() -> None:
    """Read the MIDI file that standard input names; its tokens, or a sentence, come out."""
    child.confine(PRIMER_SECONDS, _MEMORY)
    name, most, seconds = json.load(sys.stdin)
    path = Path(name)
    try:
        answer: object = _primer(path, most, seconds)
    except EmsyncError as error:
        answer = str(error)
    except MemoryError:
        answer = str(_unreadable(path))
    except Exception as error:  # a fault of ours, for the log
        answer = {"failed": child.fault(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
