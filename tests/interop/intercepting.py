"""A daemon with a CA of its own, servers that it intercepts, and the programs that people point at it, with their verification
on. The names of M2 in packaging/doc/https.md: most are told whom to trust by `keepwarm exec`, the others by the system's store."""

import base64
import contextlib
import functools
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from servers import PROGRAMS, plain_environment, program
from support.daemon import config_text, merged
from support.http_origin import Canned
from support.tier import no_privilege
from support.tls import Certificate, trusting
from support.waiting import binary, scaled

NAME = "www.example.test"      # that of the servers' certificate
PAGE = b"the page that was asked for"
CLIENTS = PROGRAMS / "https_clients"
STORE = "/etc/ssl/certs/ca-certificates.crt"
JAVA_STORE = "/etc/ssl/certs/java/cacerts"
PIP_INDEX = b'<!DOCTYPE html><html><body><a href="/demo-1.0-py3-none-any.whl">demo-1.0-py3-none-any.whl</a></body></html>'


def run(*command, folder: Path | None = None, env: dict | None = None, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run([str(word) for word in command], cwd=folder, env={**plain_environment(), **(env or {})},
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=scaled(120))
    assert done.returncode == 0 or not check, f"{command} ended with {done.returncode}:\n{done.stderr.decode()}"
    return done


class Site:
    """A CA in `folder` that may name NAME, what is below it, and nothing else; and, after serve(), a daemon that has it. Clients
    trust `authority`, too, where they go without the daemon."""

    def __init__(self, folder: Path, authority: Path | None = None):
        self.folder = folder
        self._authority = authority
        self._base = {"proxy": {"connect_ports": ["1-65535"]}, "log": {"access": "text"}, "intercept": {"ca": str(folder / "ca")}}
        self._file = folder / "client.toml"
        self._file.write_text(config_text(self._base))
        self._ca("create", "--permit", NAME)

    def _ca(self, *arguments) -> None:
        """What is made of certificates begins with those that everybody trusts: the system's, or these."""
        everybody = {"SSL_CERT_FILE": str(self._authority)} if self._authority else {}
        run(binary(), "ca", *arguments, "--config", self._file, env=everybody)

    def serve(self, keepwarm, servers: str | dict[str, str], intercept: bool = True) -> "Site":
        """servers: where that of NAME is, or those of several names."""
        at = {NAME: servers} if isinstance(servers, str) else servers
        hosts = {name: {"connect_to": server, "intercept": intercept} for name, server in at.items()}
        keys = merged(merged(trusting(), self._base), {"host": hosts})
        self.daemon = keepwarm(keys)
        # What programs are pointed at is in the configuration, and there a port has to be a number.
        self._file.write_text(config_text(merged(keys, {"proxy": {"listen": [self.daemon.at]}})))
        return self

    @property
    def url(self) -> str:
        return f"https://{NAME}"

    @property
    def exec(self) -> list:
        """What goes before a command that is to go through the daemon and to trust its CA."""
        return [binary(), "exec", "--config", self._file, "--"]

    @property
    def ca(self) -> Path:
        """The folder of the CA."""
        return self.folder / "ca"

    @functools.cached_property
    def bundle(self) -> Path:
        """The authorities that everybody trusts, and ours."""
        made = self.folder / "bundle.pem"
        self._ca("bundle", "--output", made)
        return made

    @functools.cached_property
    def java_store(self) -> Path:
        made = self.folder / "cacerts"
        for number, file in enumerate(filter(None, (self.ca / "root.crt", self._authority))):
            run(program("keytool"), "-importcert", "-noprompt", "-storetype", "JKS", "-storepass", "changeit", "-keystore", made,
                "-alias", number, "-file", file)
        return made

    def command(self, client: "Client", url: str, through: bool = True) -> list:
        """What runs a client. `url` is a site's, without a path. through: goes through the daemon."""
        command = client.command(url, self.daemon.address() if through else None)
        if client.trust == "store":
            command = self._with_store(command, client.java)
        prefix = self.exec
        if client.java and client.trust == "exec":
            prefix.insert(2, "--java")
        if not through:
            unset = [word for name in ("http_proxy", "https_proxy", "all_proxy") for word in ("-u", name, "-u", name.upper())]
            command = ["env", *unset, f"NODE_EXTRA_CA_CERTS={self._authority}", *command]
        return [*prefix, *command]

    def start(self, client: "Client", url: str, folder: Path, check: bool = True, through: bool = True) -> subprocess.CompletedProcess:
        return run(*self.command(client, url, through), folder=folder, check=check)

    def _with_store(self, command: list, java: bool) -> list:
        """In a mount namespace of its own, where the system's store has our authority: as on a machine that installed it."""
        if os.geteuid() != 0:
            no_privilege("only root can have a certificate store of its own")
        ours, theirs = (self.java_store, JAVA_STORE) if java else (self.bundle, STORE)
        return [program("unshare"), "--mount", "sh", "-c", f'mount --bind {ours} {theirs} && exec "$@"', "sh", *command]


@dataclass(frozen=True)
class Client:
    """`command` of the site's URL and the proxy's address (or None) prints PAGE, in an empty folder, by one fresh process, with
    at most `at_a_time` requests under way. trust: "exec" or "store". java: it is a JVM."""

    name: str
    command: Callable
    trust: str = "exec"
    java: bool = False
    at_a_time: int = 1


def _script(interpreter: str, file: str, *options: str):
    return lambda url, proxy: [program(interpreter), *options, CLIENTS / file, f"{url}/page"]


def _python(file: str):
    return lambda url, proxy: ["/usr/bin/python3", CLIENTS / file, f"{url}/page"]


def shell(text: str):
    """`text` has $1 for the site's URL."""
    return lambda url, proxy: ["sh", "-c", text, "sh", url]


def _java(file: str):
    def command(url: str, proxy) -> list:
        # It would leave loopback out by itself.
        way = [f"-Dhttps.proxyHost={proxy[0]}", f"-Dhttps.proxyPort={proxy[1]}", "-Dhttp.nonProxyHosts="] if proxy else []
        return [program("java"), "-XX:TieredStopAtLevel=1", *way, CLIENTS / file, f"{url}/page"]

    return command


@functools.cache
def _go_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="keepwarm-go-")


