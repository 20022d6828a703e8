"""The process in which a stranger's film is examined (``python -m emsync.film.probe_worker``).

It reads a question from its standard input and writes its answer to its standard output, both JSON:
the film's name and the limits go in; what kind of film it is comes out, or a sentence.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from emsync.errors import FilmError
from emsync.film.examine import examine
from emsync.film.film import to_plain
from emsync.film.probe import OUT_OF_MEMORY
from emsync.process import child
from emsync.settings import FilmLimits


def main() -> None:
    """Examine the film that standard input names; say what it is, or what is wrong with it."""
    answers = child.take_output()
    question = json.load(sys.stdin)
    limits = FilmLimits(**question["limits"])
    child.confine(limits.look_seconds, limits.look_memory)
    try:
        answer: dict[str, Any] = {"film": to_plain(examine(Path(question["path"]), limits))}
    except FilmError as error:
        answer = {"refused": str(error)}
    except MemoryError:
        answer = OUT_OF_MEMORY
    except Exception as error:  # a fault of ours, for the log
        answer = {"failed": child.fault(error)}
    answers.write(json.dumps(answer).encode())
    answers.flush()
    # Libraries that tidy up after a damaged film may fail at it, and the answer is given.
    os._exit(0)


if __name__ == "__main__":
    main()
