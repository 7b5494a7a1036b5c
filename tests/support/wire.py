"""HTTP/1 messages, read strictly: whatever RFC 9112 does not allow a sender to produce fails the test that reads it."""

import re
from dataclasses import dataclass, field

from .stream import Cut, Stream

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e\x80-\xff]+) (HTTP/1\.[01])\r\n")
STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([0-9]{3}) ([\t\x20-\x7e\x80-\xff]*)\r\n")
VALUE = rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?"
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):[ \t]*(" + VALUE + rb")[ \t]*\r\n")
CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,16})([ \t]*;[^\r\n]*)?\r\n")


def parse_fields(section: bytes) -> list[tuple[str, str]]:
    """Field lines, each with its CRLF, without the empty line behind them."""
    fields = []
    for line in re.findall(rb"[^\n]*\n|[^\n]+", section):
        match = FIELD_LINE.fullmatch(line)
        assert match, f"not a field line: {line!r}"
        fields.append((match[1].decode("latin-1"), match[2].decode("latin-1")))
    return fields


def split_lines(head: bytes) -> tuple[bytes, bytes]:
    """(start line with CRLF, field lines without the last empty line)"""
    assert head.endswith(b"\r\n\r\n") or head == b"\r\n", f"not a head: {head!r}"
    line_end = head.index(b"\r\n") + 2
    return head[:line_end], head[line_end:-2]


@dataclass
class Message:
    """`raw` is the head as it came, with its empty line. Field names are matched without regard to case."""

    raw: bytes
    version: str
    fields: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)  # sizes of the chunks, where the body was chunked
    extensions: list[str] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The value of a field that may be there once at most."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} more than once: {values}"
        return values[0] if values else None

    def has(self, name: str) -> bool:
        return bool(self.all(name))

    def tokens(self, name: str) -> list[str]:
        """The members of a list field, in lower case, over all of its lines."""
        return [part.strip().lower() for value in self.all(name) for part in value.split(",") if part.strip()]

    @property
    def names(self) -> list[str]:
        return [name.lower() for name, _ in self.fields]

    @property
    def chunked(self) -> bool:
        return self.tokens("transfer-encoding") == ["chunked"]

    def length(self) -> int | None:
        value = self.get("content-length")
        assert value is None or value.isdecimal(), f"Content-Length: {value!r}"
        assert value is None or not self.has("transfer-encoding"), "Content-Length beside Transfer-Encoding"
        return None if value is None else int(value)


@dataclass
class Request(Message):
    method: str = ""
    target: str = ""
    connection: int = 0  # the index of the origin's connection that it came on


@dataclass
class Response(Message):
    status: int = 0
    reason: str = ""
    interim: list["Response"] = field(default_factory=list)
    until_close: bool = False  # the body was delimited by the end of the connection


def parse_request_head(raw: bytes) -> Request:
    line, section = split_lines(raw)
    match = REQUEST_LINE.fullmatch(line)
    assert match, f"not a request line: {line!r}"
    return Request(raw, match[3].decode(), parse_fields(section), method=match[1].decode(),
                   target=match[2].decode("latin-1"))


def parse_response_head(raw: bytes) -> Response:
    line, section = split_lines(raw)
    match = STATUS_LINE.fullmatch(line)
    assert match, f"not a status line: {line!r}"
    return Response(raw, match[1].decode(), parse_fields(section), status=int(match[2]),
                    reason=match[3].decode("latin-1"))


class HttpStream(Stream):
    """A stream that reads requests and responses."""

    def read_head(self, limit: float | None = None) -> bytes:
        return self.read_until(b"\r\n\r\n", limit)

    def read_request_head(self, limit: float | None = None) -> Request:
        return parse_request_head(self.read_head(limit))

    def read_response_head(self, limit: float | None = None) -> Response:
        """The next head, interim or final."""
        return parse_response_head(self.read_head(limit))

    def read_chunk(self, limit: float | None = None) -> tuple[bytes, str]:
        """(data, extension); the last chunk has no data, and its trailer section is still to be read."""
        line = self.read_until(b"\r\n", limit)
        match = CHUNK_LINE.fullmatch(line)
        assert match, f"not a chunk-size line: {line!r}"
        size = int(match[1], 16)
        if size == 0:
            return b"", (match[2] or b"").decode("latin-1")
        data = self.read_exact(size, limit)
        assert self.read_exact(2, limit) == b"\r\n", "no CRLF after a chunk"
        return data, (match[2] or b"").decode("latin-1")

    def read_trailers(self, limit: float | None = None) -> list[tuple[str, str]]:
        section = b""
        while (line := self.read_until(b"\r\n", limit)) != b"\r\n":
            section += line
        return parse_fields(section)

    def read_chunked_body(self, message: Message, limit: float | None = None) -> None:
        body = bytearray()
        try:
            while True:
                data, extension = self.read_chunk(limit)
                message.extensions += [extension] if extension else []
                if not data:
                    break
                message.chunks.append(len(data))
                body += data
            message.trailers = self.read_trailers(limit)
        except Cut as cut:
            raise Cut(cut.how, bytes(body) + cut.partial, message) from None
        message.body = bytes(body)

    def read_counted_body(self, message: Message, size: int, limit: float | None = None) -> None:
        try:
            message.body = self.read_exact(size, limit)
        except Cut as cut:
            raise Cut(cut.how, cut.partial, message) from None

    def read_request(self, limit: float | None = None) -> Request:
        """Head and body."""
        request = self.read_request_head(limit)
        self.read_request_body(request, limit)
        return request

    def read_request_body(self, request: Request, limit: float | None = None) -> None:
        length = request.length()
        if request.has("transfer-encoding"):
            assert request.chunked, f"Transfer-Encoding: {request.all('transfer-encoding')}"
            self.read_chunked_body(request, limit)
        elif length:
            self.read_counted_body(request, length, limit)

    def read_response(self, method: str = "GET", limit: float | None = None) -> Response:
        """The next final response, whole, to a request of that method; interim ones before it are in `.interim`."""
        interim = []
        while True:
            response = self.read_response_head(limit)
            if response.status >= 200 or response.status == 101:
                break
            assert not response.has("content-length") and not response.has("transfer-encoding"), response.raw
            interim.append(response)
        response.interim = interim
        self.read_response_body(response, method, limit)
        return response

    def read_response_body(self, response: Response, method: str = "GET", limit: float | None = None) -> None:
        length = response.length()
        tunnel = method == "CONNECT" and 200 <= response.status < 300
        if method == "HEAD" or response.status in (101, 204, 304) or tunnel:
            return
        if response.has("transfer-encoding"):
            assert response.chunked, f"Transfer-Encoding: {response.all('transfer-encoding')}"
            self.read_chunked_body(response, limit)
        elif length is not None:
            self.read_counted_body(response, length, limit)
        else:
            response.until_close = True
            try:
                response.body = self.read_to_eof(limit)
            except Cut as cut:
                raise Cut(cut.how, cut.partial, response) from None


def chunked(*parts: bytes, trailers: str = "") -> bytes:
    """`parts` in the chunked coding, each as one chunk."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
    return coded + b"0\r\n" + trailers.encode("latin-1") + b"\r\n"
