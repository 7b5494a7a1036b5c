"""Limits of time: nothing in a test waits for ever, and slow builds and busy machines get more time everywhere at once."""

import functools
import os
import time
from pathlib import Path

DEFAULT_LIMIT = 5.0
ROOT = Path(__file__).resolve().parents[2]


class TooLong(AssertionError):
    """Something that had to happen did not happen in time."""


@functools.cache
def binary() -> Path:
    """The daemon under test: KEEPWARM_BIN, else the newest build/*/keepwarm."""
    named = os.environ.get("KEEPWARM_BIN")
    if named:
        return Path(named).resolve()
    built = sorted(ROOT.glob("build/*/keepwarm"), key=lambda path: path.stat().st_mtime)
    if not built:
        raise FileNotFoundError("no keepwarm binary: build one, or name it in KEEPWARM_BIN")
    return built[-1]


@functools.cache
def sanitized() -> bool:
    program = binary().read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


@functools.cache
def slow_factor() -> float:
    named = os.environ.get("KEEPWARM_TEST_SLOW")
    if named:
        return float(named)
    return 4.0 if sanitized() else 1.0


def load_factor() -> float:
    """How many programs want each processor, now or in the last minute: so much longer may things take. At least 1."""
    recent, _, _, running, *_ = Path("/proc/loadavg").read_text().replace("/", " ").split()
    return max(1.0, max(float(recent), int(running)) / (os.cpu_count() or 1))


def scaled(seconds: float) -> float:
    """A limit of `seconds` on a quick machine with nothing else to do, in the time of this one at this moment."""
    return seconds * slow_factor() * load_factor()


class Deadline:
    """A point in time that several steps share."""

    def __init__(self, seconds: float = DEFAULT_LIMIT, exact: bool = False):
        """exact: not scaled, for a look at something that must not happen."""
        self._end = time.monotonic() + (seconds if exact else scaled(seconds))

    def left(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    def passed(self) -> bool:
        return self.left() == 0.0


def eventually(what, limit: float = DEFAULT_LIMIT, message: str = "the condition"):
    """Calls `what` until it returns something true, and returns that. For states without an event, such as /proc."""
    deadline = Deadline(limit)
    while True:
        value = what()
        if value:
            return value
        if deadline.passed():
            raise TooLong(f"{message} did not come true in {scaled(limit)} s; last value {value!r}")
        time.sleep(0.005)
