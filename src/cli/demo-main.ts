import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { humanSize } from "../graph/options/size.ts";
import { nodeInImage, stageApplication, stageNodeRoot } from "./demo/node-root.ts";
import { writeOciLayout } from "./demo/oci-layout.ts";
import { explain, mica, micaAnswer, runShown } from "./demo/steps.ts";
import { machineNeeds, type ImageSummary } from "../index.ts";
import type { ListedDevice } from "./device-index.ts";
import { missingDevice, missingRight } from "./requirements.ts";

const image = "node-demo";
const containers = ["demo-one", "demo-two"];

/** `npm start`: the whole way of an image, from nothing to two containers, on this machine's own node. */
async function demonstrate(root: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "mica-demo-"));
  try {
    explain(
      "1. An image, as a registry would hand it over: this machine's node with its libraries, and an application.",
    );
    const base = join(folder, "node");
    const application = join(folder, "application");
    const libraries = stageNodeRoot(base);
    stageApplication(application);
    const layout = join(folder, "image");
    const sizes = await writeOciLayout(layout, [base, application], {
      Cmd: [nodeInImage, "/app/main.mjs"],
      WorkingDir: "/app",
    });
    process.stdout.write(
      `   layer 1: node ${process.version} and ${libraries.length} libraries, ${humanSize(sizes[0])}\n` +
        `   layer 2: the application, ${humanSize(sizes[1])}\n`,
    );

    forgetEarlierRun(root);
    explain("2. Import it. Each layer becomes a thin snapshot of the one below; the first use makes the pool.");
    mica(root, "import", image, layout);
    mica(root, "images");

    explain("3. Two containers: two more snapshots. They take no space until they are written to.");
    for (const container of containers) mica(root, "create", image, container);

    explain("4. Run node in the first one. Its root file system is a real block device, mounted.");
    const rootFolder = mica(root, "mount", containers[0]).trim();
    runShown(`chroot ${rootFolder} node /app/main.mjs`, "chroot", [rootFolder, nodeInImage, "/app/main.mjs"], {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    });

    explain("5. What it changed: the second container and the image do not see it.");
    mica(root, "diff", containers[0]);
    mica(root, "diff", containers[1]);
    mica(root, "tree");
    mica(root, "ls");
    mica(root, "status", containers[0]);

    explain("6. The pool, and whether all is well.");
    mica(root, "info");
    mica(root, "check");
    sayWhatIsNext(root, rootFolder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A second run starts where the first did. Only what an earlier demonstration made is removed. */
function forgetEarlierRun(root: string): void {
  micaAnswer(root, "info");
  const devices = micaAnswer(root, "ls") as ListedDevice[];
  for (const container of containers) {
    const device = devices.find(({ kind, names }) => kind === "container" && names.includes(container));
    if (device === undefined) continue;
    if (device.mountPoint !== null) micaAnswer(root, "umount", container);
    micaAnswer(root, "rm", container);
  }
  const images = micaAnswer(root, "images") as ImageSummary[];
  if (images.some(({ references }) => references.includes(`${image}:latest`))) micaAnswer(root, "rmi", image);
}

function sayWhatIsNext(root: string, rootFolder: string): void {
  const next: [commandLine: string, purpose: string][] = [
    [`export MICA_ROOT=${root} PATH="$PWD/bin:$PATH"`, ""],
    [`mica block ${containers[0]} 0`, "where a block lives, and who shares it"],
    [`mica commit ${containers[0]} mine`, "an image of what the container holds now"],
    ["mica save mine /tmp/mine.tar", "… as an OCI archive"],
    ["mica shutdown", "unmount all and stop the pool; nothing is lost"],
    [`rm -r ${root}`, "and, after that, forget it all"],
  ];
  const lines = next.map(([commandLine, purpose]) => `  ${commandLine.padEnd(30)} ${purpose}`.trimEnd());
  explain(
    `Done. The graph is left in ${root}, with ${containers[0]} mounted at\n${rootFolder}. Try:\n${lines.join("\n")}`,
  );
}

const root = process.env.MICA_ROOT ?? "/var/lib/mica-demo";
// The embedded device mapper, which runs anywhere: what is shown is the same on every machine.
process.env.MICA_DEVICE_MAPPER = "userspace";
const missing = missingRight() ?? missingDevice(await machineNeeds({ root, deviceMapper: "userspace" }));
if (missing !== undefined) {
  process.stderr.write(`Cannot run the demonstration: ${missing}\n`);
  process.exit(1);
}
try {
  await demonstrate(root);
} catch (error) {
  process.stderr.write(`The demonstration failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
