"""`keepwarm explain` and `keepwarm check` tell the way to a host, and no password (packaging/doc/clients.md)."""

import re
import subprocess

import pytest
from helpers_parent import ask, connect, open_tunnel, through, trusting_through
from helpers_tls import together
from support.daemon import config_text
from support.waiting import binary, scaled

SECRETS = ("s3cr3t", "s%33cr3t")
CONFIG = {
    "host": {
        "*": {"parent": "http://user:s%33cr3t@Proxy.Corp:3128/"},
        "direct.test": {"parent": ""},
        "moved.test": {"parent": "", "connect_to": "10.0.0.5:8443"},
        "six.test": {"parent": "", "connect_to": "[::1]:8080"},
        "*.localhost": {"parent": ""},
        "here.test": {"parent": "", "connect_to": "app.localhost:8080"},
        "socket.test": {"parent": "", "connect_to": "unix:/run/app.sock"},
        "up.test": {"upgrade": True},
        "up-socket.test": {"upgrade": True, "parent": "", "connect_to": "unix:/run/app.sock"},
        "named.test": {"parent": "", "tls": {"server_name": "other.test"}},
        "trusting.test": {"parent": "", "tls": {"verify": False}},
    }
}
PARENT = "proxy.corp:3128"
PLAIN, WHOLE_URL = "plain HTTP", "plain HTTP, with the whole URL in the request"
BEHIND = f", through a tunnel of the parent proxy {PARENT}"


def tls(name: str) -> str:
    return f"TLS with {name}, verified by the system's authorities"


WAYS = {
    "http://a.test/": (f"{PARENT}, the parent proxy", WHOLE_URL),
    "https://a.test/": ("a.test:443" + BEHIND, tls("a.test")),
    "https://[2001:DB8::1]:8443/": ("[2001:db8::1]:8443" + BEHIND, tls("2001:db8::1")),
    "http://up.test/": ("up.test:443" + BEHIND, tls("up.test")),
    "http://direct.test/": ("direct.test:80", PLAIN),
    "http://App.localhost:81/": ("app.localhost:81, loopback without a look-up (RFC 6761)", PLAIN),
    "http://here.test/": ("app.localhost:8080, loopback without a look-up (RFC 6761) (connect_to)", PLAIN),
    "https://direct.test:8443/": ("direct.test:8443", tls("direct.test")),
    "http://moved.test/": ("10.0.0.5:8443 (connect_to)", PLAIN),
    "https://moved.test/": ("10.0.0.5:8443 (connect_to)", tls("moved.test")),
    "http://six.test/": ("[::1]:8080 (connect_to)", PLAIN),
    "http://socket.test/": ("unix:/run/app.sock (connect_to)", PLAIN),
    "http://up-socket.test/": ("unix:/run/app.sock (connect_to)", tls("up-socket.test")),
    "https://named.test/": ("named.test:443", tls("other.test")),
    "https://trusting.test/": ("trusting.test:443", "TLS with trusting.test, whose certificate is not verified"),
}


@pytest.fixture
def run(tmp_path):
    """run(config, command, *arguments): a command of keepwarm with that configuration; its end."""

    def start(config, *arguments) -> subprocess.CompletedProcess:
        file = tmp_path / "keepwarm.toml"
        file.write_text(config_text(config) if isinstance(config, dict) else config)
        return subprocess.run([binary(), *arguments, "--config", file], capture_output=True, text=True, timeout=scaled(10))

    return start


@pytest.mark.parametrize("url", WAYS)
def test_explain_tells_the_way(run, url):
    done = run(CONFIG, "explain", url)
    assert done.returncode == 0, done.stderr
    told = dict(re.findall(r"^  (lead to|speak) +(.*)$", done.stdout, re.MULTILINE))
    assert (told["lead to"], told["speak"]) == WAYS[url]
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)


def test_explain_shows_the_parent_without_its_password(run):
    told = run(CONFIG, "explain", "http://a.test/").stdout
    assert re.search(r'^  parent +"http://\*\*\*@Proxy.Corp:3128/" +host."\*"$', told, re.MULTILINE)


WRONG = [
    "http://user:s3cr3t@proxy.corp:99999", "https://user:s3cr3t@proxy.corp", "user:s3cr3t@proxy.corp:3128", "http://user:s3cr3t@",
    "http://user:s3cr3t@proxy.corp/path", "http://user:s3cr3t@proxy.corp:3128?x", "http://user:s3cr3t%zz@proxy.corp",
    "http://user:s3cr3t%0a@proxy.corp:1", "http://user:s3cr3t/x@proxy.corp:1", "http://user:s3cr3t?@proxy.corp:1",
    "http://user:s3cr3t#@proxy.corp:1", "http://user:s3cr3t://@proxy.corp:1/", "http://user:s3cr3t@@", "//user:s3cr3t@proxy.corp",
    "socks5://user:s3cr3t@proxy.corp:1080", "http:user:s3cr3t@proxy.corp", "http://user:s3cr3t@proxy.corp:3128/ ",
]


@pytest.mark.parametrize("command", ["check", "explain"])
@pytest.mark.parametrize("parent", WRONG)
def test_a_wrong_parent_is_told_without_its_password(run, command, parent):
    arguments = ["explain", "http://a.test/"] if command == "explain" else ["check"]
    done = run(f'[host."*"]\nparent = "{parent}"\n', *arguments)
    assert done.returncode == 1
    assert "parent" in done.stdout + done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS), done.stderr


@pytest.mark.parametrize("parent", ["s3cr3t", ["http://user:s3cr3t@proxy.corp"], 5])
def test_what_is_no_url_at_all(run, parent):
    done = run({"host": {"*": {"parent": parent}}}, "check")
    assert done.returncode == 1 and "parent" in done.stderr


@pytest.mark.parametrize("command", ["check", "explain"])
def test_both_ways_at_once_are_refused_without_the_password(run, command):
    config = {"host": {"*": {"parent": "http://user:s3cr3t@proxy.corp"}, "a.test": {"connect_to": "10.0.0.5:80"}}}
    done = run(config, *(["explain", "http://a.test/"] if command == "explain" else ["check"]))
    assert done.returncode == 1 and "connect_to" in done.stderr
    assert "s3cr3t" not in done.stdout + done.stderr


def test_a_running_daemon_tells_the_password_to_nobody(keepwarm, origin):
    """With every line that it can write: requests, tunnels, refusals, reloads good and bad."""
    parent = origin()
    log = {"log": {"level": "trace", "access": "json"}}
    daemon = keepwarm(together(trusting_through(parent, "user:s3cr3t@"), log))
    client = ask(daemon, "http://a.test/")
    upstream = parent.accept()
    assert "s3cr3t" not in upstream.read_request().raw.decode()  # base64
    upstream.send("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
    answers = [client.read_response()]
    for begin in (lambda: ask(daemon, "https://a.test/"), lambda: connect(daemon, "a.test:443")):
        client = begin()
        open_tunnel(parent, "a.test:443", "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
        answers.append(client.read_response())
    parent.stop_listening()
    answers.append(daemon.get("http://a.test/"))
    wrong = '[host."*"]\nparent = "http://user:s3cr3t@proxy.corp:x"\n'
    for config in (wrong, together(through(parent, "user:s3cr3t@"), log)):
        since = daemon.reload(config, raw_config=isinstance(config, str))
        daemon.wait_log(r"(?i)reload|configuration", since=since)
    for answer in answers:
        assert answer.status == 502 and b"s3cr3t" not in answer.raw + answer.body
    encoded = "dXNlcjpzM2NyM3Q="
    assert not any("s3cr3t" in line or encoded in line for line in daemon.log)
