"""A wire between two TUN devices that takes its time: a program of its own, so that no test's Python holds up a packet.

Arguments: the descriptors of both devices and of a control socket, the delay of each direction and what may come on top of
it at random, in seconds. Packets stay in order. A message on the control socket is answered when it is done:
"silence" drops all packets from here on, those under way included; "silence PORT" those of TCP with that port at either end;
"restore" ends all silence. The end of the control socket ends the program.
"""

import contextlib
import os
import random
import select
import socket
import struct
import sys
import time
from collections import deque

LARGEST = 65536
TCP = 6


class Direction:
    def __init__(self, source: int, sink: int, delay: float, jitter: float):
        self.source = source
        self._sink = sink
        self._delay = delay
        self._jitter = jitter
        self._under_way: deque[tuple[float, bytes]] = deque()

    def take_in(self, dropped) -> None:
        """All that has come."""
        while True:
            try:
                packet = os.read(self.source, LARGEST)
            except BlockingIOError:
                return
            if dropped(packet):
                continue
            due = time.monotonic() + self._delay + random.uniform(0, self._jitter)
            if self._under_way:
                due = max(due, self._under_way[-1][0])
            self._under_way.append((due, packet))

    def give_out(self) -> None:
        """All that is due."""
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            os.write(self._sink, self._under_way.popleft()[1])

    def lose(self, dropped) -> None:
        self._under_way = deque(one for one in self._under_way if not dropped(one[1]))

    def next_due(self) -> float | None:
        return self._under_way[0][0] if self._under_way else None


def ports(packet: bytes) -> tuple[int, ...]:
    """Of TCP over IPv4; of anything else none."""
    if packet[0] >> 4 != 4 or packet[9] != TCP:
        return ()
    return struct.unpack_from("!HH", packet, 4 * (packet[0] & 15))


class Silence:
    """What is dropped."""

    def __init__(self):
        self._all = False
        self._ports: set[int] = set()

    def __call__(self, packet: bytes) -> bool:
        return self._all or (bool(self._ports) and not self._ports.isdisjoint(ports(packet)))

    def obey(self, message: list[str]) -> None:
        match message:
            case ["silence"]:
                self._all = True
            case ["silence", port]:
                self._ports.add(int(port))
            case ["restore"]:
                self._all = False
                self._ports.clear()


def run(near: int, far: int, control: socket.socket, delay: float, jitter: float) -> None:
    directions = [Direction(near, far, delay, jitter), Direction(far, near, delay, jitter)]
    silence = Silence()
    while True:
        due = [moment for one in directions if (moment := one.next_due()) is not None]
        wait = max(min(due) - time.monotonic(), 0) if due else None
        readable = select.select([near, far, control], [], [], wait)[0]
        if control in readable:
            message = control.recv(100)
            if not message:
                return
            silence.obey(message.decode().split())
            for one in directions:
                one.lose(silence)
            control.send(b"done")
        for one in directions:
            if one.source in readable:
                one.take_in(silence)
            one.give_out()


def main() -> None:
    near, far, control = (int(number) for number in sys.argv[1:4])
    delay, jitter = (float(seconds) for seconds in sys.argv[4:6])
    for device in (near, far):
        os.set_blocking(device, False)
    # The kernel's timers would round by 50 us, and on a busy machine we would come late to every packet.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    run(near, far, socket.socket(fileno=control), delay, jitter)


if __name__ == "__main__":
    main()
