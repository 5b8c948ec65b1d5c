import { parseSize } from "../graph/options/size.ts";
import { mapsOwners, rootOwner, type OwnerMaps } from "../layer/owner-map.ts";
import { checkInitOptions } from "./init-options.ts";
import type { PluginContext } from "./plugin-context.ts";
import { RequestError, type CreateRequest, type InitRequest } from "./protocol.ts";

/**
 * Begins with a dockerd. One that comes again, as after its death, keeps what is mounted; another one is refused while something is
 * mounted for the one before.
 */
export async function init(context: PluginContext, request: InitRequest): Promise<void> {
  const { devices, session, mounts, log } = context;
  const { Home: home, Opts: options, UIDMaps: users, GIDMaps: groups } = request;
  const owners = { users, groups };
  checkRootIsMapped(owners);
  const ignored = checkInitOptions(options, devices.options);
  if (ignored.length > 0) log.warn(`${ignored.join(", ")} of dockerd has no effect: the graph is there already`);
  if (session.home !== undefined && session.home !== home && mounts.any) {
    throw new RequestError(
      409,
      `Cannot serve the dockerd whose driver folder is '${home}': devices are mounted for the one of '${session.home}'. ` +
        "Stop that one, or give each dockerd a graph of its own",
    );
  }
  await mounts.beginAnew();
  session.begin({ home, owners });
}

/** A container whose root had no number on the host could not be mounted. */
function checkRootIsMapped(owners: OwnerMaps): void {
  try {
    rootOwner(owners);
  } catch (error) {
    throw new RequestError(400, `Cannot map users as asked: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Docker has ended: its mounts go. The graph, which may have other users, stays open, and its pool runs on. */
export async function cleanup({ mounts, session }: PluginContext): Promise<void> {
  const failures = await mounts.endAll();
  session.end();
  for (const error of failures.values()) throw error;
}

export async function create({ layers }: PluginContext, request: CreateRequest): Promise<void> {
  await layers.create(request.ID, { parent: request.Parent, sizeBytes: readSize(request.StorageOpt) });
}

/** @returns the path of the root file system */
export async function get({ layers, session }: PluginContext, id: string, mountLabel: string): Promise<string> {
  const { owners } = session;
  return layers.mount(id, {
    mountLabel: checkLabel(mountLabel),
    owner: mapsOwners(owners) ? rootOwner(owners) : undefined,
  });
}

/** @returns bytes; undefined for the parent's size */
function readSize(options: Record<string, string>): number | undefined {
  let sizeBytes: number | undefined;
  for (const [name, value] of Object.entries(options)) {
    if (name.toLowerCase() !== "size") {
      throw new RequestError(400, `Cannot use storage option '${name}': unknown option. There is size, as in size=20G`);
    }
    sizeBytes = parseSize(value, "storage option size");
  }
  return sizeBytes === 0 ? undefined : sizeBytes;
}

/** It becomes part of mount options, in quotes. */
function checkLabel(label: string): string {
  if (/^[^"\\\p{Cc}]{0,4096}$/u.test(label)) return label;
  throw new RequestError(
    400,
    `Cannot use mount label ${JSON.stringify(label)}: it holds quotes, backslashes or control characters`,
  );
}
