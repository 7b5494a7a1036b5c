#pragma once

#include <cstdint>

/// The file descriptors of this process, before it has other threads.
namespace keepwarm::daemon {

/// Makes sure that the descriptors 0, 1 and 2 are in use. If one of them is closed, the next file or socket that is
/// opened gets its number, and what is meant for standard error goes there. To be called before anything is opened.
void fill_standard_descriptors() noexcept;

/// Raises RLIMIT_NOFILE to its hard limit; returns what is in force.
[[nodiscard]] std::uint64_t raise_descriptor_limit() noexcept;

/// Has the kernel make room for `count` descriptors in this process's table of them, or for as many as it may have. To
/// be called before the first thread is started. The table doubles when it is full, and where threads share it,
/// the kernel then waits until no processor can be using the old one: socket(2) and accept(2) took 10 to 15 ms, and the
/// loop stood still. Takes 8 bytes of the kernel's memory for each.
void reserve_descriptors(std::uint64_t count) noexcept;

}  // namespace keepwarm::daemon
