"""Programs as processes: each with a folder, on one CPU, gone when the benchmark is gone."""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROXY_CPU = 0
LOAD_CPU = 1
# What each process may have; some programs make room for all that they may have, so no more than is needed.
DESCRIPTORS = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)


def limit_descriptors() -> None:
    """For us and all that we start."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise FileNotFoundError(f"{name} is not installed; tests/bench/run.sh installs it")
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def on_cpu(cpu: int, command: list[str]) -> list[str]:
    """`command`, bound to a CPU if there are two, and asked to end when we do."""
    pinned = [program("taskset"), "-c", str(cpu)] if (os.cpu_count() or 1) > 1 else []
    return [program("setpriv"), "--pdeathsig", "TERM", *pinned, *command]


def cpu_clock(pid: int) -> int:
    """The CPU time of a process, all threads, in nanoseconds; 0 if it has ended."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # clock_getcpuclockid(3), which Python has for threads only
    except OSError:
        return 0


def proportional_bytes(pid: int) -> int:
    """The memory that the process alone has, and its share of what it has with others (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no Pss in smaps_rollup")


class Program:
    """A running program and its children. The folder is readable by all: some programs give up root and must read it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="keepwarm-bench-"))
        self.folder.chmod(0o777)
        self.process: subprocess.Popen | None = None

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def spawn(self, cpu: int, *command: str, pipe: bool = False) -> None:
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(on_cpu(cpu, [str(word) for word in command]), cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stderr=output,
                                            stdout=subprocess.PIPE if pipe else output)

    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def wait_listening(self, port: int, limit: float = 15) -> None:
        """Until somebody can connect. If that does not come to pass, the program is stopped."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        said = f"{' '.join(map(str, self.process.args))} does not listen:\n{self.output()}"
        self.stop()
        raise RuntimeError(said)

    def pids(self) -> list[int]:
        """The process and its descendants."""
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):  # threads come and go
                    found += [int(child) for child in (task / "children").read_text().split()]
        return found

    def pin(self, cpu: int) -> None:
        """Binds all threads once more: Traffic Server undoes it for its own."""
        if (os.cpu_count() or 1) < 2:
            return
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), {cpu})

    def cpu_nanoseconds(self) -> int:
        return sum(cpu_clock(pid) for pid in self.pids())

    def thread_nanoseconds(self) -> dict[int, int]:
        """The CPU time of each thread that there is."""
        found = {}
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    found[int(task.name)] = int((task / "schedstat").read_text().split()[0])
        return found

    def memory(self) -> int:
        return sum(proportional_bytes(pid) for pid in self.pids())

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            if self.process.stdout:
                self.process.stdout.close()
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.stop()
