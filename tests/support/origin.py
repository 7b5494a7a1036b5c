"""Origins that do what the test says, byte for byte."""

import errno
import socket
import threading
import traceback
from collections.abc import Callable

from .stream import Cut
from .waiting import DEFAULT_LIMIT, Deadline, TooLong
from .wire import HttpStream

HANDLER_LIMIT = 120.0  # a handler may wait for as long as its test lives; the origin's close ends it


class Connection(HttpStream):
    """A connection that the daemon opened. `index` counts from 0 in the order of acceptance."""

    def __init__(self, sock: socket.socket, index: int, limit: float):
        super().__init__(sock, limit)
        self.index = index
        self.peer = sock.getpeername()

    def wait_for_end(self, limit: float | None = None) -> str:
        """Reads on until the daemon ends the connection: "fin" or "rst"."""
        self.read_to_end(limit)
        return self.ended

    def answer(self, body=b"", status: str = "200 OK", *fields: str) -> None:
        """A whole response with Content-Length."""
        data = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(data)}"]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data)


class Origin:
    """A listener. With a handler each connection runs it in a thread of its own and closes after it; without one the
    test takes the connections by accept(). The port stays bound, though refusing, between stop_listening() and
    listen_again()."""

    def __init__(self, handler: Callable[[Connection], None] | None = None, host: str = "127.0.0.1", port: int = 0,
                 backlog: int = 128, accepting: bool = True):
        self.handler = handler
        self.host = host
        self.backlog = backlog
        self.connections: list[Connection] = []
        self.failures: list[str] = []  # of handlers
        self._taken = 0
        self._fillers: list[socket.socket] = []
        self._changed = threading.Condition()
        self._closing = False
        self._listener = None
        self._threads: list[threading.Thread] = []
        self.port = port
        self._bind()
        if accepting:
            self._listen()

    @property
    def at(self) -> str:
        """host:port as it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.at}{path}"

    def _bind(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.host, self.port))
        self.port = self._listener.getsockname()[1]

    def _listen(self) -> None:
        self._listener.listen(self.backlog)
        thread = threading.Thread(target=self._accept_loop, args=(self._listener,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept_loop(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return  # closed
            with self._changed:
                if self._closing:
                    sock.close()
                    return
                limit = HANDLER_LIMIT if self.handler else DEFAULT_LIMIT
                try:
                    connection = Connection(sock, len(self.connections), limit)
                except OSError as error:  # reset before we could look at it
                    assert error.errno in (errno.ENOTCONN, errno.ECONNRESET), error
                    continue
                self.connections.append(connection)
                self._changed.notify_all()
            if self.handler:
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            self.handler(connection)
        except Cut:
            pass  # the daemon left: its right
        except Exception:  # told by the fixture, in the test's thread
            if not self._closing:
                self.failures.append(traceback.format_exc())
        finally:
            with self._changed:
                self._changed.notify_all()
            if not connection.closed:
                connection.close()

    # What the test does

    def accept(self, limit: float = DEFAULT_LIMIT) -> Connection:
        """The next connection, in order of acceptance."""
        assert not self.handler, "this origin's connections belong to its handler"
        self.wait_connections(self._taken + 1, limit)
        self._taken += 1
        return self.connections[self._taken - 1]

    def wait_connections(self, count: int, limit: float = DEFAULT_LIMIT) -> None:
        deadline = Deadline(limit)
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.connections) >= count, deadline.left()):
                raise TooLong(f"{len(self.connections)} connections came, not {count}")

    def expect_no_connection(self, seconds: float = 0.15) -> None:
        """No connection beyond those that were accept()ed comes for a while."""
        deadline = Deadline(seconds, exact=True)
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.connections) > self._taken, deadline.left())
        assert not came, "a connection came that was not wanted"

    def stop_listening(self) -> None:
        """New connections are refused from here on; those that are open stay."""
        self._stop_listener()
        self._bind()  # bound and not listening: refuses, and nobody else gets the port

    def listen_again(self) -> None:
        self._listen()

    def fill_backlog(self) -> None:
        """For an origin made with accepting=False: connections to it hang in SYN_SENT from here on."""
        self._listener.listen(0)
        for _ in range(16):
            sock = socket.socket(self._listener.family, socket.SOCK_STREAM)
            self._fillers.append(sock)
            sock.settimeout(0.2)
            try:
                sock.connect((self.host, self.port))
            except TimeoutError:
                return
        raise AssertionError("the backlog did not fill")

    def _stop_listener(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        except OSError:
            pass
        self._listener.close()

    def close_connections(self, how: str = "fin") -> None:
        """Ends every open connection, as a restart does: "fin" or "rst"."""
        for connection in list(self.connections):
            if not connection.closed:
                connection.reset() if how == "rst" else connection.close()

    def close(self) -> None:
        with self._changed:
            self._closing = True
        self._stop_listener()
        for connection in self.connections:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)  # wakes a handler in recv()
            except OSError:
                pass
        for thread in self._threads:
            thread.join(5)
        for connection in self.connections:
            connection.close()
        for sock in self._fillers:
            sock.close()


def closed_port_socket(host: str = "127.0.0.1") -> socket.socket:
    """A bound socket that does not listen: connections to its port are refused for as long as it lives."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((host, 0))
    return sock
