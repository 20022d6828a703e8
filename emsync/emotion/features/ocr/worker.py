"""PaddleOCR in a process of its own (``python -m emsync.emotion.features.ocr.worker``).

Pictures come in by standard input, lines of text go out by standard output; see `client`:

    in    4 bytes, big-endian: length of a JPEG; then the JPEG. End of input ends the process.
    out   one line of JSON: first {"ready": true}, or {"missing": "..."} where a library
          is; then for each picture {"lines": [[text, confidence, [left, top, right, bottom]],
          ...]}. {"error": "..."} instead of any.

Why apart: PaddlePaddle brings an OpenMP runtime (libiomp5) other than PyTorch's (libgomp). Together
they gave right results in one process, whichever came first; but that is nothing either of them
promises, and only a process can be stopped in the middle of a picture and gives its memory back.
The pictures are strangers' as well, so it is confined as all that read strangers' bytes.
"""

import json
import struct
import sys
from pathlib import Path
from typing import IO, BinaryIO

from emsync.process.child import confine, take_output

MEMORY = 6_000_000_000
"""Bytes of address space. Measured with two threads on stills of 960 pixels, the largest there are:
1.8 GB; four threads reserve some more."""
FILE_BYTES = 16 << 20
"""Of a file that it may write, in its scratch folder. Ours; its libraries write none of note."""


def serve(
    detection: Path, recognition: Path, threads: int, pictures: BinaryIO, out: IO[bytes]
) -> None:
    """Answer pictures until there are no more.

    Args:
        detection: folder of PP-OCRv5_mobile_det, Paddle's inference format.
        recognition: the same of PP-OCRv5_mobile_rec.
        threads: for the arithmetic.
        pictures: read as said above.
        out: written as said above.
    """

    def say(**message: object) -> None:
        out.write(json.dumps(message).encode() + b"\n")
        out.flush()

    # PaddleX imports these on the way to model hubs that we have no use for. Without them it is
    # there in half the time and two thirds less memory, and PyTorch stays out of this process.
    sys.modules["torch"] = sys.modules["transformers"] = None  # type: ignore[assignment]
    try:
        import cv2
        import numpy as np
        import paddle  # noqa: F401, PaddleOCR does not require it and would miss it late
        from paddleocr import PaddleOCR
    except ImportError as problem:
        say(missing=_first_line(problem))
        return
    try:
        engine = PaddleOCR(
            text_detection_model_name="PP-OCRv5_mobile_det",
            text_detection_model_dir=str(detection),
            text_recognition_model_name="PP-OCRv5_mobile_rec",
            text_recognition_model_dir=str(recognition),
            # Text is looked for in a smaller picture than it is read from: a third less work for
            # stills of 960 pixels, with the same lines found.
            text_det_limit_type="max",
            text_det_limit_side_len=736,
            # In larger batches short lines are padded to the longest: three times slower on an end
            # card, and read less well.
            text_recognition_batch_size=1,
            use_doc_orientation_classify=False,
            use_doc_unwarping=False,
            use_textline_orientation=False,
            enable_mkldnn=False,  # PaddlePaddle 3.3.1 refuses this detection model with it
            cpu_threads=threads,
            device="cpu",
        )
    except Exception as problem:  # a damaged file makes the library raise almost anything
        say(error=_first_line(problem))
        return
    say(ready=True)
    while len(header := pictures.read(4)) == 4:
        jpeg = pictures.read(struct.unpack(">I", header)[0])
        try:
            picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            (found,) = engine.predict(picture)
            rows = zip(found["rec_texts"], found["rec_scores"], found["rec_boxes"], strict=True)
            say(lines=[[text, float(score), [int(x) for x in box]] for text, score, box in rows])
        except Exception as problem:
            say(error=_first_line(problem))


def _first_line(problem: Exception) -> str:
    """Return the kind of an exception and the first line of its text."""
    return f"{type(problem).__name__}: {str(problem).strip().partition(chr(10))[0]}"[:300]


if __name__ == "__main__":
    answers = take_output()
    confine(None, MEMORY, FILE_BYTES)
    serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.stdin.buffer, answers)
