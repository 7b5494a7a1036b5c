"""Apache httpd that asks for a client certificate for some of its resources only (SSLVerifyClient in a <Location>): by a message
of TLS 1.3 after the handshake, by a renegotiation in TLS 1.2 (core/doc/design.md §5)."""

import pytest

from support.tls import authority, certificate, client_certificate, trusting

VERSIONS = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
BODY = bytes(range(256)) * 200  # more than one read, less than SSLRenegBufferSize


@pytest.fixture
def guarded(apache):
    """guarded(version): an Apache httpd that is open but for /cgi/."""

    def start(version):
        shown = certificate("right")
        return apache(lambda folder: f"""
            SSLEngine on
            SSLProtocol {version}
            SSLCertificateFile {shown.chain}
            SSLCertificateKeyFile {shown.key}
            SSLCACertificateFile {authority().ca_file}
            <Location /cgi/>
                SSLVerifyClient require
                SSLVerifyDepth 3
            </Location>
            Alias /open {folder}/httpd.conf
            <Location /open>
                Require all granted
            </Location>
        """, modules=("ssl",))

    return start


def https(server, path: str) -> str:
    return server.url(path).replace("http://", "https://", 1)


@VERSIONS
def test_a_certificate_that_is_asked_for_late_is_shown(keepwarm, guarded, version):
    server, daemon = guarded(version), keepwarm(trusting(**client_certificate()))
    assert daemon.get(https(server, "/open")).status == 200
    for number in range(3):
        answer = daemon.get(https(server, f"/cgi/echo?{number}"))
        assert (answer.status, answer.body) == (200, str(number).encode())
    assert len({line[3] for line in server.log_lines()}) == 1  # all on one connection


@VERSIONS
def test_so_it_is_with_the_body_of_a_post(keepwarm, guarded, version):
    server, daemon = guarded(version), keepwarm(trusting(**client_certificate()))
    client = daemon.client()
    for number in range(2):
        answer = client.request("POST", https(server, f"/cgi/echo?{number}"), body=BODY)
        assert (answer.status, answer.body) == (200, str(number).encode())


@VERSIONS
def test_without_a_certificate_it_is_refused(keepwarm, guarded, version):
    server, daemon = guarded(version), keepwarm(trusting())
    assert daemon.get(https(server, "/open")).status == 200
    assert daemon.get(https(server, "/cgi/echo?x")).status in (403, 502)
