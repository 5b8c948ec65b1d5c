import fc from "fast-check";
import { hostileJson } from "./hostile-json.ts";

/** Devices that requests are about: few, so that calls meet. */
const id = fc.constantFrom("a", "b", "c", "d".repeat(64), "e-init", "");
const parent = fc.oneof({ weight: 2, arbitrary: fc.constant("") }, { weight: 1, arbitrary: id });
const size = fc.constantFrom("256M", "300M", "1G", "0", "-1", "x", "99999999999999999999", "1e3", "1M", " 1G ");
const ranges = fc.array(
  fc.record({
    container_id: fc.nat(70_000),
    host_id: fc.constantFrom(0, 100_000, 0xffffffff),
    size: fc.constantFrom(0, 1, 65_536),
  }),
  { maxLength: 2 },
);

const one = fc.record({ ID: id });
const compare = fc.record({ ID: id, Parent: parent });
const create = fc.record(
  {
    ID: id,
    Parent: parent,
    MountLabel: fc.constantFrom("", 'x"y', "system_u:object_r:x"),
    StorageOpt: fc.record({ size }),
  },
  { requiredKeys: ["ID"] },
);
const bodies: Record<string, fc.Arbitrary<unknown>> = {
  Create: create,
  CreateReadWrite: create,
  Remove: one,
  Get: fc.record({ ID: id, MountLabel: fc.constantFrom("", "x") }, { requiredKeys: ["ID"] }),
  Put: one,
  Exists: one,
  Status: fc.constant({}),
  GetMetadata: one,
  Cleanup: fc.constant({}),
  Capabilities: fc.constant({}),
  Changes: compare,
  DiffSize: compare,
  Diff: compare,
  Init: fc.record({
    Home: fc.constantFrom("/var/lib/docker/mica", ""),
    Opts: fc.array(fc.constantFrom("dm.basesize=256M", "dm.fs=xfs", "x", "")),
    UIDMaps: ranges,
    GIDMaps: ranges,
  }),
};

/** The plugin's calls, as paths. */
export const pluginPaths: string[] = [
  "/Plugin.Activate",
  ...[...Object.keys(bodies), "ApplyDiff"].map((name) => `/GraphDriver.${name}`),
];

/** A call and its JSON, as dockerd would send it or almost. */
export const pluginRequests: fc.Arbitrary<{ path: string; body: Buffer }> = fc
  .constantFrom(...Object.keys(bodies))
  .chain((name) => fc.record({ path: fc.constant(`/GraphDriver.${name}`), body: hostileJson(bodies[name]) }));
