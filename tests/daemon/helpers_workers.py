"""Short ways to say what the tests of several workers say over and over."""

import re

from support.client import Client
from support.daemon import Daemon, merged
from support.wire import Response

ASSIGNED = re.compile(r"client \S+ goes to worker (\d+)")


def workers(count: int, config: dict | None = None) -> dict:
    """The configuration with so many workers."""
    return merged({"proxy": {"workers": count}}, config or {})


def assigned(daemon: Daemon) -> list[int]:
    """The worker of each client, in the order in which they came."""
    return [int(match[1]) for line in list(daemon.log) if (match := ASSIGNED.search(line))]


def one_on_each(daemon: Daemon, count: int = 2) -> list[Client]:
    """As many clients as there are workers, each on a worker of its own; no other client may be there. Their connections
    stay open, since the next client goes to the worker with the fewest."""
    before = len(assigned(daemon))
    clients = [daemon.client() for _ in range(count)]
    for client in clients:
        settle(client)
    daemon.wait_log(ASSIGNED, count=before + count)
    assert sorted(assigned(daemon)[before:]) == list(range(count))
    return clients


def settle(client: Client) -> None:
    """Returns when the client's worker is done with the client's exchange before: its upstream connection is idle, or with
    another worker, or gone."""
    assert client.request("OPTIONS", "http://keepwarm.invalid", "Max-Forwards: 0").status == 200


def ask(client: Client, url: str, method: str = "GET", body=None) -> Response:
    """A whole exchange, whose upstream connection is idle afterwards."""
    response = client.request(method, url, body=body)
    assert response.status == 200, response.raw + response.body
    settle(client)
    return response
