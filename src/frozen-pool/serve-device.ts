import { writeSync } from "node:fs";
import { ControlFile } from "../block-device/control-file.ts";
import { ExportedFiles } from "../block-device/exported-files.ts";
import { FuseChannel } from "../block-device/fuse-channel.ts";
import { FuseServer, type Schedule } from "../block-device/fuse-server.ts";
import { formatReport } from "../block-device/ready-report.ts";
import { waitReadable } from "../linux/poll.ts";
import { errorCode } from "../linux/system-error.ts";
import { FrozenPool } from "./frozen-pool.ts";
import type { KeeperTask } from "./mount-frozen.ts";
import { OverlayVolume } from "./overlay-volume.ts";

/** The name of the device's file in the FUSE mount. */
export const deviceFile = "device";

const LOOK_EVERY_MS = 500;
const STDIN = 0;
const STDOUT = 1;

/** Serves a device until its mount is gone, or the keeper is. */
export function serveDevice({ deviceId, sizeBytes, ...files }: KeeperTask, fuseFd: number): void {
  let volume: OverlayVolume;
  let blockSizeBytes: number;
  try {
    const pool = FrozenPool.open(files);
    blockSizeBytes = pool.blockBytes;
    volume = new OverlayVolume(pool.volume(deviceId, sizeBytes));
  } catch (error) {
    writeSync(STDOUT, formatReport({ error: { code: errorCode(error) ?? "EIO", message: (error as Error).message } }));
    return;
  }
  const exported = new ExportedFiles();
  exported.add({ name: deviceFile, volume, sizeBytes });
  const server = new FuseServer({
    channel: new FuseChannel(fuseFd),
    files: exported,
    control: new ControlFile(() => ""),
    schedule: untilKeeperEnds(),
    blockSizeBytes,
    onLastClose: () => undefined,
  });
  writeSync(STDOUT, formatReport({ ok: true }));
  server.run();
}

/** Ends this process when the keeper, which never writes, has closed its end of standard input. */
function untilKeeperEnds(): Schedule {
  let next = 0;
  return {
    retryGeneration: 0,
    nextDeadlineMs: () => next,
    tick(nowMs) {
      if (waitReadable(STDIN, 0)) process.exit(1);
      next = nowMs + LOOK_EVERY_MS;
    },
  };
}
