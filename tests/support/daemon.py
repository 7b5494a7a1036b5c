"""The daemon as a process."""

import os
import re
import select
import shutil
import signal
import subprocess
import threading
import tomllib
from pathlib import Path

from .at_rest import wait_at_rest
from .client import Client
from .waiting import DEFAULT_LIMIT, Deadline, TooLong, binary, sanitized, scaled
from .wire import Response

# The limits of time are long, so that no stall of a busy machine passes them: a test that means one sets it.
DEFAULTS = {
    "proxy": {"listen": ["127.0.0.1:0"], "client_header_timeout": "5m"},
    "admin": {"listen": ""},
    "log": {"level": "debug"},
    "dns": {"dns_timeout": "5m"},
    "host": {"*": {"connect_timeout": "5m", "queue_timeout": "5m"}},
}
TROUBLE = re.compile(r"Sanitizer|runtime error:|[Aa]ssertion .*failed|\[critical\]|terminate called")
# A line of the log in text, or in JSON (with `access = "json"`).
LISTENING = re.compile(r'listening on ([^\s"]+)')
READY = re.compile(r'\[info\] ready|"message":"ready"')
OPENED = re.compile(r"upstream (\S+) opened: ")
CLOSED = re.compile(r'upstream (\S+) closed: (.*?)(?:"})?$')
EXIT_LIMIT = 8.0
# Nobody is trusted but whom a test names. To read the authorities of the system took a third of a daemon's start besides.
NO_AUTHORITIES = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}


def to_toml(tables: dict, path: tuple[str, ...] = ()) -> str:
    """TOML text of nested dicts of strings, numbers, booleans and lists of these."""
    plain, nested = [], []
    for key, value in tables.items():
        if isinstance(value, dict):
            nested.append(to_toml(value, (*path, key)))
        else:
            plain.append(f"{_quoted(key)} = {_value(value)}")
    header = [f"[{'.'.join(_quoted(key) for key in path)}]"] if path and plain else []
    return "\n".join(header + plain + nested) + ("\n" if plain else "")


def _quoted(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]+", text):
        return text
    return _value(text)


