"""Unix sockets as listeners: `listen = ["unix:/run/keepwarm/proxy.sock"]`, `--listen unix:PATH` (core/doc/design.md §4)."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from helpers_pool import begin, exchange, finish, serve, settle, standing_still
from support.background import Background
from support.daemon import config_text
from support.waiting import binary, eventually, scaled


@pytest.fixture
def folder():
    """A folder whose name is short: the path of a unix socket has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="kw-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def path(folder):
    return folder / "proxy.sock"


def listening(*paths, **proxy) -> dict:
    return {"proxy": {"listen": [path if isinstance(path, str) else f"unix:{path}" for path in paths], **proxy}}


def run(folder: Path, config: dict, *arguments: str) -> subprocess.CompletedProcess:
    """A daemon that is expected not to start."""
    file = folder / "keepwarm.toml"
    file.write_text(config_text(config))
    return subprocess.run([str(binary()), "run", "--config", str(file), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=scaled(10))


def stale_socket(path: Path) -> int:
    """Leaves at `path` what a daemon that was killed leaves; its inode."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
    return path.stat().st_ino


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def stable(count) -> int:
    """What `count()` says for a while; 0 if it changes meanwhile."""
    seen = {(time.sleep(0.01), count())[1] for _ in range(10)}
    return seen.pop() if len(seen) == 1 else 0


# Requests


def test_a_get_comes_and_goes_over_it(keepwarm, origin, path):
    daemon, server = keepwarm(listening(path)), origin()
    assert daemon.at == f"unix:{path}"
    exchange(daemon, server, exchange(daemon, server))


def test_pipelined_requests_are_answered_in_order(keepwarm, http_origin, path):
    daemon, server = keepwarm(listening(path)), http_origin()
    client = daemon.client()
    urls = [server.url(f"/{number}") for number in range(20)]
    client.send("".join(f"GET {url} HTTP/1.1\r\nHost: {server.at}\r\n\r\n" for url in urls))
    for _ in urls:
        assert client.read_response().body == b"hello"
    assert [request.target for request in server.wait_requests(20)] == [f"/{number}" for number in range(20)]


def test_large_bodies_pass_both_ways(keepwarm, origin, path):
    daemon, server = keepwarm(listening(path)), origin()
    body = os.urandom(3 << 20)
    client = daemon.client()
    sending = Background(lambda: client.send_request("POST", server.url(), body=body))
    upstream = server.accept()
    assert upstream.read_request().body == body
    sending.result()
    answering = Background(upstream.answer, body)
    assert client.read_response("POST").body == body
    answering.result()


def test_a_tunnel_with_half_close(keepwarm, origin, path):
    daemon, server = keepwarm(listening(path, connect_ports=["1-65535"])), origin()
    client = daemon.client()
    client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\nearly")
    upstream = server.accept()
    assert client.read_response("CONNECT").status == 200
    assert upstream.read_exact(5) == b"early"
    upstream.send("220 hello")
    assert client.read_exact(9) == b"220 hello"
    client.shutdown_write()
    assert upstream.read_to_eof() == b""
    upstream.send("bye")
    upstream.close()
    assert client.read_to_eof() == b"bye"


def test_a_client_that_left_midway_costs_no_time_and_then_its_upstream_connection(keepwarm, origin, path):
    """A unix socket hangs up with its peer's close, which the kernel then tells for ever, wanted or not."""
    daemon, server = keepwarm(listening(path, client_half_close="honour")), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    client.read_until(b"half")
    client.close()
    settle(daemon)
    before = daemon.cpu_seconds()
    upstream.expect_silence(0.4)
    assert daemon.cpu_seconds() - before < 0.2
    upstream.send("more")
    upstream.expect_end()


def test_an_answer_to_a_client_that_is_still_sending_is_not_lost(keepwarm, path):
    daemon = keepwarm(listening(path))
    client = daemon.client()
    client.send("GET / HTTP/1.1\r\nHost: x\r\nBad Field: x\r\n\r\n" + "x" * 20_000)
    assert client.read_response().status == 400
    client.expect_end()


def test_no_descriptor_stays_behind(keepwarm, origin, path):
    daemon, server = keepwarm(listening(path)), origin()
    upstream = exchange(daemon, server)
    first = [daemon.client() for _ in range(20)]
    settle(daemon)  # they have all been accepted, and the client of the exchange has gone
    full = eventually(lambda: stable(daemon.fd_count))
    for client in first:
        client.close()
    for _ in range(5):
        exchange(daemon, server, upstream)
        with socket.socket(socket.AF_UNIX) as left_at_once:
            left_at_once.connect(str(path))
    eventually(lambda: daemon.fd_count() == full - 20)


def test_its_clients_are_local(keepwarm, http_origin, path):
    """They need no allow_clients, and may reach loopback."""
    daemon, server = keepwarm(listening(path, allow_clients=["192.0.2.0/24"])), http_origin()
    assert daemon.get(server.url()).body == b"hello"


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_access_log_calls_its_clients_unix(keepwarm, origin, path, form):
    daemon, server = keepwarm({**listening(path), "log": {"access": form}}), origin()
    exchange(daemon, server)
    if form == "text":
        daemon.wait_log(r"^\S+Z unix GET http://")
    else:
        assert json.loads(daemon.wait_log(r'^{.*"kind":"access".*}$')[0])["client"] == "unix"


# The file


def test_everybody_may_connect_whatever_the_umask_is(keepwarm, path):
    keepwarm(listening(path), wrapper=("sh", "-c", 'umask 0077; exec "$@"', "sh"))
    assert mode(path) == 0o666


def test_a_socket_left_over_from_a_crash_is_replaced(keepwarm, origin, path):
    stale_socket(path)
    daemon, server = keepwarm(listening(path)), origin()
    assert mode(path) == 0o666
    exchange(daemon, server)


def test_a_daemon_that_was_killed_is_followed_by_the_next(keepwarm, origin, path):
    first = keepwarm(listening(path))
    first.expected_trouble = True
    first.process.kill()
    first.wait_exit()
    assert path.is_socket()
    exchange(keepwarm(listening(path)), origin())


def test_a_socket_in_use_is_exit_code_3_and_stays_with_its_owner(keepwarm, origin, folder, path):
    daemon, server = keepwarm(listening(path)), origin()
    inode = path.stat().st_ino
    result = run(folder, listening("127.0.0.1:0", path))
    assert result.returncode == 3
    assert f"cannot listen on unix:{path}: Address already in use" in result.stderr
    assert path.stat().st_ino == inode
    exchange(daemon, server)


def test_a_file_that_is_no_socket_is_exit_code_3_and_stays(folder, path):
    path.write_text("precious")
    result = run(folder, listening(path))
    assert result.returncode == 3
    assert f"cannot listen on unix:{path}: a file is there that is not a socket" in result.stderr
    assert path.read_text() == "precious"


def test_a_folder_that_is_not_there_is_exit_code_3(folder):
    result = run(folder, listening(folder / "nothing" / "proxy.sock"))
    assert result.returncode == 3
    assert f"unix:{folder}/nothing/proxy.sock: No such file or directory" in result.stderr


def test_a_start_that_fails_leaves_no_file_behind(folder, path):
    (folder / "precious").write_text("x")
    assert run(folder, listening(path, folder / "precious")).returncode == 3
    assert not path.exists()


def test_it_is_gone_as_soon_as_accepting_stops(keepwarm, origin, path):
    daemon, server = keepwarm(listening(path)), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    daemon.terminate()
    eventually(lambda: not path.exists())
    upstream.answer("late")
    finish(client, "late")
    assert daemon.wait_exit() == 0


def test_a_second_signal_leaves_no_file_behind(keepwarm, origin, path):
    daemon, server = keepwarm(listening(path)), origin()
    begin(daemon, server)
    server.accept().read_request()
    daemon.terminate()
    daemon.wait_log("stopping")
    daemon.terminate()
    daemon.expected_trouble = True
    daemon.wait_exit()
    assert not path.exists()


def test_clients_that_wait_to_be_accepted_when_it_stops_are_served(keepwarm, http_origin, path):
    daemon, server = keepwarm(listening(path)), http_origin()
    with standing_still(daemon):
        clients = [daemon.client() for _ in range(560)]  # more than are accepted in one turn of the loop
        for client in clients:
            client.send_request("GET", server.url())
        daemon.terminate()
    for client in clients:
        assert client.read_response().body == b"hello"
        client.close()
    assert daemon.wait_exit() == 0


def test_a_socket_that_somebody_put_in_its_place_stays(keepwarm, path):
    daemon = keepwarm(listening(path))
    path.unlink()
    other = stale_socket(path)
    daemon.terminate()
    assert daemon.wait_exit() == 0
    assert path.stat().st_ino == other


# Reload


def test_a_reload_that_keeps_it_leaves_the_file_as_it_is(keepwarm, origin, path):
    daemon, server = keepwarm(listening(path)), origin()
    before, descriptors = path.stat(), daemon.fd_count()
    since = daemon.reload(listening(path, via=False))
    daemon.wait_log("configuration reloaded", since=since)
    after = path.stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)
    assert "listening on" not in daemon.log_text(since)
    assert daemon.fd_count() == descriptors
    exchange(daemon, server)


