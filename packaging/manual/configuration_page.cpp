#include "config/keys.h"
#include "daemon/cli/commands.h"
#include "packaging/manual/pages.h"
#include "packaging/manual/roff.h"

namespace keepwarm::manual {
namespace {

using config::Key;
using config::Section;

std::string heading_of(const Key& key) {
  if (key.section != Section::Host) return '[' + std::string(section_name(key.section)) + ']';
  return key.name.starts_with("tls.") ? R"([host."...".tls])" : R"([host."..."])";
}

std::string name_in_table(const Key& key) {
  return std::string(key.name.starts_with("tls.") ? key.name.substr(4) : key.name);
}

/// A duration ("1ms" to "8760h"); default "60s".
std::string type_line(const Key& key) {
  const config::Value value = default_of(key);
  std::string type(type_name(value));
  type.front() = 'A';
  const std::string allowed = allowed_of(key);
  return type + (allowed.empty() ? "" : " (" + allowed + ")") + "; default " + to_toml(value) + '.';
}

void add_file_description(Page& page) {
  page.section("DESCRIPTION");
  page.paragraph(
      plain("The configuration of ") + bold("keepwarm") +
      plain("(1) is a TOML file. Every key may be left out, and so may the file: then the defaults below hold. "
            "Unknown keys, wrong types and impossible values are errors, with line and column: ") +
      bold("keepwarm check") +
      plain(" finds them. SIGHUP has a running daemon read its file again; one with "
            "errors is logged, and the old configuration stays in force."));
  page.paragraph(
      plain("A duration is a string of a whole number and ms, s, m or h: \"250ms\", \"4s\", \"2m\", \"1h\". A "
            "size is a string of a whole number and B, KiB, MiB or GiB: \"64KiB\"."));
}

void add_host_rules(Page& page) {
  page.paragraph(
      plain("The tables of hosts. [host.\"*\"] is for all; others are for some of them, and override it key by "
            "key. A name with its dots stands in quotes. The most specific table wins:"));
  page.literal(R"("api.example.com:8443"   this name and port
"api.example.com"        this name, any port
"*.example.com:8443"     the subdomains of any depth, not example.com itself
"*.example.com"          the same for any port; of several suffixes the longest wins
"*"                      all)");
  page.paragraph(bold("keepwarm explain") + ' ' + italic("URL") +
                 plain(" shows what holds for a URL, and from which table each value comes."));
}

void add_keys(Page& page) {
  page.section("KEYS");
  std::string heading;
  for (const Key& key : config::keys()) {
    if (heading_of(key) != heading) {
      const bool first_of_hosts = key.section == Section::Host && !key.name.starts_with("tls.");
      heading = heading_of(key);
      page.subsection(plain(heading));
      if (first_of_hosts) add_host_rules(page);
    }
    page.item(bold(name_in_table(key)), plain(type_line(key)));
    page.line(plain(key.description));
  }
}

void add_credentials(Page& page) {
  page.section("CREDENTIALS");
  page.paragraph(
      plain(
          "In key, ca_file, client_certificate, client_key and parent, \"credential:NAME\" stands for the file NAME in "
          "$CREDENTIALS_DIRECTORY: a secret that systemd hands over to the service alone, whose source may be "
          "root's, with mode 0600. For parent the file holds the whole URL, in one line. The drop-in of the unit, "
          "from ") +
      bold("systemctl edit keepwarm") + plain(":"));
  page.literal(R"([Service]
LoadCredential=bank.key:/etc/keepwarm/bank.key
# made with systemd-creds encrypt --name=proxy - /etc/keepwarm/proxy.cred
LoadCredentialEncrypted=proxy:/etc/keepwarm/proxy.cred)");
  page.paragraph(
      plain("Without the folder, or without the file, the daemon does not start, and a reload leaves the old "
            "configuration in force. systemd makes the copies when the service starts: a secret that has changed "
            "needs ") +
      bold("systemctl restart keepwarm") + plain(". Elsewhere than in the service (no $CREDENTIALS_DIRECTORY) ") +
      bold("keepwarm check") + plain(" only warns of them. No secret is shown by any command, nor logged."));
}

void add_examples(Page& page) {
  page.section("EXAMPLES");
  page.literal(R"([proxy]
listen = ["127.0.0.1:3128", "unix:/run/keepwarm/proxy.sock"]

[log]
access = "text"

[host."*"]
idle_timeout = "30s"

# Closes after 15 s, and does not say so.
[host."api.example.com"]
assumed_idle_timeout = "15s"

# Two connections are always ready.
[host."search.example.com"]
keep_warm = 2

# Asked for as http://, spoken to over TLS.
[host."packages.example.com"]
upgrade = true

# Everything in the house is near.
[host."*.internal.example"]
connect_timeout = "500ms")");
}

}  // namespace

std::string configuration_page(std::string_view date) {
  Page page("KEEPWARM.TOML", 5, date, "keepwarm " + std::string(daemon::program_version()), "File Formats");
  page.section("NAME");
  page.paragraph("keepwarm.toml \\- " + plain("configuration of keepwarm(1)"));
  page.section("SYNOPSIS");
  page.paragraph(italic(daemon::kDefaultConfigFile));
  add_file_description(page);
  add_keys(page);
  add_credentials(page);
  page.section("FILES");
  page.item(
      italic(daemon::kDefaultConfigFile),
      plain("Read where --config names no other file. The one that is installed "
            "has every key with its default and the text above. It may have mode 0640 and a group: the unit's drop-in "
            "then says SupplementaryGroups=GROUP."));
  add_examples(page);
  page.section("SEE ALSO");
  page.paragraph(bold("keepwarm") + "(1)");
  return page.text();
}

}  // namespace keepwarm::manual
