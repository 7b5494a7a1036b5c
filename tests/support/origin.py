"""Origins that do what the test says, byte for byte."""

import errno
import socket
import ssl
import threading
import traceback
from collections.abc import Callable

from .connection import Connection
from .stream import Cut
from .tls_server import ServerTls, TlsConnection
from .waiting import DEFAULT_LIMIT, Deadline, TooLong, scaled

HANDLER_LIMIT = 120.0  # a handler may wait for as long as its test lives; the origin's close ends it


class Origin:
    """A listener. With a handler each connection runs it in a thread of its own and closes after it; without one the
    test takes the connections by accept(). The port stays bound, though refusing, between stop_listening() and
    listen_again(). With tls connections are TlsConnections, each with a thread that makes its handshake. `name` stands in
    URLs in place of the host."""

    def __init__(self, handler: Callable[[Connection], None] | None = None, host: str = "127.0.0.1", port: int = 0,
                 backlog: int = 128, accepting: bool = True, tls: ServerTls | None = None, name: str | None = None):
        self.handler = handler
        self.host = host
        self.name = name
        self._contexts: dict[ServerTls, ssl.SSLContext] = {}
        self._context = self._context_of(tls) if tls else None
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
        host = self.name or self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"{'https' if self._context else 'http'}://{self.at}{path}"

    def _bind(self) -> None:
        self._listener = bound_socket(self.host, self.port)
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
                    connection = self._connection(sock, len(self.connections), limit)
                except OSError as error:  # reset before we could look at it
                    assert error.errno in (errno.ENOTCONN, errno.ECONNRESET), error
                    continue
                self.connections.append(connection)
                self._changed.notify_all()
            if self.handler or self._context:
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _context_of(self, tls: ServerTls) -> ssl.SSLContext:
        if tls not in self._contexts:
            self._contexts[tls] = tls.context()
        return self._contexts[tls]

    def _connection(self, sock: socket.socket, index: int, limit: float) -> Connection:
        return TlsConnection(sock, index, limit, self._context) if self._context else Connection(sock, index, limit)

    def _serve(self, connection: Connection) -> None:
        if self._context:
            done = connection.handshake()
            with self._changed:
                self._changed.notify_all()
            if not done or not self.handler:
                return
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
        """The next connection, in order of acceptance; with TLS, when its handshake is made."""
        connection = self.accept_any(limit)
        error = getattr(connection, "handshake_error", None)
        assert error is None, f"the handshake failed: {error}"
        return connection

    def accept_failed(self, limit: float = DEFAULT_LIMIT) -> TlsConnection:
        """The next connection, whose handshake must fail; see its handshake_error."""
        connection = self.accept_any(limit)
        assert not connection.handshake_done, "the handshake was made"
        return connection

    def accept_any(self, limit: float = DEFAULT_LIMIT) -> Connection:
        """The next connection, whatever became of its handshake."""
        assert not self.handler, "this origin's connections belong to its handler"
        self.wait_connections(self._taken + 1, limit)
        self._taken += 1
        connection = self.connections[self._taken - 1]
        if self._context:
            with self._changed:
                self._changed.wait_for(lambda: connection.handshake_done or connection.handshake_error, scaled(limit))
        return connection

    def start_tls(self, connection: Connection, tls: ServerTls) -> TlsConnection:
        """Makes a handshake on a plain connection, which is replaced by what is returned: for what lies behind a parent
        proxy's answer to CONNECT."""
        assert not connection.buffer, f"bytes before the handshake's turn: {connection.buffer!r}"
        secured = TlsConnection(connection.sock, connection.index, connection.limit, self._context_of(tls))
        self.connections[connection.index] = secured
        secured.handshake()
        return secured

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

    def restart_tls(self, tls: ServerTls) -> None:
        """New connections are served so, by a server that knows no older session."""
        self._contexts.pop(tls, None)
        self._context = self._context_of(tls)

    def no_more_tickets(self) -> None:
        """New connections may resume the sessions of older ones, and are given none (TLS 1.3)."""
        self._context.num_tickets = 0

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


_used_ports: set[int] = set()


def bound_socket(host: str, port: int = 0) -> socket.socket:
    """A TCP socket at `port`; 0: one that no other origin of this process has had, since the daemon may have served the tests
    of those."""
    refused = []
    while True:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        given = sock.getsockname()[1]
        if port or given not in _used_ports:
            break
        refused.append(sock)  # bound for as long as another is looked for
    for other in refused:
        other.close()
    _used_ports.add(given)
    return sock


def closed_port_socket(host: str = "127.0.0.1") -> socket.socket:
    """A bound socket that does not listen: connections to its port are refused for as long as it lives."""
    return bound_socket(host)
