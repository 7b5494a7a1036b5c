#pragma once

#include <optional>
#include <string>
#include <string_view>

/// Rules for the texts of single keys. Each returns what is wrong and what is allowed; empty: nothing is wrong.
namespace keepwarm::config {

/// "127.0.0.1:3128", "[::1]:3128", "unix:/run/x.sock"; port 0 asks the kernel for one. Names are refused: what they
/// mean may change; and so are relative paths, for the same reason.
[[nodiscard]] std::string listen_problem(std::string_view text);

/// As listen_problem(), or "" which turns the page off. For the time being only the default and "".
[[nodiscard]] std::string admin_listen_problem(std::string_view text);

/// "10.0.0.0/8", "fd00::/8", or an address, which stands for itself.
[[nodiscard]] std::string cidr_problem(std::string_view text);

/// A token of RFC 9110 §5.6.2, but CONNECT: a tunnel cannot be sent twice.
[[nodiscard]] std::string method_problem(std::string_view text);

/// "", "10.0.0.5:8443", "[::1]:8443", "name:8443", "unix:/run/app.sock".
[[nodiscard]] std::string connect_to_problem(std::string_view text);

/// "", "http://proxy.corp:3128", "http://user:password@proxy.corp:3128". What is returned holds no password.
[[nodiscard]] std::string parent_problem(std::string_view text);

/// "-" or a path.
[[nodiscard]] std::string log_file_problem(std::string_view text);

/// Whether a listen address that listen_problem() accepts can be reached from this machine only.
[[nodiscard]] bool is_local_listener(std::string_view text);

/// The one form of a listen address that listen_problem() accepts: "unix:/run//x.sock" is "unix:/run/x.sock". nullopt:
/// port 0, which is another one each time.
[[nodiscard]] std::optional<std::string> listener_identity(std::string_view text);

/// Whether a CIDR that cidr_problem() accepts has bits set behind its prefix ("10.1.2.3/8"); they mean nothing.
[[nodiscard]] bool has_stray_bits(std::string_view cidr);

/// Whether a CIDR that cidr_problem() accepts is everybody ("0.0.0.0/0", "::/0").
[[nodiscard]] bool is_everybody(std::string_view cidr);

}  // namespace keepwarm::config
