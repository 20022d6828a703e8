"""What a visitor sends is handed on as it came."""

from typing import TypeVar

from gradio.components.base import Component
from gradio.data_classes import FileData

_Input = TypeVar("_Input", bound=Component)


def as_it_came(part: _Input) -> _Input:
    """The same input, whose handlers get the path of what was uploaded and nothing else.

    Gradio's own files leave an empty file and its descriptor behind at every call. Its camera has
    FFmpeg mirror a film and take its sound away, whatever was uploaded in its place: without a
    limit, and out of reach of whoever cancels.
    """
    part.preprocess = _path_of  # type: ignore[method-assign]
    return part


def _path_of(payload: FileData | None) -> str | None:
    return None if payload is None else payload.path
