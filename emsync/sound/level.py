"""How loud sound is: its peaks, and its loudness after ITU-R BS.1770, measured block by block."""

import math
from dataclasses import dataclass

import numpy as np

HOP_SECONDS = 0.1
HOPS = 4
"""Gating blocks last 0.4 s and begin 0.1 s apart (BS.1770-4, annex 1)."""
OFFSET = -0.691
"""LUFS of a mean square of 1 after the weighting (ibid.)."""
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
"""LUFS, and LU below the mean of what is louder than the first: softer blocks do not count."""
STEP_FRAMES = 128
"""About how many frames the steps of a `Contour` have, 3 ms: shorter than the ear takes for
loudness, and short enough for a limiter."""
OVERSAMPLING = 4
"""Samples for one, where the true peak is looked for (BS.1770-4, annex 2)."""
_REACH = 12
"""Samples to either side that a value between samples is made of; the annex has half as many, and
then cymbals may be 0.3 dB above what it finds."""
_KAISER = 5.0
"""Shape of the filter's window: -60 dB outside of its band."""


class LevelMeter:
    """Measures stereo sound that is handed to it bit by bit; keeps a number per tenth of a second.

    A whole film's sound at once would take several times its memory, for its filtered copies.
    """

    def __init__(self, sample_rate: int, weighted: bool = True) -> None:
        """
        Args:
            sample_rate: in Hz.
            weighted: measure the loudness as well as the peak.
        """
        self.peak = 0.0
        """Largest magnitude so far."""
        self._hop = round(HOP_SECONDS * sample_rate)
        self._powers: list[float] = []
        """Sum of the squares of both channels in each tenth of a second that is over."""
        self._rest = np.zeros((0, 2))
        self._weighting = _Weighting(sample_rate) if weighted else None

    def take(self, samples: np.ndarray) -> None:
        """Measure the next `samples`, (frames, 2)."""
        highest, lowest = samples.max(initial=0), samples.min(initial=0)
        self.peak = max(self.peak, float(highest), -float(lowest))
        if self._weighting is None or not len(samples):
            return
        self._rest = np.concatenate([self._rest, self._weighting.heard(samples)])
        whole = len(self._rest) // self._hop
        hops, self._rest = np.split(self._rest, [whole * self._hop])
        squares = np.square(hops).reshape(whole, 2 * self._hop).sum(axis=1)
        self._powers += squares.tolist()

    @property
    def loudness(self) -> float | None:
        """Return the integrated loudness in LUFS; None for silence and less than 0.4 s."""
        return _integrated(np.array(self._powers), self._hop)


