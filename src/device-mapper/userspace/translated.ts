import { ControlError } from "../../block-device/control-message.ts";
import { errorCode } from "../../linux/system-error.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";

/** Waits for work whose failures are to be a device mapper's. */
export async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw asDeviceMapperError(error);
  }
}

/** The same failure as a device mapper's, where it has a code. */
export function asDeviceMapperError(error: unknown): unknown {
  if (error instanceof DeviceMapperError || !(error instanceof Error)) return error;
  const code = errorCode(error);
  const done = error instanceof ControlError ? error.done : undefined;
  if (error instanceof ControlError || code !== undefined) {
    return new DeviceMapperError(code ?? "EIO", error.message, { done });
  }
  return error;
}
