import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { outcomeOf, type Outcome } from "./cli-support.ts";

/** The folder of the manifests and the installer. */
export const kubernetes = fileURLToPath(new URL("../packaging/kubernetes", import.meta.url));

/** What an installation did. */
export interface Installation extends Outcome {
  /** What it asked of the node's systemd, a command each. */
  asked: string[];
}

/**
 * Stands for a node of a cluster and for the DaemonSet's container on it: a mount namespace in which /opt/mica is the node's. The installer and
 * all it runs are the real ones, but for what asks the node's systemd: those write down what they were asked, and do what they are told to.
 */
export class NodeStandIn {
  readonly folder: string;
  /** What the container's image holds: the package as npm lays it out. */
  readonly image: string;
  readonly #holder: ChildProcess;

  private constructor(folder: string, image: string, holder: ChildProcess) {
    this.folder = folder;
    this.image = image;
    this.#holder = holder;
  }

  /**
   * @param folder a scratch folder; what the node has on disk is below `node`
   * @param image as `installPackage` makes it
   */
  static async start(folder: string, image: string): Promise<NodeStandIn> {
    for (const name of ["bin", "run", "node/opt/mica", "node/etc/systemd/system"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    const script =
      'mount -t tmpfs none /opt && mkdir /opt/mica && mount --bind "$0/node/opt/mica" /opt/mica && echo up && read end';
    const holder = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", script, folder]);
    await once(holder.stdout, "data");
    const node = new NodeStandIn(folder, image, holder);
    node.stub("nsenter", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
    node.stub("systemctl", "");
    node.stub("journalctl", "");
    node.stub("modprobe", "exit 1");
    return node;
  }

  async stop(): Promise<void> {
    if (this.#holder.exitCode !== null) return;
    const ended = once(this.#holder, "exit");
    this.#holder.stdin!.end();
    await ended;
  }

  /** Puts a program before the machine's; it writes down what it was asked. */
  stub(name: string, script: string): void {
    const note = name === "nsenter" ? "" : `echo "${name} $*" >>${this.folder}/asked`;
    writeFileSync(join(this.folder, "bin", name), `#!/bin/bash\n${note}\n${script}\n`);
    chmodSync(join(this.folder, "bin", name), 0o755);
  }

  configure(config: string): void {
    writeFileSync(join(this.folder, "config.toml"), config);
  }

  /** Starts a shell script on the node. */
  run(script: string): ChildProcess {
    const env = {
      PATH: `${this.folder}/bin:${process.env["PATH"] ?? ""}`,
      MICA_IMAGE_FOLDER: this.image,
      MICA_NODE_FOLDER: join(this.folder, "node"),
      MICA_CONFIG_FILE: join(this.folder, "config.toml"),
      MICA_RUN_FOLDER: join(this.folder, "run"),
    };
    return spawn("/usr/bin/nsenter", [`--mount=/proc/${this.#holder.pid}/ns/mnt`, "--", "sh", "-c", script], { env });
  }

  /** Does what the DaemonSet's container does until it shows the log. */
  async install(): Promise<Installation> {
    rmSync(join(this.folder, "asked"), { force: true });
    const outcome = await outcomeOf(this.run(`exec "${kubernetes}/install-on-node.sh"`));
    const asked = existsSync(join(this.folder, "asked")) ? readFileSync(join(this.folder, "asked"), "utf8") : "";
    return { ...outcome, asked: asked.trim().split("\n") };
  }

  /** Where a path of the node is. */
  path(onNode: string): string {
    return join(this.folder, "node", onNode);
  }

  read(onNode: string): string {
    return readFileSync(this.path(onNode), "utf8");
  }

  /** The builds that are laid out on the node. */
  builds(): string[] {
    return readdirSync(this.path("opt/mica/versions"));
  }
}
