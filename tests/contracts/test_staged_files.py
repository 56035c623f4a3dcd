"""Contract of the staged files and the space account: pins and charges add up, and the least recently used go first."""

from __future__ import annotations

from functools import partial
from typing import cast

import pytest

from chalicelib.db.states import FileState
from chalicelib.stores.space_account import SpaceAccount
from tests.contracts.test_windows import TAKEN, insert, window
from tests.doubles.world import LEASE, World
from workers.files import crc64nvme
from workers.files.file_spec import FileSpec
from workers.files.names import name_of
from workers.files.volume import BLOCK
from workers.stores.staged_files import StagedFile

CRC = crc64nvme.to_hex(1)


def test_a_claimed_file_is_pulled_by_its_job_and_charged(world: World) -> None:
    job = world.claimed(1)
    claim(world, job.id, spec("a", BLOCK + 1))
    assert find(world, "a") == StagedFile("a", FileState.PULLING, job.id, BLOCK + 1, 5, {}, 1)
    assert totals(world) == (2 * BLOCK, 0)
    assert world.staged_files.find(["unknown"]) == {}


def test_a_puller_that_lost_its_lease_is_none(world: World) -> None:
    job = world.claimed(1)
    claim(world, job.id, spec("a"))
    world.advance(LEASE + 1)
    assert find(world, "a").puller == 0


def test_a_file_that_is_claimed_again_is_charged_once_and_keeps_its_pins(world: World) -> None:
    first, second = world.claimed(1), world.claimed(2)
    claim(world, first.id, spec("a", BLOCK))
    claim(world, second.id, spec("a", 3 * BLOCK), pins=0)
    assert (find(world, "a").puller, find(world, "a").size, find(world, "a").pins) == (second.id, 3 * BLOCK, 1)
    assert totals(world) == (3 * BLOCK, 0)
    claim(world, second.id, spec("a", 2 * BLOCK), pins=1)
    assert find(world, "a").pins == 2
    assert totals(world) == (2 * BLOCK, 0)


def test_a_recorded_file_is_staged_with_its_hashes_and_keeps_its_pins(world: World) -> None:
    stage(world, "a")
    assert find(world, "a") == StagedFile("a", FileState.STAGED, 0, BLOCK, 5, {crc64nvme.NAME: CRC}, 1)
    assert totals(world) == (BLOCK, BLOCK)


def test_a_staged_file_that_is_pulled_again_has_no_hashes_and_is_not_staged(world: World) -> None:
    stage(world, "a")
    claim(world, world.claimed(2).id, spec("a"), pins=0)
    assert (find(world, "a").state, find(world, "a").hashes, find(world, "a").pins) == (FileState.PULLING, {}, 1)
    assert totals(world) == (BLOCK, 0)


def test_pins_add_up_and_never_fall_below_zero(world: World) -> None:
    stage(world, "a", "b")
    world.transaction(lambda: world.staged_files.pin(["a", "unknown"]))
    assert (find(world, "a").pins, find(world, "b").pins) == (2, 1)
    for _ in range(3):
        unpin(world, "a", "unknown")
    assert (find(world, "a").pins, find(world, "b").pins) == (0, 1)


def test_files_are_handed_over_by_the_job_that_pulls_them(world: World) -> None:
    job, helper, stranger = world.claimed(1), world.claimed(1), world.claimed(2)
    claim(world, job.id, spec("a"))
    claim(world, stranger.id, spec("b"))
    stage(world, "c", job_id=job.id)
    world.transaction(lambda: world.staged_files.hand_over(job.id, helper.id, ["a", "b", "c"]))
    assert [find(world, name).puller for name in "abc"] == [helper.id, stranger.id, 0]


def test_hashes_of_the_same_bytes_are_added_and_of_other_bytes_replaced(world: World) -> None:
    stage(world, "a")
    add_hashes(world, spec("a"), {"md5": "1", crc64nvme.NAME: CRC})
    add_hashes(world, spec("a"), {"sha1": "2", crc64nvme.NAME: CRC})
    assert find(world, "a").hashes == {"md5": "1", "sha1": "2", crc64nvme.NAME: CRC}
    add_hashes(world, spec("a"), {"sha1": "3", crc64nvme.NAME: crc64nvme.to_hex(9)})
    assert find(world, "a").hashes == {"sha1": "3", crc64nvme.NAME: crc64nvme.to_hex(9)}


