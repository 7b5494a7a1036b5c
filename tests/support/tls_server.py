"""The server's side of TLS for scripted origins, down to what a well-behaved server never does.

Python's ssl can neither answer ALPN wrongly nor refuse by it, nor send a session ticket at a moment of one's choice. OpenSSL
can, and is called beside it for these.
"""

import _ssl
import contextlib
import ctypes
import socket
import ssl
import warnings
from dataclasses import dataclass

from .connection import Connection
from .tls import Certificate, authority, certificate
from .waiting import DEFAULT_LIMIT, Deadline, scaled

TLS11, TLS12, TLS13 = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
RECORD = 1 << 14
RECORD_KINDS = {20: "cipher change", 21: "alert", 22: "handshake", 23: "data"}

_libssl = ctypes.CDLL(_ssl.__file__)  # finds the libssl that Python's ssl is linked to
_ALPN_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p),
                                  ctypes.POINTER(ctypes.c_ubyte), ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p)
_libssl.SSL_CTX_set_alpn_select_cb.argtypes = [ctypes.c_void_p, _ALPN_CALLBACK, ctypes.c_void_p]
_libssl.SSL_CTX_set_alpn_select_cb.restype = None
for _function in (_libssl.SSL_new_session_ticket, _libssl.SSL_renegotiate):
    _function.argtypes = [ctypes.c_void_p]
_libssl.SSL_key_update.argtypes = [ctypes.c_void_p, ctypes.c_int]
_ALPN_CHOSEN, _ALPN_ALERT = 0, 2


def _member(of, number: int) -> int:
    """The pointer that is the `number`th member of an object of Python's ssl: the 0th of an SSLContext is its SSL_CTX, the
    1st of an _SSLSocket its SSL."""
    place = id(of) + object.__basicsize__ + number * ctypes.sizeof(ctypes.c_void_p)
    return ctypes.c_void_p.from_address(place).value


@dataclass(frozen=True)
class ServerTls:
    """How an origin speaks TLS."""

    certificate: Certificate | None = None  # None: certificate("right")
    versions: tuple = (TLS12, TLS13)        # least and greatest
    client_certificate: str = "no"          # "no", "optional" or "required": by authority()
    alpn: tuple[str, ...] = ()              # what it speaks; nothing in common: alert. (): it does not know ALPN
    alpn_answer: str | None = None          # what it claims to have chosen, whatever was offered
    tickets: int = 2                        # sent after a handshake of TLS 1.3

    def context(self) -> ssl.SSLContext:
        """One for an origin: sessions are resumed only with the context that they were made in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sslsocket_class = TlsSocket
        own = self.certificate or certificate("right")
        context.load_cert_chain(own.chain, own.key)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = self.versions
        if self.versions[0] < TLS12:
            context.set_ciphers("ALL:@SECLEVEL=0")  # OpenSSL 3 does nothing below 1.2 otherwise
        if self.client_certificate != "no":
            context.verify_mode = {"optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}[self.client_certificate]
            context.load_verify_locations(authority().ca_file)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is to be seen
        context.num_tickets = self.tickets
        context.sni_callback = _note_name
        if self.alpn or self.alpn_answer:
            context._choose_alpn = self._alpn_callback()  # must live as long as the context does
            _libssl.SSL_CTX_set_alpn_select_cb(_member(context, 0), context._choose_alpn, None)
        return context

    def _alpn_callback(self):
        answers = [ctypes.create_string_buffer(name.encode(), len(name)) for name in self.alpn]
        forced = self.alpn_answer and ctypes.create_string_buffer(self.alpn_answer.encode(), len(self.alpn_answer))

        def choose(_ssl_pointer, out, out_length, offered, length, _argument) -> int:
            names = _length_prefixed(ctypes.string_at(offered, length))
            chosen = forced or next((answer for answer in answers if answer.raw in names), None)
            if chosen is None:
                return _ALPN_ALERT
            out[0], out_length[0] = ctypes.addressof(chosen), len(chosen)
            return _ALPN_CHOSEN

        return _ALPN_CALLBACK(choose)


def _note_name(sock, name, _context) -> None:
    sock.asked_for = name


def _length_prefixed(data: bytes) -> list[bytes]:
    parts = []
    while data:
        parts.append(data[1:1 + data[0]])
        data = data[1 + data[0]:]
    return parts


class TlsSocket(ssl.SSLSocket):
    """`asked_for` is the name of the client's SNI. `ended_cleanly` tells whether its close_notify came, `alert` what it sent
    instead. Nothing ends the TLS below the connection's feet: shutdown() is that of TCP alone."""

    asked_for: str | None = None
    alert: str | None = None
    ended_cleanly = False

    def recv(self, size: int = 1024, flags: int = 0) -> bytes:
        try:
            data = super().recv(size, flags)
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLError as error:
            if error.reason == "UNEXPECTED_EOF_WHILE_READING":
                return b""
            if isinstance(error, ssl.SSLEOFError):  # how Python tells of a reset
                raise ConnectionResetError from None
            if "ALERT" not in (error.reason or ""):
                raise
            self.alert = error.reason
            return b""
        self.ended_cleanly = not data
        return data

    def send(self, data, flags: int = 0) -> int:
        # OpenSSL takes all or nothing. Where the peer does not read, "nothing" should not be much.
        try:
            return super().send(data[:RECORD], flags)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise BrokenPipeError from None

    def shutdown(self, how: int) -> None:
        socket.socket.shutdown(self, how)


