// For the server's test: serves one flat file, as `node flat-file-server.ts FILE MOUNTPOINT`.
import { fstatSync, openSync, readSync, writeSync, fsyncSync } from "node:fs";
import { punchHole, zeroRange } from "../linux/fallocate.ts";
import { mount } from "../linux/mount.ts";
import { seek } from "../linux/seek.ts";
import { ControlFile } from "./control-file.ts";
import { ExportedFiles } from "./exported-files.ts";
import { FuseChannel } from "./fuse-channel.ts";
import { fuseMountData } from "./fuse-mount.ts";
import { FuseServer } from "./fuse-server.ts";
import { NOT_NOW, type ServedVolume } from "./served-volume.ts";

const [path, point] = process.argv.slice(2);
const fd = openSync(path, "r+");
const sizeBytes = fstatSync(fd).size;
const counts = { holes: 0, zeroed: 0, flushes: 0, held: 0 };
let holding = false;

const volume: ServedVolume = {
  read(buffer, bufferOffset, offset, length) {
    readSync(fd, buffer, bufferOffset, length, offset);
    return 0;
  },
  write(buffer, bufferOffset, offset, length) {
    if (holding) return NOT_NOW;
    writeSync(fd, buffer, bufferOffset, length, offset);
    return 0;
  },
  punchHole(offset, length) {
    counts.holes++;
    punchHole(fd, offset, length);
    return 0;
  },
  writeZeroes(offset, length) {
    counts.zeroed++;
    zeroRange(fd, offset, length);
    return 0;
  },
  flush() {
    counts.flushes++;
    fsyncSync(fd);
    return 0;
  },
  seekData: (offset) => seek(fd, offset, "data") ?? sizeBytes,
  seekHole: (offset) => seek(fd, offset, "hole") ?? sizeBytes,
  get allocatedBytes() {
    return fstatSync(fd).blocks * 512;
  },
};

const files = new ExportedFiles();
files.add({
  name: "flat",
  volume,
  sizeBytes,
  place: { slot: 0, generation: 7 },
});
const schedule = { nextDeadlineMs: () => Infinity, tick: () => undefined, retryGeneration: 0 };
const control: ControlFile = new ControlFile((_id, text): string => {
  if (text === "counts") return JSON.stringify({ ...counts, held: server.heldRequests });
  if (text.startsWith("hold ")) {
    holding = text === "hold on";
    schedule.retryGeneration++;
  }
  return `answer to ${text}`;
});
const fuse = openSync("/dev/fuse", "r+");
mount("mica-test", point, "fuse", 0, fuseMountData(fuse));
const channel = new FuseChannel(fuse);
const server: FuseServer = new FuseServer({
  channel,
  files,
  control,
  schedule,
  blockSizeBytes: 65536,
  onLastClose: () => undefined,
});
writeSync(1, "ready\n");
server.run();
