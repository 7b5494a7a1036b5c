#pragma once

#include <cstdint>
#include <utility>

/// How much work a call makes, so that a test can say that twice the input makes about twice the work, on any machine.
namespace keepwarm::cost {

/// The basic blocks of core/base and core/http that have been entered, as the compiler's instrumentation counts them
/// (-fsanitize-coverage=trace-pc). What libraries do in a call counts as nothing.
extern std::uint64_t blocks;

/// Those that `call` enters.
template <typename Call>
[[nodiscard]] std::uint64_t blocks_of(Call&& call) {
  const std::uint64_t before = blocks;
  std::forward<Call>(call)();
  return blocks - before;
}

}  // namespace keepwarm::cost
