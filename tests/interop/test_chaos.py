"""The load and chaos tool (tests/support/chaos): 100 clients at a time, 100 requests each (in a long run up to 200 and 500), with
bodies of up to 1 MiB, clients that leave and origins that close wherever it hurts. A failure prints the seed; KEEPWARM_CHAOS_SEED runs it again."""

import os
import random

import pytest

from support.tier import amount
from support.waiting import binary, sanitized

CLIENTS, REQUESTS = amount((100, 100), (100, 200) if sanitized() else (200, 500))


def warm_up(daemon, workers: int) -> None:
    """Each worker serves a client: its first socket costs a loop a descriptor for good (libuv's)."""
    for client in [daemon.client() for _ in range(workers)]:
        assert client.request("OPTIONS", "http://keepwarm.invalid", "Max-Forwards: 0").status == 200
        client.close()


@pytest.mark.slow
@pytest.mark.parametrize("workers,requests", [(1, REQUESTS), (2, REQUESTS // 4), (3, REQUESTS // 4)])
def test_chaos(keepwarm, command, workers, requests):
    tool = binary().parent / "tests" / "support" / "chaos"
    seed = os.environ.get("KEEPWARM_CHAOS_SEED") or random.SystemRandom().randrange(10**9)
    daemon = keepwarm({"proxy": {"workers": workers}, "log": {"level": "info"}})
    warm_up(daemon, workers)
    done = command(os.environ.get("KEEPWARM_CHAOS", tool), "--proxy", daemon.port, "--pid", daemon.pid, "--seed", seed,
                   "--clients", CLIENTS, "--requests", requests, check=False, limit=900)
    print(done.stdout.decode())
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
