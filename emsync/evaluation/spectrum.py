"""Sound as numbers: any sound file as samples, samples as a mel spectrogram."""

from pathlib import Path

import numpy as np

from emsync.errors import FilmError
from emsync.film.ffmpeg import FFmpegRun, input_arguments
from emsync.progress import CancelToken
from emsync.text import quoted

_BLOCK_FRAMES = 1024


def read_sound(path: Path, sample_rate: int) -> np.ndarray:
    """Return the first sound track of a file, mono: (samples,) float32, full scale [-1, 1].

    Raises:
        FilmError: the file has no sound that FFmpeg can decode.
        ToolError: FFmpeg is missing.
    """
    samples = bytearray()
    with FFmpegRun(CancelToken()) as run:
        run.start(
            [
                *input_arguments(path), "-map", "0:a:0", "-vn", "-ac", "1",
                "-ar", str(sample_rate), "-f", "f32le", "pipe:1",
            ]
        )  # fmt: skip
        for source, chunk in run.read():
            if source == "out":
                samples += chunk
        run.finish()
        if not samples:
            raise FilmError(
                f"No sound can be read from {quoted(path.name)}. "
                f"FFmpeg says: {run.complaint or 'nothing'}"
            )
    return np.frombuffer(bytes(samples), np.float32)


def mel_power(samples: np.ndarray, sample_rate: int, size: int, hop: int, bands: int) -> np.ndarray:
    """Power in mel bands, as the usual tools compute it.

    Frames of `size` samples under a Hann window, frame n centred on sample n × `hop`, silence
    beyond both ends; triangular bands of Slaney's mel scale from 0 Hz to half the sample rate,
    each of the same area.

    Returns:
        (frames, bands) float32, with 1 + samples // hop frames.
    """
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    weights = mel_bands(sample_rate, size, bands).T
    padded = np.pad(np.asarray(samples, np.float32), size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    blocks = [
        (np.abs(np.fft.rfft(frames[first : first + _BLOCK_FRAMES] * window)) ** 2) @ weights
        for first in range(0, len(frames), _BLOCK_FRAMES)
    ]
    return np.concatenate(blocks).astype(np.float32)


def mel_bands(sample_rate: int, size: int, bands: int) -> np.ndarray:
    """Return weights (bands, size // 2 + 1) float32 of the frequencies of a frame (see
    `mel_power`)."""
    frequencies = np.fft.rfftfreq(size, 1 / sample_rate)
    edges = _hertz(np.linspace(0, _mel(sample_rate / 2), bands + 2))
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    weights = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return np.asarray(weights, np.float32)


# Slaney's scale: 3 mel to 200 Hz up to 1000 Hz, from there 27 mel to a factor of 6.4.
_KNEE, _MEL_AT_KNEE, _MEL_PER_LOG = 1000.0, 15.0, 27 / np.log(6.4)


def _mel(hertz: float) -> float:
    if hertz < _KNEE:
        return hertz * _MEL_AT_KNEE / _KNEE
    return float(_MEL_AT_KNEE + np.log(hertz / _KNEE) * _MEL_PER_LOG)


def _hertz(mel: np.ndarray) -> np.ndarray:
    linear = mel * _KNEE / _MEL_AT_KNEE
    return np.where(mel < _MEL_AT_KNEE, linear, _KNEE * np.exp((mel - _MEL_AT_KNEE) / _MEL_PER_LOG))
