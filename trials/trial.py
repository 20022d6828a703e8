"""One case of a trial, what came of it, and the table at the end."""

import argparse
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


class Wrong(AssertionError):
    """What came is not what is promised. The message says in what way."""


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


def judge(trial: Trial, folder: Path) -> Verdict:
    """Try one case in a folder of its own inside `folder`."""
    place = Path(tempfile.mkdtemp(prefix="trial-", dir=folder))
    began = time.monotonic()
    outcome = problem = ""
    tried = True
    try:
        outcome = trial.run(place)
    except NotHere as why:
        outcome, tried = str(why), False
    except Wrong as wrong:
        problem = str(wrong)
    except Exception as error:
        (last,) = traceback.extract_tb(error.__traceback__)[-1:]
        where = f"{Path(last.filename).name}:{last.lineno}"
        problem = f"{type(error).__name__} at {where}: {error}"
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