@dataclass(frozen=True, eq=False)
class Contour:
    """How loud each step of a sound is."""

    sample_rate: int
    step: int
    """Frames of a step."""
    powers: np.ndarray
    """Sum of the squares of both channels after the weighting, float32 (steps,)."""
    peaks: np.ndarray
    """Largest magnitude of a sample, float32 (steps,)."""
    true_peaks: np.ndarray
    """Largest magnitude at or between samples, float32 (steps,)."""

    @property
    def peak(self) -> float:
        """Largest magnitude of all samples."""
        return float(self.peaks.max(initial=0))

    def loudness(self, gains: np.ndarray | None = None) -> float | None:
        """Return the integrated loudness in LUFS, of the sound times `gains`, (steps,), if given.

        None for silence and less than 0.4 s.
        """
        powers = self.powers.astype(np.float64)
        if gains is not None:
            powers *= np.square(gains)
        passed = np.concatenate([[0.0], np.cumsum(powers)])
        hop = round(HOP_SECONDS * self.sample_rate)
        # At most sample rates a whole number of steps; else a share of a step counts.
        edges = np.arange(len(powers) * self.step // hop + 1) * (hop / self.step)
        return _integrated(np.diff(np.interp(edges, np.arange(len(passed)), passed)), hop)


class ContourMeter:
    """Measures stereo sound that is handed to it bit by bit; keeps three numbers per step."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` is in Hz."""
        from scipy.signal import firwin

        self.sample_rate = sample_rate
        self.step = step_of(sample_rate)
        self._weighting = _Weighting(sample_rate)
        # Every fourth tap but that in the middle is 0: samples stay as they are.
        taps = 2 * OVERSAMPLING * _REACH + 1
        filter_ = OVERSAMPLING * firwin(taps, 1 / OVERSAMPLING, window=("kaiser", _KAISER))
        self._filter = filter_.astype(np.float32)
        self._waiting = np.zeros((_REACH, 2), np.float32)
        """What is not measured yet, and `_REACH` frames before it."""
        self._measured: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def take(self, samples: np.ndarray) -> None:
        """Measure the next `samples`, (frames, 2)."""
        waiting = np.concatenate([self._waiting, samples.astype(np.float32, copy=False)])
        steps = max(0, (len(waiting) - 2 * _REACH) // self.step)
        self._waiting = waiting[steps * self.step :].copy()
        if steps:
            self._measured.append(self._of(waiting[: steps * self.step + 2 * _REACH], steps))

    def _of(self, waiting: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return powers, peaks and true peaks of `waiting` without `_REACH` at either end."""
        from scipy.signal import upfirdn

        inside = waiting[_REACH:-_REACH]
        heard = np.square(self._weighting.heard(inside)).reshape(steps, -1).sum(axis=1)
        finer = upfirdn(self._filter, np.ascontiguousarray(waiting.T), OVERSAMPLING, axis=1)
        # The filter delays by as much as it reaches, and so much comes before as well.
        finer = finer[:, 2 * OVERSAMPLING * _REACH :][:, : len(inside) * OVERSAMPLING]
        between = _largest(finer.reshape(2, steps, -1), (0, 2))
        at = _largest(inside.reshape(steps, -1), (1,))
        return heard.astype(np.float32), at, np.maximum(at, between)

    def finish(self) -> Contour:
        """Return the contour of all that was taken; nothing may be taken after it.

        A last step that is not full counts as if silence followed.
        """
        left = len(self._waiting) - _REACH
        if left > 0:
            self.take(np.zeros((-left % self.step + _REACH, 2), np.float32))
        columns = zip(*self._measured, strict=True) if self._measured else [[]] * 3
        powers, peaks, true_peaks = (
            np.concatenate([np.zeros(0, np.float32), *column]) for column in columns
        )
        return Contour(self.sample_rate, self.step, powers, peaks, true_peaks)


class StepPeaks:
    """Keeps the largest magnitude of several sounds, one beside the other, in each step."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` is in Hz."""
        self.step = step_of(sample_rate)
        self._waiting = np.zeros(0, np.float32)
        self._found: list[np.ndarray] = []

    def take(self, largest: np.ndarray) -> None:
        """Take the largest magnitude of the next frames, (frames,)."""
        waiting = np.concatenate([self._waiting, largest])
        whole = len(waiting) // self.step * self.step
        self._found.append(waiting[:whole].reshape(-1, self.step).max(axis=1))
        self._waiting = waiting[whole:].copy()

    def finish(self) -> np.ndarray:
        """Return the largest magnitudes, float32 (steps,); a last step may lack frames."""
        rest = [self._waiting.max(keepdims=True)] if len(self._waiting) else []
        return np.concatenate([np.zeros(0, np.float32), *self._found, *rest])


def step_of(sample_rate: int) -> int:
    """Return the frames of a step, of which a whole number makes `HOP_SECONDS`, if one does."""
    hop = round(HOP_SECONDS * sample_rate)
    near = [step for step in range(STEP_FRAMES // 2, 2 * STEP_FRAMES + 1) if not hop % step]
    return min(near, key=lambda step: abs(step - STEP_FRAMES), default=STEP_FRAMES)


def _largest(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return the largest magnitudes along axes."""
    largest: np.ndarray = np.maximum(values.max(axis=axes), -values.min(axis=axes))
    return largest


class _Weighting:
    """Filters sound as the ear hears: the shelf for the head, and less of what is low
    (BS.1770-4)."""

    def __init__(self, sample_rate: int) -> None:
        from pyloudnorm.iirfilter import IIRfilter

        stages = (
            IIRfilter(4.0, math.sqrt(0.5), 1500.0, sample_rate, "high_shelf"),
            IIRfilter(0.0, 0.5, 38.0, sample_rate, "high_pass"),
        )
        self._filter = np.array([[*stage.b, *stage.a] for stage in stages])
        self._state = np.zeros((len(stages), 2, 2))

    def heard(self, samples: np.ndarray) -> np.ndarray:
        """Return the next samples, (frames, 2), as they are heard, float64."""
        from scipy.signal import sosfilt

        heard, self._state = sosfilt(
            self._filter, samples.astype(np.float64), axis=0, zi=self._state
        )
        return np.asarray(heard)


def _integrated(powers: np.ndarray, hop: int) -> float | None:
    """Return the loudness in LUFS of the weighted squares of each `HOP_SECONDS` of `hop` frames."""
    if len(powers) < HOPS:
        return None
    blocks = np.convolve(powers, np.ones(HOPS), "valid") / (HOPS * hop)
    heard = blocks[_lufs(blocks) >= ABSOLUTE_GATE]
    if not len(heard):
        return None
    loud = heard[_lufs(heard) > _lufs(heard.mean()) + RELATIVE_GATE]
    return float(_lufs(loud.mean()))


def _lufs(powers: np.ndarray) -> np.ndarray:
    """Return mean squares as loudness."""
    return OFFSET + 10 * np.log10(np.maximum(powers, 1e-30))
