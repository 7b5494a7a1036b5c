"""Whatever becomes of the log (nobody reads it, the disk is full, its server hangs, it is closed), the proxy goes on, obeys its
signals, and what was lost is told (core/doc/design.md §8)."""

import fcntl
import itertools
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest
from support.tier import amount
from support.waiting import DEFAULT_LIMIT, Deadline, binary, eventually, scaled

OLD_LINES = re.compile(rb"^x+$", re.MULTILINE)
LOST = re.compile(r"\[warning\] (\d+) lines of the log were lost, the first of them at \d{4}-\d\d-\d\dT[\d:.]+Z")
READ_AT_ONCE = 1 << 16
# Blocks for ever in write(2) to a file whose name is $HANG, as a file on a server that is gone does.
HANGING_WRITE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
ssize_t write(int fd, const void* bytes, size_t count) {
  static ssize_t (*real)(int, const void*, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "write");
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size > 0) {
    path[size] = 0;
    while (strcmp(path, getenv("HANG")) == 0) pause();
  }
  return real(fd, bytes, count);
}
"""


class Fifo:
    """A pipe with a name, whose reader reads when it is told to."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = str(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self.reader, fcntl.F_SETPIPE_SZ, 4096)
        self.got = b""

    def fill(self) -> None:
        writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            while True:
                os.write(writer, b"x" * 63 + b"\n")
        except BlockingIOError:
            pass
        finally:
            os.close(writer)

    def text(self) -> str:
        """What has been read, without what fill() put there."""
        return OLD_LINES.sub(b"", self.got).decode()

    def read_until(self, pattern: str) -> re.Match:
        deadline = Deadline(DEFAULT_LIMIT)
        while not (found := re.search(pattern, self.got[-READ_AT_ONCE - 1000:].decode())):
            assert select.select([self.reader], [], [], deadline.left())[0], f"no {pattern!r} in {self.text()[-2000:]!r}"
            self.got += os.read(self.reader, READ_AT_ONCE)
        return found

    def close(self) -> None:
        os.close(self.reader)


@pytest.fixture
def fifo(tmp_path):
    made = Fifo(tmp_path / "stderr")
    yield made
    made.close()


@pytest.fixture
def path(tmp_path):
    return f"{tmp_path}/proxy.sock"


