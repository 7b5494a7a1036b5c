"""A local CA, made by the command that makes them for users."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from .daemon import to_toml
from .waiting import binary, scaled


# For a shell in a mount namespace of its own: Debian's store is a copy of this machine's in the folder $1. Java's part of it is
# brought up to date by a trigger of dpkg, whose books must be a copy, too: two at a time would spoil the machine's.
COPY_OF_DEBIANS_STORE = """
    copy() { if test -e "$1"; then cp -a "$1" "$2"; mount --bind "$2" "$1"; fi; }
    copy /etc/ssl "$1/ssl"
    copy /usr/local/share/ca-certificates "$1/anchors"
    copy /var/lib/dpkg "$1/dpkg"
    copy /var/lib/ca-certificates-java "$1/pending"
"""


def run(*arguments: str, env: dict | None = None, **options) -> subprocess.CompletedProcess:
    """`keepwarm` with these arguments, to its end. `env`: its whole environment."""
    return subprocess.run([str(binary()), *arguments], env=env, stdin=options.pop("stdin", subprocess.DEVNULL),
                          capture_output=True, text=True, timeout=scaled(60), **options)


@dataclass
class LocalCa:
    """The folder, and what is in the public one beside it."""

    folder: Path

    @property
    def public(self) -> Path:
        return self.folder.with_name(self.folder.name + "-public")

    @property
    def root(self) -> Path:
        return self.public / "root.crt"

    @property
    def roots(self) -> Path:
        """Those of all generations."""
        return self.public / "roots.pem"

    @property
    def bundle(self) -> Path:
        return self.public / "bundle.pem"

    @property
    def config(self) -> dict:
        """What a daemon's configuration says of it."""
        return {"intercept": {"ca": str(self.folder)}}

    @property
    def config_file(self) -> Path:
        """One that says no more than where it is."""
        file = self.folder.with_name("ca.toml")
        file.write_text(to_toml(self.config))
        return file

    def create(self, *names: str, days: int | None = None) -> "LocalCa":
        """Makes a generation that may name these hosts."""
        options = [option for name in names for option in ("--permit", name)]
        options += ["--days", str(days)] if days else []
        done = run("ca", "create", "--config", str(self.config_file), *options)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return self


@pytest.fixture
def local_ca(tmp_path_factory):
    """Makes CAs: local_ca("example.test", "192.0.2.7", days=30)."""

    def make(*names: str, days: int | None = None) -> LocalCa:
        ca = LocalCa(tmp_path_factory.mktemp("local-ca") / "ca")
        return ca.create(*names, days=days) if names else ca

    return make
