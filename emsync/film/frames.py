"""The film as a stream: frames with their times and scene scores, and its sound."""

import math
import re
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from emsync.errors import FilmError, ToolError
from emsync.film.ffmpeg import FFmpegRun, Source, input_arguments
from emsync.film.film import Film
from emsync.film.showing import fitted, shown
from emsync.progress import CancelToken
from emsync.text import quoted

_AUDIO_BLOCK_SECONDS = 1
_LOUDEST = 16.0
"""Full scales; 24 dB over what a file of whole numbers can hold."""
_SCORED_FRAME = re.compile(rb"frame:\d+ +pts:(-?\d+|NOPTS)[^\n]*\nlavfi\.scene_score=([0-9.]+)\n")


@dataclass(frozen=True)
class Frame:
    """One frame of the film.

    Attributes:
        time: seconds since the film began, exact; 0 for the first.
        scene_score: FFmpeg's `scene` score against the frame before, in [0, 1]; 0 for the first.
        pixels: (height, width, 3) uint8, RGB, upright, square pixels, downscaled.
        still: the same, larger, for the frames that were asked for at that size; else None.
        picture: likewise, for those of a second request.
    """

    time: Fraction
    scene_score: float
    pixels: np.ndarray
    still: np.ndarray | None = None
    picture: np.ndarray | None = None


@dataclass(frozen=True)
class StillRequest:
    """Which frames are wanted larger as well: the first, and then each that comes `seconds` after
    the last one or later.

    Attributes:
        seconds: above 0.
        side: pixels of the longer side at most; never more than the film has.
    """

    seconds: float
    side: int


def stream_frames(
    film: Film,
    cancel: CancelToken,
    width: int = 320,
    stills: StillRequest | None = None,
    pictures: StillRequest | None = None,
) -> Generator[Frame, None, None]:
    """Decode the film once and yield its frames, in order, in constant memory.

    The scene score is what FFmpeg's ``select='gt(scene,...)'`` compares, computed on the picture
    at full size before it is made small. Frame times are the container's own ticks, so films of
    variable frame rate keep theirs. Damaged frames are skipped.

    Args:
        film: the film, probed.
        cancel: looked at at least five times a second; FFmpeg dies with the generator.
        width: of the yielded pictures, in pixels; never more than the film has.
        stills: frames that also come larger, out of the same decoding.
        pictures: likewise, for somebody else; neither changes which frames the other gets.

    Raises:
        FilmError: not one frame decodes.
        ToolError: FFmpeg is missing or was killed.
        Cancelled: the owner of the request asked to stop.
    """
    columns = max(1, min(width, film.width))
    small = _Pictures(columns, max(1, round(columns * film.height / film.width)))
    requests: dict[Source, StillRequest | None] = {"stills": stills, "pictures": pictures}
    choices = {name: _StillChoice(film, one) for name, one in requests.items() if one is not None}
    scores = _Scores(film, choices)
    origin: Fraction | None = None
    reached: Fraction | None = None
    with shown(film) as looks, FFmpegRun(cancel) as run:
        run.start(_arguments(run, film, looks, small, choices))
        for source, chunk in run.read():
            if source == "side":
                scores.add(chunk)
            elif source in choices:
                choices[source].large.add(chunk)
            else:
                small.add(chunk)
            while scores.waiting and small.waiting:
                if not all(choices[name].large.waiting for name in scores.waiting[0].taken_by):
                    break  # on its way
                scored = scores.waiting.popleft()
                pixels = small.waiting.popleft()  # (height, width, 3)
                large = {name: choices[name].large.waiting.popleft() for name in scored.taken_by}
                if scored.time < film.start:
                    continue
                origin = scored.time if origin is None else origin
                time = scored.time - origin
                if time > 0:
                    time += film.lead  # for so long the first frame is held
                # Time stamps that stand still or run back belong to damaged films.
                if reached is None or time > reached:
                    reached = time
                    yield Frame(
                        reached, scored.score, pixels, large.get("stills"), large.get("pictures")
                    )
        _check_end(run, run.finish(), film, reached)


def _arguments(
    run: FFmpegRun,
    film: Film,
    looks: list[str],
    small: "_Pictures",
    choices: "Mapping[Source, _StillChoice]",
) -> list[str]:
    """Return FFmpeg's arguments: frames small, their scores, and those that `choices` take large.

    Scores come out of a pipe of their own, large frames out of one for each choice; `run` opens
    them. `looks` are the filters of `shown`.
    """
    base = f"{film.time_base.numerator}/{film.time_base.denominator}"
    filters = ",".join(
        [
            f"[0:{film.video_stream}]settb={base}",
            *looks,
            "select='gte(scene,0)'",
            "metadata=mode=print:key=lavfi.scene_score:direct=1:"
            f"file='pipe\\:{run.open_side_pipe()}'",
        ]
    )
    raw = ["-fps_mode", "passthrough", "-enc_time_base", base, "-f", "rawvideo"]

    def scaled(pictures: _Pictures) -> str:
        return ",".join(fitted(film, pictures.columns, pictures.rows, ":flags=area"))

    outputs = ["-map", "[small]", *raw, "pipe:1"]
    if not choices:
        graph = f"{filters},{scaled(small)}[small]"
    else:
        copies = "".join(f"[as_{name}]" for name in choices)
        graph = f"{filters},split={1 + len(choices)}[a]{copies};[a]{scaled(small)}[small]"
        for name, choice in choices.items():
            taken = f"[as_{name}]select='{choice.expression}'"
            graph += f";{taken},{scaled(choice.large)}[{name}]"
            outputs += ["-map", f"[{name}]", *raw, f"pipe:{run.open_side_pipe(name)}"]
    return ["-copyts", *input_arguments(film.path), "-filter_complex", graph, *outputs]


