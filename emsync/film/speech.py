"""Find speech in a film: the Silero voice detector, whose model comes with its package."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from emsync.progress import CancelToken, silent_share

SOUND_RATE = 16_000
"""Hz: what the detector was trained on."""
SHORTEST_PAUSE = 0.5
"""Seconds; stretches of speech closer than this are one."""
PADDING = 0.2
"""Seconds around a stretch, for consonants that the detector misses."""

_VOICE = 0.5  # probability of speech; 28 pieces of music without singing stay below


class VoiceDetector:
    """The loaded detector. One thread at a time: it remembers the sound before."""

    def __init__(self) -> None:
        import torch

        threads = torch.get_num_threads()
        from silero_vad import load_silero_vad  # sets PyTorch to one thread for all

        torch.set_num_threads(threads)
        with warnings.catch_warnings():
            # It is a TorchScript file, whose format is to be given up one day.
            warnings.simplefilter("ignore", FutureWarning)
            self._model: Any = load_silero_vad(onnx=False)

    def speech(
        self,
        sound: np.ndarray,
        cancel: CancelToken,
        longest: float = float("inf"),
        tell: Callable[[float], None] = silent_share,
    ) -> list[tuple[float, float]]:
        """Return where somebody speaks.

        Args:
            sound: (samples,) float32 mono at `SOUND_RATE`.
            cancel: looked at for every window of sound.
            longest: seconds; longer speech is cut at a pause.
            tell: told the share done.

        Returns:
            (start, end) in seconds, ascending, padded.

        Raises:
            Cancelled: the owner of the request asked to stop.
        """
        import torch
        from silero_vad import get_speech_timestamps

        def watch(percent: float) -> None:
            cancel.check()
            tell(percent / 100)

        found = get_speech_timestamps(
            torch.from_numpy(sound),
            self._model,
            threshold=_VOICE,
            sampling_rate=SOUND_RATE,
            max_speech_duration_s=longest,
            min_silence_duration_ms=round(1000 * SHORTEST_PAUSE),
            speech_pad_ms=round(1000 * PADDING),
            progress_tracking_callback=watch,
        )
        return [(part["start"] / SOUND_RATE, part["end"] / SOUND_RATE) for part in found]
