"""Our own network and name service, if tests/bench/run.sh could get us namespaces: then hosts can have names."""

import contextlib
import subprocess
import tempfile
from pathlib import Path

from .hosts import isolated
from .process import program
from .tools import Origin


def _run(*command: str) -> None:
    subprocess.run([program(command[0]), *command[1:]], check=True)


@contextlib.contextmanager
def name_service():
    """Brings the loopback up, and has everybody here ask a name server of ours, which knows *.bench.test. Without
    namespaces it does nothing."""
    if not isolated():
        yield
        return
    _run("ip", "link", "set", "lo", "up")
    # Short-lived connections by the ten thousand each need a port for a while.
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("10000 65000")
    # A burst of thousands must fit the listen queue of the origin, which asks for so much.
    Path("/proc/sys/net/core/somaxconn").write_text("16384")
    with tempfile.TemporaryDirectory() as folder, Origin(listen="127.0.0.1:53"):
        Path(folder).chmod(0o755)
        for name, text in {"resolv.conf": "nameserver 127.0.0.1\n", "nsswitch.conf": "hosts: files dns\n",
                           "hosts": "127.0.0.1 localhost\n"}.items():
            file = Path(folder) / name
            file.write_text(text)
            _run("mount", "--bind", str(file), f"/etc/{name}")
        yield
