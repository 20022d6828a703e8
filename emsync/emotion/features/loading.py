"""Loading models without noise on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager


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