def stderr_to(target: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", f'exec "$0" "$@" 2>{target}')


@pytest.fixture
def silent(keepwarm, path):
    """Starts a daemon whose log says nothing to the harness."""
    def start(config=None, **options):
        config = config or {}
        config = {**config, "proxy": {"listen": [f"unix:{path}"], **config.get("proxy", {})}}
        daemon = keepwarm(config, wait=False, **options)
        eventually(lambda: listens(path), message="the listener")
        daemon.addresses = [f"unix:{path}"]
        return daemon

    return start


def listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def ends_soon(daemon) -> None:
    began = time.monotonic()
    daemon.terminate()
    assert daemon.wait_exit() == 0
    assert time.monotonic() - began < scaled(2)


def refused_requests(daemon, count: int, length: int) -> None:
    """Each with a line in the access log of about `length` bytes; no server is needed."""
    client = daemon.client()
    for _ in range(count):
        client.send_request("GET", "http://127.0.0.1:1/" + "a" * length)
        assert client.read_response().status == 403


def test_a_full_standard_error_stops_neither_requests_nor_signals(silent, fifo, http_origin):
    fifo.fill()
    daemon, server = silent({"log": {"access": "text"}}, wrapper=stderr_to(fifo.path)), http_origin()
    for _ in range(3):
        assert daemon.get(server.url()).body == b"hello"
    daemon.signal(signal.SIGHUP)
    for _ in range(20):
        assert daemon.get(server.url()).body == b"hello"
    ends_soon(daemon)


def test_what_a_reader_that_stopped_has_missed_is_told_when_it_reads_again(silent, fifo):
    daemon = silent({"log": {"access": "text"}}, wrapper=stderr_to(fifo.path))
    fifo.read_until("ready")
    fcntl.fcntl(fifo.reader, fcntl.F_SETPIPE_SZ, READ_AT_ONCE)
    count = 1200
    refused_requests(daemon, count, 4000)
    lost = int(fifo.read_until(LOST.pattern)[1])
    assert fifo.text().count("http://127.0.0.1:1/") + lost == count and lost > 0
    assert "nobody reads it fast enough" in fifo.text()
    refused_requests(daemon, 1, 10)
    fifo.read_until("http://127.0.0.1:1/a{10} ")
    ends_soon(daemon)


def test_the_log_leaves_a_full_pipe_for_a_file(silent, fifo, tmp_path):
    daemon = silent(wrapper=stderr_to(fifo.path))
    fifo.read_until("ready")
    fifo.fill()
    daemon.reload({"proxy": {"listen": daemon.addresses}, "log": {"file": str(tmp_path / "log")}})
    eventually(lambda: "configuration reloaded" in log_of(tmp_path), message="the new log")
    ends_soon(daemon)


def log_of(tmp_path) -> str:
    file = tmp_path / "log"
    return file.read_text() if file.exists() else ""


def test_a_reader_that_is_gone_is_no_trouble(silent, fifo, http_origin):
    daemon, server = silent({"log": {"access": "text"}}, wrapper=stderr_to(fifo.path)), http_origin()
    fifo.read_until("ready")
    os.close(fifo.reader)
    for _ in range(5):
        assert daemon.get(server.url()).body == b"hello"
    daemon.signal(signal.SIGHUP)
    assert daemon.get(server.url()).body == b"hello"
    ends_soon(daemon)
    fifo.reader = os.open(os.devnull, os.O_RDONLY)


def test_a_full_disk_is_told_on_standard_error_and_nothing_is_lost_when_there_is_room_again(silent, tmp_path, http_origin):
    daemon, server = silent({"log": {"file": "/dev/full", "access": "text"}}), http_origin()
    daemon.wait_log(r"\[error\] cannot write to the log file /dev/full: No space left on device")
    assert daemon.get(server.url("/kept")).body == b"hello"
    daemon.reload({"proxy": {"listen": daemon.addresses}, "log": {"file": str(tmp_path / "log")}})
    eventually(lambda: "/kept 200" in log_of(tmp_path), message="the line that was kept")
    eventually(lambda: "the log could not be written for " in log_of(tmp_path))
    ends_soon(daemon)


def test_what_a_full_disk_took_is_told_on_standard_error_at_the_end(silent):
    daemon = silent({"log": {"file": "/dev/full"}})
    ends_soon(daemon)
    daemon.wait_log(r"keepwarm: \d+ lines of the log were lost at the end \(/dev/full\)")


def test_a_limit_on_the_size_of_files_does_not_end_it(silent, tmp_path, http_origin):
    daemon, server = silent({"log": {"file": str(tmp_path / "log"), "access": "text"}}, wrapper=("prlimit", "--fsize=200")), http_origin()
    for _ in range(3):
        assert daemon.get(server.url()).body == b"hello"
    ends_soon(daemon)
    assert len(log_of(tmp_path)) <= 200


def test_a_fifo_without_a_reader_is_a_log_file_and_keeps_its_lines(silent, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    daemon = silent({"log": {"file": str(tmp_path / "fifo")}})
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)  # only to open it was not to wait
    eventually(lambda: b"ready" in os.read(reader, 1 << 16))
    os.close(reader)
    ends_soon(daemon)


def test_a_log_file_that_hangs_in_the_kernel_holds_nothing_up(silent, tmp_path, http_origin):
    compiler = shutil.which("cc") or shutil.which("g++")
    library = tmp_path / "hanging.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", library, "-ldl"], input=HANGING_WRITE, text=True, check=True)
    log = tmp_path / "log"
    asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    daemon = silent({"log": {"file": str(log), "access": "text"}},
                    wrapper=("env", f"LD_PRELOAD={library}", f"HANG={log}", f"ASAN_OPTIONS={asan}"))
    server = http_origin()
    assert daemon.get(server.url()).body == b"hello"
    daemon.signal(signal.SIGHUP)
    assert daemon.get(server.url()).body == b"hello"
    ends_soon(daemon)
    daemon.wait_log(r"keepwarm: \d+ lines of the log were lost at the end")