class TlsConnection(Connection):
    """A Connection whose bytes are TLS's. The handshake is made by handshake(), which the origin calls in a thread of the
    connection's own. close() is close_notify and FIN, shutdown_write() the same with the reading side left open, reset() is
    RST alone."""

    def __init__(self, sock: socket.socket, index: int, limit: float, context: ssl.SSLContext):
        super().__init__(context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False,
                                             suppress_ragged_eofs=False), index, limit)
        self.handshake_error: str | None = None  # why there was none
        self.records_behind_error: list[str] = []  # the kinds of TLS records that the client sent beyond the failure
        self.handshake_done = False

    def handshake(self, limit: float = DEFAULT_LIMIT) -> bool:
        """Whether it succeeded; if not, handshake_error says why, and the connection is closed."""
        try:
            self.sock.settimeout(scaled(limit))
            self.sock.do_handshake()
            self.handshake_done = True
        except (OSError, ValueError) as error:  # ValueError: closed under our hands
            self.records_behind_error = _record_kinds(self._read_encrypted())
            super().close()
            self.handshake_error = str(error) or repr(error)
        return self.handshake_done

    def _read_encrypted(self) -> bytes:
        """What is left, until the client closes; it has heard of our alert, if there was one."""
        data, deadline = b"", Deadline(1)
        with contextlib.suppress(OSError, ValueError):
            while not deadline.passed():
                self.sock.settimeout(max(deadline.left(), 0.001))
                piece = socket.socket.recv(self.sock, 1 << 16)
                if not piece:
                    break
                data += piece
        return data

    # What the client did

    @property
    def name(self) -> str | None:
        """The name in its SNI."""
        return self.sock.asked_for

    @property
    def resumed(self) -> bool:
        return self.sock.session_reused

    @property
    def version(self) -> str:
        return self.sock.version()

    @property
    def client_subject(self) -> str | None:
        """The common name of its certificate."""
        given = self.sock.getpeercert()
        return dict(part for parts in given["subject"] for part in parts)["commonName"] if given else None

    @property
    def ended_cleanly(self) -> bool:
        """Whether its end was announced by close_notify."""
        return self.sock.ended_cleanly

    @property
    def alert(self) -> str | None:
        """The fatal alert that ended it."""
        return self.sock.alert

    # What the server does

    def has_input(self) -> bool:
        return bool(self.sock.pending()) or super().has_input()

    def send_ticket(self) -> None:
        """One session ticket more, now (TLS 1.3)."""
        assert _libssl.SSL_new_session_ticket(self._ssl()) == 1
        self.sock.do_handshake()

    def send_key_update(self, ask_for_theirs: bool) -> None:
        """New keys for our direction (TLS 1.3), and a wish for new keys of the other one."""
        assert _libssl.SSL_key_update(self._ssl(), int(ask_for_theirs)) == 1
        self.sock.do_handshake()

    def ask_to_renegotiate(self) -> None:
        """A HelloRequest (TLS 1.2). Whatever comes of it shows in what is read next."""
        assert _libssl.SSL_renegotiate(self._ssl()) == 1
        with contextlib.suppress(ssl.SSLWantReadError):
            self.sock.settimeout(0)
            self.sock.do_handshake()

    def _ssl(self) -> int:
        return _member(self.sock._sslobj, 1)

    def send_encrypted(self, data: bytes) -> None:
        """Bytes below TLS."""
        socket.socket.sendall(self.sock, data)

    def send_close_notify(self) -> None:
        """And nothing more: the connection stays open."""
        with contextlib.suppress(OSError, ValueError):  # the peer may be gone
            self.sock.settimeout(0)
            self.sock.unwrap()  # would wait for the peer's

    def close(self) -> None:
        if self.handshake_done and not self.closed:
            self.send_close_notify()
        super().close()

    def cut(self) -> None:
        """FIN without close_notify."""
        super().close()

    def shutdown_write(self) -> None:
        self.send_close_notify()
        with contextlib.suppress(OSError):
            super().shutdown_write()


def _record_kinds(data: bytes) -> list[str]:
    kinds = []
    while len(data) >= 5:
        kinds.append(RECORD_KINDS.get(data[0], "garbage"))
        data = data[5 + int.from_bytes(data[3:5], "big"):]
    return kinds
