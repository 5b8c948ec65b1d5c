import { existsSync } from "node:fs";
import { join } from "node:path";
import type { GraphAccess } from "../../api/graph-access.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { exitStatus } from "../exit-status.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica check` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Checks the pool's metadata (checksums, trees, every reference count), the graph's records against the pool, and " +
        "images, containers and containerd's snapshots against both. Exits with 1 and says what is wrong when something is.",
    )
    .examples(["mica check", ""], ["mica check --json", '{"problems": […]}'])
    .action(async () => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const problems = [
          ...(await graph.devices.check()),
          ...(await graph.store.check()),
          ...(await snapshotProblems(graph)),
        ];
        if (problems.length > 0) process.exitCode = exitStatus.failure;
        print(settings, { problems }, () => (problems.length === 0 ? "No problems found" : problems.join("\n")));
      });
    });
}

/** What checks containerd's snapshots is loaded only where there are any. */
async function snapshotProblems({ root, devices }: GraphAccess): Promise<string[]> {
  if (!existsSync(join(root, "containerd"))) return [];
  const { checkSnapshots } = await import("../../containerd/known-snapshots.ts");
  return checkSnapshots(root, devices);
}
