import { closeSync } from "node:fs";
import { Interest, PollSet } from "../../linux/poll-set.ts";
import { acceptUnix } from "../../linux/unix-socket.ts";
import type { ExportDescription } from "./export-description.ts";
import { ExportIo } from "./export-io.ts";
import type { ExportedDevice } from "./exported-device.ts";
import { IoBuffers } from "./io-buffers.ts";
import { MOST_REQUESTS, NbdConnection } from "./nbd-connection.ts";
import { NbdRequests } from "./nbd-request.ts";

/** Clients at once; more are not accepted. */
const MOST_CONNECTIONS = 16;
/** How often the device is looked at, and clients that say nothing. */
const LOOK_EVERY_MS = 4000;
/** How long clients may take to read their last answers. */
const END_MS = 3000;

/** Places in the poll set before the connections'. */
const Place = { listener: 0, keeper: 1, io: 2, connections: 3 } as const;

/** What a server is made of. */
export interface NbdServerParts {
  device: ExportedDevice;
  exported: ExportDescription;
  /** A listening socket that does not block. */
  listenerFd: number;
  /** The server ends when this pipe's other end is closed. */
  keeperFd: number;
}

/** Serves one export to any number of clients from one thread, without an event loop: waits for whatever happens next, and does it. */
export class NbdServer {
  readonly #parts: NbdServerParts;
  readonly #io: ExportIo;
  readonly #requests = new NbdRequests(MOST_CONNECTIONS * MOST_REQUESTS);
  readonly #buffers = new IoBuffers();
  readonly #connections: (NbdConnection | undefined)[] = new Array<undefined>(MOST_CONNECTIONS).fill(undefined);
  readonly #poll = new PollSet(Place.connections + MOST_CONNECTIONS);
  #lookAtMs = performance.now() + LOOK_EVERY_MS;
  /** When the server gives up waiting for its clients; Infinity as long as it serves. */
  #endAtMs = Infinity;

  constructor(parts: NbdServerParts) {
    this.#parts = parts;
    const { blockSizeBytes } = parts.exported;
    this.#io = new ExportIo(parts.device, this.#requests, blockSizeBytes, (request) => {
      request.connection?.finish(request);
    });
    this.#poll.set(Place.keeper, parts.keeperFd, Interest.read);
    this.#poll.set(Place.io, this.#io.eventFd, Interest.read);
  }

  /** Serves until its keeper has closed the pipe ("ended"), or its device is gone ("device gone"). */
  run(): "ended" | "device gone" {
    for (;;) {
      this.#wait();
      if (this.#poll.readable(Place.io)) this.#io.reap();
      if (this.#poll.readable(Place.listener)) this.#accept();
      if (this.#poll.readable(Place.keeper)) this.#beginEnd();
      for (let index = 0; index < MOST_CONNECTIONS; index++) {
        const connection = this.#connections[index];
        if (connection === undefined) continue;
        if (this.#poll.readable(Place.connections + index) && connection.wantsInput) connection.receive();
        else connection.resume();
      }
      if (this.#io.hasSteps) this.#io.step();
      this.#io.submit();
      this.#sendAll();
      if (this.#over()) return "ended";
      const now = performance.now();
      if (now >= this.#lookAtMs && !this.#look(now)) return "device gone";
    }
  }

  #wait(): void {
    const open = this.#connections.includes(undefined) && this.#endAtMs === Infinity;
    this.#poll.set(Place.listener, open ? this.#parts.listenerFd : -1, Interest.read);
    if (this.#endAtMs !== Infinity) this.#poll.clear(Place.keeper);
    for (let index = 0; index < MOST_CONNECTIONS; index++) {
      const connection = this.#connections[index];
      if (connection === undefined) continue;
      const interest =
        (connection.wantsInput ? Interest.read : Interest.none) |
        (connection.hasOutput ? Interest.write : Interest.none);
      this.#poll.set(Place.connections + index, interest === Interest.none ? -1 : connection.fd, interest);
    }
    const until = Math.min(this.#lookAtMs, this.#endAtMs);
    this.#poll.wait(this.#io.hasSteps ? 0 : Math.max(0, Math.ceil(until - performance.now())));
  }

  #accept(): void {
    for (let index = this.#connections.indexOf(undefined); index >= 0; index = this.#connections.indexOf(undefined)) {
      const fd = acceptUnix(this.#parts.listenerFd);
      if (fd < 0) return;
      const { exported } = this.#parts;
      this.#connections[index] = new NbdConnection(fd, {
        exported,
        requests: this.#requests,
        buffers: this.#buffers,
        begin: (request) => this.#io.begin(request),
      });
    }
  }

  #sendAll(): void {
    for (let index = 0; index < MOST_CONNECTIONS; index++) {
      const connection = this.#connections[index];
      if (connection === undefined) continue;
      if (connection.hasOutput) connection.send();
      if (!connection.over) continue;
      closeSync(connection.fd);
      this.#connections[index] = undefined;
      this.#poll.clear(Place.connections + index);
    }
  }

  #beginEnd(): void {
    this.#endAtMs = performance.now() + END_MS;
    for (const connection of this.#connections) connection?.end();
  }

  /** What was begun is finished in any case: what it was is not known to whoever uses the device next. */
  #over(): boolean {
    if (this.#endAtMs === Infinity || !this.#io.idle) return false;
    return this.#connections.every((connection) => connection === undefined) || performance.now() >= this.#endAtMs;
  }

  /** False when the device is gone. */
  #look(nowMs: number): boolean {
    this.#lookAtMs = nowMs + LOOK_EVERY_MS;
    for (const connection of this.#connections) connection?.checkDeadline(nowMs);
    return this.#parts.device.isAlive();
  }
}
