import { mountFlags } from "../../linux/mount.ts";

const setting: Record<string, number> = {
  ro: mountFlags.readOnly,
  nosuid: mountFlags.noSuid,
  nodev: mountFlags.noDev,
  noexec: mountFlags.noExec,
  sync: mountFlags.synchronous,
  noatime: mountFlags.noAtime,
  nodiratime: mountFlags.noDirAtime,
  relatime: mountFlags.relAtime,
  strictatime: mountFlags.strictAtime,
};

const clearing: Record<string, number> = {
  rw: mountFlags.readOnly,
  suid: mountFlags.noSuid,
  dev: mountFlags.noDev,
  exec: mountFlags.noExec,
  async: mountFlags.synchronous,
  atime: mountFlags.noAtime,
  diratime: mountFlags.noDirAtime,
  norelatime: mountFlags.relAtime,
  nostrictatime: mountFlags.strictAtime,
};

/** mount(2)'s two ways of saying options. */
export interface MountArguments {
  flags: number;
  /** The file system's own options, comma-separated. */
  data: string;
}

/**
 * Sorts options as `mount -o` takes them into mount(2)'s flags and the file system's own. Commas inside double quotes belong to a value
 * (`context="a,b"`).
 */
export function mountArguments(...options: (string | undefined)[]): MountArguments {
  let flags = 0;
  const data: string[] = [];
  for (const option of options.flatMap((text) => (text ?? "").match(/(?:"[^"]*"|[^,"])+/g) ?? [])) {
    const word = option.trim();
    if (word === "" || word === "defaults") continue;
    if (Object.hasOwn(setting, word)) flags |= setting[word];
    else if (Object.hasOwn(clearing, word)) flags &= ~clearing[word];
    else data.push(word);
  }
  return { flags, data: data.join(",") };
}
