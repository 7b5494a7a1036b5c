"""`"credential:NAME"` is the file NAME in $CREDENTIALS_DIRECTORY, which systemd fills (LoadCredential=)."""

import re
import subprocess

import pytest
from helpers_parent import HTTPS, NAME, ask, basic, open_secure
from helpers_pool import KEEP, every_host, exchange, finish, serve
from helpers_tls import tls_keys, together
from helpers_workers import workers
from support.daemon import config_text
from support.tls import authority, certificate
from support.tls_server import ServerTls
from support.waiting import binary, scaled

RELOADED, URL, SECRET = "configuration reloaded", f"http://{NAME}/", "s3cr3t"
TRUSTED = tls_keys(ca_file="credential:ca.crt")
KNOWN = together(TRUSTED, tls_keys(client_certificate="credential:client.crt", client_key="credential:client.key"))
THROUGH = every_host(parent="credential:proxy")


class Credentials:
    """The folder, and the environment that names it."""

    def __init__(self, folder):
        folder.mkdir(mode=0o700)
        self.folder, self.env = folder, {"CREDENTIALS_DIRECTORY": str(folder)}
        self.write("ca.crt", open(authority().ca_file).read())

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(0o400)

    def identify(self, given) -> None:
        self.write("client.crt", given.chain.read_text())
        self.write("client.key", given.key.read_text())


@pytest.fixture
def credentials(tmp_path):
    return Credentials(tmp_path / "credentials")


def exchanged(daemon, upstream, url: str = URL):
    """(connection, request) of an exchange through the parent; `upstream`: a connection, or what accepts one."""
    client = ask(daemon, url)
    upstream = upstream() if callable(upstream) else upstream
    request = serve(upstream, "ok", KEEP)
    finish(client)
    return upstream, request


@pytest.mark.parametrize("config", [{}, workers(2)], ids=["one worker", "two"])
def test_a_client_certificate_and_authorities_that_another_reload_replaces(keepwarm, origin, credentials, config):
    credentials.identify(certificate("client"))
    config = together(config, KNOWN)
    daemon, server = keepwarm(config, env=credentials.env), origin(tls=ServerTls(client_certificate="required"))
    upstream = exchange(daemon, server)
    first = upstream.client_subject
    daemon.wait_log(RELOADED, since=daemon.reload(config))
    exchange(daemon, server, upstream)  # nothing has changed
    credentials.identify(authority().issue("another client", usage="clientAuth"))
    daemon.reload(config)
    assert upstream.wait_for_end() == "fin"
    second = exchange(daemon, server).client_subject
    assert first != second and "another client" in second


def test_the_password_of_a_parent(keepwarm, origin, credentials):
    parent = origin()
    credentials.write("proxy", f"http://user:{SECRET}@{parent.at}\n")
    daemon = keepwarm(THROUGH, env=credentials.env)
    upstream, request = exchanged(daemon, parent.accept)
    assert request.target == URL and request.get("proxy-authorization") == basic(f"user:{SECRET}")
    daemon.wait_log(RELOADED, since=daemon.reload(THROUGH))
    exchanged(daemon, upstream)
    credentials.write("proxy", f"http://user:other-{SECRET}@{parent.at}\n")
    exchanged(daemon, upstream)  # nobody has looked
    daemon.reload(THROUGH)
    assert upstream.wait_for_end() == "fin"
    _, request = exchanged(daemon, parent.accept)
    assert request.get("proxy-authorization") == basic(f"user:other-{SECRET}")
    assert SECRET not in daemon.log_text()


def test_a_tunnel_of_such_a_parent(keepwarm, origin, credentials):
    parent = origin()
    credentials.write("proxy", f"http://user:{SECRET}@{parent.at}")
    daemon = keepwarm(together(THROUGH, TRUSTED), env=credentials.env)
    _, request = exchanged(daemon, lambda: open_secure(parent), HTTPS)
    assert request.target == "/" and not request.has("proxy-authorization")


