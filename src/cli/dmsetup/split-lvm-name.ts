/** The parts of a device name of LVM; empty where there are none. */
export interface LvmName {
  readonly group: string;
  readonly volume: string;
  readonly layer: string;
}

/** Takes a device name apart as LVM puts it together: GROUP-VOLUME-LAYER, hyphens within them doubled. */
export function splitLvmName(name: string, subsystem: string): LvmName {
  if (subsystem !== "LVM") return { group: "", volume: "", layer: "" };
  const parts = [""];
  for (const [piece] of name.matchAll(/--|-|[^-]+/g)) {
    if (piece === "-") parts.push("");
    else parts[parts.length - 1] += piece === "--" ? "-" : piece;
  }
  const [group, volume = "", layer = ""] = parts;
  return { group, volume, layer };
}
