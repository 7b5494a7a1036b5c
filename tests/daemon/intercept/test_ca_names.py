"""Who steals the issuer's key: certificates that it may not sign are refused by every client, Java included."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest
from support.waiting import binary, scaled

PERMITTED, EVIL, ADDRESS = "www.example.test", "evil.test", "127.0.0.2"

JAVA = """public class Ask { public static void main(String[] a) throws Exception {
  java.net.Proxy proxy = new java.net.Proxy(java.net.Proxy.Type.HTTP, new java.net.InetSocketAddress("127.0.0.1", Integer.parseInt(a[1])));
  System.out.println(((java.net.HttpURLConnection) new java.net.URL(a[0]).openConnection(proxy)).getResponseCode()); } }"""
NODE = """const [host, port] = process.argv.slice(1); const end = e => { console.error(e.message); process.exit(1); };
require('http').request({host: '127.0.0.1', port, method: 'CONNECT', path: host + ':443'}).on('error', end).on('connect', (_, socket) => {
  const tls = require('tls').connect({socket, host, servername: require('net').isIP(host) ? '' : host}, () => {
    tls.write('GET / HTTP/1.1\\r\\n\\r\\n'); tls.on('data', () => process.exit(0)); }).on('error', end); }).end()"""
CLIENTS = {
    "curl": ["curl", "-sS", "-o", "/dev/null", "{url}"],
    "python3": ["python3", "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=20)", "{url}"],
    "node": ["node", "-e", NODE, "--", "{host}", "{port}"],
    "php": ["php", "-r", 'exit(file_get_contents($argv[1], false, stream_context_create(["http" => ["proxy" => '
            '"tcp://127.0.0.1:" . $argv[2]]])) === false ? 1 : 0);', "--", "{url}", "{port}"],
    "ruby": ["ruby", "-rnet/http", "-e", "Net::HTTP.get_response(URI(ARGV[0]))", "{url}"],
    "java": ["java", "{folder}/Ask.java", "{url}", "{port}"],
}


def stolen_leaf(ca, host: str, folder) -> str:
    """A certificate and its key in one file, as only the issuer's key can make it."""
    kind = "IP" if host[0].isdigit() else "DNS"
    (folder / "ext").write_text(f"subjectAltName=critical,{kind}:{host}\nbasicConstraints=critical,CA:FALSE\n"
                                "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n")
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/", "-keyout",
                    folder / "key", "-out", folder / "csr"], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", folder / "csr", "-CA", ca.folder / "issuer.crt", "-CAkey",
                    ca.folder / "issuer.key", "-days", "5", "-extfile", folder / "ext", "-out", folder / "leaf"], check=True,
                   capture_output=True)
    file = folder / f"{host}.pem"
    file.write_text("".join((folder / name).read_text() for name in ("leaf", "key")) + (ca.folder / "issuer.crt").read_text())
    return str(file)


@contextlib.contextmanager
def proxy_with(chain: str):
    """Answers CONNECT, and is then the server; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), client:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += client.recv(1) or b"\r\n\r\n"
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                with context.wrap_socket(client, server_side=True) as secured:
                    if secured.recv(4096):
                        secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(scaled(20))


def filled(word: str, **values) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", str(value))
    return word


@pytest.mark.parametrize("client", CLIENTS)
def test_what_the_issuer_may_not_name_is_refused(local_ca, tmp_path, client):
    if not shutil.which(client):
        pytest.skip(f"this machine has no {client}")
    ca = local_ca("example.test")
    (tmp_path / "Ask.java").write_text(JAVA)
    codes = {}
    for host in (PERMITTED, EVIL, ADDRESS):
        with proxy_with(stolen_leaf(ca, host, tmp_path)) as port:
            words = [filled(word, url=f"https://{host}/", host=host, port=port, folder=tmp_path) for word in CLIENTS[client]]
            told = {name: f"http://127.0.0.1:{port}" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
            given = [f"{name}={value}" for name, value in told.items()]
            command = [str(binary()), "exec", "--java", "--config", str(ca.config_file), "--",
                       "env", "-u", "no_proxy", "-u", "NO_PROXY", *given, *words]
            codes[host] = subprocess.run(command, capture_output=True, text=True, timeout=scaled(120)).returncode
    assert codes[PERMITTED] == 0, "else the others say nothing"
    assert codes[EVIL] != 0 and codes[ADDRESS] != 0


def test_openssl_and_gnutls_say_the_same_of_the_chain(local_ca, tmp_path):
    ca = local_ca("example.test")
    for host, good in ((PERMITTED, True), (EVIL, False), (ADDRESS, False)):
        chain = stolen_leaf(ca, host, tmp_path)
        said = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", ca.root, "-untrusted", ca.folder / "issuer.crt",
                               chain], capture_output=True)
        assert (said.returncode == 0) == good
        if shutil.which("certtool"):
            (tmp_path / "chain").write_text((tmp_path / "leaf").read_text() + (ca.folder / "issuer.crt").read_text())
            said = subprocess.run(["certtool", "--verify", "--load-ca-certificate", ca.root, "--infile", tmp_path / "chain"],
                                  capture_output=True)
            assert (said.returncode == 0) == good
