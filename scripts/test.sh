#!/usr/bin/env bash
# Everything CI holds the project to: types, lint, format, then every test with Node's own runner, and how many tests ran in
# which kernel. Arguments: test files to run instead of all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  npm run --silent typecheck
  npm run --silent lint
  mapfile -t files < <(find src test -name '*.test.ts' | sort)
else
  files=("$@")
fi
MICA_KERNEL_COUNTS=$(mktemp)
export MICA_KERNEL_COUNTS
trap 'rm -f "$MICA_KERNEL_COUNTS"' EXIT
status=0
node --import tsx --test --test-concurrency=2 "${files[@]}" || status=$?
awk '{ tests = $1; $1 = ""; ran[$0] += tests } END { for (kernel in ran) printf "# %d tests ran in%s\n", ran[kernel], kernel }' \
  "$MICA_KERNEL_COUNTS"
exit "$status"
