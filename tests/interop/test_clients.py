"""Programs that people point at a proxy, each in its own way, against a server for Node.js that describes what it got."""

import hashlib
import json
import os
import subprocess
import threading
import time

import pytest
import requests
from support.waiting import scaled

from servers import PROGRAMS, program


@pytest.fixture
def server(script):
    return script("origin.js")


def proxies(daemon) -> dict:
    return {"http": f"http://{daemon.at}", "https": f"http://{daemon.at}"}


# curl


def test_curl_gets_posts_and_looks(keepwarm, server, command, tmp_path):
    at = keepwarm().at
    assert json.loads(command("curl", "-fsS", "-x", at, server.url("/a?b=c%20d")).stdout)["url"] == "/a?b=c%20d"
    assert json.loads(command("curl", "-fsS", "-x", at, "-d", "field=value", server.url("/")).stdout)["size"] == 11
    head = command("curl", "-fsS", "-x", at, "-I", server.url("/")).stdout.decode()
    assert head.startswith("HTTP/1.1 200 OK\r\n") and "\r\nvia: 1.1 keepwarm-" in head.lower()
    old = json.loads(command("curl", "-fsS", "-x", at, "--http1.0", server.url("/old")).stdout)
    assert old["url"] == "/old" and old["method"] == "GET"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_curl_uploads_a_large_file_and_waits_for_100(framing, keepwarm, server, command, tmp_path):
    data = os.urandom(3 * 1024 * 1024)  # curl sends Expect: 100-continue from 1 MiB on
    file = tmp_path / "file"
    file.write_bytes(data)
    fields = ["-H", "Transfer-Encoding: chunked"] if framing == "chunked" else []
    done = command("curl", "-fsSv", "-x", keepwarm().at, *fields, "-T", file, server.url("/put"))
    answer = json.loads(done.stdout)
    assert (answer["method"], answer["size"], answer["sha256"]) == ("PUT", len(data), hashlib.sha256(data).hexdigest())
    assert b"< HTTP/1.1 100 Continue" in done.stderr


def test_curl_through_a_tunnel(keepwarm, server, command):
    at = keepwarm(f"[proxy]\nconnect_ports = [{server.port}]").at
    assert json.loads(command("curl", "-fsS", "-p", "-x", at, server.url("/tunnel")).stdout)["url"] == "/tunnel"


def test_curl_keeps_its_connection_to_the_proxy(keepwarm, server, command):
    urls = [server.url(f"/{number}") for number in range(20)]
    done = command("curl", "-fsSv", "-x", keepwarm().at, *urls)
    assert done.stdout.count(b'"method"') == 20
    assert done.stderr.count(b"Re-using existing connection") == 19


def test_curl_resumes_a_download(keepwarm, nginx, command):
    server = nginx()
    data = os.urandom(100_000)
    (server.root / "file").write_bytes(data)
    assert command("curl", "-fsS", "-x", keepwarm().at, "-r", "5000-", server.url("/file")).stdout == data[5000:]


# wget


def test_wget_with_a_kept_alive_connection(keepwarm, nginx, command, tmp_path):
    server = nginx()
    for number in range(10):
        (server.root / f"file{number}").write_bytes(os.urandom(number * 10_000))
    environment = {"http_proxy": f"http://{keepwarm().at}"}
    urls = [server.url(f"/file{number}") for number in range(10)]
    command("wget", "-nv", "-P", tmp_path, *urls, env=environment)
    for number in range(10):
        assert (tmp_path / f"file{number}").read_bytes() == (server.root / f"file{number}").read_bytes()
    assert len({line[0] for line in server.log_lines(10)}) == 1


# python3-requests


def test_requests_one_by_one_and_in_a_session(keepwarm, server):
    via = proxies(keepwarm())
    for number in range(10):
        assert requests.get(server.url(f"/{number}"), proxies=via, timeout=20).json()["url"] == f"/{number}"
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = via
        for number in range(10):
            assert session.post(server.url("/"), json={"n": number}, timeout=20).json()["size"] == len('{"n": 0}')
    assert len({connection for _, _, connection in server.log_lines()}) == 1, "one upstream connection did for all"


