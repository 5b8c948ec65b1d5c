import { humanSize } from "../../graph/options/size.ts";
import type { TreeNode } from "../../index.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { shortId } from "../short-id.ts";
import { formatTable } from "../table.ts";
import { withGraph } from "../with-graph.ts";

/** `mica tree` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Shows which snapshot stands on which: the base, image layers, containers. ALONE is what only that device holds, " +
        "SHARED what it has in common with others.",
    )
    .examples(["mica tree", ""], ["mica tree --json", "as nested data"])
    .action(async () => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const tree = await graph.store.tree();
        print(settings, tree, () =>
          formatTable(
            [
              { heading: "" },
              { heading: "ALONE", align: "right" },
              { heading: "SHARED", align: "right" },
              { heading: "MOUNTED" },
            ],
            rows(tree, "", ""),
          ),
        );
      });
    });
}

/** @param first what stands before the node itself; `rest` before what hangs below it */
function rows(node: TreeNode, first: string, rest: string): string[][] {
  const below = node.children.flatMap((child, index) =>
    index === node.children.length - 1
      ? rows(child, `${rest}└─ `, `${rest}   `)
      : rows(child, `${rest}├─ `, `${rest}│  `),
  );
  const sizes = [humanSize(node.exclusiveBytes), humanSize(node.sharedBytes), node.mounted ? "yes" : ""];
  return [[`${first}${label(node)}`, ...sizes], ...below];
}

function label(node: TreeNode): string {
  if (node.kind === "base") return "base";
  if (node.kind === "container") return `container ${node.names[0] ?? shortId(node.id)}`;
  return [`layer ${shortId(node.id)}`, ...node.names.map((name) => `[${name}]`)].join(" ");
}
