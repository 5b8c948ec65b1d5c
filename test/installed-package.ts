import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./cli-support.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));

/**
 * Packs Mica as npm would publish it, and lays it out with the packages that it needs at run time, as `npm ci --omit=dev` would: without
 * the network, from the packages that the tests run with. What only development has is not there.
 *
 * @returns the folder of the installed package
 */
export async function installPackage(folder: string): Promise<string> {
  const packed = join(folder, "packed");
  mkdirSync(packed);
  // Without scripts: dist/ is built already, and other tests are using it.
  await succeed("npm", ["pack", repository, "--ignore-scripts", "--silent", "--pack-destination", packed]);
  const { name, version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as Record<
    string,
    string
  >;
  await succeed("tar", ["-xzf", join(packed, `${name}-${version}.tgz`), "-C", packed]);
  const installed = join(packed, "package");
  const copy = ["cp", "--archive", "--parents", "--target-directory", installed];
  await succeed("env", ["--chdir", repository, ...copy, ...runtimePackages()]);
  return installed;
}

/** Folders of the packages needed at run time that are installed on this kind of machine, by the lock file. */
function runtimePackages(): string[] {
  const lock = JSON.parse(readFileSync(join(repository, "package-lock.json"), "utf8")) as Lock;
  const here = ({ os, cpu, libc }: LockedPackage): boolean =>
    (os ?? ["linux"]).includes("linux") && (cpu ?? [process.arch]).includes(process.arch) && !libc?.includes("musl");
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== "" && entry.dev !== true && entry.devOptional !== true && here(entry))
    .map(([path]) => path);
}

interface Lock {
  packages: Record<string, LockedPackage>;
}

interface LockedPackage {
  dev?: boolean;
  /** Wanted by development, and by some package as a peer that it does without. */
  devOptional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
}

async function succeed(program: string, args: string[]): Promise<void> {
  const { status, stderr } = await run(program, args);
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status ?? "?"}: ${stderr}`);
}