def _value(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return repr(value)


def merged(base: dict, over: dict) -> dict:
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def config_text(config: str | dict, defaults: dict | None = None) -> str:
    """`config` over the harness's defaults, as TOML."""
    given = tomllib.loads(config) if isinstance(config, str) else config
    base = DEFAULTS if defaults is None else defaults
    if workers := os.environ.get("KEEPWARM_TEST_WORKERS"):
        base = merged(base, {"proxy": {"workers": int(workers)}})
    return to_toml(merged(base, given))


class Daemon:
    """`keepwarm run`. `config_file` is what it was started with; reload() writes it anew and sends SIGHUP."""

    def __init__(self, folder: Path, config: str | dict = "", *args: str, env: dict | None = None,
                 raw_config: bool = False, wait: bool = True, wrapper: tuple[str, ...] = ()):
        """raw_config: `config` is the text of the file, whole. wait=False: do not wait until it is ready. wrapper: a
        command to start it under (its own pid is then the wrapper's unless that execs)."""
        self.config_file = folder / "keepwarm.toml"
        self.started_with = config if raw_config else config_text(config)
        self.config_file.write_text(self.started_with)
        self.log_so_far: list[str] = []
        self.clients: list[Client] = []
        self.addresses: list[str] = []
        self.expected_trouble = False  # a test that wants a critical line sets it
        self.shared = False  # it may serve other tests (shared_daemons.py)
        self.was_signalled = False
        self._changed = threading.Condition()
        self._log_ended = False
        self._unfinished_line = b""
        self._ending = False
        # PR_SET_PDEATHSIG by setpriv and not by preexec_fn: forking Python code beside running threads can deadlock.
        guard = [shutil.which("setpriv") or "/usr/bin/setpriv", "--pdeathsig", "KILL"]
        command = [*guard, *wrapper, str(binary()), "run", "--config", str(self.config_file), *args]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env={**os.environ, **NO_AUTHORITIES, **(env or {})}, close_fds=True)
        os.set_blocking(self.process.stdout.fileno(), False)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if wait:
            self.wait_ready()

    def _read_log(self) -> None:
        output = select.poll()
        output.register(self.process.stdout)
        while not self._log_ended:
            output.poll()
            with self._changed:
                self._take_output()

    def _take_output(self) -> int:
        """Moves what the daemon has written into the log, with the lock held, so that a line is in the pipe or in the log. The
        number of bytes."""
        taken = 0
        while not self._log_ended:
            try:
                data = os.read(self.process.stdout.fileno(), 1 << 16)
            except BlockingIOError:
                break
            taken += len(data)
            self._log_ended = not data
            *lines, self._unfinished_line = (self._unfinished_line + data).split(b"\n")
            if self._log_ended and self._unfinished_line:
                lines.append(self._unfinished_line)
            self.log_so_far += [line.decode("utf-8", "replace") for line in lines]
        self._changed.notify_all()
        return taken

    def wait_ready(self, limit: float = DEFAULT_LIMIT) -> None:
        self.wait_log(READY, limit=limit)
        self.addresses = [match[1] for line in list(self.log_so_far) if (match := LISTENING.search(line))]

    # Where it is

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def at(self) -> str:
        """The first address that it listens on, as logged."""
        return self.addresses[0]

    @property
    def port(self) -> int:
        return int(self.at.rsplit(":", 1)[1])

    def address(self, index: int = 0):
        """What a socket connects to."""
        text = self.addresses[index]
        if text.startswith("unix:"):
            return text.removeprefix("unix:")
        host, port = text.rsplit(":", 1)
        return host.strip("[]"), int(port)

    def fd_count(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss(self) -> int:
        """Resident bytes."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

    def expect_growth_below(self, limit: int, before: int) -> None:
        """Of resident memory since it was `before`. Under a sanitizer memory says nothing, and nothing is checked."""
        growth = self.rss() - before
        assert sanitized() or growth < limit, f"grew by {growth} bytes"

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # What it says

    @property
    def log(self) -> list[str]:
        """The lines of all that it has done until now. They are written a little after what they tell of: this waits until
        they are here. (`log_so_far` has those that are, at once.)"""
        deadline = Deadline()
        while self.process.poll() is None:
            wait_at_rest(self.pid, deadline)
            with self._changed:
                if self._take_output() == 0:
                    return list(self.log_so_far)
        self._reader.join(scaled(1))
        return list(self.log_so_far)

    def wait_log(self, pattern: str | re.Pattern, count: int = 1, since: int = 0,
                 limit: float = DEFAULT_LIMIT) -> re.Match:
        """Waits until `count` lines from line `since` on match; the match of the last of them."""
        wanted = re.compile(pattern)
        deadline = Deadline(limit)
        with self._changed:
            while True:
                found = [match for line in self.log_so_far[since:] if (match := wanted.search(line))]
                if len(found) >= count:
                    return found[count - 1]
                if self._log_ended or not self._changed.wait(max(deadline.left(), 0.001)):
                    if self._log_ended or deadline.passed():
                        raise TooLong(f"no line matches {wanted.pattern!r} {count} time(s):\n" + self.text_so_far(since))

    def log_text(self, since: int = 0) -> str:
        return "\n".join(self.log[since:])

    def text_so_far(self, since: int = 0) -> str:
        return "\n".join(self.log_so_far[since:])

    def closes(self) -> list[str]:
        """The reasons of the upstream closes so far, in order."""
        return [match[2] for line in self.log if (match := CLOSED.search(line))]

    def wait_closes(self, count: int) -> list[str]:
        """The same once there are `count`."""
        self.wait_log(CLOSED, count=count)
        return self.closes()

    # Using it

    def client(self, index: int = 0, **options) -> Client:
        client = Client(self.address(index), **options)
        self.clients.append(client)
        return client

    def request(self, method: str, url: str, *fields: str, body=None, limit: float | None = None) -> Response:
        """One request on a client connection of its own."""
        client = self.client()
        try:
            return client.request(method, url, *fields, body=body, limit=limit)
        finally:
            client.close()

    def get(self, url: str, *fields: str, limit: float | None = None) -> Response:
        return self.request("GET", url, *fields, limit=limit)

    # Its life

    def begin_anew(self) -> None:
        """For the next test: as if it had just become ready."""
        with self._changed:
            self.log_so_far = []
        self.clients = []

    def signal(self, number: int) -> None:
        self.was_signalled = True
        self.process.send_signal(number)
        self._ending = self._ending or number in (signal.SIGTERM, signal.SIGINT)

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def reload(self, config: str | dict, raw_config: bool = False) -> int:
        """Writes the file and sends SIGHUP; the index of the first log line after that."""
        # Renamed into place: the daemon may still be reading for an earlier signal, and must not see half a file.
        new_file = self.config_file.with_suffix(".new")
        new_file.write_text(config if raw_config else config_text(config))
        new_file.replace(self.config_file)
        since = len(self.log)
        self.signal(signal.SIGHUP)
        return since

    def wait_exit(self, limit: float = EXIT_LIMIT) -> int:
        """The exit code; negative for a signal."""
        try:
            code = self.process.wait(scaled(limit))
        except subprocess.TimeoutExpired:
            raise TooLong("the daemon does not end:\n" + self.text_so_far()) from None
        self._reader.join(scaled(1))
        return code

    def finish(self) -> None:
        """SIGTERM, exit code 0, nothing bad on stderr. Called by the fixture; idempotent."""
        for client in self.clients:
            client.close()
        try:
            if self.process.poll() is None and not self._ending:  # a second signal would cut it short
                self.terminate()
            code = self.wait_exit()
        except TooLong:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._reader.join(scaled(1))
            self.process.stdout.close()
        trouble = [line for line in self.log_so_far if TROUBLE.search(line)]
        assert self.expected_trouble or not trouble, "trouble on stderr:\n" + self.text_so_far()
        assert self.expected_trouble or code == 0, f"exit code {code}:\n" + self.text_so_far()
