#!/bin/bash
# Prints which part of core/http the corpora of the fuzz targets reach, file by file, and fails below the limit.
# Usage: tests/fuzz/coverage.sh [--lines]   (--lines: also every line that none of them reaches)
set -euo pipefail

limit=95  # percent of lines
targets=(request_head response_head chunked target field_lists connect_authority)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
build=build/coverage
llvm() {  # llvm TOOL ARGUMENT...: of the same version as clang
  local version
  version=$(clang -dumpversion)
  if command -v "llvm-$1-${version%%.*}" >/dev/null; then "llvm-$1-${version%%.*}" "${@:2}"; else "llvm-$1" "${@:2}"; fi
}

flags="-fprofile-instr-generate -fcoverage-mapping"
cmake --preset fuzz -B "$build" -DCMAKE_BUILD_TYPE=Debug -DKEEPWARM_SANITIZE= -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_C_FLAGS="$flags" \
  >/dev/null
cmake --build "$build" --parallel "${KEEPWARM_JOBS:-$(nproc)}" --target "${targets[@]/#/fuzz_}" >/dev/null

objects=() profiles=()
for target in "${targets[@]}"; do
  profiles+=("$build/$target.profraw")
  objects+=(-object "$build/tests/fuzz/fuzz_$target")
  LLVM_PROFILE_FILE=${profiles[-1]} "${objects[-1]}" -runs=0 "tests/fuzz/corpus/$target" 2>/dev/null
done
llvm profdata merge -o "$build/all.profdata" "${profiles[@]}"
of_http=("${objects[@]:1}" -instr-profile "$build/all.profdata" -ignore-filename-regex='/(base|policy|fuzz|llhttp)/')
llvm cov report -show-region-summary=0 -show-branch-summary=0 "${of_http[@]}" 2>/dev/null
if [ "${1-}" = --lines ]; then
  llvm cov show "${of_http[@]}" 2>/dev/null | grep -E '^/|^ +[0-9]+\| +0\|' || true
fi
llvm cov export -summary-only "${of_http[@]}" 2>/dev/null | /usr/bin/python3 -c "
import json, sys
percent = json.load(sys.stdin)['data'][0]['totals']['lines']['percent']
print(f'lines of core/http that the corpora reach: {percent:.1f} % (at least $limit)')
sys.exit(percent < $limit)"
