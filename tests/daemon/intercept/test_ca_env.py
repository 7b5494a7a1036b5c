"""`keepwarm env` and `keepwarm exec`: what programs are told, and that they do what they are told."""

import hashlib
import os
import shlex
import shutil
import ssl
import subprocess

import pytest
from support.daemon import merged, to_toml
from support.local_ca import run
from support.waiting import binary, scaled

BUNDLE = {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "PERL_LWP_SSL_CA_FILE",
          "npm_config_cafile", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
          "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "NIX_SSL_CERT_FILE", "HTTPLIB2_CA_CERTS"}
ROOTS = {"NODE_EXTRA_CA_CERTS", "DENO_CERT"}
PROXY = {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"}
NOT = {"no_proxy", "NO_PROXY"}
NO_SYSTEM = {"SSL_CERT_FILE": os.devnull}


def config_file(ca, over: dict | None = None):
    file = ca.folder.with_name("env.toml")
    file.write_text(to_toml(merged(ca.config, over or {})))
    return str(file)


def variables(ca, *options: str, over: dict | None = None) -> dict[str, str]:
    """What `env` prints, as a shell understands it."""
    done = run("env", *options, "--config", config_file(ca, over))
    assert (done.returncode, done.stderr) == (0, "")
    before = subprocess.run(["env", "-i", "sh", "-c", "env -0"], capture_output=True, check=True).stdout
    said = subprocess.run(["env", "-i", "sh", "-c", done.stdout + "env -0"], capture_output=True, check=True).stdout
    return dict(line.decode().split("=", 1) for line in said.split(b"\0") if line and line not in before.split(b"\0"))


def test_without_a_ca_programs_are_told_of_the_proxy(local_ca):
    told = variables(local_ca())
    assert told == {**dict.fromkeys(PROXY, "http://127.0.0.1:3128"), **dict.fromkeys(NOT, "localhost,127.0.0.1,::1")}


def test_with_a_ca_all_variables_come_together(local_ca):
    ca = local_ca("a.test")
    told = variables(ca, "--ca")
    assert set(told) == PROXY | NOT | BUNDLE | ROOTS
    assert {told[name] for name in BUNDLE} == {str(ca.bundle)} and {told[name] for name in ROOTS} == {str(ca.roots)}


def test_java_has_options(local_ca):
    ca = local_ca("a.test")
    proxy = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=3128 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=3128 " \
            "-Dhttp.nonProxyHosts=localhost|127.0.0.1|[::1]"
    assert variables(ca, "--java")["JAVA_TOOL_OPTIONS"] == proxy
    trust = f" -Djavax.net.ssl.trustStore={ca.public}/truststore.jks -Djavax.net.ssl.trustStoreType=JKS"
    assert variables(ca, "--ca", "--java")["JAVA_TOOL_OPTIONS"] == proxy + trust


@pytest.mark.parametrize("listen, intercept, plain, trusting", [
    (["127.0.0.1:8080"], [], "127.0.0.1:8080", "127.0.0.1:8080"),
    (["unix:/run/x.sock", "127.0.0.1:0", "[::1]:8081"], [], "[::1]:8081", "[::1]:8081"),
    (["127.0.0.1:8080", "127.0.0.1:8081"], ["127.0.0.1:8081"], "127.0.0.1:8080", "127.0.0.1:8081"),
    (["0.0.0.0:8080", "[::]:8081"], ["[::]:8081"], "127.0.0.1:8080", "[::1]:8081"),
    (["127.0.0.1:8080"], ["127.0.0.1:8080"], "127.0.0.1:8080", "127.0.0.1:8080"),
], ids=["one", "none that can be told", "two", "wildcards", "only one that intercepts"])
def test_the_address_is_one_that_does_what_is_asked(local_ca, listen, intercept, plain, trusting):
    ca = local_ca("a.test")
    over = {"proxy": {"listen": listen, "allow_clients": ["10.0.0.0/8"]}, "intercept": {"listen": intercept}}
    assert variables(ca, over=over)["http_proxy"] == f"http://{plain}"
    assert variables(ca, "--ca", over=over)["https_proxy"] == f"http://{trusting}"


def test_what_cannot_be_told_is_an_error(local_ca):
    ca = local_ca()
    done = run("env", "--config", config_file(ca, {"proxy": {"listen": ["unix:/run/x.sock"]}}))
    assert (done.returncode, done.stdout) == (1, "") and "no address with a port" in done.stderr
    for command in (["env", "--ca"], ["exec", "--", "true"]):
        done = run(command[0], *command[1:-2], "--config", config_file(ca), *(command[-2:] if command[0] == "exec" else command[1:]))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"keepwarm {command[0]}: there is no local CA in {ca.folder}: keepwarm ca create\n"


def test_formats(local_ca):
    ca = local_ca("a.test")
    odd = ca.folder.parent / "it's 100% \"odd\""
    odd.mkdir()
    ca.folder = odd / "ca"
    ca.create("a.test")
    said = {form: run("env", "--ca", "--format", form, "--config", config_file(ca)).stdout.splitlines()
            for form in ("sh", "fish", "systemd", "docker")}
    assert f"export CURL_CA_BUNDLE={shlex.quote(str(ca.bundle))}".replace("'\"'\"'", "'\\''") in said["sh"]
    assert variables(ca, "--ca")["CURL_CA_BUNDLE"] == str(ca.bundle)
    assert said["fish"][0] == "set -gx http_proxy 'http://127.0.0.1:3128'"
    escaped = str(ca.bundle).replace("'", "\\'")
    assert f"set -gx CURL_CA_BUNDLE '{escaped}'" in said["fish"]
    assert said["systemd"][:2] == ["[Service]", 'Environment="http_proxy=http://127.0.0.1:3128"']
    escaped = str(ca.bundle).replace('"', '\\"').replace("%", "%%")
    assert f'Environment="CURL_CA_BUNDLE={escaped}"' in said["systemd"]
    assert said["docker"][0] == f"# docker run --network host --volume {ca.public}:{ca.public}:ro --env-file FILE ..."
    assert f"CURL_CA_BUNDLE={ca.bundle}" in said["docker"]
    assert len(said["docker"]) == len(said["systemd"]) == len(said["sh"]) + 1 == len(said["fish"]) + 1


def test_exec_becomes_the_program(local_ca):
    ca = local_ca("a.test")
    env = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": "/elsewhere", "X": "kept", "JAVA_TOOL_OPTIONS": "-Dx=1"}
    done = run("exec", "--java", "--config", config_file(ca), "--", "env", "-0", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    has = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    assert has["SSL_CERT_FILE"] == str(ca.bundle) and has["X"] == "kept"
    assert has["JAVA_TOOL_OPTIONS"].startswith("-Dx=1 -Dhttp.proxyHost=127.0.0.1 ")
    assert set(has) >= PROXY | NOT | BUNDLE | ROOTS


def test_words_behind_the_dashes_are_the_programs_own(local_ca):
    config = config_file(local_ca("a.test"))
    words = ["--help", "run", "", "--config", "ca", "-x", "--", "\x01odd", "a b"]
    done = run("exec", "--config", config, "--", "printf", "[%s]", *words)
    assert (done.returncode, done.stdout) == (0, "".join(f"[{word}]" for word in words))
    assert run("exec", "--config", config, "printf", "%s", "plain").stdout == "plain"


def test_exec_ends_as_the_program_does(local_ca, tmp_path):
    config = config_file(local_ca("a.test"))
    assert run("exec", "--config", config, "--", "sh", "-c", "exit 42").returncode == 42
    done = run("exec", "--config", config, "--", "no-such-program")
    assert (done.returncode, done.stderr) == (127, "keepwarm exec: no-such-program: No such file or directory\n")
    (tmp_path / "x").write_text("")
    assert run("exec", "--config", config, "--", str(tmp_path / "x")).returncode == 126


def test_another_user_uses_the_ca_of_the_system(local_ca, tmp_path):
    """Its own folder has none, and no configuration names one; the system's has, or there is none at all."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    (tmp_path / "k.toml").write_text("")
    done = run("env", "--ca", "--config", str(tmp_path / "k.toml"), env=env)
    if done.returncode == 1:
        assert done.stderr == "keepwarm env: there is no local CA in /etc/keepwarm/ca: keepwarm ca create\n"
    else:
        assert "/etc/keepwarm/ca-public/bundle.pem" in done.stdout


def test_the_trust_store_of_java(local_ca):
    """The format of sun.security.provider.JavaKeyStore."""
    ca = local_ca()
    assert run("ca", "create", "--permit", "a.test", "--config", config_file(ca), env=NO_SYSTEM).returncode == 0
    ca.create("b.test")
    assert run("ca", "bundle", "--config", config_file(ca), env=NO_SYSTEM).returncode == 0
    store = (ca.public / "truststore.jks").read_bytes()
    assert hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + store[:-20]).digest() == store[-20:]
    assert store[:12].hex() == "feedfeed" + "00000002" + "00000002"
    ders = [ssl.PEM_cert_to_DER_cert(file.read_text()) for file in (ca.root, ca.public / "2" / "root.crt")]
    rest = store[12:-20]
    for number, der in enumerate(ders):
        alias = f"authority-{number}".encode()
        begin = b"\0\0\0\2" + len(alias).to_bytes(2, "big") + alias
        assert rest.startswith(begin)
        rest = rest[len(begin) + 8:]
        middle = b"\0\5X.509" + len(der).to_bytes(4, "big") + der
        assert rest.startswith(middle)
        rest = rest[len(middle):]
    assert rest == b""


@pytest.mark.skipif(not shutil.which("keytool"), reason="this machine has no keytool")
@pytest.mark.parametrize("password", [[], ["-storepass", "changeit"]], ids=["without a password", "with the usual one"])
def test_java_reads_the_trust_store(local_ca, password):
    ca = local_ca("a.test")
    said = subprocess.run(["keytool", "-list", "-keystore", str(ca.public / "truststore.jks"), *password], input="\n",
                          capture_output=True, text=True, timeout=scaled(120))
    assert said.returncode == 0 and "trustedCertEntry" in said.stdout
