"""One sound per instrument group. The music is their sum, so that mixing them anew loses nothing.

Each is rendered by a synthesizer of its own: within one, FluidSynth's chorus depends on which other
notes sound, and stems taken out of it would not add up.
"""

import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from emsync.errors import SoundError
from emsync.progress import CancelToken, silent_share
from emsync.settings import SoundSettings
from emsync.sound.mix import envelope, write_wav
from emsync.sound.synth import Sound, find_soundfont, play, read_score


def stem_names(midi: Path) -> tuple[str, ...]:
    """Names of the tracks that play, in the file's order.

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
) -> Sound:
    """The sum of all stems; arguments and errors as for `emsync.sound.synth.render`."""
    samples = _silence(duration, settings)
    for _, stem in _stems(midi, duration, settings, soundfont, cancel, tell):
        samples += stem
    return Sound(samples, settings.sample_rate)


def write_stems(
    midi: Path,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    folder: Path,
    cancel: CancelToken,
    tell: Callable[[float], None] = silent_share,
) -> dict[str, Path]:
    """A WAV file per group, at the level and with the fade that the music has.

    Args:
        midi, duration, settings, soundfont, cancel, tell: as for `render_music`, of which these
            are the parts.
        folder: receives NAME.wav for each.

    Returns:
        Name of the group to its file.

    Raises:
        SoundError: as for `render_music`; or a file cannot be written.
        Cancelled: the owner of the request asked to stop.
    """
    samples = _silence(duration, settings)
    written = {}
    # The level follows from the sum of all, and all of a long film are too much for the memory.
    try:
        with tempfile.TemporaryDirectory(prefix=".stems-", dir=folder) as raw:
            kept: dict[str, Path] = {}
            for name, stem in _stems(midi, duration, settings, soundfont, cancel, tell):
                samples += stem
                kept[name] = Path(raw) / str(len(kept))
                kept[name].write_bytes(stem.data)
            gains = envelope(Sound(samples, settings.sample_rate), settings)
            del samples
            for name, place in kept.items():
                cancel.check()
                written[name] = folder / f"{name}.wav"
                stem = np.fromfile(place, np.float32).reshape(-1, 2)
                write_wav(Sound(stem * gains, settings.sample_rate), written[name])
                place.unlink()
    except OSError as error:
        raise SoundError(f"The stems cannot be written: {error.strerror or error}.") from error
    return written


def _stems(
    midi: Path,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    cancel: CancelToken,
    tell: Callable[[float], None],
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and samples of each track that plays; the file is read once."""
    score = read_score(midi, settings.sample_rate)
    path = soundfont if soundfont is not None else find_soundfont().path
    for number, name in enumerate(score.stems):
        yield name, play(score, duration, settings, path, cancel, name).samples
        tell((number + 1) / len(score.stems))


def _silence(duration: Fraction, settings: SoundSettings) -> np.ndarray:
    return np.zeros((round(duration * settings.sample_rate), 2), np.float32)
