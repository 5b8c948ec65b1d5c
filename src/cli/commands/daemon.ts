import { Option } from "commander";
import {
  logLevels,
  type ContainerdTable,
  type DaemonTable,
  type LogLevel,
} from "../../graph/options/service-tables.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { interruption } from "../interruption.ts";
import { packageVersion } from "../../linux/package-root.ts";
import { settingsOf } from "../settings.ts";
import { UsageError } from "../usage-error.ts";
import { graphOptions, onThisMachine } from "../with-graph.ts";

interface Options {
  dockerPlugin?: string;
  containerd?: string;
  api?: string;
  logLevel?: LogLevel;
}

/** What the configuration says; see `applyConfiguration`. */
interface Tables {
  daemon?: DaemonTable;
  snapshotter?: ContainerdTable;
}

/** `mica daemon` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Serves the graph to Docker, containerd and other programs, each on a private unix socket of its own; a service without a path is " +
        "off. Runs until it gets SIGTERM or Ctrl-C, and then lets requests under way end. The pool and what is mounted stay, also when it is " +
        "killed: start it again and it goes on. Other mica commands on the graph go through it where it has an API. Logs JSON lines to " +
        "standard error.",
    )
    .option("--docker-plugin <socket>", "Docker's graph driver plugin, usually /run/docker/plugins/mica.sock")
    .option("--containerd <socket>", "containerd's snapshotter, usually /run/mica/containerd.sock")
    .option("--api <socket>", "Mica's own API, usually /run/mica/api.sock")
    .addOption(new Option("--log-level <level>", "how much to log (default: info)").choices(logLevels))
    .moreInManual(
      "Requests under way may end for 30 seconds; a second signal ends it at once. A graph has one daemon at a time, and `mica shutdown` is refused while it has one.",
      "What is not given is as the tables `[daemon]` and `[containerd]` of the configuration say. Under systemd, which learns when all sockets answer, `mica.service` of the package's `packaging/systemd` runs it.",
    )
    .examples(
      ["mica daemon --api /run/mica/api.sock", ""],
      ["mica daemon --docker-plugin /run/docker/plugins/mica.sock", "then dockerd --experimental -s mica"],
      ["systemctl enable --now mica", "with what [daemon] in /etc/mica/config.toml says"],
    )
    .seeAlso("mica-config(5)")
    .action(async (options: Options) => {
      const settings = settingsOf(command);
      const { daemon = {}, snapshotter = {} } = command.optsWithGlobals<Tables>();
      const sockets = {
        dockerPlugin: options.dockerPlugin ?? daemon["docker-plugin"],
        containerd: options.containerd ?? daemon.containerd,
        api: options.api ?? daemon.api,
      };
      if (Object.values(sockets).every((socket) => socket === undefined)) {
        throw new UsageError(
          "Cannot start the daemon: it has nothing to serve. Give --docker-plugin, --containerd or --api a path, or set one in [daemon] of " +
            "the configuration",
        );
      }
      const graph = await onThisMachine(await graphOptions(settings));
      interruption.isExpected();
      const { runDaemon } = await import("../../daemon/run-daemon.ts");
      const logLevel = options.logLevel ?? daemon["log-level"] ?? "info";
      const version = packageVersion();
      await runDaemon({ graph, sockets, snapshotter, logLevel, version }, interruption.signal);
    });
}
