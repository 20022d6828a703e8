"""PaddleOCR in a process of its own (`emsync.emotion.features.ocr.worker`), seen from outside."""

import json
import os
import struct
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from emsync.emotion.features.ocr.cards import Box, Line
from emsync.errors import EmsyncError, WeightsError
from emsync.film.ffmpeg import threads
from emsync.process.child import Child, module_command
from emsync.process.files import PREFIX
from emsync.progress import CancelToken
from emsync.text import one_line
from emsync.weights import store as weights

MODELS = ("ocr-detection", "ocr-recognition")
"""Names of the weights that it reads with."""
START_SECONDS = 180.0
"""That it may take to load its models; it takes 4 to 5 on one core."""
PICTURE_SECONDS = 120.0
"""That it may take to read a picture; it takes half a second, or one and a half with much text."""

_LOOK_SECONDS = 0.1


class TextReader:
    """Reads the text in pictures, in a process that knows nothing of the app.

    The process ends with `stop`, with whoever started it, and with a reading that is cancelled or
    takes too long.
    """

    def __init__(self, detection: Path, recognition: Path) -> None:
        """Start the process and wait until its models are loaded.

        Args:
            detection: folder of the weights that find lines.
            recognition: folder of the weights that read them.

        Raises:
            WeightsError: they cannot be used.
            EmsyncError: a library is missing, or the process ends or does not answer.
        """
        self._scratch = tempfile.TemporaryDirectory(
            prefix=f"{PREFIX}{os.getpid()}-ocr-", ignore_cleanup_errors=True
        )
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, closed by stop
        import matplotlib

        count = str(threads())
        self._child = Child(
            [
                *module_command("emsync.emotion.features.ocr.worker"),
                *(str(detection), str(recognition), count),
            ],
            variables={
                # PaddlePaddle and PaddleX make folders at home, and PaddleX asks all model hubs
                # whether they are there.
                "HOME": self._scratch.name,
                "PADDLE_PDX_CACHE_HOME": self._scratch.name,
                "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True",
                "HF_HUB_OFFLINE": "1",
                # PaddleX imports Matplotlib, which takes seconds to list the fonts of this machine.
                "MPLCONFIGDIR": matplotlib.get_cachedir(),
                "OMP_NUM_THREADS": count,
            },
            stderr=self._errors,
        )
        try:
            answer = self._answer(START_SECONDS, CancelToken())
            if "missing" in answer:
                why = weights.unreadable(MODELS[0])
                raise EmsyncError(
                    f"PaddleOCR cannot be loaded ({one_line(str(answer['missing']))}). "
                    + (f"{why}." if why else "Install what requirements.txt lists.")
                )
            if "ready" not in answer:
                raise WeightsError(
                    f"The weights {' and '.join(MODELS)} in {detection.parent} cannot be used "
                    f"({one_line(str(answer.get('error')), 300)}). Install them again: "
                    f"python -m emsync weights pull {' '.join(MODELS)}"
                )
        except BaseException:
            self.stop()
            raise

    @property
    def running(self) -> bool:
        """Whether the process is there to answer."""
        return self._child.is_running

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""
        return self._child.process.pid

    def read(self, jpeg: bytes, cancel: CancelToken) -> tuple[Line, ...]:
        """Return all lines in a picture, in no order, however uncertain.

        Raises:
            Cancelled: the request was cancelled; the process is gone then.
            EmsyncError: the picture cannot be read, or the process ended or does not answer.
        """
        self._child.send(struct.pack(">I", len(jpeg)) + jpeg)
        try:
            answer = self._answer(PICTURE_SECONDS, cancel)
        except BaseException:
            self.stop()
            raise
        if "error" in answer:
            raise EmsyncError(
                f"a picture could not be read ({one_line(str(answer['error']), 300)})."
            )
        with suppress(KeyError, TypeError, ValueError):
            return tuple(_line(*row) for row in answer["lines"])
        self.stop()
        raise EmsyncError("the text reader gave an answer that is none, and was stopped.")

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._child.end()
        self._errors.close()
        self._scratch.cleanup()

    def _answer(self, seconds: float, cancel: CancelToken) -> dict[str, Any]:
        """Wait for the next answer.

        Raises:
            Cancelled: by `cancel`.
            EmsyncError: the process has ended, or does not answer in time, or not in JSON.
        """
        deadline = time.monotonic() + seconds
        while True:
            line = self._child.read_line(_LOOK_SECONDS)
            if line is None:
                cancel.check()
                if time.monotonic() > deadline:
                    raise EmsyncError(
                        f"the text reader did not answer for {seconds:.0f} s and was stopped. "
                        "Try again when this machine has less to do."
                    )
                continue
            if not line:
                raise EmsyncError(self._obituary())
            with suppress(ValueError, RecursionError):
                answer = json.loads(line)
                if isinstance(answer, dict):
                    return answer
            raise EmsyncError("the text reader gave an answer that is none, and was stopped.")

    def _obituary(self) -> str:
        """Return a sentence about a process that ended by itself."""
        self._child.wait(_LOOK_SECONDS)
        self._child.end()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return (
            f"the text reader ended unexpectedly (exit {self._child.process.returncode}"
            f"{': ' + one_line(said[-1]) if said else ''}). Try again; if it keeps happening, "
            "this machine may have too little memory."
        )


def _line(text: object, confidence: float, box: Sequence[int]) -> Line:
    """Return a line as the worker describes it; raises ValueError or TypeError if it is none."""
    left, top, right, bottom = (int(value) for value in box)
    found: Box = (left, top, right, bottom)
    return Line(str(text), float(confidence), found)