def test_a_reload_may_write_its_path_differently(keepwarm, folder, path):
    daemon = keepwarm(listening(path))
    before = path.stat()
    since = daemon.reload(listening(f"unix:{folder}/x/..//proxy.sock"))
    daemon.wait_log("configuration reloaded", since=since)
    assert path.stat().st_ctime_ns == before.st_ctime_ns


def test_a_reload_that_drops_it_removes_it_and_its_clients_stay(keepwarm, http_origin, path):
    daemon, server = keepwarm(listening(path)), http_origin()
    stays = daemon.client()
    settle(daemon)
    since = daemon.reload(listening("127.0.0.1:0"))
    daemon.addresses = [daemon.wait_log(r"listening on (127\S+)", since=since)[1]]
    eventually(lambda: not path.exists())
    assert stays.get(server.url()).body == b"hello"
    assert daemon.get(server.url()).body == b"hello"


def test_a_reload_that_adds_it_opens_it(keepwarm, origin, path):
    daemon, server = keepwarm(), origin()
    since = daemon.reload(listening(daemon.at, path))
    assert daemon.wait_log(r"listening on (\S+)", since=since)[1] == f"unix:{path}"
    daemon.addresses = [f"unix:{path}"]
    exchange(daemon, server)


def test_a_reload_that_cannot_have_it_changes_nothing(keepwarm, origin, folder, path):
    daemon, server = keepwarm(listening(path)), origin()
    (folder / "precious").write_text("x")
    since = daemon.reload(listening(folder / "other.sock", folder / "precious"))
    daemon.wait_log(r"\[error\] cannot listen on unix:\S+/precious: a file is there that is not a socket", since=since)
    assert not (folder / "other.sock").exists() and (folder / "precious").exists()
    exchange(daemon, server)


