#!/bin/bash
# The one test command. On a fresh Debian 12 it installs what is missing, builds, and runs everything. See usage().
set -uo pipefail

usage() {
  cat <<'TEXT'
Usage: tests/run.sh [PART ...]

Installs the Debian packages that are missing (as root, or with sudo), builds, and runs these parts, or only those named:

  format    the layout of all C++ files (clang-format)
  unit      the debug preset's unit and loop tests (ctest)
  daemon    tests of the built daemon, by scripted clients and origins (pytest)
  interop   tests with real clients and servers, load and chaos (pytest)
  asan      unit, daemon and interop again under AddressSanitizer and UndefinedBehaviorSanitizer
  tsan      the tests of several workers again under ThreadSanitizer
  package   packaging/run.sh ends in a daemon that answers curl and stops on SIGTERM
  tidy      clang-tidy over all sources; only when named, it takes minutes

The last line is "N passed, N failed", summed over all parts (with ", N skipped" if any). The exit status is 0 only if
everything ran and nothing failed.

  KEEPWARM_JOBS         processes of a build (default: the number of processors)
  KEEPWARM_TEST_JOBS    tests at a time (default: two for each processor; four of the interop tests, which mostly wait)
  KEEPWARM_TEST_ARGS    more arguments for pytest, such as "-k websocket"
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=packaging/apt.sh
. "$root/packaging/apt.sh"
cd "$root" || exit 1

test_packages=(
  doctest-dev clang-format                                            # unit tests and layout
  python3 python3-pytest python3-pytest-xdist iproute2                # what drives the daemon
  curl wget git python3-requests python3-aiohttp python3-websocket    # real clients
  nginx apache2-bin gunicorn squid tinyproxy-bin                      # real servers and proxies
  openssl systemd                                                     # certificates; the unit file
)
command -v node >/dev/null || test_packages+=(nodejs)

if command -v ccache >/dev/null; then export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
jobs=${KEEPWARM_JOBS:-$(nproc)}
test_jobs=${KEEPWARM_TEST_JOBS:-$((2 * $(nproc)))}
passed=0 failed=0 skipped=0
results=$(mktemp -d)
tsan_targets=(keepwarm unit_threads)
meanwhile=  # the process group of a build in the background

say() { printf '\n==> %s [%d s]\n' "$*" "$SECONDS"; }

finish() {
  [ -z "$meanwhile" ] || kill -- "-$meanwhile" 2>/dev/null
  rm -rf "$results"
  local line="$passed passed, $failed failed"
  [ "$skipped" -eq 0 ] || line+=", $skipped skipped"
  printf '\n==> Done in %d s\n%s\n' "$SECONDS" "$line"
  if [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]; then exit 0; fi
  exit 1
}

# What must go well and is no test, such as a build: only its failure counts.
step() {  # step WHAT COMMAND...
  local what=$1 log=$results/log
  shift
  "$@" >"$log" 2>&1 </dev/null && return
  failed=$((failed + 1))
  tail -n 200 "$log"
  echo "FAILED: $what"
  return 1
}

# A check that counts as one test.
check() {  # check WHAT COMMAND...
  step "$@" && passed=$((passed + 1))
}

# Adds up a JUnit report. A doctest program reports its test cases; a program that says all is well and exits with an error
# (a sanitizer does that) counts as one failure more. No report: the part did not run, which is a failure.
count() {  # count WHAT REPORT STATUS
  local what=$1 report=$2 status=$3 totals
  totals=$(/usr/bin/python3 - "$report" 2>&1 <<'PYTHON'
import re
import sys
import xml.etree.ElementTree as tree

passed = failed = skipped = 0
for case in tree.parse(sys.argv[1]).iter("testcase"):
    bad = case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail"
    output = case.findtext("system-out") or ""
    doctest = re.search(r"test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped", output)
    if doctest:
        passed += int(doctest[1])
        failed += max(int(doctest[2]), bad)
        skipped += int(doctest[3])
    elif bad:
        failed += 1
    elif case.find("skipped") is not None:
        skipped += 1
    else:
        passed += 1
print(passed, failed, skipped)
PYTHON
  )
  if ! [[ $totals =~ ^([0-9]+)\ ([0-9]+)\ ([0-9]+)$ ]]; then
    failed=$((failed + 1))
    echo "FAILED: $what did not run (status $status)"
    return
  fi
  local p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
  if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
    f=1
    echo "FAILED: $what ended with status $status"
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  echo "    $what: $p passed, $f failed, $s skipped"
  if [ $((p + f)) -eq 0 ]; then
    failed=$((failed + 1))
    echo "FAILED: $what has no tests"
  fi
}

prepare() {
  say "Packages"
  # Installing nginx or Squid starts it as a service, now and at each boot. The tests start their own; nobody asked for one
  # on port 80, or on 3128, which is keepwarm's.
  local mask=() services=()
  if [ -d /run/systemd/system ]; then mapfile -t services < <(missing_packages nginx squid); fi
  if [ ${#services[@]} -gt 0 ]; then
    services=("${services[@]/%/.service}")
    mask=(systemctl)
    [ "$(id -u)" -eq 0 ] || mask=(sudo systemctl)
    "${mask[@]}" --quiet --runtime mask "${services[@]}"
  fi
  install_packages "${keepwarm_build_packages[@]}" "${test_packages[@]}"
  local status=$?
  [ $status -eq 0 ] || failed=$((failed + 1))
  if [ ${#services[@]} -gt 0 ]; then
    "${mask[@]}" --quiet --runtime unmask "${services[@]}"
    "${mask[@]}" --quiet disable "${services[@]}"
  fi
  return $status
}

build() {  # build PRESET [OPTION...]
  say "Building the $1 preset with $jobs jobs"
  step "configuring $1" cmake --preset "$1" && step "building $1" cmake --build --preset "$1" --parallel "$jobs" "${@:2}"
}

# Builds the other presets, one after the other, while tests run: these mostly wait, and go first where they do not. What
# goes wrong there, the builds that follow show.
# shellcheck disable=SC2016
build_meanwhile() {  # build_meanwhile PRESET...
  setsid nice -n 19 bash -c '
    jobs=$1 results=$2 tsan_targets=$3
    for preset in "${@:4}"; do
      options=()
      if [ "$preset" = tsan ]; then read -ra options <<<"--target $tsan_targets"; fi
      cmake --preset "$preset" && cmake --build --preset "$preset" --parallel "$jobs" "${options[@]}"
      touch "$results/built-$preset"
    done' bash "$jobs" "$results" "${tsan_targets[*]}" "$@" >/dev/null 2>&1 </dev/null &
  meanwhile=$!
}

wait_for_build() {  # wait_for_build PRESET
  [ -n "$meanwhile" ] || return
  say "Waiting for the $1 preset"
  while [ ! -e "$results/built-$1" ] && kill -0 "$meanwhile" 2>/dev/null; do sleep 0.1; done
}

run_unit() {  # run_unit PRESET
  say "Unit tests ($1)"
  ctest --preset "$1" --parallel "$jobs" --timeout 120 --test-output-size-passed 1000000 --test-output-size-failed 1000000 \
    --output-junit "$results/unit.xml" >"$results/log" 2>&1 </dev/null
  local status=$?
  [ $status -eq 0 ] || cat "$results/log"
  count "unit tests ($1)" "$results/unit.xml" $status
  rm -f "$results/unit.xml"
}

run_pytest() {  # run_pytest PRESET FOLDER AT_A_TIME
  say "tests/$2 ($1), $3 at a time"
  local arguments=()
  read -ra arguments <<<"${KEEPWARM_TEST_ARGS-}"
  # A proxy or a certificate store that the surroundings ask for is none of the tests' business.
  env -u http_proxy -u https_proxy -u all_proxy -u no_proxy -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY -u NO_PROXY \
    -u PYTHONPATH -u PYTEST_ADDOPTS PYTHONDONTWRITEBYTECODE=1 \
    KEEPWARM_BIN="$root/build/$1/keepwarm" KEEPWARM_BUILD="$root/build/$1" \
    /usr/bin/python3 -m pytest -q -p no:cacheprovider -n "$3" --durations 5 --durations-min 10 \
    --junitxml "$results/pytest.xml" "${arguments[@]}" "tests/$2" </dev/null
  count "tests/$2 ($1)" "$results/pytest.xml" $?
  rm -f "$results/pytest.xml"
}

run_format() {
  say "Layout"
  local files
  mapfile -t files < <(find core config daemon tests -name '*.h' -o -name '*.cpp')
  check "clang-format" clang-format --dry-run -Werror "${files[@]}"
}

# Does what a new user does: runs packaging/run.sh, and curl through what it starts.
package_works() {
  local folder=$results/package origin daemon address port status
  mkdir "$folder" && echo "hello" >"$folder/file" || return
  /usr/bin/python3 -u -m http.server --bind 127.0.0.1 --directory "$folder" 0 >"$folder/origin" 2>&1 &
  origin=$!
  packaging/run.sh --listen 127.0.0.1:0 >"$folder/run" 2>&1 &
  daemon=$!
  while kill -0 $daemon 2>/dev/null && ! grep -q 'listening on' "$folder/run"; do sleep 0.1; done
  cat "$folder/run"
  address=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' "$folder/run" | head -n 1)
  port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$folder/origin")
  [ "$(curl -fsS -x "$address" "http://127.0.0.1:$port/file")" = hello ]
  status=$?
  kill -TERM $daemon $origin
  wait $daemon && [ $status -eq 0 ]
}

run_package() {
  wait_for_build release
  say "packaging/run.sh (builds the release preset)"
  check "packaging/run.sh" package_works
}

tidy_all() {
  find core config daemon tests -name '*.cpp' -not -path 'tests/fuzz/*' -not -path 'tests/bench/*' -print0 |
    xargs -0 -n 2 -P "$jobs" clang-tidy --quiet -p build/debug
}

run_tidy() {
  say "clang-tidy"
  step "installing clang-tidy" install_packages clang-tidy || return
  step "configuring debug" cmake --preset debug || return
  check "clang-tidy" tidy_all
}

run_asan() {
  # Memory and time are other under sanitizers: tests take their limits times KEEPWARM_TEST_SLOW and assert no memory figures.
  export KEEPWARM_TEST_SLOW=${KEEPWARM_TEST_SLOW:-4}
  # A look-up thread may still wait for a name server when the process ends; what glibc holds for it then is no leak.
  echo 'leak:res_context_send' >"$results/leaks"
  export LSAN_OPTIONS=suppressions=$results/leaks:print_suppressions=0
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
  wait_for_build asan
  build asan || return
  run_unit asan
  run_pytest asan daemon "$test_jobs"
  run_pytest asan interop $((2 * test_jobs))
}

run_tsan() {
  wait_for_build tsan
  build tsan --target "${tsan_targets[@]}" || return
  # libuv closes descriptors by a system call that ThreadSanitizer does not see: a number that OpenSSL uses next, to read the
  # folder of the system's certificates, looks like a race.
  echo 'race:OPENSSL_DIR_end' >"$results/races"
  export TSAN_OPTIONS=suppressions=$results/races:print_suppressions=0
  check "unit tests (tsan)" build/tsan/tests/unit_threads
  KEEPWARM_TEST_ARGS="-k workers ${KEEPWARM_TEST_ARGS-}" run_pytest tsan daemon $((2 * test_jobs))
}

parts=("$@")
for part in "${parts[@]}"; do
  case $part in
    format | unit | daemon | interop | asan | tsan | package | tidy) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
[ ${#parts[@]} -gt 0 ] || parts=(format unit daemon interop asan tsan package)
wants() { [[ " ${parts[*]} " == *" $1 "* ]]; }

trap finish EXIT
trap 'failed=$((failed + 1)); exit 130' INT TERM
say "Parts: ${parts[*]}"
prepare || exit 1
if wants format; then run_format; fi
if wants unit || wants daemon || wants interop; then
  if build debug; then
    others=()
    if wants asan; then others+=(asan); fi
    if wants tsan; then others+=(tsan); fi
    if wants package; then others+=(release); fi
    if [ ${#others[@]} -gt 0 ]; then build_meanwhile "${others[@]}"; fi
    if wants unit; then run_unit debug; fi
    if wants daemon; then run_pytest debug daemon "$test_jobs"; fi
    if wants interop; then run_pytest debug interop $((2 * test_jobs)); fi
  fi
fi
if wants asan; then run_asan; fi
if wants tsan; then run_tsan; fi
if wants package; then run_package; fi
if wants tidy; then run_tidy; fi
