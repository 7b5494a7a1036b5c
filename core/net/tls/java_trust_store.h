#pragma once

#include <chrono>
#include <string>
#include <string_view>

/// A key store with nothing but certificates to trust, as Java reads it: a program of Java takes no PEM file.
namespace keepwarm::net {

/// `pem`: any number of certificates; what else is in it does not matter. The format is that of Java since 1.2 ("JKS"),
/// which all releases read without a password; with one ("changeit", as everywhere), they check that it is whole.
[[nodiscard]] std::string java_trust_store(std::string_view pem, std::chrono::system_clock::time_point now);

}  // namespace keepwarm::net
