// Runs the sessions of test/fixtures/dmsetup with Mica's dmsetup, in one process, and writes what each command line did, as JSON:
// dmsetup-driver.ts kernel|userspace OUTPUT SESSIONS. The device folder and the run folder are the environment's; $L0, $L1, $META and $DATA name
// block devices.
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { kernelName, numberAt } from "../src/cli/dmsetup/device-numbers.ts";
import { runDmsetup } from "../src/cli/dmsetup/run-dmsetup.ts";
import { libc } from "../src/linux/libc.ts";
import {
  type CommandStep,
  type DeviceToken,
  type Outcome,
  backingDevices,
  parseSessions,
  type Section,
  withVariables,
  wordsOf,
} from "./dmsetup-sessions.ts";

/** What a command line did, and the devices that there were before or after it. */
export interface DrivenStep {
  section: string;
  line: string;
  outcome: Outcome;
  devices: DeviceToken[];
}

const [, , which, output, sessions] = process.argv;
const backing = backingDevices();
const deviceDir = process.env["DM_DEV_DIR"] ?? "/dev";
const folder = mkdtempSync(join(tmpdir(), "mica-dmsetup-"));
const driven: DrivenStep[] = [];

async function main(): Promise<void> {
  process.env["MICA_DEVICE_MAPPER"] = which;
  try {
    for (const section of parseSessions(readFileSync(sessions, "utf8"))) {
      await driveSection(section);
      await captured(["remove_all", "--force"], "");
      // A pool finds no metadata of another.
      writeFileSync(backing.META, Buffer.alloc(4096), { flag: "r+" });
    }
    writeFileSync(output, JSON.stringify(driven));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function driveSection({ title, steps }: Section): Promise<void> {
  const held: number[] = [];
  const release = (): void => {
    for (const fd of held.splice(0)) closeSync(fd);
  };
  try {
    for (const step of steps) {
      if (step.kind === "command") {
        if (which !== "userspace" || step.kernelOnly === undefined) await driveCommand(title, step);
      } else if (step.kind === "close") release();
      else {
        const node = join(deviceDir, "mapper", step.device);
        // Where it was not made, that shows in what follows.
        if (existsSync(node)) held.push(openSync(node, "r"));
      }
    }
  } finally {
    release();
  }
}

async function driveCommand(section: string, { line, stdin }: CommandStep): Promise<void> {
  const inFolder = (text: string): string => text.replaceAll("/dev/mapper/", join(deviceDir, "mapper", "/"));
  const words = wordsOf(line, backing).slice(1).map(inFolder);
  const before = await tokens();
  const outcome = await captured(words, inFolder(withVariables(stdin, backing)));
  const known = new Map([...before, ...(await tokens())].map((token) => [token.name, token]));
  driven.push({ section, line, outcome, devices: [...known.values()] });
}

async function tokens(): Promise<DeviceToken[]> {
  const below = Object.entries(backing).map(([name, path]) => ({
    name,
    ...(numberAt(path) ?? { major: 0, minor: 0 }),
  }));
  const { stdout } = await captured(["ls"], "");
  const listed = [...stdout.matchAll(/^(.*)\t\((\d+):(\d+)\)$/gm)].map(([, name, major, minor]) => ({
    name,
    major: Number(major),
    minor: Number(minor),
  }));
  return [...below, ...listed].map((device) => ({ ...device, kernelName: kernelName(device) }));
}

/** In this process: to start it four hundred times would take longer than all it does. */
async function captured(words: string[], input: string): Promise<Outcome> {
  const files = ["stdin", "stdout", "stderr"].map((name) => join(folder, name));
  writeFileSync(files[0], input);
  const dup = libc("int dup(int)");
  const dup2 = libc("int dup2(int, int)");
  const kept = files.map((_, fd) => dup(fd));
  for (const [fd, file] of files.entries()) {
    const opened = openSync(file, fd === 0 ? "r" : "w");
    dup2(opened, fd);
    closeSync(opened);
  }
  try {
    const status = await runDmsetup(words);
    return { status, stdout: readFileSync(files[1], "utf8"), stderr: readFileSync(files[2], "utf8") };
  } finally {
    for (const [fd, original] of kept.entries()) {
      dup2(original, fd);
      closeSync(original);
    }
  }
}

void main();
