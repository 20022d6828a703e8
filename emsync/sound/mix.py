"""Level, fade, and the film's own sound under the music."""

import math
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emsync.film.film import Film
from emsync.film.footage import Stretch
from emsync.film.frames import iter_audio
from emsync.process.files import written_whole
from emsync.progress import CancelToken
from emsync.settings import BitDepth, SoundSettings
from emsync.sound.desk import ChannelStrip
from emsync.sound.dynamics import GainCurve, Reduction, gain_curve, is_shaped, wanted
from emsync.sound.level import ContourMeter, LevelMeter, step_of
from emsync.sound.space import Space
from emsync.sound.synth import BLOCK_FRAMES, Sound

DUCK_SECONDS = (0.3, 0.8)
"""How long the music takes to step back before speech, and to come back after it. Ours: no pumping
between sentences."""

_SAMPLE_BYTES: dict[BitDepth, int] = {"16-bit": 2, "24-bit": 3}
_SILENCE = 1e-6


@dataclass(frozen=True)
class Heard:
    """How loud sound is."""

    loudness: float | None
    """LUFS; None for silence."""
    true_peak: float | None
    """dBTP; None for silence."""


@dataclass(frozen=True)
class MixSummary:
    """What a report tells of a mix."""

    strips: dict[str, ChannelStrip]
    """Of the groups that play."""
    space: Space | None
    """None for FluidSynth's reverb and chorus as they come."""
    reduction: Reduction
    heard: Heard
    """Of the sound under the film."""
    lacking: tuple[str, ...] = ()
    """Groups for which the SoundFont has no instrument; the installed one plays them."""


@dataclass(frozen=True)
class Envelope:
    """What the sound of a piece is multiplied by, the same for every stem of it."""

    frames: int
    """Of the sound."""
    fade: int
    """Frames over which it fades out at the end."""
    level: float = 1.0
    """Factor."""
    curve: GainCurve | None = None
    """Of compressor and limiter, if there is any."""

    @property
    def reduction(self) -> Reduction:
        """What it takes from the loudest moments."""
        return Reduction() if self.curve is None else self.curve.reduction

    def gains(self, begin: int, end: int) -> np.ndarray:
        """Return the factors of frames `begin` to `end`, (frames, 1) float32."""
        gains = np.full((end - begin, 1), self.level, np.float32)
        if self.curve is not None:
            gains[:, 0] *= self.curve.between(begin, end)
        first = max(begin, self.frames - self.fade)
        if first < end:
            gains[first - begin :, 0] *= self.fading(np.arange(first, end))
        return gains

    def fading(self, at: np.ndarray) -> np.ndarray:
        """Return the factors of the fade alone at frames, float32."""
        # Linear in amplitude, from 1 at its first frame to 0 at the last.
        passed = np.maximum(at - (self.frames - self.fade), 0)
        ramp: np.ndarray = (1 - passed / max(self.fade - 1, 1)).astype(np.float32)
        return ramp


def master(sound: Sound, settings: SoundSettings) -> Sound:
    """Fade the end out, even out and limit the loudest moments, and set the level (thesis 6.2: 3 s,
    peak -3 dB; or loudness).

    The fade is linear in amplitude and ends in 0. Sound shorter than the fade has none. Silence
    stays silence. The samples are changed in place: of half an hour each copy has 635 MB.
    """
    blocks = (block for _, block in _blocks(sound.samples))
    frames, rate, peaks = len(sound.samples), sound.sample_rate, sound.stem_peaks
    envelope = envelope_of(blocks, frames, rate, settings, lambda: peaks)
    for begin, block in _blocks(sound.samples):
        block *= envelope.gains(begin, begin + len(block))
    return replace(sound, reduction=envelope.reduction)


def envelope_of(
    blocks: Iterable[np.ndarray],
    frames: int,
    sample_rate: int,
    settings: SoundSettings,
    stem_peaks: Callable[[], np.ndarray | None] = lambda: None,
) -> Envelope:
    """Return what `master` multiplies sound by.

    Args:
        blocks: (frames, 2) each: the sound, bit by bit; looked at once, and left as it is.
        frames: of all blocks together.
        sample_rate: in Hz.
        settings: fade, compressor, limiter and level.
        stem_peaks: returns, when all blocks were looked at, what `Sound.stem_peaks` holds.
    """
    fade = round(settings.fade_seconds * sample_rate)
    envelope = Envelope(frames, fade if 0 < fade <= frames else 0)
    meter, done = _meter(sample_rate, settings), 0
    for block in blocks:
        meter.take(block * envelope.gains(done, done + len(block)))
        done += len(block)
    peaks = stem_peaks()
    if peaks is not None:
        peaks = peaks * envelope.fading(np.arange(len(peaks)) * step_of(sample_rate))
    return _with_level(envelope, meter, settings, peaks)


