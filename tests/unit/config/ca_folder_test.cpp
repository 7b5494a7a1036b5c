#include "config/ca_folder.h"

#include <cstdlib>
#include <ostream>
#include <string>
#include <unistd.h>

#include <doctest/doctest.h>

namespace keepwarm::config {
namespace {

/// Sets a variable of the environment, or takes it out, for as long as it lives.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    const char* const before = std::getenv(name);
    had_ = before != nullptr;
    before_ = had_ ? before : "";
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~ScopedVariable() { had_ ? ::setenv(name_, before_.c_str(), 1) : ::unsetenv(name_); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::string before_;
  bool had_ = false;
};

std::string folder_of(const char* ca) {
  return ca_folder({.ca = ca, .key = {}, .listen = {}});
}

}  // namespace

TEST_CASE("the CA is where the configuration says, and what all may read beside it") {
  CHECK(folder_of("/x/ca") == "/x/ca");
  CHECK(folder_of("/x/ca//") == "/x/ca");
  CHECK(ca_public_folder({.ca = "/x/ca/", .key = {}, .listen = {}}) == "/x/ca-public");
}

TEST_CASE("without a word about it the CA is the system's for root and for services, else in the user's home") {
  const ScopedVariable home("HOME", "/home/u");
  {
    const ScopedVariable service("CREDENTIALS_DIRECTORY", "/run/credentials/k.service");
    CHECK(folder_of("") == "/etc/keepwarm/ca");
  }
  const ScopedVariable no_service("CREDENTIALS_DIRECTORY", nullptr);
  CHECK(folder_of("") == (::geteuid() == 0 ? "/etc/keepwarm/ca" : "/home/u/.config/keepwarm/ca"));
}

}  // namespace keepwarm::config
