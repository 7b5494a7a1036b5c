"""How the daemon starts, or says why it does not (core/doc/design.md §3): exit codes 0, 1, 2, 3."""

import os
import re
import socket
import subprocess

import pytest
from helpers_pool import exchange
from support.daemon import config_text
from support.waiting import binary, eventually, scaled


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(binary()), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=scaled(10))


@pytest.fixture
def config(tmp_path):
    """config(text or dict, raw=False): the path of a file with it."""

    def write(content="", raw=False):
        path = tmp_path / "keepwarm.toml"
        path.write_text(content if raw else config_text(content))
        return str(path)

    return write


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_port_in_use_is_exit_code_3_and_names_the_address(config, host):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        try:
            taken.bind((host.strip("[]"), 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        taken.listen()
        address = f"{host}:{taken.getsockname()[1]}"
        result = run("run", "--config", config({"proxy": {"listen": [address]}}))
        assert result.returncode == 3
        assert address in result.stderr and "in use" in result.stderr.lower(), result.stderr


def test_an_address_of_another_machine_is_exit_code_3(config):
    result = run("run", "--config", config({"proxy": {"listen": ["192.0.2.1:3128"], "allow_clients": ["192.0.2.0/24"]}}))
    assert result.returncode == 3
    assert "192.0.2.1:3128" in result.stderr


@pytest.mark.parametrize("text,where,what", [
    ("[proxy]\nlisten = 5\n", r":2:\d+", "listen"),
    ("[proxy]\nmax_client = 5\n", r":2:\d+", "max_clients"),
    ("[proxy\n", r":1:\d+", ""),
    ('[host."*"]\n\nidle_timeout = "5 parsecs"\n', r":3:\d+", "idle_timeout"),
], ids=["type", "unknown key", "syntax", "value"])
def test_a_wrong_configuration_is_exit_code_1_with_the_place(config, text, where, what):
    path = config(text, raw=True)
    result = run("run", "--config", path)
    assert result.returncode == 1
    assert re.search(re.escape(path) + where, result.stderr), result.stderr
    assert what in result.stderr


def test_a_configuration_that_is_not_there_is_exit_code_1(tmp_path):
    path = str(tmp_path / "nothing.toml")
    result = run("run", "--config", path)
    assert result.returncode == 1
    assert path in result.stderr


@pytest.mark.parametrize("arguments", [["bogus"], ["run", "--bogus"], ["run", "extra"], ["--config"], ["run", "--listen"],
                                       ["status"], ["exec"], ["exec", "--"], ["env", "--format", "csh"], ["ca"], ["explain"], ["probe"], ["probe", "http://x/", "--max", "1"]], ids=" ".join)
def test_a_wrong_command_line_is_exit_code_2(arguments):
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stderr and not result.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["version"], ["--help"], ["-h"], ["help"], ["help", "probe"], ["run", "--help"], ["check", "--help"], ["explain", "--help"],
                                       ["probe", "--help"]],
                         ids=" ".join)
def test_help_and_version_are_exit_code_0(arguments):
    result = run(*arguments)
    assert result.returncode == 0
    assert result.stdout and not result.stderr


def test_a_misspelt_command_gets_a_suggestion():
    result = run("chekc")
    assert result.returncode == 2
    assert result.stderr == 'keepwarm: unknown command "chekc"; did you mean "check"?\nTry "keepwarm --help".\n'


def test_a_listen_option_that_is_no_address_is_refused(config):
    result = run("run", "--config", config(), "--listen", "nowhere")
    assert result.returncode == 2
    assert '"nowhere" is not an address and a port; allowed: "ADDR:PORT"' in result.stderr


def test_a_listen_option_replaces_what_the_configuration_says(keepwarm, origin, closed_port):
    port = closed_port()  # taken: to listen there too would fail
    daemon, server = keepwarm({"proxy": {"listen": [f"127.0.0.1:{port}"]}}, "--listen", "127.0.0.1:0"), origin()
    assert len(daemon.addresses) == 1 and daemon.port != port
    exchange(daemon, server)


