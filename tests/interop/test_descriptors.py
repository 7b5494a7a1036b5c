"""Out of file descriptors: the daemon waits quietly for their return, and then goes on at once."""

import resource
import time

import pytest

from support.waiting import eventually, scaled

LIMIT = 64
WATCHED = 1.0  # seconds


def crowd(daemon) -> list:
    """More clients than the daemon has descriptors for: connected as far as the kernel goes, and silent."""
    return [daemon.client() for _ in range(2 * LIMIT)]


def wait_until_full(daemon) -> None:
    """Until it takes no more of the crowd. It keeps a reserve, so that those it has taken can be served."""
    last, since = daemon.fd_count(), time.monotonic()

    def still() -> bool:
        nonlocal last, since
        if daemon.fd_count() != last:
            last, since = daemon.fd_count(), time.monotonic()
        return time.monotonic() - since > 0.3

    eventually(still, message="the daemon at its limit")
    assert LIMIT // 2 < last <= LIMIT, f"{last} descriptors"


def check(daemon, server, clients) -> None:
    wait_until_full(daemon)
    before = daemon.cpu_seconds()
    time.sleep(WATCHED)
    used = (daemon.cpu_seconds() - before) / WATCHED
    assert used < 0.5, f"waiting for descriptors takes {used:.0%} of a core"

    for client in clients:
        client.close()
    start = time.monotonic()
    assert daemon.get(server.url()).status == 200
    took = time.monotonic() - start
    print(f"{used:.1%} of a core while out of descriptors, {daemon.fd_count()} open; serving again {took * 1000:.0f} ms later")
    assert took < scaled(0.5)


def test_a_daemon_that_was_started_with_few(keepwarm, http_origin):
    server, daemon = http_origin(), keepwarm("", wrapper=("prlimit", f"--nofile={LIMIT}:{LIMIT}"))
    clients = crowd(daemon)
    wait_until_full(daemon)
    assert clients[0].get(server.url()).status == 200, "who is in is served: there is a reserve for upstream connections"
    check(daemon, server, clients)


def test_a_daemon_that_loses_them_while_it_runs(keepwarm, http_origin):
    server, daemon = http_origin(), keepwarm()
    assert daemon.get(server.url()).status == 200
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (LIMIT, hard))
    check(daemon, server, crowd(daemon))


@pytest.mark.parametrize("spare", [0, 1, 2, 5])
def test_a_request_that_finds_no_descriptor_for_its_upstream_fails_visibly(spare, keepwarm, http_origin):
    server, daemon = http_origin(), keepwarm()
    client = daemon.client()
    eventually(lambda: daemon.fd_count() > 0)
    assert client.get(server.url("/once"), "Connection: keep-alive").status == 200
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (daemon.fd_count() + spare, hard))
    # The pooled connection serves on; a second origin needs a descriptor more.
    assert client.get(server.url("/again")).status == 200
    other = http_origin()
    answer = client.get(other.url("/more"), limit=15)
    assert answer.status in (200, 502, 503), answer.raw
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert daemon.get(other.url("/after")).status == 200
