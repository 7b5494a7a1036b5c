#!/bin/bash
# The one test command. On a fresh Debian 12 it installs what is missing, builds, and runs everything. See usage().
set -uo pipefail

usage() {
  cat <<'TEXT'
Usage: tests/run.sh [long] [PART ...]

Installs the Debian packages that are missing (as root, or with sudo), builds, and runs these parts, or only those named:

  format    the layout of all C++ files (clang-format)
  plain     unit tests of what a sanitizer hides, memory and allocations; release preset
  daemon    tests of the built daemon, by scripted clients and origins (pytest); release preset
  interop   tests with real clients and servers, load and chaos (pytest); release preset
  asan      all unit tests, daemon and interop under AddressSanitizer and UndefinedBehaviorSanitizer
  tsan      the tests of several workers again under ThreadSanitizer
  package   packaging/run.sh ends in a daemon that answers curl and stops on SIGTERM

These only when named, or in a long run:

  unit      all unit tests without a sanitizer (ctest); debug preset
  debug     tests/daemon again, by a daemon with its assertions; debug preset
  fuzz      the libFuzzer targets, some seconds each (clang); in a long run a minute each

This one only when named, it takes minutes:

  tidy      clang-tidy over all sources

Without "long" each check runs as a small instance of itself, in minutes. "tests/run.sh long" has the full numbers of hosts,
clients and requests, and the real pauses of servers; what could not run for want of a privilege is a failure there.

At the end stand the tests that failed, each with the command that runs it again, and why tests were skipped. The logs of
all parts are in build/test-logs. The last line is "N passed, N failed", summed over all parts (with ", N skipped" if any).
The exit status is 0 only if everything ran and nothing failed.

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
  python3 python3-pytest python3-pytest-xdist python3-pytest-timeout iproute2  # what drives the daemon
  curl wget git netcat-openbsd socat                                  # real clients
  python3-requests python3-aiohttp python3-websocket python3-pip libwww-perl liblwp-protocol-https-perl
  nginx apache2-bin gunicorn tinyproxy-bin                            # real servers and proxies
  openssl systemd                                                     # certificates; the unit file
  mandoc man-db zsh fish                                              # who reads manual pages and completions
)
command -v node >/dev/null || test_packages+=(nodejs)
# Of a long run only: clients and a debugger that are hundreds of megabytes.
long_packages=(default-jdk-headless golang-go php-cli php-curl ruby node-undici gdb)
command -v npm >/dev/null || long_packages+=(npm)
# squid-openssl serves as well, and the two exclude each other.
mapfile -t squid < <(missing_packages squid squid-openssl)
if [ ${#squid[@]} -eq 2 ]; then squid=(squid); else squid=(); fi
test_packages+=("${squid[@]}")

if command -v ccache >/dev/null && [ -z "${CCACHE_DISABLE-}" ]; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
  precompile=OFF together=OFF  # the cache would miss what has seen a precompiled header, or the neighbours of what has changed
else
  precompile=ON together=ON
fi
jobs=${KEEPWARM_JOBS:-$(nproc)}
test_jobs=${KEEPWARM_TEST_JOBS:-$((2 * $(nproc)))}
passed=0 failed=0 skipped=0
results=$(mktemp -d)
logs=$root/build/test-logs
log=/dev/null  # of what is under way
release_targets=(keepwarm chaos unit_plain manual)
tsan_targets=(keepwarm unit_threads)
meanwhile=  # the process group of a build in the background
heartbeat=  # the process that says what is under way

# Each part of a run has a log of its own, and begins with this.
say() {  # say WHAT [LOG]
  printf '\n==> %s [%d s]\n' "$1" "$SECONDS"
  log=$logs/${2:-run}.log
  echo "$1" >"$results/doing"
  echo "$log" >>"$results/doing"
}

# Some builds and tests are silent for minutes. This says all the time what is under way, by the last line of its log.
beat() {
  local doing
  # sleep must not hold the caller's pipe open when this is ended.
  while sleep 30 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    mapfile -t doing <"$results/doing"
    printf '    ... %s [%d s] %.100s\n' "${doing[0]}" "$SECONDS" "$(tail -c 1000 "${doing[1]}" 2>/dev/null | tail -n 1)"
  done
}

finish() {
  [ -z "$meanwhile" ] || kill -- "-$meanwhile" 2>/dev/null
  [ -z "$heartbeat" ] || kill "$heartbeat" 2>/dev/null
  local line="$passed passed, $failed failed"
  [ "$skipped" -eq 0 ] || line+=", $skipped skipped"
  if [ -s "$results/skipped" ]; then
    printf '\n==> Skipped\n'
    sort "$results/skipped" | uniq -c
  fi
  if [ -s "$results/failed" ]; then
    printf '\n==> Failed; the logs are in %s\n' "${logs#"$root"/}"
    cat "$results/failed"
  fi
  rm -rf "$results"
  printf '\n==> Done in %d s%s\n%s\n' "$SECONDS" "${KEEPWARM_TEST_LONG:+, a long run}" "$line"
  if [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]; then exit 0; fi
  exit 1
}

fail() {  # fail WHAT [COMMAND]: counts one failure, which COMMAND runs again
  failed=$((failed + 1))
  echo "FAILED: $1"
  printf '%s\n' "  $1" ${2:+"      $2"} >>"$results/failed"
}

# What must go well and is no test, such as a build: only its failure counts.
step() {  # step WHAT COMMAND...
  "${@:2}" >>"$log" 2>&1 </dev/null && return
  local again="${*:2}"
  [ "$(type -t "$2")" != function ] || again="tests/run.sh $part"
  tail -n 200 "$log"
  fail "$1, see ${log#"$root"/}" "$again"
  return 1
}

# A check that counts as one test.
check() {  # check WHAT COMMAND...
  step "$@" && passed=$((passed + 1))
}

# Adds up a JUnit report (tests/support/tally.py). No report: the part did not run, which is a failure.
count() {  # count WHAT REPORT STATUS PRESET
  local what=$1 report=$2 status=$3 totals
  totals=$(/usr/bin/python3 tests/support/tally.py "$report" "$4" "$results/failed" "$results/skipped" 2>&1)
  if ! [[ $totals =~ ^([0-9]+)\ ([0-9]+)\ ([0-9]+)$ ]]; then
    fail "$what did not run (status $status), see ${log#"$root"/}"
    return
  fi
  local p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  echo "    $what: $p passed, $f failed, $s skipped"
  if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then fail "$what ended with status $status, see ${log#"$root"/}"; fi
  if [ $((p + f)) -eq 0 ]; then fail "$what has no tests"; fi
}

prepare() {
  say "Packages" packages
  # Installing nginx or Squid starts it as a service, now and at each boot. The tests start their own; nobody asked for one
  # on port 80, or on 3128, which is keepwarm's.
  local mask=() services=()
  if [ -d /run/systemd/system ]; then mapfile -t services < <(missing_packages nginx "${squid[@]}"); fi
  if [ ${#services[@]} -gt 0 ]; then
    services=("${services[@]/%/.service}")
    mask=(systemctl)
    [ "$(id -u)" -eq 0 ] || mask=(sudo systemctl)
    "${mask[@]}" --quiet --runtime mask "${services[@]}"
  fi
  install_packages "${keepwarm_build_packages[@]}" "${test_packages[@]}"
  local status=$?
  [ $status -eq 0 ] || fail "installing packages"
  if [ ${#services[@]} -gt 0 ]; then
    "${mask[@]}" --quiet --runtime unmask "${services[@]}"
    "${mask[@]}" --quiet disable "${services[@]}"
  fi
  return $status
}

# What is built of a preset, and with which options of CMake; in `targets` and `options`.
plan() {  # plan PRESET
  targets=() options=("-DKEEPWARM_PRECOMPILE=$precompile")
  case $1 in
    # Without precompiled headers: a file that forgot to include one of them is found here.
    release) targets=("${release_targets[@]}") options=(-DKEEPWARM_PRECOMPILE=OFF -DBUILD_TESTING=ON) ;;
    # A dozen files at a time: half the work of a build from nothing, and their headers need no precompiling.
    asan) options=(-DCMAKE_UNITY_BUILD=$together -DCMAKE_UNITY_BUILD_BATCH_SIZE=12) ;;
    tsan) options=(-DCMAKE_UNITY_BUILD=$together -DCMAKE_UNITY_BUILD_BATCH_SIZE=12) targets=("${tsan_targets[@]}") ;;
    fuzz) targets=(fuzzers) ;;
  esac
  # The linker of a shipped program is the compiler's own choice.
  if [ "$1" != release ] && command -v ld.lld >/dev/null; then options+=(-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld); fi
}

compile() {  # compile PRESET
  local targets options
  plan "$1"
  cmake --preset "$1" "${options[@]}" && cmake --build --preset "$1" --parallel "$jobs" ${targets:+--target "${targets[@]}"}
}

build() {  # build PRESET
  wait_for_build "$1"
  say "Building the $1 preset with $jobs jobs" "build-$1"
  step "building $1" compile "$1"
}

# Builds the other presets, one after the other, while tests run: these mostly wait, and go first where they do not. What
# goes wrong there, the builds that follow show.
build_meanwhile() {  # build_meanwhile PRESET...
  set -m  # a process group of its own
  {
    renice -n 19 -p "$BASHPID" >/dev/null
    for preset in "$@"; do
      compile "$preset" >"$logs/build-$preset-meanwhile.log" 2>&1
      touch "$results/built-$preset"
    done
  } </dev/null >/dev/null 2>&1 &
  meanwhile=$!
  set +m
}

wait_for_build() {  # wait_for_build PRESET
  if [ -z "$meanwhile" ] || [ -e "$results/built-$1" ]; then return; fi
  say "Waiting for the $1 preset" "build-$1-meanwhile"
  # It is what the run waits for now. (Where only root may do that, it stays behind whatever else runs here.)
  renice -n 0 -g "$meanwhile" >/dev/null 2>&1
  while [ ! -e "$results/built-$1" ] && kill -0 "$meanwhile" 2>/dev/null; do sleep 0.1; done
  renice -n 19 -g "$meanwhile" >/dev/null 2>&1
}

run_unit() {  # run_unit PRESET
  local report=$logs/unit-$1.xml
  say "Unit tests ($1)" "unit-$1"
  # The limit is for a test that hangs, and no measure of anything.
  ctest --preset "$1" --parallel "$jobs" --timeout 1800 --test-output-size-passed 1000000 --test-output-size-failed 1000000 \
    --output-junit "$report" >"$log" 2>&1 </dev/null
  local status=$?
  [ $status -eq 0 ] || cat "$log"
  count "unit tests ($1)" "$report" $status "$1"
}

run_program() {  # run_program PRESET NAME: one doctest program
  say "$2 ($1)" "$2"
  "build/$1/tests/$2" >"$log" 2>&1 </dev/null
  local status=$?
  [ $status -eq 0 ] || cat "$log"
  count "$2 ($1)" "$log" $status "$1"
}

run_pytest() {  # run_pytest PRESET FOLDER AT_A_TIME [ARGUMENT...]
  local report=$logs/$2-$1.xml more=() hung=600  # seconds; a test that hangs must not hold up the run
  [ -z "${KEEPWARM_TEST_LONG-}" ] || hung=3600
  say "tests/$2 ($1), $3 at a time" "$2-$1"
  read -ra more <<<"${KEEPWARM_TEST_ARGS-}"
  # A proxy or a certificate store that the surroundings ask for is none of the tests' business.
  env -u http_proxy -u https_proxy -u all_proxy -u no_proxy -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY -u NO_PROXY \
    -u PYTHONPATH -u PYTEST_ADDOPTS PYTHONDONTWRITEBYTECODE=1 \
    KEEPWARM_BIN="$root/build/$1/keepwarm" KEEPWARM_BUILD="$root/build/$1" \
    /usr/bin/python3 -m pytest -q -p no:cacheprovider -n "$3" --timeout "$hung" --durations 10 --durations-min 5 \
    -o junit_family=xunit1 --junitxml "$report" "${@:4}" "${more[@]}" "tests/$2" </dev/null 2>&1 | tee "$log"
  count "tests/$2 ($1)" "$report" "${PIPESTATUS[0]}" "$1"
}

run_format() {
  say "Layout" format
  local files
  mapfile -t files < <(find core config daemon packaging tests -name '*.h' -o -name '*.c' -o -name '*.cpp')
  check "clang-format" clang-format --dry-run -Werror "${files[@]}"
}

# Does what a new user does: runs packaging/run.sh, and curl through what it starts.
package_works() {
  local folder=$logs/package origin daemon address port status
  mkdir -p "$folder" && echo "hello" >"$folder/file" || return
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
  say "packaging/run.sh (builds the release preset)" package
  check "packaging/run.sh" package_works
}

tidy_all() {
  find core config daemon tests -name '*.cpp' -not -path 'tests/fuzz/*' -not -path 'tests/bench/*' -print0 |
    xargs -0 -n 2 -P "$jobs" clang-tidy --quiet -p build/debug
}

run_tidy() {
  say "clang-tidy" tidy
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
  build asan || return
  run_unit asan
  run_pytest asan daemon "$test_jobs"
  run_pytest asan interop $((2 * test_jobs))
}

run_tsan() {
  build tsan || return
  # libuv closes descriptors by a system call that ThreadSanitizer does not see: a number that OpenSSL uses next, to read the
  # folder of the system's certificates, looks like a race.
  echo 'race:OPENSSL_DIR_end' >"$results/races"
  export TSAN_OPTIONS=suppressions=$results/races:print_suppressions=0
  run_program tsan unit_threads
  run_pytest tsan daemon $((2 * test_jobs)) -k workers
}

run_fuzz() {
  local seconds=5 target
  [ -z "${KEEPWARM_TEST_LONG-}" ] || seconds=60
  say "Fuzzing" fuzz
  step "installing clang" install_packages clang llvm || return
  build fuzz || return
  say "Fuzzing, $seconds s for each target" fuzz
  for target in build/fuzz/tests/fuzz/fuzz_*; do
    local name=${target##*/fuzz_}
    mkdir -p "$logs/fuzz/$name"
    check "fuzzing $name" "$target" -max_total_time="$seconds" -artifact_prefix="$logs/fuzz/" "$logs/fuzz/$name" \
      "tests/fuzz/corpus/$name"
  done
  check "coverage of core/http by the corpora" tests/fuzz/coverage.sh
}

parts=("$@")
if [ "${1-}" = long ]; then
  export KEEPWARM_TEST_LONG=1
  test_packages+=("${long_packages[@]}")
  parts=("${@:2}")
else
  unset KEEPWARM_TEST_LONG
fi
for part in "${parts[@]}"; do
  case $part in
    format | plain | daemon | interop | asan | tsan | package | unit | debug | fuzz | tidy) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
if [ ${#parts[@]} -eq 0 ]; then
  parts=(format plain daemon interop asan tsan package)
  [ -z "${KEEPWARM_TEST_LONG-}" ] || parts+=(unit debug fuzz)
fi
wants() {  # wants PART...: any of them
  local part
  for part in "$@"; do
    if [[ " ${parts[*]} " == *" $part "* ]]; then return; fi
  done
  return 1
}

rm -rf "$logs"
mkdir -p "$logs"
trap finish EXIT
trap 'failed=$((failed + 1)); exit 130' INT TERM
say "Parts: ${parts[*]}"
beat &
heartbeat=$!
prepare || exit 1
if wants format; then part=format run_format; fi
if wants plain daemon interop && part=plain build release; then
  others=()
  if wants asan; then others+=(asan); fi
  if wants tsan; then others+=(tsan); fi
  if [ ${#others[@]} -gt 0 ]; then build_meanwhile "${others[@]}"; fi
  if wants plain; then run_program release unit_plain; fi
  if wants daemon; then run_pytest release daemon "$test_jobs"; fi
  if wants interop; then run_pytest release interop $((2 * test_jobs)); fi
fi
if wants unit debug && part=unit build debug; then
  if wants unit; then run_unit debug; fi
  if wants debug; then run_pytest debug daemon "$test_jobs"; fi
fi
if wants asan; then part=asan run_asan; fi
if wants tsan; then part=tsan run_tsan; fi
if wants package; then part=package run_package; fi
if wants fuzz; then part=fuzz run_fuzz; fi
if wants tidy; then part=tidy run_tidy; fi
