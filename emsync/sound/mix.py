"""Level, fade, and the film's own sound under the music."""

import wave
from pathlib import Path

import numpy as np

from emsync.errors import SoundError
from emsync.film.frames import iter_audio
from emsync.film.probe import Film
from emsync.progress import CancelToken
from emsync.settings import SoundSettings
from emsync.sound.synth import Sound

_BLOCK_FRAMES = 1 << 16
_SILENCE = 1e-6


def master(sound: Sound, settings: SoundSettings) -> Sound:
    """Fade the end out and set the peak (thesis 6.2: -3 dB, 3 s).

    The fade is linear in amplitude and ends in 0. Sound shorter than the fade has none. Silence
    stays silence.
    """
    samples = sound.samples.astype(np.float32, copy=True)
    fade = round(settings.fade_seconds * sound.sample_rate)
    if 0 < fade <= len(samples):
        samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    _scale_to(samples, _peak(samples), amplitude(settings.peak_decibels))
    return Sound(samples, sound.sample_rate)


def mix_with_original(
    sound: Sound, film: Film, settings: SoundSettings, cancel: CancelToken
) -> Sound:
    """Put the film's own sound under the music, lined up with the picture.

    The original is turned down by `settings.original_gain_decibels` and added; then all is scaled
    to the peak that the music had. Films without sound, and the setting "replace", leave the
    music as it is.

    Raises:
        ToolError: FFmpeg is missing or was killed.
        Cancelled: the owner of the request asked to stop.
    """
    if settings.original_sound == "replace" or not film.has_audio:
        return sound
    mixed = sound.samples.astype(np.float32, copy=True)
    gain = amplitude(settings.original_gain_decibels)
    position = 0
    for block in iter_audio(film, sound.sample_rate, cancel, channels=2):
        here = mixed[position : position + len(block)]
        here += gain * block[: len(here)]
        position += len(block)
    peak, wanted = _peak(mixed), _peak(sound.samples)
    if wanted > _SILENCE:
        _scale_to(mixed, peak, wanted)
    elif peak > amplitude(settings.peak_decibels):
        # No music to measure by: the original is only kept from clipping.
        _scale_to(mixed, peak, amplitude(settings.peak_decibels))
    return Sound(mixed, sound.sample_rate)


def write_wav(sound: Sound, path: Path) -> None:
    """Write 16-bit PCM; what exceeds full scale is clipped.

    Raises:
        SoundError: the file cannot be written, for example because the disk is full.
    """
    try:
        with path.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(sound.sample_rate)
            for begin in range(0, len(sound.samples), _BLOCK_FRAMES):
                block = sound.samples[begin : begin + _BLOCK_FRAMES]
                file.writeframes(np.rint(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
    except OSError as error:
        raise SoundError(f"“{path.name}” cannot be written: {error.strerror}.") from error


def amplitude(decibels: float) -> float:
    """Decibels of full scale to a factor: 0 → 1, -6 → 0.501."""
    return 10 ** (decibels / 20)


def _peak(samples: np.ndarray) -> float:
    """Largest magnitude, without a copy of the whole."""
    return float(max(samples.max(initial=0), -samples.min(initial=0)))


def _scale_to(samples: np.ndarray, peak: float, wanted: float) -> None:
    """Scale in place from `peak` to `wanted`, unless there is only silence."""
    if peak > _SILENCE:
        samples *= np.float32(wanted / peak)
