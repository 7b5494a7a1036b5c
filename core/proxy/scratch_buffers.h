#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/http/head_parser.h"
#include "core/proxy/body_writer.h"
#include "core/proxy/date_cache.h"

/// Memory that all sessions and exchanges of one engine share, so that none of them has to own or allocate any.
namespace keepwarm::proxy {

/// Each member is used within one event only: nothing in it is expected to be there when the next event comes.
struct ScratchBuffers {
  http::HeadParser parser{};
  BodyWriter writer{};
  std::string head_out{};                ///< a head, or a whole answer of our own, that is about to be written
  std::string target{};                  ///< a host or a request-target in the form in which it is needed
  std::vector<std::string_view> data{};  ///< the data of a body within what has just been read
  DateCache date{};
};

}  // namespace keepwarm::proxy