def _check_end(run: FFmpegRun, status: int, film: Film, reached: Fraction | None) -> None:
    """Raise if too little of the film was decoded.

    Args:
        run: of FFmpeg, finished.
        status: its exit status.
        film: the film.
        reached: seconds of the last frame; None if there was none.
    """
    if reached is None and status >= 0:
        raise FilmError(
            f"None of the frames of {quoted(film.path.name)} can be decoded. Export it as MP4 "
            f"(H.264).{run.words}"
        )
    # Damage gives a status as well, but then the frames after it were still decoded.
    if status < 0 or (status > 0 and reached is not None and reached < film.last_frame * 0.9):
        raise ToolError(
            f"FFmpeg stopped while it decoded {quoted(film.path.name)} (status {status}). "
            f"{run.complaint or 'Perhaps the machine ran out of memory; try again.'}"
        )


class _Scored(NamedTuple):
    """What FFmpeg prints of a frame: time on the container's clock, scene score; and who takes it
    large."""

    time: Fraction
    score: float
    taken_by: tuple[Source, ...]


class _Scores:
    """Reads the times and scores of the frames out of what FFmpeg prints."""

    def __init__(self, film: Film, choices: "Mapping[Source, _StillChoice]") -> None:
        self.waiting: deque[_Scored] = deque()
        self._film, self._choices = film, choices
        self._text = bytearray()
        self._time: Fraction | None = None
        self._count = 0

    def add(self, chunk: bytes) -> None:
        """Take in the next piece of text."""
        self._text += chunk
        consumed = 0
        for found in _SCORED_FRAME.finditer(self._text):
            consumed = found.end()
            taken_by = tuple(name for name, one in self._choices.items() if one.takes(found[1]))
            self.waiting.append(_Scored(self._time_of(found[1]), float(found[2]), taken_by))
        del self._text[:consumed]

    def _time_of(self, stamp: bytes) -> Fraction:
        """Return the time of the next frame; `stamp`: its time stamp in ticks, or NOPTS."""
        film = self._film
        if film.evenly_numbered:
            self._time = film.start + self._count / film.frame_rate
            self._count += 1
        elif stamp != b"NOPTS":
            self._time = int(stamp) * film.time_base
        elif self._time is not None:
            self._time += 1 / film.frame_rate
        else:
            self._time = film.start
        return self._time


class _StillChoice:
    """Chooses the frames that are stills, by an expression for FFmpeg and here alike."""

    def __init__(self, film: Film, request: StillRequest) -> None:
        seconds, shrink = request.seconds, min(1.0, request.side / max(film.width, film.height))
        self.large = _Pictures(
            max(1, round(film.width * shrink)), max(1, round(film.height * shrink))
        )
        self._by_number = film.evenly_numbered  # then time stamps are nothing to go by
        if self._by_number:
            self._step = max(1, int(seconds * film.frame_rate))
            self.expression = f"not(mod(n,{self._step}))"
        else:
            self._step = max(1, math.ceil(seconds / film.time_base))
            taken = "prev_selected_pts"
            self.expression = f"isnan({taken})+gte(pts-{taken},{self._step})"
        self._number = 0
        self._last: int | None = None

    def takes(self, stamp: bytes) -> bool:
        """Return whether the next frame is a still; `stamp`: in ticks, or NOPTS."""
        self._number += 1
        if self._by_number:
            return (self._number - 1) % self._step == 0
        now = None if stamp == b"NOPTS" else int(stamp)
        if self._last is not None and (now is None or now - self._last < self._step):
            return False
        self._last = now
        return True


