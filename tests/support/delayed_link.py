"""A link with a delay, packet by packet: round trips, and ends that cross a request on the way, as the kernel's TCP has them.

    def test_something(delayed_link, keepwarm, origin):
        link = delayed_link(round_trip=0.040)       # from here on the test, all it starts and its sockets are on the near side
        daemon = keepwarm()
        with link.far():
            server = origin(host="0.0.0.0")         # sockets that are made, and programs that are started, here are far
        daemon.get(f"http://{link.host(7)}:{server.port}/")   # each of link.host(0...) leads to the far side
        link.silence()                              # nothing passes any more, and nobody is told; restore() ends it
        link.silence(upstream.peer[1])              # only this connection

Two network namespaces, each with a TUN device, and a process between these (packet_delay.py). The kernel's own queueing
discipline for this (netem) is a module that many kernels lack. Namespaces and devices have no names outside this process, and
go with the last descriptor of them, whatever becomes of the test. It takes root and /dev/net/tun; without root the test is
skipped.

A socket belongs to the namespace in which its thread was when it was made, for good; threads and processes begin in that of
the thread that starts them.
"""

import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from .background import Background
from .tier import no_privilege
from .waiting import scaled

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
HOSTS = 60_000

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Side:
    """A namespace with a TUN device. `routes`: lines for ip(8), after the device is there."""

    def __init__(self, routes: list[str]):
        self.device = self._namespace = -1
        Background(self._make, routes).result()  # in a thread that ends with it: ours stays where it is

    def _make(self, routes: list[str]) -> None:
        _checked(_libc.unshare(CLONE_NEWNET))
        self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(self.device, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
        up = ["link set lo up", "link set tun0 up txqueuelen 10000"]
        ip = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")
        assert ip, "ip is not installed; tests/run.sh installs it (iproute2)"
        subprocess.run([ip, "-batch", "-"], input="\n".join(up + routes) + "\n", text=True, check=True)

    def enter(self) -> None:
        """The calling thread, from here on."""
        _checked(_libc.setns(self._namespace, CLONE_NEWNET))

    def close(self) -> None:
        for descriptor in (self.device, self._namespace):
            if descriptor >= 0:
                os.close(descriptor)
        self.device = self._namespace = -1


class DelayedLink:
    """`round_trip` and `jitter` in seconds: each direction takes half of the one, and at random up to half of the other
    more. Packets are never lost unless told so, and never overtake each other."""

    def __init__(self, round_trip: float, jitter: float = 0.0):
        self._near = Side(["addr add 10.81.0.1/32 dev tun0", "route add 10.82.0.0/16 dev tun0"])
        # Every address of 10.82.0.0/16 is the far side's own, without being given to a device one by one.
        self._far = Side(["addr add 10.82.0.1/32 dev tun0", "route add 10.81.0.1/32 dev tun0",
                          "route add local 10.82.0.0/16 dev lo"])
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(scaled(5))
        passed = (self._near.device, self._far.device, theirs.fileno())
        program = [sys.executable, "-I", str(Path(__file__).with_name("packet_delay.py"))]
        self._process = subprocess.Popen([*program, *map(str, (*passed, round_trip / 2, jitter / 2))], pass_fds=passed,
                                         stdin=subprocess.DEVNULL)
        theirs.close()
        self.restore()  # answered when it runs

    @contextlib.contextmanager
    def near(self):
        with self._inside(self._near):
            yield

    @contextlib.contextmanager
    def far(self):
        """The calling thread is on the far side within; what it makes there stays there."""
        with self._inside(self._far):
            yield

    @staticmethod
    @contextlib.contextmanager
    def _inside(side: Side):
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            side.enter()
            yield
        finally:
            _checked(_libc.setns(before, CLONE_NEWNET))
            os.close(before)

    @staticmethod
    def host(number: int) -> str:
        """An address of the far side, which listens on 0.0.0.0 for all of them."""
        assert 0 <= number < HOSTS
        return f"10.82.{1 + number // 250}.{1 + number % 250}"

    def silence(self, port: int | None = None) -> None:
        """Nothing passes from here on, what is under way included: everything, or TCP with this port at either end."""
        self._tell("silence" if port is None else f"silence {port}")

    def restore(self) -> None:
        self._tell("restore")

    def _tell(self, message: str) -> None:
        self._control.send(message.encode())
        assert self._control.recv(100) == b"done", "the link has ended"

    def close(self) -> None:
        self._control.close()  # which ends it
        self._process.wait(scaled(5))
        self._near.close()
        self._far.close()


@pytest.fixture
def delayed_link():
    """delayed_link(round_trip, jitter=0.0): a DelayedLink, whose near side the test is on from there to its end."""
    with contextlib.ExitStack() as cleanup:

        def make(round_trip: float, jitter: float = 0.0) -> DelayedLink:
            if os.geteuid() != 0:
                no_privilege("only root can make network namespaces")
            link = DelayedLink(round_trip, jitter)
            cleanup.callback(link.close)
            cleanup.enter_context(link.near())
            return link

        yield make
