#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "core/http/serializer.h"

/// The current date, as a Date field has it.
namespace keepwarm::proxy {

/// The value of a Date field, formatted once a second.
class DateCache {
 public:
  [[nodiscard]] std::string_view now() {
    const std::time_t seconds = std::time(nullptr);
    if (seconds != seconds_) {
      seconds_ = seconds;
      text_.clear();
      http::write_date(text_, seconds);
    }
    return text_;
  }

 private:
  std::time_t seconds_ = -1;
  std::string text_;
};

}  // namespace keepwarm::proxy
