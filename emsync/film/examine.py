"""What the container says about a film, and whether it is one that we can score."""

import heapq
import stat
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emsync.errors import FilmError
from emsync.film.about import about
from emsync.film.ffmpeg import MEDIA_FORMATS
from emsync.film.film import Film, SoundTrack
from emsync.film.mp4 import edit_end
from emsync.settings import FilmLimits
from emsync.text import one_line, quoted

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

_REORDER_FRAMES = 32
"""H.264 and HEVC allow 16 frames of reordering; twice that sorts any stream."""
_EVER = -(2**63)
"""Before any time stamp."""
_AUDIO_TRIES = 64
"""Packets of a sound track that may fail to decode before it counts as unreadable."""
_EDIT_ROUNDING = Fraction(1, 500)
"""Seconds by which an edit list may differ from what it stands for: two of its usual ticks."""
_SOUND_GAP = 10
"""Seconds without sound after which what comes is no part of the film's length: time stamps jump
in damaged files. Ours."""
_UNNOTICED = Fraction(1, 10)
"""Seconds by which sound may begin before the picture or end after it without a frame being held:
encoders fill up their last frame, and recorders do not start both at once. Ours."""
_QUIET = 1e-4
"""Full scales that a sound track must reach somewhere not to count as silent: -80 dB. Ours."""
_TITLE_LETTERS = 100
"""Of the name of a track."""
_DECLARING_FORMATS = {"mov", "matroska", "avi", "flv"}
"""Containers whose header states the length, so that a missing end can be noticed."""
_TOLERATED_LOSS = Fraction(1, 2)
"""Seconds by which a header may overstate: some writers round, or count an unfinished frame."""
_PICTURE_SIGNATURES = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*", b"8BPS",
)  # fmt: skip
_MARK_BYTES = 4096
"""From the beginning, within which animated pictures say that they are. Ours."""
_PICTURE_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"}


def examine(path: Path, limits: FilmLimits) -> Film:
    """Read every packet of `path`, decode one frame, and say what film it is; in this process.

    The packets are counted and timed rather than the header believed: browser recordings state
    no duration, and edit lists or lost frames make others state a wrong one. Memory does not
    grow with the film's length.

    Raises:
        FilmError: with a sentence that names what is wrong: no such file, empty, too large, not
            a film, a picture, sound only, cut off, no frames, nothing decodes, too many pixels,
            too many frames, too long.
        MemoryError: FFmpeg's libraries were given too little.
    """
    import av

    head = first_bytes(path, limits)
    container = _open(path, head)
    try:
        with container:
            return _examine(container, path, limits)
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise FilmError(
            f"{quoted(path.name)} cannot be read as a film: it seems to be damaged. "
            "Try to export it again, as MP4."
        ) from error


