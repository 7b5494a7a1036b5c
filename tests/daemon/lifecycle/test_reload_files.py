"""SIGHUP reads files on a thread of their own, and connections that rest on other files than are there now are not used any
more (core/doc/design.md §3)."""

import errno
import os
import signal

import pytest
from helpers_pool import every_host, exchange
from helpers_tls import tls_keys, together
from helpers_workers import workers
from support.daemon import config_text
from support.tls import authority, certificate, stranger, trusting
from support.tls_server import ServerTls
from support.waiting import eventually
from support.wiring import check_own_answer

RELOADED = "configuration reloaded"


class SlowFile:
    """Takes the place of the daemon's configuration: whoever reads it waits for write()."""

    def __init__(self, daemon):
        self._end = None
        self.path = daemon.config_file.with_suffix(".slow")
        os.mkfifo(self.path)
        os.link(self.path, daemon.config_file.with_suffix(".new"))
        daemon.config_file.with_suffix(".new").replace(daemon.config_file)

    def _opened(self) -> bool:
        try:
            self._end = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody reads it
                raise
        return self._end is not None

    def wait_for_reader(self) -> None:
        if self._end is None:
            eventually(self._opened, message="somebody who reads the file")

    def write(self, config: dict) -> None:
        self.wait_for_reader()
        with os.fdopen(self._end, "w") as file:
            file.write(config_text(config))


@pytest.mark.parametrize("config", [{}, workers(2)], ids=["one worker", "two"])
def test_clients_are_served_while_a_configuration_is_read(keepwarm, origin, config):
    daemon, server = keepwarm(config), origin()
    slow = SlowFile(daemon)
    daemon.signal(signal.SIGHUP)
    upstream = exchange(daemon, server)
    exchange(daemon, server, upstream)
    assert RELOADED not in daemon.log_text()
    slow.write(together(config, every_host(reuse=False)))
    daemon.wait_log(RELOADED)
    assert upstream.wait_for_end() == "fin"
    assert exchange(daemon, server).wait_for_end() == "fin"


def test_a_signal_that_comes_meanwhile_has_the_files_read_once_more(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    slow = SlowFile(daemon)
    daemon.signal(signal.SIGHUP)
    slow.wait_for_reader()
    daemon.reload(every_host(reuse=False))
    exchange(daemon, server).close()
    slow.write({})
    daemon.wait_log(RELOADED, count=2)
    assert exchange(daemon, server).wait_for_end() == "fin"


def test_a_file_that_is_never_read_to_its_end_does_not_delay_the_end(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    SlowFile(daemon)
    daemon.signal(signal.SIGHUP)
    exchange(daemon, server)
    daemon.terminate()
    assert daemon.wait_exit() == 0


def test_the_end_wins_over_a_configuration_that_has_just_been_read(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    slow = SlowFile(daemon)
    daemon.signal(signal.SIGHUP)
    upstream = exchange(daemon, server)
    client = daemon.client()
    client.send_request("GET", server.url())
    upstream.read_request()
    daemon.terminate()
    daemon.wait_log("stopping")
    slow.write({})
    upstream.answer("ok")
    assert client.read_response().body == b"ok"
    assert daemon.wait_exit() == 0
    assert RELOADED not in daemon.log_text()


# What the files hold


def test_connections_that_were_verified_by_other_authorities_are_closed(keepwarm, origin, tmp_path):
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(open(authority().ca_file, "rb").read())
    config = tls_keys(ca_file=str(trusted))
    daemon, server = keepwarm(config), origin(tls=ServerTls())
    upstream = exchange(daemon, server)
    daemon.wait_log(RELOADED, since=daemon.reload(config))
    exchange(daemon, server, upstream)  # nothing has changed
    trusted.write_bytes(open(stranger().ca_file, "rb").read())
    exchange(daemon, server, upstream)  # nobody has looked
    daemon.reload(config)
    assert upstream.wait_for_end() == "fin"
    check_own_answer(daemon.get(server.url()), 502, "tls_certificate_error", "127.0.0.1")


def test_so_are_those_of_the_systems_authorities(keepwarm, origin, tmp_path):
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(open(authority().ca_file, "rb").read())
    daemon, server = keepwarm(env={"SSL_CERT_FILE": str(trusted)}), origin(tls=ServerTls())
    upstream = exchange(daemon, server)
    daemon.wait_log(RELOADED, since=daemon.reload({}))
    exchange(daemon, server, upstream)
    trusted.write_bytes(open(stranger().ca_file, "rb").read())
    daemon.reload({})
    assert upstream.wait_for_end() == "fin"
    check_own_answer(daemon.get(server.url()), 502, "tls_certificate_error", "127.0.0.1")


@pytest.mark.parametrize("config", [{}, workers(2)], ids=["one worker", "two"])
def test_those_with_another_client_certificate_are_closed(keepwarm, origin, tmp_path, config):
    shown = tmp_path / "client.pem"

    def show(given) -> None:
        shown.write_text(given.key.read_text() + given.chain.read_text())

    show(certificate("client"))
    config = together(config, trusting(client_certificate=str(shown), client_key=str(shown)))
    daemon, server = keepwarm(config), origin(tls=ServerTls(client_certificate="required"))
    upstream = exchange(daemon, server)
    first = upstream.client_subject
    show(authority().issue("another client", usage="clientAuth"))
    daemon.reload(config)
    assert upstream.wait_for_end() == "fin"
    daemon.wait_log(RELOADED)
    second = exchange(daemon, server).client_subject
    assert first != second and "another client" in second


def test_plain_connections_rest_on_no_file(keepwarm, origin, tmp_path):
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(open(authority().ca_file, "rb").read())
    config = tls_keys(ca_file=str(trusted))
    daemon, server = keepwarm(config), origin()
    upstream = exchange(daemon, server)
    trusted.write_bytes(open(stranger().ca_file, "rb").read())
    daemon.wait_log(RELOADED, since=daemon.reload(config))
    exchange(daemon, server, upstream)
