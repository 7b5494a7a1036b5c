"""What the tests of the built daemon stand on: the daemon as a process, origins and clients that are driven by hand.

A test plays every part itself, usually in one thread and in plain order:

    def test_a_get_is_forwarded(keepwarm, origin):
        daemon = keepwarm()                            # keepwarm run --config <tmp>, on a port of the kernel's choice
        server = origin()                              # a listener on 127.0.0.1:0, no handler: the test plays it
        client = daemon.client()                       # a raw connection to the daemon
        client.send(f"GET http://{server.at}/x HTTP/1.1\\r\\nHost: {server.at}\\r\\n\\r\\n")
        upstream = server.accept()                     # the daemon's connection; server.accept() again for the next one
        request = upstream.read_request()              # strict parser: .method .target .fields .raw .body .trailers
        upstream.send("HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
        assert client.read_response().body == b"hi"    # strict parser: .status .get("via") .body .trailers .interim

Fixtures (fixtures.py; tests/daemon/conftest.py brings them in):

keepwarm(config="", *args, ...)  starts a daemon and returns a Daemon (daemon.py). `config` (TOML text or a dict) is put
                  over the harness's defaults (listen on 127.0.0.1:0, admin off, log level debug). The teardown sends
                  SIGTERM, wants exit code 0 and no sanitizer report, failed assertion or critical line on stderr.
    Daemon        .port .at .pid .fd_count() .rss() .expect_growth_below(n, before)
                  .client() .get(url) .request(...) .wait_log(regex) .closes() .signal(n)
                  .terminate() .wait_exit() .reload(config); .log is the list of its lines, and whoever reads it waits until
                  they tell of all that the daemon has done
origin(...)       a scripted Origin (origin.py). Without a handler: .accept() hands each connection to the test. With
                  handler=function(connection): each connection runs it in a thread; a failure in it fails the test.
    Origin        .port .at .connections .wait_connections(n) .accept() .stop_listening() .listen_again()
                  .fill_backlog() .close_connections("fin" or "rst") .expect_no_connection()
http_origin(...)  an HttpOrigin (http_origin.py): routes -> canned answers, keep-alive, records every request with the
                  index of its connection; .hold() / .release() gate the answers; .wait_requests(n).
    tls=ServerTls(...)  makes either of them speak TLS (tls_server.py), with a certificate of tls.py; the daemon trusts it
                  with trusting() in its configuration. Connections are TlsConnections: .name (SNI) .resumed .version
                  .client_subject; .close() (close_notify, FIN) .cut() (FIN) .reset() .send_close_notify() .send_ticket()
                  .send_encrypted(bytes). .accept_failed() is a connection whose handshake failed: .handshake_error.
                  .start_tls(connection, ServerTls()) makes a handshake on a plain connection, behind a CONNECT say.
wire(config)      a Wire (wiring.py): one daemon, one client, one scripted origin, for tests of a few lines:
                  wire().forwarded(request) -> what the origin saw; .answered(response) -> what the client saw;
                  .refused(request, 400) -> the daemon's own answer, connection closed, origin untouched; .ask(...)
closed_port()     a port of 127.0.0.1 that refuses connections, and stays so for the test.

Streams (stream.py; both a client and an origin's connection is one): send, send_byte_by_byte, read_some, read_exact,
read_until, read_to_end, expect_eof, expect_reset, expect_silence, shutdown_write, close, reset; HTTP on top of them in
wire.py. A message that ends too early raises Cut (how = "fin" or "rst", partial = what came of it).

Background(function, *args) (background.py) runs a large transfer beside the test; .result() joins it.

Waiting: everything has a limit, 5 s unless told otherwise, times KEEPWARM_TEST_SLOW (default 1; 4 where the binary has
a sanitizer inside), and longer on a busy machine. Wait for events, never sleep. KEEPWARM_BIN names the binary; else: the newest build/*/keepwarm.
"""
