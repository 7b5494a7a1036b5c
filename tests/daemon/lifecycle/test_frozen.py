"""A process that stands still (SIGSTOP, a freezer, a debugger): what has arrived meanwhile is read before a time limit that
passed meanwhile is acted on."""

import asyncio
import contextlib
import signal
import time
from pathlib import Path

from helpers_pool import KEEP, exchange, finish, serve
from support.crowd import ask
from support.daemon import Daemon
from support.stalls import real_time
from support.tier import amount
from support.waiting import eventually
from support.wiring import check_own_answer

LIMIT = amount(0.6, 2.0)  # seconds
FROZEN = amount(0.9, 2.6)


@contextlib.contextmanager
def frozen(daemon: Daemon, seconds: float):
    """Stands still while the block runs, and for so long altogether."""
    began = time.monotonic()
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
        yield
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    finally:
        daemon.process.send_signal(signal.SIGCONT)


def limits(**keys: float) -> dict[str, str]:
    return {key: f"{int(1000 * value)}ms" for key, value in keys.items()}


@real_time
def test_nobody_is_late_who_came_while_we_were_frozen(keepwarm, origin):
    answering, queueing, silent = origin(), origin(), origin()
    daemon = keepwarm({
        "proxy": limits(client_header_timeout=LIMIT, client_idle_timeout=LIMIT),
        "host": {"*": limits(response_timeout=LIMIT),
                 queueing.at: {"max_connections": 1, "response_timeout": "5m", **limits(queue_timeout=LIMIT)}},
    })
    idle, half, waiting, first, second, asking_in_vain = (daemon.client() for _ in range(6))
    first.send_request("POST", queueing.url("/first"), body=b"x")
    busy = queueing.accept()
    busy.read_request()
    second.send_request("POST", queueing.url("/second"), body=b"x")
    half.send("GET ")
    asking_in_vain.send_request("GET", silent.url())
    silent.accept().read_request()
    waiting.send_request("GET", answering.url("/waiting"))
    upstream = answering.accept()
    upstream.read_request()
    with frozen(daemon, FROZEN):
        upstream.answer("in time", "200 OK", KEEP)
        half.send(f"{answering.url('/half')} HTTP/1.1\r\nHost: {answering.at}\r\n\r\n")
        idle.send_request("GET", answering.url("/idle"))
        busy.answer("first", "200 OK", KEEP)
    finish(waiting, "in time")
    finish(first, "first", "POST")
    # The pooled connection and a fresh one, in whatever order.
    served = {serve(upstream).target, serve(answering.accept()).target}
    assert served == {"/half", "/idle"}
    finish(half)
    finish(idle)
    assert serve(busy).target == "/second"
    finish(second, method="POST")
    check_own_answer(asking_in_vain.read_response(), 504, "http_response_timeout")


@real_time
def test_what_is_late_after_the_thaw_is_still_told_soon(keepwarm, origin):
    server = origin()
    daemon = keepwarm({"host": {"*": limits(response_timeout=LIMIT)}})
    client = daemon.client()
    client.send_request("GET", server.url())
    server.accept().read_request()
    with frozen(daemon, FROZEN):
        pass
    began = time.monotonic()
    check_own_answer(client.read_response(), 504, "http_response_timeout")
    assert time.monotonic() - began < 1.0


@real_time
def test_idle_connections_outlive_a_freeze_and_their_closes_are_seen(keepwarm, origin):
    """A connection whose idle time passed meanwhile is not reused, and one whose close came is not either."""
    server = origin()
    daemon = keepwarm({})
    lasting = exchange(daemon, server)
    with frozen(daemon, FROZEN):
        pass
    exchange(daemon, server, lasting, "POST", body=b"x")
    with frozen(daemon, FROZEN):
        lasting.close()
        client = daemon.client()
        client.send_request("POST", server.url(), body=b"x")
    serve(server.accept())
    finish(client, method="POST")


@real_time  # a client or an origin that gets no processor is late itself
def test_a_freeze_under_load_fails_nobody(keepwarm, http_origin):
    """200 requests a second all the time, half of them POSTs. Limits are shorter than the freeze."""
    seconds = amount(1.2, 10.0)
    server = http_origin()
    daemon = keepwarm({
        "proxy": limits(client_header_timeout=seconds / 2, client_idle_timeout=seconds / 2),
        "host": {"*": limits(connect_timeout=max(1.0, seconds / 2), queue_timeout=max(1.0, seconds / 2),
                             response_timeout=max(1.0, seconds / 2))},
    })

    async def load() -> list:
        asked = []
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds + 2:
            while len(asked) < 200 * now:
                number = len(asked)
                method, body = ("POST", b"x") if number % 2 else ("GET", None)
                asked.append(asyncio.create_task(ask(daemon.address(), method, server.url(f"/{number}"), body)))
            await asyncio.sleep(0.005)
            if stopped is None and now > 0.5:
                freeze()
            if stopped is not None and time.monotonic() - stopped > seconds:
                daemon.process.send_signal(signal.SIGCONT)
        return await asyncio.gather(*asked)

    stopped = None

    def freeze() -> None:
        nonlocal stopped
        daemon.process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()

    answers = asyncio.run(load())
    failed = [answer for answer in answers if answer.failed]
    assert len(answers) > 200 * seconds
    assert not failed, f"{len(failed)} of {len(answers)}: {failed[:3]}"
