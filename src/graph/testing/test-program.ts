import { fileURLToPath } from "node:url";

/**
 * Node's arguments to run one of the programs in this folder: from its source, or from the bundle beside the test's own, where the
 * tests have been bundled to run in another kernel.
 */
export function testProgram(name: string): string[] {
  if (import.meta.url.endsWith(".mjs")) return [fileURLToPath(new URL(`${name}.mjs`, import.meta.url))];
  return ["--import", "tsx", fileURLToPath(new URL(`${name}.ts`, import.meta.url))];
}
