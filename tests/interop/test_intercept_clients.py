"""Programs that people have, each with its own verification on, through a daemon that intercepts: the page arrives, on a warm
connection. And none of them takes a certificate that our CA must not make, even if somebody has its key."""

import re

import pytest

from intercepting import HEAVY, LIGHT, NAME, PAGE, Site, certificate_by, routes
from support.tier import long_run
from support.tls_server import ServerTls

# The others need packages of some hundred megabytes (tests/run.sh installs them for a long run), or seconds to start.
CLIENTS = LIGHT + (HEAVY if long_run() else [])

every_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)


@every_client
def test_the_page_arrives_over_a_warm_connection(client, keepwarm, http_origin, tmp_path):
    server = http_origin(routes(), tls=ServerTls())
    site = Site(tmp_path).serve(keepwarm, server.at)
    asked = 0
    for number in range(2):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        assert PAGE in site.start(client, site.url, folder).stdout
        assert len(server.requests) > asked
        asked = len(server.requests)
        site.daemon.wait_log(rf" GET https://{re.escape(NAME)}\S* 200 .*road=intercept", count=number + 1)
    assert len(server.connections) <= client.at_a_time, "what the first process needed did for the second"


@pytest.mark.parametrize("name", [NAME, "evil.test", "127.0.0.1"])
@every_client
def test_a_stolen_issuer_key_is_worth_the_named_hosts_alone(client, name, keepwarm, http_origin, tmp_path):
    """The certificate is the server's own here, which the client reaches through a tunnel, or by itself where it leaves out
    the proxy for loopback. For the permitted name it is taken: so it is the name that the others are refused for."""
    permitted = name == NAME
    site = Site(tmp_path)
    server = http_origin(routes(), tls=ServerTls(certificate=certificate_by(site.ca, name, tmp_path)))
    site.serve(keepwarm, {name: server.at}, intercept=False)
    folder = tmp_path / "run"
    folder.mkdir()
    port = f":{server.port}" if name == "127.0.0.1" else ""
    done = site.start(client, f"https://{name}{port}", folder, check=permitted)
    if permitted:
        assert PAGE in done.stdout and server.requests
    else:
        assert done.returncode != 0 and PAGE not in done.stdout
        assert server.connections and not server.requests, "it saw the certificate, and asked for nothing"
