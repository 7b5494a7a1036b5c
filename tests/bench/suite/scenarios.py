"""The loads that all peers are compared under. Those that are no such thing are in special.py."""

from .compare import Scenario

EVERY = ("relay", "keepwarm", "keepwarm-defaults", "haproxy", "nginx", "trafficserver", "squid", "tinyproxy")
ANY_HOST = ("relay", "keepwarm", "haproxy", "trafficserver", "squid", "tinyproxy")
TUNNELS = ("relay", "keepwarm", "trafficserver", "squid", "tinyproxy")
MANY_CLIENTS = ("relay", "keepwarm", "haproxy", "nginx", "trafficserver", "squid")
BEST = ("relay", "keepwarm", "haproxy", "nginx", "trafficserver")
COUNTED = ("relay", "keepwarm", "haproxy", "nginx", "trafficserver", "squid")
INTERCEPTING = ("relay", "keepwarm", "haproxy", "squid")
OURS = ("keepwarm",)
BODY = 64 << 20


ABOUT_PEERS = """\
Certificates and keys are ECDSA P-256. Clients of keepwarm and Squid send CONNECT and speak TLS in it; HAProxy cannot answer
CONNECT, its clients speak TLS with it at once, which is an exchange less. The relay has no TLS: it shows the machine's mood."""


def clients(number: int) -> Scenario:
    return Scenario(f"clients-{number}", f"{number:,} busy keep-alive clients", {"clients": number}, MANY_CLIENTS,
                    warm_up=0.3 if number < 5000 else 2.5, window=1.0 if number < 5000 else 1.5)


COMPARED = {
    "keepalive": [Scenario("keepalive", "Small exchanges, 64 keep-alive clients", {"clients": 64}, EVERY, counts=COUNTED)],
    "newclient": [Scenario("newclient", "A new client connection for each exchange, 64 at a time",
                           {"clients": 64, "per_connection": 1}, EVERY, counts=COUNTED)],
    "hosts1000": [Scenario("hosts1000", "1,000 hosts in turn, 64 keep-alive clients", {"clients": 64, "hosts": 1000},
                           ANY_HOST, needs=frozenset({"any host"}), warm_up=0.6, counts=OURS)],
    "down64m": [Scenario("down64m", "64 MiB bodies downstream, 2 clients", {"clients": 2, "path": f"/bytes/{BODY}"}, EVERY,
                         bodies=True)],
    "up64m": [Scenario("up64m", "64 MiB bodies upstream, 2 clients", {"clients": 2, "method": "POST", "body": BODY}, EVERY,
                       bodies=True)],
    "tunnels": [
        Scenario("tunnels", "A CONNECT tunnel for each exchange, 64 at a time",
                 {"clients": 64, "per_connection": 1, "form": "tunnel"}, TUNNELS, needs=frozenset({"tunnels"}), fresh=True,
                 counts=OURS),
        Scenario("tunnels-down", "64 MiB bodies downstream through CONNECT tunnels, 2 clients",
                 {"clients": 2, "path": f"/bytes/{BODY}", "form": "tunnel"}, TUNNELS, needs=frozenset({"tunnels"}),
                 bodies=True),
        Scenario("tunnels-up", "64 MiB bodies upstream through CONNECT tunnels, 2 clients",
                 {"clients": 2, "method": "POST", "body": BODY, "form": "tunnel"}, TUNNELS, needs=frozenset({"tunnels"}),
                 bodies=True),
    ],
    "rate": [
        Scenario("rate-keepalive", "20,000 exchanges a second on keep-alive connections", {"clients": 512, "rate": 20000},
                 BEST, window=2.0),
        Scenario("rate-newclient", "8,000 new clients a second", {"clients": 2048, "rate": 8000, "per_connection": 1}, BEST,
                 window=2.0),
    ],
    "clients": [clients(number) for number in (1, 10, 100, 1000, 9000)],
    "workers": [Scenario("workers", "Small exchanges, 64 keep-alive clients, both workers on the one CPU", {"clients": 64},
                         ("relay", "keepwarm", "keepwarm-2-workers"), threads=True)],
    "tls": [Scenario("tls", "Small exchanges with an https:// origin (TLS 1.3), 64 keep-alive clients", {"clients": 64},
                     BEST, needs=frozenset({"tls"}), tls=True)],
    "intercept": [
        Scenario("intercept-newclient", "HTTPS interception: CONNECT, TLS handshake, one GET and close, 64 at a time",
                 {"clients": 64, "per_connection": 1}, INTERCEPTING, needs=frozenset({"interception"}), tls=True,
                 intercept=True, warm_up=0.5, window=2.0,
                 note="To be at most 30 CPU s/100k for keepwarm; keepwarm ÷ HAProxy at most 0.9, ÷ Squid at most 0.3.\n"
                 + ABOUT_PEERS),
        Scenario("intercept-keepalive", "HTTPS interception: small exchanges, 64 keep-alive clients",
                 {"clients": 64}, (*INTERCEPTING, "keepwarm-upgrade"), needs=frozenset({"interception"}), tls=True,
                 intercept=True, counts=(*OURS, "keepwarm-upgrade"),
                 note="keepwarm ÷ keepwarm-upgrade, whose clients have no TLS, to be at most 1.6.\n" + ABOUT_PEERS),
    ],
}

# Each part of a scenario by its own name, to be measured alone: "clients-9000".
PARTS = {part.name: [part] for parts in COMPARED.values() for part in parts}
