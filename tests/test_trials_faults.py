"""Machines break: the quick cases of `python -m trials.faults`; the slow ones are the command's."""

from pathlib import Path

import pytest

from trials.faults import TRIALS
from trials.trial import Trial, judge

QUICK = [one for one in TRIALS if not one.slow]


@pytest.mark.parametrize("trial", QUICK, ids=[one.name for one in QUICK])
def test_a_fault_ends_as_promised(trial: Trial, tmp_path: Path) -> None:
    verdict = judge(trial, tmp_path)
    if not verdict.tried:
        pytest.skip(verdict.outcome)
    assert not verdict.problem, verdict.problem


def test_names_tell_cases_apart() -> None:
    assert len({one.name for one in TRIALS}) == len(TRIALS)
