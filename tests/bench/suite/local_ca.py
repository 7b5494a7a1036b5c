"""A local authority for the peers that answer for the origin: the files that keepwarm's has, made by openssl."""

import functools
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .process import program

NAME = "localhost"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
SCOPE = f"nameConstraints = critical, permitted;DNS:{NAME}, excluded;IP:0.0.0.0/0.0.0.0, excluded;IP:::/::"
ISSUER = f"""basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{SCOPE}
"""
LEAF = f"""basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:{NAME}
"""


@dataclass(frozen=True)
class LocalCa:
    """PEM files, all keys ECDSA P-256."""

    folder: Path

    @property
    def issuer(self) -> Path:
        return self.folder / "issuer.crt"

    @property
    def key(self) -> Path:
        return self.folder / "issuer.key"

    @property
    def leaf(self) -> Path:
        """For NAME: certificate, issuer and key in one file."""
        return self.folder / "leaf.pem"


@functools.cache
def _files() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="keepwarm-bench-ca-")


def _openssl(*arguments) -> None:
    subprocess.run([program("openssl"), *map(str, arguments)], check=True, capture_output=True)


def _signed(folder: Path, name: str, subject: str, by: str, extensions: str) -> None:
    request, extra = folder / f"{name}.csr", folder / f"{name}.extensions"
    extra.write_text(extensions)
    _openssl("req", "-new", *KEY, "-keyout", folder / f"{name}.key", "-out", request, "-subj", subject)
    _openssl("x509", "-req", "-in", request, "-CA", folder / f"{by}.crt", "-CAkey", folder / f"{by}.key", "-days", 6,
             "-extfile", extra, "-out", folder / f"{name}.crt")


@functools.cache
def local_ca() -> LocalCa:
    """Always the same; its files go with the process."""
    folder = Path(_files().name)
    folder.chmod(0o755)
    _openssl("req", "-x509", *KEY, "-keyout", folder / "root.key", "-out", folder / "root.crt", "-days", 7, "-subj",
             "/O=keepwarm benchmark/CN=root", "-addext", "keyUsage = critical, keyCertSign", "-addext", SCOPE)
    _signed(folder, "issuer", "/O=keepwarm benchmark/CN=issuer", "root", ISSUER)
    _signed(folder, "leaf", f"/CN={NAME}", "issuer", LEAF)
    made = LocalCa(folder)
    made.leaf.write_text("".join((folder / name).read_text() for name in ("leaf.crt", "issuer.crt", "leaf.key")))
    made.leaf.chmod(0o644)  # who gives up root reads it too
    return made
