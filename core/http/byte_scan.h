#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// The inner loops over heads: 16 bytes a step with the compiler's vector types (SSE2, NEON, or plain words). Private
/// to core/http.
namespace keepwarm::http {

using ByteBlock = std::uint8_t __attribute__((vector_size(16)));

/// The index of the first byte of a block, from `from` on, that is not 0; 16 if there is none. Each byte must be 0x00
/// or 0xFF.
[[nodiscard]] inline int first_set(ByteBlock block, int from = 0) noexcept {
#if defined(__SSE2__)
  const auto bits = static_cast<std::uint32_t>(_mm_movemask_epi8(std::bit_cast<__m128i>(block)));
  return std::countr_zero((bits & (~0U << from)) | 0x10000U);
#else
  int at = from;
  while (at < 16 && block[at] == 0) ++at;
  return at;
#endif
}

/// The first byte in [p, end) that `matches` picks; `end` if there is none. `matches` is called with a byte, and with a
/// ByteBlock, of which it tests all bytes at once. The bytes from `readable` on may be read: where there are enough of
/// them, the last block reaches back.
template <typename Matches>
[[nodiscard]] inline const char* find_byte(const char* p, const char* end, const char* readable,
                                           Matches matches) noexcept {
  const auto first_in = [&](const char* block_begin, int from) noexcept {
    ByteBlock block;
    std::memcpy(&block, block_begin, sizeof block);
    return first_set(std::bit_cast<ByteBlock>(matches(block)), from);
  };
  while (end - p >= 16) {
    const int at = first_in(p, 0);
    if (at < 16) return p + at;
    p += 16;
  }
  if (end - readable >= 16) {
    const char* const last = end - 16;
    return last + first_in(last, static_cast<int>(p - last));
  }
  while (p != end && !matches(static_cast<std::uint8_t>(*p))) ++p;
  return p;
}

/// The first control byte (0x00–0x1F but HT, and DEL) in [p, end); `end` if there is none. CR and LF are control bytes,
/// so in a sound head the result is the end of the line. `readable`: see find_byte().
[[nodiscard]] inline const char* find_control(const char* p, const char* end, const char* readable) noexcept {
  return find_byte(p, end, readable,
                   [](auto bytes) noexcept { return ((bytes < 0x20) & (bytes != '\t')) | (bytes == 0x7F); });
}

/// The first control byte or space in [p, end); `end` if there is none.
[[nodiscard]] inline const char* find_invisible(const char* p, const char* end) noexcept {
  return find_byte(p, end, p, [](auto bytes) noexcept { return (bytes <= 0x20) | (bytes == 0x7F); });
}

}  // namespace keepwarm::http
