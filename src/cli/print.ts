import type { Settings } from "./settings.ts";

/**
 * Writes a command's answer to stdout: the value as JSON when that was asked for, else the text made for a reader.
 * Empty text writes nothing.
 */
export function print(settings: Settings, value: unknown, text: () => string): void {
  const shown = settings.json ? JSON.stringify(value, null, 2) : text();
  if (shown !== "") process.stdout.write(`${shown}\n`);
}
