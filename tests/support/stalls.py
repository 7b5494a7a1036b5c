"""Tests of real time on a machine that has other things to do.

Some of what the daemon does is about time: a limit that is over, an idle age that is trusted. Such a test has pauses of its
own, and a machine that stands still in the middle of one makes it another test. It is marked real_time. When it fails, the
kernel is asked for how long the test or its daemons wanted a processor and had none; if that was long, what was seen shows
nothing, and the test is played again from the beginning. A failure in which nobody had to wait counts at once, and so does
the last of many."""

import os
import re
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

ROUNDS = 20
PLAYED_AGAIN = "played again"  # a property of its report, in the JUnit file as well
STALL = 0.05  # seconds, all waits taken together: the shortest time that such a test depends on


def register(config) -> None:
    config.addinivalue_line("markers", "real_time: has pauses of its own; played again if it fails while the machine stands still")


def waited(pid: int | str) -> float:
    """For how many seconds the threads that the process has now wanted a processor and had none."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(thread.read_text().split()[1])
        except OSError:
            pass  # it has ended
    return total / 1e9


def stolen() -> float:
    """For how many seconds the host of a virtual machine kept its processors for others."""
    fields = re.match(r"cpu +(.*)", Path("/proc/stat").read_text())[1].split()
    return int(fields[7]) / os.sysconf("SC_CLK_TCK")


def pytest_runtest_protocol(item, nextitem):
    if not item.get_closest_marker("real_time"):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for round_number in range(1, ROUNDS + 1):
        item.daemons, item.waits = [], 0.0
        before = waited("self") + stolen()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        failed = [report for report in reports if report.failed]
        waits = item.waits + waited("self") + stolen() - before
        if not failed or waits < STALL:
            break
    for report in failed:
        report.sections.append(("real time", f"round {round_number}; in it processors were waited for {waits:.3f} s"))
    for report in reports:
        if round_number > 1 and report.when == "call":
            report.user_properties.append((PLAYED_AGAIN, round_number - 1))
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter):
    """A test that passed in a later round has passed, but who reads the log shall know of the rounds before."""
    for report in terminalreporter.stats.get("passed", []):
        if again := dict(report.user_properties).get(PLAYED_AGAIN):
            terminalreporter.write_line(f"PLAYED AGAIN {again} time(s): {report.nodeid}")


def note_waits(item) -> None:
    """Of the daemons of a test that has failed, while they are there to be asked."""
    now = sum(waited(daemon.pid) for daemon in getattr(item, "daemons", []))
    item.waits = max(now, getattr(item, "waits", 0.0))


real_time = pytest.mark.real_time
