import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { defaultRunDir } from "../../block-device/pool-paths.ts";
import type { MappedDevices } from "../../device-mapper/mapped-devices.ts";
import { isLoopDevice } from "../../linux/loop.ts";
import { errorCode } from "../../linux/system-error.ts";
import { defaultConfigFile } from "../configuration.ts";
import { badLine, DmsetupFailure } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";

type Kind = MappedDevices["kind"];

/**
 * Opens the device mapper that a line is for: the one that --device-mapper or $MICA_DEVICE_MAPPER names; else the one in user space where the
 * device that is named runs in it; else what the configuration says; else the kernel's, where it is there and has thin pools; else the one in user
 * space.
 *
 * @throws DmsetupFailure where it cannot be had
 */
export async function openMappedDevices(session: Session): Promise<MappedDevices> {
  const kind = wanted(session) ?? (runsInUserSpace(session) ? "userspace" : await usualKind());
  try {
    return kind === "kernel" ? await openKernels(session) : await openUserspace(session);
  } catch (error) {
    if (errorCode(error) === undefined || !(error instanceof Error)) throw error;
    throw new DmsetupFailure(error.message);
  }
}

function wanted({ line }: Session): Kind | undefined {
  const kind = line.value("device-mapper") ?? process.env["MICA_DEVICE_MAPPER"];
  if (kind === undefined || kind === "") return undefined;
  if (kind === "kernel" || kind === "userspace") return kind;
  throw badLine(`Cannot use the device mapper '${kind}': there is kernel, and userspace.`);
}

/** The device that the line names first, if it names any: those in user space are loop devices. */
function runsInUserSpace({ line, operands, deviceDir }: Session): boolean {
  const word = operands.at(0);
  if (word === undefined || word === "" || line.has("uuid") || line.has("minor")) return false;
  const name = basename(word);
  return userspaceHas(name) || isLoopDevice(join(deviceDir, "mapper", name));
}

/** It was made step by step, or it is a pool. */
function userspaceHas(name: string): boolean {
  const runDir = defaultRunDir();
  return !name.startsWith(".") && [join(runDir, ".devices", name), join(runDir, name)].some((path) => existsSync(path));
}

async function usualKind(): Promise<Kind> {
  return (await configuredKind()) ?? ((await kernelIsUsable()) ? "kernel" : "userspace");
}

async function configuredKind(): Promise<Kind | undefined> {
  const file = process.env["MICA_CONFIG"] ?? defaultConfigFile;
  if (!existsSync(file)) return undefined;
  const { readConfigFile } = await import("../../graph/options/config-file.ts");
  const configured = readConfigFile(file)?.deviceMapper;
  return typeof configured === "object" ? configured.kind : configured;
}

async function kernelIsUsable(): Promise<boolean> {
  return (await import("../../device-mapper/kernel/kernel-support.ts")).kernelHasThinPool();
}

async function openKernels({ line, deviceDir }: Session): Promise<MappedDevices> {
  const { kernelMappedDevices } = await import("../../device-mapper/kernel/kernel-mapped-devices.ts");
  return kernelMappedDevices({
    deviceDir,
    udevSync: !line.has("noudevsync"),
    udevRules: !line.has("noudevrules"),
    verifyUdev: line.has("verifyudev"),
    addNode: line.has("addnodeoncreate") ? "on create" : "on resume",
  });
}

async function openUserspace({ deviceDir }: Session): Promise<MappedDevices> {
  const { userspaceMappedDevices } = await import("../../device-mapper/userspace/mapped/userspace-mapped-devices.ts");
  return userspaceMappedDevices({ deviceDir });
}
