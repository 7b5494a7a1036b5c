"""What the peers stand between: origins, and the load generator."""

import json
import os
import re
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from support import tls

from .process import DESCRIPTORS, LOAD_CPU, Program, free_port, on_cpu, program


def tool(name: str) -> str:
    return str(Path(os.environ["KEEPWARM_BENCH_TOOLS"]) / name)


def _fetch(url: str) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
        return answer.read()


class Tool(Program):
    """A tool that says "listening on PORT"."""

    def __init__(self, cpu: int, name: str, *arguments: str):
        super().__init__()
        self.spawn(cpu, tool(name), *arguments, pipe=True)
        line = self.process.stdout.readline().split()
        if line[:2] != [b"listening", b"on"]:
            raise RuntimeError(f"{name} does not start:\n{self.output()}")
        self.port = int(line[2])

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.port}"


class Origin(Tool):
    """Listens on all of 127.0.0.0/8, and answers DNS on the same port."""

    def __init__(self, *arguments: str, listen: str = "0.0.0.0:0"):
        super().__init__(LOAD_CPU, "origin", "--listen", listen, *arguments)

    def counters(self) -> dict:
        """Connections and requests since its start; this question is not counted."""
        return json.loads(_fetch(f"http://{self.at}/counters"))


@dataclass
class Measured:
    """What `load` reports of a window (load/window.cpp)."""

    seconds: float
    exchanges: int          # in the window
    ended: int              # since the start of the run, failures too
    unserved: int           # clients that had no answer yet when the window ended
    failures: dict[str, int]
    bytes_in: int           # of bodies, in the window
    bytes_out: int
    connections: int
    cpu: float              # seconds that the watched processes worked in the window
    user: float
    system: float
    p50: float              # microseconds
    p99: float
    p999: float

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


def load_windows(*, watch: list[int] = (), limit: float = 120, **options) -> list[Measured]:
    """Runs `load`; options are its arguments with underscores, None leaves one out."""
    command = [tool("load")]
    for name, value in options.items():
        if value is not None:
            command += ["--" + name.replace("_", "-"), str(value)]
    if watch:
        command += ["--watch", ",".join(map(str, watch))]
    run = subprocess.run(on_cpu(LOAD_CPU, command), stdout=subprocess.PIPE, timeout=limit, check=True)
    return [Measured(**json.loads(line)) for line in run.stdout.splitlines()]


def load(**options) -> Measured:
    """The same with one window."""
    [measured] = load_windows(**options)
    return measured


class TlsOrigin(Program):
    """nginx with TLS 1.3 and the certificate that the tests have. Answers as `origin` does; /gather/N comes from that."""

    def __init__(self, origin: Origin):
        super().__init__()
        made = tls.certificate()
        self.authority = Path(tls.authority().ca_file)
        # Tests keep their certificates to themselves; servers that give up root must read them.
        self.authority.parent.parent.chmod(0o755)
        self.authority.parent.chmod(0o755)
        self._asked = 0
        self.port, self._status_port = free_port(), free_port()
        temporary = "\n".join(f"  {kind}_temp_path {self.folder}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self.write("nginx.conf", f"""
daemon off;
worker_processes 1;
error_log stderr error;
pid {self.folder}/pid;
events {{ worker_connections {DESCRIPTORS - 100}; }}
http {{
  access_log off;
{temporary}
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  default_type text/plain;
  ssl_protocols TLSv1.3;
  ssl_certificate {made.chain};
  ssl_certificate_key {made.key};
  ssl_session_cache shared:sessions:10m;
  server {{
    listen 127.0.0.1:{self.port} ssl backlog=4096;
    location / {{ return 200 "The quick brown fox jumps over the lazy dog, every time. \\n"; }}
    location /gather/ {{ proxy_pass http://{origin.at}; }}
  }}
  server {{
    listen 127.0.0.1:{self._status_port};
    location / {{ stub_status; }}
  }}
}}
""")
        self.spawn(LOAD_CPU, program("nginx"), "-p", self.folder, "-c", config)
        self.wait_listening(self.port)

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.port}"

    def counters(self) -> dict:
        """As Origin.counters(), but who connected without asking anything is counted too."""
        status = _fetch(f"http://127.0.0.1:{self._status_port}/")
        accepted, _, requests = map(int, re.search(rb"^ *(\d+) (\d+) (\d+) *$", status, re.MULTILINE).groups())
        self._asked += 1
        return {"connections": accepted - self._asked, "requests": requests - self._asked}
