"""The level of the whole mix over time: a gentle compressor, a make-up gain, a true-peak limiter.

All three are gains that follow from the sum of the stems and are the same for every one of them, so
that stems add up to the mix. They are worked out from its `Contour`, a value per 3 ms, and not
from the samples: half an hour has 80 million of them, and the make-up gain that leads to a loudness
is found without playing or filtering anything again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emsync.settings import DELIVERIES, SoundSettings
from emsync.sound.level import OFFSET, Contour

# The compressor. Ours, as engineers set one on a whole mix: slow and little.
RATIO = 1.5
"""Decibels above the threshold that come out as one."""
THRESHOLD = 0.0
"""LU from the loudness of the whole piece."""
KNEE = 6.0
"""Decibels over which the ratio comes in."""
LISTENING_SECONDS = 0.1
"""Over which it listens: strokes, and the beginning of chords on cuts, pass before it acts."""
ATTACK_SECONDS = 0.1
RECOVERY_SECONDS = 0.4
"""In which it lets go of two thirds of what it takes."""

# The limiter. Ours.
AHEAD_SECONDS = 0.006
"""It begins to act so much before a peak: long enough not to be heard as a click."""
RELEASE_SECONDS = 0.08
"""In which it lets go of two thirds of what it takes."""
MOST = 15.0
"""Decibels that it takes at most; music with higher peaks stays quieter than was asked for."""
MARGIN = 0.15
"""Decibels below the ceiling that it aims at; a moving gain makes new peaks, lower than this."""

NEAR = 0.02
"""LU; loudness that comes as near is met."""
ROUNDS = 12
"""Times that the make-up gain is corrected, at most; three or four are usual."""
_SILENCE = 1e-6


@dataclass(frozen=True)
class Reduction:
    """Decibels that were taken from the loudest moments, positive."""

    compressor: float = 0.0
    limiter: float = 0.0


NO_REDUCTION = Reduction()


@dataclass(frozen=True, eq=False)
class GainCurve:
    """A gain that changes over time."""

    gains: np.ndarray
    """Factors at the beginnings of steps, and after the last; straight lines between. Float64
    (steps + 1,)."""
    step: int
    """Frames of a step."""
    reduction: Reduction

    def between(self, begin: int, end: int) -> np.ndarray:
        """Return the factors of frames `begin` to `end`, float32 (frames,); the last one holds."""
        step = self.step
        first, last = min(begin // step, len(self.gains) - 1), -(-end // step) + 1
        at = np.arange(begin - first * step, end - first * step) / step
        part = self.gains[first:last]
        return np.interp(at, np.arange(len(part)), part).astype(np.float32)


def wanted(settings: SoundSettings) -> tuple[float | None, float]:
    """Return the loudness asked for in LUFS, None for by the peak; and the highest peak in dB."""
    if settings.loudness == "peak":
        return None, settings.true_peak_decibels
    if settings.loudness == "lufs":
        return settings.lufs, settings.true_peak_decibels
    lufs, highest = DELIVERIES[settings.loudness]
    return lufs, min(highest, settings.true_peak_decibels)


def is_shaped(settings: SoundSettings) -> bool:
    """Return whether the level of the mix changes over time."""
    return settings.compression > 0 or settings.limiter


def gain_curve(
    contour: Contour, settings: SoundSettings, stem_peaks: np.ndarray | None = None
) -> GainCurve:
    """Return what a mix is multiplied by so that it comes out as `settings` say.

    Silence is left as it is.

    Args:
        contour: of the mix.
        settings: compressor, limiter and level.
        stem_peaks: largest magnitude of any stem in each step, (steps,): where stems cancel each
            other one may be louder than the mix, and must not exceed full scale either.
    """
    steps = len(contour.peaks)
    if not steps or float(contour.peaks.max()) <= _SILENCE:
        return GainCurve(np.ones(steps + 1), contour.step, NO_REDUCTION)
    compressed = compression(contour, settings.compression)
    lufs, ceiling = wanted(settings)
    peaks = _decibels(contour.peaks) + _higher_end(compressed)
    highest = contour.true_peaks
    if stem_peaks is not None:
        # The limiter holds them as far below full scale as the mix below its ceiling.
        highest = np.maximum(highest, stem_peaks * np.float32(10 ** (ceiling / 20)))
    true_peaks = _decibels(highest) + _higher_end(compressed)

    def limited(makeup: float) -> np.ndarray:
        if not settings.limiter:
            return np.zeros_like(compressed)
        return _limited(true_peaks + makeup, ceiling, contour.step / contour.sample_rate)

    def loudness(makeup: float) -> float | None:
        total = compressed + makeup + limited(makeup)
        return contour.loudness(10 ** (_mean_of_ends(total) / 20))

    if lufs is None:
        makeup = settings.peak_decibels - float(peaks.max())
    elif contour.loudness() is None:
        makeup = ceiling - float(peaks.max())
    else:
        over = float(true_peaks.max()) - MOST if settings.limiter else float(peaks.max())
        makeup = _makeup(loudness, lufs, ceiling - over)
    taken = limited(makeup)
    return GainCurve(
        10 ** ((compressed + makeup + taken) / 20),
        contour.step,
        Reduction(float(np.abs(compressed).max()), float(np.abs(taken).max())),
    )


def _makeup(loudness: Callable[[float], float | None], lufs: float, most: float) -> float:
    """Return the gain in decibels with which `loudness` is as near to `lufs` as it can be.

    Args:
        loudness: in LUFS, by gain.
        lufs: that is wanted.
        most: that the gain may be.
    """
    makeup, slope = min(lufs - (loudness(0.0) or lufs), most), 1.0
    before: tuple[float, float] | None = None
    for _ in range(ROUNDS):
        reached = loudness(makeup)
        if reached is None or abs(lufs - reached) <= NEAR or (reached < lufs and makeup >= most):
            break
        # Of more gain the limiter takes a part.
        if before is not None and makeup != before[0]:
            slope = min(max((reached - before[1]) / (makeup - before[0]), 0.2), 1.0)
        before = makeup, reached
        makeup = min(makeup + (lufs - reached) / slope, most)
    return makeup


def compression(contour: Contour, amount: float) -> np.ndarray:
    """Return the gain of the compressor in decibels, (steps + 1,), 0 where it does nothing.

    It listens as the ear does, with the weighting of BS.1770, so that low notes do not make all
    others pump.
    """
    loudness = contour.loudness()
    if not amount or loudness is None:
        return np.zeros(len(contour.powers) + 1)
    from scipy.signal import lfilter

    seconds = contour.step / contour.sample_rate

    def smoothed(values: np.ndarray, over: float) -> np.ndarray:
        kept = float(np.exp(-seconds / over))
        return np.asarray(lfilter([1 - kept], [1, -kept], values))

    power = smoothed(contour.powers.astype(np.float64), LISTENING_SECONDS) / contour.step
    level = OFFSET + 10 * np.log10(np.maximum(power, 1e-12))
    over = level - (loudness + THRESHOLD)
    # A parabola that joins the two straight lines (Giannoulis, Massberg & Reiss 2012).
    bent = np.where(over < KNEE / 2, np.clip(over + KNEE / 2, 0, None) ** 2 / (2 * KNEE), over)
    asked = -amount * (1 - 1 / RATIO) * bent
    gains = smoothed(_released(asked, seconds / RECOVERY_SECONDS), ATTACK_SECONDS)
    return np.concatenate([gains[:1], gains])


def _limited(peaks: np.ndarray, ceiling: float, seconds: float) -> np.ndarray:
    """Return the gain of the limiter in decibels, (steps + 1,), for peaks in decibels, (steps,).

    A step lasts `seconds`.
    With straight lines between its values, no peak exceeds the ceiling: each value is a weighted
    mean of values none of which lets a peak nearby pass.
    """
    from scipy.ndimage import minimum_filter1d

    need = np.minimum(ceiling - MARGIN - peaks, 0.0)
    if not need.any():
        return np.zeros(len(peaks) + 1)
    # A step is below the ceiling if both of its ends are.
    ends = np.minimum(np.append(need, 0.0), np.append(0.0, need))
    ends = _released(ends, seconds / RELEASE_SECONDS)
    # Each end is the mean of minima that look ahead as far as the mean looks back.
    ahead = max(2, round(AHEAD_SECONDS / seconds))
    size = ahead + 1
    lowest = minimum_filter1d(ends, size, mode="nearest", origin=-(size // 2))
    weights = np.hanning(size + 2)[1:-1]
    padded = np.pad(lowest, (ahead, 0), mode="edge")
    return np.convolve(padded, weights / weights.sum(), "valid")


def _released(decibels: np.ndarray, step: float) -> np.ndarray:
    """Return the highest curve that is nowhere above `decibels`, all 0 or less, and that comes back
    to 0 no faster than by a factor of e in `1 / step` values."""
    at = step * np.arange(len(decibels))
    with np.errstate(divide="ignore"):
        deepest = np.maximum.accumulate(np.log(-decibels) + at)
    return -np.exp(deepest - at)


def _mean_of_ends(ends: np.ndarray) -> np.ndarray:
    """Return the mean of each step out of the values at its ends."""
    return (ends[:-1] + ends[1:]) / 2


def _higher_end(ends: np.ndarray) -> np.ndarray:
    """Return the higher one of each step's values at its ends."""
    return np.maximum(ends[:-1], ends[1:])


def _decibels(peaks: np.ndarray) -> np.ndarray:
    """Return magnitudes in decibels of full scale."""
    return 20 * np.log10(np.maximum(peaks.astype(np.float64), 1e-6))
