"""What a visitor sends: taken in with bounds, and handed on as it came."""

import asyncio
import errno
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from gradio.components.base import Component
from gradio.data_classes import FileData
from gradio.route_utils import GradioMultiPartParser, GradioUploadFile
from gradio.routes import file_upload_statuses
from gradio_client.utils import strip_invalid_filename_characters
from starlette.formparsers import MultiPartException
from starlette.requests import Request

_Input = TypeVar("_Input", bound=Component)

_MOST_FIELDS = 4
"""Beside the file; the page sends none."""
_MOST_FIELD = 1_000
"""Bytes."""
_LONGEST_NAME = 64
"""Of an upload, by which the page asks how far it is."""
_REMEMBERED_SECONDS = 60.0


async def receive_upload(request: Request, folder: Path, most_bytes: int) -> Path:
    """Write the one file of a message into a folder of its own.

    Gradio's route for it keeps what is no file in memory, however large, opens a thousand files
    at once, and leaves half a file behind when the disk is full (6.31).

    Args:
        request: ``multipart/form-data``; ``?upload_id=`` names it for who watches how far it is.
        folder: of all uploads.
        most_bytes: of the file.

    Returns:
        ``folder/<SHA-256 of the content>/<the name that it came with>``.

    Raises:
        MultiPartException: it is no such message, or larger, or was broken off.
        OSError: it could not be written. Nothing is left of it then, whatever was raised.
    """
    name = request.query_params.get("upload_id", "")[:_LONGEST_NAME]
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise MultiPartException("A file has to be sent as multipart/form-data.")
    folder.mkdir(exist_ok=True)
    parser = _OneFile(
        request.headers,
        request.stream(),
        max_files=1,
        max_fields=_MOST_FIELDS,
        upload_dir=folder,
        upload_id=name or None,
        upload_progress=file_upload_statuses if name else None,
        max_file_size=most_bytes,
    )
    try:
        file = next(iter((await parser.parse()).getlist("files")), None)
        if not isinstance(file, GradioUploadFile):
            raise MultiPartException("There is no file in this message.")
        return _named(file, folder)
    except BaseException:
        parser.discard()
        raise
    finally:
        if name:
            file_upload_statuses.set_done(name)
            # Gradio forgets it only when somebody asks how far it is, and then not all of it.
            asyncio.get_running_loop().call_later(_REMEMBERED_SECONDS, _forget, name)


def is_full(error: OSError) -> bool:
    """Return whether an error says that the disk is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def as_it_came(part: _Input) -> _Input:
    """Return the same input, but its events get the path of what was uploaded and nothing else.

    Gradio's own files leave an empty file and its descriptor behind at every call.
    """
    part.preprocess = _path_of  # type: ignore[method-assign]
    return part


class _OneFile(GradioMultiPartParser):
    """Gradio's parser with a bound on what is no file, and a way to leave nothing behind."""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is not None:
            super().on_part_data(data, start, end)
            return
        if len(part.data) + end - start > _MOST_FIELD:
            raise MultiPartException("Beside the file too much was sent.")
        part.data += data[start:end]

    def discard(self) -> None:
        """Remove what was written so far."""
        for file in self._files_to_close_on_error:
            with suppress(OSError):  # closing writes what is left, and the disk may be full
                file.close()
            Path(file.name).unlink(missing_ok=True)


def _named(file: GradioUploadFile, folder: Path) -> Path:
    name = strip_invalid_filename_characters(Path(file.filename or "").name)
    if name in ("", ".", ".."):
        name = f"upload-{secrets.token_hex(5)}"
    file.file.close()
    upload = folder / file.sha.hexdigest() / name
    upload.parent.mkdir(exist_ok=True)
    try:
        Path(file.file.name).replace(upload)
    except FileNotFoundError:  # the same was here before, and was swept away just now
        upload.parent.mkdir(exist_ok=True)
        Path(file.file.name).replace(upload)
    return upload


def _forget(name: str) -> None:
    file_upload_statuses.stop_tracking(name)
    file_upload_statuses._signals.pop(name, None)


def _path_of(payload: FileData | None) -> str | None:
    return None if payload is None else payload.path
