import type { NamedCall } from "../called-by.ts";
import { UsageError } from "../usage-error.ts";
import { errorCode } from "../../linux/system-error.ts";
import { exitStatus } from "../exit-status.ts";
import { getopt, GetoptError } from "./getopt.ts";
import { printError, printText } from "./output.ts";
import { commonOptions } from "./thin-tool.ts";
import { thinTools } from "./thin-tools.ts";
import { ToolLine } from "./tool-line.ts";
import { toolUsage } from "./tool-usage.ts";

/** The version of the thin-provisioning-tools whose interface the tools have. */
const interfaceVersion = "0.9.0";

/** Runs a tool and returns its exit status: 0 or 1, as the originals have it. */
export async function runThinTool({ name, words }: NamedCall): Promise<number> {
  const { tool } = await thinTools[name]();
  try {
    const line = new ToolLine(getopt(words, [...tool.options, ...commonOptions]));
    if (line.has("help")) printText(toolUsage(tool));
    else if (line.has("version")) printText(`${interfaceVersion}\n`);
    else return await tool.run(line);
    return exitStatus.success;
  } catch (error) {
    if (errorCode(error) === "EPIPE") return exitStatus.brokenPipe;
    if (error instanceof GetoptError) printError(`${name}: ${error.message}\n${toolUsage(tool)}`);
    else if (error instanceof UsageError) printError(`${error.message}\n${toolUsage(tool)}`);
    else {
      printError(`${error instanceof Error ? error.message : String(error)}\n`);
      if (process.env.MICA_DEBUG === "1" && error instanceof Error) printError(`${error.stack ?? ""}\n`);
    }
    return exitStatus.failure;
  }
}
