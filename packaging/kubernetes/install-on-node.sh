#!/usr/bin/env bash
# Puts this image's Mica on the node, has the node's systemd run its daemon, and then shows the daemon's log for as long as it is let.
#
# Run by the DaemonSet in a privileged container in the node's PID namespace, with the node's /opt/mica, /etc/mica and /etc/systemd/system
# below /node. Doing it again changes nothing; a newer image or configuration replaces the daemon, and leaves pools and containers running.
set -euo pipefail

image=${MICA_IMAGE_FOLDER:-/opt/mica}         # what the image holds
node=${MICA_NODE_FOLDER:-/node}               # where the node's folders are mounted
config=${MICA_CONFIG_FILE:-/config/config.toml}
programs=/opt/mica                            # on the node
probe=(node "$image/packaging/kubernetes/probe.mjs")

refuse() {
  echo "Cannot install Mica on this node: $1" >&2
  exit 1
}

on_node() {
  nsenter --target 1 --mount --uts --ipc --net -- "$@"
}

check_node() {
  on_node systemctl --version >/dev/null 2>&1 || refuse "it has no systemd. Run 'mica daemon' there by what it has instead"
  local program
  for program in mkfs.ext4 tune2fs; do
    on_node sh -c "PATH=\$PATH:/usr/sbin:/sbin command -v $program" >/dev/null ||
      refuse "$program is missing there. Install e2fsprogs in the node's image"
  done
  # Where the kernel has none of them, the daemon says what is missing.
  on_node modprobe --all --quiet loop fuse dm-thin-pool || true
}

# A folder of its own for each build, as supervisors of pools go on starting engines from the one that they were started from.
copy_programs() {
  local folder=$node$programs/versions
  rm -rf "$folder"/*.new
  if [ ! -d "$folder/$build" ]; then
    mkdir -p "$folder/$build.new"
    cp -a "$image/." "$folder/$build.new/"
    cp "$(command -v node)" "$folder/$build.new/bin/node"
    sync -f "$folder"
    mv "$folder/$build.new" "$folder/$build"
  fi
  on_node "$programs/versions/$build/bin/node" "$programs/versions/$build/bin/mica" --version >/dev/null ||
    refuse "the node's libraries do not run Node.js (glibc 2.28 and libstdc++ or later). Use a newer node image"
}

# Writes standard input to a file of the node, and notes whether that changed it.
place() {
  local file=$node$1 mode=$2
  mkdir -p "$(dirname "$file")"
  cat >"$file.new"
  chmod "$mode" "$file.new"
  if cmp --silent "$file.new" "$file"; then
    rm "$file.new"
  else
    mv "$file.new" "$file"
    changed=yes
  fi
}

place_files() {
  place $programs/mica 755 <<'END'
#!/bin/sh
# The command on this node. Its own folder stands in its command line, which keeps it from being cleared away.
here=$(readlink -f /opt/mica/current)
exec "$here/bin/node" "$here/bin/mica" "$@"
END
  place /etc/mica/config.toml 600 <"$config"
  place /etc/systemd/system/mica.service 644 <"$image/packaging/systemd/mica.service"
  place /etc/systemd/system/mica.service.d/programs.conf 644 <<END
[Service]
ExecStart=
ExecStart=$programs/versions/$build/bin/node $programs/versions/$build/bin/mica daemon
END
  ln -sfn "versions/$build" "$node$programs/current.new"
  mv -T "$node$programs/current.new" "$node$programs/current"
}

run_daemon() {
  on_node systemctl daemon-reload
  on_node systemctl enable --quiet mica.service
  if [ "$changed" = yes ] || ! "${probe[@]}"; then
    on_node systemctl restart mica.service || {
      on_node journalctl --unit mica.service --lines 30 --no-pager >&2
      refuse "its daemon does not start; above is what it said"
    }
  fi
}

# Builds that no process on the node was started from.
clear_old_programs() {
  local folder
  for folder in "$node$programs"/versions/*/; do
    local name
    name=$(basename "$folder")
    [ "$name" = "$build" ] && continue
    # The brackets keep grep from finding its own command line.
    if grep --quiet --text "$programs/[v]ersions/$name/" /proc/[0-9]*/cmdline 2>/dev/null; then continue; fi
    rm -rf "$folder"
  done
}

version=$(node -p 'JSON.parse(fs.readFileSync(process.argv[1], "utf8")).version' "$image/package.json")
build=$version-$({ cat "$(command -v node)"; cd "$image" && find . -type f -print0 | sort -z | xargs -0 sha256sum; } | sha256sum | cut -c 1-12)
changed=no

check_node
copy_programs
place_files
run_daemon
clear_old_programs
echo "Mica $build runs on this node. Its log:"
exec nsenter --target 1 --mount -- journalctl --unit mica.service --follow --lines 50
