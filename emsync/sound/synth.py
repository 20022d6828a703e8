"""From MIDI to sound: FluidSynth, offline, the same samples every time."""

import contextlib
import ctypes
import importlib.util
import io
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from emsync.errors import SoundError
from emsync.progress import CancelToken
from emsync.settings import SoundSettings
from emsync.sound.dynamics import NO_REDUCTION, Reduction
from emsync.sound.space import Space
from emsync.text import quoted

BLOCK = 64
"""FluidSynth starts and ends notes only at multiples of so many samples (FLUID_BUFSIZE)."""
_LOOK_SAMPLES = 256 * BLOCK
BLOCK_FRAMES = 4 * _LOOK_SAMPLES
"""Frames that are worked on at a time, 1.5 s: so that what is made on the way to half an hour of
music does not grow with it."""
_RANK = {"note_off": 1, "note_on": 2}
"""At one instant: programs and controllers, then the ends of notes, then their starts."""
_FLUIDR3_PLACES = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",  # Debian, Ubuntu: fluid-soundfont-gm
    "/usr/share/soundfonts/FluidR3_GM.sf2",  # Fedora, Arch
    "/usr/local/share/soundfonts/FluidR3_GM.sf2",
    "/opt/homebrew/share/soundfonts/FluidR3_GM.sf2",
)


@dataclass(frozen=True)
class SoundFont:
    """The instruments' samples: where they are and what they are called."""

    path: Path
    name: str


@dataclass(frozen=True)
class Sound:
    """Stereo sound.

    Attributes:
        samples: (frames, 2) float32; full scale is [-1, 1], and more before mastering.
        sample_rate: in Hz.
        reduction: what mastering took from its loudest moments.
        stem_peaks: largest magnitude of any of its stems in each step, of which a `Contour` tells.
    """

    samples: np.ndarray
    sample_rate: int
    reduction: Reduction = NO_REDUCTION
    stem_peaks: np.ndarray | None = None


@dataclass(frozen=True)
class Track:
    """Of a MIDI file: its name, the channels it plays on, and whether it has notes."""

    name: str
    channels: frozenset[int]
    sounds: bool


