"""How loud sound is: its peak, and its loudness after ITU-R BS.1770, measured block by block."""

import math

import numpy as np

HOP_SECONDS = 0.1
HOPS = 4
"""Gating blocks last 0.4 s and begin 0.1 s apart (BS.1770-4, annex 1)."""
OFFSET = -0.691
"""LUFS of a mean square of 1 after the weighting (ibid.)."""
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
"""LUFS, and LU below the mean of what is louder than the first: softer blocks do not count."""


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
        self._filter = self._state = None
        if weighted:
            from pyloudnorm.iirfilter import IIRfilter

            # As the ear hears: the shelf for the head, and less of what is low (BS.1770-4).
            stages = (
                IIRfilter(4.0, math.sqrt(0.5), 1500.0, sample_rate, "high_shelf"),
                IIRfilter(0.0, 0.5, 38.0, sample_rate, "high_pass"),
            )
            self._filter = np.array([[*stage.b, *stage.a] for stage in stages])
            self._state = np.zeros((len(stages), 2, 2))

    def take(self, samples: np.ndarray) -> None:
        """Measure the next `samples`, (frames, 2)."""
        highest, lowest = samples.max(initial=0), samples.min(initial=0)
        self.peak = max(self.peak, float(highest), -float(lowest))
        if self._filter is None or not len(samples):
            return
        from scipy.signal import sosfilt

        heard, self._state = sosfilt(
            self._filter, samples.astype(np.float64), axis=0, zi=self._state
        )
        self._rest = np.concatenate([self._rest, heard])
        whole = len(self._rest) // self._hop
        hops, self._rest = np.split(self._rest, [whole * self._hop])
        squares = np.square(hops).reshape(whole, 2 * self._hop).sum(axis=1)
        self._powers += squares.tolist()

    @property
    def loudness(self) -> float | None:
        """Return the integrated loudness in LUFS; None for silence and less than 0.4 s."""
        if len(self._powers) < HOPS:
            return None
        blocks = np.convolve(self._powers, np.ones(HOPS), "valid") / (HOPS * self._hop)
        heard = blocks[_lufs(blocks) >= ABSOLUTE_GATE]
        if not len(heard):
            return None
        loud = heard[_lufs(heard) > _lufs(heard.mean()) + RELATIVE_GATE]
        return float(_lufs(loud.mean()))


def _lufs(powers: np.ndarray) -> np.ndarray:
    """Return mean squares as loudness."""
    return OFFSET + 10 * np.log10(np.maximum(powers, 1e-30))
