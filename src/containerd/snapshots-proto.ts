import type { ServiceDefinition } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";

interface Field {
  type: string;
  id: number;
  rule?: "repeated";
  keyType?: "string";
}

interface Method {
  requestType: string;
  responseType: string;
  responseStream?: boolean;
}

/** A message whose fields are numbered from 1 in the order given. `TYPE*` is repeated, `labels` a map of strings. */
function message(types: Record<string, string>): { fields: Record<string, Field> } {
  const fields = Object.entries(types).map(([name, type], index): [string, Field] => [name, field(type, index + 1)]);
  return { fields: Object.fromEntries(fields) };
}

function field(type: string, id: number): Field {
  if (type === "labels") return { keyType: "string", type: "string", id };
  return type.endsWith("*") ? { type: type.slice(0, -1), id, rule: "repeated" } : { type, id };
}

function method(requestType: string, responseType: string): Method {
  return { requestType, responseType };
}

const created = { snapshotter: "string", key: "string", parent: "string", labels: "labels" };
const ofKey = { snapshotter: "string", key: "string" };
const mounts = { mounts: "containerd.types.Mount*" };
const info = { info: "Info" };
const empty = "google.protobuf.Empty";

/**
 * The gRPC service `containerd.services.snapshots.v1.Snapshots` with its messages, as a descriptor of protobufjs. Names and field
 * numbers are those of containerd 1.6 (api/services/snapshots/v1/snapshots.proto, api/types/mount.proto), which later versions kept.
 */
const descriptor: object = {
  nested: {
    google: {
      nested: {
        protobuf: {
          nested: {
            Empty: message({}),
            FieldMask: message({ paths: "string*" }),
            Timestamp: message({ seconds: "int64", nanos: "int32" }),
          },
        },
      },
    },
    containerd: {
      nested: {
        types: {
          nested: {
            Mount: message({ type: "string", source: "string", target: "string", options: "string*" }),
          },
        },
        services: {
          nested: {
            snapshots: {
              nested: {
                v1: {
                  nested: {
                    Kind: { values: { UNKNOWN: 0, VIEW: 1, ACTIVE: 2, COMMITTED: 3 } },
                    Info: message({
                      name: "string",
                      parent: "string",
                      kind: "Kind",
                      createdAt: "google.protobuf.Timestamp",
                      updatedAt: "google.protobuf.Timestamp",
                      labels: "labels",
                    }),
                    PrepareSnapshotRequest: message(created),
                    PrepareSnapshotResponse: message(mounts),
                    ViewSnapshotRequest: message(created),
                    ViewSnapshotResponse: message(mounts),
                    MountsRequest: message(ofKey),
                    MountsResponse: message(mounts),
                    RemoveSnapshotRequest: message(ofKey),
                    CommitSnapshotRequest: message({
                      snapshotter: "string",
                      name: "string",
                      key: "string",
                      labels: "labels",
                    }),
                    StatSnapshotRequest: message(ofKey),
                    StatSnapshotResponse: message(info),
                    UpdateSnapshotRequest: message({
                      snapshotter: "string",
                      ...info,
                      updateMask: "google.protobuf.FieldMask",
                    }),
                    UpdateSnapshotResponse: message(info),
                    ListSnapshotsRequest: message({ snapshotter: "string", filters: "string*" }),
                    ListSnapshotsResponse: message({ info: "Info*" }),
                    UsageRequest: message(ofKey),
                    UsageResponse: message({ size: "int64", inodes: "int64" }),
                    CleanupRequest: message({ snapshotter: "string" }),
                    Snapshots: {
                      methods: {
                        Prepare: method("PrepareSnapshotRequest", "PrepareSnapshotResponse"),
                        View: method("ViewSnapshotRequest", "ViewSnapshotResponse"),
                        Mounts: method("MountsRequest", "MountsResponse"),
                        Commit: method("CommitSnapshotRequest", empty),
                        Remove: method("RemoveSnapshotRequest", empty),
                        Stat: method("StatSnapshotRequest", "StatSnapshotResponse"),
                        Update: method("UpdateSnapshotRequest", "UpdateSnapshotResponse"),
                        List: { ...method("ListSnapshotsRequest", "ListSnapshotsResponse"), responseStream: true },
                        Usage: method("UsageRequest", "UsageResponse"),
                        Cleanup: method("CleanupRequest", empty),
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
};

/** The service, for a server or a client. Messages are plain objects; `int64` are numbers, `Kind` its names. */
export const snapshotsService = fromJSON(descriptor, {
  longs: Number,
  enums: String,
  defaults: true,
  objects: true,
  arrays: true,
})["containerd.services.snapshots.v1.Snapshots"] as ServiceDefinition;
