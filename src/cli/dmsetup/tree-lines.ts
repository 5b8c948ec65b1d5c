/** What a tree is drawn of. */
export interface TreeNode {
  readonly label: string;
  readonly children: readonly TreeNode[];
}

/** Signs for branches. */
interface LineDrawing {
  /** An only child of its parent, on the same line. */
  readonly only: string;
  /** The first of several, on the same line. */
  readonly first: string;
  readonly middle: string;
  readonly last: string;
  /** Where a branch further up goes on. */
  readonly onward: string;
}

const vt100 = (signs: string): string => `\u001b(0\u000f${signs}\u001b(B`;

/** How branches can be drawn: `ascii`, `utf`, `vt100`. */
export const lineDrawings = {
  ascii: { only: "---", first: "-+-", middle: "|-", last: "`-", onward: "|" },
  utf: { only: "───", first: "─┬─", middle: "├─", last: "└─", onward: "│" },
  vt100: { only: vt100("qqq"), first: vt100("qwq"), middle: vt100("tq"), last: vt100("mq"), onward: vt100("x") },
} as const satisfies Record<string, LineDrawing>;

/** A tree, drawn. @param layout `compact`: a first child stands on its parent's line */
export function treeLines(root: TreeNode, drawing: LineDrawing, layout: "compact" | "one a line"): string[] {
  return layout === "compact" ? compactLines(root, drawing) : [root.label, ...branches(root, drawing)];
}

function branches({ children }: TreeNode, drawing: LineDrawing): string[] {
  return children.flatMap((child, index) => {
    const last = index === children.length - 1;
    const below = last ? "   " : ` ${drawing.onward} `;
    const sign = last ? drawing.last : drawing.middle;
    return [` ${sign}${child.label}`, ...branches(child, drawing).map((line) => `${below}${line}`)];
  });
}

function compactLines({ label, children }: TreeNode, drawing: LineDrawing): string[] {
  if (children.length === 0) return [label];
  const indent = " ".repeat(label.length + 1);
  return children.flatMap((child, index) => {
    const [first, ...rest] = compactLines(child, drawing);
    const last = index === children.length - 1;
    const sign = last ? drawing.last : drawing.middle;
    const start = index > 0 ? `${indent}${sign}` : `${label}${last ? drawing.only : drawing.first}`;
    const below = `${indent}${last ? " " : drawing.onward} `;
    return [`${start}${first}`, ...rest.map((line) => `${below}${line}`)];
  });
}
