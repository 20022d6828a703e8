"""One sound per instrument group. The music is their sum, so that mixing them anew loses nothing.

Each is rendered by a synthesizer of its own: within one, FluidSynth's chorus depends on which other
notes sound, and stems taken out of it would not add up.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from emsync.errors import SoundError
from emsync.progress import CancelToken, silent_share
from emsync.settings import SoundSettings
from emsync.sound.mix import envelope, write_wav
from emsync.sound.synth import Sound, render


def stem_names(midi: Path) -> tuple[str, ...]:
    """Names of the tracks that play, in the file's order.

    Raises:
        SoundError: it is not a MIDI file.
    """
    import mido

    try:
        tracks = mido.MidiFile(midi).tracks
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise SoundError(f"“{midi.name}” is not a MIDI file that can be read.") from error
    return tuple(track.name for track in tracks if any(m.type == "note_on" for m in track))


def render_music(
    midi: Path,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    cancel: CancelToken,
    tell: Callable[[float], None] = silent_share,
) -> Sound:
    """The sum of all stems; arguments and errors as for `emsync.sound.synth.render`."""
    names = stem_names(midi)
    frames = round(duration * settings.sample_rate)
    samples = np.zeros((frames, 2), np.float32)
    for number, name in enumerate(names):
        samples += render(midi, duration, settings, soundfont, cancel, name).samples
        tell((number + 1) / len(names))
    return Sound(samples, settings.sample_rate)


def write_stems(
    midi: Path,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    folder: Path,
    cancel: CancelToken,
) -> dict[str, Path]:
    """A WAV file per group, at the level and with the fade that the music has.

    Args:
        midi, duration, settings, soundfont, cancel: as for `render_music`, of which these are the
            parts.
        folder: receives NAME.wav for each.

    Returns:
        Name of the group to its file.
    """
    gains = envelope(render_music(midi, duration, settings, soundfont, cancel), settings)
    written = {}
    for name in stem_names(midi):
        stem = render(midi, duration, settings, soundfont, cancel, name)
        written[name] = folder / f"{name}.wav"
        write_wav(Sound(stem.samples * gains, stem.sample_rate), written[name])
    return written
