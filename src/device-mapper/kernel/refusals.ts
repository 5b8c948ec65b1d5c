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

/**
 * The kernel does not tell when it carried a message out and could not commit it; but then the pool writes no more.
 *
 * @param status the pool's, after the message
 * @throws DeviceMapperError EIO
 */
export function requireCommitted(name: string, message: string, status: string): void {
  const [, , , transaction, , , , mode] = status.split(" ");
  if (transaction !== "Fail" && mode !== "ro") return;
  const now = transaction === "Fail" ? "has failed" : "is read-only";
  throw new DeviceMapperError(
    "EIO",
    `Cannot send '${message}' to '${name}': the pool could not commit it, and ${now} now; see its status`,
  );
}

/**
 * Any other refusal.
 *
 * @param suspicion what is known to be wrong: the kernel's error number says little then, and is not always a fitting one
 */
export function refused(what: string, error: unknown, suspicion?: string): DeviceMapperError {
  if (error instanceof DeviceMapperError) return error;
  if (suspicion !== undefined) return new DeviceMapperError("EINVAL", `Cannot ${what}: ${suspicion}`);
  const why = error instanceof Error ? error.message.replace(/^Cannot [^:]*: /, "") : String(error);
  return new DeviceMapperError(
    errorCode(error) ?? "EIO",
    `Cannot ${what}: ${why}. The kernel's log (dmesg) may say more`,
  );
}
