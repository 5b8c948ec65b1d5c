import { errno, SystemError } from "../linux/system-error.ts";
import type { TreeFile, TreeFolder } from "./file-tree.ts";
import { displayPath, type RawPath } from "./raw-path.ts";

/** As Linux (path_resolution(7)). */
const MOST_LINKS = 40;

/** TreeFolder's `openPath` for trees whose kernel does not do it: one component after the other. */
export function openPathIn(root: TreeFolder, path: RawPath): TreeFile {
  const open: TreeFolder[] = [];
  const leave = (down: number): void => {
    while (open.length > down) open.pop()!.close();
  };
  const failed = (number: number): SystemError => new SystemError(number, { syscall: "open", path: displayPath(path) });
  const rest = partsOf(path);
  let links = 0;
  try {
    for (;;) {
      const name = rest.pop();
      const here = open.at(-1) ?? root;
      if (name === undefined) throw failed(path === "" ? errno.ENOENT : errno.EISDIR);
      if (name === "..") leave(Math.max(0, open.length - 1));
      else if (rest.length === 0) return here.openFile(name);
      else if (here.stat(name)?.isSymbolicLink() === true) {
        if (++links > MOST_LINKS) throw failed(errno.ELOOP);
        const target = here.readLink(name);
        if (target.startsWith("/")) leave(0);
        rest.push(...partsOf(target));
      } else open.push(here.folder(name));
    }
  } finally {
    leave(0);
  }
}

/** The components, the last one first. */
function partsOf(path: RawPath): RawPath[] {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .reverse();
}
