"""Real servers as processes, each with a folder and a port of its own, none of them a service of the system."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from support.at_rest import wait_at_rest
from support.waiting import Deadline, TooLong, eventually, scaled

PROGRAMS = Path(__file__).resolve().parent / "programs"


def plain_environment() -> dict:
    """Ours without what points programs at a proxy or at certificates."""
    unwanted = re.compile(r"(?i)(http|https|all|no|ftp)_proxy|.*ca_?(bundle|info|certs).*|ssl_cert_.*|git_.*|node_.*|pip_.*")
    kept = {name: value for name, value in os.environ.items() if not unwanted.fullmatch(name)}
    return {**kept, "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1", "HOME": tempfile.gettempdir()}


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"{name} is not installed; tests/run.sh installs it"
    return found


def free_port() -> int:
    """A port that was free a moment ago: for servers that cannot ask the kernel for one and tell. Who uses it tries again
    with another when somebody was faster."""
    with socket.socket() as sock:
        sock.bind(("0.0.0.0", 0))
        return sock.getsockname()[1]


class Server:
    """A server process. It ends with the test, and with pytest whatever happens."""

    ATTEMPTS = 5

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="keepwarm-test-"))
        self.folder.chmod(0o755)  # servers give up root and must still read it
        self.process: subprocess.Popen | None = None
        self.port = 0

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.at}{path}"

    def spawn(self, *command: str) -> subprocess.Popen:
        guard = [program("setpriv"), "--pdeathsig", "KILL"]
        with open(self.folder / "output", "ab") as output:
            return subprocess.Popen([*guard, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                    cwd=self.folder, env=plain_environment())

    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def logged(self, name: str) -> list[list[str]]:
        """The lines of a log in its folder, split, once they tell of all that it has done: it writes them after its answers."""
        wait_at_rest(self.process.pid)
        file = self.folder / name
        return [line.split() for line in file.read_text(errors="replace").splitlines()] if file.exists() else []

    def start_on_free_port(self, command_for_port) -> None:
        for _ in range(self.ATTEMPTS):
            self.port = free_port()
            self.process = self.spawn(*command_for_port(self.port))
            if self._came_up():
                return
        raise AssertionError("the server does not start:\n" + self.output())

    def _came_up(self) -> bool:
        deadline = Deadline(10)
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                if deadline.passed():
                    raise TooLong("the server does not listen:\n" + self.output()) from None
                time.sleep(0.01)
        return False

    def end_process(self, number: int = signal.SIGTERM) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(scaled(10))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def stop(self) -> None:
        self.end_process()
        shutil.rmtree(self.folder, ignore_errors=True)


class Nginx(Server):
    """One process with default keep-alive settings. `locations` go into its server block, which serves `self.root`.
    `tls`: (certificate, key). The access log has a line "connection method uri status" for each request, and behind it with
    TLS "r" if a session was resumed, else ".", and the version."""

    def __init__(self, locations: str = "", tls=None):
        super().__init__()
        self.root = self.folder / "root"
        self.root.mkdir()
        self.locations = locations
        self.tls = tls
        self.start_on_free_port(self._command)

    def url(self, path: str = "/") -> str:
        return super().url(path).replace("http:", "https:" if self.tls else "http:")

    def _command(self, port: int) -> list[str]:
        places = "\n".join(f"{kind}_temp_path {self.folder}/{kind};"
                           for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        secure = f"ssl_certificate {self.tls[0]}; ssl_certificate_key {self.tls[1]};" if self.tls else ""
        (self.folder / "nginx.conf").write_text(f"""
            daemon off; master_process off; pid {self.folder}/pid; error_log stderr;
            events {{}}
            http {{
              {places}
              log_format connections '$connection $request_method $request_uri $status $ssl_session_reused $ssl_protocol';
              access_log {self.folder}/access.log connections;
              server {{
                listen {port}{" ssl" if self.tls else ""};
                {secure}
                root {self.root};
                {self.locations}
              }}
            }}
        """)
        return [program("nginx"), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr"]

    def restart(self, number: int) -> None:
        """Ends it by a signal and starts it again on the same port."""
        self.end_process(number)
        self.process = self.spawn(*self._command(self.port))
        assert self._came_up(), self.output()

    def log_lines(self, count: int) -> list[list[str]]:
        """The first `count` lines of the access log, split; it may come a little after the answer."""

        def lines():
            found = (self.folder / "access.log").read_text().splitlines()
            return found if len(found) >= count else None

        return [line.split() for line in eventually(lines, message=f"{count} lines in nginx's access log")]


class Apache(Server):
    """An Apache httpd with its compiled-in defaults: KeepAliveTimeout 5. /cgi/echo answers any method with its query.
    `extra` is a function of the folder that gives more configuration; `files` are copied into the folder first.
    The access log has a line "method uri status client-port" for each request."""

    MODULES = ("mpm_event", "authz_core", "alias", "env", "cgi", "unixd")

    def __init__(self, extra=lambda folder: "", modules: tuple[str, ...] = (), files: dict[str, Path] | None = None):
        super().__init__()
        for name, file in (files or {}).items():
            shutil.copy(file, self.folder / name)
        self.extra = extra(self.folder)
        self.modules = modules
        (self.folder / "cgi").mkdir()
        echo = self.folder / "cgi" / "echo"
        echo.write_text("#!/bin/sh\ncat >/dev/null\nprintf 'Content-Type: text/plain\\n\\n%s' \"$QUERY_STRING\"\n")
        echo.chmod(0o755)
        self.start_on_free_port(self._command)

    def _command(self, port: int) -> list[str]:
        built_in = subprocess.run([program("apache2"), "-l"], capture_output=True, text=True, check=True).stdout
        load = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
                         for name in (*self.MODULES, *self.modules) if f"mod_{name}.c" not in built_in)
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        (self.folder / "httpd.conf").write_text(f"""
            ServerRoot {self.folder}
            ServerName localhost
            PidFile {self.folder}/pid
            Listen {port}
            {load}
            {user}
            ErrorLog {self.folder}/error.log
            LogFormat "%m %U%q %>s %{{remote}}p" requests
            CustomLog {self.folder}/access.log requests
            DocumentRoot {self.folder}
            ScriptAlias /cgi/ {self.folder}/cgi/
            {self.extra}
        """)
        return [program("apache2"), "-f", str(self.folder / "httpd.conf"), "-DFOREGROUND"]

    def log_lines(self) -> list[list[str]]:
        return self.logged("access.log")


class Squid(Server):
    """A Squid that caches nothing and lets everybody go everywhere, or only those with `credentials` ("user:password").
    `extra` goes into its configuration before the rules of access. The access log has a line "client-port method url status"
    for each request."""

    def __init__(self, credentials: str = "", extra: str = ""):
        super().__init__()
        self.credentials = credentials
        self.extra = extra
        if os.geteuid() == 0:
            shutil.chown(self.folder, "proxy")  # whom it becomes
        self.start_on_free_port(self._command)

    def _access(self) -> str:
        if not self.credentials:
            return "http_access allow all"
        user, password = self.credentials.split(":")
        hashed = subprocess.run([program("openssl"), "passwd", "-apr1", password], capture_output=True, text=True, check=True).stdout
        (self.folder / "users").write_text(f"{user}:{hashed}")
        return f"""
            auth_param basic program /usr/lib/squid/basic_ncsa_auth {self.folder}/users
            auth_param basic children 1
            acl known proxy_auth REQUIRED
            http_access allow known
            http_access deny all
        """

    def _command(self, port: int) -> list[str]:
        lines = f"""
            http_port 127.0.0.1:{port}
            visible_hostname squid.test
            pid_filename none
            coredump_dir {self.folder}
            cache_log {self.folder}/cache.log
            logformat requests %>p %rm %ru %>Hs
            access_log stdio:{self.folder}/access.log logformat=requests
            cache deny all
            pinger_enable off
            max_filedescriptors 1024
            shutdown_lifetime 0 seconds
            {self.extra}
            {self._access()}
        """
        (self.folder / "squid.conf").write_text(lines)
        # Its shared memory has the name of the service: two Squids of one name take each other's away.
        return [program("squid"), "-N", "-n", f"keepwarm{port}", "-f", str(self.folder / "squid.conf")]

    def log_lines(self, count: int) -> list[list[str]]:
        """The first `count` lines of the access log, split; it is written a little after the answer."""

        def lines():
            file = self.folder / "access.log"
            found = file.read_text().splitlines() if file.exists() else []
            found = [line for line in found if "error:transaction-end" not in line]  # that is who looked whether it is up
            return found if len(found) >= count else None

        return [line.split() for line in eventually(lines, message=f"{count} lines in Squid's access log")]


class Tinyproxy(Server):
    """A tinyproxy, which closes each connection after its answer. With `credentials` ("user:password") for nobody else."""

    def __init__(self, credentials: str = ""):
        super().__init__()
        self.credentials = credentials
        self.start_on_free_port(self._command)

    def _command(self, port: int) -> list[str]:
        access = f"BasicAuth {self.credentials.replace(':', ' ')}\n" if self.credentials else ""
        (self.folder / "tinyproxy.conf").write_text(f"Listen 127.0.0.1\nPort {port}\nTimeout 600\nMaxClients 100\n{access}")
        return [program("tinyproxy"), "-d", "-c", str(self.folder / "tinyproxy.conf")]


class Gunicorn(Server):
    """A gunicorn with threads, which closes idle connections after 2 s, or `keep_alive`; it gives no hint."""

    APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
"""

    def __init__(self, keep_alive: int = 2):
        super().__init__()
        self.keep_alive = keep_alive
        (self.folder / "application.py").write_text(self.APPLICATION)
        self.start_on_free_port(self._command)

    def _command(self, port: int) -> list[str]:
        return [program("gunicorn"), "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "16",
                "--keep-alive", str(self.keep_alive), "application"]


class Script(Server):
    """A server of programs/, for Node.js or Python, with its default settings. It prints its port first. `tls`: (certificate,
    key)."""

    def __init__(self, name: str, tls=()):
        super().__init__()
        interpreter = "/usr/bin/python3" if name.endswith(".py") else program("node")
        self.process = self.spawn(interpreter, str(PROGRAMS / name), *map(str, tls))
        self.port = int(eventually(self._first_line, limit=10, message="the port of " + name))

    def _first_line(self) -> str | None:
        assert self.process.poll() is None, self.output()
        found = re.match(r"(\d+)\n", self.output())
        return found and found[1]

    def log_lines(self) -> list[list[str]]:
        """What it printed after its port."""
        return self.logged("output")[1:]
