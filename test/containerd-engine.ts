import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BackgroundProgram, listens } from "./background-program.ts";
import { outcomeOf, type Outcome } from "./cli-support.ts";
import {
  cgroupsNamed,
  filesNamed,
  killHard,
  processesInCgroups,
  removeCgroup,
  unmountLazily,
} from "./container-remains.ts";
import { mountsIn, processesIn } from "./leftovers.ts";
import { missingForContainers } from "./missing-for-containers.ts";

const searchPath = "/usr/sbin:/usr/bin:/sbin:/bin";
const programs = ["/usr/bin/containerd", "/usr/bin/ctr", "/usr/bin/containerd-shim-runc-v2", "/usr/sbin/runc"];
const commandSeconds = 120;

/** Why no real containerd can run here, or undefined where one can. */
export function missingForContainerd(): string | undefined {
  return missingForContainers(programs);
}

/** The CRI plugin's configuration. */
export interface CriConfiguration {
  snapshotter: string;
  /** What a pod's own container is made of. */
  sandboxImage: string;
}

/** Debian's containerd (1.6), beside whatever else runs on the machine: data, sockets and cgroups of its own, and no network. */
export class Containerd {
  readonly #folder: string;
  readonly #state: string;
  /** Where it serves all of its API. */
  readonly socket: string;
  /** Of its containers, and the name of their cgroup. */
  readonly namespace: string;
  readonly #program: BackgroundProgram;

  /**
   * @param folder what it keeps goes below it; absolute and short, as sockets' paths are
   * @param snapshotters names of proxy snapshotters, and their sockets
   * @param cri what else the configuration is to say, so that it serves Kubernetes; none: it does not
   */
  constructor(folder: string, snapshotters: Readonly<Record<string, string>>, cri?: CriConfiguration) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.#state = join(folder, "state");
    this.socket = join(folder, "c.sock");
    this.namespace = `mica-${folder.replace(/[^0-9A-Za-z]+/g, "-").replace(/^-/, "")}`;
    this.#program = new BackgroundProgram("containerd", join(folder, "containerd.log"));
    writeFileSync(join(folder, "config.toml"), configuration(folder, this.#state, this.socket, snapshotters, cri));
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    await this.#program.start({
      program: "/usr/bin/containerd",
      args: ["--config", join(this.#folder, "config.toml")],
      env: { PATH: searchPath },
      isReady: async () => (await listens(this.socket)) && (await this.ctr("version")).status === 0,
    });
  }

  async stop(): Promise<void> {
    await this.#program.end("SIGTERM");
  }

  /** Its sudden death; containers live on. */
  async kill(): Promise<void> {
    await this.#program.end("SIGKILL");
  }

  /** Runs `ctr ARGS`. */
  ctr(...args: string[]): Promise<Outcome> {
    return this.ctrIn(this.namespace, ...args);
  }

  /** As `ctr`, in a namespace of that name, in which nothing is run. */
  ctrIn(namespace: string, ...args: string[]): Promise<Outcome> {
    const all = ["--address", this.socket, "--namespace", namespace, ...args];
    return outcomeOf(
      spawn("/usr/bin/ctr", all, { env: { PATH: searchPath, HOME: this.#folder }, timeout: commandSeconds * 1000 }),
    );
  }

  /** Runs `ctr ARGS`, which must work, and returns what it printed, without the last line end. */
  async ok(...args: string[]): Promise<string> {
    const { status, signal, stdout, stderr } = await this.ctr(...args);
    if (status !== 0) throw new Error(`ctr ${args.join(" ")} ended with ${status ?? signal}: ${stderr}${stdout}`);
    return stdout.replace(/\n$/, "");
  }

  /** The end of what it logged. */
  log(): string {
    return this.#program.log();
  }

  /** Takes away all that it made outside of files, whatever state it is in. */
  async remove(): Promise<void> {
    await this.stop().catch(() => this.kill());
    const shimSockets = this.#shimSockets();
    const cgroups = cgroupsNamed(this.namespace);
    for (const { pid } of processesIn(this.#state)) killHard(pid);
    for (const pid of processesInCgroups(cgroups)) killHard(pid);
    for (const socket of shimSockets) rmSync(socket, { force: true });
    for (const path of mountsIn(this.#folder).reverse()) await unmountLazily(path);
    for (const folder of cgroups) await removeCgroup(folder);
  }

  /** Where its shims listen: outside of its own folders. */
  #shimSockets(): string[] {
    return filesNamed(this.#state, "address").map((file) => readFileSync(file, "utf8").replace(/^unix:\/\//, ""));
  }
}

function configuration(
  folder: string,
  state: string,
  socket: string,
  snapshotters: Readonly<Record<string, string>>,
  cri: CriConfiguration | undefined,
): string {
  const lines = [
    "version = 2",
    `root = "${join(folder, "root")}"`,
    `state = "${state}"`,
    // What is not needed here, or asks for more than there is.
    `disabled_plugins = ${JSON.stringify([
      ...(cri === undefined ? ["io.containerd.grpc.v1.cri"] : []),
      ...["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper"],
    ])}`,
    `[grpc]\naddress = "${socket}"`,
    `[ttrpc]\naddress = "${join(folder, "t.sock")}"`,
    // What is garbage goes soon.
    '[plugins."io.containerd.gc.v1.scheduler"]\nschedule_delay = "0ms"\nstartup_delay = "10ms"',
  ];
  if (cri !== undefined) {
    lines.push(
      `[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "${cri.sandboxImage}"\nstats_collect_period = 1\nrestrict_oom_score_adj = true`,
      `[plugins."io.containerd.grpc.v1.cri".containerd]\nsnapshotter = "${cri.snapshotter}"`,
    );
  }
  for (const [name, address] of Object.entries(snapshotters)) {
    lines.push(`[proxy_plugins.${name}]\ntype = "snapshot"\naddress = "${address}"`);
  }
  return `${lines.join("\n")}\n`;
}
