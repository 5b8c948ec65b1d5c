import { childAt, entryCount, isLeaf, keyAt, valueAt } from "../../persistent-data/btree-node.ts";
import { readU64 } from "../../persistent-data/u64.ts";
import { type DeviceDetails, readDetails } from "../../thin/device-record.ts";
import { MappingSums } from "./mapping-sums.ts";
import { blockRole, largestDeviceId, type NodeScan } from "./node-scan.ts";

const mostDepth = 16;
const leafRoles = { devices: blockRole.roots, details: blockRole.details };

/** A node that could be the root of a pool's tree of devices, or of their details. */
export interface RootCandidate {
  readonly root: number;
  /** Devices that can be reached. */
  readonly devices: number;
  /** Stands for the devices' ids; the same in two trees that have the same devices. */
  readonly ids: string;
  /** Stands for ids and numbers of mappings. */
  readonly counts: string;
  /** The latest time found. */
  readonly time: number;
  /** Mappings: those that can be reached, or those that the details say. */
  readonly mappings: number;
  /** Mappings that bear `time`. */
  readonly latest: number;
  /** The latest transaction in which a device was made. */
  readonly transactionId: number;
  /** Whether all below it can be read. */
  readonly complete: boolean;
}

type TreeKind = "devices" | "details";

/** A sum over devices that does not depend on their order; and so one over the children of a node. */
interface Sum {
  devices: number;
  ids: [number, number];
  counts: [number, number];
  time: number;
  latest: number;
  mappings: number;
  transactionId: number;
  complete: boolean;
}

/** Sums up the trees of devices and of details that lie about on a metadata device. */
export class RootCandidates {
  readonly scan: NodeScan;
  readonly sums: MappingSums;
  readonly #known = { devices: new Map<number, Sum>(), details: new Map<number, Sum>() };

  constructor(scan: NodeScan, sums = new MappingSums(scan)) {
    this.scan = scan;
    this.sums = sums;
  }

  /** Every node that could be the root of a tree of devices. */
  devices(): RootCandidate[] {
    return this.#all("devices");
  }

  /** Every node that could be the root of a tree of details. */
  details(): RootCandidate[] {
    return this.#all("details");
  }

  /** What a tree that is known by its root says. */
  ofDevices(root: number): RootCandidate {
    return candidate(root, this.#sum(root, "devices", 0));
  }

  /** As `ofDevices`, of details. */
  ofDetails(root: number): RootCandidate {
    return candidate(root, this.#sum(root, "details", 0));
  }

  /** The roots of devices' trees that can be reached, by id. */
  rootsBelow(root: number): Map<number, number> {
    const found = new Map<number, number>();
    this.#leaves(root, blockRole.roots, 0, (words, entry) => found.set(keyAt(words, entry), childAt(words, entry)));
    return found;
  }

  /** The details that can be reached, by id. */
  detailsBelow(root: number): Map<number, DeviceDetails> {
    const found = new Map<number, DeviceDetails>();
    this.#leaves(root, blockRole.details, 0, (words, entry) => {
      const id = keyAt(words, entry);
      found.set(id, readDetails(words, valueAt(words, entry), id));
    });
    return found;
  }

