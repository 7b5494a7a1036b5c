#include "daemon/ca/client_environment.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unistd.h>

#include "core/base/origin.h"
#include "core/net/tls/local_ca.h"

namespace keepwarm::daemon {
namespace {

/// These take a file with all authorities, instead of the system's.
constexpr auto kTakeBundle = std::to_array<const char*>({
    "SSL_CERT_FILE",                       // OpenSSL: Python, Ruby, PHP streams, curl; Go, uv, and others
    "CURL_CA_BUNDLE",                      // curl, before the other one
    "REQUESTS_CA_BUNDLE",                  // requests, and pip before its own
    "PIP_CERT",                            // pip
    "GIT_SSL_CAINFO",                      // git
    "PERL_LWP_SSL_CA_FILE",                // Perl's LWP
    "npm_config_cafile",                   // npm: a cafile of its own would win over the one of Node.js
    "CARGO_HTTP_CAINFO",                   // cargo
    "AWS_CA_BUNDLE",                       // aws, boto3
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",  // gcloud
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",    // gRPC
    "NIX_SSL_CERT_FILE",                   // Nix
    "HTTPLIB2_CA_CERTS",                   // httplib2
});
/// These take a file with further ones.
constexpr auto kTakeRoots = std::to_array<const char*>({"NODE_EXTRA_CA_CERTS", "DENO_CERT"});

constexpr const char* kNotByProxy = "localhost,127.0.0.1,::1";

/// Where a program connects that is to reach this listener.
ListenAddress reachable(const ListenAddress& listener) {
  if (!listener.ip().is_unspecified()) return listener;
  const std::string_view loopback = listener.ip().is_v4() ? "127.0.0.1" : "::1";
  return {IpAddress::parse(loopback).value_or(IpAddress()), listener.port()};
}

bool is_in(const std::vector<ListenAddress>& list, const ListenAddress& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

std::string quoted(std::string_view text, std::string_view special, char quote) {
  std::string safe(1, quote);
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) safe += '\\';
    safe += c;
  }
  return safe + quote;
}

std::string for_sh(std::string_view text) {
  std::string safe = "'";
  for (const char c : text) safe += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return safe + '\'';
}

/// systemd.exec(5): "%" begins a specifier.
std::string for_systemd(std::string_view text) {
  std::string doubled;
  for (const char c : text) doubled += c == '%' ? std::string("%%") : std::string(1, c);
  return quoted(doubled, "\"\\", '"');
}

}  // namespace

std::optional<ListenAddress> proxy_address(const config::Config& config, bool trusting) {
  std::optional<ListenAddress> any;
  for (const ListenAddress& listener : config.proxy.listen) {
    if (listener.is_unix() || listener.port() == 0) continue;
    const bool intercepts = config.intercept.listen.empty() || is_in(config.intercept.listen, listener);
    if (intercepts == trusting) return reachable(listener);
    if (!any) any = reachable(listener);
  }
  return any;
}

Variables proxy_variables(const ListenAddress& proxy) {
  const std::string url = "http://" + proxy.text();
  return {{"http_proxy", url},  {"https_proxy", url},      {"HTTP_PROXY", url},
          {"HTTPS_PROXY", url}, {"no_proxy", kNotByProxy}, {"NO_PROXY", kNotByProxy}};
}

Variables ca_variables(const CaPlace& place) {
  Variables variables;
  for (const char* name : kTakeBundle) variables.emplace_back(name, place.bundle());
  for (const char* name : kTakeRoots) variables.emplace_back(name, place.roots());
  return variables;
}

std::string java_options(const ListenAddress& proxy, const CaPlace* trust) {
  const std::string host = host_in_url(proxy.ip().text());
  std::string options;
  for (const char* scheme : {"http", "https"}) {
    const std::string property = std::string("-D") + scheme;
    options.append(property).append(".proxyHost=").append(host).append(" ");
    options.append(property).append(".proxyPort=").append(std::to_string(proxy.port())).append(" ");
  }
  options += "-Dhttp.nonProxyHosts=localhost|127.0.0.1|[::1]";
  if (trust == nullptr) return options;
  return options + " -Djavax.net.ssl.trustStore=" + trust->java_trust_store() + " -Djavax.net.ssl.trustStoreType=JKS";
}

Result<Variables, std::string> client_variables(const config::Config& config, bool trusting, bool java) {
  const std::optional<ListenAddress> proxy = proxy_address(config, trusting);
  if (!proxy) return std::string("proxy.listen has no address with a port, which programs could be told");
  const CaPlace place = ca_place_to_use(config);
  if (trusting && ::access(place.bundle().c_str(), R_OK) != 0) return net::no_ca_text(place.folder);
  Variables variables = proxy_variables(*proxy);
  if (trusting) {
    for (auto& variable : ca_variables(place)) variables.push_back(std::move(variable));
  }
  if (java) variables.emplace_back("JAVA_TOOL_OPTIONS", java_options(*proxy, trusting ? &place : nullptr));
  return variables;
}

std::string to_text(const Variables& variables, EnvironmentFormat format) {
  std::string text;
  for (const auto& [name, value] : variables) {
    switch (format) {
      case EnvironmentFormat::Sh: text.append("export ").append(name).append("=").append(for_sh(value)); break;
      case EnvironmentFormat::Fish:
        text.append("set -gx ").append(name).append(" ").append(quoted(value, "'\\", '\''));
        break;
      case EnvironmentFormat::Systemd:
        text.append("Environment=").append(for_systemd(std::string(name).append("=").append(value)));
        break;
      case EnvironmentFormat::Docker: text.append(name).append("=").append(value); break;
    }
    text += '\n';
  }
  return text;
}

}  // namespace keepwarm::daemon
