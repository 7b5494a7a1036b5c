#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>

/// Files that are never seen half-written. Each function returns what went wrong, as "PATH: reason"; "": nothing.
namespace keepwarm::daemon {

/// Writes a new file beside `path`, with exactly that mode, and puts it into its place once it is on the disk.
[[nodiscard]] std::string write_new_file(const std::string& path, std::string_view text, mode_t mode);

/// Makes the folder, and those above it that are missing, and sets its mode, whatever the umask is. A folder that
/// belongs to another user than root or us is refused: that user could exchange what is in it.
[[nodiscard]] std::string make_folder(const std::string& path, mode_t mode);

/// Removes a file if it is there.
[[nodiscard]] std::string remove_file(const std::string& path);

/// The whole file, without looking at its size. "" with a problem if it cannot be read.
[[nodiscard]] std::string read_text(const std::string& path, std::string& problem);

}  // namespace keepwarm::daemon