CLOSED = [numbers for count in (1, 2, 3) for numbers in itertools.combinations((0, 1, 2), count)]


@pytest.mark.parametrize("numbers", CLOSED, ids=lambda numbers: "".join(map(str, numbers)))
def test_standard_descriptors_that_are_closed_are_not_taken_for_something_else(silent, tmp_path, http_origin, numbers):
    closing = " ".join(f"{number}>&-" for number in numbers)
    daemon = silent({"log": {"file": str(tmp_path / "log")}}, wrapper=("/bin/sh", "-c", f'exec "$0" "$@" {closing}'))
    server = http_origin()
    assert daemon.get(server.url()).body == b"hello"
    for number in numbers:
        assert os.readlink(f"/proc/{daemon.pid}/fd/{number}") == "/dev/null"
    daemon.reload({"proxy": {"listen": daemon.addresses}})  # the log goes to standard error, whatever that is
    assert daemon.get(server.url()).body == b"hello"
    ends_soon(daemon)


@pytest.mark.parametrize("command", ["version", "help", "check"])
def test_every_command_works_without_standard_descriptors(command):
    result = subprocess.run(["/bin/sh", "-c", f'exec "$0" {command} <&- >&- 2>&-', binary()], timeout=scaled(5))
    assert result.returncode in (0, 2)


@pytest.mark.parametrize("which", ["right", "wrong", "none"])
def test_lines_begin_with_their_priority_where_the_journal_reads_them(keepwarm, which):
    stream = {"right": "$(stat -L -c %d:%i /proc/$$/fd/2)", "wrong": "1:2", "none": ""}[which]
    wrapper = ("/bin/sh", "-c", f'JOURNAL_STREAM={stream} exec "$0" "$@"')
    daemon = keepwarm({"log": {"level": "debug", "access": "text"}, "proxy": {"max_clients": 5000}},
                      wrapper=("prlimit", "--nofile=400:400", *wrapper))
    assert daemon.client().get("http://127.0.0.1:1/").status == 403
    daemon.reload("nonsense", raw_config=True)
    daemon.wait_log("stays in force")
    prefixes = {word: prefix for line in daemon.log if (match := re.match(r"(<\d>)?\S+Z \[?(\w+)", line))
                for prefix, word in [match.groups()]}
    access = next(prefix for word, prefix in prefixes.items() if word == "127")
    if which == "right":
        assert (prefixes["info"], prefixes["warning"], prefixes["error"], access) == ("<6>", "<4>", "<3>", "<6>")
    else:
        assert set(prefixes.values()) == {None}


def test_with_a_reader_that_stopped_answers_take_as_long_as_before(silent, fifo, http_origin):
    """Told, not judged: a busy machine would make it fail. A loop that waits for the log shows itself as no answer at all."""
    daemon, server = silent({"log": {"access": "text"}}, wrapper=stderr_to(fifo.path)), http_origin()
    fifo.read_until("ready")

    def p99(count: int) -> float:
        client = daemon.client()
        times = []
        for _ in range(count):
            began = time.perf_counter()
            assert client.get(server.url("/" + "a" * 1000)).body == b"hello"
            times.append(time.perf_counter() - began)
        return sorted(times)[int(count * 0.99)]

    count = amount(300, 20000)
    stopped = p99(count)
    fifo.read_until("aaa 200")
    print(f"p99 of {count} answers with a log that nobody reads: {stopped * 1e3:.2f} ms")
