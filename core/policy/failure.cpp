#include "core/policy/failure.h"

namespace keepwarm::policy {

FailureAnswer answer_for(FailureKind kind) noexcept {
  switch (kind) {
    case FailureKind::BadRequest: return {400, "http_request_error"};
    case FailureKind::NotForAProxy: return {400, "http_request_error"};
    case FailureKind::TargetTooLong: return {414, "http_request_error"};
    case FailureKind::HeadTooLarge: return {431, "http_request_error"};
    case FailureKind::UnsupportedScheme: return {501, "http_request_error"};
    case FailureKind::UnsupportedVersion: return {505, "http_request_error"};
    case FailureKind::ClientTooSlow: return {408, "http_request_error"};
    case FailureKind::RequestDenied: return {403, "http_request_denied"};
    case FailureKind::DestinationDenied: return {403, "destination_ip_prohibited"};
    case FailureKind::LoopDetected: return {508, "proxy_loop_detected"};
    case FailureKind::TooManyClients: return {503, "connection_limit_reached"};
    case FailureKind::QueueTimeout: return {503, "connection_limit_reached"};
    case FailureKind::DnsError: return {502, "dns_error"};
    case FailureKind::DnsTimeout: return {504, "dns_timeout"};
    case FailureKind::ConnectTimeout: return {504, "connection_timeout"};
    case FailureKind::ConnectionRefused: return {502, "connection_refused"};
    case FailureKind::Unroutable: return {502, "destination_ip_unroutable"};
    case FailureKind::ConnectionTerminated: return {502, "connection_terminated"};
    case FailureKind::TlsCertificate: return {502, "tls_certificate_error"};
    case FailureKind::TlsAlert: return {502, "tls_alert_received"};
    case FailureKind::TlsProtocol: return {502, "tls_protocol_error"};
    case FailureKind::ParentRefused: return {502, "destination_unavailable"};
    case FailureKind::Misconfigured: return {502, "proxy_configuration_error"};
    case FailureKind::ResponseTimeout: return {504, "http_response_timeout"};
    case FailureKind::ResponseIncomplete: return {502, "http_response_incomplete"};
    case FailureKind::ResponseHeadTooLarge: return {502, "http_response_header_section_size"};
    case FailureKind::BadResponse: return {502, "http_protocol_error"};
    case FailureKind::UpgradeFailed: return {502, "http_upgrade_failed"};
    case FailureKind::OutOfResources: return {503, "proxy_internal_error"};
    case FailureKind::InternalError: return {500, "proxy_internal_error"};
  }
  return {500, "proxy_internal_error"};
}

}  // namespace keepwarm::policy
