"""A film that was found readable, and its way through JSON from the process that read it."""

import re
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, get_type_hints

_FRACTION = re.compile(r"-?\d{1,40}(/\d{1,40})?")
"""Time stamps have 19 digits."""


@dataclass(frozen=True)
class Film:
    """A film that was found readable. Times are exact, in seconds.

    Attributes:
        path: the file.
        duration: of the picture: end of the last frame minus start of the first.
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
        last_frame: time stamp of the last frame minus `start`.
        stated: seconds that the header gives the whole file, with its sound; 0 if it gives none.
        times_stored: the container holds the times at which frames are shown. AVI does not:
            it holds their order only, and the times follow from the frame rate.
        damaged: the container says that frames are not whole, or the file ends within one.
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

    @property
    def evenly_numbered(self) -> bool:
        """Frame n is shown n / `frame_rate` after the first, whatever decoders guess."""
        return not self.times_stored and not self.variable_frame_rate


def to_plain(film: Film) -> dict[str, Any]:
    """Return a film as values for JSON, without its path."""
    plain = {one.name: getattr(film, one.name) for one in fields(film) if one.name != "path"}
    return {
        name: str(value) if isinstance(value, Fraction) else value for name, value in plain.items()
    }


def from_plain(plain: Any, path: Path) -> Film:
    """Return the film whose `to_plain` this is, or claims to be.

    Raises:
        KeyError, TypeError, ValueError, ZeroDivisionError: it is no film's.
    """
    values: dict[str, Any] = {"path": path}
    for name, hint in get_type_hints(Film).items():
        if name == "path":
            continue
        value = plain[name]
        if hint is Fraction:
            # Not as it would be read: "1e999999999" is a number that nobody can write out.
            if not isinstance(value, str) or not _FRACTION.fullmatch(value):
                raise TypeError(f"{name} is no fraction")
            value = Fraction(value)
        elif not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
            raise TypeError(f"{name} is of another type")
        values[name] = value
    return Film(**values)
