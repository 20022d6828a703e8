"""Level, fade, and the film's own sound under the music."""

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emsync.errors import SoundError
from emsync.film.footage import Stretch
from emsync.film.frames import iter_audio
from emsync.film.probe import Film
from emsync.leftovers import whole
from emsync.progress import CancelToken
from emsync.settings import SoundSettings
from emsync.sound.synth import Sound
from emsync.wording import quoted

DUCK_SECONDS = (0.3, 0.8)
"""How long the music takes to step back before speech, and to come back after it. Ours: no pumping
between sentences."""

_BLOCK_FRAMES = 1 << 16
_SILENCE = 1e-6


def master(sound: Sound, settings: SoundSettings) -> Sound:
    """Fade the end out and set the level (thesis 6.2: 3 s, peak -3 dB; or loudness).

    The fade is linear in amplitude and ends in 0. Sound shorter than the fade has none. Silence
    stays silence.
    """
    return Sound(sound.samples * envelope(sound, settings), sound.sample_rate)


def envelope(sound: Sound, settings: SoundSettings) -> np.ndarray:
    """(frames, 1) float32: what `master` multiplies by, the same for every stem of the sound."""
    gains = np.ones((len(sound.samples), 1), np.float32)
    fade = round(settings.fade_seconds * sound.sample_rate)
    if 0 < fade <= len(gains):
        gains[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return gains * np.float32(_level(sound.samples * gains, sound.sample_rate, settings))


def _level(samples: np.ndarray, rate: int, settings: SoundSettings) -> float:
    """The factor that gives samples the level asked for; 1 for silence."""
    peak = _peak(samples)
    if peak <= _SILENCE:
        return 1.0
    if settings.loudness == "peak":
        return amplitude(settings.peak_decibels) / peak
    most = amplitude(settings.true_peak_decibels) / peak
    measured = loudness(Sound(samples, rate))
    return most if measured is None else min(most, amplitude(settings.lufs - measured))


def loudness(sound: Sound) -> float | None:
    """Integrated loudness in LUFS (ITU-R BS.1770); None for silence and less than 0.4 s."""
    import pyloudnorm

    if len(sound.samples) < 0.4 * sound.sample_rate:
        return None
    measured = pyloudnorm.Meter(sound.sample_rate).integrated_loudness(sound.samples)
    return float(measured) if np.isfinite(measured) else None


def mix_with_original(
    sound: Sound,
    film: Film,
    settings: SoundSettings,
    cancel: CancelToken,
    speech: Sequence[Stretch] = (),
) -> Sound:
    """Put the film's own sound under the music, lined up with the picture.

    "keep": the original is turned down by `settings.original_gain_decibels` and added. "duck": the
    original stays as it is, and the music steps back while somebody speaks. Then all is scaled to
    the level that the music had. Films without sound, and "replace", leave the music as it is.

    Args:
        sound: the music, mastered.
        film: whose sound is mixed in.
        settings: which of the three, and the levels.
        cancel: looked at at least five times a second.
        speech: (start, end) in seconds, ascending: when somebody speaks.

    Raises:
        ToolError: FFmpeg is missing or was killed.
        Cancelled: the owner of the request asked to stop.
    """
    if settings.original_sound == "replace" or not film.has_audio:
        return sound
    rate = sound.sample_rate
    ducking = settings.original_sound == "duck"
    mixed = sound.samples * np.float32(amplitude(settings.balance_decibels))
    if ducking:
        mixed *= ducked(len(mixed), rate, speech, settings.duck_decibels)
    gain = 1.0 if ducking else amplitude(settings.original_gain_decibels)
    position = 0
    for block in iter_audio(film, rate, cancel, channels=2):
        here = mixed[position : position + len(block)]
        here += np.float32(gain) * block[: len(here)]
        position += len(block)
    if _peak(sound.samples) > _SILENCE:
        mixed *= np.float32(_level(mixed, rate, settings))
    else:
        # No music to measure by: the original is only kept from clipping.
        mixed *= np.float32(
            min(1.0, amplitude(settings.peak_decibels) / max(_peak(mixed), _SILENCE))
        )
    return Sound(mixed, rate)


def ducked(frames: int, sample_rate: int, speech: Sequence[Stretch], decibels: float) -> np.ndarray:
    """(frames, 1) float32 gains: `decibels` under speech, 0 dB elsewhere, with ramps between.

    The music has stepped back when a word begins and comes back after it (`DUCK_SECONDS`); pauses
    too short for that do not bring it back.
    """
    down, up = (round(seconds * sample_rate) for seconds in DUCK_SECONDS)
    depth = np.zeros(frames, np.float32)
    for start, end in speech:
        first, last = round(start * sample_rate), round(end * sample_rate)
        begin, stop = max(0, first - down), min(frames, last + up)
        if begin >= stop:
            continue
        at = np.arange(begin, stop)
        ramp = np.minimum((at - (first - down)) / down, ((last + up) - at) / up)
        depth[begin:stop] = np.maximum(depth[begin:stop], np.clip(ramp, 0, 1))
    return (10 ** (depth * np.float32(decibels / 20)))[:, None].astype(np.float32)


def write_wav(sound: Sound, path: Path) -> None:
    """Write 16-bit PCM; what exceeds full scale is clipped.

    Raises:
        SoundError: the file cannot be written, for example because the disk is full.
    """
    try:
        with whole(path) as part, part.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(sound.sample_rate)
            for begin in range(0, len(sound.samples), _BLOCK_FRAMES):
                block = sound.samples[begin : begin + _BLOCK_FRAMES]
                file.writeframes(np.rint(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
    except OSError as error:
        raise SoundError(f"{quoted(path.name)} cannot be written: {error.strerror}.") from error


def amplitude(decibels: float) -> float:
    """Decibels of full scale to a factor: 0 → 1, -6 → 0.501."""
    return 10 ** (decibels / 20)


def _peak(samples: np.ndarray) -> float:
    """Largest magnitude, without a copy of the whole."""
    return float(max(samples.max(initial=0), -samples.min(initial=0)))
