#include "config/keys.h"

#include <ostream>
#include <set>
#include <string>
#include <tuple>

#include <doctest/doctest.h>

#include "config/hints.h"

namespace keepwarm::config {

TEST_CASE("the host keys of the table are those of the settings, in their order") {
  std::vector<std::string_view> in_table;
  for (const Key& key : keys()) {
    if (key.section == Section::Host) in_table.push_back(key.name);
  }
  std::vector<std::string_view> in_settings;
  for (const policy::HostKey& key : policy::host_keys()) in_settings.push_back(key.name);
  CHECK(in_table == in_settings);
}

TEST_CASE("each key stands in the table once, and says what it does") {
  std::set<std::tuple<Section, std::string_view>> seen;
  for (const Key& key : keys()) {
    CAPTURE(std::string(key.name));
    CHECK(seen.emplace(key.section, key.name).second);
    CHECK(find_key(key.section, key.name) == &key);
    CHECK((key.description.ends_with('.') || key.description.ends_with(".)")));
    CHECK(key.description.find("  ") == std::string_view::npos);
  }
  CHECK(keys().size() == 61);
  CHECK(find_key(Section::Dns, "level") == nullptr);
}

TEST_CASE("the default of each key satisfies its own rule") {
  for (const Key& key : keys()) {
    CAPTURE(std::string(key.name));
    const Value default_value = default_of(key);
    const auto within = [&](std::int64_t number) {
      CHECK(key.rule.range.min <= number);
      CHECK(number <= key.rule.range.max);
    };
    if (const auto* count = std::get_if<std::uint32_t>(&default_value)) within(*count);
    if (const auto* size = std::get_if<std::uint64_t>(&default_value)) within(static_cast<std::int64_t>(*size));
    if (const auto* duration = std::get_if<Duration>(&default_value)) within(duration->count());
    if (const auto* text = std::get_if<std::string>(&default_value); text && key.rule.problem) {
      CHECK(key.rule.problem(*text) == "");
    }
    if (const auto* list = std::get_if<std::vector<std::string>>(&default_value); list && key.rule.problem) {
      for (const std::string& text : *list) CHECK(key.rule.problem(text) == "");
    }
    if (const auto* list = std::get_if<std::vector<ListenAddress>>(&default_value)) {
      for (const ListenAddress& address : *list) CHECK(key.rule.problem(address.text()) == "");
    }
  }
}

TEST_CASE("a value that is written is read back, and at no other key") {
  for (const Key& key : keys()) {
    if (key.section != Section::Host) continue;
    CAPTURE(std::string(key.name));
    policy::HostSettings settings;
    Value other = default_of(key);
    if (auto* truth = std::get_if<bool>(&other)) *truth = !*truth;
    if (auto* count = std::get_if<std::uint32_t>(&other)) *count += 1;
    if (auto* size = std::get_if<std::uint64_t>(&other)) *size += 1;
    if (auto* duration = std::get_if<Duration>(&other)) *duration += Duration(1);
    if (auto* text = std::get_if<std::string>(&other)) *text = "other";
    if (auto* list = std::get_if<std::vector<std::string>>(&other)) *list = {"other"};
    if (auto* place = std::get_if<std::optional<policy::ConnectTo>>(&other)) *place = policy::parse_connect_to("a:1");
    if (auto* parent = std::get_if<std::optional<policy::ParentProxy>>(&other))
      *parent = policy::parse_parent("http://a");
    if (auto* choice = std::get_if<policy::UnsafeReuse>(&other)) *choice = policy::UnsafeReuse::Never;
    if (auto* choice = std::get_if<policy::UpgradeCookies>(&other)) *choice = policy::UpgradeCookies::StripSecure;
    REQUIRE(other != default_of(key));
    write(settings, key, other);
    for (const Key& any : keys()) {
      if (any.section == Section::Host) CHECK(read(settings, any) == (&any == &key ? other : default_of(any)));
    }
  }
}

TEST_CASE("what is allowed is said in the words of the file") {
  CHECK(allowed_of(*find_key(Section::Proxy, "via")) == R"(true, false or "always")");
  CHECK(allowed_of(*find_key(Section::Intercept, "refused")) == R"("fail" or "tunnel")");
  CHECK(allowed_of(*find_key(Section::Host, "intercept")) == "true or false");
  CHECK(allowed_of(*find_key(Section::Proxy, "max_clients")) == "1 to 10000000");
  CHECK(allowed_of(*find_key(Section::Proxy, "max_header_size")) == R"("1KiB" to "16MiB")");
  CHECK(allowed_of(*find_key(Section::Host, "idle_timeout")) == R"("1ms" to "8760h")");
  CHECK(allowed_of(*find_key(Section::Host, "max_lifetime")) == R"("0s" to "8760h")");
  CHECK(allowed_of(*find_key(Section::Log, "access")) == R"("off", "text" or "json")");
}

TEST_CASE("the nearest name is at most a third of its letters away") {
  constexpr std::string_view kNames[] = {"idle_timeout", "idle_margin", "via", "ttl"};
  CHECK(nearest("idle_timout", kNames) == "idle_timeout");
  CHECK(nearest("idel_timeout", kNames) == "idle_timeout");
  CHECK(nearest("idle-timeout", kNames) == "idle_timeout");
  CHECK(nearest("timeout", kNames) == "");
  CHECK(nearest("vai", kNames) == "via");
  CHECK(nearest("tt1", kNames) == "ttl");
  CHECK(nearest("xyz", kNames) == "");
  CHECK(nearest("", kNames) == "");
  CHECK(nearest(std::string(1000, 'x'), kNames) == "");
}

}  // namespace keepwarm::config
