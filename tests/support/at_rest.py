"""When a process has done all that it was given to do: all its threads sleep at the same moment.

A program's log comes later than what it did: the daemon writes its lines in a thread of their own, and servers log a request
when its answer is gone. So a test that has seen the one knows nothing of the other, least of all that a line does not come.
But whoever wakes another thread makes it runnable before it goes to sleep itself: when all sleep, nothing is left to be done.
"""

import os
import time
from pathlib import Path

from .waiting import DEFAULT_LIMIT, Deadline, TooLong

ASLEEP = frozenset("STtZX")  # of the states in proc(5); stopped and ended ones do nothing more either


def wait_at_rest(pid: int, deadline: Deadline | None = None) -> None:
    """Returns when the process and all its descendants were at rest, at a moment after the call."""
    deadline = deadline or Deadline(DEFAULT_LIMIT)
    before = _threads(pid)
    while True:
        after = _threads(pid)
        # Each thread slept at two times and never ran between: so all of them slept between the first reading and the second.
        if after == before and all(state in ASLEEP for state, _ in after.values()):
            return
        if deadline.passed():
            raise TooLong(f"process {pid} does not come to rest: {after}")
        before = after
        time.sleep(0.0005)


def _threads(pid: int) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Of each thread: its state, and how often it stopped running."""
    found = {}
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found  # it has ended
    for task in tasks:
        folder = Path(f"/proc/{pid}/task/{task}")
        try:
            status = (folder / "status").read_text()
            children = (folder / "children").read_text().split()
        except OSError:
            continue
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        switches = tuple(count for name, count in fields.items() if name.endswith("ctxt_switches"))
        found[task] = fields["State"][0], switches
        for child in children:
            found |= _threads(int(child))
    return found
