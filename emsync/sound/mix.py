"""Level, fade, and the film's own sound under the music."""

import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emsync.film.film import Film
from emsync.film.footage import Stretch
from emsync.film.frames import iter_audio
from emsync.process.files import written_whole
from emsync.progress import CancelToken
from emsync.settings import SoundSettings
from emsync.sound.level import LevelMeter
from emsync.sound.synth import BLOCK_FRAMES, Sound

DUCK_SECONDS = (0.3, 0.8)
"""How long the music takes to step back before speech, and to come back after it. Ours: no pumping
between sentences."""

_SILENCE = 1e-6


@dataclass(frozen=True)
class Envelope:
    """What the sound of a piece is multiplied by, the same for every stem of it."""

    frames: int
    """Of the sound."""
    fade: int
    """Frames over which it fades out at the end."""
    level: float = 1.0
    """Factor."""

    def gains(self, begin: int, end: int) -> np.ndarray:
        """Return the factors of frames `begin` to `end`, (frames, 1) float32."""
        gains = np.full((end - begin, 1), self.level, np.float32)
        first = max(begin, self.frames - self.fade)
        if first < end:
            # Linear in amplitude, from 1 at its first frame to 0 at the last.
            passed = np.arange(first, end) - (self.frames - self.fade)
            ramp = 1 - passed / max(self.fade - 1, 1)
            gains[first - begin :, 0] *= ramp.astype(np.float32)
        return gains


def master(sound: Sound, settings: SoundSettings) -> Sound:
    """Fade the end out and set the level (thesis 6.2: 3 s, peak -3 dB; or loudness).

    The fade is linear in amplitude and ends in 0. Sound shorter than the fade has none. Silence
    stays silence. The samples are changed in place: of half an hour each copy has 635 MB.
    """
    blocks = (block for _, block in _blocks(sound.samples))
    envelope = envelope_of(blocks, len(sound.samples), sound.sample_rate, settings)
    for begin, block in _blocks(sound.samples):
        block *= envelope.gains(begin, begin + len(block))
    return sound


def envelope_of(
    blocks: Iterable[np.ndarray], frames: int, sample_rate: int, settings: SoundSettings
) -> Envelope:
    """Return what `master` multiplies sound by.

    Args:
        blocks: (frames, 2) each: the sound, bit by bit; looked at once, and left as it is.
        frames: of all blocks together.
        sample_rate: in Hz.
        settings: fade and level.
    """
    fade = round(settings.fade_seconds * sample_rate)
    envelope = Envelope(frames, fade if 0 < fade <= frames else 0)
    meter, done = _meter(sample_rate, settings), 0
    for block in blocks:
        meter.take(block * envelope.gains(done, done + len(block)))
        done += len(block)
    return replace(envelope, level=_level(meter, settings))


def _meter(sample_rate: int, settings: SoundSettings) -> LevelMeter:
    return LevelMeter(sample_rate, weighted=settings.loudness == "lufs")


def _level(meter: LevelMeter, settings: SoundSettings) -> float:
    """Return the factor that gives what was measured the level asked for; 1 for silence."""
    if meter.peak <= _SILENCE:
        return 1.0
    if settings.loudness == "peak":
        return amplitude(settings.peak_decibels) / meter.peak
    most = amplitude(settings.true_peak_decibels) / meter.peak
    measured = meter.loudness
    return most if measured is None else min(most, amplitude(settings.lufs - measured))


def _blocks(samples: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield views of `samples` one after the other, and the frame at which each begins."""
    for begin in range(0, len(samples), BLOCK_FRAMES):
        yield begin, samples[begin : begin + BLOCK_FRAMES]


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
    The samples are changed in place.

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
    rate, samples = sound.sample_rate, sound.samples
    ducking = settings.original_sound == "duck"
    gain = 1.0 if ducking else amplitude(settings.original_gain_decibels)
    balance = np.float32(amplitude(settings.balance_decibels))
    meter, has_music, position = _meter(rate, settings), False, 0
    for block in iter_audio(film, rate, cancel, channels=2):
        here = samples[position : position + len(block)]
        has_music = has_music or bool(np.abs(here).max(initial=0) > _SILENCE)
        here *= balance
        if ducking:
            here *= ducked(len(here), rate, speech, settings.duck_decibels, position)
        here += np.float32(gain) * block[: len(here)]
        meter.take(here)
        position += len(here)
    # Without music to measure by the original is only kept from clipping.
    level = (
        _level(meter, settings)
        if has_music
        else min(1.0, amplitude(settings.peak_decibels) / max(meter.peak, _SILENCE))
    )
    for _, block in _blocks(samples):
        block *= np.float32(level)
    return sound


def ducked(
    frames: int, sample_rate: int, speech: Sequence[Stretch], decibels: float, begin: int = 0
) -> np.ndarray:
    """Return (frames, 1) float32 gains: `decibels` under speech, 0 dB elsewhere, with ramps
    between.

    The music has stepped back when a word begins and comes back after it (`DUCK_SECONDS`); pauses
    too short for that do not bring it back. The first gain is that of frame `begin`.
    """
    down, up = (round(seconds * sample_rate) for seconds in DUCK_SECONDS)
    depth = np.zeros(frames, np.float32)
    for start, end in speech:
        first, last = round(start * sample_rate) - begin, round(end * sample_rate) - begin
        fades, stop = max(0, first - down), min(frames, last + up)
        if fades >= stop:
            continue
        at = np.arange(fades, stop)
        ramp = np.minimum((at - (first - down)) / down, ((last + up) - at) / up)
        depth[fades:stop] = np.maximum(depth[fades:stop], np.clip(ramp, 0, 1))
    return (10 ** (depth * np.float32(decibels / 20)))[:, None].astype(np.float32)


def write_wav(sound: Sound, path: Path) -> None:
    """Write sound that lies in memory, as `write_blocks` does."""
    write_blocks((block for _, block in _blocks(sound.samples)), sound.sample_rate, path)


def write_blocks(blocks: Iterable[np.ndarray], sample_rate: int, path: Path) -> None:
    """Write 16-bit PCM; what exceeds full scale is clipped.

    Args:
        blocks: (frames, 2) each, one after the other.
        sample_rate: in Hz.
        path: appears whole or not at all. A WAV file holds 4 GB, six hours and three quarters.

    Raises:
        ToolError: the file cannot be written, for example because the disk is full.
    """
    with written_whole(path) as part, part.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        for block in blocks:
            file.writeframes(np.rint(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())


def amplitude(decibels: float) -> float:
    """Convert decibels of full scale to a factor: 0 → 1, -6 → 0.501."""
    return 10 ** (decibels / 20)
