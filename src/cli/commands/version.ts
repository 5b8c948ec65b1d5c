import type { Command } from "commander";
import { packageVersion } from "../package-version.ts";
import { print } from "../print.ts";
import { settingsOf } from "../settings.ts";

/** `mica version` */
export function configure(command: Command): void {
  command.description("Shows the versions of mica, Node.js and the kernel.").action(async () => {
    const { release } = await import("node:os");
    const answer = { mica: packageVersion(), node: process.version, kernel: release() };
    print(settingsOf(command), answer, () =>
      Object.entries(answer)
        .map(([name, version]) => `${name} ${version}`)
        .join("\n"),
    );
  });
}
