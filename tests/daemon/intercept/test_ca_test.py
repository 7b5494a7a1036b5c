"""`keepwarm ca test`: real clients, and the listener that they are pointed at."""

import os
import shutil
import subprocess
import sys

import pytest
from support.local_ca import COPY_OF_DEBIANS_STORE, run
from support.waiting import binary, scaled

BY_SYSTEM = "keepwarm ca install (it follows no variable)"
BY_VARIABLE = "keepwarm exec, or keepwarm env --ca"


@pytest.fixture
def only(tmp_path):
    """A PATH with these programs of the machine, or with scripts."""

    def make(*names: str, **scripts: str) -> dict:
        for name in names:
            program = shutil.which(name) or pytest.skip(f"this machine has no {name}")
            (tmp_path / name).symlink_to(program)
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        return {"PATH": str(tmp_path), "HOME": str(tmp_path), "no_proxy": "*", "LC_ALL": "C.UTF-8"}

    return make


def told(ca, env: dict, *arguments: str, by_exec: bool = False) -> tuple[int, dict[str, str], str]:
    config = ["--config", str(ca.config_file)]
    before = ["exec", *config, "--", str(binary())] if by_exec else []
    done = run(*before, "ca", "test", *config, *arguments, env=env)
    first, *lines = done.stdout.splitlines() or [""]
    return done.returncode, {line[:18].strip(): line[18:] for line in lines}, first + done.stderr


def test_who_is_not_told_of_the_ca_refuses_it(local_ca, only):
    code, verdicts, first = told(local_ca("a.test"), only("curl"))
    assert (code, first) == (1, "a certificate for a.test by generation 1")
    assert verdicts == {"curl": f"refuses it (unknown CA): {BY_VARIABLE}"}


LEAVES = """
import os, socket, ssl
s = socket.create_connection(("127.0.0.1", int(os.environ["https_proxy"].rsplit(":", 1)[1])))
s.sendall(b"CONNECT a.test:443 HTTP/1.1\\r\\n\\r\\n")
while not s.recv(4096).endswith(b"\\r\\n\\r\\n"): pass
c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
c.wrap_socket(s, server_hostname="a.test").close()
"""


def test_a_program_that_leaves_after_the_handshake_refuses_it(local_ca, only, tmp_path):
    """Some look at the certificate once the handshake is over, and send no alert."""
    (tmp_path / "leaves.py").write_text(LEAVES)
    code, verdicts, _ = told(local_ca("a.test"), only(curl=f"exec {sys.executable} {tmp_path}/leaves.py"))
    assert (code, verdicts) == (1, {"curl": f"refuses it (it closed the connection): {BY_VARIABLE}"})


def test_node_refuses_it_without_an_alert(local_ca, only):
    assert told(local_ca("a.test"), only("node"))[1] == {"node": f"refuses it (it closed the connection): {BY_VARIABLE}"}


def test_exec_has_it_trusted(local_ca, only):
    assert told(local_ca("a.test"), only("curl"), by_exec=True)[:2] == (0, {"curl": "trusts it"})


def test_a_program_that_follows_no_variable(local_ca, only):
    code, verdicts, _ = told(local_ca("a.test"), only("wget", "curl"), by_exec=True)
    assert code == 1 and verdicts["curl"] == "trusts it"
    assert verdicts["wget"].startswith("refuses it (") and verdicts["wget"].endswith(f"): {BY_SYSTEM}")


def test_the_host_is_one_that_may_be_named(local_ca, only):
    env = only("curl")
    ca = local_ca("a.test").create("192.0.2.7")
    assert told(ca, env, "x.A.test.", by_exec=True)[2] == "a certificate for x.a.test by generation 1"
    code, verdicts, first = told(ca, env, "192.0.2.7", by_exec=True)
    assert (code, verdicts, first) == (0, {"curl": "trusts it"}, "a certificate for 192.0.2.7 by generation 2")
    code, _, error = told(ca, env, "evil.test")
    assert (code, error) == (1, "keepwarm ca test: no generation of the local CA may name evil.test now\n")
    code, _, error = told(ca, env, "a.test:443")
    assert (code, error) == (1, "keepwarm ca test: a.test:443 is no name and no address of a host\n")


def test_a_program_that_makes_no_request_could_not_be_tried(local_ca, only):
    code, verdicts, _ = told(local_ca("a.test"), only(curl="echo first >&2; echo it is broken >&2; exit 3"))
    assert (code, verdicts) == (0, {"curl": "could not be tried: it is broken"})


def test_a_program_that_says_nonsense_to_the_proxy(local_ca, only):
    port = "${https_proxy##*:}"
    code, verdicts, _ = told(local_ca("a.test"), only(curl=f"exec /bin/bash -c 'echo nonsense > /dev/tcp/127.0.0.1/'{port}"))
    assert (code, verdicts) == (0, {"curl": "could not be tried: "})


def test_without_a_ca_there_is_nothing_to_try(local_ca, only):
    ca = local_ca()
    code, _, error = told(ca, only())
    assert (code, error) == (1, f"keepwarm ca test: there is no local CA in {ca.folder}: keepwarm ca create\n")


def test_every_program_of_this_machine_that_follows_variables_trusts_it_by_exec(local_ca):
    ca = local_ca("a.test")
    config = ["--config", str(ca.config_file)]
    done = subprocess.run([str(binary()), "exec", "--java", *config, "--", str(binary()), "ca", "test", *config],
                          capture_output=True, text=True, timeout=scaled(300))
    refused = [line[:18].strip() for line in done.stdout.splitlines() if "refuses it" in line]
    assert set(refused) <= {"wget", "php curl"}, done.stdout


@pytest.mark.skipif(not shutil.which("update-ca-certificates") or not shutil.which("unshare")
                    or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0,
                    reason="takes Debian's store and a mount namespace")
def test_the_systems_store_has_every_program_trust_it(local_ca):
    ca = local_ca("a.test")
    script = COPY_OF_DEBIANS_STORE + """
        "$K" ca install --config "$1/ca.toml" >&2
        for name in $(env | sed -n 's/^\\([A-Z0-9_]*\\)=.*ca-certificates.crt$/\\1/p'); do unset $name; done
        "$K" ca test --config "$1/ca.toml" || true
    """
    done = subprocess.run(["unshare", "-m", "sh", "-euc", script, "sh", str(ca.folder.parent)], text=True, capture_output=True,
                          env={**os.environ, "K": str(binary())}, timeout=scaled(300))
    lines = done.stdout.splitlines()
    refused = [line[:18].strip() for line in lines if "refuses it" in line]
    # Those have authorities of their own, whatever the system says.
    assert done.returncode == 0 and len(lines) > 1 and set(refused) <= {"node", "npm", "pip", "python3 requests"}, done.stdout
