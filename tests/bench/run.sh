#!/bin/bash
# The one benchmark command. On a fresh Debian 12 it installs what is missing, builds, and measures. See README.md.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=packaging/apt.sh
. "$root/packaging/apt.sh"

services=(haproxy nginx squid-openssl trafficserver)  # packages that bring a service
# Only Squid with OpenSSL intercepts. The two exclude each other: where the one with GnuTLS is, it stays, and takes no part in that.
[ -n "$(missing_packages squid)" ] || services=("${services[@]/squid-openssl/squid}")
packages=(
  "${services[@]}" tinyproxy-bin
  python3 openssl util-linux mount iproute2 strace valgrind
)

for argument in "$@"; do
  if [ "$argument" = --help ] || [ "$argument" = -h ]; then exec /usr/bin/python3 "$root/tests/bench/bench.py" --help; fi
done

# Installing such a package starts it as a service, now and at each boot. Nobody asked for one.
prepare() {
  local new=() as_root=() policy=/usr/sbin/policy-rc.d made='' status
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  mapfile -t new < <(missing_packages "${services[@]}")
  if [ ${#new[@]} -gt 0 ] && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    made=$policy
  fi
  install_packages "${keepwarm_build_packages[@]}" "${packages[@]}"
  status=$?
  [ -z "$made" ] || "${as_root[@]}" rm -f "$made"
  if [ ${#new[@]} -gt 0 ] && [ -d /run/systemd/system ]; then
    new=("${new[@]/#squid-openssl/squid}")  # its service has the name of the other
    "${as_root[@]}" systemctl --quiet disable "${new[@]/%/.service}"
  fi
  return $status
}

build() {  # build WHAT COMMAND...
  local log
  log=$(mktemp)
  echo "    building $1" >&2
  if ! "${@:2}" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
  fi
  rm -f "$log"
}

cd "$root" || exit 1
prepare || exit 1
tools=$root/build/bench
build "the tools, configured" cmake -S tests/bench -B "$tools" -G Ninja
build "the tools" cmake --build "$tools"
if [ -z "${KEEPWARM_BIN:-}" ]; then
  build "keepwarm, configured" cmake --preset release
  build "keepwarm" cmake --build --preset release
  KEEPWARM_BIN=$root/build/release/keepwarm
fi

export KEEPWARM_BIN KEEPWARM_BENCH_TOOLS=$tools PYTHONDONTWRITEBYTECODE=1
# A network of our own: every port is free, and names are ours. As somebody else than root that takes a user namespace.
isolate=(unshare --net --mount)
[ "$(id -u)" -eq 0 ] || isolate+=(--map-current-user --keep-caps)
if "${isolate[@]}" true 2>/dev/null; then
  export KEEPWARM_BENCH_ISOLATED=1
  exec "${isolate[@]}" /usr/bin/python3 tests/bench/bench.py "$@"
fi
exec /usr/bin/python3 tests/bench/bench.py "$@"
