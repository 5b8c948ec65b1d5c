import { printText } from "../../thin/output.ts";
import type { Session } from "../dmsetup-verb.ts";
import { layOutReport } from "../report-layout.ts";
import { reportStyle } from "../report-style.ts";
import { splitLvmName } from "../split-lvm-name.ts";

const fields = [
  { key: "vg_name", heading: "VG", width: 4 },
  { key: "lv_name", heading: "LV", width: 4 },
  { key: "lv_layer", heading: "LVLayer", width: 7 },
] as const;

/** `dmsetup splitname` */
export function run({ line, operands }: Session): Promise<void> {
  const [name, subsystem = "LVM"] = operands;
  const { group, volume, layer } = splitLvmName(name, subsystem);
  printText(layOutReport(fields, [[group, volume, layer]], reportStyle(line)));
  return Promise.resolve();
}
