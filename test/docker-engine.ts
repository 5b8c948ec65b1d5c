import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { BackgroundProgram } from "./background-program.ts";
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

/** Debian's, whatever else is in PATH. */
const dockerd = "/usr/sbin/dockerd";
const dockerClient = "/usr/bin/docker";
const searchPath = "/usr/sbin:/usr/bin:/sbin:/bin";
const programs = [dockerd, dockerClient, "/usr/bin/containerd", "/usr/bin/containerd-shim-runc-v2", "/usr/sbin/runc"];

const commandSeconds = 120;

/** Why no real Docker Engine can run here, or undefined where one can. */
export function missingForEngine(): string | undefined {
  return missingForContainers(programs);
}

export interface EngineOptions {
  /** What it keeps goes below this folder; absolute, and short, as sockets' paths are. */
  readonly folder: string;
  /** Storage driver: one of Docker's own, or a plugin's name. */
  readonly driver: string;
  /** More of dockerd's options. */
  readonly options?: readonly string[];
}

/**
 * A real Docker Engine (20.10) of its own, beside whatever else runs on the machine: no network, and data, sockets and cgroups apart. Containers
 * have to be run with `--network none`.
 */
export class DockerEngine {
  readonly folder: string;
  readonly dataRoot: string;
  readonly socket: string;
  readonly #execRoot: string;
  readonly #driver: string;
  readonly #options: readonly string[];
  readonly #cgroup: string;
  readonly #program: BackgroundProgram;

  constructor({ folder, driver, options = [] }: EngineOptions) {
    this.folder = folder;
    this.dataRoot = join(folder, "data");
    this.socket = join(folder, "docker.sock");
    this.#execRoot = join(folder, "exec");
    this.#driver = driver;
    this.#options = options;
    this.#cgroup = `mica-${folder.replace(/[^0-9A-Za-z]+/g, "-")}`;
    this.#program = new BackgroundProgram("dockerd", join(folder, "dockerd.log"));
  }

  /** Starts dockerd and waits until it answers. What is given here counts instead of what the engine was made with. */
  async start({ driver = this.#driver, options = this.#options }: Partial<EngineOptions> = {}): Promise<void> {
    mkdirSync(this.folder, { recursive: true });
    await this.#program.start({
      program: dockerd,
      args: [...this.#arguments(driver), ...options],
      env: { PATH: searchPath, HOME: this.folder },
      isReady: () => answers(this.socket),
    });
  }

  /** Ends dockerd as systemd would. Its containers end too, unless it was started with --live-restore. */
  async stop(): Promise<void> {
    await this.#program.end("SIGTERM");
  }

  /** dockerd's sudden death; its containers, and the shims that hold them, live on. */
  async kill(): Promise<void> {
    await this.#program.end("SIGKILL");
    // containerd dies with it. Where nobody reaps the dead, as in a container without an init, the next dockerd would take it for alive.
    rmSync(join(this.#execRoot, "containerd/containerd.pid"), { force: true });
  }

  /** Runs `docker ARGS`. */
  docker(...args: string[]): Promise<Outcome> {
    return outcomeOf(this.client(...args));
  }

  /** Runs `docker ARGS`, which must work, and returns what it printed, without the last line end. */
  async ok(...args: string[]): Promise<string> {
    const { status, signal, stdout, stderr } = await this.docker(...args);
    if (status !== 0) throw new Error(`docker ${args.join(" ")} ended with ${status ?? signal}: ${stderr}${stdout}`);
    return stdout.replace(/\n$/, "");
  }

  /** Starts `docker ARGS`; it is ended when it takes all too long. */
  client(...args: string[]): ChildProcess {
    const env = {
      PATH: searchPath,
      HOME: this.folder,
      DOCKER_CONFIG: join(this.folder, "client"),
      DOCKER_HOST: `unix://${this.socket}`,
      DOCKER_BUILDKIT: "0",
    };
    return spawn(dockerClient, args, { env, timeout: commandSeconds * 1000 });
  }

  /** The end of what dockerd logged. */
  log(): string {
    return this.#program.log();
  }

  /** Takes away all that the engine made outside of files: containers, processes, mounts, cgroups; whatever state it is in. */
  async remove(): Promise<void> {
    if (this.#program.isRunning) {
      const containers = (await this.docker("ps", "--all", "--quiet")).stdout.split("\n").filter((id) => id !== "");
      if (containers.length > 0) await this.docker("rm", "--force", "--volumes", ...containers);
      await this.stop().catch(() => this.kill());
    }
    const shimSockets = this.#shimSockets();
    const cgroups = [this.#cgroup, ...this.#plugins()].flatMap(cgroupsNamed);
    for (const pid of this.#processes()) killHard(pid);
    for (const pid of processesInCgroups(cgroups)) killHard(pid);
    for (const socket of shimSockets) rmSync(socket, { force: true });
    for (const plugin of this.#plugins()) rmSync(join("/run/docker/plugins", plugin), { recursive: true, force: true });
    for (const path of [...mountsIn(this.#execRoot), ...mountsIn(this.dataRoot)].reverse()) await unmountLazily(path);
    for (const folder of cgroups) await removeCgroup(folder);
  }

  #arguments(driver: string): string[] {
    return [
      ...["--data-root", this.dataRoot, "--exec-root", this.#execRoot, "--pidfile", join(this.folder, "docker.pid")],
      ...["--host", `unix://${this.socket}`, "--storage-driver", driver, "--experimental"],
      ...["--bridge", "none", "--iptables=false", "--ip6tables=false"],
      ...["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", `/${this.#cgroup}`],
    ];
  }

  /** dockerd, its containerd and the shims. */
  #processes(): number[] {
    return processesIn(this.#execRoot).map(({ pid }) => pid);
  }

  /** IDs of its managed plugins, which have cgroups of these names. */
  #plugins(): string[] {
    const folder = join(this.dataRoot, "plugins");
    return existsSync(folder) ? readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name)) : [];
  }

  /** Where containerd's shims listen: outside of its own folders. */
  #shimSockets(): string[] {
    return filesNamed(join(this.#execRoot, "containerd/daemon"), "address").map((file) =>
      readFileSync(file, "utf8").replace(/^unix:\/\//, ""),
    );
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ socketPath, path: "/_ping" }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on("error", () => resolve(false));
  });
}
