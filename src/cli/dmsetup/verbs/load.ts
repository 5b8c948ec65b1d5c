import { designate, isDesignatedByOption } from "../designate.ts";
import { printInfoIfVerbose } from "../describe-info.ts";
import { DmsetupFailure, WrongUsage } from "../dmsetup-failure.ts";
import type { Session } from "../dmsetup-verb.ts";
import { loadTable, tableOnLine } from "../load-table.ts";

/** `dmsetup load`, or `reload` */
export async function run(session: Session): Promise<void> {
  const { line, operands } = session;
  const byOption = operands.length < 2 && isDesignatedByOption(session) && (line.has("table") || operands.length === 1);
  const [word, file] = byOption ? [undefined, operands.at(0)] : operands;
  if (byOption && line.has("table") && operands.length > 0) throw new WrongUsage("Incorrect number of arguments.");
  if (word === undefined && !isDesignatedByOption(session)) throw new DmsetupFailure("Please specify device.");
  const table = tableOnLine(session, file);
  const device = await designate(session, word);
  await loadTable(session, device, table, { readOnly: line.has("readonly") });
  await printInfoIfVerbose(session, device);
}
