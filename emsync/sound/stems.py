"""One sound per instrument group. The music is their sum, so that mixing them anew loses nothing.

Each is rendered by a synthesizer of its own: within one, FluidSynth's chorus depends on which other
notes sound, and stems taken out of it would not add up.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path

import numpy as np

from emsync.progress import CancelToken, silent_share
from emsync.settings import MUTED, SoundSettings
from emsync.sound.enhance import enhanced, open_enhancer
from emsync.sound.level import StepPeaks
from emsync.sound.mix import amplitude, envelope_of, write_blocks
from emsync.sound.space import Space
from emsync.sound.stand_in import fonts_of
from emsync.sound.synth import BLOCK_FRAMES, Score, Sound, read_score, stream


def stem_names(midi: Path) -> tuple[str, ...]:
    """Return names of the tracks that play, in the file's order.

    Raises:
        SoundError: it is not a MIDI file.
    """
    return read_score(midi, 1).stems


def render_music(
    midi: Path,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    cancel: CancelToken,
    tell: Callable[[float], None] = silent_share,
    space: Space | None = None,
) -> Sound:
    """Return the sum of all stems; arguments and errors as for `emsync.sound.synth.render`."""
    samples = np.empty((_frames(duration, settings), 2), np.float32)
    done, peaks = 0, StepPeaks(settings.sample_rate)
    score = _score(midi, settings)
    for block in _mixed(score, duration, settings, soundfont, cancel, space, peaks):
        samples[done : done + len(block)] = block
        done += len(block)
        tell(done / len(samples))
    return Sound(samples, settings.sample_rate, stem_peaks=peaks.finish())


def write_stems(
    midi: Path,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    folder: Path,
    cancel: CancelToken,
    tell: Callable[[float], None] = silent_share,
    space: Space | None = None,
) -> dict[str, Path]:
    """Write a WAV file per group that is heard, at the level and with the fade that the music has.

    Args:
        midi, duration, settings, soundfont, cancel, tell, space: as for `render_music`, of which
            these are the parts.
        folder: receives NAME.wav for each.

    Returns:
        Name of the group to its file.

    Raises:
        SoundError: as for `render_music`; or a file cannot be written.
        Cancelled: the owner of the request asked to stop.
    """
    score, frames = _score(midi, settings), _frames(duration, settings)
    names, peaks = heard(score, settings), StepPeaks(settings.sample_rate)

    # The level follows from the sum of all. Of a long film that is too much to keep, with every
    # stem beside it, in memory or on disk; so it is played twice.
    def mixed() -> Iterator[np.ndarray]:
        done = 0
        for block in _mixed(score, duration, settings, soundfont, cancel, space, peaks):
            yield block
            done += len(block)
            tell(done / frames / 2)

    envelope = envelope_of(mixed(), frames, settings.sample_rate, settings, peaks.finish)
    written: dict[str, Path] = {}

    def levelled(name: str) -> Generator[np.ndarray, None, None]:
        done = 0
        for block in _stem(score, duration, settings, soundfont, cancel, name, space):
            yield block * envelope.gains(done, done + len(block))
            done += len(block)

    try:
        for name in names:
            written[name] = folder / f"{name}.wav"
            with closing(levelled(name)) as blocks:
                write_blocks(blocks, settings.sample_rate, written[name], settings.bit_depth)
            tell((len(names) + len(written)) / (2 * len(names)))
    except BaseException:
        for path in written.values():
            path.unlink(missing_ok=True)
        raise
    return written


def stem_streams(
    midi: Path,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    cancel: CancelToken,
    space: Space | None = None,
) -> dict[str, Generator[np.ndarray, None, None]]:
    """Return each stem that is heard as blocks, before the level is set; arguments and errors as
    for `render_music`. Whoever stops before the end closes them."""
    score = _score(midi, settings)
    return {
        name: _stem(score, duration, settings, soundfont, cancel, name, space)
        for name in heard(score, settings)
    }


def heard(score: Score, settings: SoundSettings) -> tuple[str, ...]:
    """Return names of the tracks that play and are not muted."""
    gains = dict(settings.gains)
    return tuple(name for name in score.stems if gains.get(name, 0.0) > MUTED)


def _mixed(
    score: Score,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    cancel: CancelToken,
    space: Space | None,
    peaks: StepPeaks,
) -> Iterator[np.ndarray]:
    """Yield the sum of all stems, block by block; they are played side by side.

    `peaks` is told how loud the loudest of them is.
    """
    total = np.zeros((BLOCK_FRAMES, 2), np.float32)
    left = _frames(duration, settings)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(
                closing(_stem(score, duration, settings, soundfont, cancel, name, space))
            )
            for name in heard(score, settings)
        ]
        while left > 0:
            block = total[:left]
            block[:] = 0
            largest = np.zeros(len(block), np.float32)
            for one in streams:
                played = next(one)
                block += played
                magnitudes = np.abs(played)
                for side in (0, 1):
                    np.maximum(largest, magnitudes[:, side], out=largest)
            peaks.take(largest)
            left -= len(block)
            yield block


def _stem(
    score: Score,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    cancel: CancelToken,
    name: str,
    space: Space | None,
) -> Generator[np.ndarray, None, None]:
    """Yield one stem in blocks of `BLOCK_FRAMES`: played, enhanced, and as loud as it is wanted."""
    decibels = dict(settings.gains).get(name, 0.0)
    font = fonts_of(score, soundfont)[name]
    with closing(stream(score, duration, settings, font, cancel, name, space)) as played:
        enhancer = open_enhancer(settings.enhancer)
        blocks = enhanced(enhancer, played, settings.sample_rate, BLOCK_FRAMES, cancel)
        yield from (
            block * np.float32(amplitude(decibels)) if decibels else block for block in blocks
        )


def _score(midi: Path, settings: SoundSettings) -> Score:
    return read_score(midi, settings.sample_rate)


def _frames(duration: Fraction, settings: SoundSettings) -> int:
    return round(duration * settings.sample_rate)
