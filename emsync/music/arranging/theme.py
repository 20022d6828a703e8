"""A theme that a user brings along: found in a MIDI file's notes, and made a tune of the piece."""

from dataclasses import dataclass

import numpy as np

from emsync.music.arranging.events import CHORDAL, events_of, onsets
from emsync.music.arranging.lead import SCALE_SIZE, Tune, TuneNote
from emsync.music.notes import NoteTable
from emsync.music.planning.grid import STEPS_PER_QUARTER, STEPS_PER_SIXTEENTH, Metre
from emsync.music.planning.plan import SCALES, ModeName

LONGEST_QUARTERS = 32
"""Eight bars of 4/4: a theme is its first phrase, no more."""
SHORTEST_QUARTERS = 6
"""A rest before this ends no phrase."""
REST_QUARTERS = 1.0
"""A rest this long ends the phrase."""
FEWEST_NOTES = 4


@dataclass(frozen=True)
class Theme:
    """A melody, one note at a time."""

    notes: tuple[tuple[int, int, int], ...]
    """(start, end, pitch) in steps of a twelfth of a quarter, ascending; the file's first bar line
    is step 0."""


def theme_of(notes: NoteTable, quarter: float) -> Theme | None:
    """Return the theme of a piece: the first phrase of the line that lies highest.

    Of guitar, piano and strings that group is taken whose line on top has most notes, weighed by
    how high it lies; its phrase ends at a rest of a quarter, or after eight bars.

    Args:
        notes: the piece, times in any unit, counted from a bar line.
        quarter: length of a quarter in that unit.

    Returns:
        The theme, on sixteenths; None where no group has four notes.
    """
    best: tuple[float, list[tuple[int, int, int]]] = (0.0, [])
    for group in CHORDAL:
        line = _top_line(notes.take(notes.group == group), quarter)
        if len(line) < FEWEST_NOTES:
            continue
        weight = len(line) * max(1.0, float(np.mean([p for _, _, p in line])) - 36)
        if weight > best[0]:
            best = weight, line
    phrase = _first_phrase(best[1])
    return Theme(tuple(phrase)) if len(phrase) >= FEWEST_NOTES else None


def _top_line(notes: NoteTable, quarter: float) -> list[tuple[int, int, int]]:
    """Return the highest notes as one line, in steps, those under a held higher note left out."""
    unit = STEPS_PER_SIXTEENTH
    scale = STEPS_PER_QUARTER / quarter

    def steps(times: np.ndarray) -> np.ndarray:
        return np.round(times * scale / unit).astype(np.int64) * unit

    start = steps(notes.start)
    end = np.maximum(steps(notes.end), start + unit)
    table = NoteTable(notes.group, notes.pitch, start, end)
    table = table.take(np.lexsort((table.pitch, table.start)))
    line: list[tuple[int, int, int]] = []
    for step, together in onsets(events_of(table)):
        top = together[-1]
        if line and line[-1][1] > step and line[-1][2] > top.pitch + 4:
            continue
        if line:
            line[-1] = (line[-1][0], min(line[-1][1], step), line[-1][2])
        line.append((step, top.end, top.pitch))
    return line


def _first_phrase(line: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the notes up to the first rest that ends a phrase."""
    phrase: list[tuple[int, int, int]] = []
    for start, end, pitch in line:
        if phrase:
            lasted = phrase[-1][1] - phrase[0][0]
            rest = start - phrase[-1][1]
            ended = (
                rest >= REST_QUARTERS * STEPS_PER_QUARTER
                and lasted >= SHORTEST_QUARTERS * STEPS_PER_QUARTER
            )
            if ended or end - phrase[0][0] > LONGEST_QUARTERS * STEPS_PER_QUARTER:
                break
        phrase.append((start, end, pitch))
    return phrase


def key_of_line(notes: tuple[tuple[int, int, int], ...]) -> tuple[int, ModeName]:
    """Return the tonic and the mode, major or minor, that a melody is most likely in.

    Ours: the share of its time within the scale, with a bonus for the tonic triad and for a
    tonic at the end, where melodies mostly come home.
    """
    weights = np.zeros(12)
    for start, end, pitch in notes:
        weights[pitch % 12] += end - start
    weights /= weights.sum()
    last = notes[-1][2] % 12

    def fit(key: int, mode: ModeName) -> float:
        scale = [(key + degree) % 12 for degree in SCALES[mode]]
        triad = float(weights[[scale[0], scale[2], scale[4]]].sum())
        return float(weights[scale].sum()) + 0.3 * triad + 0.15 * (last == key)

    modes: tuple[ModeName, ...] = ("major", "minor")
    return max(((k, m) for m in modes for k in range(12)), key=lambda found: fit(*found))


def tune_of(theme: Theme, metre: Metre) -> Tune:
    """Return a theme as a tune, in degrees of its own scale, so that it fits any key and mode."""
    key, mode = key_of_line(theme.notes)
    origin = theme.notes[0][0] // metre.bar * metre.bar
    if theme.notes[0][0] - origin > metre.bar // 2:
        # What begins late in its bar is an upbeat.
        origin += metre.bar
    # The octave is the singer's.
    octave = (min(pitch for _, _, pitch in theme.notes) - key) // 12
    notes = []
    for start, end, pitch in theme.notes:
        degree, alter = _degree(pitch - 12 * octave, key, mode)
        notes.append(TuneNote(start - origin, end - start, degree, alter))
    last = max(note.offset + note.length for note in notes)
    return Tune(tuple(notes), -(-last // metre.bar) * metre.bar)


def _degree(pitch: int, key: int, mode: ModeName) -> tuple[int, int]:
    """Return the degree of the scale at or under `pitch`, and the semitones above it."""
    octave, above = divmod(pitch - key, 12)
    place = max(at for at, degree in enumerate(SCALES[mode]) if degree <= above)
    return octave * SCALE_SIZE + place, above - SCALES[mode][place]
