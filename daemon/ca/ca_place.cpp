#include "daemon/ca/ca_place.h"

#include <unistd.h>

#include "config/ca_folder.h"
#include "config/credentials.h"

namespace keepwarm::daemon {
namespace {

constexpr const char* kFolderOfSystem = "/etc/keepwarm/ca";

}  // namespace

CaPlace ca_place(const config::Config& config) {
  return {config::ca_folder(config.intercept), config::ca_public_folder(config.intercept)};
}

CaPlace ca_place_to_use(const config::Config& config) {
  CaPlace place = ca_place(config);
  const bool is_there = ::access((place.public_folder + "/root.crt").c_str(), F_OK) == 0;
  if (is_there || !config.intercept.ca.empty()) return place;
  return {kFolderOfSystem, std::string(kFolderOfSystem) + "-public"};
}

net::LocalCa::Source ca_source(const config::Config& config) {
  // Where there are no credentials, the files that they are made of may be within reach.
  const std::string& key = config.intercept.key;
  return {.folder = config::ca_folder(config.intercept),
          .key = config::names_credential(key) ? std::string() : key,
          .credentials = config::Credentials::of_environment(false).folder};
}

}  // namespace keepwarm::daemon
