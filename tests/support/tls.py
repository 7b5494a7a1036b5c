"""Certificates, made at test time by the openssl command: right ones, and one for each thing that can be wrong with one.

certificate("right") is for NAMES; each of WRONG_KINDS has one fault. Those of authority() are trusted by a daemon with
trusting() in its configuration. Everything is made once for each process, when it is first asked for, in a folder that goes
with the process.
"""

import functools
import ipaddress
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

NAMES = ("localhost", "www.example.test", "*.wild.test", "127.0.0.1", "127.0.0.2", "::1")
VALID = (-1, 30)  # from and until, in days from now
CONFIGURATION = """
[ca]
default_ca = authority
[authority]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
[req]
distinguished_name = names
[names]
"""
AUTHORITY = "basicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign\nsubjectKeyIdentifier = hash\n"


@dataclass(frozen=True)
class Certificate:
    """PEM files. `chain` begins with the certificate; intermediate authorities follow, the root does not."""

    chain: Path
    key: Path


def _openssl(*arguments) -> None:
    command = [shutil.which("openssl") or "/usr/bin/openssl", *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"


@functools.cache
def _all_files() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="keepwarm-certificates-")


def _make(subject: str, extensions: str, valid: tuple[float, float], issuer: Certificate | None) -> Certificate:
    """issuer None: signed by itself."""
    folder = Path(tempfile.mkdtemp(dir=_all_files().name))
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    configuration, request, extra = folder / "configuration", folder / "request", folder / "extensions"
    configuration.write_text(CONFIGURATION.format(folder=folder))
    extra.write_text(extensions)
    (folder / "index").touch()
    dates = [(datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ") for days in valid]
    signer = ("-cert", issuer.chain, "-keyfile", issuer.key) if issuer else ("-selfsign", "-keyfile", made.key)
    _openssl("req", "-new", "-config", configuration, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", made.key, "-out", request, "-subj", f"/CN={subject}")
    _openssl("ca", "-batch", "-notext", "-config", configuration, *signer, "-in", request, "-out", made.chain,
             "-extfile", extra, "-startdate", dates[0], "-enddate", dates[1])
    made.key.chmod(0o644)  # servers that give up root read it too
    return made


def _alternative_name(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _end_entity(names: tuple[str, ...], usage: str) -> str:
    lines = ["basicConstraints = critical, CA:false", f"extendedKeyUsage = {usage}"]
    if names:
        lines.append("subjectAltName = " + ",".join(map(_alternative_name, names)))
    return "\n".join(lines) + "\n"


class Authority:
    """A certificate authority: a root, or one below `parent`."""

    def __init__(self, name: str, parent: "Authority | None" = None):
        self._own = _make(name, AUTHORITY, (-20, 60), parent and parent._own)
        self._is_root = parent is None

    @property
    def ca_file(self) -> str:
        return str(self._own.chain)

    def issue(self, subject: str, *names: str, valid: tuple[float, float] = VALID, usage: str = "serverAuth") -> Certificate:
        """`subject` is the common name; `names` that are addresses become IP names. usage: the extended key usage."""
        made = _make(subject, _end_entity(names, usage), valid, self._own)
        if not self._is_root:
            made.chain.write_text(made.chain.read_text() + self._own.chain.read_text())
        return made


@functools.cache
def authority() -> Authority:
    """The one that the tests' daemons trust."""
    return Authority("Test Authority")


@functools.cache
def stranger() -> Authority:
    """Trusted by nobody."""
    return Authority("Strange Authority")


KINDS = {  # each makes one with the common name that it is given
    "right": lambda name: authority().issue(name, *NAMES),
    "by an intermediate": lambda name: Authority("Intermediate", authority()).issue(name, *NAMES),
    "wrong name": lambda name: authority().issue(name, "other.example.test", "192.0.2.1"),
    "expired": lambda name: authority().issue(name, *NAMES, valid=(-10, -1)),
    "not yet valid": lambda name: authority().issue(name, *NAMES, valid=(1, 10)),
    "self-signed": lambda name: _make(name, _end_entity(NAMES, "serverAuth"), VALID, None),
    "unknown authority": lambda name: stranger().issue(name, *NAMES),
    "wrong usage": lambda name: authority().issue(name, *NAMES, usage="clientAuth"),
    "client": lambda name: authority().issue(name, usage="clientAuth"),
    "client of a stranger": lambda name: stranger().issue(name, usage="clientAuth"),
}
WRONG_KINDS = ("wrong name", "expired", "not yet valid", "self-signed", "unknown authority", "wrong usage")
_making = threading.RLock()
_made: dict[str, Certificate] = {}


def common_name(kind: str) -> str:
    return f"test {kind}"


def certificate(kind: str = "right") -> Certificate:
    """One of KINDS, always the same."""
    with _making:
        if kind not in _made:
            _made[kind] = KINDS[kind](common_name(kind))
        return _made[kind]


def trusting(**keys) -> dict:
    """The configuration in which every host is verified by authority(), with these keys more in [host."*".tls]."""
    return {"host": {"*": {"tls": {"ca_file": authority().ca_file, **keys}}}}


def client_certificate(kind: str = "client") -> dict:
    """The keys of [host.*.tls] that show a certificate to the server."""
    shown = certificate(kind)
    return {"client_certificate": str(shown.chain), "client_key": str(shown.key)}
