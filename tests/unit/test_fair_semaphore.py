"""FairSemaphore: a bounded number of slots, first come, first served."""

from __future__ import annotations

import threading
import time

from workers.archive.fair_semaphore import FairSemaphore


def test_it_hands_out_as_many_slots_as_it_has() -> None:
    slots = FairSemaphore(2)
    assert [slots.acquire(), slots.acquire(), slots.acquire(), slots.acquire(0.01)] == [True, True, False, False]
    slots.release()
    assert [slots.acquire(), slots.acquire()] == [True, False]


def test_a_waiting_thread_is_not_overtaken() -> None:
    slots, taken = FairSemaphore(1), threading.Event()
    assert slots.acquire()

    def wait_for_slot() -> None:
        if slots.acquire(10):
            taken.set()

    waiter = threading.Thread(target=wait_for_slot)
    waiter.start()
    time.sleep(0.05)
    slots.release()
    assert not slots.acquire()
    waiter.join()
    assert taken.is_set()


def test_a_waiter_that_timed_out_takes_no_slot() -> None:
    slots = FairSemaphore(1)
    assert slots.acquire()
    assert not slots.acquire(0.01)
    slots.release()
    assert slots.acquire()
