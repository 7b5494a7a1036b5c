#pragma once

#include <cstdint>

#include "core/net/dns/message.h"

namespace keepwarm::net {

/// Whether a name server is asked for names in random case. Most return a name as it was written, and none of the
/// answers depends on it; but some return it in lower case, and some do not find it then (both in home routers). Pure.
///
/// Where it fails: a server that finds some names in any case and others in lower case alone, asked for one of the
/// latter only after kTrial.
class NameCase {
 public:
  /// So many answers with addresses have to come first, before AAAA is asked for in random case, too: until then a name
  /// that has no A in random case but may have an AAAA in lower case shows a server that does not find it.
  static constexpr std::uint32_t kTrial = 8;

  [[nodiscard]] bool random(RecordType type) const noexcept {
    return copes_ && (type == RecordType::A || found_ >= kTrial);
  }
  /// A name in random case was found, and returned as it was written.
  void found() noexcept {
    altered_ = 0;
    ++found_;
  }
  /// It was returned otherwise. Once, and the answer may be forged; twice, and the server does so.
  void altered() noexcept {
    if (++altered_ >= 2) copes_ = false;
  }
  /// It was not found, and in lower case it was.
  void not_found() noexcept { copes_ = false; }

 private:
  bool copes_ = true;
  std::uint32_t found_ = 0;
  std::uint32_t altered_ = 0;
};

}  // namespace keepwarm::net
