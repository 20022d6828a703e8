"""Harmony: a key, chords that move and return, a bass that belongs to them."""

from dataclasses import dataclass

import numpy as np

from emsync.evaluation.musicianship.piece import MeasuredPiece
from emsync.music.judging.listening import (
    BASS,
    MOMENT_TICKS,
    TRIAD_CLASSES,
    TRIADS,
    class_times,
    class_weights,
    fitting_triads,
    key_of,
    longest_run,
    pitched_of,
    triads_of_moments,
)
from emsync.music.notes import TICK_SECONDS

NAN = float("nan")
MAJOR_SCALE, MINOR_SCALE = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
RAISED_SEVENTH = 11
"""Belongs to minor as well, in its dominant."""
WINDOW, WINDOW_STEP = 1000, 500
"""Ticks of the windows of 8 s in which a key of their own is looked for."""
LEAST_IN_WINDOW = 200
"""Ticks of pitched notes, summed over voices, without which a window has no key."""
LEAST_BASS, LEAST_ABOVE = 10, 30
"""Ticks in a half-bar, above which the bass is held against the chord over it."""
PROGRESSION = 4
"""Chords."""


@dataclass(frozen=True)
class Harmony:
    """NaN where there is too little to tell. Triads are the fitting ones of `listening`."""

    key_clarity: float
    """Correlation with the best of 24 key profiles (Krumhansl & Kessler 1982)."""
    majorness: float
    """The best major key's correlation minus the best minor key's."""
    local_key_clarity: float
    """Mean of the key clarity in windows of 8 s."""
    windows_in_key: float
    """Share of those windows whose scale shares six tones or more with that of the piece. Ours."""
    time_out_of_scale: float
    """Share of the note time on pitch classes outside the scale of the key; minor has both
    sevenths. After MusPy's scale consistency (Dong et al. 2020), by time."""
    time_in_triad: float
    """Mean share of the note time of a half-bar that belongs to its triad. Ours."""
    changes_per_half_bar: float
    """Share of half-bars whose triad is another than the one before. Ours."""
    diatonic_chords: float
    """Share of half-bars whose triad lies in the scale of the key. Ours."""
    progressions_returning: float
    """Share of progressions of four different neighbours that occur twice or more. Ours."""
    roots_by_fifth: float
    """Share of changes in which the root moves by a fourth or fifth (Rameau 1722)."""
    bass_in_chord: float
    """Mean share of the bass's time that belongs to the triad of the other groups. Ours."""
    bass_on_root: float
    """The same, on its root."""
    longest_chord: float
    """Seconds for which the triad of the moment stays the same, at the longest. Ours."""
    different_chords: float
    """Different triads of the moment, a minute. Ours."""
    chord_changes: float
    """Changes of the triad of the moment, a minute. Ours."""
    pche_bar: float
    """PCHE: entropy in bits of the pitch classes that begin in a bar, mean over the bars
    (Wu & Yang 2020)."""
    pche_four_bars: float
    """PCHE of every four bars."""


def harmony_of(piece: MeasuredPiece) -> Harmony:
    """Return the measures of harmony of a piece."""
    pitched = pitched_of(piece.notes)
    times = class_times(pitched, piece.length)
    weights = class_weights(pitched)
    key = key_of(weights)
    scale = _scale(key.tonic, key.minor, raised=True)
    outside = sum(weights[pitch] for pitch in range(12) if pitch not in scale)
    return Harmony(
        key_clarity=key.clarity,
        majorness=key.majorness,
        time_out_of_scale=float(outside / max(weights.sum(), 1)),
        pche_bar=_pche(piece, 1),
        pche_four_bars=_pche(piece, 4),
        **_windows(times, scale),
        **_half_bars(piece, times, scale),
        **_moments(times, piece.length * TICK_SECONDS),
    )


def _scale(tonic: int, minor: bool, raised: bool) -> frozenset[int]:
    degrees = (*MINOR_SCALE, RAISED_SEVENTH) if minor and raised else MINOR_SCALE
    return frozenset((tonic + step) % 12 for step in (degrees if minor else MAJOR_SCALE))