@functools.cache
def _go_program() -> Path:
    folder = Path(_go_folder().name)
    made = folder / "client"
    run(program("go"), "build", "-o", made, CLIENTS / "client.go", env={"GOCACHE": str(folder / "cache"), "GO111MODULE": "off"})
    return made


LIGHT = [
    Client("curl", lambda url, proxy: ["curl", "-fsS", f"{url}/page"]),
    Client("wget", lambda url, proxy: ["wget", "-nv", "-O", "-", f"{url}/page"], trust="store"),
    Client("git", shell('git clone -q "$1/project.git" clone && cat clone/page')),
    Client("urllib", _python("urllib_client.py")),
    Client("requests", _python("requests_client.py")),
    Client("aiohttp", _python("aiohttp_client.py")),
    # The wheel is not compressed: the page is in it as it is.
    Client("pip", shell('/usr/bin/python3 -m pip -q download --disable-pip-version-check --no-cache-dir --no-deps --retries 0 '
                         '--index-url "$1/simple" -d . demo >&2 && cat demo-1.0-py3-none-any.whl')),
    Client("node", _script("node", "https_client.js")),
    Client("perl", _script("perl", "client.pl")),
]
HEAVY = [
    # A cafile of the machine's npmrc would win over what the environment says.
    Client("npm", shell('npm install --ignore-scripts --no-audit --no-fund --fetch-retries 0 --userconfig ./user '
                         '--globalconfig ./all --cache ./cache --registry "$1/" demo >&2 && cat node_modules/demo/page'), at_a_time=3),
    Client("undici", lambda url, proxy: ["env", "NODE_PATH=/usr/share/nodejs", program("node"), CLIENTS / "undici_client.js",
                                          f"{url}/page"]),
    Client("php-curl", _script("php", "curl_client.php"), trust="store"),
    Client("php-streams", _script("php", "streams_client.php")),
    Client("ruby", _script("ruby", "client.rb")),
    Client("go", lambda url, proxy: [_go_program(), f"{url}/page"]),
    Client("java-url", _java("UrlConnectionClient.java"), java=True),
    Client("java-http", _java("HttpClientClient.java"), java=True),
    Client("java-url-store", _java("UrlConnectionClient.java"), java=True, trust="store"),
    Client("java-http-store", _java("HttpClientClient.java"), java=True, trust="store"),
]


