#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/address.h"

namespace keepwarm::net {

/// /etc/hosts as a value: the addresses of each name in it. Names are in lower case, without a final dot. Lines that
/// are none are passed over, as glibc does. Lists of advertisers have 100,000 names and more: a name costs its text and
/// twelve bytes.
class HostsFile {
 public:
  HostsFile() = default;
  explicit HostsFile(std::string text);

  /// With port 0, without duplicates, in the order of the lines; empty: the file does not have the name.
  [[nodiscard]] std::vector<SocketAddress> find(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const noexcept { return first_of(name) < entries_.size(); }

 private:
  struct Entry {
    std::uint32_t begin;    ///< of the name in `text_`
    std::uint32_t size;     ///< of the name
    std::uint32_t address;  ///< which of `addresses_`
  };

  [[nodiscard]] std::string_view name_of(const Entry& entry) const noexcept {
    return std::string_view(text_).substr(entry.begin, entry.size);
  }
  /// Which of `entries_`; their number if there is none.
  [[nodiscard]] std::size_t first_of(std::string_view name) const noexcept;

  std::string text_;  ///< of the file, in lower case
  std::vector<SocketAddress> addresses_;
  std::vector<Entry> entries_;  ///< by name, those of a name in the order of their lines
};

}  // namespace keepwarm::net