def first_bytes(path: Path, limits: FilmLimits) -> bytes:
    """Return the first bytes of a file.

    Raises:
        FilmError: it is not there, unreadable, no file, empty or too large.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise FilmError(f"{quoted(path.name)} is a folder. Choose a film file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise FilmError(f"{quoted(path.name)} is not a file. Choose a film file.")
        if status.st_size == 0:
            raise FilmError(f"{quoted(path.name)} is empty (0 bytes). Copy or download it again.")
        if status.st_size > limits.bytes:
            raise FilmError(
                f"{quoted(path.name)} is {status.st_size / 1e6:.0f} MB large; the limit is "
                f"{limits.bytes / 1e6:.0f} MB. Export it smaller, or a part of it."
            )
        with path.open("rb") as file:
            return file.read(16)
    except FileNotFoundError as error:
        raise FilmError(
            f"There is no file {quoted(path.name)}. Check the name and the folder."
        ) from error
    except ValueError as error:
        raise FilmError(f"{quoted(path.name)} is not the name of a file. Check it.") from error
    except OSError as error:
        raise FilmError(f"{quoted(path.name)} cannot be opened: {error.strerror}.") from error


def _holds(path: Path, mark: bytes) -> bool:
    """Return whether the beginning of a file holds the mark of an animation."""
    with path.open("rb") as file:
        return mark in file.read(_MARK_BYTES)


def _open(path: Path, head: bytes) -> "InputContainer":
    """Open a container that is one file and needs no other; `head`: its first bytes.

    Raises:
        FilmError: it is a picture, cut off, empty, or of no format that is known.
    """
    import av

    picture = FilmError(f"{quoted(path.name)} is a picture, not a film. Choose a video file.")
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    if (is_webp and _holds(path, b"ANIM")) or (head[:4] == b"\x89PNG" and _holds(path, b"acTL")):
        kind = "WebP" if is_webp else "PNG"
        raise FilmError(
            f"{quoted(path.name)} is an animated {kind}, which cannot be read here. Save it as GIF "
            "or MP4."
        )
    if head.startswith(_PICTURE_SIGNATURES) or is_webp:
        raise picture
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
        raise picture
    try:
        return av.open(
            f"file:{path.absolute()}",
            container_options={
                "protocol_whitelist": "file",
                "format_whitelist": ",".join(MEDIA_FORMATS),
            },
            metadata_errors="replace",
        )
    except av.error.EOFError as error:
        raise _frameless(path) from error
    except av.error.MemoryError:
        raise
    except (av.error.FFmpegError, OSError) as error:
        if head[4:8] in (b"ftyp", b"moov", b"mdat") or head[:4] == b"\x1aE\xdf\xa3":
            raise FilmError(
                f"{quoted(path.name)} is cut off: the part that describes its frames is missing. "
                "Copy or download it again, or finish its recording."
            ) from error
        raise FilmError(
            f"{quoted(path.name)} is not a film that can be read. Use MP4, MOV, WebM, MKV or AVI."
        ) from error


@dataclass
class _Timeline:
    """Time stamps of one picture stream, seen in the order of the file, in ticks.

    B-frames come out of order, so a small heap puts them right; only the heap is held.
    """

    start: int | None = None
    """Time stamp of the first frame that decodes; earlier ones belong to frames nobody sees."""
    stored: bool = True
    """Whether time stamps and durations say when frames are shown, or only their order."""
    count: int = 0
    first: int | None = None
    last: int = 0
    last_duration: int = 0
    shortest: int | None = None
    longest: int | None = None
    reordered: bool = False
    """Some frames are stored after ones that are shown later."""
    _latest: int = _EVER
    _waiting: list[tuple[int, int]] = field(default_factory=list)

    def add(self, time: int, duration: int) -> None:
        """Take in the next packet: its time stamp and its duration, in ticks."""
        self.reordered |= time < self._latest
        self._latest = max(time, self._latest)
        heapq.heappush(self._waiting, (time, duration))
        while self.start is not None and len(self._waiting) > _REORDER_FRAMES:
            self._settle()

    def finish(self) -> None:
        """Take in what is still waiting; there are no more packets."""
        while self._waiting:
            self._settle()

    def _settle(self) -> None:
        """Count the earliest of the waiting frames."""
        time, duration = heapq.heappop(self._waiting)
        if self.start is not None and time < self.start:
            return
        if self.first is None:
            self.first = time
        elif time > self.last:
            gap = time - self.last
            self.shortest = gap if self.shortest is None else min(gap, self.shortest)
            self.longest = gap if self.longest is None else max(gap, self.longest)
        self.count += 1
        if self.count == 1 or time >= self.last:
            self.last, self.last_duration = time, duration

    def end(self, frame_ticks: Fraction) -> Fraction:
        """Return the end of the last frame, in ticks.

        Where its duration is missing, that of others is taken, or else `frame_ticks`.
        """
        assert self.first is not None
        if self.stored and self.last_duration > 0:
            return Fraction(self.last + self.last_duration)
        if not self.stored and self.uneven and self.shortest is not None:
            return Fraction(self.last + self.shortest)  # places were left empty, not this one
        if self.last > self.first:
            return self.last + Fraction(self.last - self.first, self.count - 1)
        return self.last + frame_ticks

    @property
    def uneven(self) -> bool:
        """Whether spacing varies by more than the rounding of time stamps explains."""
        if self.shortest is None or self.longest is None:
            return False
        # A clock that ticks once a frame, as that of AVI, rounds nothing: a gap is a dropped frame.
        rounding = 2 if self.shortest > 2 else 0
        return self.longest - self.shortest > max(rounding, self.longest // 50)


@dataclass
class _Reading:
    """What all packets of a film say together."""

    timeline: _Timeline
    frame: "av.VideoFrame | None" = None
    """The first frame that decodes."""
    audible: dict[int, int] = field(default_factory=dict)
    """Channels of each sound stream that decodes, by its index."""
    loud: set[int] = field(default_factory=set)
    """Indices of the sound streams that are not silent, where there are several."""
    sizes: dict[int, int] = field(default_factory=dict)
    """Bytes of each stream, by its index."""
    extents: dict[int, tuple[Fraction, int, int]] = field(default_factory=dict)
    """Time base, and first and last time stamp in ticks, of each stream, by its index."""
    spans: dict[int, tuple[Fraction, int, int]] = field(default_factory=dict)
    """The same without what comes more than `_SOUND_GAP` after the rest."""
    damaged: bool = False
    """Not all packets of the picture are whole."""

    def add(self, stream: int, base: Fraction, time: int, length: int, *, shown: bool) -> None:
        """Note the time of a packet; on the timeline, if it is of the picture."""
        _, begin, end = self.extents.get(stream, (base, time, time))
        self.extents[stream] = (base, min(begin, time), max(end, time + length))
        _, first, last = self.spans.get(stream, (base, time, time))
        if (time - last) * base <= _SOUND_GAP:
            self.spans[stream] = (base, min(first, time), max(last, time + length))
        if shown:
            self.timeline.add(time, length)

    def around(self, start: Fraction, end: Fraction, from_zero: bool) -> tuple[Fraction, Fraction]:
        """Return by how many seconds sound begins before the picture and ends after it; 0 where
        nobody would notice.

        `from_zero`: what is stored before 0 is not presented, but prepares a decoder, as in MP4.
        """
        heard = [self.spans[stream] for stream in self.audible if stream in self.spans]
        first = min((base * first for base, first, _ in heard), default=start)
        before = start - (max(first, Fraction(0)) if from_zero else first)
        after = max((base * last for base, _, last in heard), default=end) - end
        return (
            before if before > _UNNOTICED else Fraction(0),
            after if after > _UNNOTICED else Fraction(0),
        )

    @property
    def seconds(self) -> Fraction:
        """From the earliest begin to the latest end of all streams."""
        ends = [base * end for base, _, end in self.extents.values()]
        return max(ends) - min(base * begin for base, begin, _ in self.extents.values())


def _examine(container: "InputContainer", path: Path, limits: FilmLimits) -> Film:
    """Say what film an open container holds; see `examine`."""
    import av

    video = _picture(container, path)
    _check_size(path, video.codec_context.width, video.codec_context.height, limits)
    if video.duration is not None:
        _check_length(path, video.duration * video.time_base, limits)
    reading = _read(container, video, path, limits)
    timeline, frame = reading.timeline, reading.frame
    if timeline.count == 0:
        raise _frameless(path)
    if frame is None or timeline.first is None:
        raise FilmError(
            f"None of the frames of {quoted(path.name)} can be decoded: it is damaged or cut off. "
            "Copy or download it again."
        )
    _check_complete(container, video, reading, path)
    if container.format.name == "gif" and timeline.count == 1:
        raise FilmError(f"{quoted(path.name)} is a picture, not a film. Choose a video file.")

    base = video.time_base
    rate = video.average_rate or video.guessed_rate or Fraction(25)
    start, last = timeline.first * base, timeline.last * base
    end = timeline.end(1 / (rate * base)) * base
    if "mov" in container.format.name and timeline.reordered:
        # MP4 stores how long until the next frame is decoded, not how long a frame is shown.
        # With B-frames these differ, and only the edit list tells the end. It may count in
        # milliseconds, and frames at an even rate tell their end more exactly.
        shown_until = edit_end(path, video.id)
        if (
            shown_until is not None
            and shown_until > last
            and (timeline.uneven or abs(shown_until - end) > _EDIT_ROUNDING)
        ):
            end = shown_until
    lead, held = reading.around(start, end, "mov" in container.format.name)
    _check_length(path, end - start + lead + held, limits)
    rotation = round(-frame.rotation / 90) * 90 % 360
    aspect = video.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 20) <= aspect <= 20:
        aspect = Fraction(1)  # nonsense; players ignore it as well
    width, height = max(1, round(frame.width * aspect)), frame.height
    if rotation in (90, 270):
        width, height = height, width
    _check_size(path, width, height, limits)
    tracks = _sound_tracks(container, reading)
    sound = _sound(tracks, reading)
    return Film(
        path=path,
        duration=end - start + lead + held,
        width=width,
        height=height,
        rotation=rotation,
        frame_rate=timeline.count / (end - start),
        frame_count=timeline.count,
        start=start,
        video_codec=video.codec_context.name,
        pixel_format=frame.format.name,
        has_audio=sound is not None,
        variable_frame_rate=timeline.uneven,
        time_base=base,
        stored_width=frame.width,
        stored_height=frame.height,
        sample_aspect_ratio=aspect,
        profile=video.profile or "",
        video_stream=video.index,
        audio_stream=None if sound is None else sound.stream,
        audio_channels=0 if sound is None else sound.channels,
        last_frame=last - start + lead if last > start else Fraction(0),
        stated=Fraction(container.duration or 0, av.time_base),
        times_stored=timeline.stored,
        damaged=reading.damaged,
        lead=lead,
        held=held,
        sound_tracks=tracks,
        **about(container, frame),
    )


def _sound_tracks(container: "InputContainer", reading: _Reading) -> tuple[SoundTrack, ...]:
    """Return the sound tracks that decode."""
    from av.stream import Disposition

    return tuple(
        SoundTrack(
            stream.index,
            reading.audible[stream.index],
            one_line(stream.metadata.get("title", ""), _TITLE_LETTERS),
            one_line(stream.metadata.get("language", ""), _TITLE_LETTERS),
            bool(stream.disposition & Disposition.default),
        )
        for stream in container.streams.audio
        if stream.index in reading.audible
    )


def _sound(tracks: tuple[SoundTrack, ...], reading: _Reading) -> SoundTrack | None:
    """Return the track that is the film's sound: the default one, else one that is not silent,
    else the largest; the first of equals; None if there is none."""

    def rank(track: SoundTrack) -> tuple[bool, bool, int]:
        return track.default, track.stream in reading.loud, reading.sizes.get(track.stream, 0)

    return max(tracks, key=rank, default=None)


def _picture(container: "InputContainer", path: Path) -> Any:
    """Return the stream that is the film's picture; it has a decoder and a time base."""
    from av.stream import Disposition

    if not container.streams:
        raise _frameless(path)
    # Cover art and thumbnails are stored as video streams, but nobody calls them the film.
    decoration = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    streams = [s for s in container.streams.video if not s.disposition & decoration]
    if not streams:
        lack = "holds sound but no picture" if container.streams.audio else "holds no picture"
        raise FilmError(f"{quoted(path.name)} {lack}. Choose a video file.")
    picture = max(streams, key=_picture_rank)
    if picture.codec_context is None or picture.time_base is None:
        raise FilmError(
            f"The picture of {quoted(path.name)} is in a format that cannot be decoded here. "
            "Export it as MP4 (H.264)."
        )
    # One frame is decoded, and on a host of many cores every thread takes of what memory there is.
    picture.codec_context.thread_count = 1
    return picture


