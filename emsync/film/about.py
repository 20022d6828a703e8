"""What a container and its first frame say of a film beside its times and sizes."""

from typing import TYPE_CHECKING, Any

from emsync.film.film import Transfer
from emsync.text import one_line

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

_KEPT_TAGS = (
    "title", "artist", "album_artist", "composer", "album", "date", "creation_time", "comment",
    "description", "genre", "copyright", "show",
)  # fmt: skip
"""Of the container; others say where a film was made and with what."""
_TAG_LETTERS = 500
_TEXT_CODECS = {"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"}
"""Subtitles that can be written into an MP4."""
_TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
"""By their numbers in ITU-T H.273."""


def about(container: "InputContainer", frame: "av.VideoFrame") -> dict[str, Any]:
    """Return what belongs to a film, and how its frames are to be shown, by the names in `Film`."""
    return {
        "tags": _tags(container),
        "chapters": len(container.chapters()),
        "subtitles": tuple(_text_streams(container)),
        "unkept": _unkept(container),
        "transfer": _TRANSFERS.get(int(frame.color_trc), ""),
        "interlaced": bool(frame.interlaced_frame),
        "is_spherical": _is_spherical(frame),
        "has_alpha": frame.format.has_palette
        or any(part.is_alpha for part in frame.format.components),
    }


def _is_spherical(frame: Any) -> bool:
    """Return whether a frame says that it is to be looked at all around."""
    return any(data.type.name == "SPHERICAL" for data in frame.side_data)


def _tags(container: "InputContainer") -> tuple[tuple[str, str], ...]:
    """Return those of `_KEPT_TAGS` that the container has."""
    found = {name.lower(): text for name, text in container.metadata.items()}
    return tuple(
        (name, one_line(found[name], _TAG_LETTERS)) for name in _KEPT_TAGS if found.get(name)
    )


def _text_streams(container: "InputContainer") -> list[int]:
    """Return the indices of the subtitles that are text."""
    return [
        stream.index
        for stream in container.streams.subtitles
        if stream.codec_context is not None and stream.codec_context.name in _TEXT_CODECS
    ]


def _unkept(container: "InputContainer") -> tuple[str, ...]:
    """Return what lies in a container and has no place in a scored film, in words."""
    unkept = []
    if any("location" in name.lower() for name in container.metadata):
        unkept.append("the place")
    if len(container.streams.subtitles) > len(_text_streams(container)):
        unkept.append("subtitles that are pictures")
    # The time code, and what cameras add; the data of chapters come back with them.
    if any("timecode" in stream.metadata for stream in container.streams):
        unkept.append("the time code")
    if container.streams.attachments:
        unkept.append("attached files")
    return tuple(unkept)
