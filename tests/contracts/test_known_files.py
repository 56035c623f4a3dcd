"""Contract of what is known of files without asking the archive."""

from __future__ import annotations

from tests.contracts.test_staged_files import claim, spec, stage
from tests.doubles.world import World
from workers.files.volume import BLOCK
from workers.stores.tape_looks import Look


def test_files_on_the_volume_are_known_by_their_hashes(world: World) -> None:
    stage(world, "a")
    claim(world, world.claimed(2).id, spec("b"))
    known = world.known_files.find(["a", "b", "c"])
    assert (list(known.staged), list(known.on_tape)) == (["a"], [])
    assert (known.staged["a"].size, known.staged["a"].mtime_ns) == (BLOCK, 5)
    assert known.staged["a"].hashes == world.staged_files.find(["a"])["a"].hashes


def test_files_on_tape_are_known_from_their_accepted_recall_until_they_are_answered(world: World) -> None:
    job = world.claimed(1)
    world.recalls.claim(job.id, ["a", "b"], "", {"a": (1 << 40, 7)})
    assert world.known_files.find(["a"]).on_tape == {}, "its recall may have been refused"
    world.recalls.mark_requested(["a", "b"])
    known = world.known_files.find(["a", "b"])
    assert {name: (file.size, file.mtime_ns) for name, file in known.on_tape.items()} == {"a": (1 << 40, 7)}
    world.transaction(lambda: world.looks.record([Look("a", "", size=1, mtime_ns=1)]))
    assert world.known_files.find(["a"]).on_tape == {}


def test_what_a_cart_that_is_gone_has_recalled_is_not_known(world: World) -> None:
    world.recalls.claim(world.claimed(1).id, ["a"], "", {"a": (1, 1)})
    world.recalls.mark_requested(["a"])
    world.transaction(lambda: world.jobs.delete_all(1))
    assert world.known_files.find(["a"]).on_tape == {}