# What the server has for them


def _wheel() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as wheel:
        wheel.writestr("demo.txt", PAGE)
        wheel.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        wheel.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("demo-1.0.dist-info/RECORD", "")
    return file.getvalue()


def npm_package() -> tuple[bytes, bytes]:
    """What npm's registry says of the package "demo", and its tar ball."""
    file = io.BytesIO()
    description = json.dumps({"name": "demo", "version": "1.0.0"}).encode()
    with tarfile.open(fileobj=file, mode="w:gz") as ball:
        for name, content in (("package/package.json", description), ("package/page", PAGE)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            ball.addfile(entry, io.BytesIO(content))
    ball = file.getvalue()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(ball).digest()).decode()
    version = {"name": "demo", "version": "1.0.0", "dist": {"tarball": f"https://{NAME}/demo-1.0.0.tgz", "integrity": integrity}}
    return json.dumps({"name": "demo", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}).encode(), ball


@contextlib.contextmanager
def _repository():
    with tempfile.TemporaryDirectory(prefix="keepwarm-git-") as folder:
        work, bare = Path(folder, "work"), Path(folder, "project.git")
        run("git", "init", "-q", "-b", "main", work)
        (work / "page").write_bytes(PAGE)
        run("git", "-C", work, "add", "page")
        run("git", "-c", "user.name=Nobody", "-c", "user.email=nobody@example.com", "-C", work, "commit", "-q", "-m", "page")
        run("git", "clone", "-q", "--bare", work, bare)
        yield bare


@functools.cache
def _repository_files() -> dict[str, bytes]:
    """A repository as a server has it that knows nothing of git."""
    with _repository() as bare:
        run("git", "-C", bare, "update-server-info")
        shutil.rmtree(bare / "hooks", ignore_errors=True)
        return {f"/project.git/{file.relative_to(bare)}": file.read_bytes() for file in bare.rglob("*") if file.is_file()}


def git_advertisement() -> bytes:
    """What a server that knows git says first."""
    with _repository() as bare:
        branches = run("git", "upload-pack", "--stateless-rpc", "--advertise-refs", bare).stdout
    return b"001e# service=git-upload-pack\n0000" + branches


def routes() -> dict:
    """For an HttpOrigin: whatever one of the clients asks for."""
    about, ball = npm_package()
    html = Canned(PIP_INDEX, fields=["Content-Type: text/html"])
    return {"*": Canned(b"", status="404 Not Found"), "/page": PAGE, "/simple/demo/": html, "/demo-1.0-py3-none-any.whl": _wheel(),
            "/demo": Canned(about, fields=["Content-Type: application/json"]), "/demo-1.0.0.tgz": ball, **_repository_files()}


def certificate_by(ca: Path, name: str, folder: Path) -> Certificate:
    """What somebody could make who has stolen the issuer's key: for any name, as good as can be."""
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.extensions"
    kind = "IP" if name.replace(".", "").isdigit() else "DNS"
    extensions.write_text("basicConstraints = critical, CA:false\nkeyUsage = critical, digitalSignature\n"
                          "extendedKeyUsage = serverAuth\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
                          f"subjectAltName = {kind}:{name}\n")
    run(program("openssl"), "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", made.key,
        "-out", request, "-subj", f"/CN={name}")
    run(program("openssl"), "x509", "-req", "-in", request, "-CA", ca / "issuer.crt", "-CAkey", ca / "issuer.key", "-days", 3,
        "-extfile", extensions, "-out", made.chain)
    made.chain.write_text(made.chain.read_text() + (ca / "issuer.crt").read_text())
    return made
