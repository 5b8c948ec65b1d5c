import type { ServerResponse } from "node:http";
import { PassThrough, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { limitIdleReader } from "../service/limit-idle.ts";
import { idleError } from "./api-error.ts";

/**
 * Answers with a tar. The answer begins with the first byte: what fails before is thrown, and may still have its status. What fails later
 * breaks the answer off, so that nobody takes it for whole.
 *
 * @param write writes the tar, and ends the stream
 */
export async function sendTar(
  response: ServerResponse,
  idleMs: number,
  write: (target: Writable) => Promise<void>,
): Promise<void> {
  const tar = new PassThrough();
  const written = write(tar);
  const first = new Promise<void>((resolve) => tar.once("readable", resolve));
  await Promise.race([first, written]);
  response.writeHead(200, { "content-type": "application/x-tar" });
  const guard = limitIdleReader(response, idleMs, () => idleError("Cannot send the tar: its reader took nothing"));
  const [work, sent] = await Promise.allSettled([written, pipeline(tar, guard, response)]);
  if (work.status === "rejected") throw work.reason;
  if (sent.status === "rejected") throw sent.reason;
}
