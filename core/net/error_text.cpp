#include "core/net/error_text.h"

#include <uv.h>

namespace keepwarm::net {

std::string_view error_text(int error) noexcept {
  return uv_strerror(error);
}

}  // namespace keepwarm::net
