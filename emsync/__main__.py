"""The command line: `python -m emsync film.mp4 -o scored.mp4`, and the commands batch, weights."""

import errno
import signal
import sys

from emsync.errors import Cancelled, EmsyncError

INTERRUPTED = 130
"""Exit status, as shells give it for Ctrl-C."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print("emsync: The disk is full. Make room and try again.", file=sys.stderr)
        return 1
    except (Cancelled, KeyboardInterrupt):
        print("emsync: interrupted.", file=sys.stderr)
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    """Run the command that the first word names; return the exit status."""
    # Each command imports what it needs and no more: none of them is to be slow in saying --help.
    match arguments[:1]:  # films of these names are ./weights and ./batch
        case ["weights"]:
            from emsync.commands import weights

            weights.run(arguments[1:])
            return 0
        case ["batch"]:
            from emsync.commands.options import batch_parser, read_options

            options, standard, _ = read_options(batch_parser, arguments[1:])
            from emsync.commands import batch

            return batch.run(options, standard)
        case _:
            from emsync.commands.options import parser, read_options

            asked = read_options(parser, arguments)
            from emsync.commands import score

            score.run(*asked)
            return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for name in ("SIGTERM", "SIGHUP"):  # they tidy up as Ctrl-C does; Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    sys.exit(main())
