#include "daemon/command/ca_test.h"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iomanip>
#include <ostream>

#include "core/policy/host_table.h"
#include "core/policy/interception.h"
#include "daemon/ca/ca_command.h"
#include "daemon/ca/ca_place.h"
#include "daemon/ca/trust_test.h"

namespace keepwarm::daemon {
namespace {

constexpr const char* kTestName = "ca test";
using VerdictKind = TrustTest::Verdict::Kind;

/// The first host that the first generation may name.
std::string some_host(const CertificateScope& scope) {
  if (!scope.names.empty() && !scope.names.front().empty()) return scope.names.front();
  return scope.addresses.empty() ? "example.com" : scope.addresses.front().base.text();
}

/// As in an Origin; "": it is no host.
std::string host_of(const std::string& text) {
  const Result<policy::HostPattern, policy::PatternError> pattern = policy::parse_host_pattern(text);
  const bool good = pattern && pattern->kind == policy::HostPattern::Kind::Name && !pattern->port;
  return good ? pattern->name : std::string();
}

/// Programs are told of our listener, and of no exception from it.
void point_programs_at(std::uint16_t port) {
  const std::string url = "http://127.0.0.1:" + std::to_string(port);
  for (const char* name : {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"}) ::setenv(name, url.c_str(), 1);
  for (const char* name : {"no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"}) ::unsetenv(name);
}

/// Whether all that could be tried trust it.
bool try_all(TrustTest& test, const std::string& host, std::ostream& out) {
  constexpr int kWidth = 18;
  bool good = true;
  for (const TrustClient& client : trust_clients(Machine::this_one(), host, test.port())) {
    const TrustTest::Verdict verdict = test.run(client);
    out << std::left << std::setw(kWidth) << client.name;
    switch (verdict.kind) {
      case VerdictKind::Trusts: out << "trusts it\n"; break;
      case VerdictKind::Refuses: out << "refuses it (" << verdict.text << "): " << client.remedy << '\n'; break;
      case VerdictKind::NotTried: out << "could not be tried: " << verdict.text << '\n'; break;
    }
    out << std::flush;
    good = good && verdict.kind != VerdictKind::Refuses;
  }
  return good;
}

}  // namespace

int run_ca_test(const CommandLine& line, std::ostream& out, std::ostream& err) {
  const std::optional<config::Config> config = config_for_ca(line, err);
  if (!config) return kInputWrong;
  net::LocalCa::Source source = ca_source(*config);
  source.folder = ca_place_to_use(*config).folder;
  const net::LocalCa::Read read = net::LocalCa::read(source);
  for (const std::string& problem : read.problems) fail(kTestName, problem, err);
  if (!read.ca) return kInputWrong;
  const std::string host =
      line.words.empty() ? some_host(read.ca->generations().front().scope) : host_of(line.words.front());
  if (host.empty()) return fail(kTestName, line.words.front() + " is no name and no address of a host", err);
  const auto now = std::chrono::system_clock::now();
  const std::optional<std::size_t> generation = policy::signing_generation(read.ca->generations(), host, now);
  if (!generation) return fail(kTestName, "no generation of the local CA may name " + host + " now", err);
  ::signal(SIGPIPE, SIG_IGN);  // a program may go at any time
  auto probe = net::TrustProbe::make(*read.ca, *generation, host, now);
  const std::unique_ptr<TrustTest> test = probe ? TrustTest::make(std::move(probe)) : nullptr;
  if (!test) return fail(kTestName, "there can be no listener on 127.0.0.1", err);
  point_programs_at(test->port());
  out << "a certificate for " << host << " by generation " << read.ca->generations()[*generation].number << '\n';
  return try_all(*test, host, out) ? kDone : kInputWrong;
}

}  // namespace keepwarm::daemon
