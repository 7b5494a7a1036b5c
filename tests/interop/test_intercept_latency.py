"""What interception is for: a fresh client waits for a server 40 ms away one round trip in place of three. All figures are
printed; against their limits they are held in a long run, which has a machine for itself."""

import itertools
import statistics
import time
from dataclasses import dataclass, field

import pytest

from intercepting import HEAVY, LIGHT, NAME, PIP_INDEX, PAGE, Client, Site, git_advertisement, npm_package, run, shell
from support.delayed_link import delayed_link  # noqa: F401
from support.tier import amount, long_run
from support.tls import authority
from support.waiting import sanitized

NEAR = f"near.{NAME}"
ROUND_TRIP = 40.0  # milliseconds
CURLS = amount(5, 1000)
RUNS = amount(2, 15)  # of each other client
HANDSHAKE = 6.0  # milliseconds that ours may take a client, and all else that loopback costs

# One request each: of those that make more on one connection, only the handshake's round trips can be saved.
CURL = Client("curl", lambda url, proxy: ["curl", "-fsS", "-w", "%{stderr}%{time_total}", f"{url}/page"])
ONE_REQUEST = {
    "git": shell('git ls-remote "$1/project.git"'),
    "pip": shell('/usr/bin/python3 -m pip index versions --disable-pip-version-check --no-cache-dir --index-url "$1/simple" demo'),
    "npm": shell('npm view --userconfig ./user --globalconfig ./all --cache ./cache --registry "$1/" demo version'),
}
OTHERS = [Client(client.name, ONE_REQUEST.get(client.name, client.command), client.trust, client.java)
          for client in LIGHT + (HEAVY if long_run() else [])
          if client.name != "curl" and not (client.java and client.trust == "exec")]  # whose store has nobody else
FILES = {"page": PAGE, "demo": npm_package()[0], "simple/demo/index.html": PIP_INDEX, "project.git/info/refs": git_advertisement()}
LOCATIONS = """
    ssl_protocols TLSv1.3;
    keepalive_requests 1000000;
    keepalive_timeout 10m;
    location /simple/ { index index.html; default_type text/html; types {} }
    location = /demo { default_type application/json; }
    location = /project.git/info/refs { default_type application/x-git-upload-pack-advertisement; }
"""


@dataclass
class Times:
    """Milliseconds that a client took for each run, by the way it went."""

    of: dict[str, list[float]] = field(default_factory=dict)

    def add(self, way: str, milliseconds: float) -> None:
        self.of.setdefault(way, []).append(milliseconds)

    def median(self, way: str) -> float:
        return statistics.median(self.of[way])


class Ways:
    """The same page by the daemon, on a warm connection or on none ("cold"), and without it; and both ways ("near", "loopback")
    from a server on loopback."""

    def __init__(self, link, keepwarm, nginx, folder):
        far = link.host(0)
        shown = authority().issue("latency", NAME, f"*.{NAME}", far, "127.0.0.1")
        near_server = nginx(LOCATIONS, tls=(shown.chain, shown.key))
        with link.far():
            far_server = nginx(LOCATIONS, tls=(shown.chain, shown.key))
        for server in (near_server, far_server):
            for name, content in FILES.items():
                (server.root / name).parent.mkdir(parents=True, exist_ok=True)
                (server.root / name).write_bytes(content)
        self.site = Site(folder, authority().ca_file).serve(keepwarm, {
            NAME: f"{far}:{far_server.port}", f"*.{NAME}": f"{far}:{far_server.port}", NEAR: near_server.at})
        self.urls = {"warm": self.site.url, "near": f"https://{NEAR}", "direct": f"https://{far}:{far_server.port}",
                     "loopback": f"https://127.0.0.1:{near_server.port}"}
        self.server = far_server
        self.folder = folder / "work"
        self.folder.mkdir()
        self._hosts = itertools.count()

    def run(self, client: Client, way: str):
        """What it printed."""
        # A host that was not asked before has no connection yet.
        url = f"https://h{next(self._hosts)}.{NAME}" if way == "cold" else self.urls[way]
        return run(*self.site.command(client, url, through=way in ("warm", "cold", "near")), folder=self.folder)


@pytest.fixture
def ways(delayed_link, keepwarm, nginx, tmp_path):  # noqa: F811
    return Ways(delayed_link(round_trip=ROUND_TRIP / 1000), keepwarm, nginx, tmp_path)


def measured() -> bool:
    return long_run() and not sanitized()


def test_curl_waits_for_one_round_trip(ways):
    times = Times()
    ways.run(CURL, "warm")
    for _ in range(CURLS):
        for way in ("warm", "cold", "direct", "loopback"):
            done = ways.run(CURL, way)
            assert done.stdout == PAGE
            times.add(way, 1000 * float(done.stderr))
    warm, cold, direct, loopback = (times.median(way) for way in ("warm", "cold", "direct", "loopback"))
    print(f"{CURLS} curls, medians: warm {warm:.1f} ms, cold {cold:.1f} ms, direct {direct:.1f} ms, loopback {loopback:.1f} ms; "
          f"warm / direct {warm / direct:.2f}")
    if measured():
        assert warm <= loopback + ROUND_TRIP + HANDSHAKE
        assert warm <= 0.40 * direct
        assert cold <= direct + HANDSHAKE


@pytest.mark.parametrize("client", OTHERS, ids=lambda client: client.name)
def test_another_client_waits_for_less_than_half_of_the_round_trips(ways, client):
    """What a program takes to start and to compute is no part of it: that is what it takes for a server on loopback, the same way.
    The quickest run of each, since starts vary by more than what is looked for."""
    times = Times()
    ways.run(client, "warm")
    ways.run(client, "near")
    for _ in range(RUNS):
        for way in ("warm", "near", "direct", "loopback"):
            begun = time.perf_counter()
            ways.run(client, way)
            times.add(way, 1000 * (time.perf_counter() - begun))
    warm, near, direct, loopback = (min(times.of[way]) for way in ("warm", "near", "direct", "loopback"))
    share = (warm - near) / (direct - loopback)
    print(f"{client.name}: warm {warm:.0f} ms, direct {direct:.0f} ms; from loopback {near:.0f} ms and {loopback:.0f} ms: "
          f"{share:.2f} of the waiting")
    if measured():
        assert share <= 0.45
