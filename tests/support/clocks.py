"""A daemon whose machine sleeps, or is restored from a snapshot, when the test says so."""

import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

from .waiting import sanitized

SOURCE = Path(__file__).with_name("clock_shift.c")


class Clocks:
    """Pass `env` to a daemon. What is shifted is seen at its next look at the clock."""

    def __init__(self, folder: Path):
        library, self._path = folder / "clock_shift.so", folder / "clocks"
        compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        self._path.write_bytes(bytes(24))
        with self._path.open("r+b") as file:
            self._shifts = mmap.mmap(file.fileno(), 24)
        self.env = {"LD_PRELOAD": str(library), "KEEPWARM_CLOCKS": str(self._path)}
        if sanitized():
            self.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"

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
