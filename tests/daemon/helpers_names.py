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

A, CNAME, AAAA = 1, 5, 28
NXDOMAIN, NO_ERROR = 3, 0


class NameServer:
    """Answers A and AAAA from `names`: name -> addresses, by UDP and by TCP. An unknown name does not exist; a name in
    `silent` gets no answer, and with `mute` none does. `queries` are the names asked for, once for each type that was asked.
    release() answers what was held, of one kind or of all.

    Faults: `silent_kinds` are types that get no answer. `codes` are response codes by name. `lower_case` has it return names
    in lower case, however they were asked for, and `strict_case` has it know them in lower case alone. `too_long` are names
    whose answers by UDP are truncated; with `tcp=False` it does not listen there, and `one_by_tcp` has it close after an answer. `aliases` are (alias, its time to live) by
    name. `forge` are names for which wrong answers with the address `forged` precede the right one. `garbage`: what it answers
    is no message. `referral`: it knows nobody, and names others. `ttl` is that of the answers."""

    forged = "127.0.0.99"

    def __init__(self, names: dict[str, list[str]] | None = None, mute: bool = False, tcp: bool = True):
        self.names = dict(names or {})
        self.mute = mute
        self.silent_kinds: set[int] = set()
        self.ttl = 3600
        self.lower_case = self.strict_case = self.garbage = self.referral = self.one_by_tcp = False
        self.codes: dict[str, int] = {}
        self.too_long: set[str] = set()
        self.aliases: dict[str, tuple[str, int]] = {}
        self.forge: set[str] = set()
        self.ports: set[int] = set()
        self.silent: set[str] = set()
        self.queries: list[tuple[str, int]] = []
        self.spellings: list[str] = []
        self.by_tcp: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
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
        self._listener = socket.create_server((self.address, 53)) if tcp else None
        self._held: list[tuple[bytes, tuple]] = []
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        if tcp:
            self._threads.append(threading.Thread(target=self._run_tcp, daemon=True))
        for thread in self._threads:
            thread.start()

    def asked(self, name: str, kind: int = A) -> int:
        """How often."""
        return self.queries.count((name, kind))

    def wait_asked(self, name: str, times: int = 1, kind: int = A) -> None:
        eventually(lambda: self.asked(name, kind) >= times, message=f"the look-up of {name}")

    def release(self, name: str, kind: int | None = None) -> None:
        if kind is None:
            self.silent.discard(name)
        else:
            self.silent_kinds.discard(kind)
        held, self._held = self._held, []
        for query, sender in held:
            if kind in (None, self._question(query)[1]):
                self._socket.sendto(self._answer(query), sender)
            else:
                self._held.append((query, sender))

    def close(self) -> None:
        for each in (self._socket, self._listener):
            if each is None:
                continue
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the thread
            each.close()

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
            self.spellings.append(self._spelling(query))
            self.ports.add(sender[1])
            if self.mute or name in self.silent or kind in self.silent_kinds:
                self._held.append((query, sender))
                continue
            if name in self.forge:
                for wrong in self._wrong_answers(query):
                    self._socket.sendto(wrong, sender)
            self._socket.sendto(self._answer(query, by_udp=True), sender)

    def _run_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve_tcp, args=(connection,), daemon=True).start()

    def _serve_tcp(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while len(size := stream.read(2)) == 2:
                query = stream.read(struct.unpack("!H", size)[0])
                self.by_tcp.append(self._question(query)[0])
                answer = self._answer(query)
                connection.sendall(struct.pack("!H", len(answer)) + answer)
                if self.one_by_tcp:
                    return

    @staticmethod
    def _spelling(query: bytes) -> str:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        return ".".join(labels)

    @classmethod
    def _question(cls, query: bytes) -> tuple[str, int]:
        return cls._spelling(query).lower(), struct.unpack_from("!H", query, query.index(b"\0", 12) + 1)[0]

    @staticmethod
    def _name(text: str) -> bytes:
        return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"

    def _wrong_answers(self, query: bytes) -> list[bytes]:
        """Another number, another question, and one that is cut off."""
        right = self._answer(query, addresses=[self.forged, "::99"])
        other = bytes([query[0] ^ 1]) + right[1:]
        return [other, right[:12] + b"\1x" + right[12:], right[:11]]

    def _answer(self, query: bytes, by_udp: bool = False, addresses: list[str] | None = None) -> bytes:
        if self.garbage:
            return query[:2] + bytes(range(60, 100))
        name, kind = self._question(query)
        end = query.index(b"\0", 12) + 5
        known = name in self.names and (not self.strict_case or self._spelling(query) == name)
        code = self.codes.get(name, NO_ERROR if known or addresses or self.referral else NXDOMAIN)
        family = socket.AF_INET6 if kind == AAAA else socket.AF_INET
        given = (addresses or self.names[name]) if known and not self.referral else []
        packed = [socket.inet_pton(family, each) for each in given if (":" in each) == (kind == AAAA)]
        owner, records, alias = b"\xc0\x0c", [], name
        while alias in self.aliases:
            alias, ttl = self.aliases[alias]
            target = self._name(alias)
            records.append(owner + struct.pack("!HHIH", CNAME, 1, ttl, len(target)) + target)
            owner = target
        records += [owner + struct.pack("!HHIH", kind, 1, self.ttl, len(each)) + each for each in packed]
        truncated = by_udp and name in self.too_long
        if truncated:
            records = []
        flags = (0x8100 if self.referral else 0x8180) | code | (0x0200 if truncated else 0)
        question = query[12:end]
        if self.lower_case:
            question = question[:-4].lower() + question[-4:]
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)


def own_names(folder: Path, hosts: str = "", name_servers: list[NameServer] | None = None,
              nsswitch: str | None = None, options: str = "timeout:1 attempts:1") -> tuple[str, ...]:
    """The wrapper of a daemon for which /etc/hosts is `hosts`, and whose name servers are these; `nsswitch` is the line
    hosts: of /etc/nsswitch.conf, `options` those of /etc/resolv.conf. The files are in `folder`, where a test may write
    them anew. Skips the test where a mount namespace cannot be had."""
    servers = "".join(f"nameserver {each.address}\n" for each in name_servers or [])
    files = {
        "/etc/hosts": hosts,
        "/etc/resolv.conf": f"{servers}options {options}\n" if servers else "",
        "/etc/nsswitch.conf": f"hosts: {nsswitch or ('files dns' if servers else 'files')}\n",
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
