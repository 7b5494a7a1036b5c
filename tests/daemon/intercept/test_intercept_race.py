"""The race of test_close_race.py, by clients that are intercepted: the origin, over TLS and 40 ms away, closes just when the next
request is on its way. What the pool may send again, it sends again; what it may not, nobody gets twice."""

import functools

import pytest
from helpers_intercept import intercepting, tls_context
from support.crowd import Answer, TlsTimingOut, ask, end_with_fin, end_with_reset
from support.delayed_link import delayed_link  # noqa: F401
from support.stalls import real_time
from support.tier import amount
from support.tls_server import ServerTls
from support.waiting import sanitized
from test_close_race import ROUND_TRIP, TIMEOUT, Race

pytestmark = real_time

HOSTS = amount(40, 100 if sanitized() else 300)
EACH = 5  # GETs, and as many POSTs, of each host
QUIET = {"log": {"level": "info", "access": "off"}}
DOMAIN = "wild.test"  # the tests' certificates are for *.wild.test


class InterceptedRace(Race):
    """Each host is a name of its own, and so a pool of its own."""

    def __init__(self, link, daemon, lapse, context):
        super().__init__(link, daemon, lapse, origin=functools.partial(TlsTimingOut, ServerTls().context()))
        self._context = context

    async def ask(self, number: int, method: str, path: str, body: bytes | None) -> Answer:
        return await ask(self._daemon.address(), method, f"https://h{number}.{DOMAIN}{path}", body, tls=self._context)


@pytest.mark.parametrize("end", [end_with_fin, end_with_reset], ids=["FIN", "RST"])
@pytest.mark.parametrize("settings", [{}, {"retry_undelivered": True}], ids=["defaults", "resent"])
def test_requests_that_come_just_when_the_origin_closes(delayed_link, keepwarm, local_ca, end, settings):  # noqa: F811
    link, ca = delayed_link(ROUND_TRIP), local_ca(DOMAIN)

    def config(at: str) -> dict:
        hosts = {"host": {f"*.{DOMAIN}": settings}}
        return intercepting(ca, at, hosts, QUIET, host=f"*.{DOMAIN}")

    daemon = keepwarm(config("127.0.0.1:1"))
    run = InterceptedRace(link, daemon, end, tls_context(ca))
    daemon.wait_log("reloaded", since=daemon.reload(config(f"{link.host(0)}:{run.port}")))
    run.run(gaps=(TIMEOUT - 0.1, TIMEOUT + 0.1), hosts=HOSTS, each=EACH)
    run.tell()
    run.check_executions()
    assert run.origin.lapsed > HOSTS, "few connections were idle for long enough: the test shows nothing"
    assert not run.failed("GET")
    assert len(run.failed("POST")) <= HOSTS * EACH * 0.01 + run.origin.late
