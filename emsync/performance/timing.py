"""When each note begins and ends: what nobody plays exactly, and how notes are joined.

Film time is fixed, so there is no rubato; what is left are the milliseconds around it. Notes at hit
points begin when they were written to begin.
"""

from itertools import pairwise

import numpy as np

from emsync.music.notes import GROUPS
from emsync.performance.context import DRUMS, GUITAR, STRINGS, TOGETHER, Context
from emsync.settings import PerformanceSettings

LARGEST_SHIFT = 0.03
"""Seconds; from here on notes are heard as late (Friberg & Sundberg 1995: 10 ms in an even row)."""
SHARE_OF_GAP = 0.2
"""Share of the time to its neighbours by which a note may move, so that rhythms stay."""
TIGHTER = 0.4
"""Share by which excited music is more exact, and calm music less (Juslin 2001)."""
WITHIN_CHORD = 0.4
"""Standard deviation of the notes of one chord, as a share of that of the whole chord. Ours, after
the 5 to 10 ms between the notes of pianists' chords (Goebl 2001)."""
TOGETHER_AGAIN = 16
"""Onsets after which a group that drifted is back with the others: players listen to each other.
Ours."""
AT_START = 0.01
"""Seconds from the film's start in which notes begin exactly."""
TIED = 1e-6
"""Seconds by which a note may seem to end after the next one begins, from rounding."""
SHORTEST = 0.03
"""Seconds that every note lasts, if it was written to."""
REPEATED_GAP, REPEATED_SHARE = 0.03, 0.2
"""Seconds and share of a note by which it ends before its pitch is struck again (KTH, articulation
of repetition; Bresin 2001)."""
LEAP, LEAP_SHARE = 6, 0.12
"""Semitones of a leap, and the share of a melody note by which it ends before it (KTH)."""
PHRASE_END, PHRASE_GAP, PHRASE_SHARE = 0.85, 0.12, 0.2
"""Place in the phrase after which a last melody note ends early, the seconds, and the share of the
note, at most (KTH, punctuation)."""
HELD_QUARTERS = 2.0
"""Notes of strings this long are held, whatever the mood."""


def shifts(context: Context, settings: PerformanceSettings, rng: np.random.Generator) -> np.ndarray:
    """Return by how many seconds each note begins later, float64 (notes,); 0 at hit points."""
    out = np.zeros(len(context))
    for group in range(len(GROUPS)):
        mine = np.flatnonzero(context.group == group)
        if not len(mine):
            continue
        onsets, onset = np.unique(context.start[mine], return_inverse=True)
        drift = pink(len(onsets), rng) * settings.timing
        out[mine] = drift[onset]
        if group != DRUMS:
            out[mine] += WITHIN_CHORD * settings.timing * rng.standard_normal(len(mine))
    out *= 1 - TIGHTER * context.arousal
    out -= settings.melody_lead * context.melody
    out += settings.strum * _strings_before(context)
    limit = np.minimum(LARGEST_SHIFT, SHARE_OF_GAP * _room(context))
    out = np.clip(settings.expression * out, -limit, limit)
    return np.where(context.on_hit | (context.start < AT_START), 0.0, out)


