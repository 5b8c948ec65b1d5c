#!/usr/bin/env bash
# Everything CI holds the project to: types, lint, format, every test with Node's own runner, and how many tests ran in which
# kernel. Arguments: test files to run instead of all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  # Beside the tests, which wait for a good part of their time.
  checked=$(mktemp)
  (npm run --silent typecheck && npm run --silent lint) >"$checked" 2>&1 &
  checking=$!
  mapfile -t files < <(find src test -name '*.test.ts' | sort)
else
  files=("$@")
fi
MICA_KERNEL_COUNTS=$(mktemp)
export MICA_KERNEL_COUNTS
trap 'rm -f "$MICA_KERNEL_COUNTS" "${checked:-}"' EXIT
status=0
node --import tsx scripts/run-tests.ts "${files[@]}" || status=$?
awk '{ tests = $1; $1 = ""; ran[$0] += tests } END { for (kernel in ran) printf "# %d tests ran in%s\n", ran[kernel], kernel }' \
  "$MICA_KERNEL_COUNTS"
if [ -n "${checking:-}" ] && ! wait "$checking"; then
  echo "# types, lint or format are not as they should be:"
  cat "$checked"
  status=1
fi
exit "$status"
