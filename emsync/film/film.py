"""A film that was found readable, and its way through JSON from the process that read it."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from emsync.errors import FilmError
from emsync.text import quoted

_FRACTION = re.compile(r"-?\d{1,40}(/\d{1,40})?")
"""Time stamps have 19 digits."""
MIXED = 0
"""Number that asks for all sound tracks of a film together; they are counted from 1."""

Transfer = Literal["", "pq", "hlg"]
"""How light is stored: as on ordinary screens, or with high dynamic range after SMPTE ST 2084 or
ARIB STD-B67."""


@dataclass(frozen=True)
class SoundTrack:
    """A sound track that decodes.

    Attributes:
        stream: index in the container.
        channels: 1 for mono, 2 for stereo.
        title, language: as the container calls it; empty if it does not.
        default: the container says that players shall take it.
    """

    stream: int
    channels: int
    title: str = ""
    language: str = ""
    default: bool = False


@dataclass(frozen=True)
class Film:
    """A film that was found readable. Times are exact, in seconds.

    It is as long as the longer of its picture and its sound. Where the sound begins before the
    picture or ends after it, the first or the last frame is held.

    Attributes:
        path: the file.
        duration: of the film; that of its picture is `picture_seconds`.
        width, height: display size in square pixels, after rotation and sample aspect ratio.
        rotation: degrees clockwise (0, 90, 180, 270) that a player turns the stored picture.
        frame_rate: average frames per second.
        frame_count: frames of the picture, from its first decodable one.
        start: time stamp of the first frame that decodes, on the container's own clock.
        video_codec: FFmpeg's name, such as "h264".
        pixel_format: FFmpeg's name, such as "yuv420p".
        has_audio: there is a sound track and it decodes.
        variable_frame_rate: frames are not evenly spaced.
        time_base: seconds per tick of the picture's time stamps.
        stored_width, stored_height: size of the stored picture.
        sample_aspect_ratio: width to height of one stored pixel.
        profile: of the codec, such as "High"; empty if there is none.
        video_stream: index of the picture in the container.
        audio_stream: index of the sound in the container; None without `has_audio`.
        audio_channels: 1 for mono, 2 for stereo; 0 without `has_audio`.
        last_frame: time stamp of the last frame minus `origin`; 0 if there is one frame only.
        stated: seconds that the header gives the whole file, with its sound; 0 if it gives none.
        times_stored: the container holds the times at which frames are shown. AVI does not:
            it holds their order only, and the times follow from the frame rate.
        damaged: the container says that frames are not whole, or the file ends within one.
        lead: seconds that the first frame is held because the sound begins before it.
        held: seconds that the last frame is held because the sound ends after it.
        sound_tracks: all that decode, in the order of the container.
        mixed: all sound tracks sound together, not `audio_stream` alone.
        transfer: of high dynamic range; empty for ordinary films.
        interlaced: its frames hold the lines of two moments each.
        has_alpha: pixels say how transparent they are.
        is_spherical: it is to be looked at all around (360°).
        tags: (name, text) of what the container says of the film, such as its title; never a place.
        chapters: how many it has.
        subtitles: indices of the streams of text that an MP4 can hold.
        unkept: what else lies in the container, in words; it has no place in a scored film.
    """

    path: Path
    duration: Fraction
    width: int
    height: int
    rotation: int
    frame_rate: Fraction
    frame_count: int
    start: Fraction
    video_codec: str
    pixel_format: str
    has_audio: bool
    variable_frame_rate: bool
    time_base: Fraction
    stored_width: int
    stored_height: int
    sample_aspect_ratio: Fraction
    profile: str
    video_stream: int
    audio_stream: int | None
    audio_channels: int
    last_frame: Fraction
    stated: Fraction
    times_stored: bool
    damaged: bool
    lead: Fraction = Fraction(0)
    held: Fraction = Fraction(0)
    sound_tracks: tuple[SoundTrack, ...] = ()
    mixed: bool = False
    transfer: Transfer = ""
    interlaced: bool = False
    has_alpha: bool = False
    is_spherical: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    chapters: int = 0
    subtitles: tuple[int, ...] = ()
    unkept: tuple[str, ...] = ()

    @property
    def origin(self) -> Fraction:
        """Where the film begins on the container's own clock."""
        return self.start - self.lead

    @property
    def picture_seconds(self) -> Fraction:
        """End of the last frame minus start of the first."""
        return self.duration - self.lead - self.held

    @property
    def evenly_numbered(self) -> bool:
        """Frame n is shown n / `frame_rate` after the first, whatever decoders guess."""
        return not self.times_stored and not self.variable_frame_rate

    @property
    def holds(self) -> str:
        """A sentence on frames that are held for the sound; empty if there are none."""
        parts = []
        if self.lead:
            parts.append(
                f"begins {float(self.lead):.1f} s before its picture, so the first frame is held"
            )
        if self.held:
            parts.append(
                f"lasts {float(self.held):.1f} s longer than its picture, so the last frame is held"
            )
        return f"The film's sound {', and '.join(parts)}." if parts else ""

    @property
    def sound_choice(self) -> str:
        """A sentence on which of several sound tracks is the film's; empty if there is only one."""
        count = len(self.sound_tracks)
        if count < 2:
            return ""
        if self.mixed:
            return f"All {count} sound tracks of the film are mixed."
        number = [track.stream for track in self.sound_tracks].index(self.audio_stream or 0)
        track = self.sound_tracks[number]
        title = f", {quoted(track.title)}," if track.title else ""
        return (
            f"Of the {count} sound tracks of the film number {number + 1}{title} is used, and the "
            f"{'others are' if count > 2 else 'other is'} left out."
        )


