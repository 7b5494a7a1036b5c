#pragma once

#include <string>
#include <string_view>

/// Rules for the texts of single keys. Each returns what is wrong and what is allowed; empty: nothing is wrong.
namespace keepwarm::config {

/// As ListenAddress::parse() takes it (core/base/ip.h).
[[nodiscard]] std::string listen_problem(std::string_view text);

/// As listen_problem(), or "" which turns the page off. For the time being only the default and "".
[[nodiscard]] std::string admin_listen_problem(std::string_view text);

/// As Cidr::parse() takes it.
[[nodiscard]] std::string cidr_problem(std::string_view text);

/// A token of RFC 9110 §5.6.2, but CONNECT: a tunnel cannot be sent twice.
[[nodiscard]] std::string method_problem(std::string_view text);

/// "", "10.0.0.5:8443", "[::1]:8443", "name:8443", "unix:/run/app.sock".
[[nodiscard]] std::string connect_to_problem(std::string_view text);

/// "", "http://proxy.corp:3128", "http://user:password@proxy.corp:3128". What is returned holds no password.
[[nodiscard]] std::string parent_problem(std::string_view text);

/// "" or an absolute path: what another one means depends on where the daemon, or a command, is started.
[[nodiscard]] std::string path_problem(std::string_view text);

/// As path_problem(), but of a folder that has a name.
[[nodiscard]] std::string folder_problem(std::string_view text);

/// "-" or a path.
[[nodiscard]] std::string log_file_problem(std::string_view text);

}  // namespace keepwarm::config
