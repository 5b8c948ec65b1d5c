import { closeSync, fdatasyncSync, openSync, readSync, writevSync } from "node:fs";
import { deviceSizeBytes } from "../linux/block-device.ts";
import { blockBytes } from "./block.ts";
import { MetadataError } from "./metadata-error.ts";

/** Where metadata blocks are kept. Tests put recorders and failing devices behind it. */
export interface BlockFile {
  readonly readOnly: boolean;
  /** Whole blocks the device has now. */
  sizeBlocks(): number;
  read(block: number, into: Uint8Array): void;
  /** Writes consecutive blocks. */
  write(firstBlock: number, blocks: readonly Uint8Array[]): void;
  /** Returns when everything written has reached the medium. */
  flush(): void;
  close(): void;
}

function failed(what: string, path: string, block: number, cause: unknown): MetadataError {
  const code = (cause as NodeJS.ErrnoException).code ?? "EIO";
  return new MetadataError(code, `Cannot ${what} metadata block ${block} of ${path}: ${(cause as Error).message}`, {
    block,
    cause,
  });
}

/** Opens a file or block device of metadata blocks. */
export function openBlockFile(path: string, options: { readOnly?: boolean } = {}): BlockFile {
  const readOnly = options.readOnly ?? false;
  const fd = openSync(path, readOnly ? "r" : "r+");
  return {
    readOnly,
    sizeBlocks: () => Math.floor(deviceSizeBytes(fd) / blockBytes),
    read(block, into) {
      let done = 0;
      try {
        while (done < blockBytes) {
          const got = readSync(fd, into, done, blockBytes - done, block * blockBytes + done);
          if (got === 0) throw Object.assign(new Error("it lies beyond the end"), { code: "EIO" });
          done += got;
        }
      } catch (error) {
        throw failed("read", path, block, error);
      }
    },
    write(firstBlock, blocks) {
      try {
        const position = firstBlock * blockBytes;
        let done = writevSync(fd, blocks, position);
        // A short write is rare (a full disk, a signal): finish it block by block, and let the error speak.
        while (done < blocks.length * blockBytes) {
          const rest = blocks[Math.floor(done / blockBytes)].subarray(done % blockBytes);
          done += writevSync(fd, [rest], position + done);
        }
      } catch (error) {
        throw failed("write", path, firstBlock, error);
      }
    },
    flush() {
      try {
        fdatasyncSync(fd);
      } catch (error) {
        throw new MetadataError("EIO", `Cannot flush the metadata in ${path}: ${(error as Error).message}`, {
          cause: error,
        });
      }
    },
    close: () => closeSync(fd),
  };
}
