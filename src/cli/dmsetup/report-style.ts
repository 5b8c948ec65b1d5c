import type { ToolLine } from "../thin/tool-line.ts";

/** How a report is to look. */
export interface ReportStyle {
  readonly headings: boolean;
  /** Columns as wide as their widest cell. */
  readonly aligned: boolean;
  readonly separator: string;
  readonly prefixes: boolean;
  readonly quotes: boolean;
  /** A line a field, not a line a device. */
  readonly rows: boolean;
}

/** The style that a line asks for. */
export function reportStyle(line: ToolLine): ReportStyle {
  const headings = !line.has("noheadings");
  const separator = line.value("separator");
  const prefixes = line.has("nameprefixes");
  const rows = line.has("rows");
  return {
    headings,
    aligned: headings && separator === undefined && !prefixes && !rows,
    separator: separator ?? (headings ? " " : ":"),
    prefixes,
    quotes: !line.has("unquoted"),
    rows,
  };
}
