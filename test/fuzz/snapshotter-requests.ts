import { credentials, makeGenericClientConstructor, Metadata, type Client, type ServiceError } from "@grpc/grpc-js";
import fc from "fast-check";
import { snapshotsService } from "../../src/containerd/snapshots-proto.ts";
import { hostileBytes } from "./hostile-bytes.ts";

const key = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("a", "b", "c", "default/1/extract-1 sha256:x", "k8s.io/2/pause") },
  { weight: 2, arbitrary: fc.constantFrom("", "..", "/", "a\0b", "x".repeat(5000), "sha256:x", "\ud800", "__proto__") },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 30 }) },
);
const labels = fc.dictionary(
  fc.oneof(
    fc.constantFrom("containerd.io/gc.root", "containerd.io/snapshot/devmapper/x", "", "x".repeat(4097)),
    fc.string({ maxLength: 10 }),
  ),
  fc.oneof(fc.string({ maxLength: 20 }), fc.constant("y".repeat(4097))),
  { maxKeys: 4 },
);
const filter = fc.oneof(
  fc.constantFrom(
    "name==a",
    'name~="^(a+)+$"',
    "labels.x",
    'labels."a b"!=y',
    "kind==active",
    "parent==",
    "name==a,",
    '"',
    "a[0]==",
    `name~=${"(".repeat(2000)}`,
    "(((a+)+)+)+$",
  ),
  fc.string({ maxLength: 40 }),
);
const created = fc.record({ snapshotter: fc.constant("mica"), key, parent: fc.oneof(fc.constant(""), key), labels });
const named = fc.record({ snapshotter: fc.constant("mica"), key });
const requests: Record<string, fc.Arbitrary<object>> = {
  Prepare: created,
  View: created,
  Mounts: named,
  Commit: fc.record({ snapshotter: fc.constant("mica"), name: key, key, labels }),
  Remove: named,
  Stat: named,
  Update: fc.record(
    {
      info: fc.record({ name: key, parent: key, labels }),
      updateMask: fc.record({ paths: fc.array(fc.constantFrom("labels", "labels.a", "name", "", ".", "labels..")) }),
    },
    { requiredKeys: ["info"] },
  ),
  List: fc.record({ snapshotter: fc.constant("mica"), filters: fc.array(filter, { maxLength: 3 }) }),
  Usage: named,
  Cleanup: fc.constant({}),
};

/** A call, and its message as bytes. */
export interface SnapshotterRequest {
  method: string;
  message: Buffer;
}

/** Calls as containerd might send them, or almost; of some the bytes are damaged. */
export const snapshotterRequests: fc.Arbitrary<SnapshotterRequest> = fc
  .constantFrom(...Object.keys(requests))
  .chain((method) => {
    const message = requests[method].map((request) => snapshotsService[method].requestSerialize(request));
    return fc.record({
      method: fc.constant(method),
      message: fc.oneof({ weight: 3, arbitrary: message }, { weight: 2, arbitrary: hostileBytes(message) }),
    });
  });

const Snapshots = makeGenericClientConstructor({}, "Snapshots");

/** A client of a snapshotter, for calls whose bytes are given. */
export function snapshotterClient(socketPath: string): Client {
  return new Snapshots(`unix:${socketPath}`, credentials.createInsecure());
}

/** Sends one call. @returns the refusal; undefined where it worked */
export function call(client: Client, { method, message }: SnapshotterRequest): Promise<ServiceError | undefined> {
  const { path, responseStream } = snapshotsService[method];
  const same = (bytes: Buffer): Buffer => bytes;
  const options = { deadline: Date.now() + 60_000 };
  return new Promise((resolve) => {
    if (responseStream) {
      const stream = client.makeServerStreamRequest(path, same, same, message, new Metadata(), options);
      stream.on("error", (error) => resolve(error as ServiceError)).on("end", () => resolve(undefined));
      stream.resume();
    } else {
      client.makeUnaryRequest(path, same, same, message, new Metadata(), options, (error) =>
        resolve(error ?? undefined),
      );
    }
  });
}