def _meter(sample_rate: int, settings: SoundSettings) -> LevelMeter | ContourMeter:
    """Return what measures as much as the level needs."""
    if is_shaped(settings):
        return ContourMeter(sample_rate)
    return LevelMeter(sample_rate, weighted=settings.loudness != "peak")


def _with_level(
    envelope: Envelope,
    meter: LevelMeter | ContourMeter,
    settings: SoundSettings,
    stem_peaks: np.ndarray | None = None,
) -> Envelope:
    """Return the envelope that gives what was measured the level asked for; silence keeps its."""
    if isinstance(meter, ContourMeter):
        return replace(envelope, curve=gain_curve(meter.finish(), settings, stem_peaks))
    if meter.peak <= _SILENCE:
        return envelope
    lufs, highest = wanted(settings)
    if lufs is None:
        return replace(envelope, level=amplitude(settings.peak_decibels) / meter.peak)
    most, measured = amplitude(highest) / meter.peak, meter.loudness
    level = most if measured is None else min(most, amplitude(lufs - measured))
    return replace(envelope, level=level)


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
    # The music was compressed by itself; of both together the limiter alone has a say.
    settings = replace(settings, compression=0.0)
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
    envelope = Envelope(len(samples), 0)
    if has_music:
        envelope = _with_level(envelope, meter, settings)
    else:
        # Without music to measure by the original is only kept from clipping.
        highest = meter.peak if isinstance(meter, LevelMeter) else meter.finish().peak
        level = min(1.0, amplitude(settings.peak_decibels) / max(highest, _SILENCE))
        envelope = replace(envelope, level=level)
    for begin, block in _blocks(samples):
        block *= envelope.gains(begin, begin + len(block))
    limiter = max(sound.reduction.limiter, envelope.reduction.limiter)
    return replace(sound, reduction=replace(sound.reduction, limiter=limiter))


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


def heard_as(sound: Sound) -> Heard:
    """Return how loud sound is, as it comes out."""
    meter = ContourMeter(sound.sample_rate)
    for _, block in _blocks(sound.samples):
        meter.take(block)
    contour = meter.finish()
    highest = float(contour.true_peaks.max(initial=0))
    return Heard(contour.loudness(), 20 * math.log10(highest) if highest > _SILENCE else None)


def write_wav(sound: Sound, path: Path, bit_depth: BitDepth = "16-bit") -> None:
    """Write sound that lies in memory, as `write_blocks` does."""
    blocks = (block for _, block in _blocks(sound.samples))
    write_blocks(blocks, sound.sample_rate, path, bit_depth)


def write_blocks(
    blocks: Iterable[np.ndarray], sample_rate: int, path: Path, bit_depth: BitDepth = "16-bit"
) -> None:
    """Write PCM; what exceeds full scale is clipped.

    Args:
        blocks: (frames, 2) each, one after the other.
        sample_rate: in Hz.
        path: appears whole or not at all. A WAV file holds 4 GB: four hours at the least.
        bit_depth: of each sample.

    Raises:
        ToolError: the file cannot be written, for example because the disk is full.
    """
    with written_whole(path) as part, part.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(_SAMPLE_BYTES[bit_depth])
        file.setframerate(sample_rate)
        for block in blocks:
            file.writeframes(_pcm(block, _SAMPLE_BYTES[bit_depth]))


def _pcm(block: np.ndarray, sample_bytes: int) -> bytes:
    """Return samples as whole numbers of so many bytes, the least significant first."""
    whole = np.rint(np.clip(block, -1, 1) * (2 ** (8 * sample_bytes - 1) - 1)).astype("<i4")
    return whole.view(np.uint8).reshape(-1, 4)[:, :sample_bytes].tobytes()


def amplitude(decibels: float) -> float:
    """Convert decibels of full scale to a factor: 0 → 1, -6 → 0.501."""
    return 10 ** (decibels / 20)
