import type { DeviceRecord } from "../graph/devices/device-record.ts";
import type {
  DeviceDriverData,
  DeviceStatus,
  DeviceUsage,
  GraphBlockLocation,
} from "../graph/devices/device-reports.ts";
import type { AutogrowPolicy, AutogrowSettings } from "../graph/growth/autogrow-policy.ts";
import type { GrownPool } from "../graph/growth/growth.ts";
import type { PoolGrowth } from "../graph/growth/growth-plan.ts";
import type { GrowthSize } from "../graph/growth/growth-size.ts";
import type { ApiConnection } from "./api-connection.ts";
import { ApiError } from "./api-error.ts";
import type { DeviceAccess } from "./graph-access.ts";

/** What a daemon says of its graph. */
export interface GraphFacts {
  root: string;
  pool: string;
  deviceMapper: "kernel" | "userspace";
}

/** The devices of a graph that a daemon serves. What it mounts and counts, it does for all its clients together. */
export class RemoteDevices implements DeviceAccess {
  readonly #api: ApiConnection;
  readonly #facts: GraphFacts;

  constructor(api: ApiConnection, facts: GraphFacts) {
    this.#api = api;
    this.#facts = facts;
  }

  get root(): string {
    return this.#facts.root;
  }

  get poolName(): string {
    return this.#facts.pool;
  }

  get deviceMapper(): "kernel" | "userspace" {
    return this.#facts.deviceMapper;
  }

  async create(id: string, parent?: string, { sizeBytes }: { sizeBytes?: number } = {}): Promise<void> {
    await this.#api.json("POST", "/v1/devices", { body: { id, parent, size: sizeBytes } });
  }

  async remove(id: string): Promise<void> {
    await this.#api.json("DELETE", pathOf(id));
  }

  async exists(id: string): Promise<boolean> {
    return (await this.device(id))?.deleted === false;
  }

  async get(id: string, wish: Parameters<DeviceAccess["get"]>[1] = {}): Promise<string> {
    return (await this.#api.json<{ path: string }>("POST", `${pathOf(id)}/mount`, { body: wish })).path;
  }

  async put(id: string): Promise<void> {
    await this.#api.json("POST", `${pathOf(id)}/umount`);
  }

  async activate(id: string): Promise<string> {
    return (await this.#api.json<{ blockDevice: string }>("POST", `${pathOf(id)}/attach`)).blockDevice;
  }

  async deactivate(id: string, options: Parameters<DeviceAccess["deactivate"]>[1] = {}): Promise<void> {
    await this.#api.json("POST", `${pathOf(id)}/detach`, { body: options });
  }

  export(id: string, wish: Parameters<DeviceAccess["export"]>[1]): ReturnType<DeviceAccess["export"]> {
    return this.#api.json("POST", `${pathOf(id)}/export`, { body: wish });
  }

  async status(): Promise<[string, string][]> {
    return Object.entries(await this.#api.json<Record<string, string>>("GET", "/v1/info"));
  }

  metadata(id: string): Promise<DeviceDriverData> {
    return this.#api.json("GET", `${pathOf(id)}/metadata`);
  }

  async device(id: string): Promise<DeviceRecord | undefined> {
    try {
      return await this.#api.json<DeviceRecord>("GET", pathOf(id));
    } catch (error) {
      if (error instanceof ApiError && error.statusCode === 404 && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  devices(): Promise<DeviceRecord[]> {
    return this.#api.json("GET", "/v1/devices");
  }

  deviceStatus(id: string): Promise<DeviceStatus> {
    return this.#api.json("GET", `${pathOf(id)}/status`);
  }

  usage(): Promise<DeviceUsage[]> {
    return this.#api.json("GET", "/v1/usage");
  }

  locateBlock(id: string, block: number): Promise<GraphBlockLocation> {
    return this.#api.json("GET", `${pathOf(id)}/blocks/${block}`);
  }

  async check(): Promise<string[]> {
    return (await this.#api.json<{ problems: string[] }>("POST", "/v1/check?of=devices")).problems;
  }

  growPool({ dataBytes, metadataBytes }: PoolGrowth = {}): Promise<GrownPool> {
    const body = { data: sizeText(dataBytes), metadata: sizeText(metadataBytes) };
    return this.#api.json("POST", "/v1/pool/grow", { body });
  }

  async autogrow(): Promise<AutogrowPolicy | undefined> {
    return (await this.#api.json<{ policy: AutogrowPolicy | null }>("GET", "/v1/pool/autogrow")).policy ?? undefined;
  }

  async setAutogrow(settings: AutogrowSettings): Promise<AutogrowPolicy> {
    return (await this.#api.json<{ policy: AutogrowPolicy }>("PATCH", "/v1/pool/autogrow", { body: settings })).policy;
  }
}

function pathOf(id: string): string {
  return `/v1/devices/${encodeURIComponent(id)}`;
}

function sizeText(size: GrowthSize | undefined): string | number | undefined {
  if (size === undefined || typeof size === "number") return size;
  return "addBytes" in size ? `+${size.addBytes}` : `+${size.addPercent}%`;
}
