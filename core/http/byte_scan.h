#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

/// The guard's inner loop: 16 bytes a step with the compiler's vector types (SSE2, NEON, or plain words). Private to
/// core/http.
namespace keepwarm::http {

[[nodiscard]] constexpr bool is_control(char c) noexcept {
  const auto byte = static_cast<std::uint8_t>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7F;
}

/// The first control byte (0x00–0x1F but HT, and DEL) in [p, end); `end` if there is none. CR and LF are control bytes,
/// so in a sound head the result is the end of the line.
[[nodiscard]] inline const char* find_control(const char* p, const char* end) noexcept {
  using Block = std::uint8_t __attribute__((vector_size(16)));
  struct Halves {
    std::uint64_t low, high;
  };
  while (end - p >= 16) {
    Block block;
    std::memcpy(&block, p, sizeof block);
    const auto found = std::bit_cast<Halves>(((block < 0x20) & (block != '\t')) | (block == 0x7F));
    if constexpr (std::endian::native == std::endian::little) {
      if (found.low != 0) return p + std::countr_zero(found.low) / 8;
      if (found.high != 0) return p + 8 + std::countr_zero(found.high) / 8;
    } else if ((found.low | found.high) != 0) {
      break;
    }
    p += 16;
  }
  while (p != end && !is_control(*p)) ++p;
  return p;
}

}  // namespace keepwarm::http
