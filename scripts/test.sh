#!/usr/bin/env bash
# Everything CI holds the project to: types, lint, format, then every test with Node's own runner.
# Arguments: test files to run instead of all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  npm run --silent typecheck
  npm run --silent lint
  mapfile -t files < <(find src test -name '*.test.ts' | sort)
else
  files=("$@")
fi
exec node --import tsx --test --test-concurrency=2 "${files[@]}"
