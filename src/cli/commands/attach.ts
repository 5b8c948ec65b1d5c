import { resolve } from "node:path";
import type { GraphAccess } from "../../api/graph-access.ts";
import type { ListedDevice } from "../device-index.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { resolveDevice } from "../resolve-device.ts";
import { UsageError } from "../usage-error.ts";
import { withGraph } from "../with-graph.ts";

/** `mica attach` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Activates a device without mounting it and prints its block device: for a microVM, or for mkfs, dd or fsck. " +
        "With --nbd it is served on a unix socket instead, and the address is printed. It stays so until `mica detach`. " +
        "DEVICE is a container, or any name or ID that `mica ls` shows. Do not write to a layer: its snapshots rely on it.",
    )
    .option("--nbd <socket>", "export it by NBD (network block device) on a unix socket, which is root's alone")
    .option("--read-only", "with --nbd: clients cannot write; the only way for layers")
    .explainArguments({
      device:
        "a container, `base`, an image (its top layer), or a layer or device by its ID or the first characters of it",
    })
    .moreInManual(
      "An export by NBD goes on when the command ends. A device that is mounted is refused; layers can be exported for reading only.",
    )
    .examples(
      ["mica attach web", "prints, say, /dev/loop7"],
      ['qemu-system-x86_64 -drive file="$(mica attach web)",format=raw,if=virtio', ""],
      ["mica attach web --nbd /run/web.sock", "prints nbd+unix:///?socket=/run/web.sock"],
      ["mica attach app --nbd /run/app.sock --read-only", "an image's layers, seen through its top one"],
    )
    .action(async (device: string, options: { nbd?: string; readOnly?: true }) => {
      if (options.readOnly === true && options.nbd === undefined) {
        throw new UsageError("--read-only goes with --nbd: a block device can be written to");
      }
      await withGraph(command, "refuse", async (graph, settings) => {
        const found = await resolveDevice(graph, device);
        if (options.nbd === undefined) {
          const blockDevice = await graph.devices.activate(found.device);
          print(settings, { device: found.device, blockDevice }, () => blockDevice);
          return;
        }
        const access = options.readOnly === true ? "read-only" : "read-write";
        const exported = await exportByNbd(graph, found, resolve(options.nbd), access);
        print(settings, { device: found.device, ...exported }, () => exported.uri);
      });
    });
}

async function exportByNbd(
  graph: GraphAccess,
  { kind, device, names }: ListedDevice,
  socket: string,
  access: "read-write" | "read-only",
) {
  const name = names[0] ?? device;
  const shared = kind === "layer" || kind === "base";
  if (shared && access === "read-write") {
    throw new Error(`Cannot export '${name}' for writing: its snapshots rely on it. Add --read-only`);
  }
  const claim = shared ? "shared" : "exclusive";
  const { blockDevice } = await graph.devices.export(device, { socket, access, claim, name });
  return {
    blockDevice,
    nbd: socket,
    uri: `nbd+unix:///?socket=${encodeURI(socket)}`,
    readOnly: access === "read-only",
  };
}
