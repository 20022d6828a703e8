"""The chords of a piece, estimated from its notes, beat by beat.

Template matching (Fujishima 1999) in a hidden Markov model (Sheh & Ellis 2003), on notes instead of
spectra: each chord expects its tones with certain shares of a beat's sounding time, and the bass to
be one of them, most likely the root; the best path through the beats (Viterbi) pays for every
change, less where a bar begins. So broken chords are read as one, and passing notes do not flicker.
"""

from itertools import pairwise

import numpy as np

from emsync.music.notes import GROUPS, NoteTable
from emsync.music.planning.plan import QUALITIES
from emsync.music.transformer.harmony_labels import LABELS, NOT_GIVEN, chord_of

TONE_SHARES = {3: (0.36, 0.27, 0.22), 4: (0.31, 0.23, 0.16, 0.16)}
"""Shares of the sounding time that the tones of a triad and of a seventh chord take, the root
first; the other pitch classes share what remains: a sixth of the sounding time of pop and game
music lies outside the chord, or nearly. Ours."""
BASS_SHARES = {3: (0.7, 0.1, 0.1), 4: (0.65, 0.09, 0.09, 0.06)}
"""The same for the lowest note: root position is the rule. Ours."""
BASS_WEIGHT = 0.6
"""How much the bass counts against the other notes, which are many. Ours."""
EVIDENCE = 4.0
"""Independent notes that a beat of music is worth. Ours: triads have three, and a melody."""
CHANGE_COST = {"bar": 1.5, "half": 2.2, "beat": 3.5}
"""Nats for a change of chord where a bar, its half, or another beat begins. Harmony changes about
every second bar line in the corpora and seldom between half-bars. Ours."""
RARE = {"dim": 1.0, "aug": 2.5, "sus2": 1.5, "sus4": 1.0}
"""Nats against the rarer classes, once a chord, so that two stray notes do not make one. Ours."""
MINIMUM_FIT = 0.62
"""Share of the sounding time within the chord's tones below which the chord is not given."""


def _templates() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log shares of tones and bass (12, chords), tones as 0 and 1, and the cost of each chord."""
    chords = LABELS - 1
    tones, bass = np.zeros((12, chords)), np.zeros((12, chords))
    within, cost = np.zeros((12, chords)), np.zeros(chords)
    for column in range(chords):
        chord = chord_of(column + 1)
        assert chord is not None
        root, quality = chord
        places = [(root + interval) % 12 for interval in QUALITIES[quality]]
        for table, shares in ((tones, TONE_SHARES), (bass, BASS_SHARES)):
            of_chord = shares[len(places)]
            table[:, column] = (1 - sum(of_chord)) / (12 - len(places))
            table[places, column] = of_chord
        within[places, column] = 1
        cost[column] = RARE.get(quality, 0.0)
    return np.log(tones), np.log(bass), within, cost


def beats_of(bars: np.ndarray, end: int, beat: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the beats of a piece, each bar cut into equal ones, and how it costs to change there.

    Args:
        bars: (bars,) ticks at which bars begin, ascending.
        end: tick at which the piece ends.
        beat: usual length of a beat in ticks.

    Returns:
        Ticks (beats + 1,), `end` the last; and the cost of a change at each beat (beats,), nats.
    """
    ticks: list[int] = []
    costs: list[float] = []
    edges = np.append(bars[bars < end], end)
    usual = float(np.median(np.diff(edges)))
    for start, stop in pairwise(edges.tolist()):
        # The last bar may be cut short by the last note; its beats are those of the others.
        length = stop - start if stop < end else max(usual, stop - start)
        count = max(round(length / beat), 1)
        for number in range(count):
            at = start + round(number * length / count)
            if at >= stop:
                break
            ticks.append(at)
            half = count % 2 == 0 and number == count // 2
            costs.append(CHANGE_COST["half" if half else "beat" if number else "bar"])
    return np.array([*ticks, end], dtype=np.int64), np.array(costs)


def _sounding(notes: NoteTable, beats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sounding time (beats, 12) in ticks, and the pitch class of each beat's bass, or -1."""
    count = len(beats) - 1
    chroma, lowest = np.zeros((count, 12)), np.full(count, 999)
    first = np.maximum(np.searchsorted(beats, notes.start, side="right") - 1, 0)
    last = np.minimum(np.searchsorted(beats, notes.end, side="left"), count)
    for beat in range(int((last - first).max(initial=0))):
        sounds = first + beat < last
        at = (first + beat)[sounds]
        part = notes.take(sounds)
        overlap = np.minimum(part.end, beats[at + 1]) - np.maximum(part.start, beats[at])
        np.add.at(chroma, (at, part.pitch % 12), overlap)
        # What sounds for less than a third of a beat passes by.
        counts = 3 * overlap >= beats[at + 1] - beats[at]
        np.minimum.at(lowest, at[counts], part.pitch[counts])
    return chroma, np.where(lowest < 999, lowest % 12, -1)


def _best_path(fit: np.ndarray, change: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Return the chord of each beat (beats,), from `fit` (beats, chords), by Viterbi's
    algorithm."""
    came_from = np.zeros(fit.shape, dtype=np.int64)
    score = fit[0] - cost
    stay = np.arange(fit.shape[1])
    for beat in range(1, len(fit)):
        best = int(score.argmax())
        moved = score[best] - change[beat] - cost
        stays = score >= moved
        came_from[beat] = np.where(stays, stay, best)
        score = np.where(stays, score, moved) + fit[beat]
    path = np.zeros(len(fit), dtype=np.int64)
    path[-1] = int(score.argmax())
    for beat in range(len(fit) - 1, 0, -1):
        path[beat - 1] = came_from[beat, path[beat]]
    return path


def estimate(
    notes: NoteTable, bars: np.ndarray, beat: float, patience: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the chords of a piece; see the module.

    Args:
        notes: the piece; drums are not listened to.
        bars: (bars,) ticks at which bars begin, ascending.
        beat: usual length of a beat in ticks.
        patience: by which the cost of changes is multiplied; above 1, chords last longer.

    Returns:
        Ticks at which chords begin (chords,) int64, and their labels (chords,) uint8; label 0
        where no chord fits. Both empty for a piece without pitched notes.
    """
    pitched = notes.take(notes.group != GROUPS.index("drums"))
    if not len(pitched) or not len(bars):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    beats, change = beats_of(bars, int(notes.end.max()), beat)
    chroma, bass = _sounding(pitched, beats)
    tones, lowest, within, cost = _templates()
    total = chroma.sum(1, keepdims=True)
    share = chroma / np.maximum(total, 1)
    fit = EVIDENCE * share @ tones
    heard = bass >= 0
    fit[heard] += EVIDENCE * BASS_WEIGHT / 2 * lowest[bass[heard]]
    path = _best_path(fit, patience * change, cost)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    labels = (path[starts] + 1).astype(np.uint8)
    spans = np.add.reduceat(chroma, starts, axis=0)
    inside = (spans * within[:, path[starts]].T).sum(1)
    labels[inside < MINIMUM_FIT * spans.sum(1)] = NOT_GIVEN
    return beats[starts], labels
