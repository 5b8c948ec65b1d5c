import type { ReportStyle } from "./report-style.ts";

/** A column of a report. */
export interface ReportColumn {
  /** The field's name: what --nameprefixes makes DM_NAME of. */
  readonly key: string;
  readonly heading: string;
  /** The least width, in bytes. */
  readonly width: number;
}

/** Numbers stand to the right. */
export type ReportCell = string | number;

/** A report as text. @param rows a cell for each column */
export function layOutReport(
  columns: readonly ReportColumn[],
  rows: readonly (readonly ReportCell[])[],
  style: ReportStyle,
): string {
  const cells = rows.map((row) => row.map((cell, index) => prefixed(cell, columns[index], style)));
  const lines: ReportCell[][] = style.headings ? [columns.map(({ heading }) => heading), ...cells] : cells;
  const turned = style.rows ? columns.map((_, index) => lines.map((line) => line[index])) : lines;
  const widths = columns.map(({ width }, index) => Math.max(width, ...lines.map((line) => widthOf(line[index]))));
  return turned
    .map((line) => {
      const parts = style.aligned ? line.map((cell, index) => padded(cell, widths[index])) : line.map(String);
      return `${parts.join(style.separator)}\n`;
    })
    .join("");
}

function prefixed(cell: ReportCell, { key }: ReportColumn, { prefixes, quotes }: ReportStyle): ReportCell {
  if (!prefixes) return cell;
  const value = quotes ? `'${cell}'` : String(cell);
  return `DM_${key.toUpperCase()}=${value}`;
}

function padded(cell: ReportCell, width: number): string {
  const gap = " ".repeat(width - widthOf(cell));
  return typeof cell === "number" ? `${gap}${cell}` : `${cell}${gap}`;
}

/** In bytes, as the original counts. */
function widthOf(cell: ReportCell): number {
  return Buffer.byteLength(String(cell));
}
