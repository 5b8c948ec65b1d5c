#!/usr/bin/env bash
# Unpacks Debian's source package of docker.io into .cache/docker.io, for its graph driver tests and its devicemapper driver. It is fetched
# through apt with lists of its own; the machine's stay as they are. Does nothing when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$PWD/.cache/docker.io
[ -d "$target/engine" ] && exit 0
mkdir -p .cache
work=$(mktemp -d "$PWD/.cache/docker-source-XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "Fetching the source package of docker.io"
mkdir -p "$work/sources.list.d" "$work/lists/partial"
# Debian's own archives, as the machine has them, for sources.
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  [ -f "$list" ] && grep -q '/debian' "$list" || continue
  sed -e 's/^Types:.*/Types: deb-src/' -e 's/^deb /deb-src /' "$list" >"$work/sources.list.d/$(basename "$list")"
done
apt=(-q -o "Dir::Etc::sourcelist=-" -o "Dir::Etc::sourceparts=$work/sources.list.d" -o "Dir::State::lists=$work/lists"
  -o APT::Sandbox::User=root)
apt-get "${apt[@]}" update >/dev/null
(cd "$work" && apt-get "${apt[@]}" source --download-only docker.io >/dev/null)
(cd "$work" && dpkg-source --no-check -x docker.io_*.dsc docker.io >/dev/null)
rm -rf "$target" && mv "$work/docker.io" "$target"
