#include "config/error.h"

namespace keepwarm::config {

std::string to_text(const ConfigError& error) {
  std::string text = error.file;
  if (error.line != 0) text += ':' + std::to_string(error.line) + ':' + std::to_string(error.column);
  text += ": ";
  if (!error.key.empty()) text += error.key + ": ";
  return text + error.message;
}

}  // namespace keepwarm::config
