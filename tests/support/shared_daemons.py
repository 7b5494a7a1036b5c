"""Daemons that serve one test after the other.

To start a daemon, and to end it, costs more than most tests do with it, under a sanitizer several times as much. A test of
what is forwarded does not care who has used its daemon before: its origin has a port of its own, so nothing that the daemon
has learned or pooled concerns it. Such tests are marked shared_daemon (tests/daemon/conftest.py) and take a daemon of the
configuration that they want from here, if one is idle.

A daemon is given to the next test only after one that passed and that sent it no signal, when it has closed all upstream
connections and said so in its log. How it ends is checked as for any other, when the process of the tests ends.
"""

import time

from .daemon import CLOSED, OPENED, TROUBLE, Daemon, config_text

KEPT = 8  # of different configurations; each is a process
PATIENCE = 0.25  # beyond it a daemon is ended: to start another takes about as long


class SharedDaemons:
    """Those of one process of pytest, the one that was used last at the end. A daemon here is idle."""

    def __init__(self):
        self._idle: list[Daemon] = []

    def take(self, config: str | dict) -> Daemon | None:
        """An idle one that was started with this configuration. Its log begins anew."""
        text = config_text(config)
        for daemon in self._idle:
            if daemon.started_with == text and daemon.process.poll() is None:
                self._idle.remove(daemon)
                daemon.begin_anew()
                return daemon
        return None

    def give(self, daemon: Daemon) -> bool:
        """Takes back a daemon after a test. False: it may serve no other, and its user ends it."""
        if not daemon.shared:
            return False
        for client in daemon.clients:
            client.close()
        if daemon.was_signalled or daemon.expected_trouble or daemon.process.poll() is not None or not _rests(daemon):
            return False
        if any(TROUBLE.search(line) for line in daemon.log_so_far):
            return False
        self._idle.append(daemon)
        if len(self._idle) > KEPT:
            self._idle.pop(0).finish()
        return True

    def finish(self) -> None:
        """Ends them all; an AssertionError if one of them ends badly, leaks included."""
        problems = []
        for daemon in self._idle:
            try:
                daemon.finish()
            except AssertionError as error:
                problems.append(str(error))
        self._idle.clear()
        assert not problems, "\n".join(problems)


def _rests(daemon: Daemon) -> bool:
    """Has it closed whatever it opened? Its lines say so, in order: none of this test's is still to come. (Those of a tunnel
    do not, so a daemon that has had one is ended.)"""
    until = time.monotonic() + PATIENCE
    while True:
        lines = list(daemon.log_so_far)
        if sum(bool(OPENED.search(line)) for line in lines) == sum(bool(CLOSED.search(line)) for line in lines):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
