import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Where node stands inside the demonstration's image. */
export const nodeInImage = "/usr/local/bin/node";

/**
 * Lays out, in `folder`, a root file system with this machine's node and every shared library that it needs: the
 * lowest layer of the demonstration's image.
 * @returns the paths of the libraries
 */
export function stageNodeRoot(folder: string): string[] {
  const node = realpathSync(process.execPath);
  const libraries = sharedLibraries(node);
  for (const path of ["tmp", "proc", "sys", "dev", "root", "var/lib", "etc"]) {
    mkdirSync(join(folder, path), { recursive: true });
  }
  chmodSync(join(folder, "tmp"), 0o1777);
  copyInto(folder, node, nodeInImage);
  for (const library of libraries) copyInto(folder, library, library);
  writeFileSync(join(folder, "etc/passwd"), "root:x:0:0:root:/root:/usr/local/bin/node\n");
  writeFileSync(join(folder, "etc/os-release"), 'NAME="Mica demonstration"\nID=mica-demo\n');
  writeFileSync(join(folder, "etc/motd"), "The application layer deletes this file.\n");
  return libraries;
}

/** Lays out, in `folder`, the application: the image's upper layer. It deletes `/etc/motd` of the layer below. */
export function stageApplication(folder: string): void {
  mkdirSync(join(folder, "app"), { recursive: true });
  mkdirSync(join(folder, "etc"), { recursive: true });
  writeFileSync(join(folder, "etc/.wh.motd"), "");
  writeFileSync(join(folder, "app/greeting.txt"), "Hello from inside a thin device\n");
  writeFileSync(join(folder, "app/main.mjs"), application);
}

const application = `import { appendFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";

console.log(readFileSync("/app/greeting.txt", "utf8").trim() + ": node " + process.version);
console.log("the whole world in here: /" + readdirSync("/").join(" /"));
mkdirSync("/var/lib/app", { recursive: true });
appendFileSync("/var/lib/app/visits", new Date().toISOString() + "\\n");
writeFileSync("/app/greeting.txt", "Hello again\\n");
`;

/** What ldd names, the loader itself included, by the paths under which the binary asks for them. */
function sharedLibraries(binary: string): string[] {
  const lines = execFileSync("ldd", [binary], { encoding: "utf8" }).split("\n");
  const paths = lines.map((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1]);
  return paths.filter((path) => path !== undefined);
}

function copyInto(folder: string, source: string, target: string): void {
  const path = join(folder, target);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(realpathSync(source), path);
  chmodSync(path, 0o755);
}
