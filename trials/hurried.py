"""The app, whose hour is short: `python -m trials.hurried SECONDS`.

What it keeps goes after these seconds instead of an hour, and it looks for that every two seconds;
everything else is as in `app.py`. Otherwise a trial would have to wait for the hour to see what is
left after it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import app
from emsync.process import files

_SWEEP_SECONDS = 2


def main(seconds: int) -> None:
    """Serve the page until told to stop."""
    standard_folder = files.process_folder

    @contextmanager
    def hurried_folder() -> Iterator[Path]:
        """Hurry the app where it makes its folder."""
        # Nothing of the app is imported yet, and Gradio reads the folder's name when it is.
        with standard_folder() as root:
            os.environ["GRADIO_TEMP_DIR"] = str(root)
            _hurry(seconds)
            yield root

    files.process_folder = hurried_folder
    app.main()


def _hurry(seconds: int) -> None:
    from emsync.interface import records, studio

    records.KEEP_SECONDS = seconds
    studio.SWEEP_SECONDS = _SWEEP_SECONDS


if __name__ == "__main__":
    main(int(sys.argv[1]))
