"""The files of [host.*.tls] are looked at when the configuration is read, not when a request needs them (core/doc/design.md §3, §4)."""

import re
import subprocess

import pytest
from helpers_pool import exchange
from helpers_tls import tls_keys
from support.daemon import config_text
from support.tls import authority, certificate, client_certificate, trusting
from support.tls_server import ServerTls
from support.waiting import binary, scaled


@pytest.fixture
def check(tmp_path):
    """check(config, command="check"): what the program says to a file with it."""

    def run(config: dict, command: str = "check") -> subprocess.CompletedProcess:
        file = tmp_path / "keepwarm.toml"
        file.write_text(config_text(config))
        return subprocess.run([binary(), command, "--config", file], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=scaled(10))

    return run


@pytest.fixture
def wrong(tmp_path):
    """wrong(case): (keys of [host."*".tls], the key that is wrong, the file that must be named)"""
    text, missing = tmp_path / "text.pem", tmp_path / "missing.pem"
    text.write_text("no certificate\n")
    empty = tmp_path / "empty.pem"
    empty.touch()
    right, other = certificate("client"), certificate("client of a stranger")
    cases = {
        "no ca_file": ({"ca_file": missing}, "ca_file", missing),
        "a ca_file without PEM": ({"ca_file": text}, "ca_file", text),
        "an empty ca_file": ({"ca_file": empty}, "ca_file", empty),
        "a folder as ca_file": ({"ca_file": tmp_path}, "ca_file", tmp_path),
        "a key as ca_file": ({"ca_file": right.key}, "ca_file", right.key),
        "no certificate": ({"client_certificate": missing, "client_key": right.key}, "client_certificate", missing),
        "no key": ({"client_certificate": right.chain, "client_key": missing}, "client_key", missing),
        "a key without PEM": ({"client_certificate": right.chain, "client_key": text}, "client_key", text),
        "the key of another": ({"client_certificate": right.chain, "client_key": other.key}, "client_key", other.key),
        "two swapped": ({"client_certificate": right.key, "client_key": right.chain}, "client_certificate", right.key),
    }
    return lambda case: (tls_keys(**{key: str(value) for key, value in cases[case][0].items()}), *cases[case][1:])


CASES = ["no ca_file", "a ca_file without PEM", "an empty ca_file", "a folder as ca_file", "a key as ca_file", "no certificate",
         "no key", "a key without PEM", "the key of another", "two swapped"]
cases = pytest.mark.parametrize("case", CASES)


@cases
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_that_cannot_be_used_is_an_error_that_names_key_and_file(check, wrong, case, command):
    config, key, file = wrong(case)
    result = check(config, command)
    assert result.returncode == 1, result.stderr
    assert re.search(r"keepwarm\.toml:\d+:\d+", result.stderr), result.stderr
    assert str(file) in result.stderr, result.stderr
    line = next(n for n, text in enumerate(config_text(config).splitlines(), 1) if text.startswith(f"{key} ="))
    assert re.search(rf"keepwarm\.toml:{line}:\d+: host\S+\.tls\.{key}: ", result.stderr), result.stderr


def test_files_that_can_be_used_are_no_error(check):
    result = check(trusting(**client_certificate()))
    assert result.returncode == 0, result.stderr


def test_a_certificate_and_its_key_may_be_one_file(keepwarm, origin, tmp_path):
    one, shown = tmp_path / "one.pem", certificate("client")
    one.write_text(shown.key.read_text() + shown.chain.read_text())
    daemon = keepwarm(trusting(client_certificate=str(one), client_key=str(one)))
    assert exchange(daemon, origin(tls=ServerTls(client_certificate="required"))).client_subject


def test_the_table_of_one_host_is_looked_at_too(check, tmp_path):
    result = check(tls_keys("bank.example.com", ca_file=str(tmp_path / "missing.pem")))
    assert result.returncode == 1 and "bank.example.com" in result.stderr, result.stderr


def test_no_verification_is_advised_against(check):
    result = check(tls_keys(verify=False))
    assert result.returncode == 0 and "verify" in result.stdout + result.stderr


@cases
def test_a_reload_with_such_a_file_changes_nothing(keepwarm, origin, wrong, case):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls())
    upstream = exchange(daemon, server)
    config, _, file = wrong(case)
    since = daemon.reload(config)
    daemon.wait_log(re.escape(str(file)), since=since)
    exchange(daemon, server, upstream)


def test_a_file_that_goes_bad_while_the_daemon_runs_harms_nothing_before_a_reload(keepwarm, origin, tmp_path):
    trusted = tmp_path / "ca.pem"
    trusted.write_text(open(authority().ca_file).read())
    daemon, server = keepwarm(tls_keys(ca_file=str(trusted))), origin(tls=ServerTls())
    exchange(daemon, server).close()
    trusted.unlink()
    daemon.wait_log(r"upstream \S+ closed")
    exchange(daemon, server)
