"""A daemon whose machine sleeps, or is restored from a snapshot, when the test says so."""

import mmap
import struct
from pathlib import Path

from .preload import preloaded


class Clocks:
    """Pass `env` to a daemon. What is shifted is seen at its next look at the clock."""

    def __init__(self, folder: Path):
        self._path = folder / "clocks"
        self._path.write_bytes(bytes(24))
        with self._path.open("r+b") as file:
            self._shifts = mmap.mmap(file.fileno(), 24)
        self.env = {**preloaded("clock_shift", folder), "KEEPWARM_CLOCKS": str(self._path)}

    def _shift(self, boottime: float, realtime: float, monotonic: float = 0) -> None:
        before = struct.unpack("=qqq", self._shifts[:])
        added = (round(1e9 * seconds) for seconds in (boottime, realtime, monotonic))
        self._shifts[:] = struct.pack("=qqq", *(old + new for old, new in zip(before, added)))

    def sleep(self, seconds: float) -> None:
        """The machine was suspended for so long."""
        self._shift(seconds, seconds)

    def step(self, seconds: float) -> None:
        """The wall clock was set, as after a snapshot was restored."""
        self._shift(0, seconds)

    def run_on(self, seconds: float) -> None:
        """So much time has passed on a machine that ran. Timers that are due fire when the daemon wakes for something else."""
        self._shift(seconds, seconds, seconds)
