import type { DocumentedCommand } from "../documented-command.ts";
import { missingRight } from "../requirements.ts";
import { packageVersion } from "../../linux/package-root.ts";
import { print } from "../print.ts";
import { settingsOf, type Settings } from "../settings.ts";
import { graphOptions } from "../with-graph.ts";

/** `mica version` */
export function configure(command: DocumentedCommand): void {
  command
    .description("Shows the versions of mica, Node.js and the kernel, and which device mapper the graph uses.")
    .action(async () => {
      const settings = settingsOf(command);
      const { release } = await import("node:os");
      const answer = {
        mica: packageVersion(),
        node: process.version,
        kernel: release(),
        ...(await mapperOf(settings)),
      };
      print(settings, answer, () =>
        Object.entries(answer)
          .map(([name, version]) => `${name === "deviceMapper" ? "device-mapper" : name} ${version}`)
          .join("\n"),
      );
    });
}

/** The one that the graph runs on, or would run on; unknown to who may not use any. */
async function mapperOf(settings: Settings): Promise<{ deviceMapper?: string }> {
  if (missingRight() !== undefined) return {};
  const { machineNeeds } = await import("../../index.ts");
  const { deviceMapper } = await machineNeeds(await graphOptions(settings));
  return { deviceMapper: `${deviceMapper.kind} (${deviceMapper.libraryVersion})` };
}
