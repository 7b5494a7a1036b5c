"""Origins that fall silent: one connection, without privileges and on loopback."""

import contextlib
import ctypes
import os
import socket
import struct
from pathlib import Path

from support.connection import Connection
from support.waiting import eventually

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
DROP = struct.pack("HBBI", 0x06, 0, 0, 0)  # of the classic BPF: return 0, which keeps nothing of a packet


def deafen(connection: Connection) -> None:
    """From here on the origin's kernel drops whatever comes on the connection before TCP sees it: nothing is acknowledged and
    nothing is reset, as if the cable were cut. What the origin sends, its end too, arrives all the same."""
    program = ctypes.create_string_buffer(DROP, len(DROP))
    connection.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))


def hear_again(connection: Connection) -> None:
    connection.sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


class Gone(AssertionError):
    """The daemon has no such connection any more."""


def _at_the_daemon(connection: Connection) -> list[str]:
    """What the kernel tells of the daemon's end."""
    ends = "{:04X}".format(connection.peer[1]), "{:04X}".format(connection.sock.getsockname()[1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if (fields[1].split(":")[1], fields[2].split(":")[1]) == ends:
            return fields
    raise Gone


def unacknowledged(connection: Connection) -> int:
    """Bytes that the daemon has sent on this connection and that were not acknowledged."""
    return int(_at_the_daemon(connection)[4].split(":")[0], 16)


def keepalive_due(connection: Connection) -> float:
    """Seconds until the daemon's kernel sends its next probe; 0: none is to be sent."""
    timer, ticks = _at_the_daemon(connection)[5].split(":")
    return int(ticks, 16) / os.sysconf("SC_CLK_TCK") if timer == "02" else 0


def wait_sent(connection: Connection, size: int = 1) -> None:
    """Until the daemon has sent so many bytes into the void; or it has given the connection up for it already."""
    with contextlib.suppress(Gone):
        eventually(lambda: unacknowledged(connection) >= size, message="the daemon's request")
