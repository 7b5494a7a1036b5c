"""keepwarm and the proxies beside it: forward proxies with their best upstream pooling, on one thread, logging nothing.

Buffers and timeouts are the ones that a program comes with. What a peer cannot do is in its `lacks`; a scenario that
`needs` it leaves the peer out.
"""

import functools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .hosts import host_address, host_name
from .local_ca import LocalCa
from .process import DESCRIPTORS, PROXY_CPU, Program, free_port, program
from .tools import tool

MANY = 100_000  # connections: no limit is to be met


@dataclass
class Setting:
    """What a scenario wants of the peers. `origin` and `tls_origin` are ADDRESS:PORT."""

    origin: str                     # answers DNS there too
    process: Program                # the program that listens there
    tls_origin: str | None = None   # https:// there, in place of http:// to `origin`
    tls_process: Program | None = None  # the program that listens there
    authority: Path | None = None   # PEM, whom to trust for it
    ca: LocalCa | None = None       # clients speak TLS with the peer, which has a certificate by it for the origin
    fresh: bool = False             # relay: an upstream connection of its own for each client
    max_connections: int = MANY     # keepwarm: to a host
    hosts: int = 0                  # nginx: has so many hosts (host_name) as upstreams, in place of the one origin


class Peer(Program):
    name = ""
    lacks: frozenset[str] = frozenset()   # of "any host", "tunnels", "tls", "interception"
    absolute_https = False                # takes https:// URLs; else its configuration says that the origin is TLS
    upgrade = False                       # takes http:// URLs for an origin that is TLS; its clients have no TLS then
    tls_after_connect = True              # clients that it speaks TLS with send CONNECT before
    single: tuple[str, ...] | None = ()   # arguments that make it one process, for callgrind; None: it does not run there

    def __init__(self, setting: Setting, wrapper: tuple[str, ...] = ()):
        """wrapper: a command to run it under."""
        super().__init__()
        self.setting = setting
        self.port = free_port()
        self.spawn(PROXY_CPU, *wrapper, *self.command(), *(self.single if wrapper else ()))
        self.wait_listening(self.port, limit=60 if wrapper else 15)
        self.pin(PROXY_CPU)

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError


class Relay(Peer):
    name = "relay"
    lacks = frozenset({"tls", "interception"})

    def command(self):
        return [tool("relay"), "--listen", self.at, "--upstream", self.setting.origin, "--fresh", int(self.setting.fresh)]


class Keepwarm(Peer):
    name = "keepwarm"
    binary = os.environ.get("KEEPWARM_BIN", "")
    absolute_https = True
    limits = f"max_connections = {{most}}\nmax_idle = {MANY}\n"
    clients = f"max_clients = {MANY}\n"
    workers = 1

    def command(self):
        trust = f'ca_file = "{self.setting.authority}"\n' if self.setting.authority else ""
        intercept = f'ca = "{self.setting.ca.folder}"' if self.setting.ca else ""
        config = self.write("keepwarm.toml", f"""
[proxy]
listen = ["{self.at}"]
connect_ports = ["1-65535"]
workers = {self.workers}
{self.clients}
[admin]
listen = ""
[log]
level = "warn"
{f"[intercept]{chr(10)}{intercept}" if intercept else ""}
[host."*"]
{self.limits.format(most=self.setting.max_connections)}
{"intercept = true" if intercept else ""}
{"upgrade = true" if self.upgrade and self.setting.tls_origin else ""}
[host."*".tls]
{trust}
""")
        return [self.binary, "run", "--config", config]


class KeepwarmDefaults(Keepwarm):
    """Nothing set but what the machine asks for: a free port, and that the origin's port may be reached."""

    name = "keepwarm-defaults"
    limits = clients = ""


class KeepwarmTwoWorkers(Keepwarm):
    name = "keepwarm-2-workers"
    workers = 2


class KeepwarmUpgrade(Keepwarm):
    """Clients ask for http://, and it speaks TLS with the origin: what is left of TLS when the client has none."""

    name = "keepwarm-upgrade"
    absolute_https = False
    upgrade = True


