"""Loading models without noise on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing progress bars in the `with` block: ours is on the page.

    Models are prepared one at a time (`emsync.emotion.features.panel`), so nobody else is silenced.
    """
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def from_folder(kind: Any, folder: Path, device: str) -> tuple[Any, dict[str, Any]]:
    """Load a model of transformers from files on this machine, half precision on a GPU.

    Args:
        kind: the model's class.
        folder: of its files.
        device: "cpu" or "cuda".

    Returns:
        The model, still on the CPU, and what transformers says of the loading: the library fills
        what it does not find with random numbers and goes on, so look at "missing_keys".
    """
    import torch

    model, loaded = kind.from_pretrained(
        folder,
        local_files_only=True,
        dtype=torch.float16 if device == "cuda" else torch.float32,
        output_loading_info=True,
    )
    return model, loaded