def _picture_rank(stream: Any) -> tuple[bool, bool, bool, int]:
    """Return what makes a stream more of a film than another; of equals the first is taken.

    It decodes, is no still (such as the cover of an animated AVIF), is the default, is larger.
    """
    from av.stream import Disposition

    context = stream.codec_context
    known = context is not None and stream.time_base is not None
    return (
        known,
        stream.frames != 1,
        bool(stream.disposition & Disposition.default),
        context.width * context.height if known else 0,
    )


def _read(container: "InputContainer", video: Any, path: Path, limits: FilmLimits) -> _Reading:
    """Go through all packets once; decode one frame, and enough sound to know that it decodes."""
    timeline = _Timeline(stored="avi" not in container.format.name)
    reading = _Reading(timeline)
    audio_tries = {s.index: 0 for s in container.streams.audio if s.codec_context is not None}
    several = len(audio_tries) > 1
    clock: int | None = None
    packets = 0
    cut: tuple[int, Fraction, int, int] | None = None
    for packet in container.demux():
        index = packet.stream.index
        ours = index == video.index
        if ours and packet.size and packet.pts is None:
            timeline.stored = False
        stored = packet.pts is not None and (timeline.stored or not ours)
        time = packet.pts if stored else packet.dts
        length = packet.duration or 0
        if cut is not None and ours and packet.size:
            reading.add(*cut, shown=True)
            cut = None
        if time is not None and not packet.is_discard:
            seen = index, packet.time_base or Fraction(1), time, length
            if ours and packet.is_corrupt:
                # If nothing follows, the file ends within this frame, and it cannot be shown.
                reading.damaged, cut = True, seen
            else:
                reading.add(*seen, shown=ours)
        if ours and packet.dts is not None:
            if clock is not None and (packet.dts - clock) * video.time_base < -1:
                raise FilmError(
                    f"The clock of {quoted(path.name)} jumps back: it seems to be several "
                    "recordings in one file. Export it as one MP4."
                )
            clock = packet.dts
        if ours and reading.frame is None:
            reading.frame = frame = next(iter(_decoded(packet)), None)
            if frame is not None:
                _check_size(path, frame.width, frame.height, limits)
                # Without stored times all packets count: there is none that is too early.
                known = timeline.stored and frame.pts is not None
                timeline.start = frame.pts if known else _EVER
        elif audio_tries.get(index, _AUDIO_TRIES) < _AUDIO_TRIES:
            audio_tries[index] += 1
            sound = next(iter(_decoded(packet)), None)
            if sound is not None:
                reading.audible[index] = sound.layout.nb_channels
                if not several or _is_loud(sound):
                    reading.loud.add(index)
                    audio_tries[index] = _AUDIO_TRIES
                else:
                    audio_tries[index] = 0  # until it is heard, or ends
        reading.sizes[index] = reading.sizes.get(index, 0) + packet.size
        packets += ours
        # A frame may come in two halves; packets count as well while none decodes.
        if timeline.count > limits.frames or packets > 2 * limits.frames:
            raise FilmError(
                f"{quoted(path.name)} has more than {limits.frames:,} frames, which is the limit. "
                "Export it with fewer frames a second, or a part of it."
            )
        if timeline.first is not None:
            _check_length(path, (timeline.last - timeline.first) * video.time_base, limits)
    timeline.finish()
    return reading