def choose_sound(film: Film, track: int | None) -> Film:
    """Return the film with another of its sound tracks.

    Args:
        film: as it was probed, or with a choice made before.
        track: counted from 1; `MIXED` for all together; None leaves the choice as it is.

    Raises:
        FilmError: it has no track of that number.
    """
    if track is None or not film.sound_tracks:
        return film
    count = len(film.sound_tracks)
    if track > count:
        have = "only one sound track" if count == 1 else f"only {count} sound tracks"
        raise FilmError(f"{quoted(film.path.name)} has {have}, no number {track}.")
    if track == MIXED:
        return replace(film, mixed=count > 1)
    chosen = film.sound_tracks[track - 1]
    return replace(film, audio_stream=chosen.stream, audio_channels=chosen.channels, mixed=False)


def to_plain(film: Film) -> dict[str, Any]:
    """Return a film as values for JSON, without its path."""
    return {one.name: _plain(getattr(film, one.name)) for one in fields(film) if one.name != "path"}


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(part) for name, part in asdict(value).items()}
    return value


def from_plain(plain: Any, path: Path) -> Film:
    """Return the film whose `to_plain` this is, or claims to be.

    Raises:
        KeyError, TypeError, ValueError, ZeroDivisionError: it is no film's.
    """
    values: dict[str, Any] = {"path": path}
    for name, hint in get_type_hints(Film).items():
        if name != "path":
            values[name] = _typed(name, hint, plain[name])
    film = Film(**values)
    if film.sound_tracks and film.audio_stream not in {one.stream for one in film.sound_tracks}:
        raise ValueError("the sound is none of the tracks")
    return film


def _typed(name: str, hint: Any, value: Any) -> Any:
    """Return a value that came through JSON as the type that it must have.

    Raises:
        KeyError, TypeError, ValueError, ZeroDivisionError: it is another.
    """
    wrong = TypeError(f"{name} is of another type")
    if hint is Fraction:
        # Not as it would be read: "1e999999999" is a number that nobody can write out.
        if not isinstance(value, str) or not _FRACTION.fullmatch(value):
            raise TypeError(f"{name} is no fraction")
        return Fraction(value)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise wrong
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise wrong
        kind, *others = get_args(hint)
        kinds: Sequence[Any] = [kind] * len(value) if others == [Ellipsis] else [kind, *others]
        return tuple(_typed(name, one, part) for one, part in zip(kinds, value, strict=True))
    if is_dataclass(hint) and isinstance(hint, type):
        parts = get_type_hints(hint)
        return hint(**{part: _typed(f"{name}.{part}", parts[part], value[part]) for part in parts})
    if not isinstance(hint, type | UnionType) or not isinstance(value, hint):
        raise wrong
    if isinstance(value, bool) and hint is not bool:
        raise wrong
    return value
