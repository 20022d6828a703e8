"""Machines break: the cases of `python -m trials.faults`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from trials.faults import CASES


@pytest.mark.trial
@pytest.mark.parametrize("fault", CASES)
def test_a_fault_ends_as_promised(
    fault: Callable[[Path], str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("outcome", fault(tmp_path))


def test_names_tell_cases_apart() -> None:
    assert len({one.id for one in CASES}) == len(CASES)
