import type { V1Image } from "../docker-graph/stored-image.ts";

/** Told of a layer only where the layers were: the configuration names them itself. */
const dropped = new Set(["id", "parent", "parent_id", "layer_id", "Size", "throwaway"]);

/**
 * The configuration of an image of Docker 1.9 or older, as the upgrade to Docker 1.10 made it: what the top image's JSON says, the
 * layers' diff IDs, and a history of one entry a layer. Its digest is the image's new ID. Images that were built by Docker 1.8.2 or
 * older were rewritten field by field in that upgrade, so that theirs may differ from the one made here.
 *
 * @param chain the image and those below it, bottom first
 * @param diffIds of their layers
 */
export function configFromV1(chain: readonly V1Image[], diffIds: readonly string[]): Buffer {
  const top = Object.entries(chain[chain.length - 1].json).filter(([key]) => !dropped.has(key));
  const fields: [string, unknown][] = [
    ...top,
    ["history", chain.map(({ json }) => historyEntry(json))],
    ["rootfs", { type: "layers", diff_ids: diffIds }],
  ];
  // The encoder that the upgrade used wrote keys in order, and these characters, which are special in HTML, as escapes.
  const text = JSON.stringify(Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1))));
  return Buffer.from(
    text.replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}

function historyEntry(json: Record<string, unknown>): Record<string, string> {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const author = text(json.author);
  const comment = text(json.comment);
  const createdBy = commandOf(json.container_config);
  return {
    created: text(json.created),
    ...(author !== "" && { author }),
    ...(createdBy !== "" && { created_by: createdBy }),
    ...(comment !== "" && { comment }),
  };
}

function commandOf(containerConfig: unknown): string {
  if (typeof containerConfig !== "object" || containerConfig === null || !("Cmd" in containerConfig)) return "";
  const { Cmd } = containerConfig;
  return Array.isArray(Cmd) ? Cmd.join(" ") : typeof Cmd === "string" ? Cmd : "";
}
