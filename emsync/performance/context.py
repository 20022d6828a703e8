"""What a performer sees of each note: where it stands in its bar, phrase, chord, scene and mood.

Everything is a column with a number for each note. What nobody knows of a piece (bars of a recorded
performance, chords of a piece drawn freely) is neutral, so that the rules that need it say nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from emsync.emotion.curve import MoodCurve
from emsync.music.composition import CHORD_VELOCITY, VELOCITY, Composition
from emsync.music.notes import GROUPS, Note
from emsync.performance.tempo_map import TICKS_PER_QUARTER, TempoMap

BASS, DRUMS, GUITAR, PIANO, STRINGS = range(len(GROUPS))
CHORDAL = (GUITAR, PIANO, STRINGS)
TOGETHER = 0.03
"""Seconds: notes that begin this close are one chord (Goebl 2001: pianists spread them by less)."""
ON_HIT = 0.002
"""Seconds around a hit point in which a note belongs to it; the generator's clock has 8 ms."""
PHRASE_BARS = 4
"""Bars of a phrase; eight make a period (Caplin 1998, "Classical Form")."""
SMOOTH_SECONDS = 2.0
"""Time that the players take to follow a change of mood. Ours."""
CRESCENDO_QUARTERS = 4
"""Length of the crescendo into a cut. Ours: a bar, as film composers lead into a hit (Karlin &
Wright 2004, "On the Track")."""
STRONG_CHORD, ENDING = 0.6, 0.4
"""Accents of chords that meet no cut, and of the last one; 1 for one on a kept cut. Ours."""
NEAR_BEAT = 0.07
"""Quarters by which a note may miss a beat that it is on: half of what a triplet does."""
LOCAL_SECONDS = 4.0
"""A note's register is compared with what its group plays so long before and after it."""
HIGHEST = 0.4
"""How far the highest line is taken for a melody. Ours: of pianists' recordings it explains about
so much less than what is written as a melody should."""
DENSE_SECONDS = 2.0
"""Notes are counted so long before and after each for the piece's pace."""
_CHARGE = (0.0, 6.5, 2.0, 4.5, 4.0, 2.5, 6.0, 1.0, 5.5, 3.0, 3.5, 5.0)
_LARGEST_CHARGE = 6.5
"""Melodic charge by semitones above the root: distance on the circle of fifths (Friberg 1991)."""


@dataclass(frozen=True)
class Context:
    """The notes of a piece as columns (notes,), in the order in which they were given."""

    group: np.ndarray
    """Index into `emsync.music.notes.GROUPS`."""
    pitch: np.ndarray
    start: np.ndarray
    """Seconds."""
    end: np.ndarray
    written: np.ndarray
    """Velocity without expression."""
    seconds: float
    """Length of the piece."""
    melody: np.ndarray
    """How sure it is that a note is the melody, 0 to 1: 1 where it was written as such, and
    `HIGHEST` for the highest line where none was."""
    strength: np.ndarray
    """Metrical strength, -1 off all beats to 1 on the bar line; 0 where there are no bars."""
    place: np.ndarray
    """Quarters since the bar line; NaN where there are no bars."""
    bar_quarters: np.ndarray
    """Quarters of the bar that the note is in; NaN likewise."""
    beat: np.ndarray
    """Quarters of a beat: one, or one and a half in 6/8."""
    quarter: np.ndarray
    """Seconds that a quarter lasts there."""
    phrase: np.ndarray
    """Place in its phrase, 0 to 1; NaN likewise."""
    rise: np.ndarray
    """How far a crescendo into a kept cut has come, 0 to 1."""
    accent: np.ndarray
    """Of the hit point that the note is on, 0 to 1; 0 where it is on none."""
    arousal: np.ndarray
    valence: np.ndarray
    energy: np.ndarray
    """Of the plan's section, 0 to 1; a half where there is no plan."""
    charge: np.ndarray
    """Melodic charge, 0 to 1; 0 where no chord is known."""

    def __len__(self) -> int:
        return len(self.pitch)

    @cached_property
    def register(self) -> np.ndarray:
        """Return how many octaves each note lies above what its group plays around it."""
        return _register(self.group, self.pitch, self.start)

    @cached_property
    def density(self) -> np.ndarray:
        """Return by how many octaves more notes begin a second than in the piece on average."""
        return _density(self.group, self.start)

    @cached_property
    def in_chord(self) -> np.ndarray:
        """Return 1 for the highest and -1 for inner notes of chords, 0 for all others."""
        return _in_chord(self.group, self.pitch, self.start)

    @property
    def on_hit(self) -> np.ndarray:
        """Return which notes begin at a hit point, bool."""
        return self.accent > 0

    @property
    def is_drum(self) -> np.ndarray:
        return self.group == DRUMS


