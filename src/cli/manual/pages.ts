import type { DocumentedCommand } from "../documented-command.ts";
import { dmsetupManual } from "../dmsetup/dmsetup-manual.ts";
import { buildProgram } from "../program.ts";
import { thinTools } from "../thin/thin-tools.ts";
import { toolManual } from "../thin/tool-manual.ts";
import { commandPage, commandsOf, pageName } from "./command-page.ts";
import { configPage } from "./config-page.ts";
import { overviewPage } from "./overview-page.ts";

/** Every manual page, as it is made now: by its file's name in man/, such as "mica-pull.1". */
export async function manualPages(): Promise<Map<string, string>> {
  const program = buildProgram();
  const commands = await completed(program);
  const tools = Object.keys(thinTools);
  const pages = new Map([
    ["mica.1", overviewPage(program, tools)],
    ["mica-config.5", configPage()],
    ["mica-dmsetup.8", dmsetupManual()],
  ]);
  for (const command of commands) pages.set(`${pageName(command)}.1`, commandPage(command));
  for (const name of tools) pages.set(`${name}.8`, toolManual((await thinTools[name]()).tool, tools));
  return pages;
}

/** All commands of a group, each completed; those of a group in it after it. */
async function completed(group: DocumentedCommand): Promise<DocumentedCommand[]> {
  const all: DocumentedCommand[] = [];
  for (const command of commandsOf(group)) {
    await command.complete();
    all.push(command, ...(await completed(command)));
  }
  return all;
}
