# shellcheck shell=bash disable=SC2034
# Sourced by packaging/run.sh and tests/run.sh: installs Debian packages that are missing, and is silent when none is. It
# removes none: where a package excludes another one that is there, it fails.

# The packages that build the daemon.
keepwarm_build_packages=(
  g++ cmake ninja-build pkg-config libuv1-dev libc-ares-dev libssl-dev libspdlog-dev libtomlplusplus-dev libcli11-dev node-llhttp
)

missing_packages() {  # prints those of the packages in "$@" that are not installed
  local package
  for package in "$@"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      echo "$package"
    fi
  done
}

install_packages() {  # installs those of "$@" that are missing; fails with a sentence when it cannot
  local missing as_root=()
  if ! command -v dpkg-query >/dev/null; then
    echo "This script installs Debian packages, and this is not Debian. Install what stands for: $*" >&2
    return 1
  fi
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "These packages are missing, and neither root nor sudo is at hand: ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "    installing ${missing[*]}"
  local log
  log=$(mktemp)
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq)
  if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-remove --no-install-recommends "${missing[@]}"; } \
       >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    echo "apt-get could not install ${missing[*]}" >&2
    return 1
  fi
  rm -f "$log"
}