def test_it_listens_on_every_address_that_it_is_told(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"listen": ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0"]}}), origin()
    assert [address.rsplit(":", 1)[0] for address in daemon.addresses] == ["127.0.0.1", "127.0.0.2", "127.0.0.1"]
    for index in range(3):
        client = daemon.client(index)
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read_response().status == 400
    exchange(daemon, server)


def test_it_listens_on_ipv6(keepwarm, http_origin):
    daemon, server = keepwarm({"proxy": {"listen": ["[::1]:0"]}}), http_origin()
    assert re.fullmatch(r"\[::1\]:\d+", daemon.at)
    assert daemon.get(server.url()).body == b"hello"


def test_the_descriptor_limit_is_raised_to_its_hard_limit(keepwarm):
    daemon = keepwarm(wrapper=("prlimit", "--nofile=300:4000"))
    with open(f"/proc/{daemon.pid}/limits") as limits:
        line = next(line for line in limits if line.startswith("Max open files"))
    assert line.split()[3:5] == ["4000", "4000"]


def test_a_limit_too_low_for_max_clients_is_warned_about(keepwarm):
    daemon = keepwarm({"proxy": {"max_clients": 5000}}, wrapper=("prlimit", "--nofile=300:400"))
    daemon.wait_log(r"\[warning\].*max_clients")


@pytest.mark.parametrize(("limit", "most"), [(20000, 3000 * 2), (2000, 2000)])
def test_the_table_of_descriptors_has_room_for_all_clients_from_the_start(keepwarm, limit, most):
    # A socket for which it has to grow takes 10 ms and more, in which the loop stands still.
    daemon = keepwarm({"proxy": {"max_clients": 3000}}, wrapper=("prlimit", f"--nofile={limit}:{limit}"))
    with open(f"/proc/{daemon.pid}/status") as status:
        size = next(int(line.split()[1]) for line in status if line.startswith("FDSize:"))
    assert most <= size < 4 * most


def test_a_limit_that_suffices_is_not_warned_about(keepwarm):
    daemon = keepwarm({"proxy": {"max_clients": 10}})
    assert "[warning]" not in daemon.log_text()


def test_the_log_goes_to_log_file(keepwarm, tmp_path):
    path = tmp_path / "keepwarm.log"
    daemon = keepwarm({"log": {"file": str(path)}}, wait=False)
    eventually(lambda: path.exists() and "ready" in path.read_text())
    assert re.search(r"listening on 127\.0\.0\.1:\d+", path.read_text())
    daemon.terminate()
    assert daemon.wait_exit() == 0


def test_a_log_file_that_cannot_be_opened_is_said(config):
    result = run("run", "--config", config({"log": {"file": "/nonexistent/folder/keepwarm.log"}}))
    assert result.returncode in (1, 3)
    assert "/nonexistent/folder/keepwarm.log" in result.stderr


def test_log_level_is_as_set(keepwarm, http_origin):
    daemon, server = keepwarm({"log": {"level": "info"}}), http_origin()
    assert daemon.get(server.url()).status == 200
    daemon.terminate()
    daemon.wait_exit()
    assert "[debug]" not in daemon.log_text() and "[info]" in daemon.log_text()


@pytest.mark.parametrize("file,problem", [("/nonexistent/k.log", "No such file or directory"), ("{folder}", "Is a directory"),
                                          ("{folder}/k.toml/k.log", "Not a directory")])
def test_check_finds_a_log_file_that_cannot_be_opened(tmp_path, file, problem):
    (tmp_path / "k.toml").write_text(f'[log]\nfile = "{file.format(folder=tmp_path)}"\n')
    result = run("check", "--config", str(tmp_path / "k.toml"))
    assert result.returncode == 1 and not result.stdout
    assert f"k.toml:2:8: log.file: the log cannot be written there: {problem}" in result.stderr


@pytest.mark.parametrize("before", [None, "a line\n"])
def test_check_neither_makes_nor_changes_the_log_file(tmp_path, before):
    log = tmp_path / "k.log"
    if before:
        log.write_text(before)
    (tmp_path / "k.toml").write_text(f'[log]\nfile = "{log}"\n')
    result = run("check", "--config", str(tmp_path / "k.toml"))
    assert result.returncode == 0 and not result.stderr
    assert log.read_text() == before if before else not log.exists()


def test_check_only_warns_of_a_log_file_that_the_daemons_user_may_be_able_to_write(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    (tmp_path / "k.toml").write_text(f'[log]\nfile = "{closed}/k.log"\n')
    as_others = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    result = subprocess.run([*as_others, str(binary()), "check", "--config", str(tmp_path / "k.toml")],
                            capture_output=True, text=True, timeout=scaled(10))
    assert result.returncode == 0, result.stderr
    assert "warning: log.file: this user cannot write the log there" in result.stderr