def test_hashes_of_another_version_of_a_file_are_not_added(world: World) -> None:
    stage(world, "a")
    add_hashes(world, spec("a", BLOCK + 1), {"md5": "1", crc64nvme.NAME: CRC})
    add_hashes(world, FileSpec("a", BLOCK, 6, ()), {"md5": "1", crc64nvme.NAME: CRC})
    assert find(world, "a").hashes == {crc64nvme.NAME: CRC}
    world.transaction(lambda: world.staged_files.add_hashes([]))


def test_states_are_listed_by_the_first_digits_of_the_name(world: World) -> None:
    stage(world, "a")
    claim(world, world.claimed(2).id, spec("b"))
    assert world.staged_files.states_by_name(name_of("a")[:2]) == {name_of("a"): FileState.STAGED}
    assert world.staged_files.states_by_name(name_of("b")[:2]) == {name_of("b"): FileState.PULLING}


def test_rows_of_missing_files_go_unless_their_state_has_changed_or_they_are_pinned(world: World) -> None:
    stage(world, "missing", "changed", "pinned")
    unpin(world, "missing", "changed")
    seen = {name_of(name): str(FileState.STAGED) for name in ("missing", "pinned")}
    seen[name_of("changed")] = FileState.PULLING
    world.transaction(lambda: world.staged_files.delete_missing(seen))
    assert set(world.staged_files.find(["missing", "changed", "pinned"])) == {"changed", "pinned"}
    assert totals(world) == (2 * BLOCK, 2 * BLOCK)


def test_the_account_names_the_oldest_cart_that_waits_for_space(world: World) -> None:
    assert world.transaction(world.account.lock).waiting_cart is None
    for cart_id in (7, 3):
        insert(world, cart_id, window(0, TAKEN))
        world.transaction(partial(world.windows.wait_for_space, cart_id, 0, 1))
    assert world.transaction(world.account.lock) == SpaceAccount(0, 0, 3)


def test_charges_are_sums_of_both_signs(world: World) -> None:
    def write() -> None:
        for used, staged in ((100, 0), (0, 60), (-30, -20)):
            world.account.charge(used, staged)

    world.transaction(write)
    assert totals(world) == (70, 40)


def test_a_transaction_that_raises_changes_neither_files_nor_account(world: World) -> None:
    def work() -> None:
        world.staged_files.claim(1, [spec("a")], {}, 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.transaction(work)
    assert world.staged_files.find(["a"]) == {}
    assert totals(world) == (0, 0)


def test_directories_come_round_in_turn(world: World) -> None:
    assert world.account.next_directories(3, 4) == [0, 1, 2]
    assert world.account.next_directories(3, 4) == [3, 0, 1]


def spec(archive_id: str, size: int = BLOCK) -> FileSpec:
    return FileSpec(archive_id, size, 5, ())


def claim(world: World, job_id: int, *specs: FileSpec, pins: int = 1) -> None:
    found = world.staged_files.find(spec.archive_id for spec in specs)
    world.transaction(lambda: world.staged_files.claim(job_id, specs, found, pins))


def stage(world: World, *names: str, job_id: int = 1) -> None:
    """Files of one block each, staged and pinned once."""
    claim(world, job_id, *[spec(name) for name in names])
    files = [(spec(name), {crc64nvme.NAME: CRC}) for name in names]
    world.transaction(lambda: world.staged_files.record_staged(files))


def unpin(world: World, *names: str) -> None:
    world.transaction(lambda: world.staged_files.unpin(names))


def find(world: World, name: str) -> StagedFile:
    return world.staged_files.find([name])[name]


def add_hashes(world: World, file: FileSpec, hashes: dict[str, str]) -> None:
    world.transaction(lambda: world.staged_files.add_hashes([(file, hashes)]))


def totals(world: World) -> tuple[int, int]:
    account = cast(SpaceAccount, world.transaction(world.account.lock))
    return account.used, account.staged
