"""A daemon whose turns of the event loop are measured: the CPU time of the loop's thread, whatever else the machine does."""

import mmap
import struct
from pathlib import Path

from .preload import preloaded


class Turns:
    """Pass `env` to a daemon."""

    def __init__(self, folder: Path):
        path = folder / "turns"
        path.write_bytes(bytes(16))
        with path.open("r+b") as file:
            self._file = mmap.mmap(file.fileno(), 16)
        self.env = {**preloaded("turn_meter", folder), "KEEPWARM_TURNS": str(path)}

    def reset(self) -> None:
        self._file[:] = bytes(16)

    @property
    def worst(self) -> float:
        """Seconds of the longest turn since reset(), or since the start."""
        return struct.unpack("=QQ", self._file[:])[0] / 1e9

    @property
    def count(self) -> int:
        return struct.unpack("=QQ", self._file[:])[1]
