"""What keepwarm sees of intercepted requests stays with it: not in a log of any level, not in a core file."""

import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from helpers_intercept import HOST, connect, get, intercepting, issuer, secure, tls_context
from helpers_tls import tls_keys
from support.tier import no_privilege
from support.tls import authority
from support.tls_server import ServerTls
from support.waiting import binary, scaled

LEVELS = ["trace", "debug", "info"]  # those above have less


def ask_with(secret: str, daemon, ca):
    client = secure(connect(daemon), tls_context(ca))
    return get(client, f"/{secret}-path/x?key={secret}-query", f"Authorization: Bearer {secret}-field", f"Cookie: a={secret}-cookie")


@pytest.mark.parametrize("access", ["text", "json"])
@pytest.mark.parametrize("level", LEVELS)
def test_no_log_has_the_path_or_the_query(keepwarm, http_origin, local_ca, level, access):
    ca, secret = local_ca(HOST), uuid.uuid4().hex
    fails = [lambda request, connection: connection.reset()]
    server = http_origin({"*": lambda request, connection: fails.pop()(request, connection) if fails else b"hello"}, tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at, {"log": {"level": level, "access": access}}))
    for _ in range(2):  # the first is sent again, which is told, too
        assert ask_with(secret, daemon, ca).body == b"hello"
    assert len(server.requests) == 3 and all(secret in request.target for request in server.requests)
    server.stop_listening()
    server.routes["*"] = lambda request, connection: connection.reset()
    assert ask_with(secret, daemon, ca).status == 502
    daemon.terminate()
    daemon.wait_exit()
    assert HOST in daemon.log_text() and secret not in daemon.log_text()


def test_the_path_is_shown_where_it_is_wanted_and_the_query_is_not(keepwarm, http_origin, local_ca):
    ca, secret = local_ca(HOST), uuid.uuid4().hex
    server = http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at, {"intercept": {"log_paths": True}}))
    ask_with(secret, daemon, ca)
    daemon.wait_log(rf" GET https://{HOST}(:443)?/{secret}-path/x\S* 200 ")
    assert f"{secret}-query" not in daemon.log_text()


# Core files


@pytest.fixture
def gcore():
    return shutil.which("gcore") or no_privilege("gcore (package gdb) is not installed")


SOMEBODY = 65534
AS_SOMEBODY = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups")


def give(folder) -> None:
    """To SOMEBODY, who can reach it then."""
    for place, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(os.path.join(place, name), SOMEBODY, SOMEBODY)
    for above in folder.parents:
        if not above.stat().st_mode & 1:
            above.chmod(above.stat().st_mode | 0o011)


def test_the_same_user_cannot_take_a_core_of_it(keepwarm, http_origin, local_ca, gcore, tmp_path):
    if os.geteuid() != 0:
        no_privilege("only root can be somebody else")
    if subprocess.run([*AS_SOMEBODY, "test", "-x", str(binary())], check=False).returncode != 0:
        no_privilege("nobody but root can run the program where it is")
    ca = local_ca(HOST)
    trusted = Path(shutil.copy(authority().ca_file, tmp_path / "trusted.pem"))
    give(ca.folder.parent)
    give(tmp_path)
    server = http_origin(tls=ServerTls())
    # $4 is the configuration, in a folder of root's own.
    wrapper = ("sh", "-c", 'chmod 755 "${4%/*}" && exec ' + " ".join(AS_SOMEBODY) + ' "$@"', "sh")
    daemon = keepwarm(intercepting(ca, server.at, tls_keys(ca_file=str(trusted))), wrapper=wrapper)
    client = secure(connect(daemon), tls_context(ca))
    assert issuer(client) == "keepwarm" and get(client).body == b"hello"
    done = subprocess.run([*AS_SOMEBODY, gcore, "-o", str(tmp_path / "core"), str(daemon.pid)], capture_output=True, text=True,
                          cwd=tmp_path, timeout=scaled(60), check=False)
    assert done.returncode != 0 and not list(tmp_path.glob("core*")), done.stdout
    assert "Operation not permitted" in done.stderr + done.stdout
    assert re.search(r"Max core file size +0 +0 ", Path(f"/proc/{daemon.pid}/limits").read_text())
