"""Cases of trials as pytest runs them, and the command line that each kind has."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1] / "tests"
_LONGEST = 600.0
"""Seconds that a case of `make test-all` may take."""


class Wrong(AssertionError):
    """The result is not what is promised. The message says in what way."""


def case(name: str, tried: Any, seconds: float = 60.0, slow: bool = False) -> Any:
    """Return one case for `pytest.mark.parametrize`.

    Args:
        name: short, unique among its kind; the test's id.
        tried: what the test gets: mostly a function that tries it in an empty folder and returns
            in a few words what came. It calls `pytest.skip` where this machine cannot try it;
            whatever it raises else is wrong.
        seconds: it must not take longer. What may take more than `_LONGEST` is left to the command.
        slow: `make test` leaves it to `make test-all` and to the command.
    """
    # The clock runs for the case alone: what it shares with others may take long to start.
    marks = [pytest.mark.timeout(seconds, func_only=True), *[pytest.mark.slow] * slow]
    marks += [pytest.mark.longest] * (seconds > _LONGEST)
    return pytest.param(tried, id=name, marks=marks)


def main(kind: str, arguments: Sequence[str] | None = None) -> int:
    """Try all cases of one kind or some, and print a line for each and the counts.

    They are the tests marked `trial` in `tests/test_trials_KIND.py`, run with `--thorough`.

    Returns:
        The exit status: 1 if any was wrong, 2 if no case has such a name.
    """
    parser = argparse.ArgumentParser(prog=f"python -m trials.{kind}")
    parser.add_argument("only", nargs="*", help="names, or parts of them; all if none is given")
    parser.add_argument("--list", action="store_true", help="print the names and try nothing")
    options = parser.parse_args(arguments)
    table = _Table(kind, options.only, options.list)
    # pytest's own lines say less about a case; of its output only errors while collecting are left.
    command = ["-qq", "--no-header", "--no-summary", "--tb=no", "--thorough", "-m", "trial"]
    command += ["-o", "addopts=--strict-markers", "-o", "console_output_style=classic"]
    status = pytest.main([*command, str(TESTS / f"test_trials_{kind}.py")], plugins=[table])
    ran = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
    if status not in ran:  # pytest has said why
        return int(status)
    if not table.names:
        print("No case has such a name.")
        return 2
    if options.list:
        return 0
    print(table.counts())
    return int(status != pytest.ExitCode.OK)


class _Table:
    """Chooses cases by parts of their names, and prints what comes of each."""

    def __init__(self, kind: str, only: Sequence[str], list_only: bool) -> None:
        self.names: list[str] = []
        """Of the chosen cases."""
        self._kind, self._only, self._list_only = kind, only, list_only
        self._outcomes = {"right": 0, "WRONG": 0, "-----": 0}
        self._mark = self._words = ""
        self._seconds = 0.0

    def counts(self) -> str:
        """Return the last line: how many were tried, right and wrong."""
        right, wrong, untried = self._outcomes.values()
        return f"{self._kind}: {right + wrong} tried, {right} right, {wrong} wrong" + (
            f", {untried} not to be tried here" if untried else ""
        )

    @pytest.hookimpl(trylast=True)  # pytest's own choice by marks comes first
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the cases whose names have one of the given words; or print the names only."""
        chosen = [
            item
            for item in items
            if not self._only or any(word in _name(item.nodeid) for word in self._only)
        ]
        self.names = [_name(item.nodeid) for item in chosen]
        if self._list_only:
            print(*self.names, sep="\n")
            chosen = []
        items[:] = chosen

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Print why cases cannot even be read."""
        if report.failed:
            print(report.longreprtext)

    def pytest_report_teststatus(self) -> tuple[str, str, str]:
        """Keep pytest from printing a dot."""
        return "", "", ""

    def pytest_runtest_logstart(self) -> None:
        """Begin a case."""
        self._mark, self._words, self._seconds = "right", "", 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what came of setting a case up, of trying it, or of clearing up after it."""
        self._seconds += report.duration
        if report.failed:
            self._mark = "WRONG"
            self._words += report.longreprtext if report.when != "call" else _crash(report)
        elif report.skipped and self._mark != "WRONG":
            self._mark, self._words = "-----", report.longreprtext
        elif report.when == "call":
            self._words = str(dict(report.user_properties).get("outcome", ""))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Print the line of a case."""
        self._outcomes[self._mark] += 1
        line = f"{self._mark}  {self._seconds:6.1f} s  {_name(nodeid)}: {self._words}"
        print(line, flush=True)


def _name(nodeid: str) -> str:
    """Return the id of a parametrised test, which is the name of its case."""
    return nodeid.partition("[")[2].removesuffix("]") or nodeid.rpartition("::")[2]


def _crash(report: pytest.TestReport) -> str:
    """Return the exception that ended a test, without what led to it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    said = crash.message if crash else report.longreprtext
    return str(said).removeprefix(f"{Wrong.__module__}.{Wrong.__name__}: ")
