import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A few at the same time, from one shell: thin_check computes for a few milliseconds, and then waits ten times as long for the kernel to
 * take down what it reads asynchronously with. To start it from Node would take as long again. The kernel allows for some sixteen such
 * readers at a time on the whole machine; who is told that there are too many waits.
 */
const checkAll = `
check() {
  while :; do
    said=$(thin_check "$1" 2>&1) && echo "$1"
    case $said in *io_setup*) sleep 0.1 ;; *) return ;; esac
  done
}
running=0
for path; do
  check "$path" &
  running=$((running + 1))
  if [ $running -eq 8 ]; then wait; running=0; fi
done
wait`;

/** A new folder in memory, where there is such a place: thin_check reads past the page cache, and so from the disk. */
export function memoryFolder(): string {
  try {
    accessSync("/dev/shm", constants.W_OK);
    return mkdtempSync("/dev/shm/mica-damaged-");
  } catch {
    return mkdtempSync(join(tmpdir(), "mica-damaged-"));
  }
}

/**
 * Which of some pools' metadata Debian's thin_check finds sound.
 *
 * @param folder where they are written to
 */
export function soundOnes(folder: string, contents: readonly Uint8Array[]): boolean[] {
  const paths = contents.map((content, i) => {
    const path = join(folder, String(i));
    writeFileSync(path, content);
    return path;
  });
  const env = { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin` };
  const { stdout } = spawnSync("/bin/sh", ["-c", checkAll, "sh", ...paths], { encoding: "utf8", env });
  const sound = new Set(stdout.split("\n"));
  return paths.map((path) => sound.has(path));
}