class Haproxy(Peer):
    """It terminates TLS on its listener, as in front of a server: it cannot answer CONNECT."""

    name = "haproxy"
    lacks = frozenset({"tunnels"})
    tls_after_connect = False
    # A name is looked up, and an address taken as it is: do-resolve cannot.
    route = """
  http-request set-var(txn.address) url_ip
  http-request do-resolve(txn.address,names,ipv4) req.hdr(host),host_only unless { var(txn.address) -m found }
  http-request set-dst var(txn.address)
  http-request set-dst-port req.hdr(host),port_only"""

    def server(self) -> str:
        if self.setting.tls_origin:
            return f"any {self.setting.tls_origin} ssl verify required verifyhost localhost ca-file {self.setting.authority}"
        return "any 0.0.0.0:0 pool-low-conn 10000"  # without it, idle connections of many hosts are closed

    def command(self):
        config = self.write("haproxy.cfg", f"""
global
  nbthread 1
  maxconn {(DESCRIPTORS - 100) // 2}
  tune.pool-low-fd-ratio 90
  tune.pool-high-fd-ratio 95
resolvers names
  nameserver origin {self.setting.origin}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend forward
  bind {self.at} {f"ssl crt {self.setting.ca.leaf}" if self.setting.ca else ""}
  {"" if self.setting.tls_origin else self.route}
  default_backend hosts
backend hosts
  server {self.server()}
""")
        return [program("haproxy"), "-db", "-f", config]


class HaproxyNoNames(Haproxy):
    """All requests go to one address: what HAProxy costs when it need not look at names, as nginx never does."""

    name = "haproxy-no-names"
    lacks = frozenset({"any host", "tunnels", "interception"})
    route = ""

    def server(self) -> str:
        return f"any {self.setting.origin}"


