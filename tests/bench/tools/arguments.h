#pragma once
#include <string>
#include <string_view>
#include <unordered_map>

namespace keepwarm::bench {

/// The command line: `--name value` pairs. Dies on anything else, and in check() on a name that nobody asked for.
class Arguments {
 public:
  Arguments(int argc, char** argv);

  [[nodiscard]] std::string text(const std::string& name, std::string_view fallback);
  [[nodiscard]] std::string text(const std::string& name);  ///< dies when it is absent
  [[nodiscard]] double number(const std::string& name, double fallback);
  [[nodiscard]] long whole(const std::string& name, long fallback) {
    return static_cast<long>(number(name, static_cast<double>(fallback)));
  }
  void check() const;

 private:
  std::unordered_map<std::string, std::string> given_;
};

}  // namespace keepwarm::bench
