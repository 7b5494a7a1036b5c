"""What does not depend on the machine's mood: system calls and user-mode instructions for each exchange."""

import re
import signal
import time

from .compare import Scenario, load_options, running
from .peers import Peer
from .process import LOAD_CPU, Program, program
from .tools import load

# The differences between a long and a short run, so that start, connecting and end fall out. The short one is long enough for
# several visits to each of 1,000 hosts: what the first ones cost varies by more than what is looked for.
EXCHANGES = (4_000, 24_000)
PATIENCE = 900  # seconds for a run: counts are right on a busy machine as well, but strace and callgrind are slow there
CALL = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)
COLLECTED = re.compile(r"Collected : (\d+)")


def _ask(scenario: Scenario, peer: Peer, exchanges: int) -> None:
    done = load(**load_options(scenario, peer), total=exchanges, limit=PATIENCE)
    if done.failures:
        raise RuntimeError(f"{peer.name} failed: {done.failures}")


def _system_calls(scenario: Scenario, peer: Peer, exchanges: int) -> dict[str, int]:
    with Program() as tracer:
        table = tracer.folder / "calls"
        command = [program("strace"), "-c", "-f", "-o", str(table)]
        for pid in peer.pids():
            command += ["-p", str(pid)]
        tracer.spawn(LOAD_CPU, *command)
        while "attached" not in tracer.output():
            if tracer.process.poll() is not None:
                raise RuntimeError(tracer.output())
            time.sleep(0.02)
        _ask(scenario, peer, exchanges)
        tracer.process.send_signal(signal.SIGINT)
        tracer.process.wait(10)
        return {name: int(count) for count, name in CALL.findall(table.read_text()) if name != "total"}


def system_calls(scenario: Scenario, peer: Peer) -> dict[str, float]:
    """By name, for each exchange, those that come more often than once in 200; "total" is the sum of all."""
    _ask(scenario, peer, EXCHANGES[0])
    short, long = (_system_calls(scenario, peer, exchanges) for exchanges in EXCHANGES)
    calls = {name: (count - short.get(name, 0)) / (EXCHANGES[1] - EXCHANGES[0]) for name, count in long.items()}
    return {"total": sum(calls.values()), **{name: count for name, count in calls.items() if count >= 0.005}}


def _instructions(scenario: Scenario, kind: type[Peer], exchanges: int) -> int:
    with Program() as valgrind:
        log = valgrind.folder / "log"
        wrapper = (program("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log}")
        with running(kind, **scenario.surroundings(), wrapper=wrapper) as peer:
            _ask(scenario, peer, exchanges)
        found = COLLECTED.search(log.read_text())
        if not found:
            raise RuntimeError(f"callgrind says nothing of {kind.name}:\n{log.read_text()}")
        return int(found[1])


def instructions(scenario: Scenario, kind: type[Peer]) -> float:
    """In user mode, for each exchange."""
    short, long = (_instructions(scenario, kind, exchanges) for exchanges in EXCHANGES)
    return (long - short) / (EXCHANGES[1] - EXCHANGES[0])


def count(scenario: Scenario, kind: type[Peer]) -> dict:
    """{"system_calls": {...}, "instructions": number}; what could not be counted is missing."""
    counted = {}
    with running(kind, **scenario.surroundings()) as peer:
        counted["system_calls"] = system_calls(scenario, peer)
    if kind.single is not None:
        counted["instructions"] = instructions(scenario, kind)
    return counted