  /** All nodes below some roots, those themselves not included. */
  nodesBelow(roots: ReadonlySet<number>): Set<number> {
    const found = new Set<number>();
    const pending = [...roots];
    for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
      const words = this.scan.role(number) === blockRole.internal ? this.scan.words(number) : undefined;
      for (let entry = 0; words !== undefined && entry < entryCount(words); entry++) {
        const child = childAt(words, entry);
        if (found.has(child)) continue;
        found.add(child);
        pending.push(child);
      }
    }
    return found;
  }

  /** What a tree with this root would be; a tree of mappings is only ever part of another. */
  #kindOf(number: number, depth = 0): TreeKind | undefined {
    const role = this.scan.role(number);
    if (role === blockRole.details) return "details";
    if (role === blockRole.roots) return "devices";
    if (role !== blockRole.internal || this.scan.lastKey(number) > largestDeviceId || depth > mostDepth)
      return undefined;
    const words = this.scan.words(number);
    return words === undefined ? undefined : this.#kindBelow(words, depth);
  }

  /** Any child tells it, as long as it can be read. */
  #kindBelow(words: Uint32Array, depth: number): TreeKind | undefined {
    for (let entry = 0; entry < entryCount(words); entry++) {
      const child = childAt(words, entry);
      if (this.scan.firstKey(child) < keyAt(words, entry)) continue;
      const kind = this.#kindOf(child, depth + 1);
      if (kind !== undefined) return kind;
    }
    return undefined;
  }

  #all(kind: TreeKind): RootCandidate[] {
    return [leafRoles[kind], blockRole.internal]
      .flatMap((role) => [...this.scan.of(role)])
      .filter((number) => this.#kindOf(number) === kind)
      .map((number) => candidate(number, this.#sum(number, kind, 0)));
  }

  #leaves(
    number: number,
    role: number,
    depth: number,
    visit: (words: Uint32Array, entry: number) => void,
    between = { lowest: 0, end: largestDeviceId + 1 },
  ): void {
    const words = this.#node(number, role);
    if (words === undefined || depth > mostDepth || !this.#isWithin(number, between)) return;
    for (let entry = 0, count = entryCount(words); entry < count; entry++) {
      if (isLeaf(words)) visit(words, entry);
      else {
        const end = entry + 1 < count ? keyAt(words, entry + 1) : between.end;
        this.#leaves(childAt(words, entry), role, depth + 1, visit, { lowest: keyAt(words, entry), end });
      }
    }
  }

  /** A node of a tree with such leaves; undefined where there is something else. */
  #node(number: number, leafRole: number): Uint32Array | undefined {
    const role = this.scan.role(number);
    return role === leafRole || role === blockRole.internal ? this.scan.words(number) : undefined;
  }

  #isWithin(number: number, { lowest, end }: { lowest: number; end: number }): boolean {
    return this.scan.firstKey(number) >= lowest && this.scan.lastKey(number) < end;
  }

  #sum(number: number, kind: TreeKind, depth: number): Sum {
    const known = this.#known[kind].get(number);
    if (known !== undefined) return known;
    const total: Sum = {
      devices: 0,
      ids: [0, 0],
      counts: [0, 0],
      time: 0,
      latest: 0,
      mappings: 0,
      transactionId: 0,
      complete: true,
    };
    const words = this.#node(number, leafRoles[kind]);
    if (words === undefined || depth > mostDepth) return { ...total, complete: false };
    for (let entry = 0, count = entryCount(words); entry < count; entry++) {
      if (isLeaf(words)) {
        if (kind === "details") addDetails(total, readDetails(words, valueAt(words, entry), keyAt(words, entry)));
        else this.#addDevice(total, keyAt(words, entry), readU64(words, valueAt(words, entry)));
        continue;
      }
      const child = childAt(words, entry);
      const end = entry + 1 < count ? keyAt(words, entry + 1) : Infinity;
      if (!this.#isWithin(child, { lowest: keyAt(words, entry), end })) total.complete = false;
      else add(total, this.#sum(child, kind, depth + 1));
    }
    this.#known[kind].set(number, total);
    return total;
  }

  #addDevice(total: Sum, id: number, root: number): void {
    const { mappings, time, latest, complete } = this.sums.of(root);
    total.devices++;
    total.mappings += mappings;
    addHash(total.ids, id, 0);
    addHash(total.counts, id, mappings);
    addTime(total, time, latest);
    if (!complete) total.complete = false;
  }
}

function addDetails(total: Sum, details: DeviceDetails): void {
  total.devices++;
  total.mappings += details.mappedBlocks;
  addHash(total.ids, details.id, 0);
  addHash(total.counts, details.id, details.mappedBlocks);
  addTime(total, Math.max(details.creationTime, details.snapshottedTime), 0);
  total.transactionId = Math.max(total.transactionId, details.transactionId);
}

function add(total: Sum, below: Sum): void {
  total.devices += below.devices;
  total.mappings += below.mappings;
  for (const which of ["ids", "counts"] as const) {
    for (const half of [0, 1]) total[which][half] = (total[which][half] + below[which][half]) >>> 0;
  }
  addTime(total, below.time, below.latest);
  total.transactionId = Math.max(total.transactionId, below.transactionId);
  if (!below.complete) total.complete = false;
}

function addTime(total: Sum, time: number, latest: number): void {
  if (time > total.time) {
    total.time = time;
    total.latest = latest;
  } else if (time === total.time) total.latest += latest;
}

function candidate(root: number, sum: Sum): RootCandidate {
  const { devices, time, latest, mappings, transactionId, complete } = sum;
  const ids = `${devices} ${sum.ids.join(" ")}`;
  return {
    root,
    devices,
    ids,
    counts: `${ids} ${sum.counts.join(" ")}`,
    time,
    latest,
    mappings,
    transactionId,
    complete,
  };
}

/** Adds a number that stands for a device to a sum, of which 64 bits are kept. */
function addHash(sum: [number, number], id: number, mappings: number): void {
  const low = mappings >>> 0;
  const high = Math.floor(mappings / 2 ** 32);
  for (const half of [0, 1]) {
    let hash = Math.imul(id ^ (half * 0x9e3779b9), 0x85ebca6b) ^ (id >>> 13);
    for (const part of [low, high, half]) {
      hash = Math.imul(hash ^ part, 0xc2b2ae35);
      hash ^= hash >>> 15;
    }
    sum[half] = (sum[half] + (hash >>> 0)) >>> 0;
  }
}