def context_of(piece: Composition, tempo_map: TempoMap) -> Context:
    """Return what there is to see of the notes of a composition, in their order."""
    group, pitch, start, end, written = columns_of(piece.notes)
    ticks = tempo_map.places_of(start)
    place, length, beat = _in_bar(ticks, tempo_map)
    quarter = _quarter_at(ticks, tempo_map)
    melody = np.array(piece.lead, dtype=np.float64)
    if len(melody) != len(start) or not melody.any():
        melody = HIGHEST * highest_line(group, pitch, start, end)
    energy = np.full(len(start), 0.5)
    if piece.plan is not None and piece.grid is not None:
        sections = piece.plan.sections
        begins = piece.grid.seconds_of([one.step for one in sections])
        energy = _smooth(begins.tolist(), [one.energy for one in sections], start)
    return Context(
        group=group,
        pitch=pitch,
        start=start,
        end=end,
        written=written,
        seconds=piece.seconds,
        melody=melody,
        strength=strength_of(place, length, beat),
        place=place,
        bar_quarters=length,
        beat=beat,
        quarter=quarter,
        phrase=_in_phrase(start, phrase_starts(piece, tempo_map), piece.seconds),
        rise=rise_at(start, piece, tempo_map),
        accent=_accents(piece, start, written),
        arousal=arousal_at(piece.curve, start),
        valence=_smooth(piece.curve.starts, [mood.valence for mood in piece.curve.moods], start),
        energy=energy,
        charge=_charges(piece, pitch, start),
    )


def bare_context(
    group: np.ndarray, pitch: np.ndarray, start: np.ndarray, end: np.ndarray
) -> Context:
    """Return what there is to see of notes of which nothing else is known."""
    count = len(start)
    unknown, neutral = np.full(count, np.nan), np.zeros(count)
    return Context(
        group, pitch, start, end, np.full(count, float(VELOCITY)),
        seconds=float(end.max()) if count else 0.0,
        melody=HIGHEST * highest_line(group, pitch, start, end),
        strength=neutral, place=unknown, bar_quarters=unknown,
        beat=np.ones(count), quarter=np.full(count, 0.5),
        phrase=unknown, rise=neutral, accent=neutral, arousal=neutral, valence=neutral,
        energy=np.full(count, 0.5), charge=neutral,
    )  # fmt: skip