def pink(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise of variance 1 whose power falls as 1/f for periods up to `TOGETHER_AGAIN`.

    float64 (count,).

    So does what drummers and pianists miss the beat by: who is late stays late for a while (Hennig
    et al. 2011).
    """
    if count < 2:
        return np.zeros(count)
    # The beginning of a longer series: that of a Fourier transform ends where it begins.
    spectrum = np.fft.rfft(rng.standard_normal(2 * count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[: max(1, 2 * count // TOGETHER_AGAIN)] = 0.0
    series = np.fft.irfft(spectrum, 2 * count)
    return np.asarray(series[:count] / max(float(series.std()), 1e-9))


def _room(context: Context) -> np.ndarray:
    """Return the seconds to the nearest other onset of each note's group."""
    out = np.full(len(context), np.inf)
    for group in range(len(GROUPS)):
        mine = np.flatnonzero(context.group == group)
        onsets, onset = np.unique(context.start[mine], return_inverse=True)
        gaps = np.concatenate([[np.inf], np.diff(onsets), [np.inf]])
        out[mine] = np.minimum(gaps[:-1], gaps[1:])[onset]
    return out


def _strings_before(context: Context) -> np.ndarray:
    """Return how many strings of the same chord a guitar strikes before each note's.

    Down-strokes, on the beats, begin with the lowest, up-strokes with the highest. Half of the
    chord comes before its moment, so that it is heard on it.
    """
    out = np.zeros(len(context))
    guitar = np.flatnonzero((context.group == GUITAR) & (context.melody < 1))
    order = guitar[np.lexsort((context.pitch[guitar], context.start[guitar]))]
    if not len(order):
        return out
    chords = np.split(order, np.flatnonzero(np.diff(context.start[order]) > TOGETHER) + 1)
    for chord in chords:
        if len(chord) > 2:
            down = float(context.strength[chord[0]]) >= 0
            place = np.arange(len(chord)) - (len(chord) - 1) / 2
            out[chord] = place if down else -place
    return out


def ends(context: Context, starts: np.ndarray, settings: PerformanceSettings) -> np.ndarray:
    """Return when each note ends that begins at `starts`, seconds, float64 (notes,).

    Lively moods are played detached, calm and sad ones joined (Bresin & Friberg 2000; Juslin
    2001). Chords on hits, held strings and drums last as long as they are written.
    """
    written = context.end - context.start
    lively = np.clip((context.arousal + context.valence) / 2, -1, 1)
    lasting = written * (1 - settings.articulation * np.maximum(lively, 0))
    longer = written * (1 - settings.articulation * np.minimum(lively, 0))
    following = _next_onset(context)
    joined = np.minimum(longer, np.maximum(following - context.start, written))
    lasting = np.where(lively < 0, joined, lasting)
    share = settings.articulation / PerformanceSettings.articulation
    lasting -= share * _pauses(context, written)
    held = (context.group == STRINGS) & (written >= HELD_QUARTERS * context.quarter)
    kept = context.is_drum | context.on_hit | held
    lasting = np.where(kept, written, lasting)
    lasting = written + settings.expression * (lasting - written)
    lasting = np.maximum(lasting, np.minimum(SHORTEST, written))
    out = np.where(kept, np.maximum(context.end, starts + SHORTEST), starts + lasting)
    return np.minimum(_before_the_same(context, starts, out), context.seconds)


def _pauses(context: Context, written: np.ndarray) -> np.ndarray:
    """Return the seconds by which notes end early for the sake of what comes next."""
    out = np.zeros(len(context))
    order = np.lexsort((context.start, context.pitch, context.group))
    for note, after in pairwise(order.tolist()):
        same = context.group[note] == context.group[after]
        if same and context.pitch[note] == context.pitch[after]:
            gap = context.start[after] - context.end[note]
            if gap < REPEATED_GAP:
                out[note] = min(REPEATED_GAP, REPEATED_SHARE * written[note])
    tune = np.flatnonzero(context.melody > 0)
    tune = tune[np.argsort(context.start[tune], kind="stable")]
    for note, after in pairwise(tune.tolist()):
        if abs(int(context.pitch[after]) - int(context.pitch[note])) >= LEAP:
            out[note] = max(out[note], LEAP_SHARE * written[note])
        if context.phrase[note] > PHRASE_END and context.phrase[after] < context.phrase[note]:
            out[note] = max(out[note], min(PHRASE_GAP, PHRASE_SHARE * written[note]))
    return out


def _next_onset(context: Context) -> np.ndarray:
    """Return the next moment at which each note's group plays; infinity after the last."""
    out = np.full(len(context), np.inf)
    for group in range(len(GROUPS)):
        mine = np.flatnonzero(context.group == group)
        onsets, onset = np.unique(context.start[mine], return_inverse=True)
        out[mine] = np.append(onsets[1:], np.inf)[onset] if len(onsets) else np.inf
    return out


def _before_the_same(context: Context, starts: np.ndarray, ending: np.ndarray) -> np.ndarray:
    """Return `ending` such that no group sounds a pitch twice at once, where it was not to."""
    out = ending.copy()
    order = np.lexsort((context.start, context.pitch, context.group))
    before, after = order[:-1], order[1:]
    same = (context.group[before] == context.group[after]) & (
        context.pitch[before] == context.pitch[after]
    )
    same &= context.end[before] <= context.start[after] + TIED
    before, after = before[same], after[same]
    out[before] = np.minimum(out[before], starts[after])
    return out
