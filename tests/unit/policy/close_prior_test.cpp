#include "core/policy/close_prior.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {
using namespace std::chrono_literals;

}  // namespace
}  // namespace keepwarm::policy
