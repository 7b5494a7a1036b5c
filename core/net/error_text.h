#pragma once

#include <string_view>

namespace keepwarm::net {

/// What a negative errno or libuv code (UV_EAI_NONAME, …) means, in words.
[[nodiscard]] std::string_view error_text(int error) noexcept;

}  // namespace keepwarm::net
