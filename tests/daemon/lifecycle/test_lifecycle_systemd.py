"""What systemd gives and wants: sockets by LISTEN_FDS, notices by NOTIFY_SOCKET (sd_listen_fds(3), sd_notify(3))."""

import socket
import sys

import pytest
from helpers_pool import begin, exchange
from support.waiting import eventually, scaled

# Passes sockets as systemd does: from descriptor 3 on, then becomes the program.
PASS_SOCKETS = """
import os, socket, sys
count, pid, rest = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
made = []
for number in range(count):
    made.append(socket.socket())
    made[-1].bind(("127.0.0.1", 0))
    made[-1].listen()
    print("passed 127.0.0.1:%d" % made[-1].getsockname()[1], flush=True)
for number, sock in enumerate([os.dup(each.fileno()) for each in made]):
    os.dup2(sock, 100 + number)
for number in range(count):
    os.dup2(100 + number, 3 + number)
    os.close(100 + number)
os.environ["LISTEN_FDS"] = str(count)
os.environ["LISTEN_PID"] = pid or str(os.getpid())
os.execvp(rest[0], rest)
"""


def passing(count: int, pid: str = "") -> tuple[str, ...]:
    return (sys.executable, "-c", PASS_SOCKETS, str(count), pid)


def passed(daemon) -> list[str]:
    return [line.split()[1] for line in daemon.log if line.startswith("passed ")]


@pytest.mark.parametrize("count", [1, 3])
def test_the_sockets_of_systemd_are_taken_over_and_win_over_listen(keepwarm, http_origin, count):
    daemon, server = keepwarm({"proxy": {"listen": ["127.0.0.9:0"]}}, wrapper=passing(count)), http_origin()
    assert daemon.addresses == passed(daemon)
    for index in range(count):
        client = daemon.client(index)
        assert client.get(server.url()).body == b"hello"


def test_sockets_for_another_process_are_left_alone(keepwarm, http_origin):
    daemon, server = keepwarm(wrapper=passing(1, pid="1")), http_origin()
    assert daemon.at not in passed(daemon)
    assert daemon.get(server.url()).body == b"hello"


def test_a_reload_keeps_the_sockets_of_systemd(keepwarm, http_origin):
    daemon, server = keepwarm(wrapper=passing(1)), http_origin()
    since = daemon.reload({"proxy": {"listen": ["127.0.0.9:0"]}})
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    assert daemon.get(server.url()).body == b"hello"
    assert "listening on 127.0.0.9" not in daemon.log_text()


def test_clients_that_came_before_it_started_are_served(keepwarm, http_origin):
    """They wait in the passed socket."""
    daemon, server = keepwarm(wrapper=passing(1), wait=False), http_origin()
    daemon.wait_log("passed ")
    host, port = passed(daemon)[0].rsplit(":", 1)
    daemon.addresses = [f"{host}:{port}"]
    client = daemon.client()
    client.send_request("GET", server.url())
    assert client.read_response().body == b"hello"


def test_a_passed_socket_whose_address_is_not_there_does_no_harm(keepwarm, http_origin):
    """FreeBind=yes in keepwarm.socket: ::1 may be missing. 192.0.2.1 is nobody's (RFC 5737)."""
    freely = 'made[-1].setsockopt(socket.SOL_IP, 15, 1)  # IP_FREEBIND\n    made[-1].bind(("192.0.2.1" if number else "127.0.0.1", 0))'
    script = PASS_SOCKETS.replace('made[-1].bind(("127.0.0.1", 0))', freely)
    daemon, server = keepwarm(wrapper=(sys.executable, "-c", script, "2", "")), http_origin()
    assert [at.rsplit(":", 1)[0] for at in daemon.addresses] == ["127.0.0.1", "192.0.2.1"]
    assert daemon.client().get(server.url()).body == b"hello"


class Notices:
    """A socket as systemd's: `got` are the messages."""

    def __init__(self, address: str):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.settimeout(scaled(5))

    def next(self) -> list[str]:
        return self.socket.recv(4096).decode().splitlines()


@pytest.fixture(params=["path", "abstract"])
def notices(request, tmp_path):
    address = str(tmp_path / "notify") if request.param == "path" else f"@keepwarm-test{tmp_path}"
    made = Notices(address)
    made.address = address
    yield made
    made.socket.close()


def test_readiness_is_told_once_clients_can_connect(keepwarm, http_origin, notices):
    daemon, server = keepwarm(env={"NOTIFY_SOCKET": notices.address}), http_origin()
    assert "READY=1" in notices.next()
    assert daemon.get(server.url()).body == b"hello"


def test_a_reload_and_the_end_are_told(keepwarm, origin, notices):
    daemon, server = keepwarm(env={"NOTIFY_SOCKET": notices.address}), origin()
    assert "READY=1" in notices.next()
    daemon.reload({"proxy": {"listen": [daemon.at]}})
    assert "RELOADING=1" in notices.next()
    assert "READY=1" in notices.next()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    daemon.terminate()
    assert "STOPPING=1" in notices.next()
    upstream.answer("ok")
    assert client.read_response().body == b"ok"
    client.close()
    assert daemon.wait_exit() == 0


def test_a_reload_that_fails_ends_with_readiness_too(keepwarm, notices):
    daemon = keepwarm(env={"NOTIFY_SOCKET": notices.address})
    assert "READY=1" in notices.next()
    daemon.reload("nonsense", raw_config=True)
    messages = [*notices.next(), *notices.next()]
    assert "RELOADING=1" in messages and "READY=1" in messages


def test_a_socket_that_is_not_there_is_no_trouble(keepwarm, origin, tmp_path):
    daemon, server = keepwarm(env={"NOTIFY_SOCKET": str(tmp_path / "nothing")}), origin()
    exchange(daemon, server)


def test_a_passed_socket_that_does_not_listen_is_refused(keepwarm):
    wrapper = (sys.executable, "-c", PASS_SOCKETS.replace("made[-1].listen()", "pass"), "1", "")
    daemon = keepwarm(wrapper=wrapper, wait=False)
    daemon.expected_trouble = True
    assert daemon.wait_exit() == 3
    eventually(lambda: len(daemon.log) > 1)
