#pragma once

#include <string>

#include "core/base/certificate_scope.h"
#include "core/base/result.h"

struct x509_st;

/// The name constraints of an authority (RFC 5280 §4.2.1.10) as a CertificateScope, and back. Private to core/net.
namespace keepwarm::net {

/// Adds the extension, critical; nothing for any_host. A family of addresses of which none is permitted is excluded as
/// a whole, and if no name is permitted, only "invalid" is, which no host has (RFC 6761 §6.4). The exclusions of
/// `scope` are not written. False: OpenSSL failed.
[[nodiscard]] bool add_name_constraints(x509_st* certificate, const CertificateScope& scope);

/// Whom this certificate alone lets its authority name. The failure is a part of a sentence: "it is constrained to …".
[[nodiscard]] Result<CertificateScope, std::string> name_constraints(const x509_st* certificate);

}  // namespace keepwarm::net
