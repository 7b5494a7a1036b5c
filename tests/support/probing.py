"""`keepwarm probe` as a process, and what it prints, taken apart."""

import os
import re
import select
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

from .daemon import config_text
from .waiting import TooLong, binary, scaled

LIMIT = 30.0
CLOSED = re.compile(r"^  idle +closed by the server after ([\d.]+ m?s)(?: to ([\d.]+ m?s))? \((\d) connections?, by (.*)\)$", re.M)


def seconds(text: str) -> float:
    """"600 ms", "5.0 s", "600ms", "5s"."""
    number, unit = re.fullmatch(r"([\d.]+) ?(ms|s|m)", text).groups()
    return float(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


class Probe:
    """A running probe. With `pty`, the descriptor of a terminal, its progress goes there."""

    def __init__(self, folder: Path, url: str, *arguments: str, config: dict | None = None, pty: int | None = None):
        self.config_file = folder / "probe.toml"
        self.config_file.write_text(config_text(config or {}))
        guard = [shutil.which("setpriv") or "/usr/bin/setpriv", "--pdeathsig", "KILL"]
        command = [*guard, str(binary()), "probe", url, "--config", str(self.config_file), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.PIPE if pty is None else pty)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self) -> "Report":
        ended = os.pidfd_open(self.pid)
        try:
            if not select.select([ended], [], [], scaled(LIMIT))[0]:
                self.process.kill()
                raise TooLong(f"the probe does not end: {self.process.communicate()}")
        finally:
            os.close(ended)
        # Until somebody asks for its exit code, the kernel knows how long it ran and how long it waited for a processor.
        ran, waited, _ = Path(f"/proc/{self.pid}/schedstat").read_text().split()
        out, err = self.process.communicate()
        return Report(self.process.returncode, out, err or "", (int(ran) + int(waited)) / 1e9)


class Report:
    """`late`: by so many seconds at most the probe saw anything later than it came."""

    def __init__(self, code: int, out: str, err: str, late: float):
        self.code = code
        self.late = late
        self.out = out
        self.err = err
        print(out, err, f"late {late} s", sep="\n")  # for the reader of a failure
        assert "Sanitizer" not in err and "runtime error" not in err

    def row(self, name: str) -> str:
        """What stands behind the name; "" if it is not there."""
        found = re.search(rf"^  {re.escape(name)} +(.*)$", self.out, re.M)
        return found[1] if found else ""

    @property
    def closed(self) -> tuple[float, float, int, str]:
        """Least and greatest age in seconds, the number of connections, by what."""
        found = CLOSED.search(self.out)
        assert found, f"no idle close is told:\n{self.out}{self.err}"
        return seconds(found[1]), seconds(found[2] or found[1]), int(found[3]), found[4]

    @property
    def pasted(self) -> str:
        """The table to paste; "" if there is none."""
        start = re.search(r"^(#.*\n)?\[host\.", self.out, re.M)
        return self.out[start.start():] if start else ""

    @property
    def keys(self) -> dict:
        """The keys of the table, which must be the only one."""
        hosts = tomllib.loads(self.pasted).get("host", {})
        assert len(hosts) <= 1
        return next(iter(hosts.values()), {})
