import { join } from "node:path";
import * as v from "valibot";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { parseGrowthSize, type GrowthSize } from "./growth-size.ts";
import { readJsonFile, writeJsonFile } from "../files/json-file.ts";
import { invalid } from "../options/option-values.ts";
import { poolDevices } from "../pool/pool-devices.ts";
import { parseSize } from "../options/size.ts";

/** When a pool grows by itself, as a person writes it: `[autogrow]` of the configuration, `mica pool autogrow`. What is left out is as elsewhere. */
export interface AutogrowSettings {
  /** Default: for loopback files, not for block devices. */
  enabled?: boolean;
  /** How full it may be: `80%`; 50% to 99%. */
  threshold?: string;
  /** How much is added then: `20%` of what it has, or `10G`. */
  step?: string;
  /** How large it becomes at most: `500G`, or `none`. */
  ceiling?: string;
  metadataThreshold?: string;
  metadataStep?: string;
  metadataCeiling?: string;
}

/** What is added at once. */
export type GrowthStep = Exclude<GrowthSize, number>;

/** How one half of a pool grows. */
export interface GrowthRule {
  thresholdPercent: number;
  step: GrowthStep;
  ceilingBytes: number | undefined;
}

/** `AutogrowSettings`, read and completed. */
export interface AutogrowPolicy {
  enabled: boolean;
  data: GrowthRule;
  metadata: GrowthRule;
}

/** A pool that is less than half full has no need to grow, whatever its policy. */
export const leastThresholdPercent = 50;

const defaults = {
  threshold: "80%",
  step: "20%",
  ceiling: "none",
  metadataThreshold: "80%",
  metadataStep: "20%",
  metadataCeiling: "none",
} as const;

const schema = v.strictObject({
  enabled: v.exactOptional(v.boolean()),
  threshold: v.exactOptional(v.string()),
  step: v.exactOptional(v.string()),
  ceiling: v.exactOptional(v.string()),
  metadataThreshold: v.exactOptional(v.string()),
  metadataStep: v.exactOptional(v.string()),
  metadataCeiling: v.exactOptional(v.string()),
});

/**
 * Reads and completes settings.
 *
 * @param enabledByDefault what counts where they do not say
 * @throws GraphError EINVAL that names the setting
 */
export function parseAutogrow(settings: AutogrowSettings, enabledByDefault: boolean): AutogrowPolicy {
  const all = { ...defaults, ...settings };
  return {
    enabled: settings.enabled ?? enabledByDefault,
    data: rule(all, "threshold", "step", "ceiling"),
    metadata: rule(all, "metadataThreshold", "metadataStep", "metadataCeiling"),
  };
}

/** What this graph has been told (`$root/autogrow.json`). @throws GraphError EDAMAGED */
export function storedAutogrow(root: string): AutogrowSettings {
  return readJsonFile(autogrowFile(root), schema) ?? {};
}

/** Keeps settings with a graph. @throws GraphError EINVAL */
export function storeAutogrow(root: string, settings: AutogrowSettings): void {
  parseAutogrow(settings, false);
  writeJsonFile(autogrowFile(root), settings);
}

/**
 * The policy in force: what this graph was told, else the machine, else the defaults. Undefined for a pool that is not the
 * graph's own: whoever made it grows it.
 */
export function autogrowPolicy(context: GraphContext): AutogrowPolicy | undefined {
  if (!context.exclusivePool) return undefined;
  const onFiles = poolDevices(context).data.file !== undefined;
  return parseAutogrow({ ...context.autogrow, ...storedAutogrow(context.root) }, onFiles);
}

function autogrowFile(root: string): string {
  return join(root, "autogrow.json");
}

type Texts = Record<keyof typeof defaults, string>;

function rule(texts: Texts, threshold: keyof Texts, step: keyof Texts, ceiling: keyof Texts): GrowthRule {
  return {
    thresholdPercent: thresholdOf(threshold, texts[threshold]),
    step: stepOf(step, texts[step]),
    ceilingBytes: texts[ceiling] === "none" ? undefined : parseSize(texts[ceiling], `autogrow ${ceiling}`),
  };
}

function thresholdOf(key: string, text: string): number {
  const percent = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text);
  const number = Number(percent?.[1]);
  if (number >= leastThresholdPercent && number <= 99) return number;
  throw invalid(`autogrow ${key}`, text, `it has to be from ${leastThresholdPercent}% to 99%`);
}

function stepOf(key: string, text: string): GrowthStep {
  const wrong = (): GraphError =>
    invalid(
      `autogrow ${key}`,
      text,
      "it has to be a share of at least 1%, such as 20%, or a size of at least 1M, such as 10G",
    );
  let step;
  try {
    step = parseGrowthSize(`+${text}`);
  } catch (error) {
    throw error instanceof GraphError ? wrong() : error;
  }
  if (typeof step === "object" && ("addBytes" in step ? step.addBytes >= 2 ** 20 : step.addPercent >= 1)) return step;
  throw wrong();
}