# The command line, and what the configuration refuses


def test_the_listen_option_takes_a_path(keepwarm, origin, path):
    daemon, server = keepwarm("", "--listen", f"unix:{path}"), origin()
    assert daemon.addresses == [f"unix:{path}"]
    exchange(daemon, server)


def test_it_may_stand_beside_addresses(keepwarm, http_origin, path):
    daemon, server = keepwarm(listening("127.0.0.1:0", path)), http_origin()
    assert re.match(r"127\.0\.0\.1:\d+", daemon.addresses[0]) and daemon.addresses[1] == f"unix:{path}"
    for index in range(2):
        assert daemon.client(index).get(server.url()).body == b"hello"


@pytest.mark.parametrize("text,wrong", [("unix:proxy.sock", "not absolute"), ("unix:/" + "x" * 107, "107 at most"),
                                        ("unix:/run/", "a folder")], ids=["relative", "too long", "folder"])
def test_a_path_that_cannot_be_one_is_exit_code_1(folder, text, wrong):
    result = run(folder, listening(text))
    assert result.returncode == 1
    assert "proxy.listen" in result.stderr and wrong in result.stderr and '"unix:/PATH"' in result.stderr


# systemd

PASS_UNIX_SOCKET = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.bind(sys.argv[1])
sock.listen()
os.dup2(os.dup(sock.fileno()), 3)  # a copy: the original may be 3 itself, and is closed by exec
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


def test_a_unix_socket_of_systemd_serves_and_stays(keepwarm, origin, path):
    wrapper = (sys.executable, "-c", PASS_UNIX_SOCKET, str(path))
    daemon, server = keepwarm({"log": {"access": "text"}}, wrapper=wrapper), origin()
    assert daemon.addresses == [f"unix:{path}"]
    client = begin(daemon, server)
    serve(server.accept())
    finish(client)
    daemon.wait_log(r"^\S+Z unix GET http://")
    daemon.terminate()
    assert daemon.wait_exit() == 0
    assert path.is_socket()