def _is_loud(sound: Any) -> bool:
    """Return whether a frame of sound holds more than silence."""
    import numpy as np

    samples = sound.to_ndarray()
    if samples.dtype.kind == "f":
        return bool(np.abs(samples).max(initial=0.0) > _QUIET)
    whole = np.iinfo(samples.dtype)
    middle = 128 if whole.min == 0 else 0
    return bool(np.abs(samples.astype(np.int64) - middle).max(initial=0) > _QUIET * whole.max)


def _frameless(path: Path) -> FilmError:
    """Return what to raise for a film without frames."""
    return FilmError(f"{quoted(path.name)} contains no frames. Export or record it again.")


def _decoded(packet: Any) -> list[Any]:
    """Return the frames that `packet` completes; none if it is damaged."""
    import av

    try:
        return packet.decode()
    except (av.error.FFmpegError, ValueError):
        return []


def _check_complete(container: "InputContainer", video: Any, reading: _Reading, path: Path) -> None:
    """Refuse a file that ends earlier than its header says."""
    import av

    if not _DECLARING_FORMATS & set(container.format.name.split(",")):
        return
    declared = Fraction(container.duration or 0, av.time_base)
    if not reading.timeline.stored:  # AVI: FFmpeg guesses from the size, the header counts
        declared = max(declared, video.frames * video.time_base)
    found = reading.seconds
    if "matroska" in container.format.name:  # its length counts from 0, wherever the film starts
        declared -= max(Fraction(container.start_time or 0, av.time_base), Fraction(0))
    if declared - found > max(_TOLERATED_LOSS, declared / 200):
        raise FilmError(
            f"{quoted(path.name)} is cut off after {float(found):.1f} s: the rest is missing from "
            "the file. Copy or download it again."
        )


def _check_size(path: Path, width: int, height: int, limits: FilmLimits) -> None:
    """Refuse a picture of too many pixels."""
    if max(width, height) > limits.side:
        raise FilmError(
            f"The picture of {quoted(path.name)} has {width} × {height} pixels; the limit is "
            f"{limits.side} for a side. Export it smaller."
        )
    if width * height > limits.pixels:
        raise FilmError(
            f"The picture of {quoted(path.name)} has {width} × {height} pixels; the limit is "
            f"{limits.pixels / 1e6:.1f} million pixels. Export it smaller."
        )


def _check_length(path: Path, seconds: Fraction, limits: FilmLimits) -> None:
    """Refuse a film that lasts too long."""
    if seconds > limits.seconds:
        raise FilmError(
            f"{quoted(path.name)} lasts {_clock(seconds)}; the limit is "
            f"{_clock(Fraction(limits.seconds))}. Choose a shorter film, or a part of it."
        )


def _clock(seconds: Fraction) -> str:
    """Return minutes and seconds as people say them: 630 → "10 min 30 s"."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    spoken = f"{rest / 10:g} s"
    if not minutes:
        return spoken
    return f"{minutes} min {spoken}" if rest else f"{minutes} min"
