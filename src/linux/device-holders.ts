import { readdirSync } from "node:fs";
import { readSysfs } from "./device-path.ts";

/** Names of the mapped devices that stand on a block device ("254:0"). */
export function holderNames(numbers: string): string[] {
  let holders;
  try {
    holders = readdirSync(`/sys/dev/block/${numbers}/holders`);
  } catch {
    return [];
  }
  return holders.map((holder) => readSysfs(`/sys/block/${holder}/dm/name`) ?? holder).sort();
}
