"""One case of a trial, what came of it, and the table at the end."""

import argparse
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from emsync.process.child import fault

_AGAIN_SECONDS = 30.0


class Wrong(AssertionError):
    """What came is not what is promised. The message says in what way."""


class _Late(BaseException):
    """No `Exception`, lest it be taken for a fault of a file by what it interrupts."""


class NotHere(Exception):
    """This machine cannot try it. The message says why."""


@dataclass(frozen=True)
class Trial:
    """One case.

    Attributes:
        name: short, unique among its kind.
        run: tries it in an empty folder, which is removed afterwards. Returns in a few words what
            came; raises `NotHere` or `Wrong`, and whatever else it raises is wrong as well.
        seconds: longer must not pass.
        slow: takes minutes; `make test` leaves it to the command.
    """

    name: str
    run: Callable[[Path], str]
    seconds: float = 60.0
    slow: bool = False


@dataclass(frozen=True)
class Verdict:
    """What came of a trial: `outcome` in a few words; `problem` is empty if that is right, or if
    this machine could not try it."""

    name: str
    outcome: str
    problem: str
    seconds: float
    tried: bool = True


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Raise `Wrong` in what takes longer. Only a main thread can be interrupted, by an alarm."""
    if not hasattr(signal, "setitimer") or threading.current_thread() != threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        where = f" in {Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else ""
        raise _Late(f"it takes longer than the {seconds:g} s that are allowed{where}")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # Again and again, for what Python calls by itself swallows all exceptions.
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Late as late:
        raise Wrong(str(late)) from None
    finally:
        signal.signal(signal.SIGALRM, before)


def judge(trial: Trial, folder: Path) -> Verdict:
    """Try one case in a folder of its own inside `folder`."""
    place = Path(tempfile.mkdtemp(prefix="trial-", dir=folder))
    began = time.monotonic()
    outcome = problem = ""
    tried = True
    try:
        with in_time(trial.seconds):
            outcome = trial.run(place)
    except NotHere as why:
        outcome, tried = str(why), False
    except Wrong as wrong:
        problem = str(wrong)
    except Exception as error:
        problem = fault(error)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    seconds = time.monotonic() - began
    if not problem and seconds > trial.seconds:
        problem = f"it took {seconds:.0f} s, and {trial.seconds:.0f} s are allowed"
    return Verdict(trial.name, outcome, problem, seconds, tried)


def main(kind: str, trials: Sequence[Trial], arguments: Sequence[str] | None = None) -> int:
    """The command line of one kind: try all or some, print a line each and the counts.

    Returns:
        The exit status: 1 if any was wrong.
    """
    parser = argparse.ArgumentParser(prog=f"python -m trials.{kind}")
    parser.add_argument("only", nargs="*", help="names, or parts of them; all if none is given")
    parser.add_argument("--list", action="store_true", help="print the names and try nothing")
    options = parser.parse_args(arguments)
    chosen = [
        one for one in trials if not options.only or any(word in one.name for word in options.only)
    ]
    if options.list or not chosen:
        print("\n".join(one.name for one in chosen) or "No case has such a name.")
        return 0 if chosen else 2
    wrong = tried = 0
    with tempfile.TemporaryDirectory(prefix=f"trials-{kind}-") as folder:
        for trial in chosen:
            verdict = judge(trial, Path(folder))
            wrong += bool(verdict.problem)
            tried += verdict.tried
            mark = "WRONG" if verdict.problem else "right" if verdict.tried else "-----"
            came = verdict.problem or verdict.outcome
            print(f"{mark}  {verdict.seconds:6.1f} s  {verdict.name}: {came}", flush=True)
    missing = len(chosen) - tried
    print(
        f"{kind}: {tried} tried, {tried - wrong} right, {wrong} wrong"
        + (f", {missing} not to be tried here" if missing else "")
    )
    return int(wrong > 0)