class _Pictures:
    """Puts raw pictures together from the pieces in which they arrive."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.waiting: deque[np.ndarray] = deque()
        self._begun = bytearray()

    def add(self, chunk: bytes) -> None:
        """Take in the next piece of raw pictures."""
        size = self.columns * self.rows * 3
        rest = memoryview(chunk)
        while rest:
            taken = rest[: size - len(self._begun)]
            self._begun += taken
            rest = rest[len(taken) :]
            if len(self._begun) == size:
                pixels = np.frombuffer(self._begun, np.uint8)
                self.waiting.append(pixels.reshape(self.rows, self.columns, 3))
                self._begun = bytearray()


def read_audio(film: Film, sample_rate: int, cancel: CancelToken) -> np.ndarray:
    """Return the whole sound of the film as (samples,) float32 mono; empty if it has none.

    As `iter_audio` yields it, for those who need it in one piece.
    """
    if film.audio_stream is None:
        return np.zeros(0, np.float32)
    # Filled as it comes: of half an hour every copy has 115 MB, at 16 kHz.
    sound = np.empty(round(film.duration * sample_rate), np.float32)
    done = 0
    for block in iter_audio(film, sample_rate, cancel):
        sound[done : done + len(block)] = block
        done += len(block)
    return sound


def _sound_graph(film: Film, sample_rate: int, channels: int) -> str:
    """Return the filter graph that makes `[sound]` of the film's sound track, or of all of them."""
    tracks = [film.audio_stream]
    if film.mixed:
        tracks = [track.stream for track in film.sound_tracks]
    # The clock is set to the film's; then what lies before 0 is cut off, and what is missing (at
    # the start, or in the middle) is filled with silence. What comes hours later goes first, or
    # those hours would be filled.
    chain = (
        f"asetpts=PTS-({film.origin.numerator}/{film.origin.denominator})/TB,"
        f"atrim=end={float(film.duration):.6f},"
        f"aresample={sample_rate}:async=1:first_pts=0"
    )
    if len(tracks) == 1:
        return f"[0:{tracks[0]}]{chain}[sound]"
    layout = "mono" if channels == 1 else "stereo"
    parts = [
        f"[0:{track}]{chain},aformat=sample_fmts=flt:channel_layouts={layout}[s{number}]"
        for number, track in enumerate(tracks)
    ]
    inputs = "".join(f"[s{number}]" for number in range(len(tracks)))
    # Without normalising: a track that ends, or is silent, makes no other louder or softer.
    mixed = f"{inputs}amix=inputs={len(tracks)}:normalize=0[sound]"
    return ";".join([*parts, mixed])


def iter_audio(
    film: Film, sample_rate: int, cancel: CancelToken, channels: int = 1
) -> Iterator[np.ndarray]:
    """Yield the film's sound in blocks of at most a second, lined up with the picture.

    Sample 0 is the film's beginning, whether the sound track starts earlier (it is trimmed),
    later or has gaps (silence is put in). All blocks together have exactly
    ``round(film.duration * sample_rate)`` samples. A film without sound yields nothing.

    Args:
        film: the film, probed.
        sample_rate: of the result, in Hz.
        cancel: looked at at least five times a second.
        channels: 1 for mono blocks (samples,), more for blocks (samples, channels).

    Yields:
        float32 blocks; full scale is [-1, 1].

    Raises:
        ToolError: FFmpeg is missing or was killed.
        Cancelled: the owner of the request asked to stop.
    """
    if film.audio_stream is None:
        return
    wanted = round(film.duration * sample_rate)
    # FFmpeg makes mono quieter when it spreads it over two channels; players do not.
    mono = film.audio_channels == 1 and not film.mixed
    decoded = 1 if mono else channels
    frame_bytes = 4 * decoded
    block_bytes = frame_bytes * sample_rate * _AUDIO_BLOCK_SECONDS
    pending = bytearray()
    sent = 0

    def block(samples: bytes | bytearray) -> np.ndarray:
        # Sound tracks of floating point may hold what is no number, or no loudness either.
        read = np.frombuffer(bytes(samples), np.float32)
        array = np.nan_to_num(read, posinf=0.0, neginf=0.0).clip(-_LOUDEST, _LOUDEST)
        if channels == 1:
            return array
        return np.broadcast_to(array.reshape(-1, decoded), (len(array) // decoded, channels))

    with FFmpegRun(cancel) as run:
        run.start(
            [
                "-copyts", *input_arguments(film.path),
                "-filter_complex", _sound_graph(film, sample_rate, decoded), "-map", "[sound]",
                "-ac", str(decoded), "-ar", str(sample_rate), "-f", "f32le", "pipe:1",
            ]
        )  # fmt: skip
        for _, chunk in run.read():
            pending += chunk
            while len(pending) >= block_bytes and sent < wanted:
                samples = block(pending[:block_bytes])[: wanted - sent]
                del pending[:block_bytes]
                sent += len(samples)
                yield samples
            if sent >= wanted:
                return  # the sound outlasts the picture
        if run.finish() < 0:
            raise ToolError("FFmpeg was stopped while it decoded the film's sound. Try again.")
    whole = len(pending) - len(pending) % frame_bytes
    if whole:
        samples = block(pending[:whole])[: wanted - sent]
        sent += len(samples)
        yield samples
    while sent < wanted:
        samples = block(bytes(min(block_bytes, (wanted - sent) * frame_bytes)))
        sent += len(samples)
        yield samples