def _windows(times: np.ndarray, scale: frozenset[int]) -> dict[str, float]:
    length = len(times) - 1
    clarity, within = [], []
    for begin in range(0, length - 900, WINDOW_STEP):
        histogram = times[min(begin + WINDOW, length)] - times[begin]
        if histogram.sum() < LEAST_IN_WINDOW:
            continue
        key = key_of(histogram.astype(float))
        clarity.append(key.clarity)
        within.append(len(_scale(key.tonic, key.minor, raised=False) & scale) >= 6)
    return {
        "local_key_clarity": float(np.mean(clarity)) if clarity else NAN,
        "windows_in_key": float(np.mean(within)) if within else NAN,
    }


def _half_bars(piece: MeasuredPiece, times: np.ndarray, scale: frozenset[int]) -> dict[str, float]:
    bars = piece.bars
    if len(bars) < 5:
        edges = np.arange(0, piece.length, 250)
    else:
        edges = np.unique(np.concatenate([bars, (bars[:-1] + bars[1:]) // 2]))
    histograms = np.diff(times[edges], axis=0)
    only_bass = piece.notes.take(piece.notes.group == BASS)
    bass = np.diff(class_times(only_bass, piece.length)[edges], axis=0)
    triads = fitting_triads(histograms, bass)
    told = triads >= 0
    within = (TRIAD_CLASSES[triads] * histograms).sum(axis=1)[told] / histograms[told].sum(axis=1)
    chords = triads[told]
    found = {
        "time_in_triad": float(within.mean()) if len(within) else NAN,
        "diatonic_chords": _mean([_diatonic(chord, scale) for chord in chords], 1),
        "changes_per_half_bar": _mean(chords[1:] != chords[:-1], 3),
        **_bass(bass, histograms - bass),
    }
    different = chords[np.concatenate([[True], chords[1:] != chords[:-1]])] if len(chords) else []
    found["progressions_returning"] = _returning(list(map(int, different)))
    roots = np.array([TRIADS[chord][0] for chord in different], dtype=np.int64)
    found["roots_by_fifth"] = _mean(np.isin(np.diff(roots) % 12, (5, 7)), 4)
    return found


def _mean(flags: np.ndarray | list[bool], least: int) -> float:
    return float(np.mean(flags)) if len(flags) >= least else NAN


def _diatonic(chord: int, scale: frozenset[int]) -> bool:
    return set(np.flatnonzero(TRIAD_CLASSES[chord]).tolist()) <= scale


def _returning(chords: list[int]) -> float:
    runs = [tuple(chords[i : i + PROGRESSION]) for i in range(len(chords) - PROGRESSION + 1)]
    return float(np.mean([runs.count(run) > 1 for run in runs])) if len(runs) > 3 else NAN


def _bass(bass: np.ndarray, above: np.ndarray) -> dict[str, float]:
    told = (bass.sum(axis=1) > LEAST_BASS) & (above.sum(axis=1) > LEAST_ABOVE)
    if told.sum() < 4:
        return {"bass_in_chord": NAN, "bass_on_root": NAN}
    bass, triads = bass[told], fitting_triads(above[told])
    roots = np.array([TRIADS[triad][0] for triad in triads])
    whole = bass.sum(axis=1)
    within = (TRIAD_CLASSES[triads] * bass).sum(axis=1)
    on_root = bass[np.arange(len(bass)), roots]
    return {
        "bass_in_chord": float((within / whole).mean()),
        "bass_on_root": float((on_root / whole).mean()),
    }


def _moments(times: np.ndarray, seconds: float) -> dict[str, float]:
    triads = triads_of_moments(times)
    known = triads[triads >= 0]
    return {
        "longest_chord": longest_run(triads) * MOMENT_TICKS * TICK_SECONDS,
        "different_chords": len(np.unique(known)) / max(seconds / 60, 0.5),
        "chord_changes": int((known[1:] != known[:-1]).sum()) / (seconds / 60),
    }


def _pche(piece: MeasuredPiece, bars: int) -> float:
    """Return the mean entropy of the pitch classes that begin in so many bars, in bits."""
    pitched = pitched_of(piece.notes)
    edges = piece.bars
    if len(edges) <= bars:
        return NAN
    begun = np.zeros((piece.length + 1, 12))
    np.add.at(begun, (pitched.start + 1, pitched.pitch % 12), 1)
    counts = begun.cumsum(axis=0)
    histograms = counts[edges[bars:]] - counts[edges[:-bars]]
    histograms = histograms[histograms.any(axis=1)]
    if not len(histograms):
        return NAN
    share = histograms / histograms.sum(axis=1, keepdims=True)
    logarithm = np.log2(np.where(share > 0, share, 1.0))
    return float(-(share * logarithm).sum(axis=1).mean())
