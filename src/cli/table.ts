/** How a column stands: words to the left, numbers to the right. */
export interface Column {
  heading: string;
  align?: "left" | "right";
}

/**
 * Lays rows out in aligned columns, two spaces apart, with a heading; no space is left at the end of a line.
 * A cell that is undefined or empty shows as `-`.
 */
export function formatTable(columns: Column[], rows: (string | number | undefined)[][]): string {
  const cells = rows.map((row) => columns.map((_, index) => shown(row[index])));
  const widths = columns.map((column, index) =>
    cells.reduce((width, row) => Math.max(width, row[index].length), column.heading.length),
  );
  const line = (texts: string[]): string =>
    texts
      .map((text, index) =>
        columns[index].align === "right" ? text.padStart(widths[index]) : text.padEnd(widths[index]),
      )
      .join("  ")
      .trimEnd();
  return [line(columns.map((column) => column.heading)), ...cells.map(line)].join("\n");
}

function shown(cell: string | number | undefined): string {
  return cell === undefined || cell === "" ? "-" : String(cell);
}
