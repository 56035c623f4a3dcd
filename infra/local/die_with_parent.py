"""Exec a program that gets SIGTERM when its parent dies: `python die_with_parent.py PARENT_PID program args...`.

Without it, a kill -9 of the supervisor would leave the whole system running. It sets the kernel's parent-death signal
and execs the program. The kernel sends that signal when the *thread* that forked the child exits, so the supervisor
starts its children from its main thread only.

The signal exists on Linux only; elsewhere this just execs the program.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        _set_parent_death_signal()
    if os.getppid() != parent:
        sys.exit("die_with_parent: the parent is gone")  # it died before the signal was set
    os.execv(program[0], program)


def _set_parent_death_signal() -> None:
    import ctypes  # imported only on Linux, because it costs 10 ms

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
