"""Places for requests: bounded, and in turn."""

from __future__ import annotations

import threading
import time

from workers.archive.fair_semaphore import FairSemaphore


def test_there_are_as_many_as_were_made() -> None:
    slots = FairSemaphore(2)
    assert [slots.take(), slots.take(), slots.take(), slots.take(0.01)] == [True, True, False, False]
    slots.give_back()
    assert [slots.take(), slots.take()] == [True, False]


def test_nobody_is_overtaken_by_who_gives_back_and_takes_again() -> None:
    slots, had = FairSemaphore(1), threading.Event()
    assert slots.take()

    def wait_for_one() -> None:
        if slots.take(10):
            had.set()

    waiting = threading.Thread(target=wait_for_one)
    waiting.start()
    time.sleep(0.05)
    slots.give_back()
    assert not slots.take()
    waiting.join()
    assert had.is_set()


def test_who_gave_up_waiting_takes_no_place() -> None:
    slots = FairSemaphore(1)
    assert slots.take()
    assert not slots.take(0.01)
    slots.give_back()
    assert slots.take()
