#include "tests/bench/load/plan.h"

#include <algorithm>
#include <cstdlib>

#include "tests/bench/tools/socket.h"

namespace keepwarm::bench {
namespace {

/// The i-th host: the loopback address 127.1.0.0, 127.1.0.1, and so on, or a name that `origin` resolves to it.
std::string host_name(long i, bool name) {
  const std::string dot = name ? "-" : ".";
  return "127" + dot + std::to_string(1 + i / 65536) + dot + std::to_string(i / 256 % 256) + dot +
         std::to_string(i % 256) + (name ? ".bench.test" : "");
}

std::vector<pid_t> process_ids(const std::string& text) {
  std::vector<pid_t> ids;
  const char* at = text.c_str();
  while (*at != '\0') {
    char* end = nullptr;
    ids.push_back(static_cast<pid_t>(std::strtol(at, &end, 10)));
    at = *end == ',' ? end + 1 : end;
    if (ids.back() <= 0) die("--watch wants process ids");
  }
  return ids;
}

}  // namespace

Plan::Plan(Arguments& arguments)
    : target(parse_address(arguments.text("target"))),
      tls(arguments.whole("tls", 0) != 0),
      body(static_cast<std::uint64_t>(arguments.whole("body", 0))),
      clients(static_cast<std::size_t>(arguments.whole("clients", 1))),
      burst(static_cast<std::size_t>(arguments.whole("burst", 0))),
      per_connection(arguments.whole("per-connection", 0)),
      rate(arguments.number("rate", 0)),
      pause_from(arguments.whole("pause-from", 0) * kMillisecond),
      pause_to(arguments.whole("pause-to", 0) * kMillisecond),
      total(static_cast<std::uint64_t>(arguments.whole("total", 0))),
      warm_up(static_cast<Nanos>(arguments.number("warm-up", 0) * kSecond)),
      window(static_cast<Nanos>(arguments.number("window", 1) * kSecond)),
      windows(static_cast<std::size_t>(arguments.whole("windows", 1))),
      between(static_cast<Nanos>(arguments.number("between", 0) * kSecond)),
      watched(process_ids(arguments.text("watch", ""))) {
  if (burst > clients) die("--burst is part of --clients");
  if (total != 0 && (burst != 0 || windows != 1)) die("--total has one window, and no --burst");

  const std::string method = arguments.text("method", "GET");
  const std::string path = arguments.text("path", "/");
  const std::string form = arguments.text("form", "absolute");
  const std::string scheme = arguments.text("scheme", "http");
  const std::string origin = arguments.text("origin");  // HOST:PORT; with --hosts only its port counts
  const long hosts = arguments.whole("hosts", 0);
  const long first = arguments.whole("first-host", 0);
  const bool names = arguments.whole("names", 0) != 0;  // of the hosts, in place of addresses

  for (long i = 0; i < std::max(hosts, 1L); ++i) {
    const std::string authority = hosts == 0 ? origin : host_name(first + i, names) + origin.substr(origin.rfind(':'));
    if (i == 0) server_name = authority.substr(0, authority.rfind(':'));
    Request request;
    const std::string version_and_host = " HTTP/1.1\r\nHost: " + authority + "\r\n";
    if (form == "tunnel") {
      request.tunnel = "CONNECT " + authority;
      request.tunnel += version_and_host + "\r\n";
    }
    request.head = method + " ";
    if (form == "absolute") request.head.append(scheme).append("://").append(authority);
    request.head.append(path).append(version_and_host).append("User-Agent: load/1.0\r\nAccept: */*\r\n");
    if (method != "GET") request.head += "Content-Length: " + std::to_string(body) + "\r\n";
    request.head += "\r\n";
    requests.push_back(std::move(request));
  }
}

}  // namespace keepwarm::bench
