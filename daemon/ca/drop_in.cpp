#include "daemon/ca/drop_in.h"

#include "core/net/tls/local_ca_files.h"

namespace keepwarm::daemon {

std::string drop_in_text(const std::string& folder, const std::vector<unsigned>& generations) {
  std::string text =
      "# Made by keepwarm ca create: systemd hands the keys of the local CA to the service, whose user cannot read "
      "them.\n"
      "# SetCredential= is what it gets instead of a file that is gone: the service starts, and intercepts nothing.\n"
      "[Service]\n";
  for (const unsigned number : generations) {
    const std::string name = number == 1 ? "ca.key" : "ca." + std::to_string(number) + ".key";
    text.append("LoadCredential=").append(name).append(":").append(net::generation_folder(folder, number));
    text.append("/issuer.key\nSetCredential=").append(name).append(":none\n");
  }
  return text;
}

}  // namespace keepwarm::daemon
