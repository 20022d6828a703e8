"""The sounds of a mix in pieces of a few seconds, as a browser plays and mixes them.

They are lossless, so that what the browser adds up is what a film is written with. Only the level
of a mix follows from all of it; that is found here, by the same mastering (`levels_of`).
Compressor, limiter and fade are gains that are the same for every stem, so levels over time are
all that a browser has to know of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from emsync.film.film import Film
from emsync.film.footage import Stretch
from emsync.film.frames import iter_audio
from emsync.progress import CancelToken, silent_share
from emsync.settings import MUTED, SoundSettings
from emsync.sound.mix import amplitude, ducked, master, mix_with_original
from emsync.sound.space import Space
from emsync.sound.stems import stem_streams
from emsync.sound.synth import Sound

CHUNK_SECONDS = 5
"""Of a piece. Ours: the browser holds four of each sound, 40 MB for six sounds."""
SCALE = 0.25
"""Factor of what is stored: what is played may exceed full scale before its level is set. Ours:
12 dB are room enough, and leave the noise of 16 bits 84 dB below."""
LEVEL_SECONDS = 0.004
"""In which levels are looked at. Ours: a limiter takes 6 ms to act."""
NEAR = 0.01
"""Share by which a level may be off, 0.09 dB; so that few points tell it. Ours."""
ORIGINAL = "original"
"""What the film's own sound is called beside the groups."""
MIX_SETTINGS = (
    "gains", "original_sound", "balance_decibels", "original_gain_decibels", "duck_decibels",
    "loudness", "lufs", "peak_decibels", "true_peak_decibels", "compression", "limiter",
    "fade_seconds", "bit_depth",
)  # fmt: skip
"""Settings of the sound that change the mix and none of the sounds."""
_FULL = 32_767
_SILENCE = 1e-9
"""Of a sum of squares."""


