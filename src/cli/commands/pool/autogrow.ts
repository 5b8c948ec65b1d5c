import {
  parseAutogrow,
  type AutogrowPolicy,
  type AutogrowSettings,
  type GrowthRule,
} from "../../../graph/growth/autogrow-policy.ts";
import { humanSize } from "../../../graph/options/size.ts";
import type { GraphAccess } from "../../../api/graph-access.ts";
import type { DocumentedCommand } from "../../documented-command.ts";
import { print } from "../../print.ts";
import type { Settings } from "../../settings.ts";
import { UsageError } from "../../usage-error.ts";
import { withGraph } from "../../with-graph.ts";

interface Options extends Omit<AutogrowSettings, "enabled"> {
  on?: true;
  off?: true;
}

/** `mica pool autogrow` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Shows or changes when the pool grows by itself: once it is THRESHOLD full, by STEP, up to CEILING. On loopback files that is " +
        "on unless it is turned off, and ends where their file system would be more than 90% full; on block devices it is off, and the " +
        "pool takes what the device has. Kept with the graph; what it does not say is as [autogrow] in the configuration says. " +
        "Pools of LVM's grow by LVM's own rules.",
    )
    .option("--on", "grow")
    .option("--off", "do not grow")
    .option("--threshold <share>", "how full the data may be, 50% to 99%")
    .option("--step <size>", "how much is added: 20%, or 10G")
    .option("--ceiling <size>", "how large the data becomes at most: 500G, or none")
    .option("--metadata-threshold <share>", "the same, of the metadata")
    .option("--metadata-step <size>", "the same")
    .option("--metadata-ceiling <size>", "the same")
    .moreInManual("The table `[autogrow]` of the configuration counts for what is not kept with the graph.")
    .examples(
      ["mica pool autogrow", "show"],
      ["mica pool autogrow --threshold 70% --step 50G", "earlier, and in larger steps"],
      ["mica pool autogrow --off", ""],
    )
    .seeAlso("mica-config(5)")
    .action(async ({ on, off, ...rest }: Options) => {
      const wanted = settingsFrom(on, off, rest);
      await withGraph(command, "refuse", (graph, settings) => showOrChange(graph, settings, wanted));
    });
}

function settingsFrom(on: true | undefined, off: true | undefined, rest: AutogrowSettings): AutogrowSettings {
  if (on === true && off === true) throw new UsageError("--on and --off exclude each other");
  const settings = { ...rest, ...(on === true && { enabled: true }), ...(off === true && { enabled: false }) };
  try {
    parseAutogrow(settings, false);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  return settings;
}

async function showOrChange({ devices }: GraphAccess, settings: Settings, wanted: AutogrowSettings): Promise<void> {
  const changed = Object.keys(wanted).length > 0;
  const policy = changed ? await devices.setAutogrow(wanted) : await devices.autogrow();
  print(settings, policy === undefined ? { managed: false } : { managed: true, ...asData(policy) }, () =>
    policy === undefined
      ? `Pool ${devices.poolName} is not the graph's to grow: whoever made it does, LVM by its own rules`
      : [
          `Grows by itself: ${policy.enabled ? "yes" : "no"}`,
          `Data: ${describe(policy.data)}`,
          `Metadata: ${describe(policy.metadata)}`,
        ].join("\n"),
  );
}

function describe({ thresholdPercent, step, ceilingBytes }: GrowthRule): string {
  const by = stepText(step);
  const to = ceilingBytes === undefined ? "no ceiling" : `to ${humanSize(ceilingBytes)} at most`;
  return `at ${thresholdPercent}% by ${by}, ${to}`;
}

function stepText(step: GrowthRule["step"]): string {
  return "addBytes" in step ? humanSize(step.addBytes) : `${step.addPercent}%`;
}

function asData({ enabled, data, metadata }: AutogrowPolicy): object {
  const rule = ({ thresholdPercent, step, ceilingBytes }: GrowthRule) => ({
    thresholdPercent,
    step,
    ceilingBytes: ceilingBytes ?? null,
  });
  return { enabled, data: rule(data), metadata: rule(metadata) };
}
