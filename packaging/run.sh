#!/bin/bash
# Builds keepwarm on Debian 12 and runs it in the foreground with the built-in defaults, on 127.0.0.1:3128.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: packaging/run.sh [--no-start | --install] [DAEMON OPTIONS ...]

Installs the packages that the build needs (as root, or with sudo; only those that are missing), builds the release
preset and starts the daemon in the foreground. Ctrl-C or SIGTERM stops it.

  --no-start   stop after the build
  --install    install the program, its configuration and the systemd unit below / instead of starting it here
  --help       this text

Everything else goes to the daemon, for example: packaging/run.sh --listen 127.0.0.1:8080 --config my.toml
TEXT
}

action=start
case ${1-} in
  --no-start) action=build; shift ;;
  --install) action=install; shift ;;
  -h | --help) usage; exit 0 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=packaging/apt.sh
. "$root/packaging/apt.sh"
say() { printf '==> %s\n' "$*"; }

cd "$root"
say "Build dependencies"
install_packages "${keepwarm_build_packages[@]}"

say "Building into build/release (minutes, the first time)"
log=$(mktemp)
# Says how far it is, every ten seconds. (sleep must not hold the caller's pipe open when this is ended.)
progress() {
  while sleep 10 >/dev/null 2>&1; do printf '    %.100s\n' "$(tail -n 1 "$log")"; done
}
progress &
watcher=$!
trap 'kill "$watcher"; rm -f "$log"' EXIT
if ! { cmake --preset release && cmake --build --preset release --target keepwarm manual; } >"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  say "The build failed."
  exit 1
fi
trap - EXIT
kill "$watcher"
rm -f "$log"
program=$root/build/release/keepwarm
say "Built $("$program" --version)"

case $action in
  build)
    say "Start it with: $program run"
    exit 0
    ;;
  install)
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" cmake --install build/release --prefix /usr
    if [ -d /run/systemd/system ]; then
      "${as_root[@]}" systemctl daemon-reload
      say "Installed. Start it now and at boot with: systemctl enable --now keepwarm"
    else
      say "Installed. systemd does not run here; start it with: keepwarm run"
    fi
    exit 0
    ;;
esac

cat <<TEXT
==> Starting keepwarm in the foreground. Ctrl-C (or SIGTERM) stops it; SIGHUP reads the configuration again.

    Point clients of this machine at it (the default address):
        export http_proxy=http://127.0.0.1:3128 no_proxy=localhost,127.0.0.1
    Try it:
        curl -x http://127.0.0.1:3128 -v http://example.com/
    Install it as a service:
        packaging/run.sh --install && systemctl enable --now keepwarm

TEXT
exec "$program" run "$@"