@dataclass(frozen=True)
class MixSources:
    """The sounds of a piece, each in files NAME-0000.flac, NAME-0001.flac, … of `CHUNK_SECONDS`."""

    folder: Path
    stems: tuple[str, ...]
    """Names of the groups that play, as loud as they are played."""
    has_original: bool
    """Whether the film's own sound is there as well."""
    sample_rate: int
    frames: int
    """Of each, all pieces together."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all sounds."""
        return (*self.stems, ORIGINAL) if self.has_original else self.stems

    def samples(self, name: str) -> Iterator[np.ndarray]:
        """Yield a sound piece by piece, (frames, 2) float32."""
        frames = CHUNK_SECONDS * self.sample_rate
        for number in range(-(-self.frames // frames)):
            yield _read(_place(self.folder, name, number)) / np.float32(SCALE * _FULL)


@dataclass(frozen=True, eq=False)
class MixLevels:
    """By which a mix is multiplied over time, beside what its settings say of each sound: lines
    from point to point, (points, 2), each a second of the film and a factor."""

    music: np.ndarray
    original: np.ndarray


def have_same_sources(one: SoundSettings, other: SoundSettings) -> bool:
    """Return whether two settings differ in `MIX_SETTINGS` at most."""
    return replace(one, **{name: getattr(other, name) for name in MIX_SETTINGS}) == other


def write_sources(
    midi: Path,
    film: Film,
    settings: SoundSettings,
    soundfont: Path | None,
    folder: Path,
    cancel: CancelToken,
    tell: Callable[[float], None] = silent_share,
    space: Space | None = None,
) -> MixSources:
    """Write the stems of a piece, and the film's own sound where it has one.

    Args:
        midi, settings, soundfont: as for `emsync.sound.stems.render_music`; no gain is applied.
        film: with the sound track that is chosen.
        folder: receives the pieces, and nothing else.
        cancel: looked at at least once a second or so.
        tell: told the share that is done.
        space: of the stems, as for `render_music`.

    Raises:
        SoundError, ToolError: something that is needed is missing, or the disk is full.
        Cancelled: the owner of the request asked to stop.
    """
    rate = settings.sample_rate
    frames = round(film.duration * rate)
    done = 0
    with ExitStack() as stack:
        played = replace(settings, gains=())
        streams = stem_streams(midi, film.duration, played, soundfont, cancel, space)
        writers = {name: _Writer(folder, name, rate) for name in streams}
        playing = {name: stack.enter_context(closing(one)) for name, one in streams.items()}
        while done < frames and playing:
            for name, stream in playing.items():
                block = next(stream)
                writers[name].write(block)
            done += len(block)
            tell(0.9 * done / frames)
    if film.has_audio:
        writer, left = _Writer(folder, ORIGINAL, rate), frames
        silence = (np.zeros((rate, 2), np.float32) for _ in range(frames // rate + 1))
        for block in chain(iter_audio(film, rate, cancel, channels=2), silence):
            writer.write(block[:left])
            left -= len(block[:left])
        writers[ORIGINAL] = writer
    for writer in writers.values():
        writer.close()
    tell(1.0)
    return MixSources(folder, tuple(playing), film.has_audio, rate, frames)


def levels_of(
    sources: MixSources,
    film: Film,
    settings: SoundSettings,
    speech: Sequence[Stretch],
    cancel: CancelToken,
) -> MixLevels:
    """Return the levels that the film's sound gets with these settings.

    Args:
        sources: of `write_sources`.
        film: as it was given there.
        settings: gains, original sound, balance and loudness.
        speech: (start, end) in seconds: when somebody speaks.
        cancel: looked at at least once a second or so.

    Raises:
        ToolError: FFmpeg is missing or was killed.
        Cancelled: the owner of the request asked to stop.
    """
    music, step = mixed(sources, settings, cancel), round(LEVEL_SECONDS * sources.sample_rate)
    before = _powers([music], step)
    # In place: of half an hour each copy has 635 MB.
    sound = master(Sound(music, sources.sample_rate), settings)
    levels = _ratios(_powers([sound.samples], step), before)
    if settings.original_sound == "replace" or not sources.has_original:
        line = _line(levels, step / sources.sample_rate)
        return MixLevels(line, line)
    together = _powers(_with_original(sources, sound.samples, settings, speech), step)
    whole = mix_with_original(sound, film, settings, cancel, speech)
    again = _ratios(_powers([whole.samples], step), together)
    return MixLevels(*(_line(one, step / sources.sample_rate) for one in (levels * again, again)))


def mixed(sources: MixSources, settings: SoundSettings, cancel: CancelToken) -> np.ndarray:
    """Return the stems as `settings` turn them, added up: (frames, 2) float32."""
    gains = dict(settings.gains)
    total = np.zeros((sources.frames, 2), np.float32)
    for name in sources.stems:
        decibels, done = gains.get(name, 0.0), 0
        if decibels <= MUTED:
            continue
        for block in sources.samples(name):
            cancel.check()
            total[done : done + len(block)] += block * np.float32(amplitude(decibels))
            done += len(block)
    return total


def _with_original(
    sources: MixSources, music: np.ndarray, settings: SoundSettings, speech: Sequence[Stretch]
) -> Iterator[np.ndarray]:
    """Yield music and original sound as settings have them, before the level is set anew."""
    ducking, done = settings.original_sound == "duck", 0
    gain = 1.0 if ducking else amplitude(settings.original_gain_decibels)
    for block in sources.samples(ORIGINAL):
        here = music[done : done + len(block)] * np.float32(amplitude(settings.balance_decibels))
        if ducking:
            here *= ducked(len(here), sources.sample_rate, speech, settings.duck_decibels, done)
        yield here + np.float32(gain) * block
        done += len(block)


def _powers(blocks: Iterable[np.ndarray], step: int) -> np.ndarray:
    """Return the sum of the squares of every `step` frames of (frames, 2) that come in blocks."""
    squares = np.concatenate([np.einsum("ij,ij->i", block, block) for block in blocks])
    powers: np.ndarray = np.add.reduceat(squares, np.arange(0, len(squares), step))
    return powers


def _ratios(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the factors between powers. Silence tells of none, and has that of what comes before
    it, or else after it; 1 where nothing else is."""
    heard = np.flatnonzero(before > _SILENCE)
    if not len(heard):
        return np.ones(len(before), np.float32)
    factors = np.sqrt(after[heard] / before[heard])
    last = np.searchsorted(heard, np.arange(len(before)), "right") - 1
    held: np.ndarray = factors[np.maximum(last, 0)].astype(np.float32)
    return held


def _line(values: np.ndarray, seconds: float) -> np.ndarray:
    """Return few points whose connecting lines come as near to `values` as `NEAR`.

    Args:
        values: positive, each of the middle of a step.
        seconds: of a step.

    Returns:
        (points, 2): seconds and values.
    """
    points = [(0.0, float(values[0]))]
    steepest, flattest = np.inf, -np.inf
    for number, value in enumerate(values.tolist()):
        at = (number + 0.5) * seconds
        begin, start = points[-1]
        most, least = ((value * (1 + off) - start) / (at - begin) for off in (NEAR, -NEAR))
        if min(steepest, most) < max(flattest, least):
            # No line from the last point comes near to this one as well: it ends before.
            slope, last = (steepest + flattest) / 2, at - seconds
            points.append((last, start + slope * (last - begin)))
            begin, start = points[-1]
            steepest, flattest = (
                (value * (1 + off) - start) / (at - begin) for off in (NEAR, -NEAR)
            )
        else:
            steepest, flattest = min(steepest, most), max(flattest, least)
    begin, start = points[-1]
    end = len(values) * seconds
    points.append((end, max(0.0, start + (steepest + flattest) / 2 * (end - begin))))
    return np.array(points)


class _Writer:
    """Writes one sound in pieces of `CHUNK_SECONDS`."""

    def __init__(self, folder: Path, name: str, sample_rate: int) -> None:
        self._folder, self._name, self._rate = folder, name, sample_rate
        self._frames = CHUNK_SECONDS * sample_rate
        self._waiting = np.zeros((0, 2), np.int16)
        self._count = 0

    def write(self, block: np.ndarray) -> None:
        """Take the next (frames, 2) of it."""
        scaled = np.clip(block * np.float32(SCALE), -1, 1) * _FULL
        self._waiting = np.concatenate([self._waiting, np.rint(scaled).astype(np.int16)])
        while len(self._waiting) >= self._frames:
            self._put(self._waiting[: self._frames])
            self._waiting = self._waiting[self._frames :]

    def close(self) -> None:
        """Write what is left."""
        if len(self._waiting):
            self._put(self._waiting)

    def _put(self, samples: np.ndarray) -> None:
        import av

        path = _place(self._folder, self._name, self._count)
        with av.open(str(path), "w", format="flac") as file:
            stream = file.add_stream("flac", rate=self._rate)
            stream.layout, stream.format = "stereo", "s16"
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "stereo")
            frame.sample_rate = self._rate
            file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        self._count += 1


def _place(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}-{number:04d}.flac"


def _read(path: Path) -> np.ndarray:
    """Return a piece that `_Writer` wrote, (frames, 2) int16."""
    import av

    with av.open(str(path)) as file:
        frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
    return np.concatenate(frames, axis=1).reshape(-1, 2)
