#include "core/policy/failure.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {

TEST_CASE("every failure has its status and its Proxy-Status error") {
  struct Case {
    FailureKind kind;
    std::uint16_t status;
    std::string_view error;
  };
  using Kind = FailureKind;
  const Case cases[] = {
      {Kind::BadRequest, 400, "http_request_error"},
      {Kind::NotForAProxy, 400, "http_request_error"},
      {Kind::TargetTooLong, 414, "http_request_error"},
      {Kind::HeadTooLarge, 431, "http_request_error"},
      {Kind::UnsupportedScheme, 501, "http_request_error"},
      {Kind::UnsupportedVersion, 505, "http_request_error"},
      {Kind::ClientTooSlow, 408, "http_request_error"},
      {Kind::RequestDenied, 403, "http_request_denied"},
      {Kind::DestinationDenied, 403, "destination_ip_prohibited"},
      {Kind::LoopDetected, 508, "proxy_loop_detected"},
      {Kind::TooManyClients, 503, "connection_limit_reached"},
      {Kind::QueueTimeout, 503, "connection_limit_reached"},
      {Kind::DnsError, 502, "dns_error"},
      {Kind::DnsTimeout, 504, "dns_timeout"},
      {Kind::ConnectTimeout, 504, "connection_timeout"},
      {Kind::ConnectionRefused, 502, "connection_refused"},
      {Kind::Unroutable, 502, "destination_ip_unroutable"},
      {Kind::ConnectionTerminated, 502, "connection_terminated"},
      {Kind::ResponseTimeout, 504, "http_response_timeout"},
      {Kind::TlsCertificate, 502, "tls_certificate_error"},
      {Kind::TlsAlert, 502, "tls_alert_received"},
      {Kind::TlsProtocol, 502, "tls_protocol_error"},
      {Kind::ParentRefused, 502, "destination_unavailable"},
      {Kind::Misconfigured, 502, "proxy_configuration_error"},
      {Kind::ResponseIncomplete, 502, "http_response_incomplete"},
      {Kind::ResponseHeadTooLarge, 502, "http_response_header_section_size"},
      {Kind::BadResponse, 502, "http_protocol_error"},
      {Kind::UpgradeFailed, 502, "http_upgrade_failed"},
      {Kind::OutOfResources, 503, "proxy_internal_error"},
      {Kind::InternalError, 500, "proxy_internal_error"},
  };
  for (const Case& c : cases) {
    const FailureAnswer answer = answer_for(c.kind);
    CAPTURE(static_cast<int>(c.kind));
    CHECK(answer.status == c.status);
    CHECK(answer.proxy_status_error == c.error);
  }
}

TEST_CASE("a failure that the table does not know is our own bug") {
  const FailureAnswer answer = answer_for(static_cast<FailureKind>(255));
  CHECK(answer.status == 500);
  CHECK(answer.proxy_status_error == "proxy_internal_error");
}

}  // namespace keepwarm::policy