class Nginx(Peer):
    """No forward proxy by itself: it has the origin as an upstream, as in front of a server."""

    name = "nginx"
    lacks = frozenset({"any host", "tunnels", "interception"})
    single = ("-g", "master_process off;")

    def command(self):
        address, port = (self.setting.tls_origin or self.setting.origin).split(":")
        hosts = {"origin": address} | {host_name(i): host_address(i) for i in range(self.setting.hosts)}
        upstreams = "\n".join(f"""  upstream {name} {{
    server {address}:{port};
    keepalive 10000;
    keepalive_requests 1000000000;
  }}""" for name, address in hosts.items())
        tls = f"""proxy_ssl_verify on;
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_name localhost;
      proxy_ssl_trusted_certificate {self.setting.authority};""" if self.setting.tls_origin else ""
        temporary = "\n".join(f"  {kind}_temp_path {self.folder}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self.write("nginx.conf", f"""
daemon off;
worker_processes 1;
error_log stderr error;
pid {self.folder}/pid;
events {{ worker_connections {DESCRIPTORS - 100}; multi_accept on; }}
http {{
  access_log off;
{temporary}
  keepalive_requests 1000000000;
  client_max_body_size 0;
{upstreams}
  server {{
    listen {self.at} backlog=4096;
    location / {{
      proxy_pass {"https" if self.setting.tls_origin else "http"}://{"$host" if self.setting.hosts else "origin"};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      {tls}
    }}
  }}
}}
""")
        return [program("nginx"), "-p", self.folder, "-c", config]


@functools.cache
def squid_has_openssl() -> bool:
    """Debian has two packages of it. The one with GnuTLS answers 502 for https:// URLs, and cannot intercept."""
    try:
        said = subprocess.run([program("squid"), "-v"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return False
    return "--with-openssl" in said


class Squid(Peer):
    name = "squid"
    lacks = frozenset() if squid_has_openssl() else frozenset({"tls", "interception"})
    absolute_https = True

    def bumping(self) -> tuple[str, str]:
        """What makes it intercept: behind its address, and the lines for it. It asks the server only after the client's
        handshake, since it shares connections to servers between clients in that way alone."""
        if not self.setting.ca:
            return "", ""
        helper = "/usr/lib/squid/security_file_certgen"
        made = self.folder / "certificates"
        subprocess.run([helper, "-c", "-s", str(made), "-M", "16MB"], check=True, capture_output=True)
        for file in (made, *made.rglob("*")):  # it gives up root
            file.chmod(0o777 if file.is_dir() else 0o666)
        return (f"ssl-bump generate-host-certificates=on cert={self.setting.ca.issuer} key={self.setting.ca.key}",
                f"sslcrtd_program {helper} -s {made} -M 16MB\nssl_bump bump all")

    def command(self):
        options, bump = self.bumping()
        trust = f"tls_outgoing_options cafile={self.setting.authority}" if self.setting.authority else ""
        config = self.write("squid.conf", f"""
http_port {self.at} {options}
{bump}
{trust}
acl everybody src all
http_access allow everybody
cache deny all
cache_mem 0 MB
access_log none
cache_log {self.folder}/cache.log
cache_store_log none
coredump_dir {self.folder}
pid_filename none
netdb_filename none
pinger_enable off
icp_port 0
via off
forwarded_for delete
shutdown_lifetime 0 seconds
max_filedescriptors {DESCRIPTORS}
memory_pools on
""")
        return [program("squid"), "-N", "-f", config]


class TrafficServer(Peer):
    name = "trafficserver"
    lacks = frozenset({"interception"})
    single = None

    FOLDERS = {"prefix": "/usr", "exec_prefix": "/usr", "bindir": "/usr/bin", "sbindir": "/usr/bin",
               "includedir": "/usr/include", "libdir": "/usr/lib/trafficserver",
               "libexecdir": "/usr/lib/trafficserver/modules"}
    OWN_FOLDERS = ("sysconfdir", "datadir", "localstatedir", "runtimedir", "logdir", "cachedir")
    RECORDS = {
        "exec_thread.autoconfig": 0, "exec_thread.limit": 1, "exec_thread.affinity": 0, "accept_threads": 0,
        "task_threads": 1, "http.cache.http": 0, "reverse_proxy.enabled": 0, "url_remap.remap_required": 0,
        "http.connect_ports": "*", "http.insert_client_ip": 0, "http.insert_squid_x_forwarded_for": 0,
        "http.insert_request_via_str": 0, "http.insert_response_via_str": 0, "http.normalize_ae": 0,
        "log.logging_enabled": 0, "net.connections_throttle": DESCRIPTORS - 200, "net.max_connections_in": DESCRIPTORS - 200,
        "admin.user_id": "#-1",
    }

    def command(self):
        own = {kind: self.folder for kind in self.OWN_FOLDERS}
        folders = {**self.FOLDERS, **own}
        layout = self.write("runroot.yaml", "".join(f"{kind}: {path}\n" for kind, path in folders.items()))
        records = {**self.RECORDS, "http.server_ports": f"{self.port}:ip-in=127.0.0.1",
                   "dns.nameservers": self.setting.origin}
        remap = ""
        if self.setting.tls_origin:
            # It takes no https:// URLs over plain connections; it can be told that a host's http:// means that.
            records |= {"reverse_proxy.enabled": 1, "ssl.client.CA.cert.filename": str(self.setting.authority),
                        "ssl.client.verify.server.policy": "ENFORCED"}
            plain, secure = (at.replace("127.0.0.1", "localhost") for at in (self.setting.origin, self.setting.tls_origin))
            remap = f"map http://{plain}/ https://{secure}/\n"
        self.write("remap.config", remap)
        self.write("records.config", "".join(
            f"CONFIG proxy.config.{key} {'INT' if isinstance(value, int) else 'STRING'} {value}\n"
            for key, value in records.items()))
        self.write("ip_allow.yaml", "ip_allow:\n  - apply: in\n    ip_addrs: 0/0\n    action: allow\n    methods: ALL\n")
        for name in ("storage.config", "plugin.config", "ssl_multicert.config", "cache.config",
                     "parent.config"):
            self.write(name, "")
        return [program("traffic_server"), f"--run-root={layout}"]


class Tinyproxy(Peer):
    name = "tinyproxy"
    lacks = frozenset({"tls", "interception"})

    def command(self):
        config = self.write("tinyproxy.conf", f"""
Listen 127.0.0.1
Port {self.port}
Timeout 60
MaxClients 1000
LogLevel Critical
DisableViaHeader Yes
""")
        return [program("tinyproxy"), "-d", "-c", config]


ALL = {peer.name: peer for peer in
       (Relay, Keepwarm, KeepwarmDefaults, KeepwarmTwoWorkers, KeepwarmUpgrade, Haproxy, HaproxyNoNames, Nginx,
        TrafficServer, Squid, Tinyproxy)}


def another_keepwarm(name: str, binary: str) -> type[Peer]:
    """A peer that is another build of keepwarm, with the same configuration."""
    has_ca = subprocess.run([binary, "ca", "--help"], capture_output=True, check=False).returncode == 0
    lacks = frozenset() if has_ca else frozenset({"interception"})
    return type(name, (Keepwarm,), {"name": name, "binary": binary, "lacks": lacks})
