import { errorCode } from "../../linux/system-error.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";

/** What the kernel's error numbers mean when a thin pool refuses a message. */
const meanings: Partial<Record<string, string>> = {
  EEXIST: "there is a thin device of that id",
  ENODATA: "there is no thin device of that id",
  EBUSY: "it is in use",
  EINVAL: "the pool knows no such message, or one of its numbers is wrong",
  EOPNOTSUPP: "the pool is read-only or failed; see its status",
  ENOSPC: "the pool's metadata device is full",
  ENXIO: "there is no device of that name",
};

/** The kernel's refusal of a message. */
export function refusedMessage(name: string, message: string, error: unknown): DeviceMapperError {
  const code = errorCode(error) ?? "EIO";
  const why = code === "EBUSY" && message.startsWith("reserve_metadata_snap") ? "there is one already" : meanings[code];
  return new DeviceMapperError(code, `Cannot send '${message}' to '${name}': ${why ?? "the kernel refused"} (${code})`);
}

/** Any other refusal. */
export function refused(what: string, error: unknown, hint = ""): DeviceMapperError {
  if (error instanceof DeviceMapperError) return error;
  const code = errorCode(error) ?? "EIO";
  const why = error instanceof Error ? error.message.replace(/^Cannot [^:]*: /, "") : String(error);
  return new DeviceMapperError(code, `Cannot ${what}: ${why}${hint}`);
}
