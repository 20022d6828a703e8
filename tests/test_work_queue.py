"""Waiting for one's turn."""

import threading

import pytest
from browsing import wait_for

from emsync.errors import Cancelled, EmsyncError
from emsync.interface.work_queue import MOST_WAITING, WorkQueue
from emsync.progress import CancelToken


def test_the_queue_keeps_its_order_and_has_an_end() -> None:
    queue = WorkQueue()
    told: list[tuple[int, int]] = []
    first, cancel = CancelToken(), CancelToken()
    served: list[int] = []
    with queue.turn(first, lambda _: None):

        def wait(number: int) -> None:
            with queue.turn(cancel, lambda ahead: told.append((number, ahead))):
                served.append(number)

        waiting = []
        for number in range(MOST_WAITING):
            waiting.append(threading.Thread(target=wait, args=(number,)))
            waiting[-1].start()
            expected = number + 2
            wait_for(lambda: len(queue) == expected, 5)  # noqa: B023 (called at once)
        assert (0, 1) in told and (2, 3) in told
        with (
            pytest.raises(EmsyncError, match="Many people"),
            queue.turn(cancel, lambda _: None),
        ):
            pytest.fail("there was no room")
    for thread in waiting:
        thread.join(5)
    assert served == list(range(MOST_WAITING))
    assert len(queue) == 0


def test_a_queue_with_two_places_serves_two() -> None:
    queue = WorkQueue(places=2)
    with (
        queue.turn(CancelToken(), lambda _: None),
        queue.turn(CancelToken(), lambda _: None),
    ):
        leave = CancelToken()
        leave.cancel()
        with pytest.raises(Cancelled), queue.turn(leave, lambda _: None):
            pytest.fail("there was no place")
