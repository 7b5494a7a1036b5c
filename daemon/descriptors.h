#pragma once

namespace keepwarm::daemon {

/// Makes sure that the descriptors 0, 1 and 2 are in use. If one of them is closed, the next file or socket that is
/// opened gets its number, and what is meant for standard error goes there. To be called before anything is opened.
void fill_standard_descriptors() noexcept;

}  // namespace keepwarm::daemon
