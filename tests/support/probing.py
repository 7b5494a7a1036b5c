"""`keepwarm probe` as a process, and what it prints, taken apart."""

import re
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

from .daemon import config_text
from .waiting import binary, scaled

LIMIT = 30.0
CLOSED = re.compile(r"^  idle +closed by the server after ([\d.]+ m?s)(?: to ([\d.]+ m?s))? \((\d) connections?, by (.*)\)$", re.M)


def seconds(text: str) -> float:
    """"600 ms", "5.0 s"."""
    number, unit = text.split()
    return float(number) / (1000 if unit == "ms" else 1)


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

    def end(self) -> "Report":
        try:
            out, err = self.process.communicate(timeout=scaled(LIMIT))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return Report(self.process.returncode, out, err or "")


class Report:
    def __init__(self, code: int, out: str, err: str):
        self.code = code
        self.out = out
        self.err = err
        print(out, err, sep="\n")  # for the reader of a failure
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
