#include "core/net/dns/hosts_file.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/net/dns/words.h"

namespace keepwarm::net {

HostsFile::HostsFile(std::string text) : text_(std::move(text)) {
  text_.resize(std::min<std::size_t>(text_.size(), std::numeric_limits<std::uint32_t>::max()));
  for (char& c : text_) c = lower(c);
  const std::string_view all = text_;
  each_line(all, [&](std::string_view line) {
    const std::vector<std::string_view> words = words_of(line.substr(0, line.find('#')));
    if (words.size() < 2) return;
    const auto address = SocketAddress::parse(words.front(), 0);
    if (!address) return;
    if (addresses_.empty() || addresses_.back() != *address) addresses_.push_back(*address);
    for (std::size_t i = 1; i < words.size(); ++i) {
      const std::string_view name = without_final_dot(words[i]);
      if (name.empty()) continue;  // a dot alone
      entries_.push_back({.begin = static_cast<std::uint32_t>(name.data() - all.data()),
                          .size = static_cast<std::uint32_t>(name.size()),
                          .address = static_cast<std::uint32_t>(addresses_.size() - 1)});
    }
  });
  std::stable_sort(entries_.begin(), entries_.end(),
                   [this](const Entry& one, const Entry& other) { return name_of(one) < name_of(other); });
  entries_.shrink_to_fit();
}

std::size_t HostsFile::first_of(std::string_view name) const noexcept {
  const auto before = [this](const Entry& entry, std::string_view wanted) { return name_of(entry) < wanted; };
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), name, before);
  if (found == entries_.end() || name_of(*found) != name) return entries_.size();
  return static_cast<std::size_t>(found - entries_.begin());
}

std::vector<SocketAddress> HostsFile::find(std::string_view name) const {
  std::vector<SocketAddress> found;
  for (std::size_t i = first_of(name); i < entries_.size() && name_of(entries_[i]) == name; ++i) {
    const SocketAddress& address = addresses_[entries_[i].address];
    if (std::find(found.begin(), found.end(), address) == found.end()) found.push_back(address);
  }
  return found;
}

}  // namespace keepwarm::net
