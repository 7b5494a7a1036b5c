"""What a review of interception has found: what counts as proof of a server, over which listener a client came, and the lines of
CONNECTs that end without a request."""

from helpers_intercept import AT, HOST, intercepting


def silent(connection) -> None:
    connection.wait_for_end(limit=60)


def test_a_connection_that_is_being_opened_proves_nothing(keepwarm, origin, local_ca):
    """Though it is the only one that may be open."""
    server = origin(silent)
    daemon = keepwarm(intercepting(local_ca(HOST), server.at, {"host": {HOST: {"max_connections": 1}}}))
    first, second = daemon.client(), daemon.client()
    for number, client in enumerate((first, second)):
        client.send(f"CONNECT {AT} HTTP/1.1\r\nHost: {AT}\r\n\r\n")
        server.wait_connections(1) if number == 0 else client.expect_silence()
