"""The load and chaos tool (tests/support/chaos): 200 clients at a time, 500 requests each, with bodies of up to 1 MiB, clients
that leave and origins that close wherever it hurts. A failure prints the seed; KEEPWARM_CHAOS_SEED runs it again."""

import os
import random

import pytest

from support.waiting import binary, sanitized

CLIENTS, REQUESTS = (100, 200) if sanitized() else (200, 500)


@pytest.mark.slow
def test_chaos(keepwarm, command):
    tool = binary().parent / "tests" / "support" / "chaos"
    seed = os.environ.get("KEEPWARM_CHAOS_SEED") or random.SystemRandom().randrange(10**9)
    daemon = keepwarm({"log": {"level": "info"}})
    done = command(os.environ.get("KEEPWARM_CHAOS", tool), "--proxy", daemon.port, "--pid", daemon.pid, "--seed", seed,
                   "--clients", CLIENTS, "--requests", REQUESTS, check=False, limit=150)
    print(done.stdout.decode())
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
