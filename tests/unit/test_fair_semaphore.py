"""FairSemaphore: a bounded number of slots, first come, first served."""

from __future__ import annotations

import threading
import time

from workers.archive.fair_semaphore import FairSemaphore


def test_it_hands_out_as_many_slots_as_it_has() -> None:
    slots = FairSemaphore(2)
    assert [slots.take(), slots.take(), slots.take(), slots.take(0.01)] == [True, True, False, False]
    slots.give_back()
    assert [slots.take(), slots.take()] == [True, False]


def test_a_waiting_thread_is_not_overtaken() -> None:
    slots, taken = FairSemaphore(1), threading.Event()
    assert slots.take()

    def wait_for_slot() -> None:
        if slots.take(10):
            taken.set()

    waiter = threading.Thread(target=wait_for_slot)
    waiter.start()
    time.sleep(0.05)
    slots.give_back()
    assert not slots.take()
    waiter.join()
    assert taken.is_set()


def test_a_waiter_that_timed_out_takes_no_slot() -> None:
    slots = FairSemaphore(1)
    assert slots.take()
    assert not slots.take(0.01)
    slots.give_back()
    assert slots.take()
