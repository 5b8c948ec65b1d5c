import { reportFields } from "./report-fields.ts";

const headings = {
  name: "Names of the device:",
  info: "What is known of it:",
  deps: "What it stands on, and what stands on it:",
  splitname: "Parts of its name:",
} as const;
const column = 26;

/** The fields of `info -c`, explained. */
export function fieldsHelp(): string {
  const groups = Object.entries(headings).map(([group, heading]) => {
    const fields = reportFields.filter((field) => field.group === group);
    const all = `  ${`${group}_all`.padEnd(column - 2)}These.\n`;
    return `${heading}\n${all}${fields.map(({ key, help }) => `  ${key.padEnd(column - 2)}${help}\n`).join("")}`;
  });
  return `${groups.join("\n")}\n`;
}
