"""Names of the tests' own: a daemon that sees another /etc/hosts, and asks a name server that the test plays."""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from support.tier import no_privilege
from support.waiting import eventually

A, AAAA = 1, 28
NXDOMAIN, NO_ERROR = 3, 0


class NameServer:
    """Answers A and AAAA from `names`: name -> addresses. An unknown name does not exist; a name in `silent` gets no
    answer, and with `mute` none does. `queries` are the names asked for, once for each type that was asked. release()
    answers what was held."""

    def __init__(self, names: dict[str, list[str]] | None = None, mute: bool = False):
        self.names = dict(names or {})
        self.mute = mute
        self.silent: set[str] = set()
        self.queries: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # resolv.conf has no port. So that tests can run side by side each has an address of its own.
        pid = os.getpid()
        for number in range(1, 250):
            self.address = f"127.{100 + pid // 256 % 100}.{pid % 256}.{number}"
            try:
                self._socket.bind((self.address, 53))
                break
            except PermissionError:
                no_privilege("no right to be a name server")
            except OSError:
                continue
        self._held: list[tuple[bytes, tuple]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def asked(self, name: str, kind: int = A) -> int:
        """How often."""
        return self.queries.count((name, kind))

    def wait_asked(self, name: str, times: int = 1) -> None:
        eventually(lambda: self.asked(name) >= times, message=f"the look-up of {name}")

    def release(self, name: str) -> None:
        self.silent.discard(name)
        held, self._held = self._held, []
        for query, sender in held:
            self._answer(query, sender)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                query, sender = self._socket.recvfrom(4096)
            except OSError:
                return  # closed
            if not query:
                return  # shut down
            name, kind = self._question(query)
            self.queries.append((name, kind))
            if self.mute or name in self.silent:
                self._held.append((query, sender))
            else:
                self._answer(query, sender)

    @staticmethod
    def _question(query: bytes) -> tuple[str, int]:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        return ".".join(labels).lower(), struct.unpack_from("!H", query, at + 1)[0]

    def _answer(self, query: bytes, sender) -> None:
        name, kind = self._question(query)
        end = query.index(b"\0", 12) + 5
        addresses = self.names.get(name, [])
        family = socket.AF_INET6 if kind == AAAA else socket.AF_INET
        packed = [socket.inet_pton(family, each) for each in addresses if (":" in each) == (kind == AAAA)]
        code = NO_ERROR if name in self.names else NXDOMAIN
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(packed), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(each)) + each for each in packed)
        self._socket.sendto(head + query[12:end] + records, sender)


def own_names(folder: Path, hosts: str = "", name_servers: list[NameServer] | None = None) -> tuple[str, ...]:
    """The wrapper of a daemon for which /etc/hosts is `hosts`, and whose name servers are these. Skips the test where a
    mount namespace cannot be had."""
    servers = "".join(f"nameserver {each.address}\n" for each in name_servers or [])
    files = {
        "/etc/hosts": hosts,
        "/etc/resolv.conf": f"{servers}options timeout:1 attempts:1\n" if servers else "",
        "/etc/nsswitch.conf": "hosts: files dns\n" if servers else "hosts: files\n",
    }
    script = []
    for target, text in files.items():
        source = folder / target.rsplit("/", 1)[1]
        source.write_text(text)
        script.append(f"mount --bind '{source}' {target}")
    wrapper = (shutil.which("unshare") or "/usr/bin/unshare", "--mount", "sh", "-c", " && ".join([*script, 'exec "$@"']), "sh")
    if subprocess.run([*wrapper, "true"], capture_output=True).returncode != 0:
        no_privilege("no right to a mount namespace")
    return wrapper