def test_requests_streams_an_upload_in_chunks(keepwarm, server):
    pieces = [os.urandom(size) for size in (1, 100_000, 7, 300_000)]
    answer = requests.post(server.url("/"), data=iter(pieces), proxies=proxies(keepwarm()), timeout=20).json()
    whole = b"".join(pieces)
    assert (answer["size"], answer["sha256"]) == (len(whole), hashlib.sha256(whole).hexdigest())


def test_requests_streams_a_download(keepwarm, nginx):
    server = nginx()
    data = os.urandom(5_000_000)
    (server.root / "file").write_bytes(data)
    with requests.get(server.url("/file"), proxies=proxies(keepwarm()), stream=True, timeout=20) as answer:
        assert b"".join(answer.iter_content(65536)) == data


def test_requests_gets_a_compressed_answer(keepwarm, nginx):
    server = nginx("gzip on; gzip_proxied any; gzip_types text/plain; default_type text/plain;")
    text = "the same line again and again\n" * 1000
    (server.root / "text").write_text(text)
    answer = requests.get(server.url("/text"), proxies=proxies(keepwarm()), timeout=20)
    assert answer.text == text and answer.headers["Content-Encoding"] == "gzip"


# Node.js


def test_node_with_a_keep_alive_agent(keepwarm, server, command):
    daemon = keepwarm()
    done = command(program("node"), PROGRAMS / "client.js", daemon.port, server.at)
    good, connections = done.stdout.split()
    assert int(good) == 60
    assert int(connections) <= 4, "the agent's connections to the proxy are kept alive"


# Clients that say that they will send no more, and clients that give up


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("client", [("nc", "-N"), ("socat", "-t10", "-")])
def test_a_request_that_is_piped_into_a_program_has_its_answer(keepwarm, http_origin, client, version):
    daemon, server = keepwarm(), http_origin({"/slow": lambda *_: time.sleep(0.3) or b"slow but whole"})
    host, port = daemon.address()
    where = [host, str(port)] if client[0] == "nc" else [f"TCP:{host}:{port}"]
    request = f"GET {server.url('/slow')} HTTP/{version}\r\nHost: {server.at}\r\n\r\n".encode()
    done = subprocess.run([program(client[0]), *client[1:], *where], input=request, capture_output=True, timeout=scaled(20))
    assert done.stdout.startswith(b"HTTP/1.1 200 ") and done.stdout.endswith(b"slow but whole")


def test_64_curls_that_gave_up_on_a_silent_url_hold_nobody_up(keepwarm, http_origin, command):
    silence = threading.Event()
    # Longer than any curl's patience, which grows with the load of the machine.
    daemon, server = keepwarm(), http_origin({"/silent": lambda *_: silence.wait(600) and b""})
    done = command("curl", "-sS", "-m", str(scaled(3)), "-Z", "--parallel-max", "64", "--parallel-immediate", "-x", daemon.at,
                   server.url("/silent?[1-64]"), check=False)
    assert done.returncode == 28 and done.stderr.count(b"timed out") == 64
    assert len(server.requests) == 64, "each of them had a connection, and max_connections is used up"
    start = time.monotonic()
    assert command("curl", "-fsS", "-x", daemon.at, server.url("/")).stdout == b"hello"
    assert time.monotonic() - start < scaled(0.5)
    silence.set()


# What a user sees when it fails


def test_curl_shows_who_refused(keepwarm, closed_port, command):
    done = command("curl", "-sSi", "-x", keepwarm().at, f"http://127.0.0.1:{closed_port()}/secret")
    text = done.stdout.decode()
    assert text.startswith("HTTP/1.1 502 ")
    assert "proxy-status: keepwarm" in text.lower() and "connection_refused" in text
    assert "secret" not in text