@dataclass(frozen=True)
class Score:
    """A MIDI file as it is played.

    Attributes:
        events: (sample, message) of every channel message, in playing order.
        end: of the file, in samples.
        tracks: in the file's order.
    """

    events: tuple[tuple[int, Any], ...]
    end: int
    tracks: tuple[Track, ...]

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the tracks that play."""
        return tuple(track.name for track in self.tracks if track.sounds)

    def events_of(self, only: str | None) -> tuple[tuple[int, Any], ...]:
        """Return all events, or those on the channels of the tracks of one name."""
        if only is None:
            return self.events
        channels = {
            channel for track in self.tracks if track.name == only for channel in track.channels
        }
        return tuple(event for event in self.events if event[1].channel in channels)


def find_soundfont() -> SoundFont:
    """FluidR3_GM where it is installed, else the TimGM6mb that comes with pretty_midi.

    Raises:
        SoundError: neither is there.
    """
    for place in map(Path, _FLUIDR3_PLACES):
        if place.is_file():
            return SoundFont(place, "FluidR3_GM")
    package = importlib.util.find_spec("pretty_midi")
    for folder in (package.submodule_search_locations or ()) if package else ():
        place = Path(folder) / "TimGM6mb.sf2"
        if place.is_file():
            return SoundFont(place, "TimGM6mb")
    raise SoundError(
        "There is no SoundFont to play the music with. Install one with "
        "`sudo apt-get install -y fluid-soundfont-gm`."
    )


def load_library() -> Any:
    """Return the `fluidsynth` module with its library; call it early to learn that it is missing.

    Raises:
        SoundError: with the line that installs it.
    """
    try:
        # Where the variable CI is set, pyfluidsynth prints where it found its library.
        with contextlib.redirect_stdout(io.StringIO()):
            import fluidsynth
    except (ImportError, OSError) as error:
        line = (
            "brew install fluid-synth"
            if sys.platform == "darwin"
            else "sudo apt-get install -y libfluidsynth3"
        )
        raise SoundError(
            f"The FluidSynth library, which plays the music, is missing. Install it with "
            f"`{line}` and try again."
        ) from error
    return fluidsynth


def render(
    midi_path: Path,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    cancel: CancelToken,
    only: str | None = None,
    space: Space | None = None,
) -> Sound:
    """Play a MIDI file into memory; programs and drums are the file's own.

    Events fall within 0.73 ms of their time: FluidSynth works in blocks of 64 samples, and each
    event goes to the nearest block. Notes that still sound after the last event ring out.
    FluidSynth's floating-point output is taken, so loud music is not clipped; `master` sets the
    level.

    Args:
        midi_path: a standard MIDI file.
        duration: seconds to render; what comes later is cut off, what is missing is silence.
        settings: the sample rate.
        soundfont: SF2 file; None for `find_soundfont`.
        cancel: looked at every 0.4 s of sound.
        only: name of the one track to play; a stem. All stems together are the whole.
        space: its reverb and chorus; None for FluidSynth's own.

    Returns:
        Exactly ``round(duration * sample_rate)`` frames, at FluidSynth's own level.

    Raises:
        SoundError: the FluidSynth library, the SoundFont or the MIDI file cannot be used.
        Cancelled: the owner of the request asked to stop.
    """
    score = read_score(midi_path, settings.sample_rate)
    return play(score, duration, settings, soundfont, cancel, only, space)


def play(
    score: Score,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    cancel: CancelToken,
    only: str | None = None,
    space: Space | None = None,
) -> Sound:
    """Render a file that was read for the sample rate of `settings`."""
    samples = np.empty((round(duration * settings.sample_rate), 2), np.float32)
    done = 0
    for block in stream(score, duration, settings, soundfont, cancel, only, space):
        samples[done : done + len(block)] = block
        done += len(block)
    return Sound(samples, settings.sample_rate)


def stream(
    score: Score,
    duration: Fraction,
    settings: SoundSettings,
    soundfont: Path | None,
    cancel: CancelToken,
    only: str | None = None,
    space: Space | None = None,
) -> Generator[np.ndarray, None, None]:
    """Yield what `play` returns in blocks of `BLOCK_FRAMES`, the last one shorter.

    Whoever stops before the end closes the iterator, and with it the synthesizer. A block is valid
    until the next one is asked for; its memory is used again.
    """
    frames = round(duration * settings.sample_rate)
    total = -(-frames // BLOCK) * BLOCK
    samples = np.zeros((BLOCK_FRAMES, 2), np.float32)
    path = soundfont if soundfont is not None else find_soundfont().path
    with synthesizer(path, settings.sample_rate, space=space) as (synth, write):
        begun = done = 0
        for at, message in _moments(score, only, settings.sample_rate, total):
            while done < at:
                stop = min(at, begun + BLOCK_FRAMES)
                sound_on(synth, write, samples, done - begun, stop - begun, cancel)
                done = stop
                if done in (begun + BLOCK_FRAMES, total):
                    yield samples[: min(done, frames) - begun]
                    begun = done
            if message is not None:
                _send(synth, message)
            else:
                for channel in range(16):
                    synth.cc(channel, 64, 0)
                    synth.all_notes_off(channel)


def _moments(
    score: Score, only: str | None, sample_rate: int, total: int
) -> Iterator[tuple[int, Any]]:
    """Yield (frame, message) up to `total`, a multiple of `BLOCK`; None ends all notes."""
    events = score.events_of(only)
    for at, message in events:
        yield min(round(at / BLOCK) * BLOCK, total), message
    # A file that forgets the end of a note must not make it sound for ever.
    end = max(score.end, events[-1][0] + sample_rate) if events else score.end
    yield min(end // BLOCK * BLOCK, total), None
    yield total, None


def read_score(path: Path, sample_rate: int) -> Score:
    """Read a MIDI file, its times in samples.

    Raises:
        SoundError: it is not there, or not a MIDI file.
    """
    import mido

    try:
        file = mido.MidiFile(path)
    except FileNotFoundError as error:
        raise SoundError(f"There is no MIDI file “{path}”.") from error
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise SoundError(f"{quoted(path.name)} is not a MIDI file that can be read.") from error
    events: list[tuple[int, int, int, Any]] = []
    tempo, seconds = 500_000, Fraction(0)  # microseconds a beat, until the file says otherwise
    for message in mido.merge_tracks(file.tracks):
        if message.time:
            seconds += Fraction(message.time * tempo, 1_000_000 * file.ticks_per_beat)
        if message.type == "set_tempo":
            tempo = message.tempo
        elif not message.is_meta and hasattr(message, "channel"):
            kind = message.type
            if kind == "note_on" and message.velocity == 0:
                kind = "note_off"
            at = round(seconds * sample_rate)
            events.append((at, _RANK.get(kind, 0), len(events), message))
    events.sort(key=lambda event: event[:3])
    return Score(
        tuple((at, message) for at, _, _, message in events),
        round(seconds * sample_rate),
        tuple(
            Track(
                track.name,
                frozenset(message.channel for message in track if hasattr(message, "channel")),
                any(message.type == "note_on" for message in track),
            )
            for track in file.tracks
        ),
    )


def _send(synth: Any, message: Any) -> None:
    match message.type:
        case "note_on" if message.velocity > 0:
            synth.noteon(message.channel, message.note, message.velocity)
        case "note_on" | "note_off":
            synth.noteoff(message.channel, message.note)
        case "program_change":
            synth.program_change(message.channel, message.program)
        case "control_change":
            synth.cc(message.channel, message.control, message.value)
        case "pitchwheel":
            synth.pitch_bend(message.channel, message.pitch)


def sound_on(
    synth: Any, write: Any, samples: np.ndarray, begin: int, end: int, cancel: CancelToken
) -> int:
    """Render frames `begin` to `end` into `samples`; returns `end`."""
    while begin < end:
        cancel.check()
        count = min(end - begin, _LOOK_SAMPLES)
        left = samples[begin:].ctypes.data_as(ctypes.c_void_p)
        # Left and right go to the even and the odd places of the same memory.
        write(synth.synth, count, left, 0, 2, left, 1, 2)
        begin += count
    return end


@contextlib.contextmanager
def synthesizer(
    soundfont: Path, sample_rate: int, whole: bool = False, space: Space | None = None
) -> Iterator[tuple[Any, Any]]:
    """Return a FluidSynth with `soundfont` loaded and no audio device, and its function that
    renders.

    Args:
        soundfont: SF2 or SF3 file.
        sample_rate: in Hz.
        whole: load all samples at once, not those of an instrument when it is asked for.
        space: its reverb and chorus; None for FluidSynth's own.

    Raises:
        SoundError: the library is missing, or the SoundFont cannot be loaded.
    """
    fluidsynth = load_library()
    c_int, c_pointer = ctypes.c_int, ctypes.c_void_p
    write = fluidsynth.cfunc(
        "fluid_synth_write_float", c_int,
        ("synth", c_pointer, 1), ("len", c_int, 1),
        ("lout", c_pointer, 1), ("loff", c_int, 1), ("lincr", c_int, 1),
        ("rout", c_pointer, 1), ("roff", c_int, 1), ("rincr", c_int, 1),
    )  # fmt: skip
    quiet = fluidsynth.cfunc(
        "fluid_set_log_function", c_pointer,
        ("level", c_int, 1), ("function", c_pointer, 1), ("data", c_pointer, 1),
    )  # fmt: skip
    for level in range(1, 5):
        # It writes to standard error about audio devices that we do not use; what fails is
        # noticed by its result.
        quiet(level, None, None)
    settings = {
        "synth.dynamic-sample-loading": int(not whole),  # of 140 MB only the five that play
        "synth.lock-memory": 0,  # nothing here is in such a hurry that it may not be swapped
        "synth.cpu-cores": 1,  # more would add up voices in varying order
        **({} if space is None else _effects(space)),
    }
    synth = fluidsynth.Synth(samplerate=float(sample_rate), channels=16, **settings)
    try:
        # 1: channels without a program of their own get a piano, or the drum kit, not silence.
        if synth.sfload(str(soundfont), 1) < 0:
            raise SoundError(
                f"The SoundFont “{soundfont}” cannot be read. Install one with "
                "`sudo apt-get install -y fluid-soundfont-gm`."
            )
        yield synth, write
    finally:
        synth.delete()


def _effects(space: Space) -> dict[str, float]:
    """Return FluidSynth's settings for a space."""
    return {
        "synth.reverb.active": int(space.reverb > 0),
        "synth.reverb.room-size": space.room_size,
        "synth.reverb.damp": space.damping,
        "synth.reverb.width": space.width,
        "synth.reverb.level": space.reverb,
        "synth.chorus.active": int(space.chorus > 0),
        "synth.chorus.nr": space.chorus_voices,
        "synth.chorus.level": space.chorus,
        "synth.chorus.speed": space.chorus_hertz,
        "synth.chorus.depth": space.chorus_milliseconds,
    }
