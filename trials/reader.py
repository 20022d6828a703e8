"""Reads files that were damaged, one after the other, for `trials.fuzz`; may die of them.

``python -m trials.reader film`` or ``midi``: each line of standard input is a path, and a line of
JSON says what came of it. It imports what the app's own readers import, and little more.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from emsync.errors import EmsyncError
from emsync.process import child
from emsync.settings import FilmLimits

_SECONDS = 600
"""Of the processor, for many files."""


def _read(kind: str, path: Path) -> dict[str, Any]:
    if kind == "film":
        from emsync.film.examine import examine
        from emsync.film.film import to_plain

        return {"film": to_plain(examine(path, FilmLimits()))}
    from emsync.music.primer import primer_of

    return {"notes": len(primer_of(path, 15.0).notes)}


def main(kind: str) -> None:
    """Read until there is nothing more."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    child.confine(_SECONDS, FilmLimits().look_memory)
    signal.alarm(0)
    for line in sys.stdin:
        try:
            answer = _read(kind, Path(line.rstrip("\n")))
        except EmsyncError as error:
            answer = {"refused": str(error)}
        except MemoryError:
            answer = {"refused": "It needs too much memory."}
        except Exception as error:
            answer = {"failed": child.fault(error)}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1])