def columns_of(
    notes: Sequence[Note],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return group, pitch (int64), start, end and velocity (float64), each (notes,)."""
    rows = [(GROUPS.index(n.group), n.pitch, n.start, n.end, n.velocity) for n in notes]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    whole = columns[:2].astype(np.int64)
    return whole[0], whole[1], columns[2], columns[3], columns[4]


def arousal_at(curve: MoodCurve, seconds: np.ndarray) -> np.ndarray:
    """Return the arousal that the players have reached at moments, float64 of the same shape."""
    return _smooth(curve.starts, [mood.arousal for mood in curve.moods], seconds)


def _smooth(starts: Sequence[float], values: Sequence[float], at: np.ndarray) -> np.ndarray:
    """Return the mean of a step function over the `SMOOTH_SECONDS` around each moment."""
    far = float(at.max(initial=0.0)) + 2 * SMOOTH_SECONDS
    edges = [-2 * SMOOTH_SECONDS, *starts[1:], max(far, starts[-1] + 1.0)]
    area = np.concatenate([[0.0], np.cumsum(np.diff(edges) * np.asarray(values))])
    half = SMOOTH_SECONDS / 2
    return (np.interp(at + half, edges, area) - np.interp(at - half, edges, area)) / (2 * half)


def strength_of(place: np.ndarray, bar: np.ndarray, beat: np.ndarray) -> np.ndarray:
    """Return the metrical strength of places in a bar, -1 to 1 (Lerdahl & Jackendoff 1983).

    A place is the stronger, the more levels of the metre have a beat there: 1 on the bar line, 0.5
    on the middle of a bar of four beats, 0.2 on other beats, -0.3 on eighths, -0.7 on sixteenths
    and -1 between them; 0 where there are no bars.

    Args:
        place: quarters since the bar line; NaN for none.
        bar: quarters of the bar.
        beat: quarters of a beat: one, or one and a half in 6/8.
    """
    at, bar = np.nan_to_num(place), np.nan_to_num(bar, nan=4.0)

    def on(quarters: np.ndarray | float) -> np.ndarray:
        return np.abs(at - np.round(at / quarters) * quarters) < NEAR_BEAT

    halves = np.round(bar / beat).astype(np.int64) % 4 == 0
    levels = [on(bar), halves & on(bar / 2), on(beat), on(0.5), on(0.25)]
    return np.where(np.isnan(place), 0.0, np.select(levels, [1.0, 0.5, 0.2, -0.3, -0.7], -1.0))


def _in_bar(ticks: np.ndarray, tempo_map: TempoMap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return quarters since the bar line, of that bar, and of its beat; NaN within the pickup."""
    lines = np.array(tempo_map.bars, dtype=np.float64)
    lengths = np.diff(lines, append=np.nan)
    lengths[-1] = lengths[-2] if len(lines) > 1 else 4 * TICKS_PER_QUARTER
    changes = [tick for tick, _, _ in tempo_map.metres]
    compound = np.array(
        [lower == 8 and upper in (6, 9, 12) for _, upper, lower in tempo_map.metres]
    )
    metre = np.maximum(np.searchsorted(changes, lines, side="right") - 1, 0)
    beats = np.where(compound[metre], 1.5, 1.0)
    # A note that begins a hair before the bar line is on it.
    bar = np.searchsorted(lines, ticks + NEAR_BEAT * TICKS_PER_QUARTER, side="right") - 1
    known = np.maximum(bar, 0)
    place = np.maximum(ticks - lines[known], 0.0) / TICKS_PER_QUARTER
    length = lengths[known] / TICKS_PER_QUARTER
    return np.where(bar < 0, np.nan, place), np.where(bar < 0, np.nan, length), beats[known]


def _quarter_at(ticks: np.ndarray, tempo_map: TempoMap) -> np.ndarray:
    first = np.array([tick for tick, _ in tempo_map.tempos])
    lasting = np.array([quarter for _, quarter in tempo_map.tempos]) / 1e6
    return np.asarray(lasting[np.maximum(np.searchsorted(first, ticks, side="right") - 1, 0)])


def phrase_starts(piece: Composition, tempo_map: TempoMap) -> np.ndarray:
    """Return the seconds at which phrases begin: `PHRASE_BARS` apart, and where the form does.

    That is where sections of the plan or, without one, moods begin. What is shorter than half a
    phrase belongs to the one before it.
    """
    form = [at for at, _ in piece.sections] or list(piece.curve.starts)
    lines = tempo_map.seconds_of(tempo_map.bars)
    bar = float(np.median(np.diff(lines))) if len(lines) > 1 else 2.0
    starts: list[float] = []
    for begin, end in pairwise([*form, piece.seconds]):
        inside = lines[(lines >= begin - bar / 4) & (lines < end - bar / 4)]
        own = [begin, *(at for at in inside.tolist()[::PHRASE_BARS] if at > begin + bar)]
        if len(own) > 1 and end - own[-1] < PHRASE_BARS / 2 * bar:
            own.pop()
        starts += own
    return np.array(starts)


def _in_phrase(start: np.ndarray, starts: np.ndarray, seconds: float) -> np.ndarray:
    if not len(starts):
        return np.full(len(start), np.nan)
    ends = np.append(starts[1:], seconds)
    phrase = np.maximum(np.searchsorted(starts, start + ON_HIT, side="right") - 1, 0)
    lasting = np.maximum(ends[phrase] - starts[phrase], 1e-3)
    return np.clip((start - starts[phrase]) / lasting, 0.0, 1.0)


def rise_at(seconds: np.ndarray, piece: Composition, tempo_map: TempoMap) -> np.ndarray:
    """Return how far the crescendo into the next kept cut has come at moments, 0 to 1.

    Only cuts that a chord meets are led into: a crescendo into nothing would point at it.
    """
    out = np.zeros(len(seconds))
    for one in piece.boundaries:
        if one.hit is None or one.kind != "cut":
            continue
        at = tempo_map.places_of([one.hit])
        lasting = CRESCENDO_QUARTERS * float(_quarter_at(at - 1, tempo_map)[0])
        passed = 1 - (one.hit - seconds) / lasting
        before = (seconds < one.hit - ON_HIT) & (passed > 0)
        out = np.where(before, np.maximum(out, np.maximum(passed, 0.0) ** 1.5), out)
    return out


def _accents(piece: Composition, start: np.ndarray, written: np.ndarray) -> np.ndarray:
    """Return the accent of each note that is on a hit point, or in a chord that was one."""
    out = np.where(written >= CHORD_VELOCITY, STRONG_CHORD, 0.0)
    for one in piece.boundaries:
        if one.hit is None:
            continue
        share = 1.0 if one.kind == "cut" else ENDING
        out[np.abs(start - one.hit) < ON_HIT] = share
    return out


def _charges(piece: Composition, pitch: np.ndarray, start: np.ndarray) -> np.ndarray:
    if piece.plan is None or not piece.symbols:
        return np.zeros(len(start))
    begins = np.array([at for at, _ in piece.symbols])
    roots = np.array([chord.root for chord in piece.plan.chords])
    chord = np.maximum(np.searchsorted(begins, start + ON_HIT, side="right") - 1, 0)
    return np.array(_CHARGE)[(pitch - roots[chord]) % 12] / _LARGEST_CHARGE


def highest_line(
    group: np.ndarray, pitch: np.ndarray, start: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """Return which notes of guitar, piano and strings are higher than all that sound with them.

    That is where listeners hear a melody if nothing else tells (Uitdenbogerd & Zobel 1999).
    """
    out = np.zeros(len(start), dtype=bool)
    chordal = np.flatnonzero(np.isin(group, CHORDAL))
    order = chordal[np.lexsort((-pitch[chordal], start[chordal]))]
    rows = zip(order.tolist(), start[order].tolist(), pitch[order].tolist(), strict=True)
    sounding: list[tuple[int, float]] = []
    for note, at, height in rows:
        sounding = [one for one in sounding if one[1] > at + TOGETHER]
        out[note] = all(height > one[0] for one in sounding)
        sounding.append((height, float(end[note])))
    return out


def _register(group: np.ndarray, pitch: np.ndarray, start: np.ndarray) -> np.ndarray:
    out = np.zeros(len(start))
    for one in range(len(GROUPS)):
        index = np.flatnonzero(group == one)
        order = index[np.argsort(start[index], kind="stable")]
        at, total = start[order], np.concatenate([[0.0], np.cumsum(pitch[order])])
        first = np.searchsorted(at, at - LOCAL_SECONDS)
        last = np.searchsorted(at, at + LOCAL_SECONDS, side="right")
        mean = (total[last] - total[first]) / np.maximum(last - first, 1)
        out[order] = (pitch[order] - mean) / 12
    return out


def _density(group: np.ndarray, start: np.ndarray) -> np.ndarray:
    pitched = np.sort(start[group != DRUMS])
    if len(pitched) < 2:
        return np.zeros(len(start))
    last = np.searchsorted(pitched, start + DENSE_SECONDS, side="right")
    near = (last - np.searchsorted(pitched, start - DENSE_SECONDS)) / (2 * DENSE_SECONDS)
    usual = len(pitched) / max(float(pitched[-1] - pitched[0]), 2 * DENSE_SECONDS)
    return np.clip(np.log2(np.maximum(near, 1e-3) / usual), -1.5, 1.5)


def _in_chord(group: np.ndarray, pitch: np.ndarray, start: np.ndarray) -> np.ndarray:
    out = np.zeros(len(start))
    order = np.lexsort((pitch, start, group))
    if not len(order):
        return out
    apart = (np.diff(group[order]) != 0) | (np.diff(start[order]) > TOGETHER)
    chord = np.concatenate([[0], np.cumsum(apart)])
    size = np.bincount(chord)[chord]
    # Within a chord the notes of several onsets may lie in any order of pitch.
    ranked = np.lexsort((pitch[order], chord))
    first = np.concatenate([[0], np.cumsum(np.bincount(chord))[:-1]])
    rank = np.empty(len(order), dtype=np.int64)
    rank[ranked] = np.arange(len(order)) - first[chord[ranked]]
    inner = np.where((rank > 0) & (rank < size - 1), -1.0, 0.0)
    out[order] = np.where(size > 1, np.where(rank == size - 1, 1.0, inner), 0.0)
    out[group == DRUMS] = 0.0
    return out