def test_a_credential_that_has_gone_leaves_the_old_configuration_in_force(keepwarm, origin, credentials):
    parent = origin()
    credentials.write("proxy", f"http://user:{SECRET}@{parent.at}")
    daemon = keepwarm(THROUGH, env=credentials.env)
    upstream, _ = exchanged(daemon, parent.accept)
    credentials.write("proxy", f"no URL {SECRET}")
    daemon.wait_log(r'host\."\*"\.parent: credential "proxy" holds no proxy\'s URL', since=daemon.reload(THROUGH))
    exchanged(daemon, upstream)
    (credentials.folder / "proxy").unlink()
    daemon.wait_log(r'host\."\*"\.parent: there is no credential "proxy"', since=daemon.reload(THROUGH))
    exchanged(daemon, upstream)
    assert SECRET not in daemon.log_text()


# The commands


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(config, credentials or None, command, *arguments): how the program ends that need not stay."""

    def start(config, credentials, command, *arguments):
        file = tmp_path / "keepwarm.toml"
        file.write_text(config_text(config))
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        for name, value in (credentials.env if credentials else {}).items():
            monkeypatch.setenv(name, value)
        return subprocess.run([binary(), command, "--config", file, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=scaled(10))

    return start


@pytest.mark.parametrize("config,key,name", [(THROUGH, "parent", "proxy"), (TRUSTED, "tls.ca_file", "ca.crt"), (KNOWN, "tls.client_key", "client.key")],
                         ids=["parent", "ca_file", "client_key"])
@pytest.mark.parametrize("folder", [True, False], ids=["empty folder", "no folder"])
def test_the_daemon_does_not_start_without_and_names_the_remedy(run, credentials, config, key, name, folder):
    (credentials.folder / "ca.crt").unlink()
    done = run(config, credentials if folder else None, "run")
    assert done.returncode == 1
    assert re.search(rf'keepwarm\.toml:\d+:\d+: host\."\*"\.{re.escape(key)}: .*LoadCredential={re.escape(name)}:/PATH', done.stderr), done.stderr


def test_who_checks_outside_of_the_service_is_warned(run, credentials):
    done = run(together(KNOWN, THROUGH), None, "check")
    assert done.returncode == 0, done.stderr
    warned = re.findall(r"warning: host\.\"\*\"\.(\S+): names a credential of the service", done.stderr)
    assert sorted(warned) == ["parent", "tls.ca_file", "tls.client_certificate", "tls.client_key"]
    credentials.identify(certificate("client"))
    credentials.write("proxy", f"http://user:{SECRET}@proxy.corp:3128")
    done = run(together(KNOWN, THROUGH), credentials, "check")
    assert done.returncode == 0 and done.stderr == ""
    credentials.write("client.key", f"no key {SECRET}")
    done = run(together(KNOWN, THROUGH), credentials, "check")
    assert done.returncode == 1 and "tls.client_key: " in done.stderr and SECRET not in done.stderr


@pytest.mark.parametrize("url", [URL, HTTPS])
def test_explain_tells_the_name_and_no_secret(run, credentials, url):
    outside = run(THROUGH, None, "explain", url)
    assert outside.returncode == 0, outside.stderr
    assert '"credential:proxy"' in outside.stdout and "that only the service knows (a credential)" in outside.stdout
    credentials.write("proxy", f"http://user:{SECRET}@proxy.corp:3128")
    inside = run(THROUGH, credentials, "explain", url)
    assert '"credential:proxy"' in inside.stdout and "proxy.corp:3128" in inside.stdout
    assert SECRET not in inside.stdout + inside.stderr and "user" not in inside.stdout.split("Idle connections")[0].split("lead to")[1]


def test_probe_refuses_a_host_whose_credential_it_cannot_read(run):
    done = run(THROUGH, None, "probe", URL)
    assert done.returncode == 1 and "parent of this host names a credential of the service" in done.stderr
