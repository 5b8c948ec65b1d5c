import { existsSync } from "node:fs";
import { missingForUserModeLinux } from "./user-mode-linux.ts";

/** Why the real Docker cannot run in User-mode Linux here, or undefined where it can. */
export function missingForDocker(): string | undefined {
  const programs = ["/usr/sbin/dockerd", "/usr/bin/docker", "/usr/bin/containerd", "/usr/sbin/runc", "/sbin/mkfs.xfs"];
  const missing = programs.filter((file) => !existsSync(file));
  return missingForUserModeLinux() ?? (missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`);
}

/**
 * Shell functions for a script in User-mode Linux that needs the real Docker Engine (20.10, with containerd and runc):
 *
 * - `docker_disk SIZE` mounts an ext4 of that size on /var/lib, for Docker's data root: loop files need more than tmpfs can.
 * - `docker_start [ROOT] [dockerd options…]` starts dockerd on ROOT (default /var/lib/docker) with the devicemapper driver and
 *   returns when it answers; its log goes to $SCRATCH/dockerd.log, and is printed where it does not come up.
 * - `docker_stop` ends it as systemd would, and waits; `docker_kill` is its sudden death, containerd's and all shims' too.
 * - `docker` is the client, of Debian's package whatever else is installed.
 *
 * What a container runs takes seconds to start there, as every system call is slow: `docker create` and `docker cp` are not.
 */
export const dockerFunctions = String.raw`
hostname docker-host
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "$SCRATCH/etc-docker" && mount --bind "$SCRATCH/etc-docker" /etc/docker

docker_disk() {
  scratch_disk docker-disk "$1" && mount --bind "$SCRATCH/docker-disk" /var/lib
}

docker() { /usr/bin/docker --config "$SCRATCH/docker-client" "$@"; }

docker_start() {
  local root=/var/lib/docker
  case "$1" in /*) root=$1; shift ;; esac
  # The library waits for udev, which is not there; the ramdisk's setting makes runc do without pivot_root.
  DOCKER_RAMDISK=1 /usr/sbin/dockerd --data-root "$root" --exec-root /run/docker --pidfile /run/docker.pid \
    --host unix:///var/run/docker.sock --iptables=false --ip6tables=false --bridge=none --log-level warn \
    --storage-driver devicemapper --storage-opt dm.override_udev_sync_check=true "$@" </dev/null >>"$SCRATCH/dockerd.log" 2>&1 &
  dockerd=$!
  for _ in $(seq 300); do
    if [ -S /run/docker.sock ] && docker info >/dev/null 2>&1; then return 0; fi
    if ! kill -0 "$dockerd" 2>/dev/null; then break; fi
    sleep 0.2
  done
  echo "dockerd did not start:"; cat "$SCRATCH/dockerd.log"
  return 1
}

docker_stop() {
  kill "$dockerd" && wait "$dockerd" || { echo "dockerd did not stop:"; cat "$SCRATCH/dockerd.log"; return 1; }
  rm -f /run/docker.sock
}

docker_kill() {
  local pid
  { kill -KILL "$dockerd"; wait "$dockerd"; } 2>/dev/null || true
  for pid in $(cat /run/docker/containerd/containerd.pid) $(cat /sys/fs/cgroup/docker/*/cgroup.procs 2>/dev/null || true) \
    $(pidof containerd-shim-runc-v2 || true); do
    kill -KILL "$pid" 2>/dev/null || true
  done
  rm -f /run/docker.sock /run/docker.pid
}
`;
