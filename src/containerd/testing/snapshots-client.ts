import { Client, credentials, type MethodDefinition } from "@grpc/grpc-js";
import { snapshotsService } from "../snapshots-proto.ts";

/** A client as containerd is one: each call by its name, with the protocol's messages. */
export class SnapshotsClient {
  readonly #client: Client;

  /** @param socket absolute */
  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure());
  }

  /** Rejects with a ServiceError, which has the status as its `code`. */
  call<T = object>(name: string, request: object): Promise<T> {
    const method = methodNamed(name);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        (error, answer) => {
          if (error !== null) reject(error);
          else resolve(answer as T);
        },
      );
    });
  }

  /** All snapshots that match one of the filters, in the batches that they came in. */
  async list<T = { name: string }>(filters: string[] = []): Promise<T[][]> {
    const method = methodNamed("List");
    const stream = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      { filters },
    );
    const batches: T[][] = [];
    for await (const { info } of stream as AsyncIterable<{ info: T[] }>) batches.push(info);
    return batches;
  }

  close(): void {
    this.#client.close();
  }
}

function methodNamed(name: string): MethodDefinition<object, unknown> {
  return (snapshotsService as Record<string, MethodDefinition<object, unknown>>)[name];
}
