"""The command `python -m emsync weights`: what there is, fetch it, where it is."""

import argparse
import sys
from pathlib import Path

from emsync.commands.progress import StatusLine
from emsync.errors import EmsyncError
from emsync.limits import is_offline
from emsync.progress import CancelToken
from emsync.text import listed
from emsync.weights import store as weights
from emsync.weights.download import answers

PATIENCE = 4.0
"""Seconds that `--if-reachable` waits for an answer."""
_PAUSE = 0.1
"""Seconds for which a line of progress stands at least; a byte at a time would flood a terminal."""


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(
        prog="python -m emsync weights",
        description="Pretrained weights of the experts: list and install them. They lie in "
        f"{weights.folder()}, or in the folder EMSYNC_WEIGHTS.",
        epilog="Exit status: 0 done, 1 something could not be done (see the message), 2 wrong "
        "usage, 130 interrupted.",
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser("list", help="all weights: size, licence, whether they are here")
    show.add_argument("names", nargs="*", metavar="NAME", help="of weights or a profile")
    show.add_argument(
        "--files", action="store_true", help="also each file, its address and SHA-256"
    )
    pull = commands.add_parser("pull", help="download weights, or go on with it")
    pull.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="of weights or a profile: "
        + "; ".join(f"{name}, {what}" for name, what in weights.PROFILES.items()),
    )
    pull.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")
    pull.add_argument("--offline", action="store_true", help="download nothing (EMSYNC_OFFLINE=1)")
    pull.add_argument(
        "--if-reachable",
        action="store_true",
        help=f"do nothing if their host does not answer within {PATIENCE:g} s",
    )
    path = commands.add_parser("path", help="the folder of all weights, or of these")
    path.add_argument("name", nargs="?", metavar="NAME")
    add = commands.add_parser("add", help="install weights from files that you have")
    add.add_argument("name", metavar="NAME")
    add.add_argument("source", type=Path, metavar="FOLDER", help="folder with the files, or a file")
    add.add_argument(
        "--other",
        action="store_true",
        help="they are not the published weights but some of the same kind; take them as they are",
    )
    remove = commands.add_parser("remove", help="delete weights from this machine")
    remove.add_argument("name", metavar="NAME")
    return made


def run(arguments: list[str]) -> None:
    """Do what the arguments say.

    Raises:
        EmsyncError: with the sentence to show.
        Cancelled, KeyboardInterrupt: interrupted; what has come is kept.
    """
    options = parser().parse_args(arguments)
    if options.command == "list":
        _list(options)
    elif options.command == "pull":
        _pull(options)
    elif options.command == "path":
        print(weights.find(options.name) if options.name else weights.folder())
    elif options.command == "add":
        print(weights.add(options.name, options.source, other=options.other))
        _tell_pins(options.name)
    else:
        print(f"{options.name}: {size_of(weights.remove(options.name))} freed.", file=sys.stderr)


def size_of(bytes: int) -> str:
    """Return a number of bytes as people say it."""
    if bytes >= 1e9:
        return f"{bytes / 1e9:.2f} GB"
    return f"{bytes / 1e6:.0f} MB" if bytes >= 1e6 else f"{bytes / 1e3:.0f} kB"


def _list(options: argparse.Namespace) -> None:
    """Print what there is, and whether it is here."""
    for name in weights.names_of(*(options.names or ["all"])):
        one, status = weights.REGISTRY[name], weights.status_of(name)
        size = size_of(one.bytes) if one.bytes else "size unknown"
        state = "installed" if status.installed else "not installed"
        if status.origin == "other":
            state += " (other weights than the published ones)"
        elif status.problem and not status.problem.startswith("are not installed"):
            state = f"not usable: they {status.problem}"
        elif status.bytes and not status.installed:
            state += f", {size_of(status.bytes)} fetched"
        if why := weights.unreadable(name):
            state += f", and of no use here: {why}"
        print(f"{name}: {state}")
        print(f"  {one.title}, for {one.purpose}; {one.page}")
        profiles = ", ".join(("all", *one.profiles))
        print(f"  {size}; licence: {one.licence}; profiles: {profiles}")
        if options.files:
            here = {file.path: file for file in weights.installed(name)} if status.installed else {}
            for file in one.files:
                pin = file.sha256 or (here[file.path].sha256 if file.path in here else None)
                print(f"  {file.path}: SHA-256 {pin or 'not known before the first download'}")
                for url in file.urls:
                    print(f"    {url}")


def _pull(options: argparse.Namespace) -> None:
    """Install weights, one after the other; one that fails does not stop the others.

    Raises:
        EmsyncError: some could not be installed; the reasons are on standard error.
    """
    names = weights.names_of(*options.names)
    missing = [name for name in names if not weights.status_of(name).installed]
    offline = options.offline or is_offline()
    if options.if_reachable and missing:
        url = weights.REGISTRY[missing[0]].files[0].urls[0]
        if offline or not answers(url, PATIENCE):
            why = "EMSYNC works offline" if offline else "their host does not answer"
            print(f"{listed(missing)}: not installed, because {why}.", file=sys.stderr)
            print(
                f"Later: python -m emsync weights pull {' '.join(options.names)}", file=sys.stderr
            )
            return
    line = StatusLine(options.quiet, _PAUSE)
    failed = []

    def show(pulling: weights.Pulling) -> None:
        share = f", {size_of(pulling.received)} of {size_of(pulling.total)}"
        line.show(f"{pulling.name}: {pulling.step}", share)

    for name in names:
        problem = None
        try:
            weights.pull(name, show, CancelToken(), offline)
        except EmsyncError as caught:
            problem = caught
        finally:
            line.clear()
        if problem:
            failed.append(name)
            print(f"emsync: {problem}", file=sys.stderr)
        elif not options.quiet:
            _tell_pins(name)
    if failed:
        others = len(names) - len(failed)
        raise EmsyncError(
            f"{listed(failed)} could not be installed; the reasons stand above."
            + (f" The other {others} are installed." if others else "")
        )


def _tell_pins(name: str) -> None:
    """Say that weights are installed, and how sure it is that they are the published ones."""
    status, files = weights.status_of(name), weights.installed(name)
    print(f"{name}: installed, {size_of(status.bytes)}.", file=sys.stderr)
    unsure = [file.path for file in files if file.check in ("first download", "by hand")]
    if unsure and status.origin != "other":
        print(
            f"  No SHA-256 was known of {listed(unsure)}: what came is pinned from now on.",
            file=sys.stderr,
        )
