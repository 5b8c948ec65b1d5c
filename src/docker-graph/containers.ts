import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { readMount, type StoredMount } from "./layer-database.ts";
import { readStoredJson, storedNames, type Problems } from "./stored-file.ts";

const strings = v.nullish(v.array(v.string()));

/** Of a container's configuration, what is looked at; the rest is kept as it is. */
const runConfigSchema = v.looseObject({
  Image: v.nullish(v.string(), ""),
  Cmd: v.nullish(v.union([v.string(), v.array(v.string())])),
});

const schema = v.looseObject({
  ID: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "no container's ID")),
  Name: v.nullish(v.string(), ""),
  Created: v.nullish(v.string()),
  Path: v.nullish(v.string(), ""),
  Args: strings,
  Config: v.nullish(runConfigSchema),
  Image: v.nullish(v.string(), ""),
  Driver: v.nullish(v.string(), ""),
  OS: v.nullish(v.string()),
  State: v.nullish(
    v.looseObject({
      Running: v.nullish(v.boolean(), false),
      Paused: v.nullish(v.boolean(), false),
      Restarting: v.nullish(v.boolean(), false),
      RemovalInProgress: v.nullish(v.boolean(), false),
      Dead: v.nullish(v.boolean(), false),
      ExitCode: v.nullish(v.number(), 0),
      StartedAt: v.nullish(v.string(), ""),
    }),
  ),
});
type ContainerFile = v.InferOutput<typeof schema>;

/** What a container did when Docker last wrote it down. */
export type ContainerState = "created" | "running" | "paused" | "restarting" | "exited" | "removing" | "dead";

/** A container, as Docker stored it. */
export interface StoredContainer {
  id: string;
  /** Without the "/" that Docker writes before it; the start of the ID where it had none. */
  name: string;
  /** The image's ID: "sha256:…", or of Docker 1.9 and older 64 hexadecimal digits. */
  imageId: string;
  /** The name its image was asked for by. */
  image: string;
  created: string | undefined;
  /** Program and arguments. */
  command: string[];
  state: ContainerState;
  exitCode: number;
  os: string | undefined;
  /** How it is to be run: Docker's own form, as it is written. */
  config: Record<string, unknown>;
  /** Its devices; undefined when it is not told which they are. */
  mount: StoredMount | undefined;
}

/** Where a container's devices are told. */
export type MountLookup = (id: string, what: string) => StoredMount | undefined;

/** Reads `containers/`. One that cannot be read is noted; those of another storage driver are passed over. */
export function readContainers(dataRoot: string, mountOf: MountLookup, problems: Problems): StoredContainer[] {
  const folder = join(dataRoot, "containers");
  const found: StoredContainer[] = [];
  for (const id of storedNames(folder, "The containers", problems)) {
    if (!/^[0-9a-f]{64}$/.test(id)) continue;
    const paths = ["config.v2.json", "config.json"].map((name) => join(folder, id, name));
    const path = paths.find((each) => existsSync(each));
    if (path === undefined) {
      problems.push(`Container ${id}: '${paths[0]}' is missing`);
      continue;
    }
    const file = readStoredJson(path, schema, `Container ${id}`, problems);
    if (file === undefined || (file.Driver !== "" && file.Driver !== "devicemapper")) continue;
    found.push(containerOf(file, mountOf(id, `Container ${nameOf(file)} (${id})`)));
  }
  return found;
}

function containerOf(file: ContainerFile, mount: StoredMount | undefined): StoredContainer {
  return {
    id: file.ID,
    name: nameOf(file),
    imageId: file.Image,
    image: file.Config?.Image ?? "",
    created: file.Created ?? undefined,
    command: [...(file.Path === "" ? [] : [file.Path]), ...(file.Args ?? [])],
    state: stateOf(file.State),
    exitCode: file.State?.ExitCode ?? 0,
    os: file.OS ?? undefined,
    config: file.Config ?? {},
    mount,
  };
}

function nameOf(file: ContainerFile): string {
  return file.Name.replace(/^\//, "") || file.ID.slice(0, 12);
}

/** As `docker ps` derives it; a container that was never started has the zero time of Go. */
function stateOf(state: ContainerFile["State"]): ContainerState {
  if (state?.Running === true) return state.Paused ? "paused" : state.Restarting ? "restarting" : "running";
  if (state?.RemovalInProgress === true) return "removing";
  if (state?.Dead === true) return "dead";
  const started = state?.StartedAt ?? "";
  return started === "" || started.startsWith("0001-01-01") ? "created" : "exited";
}

/** Containers since Docker 1.10 have their devices' names in the layer database. */
export function mountsInLayerDatabase(layerdb: string, problems: Problems): MountLookup {
  return (id, what) => readMount(layerdb, id, what, problems);
}

/** Before, a device had the container's ID as its name. */
export function mountsByName(devices: ReadonlyMap<string, unknown>, problems: Problems): MountLookup {
  return (id, what) => {
    if (!devices.has(id)) {
      problems.push(`${what}: the graph has no device for it`);
      return undefined;
    }
    return { device: id, initDevice: devices.has(`${id}-init`) ? `${id}-init` : undefined, parent: undefined };
  };
}
