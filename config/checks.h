#pragma once

#include <string>
#include <string_view>

/// Rules for the texts of single keys. Each returns what is wrong and what is allowed; empty: nothing is wrong.
namespace keepwarm::config {

/// "127.0.0.1:3128", "[::1]:3128"; port 0 asks the kernel for one. Names are refused: what they mean may change.
[[nodiscard]] std::string listen_problem(std::string_view text);

/// As listen_problem(), or "" which turns the page off. For the time being only the default and "".
[[nodiscard]] std::string admin_listen_problem(std::string_view text);

/// "10.0.0.0/8", "fd00::/8", or an address, which stands for itself.
[[nodiscard]] std::string cidr_problem(std::string_view text);

/// A token of RFC 9110 §5.6.2, but CONNECT: a tunnel cannot be sent twice.
[[nodiscard]] std::string method_problem(std::string_view text);

/// "-" or a path.
[[nodiscard]] std::string log_file_problem(std::string_view text);

/// Whether a listen address that listen_problem() accepts can be reached from this machine only.
[[nodiscard]] bool is_local_listener(std::string_view text);

/// Whether a CIDR that cidr_problem() accepts has bits set behind its prefix ("10.1.2.3/8"); they mean nothing.
[[nodiscard]] bool has_stray_bits(std::string_view cidr);

/// Whether a CIDR that cidr_problem() accepts is everybody ("0.0.0.0/0", "::/0").
[[nodiscard]] bool is_everybody(std::string_view cidr);

}  // namespace keepwarm::config
